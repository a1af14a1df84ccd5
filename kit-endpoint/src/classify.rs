use crate::{Fault, Kind};
use http::HeaderMap;

/// Judges a result: does it count against the service?
///
/// Breakers, metrics and balancers must agree on this, so they share the
/// trait. It is implemented for functions of the result; ready-made are
/// [`ServerFaults`], [`AnyError`], [`HttpStatus`] and [`GrpcStatus`].
pub trait Classify<T, E>: Clone {
    /// Says whether `result` is a failure of the service.
    fn is_failure(&self, result: Result<&T, &E>) -> bool;
}

/// Judges the end of a reply that is a stream, or has a body.
///
/// A [`Classify`] judges the reply when it begins; this judges how it went on.
/// Layers ask for it only where they were told to wait for the end.
pub trait ClassifyEnd<E>: Clone {
    /// Says whether a reply that ended in `end` was a failure of the service.
    /// The trailers are those of an HTTP body.
    fn is_failed_end(&self, end: Result<Option<&HeaderMap>, &E>) -> bool;
}

impl<F, T, E> Classify<T, E> for F
where
    F: Fn(Result<&T, &E>) -> bool + Clone,
{
    fn is_failure(&self, result: Result<&T, &E>) -> bool {
        self(result)
    }
}

/// Counts a [`Fault`] of the service, not of its caller, nor a refusal.
#[derive(Debug, Clone, Copy, Default)]
pub struct ServerFaults;

impl<T, E: Fault> Classify<T, E> for ServerFaults {
    fn is_failure(&self, result: Result<&T, &E>) -> bool {
        result.is_err_and(|fault| fault.kind().is_server() && !fault.refused())
    }
}

impl<E: Fault> ClassifyEnd<E> for ServerFaults {
    fn is_failed_end(&self, end: Result<Option<&HeaderMap>, &E>) -> bool {
        self.is_failure(end.as_ref().map_err(|fault| *fault))
    }
}

/// Counts every error: for services whose errors say nothing more.
#[derive(Debug, Clone, Copy, Default)]
pub struct AnyError;

impl<T, E> Classify<T, E> for AnyError {
    fn is_failure(&self, result: Result<&T, &E>) -> bool {
        result.is_err()
    }
}

impl<E> ClassifyEnd<E> for AnyError {
    fn is_failed_end(&self, end: Result<Option<&HeaderMap>, &E>) -> bool {
        end.is_err()
    }
}

/// Counts errors and 5xx replies: for HTTP services of any kind.
#[derive(Debug, Clone, Copy, Default)]
pub struct HttpStatus;

impl<B, E> Classify<http::Response<B>, E> for HttpStatus {
    fn is_failure(&self, result: Result<&http::Response<B>, &E>) -> bool {
        result.map_or(true, |response| response.status().is_server_error())
    }
}

impl<E> ClassifyEnd<E> for HttpStatus {
    fn is_failed_end(&self, end: Result<Option<&HeaderMap>, &E>) -> bool {
        end.is_err()
    }
}

/// Counts errors and gRPC statuses that are the service's fault
/// ([`Kind::is_server`]), over bare `http::Response`s: tonic's clients, its
/// servers, and whatever else speaks gRPC.
///
/// The status stands in the headers only where there is no message; else it
/// comes in the trailers. So tell the layer to wait for the end of the body,
/// or it takes every reply with a message for a success.
#[derive(Debug, Clone, Copy, Default)]
pub struct GrpcStatus;

impl<B, E> Classify<http::Response<B>, E> for GrpcStatus {
    fn is_failure(&self, result: Result<&http::Response<B>, &E>) -> bool {
        result.map_or(true, |response| match Kind::from_grpc_status(response.headers()) {
            Some(status) => status.is_err_and(Kind::is_server),
            None if response.status().is_success() => false,
            None => Kind::from_http_status_of_grpc(response.status()).is_server(),
        })
    }
}

impl<E> ClassifyEnd<E> for GrpcStatus {
    fn is_failed_end(&self, end: Result<Option<&HeaderMap>, &E>) -> bool {
        match end {
            // Without trailers the headers had the status, and were judged
            // when the reply began; a reply that is cut ends in an error.
            Ok(trailers) => trailers.is_some_and(|trailers| {
                Kind::from_grpc_status(trailers)
                    .is_none_or(|status| status.is_err_and(Kind::is_server))
            }),
            Err(_) => true,
        }
    }
}
