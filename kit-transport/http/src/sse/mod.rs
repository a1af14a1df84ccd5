//! Streams of replies as server-sent events: what a browser's `EventSource`
//! reads (WHATWG HTML, section 9.2,
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html>).
//!
//! [`Writer`] is for a [`Server`](crate::Server), [`Reader`] for a
//! [`StreamClient`](crate::StreamClient). Each makes events of items, or items of
//! events, by a function: [`json`] and [`from_json`] for the data alone,
//! [`event`](event()) for items that are [`Event`]s, with id and type.
//!
//! ```
//! use kit_endpoint::{Expired, Request};
//! use kit_transport_http::{
//!     Server, nothing,
//!     sse::{self, Event, LastEventId},
//! };
//! use tokio_stream::Stream;
//! use tower::service_fn;
//!
//! async fn ticks(
//!     request: Request<()>,
//! ) -> Result<impl Stream<Item = Result<Event, Expired>>, Expired> {
//!     let last = request.extensions().get::<LastEventId>();
//!     let next = last.and_then(|id| id.as_str().parse().ok()).map_or(0, |id: u64| id + 1);
//!     Ok(tokio_stream::iter((next..next + 3).map(|tick| {
//!         Ok(Event::new(format!("tick {tick}")).event("tick").id(tick.to_string()))
//!     })))
//! }
//!
//! let server = Server::server_streaming(service_fn(ticks), nothing, sse::Writer::new(sse::event));
//! let app: axum::Router = axum::Router::new().route_service("/ticks", server);
//! # let _ = app;
//! ```
//!
//! # The format
//!
//! `text/event-stream`, not to be cached (`cache-control: no-cache`) nor held
//! back by nginx (`x-accel-buffering: no`). Data of several lines is several
//! `data` fields. A comment goes out whenever nothing else did for 15 s
//! ([`Writer::keep_alive`]).
//!
//! A fault amid the stream is its last event, of the type `error`:
//!
//! ```text
//! event: error
//! data: {"type":"about:blank","title":"Not Found","status":404,"detail":"nobody is called Eve","kind":"NOT_FOUND"}
//! ```
//!
//! The data is the problem details that would be the whole reply if nothing were
//! sent yet; where the caller should wait before it tries again, `retry` says so.
//! No event of an endpoint may have that type. An `EventSource` hands it to
//! `onerror`, as it does a lost connection, which has no `data`.
//!
//! Without such an event the stream is whole, if the body is (see
//! [the end](crate::stream#the-end)). An `EventSource` does not ask: it comes
//! back whenever a body ends, with the id of the last event as
//! `Last-Event-ID`, which is the [`LastEventId`] among the request's extensions. Only a
//! failure before the stream makes it give up; and its own `close()`, by an event that tells it to.

mod event;
mod parser;
mod read;
mod write;

pub use self::{
    event::{Event, event, from_json, json},
    parser::Parser,
    read::Reader,
    write::{WriteError, Writer},
};

/// The id of the last event that a caller has got, who comes back for more:
/// among the extensions of a request for a stream of events, if it sent one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LastEventId(Box<str>);

/// The type of the event that is a fault.
const FAULT: &str = "error";

// ===== impl LastEventId =====

impl LastEventId {
    /// Returns the id: whatever the caller sent.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }
}
