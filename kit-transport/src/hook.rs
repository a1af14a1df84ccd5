//! What happens at the edge: before the endpoint, after it, and at the end.
//!
//! A [`Hook`] sees the wire: headers, sizes, the status. What needs the
//! message, or works for any service, is a tower layer instead. gRPC metadata
//! is a header map too, so one hook serves every transport.

use crate::{End, Protocol, TraceId};
use http::{Extensions, HeaderMap};
use kit_endpoint::{Fault, Peer};
use std::fmt;

/// Watches every request of a transport, at a server or at a client.
///
/// It is implemented for `()`, which does nothing and costs nothing, and for
/// pairs, which is how transports chain hooks.
pub trait Hook: Clone {
    /// Says that this hook does nothing at all: a transport then does not look for what it
    /// could have put among the extensions.
    const IDLE: bool = false;

    /// What watches one request.
    type Observer: Observer;

    /// Sees the head of a request. At a server it moves what the endpoint needs
    /// from it into the extensions; at a client what it puts there travels, if
    /// it is what [`propagate`](crate::propagate) writes.
    fn before(&self, call: &Call<'_>, extensions: &mut Extensions) -> Self::Observer;

    /// Returns the trace that a request belongs to, by its extensions after `before`:
    /// servers name it where they tell of a failure. By default that is a [`TraceId`]
    /// among them.
    fn trace_id(&self, extensions: &Extensions) -> Option<TraceId> {
        extensions.get().copied()
    }
}

/// Watches one request.
pub trait Observer {
    /// Says that this observer overrides none of the methods: a transport then
    /// measures nothing for it.
    const SILENT: bool = false;

    /// Hears why the request fails, and at which step, before the caller does,
    /// who is shown less. All of the fault is here: its type,
    /// its details and its `source()` chain ([`Report`](crate::Report) writes
    /// it), for logs, never for callers.
    ///
    /// Called at most once for each step. A request that was taken back, and a
    /// handler that panicked, have no fault, only an [`End`].
    fn fault(&mut self, fault: &dyn Fault, phase: Phase) {
        let _ = (fault, phase);
    }

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

/// The step at which a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The request could not be read; at a client, the reply.
    Decode,
    /// The endpoint failed, or a layer around it; at a client, the server
    /// answered with a failure.
    Endpoint,
    /// The reply could not be written; at a client, the request.
    Encode,
    /// The reply broke off while it was sent; at a client, the way there or
    /// back did.
    Send,
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

// ===== impl Phase =====

impl Phase {
    /// Returns the name: `decode`, `endpoint`, `encode`, `send`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Endpoint => "endpoint",
            Self::Encode => "encode",
            Self::Send => "send",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

// ===== impl () =====

impl Hook for () {
    const IDLE: bool = true;

    type Observer = ();

    fn before(&self, _: &Call<'_>, _: &mut Extensions) {}
}

impl Observer for () {
    const SILENT: bool = true;
}

// ===== impl pairs =====

impl<A: Hook, B: Hook> Hook for (A, B) {
    const IDLE: bool = A::IDLE && B::IDLE;

    type Observer = (A::Observer, B::Observer);

    #[inline]
    fn before(&self, call: &Call<'_>, extensions: &mut Extensions) -> Self::Observer {
        (self.0.before(call, extensions), self.1.before(call, extensions))
    }

    #[inline]
    fn trace_id(&self, extensions: &Extensions) -> Option<TraceId> {
        self.0.trace_id(extensions).or_else(|| self.1.trace_id(extensions))
    }
}

impl<A: Observer, B: Observer> Observer for (A, B) {
    const SILENT: bool = A::SILENT && B::SILENT;

    #[inline]
    fn fault(&mut self, fault: &dyn Fault, phase: Phase) {
        self.1.fault(fault, phase);
        self.0.fault(fault, phase);
    }

    #[inline]
    fn after(&mut self, headers: &mut HeaderMap) {
        self.1.after(headers);
        self.0.after(headers);
    }

    #[inline]
    fn finish(self, end: &End) {
        self.1.finish(end);
        self.0.finish(end);
    }
}

// ===== impl Option =====

/// A hook that is there or not, decided while the program runs.
impl<H: Hook> Hook for Option<H> {
    const IDLE: bool = H::IDLE;

    type Observer = Option<H::Observer>;

    #[inline]
    fn before(&self, call: &Call<'_>, extensions: &mut Extensions) -> Self::Observer {
        self.as_ref().map(|hook| hook.before(call, extensions))
    }

    #[inline]
    fn trace_id(&self, extensions: &Extensions) -> Option<TraceId> {
        self.as_ref().and_then(|hook| hook.trace_id(extensions))
    }
}

impl<O: Observer> Observer for Option<O> {
    const SILENT: bool = O::SILENT;

    #[inline]
    fn fault(&mut self, fault: &dyn Fault, phase: Phase) {
        if let Some(observer) = self {
            observer.fault(fault, phase);
        }
    }

    #[inline]
    fn after(&mut self, headers: &mut HeaderMap) {
        if let Some(observer) = self {
            observer.after(headers);
        }
    }

    #[inline]
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

/// A [`Hook`] from a function that hears of every fault: the error handler,
/// apart from the encoder of errors.
///
/// ```
/// use kit_transport::{Report, hook::{Faulted, Faults}};
///
/// let hook = Faults(|failed: &Faulted<'_>| {
///     let Faulted { method, phase, fault, .. } = failed;
///     eprintln!("{method} failed at {phase}: {}", Report(fault));
/// });
/// # let _ = hook;
/// ```
///
/// It keeps a copy of each request's method and route until it has ended: an
/// allocation each. An observer of your own need keep no more than it wants.
#[derive(Debug, Clone)]
pub struct Faults<F>(pub F);

/// What a function that hears of faults is told: the fault, and whose it is.
#[derive(Debug)]
#[non_exhaustive]
pub struct Faulted<'a> {
    /// Why the request failed, with all its sources.
    pub fault: &'a dyn Fault,
    /// The step at which it did.
    pub phase: Phase,
    /// What carries the request.
    pub protocol: Protocol,
    /// The method, as in [`Call::method`].
    pub method: &'a str,
    /// The template of the route, as in [`Call::route`].
    pub route: Option<&'a str>,
}

/// The observer of [`Faults`].
#[derive(Debug)]
pub struct Hearing<F> {
    tell: F,
    protocol: Protocol,
    method: Box<str>,
    route: Option<Box<str>>,
}

impl<F: Fn(&Faulted<'_>) + Clone> Hook for Faults<F> {
    type Observer = Hearing<F>;

    fn before(&self, call: &Call<'_>, _: &mut Extensions) -> Hearing<F> {
        let (method, route) = (call.method.into(), call.route.map(Into::into));
        Hearing { tell: self.0.clone(), protocol: call.protocol, method, route }
    }
}

impl<F: Fn(&Faulted<'_>)> Observer for Hearing<F> {
    fn fault(&mut self, fault: &dyn Fault, phase: Phase) {
        let (protocol, method, route) = (self.protocol, &*self.method, self.route.as_deref());
        (self.tell)(&Faulted { fault, phase, protocol, method, route });
    }
}
