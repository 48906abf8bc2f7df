//! The options that all stores in `PostgreSQL` have.

use super::asked::asked;
use crate::error::Result;
use crate::node::options::Options;
use crate::node::value::Call;
use crate::store::postgres::{PasswordSource, PostgresOptions};

/// Which database, and with which password.
pub fn postgres(
    call: &Call<'_>,
    options: &Options<'_>,
) -> Result<(PostgresOptions, PasswordSource)> {
    let port = options.number("port")?;
    let place = PostgresOptions {
        connection_string: options.string("connectionString")?,
        host: options.string("host")?,
        port: port.and_then(|port| format!("{port}").parse().ok()),
        user: options.string("user")?,
        database: options.string("database")?,
        tls: options
            .given("tls")?
            .map(|_| options.flag("tls", true))
            .transpose()?,
        max: options.count("max", PostgresOptions::MAX)?,
        max_lifetime: options
            .time("maxLifetimeMs", None)?
            .unwrap_or(PostgresOptions::MAX_LIFETIME),
        statement_timeout: options.time(
            "statementTimeoutMs",
            Some(PostgresOptions::STATEMENT_TIMEOUT),
        )?,
        connect_timeout: options
            .time("connectTimeoutMs", None)?
            .unwrap_or(PostgresOptions::CONNECT_TIMEOUT),
        prepare: options.flag("prepare", true)?,
        schema: options
            .string("schema")?
            .unwrap_or_else(|| PostgresOptions::SCHEMA.to_owned()),
    };
    let password = match (options.string("password")?, options.given("password")?) {
        (Some(fixed), _) => PasswordSource::Fixed(fixed),
        (None, None) => PasswordSource::OfString,
        (None, Some(function)) => PasswordSource::Asked {
            known: options.part(function).string("known")?.unwrap_or_default(),
            // Held as long as there are connections, which another store may share: it must not go with this one.
            ask: asked(call, call.scope.keep(function)?, "password")?,
        },
    };
    Ok((place, password))
}
