//! Whether a server listens, where it may be asked to listen and to close at any time.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use super::listen::Listening;
use crate::error::{Error, ErrorKind, Result};

/// Where a server listens, as `node:net` says it.
#[derive(Debug, Serialize)]
pub struct SocketPlace {
    address: IpAddr,
    family: &'static str,
    port: u16,
}

impl From<SocketAddr> for SocketPlace {
    fn from(address: SocketAddr) -> Self {
        Self {
            address: address.ip(),
            family: if address.is_ipv4() { "IPv4" } else { "IPv6" },
            port: address.port(),
        }
    }
}

/// How it stands with a server.
#[derive(Debug, Default)]
pub struct Standing(RefCell<State>);

#[derive(Debug, Default)]
enum State {
    #[default]
    Closed,
    Starting,
    Listening(Listening),
}

impl Standing {
    /// Listens, as `start` begins it.
    ///
    /// # Errors
    /// `InvalidArgument` where it listens already; what `start` fails with.
    pub async fn listen<T>(
        &self,
        start: impl AsyncFnOnce() -> Result<(Listening, T)>,
    ) -> Result<T> {
        if !matches!(*self.0.borrow(), State::Closed) {
            let what = "the server listens already; close it first";
            return Err(Error::new(ErrorKind::InvalidArgument, "listen", what));
        }
        self.0.replace(State::Starting);
        let started = start().await;
        let (state, started) = match started {
            Ok((listening, started)) => (State::Listening(listening), Ok(started)),
            Err(error) => (State::Closed, Err(error)),
        };
        self.0.replace(state);
        started
    }

    /// Where it listens.
    pub fn place(&self) -> Option<SocketPlace> {
        self.listening(|listening| SocketPlace::from(listening.address()))
    }

    /// Closes it, if it listens, and answers what waits until it is closed.
    pub fn begin_to_close(&self) -> Option<impl Future<Output = ()> + Send + use<>> {
        self.listening(Listening::close)
    }

    /// It may listen again, if it is closed.
    pub fn closed(&self) {
        // Only the first of several that waited finds it listening still.
        if self.listening(Listening::is_over) == Some(true) {
            self.0.replace(State::Closed);
        }
    }

    fn listening<T>(&self, of: impl FnOnce(&Listening) -> T) -> Option<T> {
        match &*self.0.borrow() {
            State::Listening(listening) => Some(of(listening)),
            State::Closed | State::Starting => None,
        }
    }
}
