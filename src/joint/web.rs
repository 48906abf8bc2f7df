//! Stores behind a network use the connections that peers use, and trust what those trust.

use crate::error::{Error, Result};
use crate::store::postgres::TlsClients;
use crate::store::s3::HttpClients;
use crate::transport::client::{Connections, Over, unanswered};

impl HttpClients for Connections {
    fn client(&self, fresh: bool) -> Result<reqwest::Client> {
        let over = if fresh { Over::Fresh } else { Over::Any };
        Connections::client(self, over).cloned()
    }

    fn explain(&self, error: reqwest::Error, endpoint: &str) -> Error {
        unanswered(error, endpoint, "endpoint").error
    }
}

impl TlsClients for Connections {
    fn config(&self) -> Result<rustls::ClientConfig> {
        Connections::tls()
    }
}
