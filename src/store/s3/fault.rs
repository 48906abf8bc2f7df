//! Why a request failed, whether it is worth another try, and what to do.

use std::time::{Duration, SystemTime};

use reqwest::header::{DATE, HeaderMap};
use rusty_s3::Bucket;

use super::request::S3Request;
use crate::error::{Error, ErrorKind, Network, Reason, one_line};

/// S3 takes no request whose time is off by more than 15 minutes; what is off by this much is wrong in any case.
const CLOCK_IS_OFF: Duration = Duration::from_secs(5 * 60);

/// What S3 says when the clocks are too far apart.
const SKEWED: &str = "RequestTimeTooSkewed";

/// The most characters of what a server says.
const SHOWN: usize = 400;

/// See the [module page](self).
#[derive(Debug, Clone)]
pub(super) struct S3Fault {
    pub(super) error: Error,
    /// The status, 0 if there was no answer.
    pub(super) status: u16,
    /// The code of S3, empty if none came.
    pub(super) code: String,
    /// Whether the same request may succeed in a while.
    pub(super) may_pass: bool,
}

impl From<Error> for S3Fault {
    /// What no server has to do with.
    fn from(error: Error) -> Self {
        Self {
            error,
            status: 0,
            code: String::new(),
            may_pass: false,
        }
    }
}

/// What a refusal says of itself.
#[derive(Debug, Default)]
pub(super) struct S3Refusal {
    status: u16,
    code: String,
    message: String,
    /// The region of the bucket, if it is said.
    region: Option<String>,
    /// The seconds that the server's clock is ahead of this machine's, if it says its time.
    ahead: Option<i64>,
}

impl S3Refusal {
    /// Of an answer with this body.
    pub(super) fn new(status: u16, headers: &HeaderMap, body: &str) -> Self {
        let header = |name: &str| headers.get(name)?.to_str().ok().map(ToOwned::to_owned);
        let cut = |text: String| one_line(text.chars().take(SHOWN).collect());
        Self {
            status,
            code: element(body, "Code").map(cut).unwrap_or_default(),
            message: element(body, "Message").map(cut).unwrap_or_default(),
            region: header("x-amz-bucket-region").or_else(|| element(body, "Region")),
            ahead: header(DATE.as_str()).and_then(|date| seconds_ahead(&date)),
        }
    }
}

impl S3Fault {
    /// A refusal of `request`.
    pub(super) fn refused(said: S3Refusal, request: &S3Request, bucket: &Bucket) -> Self {
        let off = said.ahead.filter(|ahead| {
            said.status == 403 && Duration::from_secs(ahead.unsigned_abs()) > CLOCK_IS_OFF
        });
        let code = match off {
            Some(_) => SKEWED.to_owned(),
            None => said.code,
        };
        let may_pass = may_pass(said.status, &code);
        let advice = match (code.as_str(), off) {
            (SKEWED, _) => clock_advice(said.ahead),
            (code, _) => advice(code, said.region.as_deref(), bucket, may_pass),
        };
        let line = [said.status.to_string(), code.clone(), said.message];
        let line: Vec<_> = line
            .iter()
            .filter(|part| !part.is_empty())
            .cloned()
            .collect();
        let line = line.join(" ");
        let message = format!(
            "{} {}: {advice} ({})",
            request.method.to_str(),
            shown(request, bucket),
            line
        );
        let network = Network {
            status: Some(said.status),
            retryable: may_pass,
            peer_code: Some(code.clone()).filter(|code| !code.is_empty()),
            url: shown(request, bucket),
            ..Network::new(Reason::Status)
        };
        let error = Error::new(kind(&code), request.operation, message).of_request(network);
        Self {
            error,
            status: said.status,
            code,
            may_pass,
        }
    }

    /// A request that got no answer, or half of one.
    pub(super) fn unanswered(error: Error, request: &S3Request, bucket: &Bucket) -> Self {
        let may_pass = error.network().is_some_and(|network| network.retryable);
        let network = Network {
            url: shown(request, bucket),
            ..error
                .network()
                .cloned()
                .unwrap_or_else(|| Network::new(Reason::Closed))
        };
        let kind = match error.kind() {
            ErrorKind::Sync => ErrorKind::ObjectStore,
            kind => kind,
        };
        Self {
            may_pass,
            ..error.as_kind(kind).of_request(network).into()
        }
    }

    /// Nothing moved for too long. Another try would take as long.
    pub(super) fn late(patience: Duration, request: &S3Request, bucket: &Bucket) -> Self {
        let what = format!(
            "{} did not answer within {} ms; try again, or allow more with timeoutMs",
            bucket.base_url(),
            patience.as_millis(),
        );
        let error = Error::new(ErrorKind::ObjectStore, request.operation, what);
        let fault = Self::unanswered(
            error.of_request(Network::new(Reason::Timeout)),
            request,
            bucket,
        );
        Self {
            may_pass: false,
            ..fault
        }
    }

    /// An answer that nothing can be made of.
    pub(super) fn malformed(what: &str, request: &S3Request, bucket: &Bucket) -> Self {
        let message = format!(
            "what answers at {} {what}; check `endpoint`",
            bucket.base_url()
        );
        let network = Network {
            url: shown(request, bucket),
            ..Network::new(Reason::Malformed)
        };
        let error = Error::new(ErrorKind::ObjectStore, request.operation, message);
        error.of_request(network).into()
    }

    /// Whether the server answered.
    pub(super) fn is_answer(&self) -> bool {
        self.status != 0
    }

    /// Whether the session of the credentials has ended.
    pub(super) fn has_ended(&self) -> bool {
        matches!(
            self.code.as_str(),
            "ExpiredToken" | "TokenRefreshRequired" | "InvalidToken"
        )
    }

    /// Whether there is no such object, or none that this caller may know of. A `HEAD` says no more than its status.
    pub(super) fn is_absence(&self) -> bool {
        matches!(
            (self.status, self.code.as_str()),
            (404, "NoSuchKey" | "") | (403, "AccessDenied")
        )
    }

    /// Whether there is an object already, where there must be none.
    pub(super) fn is_occupied(&self) -> bool {
        self.status == 412
    }
}

/// The error of an upload that is to go on where none was kept.
pub(super) fn begins_elsewhere(offset: u64) -> Error {
    let what = format!(
        "nothing is kept of an upload that broke off, got one from byte {offset} on; send it from 0"
    );
    Error::new(ErrorKind::InvalidArgument, "put an object", what)
}

fn kind(code: &str) -> ErrorKind {
    match code {
        "KeyTooLongError" => ErrorKind::InvalidKey,
        "QuotaExceeded" | "XMinioStorageFull" => ErrorKind::StorageFull,
        _ => ErrorKind::ObjectStore,
    }
}

fn may_pass(status: u16, code: &str) -> bool {
    const BRIEF: [&str; 9] = [
        "SlowDown",
        "InternalError",
        "ServiceUnavailable",
        "RequestTimeout",
        "OperationAborted",
        "ConditionalRequestConflict",
        // What arrived is not what was sent.
        "BadDigest",
        "XAmzContentChecksumMismatch",
        "IncompleteBody",
    ];
    matches!(status, 429 | 500 | 502..=504) || BRIEF.contains(&code)
}

fn advice(code: &str, region: Option<&str>, bucket: &Bucket, may_pass: bool) -> String {
    let name = bucket.name();
    match code {
        "NoSuchBucket" => format!("there is no bucket {name:?}; create it, or correct `bucket` and `endpoint`"),
        "AccessDenied" | "AllAccessDisabled" => format!(
            "the credentials are not allowed this in the bucket {name:?}; correct `bucket`, or allow them s3:GetObject, \
             s3:PutObject, s3:DeleteObject, s3:ListBucket and s3:AbortMultipartUpload"
        ),
        "SignatureDoesNotMatch" => {
            "the secret is not that of the access key; correct `credentials.secretAccessKey`".to_owned()
        }
        "InvalidAccessKeyId" => "there is no such access key; correct `credentials.accessKeyId`".to_owned(),
        "ExpiredToken" | "TokenRefreshRequired" | "InvalidToken" => {
            "the session of the credentials has ended; give a function as `credentials`, which answers new ones".to_owned()
        }
        "PermanentRedirect" | "TemporaryRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" => {
            let is = region.map(|region| format!(" {region:?}")).unwrap_or_default();
            format!("the bucket {name:?} is in another region{is}; correct `region` and `endpoint`")
        }
        "InvalidBucketName" => format!("{name:?} is no name of a bucket; correct `bucket`"),
        "KeyTooLongError" => "the key is too long; use a shorter one".to_owned(),
        "QuotaExceeded" | "XMinioStorageFull" => "the server's storage is full; make room there".to_owned(),
        "NoSuchUpload" => "the upload is over already; put the object again".to_owned(),
        _ if may_pass => "the server cannot do it now; try again later".to_owned(),
        _ => "the server refuses it".to_owned(),
    }
}

fn clock_advice(ahead: Option<i64>) -> String {
    let by = ahead.map(|ahead| {
        let side = if ahead > 0 { "behind" } else { "ahead of" };
        format!(
            " is {} minutes {side} the server's",
            ahead.unsigned_abs() / 60
        )
    });
    let by = by.unwrap_or_else(|| " is more than 15 minutes off the server's".to_owned());
    format!("this machine's clock{by}; set the clock")
}

fn seconds_ahead(date: &str) -> Option<i64> {
    let there = httpdate::parse_http_date(date).ok()?;
    let seconds = |gap: Duration| i64::try_from(gap.as_secs()).ok();
    match there.duration_since(SystemTime::now()) {
        Ok(ahead) => seconds(ahead),
        Err(behind) => seconds(behind.duration()).map(|seconds| -seconds),
    }
}

/// What a request is about, without what signs it.
fn shown(request: &S3Request, bucket: &Bucket) -> String {
    match &request.key {
        Some(key) => bucket.object_url(key).to_string(),
        None => bucket.base_url().to_string(),
    }
}

/// The text of the first element of this name. A refusal is flat, and what is misread of it costs an advice.
pub(super) fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let plain = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&#34;", "\""),
        ("&amp;", "&"),
    ];
    let text = plain.iter().fold(text.to_owned(), |text, (escaped, one)| {
        text.replace(escaped, one)
    });
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_its_code_whatever_is_in_it() {
        let xml = "<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code><Message>a &lt;b&gt; &amp;amp;</Message></Error>";
        assert_eq!(element(xml, "Code").as_deref(), Some("NoSuchKey"));
        assert_eq!(element(xml, "Message").as_deref(), Some("a <b> &amp;"));
        for none in ["", "<Code>", "</Code><Code>", "<html>"] {
            assert_eq!(element(none, "Code"), None, "{none}");
        }
    }

    #[test]
    fn what_passes_is_told_from_what_does_not() {
        for (status, code) in [
            (503, "SlowDown"),
            (500, ""),
            (429, ""),
            (200, "InternalError"),
            (409, "ConditionalRequestConflict"),
        ] {
            assert!(may_pass(status, code), "{status} {code}");
        }
        for (status, code) in [
            (403, "AccessDenied"),
            (404, "NoSuchBucket"),
            (412, "PreconditionFailed"),
            (400, ""),
            (501, ""),
        ] {
            assert!(!may_pass(status, code), "{status} {code}");
        }
    }
}
