//! `createS3ObjectStorage(options)`

use std::sync::Arc;

use super::asked::asked;
use super::kinds::bucket;
use crate::error::{Error, Result};
use crate::node::options::Options;
use crate::node::value::{Call, Value};
use crate::store::s3::{CredentialSource, Credentials, S3Objects, S3Options};
use crate::transport::client::Connections;

/// `createS3ObjectStorage(options)`
pub fn create_s3_object_storage<'s>(call: &Call<'s>, options: &Options<'s>) -> Result<Value<'s>> {
    let text = |name| Ok::<_, Error>(options.string(name)?.unwrap_or_default());
    let place = S3Options {
        bucket: text("bucket")?,
        endpoint: options.string("endpoint")?,
        region: text("region")?,
        key_prefix: text("keyPrefix")?,
        force_path_style: options.flag("forcePathStyle", false)?,
        part_size: options.count("partSize", S3Options::PART_SIZE)?,
        timeout: options.time("timeoutMs", Some(S3Options::TIMEOUT))?,
    };
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
    let store = S3Objects::open(place, source, clients)?;
    bucket(call, options, Arc::new(store))
}
