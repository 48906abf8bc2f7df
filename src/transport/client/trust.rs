//! Which certificates connections trust.
//!
//! Those of the authorities of the system, or of Mozilla where the system has none (a slim container), and of those in
//! the file that `NODE_EXTRA_CA_CERTS` names besides. A certificate that is itself in that file is trusted whatever its
//! issuer, as long as it is valid and for that name: an authority's own as Node.js does, and one that another issued too.

use std::env;
use std::fs;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore,
    SignatureScheme,
};
use rustls_platform_verifier::Verifier;
use webpki_root_certs::TLS_SERVER_ROOT_CERTS;

use crate::transport::{ALPN, crypto};

/// TLS of connections that trust so. Reads from disk.
///
/// # Errors
/// Where what is compiled in does not fit together.
pub fn config() -> Result<ClientConfig, TlsError> {
    let crypto = crypto();
    let trust = Trust::new(Arc::clone(&crypto))?;
    let builder =
        ClientConfig::builder_with_provider(crypto).with_safe_default_protocol_versions()?;
    let mut config = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(trust))
        .with_no_client_auth();
    config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
    Ok(config)
}

#[derive(Debug)]
struct Trust {
    usual: Verifier,
    extra: Vec<CertificateDer<'static>>,
    crypto: Arc<CryptoProvider>,
}

impl Trust {
    fn new(crypto: Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let extra = extra_certificates();
        let with = |roots| Verifier::new_with_extra_roots(roots, Arc::clone(&crypto));
        // Fails if the system has no authorities; that others are trusted besides would hide it.
        let usual = match Verifier::new(Arc::clone(&crypto)) {
            Ok(usual) if extra.is_empty() => usual,
            Ok(_) => with(extra.clone())?,
            Err(_) => with([TLS_SERVER_ROOT_CERTS, &extra].concat())?,
        };
        Ok(Self {
            usual,
            extra,
            crypto,
        })
    }

    /// Checks what is left to check of a certificate that is trusted for itself.
    fn verify_itself(
        &self,
        certificate: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let certificate = ParsedCertificate::try_from(certificate)?;
        let algorithms = self.crypto.signature_verification_algorithms.all;
        let issuers = RootCertStore::empty();
        // Without issuers this fails always, but for that after all else: its time is looked at first.
        let verified =
            verify_server_cert_signed_by_trust_anchor(&certificate, &issuers, &[], now, algorithms);
        match verified {
            Err(error) if !is_of_its_issuer(&error) => Err(error),
            _ => {
                verify_server_name(&certificate, name)?;
                Ok(ServerCertVerified::assertion())
            }
        }
    }
}

/// Whether only the issuer is missing, or the certificate is an authority's own: neither counts for one that is named.
fn is_of_its_issuer(error: &TlsError) -> bool {
    match error {
        TlsError::InvalidCertificate(CertificateError::UnknownIssuer) => true,
        TlsError::InvalidCertificate(CertificateError::Other(other)) => {
            other.0.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity)
        }
        _ => false,
    }
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        if self.extra.contains(certificate) {
            return self.verify_itself(certificate, name, now);
        }
        let usual = &self.usual;
        usual.verify_server_cert(certificate, intermediates, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.usual
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.usual
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}

/// Node.js warns of a file that it cannot read when it starts, and goes on without; so does this.
fn extra_certificates() -> Vec<CertificateDer<'static>> {
    let Some(path) = env::var_os("NODE_EXTRA_CA_CERTS").filter(|path| !path.is_empty()) else {
        return Vec::new();
    };
    let pem = fs::read(&path).inspect_err(|error| {
        tracing::warn!(%error, path = %path.display(), "NODE_EXTRA_CA_CERTS cannot be read");
    });
    let pem = pem.unwrap_or_default();
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = certificates.inspect_err(|error| {
        tracing::warn!(%error, path = %path.display(), "NODE_EXTRA_CA_CERTS is not in PEM form");
    });
    let is_usable = |certificate: &CertificateDer<'_>| {
        let usable = webpki::anchor_from_trusted_cert(certificate).inspect_err(|error| {
            tracing::warn!(%error, path = %path.display(), "NODE_EXTRA_CA_CERTS has a certificate of no use");
        });
        usable.is_ok()
    };
    let certificates = certificates.unwrap_or_default();
    certificates.into_iter().filter(is_usable).collect()
}
