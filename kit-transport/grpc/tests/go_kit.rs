//! The cases of Go kit's tests of its transport over gRPC, and where each is.
//! Those that no other test holds are here.
//!
//! | Go kit | here |
//! |---|---|
//! | `client_test.go`: a request and its reply | `client.rs` `a_method_of_another_service_is_an_endpoint` |
//! | ... a correlation id there, and back in the trailer | `client_streams.rs` `a_correlation_id_makes_the_round` |
//! | ... the server's `before`, twice | `grpc.rs` `a_correlation_id_goes_to_the_endpoint_and_back` |
//! | ... the server's `after`, twice | `grpc.rs` `the_last_hook_sees_the_reply_first` |
//! | ... the client's `before` and `after`, twice | `hooks_of_a_client_see_what_hooks_before_them_did` |
//! | ... header and trailer said | `metadata.rs` `an_endpoint_says_initial_and_trailing_metadata` |
//! | ... and read | `client_streams.rs` `metadata_of_the_reply_is_the_callers_to_read` |
//! | `error_handler_test.go`: the very error | `a_hook_hears_the_very_fault` |
//!
//! What Go kit gets wrong, and must not come here:
//!
//! | defect | test |
//! |---|---|
//! | a panic is no reply, and unheard | `grpc.rs` `a_panic_is_internal_even_where_it_is_caught_outside` |
//! | ... and takes the call with it | `server.rs` `a_panic_is_internal_and_says_nothing` |
//! | a reply that cannot be encoded | `server.rs` `a_reply_that_cannot_be_encoded_is_a_failure` |
//! | an error of the domain is `Unknown` | `a_fact_that_is_wrapped_keeps_its_code` |
//! | there is no error encoder | `server.rs` `faults_can_be_answered_otherwise` |
//! | a fault writes a second `content-type` | `server.rs` `what_is_grpcs_own_a_fault_does_not_write` |
//! | a client's hooks overwrite the caller's metadata | `client.rs` `what_is_left_of_the_deadline_and_the_id_travel` |
//! | ... all of it, where it repeats | `metadata_that_repeats_goes_out_beside_the_kits` |

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use http::{Extensions, HeaderMap};
use kit_endpoint::{Details, Fault, Kind, Request};
use kit_transport::{
    Call, RequestId,
    hook::{Faulted, Faults},
};
use kit_transport_grpc::{Client, GrpcLayer, Server};
use std::{
    convert::Infallible,
    error,
    future::ready,
    sync::{Arc, Mutex},
    time::Duration,
};
use support::{
    PATH, call, hello,
    pb::{GreetingRequest, GreetingResponse},
    seen,
};
use tonic::Code;
use tonic_types::StatusExt;
use tower::{Layer, ServiceExt, service_fn};

/// A fact, as a layer's is, of any kind.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("it is so")]
struct Fact(Kind);

impl Fault for Fact {
    fn kind(&self) -> Kind {
        self.0
    }

    fn retry_after(&self) -> Option<Duration> {
        (self.0 == Kind::ResourceExhausted).then_some(Duration::from_secs(7))
    }

    fn describe(&self, details: &mut Details) {
        details.reason("SO").domain("greeter.example");
    }
}

/// The error of an endpoint, whose layers' facts are wrapped twice.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Layer(#[from] Inner),
}

#[derive(Debug, thiserror::Error)]
enum Inner {
    #[error("while it was called")]
    Fact(#[source] Fact),
}

impl Fault for Error {
    fn inner(&self) -> Option<&dyn Fault> {
        let Self::Layer(fault) = self;
        Some(fault)
    }
}

impl Fault for Inner {
    fn inner(&self) -> Option<&dyn Fault> {
        let Self::Fact(fact) = self;
        Some(fact)
    }
}

fn encode(name: String) -> Result<GreetingRequest, Infallible> {
    Ok(GreetingRequest { name })
}

fn decode(reply: GreetingResponse) -> Result<String, Infallible> {
    Ok(reply.greeting)
}

#[test]
fn every_case_is_a_test_that_is_there() {
    let mut there = 0;
    for row in include_str!("go_kit.rs").lines().filter_map(|line| line.strip_prefix("//! |")) {
        let names: Vec<_> = row.rsplit(" | ").next().unwrap().split('`').collect();
        let (file, test) = match names[..] {
            [_, test, _] => ("go_kit.rs", test),
            [_, file, _, test, _] => (file, test),
            _ => continue,
        };
        let tests = format!("{}/tests/{file}", env!("CARGO_MANIFEST_DIR"));
        let tests = std::fs::read_to_string(tests).expect(file);
        assert!(tests.contains(&format!("fn {test}(")), "there is no {test} in {file}");
        there += 1;
    }
    assert_eq!(there, 16);
}

#[tokio::test]
async fn hooks_of_a_client_see_what_hooks_before_them_did() {
    #[derive(Clone)]
    struct Id(String);

    let order = Arc::new(Mutex::new(Vec::new()));
    let (first, last) = (Arc::clone(&order), Arc::clone(&order));
    let server = Server::new(service_fn(hello), support::decode, support::encode);
    let server = GrpcLayer::new()
        .before(|call: &Call<'_>, _: &mut Extensions| {
            assert_eq!(call.headers["x-request-id"], "abc-1");
        })
        .after(|headers: &mut HeaderMap| {
            headers.insert("x-head", "1".parse().unwrap());
        })
        .layer(server);
    let client = Client::new(server, PATH, encode, decode)
        .before(|_: &Call<'_>, extensions: &mut Extensions| {
            extensions.insert(Id("abc".to_owned()));
        })
        .before(|_: &Call<'_>, extensions: &mut Extensions| {
            let Id(id) = extensions.get().expect("the first hook ran");
            let id = RequestId::new(&format!("{id}-1").parse().unwrap()).unwrap();
            extensions.insert(id);
        })
        .after(move |headers: &mut HeaderMap| {
            let seen = headers["x-seen"].to_str().unwrap().to_owned();
            first.lock().unwrap().push(format!("outer {seen}"));
        })
        .after(move |headers: &mut HeaderMap| {
            let head = headers["x-head"].clone();
            last.lock().unwrap().push("inner".to_owned());
            headers.insert("x-seen", head);
        });
    assert_eq!(client.oneshot(Request::new("Ada".to_owned())).await.unwrap(), "Hello, Ada!");
    assert_eq!(*order.lock().unwrap(), ["inner", "outer 1"], "replies pass in the reverse order");
}

#[tokio::test]
async fn a_hook_hears_the_very_fault() {
    let heard = Arc::new(Mutex::new(None));
    let seen_fault = Arc::clone(&heard);
    let hook = Faults(move |failed: &Faulted<'_>| {
        let fault: &(dyn error::Error + 'static) = failed.fault;
        let Some(Error::Layer(Inner::Fact(Fact(kind)))) = fault.downcast_ref() else { return };
        *seen_fault.lock().unwrap() = Some(*kind);
    });
    let fail = service_fn(async |_: Request<String>| {
        Err::<String, _>(Error::from(Inner::Fact(Fact(Kind::Aborted))))
    });
    let server =
        GrpcLayer::new().hook(hook).layer(Server::new(fail, support::decode, support::encode));
    seen(server.oneshot(call()).await.unwrap()).await;
    assert_eq!(*heard.lock().unwrap(), Some(Kind::Aborted));
}

#[tokio::test]
async fn a_fact_that_is_wrapped_keeps_its_code() {
    for (kind, code) in [
        (Kind::Unauthenticated, Code::Unauthenticated),
        (Kind::PermissionDenied, Code::PermissionDenied),
        (Kind::ResourceExhausted, Code::ResourceExhausted),
        (Kind::Unavailable, Code::Unavailable),
    ] {
        let fail = service_fn(move |_: Request<String>| {
            ready(Err::<String, _>(Error::from(Inner::Fact(Fact(kind)))))
        });
        let server = Server::new(fail, support::decode, support::encode);
        let status = seen(GrpcLayer::new().layer(server).oneshot(call()).await.unwrap()).await;
        let status = status.status();
        assert_eq!(status.code(), code);
        let details = status.get_error_details();
        assert_eq!(details.error_info().unwrap().reason, "SO");
        let wait = details.retry_info().and_then(|info| info.retry_delay);
        assert_eq!(wait.is_some(), kind == Kind::ResourceExhausted);
    }
}

#[tokio::test]
async fn metadata_that_repeats_goes_out_beside_the_kits() {
    let told = service_fn(|request: http::Request<tonic::body::Body>| {
        let tags: Vec<_> = request.headers().get_all("x-tag").iter().cloned().collect();
        assert_eq!(tags, ["red", "blue"]);
        assert_eq!(request.headers()["x-request-id"], "abc-1");
        Server::new(service_fn(hello), support::decode, support::encode).oneshot(request)
    });
    let client = Client::new(told, PATH, encode, decode)
        .metadata(|_: &Extensions, metadata: &mut HeaderMap| {
            metadata.append("x-tag", "red".parse().unwrap());
            metadata.append("x-tag", "blue".parse().unwrap());
        })
        .before(|_: &Call<'_>, extensions: &mut Extensions| {
            extensions.insert(RequestId::new(&"abc-1".parse().unwrap()).unwrap());
        });
    client.oneshot(Request::new("Ada".to_owned())).await.unwrap();
}
