//! An endpoint is a service, and a layer around it a layer.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use kit_endpoint::{
    AnyError, AsError, AsGrpc, AsHttp, CatchPanic, CatchPanicLayer, Deadline, DeadlineLayer,
    Details, Endpoint, Expired, Expires, Fault, GrpcStatus, Guarded, HttpStatus, Inspect,
    Inspector, Kind, Panicked, Peer, Request, ServerFaults, UnknownKind, UntilBodyEnd, UntilReply,
    UntilStreamEnd, Violation,
};
use std::{
    convert::Infallible,
    future::ready,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};
use tokio_test::{assert_ready_ok, task};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, layer::layer_fn, service_fn};

type Log = Arc<Mutex<Vec<&'static str>>>;

/// Says when it is passed on the way in, and on the way out.
#[derive(Clone)]
struct Annotate<S> {
    inner: S,
    pre: &'static str,
    post: &'static str,
    log: Log,
}

fn annotate<S>(
    pre: &'static str,
    post: &'static str,
    log: &Log,
) -> impl Layer<S, Service = Annotate<S>> + Clone + use<S> {
    let log = Arc::clone(log);
    layer_fn(move |inner| Annotate { inner, pre, post, log: Arc::clone(&log) })
}

impl<S, Req> Service<Req> for Annotate<S>
where
    S: Service<Req, Future: Send + 'static>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        self.log.lock().unwrap().push(self.pre);
        let (reply, post, log) = (self.inner.call(request), self.post, Arc::clone(&self.log));
        Box::pin(async move {
            let reply = reply.await;
            log.lock().unwrap().push(post);
            reply
        })
    }
}

/// Go kit's `TestChain`.
#[test]
fn layers_run_in_their_order_and_back() {
    let log = Log::default();
    let body = Arc::clone(&log);
    let endpoint = ServiceBuilder::new()
        .layer(annotate("first pre", "first post", &log))
        .layer(annotate("second pre", "second post", &log))
        .layer(annotate("third pre", "third post", &log))
        .service_fn(move |request: Request<u8>| {
            body.lock().unwrap().push("my endpoint");
            ready(Ok::<_, Infallible>(request.into_message()))
        });

    let mut reply = task::spawn(endpoint.oneshot(Request::new(7)));
    assert_eq!(assert_ready_ok!(reply.poll()), 7);
    assert_eq!(
        *log.lock().unwrap(),
        [
            "first pre",
            "second pre",
            "third pre",
            "my endpoint",
            "third post",
            "second post",
            "first post",
        ]
    );
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Expired(#[from] Expired),
    #[error(transparent)]
    Panicked(#[from] Panicked),
}

impl Fault for Error {
    fn inner(&self) -> Option<&dyn Fault> {
        Some(match self {
            Self::Expired(fact) => fact,
            Self::Panicked(fact) => fact,
        })
    }
}

/// The order of layers does not change the type of the error, nor that it is
/// an endpoint.
#[test]
fn layered_services_are_endpoints_in_any_order() {
    fn is_endpoint<E: Endpoint<u8, Response = u8, Error = Error>>(endpoint: &E) -> E {
        endpoint.clone()
    }
    let body = service_fn(|request: Request<u8>| ready(Ok::<_, Error>(request.into_message())));
    let deadline = DeadlineLayer::of_request();
    let panics = CatchPanicLayer::new();
    let one = is_endpoint(&deadline.layer(panics.layer(body)));
    let two = is_endpoint(&panics.layer(deadline.layer(body)));
    assert_eq!(assert_ready_ok!(task::spawn(one.oneshot(Request::new(1))).poll()), 1);
    assert_eq!(assert_ready_ok!(task::spawn(two.oneshot(Request::new(2))).poll()), 2);
}

#[cfg(feature = "boxed")]
#[test]
fn a_boxed_endpoint_is_an_endpoint() {
    fn is_endpoint<E: Endpoint<u8, Response = u8>>(endpoint: E) -> E {
        endpoint
    }
    type Boxed = kit_endpoint::BoxEndpoint<u8, u8, Infallible>;
    let plus = |n: u8| -> Boxed {
        kit_endpoint::BoxEndpoint::new(service_fn(move |request: Request<u8>| {
            ready(Ok(request.into_message() + n))
        }))
    };
    let endpoints = [plus(1), plus(2)];
    for (endpoint, reply) in endpoints.into_iter().zip([11, 12]) {
        let endpoint = is_endpoint(endpoint).clone();
        let mut call = task::spawn(endpoint.oneshot(Request::new(10)));
        assert_eq!(assert_ready_ok!(call.poll()), reply);
    }
}

#[test]
fn public_types_can_be_sent_and_shared() {
    fn assert_send_sync<T: Send + Sync>() {}
    use kit_endpoint::deadline::{DeadlineStream, OfRequest, Within};
    assert_send_sync::<(Request<()>, Expires, Peer, Kind, UnknownKind, Details, Violation)>();
    assert_send_sync::<(Expired, Panicked, AsError, AsHttp, AsGrpc)>();
    assert_send_sync::<(ServerFaults, AnyError, HttpStatus, GrpcStatus)>();
    assert_send_sync::<(UntilReply, UntilStreamEnd, UntilBodyEnd)>();
    assert_send_sync::<(Guarded<(), ()>, kit_endpoint::Judge<(), ()>)>();
    assert_send_sync::<(DeadlineLayer, DeadlineLayer<OfRequest, AsHttp, UntilStreamEnd>)>();
    assert_send_sync::<(Deadline<(), Within, AsError, UntilReply>, DeadlineStream<(), AsError>)>();
    assert_send_sync::<(CatchPanicLayer, CatchPanic<()>)>();
    assert_send_sync::<kit_endpoint::deadline::future::ResponseFuture<(), AsError, UntilReply>>();
    assert_send_sync::<kit_endpoint::catch_panic::future::ResponseFuture<(), AsError, UntilReply>>(
    );
    assert_send_sync::<kit_endpoint::catch_panic::CatchPanicStream<(), AsError>>();
    assert_send_sync::<Arc<dyn Inspect>>();
}

#[test]
fn a_state_is_a_gauge_of_one_with_its_name() {
    struct Circuit(&'static str);

    impl Inspect for Circuit {
        fn inspect(&self, inspector: &mut dyn Inspector) {
            inspector.state("breaker_state", "The state.", &[("name", "db")], self.0);
            inspector.counter("breaker_opened_total", "Openings.", &[], 3);
        }
    }

    #[derive(Default)]
    struct Lines(Vec<String>);

    impl Inspector for Lines {
        fn counter(&mut self, name: &str, _: &str, labels: &[(&str, &str)], value: u64) {
            self.0.push(format!("{name} {labels:?} {value}"));
        }

        fn gauge(&mut self, name: &str, _: &str, labels: &[(&str, &str)], value: f64) {
            self.0.push(format!("{name} {labels:?} {value}"));
        }
    }

    let mut lines = Lines::default();
    let circuits = [Arc::new(Circuit("open")), Arc::new(Circuit("closed"))];
    circuits.as_slice().inspect(&mut lines);
    assert_eq!(
        lines.0,
        [
            r#"breaker_state [("name", "db"), ("state", "open")] 1"#,
            "breaker_opened_total [] 3",
            r#"breaker_state [("name", "db"), ("state", "closed")] 1"#,
            "breaker_opened_total [] 3",
        ]
    );
}
