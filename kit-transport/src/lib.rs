//! What transports share: hooks, request ids, deadlines on the wire, and what
//! goes on from hop to hop.
//!
//! A transport decodes a request, calls an endpoint, encodes its reply, and
//! maps its faults. Around that it runs [hooks](hook): `before` sees the head
//! of the request, `fault` why it fails, and at which step, before the caller
//! is told less, `after` the head of the reply, also of a failure, and
//! `finish` sees how it all [`End`]ed, exactly once, when the last byte is out
//! or the peer is gone. One hook serves HTTP and gRPC, since gRPC's metadata
//! is a header map too, and servers and clients, whose edges mirror each other.
//!
//! ```
//! use http::{Extensions, HeaderMap};
//! use kit_transport::{Call, End, Hook, Observer, Protocol, RequestId, RequestIds, Watch};
//!
//! /// Prints one line for each request.
//! #[derive(Clone)]
//! struct Print;
//!
//! struct Line(String);
//!
//! impl Hook for Print {
//!     type Observer = Line;
//!
//!     fn before(&self, call: &Call<'_>, extensions: &mut Extensions) -> Line {
//!         let id = extensions.get::<RequestId>().map(RequestId::to_string);
//!         Line(format!("{} {}", call.method, id.unwrap_or_default()))
//!     }
//! }
//!
//! impl Observer for Line {
//!     fn finish(self, end: &End) {
//!         println!("{} {} {:?}", self.0, end.outcome, end.duration);
//!     }
//! }
//!
//! // What a transport does with its hooks:
//! let hooks = (RequestIds, Print);
//! let mut headers = HeaderMap::new();
//! headers.insert("x-request-id", "abc-1".parse().unwrap());
//! let mut extensions = Extensions::new();
//! let call = Call::new(Protocol::Http, "GET", &headers);
//! let mut watch = Watch::new(hooks.before(&call, &mut extensions));
//! let mut reply = HeaderMap::new();
//! watch.after(http::StatusCode::OK, &mut reply);
//! assert_eq!(reply["x-request-id"], "abc-1");
//! watch.finish();
//! ```
//!
//! # What goes on
//!
//! A deadline, a request id, `x-md-global-*` metadata and a criticality that a
//! request came with go on with the calls made on its behalf, and nothing else
//! does: see [`propagation`].
//!
//! # Where it goes
//!
//! What needs wire bytes (headers, sizes, the status) is a hook; what needs
//! the message, or works for any service, is a tower layer; what must be
//! entered at each poll, or needs all of HTTP, is a layer around the transport.
//! The transports are `kit-transport-http` and `kit-transport-grpc`; any crate
//! with a hook may use this one, which has no hyper and no tonic in it.

pub mod deadline;
mod end;
pub mod hook;
pub mod propagation;
mod report;
mod request_id;
mod trace_id;
mod watch;

pub use self::{
    end::{End, Outcome, Protocol},
    hook::{Call, Hook, Observer, Phase},
    propagation::{Criticality, Metadata, Propagation, propagate},
    report::Report,
    request_id::{Echo, REQUEST_ID, RequestId, RequestIds},
    trace_id::TraceId,
    watch::{Watch, Watched},
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
