//! Parameters in the path, by `serde`: `/users/{id}`.
//!
//! A decoder is made of the [`Template`] of the route and reads the path itself,
//! so it works behind any router, and behind none.
//!
//! ```
//! use kit_transport_http::path;
//!
//! #[derive(Debug, PartialEq, serde::Deserialize)]
//! struct Page {
//!     book: String,
//!     page: u32,
//! }
//!
//! let decode = path::decode("/books/{book}/pages/{page}");
//! let request = http::Request::get("/books/Ada%20L/pages/7").body("".into())?;
//! let page: Page = decode(&request)?;
//! assert_eq!(page, Page { book: "Ada L".to_owned(), page: 7 });
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What comes of the path and the body, or the query, is two decoders in one
//! function:
//!
//! ```
//! # #[cfg(feature = "json")] {
//! use bytes::Bytes;
//! use http::Request;
//! use kit_transport_http::{DecodeError, json, path::Template};
//!
//! const USER: Template<'_> = Template::new("/users/{id}");
//!
//! struct Rename {
//!     id: u64,
//!     name: String,
//! }
//!
//! fn decode(request: &Request<Bytes>) -> Result<Rename, DecodeError> {
//!     Ok(Rename { id: USER.decode(request)?, name: json::decode(request)? })
//! }
//!
//! let request = Request::put("/users/7").body(r#""Ada""#.into()).unwrap();
//! let rename = decode(&request).unwrap();
//! assert_eq!((rename.id, rename.name.as_str()), (7, "Ada"));
//! # }
//! ```

mod params;
mod template;

pub use self::template::Template;

use crate::{DecodeError, EncodeError};
use bytes::Bytes;
use http::{Method, Request, Uri};
use serde::{Serialize, de::DeserializeOwned};

/// Returns a decoder of what the path of a request has in the places of
/// `template`.
///
/// Under a router that strips a prefix (axum's `nest`), `template` is without
/// it too.
///
/// # Panics
///
/// Panics if `template` is not one: see [`Template::new`].
pub fn decode<T: DeserializeOwned>(
    template: &'static str,
) -> impl Fn(&Request<Bytes>) -> Result<T, DecodeError> + Clone {
    let template = Template::new(template);
    move |request| template.decode(request)
}

/// Returns an encoder for a client: a request by `method`, without a body,
/// below `base`. Fields of the message that `template` names go into the path,
/// the others into the query, all rightly escaped.
///
/// A query that `base` has is dropped. The encoder fails if a parameter is
/// missing, or is empty, `.` or `..`: a path with those is read as another.
///
/// # Panics
///
/// Panics if `template` is not one: see [`Template::new`].
pub fn request<T: Serialize>(
    method: Method,
    base: Uri,
    template: &'static str,
) -> impl Fn(&T) -> Result<Request<Bytes>, EncodeError> + Clone {
    let template = Template::new(template);
    move |message| {
        let pairs = serde_urlencoded::to_string(message).map_err(EncodeError::new)?;
        let mut target = base.path().trim_end_matches('/').to_owned();
        template.expand(&pairs, &mut target)?;
        let mut parts = base.clone().into_parts();
        parts.path_and_query = Some(target.parse().map_err(EncodeError::new)?);
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = method.clone();
        *request.uri_mut() = Uri::from_parts(parts).map_err(EncodeError::new)?;
        Ok(request)
    }
}
