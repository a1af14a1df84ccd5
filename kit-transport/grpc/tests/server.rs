//! The message level: a method over an endpoint, and faults as statuses.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use kit_endpoint::{CatchPanicLayer, Details, Expires, Fault, Kind, Panicked, Request};
use kit_transport_grpc::{KIND_DOMAIN, KIND_KEY, Server, code, details, kind, status};
use std::{future::ready, time::Duration};
use support::{Wrong, decode, encode, hello, pb::GreetingRequest};
use tokio::time::Instant;
use tokio_test::{assert_pending, assert_ready_ok, task};
use tonic::{Code, Status};
use tonic_types::StatusExt;
use tower::{Layer, ServiceExt, service_fn};

fn ada() -> tonic::Request<GreetingRequest> {
    tonic::Request::new(GreetingRequest { name: "Ada".to_owned() })
}

/// The status after a trip over the wire.
fn sent(status: &Status) -> Status {
    let mut trailers = http::HeaderMap::new();
    status.add_header(&mut trailers).unwrap();
    Status::from_header_map(&trailers).unwrap()
}

#[tokio::test]
async fn a_method_is_decode_endpoint_encode() {
    let reply = Server::new(service_fn(hello), decode, encode).oneshot(ada()).await.unwrap();
    assert_eq!(reply.into_inner().greeting, "Hello, Ada!");
}

#[tokio::test]
async fn a_message_that_cannot_be_decoded_never_reaches_the_endpoint() {
    let refuse = |_: GreetingRequest| Err::<String, _>(Wrong::new(Kind::InvalidArgument));
    let endpoint = service_fn(|_: Request<String>| async { unreachable!("not decoded") });
    let endpoint = endpoint.map_err(|never: std::convert::Infallible| never);
    let status = Server::new(endpoint, refuse, encode).oneshot(ada()).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(status.message(), "the greeter is wrong");
}

#[tokio::test]
async fn a_reply_that_cannot_be_encoded_is_a_failure() {
    let refuse = |_: String| Err::<support::pb::GreetingResponse, _>(Wrong::new(Kind::Internal));
    let server = Server::new(service_fn(hello), decode, refuse);
    let status = server.oneshot(ada()).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert_eq!(status.message(), "internal error");
}

#[tokio::test]
async fn faults_can_be_answered_otherwise() {
    let fail = service_fn(|_: Request<String>| ready(Err::<String, _>(Wrong::new(Kind::NotFound))));
    let server = Server::new(fail, decode, encode)
        .encode_error(|fault: &dyn Fault| Status::data_loss(fault.to_string()));
    let status = server.oneshot(ada()).await.unwrap_err();
    assert_eq!(status.code(), Code::DataLoss);
}

#[tokio::test]
async fn it_is_ready_while_its_endpoint_is_not_and_waits_for_it() {
    let (mock, mut handle) = tower_test::mock::pair::<Request<String>, String>();
    handle.allow(0);
    let endpoint = mock.map_err(|_| Wrong::new(Kind::Unavailable));
    let mut server = task::spawn(Server::new(endpoint, decode, encode).oneshot(ada()));
    assert_pending!(server.poll());
    handle.allow(1);
    assert_pending!(server.poll());
    let (request, reply) = handle.next_request().await.unwrap();
    assert_eq!(request.message(), "Ada");
    reply.send_response("Hi".to_owned());
    assert_eq!(assert_ready_ok!(server.poll()).into_inner().greeting, "Hi");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_comes_from_the_extensions() {
    let at = Instant::now() + Duration::from_secs(3);
    let endpoint = service_fn(move |request: Request<String>| {
        assert_eq!(request.deadline(), Some(at));
        ready(Ok::<_, Wrong>(String::new()))
    });
    let mut request = ada();
    request.extensions_mut().insert(Expires(at));
    Server::new(endpoint, decode, encode).oneshot(request).await.unwrap();
}

#[tokio::test]
async fn a_panic_is_internal_and_says_nothing() {
    async fn panics(_: Request<String>) -> Result<String, Panicked> {
        panic!("the password is 1234");
    }

    let endpoint = CatchPanicLayer::new().layer(service_fn(panics));
    let status = Server::new(endpoint, decode, encode).oneshot(ada()).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Internal, "internal error"));
}

#[test]
fn its_types_are_send_and_sync() {
    fn assert_send_sync<T: Send + Sync>(_: &T) {}
    fn spawnable<T: Send>(_: T) {}

    let server = Server::new(service_fn(hello), decode, encode);
    assert_send_sync(&server);
    // A closure over it, too, and across an await.
    spawnable(async move { server.oneshot(ada()).await.map(drop) });
}

// ===== faults on the wire =====

/// Every kind, its code, and whether the code alone tells it.
const GOLDEN: [(Kind, i32, bool); 21] = [
    (Kind::Cancelled, 1, true),
    (Kind::Unknown, 2, true),
    (Kind::InvalidArgument, 3, true),
    (Kind::DeadlineExceeded, 4, true),
    (Kind::NotFound, 5, true),
    (Kind::AlreadyExists, 6, true),
    (Kind::PermissionDenied, 7, true),
    (Kind::ResourceExhausted, 8, true),
    (Kind::FailedPrecondition, 9, true),
    (Kind::Aborted, 10, true),
    (Kind::OutOfRange, 11, true),
    (Kind::Unimplemented, 12, true),
    (Kind::Internal, 13, true),
    (Kind::Unavailable, 14, true),
    (Kind::DataLoss, 15, true),
    (Kind::Unauthenticated, 16, true),
    (Kind::MethodNotAllowed, 12, false),
    (Kind::NotAcceptable, 3, false),
    (Kind::UnsupportedMediaType, 3, false),
    (Kind::PreconditionFailed, 9, false),
    (Kind::PayloadTooLarge, 8, false),
];

#[test]
fn every_kind_comes_out_as_it_went_in() {
    assert_eq!(GOLDEN.map(|(kind, ..)| kind), Kind::ALL);
    for (kind_in, number, alone) in GOLDEN {
        let status = sent(&status(&Wrong::new(kind_in)));
        assert_eq!(code(kind_in) as i32, number, "{kind_in}");
        assert_eq!(status.code() as i32, number, "{kind_in}");
        assert_eq!(kind(&status), Some(kind_in));
        assert_eq!(status.details().is_empty(), alone, "{kind_in}: bytes for nothing, or none");
    }
}

#[test]
fn of_strangers_the_code_is_the_kind() {
    assert_eq!(kind(&Status::ok("")), None);
    for (kind_in, number, alone) in GOLDEN {
        if alone {
            assert_eq!(kind(&Status::new(Code::from_i32(number), "")), Some(kind_in));
        }
    }
}

#[test]
fn a_name_that_contradicts_the_code_counts_for_nothing() {
    let lie = tonic_types::ErrorDetails::with_error_info("PAYLOAD_TOO_LARGE", KIND_DOMAIN, []);
    let status = Status::with_error_details(Code::NotFound, "", lie);
    assert_eq!(kind(&status), Some(Kind::NotFound));
    let unknown = tonic_types::ErrorDetails::with_error_info("NO_SUCH_KIND", KIND_DOMAIN, []);
    let status = Status::with_error_details(Code::NotFound, "", unknown);
    assert_eq!(kind(&status), Some(Kind::NotFound));
    let garbage = Status::with_details(Code::NotFound, "", bytes::Bytes::from_static(b"\xff\xff"));
    assert_eq!(kind(&garbage), Some(Kind::NotFound));
}

#[test]
fn faults_of_the_service_hide_what_they_say() {
    for kind_in in Kind::ALL {
        let status = sent(&status(&Wrong::new(kind_in)));
        if kind_in.is_server() {
            assert_eq!(status.message(), kind_in.phrase());
        } else {
            assert_eq!(status.message(), "the greeter is wrong");
        }
        assert!(!format!("{status:?}").contains("password"), "{kind_in}");
    }
}

#[test]
fn what_a_fault_describes_goes_along() {
    let mut wrong = Wrong::new(Kind::ResourceExhausted);
    wrong.retry_after = Some(Duration::from_millis(1500));
    wrong.describe = |details: &mut Details| {
        details
            .reason("NAME_EMPTY")
            .domain("greeter.example")
            .metadata("longest", "256")
            .violation("name", "is empty")
            .header(http::HeaderName::from_static("x-more"), "yes".parse().unwrap());
    };
    let status = sent(&status(&wrong));
    let details = status.check_error_details().unwrap();
    let info = details.error_info().unwrap();
    assert_eq!((info.reason.as_str(), info.domain.as_str()), ("NAME_EMPTY", "greeter.example"));
    assert_eq!(info.metadata.len(), 1);
    assert_eq!(info.metadata["longest"], "256");
    let violation = &details.bad_request().unwrap().field_violations[0];
    assert_eq!((violation.field.as_str(), violation.description.as_str()), ("name", "is empty"));
    assert_eq!(details.retry_info().unwrap().retry_delay, Some(Duration::from_millis(1500)));
    assert_eq!(status.metadata().get("x-more").unwrap(), "yes");
}

/// A field of bytes, as protobuf writes it: all of these are short.
fn field(number: u8, value: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    let length = u8::try_from(value.len()).unwrap();
    // A length of 128 and more takes two bytes.
    field.extend(if length < 128 { vec![length] } else { vec![length, 1] });
    field.extend(value);
    field
}

/// A `google.rpc.Status` of `RESOURCE_EXHAUSTED` with all four details, by hand
/// from the `.proto`s.
fn golden() -> Vec<u8> {
    let any = |name: &str, value: Vec<u8>| {
        let url = format!("type.googleapis.com/google.rpc.{name}");
        field(3, &[field(1, url.as_bytes()), field(2, &value)].concat())
    };
    let pair = |one: &str, two: &str| [field(1, one.as_bytes()), field(2, two.as_bytes())].concat();
    // 1 s and 500,000,000 ns.
    let delay = [0x08, 1, 0x10, 0x80, 0xca, 0xb5, 0xee, 0x01];
    let info = [pair("USED_UP", "greeter.example"), field(3, &pair("longest", "256"))].concat();
    [
        vec![0x08, 8],
        field(2, b"the greeter is wrong"),
        any("RetryInfo", field(1, &delay)),
        any("QuotaFailure", field(1, &pair("project:blue", "10 a day"))),
        any("ErrorInfo", info),
        any("BadRequest", field(1, &pair("name", "is empty"))),
    ]
    .concat()
}

#[test]
fn all_four_details_are_written_as_google_rpc_says() {
    let mut wrong = Wrong::new(Kind::ResourceExhausted);
    wrong.retry_after = Some(Duration::from_millis(1500));
    wrong.describe = |details: &mut Details| {
        details
            .reason("USED_UP")
            .domain("greeter.example")
            .metadata("longest", "256")
            .violation("name", "is empty")
            .quota("project:blue", "10 a day");
    };
    assert_eq!(sent(&status(&wrong)).details(), golden());
}

#[test]
fn all_four_details_are_read_of_any_peer() {
    let status = Status::with_details(Code::ResourceExhausted, "used up", golden().into());
    let read = details(&sent(&status));
    assert_eq!(read.get_reason(), Some("USED_UP"));
    assert_eq!(read.get_domain(), Some("greeter.example"));
    assert_eq!(read.get_metadata(), [("longest".into(), "256".to_owned())]);
    let violation = &read.violations()[0];
    assert_eq!((&*violation.field, &*violation.description), ("name", "is empty"));
    let quota = &read.quotas()[0];
    assert_eq!((&*quota.subject, &*quota.description), ("project:blue", "10 a day"));
    assert_eq!((read.violations().len(), read.quotas().len()), (1, 1));
}

#[test]
fn what_only_names_the_kind_is_no_detail() {
    let mut wrong = Wrong::new(Kind::PayloadTooLarge);
    let named = details(&sent(&status(&wrong)));
    assert_eq!((named.get_reason(), named.get_domain()), (None, None));
    wrong.describe = |details: &mut Details| {
        details.reason("TOO_BIG").metadata("limit", "4");
    };
    let both = details(&sent(&status(&wrong)));
    assert_eq!((both.get_reason(), both.get_domain()), (Some("TOO_BIG"), None));
    assert_eq!(both.get_metadata(), [("limit".into(), "4".to_owned())]);
    let garbage = Status::with_details(Code::NotFound, "", bytes::Bytes::from_static(b"\xff\xff"));
    assert_eq!(details(&garbage).get_reason(), None);
}

#[test]
fn what_is_grpcs_own_a_fault_does_not_write() {
    let mut wrong = Wrong::new(Kind::NotFound);
    wrong.describe = |details: &mut Details| {
        for name in ["grpc-status", "grpc-status-details-bin", "transfer-encoding", "x-more"] {
            details.header(http::HeaderName::from_static(name), "!".parse().unwrap());
        }
    };
    // Bad details would make tonic's clients panic.
    let status = sent(&status(&wrong));
    assert_eq!(status.code(), Code::NotFound);
    let metadata: Vec<_> =
        status.metadata().as_ref().keys().map(http::HeaderName::as_str).collect();
    assert_eq!(metadata, ["x-more"]);
}

#[test]
fn an_exact_kind_goes_beside_a_reason() {
    let mut wrong = Wrong::new(Kind::PayloadTooLarge);
    wrong.describe = |details: &mut Details| {
        details.reason("TOO_BIG").domain("greeter.example");
    };
    let status = sent(&status(&wrong));
    let info = status.get_details_error_info().unwrap();
    assert_eq!((info.reason.as_str(), info.domain.as_str()), ("TOO_BIG", "greeter.example"));
    assert_eq!(info.metadata[KIND_KEY], "PAYLOAD_TOO_LARGE");
    assert_eq!(kind(&status), Some(Kind::PayloadTooLarge));
}

#[test]
fn a_refusal_never_crosses_the_wire() {
    #[derive(Debug, thiserror::Error)]
    #[error("open")]
    struct Open(bool);

    impl Fault for Open {
        fn kind(&self) -> Kind {
            Kind::Unavailable
        }

        fn refused(&self) -> bool {
            self.0
        }
    }

    let (refused, ran) = (status(&Open(true)), status(&Open(false)));
    assert_eq!(format!("{refused:?}"), format!("{ran:?}"));
}
