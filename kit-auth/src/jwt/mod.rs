//! Tokens that are signed (JWT, RFC 7519), checked as RFC 8725 asks.
//!
//! A [`Verifier`] is an [`Authenticator`](crate::Authenticator) of bearer tokens
//! (RFC 6750). It is made of [`Keys`], of the issuer whose tokens are taken and of
//! the audience that they must be for; a token must expire. What an endpoint finds
//! among its request's extensions is a [`Verified`]: [`Claims`], or any type of
//! yours that serde reads.
//!
//! ```
//! use kit_auth::{Auth, jwt::{Algorithm, Claims, Key, KeySet, Verified, Verifier}};
//! use kit_endpoint::Request;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let pem = include_bytes!("../../tests/keys/ec.pub.pem");
//! let keys = KeySet::new([Key::pem(Algorithm::ES256, pem)?])?;
//! let auth = Auth::new(Verifier::new(keys, "https://login.example", "greeter"));
//! let layer = auth.layer();
//! // In the endpoint:
//! fn name(request: &Request<()>) -> Option<&str> {
//!     request.extensions().get::<Verified<Claims>>()?.subject.as_deref()
//! }
//! # let _ = (layer, name as fn(&Request<()>) -> Option<&str>);
//! # Ok(())
//! # }
//! ```
//!
//! # What is checked
//!
//! - Each key is for one algorithm, which the token's must be: what the token says
//!   of itself (`jwk`, `jku`, `x5u`) is never believed, nor fetched.
//! - Keys that nobody should trust are refused when they are loaded: [`BadKey`].
//! - `exp`, `iss` and `aud` must be there, and right; `nbf` and `iat` must not lie
//!   ahead. The [leeway](Verifier::leeway) is 5 s.
//! - `crit` and `b64` are refused, since nothing that they may ask for is known
//!   here; `typ` is `JWT`, `at+jwt` or absent ([`Verifier::types`]).
//! - A token has 8 KiB at most, three parts in base64url without padding, and no
//!   member twice that matters.

mod base64url;
mod claims;
mod error;
mod headers;
mod key;
mod keys;
mod plain;
mod set;
mod signer;
mod source;
mod token;
#[cfg(feature = "http-source")]
mod url;
mod verifier;

#[cfg(feature = "http-source")]
pub use self::url::{BadUrl, Url};
pub use self::{
    claims::{Claims, Verified},
    error::TokenError,
    key::{BadKey, Key},
    keys::Keys,
    set::{BadKeySet, BadSet, KeySet},
    signer::{SignError, Signer, SigningKey},
    source::{Fed, Feed, FetchError, Fetched, File, KeySource},
    verifier::Verifier,
};
/// By what a token is signed (RFC 7518, section 3.1; RFC 8037).
pub use jsonwebtoken::Algorithm;
