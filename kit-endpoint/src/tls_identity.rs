use std::{fmt, sync::Arc};

/// Who the peer is, by the certificate that it showed and that was verified,
/// among a request's extensions.
///
/// The accept loop puts it there for a connection over mutual TLS. Cheap to
/// clone.
///
/// ```
/// use kit_endpoint::TlsIdentity;
///
/// let identity = TlsIdentity::new([b"der".to_vec()]).uri("spiffe://example.org/a");
/// assert_eq!(identity.uris(), ["spiffe://example.org/a"]);
/// assert_eq!(identity.certificate(), b"der");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct TlsIdentity(Arc<Inner>);

#[derive(Clone, Default, PartialEq, Eq)]
struct Inner {
    chain: Vec<Vec<u8>>,
    dns: Vec<String>,
    uris: Vec<String>,
}

// ===== impl TlsIdentity =====

impl TlsIdentity {
    /// Who showed these certificates, each as DER, its own first.
    pub fn new(chain: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self(Arc::new(Inner { chain: chain.into_iter().collect(), ..Inner::default() }))
    }

    /// Adds a DNS name that its certificate has.
    #[must_use]
    pub fn dns_name(mut self, name: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.0).dns.push(name.into());
        self
    }

    /// Adds a URI that its certificate has, as a SPIFFE ID is.
    #[must_use]
    pub fn uri(mut self, uri: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.0).uris.push(uri.into());
        self
    }

    /// Returns its own certificate, as DER; empty if there is none.
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        self.0.chain.first().map_or(&[], Vec::as_slice)
    }

    /// Returns all certificates that it showed, each as DER, its own first.
    #[must_use]
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.0.chain
    }

    /// Returns the DNS names among the subject's alternative names.
    #[must_use]
    pub fn dns_names(&self) -> &[String] {
        &self.0.dns
    }

    /// Returns the URIs among the subject's alternative names.
    #[must_use]
    pub fn uris(&self) -> &[String] {
        &self.0.uris
    }
}

/// Shows the names, not the certificates.
impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsIdentity")
            .field("dns_names", &self.0.dns)
            .field("uris", &self.0.uris)
            .finish_non_exhaustive()
    }
}
