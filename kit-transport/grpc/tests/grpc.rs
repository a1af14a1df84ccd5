//! The http-level layer: hooks, deadlines, and how a call really ended.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use kit_endpoint::{Carries, Expires, Kind, Peer, Request};
use kit_transport::{Call, Hook, Observer, Outcome, Protocol, RequestIds};
use kit_transport_grpc::{Grpc, GrpcLayer, Server};
use std::{
    convert::Infallible,
    future::{pending, ready},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use support::{
    Ends, Greeter, Wrong, call, call_of, decode, encode, frame, hello,
    pb::{GreetingResponse, greeter_server::GreeterServer},
    seen,
};
use tokio::time::{Instant, advance};
use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task};
use tonic::{Code, Status, service::Routes};
use tower::{Layer, Service, ServiceExt, service_fn};

type Reply = Result<String, Wrong>;

fn greeter<F>(endpoint: fn(Request<String>) -> F) -> Routes
where
    F: Future<Output = Reply> + Send + 'static,
{
    let server = Server::new(service_fn(endpoint), decode, encode);
    Routes::new(GreeterServer::new(Greeter(server)))
}

fn with(header: &'static str, value: &str) -> http::Request<http_body_util::Full<bytes::Bytes>> {
    let mut request = call();
    request.headers_mut().insert(header, value.parse().unwrap());
    request
}

// ===== hooks =====

#[tokio::test]
async fn hooks_see_the_head_the_reply_and_the_end() {
    let ends = Ends::default();
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen_heads = heads.clone();
    let service = GrpcLayer::new()
        .before(move |call: &Call<'_>, _: &mut http::Extensions| {
            let agent = call.headers["user-agent"].to_str().unwrap().to_owned();
            let peer = call.peer.unwrap().to_string();
            seen_heads.lock().unwrap().push((call.protocol, call.method.to_owned(), agent, peer));
        })
        .after(|headers: &mut http::HeaderMap| {
            headers.insert("x-after", "1".parse().unwrap());
        })
        .finally(ends.finally())
        .layer(greeter(hello));

    let mut request = with("user-agent", "test");
    request.extensions_mut().insert(Peer::from(std::net::SocketAddr::from(([10, 0, 0, 1], 7))));
    let reply = seen(service.oneshot(request).await.unwrap()).await;

    assert_eq!(reply.greeting(), "Hello, Ada!");
    assert_eq!(reply.status().code(), Code::Ok);
    assert_eq!(reply.headers["x-after"], "1");
    let head = (
        Protocol::Grpc,
        "greeter.v1.Greeter/Greeting".to_owned(),
        "test".to_owned(),
        "10.0.0.1:7".to_owned(),
    );
    assert_eq!(*heads.lock().unwrap(), [head]);
    let end = ends.one();
    assert_eq!(end.outcome, Outcome::Replied);
    assert_eq!(end.status.unwrap(), 200);
    // Five bytes of frame; a tag, a length, and "Ada" or "Hello, Ada!".
    assert_eq!((end.received, end.sent), (5 + 2 + 3, 5 + 2 + 11));
}

#[tokio::test]
async fn a_correlation_id_goes_to_the_endpoint_and_back() {
    #[derive(Clone)]
    struct Correlation(String);

    async fn tell(request: Request<String>) -> Reply {
        Ok(request.extensions().get::<Correlation>().unwrap().0.clone())
    }

    let service = GrpcLayer::new()
        .hook(RequestIds)
        .before(|call: &Call<'_>, extensions: &mut http::Extensions| {
            let id = call.headers["correlation-id"].to_str().unwrap().to_owned();
            extensions.insert(Correlation(id));
        })
        .before(|_: &Call<'_>, extensions: &mut http::Extensions| {
            // Later ones see what earlier ones left.
            extensions.get_mut::<Correlation>().unwrap().0.push_str("-again");
        })
        .layer(greeter(tell));
    let mut request = with("correlation-id", "42");
    request.headers_mut().insert("x-request-id", "abc-1".parse().unwrap());
    let reply = seen(service.oneshot(request).await.unwrap()).await;
    assert_eq!(reply.greeting(), "42-again");
    assert_eq!(reply.headers["x-request-id"], "abc-1");
}

#[tokio::test]
async fn the_last_hook_sees_the_reply_first() {
    let service = GrpcLayer::new()
        .after(|headers: &mut http::HeaderMap| {
            headers.append("x-order", "first".parse().unwrap());
        })
        .after(|headers: &mut http::HeaderMap| {
            headers.append("x-order", "last".parse().unwrap());
        })
        .layer(greeter(hello));
    let reply = seen(service.oneshot(call()).await.unwrap()).await;
    let order: Vec<_> = reply.headers.get_all("x-order").iter().collect();
    assert_eq!(order, ["last", "first"]);
}

#[tokio::test]
async fn hooks_see_unknown_methods_too() {
    for path in ["/greeter.v1.Greeter/Nope", "/nobody.v1.Here/Nope"] {
        let ends = Ends::default();
        let service =
            GrpcLayer::new().hook(RequestIds).finally(ends.finally()).layer(greeter(hello));
        let reply = seen(service.oneshot(call_of(path)).await.unwrap()).await;
        assert_eq!(reply.status().code(), Code::Unimplemented);
        assert!(reply.headers.contains_key("x-request-id"));
        assert_eq!(ends.one().outcome, Outcome::Failed(Kind::Unimplemented));
    }
}

#[tokio::test]
async fn the_end_knows_the_exact_kind_and_the_whole_chain() {
    async fn fail(_: Request<String>) -> Reply {
        Err(Wrong::new(Kind::PayloadTooLarge))
    }

    let ends = Ends::default();
    let service = GrpcLayer::new()
        .after(|headers: &mut http::HeaderMap| {
            headers.insert("x-after", "1".parse().unwrap());
        })
        .finally(ends.finally())
        .layer(greeter(fail));
    let reply = seen(service.oneshot(call()).await.unwrap()).await;
    assert_eq!(reply.status().code(), Code::ResourceExhausted);
    assert_eq!(reply.headers["x-after"], "1");
    let end = ends.one();
    assert_eq!(end.outcome, Outcome::Failed(Kind::PayloadTooLarge));
    assert_eq!(end.error.unwrap().as_ref(), "the greeter is wrong: the password is 1234");
}

#[tokio::test]
async fn the_end_knows_what_a_hand_written_handler_says() {
    let ends = Ends::default();
    let server = service_fn(|_: tonic::Request<_>| async {
        let mut status = Status::internal("disk on fire");
        status.set_source(Arc::new(std::io::Error::other("sda1")));
        Err::<tonic::Response<GreetingResponse>, _>(status)
    });
    let service =
        GrpcLayer::new().finally(ends.finally()).layer(GreeterServer::new(Greeter(server)));
    seen(service.oneshot(call()).await.unwrap()).await;
    let end = ends.one();
    assert_eq!(end.outcome, Outcome::Failed(Kind::Internal));
    assert_eq!(end.error.unwrap().as_ref(), "disk on fire: sda1");
}

#[tokio::test]
async fn a_reply_that_is_not_grpc_is_a_failure() {
    let ends = Ends::default();
    let proxy = service_fn(|_: http::Request<_>| {
        let mut response = http::Response::new(http_body_util::Empty::<bytes::Bytes>::new());
        *response.status_mut() = http::StatusCode::BAD_GATEWAY;
        ready(Ok::<_, Infallible>(response))
    });
    let service = GrpcLayer::new().finally(ends.finally()).layer(proxy);
    let _ = service.oneshot(call()).await.unwrap();
    assert_eq!(ends.one().outcome, Outcome::Failed(Kind::Unavailable));
}

#[tokio::test]
async fn a_head_that_has_the_status_is_the_end() {
    for (status, outcome) in [("0", Outcome::Replied), ("5", Outcome::Failed(Kind::NotFound))] {
        let ends = Ends::default();
        let server = service_fn(move |_: http::Request<_>| {
            let reply = http::Response::builder().header("grpc-status", status);
            ready(Ok::<_, Infallible>(reply.body(tonic::body::Body::empty()).unwrap()))
        });
        let service = GrpcLayer::new().finally(ends.finally()).layer(server);
        let _reply = service.oneshot(call()).await.unwrap();
        let end = ends.one();
        assert_eq!((end.outcome, end.status, end.sent), (outcome, Some(http::StatusCode::OK), 0));
    }
}

#[tokio::test]
async fn an_error_of_the_inner_service_is_the_end() {
    let ends = Ends::default();
    let broken = service_fn(|_: http::Request<_>| {
        ready(Err::<http::Response<tonic::body::Body>, _>(std::io::Error::other("gone")))
    });
    let service = GrpcLayer::new().finally(ends.finally()).layer(broken);
    service.oneshot(call()).await.unwrap_err();
    let end = ends.one();
    assert_eq!(end.outcome, Outcome::Failed(Kind::Unknown));
    assert_eq!(end.error.unwrap().as_ref(), "gone");
}

#[test]
fn a_call_that_is_dropped_is_cancelled() {
    let ends = Ends::default();
    let service = GrpcLayer::new().finally(ends.finally()).layer(greeter(|_| pending::<Reply>()));
    let mut call = task::spawn(service.oneshot(call()));
    assert_pending!(call.poll());
    assert_eq!(ends.count(), 0);
    drop(call);
    assert_eq!(ends.one().outcome, Outcome::Cancelled);
}

#[tokio::test]
async fn a_reply_that_is_dropped_before_its_trailers_is_cancelled() {
    let ends = Ends::default();
    let service = GrpcLayer::new().finally(ends.finally()).layer(greeter(hello));
    let mut response = service.oneshot(call()).await.unwrap();
    response.body_mut().frame().await.unwrap().unwrap();
    assert_eq!(ends.count(), 0);
    drop(response);
    let end = ends.one();
    assert_eq!(end.outcome, Outcome::Cancelled);
    assert_eq!(end.sent, 5 + 2 + 11);
}

#[tokio::test]
async fn a_panic_is_internal_even_where_it_is_caught_outside() {
    async fn panics(_: Request<String>) -> Reply {
        panic!("on purpose");
    }

    let ends = Ends::default();
    let mut service = GrpcLayer::new().finally(ends.finally()).layer(greeter(panics));
    let call = service.call(call());
    let mut call = Box::pin(call);
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        task::spawn(call.as_mut()).poll().is_ready()
    }));
    caught.unwrap_err();
    drop(call);
    let end = ends.one();
    assert_eq!(end.outcome, Outcome::Failed(Kind::Internal));
    assert_eq!(end.error.unwrap().as_ref(), "the handler panicked");
}

#[tokio::test]
async fn so_is_one_amid_the_body_of_a_reply() {
    let ends = Ends::default();
    let panics = tokio_stream::iter([()]);
    let panics =
        tokio_stream::StreamExt::map(panics, |()| -> Result<Frame<bytes::Bytes>, Status> {
            panic!("on purpose");
        });
    let reply = Mutex::new(Some(StreamBody::new(panics)));
    let inner = service_fn(move |_: http::Request<_>| {
        let body = reply.lock().unwrap().take().expect("one call");
        ready(Ok::<_, Infallible>(http::Response::new(body)))
    });
    let service = GrpcLayer::new().finally(ends.finally()).layer(inner);
    let mut body = Box::pin(service.oneshot(call()).await.unwrap().into_body());
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        task::spawn(body.frame()).poll().is_ready()
    }));
    caught.unwrap_err();
    drop(body);
    let end = ends.one();
    assert_eq!(end.outcome, Outcome::Failed(Kind::Internal));
    assert_eq!(end.error.unwrap().as_ref(), "the handler panicked");
}

// ===== deadlines =====

#[tokio::test(start_paused = true)]
async fn the_callers_deadline_reaches_the_endpoint() {
    async fn left(request: Request<String>) -> Reply {
        Ok(format!("{:?}", request.deadline().map(|at| at - Instant::now())))
    }

    for (header, value, left_over) in [
        ("grpc-timeout", "250m", "Some(250ms)"),
        ("grpc-timeout", "2S", "Some(2s)"),
        ("x-request-timeout-ms", "70", "Some(70ms)"),
        ("user-agent", "none", "None"),
    ] {
        let service = GrpcLayer::new().layer(greeter(left));
        let reply = seen(service.oneshot(with(header, value)).await.unwrap()).await;
        assert_eq!(reply.greeting(), left_over, "{header}: {value}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sooner_deadline_from_outside_stays() {
    async fn left(request: Request<String>) -> Reply {
        Ok(format!("{:?}", request.deadline().map(|at| at - Instant::now())))
    }

    let mut request = with("grpc-timeout", "5S");
    request.bring_forward(Instant::now() + Duration::from_secs(1));
    let service = GrpcLayer::new().layer(greeter(left));
    let reply = seen(service.oneshot(request).await.unwrap()).await;
    assert_eq!(reply.greeting(), "Some(1s)");
}

/// Says when it is dropped.
struct Canary(Arc<AtomicBool>);

impl Drop for Canary {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn past_the_deadline_the_handler_is_dropped_and_the_code_is_4() {
    let ends = Ends::default();
    let dropped = Arc::new(AtomicBool::new(false));
    let canary = dropped.clone();
    let endpoint = service_fn(move |_: Request<String>| {
        let canary = Canary(canary.clone());
        async move {
            let _canary = canary;
            pending::<Reply>().await
        }
    });
    let server = Server::new(endpoint, decode, encode);
    let mut service = GrpcLayer::new()
        .hook(RequestIds)
        .finally(ends.finally())
        .layer(Routes::new(GreeterServer::new(Greeter(server))));

    // Held until the end: it must let the handler go by itself.
    let mut call = task::spawn(service.call(with("grpc-timeout", "100m")));
    assert_pending!(call.poll());
    advance(Duration::from_millis(99)).await;
    assert_pending!(call.poll());
    assert!(!dropped.load(Ordering::SeqCst));
    advance(Duration::from_millis(2)).await;
    assert!(call.is_woken());
    let response = assert_ready_ok!(call.poll());
    assert!(dropped.load(Ordering::SeqCst), "the handler goes on for nobody");
    let reply = seen(response).await;
    assert_eq!(reply.status().code(), Code::DeadlineExceeded);
    assert_eq!(reply.status().message(), "deadline exceeded");
    assert_eq!(reply.headers["content-type"], "application/grpc");
    assert!(reply.headers.contains_key("x-request-id"));
    let end = ends.one();
    assert_eq!(end.outcome, Outcome::Failed(Kind::DeadlineExceeded));
    assert_eq!(end.duration, Duration::from_millis(101));
    assert_eq!(end.error.unwrap().as_ref(), "the deadline passed before the reply was ready");
}

#[tokio::test(start_paused = true)]
async fn work_that_has_expired_is_refused_unseen() {
    let ends = Ends::default();
    let service = GrpcLayer::new()
        .finally(ends.finally())
        .layer(greeter(|_| async { panic!("nobody waits for this") }));
    let reply = seen(service.clone().oneshot(with("grpc-timeout", "0n")).await.unwrap()).await;
    assert_eq!(reply.status().code(), Code::DeadlineExceeded);
    assert_eq!(ends.one().outcome, Outcome::Failed(Kind::DeadlineExceeded));

    let mut request = call();
    request.extensions_mut().insert(Expires(Instant::now()));
    let reply = seen(service.oneshot(request).await.unwrap()).await;
    assert_eq!(reply.status().code(), Code::DeadlineExceeded);
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_ready_is_never_dropped_for_the_timer() {
    let service = GrpcLayer::new().layer(greeter(hello));
    let mut call = task::spawn(service.oneshot(with("grpc-timeout", "1m")));
    advance(Duration::from_secs(1)).await;
    let response = assert_ready_ok!(call.poll());
    // Nor is a message that is ready, however late it is read.
    advance(Duration::from_secs(1)).await;
    let reply = seen(response).await;
    assert_eq!((reply.status().code(), reply.greeting().as_str()), (Code::Ok, "Hello, Ada!"));
}

#[tokio::test]
async fn a_malformed_timeout_says_what_to_do() {
    for value in ["", "1", "1s", "123456789S", "-1S", "1.5S", "S"] {
        let ends = Ends::default();
        let service = GrpcLayer::new().finally(ends.finally()).layer(greeter(hello));
        let reply = seen(service.oneshot(with("grpc-timeout", value)).await.unwrap()).await;
        assert_eq!(reply.status().code(), Code::InvalidArgument, "{value}");
        assert_eq!(
            reply.status().message(),
            "grpc-timeout must be 1 to 8 digits and one of the units H, M, S, m, u, n"
        );
        assert_eq!(ends.one().outcome, Outcome::Failed(Kind::InvalidArgument));
    }
}

/// A server that streams five messages, one every `every`, and no status.
fn streaming(
    every: Duration,
) -> impl Service<
    http::Request<kit_transport_grpc::edge::RequestBody<http_body_util::Full<bytes::Bytes>>>,
    Response = http::Response<tonic::body::Body>,
    Error = Infallible,
    Future: Send,
> + Clone {
    service_fn(move |_| {
        let first = frame(&GreetingResponse { greeting: "Hello!".to_owned() });
        let frames = tokio_stream::StreamExt::then(
            tokio_stream::iter(std::iter::repeat_n(first, 5)),
            move |data| async move {
                if !every.is_zero() {
                    tokio::time::sleep(every).await;
                }
                Ok::<_, Status>(Frame::data(data))
            },
        );
        let body = tonic::body::Body::new(StreamBody::new(frames));
        ready(Ok(http::Response::new(body)))
    })
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_its_deadline() {
    let ends = Ends::default();
    let service = GrpcLayer::new().finally(ends.finally()).layer(streaming(Duration::from_secs(1)));
    let response = service.oneshot(with("grpc-timeout", "2500m")).await.unwrap();
    let reply = seen(response).await;
    assert_eq!(reply.body.len(), 2 * 13);
    assert_eq!(reply.status().code(), Code::DeadlineExceeded);
    let end = ends.one();
    assert_eq!(end.outcome, Outcome::Failed(Kind::DeadlineExceeded));
    assert_eq!(end.sent, 26);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_waits_for_good_is_dropped_at_its_deadline() {
    let dropped = Arc::new(AtomicBool::new(false));
    let canary = dropped.clone();
    let stuck = service_fn(move |_: http::Request<_>| {
        let canary = Canary(canary.clone());
        let frames = tokio_stream::StreamExt::map(tokio_stream::pending(), move |data| {
            let _canary = &canary;
            Ok::<Frame<bytes::Bytes>, Status>(Frame::data(data))
        });
        let body = tonic::body::Body::new(StreamBody::new(frames));
        ready(Ok::<_, Infallible>(http::Response::new(body)))
    });
    let service = GrpcLayer::new().layer(stuck);
    let mut response = service.oneshot(with("grpc-timeout", "1S")).await.unwrap();
    let mut frame = task::spawn(response.body_mut().frame());
    assert_pending!(frame.poll());
    advance(Duration::from_millis(1001)).await;
    assert!(frame.is_woken());
    let trailers = assert_ready!(frame.poll()).unwrap().unwrap().into_trailers().unwrap();
    drop(frame);
    assert_eq!(trailers["grpc-status"], "4");
    assert!(dropped.load(Ordering::SeqCst), "the stream goes on for nobody");
    assert!(http_body::Body::is_end_stream(response.body()));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_never_waits_ends_with_its_deadline_too() {
    let service = GrpcLayer::new().layer(streaming(Duration::ZERO));
    let mut response = service.oneshot(with("grpc-timeout", "1S")).await.unwrap();
    for _ in 0..3 {
        assert!(response.body_mut().frame().await.unwrap().unwrap().is_data());
    }
    advance(Duration::from_secs(1)).await;
    let trailers = response.body_mut().frame().await.unwrap().unwrap().into_trailers().unwrap();
    assert_eq!(trailers["grpc-status"], "4");
    assert!(response.body_mut().frame().await.is_none());
}

// ===== what it costs =====

#[derive(Clone)]
struct Silent;

impl Hook for Silent {
    type Observer = ();

    fn before(&self, _: &Call<'_>, _: &mut http::Extensions) {}
}

/// Counts the allocations of one call, at its best: the first makes what is
/// made once.
fn allocations<S, B>(service: &S) -> u64
where
    S: Service<http::Request<http_body_util::Full<bytes::Bytes>>, Response = http::Response<B>>
        + Clone,
    S::Error: std::fmt::Debug,
    B: http_body::Body<Error: std::fmt::Debug> + Unpin,
{
    let once = || {
        let request = call();
        let mut service = service.clone();
        let mut response = None;
        let info = allocation_counter::measure(|| {
            let mut call = task::spawn(service.call(request));
            let mut reply = assert_ready_ok!(call.poll());
            while let Some(frame) = {
                let mut frame = task::spawn(reply.body_mut().frame());
                assert_ready!(frame.poll())
            } {
                frame.unwrap();
            }
            response = Some(reply);
        });
        info.count_total
    };
    once().min(once())
}

#[test]
fn without_hooks_it_allocates_nothing() {
    let server = Server::new(service_fn(hello), decode, encode);
    let bare = GreeterServer::new(Greeter(server));
    let without = allocations(&bare);
    assert!(without > 0);
    assert_eq!(allocations(&GrpcLayer::new().layer(bare.clone())), without);
    assert_eq!(allocations(&GrpcLayer::new().hook(Silent).layer(bare.clone())), without);
    // The slot, and its place among the extensions.
    assert!(allocations(&GrpcLayer::new().hook(RequestIds).layer(bare)) > without);
}

// ===== the rest =====

#[tokio::test]
async fn one_generated_server_in_the_layer_can_be_routed() {
    let count = Arc::new(AtomicU64::new(0));
    let counted = count.clone();
    let server = Server::new(service_fn(hello), decode, encode);
    let greeter = GrpcLayer::new()
        .finally(move |_: &kit_transport::End| {
            counted.fetch_add(1, Ordering::SeqCst);
        })
        .layer(GreeterServer::new(Greeter(server)));
    let reply = seen(Routes::new(greeter).oneshot(call()).await.unwrap()).await;
    assert_eq!(reply.greeting(), "Hello, Ada!");
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[test]
fn its_types_are_send_and_sync() {
    fn assert_send_sync<T: Send + Sync>(_: &T) {}
    fn assert_send<T: Send>(_: &T) {}

    let mut service: Grpc<Routes, _> = GrpcLayer::new().hook(RequestIds).layer(greeter(hello));
    assert_send_sync(&service);
    assert_send(&service.call(call()));
}

/// An observer of the reply only.
#[derive(Clone)]
struct Replies(Ends);

struct Watching(Ends);

impl Hook for Replies {
    type Observer = Watching;

    fn before(&self, _: &Call<'_>, _: &mut http::Extensions) -> Watching {
        Watching(self.0.clone())
    }
}

impl Observer for Watching {
    fn finish(self, end: &kit_transport::End) {
        self.0.finally()(end);
    }
}

#[tokio::test]
async fn a_request_that_the_endpoint_derives_is_another_call() {
    // It takes the extensions along, and its fault is not that of the call.
    async fn recover(request: Request<String>) -> Reply {
        let failing = service_fn(|_: Request<String>| ready(Reply::Err(Wrong::new(Kind::Unknown))));
        let server = Server::new(failing, decode, encode);
        let (message, _, extensions) = request.into_parts();
        let inner = tonic::Request::from_parts(
            tonic::metadata::MetadataMap::new(),
            extensions,
            support::pb::GreetingRequest { name: message },
        );
        server.oneshot(inner).await.unwrap_err();
        Err(Wrong::new(Kind::Unknown).saying("a second fault"))
    }

    let ends = Ends::default();
    let service = GrpcLayer::new().hook(Replies(ends.clone())).layer(greeter(recover));
    seen(service.oneshot(call()).await.unwrap()).await;
    assert_eq!(ends.one().error.unwrap().as_ref(), "a second fault: the password is 1234");
}
