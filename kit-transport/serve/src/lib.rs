//! An accept loop for any tower service over HTTP: bounded and drained.
//!
//! [`serve`] takes a listener and a service and speaks HTTP/1 and HTTP/2 with
//! whoever connects. It is one line in place of `axum::serve(listener, app)`,
//! and what that leaves open is closed: a peer that sends nothing, or a head
//! one byte at a time, is gone after 10 s; connections have a number; a stop
//! loses no request that the server has received. Any `Service<http::Request<Incoming>>` will do: an
//! `axum::Router`, tonic's `Routes`, both on one port, or a function. No other
//! crate of the kit is needed.
//!
//! # Example
//!
//! ```
//! use http_body_util::Full;
//! use hyper::body::{Bytes, Incoming};
//! use kit_serve::Peer;
//! use std::{convert::Infallible, time::Duration};
//! use tokio::net::TcpListener;
//!
//! async fn hello(request: http::Request<Incoming>) -> Result<http::Response<Full<Bytes>>, Infallible> {
//!     let text = match request.extensions().get::<Peer>() {
//!         Some(peer) => format!("Hello, {peer}!"),
//!         None => "Hello!".to_owned(),
//!     };
//!     Ok(http::Response::new(Full::from(text)))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let server = kit_serve::serve(listener, tower::service_fn(hello)).idle_timeout(Duration::from_secs(60));
//! let handle = server.handle();
//! let running = tokio::spawn(server.into_future());
//!
//! println!("listening on {:?}", handle.local_addr());
//! // When it is time to go:
//! handle.drain_within(Duration::from_secs(25)).await?;
//! running.await??;
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//!
//! Each connection is a task, owned by the loop: it ends with it. The task
//! drives hyper, looks after each step at what the connection is waiting for,
//! and keeps one timer for it. A request costs two looks at the clock, no lock
//! and no allocation of ours, save the entry of its [`Peer`] in the extensions.
//!
//! ```text
//!           first bytes           head complete
//!  (sniff) ------------> (head) ----------------> (in flight)
//!                          ^                           |
//!                          |  first byte               |  reply taken
//!                          +------------ (idle) <------+
//! ```
//!
//! HTTP/2 goes from the sniff to idle, and is idle while no stream is open. A
//! request is in flight from its head until hyper has taken the end of its
//! reply; it has no time-out here, since only the service knows how long it
//! may take.
//!
//! # Defaults
//!
//! | what | default | why |
//! |---|---|---|
//! | [first bytes](Server::sniff_timeout) | 10 s | as the head; hyper-util waits without end |
//! | [head](Server::head_timeout) | 10 s | a choice: ample for a head over a bad link, where hyper allows 30 s and nginx (`client_header_timeout`) 60 s |
//! | [idle](Server::idle_timeout) | 75 s | nginx's `keepalive_timeout`; longer than the 60 s of AWS's load balancers, which must be the first to close |
//! | [connections](Server::max_connections) | 10,000 | a choice: about 210 MB when all have served a request and idle; raise the process's limit of open files to match |
//! | [HTTP/2 streams](Server::max_streams) | 200 | hyper's; RFC 9113 asks for at least 100 |
//! | [HTTP/2 ping](Server::ping) | 20 s, 20 s | the time-out is gRPC's (proposal A8); the interval finds a peer that vanished before its requests pile up |
//! | HTTP/1 head | 64 KiB | a choice: a sixth of hyper's, which is far above any honest head |
//! | HTTP/2 header list | 16 KiB | hyper's |
//!
//! At the limit of connections the loop stops accepting until one closes, so
//! that newcomers wait in the kernel's backlog, which is bounded too, and cost
//! nothing. An error of `accept` never ends the loop: one that tells of a
//! single connection is passed over, after any other (too many open files) it
//! waits 100 ms at first and 1 s at most.
//!
//! # Stopping
//!
//! [`Handle::drain`] closes the listener, tells each connection to close
//! (`Connection: close` with the next reply over HTTP/1, GOAWAY over HTTP/2)
//! and waits for what is in flight; an idle connection closes at once, so that
//! a request which is then on its way over it is not received: over HTTP/1 the
//! peer sees the connection close without a reply, as it may at any time, and
//! sends it again if it may be repeated.
//! [`Handle::drain_within`] sets a limit, and lists what was cut.
//! [`Handle::in_flight`] lists who is still waited for. Dropping the server
//! cuts everything. An upgraded connection (WebSocket) belongs to the service,
//! and the drain does not know it.
//!
//! # Where it goes
//!
//! Outside everything: the service given to it is the whole stack. A panic of
//! the service ends its connection (its stream over HTTP/2) and nothing else,
//! and is counted; a catch-panic layer turns it into a reply. The server logs
//! nothing: [`Server::on_incident`] hears what goes wrong beside the requests,
//! and the handle is a [`kit_endpoint::Inspect`].
//!
//! # Readiness
//!
//! The service is cloned for each request, and the clone is asked for
//! readiness before it is called; while it is not ready the request waits. To
//! refuse instead, put a load-shed layer outside.

mod call;
mod conn;
mod connection;
mod handle;
mod incident;
mod limits;
mod listener;
mod peek;
mod phase;
mod server;
mod shared;
mod slots;

pub use self::{
    handle::{Cut, Handle, InFlight},
    incident::Incident,
    listener::Listener,
    phase::Waiting,
    server::{Server, serve},
};
#[doc(no_inline)]
pub use kit_endpoint::Peer;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
