//! What a layer may answer when it refuses.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use http::{HeaderValue, Response, header};
use http_body_util::{BodyExt, Full};
use kit_endpoint::{AsError, AsGrpc, AsHttp, Details, Fault, Kind, Refuse};
use std::{convert::Infallible, time::Duration};
use tokio_test::{assert_ready_ok, task};
use tower::BoxError;

/// The fact of some layer.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("{text}")]
struct Busy {
    kind: Kind,
    text: &'static str,
}

impl Fault for Busy {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn retry_after(&self) -> Option<Duration> {
        Some(Duration::from_millis(1200))
    }

    fn describe(&self, details: &mut Details) {
        details
            .header(header::SERVER, HeaderValue::from_static("kit"))
            .header(header::CONTENT_TYPE, HeaderValue::from_static("text/html"))
            .header("grpc-status".parse().expect("a name"), HeaderValue::from_static("0"));
    }
}

#[derive(Debug, PartialEq, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Busy(#[from] Busy),
}

const BUSY: Busy = Busy { kind: Kind::Unavailable, text: "the pool is empty" };
const WRONG: Busy = Busy { kind: Kind::InvalidArgument, text: "100 % wrong: \u{e9}\n" };

#[test]
fn as_error_is_the_users_enum_or_a_box() {
    assert_eq!(Refuse::<_, (), _>::refuse(&AsError, BUSY), Err(Error::Busy(BUSY)));
    let error = Refuse::<_, (), BoxError>::refuse(&AsError, BUSY).expect_err("refused");
    assert_eq!(error.downcast_ref(), Some(&BUSY));
}

#[test]
fn a_function_answers_as_it_likes() {
    let refuse = |busy: Busy| Ok::<_, Infallible>(busy.text);
    assert_eq!(Refuse::refuse(&refuse, BUSY), Ok("the pool is empty"));
}

#[test]
fn as_http_answers_with_problem_details_in_any_body_of_a_string() {
    let Ok(reply): Result<Response<Full<bytes::Bytes>>, Infallible> = AsHttp.refuse(BUSY);
    assert_eq!(reply.status(), 503);
    assert_eq!(reply.headers()["server"], "kit");
    assert_eq!(reply.headers()["retry-after"], "2");
    let types: Vec<_> = reply.headers().get_all(header::CONTENT_TYPE).iter().collect();
    assert_eq!(types, ["application/problem+json"]);
    let body = assert_ready_ok!(task::spawn(reply.into_body().collect()).poll()).to_bytes();
    let problem: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(problem["kind"], "UNAVAILABLE");
    assert_eq!(problem["detail"], "service unavailable");
}

#[test]
fn as_grpc_answers_without_a_message() {
    let Ok(reply): Result<Response<String>, Infallible> = AsGrpc.refuse(BUSY);
    assert_eq!(reply.status(), 200);
    assert_eq!(reply.headers()["grpc-status"], "14");
    assert_eq!(reply.headers()["grpc-message"], "service unavailable", "its text stays inside");
    assert_eq!(reply.headers()["server"], "kit", "a header of the fault is metadata");
    let types: Vec<_> = reply.headers().get_all(header::CONTENT_TYPE).iter().collect();
    assert_eq!(types, ["application/grpc"]);
    assert_eq!(reply.headers().get_all("grpc-status").iter().count(), 1);
    assert_eq!(reply.body(), "");
}

#[test]
fn a_grpc_message_is_percent_encoded() {
    let reply: Response<()> = AsGrpc::reply(&WRONG);
    assert_eq!(reply.headers()["grpc-status"], "3");
    assert_eq!(reply.headers()["grpc-message"], "100 %25 wrong: %C3%A9%0A");
}

#[test]
fn every_kind_has_its_grpc_status() {
    for kind in Kind::ALL {
        let reply: Response<()> = AsGrpc::reply(&Busy { kind, text: "busy" });
        assert_eq!(reply.headers()["grpc-status"], kind.grpc_code().to_string().as_str());
    }
}
