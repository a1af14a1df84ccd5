//! Saying who one is: a layer around a client.
//!
//! A [`CredentialLayer`] writes the `authorization` of each request that has none,
//! out of a [`Credential`]: a constant header, a function, a signer of tokens
//! (`jwt::Signer`), a file that is renewed (`FileToken`, as Kubernetes projects
//! service accounts), or a server of tokens (`OAuth2`, feature `http-source`). It goes
//! around anything that takes `http` requests: hyper's client, tonic's channel,
//! kit-transport's pool; reqwest takes its requests from `http`'s.
//!
//! The header is marked sensitive, so that HTTP/2 does not index it and `Debug`
//! does not show it. Who can read the connection can read it: send it over TLS.

mod error;
#[cfg(feature = "jwt")]
mod file;
mod future;
mod layer;
#[cfg(feature = "http-source")]
mod oauth2;

#[cfg(feature = "jwt")]
pub use self::file::FileToken;
#[cfg(feature = "http-source")]
pub use self::oauth2::OAuth2;
pub use self::{
    error::NoCredential,
    future::ResponseFuture,
    layer::{CredentialLayer, WithCredential},
};

use http::HeaderValue;
use std::{fmt, pin::Pin, sync::Arc};

/// Says who sends a request: makes the value of `authorization`.
pub trait Credential: Send + Sync + 'static {
    /// Gives the value for one request.
    ///
    /// It is called for each and must not block; what takes a while is for
    /// [`Given::Later`].
    fn give(&self) -> Given;
}

/// What a [`Credential`] gives.
pub enum Given {
    /// It has it, or cannot.
    Now(Result<HeaderValue, NoCredential>),
    /// It will.
    Later(Pin<Box<dyn Future<Output = Result<HeaderValue, NoCredential>> + Send>>),
}

/// Makes a header of a bearer token (RFC 6750, section 2.1).
///
/// # Errors
///
/// When the token has other letters than such tokens have.
pub fn bearer(token: &str) -> Result<HeaderValue, NoCredential> {
    // b64token: letters, digits and these, with `=` at the end.
    let is_right = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if token.is_empty() || !token.bytes().all(is_right) {
        return Err(NoCredential::new("it is not a bearer token"));
    }
    let mut header = HeaderValue::try_from(format!("Bearer {token}"))
        .map_err(|_| NoCredential::new("it is not a bearer token"))?;
    header.set_sensitive(true);
    Ok(header)
}

// ===== impl Credential =====

impl Credential for HeaderValue {
    fn give(&self) -> Given {
        Given::Now(Ok(self.clone()))
    }
}

impl<F> Credential for F
where
    F: Fn() -> Result<HeaderValue, NoCredential> + Send + Sync + 'static,
{
    fn give(&self) -> Given {
        Given::Now(self())
    }
}

impl<C: Credential + ?Sized> Credential for Arc<C> {
    fn give(&self) -> Given {
        (**self).give()
    }
}

// ===== impl Given =====

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Now(Ok(_)) => "Now",
            Self::Now(Err(_)) => "None",
            Self::Later(_) => "Later",
        })
    }
}
