//! What happens at the edge: before the endpoint, after it, and at the end.
//!
//! A [`Hook`] sees the wire: headers, sizes, the status. What needs the
//! message, or works for any service, is a tower layer instead. gRPC metadata
//! is a header map too, so one hook serves every transport.

use crate::{End, Protocol};
use http::{Extensions, HeaderMap};
use kit_endpoint::Peer;

/// Watches every request of a transport, at a server or at a client.
///
/// It is implemented for `()`, which does nothing and costs nothing, and for
/// pairs, which is how transports chain hooks.
pub trait Hook: Clone {
    /// What watches one request.
    type Observer: Observer;

    /// Sees the head of a request. At a server it moves what the endpoint needs
    /// from it into the extensions; at a client what it puts there travels, if
    /// it is what [`propagate`](crate::propagate) writes.
    fn before(&self, call: &Call<'_>, extensions: &mut Extensions) -> Self::Observer;
}

/// Watches one request.
pub trait Observer {
    /// Says that this observer overrides neither method: a transport then
    /// measures nothing for it.
    const SILENT: bool = false;

    /// Sees the headers of the reply, also of a failure: at a server before they
    /// are sent, at a client when they have come, if they do.
    fn after(&mut self, headers: &mut HeaderMap) {
        let _ = headers;
    }

    /// Sees how the request ended. Called exactly once, whatever happens: when
    /// the last byte is out, when the peer leaves, when the handler panics; at
    /// a client when the caller has its reply or its error, or drops the call.
    fn finish(self, end: &End)
    where
        Self: Sized,
    {
        let _ = end;
    }
}

/// The head of a request, the same over every transport.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Call<'a> {
    /// What carries the request.
    pub protocol: Protocol,
    /// The HTTP method, or gRPC's full method without the leading slash
    /// (`greeter.v1.Greeter/Greeting`). Empty at an HTTP client whose message
    /// could not be encoded: there is no request then.
    pub method: &'a str,
    /// The template of the route (`/users/{id}`), where one is known. It is
    /// never the raw path, which has no bound.
    pub route: Option<&'a str>,
    /// The headers; over gRPC, the metadata among them. At a client, those that
    /// the encoder made.
    pub headers: &'a HeaderMap,
    /// Who is at the other end, where the accept loop said so.
    pub peer: Option<Peer>,
}

// ===== impl Call =====

impl<'a> Call<'a> {
    /// Describes a request that came by `protocol`.
    #[must_use]
    pub const fn new(protocol: Protocol, method: &'a str, headers: &'a HeaderMap) -> Self {
        Self { protocol, method, route: None, headers, peer: None }
    }

    /// Names the route.
    #[must_use]
    pub const fn route(mut self, route: Option<&'a str>) -> Self {
        self.route = route;
        self
    }

    /// Names the peer.
    #[must_use]
    pub const fn peer(mut self, peer: Option<Peer>) -> Self {
        self.peer = peer;
        self
    }
}

// ===== impl () =====

impl Hook for () {
    type Observer = ();

    fn before(&self, _: &Call<'_>, _: &mut Extensions) {}
}

impl Observer for () {
    const SILENT: bool = true;
}

// ===== impl pairs =====

impl<A: Hook, B: Hook> Hook for (A, B) {
    type Observer = (A::Observer, B::Observer);

    fn before(&self, call: &Call<'_>, extensions: &mut Extensions) -> Self::Observer {
        (self.0.before(call, extensions), self.1.before(call, extensions))
    }
}

impl<A: Observer, B: Observer> Observer for (A, B) {
    const SILENT: bool = A::SILENT && B::SILENT;

    fn after(&mut self, headers: &mut HeaderMap) {
        self.1.after(headers);
        self.0.after(headers);
    }

    fn finish(self, end: &End) {
        self.1.finish(end);
        self.0.finish(end);
    }
}

// ===== impl Option =====

/// A hook that is there or not, decided while the program runs.
impl<H: Hook> Hook for Option<H> {
    type Observer = Option<H::Observer>;

    fn before(&self, call: &Call<'_>, extensions: &mut Extensions) -> Self::Observer {
        self.as_ref().map(|hook| hook.before(call, extensions))
    }
}

impl<O: Observer> Observer for Option<O> {
    const SILENT: bool = O::SILENT;

    fn after(&mut self, headers: &mut HeaderMap) {
        if let Some(observer) = self {
            observer.after(headers);
        }
    }

    fn finish(self, end: &End) {
        if let Some(observer) = self {
            observer.finish(end);
        }
    }
}

// ===== functions =====

/// A [`Hook`] from a function that is called before the endpoint.
#[derive(Debug, Clone)]
pub struct Before<F>(pub F);

impl<F: Fn(&Call<'_>, &mut Extensions) + Clone> Hook for Before<F> {
    type Observer = ();

    fn before(&self, call: &Call<'_>, extensions: &mut Extensions) {
        (self.0)(call, extensions);
    }
}

/// A [`Hook`] from a function that sees the headers of every reply.
#[derive(Debug, Clone)]
pub struct After<F>(pub F);

impl<F: Fn(&mut HeaderMap) + Clone> Hook for After<F> {
    type Observer = Self;

    fn before(&self, _: &Call<'_>, _: &mut Extensions) -> Self {
        self.clone()
    }
}

impl<F: Fn(&mut HeaderMap)> Observer for After<F> {
    fn after(&mut self, headers: &mut HeaderMap) {
        (self.0)(headers);
    }
}

/// A [`Hook`] from a function that is called once each request has ended.
#[derive(Debug, Clone)]
pub struct Finally<F>(pub F);

impl<F: Fn(&End) + Clone> Hook for Finally<F> {
    type Observer = Self;

    fn before(&self, _: &Call<'_>, _: &mut Extensions) -> Self {
        self.clone()
    }
}

impl<F: Fn(&End)> Observer for Finally<F> {
    fn finish(self, end: &End) {
        (self.0)(end);
    }
}
