//! The endpoints: what their layers do for the service.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use greeter::{
    endpoints::{Endpoints, Error, Greeting, Greetings, Health, Hello, endpoints},
    entry::Entry,
    service::{self, Greeter, MOST_NAMES, Service},
};
use kit_breaker::{Circuit, Limits, State};
use kit_endpoint::{Details, Endpoint, Expired, Fault, Kind, Request};
use kit_metrics::{Prometheus, prometheus::Format};
use kit_trace::{Flags, SpanId, TraceContext, TraceId};
use std::{
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, advance, timeout},
};
use tokio_stream::{StreamExt, wrappers::UnboundedReceiverStream};
use tower::ServiceExt;

/// A service that panics while it is told to, and counts.
#[derive(Debug, Clone, Default)]
struct Shaky {
    panics: Arc<AtomicU32>,
    calls: Arc<AtomicU32>,
}

impl Service for Shaky {
    fn health(&self) -> bool {
        self.panics.load(Ordering::Relaxed) == 0
    }

    fn greeting(&self, name: &str) -> Result<String, service::Error> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        assert!(self.health(), "the secret of {name}");
        Greeter.greeting(name)
    }
}

/// More than anything here takes, by a clock that moves when nothing else does.
const LIMIT: Duration = Duration::from_hours(1);

/// How many failures in a row open the circuit.
const FAILURES: u32 = 5;

/// The hellos of a chat.
type Hellos = UnboundedReceiverStream<Result<Hello, Expired>>;

struct Fixture<H, G, M, C> {
    endpoints: Endpoints<H, G, M, C>,
    ready: watch::Sender<bool>,
    circuit: Circuit,
    metrics: Prometheus,
}

fn fixture<S: Service + Clone + Send + Sync + 'static>(
    service: S,
) -> Fixture<
    impl Endpoint<(), Response = Health, Error = Error>,
    impl Endpoint<Hello, Response = Greeting, Error = Error>,
    impl Endpoint<Vec<String>, Response: Greetings, Error = Error>,
    impl Endpoint<Hellos, Response: Greetings, Error = Error>,
> {
    let (ready, readiness) = watch::channel(true);
    let metrics = Prometheus::new();
    let circuit = Circuit::new("greeting", Limits::default().failures(FAILURES));
    let endpoints =
        endpoints(service, readiness, circuit.clone(), metrics.clone(), Entry::default());
    Fixture { endpoints, ready, circuit, metrics }
}

fn hello(name: &str) -> Request<Hello> {
    Request::new(Hello { name: name.to_owned() })
}

async fn ask<G>(greeting: &G, name: &str) -> Result<String, Error>
where
    G: Endpoint<Hello, Response = Greeting, Error = Error>,
{
    greeting.clone().oneshot(hello(name)).await.map(|reply| reply.greeting)
}

#[tokio::test(start_paused = true)]
async fn a_name_is_greeted() {
    let greeting = fixture(Greeter).endpoints.greeting;
    assert_eq!(ask(&greeting, "Ada").await.unwrap(), "Hello, Ada!");
}

#[tokio::test(start_paused = true)]
async fn a_call_of_a_sampled_trace_is_an_exemplar_of_its_endpoint() {
    let Fixture { endpoints, metrics, .. } = fixture(Greeter);
    for (trace, sampled) in [(0xabc, true), (0xdef, false)] {
        let (trace, span) = (TraceId::new(trace).unwrap(), SpanId::new(9).unwrap());
        let mut hello = hello("Ada");
        let flags = Flags::RANDOM.with_sampled(sampled);
        hello.extensions_mut().insert(TraceContext::new(trace, span, flags));
        endpoints.greeting.clone().oneshot(hello).await.unwrap();
    }
    let page = metrics.render_as(Format::OpenMetrics);
    let line = page.lines().find(|line| {
        line.starts_with(r#"endpoint_duration_seconds_bucket{endpoint="greeting""#)
            && line.contains(" # ")
    });
    let line = line.unwrap_or_else(|| panic!("no exemplar: {page}"));
    assert!(line.contains(&format!(r#"trace_id="{:032x}""#, 0xabc)), "{line}");
    assert!(!page.contains("def\","), "{page}");
}

#[tokio::test(start_paused = true)]
async fn a_bad_name_is_the_callers_fault_and_names_the_field() {
    let greeting = fixture(Greeter).endpoints.greeting;
    for name in ["", &"a".repeat(257)] {
        let error = ask(&greeting, name).await.unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidArgument);
        let mut details = Details::default();
        error.describe(&mut details);
        assert_eq!(details.violations().len(), 1);
        assert_eq!(details.violations()[0].field, "name");
        assert_eq!(details.violations()[0].description, error.to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn callers_cannot_open_the_circuit() {
    let Fixture { endpoints, circuit, .. } = fixture(Greeter);
    for _ in 0..100 {
        ask(&endpoints.greeting, "").await.unwrap_err();
        let late = hello("Ada").within(Instant::now());
        endpoints.greeting.clone().oneshot(late).await.unwrap_err();
    }
    assert_eq!(circuit.state(), State::Closed);
    ask(&endpoints.greeting, "Ada").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_internal_and_shows_no_secret() {
    let shaky = Shaky::default();
    shaky.panics.store(1, Ordering::Relaxed);
    let error = ask(&fixture(shaky).endpoints.greeting, "Ada").await.unwrap_err();
    assert!(matches!(error, Error::Panicked(_)), "{error:?}");
    assert_eq!(error.kind(), Kind::Internal);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_keeps_failing_is_left_alone_until_it_is_well() {
    let shaky = Shaky::default();
    let Fixture { endpoints, circuit, .. } = fixture(shaky.clone());
    shaky.panics.store(1, Ordering::Relaxed);
    for _ in 0..FAILURES {
        assert_eq!(ask(&endpoints.greeting, "Ada").await.unwrap_err().kind(), Kind::Internal);
    }
    assert_eq!(circuit.state(), State::Open);

    let error = ask(&endpoints.greeting, "Ada").await.unwrap_err();
    assert!(matches!(error, Error::Open(_)), "{error:?}");
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(error.refused());
    assert!(error.retry_after().is_some());
    assert_eq!(shaky.calls.load(Ordering::Relaxed), FAILURES);

    shaky.panics.store(0, Ordering::Relaxed);
    advance(error.retry_after().unwrap()).await;
    ask(&endpoints.greeting, "Ada").await.unwrap();
    assert_eq!(circuit.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn expired_work_is_not_begun() {
    let shaky = Shaky::default();
    let greeting = fixture(shaky.clone()).endpoints.greeting;
    let late = hello("Ada").within(Instant::now());
    let error = greeting.oneshot(late).await.unwrap_err();
    assert!(matches!(error, Error::Expired(_)), "{error:?}");
    assert_eq!(error.kind(), Kind::DeadlineExceeded);
    assert_eq!(shaky.calls.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn time_that_is_left_is_used() {
    let greeting = fixture(Greeter).endpoints.greeting;
    let soon = hello("Ada").within(Instant::now() + Duration::from_millis(1));
    assert_eq!(greeting.oneshot(soon).await.unwrap().greeting, "Hello, Ada!");
}

// ===== streams =====

fn names<const N: usize>(names: [&str; N]) -> Request<Vec<String>> {
    Request::new(names.map(str::to_owned).into())
}

/// All of a stream: what it says, and the fault that ends it.
async fn all(greetings: impl Greetings) -> (Vec<String>, Option<Error>) {
    let (mut said, mut greetings) = (Vec::new(), pin!(greetings));
    while let Some(greeting) = timeout(LIMIT, greetings.next()).await.unwrap() {
        match greeting {
            Ok(Greeting { greeting }) => said.push(greeting),
            Err(error) => return (said, Some(error)),
        }
    }
    (said, None)
}

/// A chat that is begun: where to say names, and what it replies with.
async fn begun<C>(
    chat: &C,
) -> (mpsc::UnboundedSender<Result<Hello, Expired>>, Pin<Box<impl Greetings + use<C>>>)
where
    C: Endpoint<Hellos, Response: Greetings, Error = Error>,
{
    let (say, hellos) = mpsc::unbounded_channel();
    let replies = chat.clone().oneshot(Request::new(hellos.into())).await.unwrap();
    (say, Box::pin(replies))
}

fn named(name: &str) -> Result<Hello, Expired> {
    Ok(Hello { name: name.to_owned() })
}

#[tokio::test(start_paused = true)]
async fn each_name_is_greeted_when_its_turn_comes() {
    let shaky = Shaky::default();
    let greetings = fixture(shaky.clone()).endpoints.greetings;
    let stream = greetings.oneshot(names(["Ada", "Grace", "Zoë"])).await.unwrap();
    assert_eq!(shaky.calls.load(Ordering::Relaxed), 1, "the first only");
    let (said, fault) = all(stream).await;
    assert_eq!(said, ["Hello, Ada!", "Hello, Grace!", "Hello, Zoë!"]);
    assert!(fault.is_none(), "{fault:?}");
    assert_eq!(shaky.calls.load(Ordering::Relaxed), 3);
}

#[tokio::test(start_paused = true)]
async fn no_name_or_a_bad_one_first_is_told_before_there_is_a_stream_in_the_same_words() {
    let Endpoints { greeting, greetings, .. } = fixture(Greeter).endpoints;
    let long = "a".repeat(257);
    for (asked, name) in [
        (names([]), ""),
        (names([""]), ""),
        (names(["", "Ada"]), ""),
        (names([&long, "Ada"]), long.as_str()),
    ] {
        let error = greetings.clone().oneshot(asked).await.err().unwrap();
        assert_eq!(error.kind(), Kind::InvalidArgument);
        assert_eq!(error.to_string(), ask(&greeting, name).await.unwrap_err().to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn names_have_a_limit_and_past_it_none_is_greeted() {
    let shaky = Shaky::default();
    let greetings = fixture(shaky.clone()).endpoints.greetings;
    let most = vec!["Ada".to_owned(); MOST_NAMES];
    let (said, fault) = all(greetings.clone().oneshot(Request::new(most)).await.unwrap()).await;
    assert_eq!(said.len(), 50);
    assert!(fault.is_none(), "{fault:?}");

    let more = vec!["Ada".to_owned(); MOST_NAMES + 1];
    let error = greetings.oneshot(Request::new(more)).await.err().unwrap();
    assert_eq!(error.kind(), Kind::InvalidArgument);
    assert!(error.to_string().contains("give at most 50"), "{error}");
    assert_eq!(shaky.calls.load(Ordering::Relaxed), 50);
}

#[tokio::test(start_paused = true)]
async fn a_bad_name_amid_a_stream_ends_it_after_the_greetings_before_it() {
    let Endpoints { greeting, greetings, chat, .. } = fixture(Greeter).endpoints;
    let words = ask(&greeting, "").await.unwrap_err().to_string();

    let stream = greetings.oneshot(names(["Ada", "", "Eve"])).await.unwrap();
    let (said, fault) = all(stream).await;
    assert_eq!(said, ["Hello, Ada!"]);
    let fault = fault.unwrap();
    assert_eq!((fault.kind(), fault.to_string()), (Kind::InvalidArgument, words.clone()));

    let (say, replies) = begun(&chat).await;
    for name in ["Ada", "", "Eve"] {
        say.send(named(name)).unwrap();
    }
    let (said, fault) = all(replies).await;
    assert_eq!(said, ["Hello, Ada!"]);
    let fault = fault.unwrap();
    assert_eq!((fault.kind(), fault.to_string()), (Kind::InvalidArgument, words));
}

#[tokio::test(start_paused = true)]
async fn a_chat_greets_each_name_as_it_comes() {
    let (say, mut replies) = begun(&fixture(Greeter).endpoints.chat).await;
    for name in ["Ada", "Grace"] {
        timeout(Duration::from_secs(1), replies.next()).await.unwrap_err();
        say.send(named(name)).unwrap();
        let reply = timeout(LIMIT, replies.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(reply.greeting, format!("Hello, {name}!"));
    }
    drop(say);
    assert!(timeout(LIMIT, replies.next()).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_ends_a_chat_with_its_own_kind() {
    let (say, replies) = begun(&fixture(Greeter).endpoints.chat).await;
    say.send(named("Ada")).unwrap();
    say.send(Err(Expired::new(true))).unwrap();
    let (said, fault) = all(replies).await;
    assert_eq!(said, ["Hello, Ada!"]);
    let fault = fault.unwrap();
    assert!(matches!(fault, Error::Unreadable(_)), "{fault:?}");
    assert_eq!(fault.kind(), Kind::DeadlineExceeded);
    assert_eq!(fault.to_string(), Expired::new(true).to_string());
}

#[tokio::test(start_paused = true)]
async fn a_panic_amid_a_stream_is_its_end_and_shows_no_secret() {
    let shaky = Shaky::default();
    let Endpoints { greetings, chat, .. } = fixture(shaky.clone()).endpoints;
    let stream = greetings.oneshot(names(["Ada", "Grace"])).await.unwrap();
    let (say, replies) = begun(&chat).await;
    say.send(named("Grace")).unwrap();

    shaky.panics.store(1, Ordering::Relaxed);
    let (said, fault) = all(stream).await;
    assert_eq!(said, ["Hello, Ada!"]);
    let (none, other) = all(replies).await;
    assert_eq!(none, [""; 0]);
    for fault in [fault.unwrap(), other.unwrap()] {
        assert!(matches!(fault, Error::Panicked(_)), "{fault:?}");
        assert_eq!(fault.kind(), Kind::Internal);
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_what_brings_the_hellos_is_the_end_of_the_chat() {
    let circuit = Circuit::new("greeting", Limits::default());
    let (ready, metrics) = (watch::channel(true).1, Prometheus::new());
    let Endpoints { chat, .. } = endpoints(Greeter, ready, circuit, metrics, Entry::default());
    let hellos = tokio_stream::iter(["Ada", "Grace"]).map(|name| {
        assert_ne!(name, "Grace", "the password is 1234");
        named(name)
    });
    let (said, fault) = all(chat.oneshot(Request::new(hellos)).await.unwrap()).await;
    assert_eq!(said, ["Hello, Ada!"]);
    assert!(matches!(fault, Some(Error::Panicked(_))), "{fault:?}");
}

#[tokio::test(start_paused = true)]
async fn streams_share_the_circuit_with_the_greeting() {
    let shaky = Shaky::default();
    let Fixture { endpoints, circuit, .. } = fixture(shaky.clone());
    let stream = endpoints.greetings.clone().oneshot(names(["Ada", "Grace"])).await.unwrap();
    shaky.panics.store(1, Ordering::Relaxed);
    for _ in 0..FAILURES {
        endpoints.greetings.clone().oneshot(names(["Ada"])).await.err().unwrap();
    }
    assert_eq!(circuit.state(), State::Open);
    assert!(matches!(ask(&endpoints.greeting, "Ada").await, Err(Error::Open(_))));
    let (said, fault) = all(stream).await;
    assert_eq!(said, ["Hello, Ada!"]);
    assert!(matches!(fault, Some(Error::Open(_))), "{fault:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_its_deadline() {
    let Endpoints { greetings, chat, .. } = fixture(Greeter).endpoints;
    let soon = Instant::now() + Duration::from_secs(1);

    let (say, hellos) = mpsc::unbounded_channel();
    let asked = Request::new(Hellos::new(hellos)).within(soon);
    let replies = chat.oneshot(asked).await.unwrap();
    say.send(named("Ada")).unwrap();
    let (said, fault) = all(replies).await;
    assert_eq!(said, ["Hello, Ada!"]);
    assert!(matches!(fault, Some(Error::Expired(_))), "{fault:?}");
    assert_eq!(Instant::now(), soon);

    // What is ready goes first, but it does not go on.
    let late = Instant::now() + Duration::from_secs(1);
    let asked = names(["Ada", "Grace", "Eve"]).within(late);
    let stream = greetings.oneshot(asked).await.unwrap();
    advance(Duration::from_secs(2)).await;
    let (said, fault) = all(stream).await;
    assert_eq!(said, ["Hello, Ada!"]);
    assert!(matches!(fault, Some(Error::Expired(_))), "{fault:?}");
}

#[tokio::test(start_paused = true)]
async fn a_chat_lasts_for_ten_minutes_where_the_caller_does_not_say() {
    let begin = Instant::now();
    let (say, replies) = begun(&fixture(Greeter).endpoints.chat).await;
    advance(Duration::from_secs(599)).await;
    say.send(named("Ada")).unwrap();
    let (said, fault) = all(replies).await;
    assert_eq!(said, ["Hello, Ada!"]);
    assert!(matches!(fault, Some(Error::Expired(_))), "{fault:?}");
    assert_eq!(begin.elapsed().as_secs(), 600);
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_counted_once_by_how_it_ended() {
    let Fixture { endpoints, metrics, .. } = fixture(Greeter);
    let Endpoints { greetings, chat, .. } = endpoints;
    let ask = async |asked| greetings.clone().oneshot(asked).await;
    all(ask(names(["Ada", "Grace"])).await.unwrap()).await;
    all(ask(names(["Ada", ""])).await.unwrap()).await;
    ask(names([])).await.err().unwrap();
    drop(ask(names(["Ada"])).await.unwrap());
    let (say, replies) = begun(&chat).await;
    let (_say, given_up) = begun(&chat).await;
    drop((say, given_up));
    all(replies).await;
    let page = metrics.render();
    for line in [
        r#"endpoint_duration_seconds_count{endpoint="greetings",kind="OK"} 1"#,
        r#"endpoint_duration_seconds_count{endpoint="greetings",kind="INVALID_ARGUMENT"} 2"#,
        r#"endpoint_duration_seconds_count{endpoint="greetings",kind="CANCELLED"} 1"#,
        r#"endpoint_duration_seconds_count{endpoint="chat",kind="OK"} 1"#,
        r#"endpoint_duration_seconds_count{endpoint="chat",kind="CANCELLED"} 1"#,
    ] {
        assert!(page.contains(line), "{line} is not in\n{page}");
    }
}

// ===== health and metrics =====

#[tokio::test(start_paused = true)]
async fn health_follows_readiness_and_the_service() {
    let shaky = Shaky::default();
    let Fixture { endpoints, ready, .. } = fixture(shaky.clone());
    let healthy =
        async || endpoints.health.clone().oneshot(Request::new(())).await.unwrap().healthy;
    assert!(healthy().await);
    ready.send_replace(false);
    assert!(!healthy().await);
    ready.send_replace(true);
    assert!(healthy().await);
    shaky.panics.store(1, Ordering::Relaxed);
    assert!(!healthy().await);
}

#[tokio::test(start_paused = true)]
async fn each_greeting_is_counted_by_how_it_ended() {
    let Fixture { endpoints, metrics, .. } = fixture(Greeter);
    for name in ["Ada", "Grace", ""] {
        let _ = ask(&endpoints.greeting, name).await;
    }
    let page = metrics.render();
    for line in [
        r#"endpoint_duration_seconds_count{endpoint="greeting",kind="OK"} 2"#,
        r#"endpoint_duration_seconds_count{endpoint="greeting",kind="INVALID_ARGUMENT"} 1"#,
    ] {
        assert!(page.contains(line), "{line} is not in\n{page}");
    }
}
