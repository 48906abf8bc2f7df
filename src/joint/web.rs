//! Stores whose objects are behind HTTP use the connections that peers use.

use crate::error::{Error, Result};
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
