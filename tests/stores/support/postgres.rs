//! A `PostgreSQL` server for the tests of a process, and a database of its own for each test.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use starkeep_sync_engine::store::postgres::{
    PasswordSource, PostgresAppRows, PostgresOptions, PostgresRecords, PostgresState,
};
use starkeep_sync_engine::transport::client::Connections;

use super::dsql::{Plan, Proxy};

/// A server that ends with its input, and so with this process.
pub struct Server {
    pub url: String,
    said: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    _process: Child,
}

impl Server {
    /// One with these settings, as `scripts/test-postgres.sh` has them; `None`, and a word about it, where there is no
    /// server to be had.
    pub fn start(settings: &[&str]) -> Option<Self> {
        let mut process = Command::new("sh")
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/scripts/test-postgres.sh"
            ))
            .args(settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let input = process.stdin.take().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut url = String::new();
        output.read_line(&mut url).unwrap();
        let url = url.trim().to_owned();
        if !url.starts_with("postgres://") {
            eprintln!("PostgreSQL is skipped: {url}");
            return None;
        }
        Some(Self {
            url,
            said: Mutex::new((input, output)),
            _process: process,
        })
    }

    /// Has it `stop`, `start`, `restart` or be `kill`ed.
    pub fn say(&self, what: &str) {
        let mut said = self.said.lock().unwrap();
        writeln!(said.0, "{what}").unwrap();
        let mut answer = String::new();
        said.1.read_line(&mut answer).unwrap();
        assert_eq!(answer.trim(), format!("{what} 0"));
    }
}

/// The server that the tests of this process share.
pub fn shared() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(&[])).as_ref()
}

/// The server, and the same as Aurora DSQL is, where some commits are refused and of others the answer is lost. Each comes
/// with its proxy, where it has one.
pub fn each(server: &Server, cuts: Option<u64>) -> [(&'static str, Option<Proxy>); 2] {
    let plan = Plan {
        is_dsql: true,
        refuses: Some(5),
        cuts,
        ..Plan::default()
    };
    let proxy = Proxy::start(server, plan);
    [("PostgreSQL", None), ("as DSQL", Some(proxy))]
}

/// Does `work` on the server, and on the same as Aurora DSQL is, where some commits are refused, in a schema of its own.
pub async fn in_each(server: &Server, work: impl AsyncFn(PostgresOptions)) {
    for (_, proxy) in each(server, None) {
        work(by_way_of(proxy.as_ref(), options(server))).await;
        proxy.iter().for_each(Proxy::assert_has_all);
    }
}

/// The same in a database of its own.
pub async fn in_each_database(server: &Server, work: impl AsyncFn(PostgresOptions)) {
    for (_, proxy) in each(server, None) {
        work(by_way_of(proxy.as_ref(), database(server).await)).await;
        proxy.iter().for_each(Proxy::assert_has_all);
    }
}

/// These options, or the same by way of a proxy.
pub fn by_way_of(proxy: Option<&Proxy>, options: PostgresOptions) -> PostgresOptions {
    match proxy {
        Some(proxy) => proxy.options(options),
        None => options,
    }
}

/// Runs SQL beside the package, on the database of this url.
pub async fn sql(
    url: &str,
    statements: &str,
) -> Result<Vec<tokio_postgres::SimpleQueryMessage>, String> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls)
        .await
        .map_err(|error| error.to_string())?;
    let running = tokio::spawn(connection);
    let answer = client.simple_query(statements).await;
    drop(client);
    let _ = running.await;
    answer.map_err(|error| format!("{error}: {:?}", error.as_db_error()))
}

/// Options for a database of its own: apps have schemas of their own.
pub async fn database(server: &Server) -> PostgresOptions {
    let options = options(server);
    sql(&server.url, &format!("CREATE DATABASE {}", options.schema))
        .await
        .unwrap();
    PostgresOptions {
        database: Some(options.schema),
        schema: PostgresOptions::SCHEMA.to_owned(),
        connection_string: options.connection_string,
        ..PostgresOptions::default()
    }
}

/// The url of the database of these options.
pub fn url_of(options: &PostgresOptions) -> String {
    let url = options.connection_string.clone().unwrap();
    let server = url.strip_suffix("/postgres").unwrap();
    let name = options.database.as_deref().unwrap_or("postgres");
    format!("{server}/{name}")
}

/// The url of their database on the server itself.
pub fn url_on(server: &Server, options: &PostgresOptions) -> String {
    url_of(&PostgresOptions {
        connection_string: Some(server.url.clone()),
        ..options.clone()
    })
}

/// Options for a schema of its own.
pub fn options(server: &Server) -> PostgresOptions {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    PostgresOptions {
        connection_string: Some(server.url.clone()),
        schema: format!("test_{count}"),
        ..PostgresOptions::default()
    }
}

/// The records that these options lead to.
pub fn records(options: &PostgresOptions) -> PostgresRecords {
    let tls = Arc::new(Connections::default());
    PostgresRecords::open(options, PasswordSource::OfString, tls).unwrap()
}

/// The app rows that these options lead to.
pub fn app_rows(options: &PostgresOptions) -> PostgresAppRows {
    let tls = Arc::new(Connections::default());
    PostgresAppRows::open(options, PasswordSource::OfString, tls).unwrap()
}

/// The state that these options lead to.
pub fn state(options: &PostgresOptions) -> PostgresState {
    let tls = Arc::new(Connections::default());
    PostgresState::open(options, "me".to_owned(), PasswordSource::OfString, tls).unwrap()
}
