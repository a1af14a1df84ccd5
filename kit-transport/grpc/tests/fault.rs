//! The error handler at a server, apart from the encoder of errors: hooks hear
//! every fault with its step and all its sources, and the caller is told less.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use bytes::Bytes;
use http::Request;
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use kit_endpoint::{self as kit, Fault, Kind};
use kit_transport::{Outcome, hook::Faulted};
use kit_transport_grpc::{GrpcLayer, Server, server::ReadError};
use std::{
    convert::Infallible,
    future::{pending, ready},
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};
use support::{
    Ends, Greeter, Heard, PATH, Wrong, call, call_of, decode, encode, frame, hello,
    pb::{GreetingRequest, GreetingResponse, greeter_server::GreeterServer},
    seen,
    streams::{CHAT, GATHER, GREETINGS, Methods, StreamsServer},
};
use tokio::time::advance;
use tokio_stream::{Stream, StreamExt};
use tokio_test::{assert_pending, assert_ready, task};
use tonic::{Code, Status, body::Body, service::Routes};
use tower::{Layer, ServiceExt, service_fn};

fn greeting(name: &str) -> Request<Full<Bytes>> {
    call().map(|_| Full::new(frame(&GreetingRequest { name: name.to_owned() })))
}

/// Fails at the step that the name says.
fn failing<B>()
-> impl tower::Service<Request<B>, Response = http::Response<Body>, Error = Infallible, Future: Send>
+ Clone
where
    B: http_body::Body<Error: Into<tower::BoxError> + Send + 'static> + Send + 'static,
{
    let decode = |request: GreetingRequest| match &*request.name {
        "decode" => Err(Wrong::new(Kind::Internal).saying("cannot decode")),
        _ => Ok(request.name),
    };
    let endpoint = service_fn(|request: kit::Request<String>| {
        ready(match &**request.message() {
            "endpoint" => Err(Wrong::new(Kind::Internal).saying("cannot endpoint")),
            _ => Ok(request.into_message()),
        })
    });
    let encode = |greeting: String| match &*greeting {
        "encode" => Err(Wrong::new(Kind::Internal).saying("cannot encode")),
        _ => Ok(GreetingResponse { greeting }),
    };
    Server::new(endpoint, decode, encode)
}

#[tokio::test]
async fn each_step_is_heard_with_its_sources_before_the_caller_hears() {
    let (ends, heard) = (Ends::default(), Heard::default());
    let first = heard.clone();
    let service = GrpcLayer::new()
        // Of two, the one that was added first sees the reply last.
        .after(move |_| first.say("replied".to_owned()))
        .hook(heard.hook())
        .finally(ends.finally())
        .layer(failing());
    for step in ["decode", "endpoint", "encode"] {
        let reply = seen(service.clone().oneshot(greeting(step)).await.unwrap()).await;
        assert_eq!(reply.status().code(), Code::Internal);
        assert_eq!(reply.status().message(), "internal error");
        assert!(!format!("{reply:?}").contains("password"));
        let line = format!("grpc greeter.v1.Greeter/Greeting {step}: cannot {step}: the password");
        let lines = heard.take();
        assert!(lines[0].starts_with(&line), "{lines:?}");
        assert_eq!(lines[1..], ["replied"]);
    }
    assert_eq!(seen(service.oneshot(greeting("Ada")).await.unwrap()).await.greeting(), "Ada");
    assert_eq!(heard.take(), ["replied"], "nothing failed");
    assert_eq!(ends.count(), 4);
}

#[tokio::test]
async fn the_fault_itself_is_heard() {
    async fn fail(_: kit::Request<String>) -> Result<String, Wrong> {
        Err(Wrong::new(Kind::PayloadTooLarge))
    }

    let kinds: Arc<Mutex<Vec<Kind>>> = Arc::default();
    let heard = Arc::clone(&kinds);
    let hook = kit_transport::hook::Faults(move |failed: &Faulted<'_>| {
        heard.lock().unwrap().push(failed.fault.kind());
    });
    let server = Server::new(service_fn(fail), decode, encode)
        .encode_error(|_: &dyn Fault| Status::aborted("told otherwise"));
    let ends = Ends::default();
    let service = GrpcLayer::new().hook(hook).finally(ends.finally()).layer(server);
    seen(service.oneshot(call()).await.unwrap()).await;
    assert_eq!(*kinds.lock().unwrap(), [Kind::PayloadTooLarge]);
    assert_eq!(ends.one().outcome, Outcome::Failed(Kind::Aborted), "what the caller was told");
}

#[tokio::test(start_paused = true)]
async fn what_the_layer_answers_by_itself_is_heard_too() {
    let heard = Heard::default();
    let routes = Routes::default().into_axum_router().route_service(PATH, failing());
    let service = GrpcLayer::new().hook(heard.hook()).layer(routes);
    let with = |name: &'static str, value: &'static str| {
        let mut request = call();
        request.headers_mut().insert(name, value.parse().unwrap());
        request
    };
    for (request, line) in [
        (with("content-type", "text/plain"), "decode: this is a gRPC server"),
        (with("grpc-timeout", "soon"), "decode: grpc-timeout must be"),
        (with("grpc-timeout", "0n"), "decode: "),
        (call().map(|_| Full::default()), "decode: the request has no message"),
        (call_of("/greeter.v1.Greeter/Parting"), "endpoint: no such method"),
    ] {
        seen(service.clone().oneshot(request).await.unwrap()).await;
        let lines = heard.take();
        assert_eq!(lines.len(), 1, "{line}: {lines:?}");
        assert!(lines[0].contains(&format!(" {line}")), "{lines:?}");
    }

    let late = service_fn(|_: kit::Request<String>| pending::<Result<String, Wrong>>());
    let service = GrpcLayer::new().hook(heard.hook()).layer(Server::new(late, decode, encode));
    let mut reply = task::spawn(service.oneshot(with("grpc-timeout", "1S")));
    assert_pending!(reply.poll());
    advance(Duration::from_secs(1)).await;
    assert_ready!(reply.poll()).unwrap();
    let lines = heard.take();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains(" endpoint: "), "{lines:?}");
}

#[tokio::test]
async fn a_service_that_has_no_reply_is_heard() {
    let heard = Heard::default();
    let broken = service_fn(|_: Request<_>| ready(Err::<http::Response<Body>, _>("no reply")));
    let service = GrpcLayer::new().hook(heard.hook()).layer(broken);
    assert!(service.oneshot(call()).await.is_err());
    assert_eq!(heard.take(), ["grpc greeter.v1.Greeter/Greeting endpoint: no reply"]);
}

// ===== streams =====

/// Replies with each letter; `!` is a fault, `~` cannot be encoded, `?` waits.
async fn letters(
    request: kit::Request<String>,
) -> Result<impl Stream<Item = Result<char, Wrong>>, Wrong> {
    let letters: Vec<char> = request.message().chars().collect();
    let waits = letters.contains(&'?');
    let letters = tokio_stream::iter(letters).filter(|letter| *letter != '?');
    let letters = letters.map(|letter| match letter {
        '!' => Err(Wrong::new(Kind::NotFound).saying("no such letter")),
        letter => Ok(letter),
    });
    Ok(letters.chain(tokio_stream::pending().take(usize::from(waits))))
}

#[tokio::test(start_paused = true)]
async fn a_fault_amid_a_stream_is_heard_once() {
    let (ends, heard) = (Ends::default(), Heard::default());
    let encode = |letter: char| match letter {
        '~' => Err(Wrong::new(Kind::Internal).saying("cannot write it")),
        letter => Ok(GreetingResponse { greeting: letter.to_string() }),
    };
    let server = Server::server_streaming(service_fn(letters), decode, encode);
    let service = GrpcLayer::new().hook(heard.hook()).finally(ends.finally()).layer(server);
    for (name, kind, line) in [
        ("A!", Kind::NotFound, "endpoint: no such letter: the password is 1234"),
        ("A~", Kind::Internal, "encode: cannot write it: the password is 1234"),
        ("A?", Kind::DeadlineExceeded, "endpoint: "),
    ] {
        let mut request = greeting(name);
        request.headers_mut().insert("grpc-timeout", "1S".parse().unwrap());
        let reply = seen(service.clone().oneshot(request).await.unwrap()).await;
        assert_eq!(kit_transport_grpc::kind(&reply.status()), Some(kind));
        let lines = heard.take();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains(&format!(" {line}")), "{lines:?}");
        assert_eq!(ends.outcomes().last(), Some(&Outcome::Failed(kind)));
    }
    assert_eq!(ends.count(), 3);
}

#[tokio::test]
async fn a_reply_that_breaks_off_failed_while_it_was_sent() {
    let heard = Heard::default();
    let broken = service_fn(|_: Request<_>| {
        let frames = [Ok(Frame::data(Bytes::from_static(b"half"))), Err("it broke")];
        ready(Ok::<_, Infallible>(http::Response::new(StreamBody::new(tokio_stream::iter(frames)))))
    });
    let service = GrpcLayer::new().hook(heard.hook()).layer(broken);
    let reply = service.oneshot(call()).await.unwrap();
    reply.into_body().collect().await.map(drop).unwrap_err();
    assert_eq!(heard.take(), ["grpc greeter.v1.Greeter/Greeting send: it broke"]);
}

// ===== half a stream =====

/// Two requests, and then a peer that resets the stream: what hyper makes of
/// that is known to tonic as this code.
fn half(path: &str) -> Request<Body> {
    let name = || Ok(Frame::data(frame(&GreetingRequest { name: "Ada".to_owned() })));
    let frames = [name(), name(), Err(Status::cancelled("h2 protocol error: CANCEL"))];
    call_of(path).map(|_| Body::new(StreamBody::new(tokio_stream::iter(frames))))
}

/// What the endpoint was given: names, and how they ended.
type Given = Arc<Mutex<Vec<Result<usize, Kind>>>>;

async fn count<St>(request: kit::Request<St>, given: Given) -> Result<String, ReadError>
where
    St: Stream<Item = Result<String, ReadError>>,
{
    let mut names = pin!(request.into_message());
    let mut count = 0;
    let end = loop {
        match names.next().await {
            Some(Ok(_)) => count += 1,
            Some(Err(error)) => break Err(error),
            None => break Ok(count),
        }
    };
    given.lock().unwrap().push(end.as_ref().copied().map_err(Fault::kind));
    end.map(|count| count.to_string())
}

async fn nothing<St>(
    _: kit::Request<St>,
) -> Result<impl Stream<Item = Result<String, ReadError>> + use<St>, ReadError> {
    Ok(tokio_stream::empty())
}

#[tokio::test]
async fn half_a_stream_is_told_from_the_whole_where_no_hook_listens() {
    let given = Given::default();
    let gave = Arc::clone(&given);
    let endpoint = service_fn(move |request: kit::Request<_>| count(request, gave.clone()));
    let decode: fn(GreetingRequest) -> Result<String, Infallible> = decode;
    let gather = Server::client_streaming(endpoint, decode, encode);

    // Alone; inside a layer without hooks; as the method of a generated server.
    seen(gather.clone().oneshot(half(PATH)).await.unwrap()).await;
    seen(GrpcLayer::new().layer(gather.clone()).oneshot(half(PATH)).await.unwrap()).await;
    let greetings = Server::server_streaming(service_fn(letters), decode, |letter: char| {
        encode(letter.to_string())
    });
    let chat = Server::bidi(service_fn(nothing), decode, encode);
    let generated = StreamsServer::new(Methods { greetings, gather, chat });
    seen(GrpcLayer::new().layer(generated.clone()).oneshot(half(GATHER)).await.unwrap()).await;
    assert_eq!(*given.lock().unwrap(), [Err(Kind::Cancelled); 3]);

    for path in [GREETINGS, CHAT] {
        seen(GrpcLayer::new().layer(generated.clone()).oneshot(half(path)).await.unwrap()).await;
    }
    assert_eq!(given.lock().unwrap().len(), 3);

    // A hand-written handler hears of it too.
    let bare = GreeterServer::new(Greeter(Server::new(service_fn(hello), decode, encode)));
    let reply = GrpcLayer::new().layer(bare).oneshot(half(PATH)).await.unwrap();
    assert_ne!(seen(reply).await.status().code(), Code::Ok);
}
