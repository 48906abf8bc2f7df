//! `createS3ObjectStorage(options)`

use std::sync::Arc;

use super::asked::asked;
use super::kinds::bucket;
use crate::error::Result;
use crate::node::options::Options;
use crate::node::value::{Call, Value};
use crate::store::s3::{CredentialSource, Credentials, S3Objects};
use crate::transport::client::Connections;

/// `createS3ObjectStorage(options)`
pub fn create_s3_object_storage<'s>(call: &Call<'s>, options: &Options<'s>) -> Result<Value<'s>> {
    let source = match options.string("credentials")? {
        Some(json) => CredentialSource::Fixed(Credentials::from_json(&json)?),
        None => match options.function("credentials")? {
            Some(function) => {
                let ask = asked(call, function, "credentials")?;
                CredentialSource::Asked(Arc::new(move || {
                    let answer = ask();
                    Box::pin(async move { Credentials::from_json(&answer.await?) })
                }))
            }
            None => CredentialSource::Fixed(Credentials::from_json("{}")?),
        },
    };
    let clients = Arc::new(Connections::of_process());
    let store = S3Objects::open(options.data()?, source, clients)?;
    bucket(call, options, Arc::new(store))
}
