//! What `SQLite` says, in this crate's terms.

use std::borrow::Cow;
use std::ffi::c_int;

use rusqlite::{Error as SqliteError, ErrorCode, ffi};

use crate::error::{Error, ErrorKind};

/// Turns what `SQLite` says into an error of `operation`.
pub(super) fn during(operation: &'static str) -> impl Fn(SqliteError) -> Error {
    move |error| fault(operation, None, error)
}

/// The same for what is done to one row, which the error names.
pub(super) fn about(
    operation: &'static str,
    row: impl Fn() -> String,
) -> impl Fn(SqliteError) -> Error {
    move |error| fault(operation, Some(&row()), error)
}

/// The error of `operation` for a result code of `SQLite`, primary or extended: for a database that another
/// library than ours has open. `row` is the row that it was about, where it was about one.
pub fn fault_of_code(operation: String, code: f64, message: &str, row: Option<&str>) -> Error {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "result codes are small integers"
    )]
    let code = code as c_int;
    let error = SqliteError::SqliteFailure(ffi::Error::new(code), Some(message.to_owned()));
    fault(operation, row, error)
}

/// The error where a statement that must change a row has changed none, as a trigger makes it with
/// `RAISE(IGNORE)`: to `SQLite` that is a success.
pub fn ignored(operation: impl Into<Cow<'static, str>>, row: &str) -> Error {
    let message = format!(
        "{row} was not written: a trigger of the table, or its ON CONFLICT IGNORE, ignores it; change the \
         row, or the table"
    );
    Error::new(ErrorKind::Constraint, operation, message)
}

/// The one place in which `SQLite`'s codes are understood.
fn fault(operation: impl Into<Cow<'static, str>>, row: Option<&str>, error: SqliteError) -> Error {
    let (kind, remedy) = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
            ErrorKind::Busy,
            "another process keeps the database locked; close it, or allow more time (busyTimeoutMs; timeout of a DatabaseSync)",
        ),
        Some(ErrorCode::NotADatabase) => (
            ErrorKind::NotADatabase,
            "the file is not a SQLite database; check the path",
        ),
        Some(ErrorCode::DatabaseCorrupt) => (
            ErrorKind::NotADatabase,
            "the database is damaged; restore it from a copy",
        ),
        Some(ErrorCode::DiskFull) => (
            ErrorKind::StorageFull,
            "the disk is full; free some space and try again",
        ),
        Some(
            ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::AuthorizationForStatementDenied,
        ) => (
            ErrorKind::ReadOnly,
            "the database may not be written; give this user the right to write the file and its folder",
        ),
        Some(ErrorCode::ConstraintViolation) => (
            ErrorKind::Constraint,
            "a constraint of the table refuses the row; change the row, or the constraint",
        ),
        Some(ErrorCode::CannotOpen) => (
            ErrorKind::Io,
            "the database cannot be opened; check that its folder exists and may be read and written",
        ),
        // The file beside the database that processes share cannot grow.
        Some(ErrorCode::SystemIoFailure)
            if extended_code(&error) == Some(ffi::SQLITE_IOERR_SHMSIZE) =>
        {
            (
                ErrorKind::StorageFull,
                "the disk is full; free some space and try again",
            )
        }
        Some(ErrorCode::SystemIoFailure) => {
            (ErrorKind::Io, "the file system failed; look at the disk")
        }
        Some(ErrorCode::TooBig) => (
            ErrorKind::InvalidArgument,
            "the value is larger than SQLite can hold",
        ),
        _ => (ErrorKind::Database, "the database refused"),
    };
    let row = row.map(|row| format!("{row}: ")).unwrap_or_default();
    Error::new(kind, operation, format!("{row}{remedy} ({error})")).caused_by(error)
}

fn extended_code(error: &SqliteError) -> Option<c_int> {
    error.sqlite_error().map(|error| error.extended_code)
}

/// Whether the fault lies with one row, so that the others of its page can still be written.
pub fn is_of_one_row(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Constraint
            | ErrorKind::InvalidArgument
            | ErrorKind::UnknownApp
            | ErrorKind::Database
    )
}
