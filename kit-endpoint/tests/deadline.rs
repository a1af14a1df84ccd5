//! The deadline as its users meet it: a layer over a mock service.
//!
//! Nothing here waits: a reply is there or it is not. The runtime is only for
//! the clock, which is paused.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use http::{HeaderMap, Response};
use kit_endpoint::{
    AsGrpc, AsHttp, Carries, DeadlineLayer, Expired, Expires, Fault, Kind, Request,
};
use std::{
    convert::Infallible,
    future::{Future, pending, ready},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, advance},
};
use tokio_stream::{Stream, wrappers::UnboundedReceiverStream};
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::{BoxError, Layer, Service, service_fn};
use tower_test::mock::{self, Handle, Mock, SendResponse, Spawn};

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

#[derive(Debug, PartialEq, thiserror::Error)]
enum Error {
    #[error("boom")]
    Boom,
    #[error(transparent)]
    Expired(#[from] Expired),
}

/// Takes the request that must have reached the inner service.
fn sent<T, U>(handle: &mut Handle<T, U>) -> (T, SendResponse<U>) {
    let request = assert_ready!(handle.poll_request(), "the request was not sent");
    request.expect("the deadline is alive")
}

fn expired(error: &BoxError) -> Expired {
    *error.downcast_ref().expect("the fact of the layer")
}

/// Calls a service that is always ready.
fn call<S: Service<Req>, Req>(service: &mut S, request: Req) -> task::Spawn<S::Future>
where
    S::Error: std::fmt::Debug,
{
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(matches!(service.poll_ready(&mut cx), Poll::Ready(Ok(()))));
    task::spawn(service.call(request))
}

/// A service that counts its calls, and never replies.
fn counting<Req>(
    calls: &Arc<AtomicUsize>,
) -> impl Service<Req, Response = (), Error = Error> + Clone + use<Req> {
    let calls = Arc::clone(calls);
    service_fn(move |_: Req| {
        calls.fetch_add(1, Ordering::Relaxed);
        pending()
    })
}

// ===== the limit =====

#[tokio::test(start_paused = true)]
async fn a_fixed_limit_bounds_any_request() {
    let (mut service, mut handle) = mock::spawn_layer(DeadlineLayer::new(SECOND));
    assert_ready_ok!(service.poll_ready());
    let mut reply = task::spawn(service.call("any"));
    let (request, send) = sent::<_, ()>(&mut handle);
    assert_eq!(request, "any");
    assert_pending!(reply.poll());

    advance(999 * MILLISECOND).await;
    assert!(!reply.is_woken());
    assert_pending!(reply.poll());
    advance(MILLISECOND).await;
    assert!(reply.is_woken(), "the timer wakes the task");
    let error = assert_ready_err!(reply.poll());
    assert!(expired(&error).ran());
    drop(send);
}

#[tokio::test(start_paused = true)]
async fn the_time_runs_from_the_call() {
    let (mut service, mut handle) = mock::spawn_layer(DeadlineLayer::new(SECOND));
    assert_ready_ok!(service.poll_ready());
    advance(10 * SECOND).await;
    let mut reply = task::spawn(service.call(()));
    sent(&mut handle).1.send_response("in time");
    assert_eq!(assert_ready_ok!(reply.poll()), "in time");
}

#[tokio::test(start_paused = true)]
async fn a_reply_in_time_passes() {
    let (mut service, mut handle) = mock::spawn_layer(DeadlineLayer::new(SECOND));
    assert_ready_ok!(service.poll_ready());
    let mut reply = task::spawn(service.call(()));
    assert_pending!(reply.poll());
    advance(999 * MILLISECOND).await;
    sent(&mut handle).1.send_response("late but in time");
    assert_eq!(assert_ready_ok!(reply.poll()), "late but in time");
}

#[tokio::test(start_paused = true)]
async fn an_error_in_time_passes_unchanged() {
    let mut service =
        DeadlineLayer::new(SECOND).layer(service_fn(|()| ready(Err::<(), _>(Error::Boom))));
    assert_eq!(assert_ready_err!(call(&mut service, ()).poll()), Error::Boom);
}

#[tokio::test(start_paused = true)]
async fn a_limit_past_the_end_of_time_is_no_limit() {
    let (mut service, mut handle) = mock::spawn_layer(DeadlineLayer::new(Duration::MAX));
    assert_ready_ok!(service.poll_ready());
    let mut reply = task::spawn(service.call(()));
    let ((), send) = sent(&mut handle);
    assert_pending!(reply.poll());
    advance(365 * 24 * 3600 * SECOND).await;
    assert_pending!(reply.poll());
    send.send_response("at last");
    assert_eq!(assert_ready_ok!(reply.poll()), "at last");
}

#[tokio::test(start_paused = true)]
async fn a_default_past_the_end_of_time_is_none() {
    let layer = DeadlineLayer::of_request().default(Duration::MAX);
    let (mut service, mut handle) = mock::spawn_layer::<_, (), _>(layer);
    assert_ready_ok!(service.poll_ready());
    let _reply = task::spawn(service.call(Request::new(())));
    assert_eq!(sent(&mut handle).0.deadline(), None);
}

// ===== the request's deadline =====

#[tokio::test(start_paused = true)]
async fn the_deadline_of_the_request_bounds_it() {
    let (mut service, mut handle) = mock::spawn_layer(DeadlineLayer::of_request());
    assert_ready_ok!(service.poll_ready());
    let deadline = Instant::now() + SECOND;
    let mut reply = task::spawn(service.call(Request::new(()).within(deadline)));
    let (request, send) = sent::<_, ()>(&mut handle);
    assert_eq!(request.deadline(), Some(deadline), "it travels on");
    assert_pending!(reply.poll());
    advance(SECOND).await;
    let error = assert_ready_err!(reply.poll());
    assert!(expired(&error).ran());
    drop(send);
}

#[tokio::test(start_paused = true)]
async fn without_a_deadline_there_is_no_limit() {
    let (mut service, mut handle) = mock::spawn_layer(DeadlineLayer::of_request());
    assert_ready_ok!(service.poll_ready());
    let mut reply = task::spawn(service.call(Request::new(())));
    let (_, send) = sent(&mut handle);
    assert_pending!(reply.poll());
    advance(24 * 3600 * SECOND).await;
    assert_pending!(reply.poll());
    send.send_response(());
    assert_ready_ok!(reply.poll());
}

#[tokio::test(start_paused = true)]
async fn a_default_brings_the_deadline_forward_and_tells_the_request() {
    let layer = DeadlineLayer::of_request().default(SECOND);
    let (mut service, mut handle) = mock::spawn_layer::<_, (), _>(layer);
    let sooner = Instant::now() + SECOND;
    for request in [Request::new(()), Request::new(()).within(sooner + SECOND)] {
        assert_ready_ok!(service.poll_ready());
        let _reply = task::spawn(service.call(request));
        assert_eq!(sent(&mut handle).0.deadline(), Some(sooner));
    }
}

#[tokio::test(start_paused = true)]
async fn a_sooner_deadline_of_the_request_stays() {
    let layer = DeadlineLayer::of_request().default(SECOND);
    let (mut service, mut handle) = mock::spawn_layer::<_, (), _>(layer);
    let deadline = Instant::now() + MILLISECOND;
    assert_ready_ok!(service.poll_ready());
    let mut reply = task::spawn(service.call(Request::new(()).within(deadline)));
    let (request, _send) = sent(&mut handle);
    assert_eq!(request.deadline(), Some(deadline));
    assert_pending!(reply.poll());
    advance(MILLISECOND).await;
    assert_ready_err!(reply.poll());
}

#[tokio::test(start_paused = true)]
async fn an_http_request_carries_its_deadline_among_its_extensions() {
    let layer = DeadlineLayer::of_request().default(2 * SECOND);
    let (mut service, mut handle) = mock::spawn_layer(layer);

    let mut request = http::Request::new(());
    request.extensions_mut().insert(Expires(Instant::now() + SECOND));
    assert_ready_ok!(service.poll_ready());
    let mut reply = task::spawn(service.call(request));
    let (request, send) = sent::<_, ()>(&mut handle);
    assert_eq!(Carries::deadline(&request), Some(Instant::now() + SECOND));
    assert_pending!(reply.poll());
    advance(SECOND).await;
    assert!(expired(&assert_ready_err!(reply.poll())).ran());
    drop(send);

    assert_ready_ok!(service.poll_ready());
    let _reply = task::spawn(service.call(http::Request::new(())));
    let (request, _) = sent(&mut handle);
    let expires = request.extensions().get::<Expires>();
    assert_eq!(expires, Some(&Expires(Instant::now() + 2 * SECOND)));
}

// ===== refusing =====

#[tokio::test(start_paused = true)]
async fn work_that_has_expired_on_arrival_does_not_run() {
    let calls = Arc::default();
    let mut service = DeadlineLayer::of_request().layer(counting(&calls));
    advance(2 * SECOND).await;
    let now = Instant::now();
    for deadline in [now, now - SECOND] {
        let error = assert_ready_err!(call(&mut service, Request::new(()).within(deadline)).poll());
        assert_eq!(error, Error::Expired(Expired::new(false)));
    }
    assert_eq!(calls.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn work_with_less_time_than_the_floor_does_not_run() {
    let calls = Arc::default();
    let layer = DeadlineLayer::of_request().floor(10 * MILLISECOND);
    let mut service = layer.layer(counting(&calls));
    let hopeless = Instant::now() + 9 * MILLISECOND;

    let error = assert_ready_err!(call(&mut service, Request::new(()).within(hopeless)).poll());
    let Error::Expired(fact) = error else { panic!("{error}") };
    assert!(!fact.ran());
    assert!(fact.refused(), "nothing ran: free to be tried elsewhere");
    assert_eq!(fact.kind(), Kind::DeadlineExceeded);
    assert_eq!(calls.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn work_with_as_much_time_as_the_floor_runs() {
    let calls = Arc::default();
    let layer = DeadlineLayer::of_request().floor(10 * MILLISECOND);
    let mut service = layer.layer(counting(&calls));
    let just_enough = Instant::now() + 10 * MILLISECOND;

    let mut reply = call(&mut service, Request::new(()).within(just_enough));
    assert_pending!(reply.poll());
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    advance(10 * MILLISECOND).await;
    let error = assert_ready_err!(reply.poll());
    let Error::Expired(fact) = error else { panic!("{error}") };
    assert!(fact.ran());
    assert!(!fact.refused(), "the work had begun");
    assert_eq!(fact.kind(), Kind::DeadlineExceeded);
}

#[tokio::test(start_paused = true)]
async fn a_floor_is_no_deadline() {
    let calls = Arc::default();
    let mut service = DeadlineLayer::of_request().floor(SECOND).layer(counting(&calls));
    let mut reply = call(&mut service, Request::new(()));
    advance(10 * SECOND).await;
    assert_pending!(reply.poll());
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_leaves_the_inner_service_ready() {
    let (mut service, mut handle) = mock::spawn_layer(DeadlineLayer::of_request());
    handle.allow(1);
    assert_ready_ok!(service.poll_ready());
    let late = Request::new("late").within(Instant::now());
    assert_ready_err!(task::spawn(service.call(late)).poll());

    assert_ready_ok!(service.poll_ready(), "the one permit was not spent");
    let mut reply = task::spawn(service.call(Request::new("in time")));
    let (request, send) = sent(&mut handle);
    assert_eq!(*request.message(), "in time");
    send.send_response(());
    assert_ready_ok!(reply.poll());
}

#[tokio::test(start_paused = true)]
async fn the_fact_becomes_a_users_error() {
    let layer = DeadlineLayer::new(Duration::ZERO);
    let mut service = layer.layer(service_fn(|()| pending::<Result<(), Error>>()));
    let error = assert_ready_err!(call(&mut service, ()).poll());
    assert!(matches!(error, Error::Expired(fact) if !fact.ran()));

    let mut service = layer.layer(service_fn(|()| pending::<Result<(), BoxError>>()));
    let error = assert_ready_err!(call(&mut service, ()).poll());
    assert!(!expired(&error).ran());
}

#[tokio::test(start_paused = true)]
async fn a_service_that_cannot_fail_answers_as_http() {
    let layer = DeadlineLayer::new(SECOND).refuse(AsHttp);
    let never = service_fn(|()| pending::<Result<Response<String>, Infallible>>());
    let mut reply = call(&mut layer.layer(never), ());
    assert_pending!(reply.poll());
    advance(SECOND).await;
    let reply = assert_ready_ok!(reply.poll());
    assert_eq!(reply.status(), 504);
    assert_eq!(reply.headers()["content-type"], "application/problem+json");
    assert!(reply.body().contains(r#""detail":"deadline exceeded""#), "{}", reply.body());
}

#[tokio::test(start_paused = true)]
async fn a_service_that_cannot_fail_answers_as_grpc() {
    let layer = DeadlineLayer::new(Duration::ZERO).refuse(AsGrpc);
    let never = service_fn(|()| pending::<Result<Response<String>, Infallible>>());
    let reply = assert_ready_ok!(call(&mut layer.layer(never), ()).poll());
    assert_eq!(reply.status(), 200);
    assert_eq!(reply.headers()["grpc-status"], "4");
}

#[tokio::test(start_paused = true)]
async fn a_function_answers_as_it_likes() {
    let layer = DeadlineLayer::new(Duration::ZERO)
        .refuse(|fact: Expired| Ok::<_, Infallible>(format!("ran: {}", fact.ran())));
    let mut service = layer.layer(service_fn(|()| pending::<Result<String, Infallible>>()));
    assert_eq!(assert_ready_ok!(call(&mut service, ()).poll()), "ran: false");
}

// ===== reply or timer =====

#[tokio::test(start_paused = true)]
async fn a_ready_reply_is_never_dropped_for_the_timer() {
    let (mut service, mut handle) = mock::spawn_layer(DeadlineLayer::new(SECOND));
    assert_ready_ok!(service.poll_ready());
    let mut reply = task::spawn(service.call(()));
    let ((), send) = sent(&mut handle);
    assert_pending!(reply.poll());

    // Both are ready at the next poll.
    send.send_response("done");
    advance(2 * SECOND).await;
    assert_eq!(assert_ready_ok!(reply.poll()), "done");
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_ready_at_once_passes_whenever_it_is_polled() {
    let mut service =
        DeadlineLayer::new(SECOND).layer(service_fn(|()| ready(Ok::<_, Error>("done"))));
    let mut reply = call(&mut service, ());
    advance(2 * SECOND).await;
    assert_eq!(assert_ready_ok!(reply.poll()), "done");
}

#[tokio::test(start_paused = true)]
async fn expiry_drops_the_work_at_once() {
    let (held, mut work) = oneshot::channel::<()>();
    let mut held = Some(held);
    let mut service = DeadlineLayer::new(SECOND).layer(service_fn(move |()| {
        let held = held.take();
        async move {
            pending::<()>().await;
            drop(held);
            Ok::<_, Error>(())
        }
    }));
    let mut reply = call(&mut service, ());
    assert_pending!(reply.poll());
    assert!(work.try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Empty));
    advance(SECOND).await;
    assert_ready_err!(reply.poll());
    // `reply` still lives; what it waited for does not.
    assert!(work.try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Closed));
    drop(reply);
}

// ===== readiness and clones =====

#[tokio::test(start_paused = true)]
async fn readiness_is_that_of_the_inner_service() {
    let (mut service, mut handle): (Spawn<kit_endpoint::Deadline<Mock<(), ()>, _, _, _>>, _) =
        mock::spawn_layer(DeadlineLayer::new(SECOND));
    handle.allow(0);
    assert_pending!(service.poll_ready());
    advance(10 * SECOND).await;
    assert_pending!(service.poll_ready(), "it waits without a bound");
    handle.allow(1);
    assert!(service.is_woken());
    assert_ready_ok!(service.poll_ready());
}

#[tokio::test(start_paused = true)]
async fn an_error_of_readiness_passes_unchanged() {
    let (mut service, mut handle): (Spawn<kit_endpoint::Deadline<Mock<(), ()>, _, _, _>>, _) =
        mock::spawn_layer(DeadlineLayer::new(SECOND));
    handle.send_error("broken");
    assert_eq!(assert_ready_err!(service.poll_ready()).to_string(), "broken");
}

#[tokio::test(start_paused = true)]
async fn clones_are_independent() {
    let (mut service, mut handle) = mock::spawn_layer(DeadlineLayer::new(SECOND));
    assert_ready_ok!(service.poll_ready());
    let mut early = task::spawn(service.call("early"));
    let (_, _held) = sent(&mut handle);
    assert_pending!(early.poll());

    advance(999 * MILLISECOND).await;
    let mut other = service.clone();
    assert_ready_ok!(other.poll_ready());
    let mut late = task::spawn(other.call("late"));
    let (_, send) = sent(&mut handle);
    assert_pending!(late.poll());
    advance(MILLISECOND).await;
    assert_ready_err!(early.poll());
    assert_pending!(late.poll());
    send.send_response(());
    assert_ready_ok!(late.poll());
}

// ===== streams =====

type Item = Result<&'static str, Error>;

/// A service that replies with the one stream it has.
fn stream(
    items: mpsc::UnboundedReceiver<Item>,
) -> impl Service<(), Response = UnboundedReceiverStream<Item>, Error = Error, Future: Unpin> {
    let mut items = Some(items);
    service_fn(move |()| ready(Ok(UnboundedReceiverStream::new(items.take().expect("one call")))))
}

/// Opens the stream of a service that is bounded by `SECOND`.
fn open(items: mpsc::UnboundedReceiver<Item>) -> task::Spawn<impl Stream<Item = Item>> {
    let mut service = DeadlineLayer::new(SECOND).streaming().layer(stream(items));
    task::spawn(assert_ready_ok!(call(&mut service, ()).poll()))
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_the_fact() {
    let (send, items) = mpsc::unbounded_channel();
    let mut stream = open(items);
    assert_pending!(stream.poll_next());
    send.send(Ok("first")).unwrap();
    assert_eq!(assert_ready!(stream.poll_next()), Some(Ok("first")));
    assert_pending!(stream.poll_next());

    // An item that is ready goes first, then the fact, then nothing.
    send.send(Ok("last")).unwrap();
    advance(SECOND).await;
    assert_eq!(assert_ready!(stream.poll_next()), Some(Ok("last")));
    assert!(send.is_closed(), "the inner stream is dropped at once");
    let Some(Err(Error::Expired(fact))) = assert_ready!(stream.poll_next()) else {
        panic!("not the fact")
    };
    assert!(fact.ran());
    assert_eq!(assert_ready!(stream.poll_next()), None);
    assert_eq!(assert_ready!(stream.poll_next()), None);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_always_has_an_item_ends_too() {
    let endless = service_fn(|()| {
        ready(Ok::<_, Error>(tokio_stream::iter(std::iter::repeat_with(|| Ok(1)))))
    });
    let mut service = DeadlineLayer::new(SECOND).streaming().layer(endless);
    let mut stream = task::spawn(assert_ready_ok!(call(&mut service, ()).poll()));
    assert_eq!(assert_ready!(stream.poll_next()), Some(Ok(1)));
    advance(SECOND).await;
    assert_eq!(assert_ready!(stream.poll_next()), Some(Ok(1)), "it was ready");
    assert!(matches!(assert_ready!(stream.poll_next()), Some(Err(Error::Expired(_)))));
    assert_eq!(assert_ready!(stream.poll_next()), None);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_wakes_who_waits_for_an_item() {
    let (_send, items) = mpsc::unbounded_channel();
    let mut stream = open(items);
    assert_pending!(stream.poll_next());
    advance(SECOND).await;
    assert!(stream.is_woken());
    assert!(assert_ready!(stream.poll_next()).is_some_and(|item| item.is_err()));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_in_time_is_over() {
    let (send, items) = mpsc::unbounded_channel();
    let mut stream = open(items);
    send.send(Err(Error::Boom)).unwrap();
    assert_eq!(assert_ready!(stream.poll_next()), Some(Err(Error::Boom)));
    drop(send);
    assert_eq!(assert_ready!(stream.poll_next()), None);
    advance(2 * SECOND).await;
    assert_eq!(assert_ready!(stream.poll_next()), None);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_over_does_not_expire_when_asked_again() {
    /// Ends once, and then waits: it is allowed to.
    struct Once(bool);

    impl Stream for Once {
        type Item = Item;

        fn poll_next(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> Poll<Option<Item>> {
            if std::mem::replace(&mut self.0, true) { Poll::Pending } else { Poll::Ready(None) }
        }
    }

    let once = service_fn(|()| ready(Ok::<_, Error>(Once(false))));
    let mut service = DeadlineLayer::new(SECOND).streaming().layer(once);
    let mut stream = task::spawn(assert_ready_ok!(call(&mut service, ()).poll()));
    assert_eq!(assert_ready!(stream.poll_next()), None);
    advance(2 * SECOND).await;
    assert_eq!(assert_ready!(stream.poll_next()), None);
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_a_request_without_a_deadline_is_unbounded() {
    let (send, items) = mpsc::unbounded_channel();
    let mut inner = stream(items);
    let service = service_fn(move |_: Request<()>| inner.call(()));
    let mut service = DeadlineLayer::of_request().streaming().layer(service);
    let reply = assert_ready_ok!(call(&mut service, Request::new(())).poll());
    let mut stream = task::spawn(reply);
    assert_pending!(stream.poll_next());
    advance(24 * 3600 * SECOND).await;
    assert_pending!(stream.poll_next());
    send.send(Ok("late")).unwrap();
    assert_eq!(assert_ready!(stream.poll_next()), Some(Ok("late")));
}

#[tokio::test(start_paused = true)]
async fn work_that_has_expired_opens_no_stream() {
    let (send, items) = mpsc::unbounded_channel();
    let layer = DeadlineLayer::new(SECOND).floor(2 * SECOND).streaming();
    let mut service = layer.layer(stream(items));
    let error = assert_ready!(call(&mut service, ()).poll()).err();
    assert_eq!(error, Some(Error::Expired(Expired::new(false))));
    assert!(!send.is_closed(), "the stream is where it was");
    drop(service);
}

#[test]
fn an_expired_call_says_what_to_do() {
    let fact = Expired::new(false);
    assert_eq!(fact.to_string(), "too little time was left to begin: allow more, or call earlier");
    assert_eq!(fact.retry_after(), None);
    let mut details = kit_endpoint::Details::default();
    fact.describe(&mut details);
    assert_eq!(details.headers(), &HeaderMap::new());
}

#[test]
fn can_be_sent_and_shared() {
    fn assert_send_sync<T: Send + Sync + 'static>(_: &T) {}
    fn assert_send<F: Future + Send>(_: &F) {}
    let layer = DeadlineLayer::of_request().default(SECOND).streaming().refuse(AsHttp);
    assert_send_sync(&layer);
    let mut service =
        DeadlineLayer::new(Duration::ZERO).layer(service_fn(|()| pending::<Result<(), Expired>>()));
    assert_send_sync(&service);
    assert_send(&service.call(()));
}
