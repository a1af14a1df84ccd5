//! Who the peer of a connection is, by its certificate.

use crate::{Authenticator, Denied, IntoVerdict, Presented, Verdict, authorize::Grants};
use http::HeaderValue;
use kit_endpoint::TlsIdentity;
use std::{fmt, sync::Arc};

/// Lets those in whose certificate some [`Peers`] know: one that the accept loop
/// verified (mutual TLS), and whose [`TlsIdentity`] it put among the extensions.
///
/// A connection without a certificate is [`Verdict::Absent`]; a certificate that is
/// not known is [`Reason::Invalid`](crate::Reason::Invalid), and no other authenticator is asked, unless a
/// function of yours says `Verdict::Absent` for it.
///
/// ```
/// use kit_auth::{Auth, certificate::{Certificate, StaticPeers}};
/// use kit_endpoint::TlsIdentity;
///
/// let peers = StaticPeers::new()
///     .uri("spiffe://example.org/orders")
///     .dns_name("orders.example.org");
/// let auth = Auth::new(Certificate::new(peers));
///
/// // Or by a function, for whatever the endpoint wants to know.
/// #[derive(Clone)]
/// struct Workload(String);
///
/// let auth_too = Auth::new(Certificate::new(|peer: &TlsIdentity| match peer.uris() {
///     [id] => id.strip_prefix("spiffe://example.org/").map(|id| Workload(id.to_owned())),
///     _ => None,
/// }));
/// # let _ = (auth, auth_too);
/// ```
///
/// There is no challenge that asks for a certificate: the connection comes before the
/// request. Alone, it makes a 401 without `WWW-Authenticate`.
#[derive(Clone)]
pub struct Certificate<P> {
    peers: P,
}

/// Some who have certificates.
///
/// It is implemented for functions of a [`TlsIdentity`], which may return what
/// [`IntoVerdict`] is implemented for.
pub trait Peers: Send + Sync + 'static {
    /// Who one is: what the endpoint finds among the extensions.
    type Identity: Clone + Send + Sync + 'static;

    /// Says whose this certificate is. It is called for each request and must not
    /// block.
    fn find(&self, peer: &TlsIdentity) -> Verdict<Self::Identity>;
}

/// Peers by the names in their certificates, each of which is all of the name:
/// nothing stands for others.
#[derive(Debug, Clone, Default)]
pub struct StaticPeers {
    uris: Vec<PeerName>,
    dns_names: Vec<PeerName>,
}

/// A peer that is known by a name in its certificate, as it was given to
/// [`StaticPeers`].
///
/// It has no scopes and no roles. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerName(Arc<str>);

// ===== impl Certificate =====

impl<P> Certificate<P> {
    /// Asks `peers`.
    pub const fn new(peers: P) -> Self {
        Self { peers }
    }

    /// Returns what knows the peers.
    pub const fn peers(&self) -> &P {
        &self.peers
    }
}

impl<P: Peers> Authenticator for Certificate<P> {
    type Identity = P::Identity;

    fn authenticate(&self, presented: &Presented<'_>) -> Verdict<P::Identity> {
        match presented.tls() {
            Some(peer) => self.peers.find(peer),
            None => Verdict::Absent,
        }
    }

    fn challenge(&self, _: &Denied, _: &mut Vec<HeaderValue>) {}
}

impl<P: fmt::Debug> fmt::Debug for Certificate<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("peers", &self.peers).finish()
    }
}

// ===== impl Peers =====

impl<F, V> Peers for F
where
    F: Fn(&TlsIdentity) -> V + Send + Sync + 'static,
    V: IntoVerdict<Identity: Clone + Send + Sync + 'static>,
{
    type Identity = V::Identity;

    fn find(&self, peer: &TlsIdentity) -> Verdict<V::Identity> {
        self(peer).into_verdict()
    }
}

impl<P: Peers + ?Sized> Peers for Arc<P> {
    type Identity = P::Identity;

    fn find(&self, peer: &TlsIdentity) -> Verdict<P::Identity> {
        (**self).find(peer)
    }
}

// ===== impl StaticPeers =====

impl StaticPeers {
    /// Knows nobody yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { uris: Vec::new(), dns_names: Vec::new() }
    }

    /// Knows who has this URI, as a SPIFFE ID is. A certificate with several URIs is
    /// none of SPIFFE's (X.509-SVID, section 2), and is not known by them.
    #[must_use]
    pub fn uri(mut self, uri: impl Into<Arc<str>>) -> Self {
        self.uris.push(PeerName(uri.into()));
        self
    }

    /// Knows who has this DNS name, in upper or lower case.
    #[must_use]
    pub fn dns_name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.dns_names.push(PeerName(name.into()));
        self
    }
}

/// Its URI counts first, then its DNS names in the order in which it has them.
impl Peers for StaticPeers {
    type Identity = PeerName;

    fn find(&self, peer: &TlsIdentity) -> Verdict<PeerName> {
        let by_uri = match peer.uris() {
            [uri] => self.uris.iter().find(|known| known.name() == uri),
            _ => None,
        };
        let by_dns_name = || {
            let is = |name: &str| {
                self.dns_names.iter().find(|known| known.name().eq_ignore_ascii_case(name))
            };
            peer.dns_names().iter().find_map(|name| is(name))
        };
        by_uri.or_else(by_dns_name).cloned().into_verdict()
    }
}

// ===== impl PeerName =====

impl PeerName {
    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl Grants for PeerName {
    fn has_scope(&self, _: &str) -> bool {
        false
    }
}

impl fmt::Debug for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PeerName").field(&self.0).finish()
    }
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
