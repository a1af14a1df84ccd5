//! Codecs by what the caller sends and what it wants: `Content-Type` and
//! `Accept` (RFC 9110, sections 8.3 and 12.5.1).
//!
//! Nothing negotiates unasked. [`decode`] makes one decoder of several; a body
//! of another media type is a 415 that says what is read, in words and in its
//! `Accept` header. [`server`] makes a server that writes one reply in several
//! formats; a request that takes none of them is a 406, before the endpoint is
//! called.
//!
//! ```
//! # #[cfg(all(feature = "json", feature = "form"))]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! use bytes::Bytes;
//! use http::Response;
//! use http_body_util::Full;
//! use kit_endpoint::{Expired, Request};
//! use kit_transport_http::{EncodeError, form, json, negotiate::{self, Writes}};
//! use tower::{ServiceExt, service_fn};
//!
//! #[derive(serde::Deserialize, serde::Serialize)]
//! struct Hello {
//!     name: String,
//! }
//!
//! async fn hello(request: Request<Hello>) -> Result<Hello, Expired> {
//!     Ok(request.into_message())
//! }
//!
//! /// A format of one's own is a function.
//! fn plain(hello: Hello) -> Result<Response<Bytes>, EncodeError> {
//!     Ok(Response::new(hello.name.into()))
//! }
//!
//! let server = negotiate::server(
//!     service_fn(hello),
//!     negotiate::decode([json::reads(), form::reads()]),
//!     [json::writes(), Writes::new(&["text/plain"], plain)],
//! );
//! let request = http::Request::post("/hello")
//!     .header("content-type", "application/x-www-form-urlencoded")
//!     .header("accept", "text/plain, */*;q=0.1")
//!     .body(Full::from("name=Ada"))
//!     .unwrap();
//! let response = server.oneshot(request).await.unwrap();
//! assert_eq!(response.headers()["content-type"], "text/plain");
//! assert_eq!(response.headers()["vary"], "accept");
//! # }
//! # #[cfg(not(all(feature = "json", feature = "form")))]
//! # fn main() {}
//! ```

mod accept;
mod error;
mod service;

pub use self::{
    accept::accepted,
    error::Declined,
    service::{Answer, AnswerFuture, Asked, Negotiated},
};

use crate::{DecodeError, EncodeError, Server};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use kit_endpoint::{self as kit, Fault};
use std::fmt;
use tower_service::Service;

const VARY_ACCEPT: HeaderValue = HeaderValue::from_static("accept");

/// A way to read a message: the media types of it, and the codec.
pub struct Reads<T> {
    types: &'static [&'static str],
    decode: fn(&Request<Bytes>) -> Result<T, DecodeError>,
}

/// A way to write a reply: the media types of it, and the codec.
pub struct Writes<R> {
    types: &'static [&'static str],
    encode: fn(R) -> Result<Response<Bytes>, EncodeError>,
}

/// Returns a decoder that reads by the codec of the request's `Content-Type`,
/// and by the first one if it has none. Parameters (`charset`) are not looked
/// at.
///
/// The decoder fails with [`DecodeError::UnsupportedMediaType`] if no codec is
/// of that type, or if there are two types.
pub fn decode<T, const N: usize>(
    codecs: [Reads<T>; N],
) -> impl Fn(&Request<Bytes>) -> Result<T, DecodeError> + Clone {
    const { assert!(N > 0, "a decoder has a codec") };
    move |request| {
        let mut said = request.headers().get_all(header::CONTENT_TYPE).iter();
        let codec = match (said.next(), said.next()) {
            (None, _) => codecs.first(),
            (Some(said), None) => {
                let said = accept::essence(said.as_bytes());
                codecs.iter().find(|codec| {
                    codec.types.iter().any(|known| said.eq_ignore_ascii_case(known.as_bytes()))
                })
            }
            (Some(_), Some(_)) => None,
        };
        match codec {
            Some(codec) => (codec.decode)(request),
            None => Err(DecodeError::UnsupportedMediaType {
                read: list(codecs.iter().map(|codec| codec.types)),
            }),
        }
    }
}

/// Serves `endpoint` with replies in the format that the caller likes best: by
/// `Accept`, and where it leaves the choice, the first of `codecs` and the
/// first of its types. See [`accepted`] for the rules.
///
/// Requests are read by `decode`: [`decode`](fn@decode), or any other. Replies
/// say `Vary: accept`, for caches. For replies that know their status, give
/// `Writes::new(types, |reply| as_reply(json::encode)(reply))`.
///
/// The decoder fails with [`Declined::NotAcceptable`] if no format is liked.
pub fn server<E, T, R, D, DE, const N: usize>(
    endpoint: E,
    decode: D,
    codecs: [Writes<R>; N],
) -> Server<
    Negotiated<E>,
    impl Fn(&Request<Bytes>) -> Result<Asked<T>, Declined<DE>> + Clone,
    impl Fn(Answer<R>) -> Result<Response<Bytes>, EncodeError> + Clone,
>
where
    E: Service<kit::Request<T>, Response = R>,
    D: Fn(&Request<Bytes>) -> Result<T, DE> + Clone,
    DE: Fault,
{
    const { assert!(N > 0, "a server has a codec") };
    let choose = move |request: &Request<Bytes>| {
        let types = codecs.iter().flat_map(|codec| codec.types.iter().copied());
        let Some(choice) = accepted(request.headers(), types) else {
            let written = list(codecs.iter().map(|codec| codec.types));
            return Err(Declined::NotAcceptable { written });
        };
        let message = decode(request).map_err(Declined::Decode)?;
        Ok(Asked { message, choice })
    };
    let encode = move |Answer { reply, choice }: Answer<R>| {
        let mut index = choice;
        for codec in &codecs {
            let Some(media_type) = codec.types.get(index) else {
                index -= codec.types.len();
                continue;
            };
            let mut response = (codec.encode)(reply)?;
            let bare = matches!(
                response.status(),
                StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED
            );
            let headers = response.headers_mut();
            headers.append(header::VARY, VARY_ACCEPT);
            if bare {
                return Ok(response);
            }
            // A codec writes the first of its types, or none at all.
            if index > 0 || !headers.contains_key(header::CONTENT_TYPE) {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
            }
            return Ok(response);
        }
        Err(EncodeError::new("the choice was of another server"))
    };
    Server::new(Negotiated::new(endpoint), choose, encode)
}

fn list(types: impl Iterator<Item = &'static [&'static str]>) -> String {
    types.flatten().copied().collect::<Vec<_>>().join(", ")
}

// ===== impl Reads =====

impl<T> Reads<T> {
    /// Reads bodies of `types` by `decode`.
    ///
    /// # Panics
    ///
    /// Panics if `types` are none.
    #[must_use]
    pub const fn new(
        types: &'static [&'static str],
        decode: fn(&Request<Bytes>) -> Result<T, DecodeError>,
    ) -> Self {
        assert!(!types.is_empty(), "a codec has a media type");
        Self { types, decode }
    }
}

impl<T> Clone for Reads<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Reads<T> {}

impl<T> fmt::Debug for Reads<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reads").field("types", &self.types).finish_non_exhaustive()
    }
}

// ===== impl Writes =====

impl<R> Writes<R> {
    /// Writes replies of `types` by `encode`. The first of them is what it
    /// writes by itself; where the caller wants another, `Content-Type` says
    /// so.
    ///
    /// # Panics
    ///
    /// Panics if `types` are none.
    #[must_use]
    pub const fn new(
        types: &'static [&'static str],
        encode: fn(R) -> Result<Response<Bytes>, EncodeError>,
    ) -> Self {
        assert!(!types.is_empty(), "a codec has a media type");
        Self { types, encode }
    }
}

impl<R> Clone for Writes<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Writes<R> {}

impl<R> fmt::Debug for Writes<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writes").field("types", &self.types).finish_non_exhaustive()
    }
}
