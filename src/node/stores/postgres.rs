//! How the database of all stores in `PostgreSQL` is reached.

use std::sync::Arc;

use super::asked::asked;
use crate::error::Result;
use crate::node::options::Options;
use crate::node::value::Call;
use crate::store::postgres::{PasswordSource, PostgresOptions};
use crate::transport::client::Connections;

/// Which database, with which password, and whose TLS.
pub fn postgres(
    call: &Call<'_>,
    options: &Options<'_>,
) -> Result<(PostgresOptions, PasswordSource, Arc<Connections>)> {
    let password = match (options.string("password")?, options.given("password")?) {
        (Some(fixed), _) => PasswordSource::Fixed(fixed),
        (None, None) => PasswordSource::OfString,
        (None, Some(function)) => PasswordSource::Asked {
            known: options.part(function).string("known")?.unwrap_or_default(),
            // Held as long as there are connections, which another store may share: it must not go with this one.
            ask: asked(call, call.scope.keep(function)?, "password")?,
        },
    };
    let tls = Arc::new(Connections::of_process());
    Ok((options.data()?, password, tls))
}
