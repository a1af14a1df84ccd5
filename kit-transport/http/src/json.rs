//! JSON bodies, by `serde`.

use crate::{
    DecodeError, EncodeError, field,
    negotiate::{Reads, Writes},
};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use serde::{Serialize, de::DeserializeOwned};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TYPES: &[&str] = &["application/json"];

/// Decodes the JSON body of a request, whatever its `Content-Type` says.
///
/// # Errors
///
/// Fails if the body is not JSON, or not a `T`: then the error names the field
/// that is wrong.
pub fn decode<T: DeserializeOwned>(request: &Request<Bytes>) -> Result<T, DecodeError> {
    read(request.body())
}

/// Encodes a reply as a JSON body.
///
/// # Errors
///
/// Fails if `reply` cannot be written as JSON: a map whose keys are no strings.
pub fn encode<T: Serialize>(reply: T) -> Result<Response<Bytes>, EncodeError> {
    let body = serde_json::to_vec(&reply).map_err(EncodeError::new)?;
    let mut response = Response::new(body.into());
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    Ok(response)
}

/// Encodes a reply as a JSON body, under a status of its own.
///
/// # Errors
///
/// Fails if `reply` cannot be written as JSON: a map whose keys are no strings.
pub fn encode_as<T: Serialize>(
    status: StatusCode,
    reply: T,
) -> Result<Response<Bytes>, EncodeError> {
    let mut response = encode(reply)?;
    *response.status_mut() = status;
    Ok(response)
}

/// Returns an encoder for a client: a request by `method` to `uri`, with the
/// message as its JSON body.
pub fn request<T: Serialize>(
    method: Method,
    uri: Uri,
) -> impl Fn(&T) -> Result<Request<Bytes>, EncodeError> + Clone {
    move |message| {
        let body = serde_json::to_vec(message).map_err(EncodeError::new)?;
        let mut request = Request::new(Bytes::from(body));
        *request.method_mut() = method.clone();
        *request.uri_mut() = uri.clone();
        request.headers_mut().insert(header::CONTENT_TYPE, JSON);
        Ok(request)
    }
}

/// Decodes the JSON body of a reply, for a client.
///
/// # Errors
///
/// Fails if the body is not JSON, or not a `T`.
pub fn reply<T: DeserializeOwned>(response: &Response<Bytes>) -> Result<T, DecodeError> {
    read(response.body())
}

/// Returns this codec, for [`negotiate::decode`](crate::negotiate::decode):
/// `application/json`.
#[must_use]
pub const fn reads<T: DeserializeOwned>() -> Reads<T> {
    Reads::new(TYPES, decode)
}

/// Returns this codec, for [`negotiate::server`](crate::negotiate::server):
/// `application/json`.
#[must_use]
pub const fn writes<T: Serialize>() -> Writes<T> {
    Writes::new(TYPES, encode)
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, DecodeError> {
    serde_json::from_slice(body).map_err(|error| malformed::<T>(body, &error))
}

/// Reads again, to find the field: keeping the path costs a `String` for each
/// field, which those who ask well need not pay.
#[cold]
fn malformed<T: DeserializeOwned>(body: &[u8], error: &serde_json::Error) -> DecodeError {
    let mut again = serde_json::Deserializer::from_slice(body);
    let field = if error.is_data() { field::find::<T, _>(&mut again) } else { None };
    DecodeError::Malformed { part: "body", field, message: error.to_string().into() }
}
