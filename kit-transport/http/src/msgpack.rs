//! `MessagePack` bodies, by `serde`: JSON's data in fewer bytes.
//!
//! Fields are written by name, as most other languages read them; lists of
//! fields in their order are understood too. `application/msgpack`.

use crate::{
    DecodeError, EncodeError, field,
    negotiate::{Reads, Writes},
};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, Uri, header};
use rmp_serde::Deserializer;
use serde::{Serialize, de::DeserializeOwned};

const MSGPACK: HeaderValue = HeaderValue::from_static("application/msgpack");
const TYPES: &[&str] = &["application/msgpack", "application/vnd.msgpack", "application/x-msgpack"];

/// How deep a message may nest: as JSON's (`serde_json`'s default).
const DEPTH: usize = 128;

/// Decodes the `MessagePack` body of a request, whatever its `Content-Type`
/// says.
///
/// # Errors
///
/// Fails if the body is not one `MessagePack` value, or not a `T`, or nests more
/// than 128 deep. The error names the field that is wrong.
pub fn decode<T: DeserializeOwned>(request: &Request<Bytes>) -> Result<T, DecodeError> {
    read(request.body())
}

/// Encodes a reply as a `MessagePack` body.
///
/// # Errors
///
/// Fails if `reply` cannot be written: a sequence that does not know its length.
pub fn encode<T: Serialize>(reply: T) -> Result<Response<Bytes>, EncodeError> {
    let body = rmp_serde::to_vec_named(&reply).map_err(EncodeError::new)?;
    let mut response = Response::new(body.into());
    response.headers_mut().insert(header::CONTENT_TYPE, MSGPACK);
    Ok(response)
}

/// Returns an encoder for a client: a request by `method` to `uri`, with the
/// message as its `MessagePack` body.
pub fn request<T: Serialize>(
    method: Method,
    uri: Uri,
) -> impl Fn(&T) -> Result<Request<Bytes>, EncodeError> + Clone {
    move |message| {
        let body = rmp_serde::to_vec_named(message).map_err(EncodeError::new)?;
        let mut request = Request::new(Bytes::from(body));
        *request.method_mut() = method.clone();
        *request.uri_mut() = uri.clone();
        request.headers_mut().insert(header::CONTENT_TYPE, MSGPACK);
        Ok(request)
    }
}

/// Decodes the `MessagePack` body of a reply, for a client.
///
/// # Errors
///
/// Fails as [`decode`] does.
pub fn reply<T: DeserializeOwned>(response: &Response<Bytes>) -> Result<T, DecodeError> {
    read(response.body())
}

/// Returns this codec, for [`negotiate::decode`](crate::negotiate::decode):
/// `application/msgpack`, `application/vnd.msgpack`, `application/x-msgpack`.
#[must_use]
pub const fn reads<T: DeserializeOwned>() -> Reads<T> {
    Reads::new(TYPES, decode)
}

/// Returns this codec, for [`negotiate::server`](crate::negotiate::server):
/// `application/msgpack`, `application/vnd.msgpack`, `application/x-msgpack`.
#[must_use]
pub const fn writes<T: Serialize>() -> Writes<T> {
    Writes::new(TYPES, encode)
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, DecodeError> {
    let mut rest = body;
    let mut deserializer = Deserializer::new(&mut rest);
    deserializer.set_max_depth(DEPTH);
    let message = T::deserialize(&mut deserializer).map_err(|error| {
        let mut again = Deserializer::new(body);
        again.set_max_depth(DEPTH);
        let field = field::find::<T, _>(&mut again);
        DecodeError::Malformed { part: "body", field, message: error.to_string().into() }
    })?;
    if rest.is_empty() {
        Ok(message)
    } else {
        let message = format!("{} bytes follow the message: send one", rest.len());
        Err(DecodeError::malformed("body", message))
    }
}
