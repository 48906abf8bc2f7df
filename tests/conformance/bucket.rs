//! A bucket of the S3 server that `scripts/test-servers.mjs` builds.

use std::env;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use starkeep_sync_engine::store::s3::{CredentialSource, Credentials, S3Objects, S3Options};
use starkeep_sync_engine::transport::client::Connections;
use tempfile::TempDir;

const KEY: &str = "AKTEST";
const SECRET: &str = "secret/of+the=test";

/// A server that ends with the test.
pub struct Bucket {
    server: Child,
    _folder: TempDir,
    pub objects: Arc<S3Objects>,
}

impl Drop for Bucket {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Where the server is, if it was built.
fn program() -> Option<PathBuf> {
    let cache = match env::var_os("STARKEEP_TEST_SERVERS") {
        Some(cache) => PathBuf::from(cache),
        None => env::home_dir()?
            .join(".cache")
            .join("starkeep-test-servers"),
    };
    let name = if cfg!(windows) {
        "s3s-fs.exe"
    } else {
        "s3s-fs"
    };
    Some(cache.join("bin").join(name)).filter(|program| program.exists())
}

impl Bucket {
    /// A new one; `None`, and a word about it, where there is no server.
    pub fn start() -> Option<Self> {
        let Some(program) = program() else {
            eprintln!(
                "a bucket is skipped: there is no S3 server, `node scripts/test-servers.mjs` builds one"
            );
            return None;
        };
        let folder = TempDir::new().unwrap();
        std::fs::create_dir(folder.path().join("bucket")).unwrap();
        let (server, port) = (0..5)
            .find_map(|_| started(&program, folder.path()))
            .unwrap();
        let options = S3Options {
            bucket: "bucket".to_owned(),
            endpoint: Some(format!("http://127.0.0.1:{port}")),
            region: "us-east-1".to_owned(),
            key_prefix: String::new(),
            force_path_style: false,
            part_size: S3Options::PART_SIZE,
            timeout: Some(S3Options::TIMEOUT),
        };
        let credentials = CredentialSource::Fixed(Credentials::new(KEY, SECRET));
        let clients = Arc::new(Connections::default());
        let objects = S3Objects::open(options, credentials, clients).unwrap();
        Some(Self {
            server,
            _folder: folder,
            objects: Arc::new(objects),
        })
    }
}

/// The server on a port of its own; `None` where another took that in between.
fn started(program: &Path, folder: &Path) -> Option<(Child, u16)> {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mut server = Command::new(program)
        .args(["--host", "127.0.0.1", "--port", &port.to_string()])
        .args(["--access-key", KEY, "--secret-key", SECRET])
        .arg(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while server.try_wait().unwrap().is_none() {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some((server, port));
        }
        sleep(Duration::from_millis(20));
    }
    None
}
