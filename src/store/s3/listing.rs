//! Keys are listed.

use rusty_s3::Method;
use rusty_s3::actions::ListObjectsV2;
use rusty_s3::actions::list_objects_v2::ListObjectsV2Response;

use super::fault::S3Fault;
use super::request::S3Request;
use super::{S3Bucket, S3Objects};
use crate::error::Result;
use crate::store::Listing;

/// S3 answers no more keys at one time.
const MOST_KEYS: usize = 1000;

impl S3Objects {
    /// The keys that begin with `prefix` and come after `cursor`: at most `limit`, or all.
    pub async fn list(
        &self,
        prefix: &str,
        limit: Option<usize>,
        cursor: Option<String>,
    ) -> Result<Listing> {
        const OPERATION: &str = Listing::OPERATION;
        Listing::check_limit(limit)?;
        let inner = &self.inner;
        let _inside = inner.gate.enter(OPERATION)?;
        let mut listing = Listing::default();
        let mut after = cursor.unwrap_or_default();
        loop {
            let left = limit.map_or(MOST_KEYS, |limit| limit - listing.keys.len());
            let page = inner
                .list_page(OPERATION, prefix, &after, left.min(MOST_KEYS))
                .await;
            let page = page.map_err(|fault| fault.error)?;
            let own = |key: String| key.strip_prefix(&inner.key_prefix).map(ToOwned::to_owned);
            let count = page.contents.len();
            let keys = page.contents.into_iter().filter_map(|found| own(found.key));
            listing.keys.extend(keys.filter(|key| *key > after));
            let has_more = page.next_continuation_token.is_some();
            let is_full = limit.is_some_and(|limit| listing.keys.len() >= limit);
            match listing.keys.last() {
                Some(last) if has_more && is_full => {
                    listing.next_cursor = Some(last.clone());
                    listing.has_more = true;
                    return Ok(listing);
                }
                Some(last) if has_more && count > 0 && *last > after => after.clone_from(last),
                _ => return Ok(listing),
            }
        }
    }
}

impl S3Bucket {
    /// One page of the keys that begin with `prefix` and come after `after`.
    ///
    /// XML cannot hold every character of a key. Where what comes is none, it is asked for again with the keys encoded,
    /// which not every server does that says so.
    pub(super) async fn list_page(
        &self,
        operation: &'static str,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<ListObjectsV2Response, S3Fault> {
        let mut plain = S3Request::of_bucket(operation, Method::Get)
            .asking("list-type", "2")
            .asking("max-keys", limit.to_string())
            .asking("prefix", format!("{}{prefix}", self.key_prefix));
        if !after.is_empty() {
            plain = plain.asking("start-after", format!("{}{after}", self.key_prefix));
        }
        let (_, text) = self.ask(&plain).await?;
        if let Ok(page) = ListObjectsV2::parse_response(&text) {
            return Ok(page);
        }
        let encoded = plain.asking("encoding-type", "url");
        let (_, text) = self.ask(&encoded).await?;
        ListObjectsV2::parse_response(&text).map_err(|error| {
            let what = format!("does not list keys as S3 does ({error})");
            S3Fault::malformed(&what, &encoded, &self.bucket)
        })
    }
}
