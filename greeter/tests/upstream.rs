//! The greeter that is asked in place of the service: on whose behalf it is asked.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use greeter::{
    endpoints::{Endpoints, Error, Greeting, Greetings, Health, Hello, endpoints},
    entry::Entry,
    flags::{Sample, Target, Trace, Trusted},
    service::Greeter,
    upstream::{self, Upstream},
};
use kit_breaker::{Circuit, Limits};
use kit_endpoint::{Endpoint, Expired, Fault, Kind, Request};
use kit_metrics::Prometheus;
use kit_trace::{Flags, SpanId, TraceContext, TraceId};
use kit_transport::RequestId;
use std::{future::pending, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tokio_stream::{StreamExt, iter};
use tower::{ServiceExt, service_fn};

/// What came with a call: its name, deadline, trace, and the id of its request.
type Asked = (String, Option<Instant>, Option<TraceContext>, Option<RequestId>);

/// A chat whose hellos are all there.
type Hellos = tokio_stream::Iter<std::vec::IntoIter<Result<Hello, Expired>>>;

/// No spans.
const OFF: Trace = Trace { otlp: None, sample: Sample::Millionths(0), trust: Trusted::None };

/// The endpoints of a greeter that asks another one.
fn over(
    upstream: Upstream,
) -> Endpoints<
    impl Endpoint<(), Response = Health, Error = Error>,
    impl Endpoint<Hello, Response = Greeting, Error = Error>,
    impl Endpoint<Vec<String>, Response: Greetings, Error = Error>,
    impl Endpoint<Hellos, Response: Greetings, Error = Error>,
> {
    let (_, ready) = watch::channel(true);
    let circuit = Circuit::new("greeting", Limits::default());
    let entry = Entry::default().asking(upstream);
    endpoints(Greeter, ready, circuit, Prometheus::new(), entry)
}

/// A greeter that tells what came with each call.
fn other() -> (Upstream, mpsc::UnboundedReceiver<Asked>) {
    let (tell, asked) = mpsc::unbounded_channel();
    let greet = service_fn(move |hello: Request<Hello>| {
        let extensions = hello.extensions();
        let (trace, id) = (extensions.get().cloned(), extensions.get().cloned());
        let name = hello.message().name.clone();
        let greeting = format!("Good day, {name}.");
        tell.send((name, hello.deadline(), trace, id)).unwrap();
        async move { Ok::<_, Expired>(Greeting { greeting }) }
    });
    (Upstream::new(greet), asked)
}

/// A request with all that a call upstream is to have.
fn with_all<T>(message: T) -> (Request<T>, [Asked; 2]) {
    let (trace, span) = (TraceId::new(7).unwrap(), SpanId::new(9).unwrap());
    let trace = TraceContext::new(trace, span, Flags::RANDOM.with_sampled(true));
    let id = RequestId::generate();
    let deadline = Instant::now() + Duration::from_secs(3);
    let mut request = Request::new(message).within(deadline);
    request.extensions_mut().insert(trace.clone());
    request.extensions_mut().insert(id.clone());
    let asked =
        |name: &str| (name.to_owned(), Some(deadline), Some(trace.clone()), Some(id.clone()));
    (request, ["Ada", "Grace"].map(asked))
}

fn hello(name: &str) -> Hello {
    Hello { name: name.to_owned() }
}

#[tokio::test(start_paused = true)]
async fn it_is_asked_on_behalf_of_a_request() {
    let (upstream, mut asked) = other();
    let (request, [expected, _]) = with_all(hello("Ada"));
    let reply = over(upstream).greeting.oneshot(request).await.unwrap();
    assert_eq!(reply.greeting, "Good day, Ada.");
    assert_eq!(asked.try_recv().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn it_is_asked_for_each_of_many_on_behalf_of_their_request() {
    let (upstream, mut asked) = other();
    let (request, expected) = with_all(vec!["Ada".to_owned(), "Grace".to_owned()]);
    let greetings = over(upstream).greetings.oneshot(request).await.unwrap();
    let greetings: Vec<_> = greetings.map(|reply| reply.unwrap().greeting).collect().await;
    assert_eq!(greetings, ["Good day, Ada.", "Good day, Grace."]);
    for expected in expected {
        assert_eq!(asked.try_recv().unwrap(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_asked_for_each_of_a_chat_on_behalf_of_its_request() {
    let (upstream, mut asked) = other();
    let (request, expected) = with_all(iter(vec![Ok(hello("Ada")), Ok(hello("Grace"))]));
    let greetings = over(upstream).chat.oneshot(request).await.unwrap();
    let greetings: Vec<_> = greetings.map(|reply| reply.unwrap().greeting).collect().await;
    assert_eq!(greetings, ["Good day, Ada.", "Good day, Grace."]);
    for expected in expected {
        assert_eq!(asked.try_recv().unwrap(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_waited_for_until_the_deadline_of_who_asks() {
    let silent = service_fn(|_: Request<Hello>| pending::<Result<Greeting, Expired>>());
    let upstream = Upstream::new(silent);
    let (request, _) = with_all(hello("Ada"));
    let deadline = request.deadline().unwrap();
    let own = |_: &str| panic!("the service itself is not asked");
    let error = upstream.greeting(request, &own).await.unwrap_err();
    assert_eq!(error.kind(), Kind::DeadlineExceeded);
    assert_eq!(error.to_string(), "the greeter that is asked has no greeting");
    assert_eq!(Instant::now(), deadline);
}

#[tokio::test]
async fn without_a_target_the_service_greets_itself() {
    let upstream = upstream::open(None, &OFF).unwrap();
    let greeting = upstream.greeting(Request::new(hello("Ada")), &|name| Ok(format!("I, {name}")));
    assert_eq!(greeting.await.unwrap().greeting, "I, Ada");
}

#[tokio::test]
async fn a_target_that_is_no_address_is_told_at_the_start() {
    for target in [Target::Http("a b".to_owned()), Target::Grpc("a b".to_owned())] {
        assert!(upstream::open(Some(&target), &OFF).is_err(), "{target:?}");
    }
}
