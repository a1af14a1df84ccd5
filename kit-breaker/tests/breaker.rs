//! The breaker as its users meet it: a layer over a mock service.
//!
//! Nothing here waits: a request is there or it is not, so a bug fails a test
//! and never hangs it. The runtime is only for the clock, which is paused.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::{BodyExt, StreamBody};
use kit_breaker::{
    AnyError, BreakerLayer, Circuit, GrpcStatus, Inspect, Inspector, Limits, Open, ServerFaults,
    State,
};
use kit_endpoint::{Fault, Kind};
use std::time::Duration;
use tokio::time::advance;
use tokio_stream::StreamExt;
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};
use tower_test::mock::{self, Mock, SendResponse, Spawn};

const COOLDOWN: Duration = Duration::from_secs(30);

type Breaker = Spawn<kit_breaker::Breaker<Mock<(), ()>, AnyError>>;
type Handle = mock::Handle<(), ()>;

fn limits(failures: u32) -> Limits {
    Limits::default().failures(failures).cooldown(COOLDOWN, COOLDOWN).jitter(0.0)
}

fn breaker(failures: u32) -> (Breaker, Handle) {
    mock::spawn_layer(BreakerLayer::new(limits(failures)).classify(AnyError))
}

/// Takes the request that must have reached the inner service.
fn sent(handle: &mut Handle) -> SendResponse<()> {
    let request = assert_ready!(handle.poll_request(), "the request was not sent");
    request.expect("the breaker is alive").1
}

fn succeed(breaker: &mut Breaker, handle: &mut Handle) {
    assert_ready_ok!(breaker.poll_ready());
    let mut reply = task::spawn(breaker.call(()));
    sent(handle).send_response(());
    assert_ready_ok!(reply.poll());
}

fn fail(breaker: &mut Breaker, handle: &mut Handle) {
    assert_ready_ok!(breaker.poll_ready());
    let mut reply = task::spawn(breaker.call(()));
    sent(handle).send_error("boom");
    assert_eq!(assert_ready_err!(reply.poll()).to_string(), "boom");
}

fn refuse(breaker: &mut Breaker) {
    assert_ready_ok!(breaker.poll_ready(), "a refusal is immediate");
    let error = assert_ready_err!(task::spawn(breaker.call(())).poll());
    assert!(error.is::<Open>(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn opens_at_the_limit() {
    let (mut breaker, mut handle) = breaker(2);
    fail(&mut breaker, &mut handle);
    fail(&mut breaker, &mut handle);
    refuse(&mut breaker);
    assert_pending!(handle.poll_request());
}

#[tokio::test(start_paused = true)]
async fn open_never_waits_for_the_inner_service() {
    let (mut breaker, mut handle) = breaker(1);
    fail(&mut breaker, &mut handle);
    handle.allow(0);
    refuse(&mut breaker);
}

#[tokio::test(start_paused = true)]
async fn a_success_forgets_earlier_failures() {
    let (mut breaker, mut handle) = breaker(2);
    fail(&mut breaker, &mut handle);
    succeed(&mut breaker, &mut handle);
    fail(&mut breaker, &mut handle);
    succeed(&mut breaker, &mut handle);
}

#[tokio::test(start_paused = true)]
async fn clones_share_one_circuit_and_one_probe() {
    let (mut breaker, mut handle) = breaker(1);
    let mut other = breaker.clone();
    fail(&mut breaker, &mut handle);
    refuse(&mut other);

    advance(COOLDOWN).await;
    assert_ready_ok!(breaker.poll_ready());
    refuse(&mut other);
    succeed(&mut breaker, &mut handle);
    succeed(&mut other, &mut handle);
}

#[tokio::test(start_paused = true)]
async fn what_one_layer_wraps_shares_one_circuit() {
    // As axum does, which wraps each route, and again for each request.
    let layer = BreakerLayer::new(limits(1)).classify(AnyError);
    let down = || layer.layer(service_fn(|()| async { Err::<(), BoxError>("boom".into()) }));
    assert!(!down().oneshot(()).await.expect_err("it fails").is::<Open>());
    assert!(down().oneshot(()).await.expect_err("it is left alone").is::<Open>());
}

#[tokio::test(start_paused = true)]
async fn a_failed_probe_opens_again() {
    let (mut breaker, mut handle) = breaker(1);
    fail(&mut breaker, &mut handle);
    advance(COOLDOWN).await;
    fail(&mut breaker, &mut handle);
    refuse(&mut breaker);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_probe_gives_its_place_back() {
    let (mut breaker, mut handle) = breaker(1);
    let mut other = breaker.clone();
    fail(&mut breaker, &mut handle);
    advance(COOLDOWN).await;
    assert_ready_ok!(breaker.poll_ready());
    drop(breaker);
    succeed(&mut other, &mut handle);
}

#[tokio::test(start_paused = true)]
async fn a_straggler_does_not_lengthen_the_cooldown() {
    let (mut breaker, mut handle) = breaker(1);
    assert_ready_ok!(breaker.poll_ready());
    let mut straggler = task::spawn(breaker.call(()));
    let slow = sent(&mut handle);
    fail(&mut breaker, &mut handle);

    advance(COOLDOWN / 2).await;
    slow.send_error("late");
    assert_ready_err!(straggler.poll());
    advance(COOLDOWN / 2).await;
    succeed(&mut breaker, &mut handle);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_readiness_is_a_failure() {
    let (mut breaker, mut handle) = breaker(1);
    handle.send_error("connection refused");
    assert_ready_err!(breaker.poll_ready());
    refuse(&mut breaker);
}

/// Go kit's `circuitbreaker/util_test.go`: primed with successes, it lets
/// failures through unchanged up to the limit, and then refuses without a call.
#[tokio::test(start_paused = true)]
async fn go_kits_case() {
    let (mut breaker, mut handle) = breaker(5);
    for _ in 0..10 {
        succeed(&mut breaker, &mut handle);
    }
    for _ in 0..5 {
        fail(&mut breaker, &mut handle);
    }
    for _ in 0..10 {
        refuse(&mut breaker);
        assert_pending!(handle.poll_request(), "the inner service is not called");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_says_when_to_come_back() {
    let (mut breaker, mut handle) = breaker(1);
    fail(&mut breaker, &mut handle);
    advance(COOLDOWN / 3).await;
    assert_ready_ok!(breaker.poll_ready());
    let error = assert_ready_err!(task::spawn(breaker.call(())).poll());
    let open = error.downcast_ref::<Open>().expect("a refusal");
    assert_eq!(open.retry_after(), Some(COOLDOWN * 2 / 3));
    assert_eq!(open.kind(), Kind::Unavailable);
    assert!(open.refused());
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_zero_is_none() {
    let (mut breaker, mut handle) = breaker(0);
    for _ in 0..20 {
        fail(&mut breaker, &mut handle);
    }
    assert_eq!(breaker.get_ref().circuit().state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_cooldown_may_be_for_ever() {
    let limits = limits(1).cooldown(Duration::MAX, Duration::MAX);
    let (mut breaker, mut handle): (Breaker, Handle) =
        mock::spawn_layer(BreakerLayer::new(limits).classify(AnyError));
    fail(&mut breaker, &mut handle);
    advance(Duration::from_hours(1000)).await;
    refuse(&mut breaker);
}

#[tokio::test(start_paused = true)]
async fn a_result_from_before_the_outage_proves_nothing_after_it() {
    let (mut breaker, mut handle) = breaker(1);
    assert_ready_ok!(breaker.poll_ready());
    let mut straggler = task::spawn(breaker.call(()));
    let slow = sent(&mut handle);
    fail(&mut breaker, &mut handle);
    advance(COOLDOWN).await;
    succeed(&mut breaker, &mut handle);

    slow.send_error("late");
    assert_ready_err!(straggler.poll());
    assert_eq!(breaker.get_ref().circuit().state(), State::Closed);
    succeed(&mut breaker, &mut handle);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_is_neither_success_nor_failure() {
    let (mut breaker, mut handle) = breaker(2);
    fail(&mut breaker, &mut handle);
    assert_ready_ok!(breaker.poll_ready());
    drop(breaker.call(()));
    drop(sent(&mut handle));
    fail(&mut breaker, &mut handle);
    refuse(&mut breaker);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_of_a_probe_gives_its_place_back() {
    let (mut breaker, mut handle) = breaker(1);
    fail(&mut breaker, &mut handle);
    advance(COOLDOWN).await;
    assert_ready_ok!(breaker.poll_ready());
    drop(breaker.call(()));
    drop(sent(&mut handle));
    assert_eq!(breaker.get_ref().circuit().state(), State::HalfOpen);
    succeed(&mut breaker, &mut handle);
}

#[derive(Debug)]
struct Failed(Kind, bool);

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "failed: {}", self.0)
    }
}

impl std::error::Error for Failed {}

impl From<Open> for Failed {
    fn from(_: Open) -> Self {
        Self(Kind::Unavailable, true)
    }
}

impl Fault for Failed {
    fn kind(&self) -> Kind {
        self.0
    }

    fn refused(&self) -> bool {
        self.1
    }
}

/// Says whether one such failure opens a circuit that allows none.
async fn opens(kind: Kind, refused: bool) -> bool {
    let circuit = Circuit::new("test", limits(1));
    let service = BreakerLayer::shared(circuit.clone())
        .classify(ServerFaults)
        .layer(service_fn(move |()| async move { Err::<(), _>(Failed(kind, refused)) }));
    service.oneshot(()).await.expect_err("it fails");
    circuit.state() == State::Open
}

#[tokio::test(start_paused = true)]
async fn callers_cannot_open_the_circuit() {
    for kind in Kind::ALL {
        assert_eq!(opens(kind, false).await, kind.is_server(), "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_from_further_inside_is_no_failure() {
    assert!(!opens(Kind::Unavailable, true).await);
}

type Frames = Vec<Result<Frame<Bytes>, BoxError>>;

/// Answers with these frames, as the reply of a gRPC server.
fn grpc(
    frames: impl Fn() -> Frames + Clone + Send + 'static,
) -> impl Service<
    (),
    Response = http::Response<impl Body<Data = Bytes, Error = BoxError>>,
    Error = BoxError,
> {
    service_fn(move |()| {
        let body = StreamBody::new(tokio_stream::iter(frames()));
        async move { Ok::<_, BoxError>(http::Response::new(body)) }
    })
}

fn trailers(code: &'static str) -> Frame<Bytes> {
    let mut trailers = http::HeaderMap::new();
    trailers.insert("grpc-status", code.parse().unwrap());
    Frame::trailers(trailers)
}

/// The state of a circuit that allows no failure, after one such reply.
async fn after(frames: impl Fn() -> Frames + Clone + Send + 'static, read: bool) -> State {
    let circuit = Circuit::new("test", limits(1));
    let layer = BreakerLayer::shared(circuit.clone()).classify(GrpcStatus).until_body_end();
    let response = layer.layer(grpc(frames)).oneshot(()).await.unwrap();
    assert_eq!(circuit.state(), State::Closed, "judged when it ends, not before");
    if read {
        drop(response.into_body().collect().await);
    }
    circuit.state()
}

#[tokio::test(start_paused = true)]
async fn a_grpc_reply_is_judged_by_its_trailers() {
    let data = || Ok(Frame::data(Bytes::from_static(b"message")));
    assert_eq!(after(move || vec![data(), Ok(trailers("0"))], true).await, State::Closed);
    assert_eq!(after(move || vec![data(), Ok(trailers("13"))], true).await, State::Open);
    assert_eq!(after(move || vec![data(), Ok(trailers("3"))], true).await, State::Closed);
    assert_eq!(after(move || vec![data(), Err("reset".into())], true).await, State::Open);
    let dropped = after(move || vec![data(), Ok(trailers("13"))], false).await;
    assert_eq!(dropped, State::Closed, "nobody waited for the end");
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_judged_when_it_ends() {
    let circuit = Circuit::new("test", limits(1));
    let layer = BreakerLayer::shared(circuit.clone()).classify(AnyError).streaming();
    let service = layer.layer(service_fn(|()| async {
        Ok::<_, BoxError>(tokio_stream::iter([Ok(1), Err(BoxError::from("boom"))]))
    }));
    let mut stream = service.oneshot(()).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap(), 1);
    assert_eq!(circuit.state(), State::Closed);
    stream.next().await.unwrap().expect_err("the stream fails");
    assert_eq!(circuit.state(), State::Open);
}

#[derive(Default)]
struct Seen(Vec<String>);

impl Inspector for Seen {
    fn counter(&mut self, name: &str, _: &str, labels: &[(&str, &str)], value: u64) {
        self.0.push(format!("{name}{labels:?} {value}"));
    }

    fn gauge(&mut self, name: &str, _: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push(format!("{name}{labels:?} {value}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_circuit_says_how_it_is() {
    let circuit = Circuit::new("billing", limits(1));
    let layer = BreakerLayer::shared(circuit.clone()).classify(AnyError);
    let (mut breaker, mut handle) = mock::spawn_layer::<(), (), _>(layer);
    fail(&mut breaker, &mut handle);
    refuse(&mut breaker);
    let mut seen = Seen::default();
    circuit.inspect(&mut seen);
    assert_eq!(
        seen.0,
        [
            r#"breaker_state[("breaker", "billing"), ("state", "open")] 1"#,
            r#"breaker_opened_total[("breaker", "billing")] 1"#,
            r#"breaker_refused_total[("breaker", "billing")] 1"#,
        ]
    );
}

/// Failures and successes from many threads at once: the circuit opens, and
/// what it counts adds up.
#[test]
fn threads_share_one_circuit() {
    let circuit = Circuit::new("shared", limits(3));
    let layer = BreakerLayer::shared(circuit.clone()).classify(AnyError);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                let service =
                    layer.layer(service_fn(|()| async { Err::<(), BoxError>("boom".into()) }));
                for _ in 0..1000 {
                    runtime.block_on(service.clone().oneshot(())).expect_err("it always fails");
                }
            });
        }
    });
    let mut seen = Seen::default();
    circuit.inspect(&mut seen);
    assert_eq!(circuit.state(), State::Open);
    assert!(seen.0[1].ends_with(" 1"), "it opened once: {seen:?}", seen = seen.0);
}

#[test]
fn everything_can_be_sent_and_shared() {
    fn check<T: Send + Sync + std::fmt::Debug>() {}
    check::<kit_breaker::Breaker<()>>();
    check::<BreakerLayer>();
    check::<Circuit>();
    check::<Open>();
}

#[tokio::test(start_paused = true)]
async fn one_that_waits_for_the_inner_service_hears_that_the_circuit_opened() {
    let circuit = Circuit::new("test", limits(1));
    let layer = BreakerLayer::shared(circuit.clone()).classify(AnyError);
    let (mut breaker, mut handle): (Breaker, Handle) = mock::spawn_layer(layer);
    handle.allow(0);
    assert_pending!(breaker.poll_ready());
    circuit.force_open();
    refuse(&mut breaker);
    circuit.reset();
    assert_pending!(breaker.poll_ready());
}

#[tokio::test(start_paused = true)]
async fn a_handle_that_idled_through_an_outage_is_no_exception() {
    let (mut breaker, mut handle) = breaker(1);
    let mut other = breaker.clone();
    assert_ready_ok!(other.poll_ready());
    fail(&mut breaker, &mut handle);
    refuse(&mut other);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_refused_counts_once_however_often_it_was_polled_for() {
    let circuit = Circuit::new("test", limits(1));
    circuit.force_open();
    let layer = BreakerLayer::shared(circuit.clone()).classify(AnyError);
    let (mut breaker, _handle): (Breaker, Handle) = mock::spawn_layer(layer);
    for _ in 0..5 {
        assert_ready_ok!(breaker.poll_ready());
    }
    refuse(&mut breaker);
    let mut seen = Seen::default();
    circuit.inspect(&mut seen);
    assert!(seen.0[2].ends_with(" 1"), "{:?}", seen.0);
}
