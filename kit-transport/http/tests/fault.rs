//! The error handler, apart from the error encoder: hooks hear every fault
//! with its step and all its sources, and the caller is told less.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use kit_endpoint::{Fault, Kind};
use kit_transport::{
    Phase, Report,
    hook::{Faulted, Faults},
};
use kit_transport_http::{Client, Failure, Server, encode_problem};
use std::{
    convert::Infallible,
    future::ready,
    sync::{Arc, Mutex},
    time::Duration,
};
use tower::{BoxError, ServiceExt, service_fn};

type Kit<T> = kit_endpoint::Request<T>;

#[derive(Debug, thiserror::Error)]
#[error("cannot {0}")]
struct Failed(&'static str, #[source] Cause);

#[derive(Debug, thiserror::Error)]
#[error("the password is hunter2")]
struct Cause;

impl Fault for Failed {
    fn kind(&self) -> Kind {
        Kind::Internal
    }
}

/// What was heard, line by line.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn say(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    fn hook(&self) -> Faults<impl Fn(&Faulted<'_>) + Clone + use<>> {
        let heard = self.clone();
        Faults(move |failed: &Faulted<'_>| {
            let Faulted { protocol, method, route, phase, fault, .. } = failed;
            let route = route.unwrap_or("-");
            heard.say(format!("{protocol} {method} {route} {phase}: {}", Report(*fault)));
        })
    }
}

/// A server that fails at the step that the body names.
async fn serve(heard: &Heard, body: &'static str) -> Response<String> {
    let decode = |request: &Request<Bytes>| match &request.body()[..] {
        b"decode" => Err(Failed("decode", Cause)),
        body => Ok(String::from_utf8_lossy(body).into_owned()),
    };
    let endpoint = |request: Kit<String>| match request.message().as_str() {
        "endpoint" => ready(Err(Failed("greet", Cause))),
        _ => ready(Ok(request.into_message())),
    };
    let encode = |reply: String| match reply.as_str() {
        "encode" => Err(Failed("encode", Cause)),
        _ => Ok(Response::new(Bytes::from(reply))),
    };
    let encoder = heard.clone();
    let server = Server::new(service_fn(endpoint), decode, encode)
        .route("/greeting")
        .body_limit(16)
        .hook(heard.hook())
        .encode_error(move |failure: &Failure<'_>| {
            encoder.say("encoded".to_owned());
            encode_problem(failure)
        });
    let request = Request::post("/greeting?secret").body(Full::new(Bytes::from(body))).unwrap();
    let (parts, body) = server.oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Response::from_parts(parts, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn each_step_of_a_server_is_heard_with_its_sources_before_it_is_encoded() {
    let heard = Heard::default();
    for (step, what) in [("decode", "decode"), ("endpoint", "greet"), ("encode", "encode")] {
        let response = serve(&heard, step).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!response.body().contains("hunter2"), "{}", response.body());
        assert!(!response.body().contains("cannot"), "{}", response.body());
        let line = format!("http POST /greeting {step}: cannot {what}: the password is hunter2");
        assert_eq!(heard.take(), [line.as_str(), "encoded"]);
    }
    assert_eq!(serve(&heard, "fine").await.body(), "fine");
    assert!(heard.take().is_empty(), "nothing failed");
}

#[tokio::test]
async fn what_is_refused_unread_failed_to_be_decoded() {
    let heard = Heard::default();
    let response = serve(&heard, "a body of more than sixteen").await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let lines = heard.take();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("http POST /greeting decode: "), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_takes_too_long_or_breaks_off_failed_to_be_decoded() {
    let heard = Heard::default();
    let endpoint = service_fn(|_: Kit<()>| ready(Ok::<_, Infallible>(())));
    let decode = |_: &Request<Bytes>| Ok::<_, Infallible>(());
    let encode = |()| Ok::<_, Infallible>(Response::new(Bytes::new()));
    let server = Server::new(endpoint, decode, encode).hook(heard.hook());
    let server = server.body_timeout(Duration::from_secs(1));

    let slow = tokio_stream::pending::<Result<http_body::Frame<Bytes>, BoxError>>();
    let request = Request::new(StreamBody::new(slow));
    let _ = server.clone().oneshot(request).await.unwrap();
    let broken = tokio_stream::once(Err::<http_body::Frame<Bytes>, BoxError>("reset".into()));
    let _ = server.oneshot(Request::new(StreamBody::new(broken))).await.unwrap();
    let lines = heard.take();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines.iter().all(|line| line.starts_with("http GET - decode: ")), "{lines:?}");
    assert!(lines[1].ends_with(": reset"), "{lines:?}");
}

#[tokio::test]
async fn each_step_of_a_client_is_heard() {
    let heard = Heard::default();
    let server = service_fn(|request: Request<Full<Bytes>>| async move {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        match &body[..] {
            b"send" => Err(BoxError::from("connection refused")),
            b"reject" => {
                let response = Response::builder().status(404).body(Full::new(body));
                Ok(response.unwrap())
            }
            _ => Ok(Response::new(Full::new(body))),
        }
    });
    let encode = |step: &&'static str| match *step {
        "encode" => Err(Failed("encode", Cause)),
        step => Ok(Request::put("http://a.example/secret").body(Bytes::from(step)).unwrap()),
    };
    let decode = |reply: &Response<Bytes>| match &reply.body()[..] {
        b"decode" => Err(Failed("decode", Cause)),
        _ => Ok(()),
    };
    let client = Client::new(server, encode, decode).route("/{key}").hook(heard.hook());
    let client = client.body_limit(8);
    for (step, line) in [
        ("encode", "http  /{key} encode: cannot encode the request: cannot encode: "),
        ("send", "http PUT /{key} send: cannot reach the server: connection refused"),
        ("reject", "http PUT /{key} endpoint: the server answered 404 Not Found"),
        ("123456789", "http PUT /{key} decode: the reply has more than 8 bytes"),
        ("decode", "http PUT /{key} decode: the reply is not what was asked for: cannot decode: "),
    ] {
        client.clone().oneshot(Kit::new(step)).await.unwrap_err();
        let lines = heard.take();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].starts_with(line), "{lines:?}");
    }
    client.oneshot(Kit::new("fine")).await.unwrap();
    assert!(heard.take().is_empty(), "nothing failed");
}

#[test]
fn a_step_has_a_name() {
    let names = [Phase::Decode, Phase::Endpoint, Phase::Encode, Phase::Send].map(Phase::name);
    assert_eq!(names, ["decode", "endpoint", "encode", "send"]);
}
