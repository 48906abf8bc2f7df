//! `createHttpObjectStorage(options)`

use std::rc::Rc;
use std::sync::Arc;

use super::callbacks::App;
use super::fetching::{Asked, Fetch, Fetched, Sent, Wanted};
use super::files::{NativeFiles, collect};
use crate::binding::error::must_be;
use crate::binding::executor::{IntoJs, on_threads, spawn, spawn_traced};
use crate::binding::js::{Call, Kept, Key, Realm, Scope, Value, bound, enter, mark};
use crate::binding::known_options::HTTP_OBJECT_STORAGE;
use crate::binding::options::Options;
use crate::binding::stores::key_arg;
use crate::engine::ports::Blobs;
use crate::error::{Error, ErrorKind, Network, Reason, Result};
use crate::protocol::text::Text;
use crate::transport::client::{
    DEFAULT_FILE_TIMEOUT, DEFAULT_MAX_ANSWER_BYTES, Failure, HEALTH_PATH, Head, Peer, file_path,
    pause, repeat,
};

/// Files of a peer, over a `fetch` of the app's.
struct FetchFiles {
    app: Rc<App>,
    fetch: Fetch,
}

enum Files {
    Native(Rc<NativeFiles>),
    Fetch(FetchFiles),
}

/// `createHttpObjectStorage(options)`
pub fn create_http_object_storage<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let (scope, realm) = (call.scope, call.realm);
    let options = Options::new(scope, realm, call.arg(0), &HTTP_OBJECT_STORAGE)?;
    let app = Rc::new(App::new(&options, call.arg(0))?);
    let mut native = None;
    let files = if let Some(function) = options.function("fetch")? {
        Files::Fetch(FetchFiles {
            app,
            fetch: Fetch {
                function,
                timeout: options.timeout(None)?,
                max_answer_bytes: DEFAULT_MAX_ANSWER_BYTES,
            },
        })
    } else {
        let timeout = options.timeout(Some(DEFAULT_FILE_TIMEOUT))?;
        let client = Arc::new(app.client(timeout, DEFAULT_MAX_ANSWER_BYTES));
        let files = Rc::new(NativeFiles(Peer {
            client,
            retries: app.retries,
            caller: app,
        }));
        native = Some(Rc::clone(&files));
        Files::Native(files)
    };
    let files = Rc::new(files);
    let object = scope.object()?;
    for (name, body) in METHODS {
        let files = Rc::clone(&files);
        let method = bound(scope, realm, name, options.array(), move |call| {
            body(call, &files)
        })?;
        scope.set_named(object, name, method)?;
    }
    // A storage over the app's `fetch` is called like any of the app's.
    if let Some(native) = native {
        mark(scope, realm, object, native)?;
    }
    Ok(object)
}

type Method = for<'c> fn(&Call<'c>, &Rc<Files>) -> Result<Value<'c>>;

const METHODS: &[(&str, Method)] = &[
    ("init", |call, _| {
        spawn(call.scope, call.realm, async { Ok(()) })
    }),
    ("close", |call, _| {
        spawn(call.scope, call.realm, async { Ok(()) })
    }),
    ("healthCheck", |call, files| {
        running(call, files, Ok(()), async |files, ()| {
            files.is_healthy().await
        })
    }),
    ("put", put),
    ("get", |call, files| {
        running(
            call,
            files,
            key_arg(call, "get(key)"),
            async |files, key| files.get(&key).await,
        )
    }),
    ("has", |call, files| {
        running(
            call,
            files,
            key_arg(call, "has(key)"),
            async |files, key| files.has(&key).await,
        )
    }),
    ("delete", |call, files| {
        running(
            call,
            files,
            key_arg(call, "delete(key)"),
            async |files, key| files.delete(&key).await,
        )
    }),
    ("list", |call, _| {
        spawn(call.scope, call.realm, async {
            Err::<(), _>(Error::new(
                ErrorKind::InvalidArgument,
                "list",
                "an object storage over HTTP cannot list its keys; keep the keys in records",
            ))
        })
    }),
];

/// Does `work` and answers the promise of it. What is wrong with the arguments rejects the promise.
fn running<'s, A: 'static, T: IntoJs>(
    call: &Call<'s>,
    files: &Rc<Files>,
    arguments: Result<A>,
    work: impl AsyncFnOnce(&Files, A) -> Result<T> + 'static,
) -> Result<Value<'s>> {
    let files = Rc::clone(files);
    let entered = enter(call)?;
    spawn_traced(call.scope, call.realm, async move {
        let _entered = entered;
        work(&files, arguments?).await
    })
}

fn put<'s>(call: &Call<'s>, files: &Rc<Files>) -> Result<Value<'s>> {
    let arguments = || -> Result<_> {
        let (scope, options) = (call.scope, call.arg(2));
        let content_type = if scope.is_nullish(options)? {
            None
        } else {
            scope.as_text(scope.get(call.realm, options, Key::ContentType)?)
        };
        let data = call.realm.keep(scope, call.arg(1))?;
        Ok((key_arg(call, "put(key)")?, data, content_type))
    };
    running(
        call,
        files,
        arguments(),
        async |files, (key, data, content_type)| {
            let content_type = content_type.map(|text| text.to_string());
            files.put(&key, data, content_type.as_deref()).await
        },
    )
}

impl Files {
    /// A peer that cannot be reached is not well.
    async fn is_healthy(&self) -> Result<bool> {
        let (healthy, unreachable) = match self {
            Self::Native(files) => (files.0.is_healthy().await, ErrorKind::Sync),
            Self::Fetch(files) => {
                let asked = files.ask("GET", HEALTH_PATH, Wanted::Nothing).await;
                (asked.map(|answer| answer.is_some()), ErrorKind::Foreign)
            }
        };
        healthy.or_else(|error| match error.kind() {
            kind if kind == ErrorKind::Sync || kind == unreachable => Ok(false),
            _ => Err(error),
        })
    }

    async fn has(&self, key: &Text) -> Result<bool> {
        match self {
            Self::Native(files) => files.0.has(key).await,
            Self::Fetch(files) => {
                let answer = files.ask("HEAD", &file_path(key)?, Wanted::Nothing).await?;
                Ok(answer.is_some())
            }
        }
    }

    async fn delete(&self, key: &Text) -> Result<()> {
        match self {
            Self::Native(files) => files.0.delete(key).await,
            Self::Fetch(files) => {
                files
                    .ask("DELETE", &file_path(key)?, Wanted::Nothing)
                    .await?;
                Ok(())
            }
        }
    }

    async fn get(&self, key: &Text) -> Result<Found> {
        match self {
            Self::Native(files) => {
                let Some(object) = files.0.get(key).await? else {
                    return Ok(Found(None));
                };
                let content_type = object.content_type.clone();
                let realm = files.0.caller.realm();
                let bytes = on_threads(realm, collect(object)).await?;
                let data = realm.scope(|scope| realm.keep(scope, scope.bytes(&bytes)?))?;
                Ok(Found(Some((data, bytes.len() as u64, content_type))))
            }
            Self::Fetch(files) => {
                let path = file_path(key)?;
                let fetched = files.ask("GET", &path, Wanted::File).await?;
                let Some(fetched) = fetched else {
                    return Ok(Found(None));
                };
                let status = fetched.status;
                let whole = files.whole(fetched).map_err(|error| {
                    let failure = Failure::from(error).answered(status);
                    failure.at(&files.app.base_url, &path).error
                })?;
                Ok(Found(Some(whole)))
            }
        }
    }

    async fn put(&self, key: &Text, data: Kept, content_type: Option<&str>) -> Result<()> {
        let realm = data.realm();
        let bytes = realm.scope(|scope| {
            let data = data.value(scope)?;
            let got = || scope.describe_kind(data);
            let bytes = scope.as_bytes(data);
            bytes.ok_or_else(|| must_be("put(data)", "a Uint8Array", &got()))
        })?;
        match self {
            Self::Native(files) => files.0.put_bytes(key, bytes.into(), content_type).await,
            Self::Fetch(files) => files.put(&file_path(key)?, &data, content_type).await,
        }
    }
}

/// An object's bytes, how many they are, and the content type.
type Whole = (Kept, u64, Option<String>);

impl FetchFiles {
    async fn ask(
        &self,
        method: &'static str,
        path: &str,
        wanted: Wanted,
    ) -> Result<Option<Fetched>> {
        let head = Head::bare(method, path);
        repeat(
            self.app.retries,
            async |_| {
                let headers = self.app.headers(&head).await?;
                let asked = Asked {
                    method,
                    path,
                    headers: &headers,
                    body: None,
                    wanted,
                };
                self.fetch.send(&self.app, asked).await
            },
            async |how_long| pause(&self.app, how_long).await,
        )
        .await
    }

    async fn put(&self, path: &str, data: &Kept, content_type: Option<&str>) -> Result<()> {
        let head = Head {
            content_type: content_type.map(ToOwned::to_owned),
            ..Head::put(path)
        };
        let put = repeat(
            self.app.retries,
            async |_| {
                let headers = self.app.headers(&head).await?;
                let asked = Asked {
                    method: "PUT",
                    path,
                    headers: &headers,
                    body: Some(Sent::Bytes(data)),
                    wanted: Wanted::Nothing,
                };
                self.fetch.send(&self.app, asked).await
            },
            async |how_long| pause(&self.app, how_long).await,
        );
        put.await?;
        Ok(())
    }

    /// What was fetched, if it is all that was announced.
    fn whole(&self, fetched: Fetched) -> Result<Whole> {
        let bytes = self
            .app
            .realm()
            .scope(|scope| Ok(scope.as_bytes(fetched.data.value(scope)?)))?
            .ok_or_else(|| Error::sync("fetch an object", "the answer has no bytes"))?;
        let size = bytes.len() as u64;
        match fetched.announced {
            Some(announced) if announced != size => Err(Error::sync(
                "fetch an object",
                format!("{announced} bytes were announced and {size} came; try again"),
            )
            .of_request(Network::new(Reason::Closed))),
            _ => Ok((fetched.data, size, fetched.content_type)),
        }
    }
}

/// An object that was asked for.
struct Found(Option<Whole>);

impl IntoJs for Found {
    fn into_js<'s>(self, scope: Scope<'s>, realm: &Rc<Realm>) -> Result<Value<'s>> {
        let Some((data, size, content_type)) = self.0 else {
            return scope.null();
        };
        let object = scope.object()?;
        scope.set(realm, object, Key::Data, data.value(scope)?)?;
        if let Some(content_type) = &content_type {
            scope.set(realm, object, Key::ContentType, scope.text(content_type)?)?;
        }
        scope.set_named(object, "size", scope.count(size)?)?;
        Ok(object)
    }
}
