//! The side that answers over HTTP, whatever holds the socket.
//!
//! A [`Channel`] is what is behind the routes: an answering side, a storage of files, and,
//! where the app wants one, an [`Authorizer`]. [`serve`] takes a request to its answer. It runs on the native
//! threads and holds no file in memory that its storage can take in pieces. [`listen`] puts it behind a
//! socket; a `node:http` server does the same through the addon.

mod access;
mod body;
mod budget;
mod exchange;
mod framed;
mod framing;
mod front;
mod handed;
mod idle_timeout;
mod intake;
mod key_turns;
mod limits;
mod linger;
pub mod listen;
mod meter;
mod minutes;
mod news;
mod origin;
mod outgoing;
mod past;
mod presign;
mod rates;
mod replies;
mod resume;
mod service;
mod shares;
mod standing;
mod stats;
mod status;
mod status_page;
mod terms;
mod tls;
mod upload;
mod visit;
mod writes;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::engine::object::{Chunks, Incoming, UploadId};
use crate::error::{Error, Result};
use crate::protocol::grant::Grant;
use crate::protocol::item::Digest;
use crate::protocol::message::{Answer, Request};
use crate::protocol::wire::Json;
use crate::transport::presign::{FileToUpload, Presigned};

pub use access::{AccessRequest, headers_in_json};
pub use body::AnswerBody;
pub use budget::Budget;
pub use handed::{Handed, MoreBody};
pub use limits::{ChannelLimits, Limits};
pub use news::{Arrived, News};
pub use rates::{Load, Rates};
pub use service::serve;
pub use standing::{SocketPlace, Standing};
pub use stats::{Snapshot, Stats};
pub use terms::Terms;
pub use upload::Why;

/// The answer of a channel, in time.
pub type Later<'a, T> = BoxFuture<'a, Result<T>>;

/// The answering side of exchanges.
pub trait Answers: Send + Sync {
    /// One request and its answer. Requests may overlap.
    fn exchange(&self, request: Request<Json>) -> Later<'_, Answer<Json>>;

    /// The same from text to text, where somebody answers to whom a request goes as it came, and whose
    /// answer goes out as it is: with fields that are unknown here. The request is well-formed.
    fn relay(&self, _request: &[u8]) -> Option<Later<'_, Json>> {
        None
    }
}

/// A storage of files.
pub trait Files: Send + Sync {
    /// Whether a file is there, and what is known about it.
    fn about(&self, key: String) -> Later<'_, Option<About>>;
    /// The file, if it is there.
    fn open(&self, key: String) -> Later<'_, Option<File>>;
    /// Stores a file. Where its pieces end in an error nothing is left of it.
    fn put(&self, key: String, file: Incoming) -> Later<'_, ()>;
    /// Where uploads go on that broke off, if they are kept.
    fn parts(&self) -> Option<&dyn GoesOn> {
        None
    }
    /// Deletes a file, if it is there.
    fn delete(&self, key: String) -> Later<'_, ()>;
    /// Whether a file is in memory as a whole while it comes and goes.
    fn holds_whole_files(&self) -> bool {
        false
    }
}

/// A storage that keeps uploads that broke off.
pub trait GoesOn: Send + Sync {
    /// How many bytes are kept of an upload.
    fn uploaded(&self, key: String, upload: UploadId) -> Later<'_, u64>;
    /// Goes on with an upload at an offset. Where its pieces end in an error, the bytes that arrived are kept for a while.
    fn go_on(&self, key: String, file: Incoming, at: (UploadId, u64)) -> Later<'_, ()>;
}

/// Hands out urls by which files go past the server.
pub trait Presigner: Send + Sync {
    /// A url to get the file from, if the storage has one.
    fn to_get(&self, key: String) -> Later<'_, Option<Presigned>>;
    /// A url to put the file to, if the storage has one.
    fn to_put(&self, file: FileToUpload) -> Later<'_, Option<Presigned>>;
}

/// Decides whether a caller comes in.
pub trait Authorizer: Send + Sync {
    /// What the caller may do, if it is let in.
    fn admits(&self, wanted: AccessRequest) -> Later<'_, Option<Grant>>;
}

/// Where faults are written down.
pub trait FaultLog: Send + Sync {
    /// A fault, and the operation it happened in.
    fn fault(&self, operation: &'static str, error: &Error);
    /// What does not keep anything from being answered.
    fn warn(&self, message: String, error: &Error);
    /// An exchange brought something.
    fn arrived(&self, arrived: &Arc<Arrived>);
}

/// What is known about a file.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// How many bytes there are, where that is known without reading them.
    pub size: Option<u64>,
    /// The content type it was put with.
    pub content_type: Option<String>,
    /// A text that no other version of the file has.
    pub version: Option<String>,
    /// The SHA-256 of its bytes, where that is known without reading them.
    pub digest: Option<Digest>,
}

/// A file that is there.
pub struct File {
    /// What is known about it.
    pub about: About,
    /// How many bytes there are.
    pub size: u64,
    /// Its bytes, or some of them.
    pub read: ReadFile,
}

/// Reads some bytes of a file.
pub type ReadFile = Box<dyn FnOnce(Range<u64>) -> Chunks + Send>;

/// What is behind the routes.
#[derive(Clone)]
pub struct Channel {
    /// The answering side of exchanges.
    pub answers: Arc<dyn Answers>,
    /// The files.
    pub files: Arc<dyn Files>,
    /// Hands out urls by which files go past the server, where the storage has some.
    pub presigner: Option<Arc<dyn Presigner>>,
    /// Decides about callers; without it, all come in.
    pub authorizer: Option<Arc<dyn Authorizer>>,
    /// What every caller may do at most.
    pub grant: Arc<Grant>,
    /// Where faults go.
    pub log: Arc<dyn FaultLog>,
    /// What it allows.
    pub limits: ChannelLimits,
    /// Listeners to exchanges.
    pub news: News,
    /// How much each caller brings.
    pub rates: Rates,
    /// What it has done, with the other channels of its server.
    pub stats: Arc<Stats>,
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
