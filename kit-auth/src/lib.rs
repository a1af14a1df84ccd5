//! Who calls, and what may they: authentication and authorization for any tower
//! service, over HTTP and gRPC, server and client.
//!
//! An [`Authenticator`] says who sends a request: by a signed token (`jwt`), a name
//! and a password (`basic`), a key (`api-key`), or the certificate of its connection.
//! [`Auth`] makes a layer of it, and the hook of a transport. What the endpoint finds
//! among its request's extensions is a type: the claims, the user. What that one may
//! do an [`AuthorizeLayer`] asks.
//!
//! ```
//! use kit_auth::{AsHttp, Auth, authorize::{self, AuthorizeLayer}};
//! # #[cfg(feature = "jwt")]
//! # fn app() -> Result<axum::Router, Box<dyn std::error::Error>> {
//! use kit_auth::jwt::{Claims, KeySet, Verified, Verifier};
//! use axum::{Extension, Router, routing::get};
//!
//! async fn hello(Extension(caller): Extension<Verified<Claims>>) -> String {
//!     format!("Hello, {}!", caller.subject.as_deref().unwrap_or("stranger"))
//! }
//!
//! # let jwks = include_bytes!("../tests/keys/jwks.json");
//! let keys = KeySet::jwks(jwks)?;
//! let auth = Auth::new(Verifier::new(keys, "https://login.example", "greeter"));
//! let may_greet = authorize::scopes::<Verified<Claims>>(["greet"]);
//! let app = Router::new()
//!     .route("/greeting", get(hello))
//!     // The last is the outermost: who, and then what.
//!     .layer(AuthorizeLayer::new(may_greet).refuse(AsHttp))
//!     .layer(auth.layer().refuse(AsHttp));
//! # Ok(app)
//! # }
//! # #[cfg(not(feature = "jwt"))]
//! # use {AsHttp as _, Auth as _, AuthorizeLayer as _, authorize as _};
//! ```
//!
//! # What callers hear
//!
//! One who is not known is [`Denied`]: 401 with `WWW-Authenticate`, over gRPC
//! `UNAUTHENTICATED` with the same in its metadata; the challenges of all that is
//! taken are there. One who is known and may not is
//! [`Forbidden`](authorize::Forbidden): 403, `PERMISSION_DENIED`. Neither says by which
//! check a forged credential failed: that is the fact's `source()`, for logs. What
//! cannot be checked now, since the key server is out and nothing good is left, is
//! 503, `UNAVAILABLE`. No credential is in a `Debug`, a log line or an error.
//!
//! # Where it goes
//!
//! Inside metrics and traces, which shall see who is refused, and outside limits,
//! breakers and the service: an unknown caller costs no more than the check.
//! An endpoint of the kit's transports has its headers no more; there the hook
//! (`Auth::hook`, feature `hook`) writes [`Credentials`] among the extensions, and
//! the layer reads those. To forget the hook is an internal fault that names the
//! line, on each request, and [`Auth::check`] finds at the start that none was made. Over requests of
//! `http` (axum, hyper, tonic's servers) the layer reads the headers by itself.
//!
//! # Readiness
//!
//! It is the inner service's. A check that has to wait (a slow hash, a key that is
//! fetched) waits in the call, with a clone of the service that asks for readiness
//! when it is over: a caller who is not known yet holds no permit of a limit inside.
//!
//! # Services that are not ours
//!
//! Say by `refuse` what is answered where the service's error cannot be made of
//! [`Denied`]: [`AsHttp`] and [`AsGrpc`] are ready-made, a function serves everywhere.
//! The examples show axum, tonic on both sides, reqwest and plain tower.
//!
//! # Features
//!
//! - `jwt`: signed tokens (RFC 7519), verified by keys that may change, and signed.
//! - `http-source`: keys (JWKS) and tokens (OAuth 2.0) fetched by a client that is given.
//! - `basic`: names and passwords (RFC 7617); `htpasswd`: those of a file, by bcrypt and
//!   argon2id.
//! - `api-key`: keys in a header of their own.
//! - `hook`: the hook for the kit's transports.
//!
//! The cryptography of tokens is aws-lc's, by name: nothing is installed in the
//! process.

#[cfg(feature = "api-key")]
pub mod api_key;
mod authenticator;
pub mod authorize;
#[cfg(feature = "basic")]
pub mod basic;
#[cfg(any(feature = "basic", feature = "jwt"))]
mod cache;
pub mod certificate;
mod challenge;
pub mod client;
mod credentials;
mod denied;
#[cfg(any(feature = "api-key", feature = "basic"))]
mod digests;
pub mod future;
#[cfg(feature = "hook")]
mod hook;
mod into_verdict;
#[cfg(feature = "jwt")]
pub mod jwt;
mod layer;
mod stats;

pub use kit_endpoint::{AsError, AsGrpc, AsHttp, Inspect, Inspector, Refuse};

#[cfg(feature = "hook")]
pub use self::hook::CredentialsHook;
pub use self::{
    authenticator::{Authenticator, Map, Or, Pending, Verdict},
    authorize::AuthorizeLayer,
    credentials::{Credentials, MAX_CREDENTIALS, Malformed, Presented, Presents},
    denied::{Denied, Reason},
    into_verdict::IntoVerdict,
    layer::{Anonymous, Auth, AuthLayer, AuthService, NoHook},
};

#[cfg(all(doctest, feature = "jwt"))]
#[doc = include_str!("../README.md")]
struct Readme;
