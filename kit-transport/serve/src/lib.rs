//! An accept loop for any tower service over HTTP: bounded and drained.
//!
//! [`serve`] takes a listener and a service and speaks HTTP/1 and HTTP/2 with
//! whoever connects. It is one line in place of `axum::serve(listener, app)`,
//! and what that leaves open is closed: a peer that sends nothing, or a head or
//! a body one byte at a time, or that does not read its reply, is gone after
//! 10 s; connections, heads and bodies have a size; a request that does not say
//! clearly what host it is for is refused; a stop loses no request. Any
//! `Service<http::Request<`[`Incoming`]`>>` will do: an `axum::Router`, tonic's
//! `Routes`, both on one port, or a function. No other crate of the kit is
//! needed.
//!
//! # Example
//!
//! ```
//! use http_body_util::Full;
//! use hyper::body::Bytes;
//! use kit_serve::{Incoming, Peer};
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
//! reply. How long the service takes has no limit here, since only it knows;
//! what the peer takes has: a body that is owed, a reply that is not read.
//!
//! # Defaults
//!
//! | what | default | why |
//! |---|---|---|
//! | [TLS handshake](Server::handshake_timeout) | 10 s | as the head |
//! | [first bytes](Server::sniff_timeout) | 10 s | as the head; hyper-util waits without end |
//! | [head](Server::head_timeout) | 10 s | a choice: ample for a head over a bad link, where hyper allows 30 s and nginx (`client_header_timeout`) 60 s |
//! | [body](Server::body_rate), [reply](Server::reply_rate) | 240 B/s, or 10 s of patience | the rate is Kestrel's (`MinRequestBodyDataRate`), its patience 5 s |
//! | [idle](Server::idle_timeout) | 75 s | nginx's `keepalive_timeout`; longer than the 60 s of AWS's load balancers, which must be the first to close |
//! | [age](Server::max_age) | none | gRPC's `MAX_CONNECTION_AGE` (proposal A9) |
//! | [quiet time](Server::drain_quiet) of a drain | 2 s | a choice: a request may be on its way for so long |
//! | [connections](Server::max_connections) | 10,000 | a choice: about 210 MB when all have served a request and idle; raise the process's limit of open files to match |
//! | [connections of one address](Server::max_connections_per_peer) | any | behind a proxy all come from one |
//! | [request line](Server::max_uri) | 8 KiB | RFC 9110 (section 4.1) asks for 8,000 bytes at least; nginx's `large_client_header_buffers` |
//! | [head](Server::max_head) | 16 KiB | Node.js' and hyper's HTTP/2 header list |
//! | [fields](Server::max_fields) of a head | 100 | hyper's, and Apache's `LimitRequestFields` |
//! | [body](Server::max_body) | 30,000,000 bytes | Kestrel's `MaxRequestBodySize` |
//! | [HTTP/2 streams](Server::max_streams) | 200 | hyper's; RFC 9113 asks for at least 100 |
//! | [HTTP/2 resets](Server::max_pending_resets) not yet seen | 20 | h2's, since CVE-2023-44487 |
//! | HTTP/2 frames that bring no work | 1,000, and 1,000 more in 10 s | a choice: h2 bounds what they take of memory, and answers them for ever |
//! | [HTTP/2 frame](Server::max_frame) | 16 KiB | RFC 9113's |
//! | [HTTP/2 reply](Server::max_send_buffer) that the peer has not taken, of a stream | 64 KiB | Kestrel's `MaxResponseBufferSize`; hyper holds 400 KiB |
//! | [HTTP/2 ping](Server::ping) | 20 s, 20 s | the time-out is gRPC's (proposal A8); the interval finds a peer that vanished before its requests pile up |
//!
//! hyper's own limits stay above these. What is turned away is told why where
//! HTTP has a word for it ([`Refusal`]), by problem details (RFC 9457), and
//! counted; then the connection lingers for half a second, so that the word
//! arrives.
//!
//! # Which host
//!
//! Before the service sees a request: over HTTP/1.1 it has exactly one `Host`,
//! which is a name or an address with or without a port, and is the target's
//! where the target has one; `CONNECT` and `*` are for a service that
//! [wants them](Server::any_target); a target is ASCII, and its path without
//! backslashes and broken percent-encoding. All else is 400: a router and a proxy
//! in front that read it each in its own way are what attacks are made of
//! (RFC 9112, section 3.2).
//!
//! At the limit of connections the loop stops accepting until one closes, so
//! that newcomers wait in the kernel's backlog, which is bounded too, and cost
//! nothing. An error of `accept` never ends the loop: one that tells of a
//! single connection is passed over, after any other (too many open files) it
//! waits 100 ms at first and 1 s at most.
//!
//! # Stopping
//!
//! [`Handle::drain`] lets nobody new in, accepts who had come, and closes the
//! listener; it tells each connection to close (`Connection: close` with the
//! next reply over HTTP/1, GOAWAY over HTTP/2) and waits for what is in flight.
//! An HTTP/1 connection without a request is not cut, since one may be on its
//! way: it is closed with the reply to that request, or after a
//! [quiet time](Server::drain_quiet).
//! [`Handle::drain_within`] sets a limit, and lists what was cut; [`drain_all`]
//! does it to several servers at once.
//! [`Handle::in_flight`] lists who is still waited for. Dropping the server
//! cuts everything. An upgraded connection (WebSocket) belongs to the service,
//! and the drain does not know it.
//!
//! # Features
//!
//! - `tls`: a listener that speaks TLS, with certificates that are read anew and
//!   show when they expire, in the module `tls`.
//! - `listenfd`: `Sockets`, which systemd passed to the process (its socket
//!   activation): the next version of a program has them too, so that nobody is
//!   refused between the two.
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

mod body;
mod call;
mod conn;
mod connection;
mod forwarded;
mod frames;
mod framing;
mod handle;
mod host;
mod incident;
mod inherited;
mod limits;
mod listener;
mod pace;
mod phase;
mod refusal;
mod reply;
mod server;
mod shared;
mod slots;
#[cfg(feature = "tls")]
pub mod tls;
mod wire;

#[cfg(all(feature = "listenfd", unix))]
pub use self::inherited::Sockets;
pub use self::{
    body::{BodyError, Incoming},
    handle::{Cut, Handle, InFlight, drain_all},
    host::HostFault,
    incident::Incident,
    inherited::Inherited,
    listener::{Bind, Greeted, Listener},
    phase::Waiting,
    refusal::Refusal,
    server::{Server, serve},
};
#[doc(no_inline)]
pub use kit_endpoint::Peer;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
