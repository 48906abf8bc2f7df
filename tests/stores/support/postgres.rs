//! A `PostgreSQL` server for the tests of a process, and a database of its own for each test.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use starkeep_sync_engine::store::postgres::{PasswordSource, PostgresOptions, PostgresRecords};
use starkeep_sync_engine::transport::client::Connections;

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
