//! Bodies of `application/x-www-form-urlencoded`, by `serde`: what an HTML form
//! sends.
//!
//! ```
//! use kit_transport_http::form;
//!
//! #[derive(Debug, PartialEq, serde::Deserialize)]
//! struct Login {
//!     name: String,
//!     stay: bool,
//! }
//!
//! let request = http::Request::new("name=Ada+L&stay=true".into());
//! let login = form::decode::<Login>(&request)?;
//! assert_eq!(login, Login { name: "Ada L".to_owned(), stay: true });
//! # Ok::<(), kit_transport_http::DecodeError>(())
//! ```

use crate::{
    DecodeError, EncodeError,
    negotiate::{Reads, Writes},
    urlencoded,
};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, Uri, header};
use serde::{Serialize, de::DeserializeOwned};

const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
const TYPES: &[&str] = &["application/x-www-form-urlencoded"];
const HINT: &str = "give each field once, as name=value, percent-encoded";

/// Decodes the form in the body of a request, whatever its `Content-Type` says.
///
/// A field that is given twice is an error, unless `T` says otherwise: two
/// readers of one request might each take another.
///
/// # Errors
///
/// Fails if the body is not a `T`, or not UTF-8 once it is decoded. The error
/// names the field that is wrong.
pub fn decode<T: DeserializeOwned>(request: &Request<Bytes>) -> Result<T, DecodeError> {
    urlencoded::decode("body", request.body(), HINT)
}

/// Encodes a reply as a form.
///
/// # Errors
///
/// Fails if `reply` is no list of names and values: a form cannot nest.
pub fn encode<T: Serialize>(reply: T) -> Result<Response<Bytes>, EncodeError> {
    let body = serde_urlencoded::to_string(&reply).map_err(EncodeError::new)?;
    let mut response = Response::new(body.into());
    response.headers_mut().insert(header::CONTENT_TYPE, FORM);
    Ok(response)
}

/// Returns an encoder for a client: a request by `method` to `uri`, with the
/// message as a form in its body.
pub fn request<T: Serialize>(
    method: Method,
    uri: Uri,
) -> impl Fn(&T) -> Result<Request<Bytes>, EncodeError> + Clone {
    move |message| {
        let body = serde_urlencoded::to_string(message).map_err(EncodeError::new)?;
        let mut request = Request::new(Bytes::from(body));
        *request.method_mut() = method.clone();
        *request.uri_mut() = uri.clone();
        request.headers_mut().insert(header::CONTENT_TYPE, FORM);
        Ok(request)
    }
}

/// Decodes the form in the body of a reply, for a client.
///
/// # Errors
///
/// Fails as [`decode`] does.
pub fn reply<T: DeserializeOwned>(response: &Response<Bytes>) -> Result<T, DecodeError> {
    urlencoded::decode("body", response.body(), HINT)
}

/// Returns this codec, for [`negotiate::decode`](crate::negotiate::decode):
/// `application/x-www-form-urlencoded`.
#[must_use]
pub const fn reads<T: DeserializeOwned>() -> Reads<T> {
    Reads::new(TYPES, decode)
}

/// Returns this codec, for [`negotiate::server`](crate::negotiate::server):
/// `application/x-www-form-urlencoded`.
#[must_use]
pub const fn writes<T: Serialize>() -> Writes<T> {
    Writes::new(TYPES, encode)
}
