//! `createS3ObjectStorage(options)`

use std::rc::Rc;
use std::sync::Arc;

use super::kinds::bucket;
use crate::error::{Error, Result};
use crate::joint::tasks::{EndOfTasks, TaskQueue};
use crate::node::options::Options;
use crate::node::runtime::{await_js, run_tasks_aside, spawn};
use crate::node::value::{Call, Persistent, Value};
use crate::store::Later;
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
            Some(function) => asked(call, function)?,
            None => CredentialSource::Fixed(Credentials::from_json("{}")?),
        },
    };
    let clients = Arc::new(Connections::of_process());
    let store = S3Objects::open(place, source, clients)?;
    bucket(call, options, Arc::new(store))
}

/// The function is asked on its thread, in the context that the storage was made in. What asks keeps the process alive.
fn asked(call: &Call<'_>, function: Persistent) -> Result<CredentialSource> {
    let (queue, tasks) = TaskQueue::new();
    let (env, function) = (Rc::clone(call.env), Rc::new(function));
    spawn(call.scope, async move {
        run_tasks_aside(&env, tasks, function).await
    })?;
    let end = EndOfTasks(queue);
    let ask = move || -> Later<'static, Credentials> {
        let queue = end.0.clone();
        Box::pin(async move { queue.run("credentials", ask).await })
    };
    Ok(CredentialSource::Asked(Arc::new(ask)))
}

async fn ask(function: Rc<Persistent>) -> Result<Credentials> {
    let answer = await_js(
        function.env(),
        "credentials",
        |scope| scope.call(scope.undefined()?, function.value(scope)?, &[]),
        |scope, answer| Ok(scope.as_string(answer).unwrap_or_default()),
    );
    Credentials::from_json(&answer.await?)
}
