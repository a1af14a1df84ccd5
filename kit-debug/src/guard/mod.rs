//! Who may change something, and who may ask for what is costly.
//!
//! A debug port is read by whoever reaches it, and binds to loopback for that
//! reason. What changes the process, or costs it something, is for a peer on
//! this machine or for who shows a token. [`GuardLayer`] is that as a plain tower
//! layer over any `Service<http::Request<B>>`.
//!
//! ```
//! use kit_debug::guard::{Guard, GuardLayer, Token};
//! use kit_endpoint::{AsHttp, Peer};
//! use axum::{Router, body::Body, routing::put};
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let guard = Guard::new().token(Token::new("a-long-secret-of-an-operator")?);
//! let app = Router::new()
//!     .route("/switch", put(|| async { "switched" }))
//!     .layer(GuardLayer::new(guard).refuse(AsHttp));
//!
//! let ask = |peer: [u8; 4]| {
//!     let request = http::Request::put("/switch").header("host", "10.0.0.1:9100");
//!     request.extension(Peer::from(std::net::SocketAddr::from((peer, 4000)))).body(Body::empty())
//! };
//! assert_eq!(app.clone().oneshot(ask([127, 0, 0, 1])?).await?.status(), 200);
//! assert_eq!(app.clone().oneshot(ask([10, 0, 0, 7])?).await?.status(), 401);
//!
//! let mut shown = ask([10, 0, 0, 7])?;
//! let token = "Bearer a-long-secret-of-an-operator".parse()?;
//! shown.headers_mut().insert("authorization", token);
//! assert_eq!(app.oneshot(shown).await?.status(), 200);
//! # Ok(())
//! # }
//! ```
//!
//! # What is believed
//!
//! - **The peer**: [`Peer`] among the extensions, as kit-serve puts it
//!   there from the socket. A request without one is from nobody who is known, and so
//!   not from this machine. A peer over a Unix socket is, for who may open that the
//!   permissions of its file say.
//! - **No header of a proxy.** `Forwarded`, `X-Forwarded-*`, `X-Real-IP` and `Via`
//!   make nobody local. They do the opposite: who comes by way of a proxy on this
//!   machine has a loopback peer and is not on it, so a request with one of them
//!   needs the token. A proxy that adds none of them must not be put before a port
//!   that trusts loopback: see [`Guard::token_only`].
//! - **The host**, so that no page in a browser on this machine gets in by a name
//!   that it lets point here (DNS rebinding): an IP address, `localhost`, or a name
//!   that [`Guard::hosts`] has. Who shows the token is beyond that doubt.
//! - **Where a page asks from**: an `Origin` that is another than the host, or a
//!   `Sec-Fetch-Site` other than `same-origin` and `none`, is refused (Fetch
//!   Metadata, W3C), with a token too.
//!
//! Every user of a machine, and every container of a pod, is a loopback peer.
//! Where these are not all trusted, let the token alone count.

mod barred;
pub mod future;
mod layer;
mod service;
mod token;

pub use self::{
    barred::{Barred, Reason},
    layer::GuardLayer,
    service::Guarded,
    token::{InvalidToken, Token},
};

use http::{HeaderMap, Method, Request, header, uri::Authority};
use kit_endpoint::{Inspect, Inspector, Peer};
use std::{
    net::{Ipv4Addr, Ipv6Addr},
    str,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// What a proxy adds to what it hands on.
const FORWARDED: [&str; 7] = [
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-real-ip",
];

/// Who is let in: peers of this machine, and who shows a token if there is one.
/// Clones share what they count.
///
/// Its [`Inspect`] tells `debug_refusals_total` by `reason`.
#[derive(Debug, Clone)]
pub struct Guard {
    token: Option<Token>,
    trusts_loopback: bool,
    hosts: Arc<[Box<str>]>,
    refused: Arc<[AtomicU64; Reason::NAMES.len()]>,
}

/// Which requests a guard looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asks {
    /// All.
    All,
    /// Those that change something; of those that read, the host.
    Changes,
    /// Those that change something.
    ChangesAtAnyHost,
}

// ===== impl Guard =====

impl Guard {
    /// Lets in loopback peers and those over Unix sockets, and nobody else.
    #[must_use]
    pub fn new() -> Self {
        Self { token: None, trusts_loopback: true, hosts: Arc::default(), refused: Arc::default() }
    }

    /// Lets in also who shows `token`, as `Authorization: Bearer` (RFC 6750).
    #[must_use]
    pub fn token(mut self, token: Token) -> Self {
        self.token = Some(token);
        self
    }

    /// Lets nobody in for the peer that they are: where every user of the machine,
    /// or a proxy on it, is a loopback peer. Without a token nobody gets in then.
    #[must_use]
    pub fn token_only(mut self) -> Self {
        self.trusts_loopback = false;
        self
    }

    /// Says by which names, without a port, the port is asked for, beside
    /// `localhost` and addresses.
    #[must_use]
    pub fn hosts(mut self, names: impl IntoIterator<Item: Into<String>>) -> Self {
        let names = names.into_iter().map(|name| name.into().into_boxed_str());
        // An empty one would be a host that is left out.
        let names = names.filter(|name| !name.is_empty());
        self.hosts = self.hosts.iter().cloned().chain(names).collect();
        self
    }

    /// Says whether the request may be sent on.
    pub(crate) fn admit<B>(&self, request: &Request<B>, asks: Asks) -> Result<(), Barred> {
        let admitted = match (asks, request.method()) {
            // The safe methods that a page is read by (RFC 9110, section 9.2.1).
            (Asks::Changes, &Method::GET | &Method::HEAD) => self.may_read(request),
            (Asks::ChangesAtAnyHost, &Method::GET | &Method::HEAD) => Ok(()),
            _ => self.may_change(request),
        };
        admitted.map_err(|reason| {
            self.refused[reason.index()].fetch_add(1, Ordering::Relaxed);
            Barred::new(reason)
        })
    }

    /// A page of a browser has a name in its `Host`; programs may have none.
    fn may_read<B>(&self, request: &Request<B>) -> Result<(), Reason> {
        let from_network = !matches!(request.extensions().get(), Some(Peer::Unix));
        let doubtful = from_network && !matches!(self.host(request), Host::None | Host::Known);
        if doubtful && self.shown(request) != Some(true) { Err(Reason::Host) } else { Ok(()) }
    }

    fn may_change<B>(&self, request: &Request<B>) -> Result<(), Reason> {
        let shown = self.shown(request);
        if is_cross_site(request) {
            Err(Reason::CrossSite)
        } else if shown == Some(true) {
            Ok(())
        } else if !matches!(self.host(request), Host::Known) {
            Err(Reason::Host)
        } else if self.trusts_loopback && is_local(request) {
            Ok(())
        } else {
            Err(match (&self.token, shown) {
                (None, _) => Reason::Stranger,
                (Some(_), None) => Reason::NoToken,
                (Some(_), Some(_)) => Reason::WrongToken,
            })
        }
    }

    fn host<B>(&self, request: &Request<B>) -> Host {
        let mut said = request.headers().get_all(header::HOST).iter();
        let authority = match (request.uri().authority(), said.next(), said.next()) {
            (Some(authority), ..) => Ok(authority.clone()),
            (None, Some(host), None) => Authority::try_from(host.as_bytes()),
            (None, None, _) => return Host::None,
            (None, Some(_), Some(_)) => return Host::Unknown,
        };
        let is_known = authority.is_ok_and(|authority| {
            let host = authority.host();
            let v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
            let is_ip = v6.map_or_else(
                || host.parse::<Ipv4Addr>().is_ok(),
                |v6| v6.parse::<Ipv6Addr>().is_ok(),
            );
            let mut names = self.hosts.iter().map(|name| &**name).chain(["localhost"]);
            let is_named = is_ip || names.any(|name| name.eq_ignore_ascii_case(host));
            is_named && !authority.as_str().contains('@')
        });
        if is_known { Host::Known } else { Host::Unknown }
    }

    /// Says whether the token that is shown is right, if one is.
    fn shown<B>(&self, request: &Request<B>) -> Option<bool> {
        let mut shown = request.headers().get_all(header::AUTHORIZATION).iter();
        let value = shown.next()?.as_bytes();
        let token = || {
            let (scheme, token) = value.split_at_checked(b"Bearer ".len())?;
            scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
        };
        let is_right = |token| self.token.as_ref().is_some_and(|known| known.is(token));
        // Two are none that is right: which of them was meant nobody knows.
        Some(shown.next().is_none() && token().is_some_and(is_right))
    }
}

impl Default for Guard {
    fn default() -> Self {
        Self::new()
    }
}

impl Inspect for Guard {
    fn inspect(&self, inspector: &mut dyn Inspector) {
        for (reason, count) in Reason::NAMES.into_iter().zip(&*self.refused) {
            inspector.counter(
                "debug_refusals_total",
                "Requests to the debug port that were refused.",
                &[("reason", reason)],
                count.load(Ordering::Relaxed),
            );
        }
    }
}

/// The host that a request names.
enum Host {
    None,
    Known,
    Unknown,
}

fn is_local<B>(request: &Request<B>) -> bool {
    if FORWARDED.into_iter().any(|name| request.headers().contains_key(name)) {
        return false;
    }
    match request.extensions().get::<Peer>() {
        Some(Peer::Unix) => true,
        Some(Peer::Ip(addr)) => addr.ip().to_canonical().is_loopback(),
        _ => false,
    }
}

/// Says whether a page of another site, or another origin of this one, asks.
fn is_cross_site<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    let of_other_site = |headers: &HeaderMap| {
        let mut sites = headers.get_all("sec-fetch-site").iter();
        sites.any(|site| site != "same-origin" && site != "none")
    };
    let host = request.uri().authority().map(Authority::as_str);
    let host = host.or_else(|| headers.get(header::HOST)?.to_str().ok());
    let is_own = |origin: &http::HeaderValue| {
        let origin = str::from_utf8(origin.as_bytes()).ok();
        let of = origin.and_then(|origin| origin.split_once("://"));
        matches!((of, host), (Some((_, of)), Some(host)) if of.eq_ignore_ascii_case(host))
    };
    of_other_site(headers) || !headers.get_all(header::ORIGIN).iter().all(is_own)
}
