//! Query strings, by `serde`.

use crate::{DecodeError, EncodeError, urlencoded};
use bytes::Bytes;
use http::{Method, Request, Uri};
use serde::{Serialize, de::DeserializeOwned};

/// Decodes the query of a request: `?name=Ada&loud=true`.
///
/// A parameter that is given twice is an error, unless `T` says otherwise: two
/// readers of one request might each take another.
///
/// # Errors
///
/// Fails if the query is not a `T`, or not UTF-8 once it is decoded. The error
/// names the parameter that is wrong.
pub fn decode<T: DeserializeOwned>(request: &Request<Bytes>) -> Result<T, DecodeError> {
    let query = request.uri().query().unwrap_or_default();
    let hint = "give each parameter once, as ?name=value, percent-encoded";
    urlencoded::decode("query", query.as_bytes(), hint)
}

/// Returns an encoder for a client: a request by `method` to `uri` with the
/// message as its query, rightly escaped, and no body.
///
/// A query that `uri` has already is replaced.
pub fn request<T: Serialize>(
    method: Method,
    uri: Uri,
) -> impl Fn(&T) -> Result<Request<Bytes>, EncodeError> + Clone {
    move |message| {
        let query = serde_urlencoded::to_string(message).map_err(EncodeError::new)?;
        let mut parts = uri.clone().into_parts();
        let target = format!("{}?{query}", uri.path());
        parts.path_and_query = Some(target.parse().map_err(EncodeError::new)?);
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = method.clone();
        *request.uri_mut() = Uri::from_parts(parts).map_err(EncodeError::new)?;
        Ok(request)
    }
}
