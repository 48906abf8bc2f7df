//! As [`presign`](super::presign), over a `fetch` that is not this package's own.

use super::presign::Detour;
use super::{Caller, Head, Headers};
use crate::error::Result;

/// Where a file goes or comes from, and the request that it takes.
pub(super) struct WayOfFetch {
    pub(super) base_url: String,
    pub(super) head: Head,
    /// Those of a url. The app is asked for others.
    own: Option<Headers>,
}

impl WayOfFetch {
    /// Through the peer itself.
    pub(super) fn through(base_url: &str, head: Head) -> Self {
        Self {
            base_url: base_url.to_owned(),
            head,
            own: None,
        }
    }

    /// By the url that the peer at `base_url` has answered.
    pub(super) fn by(answer: &[u8], base_url: &str, head: Head) -> Result<Self> {
        let detour = Detour::read(answer, base_url)?;
        Ok(Self {
            base_url: detour.base_url,
            head: Head {
                path: detour.path,
                ..head
            },
            own: Some(detour.headers),
        })
    }

    /// The headers of a try.
    pub(super) async fn headers(&self, caller: &impl Caller) -> Result<Headers> {
        let Some(own) = &self.own else {
            return caller.headers(&self.head).await;
        };
        let mut headers = own.clone();
        if let Some(content_type) = &self.head.content_type
            && !headers.has("Content-Type")
        {
            headers.set("Content-Type", content_type.as_str());
        }
        Ok(headers)
    }
}
