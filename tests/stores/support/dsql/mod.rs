//! A server that is to the stores as Aurora DSQL is, as far as its vendor's pages say: `PostgreSQL` behind a proxy. Every
//! transaction is at REPEATABLE READ. A statement with what DSQL lacks is noted, and so is a transaction beyond its limits; a
//! test asserts that nothing was. Some transactions are refused when they commit, of others the answer is lost.
//!
//! It is the same for `PostgreSQL` itself, without the limits: there it loses answers, and refuses as it is told.

pub mod statements;

use std::collections::{HashMap, VecDeque};
use std::io::{Read, Result, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use starkeep_sync_engine::store::postgres::{Dialect, PostgresOptions};

use super::postgres::Server;

const MOST_ROWS: u64 = 3_000;
const MOST_BYTES: usize = 10 << 20;

/// What a proxy does to transactions that write.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plan {
    /// Whether the server is as DSQL is.
    pub is_dsql: bool,
    /// Whether transactions that write one row are both let through, as no such server does.
    pub lacks_conflicts: bool,
    /// Each commit of this number is refused, such as each third.
    pub refuses: Option<u64>,
    /// After each commit of this number the connection ends without an answer.
    pub cuts: Option<u64>,
}

/// A proxy, which ends with the process.
#[derive(Debug, Clone)]
pub struct Proxy {
    pub url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    plan: Plan,
    server: String,
    commits: u64,
    refused: u64,
    cut: u64,
    largest: u64,
    wrong: Vec<String>,
    /// What commits are refused with; that of a conflict otherwise.
    code: Option<&'static str>,
}

impl Proxy {
    pub fn start(server: &Server, plan: Plan) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (before, database) = server.url.rsplit_once('/').unwrap();
        let (user, server) = before.rsplit_once('@').unwrap();
        let url = format!("{user}@127.0.0.1:{port}/{database}");
        let server = server.to_owned();
        let state = Arc::new(Mutex::new(State {
            plan,
            server,
            ..State::default()
        }));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                // A connection that ends within a message ends.
                thread::spawn(move || drop(connection(&shared, client)));
            }
        });
        Self { url, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The same place as these options, by way of the proxy.
    pub fn options(&self, options: PostgresOptions) -> PostgresOptions {
        let is_dsql = self.state().plan.is_dsql;
        PostgresOptions {
            connection_string: Some(self.url.clone()),
            dialect: if is_dsql {
                Dialect::Dsql
            } else {
                Dialect::Postgres
            },
            ..options
        }
    }

    /// Does something else from now on.
    pub fn change(&self, plan: Plan) {
        self.state().plan = plan;
    }

    /// Refuses each commit with this code from now on.
    pub fn refuse_with(&self, code: &'static str) {
        let mut state = self.state();
        state.code = Some(code);
        state.plan.refuses = Some(1);
    }

    /// How many commits were refused, and of how many the answer was lost.
    pub fn faults(&self) -> (u64, u64) {
        let state = self.state();
        (state.refused, state.cut)
    }

    /// The most rows that a transaction wrote.
    pub fn largest(&self) -> u64 {
        self.state().largest
    }

    /// Asserts that the server has what it was asked.
    #[track_caller]
    pub fn assert_has_all(&self) {
        assert_eq!(self.state().wrong, Vec::<String>::new());
    }
}

/// What becomes of the next answer of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Goes,
    /// This goes in its place.
    Refused(&'static str),
    /// The connection ends in its place.
    Lost,
}

/// One connection, as both of its directions know it.
#[derive(Debug)]
struct Shared<'s> {
    state: &'s Mutex<State>,
    answers: Mutex<VecDeque<Answer>>,
    transaction: Mutex<Transaction>,
}

#[derive(Debug, Default)]
struct Transaction {
    is_open: bool,
    rows: u64,
    bytes: usize,
}

fn connection(state: &Mutex<State>, mut client: TcpStream) -> Result<()> {
    client.set_nodelay(true)?;
    let address = state.lock().unwrap().server.clone();
    let mut server = TcpStream::connect(address)?;
    server.set_nodelay(true)?;
    begin(state, &mut client, &mut server)?;
    let shared = Shared {
        state,
        answers: Mutex::default(),
        transaction: Mutex::default(),
    };
    let (from_server, to_client) = (server.try_clone()?, client.try_clone()?);
    thread::scope(|scope| {
        scope.spawn(|| {
            let ended = answer(&shared, &from_server, &to_client);
            let _ = to_client.shutdown(Shutdown::Both);
            let _ = from_server.shutdown(Shutdown::Both);
            ended
        });
        let ended = ask(&shared, &client, &server);
        let _ = server.shutdown(Shutdown::Both);
        let _ = client.shutdown(Shutdown::Both);
        ended
    })
}

/// Passes on what begins a connection, with the level of transactions.
fn begin(state: &Mutex<State>, client: &mut TcpStream, server: &mut TcpStream) -> Result<()> {
    const TLS: [u8; 4] = 80_877_103u32.to_be_bytes();
    loop {
        let mut body = sized(client)?;
        if body == TLS {
            client.write_all(b"N")?;
            continue;
        }
        let plan = state.lock().unwrap().plan;
        if plan.is_dsql {
            let level = if plan.lacks_conflicts {
                "read\\ committed"
            } else {
                "repeatable\\ read"
            };
            body.pop();
            let option = format!("options\0-c default_transaction_isolation={level}\0\0");
            body.extend_from_slice(option.as_bytes());
        }
        return write_sized(server, &body);
    }
}

/// What stands behind its length.
fn sized(from: &mut impl Read) -> Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap();
    let mut body = vec![0; length.saturating_sub(4)];
    from.read_exact(&mut body)?;
    Ok(body)
}

fn write_sized(mut to: impl Write, body: &[u8]) -> Result<()> {
    let length = u32::try_from(body.len() + 4).unwrap();
    to.write_all(&[&length.to_be_bytes(), body].concat())
}

fn message(mut from: impl Read) -> Result<(u8, Vec<u8>)> {
    let mut kind = [0];
    from.read_exact(&mut kind)?;
    Ok((kind[0], sized(&mut from)?))
}

fn write_message(mut to: impl Write, kind: u8, body: &[u8]) -> Result<()> {
    let length = u32::try_from(body.len() + 4).unwrap();
    to.write_all(&[&[kind][..], &length.to_be_bytes(), body].concat())
}

fn text_of(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0);
    String::from_utf8_lossy(&bytes[..end.unwrap_or(bytes.len())]).into_owned()
}

/// From the client to the server.
fn ask(shared: &Shared<'_>, client: &TcpStream, server: &TcpStream) -> Result<()> {
    let mut prepared: HashMap<String, String> = HashMap::new();
    loop {
        let (kind, mut body) = message(client)?;
        match kind {
            b'Q' => {
                let text = text_of(&body);
                let next = shared.look_at(&text);
                if let Answer::Refused(_) = next {
                    body = b"ROLLBACK\0".to_vec();
                } else if text.starts_with("CREATE INDEX ASYNC") {
                    body = [text.replacen(" ASYNC", "", 1).as_bytes(), b"\0"].concat();
                }
                shared.answers.lock().unwrap().push_back(next);
            }
            b'P' => {
                let name = text_of(&body);
                let text = text_of(&body[name.len() + 1..]);
                shared.look_at(&text);
                prepared.insert(name, text);
            }
            b'B' => {
                let portal = text_of(&body);
                let name = text_of(&body[portal.len() + 1..]);
                if prepared
                    .get(&name)
                    .is_some_and(|text| statements::writes(text))
                {
                    shared.transaction.lock().unwrap().bytes += body.len();
                }
            }
            b'S' => shared.answers.lock().unwrap().push_back(Answer::Goes),
            _ => {}
        }
        write_message(server, kind, &body)?;
    }
}

impl Shared<'_> {
    /// Looks at a text of statements, and decides about the answer.
    fn look_at(&self, text: &str) -> Answer {
        let mut state = self.state.lock().unwrap();
        let mut transaction = self.transaction.lock().unwrap();
        if state.plan.is_dsql {
            if let Some(lacks) = statements::lacking(text) {
                state.wrong.push(format!("{lacks}: {text}"));
            }
            if transaction.is_open && statements::defines(text) {
                state.wrong.push(format!("within a transaction: {text}"));
            }
        }
        match text.trim() {
            text if text.starts_with("BEGIN") => {
                *transaction = Transaction {
                    is_open: true,
                    ..Transaction::default()
                };
                Answer::Goes
            }
            "ROLLBACK" => {
                *transaction = Transaction::default();
                Answer::Goes
            }
            "COMMIT" => state.commit(&std::mem::take(&mut *transaction)),
            _ => Answer::Goes,
        }
    }
}

impl State {
    fn commit(&mut self, transaction: &Transaction) -> Answer {
        if transaction.rows == 0 {
            return Answer::Goes;
        }
        self.largest = self.largest.max(transaction.rows);
        if self.plan.is_dsql && (transaction.rows > MOST_ROWS || transaction.bytes > MOST_BYTES) {
            self.wrong
                .push(format!("beyond the limits: {transaction:?}"));
            return Answer::Refused("54000");
        }
        self.commits += 1;
        let is_due = |each: Option<u64>| each.is_some_and(|each| self.commits.is_multiple_of(each));
        if is_due(self.plan.refuses) {
            self.refused += 1;
            return Answer::Refused(self.code.unwrap_or("40001"));
        }
        if is_due(self.plan.cuts) {
            self.cut += 1;
            return Answer::Lost;
        }
        Answer::Goes
    }
}

/// From the server to the client.
fn answer(shared: &Shared<'_>, server: &TcpStream, client: &TcpStream) -> Result<()> {
    const READY: u8 = b'Z';
    loop {
        let (kind, body) = message(server)?;
        if kind == b'C' {
            count(shared, &text_of(&body));
        }
        let next = shared.answers.lock().unwrap().front().copied();
        match next {
            Some(Answer::Goes) | None => write_message(client, kind, &body)?,
            Some(Answer::Refused(code)) if kind == READY => {
                let said = "change conflicts with another transaction, please retry: (OC000)";
                let fields = format!("SERROR\0VERROR\0C{code}\0M{said}\0\0");
                write_message(client, b'E', fields.as_bytes())?;
                write_message(client, READY, b"I")?;
            }
            Some(Answer::Lost) if kind == READY => return Ok(()),
            Some(_) => {}
        }
        if kind == READY {
            shared.answers.lock().unwrap().pop_front();
        }
    }
}

/// Counts the rows that a statement wrote, by what the server says of it.
fn count(shared: &Shared<'_>, tag: &str) {
    let writes = ["INSERT", "UPDATE", "DELETE"]
        .iter()
        .any(|word| tag.starts_with(word));
    let rows: u64 = tag
        .rsplit(' ')
        .next()
        .and_then(|rows| rows.parse().ok())
        .unwrap_or(0);
    let mut state = shared.state.lock().unwrap();
    let mut transaction = shared.transaction.lock().unwrap();
    if writes && transaction.is_open {
        transaction.rows += rows;
    } else if writes && rows > MOST_ROWS && state.plan.is_dsql {
        state.wrong.push(format!("beyond the limits: {tag}"));
    }
}
