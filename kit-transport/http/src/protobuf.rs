//! Protobuf bodies, by `prost`.
//!
//! Written as `application/x-protobuf`, which most servers and clients know
//! (Go kit's `transport/http/proto` too).

use crate::{
    DecodeError, EncodeError,
    negotiate::{Reads, Writes},
};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, Uri, header};
use prost::Message;

const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
const TYPES: &[&str] = &["application/x-protobuf", "application/protobuf"];

/// Decodes the protobuf body of a request, whatever its `Content-Type` says.
///
/// # Errors
///
/// Fails if the body is not a `T`. The error names the field that is wrong.
pub fn decode<T: Message + Default>(request: &Request<Bytes>) -> Result<T, DecodeError> {
    read(request.body())
}

/// Encodes a reply as a protobuf body.
///
/// # Errors
///
/// Never: the signature is the codecs' one.
#[expect(clippy::needless_pass_by_value, reason = "the signature is the codecs' one")]
pub fn encode<T: Message>(reply: T) -> Result<Response<Bytes>, EncodeError> {
    let mut response = Response::new(reply.encode_to_vec().into());
    response.headers_mut().insert(header::CONTENT_TYPE, PROTOBUF);
    Ok(response)
}

/// Returns an encoder for a client: a request by `method` to `uri`, with the
/// message as its protobuf body.
pub fn request<T: Message>(
    method: Method,
    uri: Uri,
) -> impl Fn(&T) -> Result<Request<Bytes>, EncodeError> + Clone {
    move |message| {
        let mut request = Request::new(Bytes::from(message.encode_to_vec()));
        *request.method_mut() = method.clone();
        *request.uri_mut() = uri.clone();
        request.headers_mut().insert(header::CONTENT_TYPE, PROTOBUF);
        Ok(request)
    }
}

/// Decodes the protobuf body of a reply, for a client.
///
/// # Errors
///
/// Fails as [`decode`] does.
pub fn reply<T: Message + Default>(response: &Response<Bytes>) -> Result<T, DecodeError> {
    read(response.body())
}

/// Returns this codec, for [`negotiate::decode`](crate::negotiate::decode):
/// `application/x-protobuf`, `application/protobuf`.
#[must_use]
pub const fn reads<T: Message + Default>() -> Reads<T> {
    Reads::new(TYPES, decode)
}

/// Returns this codec, for [`negotiate::server`](crate::negotiate::server):
/// `application/x-protobuf`, `application/protobuf`.
#[must_use]
pub const fn writes<T: Message>() -> Writes<T> {
    Writes::new(TYPES, encode)
}

fn read<T: Message + Default>(body: &Bytes) -> Result<T, DecodeError> {
    T::decode(body.clone()).map_err(|error| {
        let error = error.to_string();
        let (field, message) = located(&error);
        DecodeError::Malformed { part: "body", field, message: message.to_owned().into() }
    })
}

/// Takes apart what prost says: `failed to decode Protobuf message: Inner.b:
/// Outer.a: buffer underflow` is about `a.b`.
fn located(error: &str) -> (Option<String>, &str) {
    let mut rest = error.strip_prefix("failed to decode Protobuf message: ").unwrap_or(error);
    let mut fields = Vec::new();
    while let Some((place, after)) = rest.split_once(": ") {
        let Some((_, field)) = place.rsplit_once('.').filter(|_| !place.contains(' ')) else {
            break;
        };
        fields.push(field);
        rest = after;
    }
    fields.reverse();
    ((!fields.is_empty()).then(|| fields.join(".")), rest)
}
