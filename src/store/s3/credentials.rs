//! Who asks: fixed credentials, or those of a session that ends, which the app is asked for.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use serde::Deserialize;

use crate::error::{Error, ErrorKind, Result};
use crate::store::Later;
use crate::store::clock::system_ms;

/// A session that ends within this time is taken for one that has ended: a request is signed for its way, too.
const ENDS_SOON_MS: u64 = 60_000;

/// Credentials, and when they end.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// What requests are signed with.
    pub keys: rusty_s3::Credentials,
    /// When they end, in milliseconds since the epoch, if they do.
    pub expires_ms: Option<u64>,
}

/// Where credentials come from.
#[derive(Clone)]
pub enum CredentialSource {
    /// They are always these.
    Fixed(Credentials),
    /// They are asked for when there are none, when they end, and when the server says that they have.
    Asked(Arc<dyn Fn() -> Later<'static, Credentials> + Send + Sync>),
}

impl fmt::Debug for CredentialSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fixed(_) => "Fixed",
            Self::Asked(_) => "Asked",
        })
    }
}

type Asking = Shared<BoxFuture<'static, Result<Arc<Credentials>>>>;

/// Credentials as far as they are known. Whatever waits for new ones at one time waits for one answer.
#[derive(Debug)]
pub(super) struct CredentialCache {
    source: CredentialSource,
    state: Mutex<KnownCredentials>,
}

#[derive(Debug, Default)]
struct KnownCredentials {
    latest: Option<Arc<Credentials>>,
    asking: Option<Asking>,
}

/// What `js/credentials.js` makes of credentials.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Given {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    expires_ms: Option<u64>,
}

impl Credentials {
    /// Those of `{ accessKeyId, secretAccessKey, sessionToken?, expiresMs? }`.
    ///
    /// # Errors
    /// `Internal` if it is another JSON.
    pub fn from_json(json: &str) -> Result<Self> {
        let given: Given = serde_json::from_str(json).map_err(|error| {
            Error::new(ErrorKind::Internal, "credentials", "were not read").caused_by(error)
        })?;
        let (key, secret) = (given.access_key_id, given.secret_access_key);
        Ok(Self {
            keys: match given.session_token {
                Some(token) => rusty_s3::Credentials::new_with_token(key, secret, token),
                None => rusty_s3::Credentials::new(key, secret),
            },
            expires_ms: given.expires_ms,
        })
    }

    /// Credentials that do not end.
    pub fn new(access_key_id: impl Into<String>, secret_access_key: impl Into<String>) -> Self {
        Self {
            keys: rusty_s3::Credentials::new(access_key_id, secret_access_key),
            expires_ms: None,
        }
    }

    fn end_within(&self, ms: u64) -> bool {
        let until = system_ms().saturating_add(ms);
        self.expires_ms.is_some_and(|expires| expires <= until)
    }
}

impl CredentialCache {
    pub(super) fn new(source: CredentialSource) -> Self {
        Self {
            source,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, KnownCredentials> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those to sign with.
    ///
    /// # Errors
    /// That with which the app answers, if those that are known have ended.
    pub(super) async fn get(&self) -> Result<Arc<Credentials>> {
        let asking = {
            let mut state = self.state();
            match &state.latest {
                Some(latest) if !latest.end_within(ENDS_SOON_MS) => return Ok(Arc::clone(latest)),
                _ => {}
            }
            let begin = || self.ask();
            state.asking.get_or_insert_with(begin).clone()
        };
        let answer = asking.clone().await;
        let mut state = self.state();
        if state.asking.as_ref().is_some_and(|now| now.ptr_eq(&asking)) {
            state.asking = None;
            if let Ok(new) = &answer {
                state.latest = Some(Arc::clone(new));
            }
        }
        // Those of before are good to their end.
        let before = state.latest.clone().filter(|latest| !latest.end_within(0));
        answer.or_else(|error| before.ok_or(error))
    }

    fn ask(&self) -> Asking {
        let answer: Later<'static, Credentials> = match &self.source {
            CredentialSource::Fixed(fixed) => {
                let fixed = fixed.clone();
                async move { Ok(fixed) }.boxed()
            }
            CredentialSource::Asked(ask) => ask(),
        };
        async move { answer.await.map(Arc::new) }.boxed().shared()
    }

    /// The server says that these have ended. Returns whether others can be had.
    pub(super) fn forget(&self, ended: &Arc<Credentials>) -> bool {
        let mut state = self.state();
        if state
            .latest
            .as_ref()
            .is_some_and(|latest| Arc::ptr_eq(latest, ended))
        {
            state.latest = None;
        }
        matches!(self.source, CredentialSource::Asked(_))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::error::{Error, ErrorKind};

    type Answer = fn(usize) -> Result<Option<u64>>;

    /// A cache over a function that answers `answer` of how often it was asked, and that count.
    fn asked(answer: Answer) -> (CredentialCache, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&count);
        let ask = move || -> Later<'static, Credentials> {
            let number = counter.fetch_add(1, Ordering::SeqCst);
            async move {
                tokio::task::yield_now().await;
                answer(number).map(|expires_ms| Credentials {
                    keys: rusty_s3::Credentials::new(number.to_string(), "s"),
                    expires_ms,
                })
            }
            .boxed()
        };
        (
            CredentialCache::new(CredentialSource::Asked(Arc::new(ask))),
            count,
        )
    }

    #[tokio::test]
    async fn all_that_wait_get_one_answer_and_it_is_kept() {
        let (cache, count) = asked(|_| Ok(None));
        let (a, b, c) = tokio::join!(cache.get(), cache.get(), cache.get());
        assert!(Arc::ptr_eq(&a.unwrap(), &b.unwrap()));
        let latest = c.unwrap();
        assert!(Arc::ptr_eq(&latest, &cache.get().await.unwrap()));
        assert_eq!(count.load(Ordering::SeqCst), 1);
        assert!(cache.forget(&latest));
        assert_eq!(cache.get().await.unwrap().keys.key(), "1");
        assert!(cache.forget(&latest), "that of before is not the latest");
        assert_eq!(cache.get().await.unwrap().keys.key(), "1");
    }

    #[tokio::test]
    async fn what_ends_soon_is_asked_for_again_and_good_to_its_end() {
        let (cache, count) = asked(|number| match number {
            0 => Ok(Some(system_ms() + 30_000)),
            _ => Err(Error::new(ErrorKind::Io, "test", "none today")),
        });
        for _ in 0..3 {
            assert_eq!(cache.get().await.unwrap().keys.key(), "0");
        }
        assert_eq!(count.load(Ordering::SeqCst), 3);
        let (ended, _) = asked(|number| match number {
            0 => Ok(Some(1)),
            _ => Err(Error::new(ErrorKind::Io, "test", "none today")),
        });
        ended.get().await.unwrap();
        assert!(ended.get().await.is_err());
    }
}
