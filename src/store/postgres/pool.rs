//! Connections to one database as one role, which all stores of the process share.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::connection::{Connection, Connector};
use super::options::{PasswordSource, PostgresOptions};
use super::tls::TlsClients;
use crate::error::{Error, ErrorKind, Result};

/// See the [module page](self).
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) connector: Connector,
    /// What the server is called in errors.
    pub(super) name: String,
    /// Which database of which server it is, where the server itself does not say.
    pub(super) place: String,
    /// The one that was used last comes first: others may end.
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
    max: usize,
    patience: Duration,
}

/// A connection that is in use.
#[derive(Debug)]
pub(super) struct InUse {
    pub(super) connection: Connection,
    /// Another may be used once this one is given back.
    pub(super) _permit: OwnedSemaphorePermit,
}

type Pools = HashMap<String, Weak<Pool>>;

impl Pool {
    /// The pool of these options: one for all that say the same.
    pub(super) fn shared(
        options: &PostgresOptions,
        password: PasswordSource,
        tls: Arc<dyn TlsClients>,
    ) -> Result<Arc<Self>> {
        static POOLS: LazyLock<Mutex<Pools>> = LazyLock::new(Mutex::default);
        let config = options.to_config()?;
        let name = name_of(&config);
        let asked = match &password {
            PasswordSource::Asked { known, .. } => known.clone(),
            PasswordSource::Fixed(password) => format!("={password}"),
            PasswordSource::OfString => String::new(),
        };
        let limits = (
            options.max,
            options.max_lifetime,
            options.statement_timeout,
            options.connect_timeout,
            options.prepare,
            options.dialect,
        );
        let key = format!(
            "{config:?} {:?} {asked} {limits:?}",
            options.connection_string
        );
        let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(&key).and_then(Weak::upgrade) {
            return Ok(pool);
        }
        pools.retain(|_, pool| pool.strong_count() > 0);
        let pool = Arc::new(Self {
            connector: Connector::new(options, password, tls)?,
            name,
            place: place_of(&config),
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(options.max)),
            max: options.max,
            patience: options.connect_timeout,
        });
        pools.insert(key, Arc::downgrade(&pool));
        Ok(pool)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection to use: an idle one, or a new one.
    pub(super) async fn take(&self, operation: &'static str, may_ask: bool) -> Result<InUse> {
        let waiting = Arc::clone(&self.permits).acquire_owned();
        let Ok(Ok(permit)) = timeout(self.patience, waiting).await else {
            return Err(self.all_in_use(operation));
        };
        let idle = {
            let mut idle = self.idle();
            idle.retain(Connection::is_usable);
            idle.pop()
        };
        let connection = match idle {
            Some(connection) => connection,
            None => self.connector.connect(may_ask).await?,
        };
        Ok(InUse {
            connection,
            _permit: permit,
        })
    }

    /// Takes a connection back that has no transaction.
    pub(super) fn give_back(&self, used: InUse) {
        if used.connection.is_usable() {
            self.idle().push(used.connection);
        }
    }

    fn all_in_use(&self, operation: &'static str) -> Error {
        Error::new(
            ErrorKind::Busy,
            operation,
            format!(
                "all {} connections to {} were in use for {} ms; raise max, or do less at once",
                self.max,
                self.name,
                self.patience.as_millis()
            ),
        )
    }
}

/// The database, by the first part of its server's name: that is the name of the cluster, wherever it is reached from.
fn place_of(config: &tokio_postgres::Config) -> String {
    let host = config.get_hosts().first().map(|host| match host {
        tokio_postgres::config::Host::Tcp(name) => name.to_lowercase(),
        #[cfg(unix)]
        tokio_postgres::config::Host::Unix(folder) => folder.display().to_string(),
    });
    let host = host.unwrap_or_default();
    let is_name = host.parse::<std::net::IpAddr>().is_err();
    let first = host.split('.').next().filter(|_| is_name);
    let database = config.get_dbname().or(config.get_user());
    let database = database.unwrap_or_default();
    format!("{}/{database}", first.unwrap_or(&host)).replace(' ', "_")
}

/// The servers and the database, without role and password.
fn name_of(config: &tokio_postgres::Config) -> String {
    let hosts = config.get_hosts().iter().map(|host| match host {
        tokio_postgres::config::Host::Tcp(name) => name.clone(),
        #[cfg(unix)]
        tokio_postgres::config::Host::Unix(folder) => folder.display().to_string(),
    });
    let hosts: Vec<String> = hosts.collect();
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let database = config
        .get_dbname()
        .or(config.get_user())
        .unwrap_or_default();
    format!("postgres://{}:{port}/{database}", hosts.join(","))
}
