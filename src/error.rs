//! One error type for the whole crate.
//!
//! An error says what kind it is (the `code` that JavaScript sees), which operation failed, what the
//! user can do about it, and carries what caused it. Errors of the app's own code travel as a source
//! of [`ErrorKind::Foreign`] and leave the addon as the very object that was thrown.

mod line;
mod network;
mod told;

use std::any::Any;
use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

pub use line::{one_line, shortened};
pub use network::{Network, Reason};

/// What went wrong, in the terms a caller can act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The exchange with the peer failed, or one side sent what the protocol does not allow.
    Sync,
    /// A message of the exchange has more bytes than its receiver takes. To JavaScript it is as the one above.
    TooLarge,
    /// An answer of the exchange has more bytes than this side takes. To JavaScript it is as the first one.
    AnswerTooLarge,
    /// An argument or option has the wrong type or an impossible value.
    InvalidArgument,
    /// A key that leaves the storage's root, or that the file system cannot hold.
    InvalidKey,
    /// The file is open elsewhere in this process; two SQLite libraries would corrupt it.
    PathInUse,
    /// The store was used after `close()`, or before it could be opened.
    Closed,
    /// A call from inside a transaction's callback that would wait for that transaction to end.
    InTransaction,
    /// A transaction's callback took longer than it may.
    TransactionTimeout,
    /// The file or folder at the store's path is no longer the one that was opened.
    StoreReplaced,
    /// Another writer kept the database locked past the busy timeout.
    Busy,
    /// The file is not a SQLite database, or is damaged.
    NotADatabase,
    /// The disk is full.
    StorageFull,
    /// The file or folder may not be written.
    ReadOnly,
    /// A constraint of the database refused the row.
    Constraint,
    /// The database failed in another way.
    Database,
    /// The file system failed.
    Io,
    /// A server of objects cannot be reached, or refuses.
    ObjectStore,
    /// A timestamp lies further ahead of this machine's clock than allowed.
    ClockAhead,
    /// A version is stamped at or before what its node had stored already.
    StaleTimestamp,
    /// An object is at neither end of a transfer.
    BlobMissing,
    /// An object's bytes are not those that its item names the hash of.
    HashMismatch,
    /// An object has another size than its item says.
    SizeMismatch,
    /// An item that its store holds is not one that can be exchanged.
    MalformedItem,
    /// An item is by itself larger than a message may be.
    ItemTooLarge,
    /// A row belongs to an app or a table that this side does not know.
    UnknownApp,
    /// Whoever let the caller in did not allow it this.
    Forbidden,
    /// The server hands out no urls by which objects go past it.
    CannotPresign,
    /// Two machines write with one node id.
    DuplicateNodeId,
    /// An item is of a node that is one too many.
    TooManyNodes,
    /// The app's own code threw; the source is the thrown value.
    Foreign,
    /// A fault of this package.
    Internal,
}

impl ErrorKind {
    /// The `code` of the JavaScript error.
    pub fn code(self) -> &'static str {
        match self {
            Self::Sync | Self::TooLarge | Self::AnswerTooLarge => "SYNC_ERROR",
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::InvalidKey => "INVALID_KEY",
            Self::PathInUse => "PATH_IN_USE",
            Self::Closed => "STORE_CLOSED",
            Self::InTransaction => "IN_TRANSACTION",
            Self::TransactionTimeout => "TRANSACTION_TIMEOUT",
            Self::StoreReplaced => "STORE_REPLACED",
            Self::Busy => "STORE_BUSY",
            Self::NotADatabase => "NOT_A_DATABASE",
            Self::StorageFull => "STORAGE_FULL",
            Self::ReadOnly => "READ_ONLY",
            Self::Constraint => "CONSTRAINT_VIOLATION",
            Self::Database => "DATABASE_ERROR",
            Self::Io => "IO_ERROR",
            Self::ObjectStore => "OBJECT_STORE_ERROR",
            Self::ClockAhead => "CLOCK_AHEAD",
            Self::StaleTimestamp => "STALE_TIMESTAMP",
            Self::BlobMissing => "BLOB_MISSING",
            Self::HashMismatch => "HASH_MISMATCH",
            Self::SizeMismatch => "SIZE_MISMATCH",
            Self::MalformedItem => "MALFORMED_ITEM",
            Self::ItemTooLarge => "ITEM_TOO_LARGE",
            Self::UnknownApp => "UNKNOWN_APP",
            Self::Forbidden => "FORBIDDEN",
            Self::CannotPresign => "CANNOT_PRESIGN",
            Self::DuplicateNodeId => "DUPLICATE_NODE_ID",
            Self::TooManyNodes => "TOO_MANY_NODES",
            Self::Foreign => "APP_ERROR",
            Self::Internal => "INTERNAL_ERROR",
        }
    }
}

impl ErrorKind {
    /// The kind with this `code`; of kinds that share one, the first.
    pub fn of_code(code: &str) -> Option<Self> {
        ALL_KINDS.iter().copied().find(|kind| kind.code() == code)
    }

    /// The kind of error that a store gives for an item with this code, if such a one is about one item alone. Of an
    /// argument it is the item that is malformed.
    pub fn of_one_item(code: &str) -> Option<Self> {
        let kind = match Self::of_code(code)? {
            Self::InvalidArgument => Self::MalformedItem,
            kind => kind,
        };
        Some(kind).filter(|kind| kind.is_of_one_item())
    }

    /// Whether such an error is about one item alone: another item, or a later try, may succeed.
    pub fn is_of_one_item(self) -> bool {
        matches!(
            self,
            Self::InvalidKey
                | Self::Constraint
                | Self::ClockAhead
                | Self::BlobMissing
                | Self::HashMismatch
                | Self::SizeMismatch
                | Self::MalformedItem
                | Self::ItemTooLarge
                | Self::UnknownApp
                | Self::Forbidden
                | Self::TooManyNodes
        )
    }
}

/// Every kind that a peer may name.
const ALL_KINDS: [ErrorKind; 24] = [
    ErrorKind::Sync,
    ErrorKind::InvalidArgument,
    ErrorKind::InvalidKey,
    ErrorKind::PathInUse,
    ErrorKind::Closed,
    ErrorKind::Busy,
    ErrorKind::NotADatabase,
    ErrorKind::StorageFull,
    ErrorKind::ReadOnly,
    ErrorKind::Constraint,
    ErrorKind::Database,
    ErrorKind::Io,
    ErrorKind::ObjectStore,
    ErrorKind::ClockAhead,
    ErrorKind::BlobMissing,
    ErrorKind::HashMismatch,
    ErrorKind::SizeMismatch,
    ErrorKind::MalformedItem,
    ErrorKind::ItemTooLarge,
    ErrorKind::UnknownApp,
    ErrorKind::Forbidden,
    ErrorKind::DuplicateNodeId,
    ErrorKind::TooManyNodes,
    ErrorKind::Foreign,
];

/// Anything that can be the cause of an [`Error`].
pub type Source = Arc<dyn StdError + Send + Sync>;

/// See the [module page](self). One pointer: every answer of a store has room for an error, and is handed
/// from one future to the next.
#[derive(Debug, Clone)]
pub struct Error(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    kind: ErrorKind,
    operation: Cow<'static, str>,
    message: String,
    /// What a caller from elsewhere hears instead of the message.
    told: Option<String>,
    source: Option<Source>,
    /// Whether the message names the operation by itself.
    operation_is_said: bool,
    network: Option<Network>,
}

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind` in `operation`; `message` says what is wrong and what to do. It becomes one line.
    pub fn new(
        kind: ErrorKind,
        operation: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self(Box::new(Parts {
            kind,
            operation: operation.into(),
            message: one_line(message.into()),
            told: None,
            source: None,
            operation_is_said: false,
            network: None,
        }))
    }

    /// The same error with its cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    /// The same error in `operation`, with what it is about before its message.
    #[must_use]
    pub fn about(
        mut self,
        operation: impl Into<Cow<'static, str>>,
        what: impl fmt::Display,
    ) -> Self {
        self.0.operation = operation.into();
        self.0.message = format!("{}: {}", one_line(what.to_string()), self.0.message);
        self
    }

    /// The same error, in `operation` if it names none.
    #[must_use]
    pub fn or_in(mut self, operation: &str) -> Self {
        if self.0.operation.is_empty() {
            self.0.operation = Cow::Owned(operation.to_owned());
        }
        self
    }

    /// The same error, whose message names the operation by itself.
    #[must_use]
    pub fn saying_its_operation(mut self) -> Self {
        self.0.operation_is_said = true;
        self
    }

    /// The same error, of a request.
    #[must_use]
    pub fn of_request(mut self, network: Network) -> Self {
        self.0.network = Some(network);
        self
    }

    /// What a peer or a transport did wrong.
    pub fn sync(operation: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Sync, operation, message)
    }

    /// What only this package writes cannot be read or written as JSON.
    pub fn json(operation: impl Into<Cow<'static, str>>, error: serde_json::Error) -> Self {
        Self::new(ErrorKind::Internal, operation, error.to_string()).caused_by(error)
    }

    /// An error of the app's own code.
    pub fn foreign(
        operation: impl Into<Cow<'static, str>>,
        thrown: impl StdError + Send + Sync + 'static,
    ) -> Self {
        Self::thrown(None, operation, thrown)
    }

    /// An error of the app's own code, of the kind that its `code` names if that is one about a single item. What it says
    /// stays on this side.
    pub fn thrown(
        code: Option<&str>,
        operation: impl Into<Cow<'static, str>>,
        thrown: impl StdError + Send + Sync + 'static,
    ) -> Self {
        let kind = code.and_then(ErrorKind::of_one_item);
        Self::new(
            kind.unwrap_or(ErrorKind::Foreign),
            operation,
            thrown.to_string(),
        )
        .told_as("the app of that side refuses it; its log says why")
        .caused_by(thrown)
    }

    /// A panic that was caught, by what it was caught with.
    pub fn panicked(payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let what = text.unwrap_or_default();
        let message = format!("a fault of @starkeep/sync-engine, please report it: {what}");
        Self::new(ErrorKind::Internal, "sync engine", message)
    }

    /// The same error as one of `kind`.
    #[must_use]
    pub fn as_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// The kind; its [`code`](ErrorKind::code) is what JavaScript sees.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What was being done; empty where the message says it.
    pub fn operation(&self) -> &str {
        &self.0.operation
    }

    /// What is wrong and what to do, without the operation.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What it says, as JSON; its cause stands by itself.
    pub fn to_json(&self) -> serde_json::Value {
        let mut more = self.network().map(Network::properties).unwrap_or_default();
        let mut before_message = self.operation();
        if self.0.operation_is_said {
            more.insert("operation".to_owned(), before_message.into());
            before_message = "";
        }
        serde_json::json!({
            "code": self.kind().code(),
            "operation": before_message,
            "message": self.message(),
            "more": more,
        })
    }

    /// What is known of the request that failed, if it is about one.
    pub fn network(&self) -> Option<&Network> {
        self.0.network.as_ref()
    }

    /// The cause itself, to be handed on.
    pub fn cause(&self) -> Option<&(dyn StdError + Send + Sync + 'static)> {
        self.0.source.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.operation.is_empty() || self.0.operation_is_said {
            f.write_str(&self.0.message)
        } else {
            write!(f, "{}: {}", self.0.operation, self.0.message)
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_ref()
            .map(|s| &**s as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_whatever_it_is_about() {
        let error = Error::new(ErrorKind::Io, "test", "a\nb").about("test", "c\u{202e}");
        assert_eq!(error.message(), r"c\u{202e}: a\nb");
    }
}
