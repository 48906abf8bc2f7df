//! Why a statement or a connection failed, whether it is worth another try, and what to do.

use std::error::Error as StdError;
use std::io;

use tokio_postgres::error::{DbError, SqlState};

use crate::error::{Error, ErrorKind, Network, Reason};

type PgError = tokio_postgres::Error;

/// Turns what `PostgreSQL` says into an error of `operation`.
pub(super) fn during(operation: &'static str) -> impl Fn(PgError) -> Error {
    move |error| fault(operation, None, error)
}

/// The same for what is done to one row, which the error names.
pub(super) fn about(operation: &'static str, row: impl Fn() -> String) -> impl Fn(Error) -> Error {
    move |error| {
        if is_of_one_row(&error) {
            error.about(operation, row())
        } else {
            error
        }
    }
}

/// The code that the server gave, if it is what refused.
pub(super) fn code_of(error: &Error) -> Option<&SqlState> {
    pg_error(error)?.code()
}

fn pg_error(error: &Error) -> Option<&PgError> {
    (error.cause()? as &(dyn StdError + 'static)).downcast_ref()
}

/// Whether the fault lies with one row, so that the others of its page can still be written.
pub(super) fn is_of_one_row(error: &Error) -> bool {
    match code_of(error) {
        // Data, constraints, limits of the program.
        Some(code) => matches!(class(code), "22" | "23" | "54"),
        None => matches!(
            error.kind(),
            ErrorKind::InvalidArgument | ErrorKind::Constraint | ErrorKind::UnknownApp
        ),
    }
}

/// Whether the role lacks the right.
pub(super) fn may_not(error: &Error) -> bool {
    code_of(error).is_some_and(|code| code.code() == "42501")
}

/// Whether another transaction wrote the same rows, so that this one begins again.
pub(super) fn is_conflict(error: &Error) -> bool {
    code_of(error).is_some_and(|code| code.code() == "40001")
}

/// Whether the same call may succeed in a moment.
pub(super) fn may_pass(error: &Error) -> bool {
    error.network().is_some_and(|network| network.retryable)
}

/// Whether the statement as it was prepared no longer fits its tables.
pub(super) fn is_outdated_plan(code: &SqlState) -> bool {
    *code == SqlState::FEATURE_NOT_SUPPORTED || *code == SqlState::INVALID_SQL_STATEMENT_NAME
}

fn class(code: &SqlState) -> &str {
    code.code().get(..2).unwrap_or_default()
}

/// The one place in which the codes of `PostgreSQL` are understood.
pub(super) fn fault(operation: &'static str, row: Option<&str>, error: PgError) -> Error {
    let row = row.map(|row| format!("{row}: ")).unwrap_or_default();
    let Some(said) = error.as_db_error() else {
        return unanswered(operation, error);
    };
    let (kind, remedy) = remedy(said);
    let passes = passes(said.code());
    let text = format!("{row}{remedy} ({}: {})", said.code().code(), said.message());
    let network = Network {
        reason: Reason::Status,
        retryable: passes,
        status: None,
        peer_code: Some(said.code().code().to_owned()),
        url: String::new(),
    };
    let found = Error::new(kind, operation, text).caused_by(error);
    found.of_request(network)
}

/// Whether a statement that was refused so may be accepted in a moment.
fn passes(code: &SqlState) -> bool {
    matches!(
        code.code(),
        "40001" | "40P01" | "55P03" | "57P01" | "57P02" | "57P03" | "53300" | "53400"
    ) || class(code) == "08"
}

fn remedy(said: &DbError) -> (ErrorKind, String) {
    let plain = |kind, remedy: &str| (kind, remedy.to_owned());
    match said.code().code() {
        "28P01" => plain(
            ErrorKind::Database,
            "the server does not take this password of the role; correct user and password",
        ),
        "28000" => plain(
            ErrorKind::Database,
            "the server does not let this role in from here; correct user, or its pg_hba.conf",
        ),
        "0A000" if said.message().contains("not supported") => plain(
            ErrorKind::Database,
            "the server lacks what PostgreSQL has; for Aurora DSQL give the option dialect: \"dsql\"",
        ),
        "54000" if said.message().contains("transaction") => plain(
            ErrorKind::Constraint,
            "the transaction writes more than the server takes; write less in one",
        ),
        "3D000" => plain(
            ErrorKind::Database,
            "there is no such database; create it, or correct database",
        ),
        "3F000" | "42P01" => plain(
            ErrorKind::Database,
            "the tables are not there, and were not created; create them as docs/cloud.md has them",
        ),
        "42501" => plain(
            ErrorKind::ReadOnly,
            "the role may not do this; GRANT it the right, or use another role",
        ),
        "25006" => plain(
            ErrorKind::ReadOnly,
            "the server takes no writes, as a replica does; use the primary",
        ),
        "53100" => plain(
            ErrorKind::StorageFull,
            "the server's disk is full; free some space and try again",
        ),
        "53300" | "53400" => plain(
            ErrorKind::Busy,
            "the server has no connection left; use a smaller max, or raise its max_connections",
        ),
        "55P03" => plain(
            ErrorKind::Busy,
            "another transaction keeps the rows locked; try again",
        ),
        "57014" => plain(
            ErrorKind::Busy,
            "the statement took longer than it may; allow more time (statementTimeoutMs)",
        ),
        "40001" | "40P01" => plain(
            ErrorKind::Busy,
            "other transactions wrote the same rows each time; try again",
        ),
        "57P01" | "57P02" | "57P03" => plain(
            ErrorKind::Database,
            "the server is ending or beginning; try again in a moment",
        ),
        _ => match class(said.code()) {
            "23" => plain(
                ErrorKind::Constraint,
                "a constraint of the table refuses the row; change the row, or the constraint",
            ),
            "22" => plain(
                ErrorKind::InvalidArgument,
                "a column cannot hold the value; change the row",
            ),
            "54" => plain(
                ErrorKind::Constraint,
                "the row is larger than the table or an index of it can hold; change the row",
            ),
            _ => plain(ErrorKind::Database, "the database refused"),
        },
    }
}

/// No answer came: there was no connection, or it ended.
fn unanswered(operation: &'static str, error: PgError) -> Error {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(&error);
    let (mut tls, mut io) = (false, None);
    let mut texts = Vec::new();
    while let Some(at) = cause {
        tls |= at.is::<rustls::Error>() || at.to_string().contains("TLS");
        // An I/O error does not name what it carries as its source.
        let within = at.downcast_ref::<io::Error>().inspect(|found| {
            let within = found.get_ref();
            tls |= within.is_some_and(<dyn StdError + Send + Sync>::is::<rustls::Error>);
        });
        io = io.or_else(|| within.map(io::Error::kind));
        texts.push(at.to_string());
        cause = at.source();
    }
    let said = texts.join(": ");
    let (reason, what) = match io {
        _ if tls => (
            Reason::Tls,
            "TLS with the server failed; check tls, its certificate, and NODE_EXTRA_CA_CERTS",
        ),
        Some(io::ErrorKind::TimedOut) => (Reason::Timeout, "the server did not answer in time"),
        Some(io::ErrorKind::ConnectionRefused) => (
            Reason::Unreachable,
            "nothing listens there; start the server, or correct host and port",
        ),
        _ if said.contains("lookup") => (Reason::Dns, "the host has no address; correct host"),
        _ if error.is_closed() || io.is_some() => (Reason::Closed, "the connection ended"),
        _ if said.contains("password missing") => {
            let text = "the server asks for a password; give password".to_owned();
            return Error::new(ErrorKind::Database, operation, text).caused_by(error);
        }
        _ if said.contains("timed out") || said.contains("timeout") => {
            (Reason::Timeout, "the server did not answer in time")
        }
        _ => (Reason::Malformed, "the server was not understood"),
    };
    let text = format!("{what} ({said})");
    let found = Error::new(ErrorKind::Database, operation, text).caused_by(error);
    found.of_request(Network::new(reason))
}

/// That no answer came.
pub(super) fn too_late(operation: &'static str) -> Error {
    Error::new(
        ErrorKind::Database,
        operation,
        "the server did not answer in time",
    )
    .of_request(Network::new(Reason::Timeout))
}
