//! What a greeting passes first: who asks, how often, and how many at once; and
//! the circuit that refuses it while the service fails.
//!
//! Without flags everybody gets in. Health, reflection and the debug port stay
//! outside of it: what asks there is to be told also while there is too much to do.

use crate::{
    auth::{Caller, Callers, Gate},
    debug::Shows,
    flags::{Concurrency, Serve},
    log, trace,
    upstream::{self, Upstream},
};
use kit_auth::AuthLayer;
use kit_breaker::{Circuit, Limits};
use kit_endpoint::{Peer, Request};
use kit_limit::{
    concurrency::{ByCriticality, ConcurrencyLimitLayer, Fixed, Gradient2, Limiter},
    rate::{By, KeyOf, KeyedRateLimit, RateLimitLayer},
};
use kit_trace::{ServerSpanLayer, log::Sampling};
use kit_transport::Propagation;
use std::net::IpAddr;
use tower::{
    BoxError, Layer,
    layer::util::Identity,
    util::{Either, option_layer},
};

/// How many callers there is room for who ask at the same time.
const CALLERS: usize = 10_000;

/// What begins the key of who has no name: a name is UTF-8, which has no such byte.
const NAMELESS: u8 = 0xFF;

/// Lets a call in to an endpoint, or refuses it: by who asks first, then by how
/// often they do, and then by how many are let in already. By default it lets
/// everything in.
#[derive(Debug, Clone)]
pub struct Entry {
    layers: Layers,
    upstream: Upstream,
    spans: ServerSpanLayer,
    log: Option<Sampling>,
}

type Layers = (
    Optional<AuthLayer<Callers>>,
    Optional<RateLimitLayer<By<[u8], Asker>>>,
    Optional<ConcurrencyLimitLayer<ByCriticality>>,
);
type Optional<L> = Either<L, Identity>;

/// Who asks: the name under which they were let in, else the address that they
/// come from, of IPv6 its /64. All others are one.
#[derive(Debug, Clone, Copy)]
pub struct Asker;

/// Makes what the flags say, and shows it.
///
/// # Errors
///
/// Fails if the greeter upstream has no address.
///
/// # Panics
///
/// Panics outside of a runtime, if there is one upstream.
pub fn open(flags: &Serve, gate: &Gate, seen: &impl Shows) -> Result<(Entry, Circuit), BoxError> {
    let rate = flags.rate_limit.map(|rate| KeyedRateLimit::new("per-caller", rate, CALLERS));
    let limiter = flags.concurrency_limit.map(|limit| match limit {
        Concurrency::Adaptive => Limiter::new("greeting", Gradient2::default()),
        Concurrency::Fixed(most) => Limiter::new("greeting", Fixed::new(most)),
    });
    let limits = Limits::default().failures(flags.breaker_failures);
    let circuit = Circuit::builder("greeting", limits);
    let circuit = circuit.on_change(|change| log::circuit("greeting", change)).build();
    rate.iter().cloned().for_each(|rate| seen.show("limits", rate));
    limiter.iter().cloned().for_each(|limiter| seen.show("limits", limiter));
    seen.show("breakers", circuit.clone());
    let upstream = upstream::open(flags.upstream.as_ref(), &flags.trace)?;
    let spans = trace::server(&flags.trace);
    let log = flags.log_sample.map(log::sampling);
    log.iter().cloned().for_each(|log| seen.show("requests", log));
    let entry = Entry { upstream, spans, log, ..Entry::new(gate.layer(), rate, limiter) };
    Ok((entry, circuit))
}

// ===== impl Entry =====

impl Entry {
    /// Lets those in whom `auth` knows, each as often as `rate` says, and no more
    /// at once than `limiter` does, the less critical the fewer.
    #[must_use]
    pub fn new(
        auth: Option<AuthLayer<Callers>>,
        rate: Option<KeyedRateLimit<[u8]>>,
        limiter: Option<Limiter>,
    ) -> Self {
        let rate = rate.map(|rate| RateLimitLayer::by(rate, Asker));
        let limiter = limiter.map(ConcurrencyLimitLayer::shared);
        let limiter = limiter.map(ConcurrencyLimitLayer::by_criticality);
        let layers = (option_layer(auth), option_layer(rate), option_layer(limiter));
        let spans = ServerSpanLayer::new().enabled(false);
        Self { layers, upstream: Upstream::default(), spans, log: None }
    }

    /// Has `upstream` asked for what gets in; by default the service itself is.
    #[must_use]
    pub fn asking(self, upstream: Upstream) -> Self {
        Self { upstream, ..self }
    }

    /// Returns who is asked for what gets in.
    #[must_use]
    pub fn upstream(&self) -> Upstream {
        self.upstream.clone()
    }

    /// Returns what opens a span for each request.
    #[must_use]
    pub fn spans(&self) -> ServerSpanLayer {
        self.spans.clone()
    }

    /// Returns what logs each request, or some of many.
    #[must_use]
    pub fn log(&self) -> log::Requests {
        log::requests(self.log.clone())
    }

    /// Returns what reads how critical a request is, if that makes a difference.
    #[must_use]
    pub fn hook(&self) -> Option<Propagation> {
        let (.., limiter) = &self.layers;
        matches!(limiter, Either::Left(_)).then(Propagation::new)
    }
}

impl Default for Entry {
    fn default() -> Self {
        Self::new(None, None, None)
    }
}

impl<S> Layer<S> for Entry {
    type Service = <Layers as Layer<S>>::Service;

    fn layer(&self, inner: S) -> Self::Service {
        self.layers.layer(inner)
    }
}

// ===== impl Asker =====

impl<'a, T> KeyOf<'a, Request<T>, [u8]> for Asker {
    fn with<R>(&self, request: &'a Request<T>, with: impl FnOnce(&[u8]) -> R) -> R {
        let extensions = request.extensions();
        let addr = extensions.get().and_then(Peer::addr);
        match (extensions.get().and_then(Caller::name), addr) {
            (Some(name), _) => with(name.as_bytes()),
            (None, Some(addr)) => {
                let mut key = [NAMELESS; 17];
                key[1..].copy_from_slice(&octets(addr.ip()));
                with(&key)
            }
            (None, None) => with(&[NAMELESS]),
        }
    }
}

/// A socket for both versions shows IPv4 peers as mapped addresses, which are the
/// same callers. Of IPv6 a host has a whole /64 to itself (RFC 4291, section 2.5.4),
/// and would be another caller with each address of it.
fn octets(ip: IpAddr) -> [u8; 16] {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => {
            let mut network = ip.octets();
            network[8..].fill(0);
            network
        }
    }
}
