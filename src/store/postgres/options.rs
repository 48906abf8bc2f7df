//! Which database, as whom, and how many connections.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use super::dialect::Dialect;
use crate::error::{Error, ErrorKind, Result};
use crate::given;
use crate::store::Later;

const OPERATION: &str = "open a database";

/// How a database is reached.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PostgresOptions {
    /// A url or a list of `key=value`, as `libpq` knows them; what is given besides counts more.
    pub connection_string: Option<String>,
    /// The host, or the folder of a socket.
    pub host: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// The role.
    pub user: Option<String>,
    /// The database.
    pub database: Option<String>,
    /// Whether connections are within TLS; `None` as the connection string says, else wherever the server is another
    /// machine.
    pub tls: Option<bool>,
    /// The most connections at one time.
    #[serde(deserialize_with = "given::count")]
    pub max: usize,
    /// How long a connection is used at most. The end is up to a tenth earlier, so that not all end at once.
    #[serde(rename = "maxLifetimeMs", deserialize_with = "given::time")]
    pub max_lifetime: Duration,
    /// How long a statement may take; `None` for as long as it likes.
    #[serde(rename = "statementTimeoutMs", deserialize_with = "given::limit")]
    pub statement_timeout: Option<Duration>,
    /// How long a connection may take to be there, and to be free.
    #[serde(rename = "connectTimeoutMs", deserialize_with = "given::time")]
    pub connect_timeout: Duration,
    /// Whether statements are prepared once for each connection. A pooler that gives each transaction another
    /// connection does not know them.
    pub prepare: bool,
    /// The schema of the tables.
    pub schema: String,
    /// What kind of server it is.
    pub dialect: Dialect,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            connection_string: None,
            host: None,
            port: None,
            user: None,
            database: None,
            tls: None,
            max: Self::MAX,
            max_lifetime: Self::MAX_LIFETIME,
            statement_timeout: Some(Self::STATEMENT_TIMEOUT),
            connect_timeout: Self::CONNECT_TIMEOUT,
            prepare: true,
            schema: Self::SCHEMA.to_owned(),
            dialect: Dialect::default(),
        }
    }
}

/// What a role says who it is with.
#[derive(Clone)]
pub enum PasswordSource {
    /// That of the connection string, or none.
    OfString,
    /// Always this.
    Fixed(String),
    /// It is asked for with each new connection.
    Asked {
        /// What asks. Stores with one of these share their connections.
        known: String,
        /// Asks.
        ask: Arc<dyn Fn() -> Later<'static, String> + Send + Sync>,
    },
}

impl fmt::Debug for PasswordSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OfString => "OfString",
            Self::Fixed(_) => "Fixed",
            Self::Asked { .. } => "Asked",
        })
    }
}

impl PostgresOptions {
    /// The most connections by default.
    pub const MAX: usize = 8;
    /// How long a connection is used by default.
    pub const MAX_LIFETIME: Duration = Duration::from_secs(50 * 60);
    /// How long a statement may take by default.
    pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);
    /// How long to wait for a connection by default.
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
    /// The schema by default.
    pub const SCHEMA: &str = "shared";

    /// How long a transaction may stand without a statement.
    pub(super) const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(60);

    /// What connections are made by, without a password that is given besides.
    pub(super) fn to_config(&self) -> Result<Config> {
        let mut config = self.of_string()?;
        if let Some(host) = &self.host {
            let port = self.port.or_else(|| config.get_ports().first().copied());
            config = without_hosts(&config);
            config.host(host);
            config.port(port.unwrap_or(5432));
        } else if let Some(port) = self.port {
            let before = config.clone();
            config = without_hosts(&before);
            for host in before.get_hosts() {
                match host {
                    Host::Tcp(name) => config.host(name),
                    #[cfg(unix)]
                    Host::Unix(folder) => config.host_path(folder),
                };
            }
            config.port(port);
        }
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(wrong(
                "host",
                "must be the name of a server, or given by connectionString",
            ));
        }
        if let Some(user) = &self.user {
            config.user(user);
        }
        if config.get_user().is_none() {
            return Err(wrong(
                "user",
                "must be the name of a role, or given by connectionString",
            ));
        }
        if let Some(database) = &self.database {
            config.dbname(database);
        }
        if config.get_application_name().is_none() {
            config.application_name("starkeep-sync-engine");
        }
        config.ssl_mode(self.ssl_mode(&config));
        config.connect_timeout(self.connect_timeout);
        config.keepalives_idle(Duration::from_secs(30));
        config.tcp_user_timeout(Duration::from_secs(60));
        Ok(config)
    }

    fn of_string(&self) -> Result<Config> {
        let Some(given) = &self.connection_string else {
            return Ok(Config::new());
        };
        // TLS of this package always compares the certificate and the name.
        let strict = given
            .replace("sslmode=verify-full", "sslmode=require")
            .replace("sslmode=verify-ca", "sslmode=require");
        strict.parse().map_err(|error: tokio_postgres::Error| {
            // The text may hold a password: only what the reader says is shown.
            wrong(
                "connectionString",
                &format!("must be like postgres://user@host:5432/database ({error})"),
            )
        })
    }

    fn ssl_mode(&self, config: &Config) -> SslMode {
        let is_said = |text: &String| text.contains("sslmode=");
        match self.tls {
            Some(false) => SslMode::Disable,
            None if self.connection_string.as_ref().is_some_and(is_said) => config.get_ssl_mode(),
            None if config.get_hosts().iter().all(is_this_machine) => SslMode::Disable,
            Some(true) | None => SslMode::Require,
        }
    }
}

fn is_this_machine(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => matches!(name.as_str(), "localhost" | "127.0.0.1" | "::1"),
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

/// The same but for where the server is.
fn without_hosts(config: &Config) -> Config {
    let mut other = Config::new();
    config.get_user().map(|user| other.user(user));
    config
        .get_password()
        .map(|password| other.password(password));
    config.get_dbname().map(|name| other.dbname(name));
    config.get_options().map(|options| other.options(options));
    config
        .get_application_name()
        .map(|name| other.application_name(name));
    other.ssl_mode(config.get_ssl_mode());
    other.ssl_negotiation(config.get_ssl_negotiation());
    other.target_session_attrs(config.get_target_session_attrs());
    other
}

fn wrong(option: &str, must: &str) -> Error {
    Error::new(
        ErrorKind::InvalidArgument,
        OPERATION,
        format!("{option} {must}"),
    )
}
