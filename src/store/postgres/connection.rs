//! One connection: how it is made, and what is prepared on it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use tokio_postgres::config::SslMode;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, NoTls, Row, Statement};

use super::dialect::Dialect;
use super::fault::{during, is_outdated_plan, too_late};
use super::options::{PasswordSource, PostgresOptions};
use super::param::Param;
use super::tls::{MakeTls, TlsClients};
use crate::error::{Error, ErrorKind, Result};

const CONNECT: &str = "connect to the database";
/// How many statements stay prepared on a connection.
const KEPT_STATEMENTS: usize = 128;

/// What connections are made by.
#[derive(Debug)]
pub(super) struct Connector {
    config: Config,
    password: PasswordSource,
    tls: Arc<dyn TlsClients>,
    /// Of the first connection on.
    tls_config: OnceLock<Arc<ClientConfig>>,
    max_lifetime: Duration,
    timeout: Duration,
    statement_timeout: Option<Duration>,
    prepare: bool,
    pub(super) dialect: Dialect,
}

/// A connection.
pub(super) struct Connection {
    client: Client,
    /// `None` where statements are not prepared.
    statements: Option<Mutex<HashMap<String, Statement>>>,
    /// When it is used no longer.
    ends: Instant,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Connector {
    pub(super) fn new(
        options: &PostgresOptions,
        password: PasswordSource,
        tls: Arc<dyn TlsClients>,
    ) -> Result<Self> {
        Ok(Self {
            config: options.to_config()?,
            password,
            tls,
            tls_config: OnceLock::new(),
            max_lifetime: options.max_lifetime,
            timeout: options.connect_timeout,
            statement_timeout: options.statement_timeout,
            prepare: options.prepare,
            dialect: options.dialect,
        })
    }

    /// A new connection. `may_ask` says whether the app can be asked for a password now.
    pub(super) async fn connect(&self, may_ask: bool) -> Result<Connection> {
        let mut config = self.config.clone();
        match &self.password {
            PasswordSource::OfString => {}
            PasswordSource::Fixed(password) => {
                config.password(password);
            }
            PasswordSource::Asked { .. } if !may_ask => return Err(nothing_to_ask()),
            PasswordSource::Asked { ask, .. } => {
                config.password(ask().await?);
            }
        }
        let connected = tokio::time::timeout(self.timeout, self.connect_by(&config)).await;
        let client = connected.map_err(|_| too_late(CONNECT))??;
        let jitter = self.max_lifetime.as_secs_f64() * 0.1 * random();
        let lifetime = self
            .max_lifetime
            .saturating_sub(Duration::from_secs_f64(jitter));
        let now = Instant::now();
        let connection = Connection {
            client,
            statements: self.prepare.then(Mutex::default),
            ends: now.checked_add(lifetime).unwrap_or(now),
        };
        if self.prepare && self.dialect.has_settings() {
            // A pooler would give these settings to others.
            connection.batch(CONNECT, &self.settings("")).await?;
        }
        Ok(connection)
    }

    async fn connect_by(&self, config: &Config) -> Result<Client> {
        if config.get_ssl_mode() == SslMode::Disable {
            let (client, connection) = config.connect(NoTls).await.map_err(during(CONNECT))?;
            tokio::spawn(connection);
            return Ok(client);
        }
        let tls = MakeTls(self.tls_config()?);
        let (client, connection) = config.connect(tls).await.map_err(during(CONNECT))?;
        tokio::spawn(connection);
        Ok(client)
    }

    fn tls_config(&self) -> Result<Arc<ClientConfig>> {
        if let Some(known) = self.tls_config.get() {
            return Ok(Arc::clone(known));
        }
        let mut config = self.tls.config()?;
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        Ok(Arc::clone(self.tls_config.get_or_init(|| Arc::new(config))))
    }

    /// What begins a transaction.
    pub(super) fn beginning(&self, reads: bool) -> String {
        let begin = self.dialect.begin(reads);
        if self.prepare || !self.dialect.has_settings() {
            return begin.to_owned();
        }
        format!("{begin}; {}", self.settings("LOCAL "))
    }

    fn settings(&self, scope: &str) -> String {
        let statement = self.statement_timeout.map_or(0, |limit| limit.as_millis());
        let idle = PostgresOptions::IDLE_IN_TRANSACTION.as_millis();
        format!(
            "SET {scope}statement_timeout = {statement}; SET {scope}idle_in_transaction_session_timeout = {idle}"
        )
    }

    /// How long to wait for the answer to a statement, which the server itself ends before.
    pub(super) fn patience(&self) -> Option<Duration> {
        let beyond = Duration::from_secs(10);
        self.statement_timeout.map(|limit| limit + beyond)
    }
}

impl Connection {
    /// Whether it can be used once more.
    pub(super) fn is_usable(&self) -> bool {
        !self.client.is_closed() && Instant::now() < self.ends
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Runs a statement.
    pub(super) async fn query(
        &self,
        operation: &'static str,
        sql: &str,
        params: &[Param],
    ) -> Result<Vec<Row>> {
        let Some(statements) = &self.statements else {
            let typed: Vec<(&(dyn ToSql + Sync), Type)> = params
                .iter()
                .map(|param| (param as &(dyn ToSql + Sync), param.sql_type()))
                .collect();
            let rows = self.client.query_typed(sql, &typed).await;
            return rows.map_err(during(operation));
        };
        let known = lock(statements).get(sql).cloned();
        let statement = if let Some(statement) = known {
            statement
        } else {
            let types: Vec<Type> = params.iter().map(Param::sql_type).collect();
            let prepared = self.client.prepare_typed(sql, &types).await;
            let statement = prepared.map_err(during(operation))?;
            let mut kept = lock(statements);
            if kept.len() >= KEPT_STATEMENTS {
                kept.clear();
            }
            kept.insert(sql.to_owned(), statement.clone());
            statement
        };
        let params: Vec<&(dyn ToSql + Sync)> = params
            .iter()
            .map(|param| param as &(dyn ToSql + Sync))
            .collect();
        let rows = self.client.query(&statement, &params).await;
        rows.map_err(|error| {
            if error.code().is_some_and(is_outdated_plan) {
                lock(statements).clear();
            }
            during(operation)(error)
        })
    }

    /// Runs statements that have no parameters and no answers.
    pub(super) async fn batch(&self, operation: &'static str, sql: &str) -> Result<()> {
        let done = self.client.batch_execute(sql).await;
        done.map_err(during(operation))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number from 0 to 1, none like the other.
pub(super) fn random() -> f64 {
    use std::hash::{BuildHasher, RandomState};
    let bits = RandomState::new().hash_one(0u8) >> 32;
    f64::from(u32::try_from(bits).unwrap_or_default()) / f64::from(u32::MAX)
}

fn nothing_to_ask() -> Error {
    Error::new(
        ErrorKind::Busy,
        CONNECT,
        "this call answers at once, and no connection is open that it could use, as the password is asked of a \
         function; await init() of the store before",
    )
}
