use rustls::{
    ClientConfig, ConfigBuilder, RootCertStore,
    client::WantsClientCert,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use std::{error, fmt, sync::Arc};

/// Whom a [`Pool`](crate::Pool) trusts over TLS, and as whom it calls.
///
/// TLS 1.3 and 1.2, by rustls and aws-lc-rs; no provider of cryptography is
/// installed for the process.
#[derive(Clone)]
pub struct Tls(ClientConfig);

/// A certificate or a key that cannot be used.
#[derive(Debug)]
pub struct BadCertificate {
    what: &'static str,
    source: Box<dyn error::Error + Send + Sync>,
}

// ===== impl Tls =====

impl Tls {
    /// Trusts the authorities that Mozilla does, as compiled in (webpki-roots):
    /// for servers of the public web. What the system trusts is not read.
    #[must_use]
    pub fn public() -> Self {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        Self(trusting(roots).with_no_client_auth())
    }

    /// Trusts the authorities whose certificates are in `authorities` (PEM), and
    /// no others: for services of one's own.
    ///
    /// # Errors
    ///
    /// Fails if there is none in it, or one that is not a certificate.
    pub fn trusting(authorities: &[u8]) -> Result<Self, BadCertificate> {
        Ok(Self(trusting(roots(authorities)?).with_no_client_auth()))
    }

    /// As [`trusting`](Self::trusting), and calls as whom the first of
    /// `certificates` names, with the private `key` of it (mutual TLS). All is
    /// PEM; intermediate certificates follow the first.
    ///
    /// # Errors
    ///
    /// Also if `key` is not the private key of that certificate.
    pub fn mutual(
        authorities: &[u8],
        certificates: &[u8],
        key: &[u8],
    ) -> Result<Self, BadCertificate> {
        let chain = certificates_of("certificate of the client", certificates)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(bad("key of the client"))?;
        let config = trusting(roots(authorities)?).with_client_auth_cert(chain, key);
        config.map(Self).map_err(bad("certificate of the client"))
    }

    pub(super) fn into_config(mut self) -> ClientConfig {
        // The pool says which versions of HTTP it speaks.
        self.0.alpn_protocols.clear();
        self.0
    }
}

/// Takes rustls's own settings, for what is not here: another verifier, a key
/// in hardware, the system's trust. The pool sets ALPN itself.
impl From<ClientConfig> for Tls {
    fn from(config: ClientConfig) -> Self {
        Self(config)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

#[expect(clippy::expect_used, reason = "both versions are of this provider's suites")]
fn trusting(roots: RootCertStore) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("aws-lc-rs has TLS 1.2 and 1.3")
        .with_root_certificates(roots)
}

fn roots(pem: &[u8]) -> Result<RootCertStore, BadCertificate> {
    let what = "certificate of an authority";
    let mut roots = RootCertStore::empty();
    for certificate in certificates_of(what, pem)? {
        roots.add(certificate).map_err(bad(what))?;
    }
    Ok(roots)
}

fn certificates_of(
    what: &'static str,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, BadCertificate> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(bad(what))?;
    if found.is_empty() {
        return Err(bad(what)("there is none: give PEM"));
    }
    Ok(found)
}

fn bad<E>(what: &'static str) -> impl Fn(E) -> BadCertificate
where
    E: Into<Box<dyn error::Error + Send + Sync>>,
{
    move |source| BadCertificate { what, source: source.into() }
}

// ===== impl BadCertificate =====

impl fmt::Display for BadCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot use the {}", self.what)
    }
}

impl error::Error for BadCertificate {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&*self.source)
    }
}
