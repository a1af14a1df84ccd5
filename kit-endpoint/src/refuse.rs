use crate::{Details, Fault, Problem};
use http::{HeaderValue, Response, header};
use std::fmt::Write;

/// Says what a layer answers when it refuses: what becomes of its fact.
///
/// [`AsError`] is the default: the fact becomes the service's error. Where
/// that can't be, because the service cannot fail or its error is nobody's to
/// extend, [`AsHttp`] and [`AsGrpc`] answer with a reply, and a function with
/// whatever it likes.
///
/// ```
/// use kit_endpoint::Refuse;
/// use std::convert::Infallible;
///
/// #[derive(Debug)]
/// struct Open;
///
/// fn unavailable(_: Open) -> Result<u16, Infallible> {
///     Ok(503)
/// }
///
/// assert_eq!(Refuse::<Open, u16, Infallible>::refuse(&unavailable, Open), Ok(503));
/// ```
pub trait Refuse<Fact, T, E>: Clone {
    /// Turns the fact into the answer.
    ///
    /// # Errors
    ///
    /// Returns the error that stands for the fact, if it is to be one.
    fn refuse(&self, fact: Fact) -> Result<T, E>;
}

/// Marks a reply, among its extensions, as the refusal of a layer of this process:
/// provably nothing ran. It never crosses a wire.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refused;

/// Refuses with the service's own error, made [`From`] the fact.
#[derive(Debug, Clone, Copy, Default)]
pub struct AsError;

impl<Fact, T, E: From<Fact>> Refuse<Fact, T, E> for AsError {
    fn refuse(&self, fact: Fact) -> Result<T, E> {
        Err(fact.into())
    }
}

impl<F, Fact, T, E> Refuse<Fact, T, E> for F
where
    F: Fn(Fact) -> Result<T, E> + Clone,
{
    fn refuse(&self, fact: Fact) -> Result<T, E> {
        self(fact)
    }
}

/// Refuses with an HTTP reply: the status of the fact's kind, problem details
/// (RFC 9457), and `Retry-After` where the fact knows.
///
/// It serves wherever the body can be made from a `String`: axum's,
/// `http_body_util::Full`. For another reply take [`AsHttp::reply`] and map it.
#[derive(Debug, Clone, Copy, Default)]
pub struct AsHttp;

impl AsHttp {
    /// Returns the reply to `fault`.
    #[must_use]
    pub fn reply(fault: &dyn Fault) -> Response<String> {
        let mut response = Problem::new(fault).into_response();
        if fault.refused() {
            response.extensions_mut().insert(Refused);
        }
        response
    }
}

impl<Fact: Fault, B: From<String>, E> Refuse<Fact, Response<B>, E> for AsHttp {
    fn refuse(&self, fact: Fact) -> Result<Response<B>, E> {
        Ok(Self::reply(&fact).map(B::from))
    }
}

/// Refuses with a gRPC reply without a message ("trailers-only"): status 200,
/// the code of the fact's kind in `grpc-status`, and the fact's headers.
///
/// It serves wherever an empty body can be made by [`Default`]: tonic's.
#[derive(Debug, Clone, Copy, Default)]
pub struct AsGrpc;

impl AsGrpc {
    /// Returns the reply to `fault`.
    #[must_use]
    pub fn reply<B: Default>(fault: &dyn Fault) -> Response<B> {
        let mut details = Details::default();
        fault.describe(&mut details);
        let mut response = Response::new(B::default());
        let headers = response.headers_mut();
        // The fault's headers first: what gRPC says of the reply holds.
        headers.clone_from(details.headers());
        let kind = fault.kind();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert("grpc-status", HeaderValue::from(u16::from(kind.grpc_code())));
        let message = if kind.is_server() { kind.phrase().to_owned() } else { fault.to_string() };
        if let Ok(message) = HeaderValue::try_from(percent_encoded(&message)) {
            headers.insert("grpc-message", message);
        }
        if fault.refused() {
            response.extensions_mut().insert(Refused);
        }
        response
    }
}

impl<Fact: Fault, B: Default, E> Refuse<Fact, Response<B>, E> for AsGrpc {
    fn refuse(&self, fact: Fact) -> Result<Response<B>, E> {
        Ok(Self::reply(&fact))
    }
}

/// Encodes a `grpc-message`: gRPC's protocol keeps printable ASCII but `%`.
fn percent_encoded(message: &str) -> String {
    let mut encoded = String::with_capacity(message.len());
    for byte in message.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            // Writing to a `String` cannot fail.
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}
