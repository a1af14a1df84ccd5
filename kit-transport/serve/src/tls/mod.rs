//! TLS by rustls, with certificates that are read anew while connections go on.
//!
//! [`Tls`] wraps a listener. Its [`Certificates`] come from PEM files;
//! [`Certificates::reload`] reads them again, at SIGHUP perhaps, and
//! [`Certificates::watch`] does when they change. New handshakes use what was
//! read last; open connections keep what they have; files that are no good
//! change nothing.
//!
//! ```no_run
//! use kit_serve::tls::{Certificates, Tls};
//! use std::time::Duration;
//! use tokio::net::TcpListener;
//!
//! # async fn serve(app: axum::Router) -> Result<(), Box<dyn std::error::Error>> {
//! let certificates = Certificates::load("tls.crt", "tls.key")?;
//! let listener = Tls::new(TcpListener::bind("0.0.0.0:9110").await?, certificates.clone());
//! tokio::select! {
//!     ended = kit_serve::serve(listener, app) => ended?,
//!     // It never ends.
//!     () = certificates.watch(Duration::from_secs(10), |read| eprintln!("{read:?}")) => {}
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What it speaks
//!
//! TLS 1.3 and 1.2, rustls' own suites, by aws-lc; no provider is installed in
//! the process. ALPN offers HTTP/2 and HTTP/1.1. A handshake has
//! [10 s](crate::Server::handshake_timeout).
//!
//! # What it shows
//!
//! [`Certificates`] are a [`kit_endpoint::Inspect`]: when the first certificate
//! of the chain expires, which [`Certificates::expiry`] says too, how often
//! the files were read anew, and whether what they hold is what is served.
//! Watch that time: whoever renews the files may have stopped to.
//!
//! # Mutual TLS
//!
//! With [authorities](Certificates::client_ca) of clients each connection has
//! to show a certificate of theirs. Who it is, the [`TlsIdentity`], is among
//! the extensions of each request.

mod certificates;
mod expiry;
mod listener;

pub use self::{
    certificates::{Certificates, LoadError},
    listener::{Tls, TlsIo},
};
#[doc(no_inline)]
pub use kit_endpoint::TlsIdentity;
