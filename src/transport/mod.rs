//! The exchange over HTTP.
//!
//! The messages are those of [`crate::protocol::wire`]; files lie beside them under `/files/`. What both
//! ends have to agree on is here, and in `docs/protocol.md` for peers in other languages.

pub mod client;
pub mod gzip;
pub mod presign;
pub mod routes;
pub mod server;

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustls::crypto::{CryptoProvider, aws_lc_rs};

use crate::protocol::item::Digest;

/// Where requests are posted.
pub const EXCHANGE_PATH: &str = "/sync/exchange";

/// Where requests are posted that compare what both sides hold. The same side answers them.
pub const RECONCILE_PATH: &str = "/sync/reconcile";

/// What the path of a file begins with; its key follows, percent-encoded.
pub const FILES_PREFIX: &str = "/files/";

/// The header that every answer of this protocol's routes has: the peer speaks it.
pub const MARKER: &str = "starkeep-sync";

/// What stands in it: the version.
pub const MARKER_VALUE: &str = "1";

/// The header with the hash of a file, as in RFC 9530.
pub const REPR_DIGEST: &str = "repr-digest";

/// The header that says which upload of a file a request is of.
pub const UPLOAD_ID: &str = "upload-id";

/// The header that says how much of an upload is kept.
pub const UPLOAD_OFFSET: &str = "upload-offset";

/// What is spoken over TLS, the best first.
pub const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// What TLS computes with: what the process has chosen, or what is compiled in.
pub fn crypto() -> Arc<CryptoProvider> {
    let chosen = CryptoProvider::get_default().cloned();
    chosen.unwrap_or_else(|| Arc::new(aws_lc_rs::default_provider()))
}

/// The hash of a file as it stands in its header.
pub fn write_repr_digest(digest: Digest) -> String {
    format!("sha-256=:{}:", BASE64_STANDARD.encode(digest.0))
}

/// The SHA-256 among the hashes in the header, if it is there.
pub fn read_repr_digest(header: &str) -> Option<Digest> {
    header.split(',').find_map(|one| {
        let (name, value) = one.trim().split_once('=')?;
        let encoded = value.trim().strip_prefix(':')?.strip_suffix(':')?;
        let bytes = BASE64_STANDARD.decode(encoded).ok()?;
        let is_sha = name.eq_ignore_ascii_case("sha-256");
        bytes.try_into().ok().map(Digest).filter(|_| is_sha)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_in_its_header_is_read_as_it_was_written() {
        let digest = Digest::OF_NOTHING;
        let written = write_repr_digest(digest);
        assert_eq!(
            written,
            "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"
        );
        assert_eq!(read_repr_digest(&written), Some(digest));
        let among = format!("sha-512=:AAAA:, {written}");
        assert_eq!(read_repr_digest(&among), Some(digest));
        for other in ["", "sha-256", "sha-256=:AAAA:", "sha-256=abc", "md5=:AAAA:"] {
            assert_eq!(read_repr_digest(other), None, "{other}");
        }
    }
}
