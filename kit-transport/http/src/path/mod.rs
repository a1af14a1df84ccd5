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
//!
//! A client fills the same template, and what it does not name becomes the
//! query. What goes into the body as well is said by the encoder:
//!
//! ```
//! # #[cfg(feature = "json")] {
//! use bytes::Bytes;
//! use http::{Method, Request, Uri};
//! use kit_transport_http::{json, path::{Template, Unfilled}};
//!
//! const USER: Template<'_> = Template::new("/users/{id}");
//!
//! #[derive(serde::Serialize)]
//! struct Place {
//!     id: u64,
//!     notify: bool,
//! }
//!
//! struct Rename {
//!     place: Place,
//!     name: String,
//! }
//!
//! fn encode(rename: &Rename) -> Result<Request<Bytes>, Unfilled> {
//!     let uri = USER.uri(&Uri::from_static("http://users.example/v1"), &rename.place)?;
//!     json::request(Method::PUT, uri)(&rename.name).map_err(Unfilled::Encode)
//! }
//!
//! let rename = Rename { place: Place { id: 7, notify: true }, name: "Ada".to_owned() };
//! let request = encode(&rename).unwrap();
//! assert_eq!(request.uri(), "http://users.example/v1/users/7?notify=true");
//! assert_eq!(request.body(), r#""Ada""#);
//! # }
//! ```

mod malformed;
mod params;
mod template;
mod unfilled;

pub use self::{malformed::Malformed, template::Template, unfilled::Unfilled};

use crate::DecodeError;
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

/// Returns an encoder for a client: a request by `method`, without a body, to
/// the URI that [`Template::uri`] makes of the message below `base`.
///
/// # Panics
///
/// Panics if `template` is not one: see [`Template::new`].
pub fn request<T: Serialize>(
    method: Method,
    base: Uri,
    template: &'static str,
) -> impl Fn(&T) -> Result<Request<Bytes>, Unfilled> + Clone {
    let template = Template::new(template);
    move |message| {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = template.uri(&base, message)?;
        *request.method_mut() = method.clone();
        Ok(request)
    }
}
