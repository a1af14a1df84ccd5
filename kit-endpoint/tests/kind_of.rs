//! What kind of failure a result is.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use http::{HeaderMap, HeaderValue, Response};
use kit_endpoint::{
    AnyError, AsGrpc, AsHttp, Expired, Fault, GrpcStatus, HttpStatus, Kind, KindOf, KindOfEnd,
    ServerFaults,
};
use std::{convert::Infallible, fmt};

/// A fault that a layer refuses with, or a service fails with.
#[derive(Debug)]
struct Busy(bool);

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too much to do")
    }
}

impl std::error::Error for Busy {}

impl Fault for Busy {
    fn kind(&self) -> Kind {
        Kind::ResourceExhausted
    }

    fn refused(&self) -> bool {
        self.0
    }
}

#[test]
fn a_fault_tells_its_kind_and_whether_it_refuses() {
    for refused in [true, false] {
        let busy = Busy(refused);
        let result: Result<&(), _> = Err(&busy);
        assert_eq!(ServerFaults.kind_of(result), Some(Kind::ResourceExhausted));
        assert_eq!(ServerFaults.is_refused(result), refused);
        assert_eq!(ServerFaults.fault(result).unwrap().to_string(), "too much to do");
        let end = Err(&busy);
        assert_eq!(ServerFaults.kind_of_end(end), Some(Kind::ResourceExhausted));
        assert_eq!(ServerFaults.fault_of_end(end).unwrap().to_string(), "too much to do");
    }
    let well: Result<&(), &Busy> = Ok(&());
    assert_eq!(ServerFaults.kind_of(well), None);
    assert!(ServerFaults.fault(well).is_none() && !ServerFaults.is_refused(well));
}

#[test]
fn of_any_error_nothing_is_known() {
    let result: Result<&(), _> = Err(&"no");
    assert_eq!(AnyError.kind_of(result), Some(Kind::Unknown));
    assert!(AnyError.fault(result).is_none() && !AnyError.is_refused(result));
    assert_eq!(AnyError.kind_of_end(Err(&"no")), Some(Kind::Unknown));
}

fn answer(status: u16) -> Response<()> {
    Response::builder().status(status).body(()).unwrap()
}

#[test]
fn an_http_reply_tells_by_its_status_and_its_mark() {
    let kind = |response: &Response<()>| HttpStatus.kind_of(Ok::<_, &Infallible>(response));
    let refused = |response: &Response<()>| HttpStatus.is_refused(Ok::<_, &Infallible>(response));
    assert_eq!(kind(&answer(200)), None);
    assert_eq!(kind(&answer(404)), Some(Kind::NotFound));
    assert_eq!(kind(&answer(503)), Some(Kind::Unavailable));
    assert!(!refused(&answer(503)));
    let refusal = AsHttp::reply(&Busy(true)).map(drop);
    assert_eq!(kind(&refusal), Some(Kind::ResourceExhausted));
    assert!(refused(&refusal));
    assert!(!refused(&AsHttp::reply(&Busy(false)).map(drop)));
}

#[test]
fn a_grpc_reply_tells_by_its_code_and_its_mark() {
    fn end(end: Option<&HeaderMap>) -> Option<Kind> {
        GrpcStatus.kind_of_end(Ok::<_, &Expired>(end))
    }

    let kind = |response: &Response<()>| GrpcStatus.kind_of(Ok::<_, &Infallible>(response));
    let refused = |response: &Response<()>| GrpcStatus.is_refused(Ok::<_, &Infallible>(response));
    assert_eq!(kind(&answer(200)), None);
    assert_eq!(kind(&answer(503)), Some(Kind::Unavailable));
    let refusal = AsGrpc::reply(&Busy(true));
    assert_eq!(kind(&refusal), Some(Kind::ResourceExhausted));
    assert!(refused(&refusal) && !refused(&answer(200)));

    let mut trailers = HeaderMap::new();
    assert_eq!(end(None), None);
    assert_eq!(end(Some(&trailers)), Some(Kind::Unknown));
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    assert_eq!(end(Some(&trailers)), None);
    trailers.insert("grpc-status", HeaderValue::from_static("13"));
    assert_eq!(end(Some(&trailers)), Some(Kind::Internal));
}
