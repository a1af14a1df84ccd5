//! `greeter call`.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

#[path = "memory/catalog.rs"]
mod catalog;

use axum::Router;
use bytes::Bytes;
use catalog::{Fake, entry, greeters};
use greeter::{
    call::{OtherPort, each, greet, over_grpc, over_http},
    client::{self, Web},
    endpoints::{Greeting, Hello},
    flags::{Call, Command, parse},
};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use kit_breaker::Open;
use kit_endpoint::{Expired, Fault, Kind, Request};
use kit_serve::{Listener, Peer};
use kit_transport::Report;
use std::{
    future::{IntoFuture, pending},
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::DuplexStream,
    sync::mpsc,
    time::{Instant, sleep},
};
use tonic::transport::Channel;
use tower::{BoxError, Service, service_fn};

#[derive(Debug, thiserror::Error)]
#[error("there is no greeting")]
struct Wrong;

impl Fault for Wrong {
    fn kind(&self) -> Kind {
        Kind::Unavailable
    }
}

fn hello(name: &str) -> Request<Hello> {
    Request::new(Hello { name: name.to_owned() })
}

#[tokio::test(start_paused = true)]
async fn the_greeting_is_what_the_endpoint_says() {
    let endpoint = service_fn(|hello: Request<Hello>| async move {
        Ok::<_, Wrong>(Greeting { greeting: format!("Hi, {}", hello.message().name) })
    });
    assert_eq!(greet(endpoint, hello("Ada")).await.unwrap(), "Hi, Ada");
}

#[tokio::test(start_paused = true)]
async fn what_the_endpoint_lacks_is_told() {
    let endpoint = service_fn(|_: Request<Hello>| async { Err::<Greeting, _>(Wrong) });
    let error = greet(endpoint, hello("Ada")).await.unwrap_err();
    assert!(error.is::<Wrong>(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_greeter_that_is_silent_is_given_up_at_the_deadline() {
    let begun = Instant::now();
    let endpoint = service_fn(|_: Request<Hello>| pending::<Result<Greeting, Wrong>>());
    let late = hello("Ada").within(begun + Duration::from_secs(2));
    let error = greet(endpoint, late).await.unwrap_err();
    assert!(error.is::<Expired>(), "{error}");
    assert_eq!(begun.elapsed().as_secs(), 2);
}

// ===== over a transport =====

/// What sends requests over HTTP, and is answered so.
fn web(reply: Result<http::Response<&'static str>, io::ErrorKind>) -> impl Web {
    service_fn(move |_: http::Request<Full<Bytes>>| {
        let reply =
            reply.clone().map(|reply| reply.map(Full::<Bytes>::from)).map_err(io::Error::from);
        async { reply }
    })
}

/// A channel to `router`, or to nobody.
fn channel(router: Option<Router>) -> Channel {
    let connect = service_fn(move |_: http::Uri| {
        let stream = router.clone().map(|router| {
            let (near, far) = tokio::io::duplex(4096);
            tokio::spawn(kit_serve::serve(One(Some(far)), router).into_future());
            TokioIo::new(near)
        });
        async { stream.ok_or(io::Error::from(io::ErrorKind::ConnectionRefused)) }
    });
    tonic::transport::Endpoint::from_static("http://memory").connect_with_connector_lazy(connect)
}

/// A listener with one connection.
struct One(Option<DuplexStream>);

impl Listener for One {
    type Io = DuplexStream;

    async fn accept(&mut self) -> io::Result<(DuplexStream, Peer)> {
        match self.0.take() {
            Some(pipe) => Ok((pipe, Peer::Unix)),
            None => pending().await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_greeter_that_is_not_there_is_told() {
    let gone = web(Err(io::ErrorKind::ConnectionRefused));
    let over_http = over_http(gone, "memory:1", hello("Ada")).await.unwrap_err();
    let over_grpc = over_grpc(channel(None), "memory:1", hello("Ada")).await.unwrap_err();
    for error in [over_http, over_grpc] {
        let said = Report(&*error).to_string();
        assert!(said.starts_with("cannot reach the serv"), "{said}");
        assert!(said.ends_with("connection refused"), "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_over_http_that_is_no_greeting_is_likely_the_grpc_port() {
    let reply = |status: u16, content_type| {
        http::Response::builder().status(status).header("content-type", content_type).body("")
    };
    for reply in [
        // What bare tonic answers to a GET, and what our gRPC port does.
        reply(200, "application/grpc"),
        reply(405, "text/plain"),
        reply(415, "text/plain"),
        reply(404, "application/problem+json"),
    ] {
        let reply = Ok(reply.unwrap());
        let error = over_http(web(reply), "memory:1", hello("Ada")).await.unwrap_err();
        let said = Report(&*error).to_string();
        let advice = "memory:1 does not greet over HTTP: \
                      if it is the gRPC port, write grpc://memory:1: ";
        assert!(said.starts_with(advice), "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_over_grpc_that_is_no_grpc_is_likely_the_http_port() {
    let router = channel(Some(Router::new()));
    let error = over_grpc(router, "memory:1", hello("Ada")).await.unwrap_err();
    let said = Report(&*error).to_string();
    let advice = "memory:1 does not greet over gRPC: \
                  if it is the HTTP port, write http://memory:1: ";
    assert!(said.starts_with(advice), "{said}");
}

#[tokio::test(start_paused = true)]
async fn what_the_greeter_refuses_is_told_without_advice_on_ports() {
    for status in [400, 503] {
        let problem = http::Response::builder()
            .status(status)
            .header("content-type", "application/problem+json")
            .body(r#"{"detail":"say whom to greet"}"#)
            .unwrap();
        let error = over_http(web(Ok(problem)), "memory:1", hello("")).await.unwrap_err();
        let said = Report(&*error).to_string();
        assert!(said.ends_with(": say whom to greet"), "{said}");
        assert!(!error.is::<OtherPort>(), "{error}");
    }
}

// ===== many calls =====

fn flags(args: &str) -> Call {
    let args = ["call", "http://memory:1", "Ada"].into_iter().chain(args.split_whitespace());
    match parse(args, |_| None) {
        Ok(Command::Call(flags)) => flags,
        other => panic!("{other:?}"),
    }
}

/// What came, and when, in milliseconds.
type Told = Vec<(u128, Result<String, BoxError>)>;

/// Has calls as the flags say, the first of which has a second.
async fn told<S>(args: &str, calls: S) -> Told
where
    S: Service<Duration, Response = String, Error = BoxError> + Clone,
{
    let (begun, mut told) = (Instant::now(), Vec::new());
    let tell = |greeting| {
        told.push((begun.elapsed().as_millis(), greeting));
        Ok(())
    };
    each(&flags(args), calls, Duration::from_secs(1), tell).await.unwrap();
    told
}

fn times(told: &Told) -> Vec<u128> {
    told.iter().map(|(time, _)| *time).collect()
}

/// Which calls were refused by the breaker.
fn open(told: &Told) -> Vec<bool> {
    let is_open = |greeting: &Result<_, BoxError>| greeting.as_ref().is_err_and(|e| e.is::<Open>());
    told.iter().map(|(_, greeting)| is_open(greeting)).collect()
}

/// Greets, and counts.
fn greets() -> (impl Service<Duration, Response = String, Error = BoxError> + Clone, Arc<AtomicU32>)
{
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let greet = service_fn(move |_: Duration| {
        let number = counted.fetch_add(1, Ordering::Relaxed);
        async move { Ok(format!("Hello, {number}!")) }
    });
    (greet, calls)
}

/// Fails over HTTP with a status, or because nobody is there.
fn fails(
    reply: Result<u16, io::ErrorKind>,
) -> (impl Service<Duration, Response = String, Error = BoxError> + Clone, Arc<AtomicU32>) {
    let reply = reply.map(|status| http::Response::builder().status(status).body("").unwrap());
    let web = web(reply);
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let fail = service_fn(move |_: Duration| {
        counted.fetch_add(1, Ordering::Relaxed);
        let web = web.clone();
        async move { over_http(web, "memory:1", hello("Ada")).await }
    });
    (fail, calls)
}

#[tokio::test(start_paused = true)]
async fn there_are_as_many_calls_as_are_asked_for_and_each_is_told() {
    for (args, count) in [("", 1), ("--count 1", 1), ("--count 7", 7)] {
        let (greets, calls) = greets();
        let told = told(args, greets).await;
        let expected: Vec<_> = (0..count).map(|number| format!("Hello, {number}!")).collect();
        let greetings: Vec<_> = told.into_iter().map(|(_, greeting)| greeting.unwrap()).collect();
        assert_eq!(greetings, expected);
        assert_eq!(calls.load(Ordering::Relaxed), count);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_rate_they_go_as_fast_as_they_are_answered() {
    let slow = service_fn(|_: Duration| async {
        sleep(Duration::from_millis(70)).await;
        Ok::<_, BoxError>(String::new())
    });
    assert_eq!(times(&told("--count 3", slow).await), [70, 140, 210]);
    assert_eq!(times(&told("--count 3", greets().0).await), [0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_rate_paces_them_evenly_from_the_first_on() {
    let within = |time: u128, at: u128| (at..=at + 2).contains(&time);
    for (rate, apart) in [("10/s", 100), ("60/m", 1000), ("2/h", 1_800_000)] {
        let told = told(&format!("--count 4 --rate-limit {rate}"), greets().0).await;
        let times = times(&told);
        let evenly = (0..).zip(&times).all(|(number, time)| within(*time, number * apart));
        assert!(evenly, "{rate}: {times:?}");
    }
    // One that takes longer is not waited for twice.
    let slow = service_fn(|_: Duration| async {
        sleep(Duration::from_millis(300)).await;
        Ok::<_, BoxError>(String::new())
    });
    assert_eq!(times(&told("--count 3 --rate-limit 10/s", slow).await), [300, 600, 900]);
}

#[tokio::test(start_paused = true)]
async fn each_call_has_a_time_of_its_own_and_the_first_what_discovery_left() {
    let (seen, mut times) = mpsc::unbounded_channel();
    let calls = service_fn(move |time: Duration| {
        seen.send(time).unwrap();
        async { Ok::<_, BoxError>(String::new()) }
    });
    told("--count 3 --rate-limit 1/m --timeout 4s", calls).await;
    for expected in [1, 4, 4] {
        assert_eq!(times.recv().await, Some(Duration::from_secs(expected)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_greeter_that_keeps_failing_is_left_alone_and_probed_later() {
    for reply in [Ok(500), Ok(503), Err(io::ErrorKind::ConnectionRefused)] {
        // At once: it has no time to be probed.
        let (fails, calls) = fails(reply);
        let told = told("--count 9 --breaker-failures 3", fails).await;
        assert_eq!(open(&told), [[false; 3], [true; 3], [true; 3]].concat(), "{reply:?}");
        assert_eq!(calls.load(Ordering::Relaxed), 3);
        let said = Report(&**told[3].1.as_ref().unwrap_err()).to_string();
        let again = said.strip_prefix("the circuit is open: try again in ").unwrap();
        assert!(again.starts_with("1.") && again.ends_with('s'), "{said}");
    }
    // Ten a second: it opens for a second or one and a half, and then there is a
    // probe, which fails, and it opens for twice as long.
    let (fails, calls) = fails(Ok(500));
    let told = told("--count 30 --rate-limit 10/s --breaker-failures 3", fails).await;
    let open = open(&told);
    let probes: Vec<_> = (3..30).filter(|at| !open[*at]).collect();
    let [probe] = probes[..] else { panic!("probes: {probes:?}") };
    assert!((12..=18).contains(&probe), "{probe}");
    assert_eq!(calls.load(Ordering::Relaxed), 4);
    let evenly = (0..).zip(times(&told)).all(|(number, time)| time / 10 == number * 10);
    assert!(evenly, "refusals keep to the rate: {:?}", times(&told));
}

#[tokio::test(start_paused = true)]
async fn whether_it_is_left_alone_is_asked_when_a_calls_turn_has_come() {
    // The circuit opens for 12 s at the most, and each call waits for a minute.
    let (fails, calls) = fails(Ok(500));
    let told = told("--count 4 --rate-limit 1/m --breaker-failures 1", fails).await;
    assert_eq!(open(&told), [false; 4]);
    assert_eq!(calls.load(Ordering::Relaxed), 4);
}

#[tokio::test(start_paused = true)]
async fn a_greeter_that_is_not_there_is_left_alone_though_no_call_was_sent() {
    let gone = channel(None);
    let calls = service_fn(move |_: Duration| {
        let gone = gone.clone();
        async move { over_grpc(gone, "memory:1", hello("Ada")).await }
    });
    let told = told("--count 4 --breaker-failures 2", calls).await;
    let first = told[0].1.as_ref().unwrap_err();
    let fault = first.downcast_ref::<kit_transport_grpc::CallError>().unwrap();
    assert!(fault.refused(), "{fault:?}");
    assert_eq!(open(&told), [false, false, true, true]);
}

#[tokio::test(start_paused = true)]
async fn a_greeter_that_is_well_again_is_asked_again() {
    let begun = Instant::now();
    let calls = service_fn(move |_: Duration| async move {
        let well = begun.elapsed() > Duration::from_millis(900);
        if well { Ok(String::new()) } else { Err(BoxError::from(Wrong)) }
    });
    let told = told("--count 40 --rate-limit 10/s --breaker-failures 5", calls).await;
    let failed = |at: usize| told[at].1.is_err();
    assert!((0..14).all(failed), "{:?}", open(&told));
    assert!(!(20..40).any(failed), "{:?}", open(&told));
}

#[tokio::test(start_paused = true)]
async fn what_is_the_callers_fault_opens_no_circuit() {
    // Of either transport, and where it is likely the other port.
    for status in [400, 401, 404, 429] {
        let (fails, calls) = fails(Ok(status));
        let told = told("--count 100 --breaker-failures 1", fails).await;
        assert!(!open(&told).contains(&true), "{status}");
        assert_eq!(calls.load(Ordering::Relaxed), 100);
    }
    let other = channel(Some(Router::new()));
    let calls = service_fn(move |_: Duration| {
        let other = other.clone();
        async move { over_grpc(other, "memory:1", hello("Ada")).await }
    });
    // The pipe is one connection, which all of them go over.
    let told = told("--count 20 --breaker-failures 1", calls).await;
    assert!(told.iter().all(|(_, greeting)| greeting.as_ref().unwrap_err().is::<OtherPort>()));
}

#[tokio::test(start_paused = true)]
async fn what_instances_that_were_found_say_counts_as_if_there_were_one() {
    for (status, refused) in [(400, 0), (503, 7)] {
        let reply = http::Response::builder().status(status).body("").unwrap();
        let entries = ["a", "b"].map(|id| entry(id, "10.0.0.1", 9110)).into();
        let found = client::found(greeters(Fake(Ok(entries))), web(Ok(reply)), Duration::MAX);
        let found = found.await.unwrap();
        let calls = service_fn(move |_: Duration| greet(found.clone(), hello("Ada")));
        let told = told("--count 10 --breaker-failures 3", calls).await;
        let open = open(&told).into_iter().filter(|open| *open).count();
        assert_eq!(open, refused, "{status}: {told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_without_a_reader_is_the_end() {
    let (greets, calls) = greets();
    let tell = |_| Err("nobody reads".into());
    let ended = each(&flags("--count 100"), greets, Duration::from_secs(1), tell).await;
    assert_eq!(ended.unwrap_err().to_string(), "nobody reads");
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_breaker_of_none_never_opens() {
    let (fails, calls) = fails(Ok(500));
    let told = told("--count 100 --breaker-failures 0", fails).await;
    assert!(!open(&told).contains(&true));
    assert_eq!(calls.load(Ordering::Relaxed), 100);
}
