use crate::{AnyError, Fault, GrpcStatus, HttpStatus, Kind, ServerFaults, classify::is_refused};
use http::HeaderMap;

/// Says what kind of failure a result is: the label of a metric, a field of a log line.
///
/// It is [`Classify`](crate::Classify) with an answer in more words,
/// and implemented for the same four classifiers, so that a breaker, a
/// metric and a log that are given the same one agree:
///
/// | classifier | for | kind |
/// |---|---|---|
/// | [`ServerFaults`] | errors that are a [`Fault`] | the fault's, also where the caller is to blame |
/// | [`AnyError`] | any error | [`Kind::Unknown`] |
/// | [`HttpStatus`] | HTTP replies | the status's, from 400 on |
/// | [`GrpcStatus`] | gRPC over HTTP replies | the code's |
///
/// [`Kind::is_server`] tells which of them are the service's own. Functions
/// `Fn(Result<&T, &E>) -> Option<Kind>` are classifiers too.
pub trait KindOf<T, E>: Clone {
    /// Returns the kind of failure; `None` is a success.
    fn kind_of(&self, result: Result<&T, &E>) -> Option<Kind>;

    /// Returns the fault that the result is, if it is one: for who tells more of it than
    /// its kind. By default it is none.
    fn fault<'a>(&self, result: Result<&'a T, &'a E>) -> Option<&'a dyn Fault> {
        let _ = result;
        None
    }

    /// Says whether the result is the refusal of a layer, so that nothing ran: by
    /// default, whether its fault says so.
    fn is_refused(&self, result: Result<&T, &E>) -> bool {
        self.fault(result).is_some_and(Fault::refused)
    }
}

/// Says how a reply that is a stream, or has a body, went on.
///
/// A layer asks for it only where it was told to wait for the end.
pub trait KindOfEnd<E>: Clone {
    /// Returns the kind of failure of a reply that began well and ended so;
    /// `None` is a success. The trailers are those of an HTTP body.
    fn kind_of_end(&self, end: Result<Option<&HeaderMap>, &E>) -> Option<Kind>;

    /// Returns the fault that it ended in, if that is one. By default it is none.
    fn fault_of_end<'a>(&self, end: Result<Option<&HeaderMap>, &'a E>) -> Option<&'a dyn Fault> {
        let _ = end;
        None
    }
}

impl<F, T, E> KindOf<T, E> for F
where
    F: Fn(Result<&T, &E>) -> Option<Kind> + Clone,
{
    fn kind_of(&self, result: Result<&T, &E>) -> Option<Kind> {
        self(result)
    }
}

// ===== impl ServerFaults =====

impl<T, E: Fault> KindOf<T, E> for ServerFaults {
    fn kind_of(&self, result: Result<&T, &E>) -> Option<Kind> {
        result.err().map(Fault::kind)
    }

    fn fault<'a>(&self, result: Result<&'a T, &'a E>) -> Option<&'a dyn Fault> {
        result.err().map(|fault| fault as _)
    }
}

impl<E: Fault> KindOfEnd<E> for ServerFaults {
    fn kind_of_end(&self, end: Result<Option<&HeaderMap>, &E>) -> Option<Kind> {
        end.err().map(Fault::kind)
    }

    fn fault_of_end<'a>(&self, end: Result<Option<&HeaderMap>, &'a E>) -> Option<&'a dyn Fault> {
        end.err().map(|fault| fault as _)
    }
}

// ===== impl AnyError =====

impl<T, E> KindOf<T, E> for AnyError {
    fn kind_of(&self, result: Result<&T, &E>) -> Option<Kind> {
        result.err().map(|_| Kind::Unknown)
    }
}

impl<E> KindOfEnd<E> for AnyError {
    fn kind_of_end(&self, end: Result<Option<&HeaderMap>, &E>) -> Option<Kind> {
        end.err().map(|_| Kind::Unknown)
    }
}

// ===== impl HttpStatus =====

impl<B, E> KindOf<http::Response<B>, E> for HttpStatus {
    fn kind_of(&self, result: Result<&http::Response<B>, &E>) -> Option<Kind> {
        match result {
            Ok(response) => Kind::from_http_status(response.status()),
            Err(_) => Some(Kind::Unknown),
        }
    }

    fn is_refused(&self, result: Result<&http::Response<B>, &E>) -> bool {
        result.is_ok_and(is_refused)
    }
}

impl<E> KindOfEnd<E> for HttpStatus {
    fn kind_of_end(&self, end: Result<Option<&HeaderMap>, &E>) -> Option<Kind> {
        end.err().map(|_| Kind::Unknown)
    }
}

// ===== impl GrpcStatus =====

impl<B, E> KindOf<http::Response<B>, E> for GrpcStatus {
    fn kind_of(&self, result: Result<&http::Response<B>, &E>) -> Option<Kind> {
        match result {
            Ok(response) => match Kind::from_grpc_status(response.headers()) {
                Some(status) => status.err(),
                None if response.status().is_success() => None,
                None => Some(Kind::from_http_status_of_grpc(response.status())),
            },
            Err(_) => Some(Kind::Unknown),
        }
    }

    fn is_refused(&self, result: Result<&http::Response<B>, &E>) -> bool {
        result.is_ok_and(is_refused)
    }
}

impl<E> KindOfEnd<E> for GrpcStatus {
    fn kind_of_end(&self, end: Result<Option<&HeaderMap>, &E>) -> Option<Kind> {
        match end {
            // Trailers without a status are a cut reply. No trailers at all
            // are not: the headers may have had the status.
            Ok(Some(trailers)) => {
                Kind::from_grpc_status(trailers).unwrap_or(Err(Kind::Unknown)).err()
            }
            Ok(None) => None,
            Err(_) => Some(Kind::Unknown),
        }
    }
}
