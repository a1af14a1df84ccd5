//! What a greeting passes first, over HTTP and gRPC, as services of requests.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

#[path = "memory/forger.rs"]
#[allow(dead_code, reason = "it forges more than is needed here")]
mod forger;
#[path = "memory/quiet.rs"]
mod quiet;

use axum::{Router, body::Body};
use forger::{AUDIENCE, Forger, ISSUER, PASSWORD, basic};
use greeter::{
    auth::{self, Gate},
    endpoints::{Error, endpoints},
    entry::{self, Entry},
    flags::{Command, Serve, parse},
    hooks,
    log::{Format, subscriber},
    pb::{GreetingRequest, GreetingsRequest, greeter_client::GreeterClient},
    service::{self, Greeter, Service},
    transport::{grpc, http::router},
};
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use kit_breaker::{Circuit, Limits, State};
use kit_endpoint::Fault;
use kit_limit::{
    concurrency::{Fixed, Limiter, Permit},
    rate::{KeyedRateLimit, Rate},
};
use kit_metrics::Prometheus;
use kit_serve::Peer;
use kit_transport::{Call, Hook, Protocol, propagation::Criticality};
use kit_transport_grpc::GrpcLayer;
use serde_json::Value;
use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    time::advance,
};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Code, Status};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::StatusExt;
use tower::ServiceExt;
use tracing::subscriber::set_default;

/// A service that panics while it is told to.
#[derive(Debug, Clone, Default)]
struct Shaky {
    panics: Arc<AtomicBool>,
    calls: Arc<AtomicU32>,
}

impl Service for Shaky {
    fn health(&self) -> bool {
        true
    }

    fn greeting(&self, name: &str) -> Result<String, service::Error> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        assert!(!self.panics.load(Ordering::Relaxed), "it is told to");
        Greeter.greeting(name)
    }
}

/// A greeter without ports.
struct Fixture {
    http: Router,
    grpc: Router,
    metrics: Prometheus,
    circuit: Circuit,
    service: Shaky,
}

fn serving(gate: Gate, metrics: Prometheus, entry: &Entry, circuit: Circuit) -> Fixture {
    let (_, readiness) = watch::channel(true);
    let service = Shaky::default();
    let endpoints = endpoints(
        service.clone(),
        readiness.clone(),
        circuit.clone(),
        metrics.clone(),
        entry.clone(),
    );
    let http = router(endpoints.clone(), &hooks::http(&metrics, &gate, entry));
    let layer = GrpcLayer::new().hook(hooks::grpc(&metrics, &gate, entry));
    let grpc = grpc::routes(endpoints, readiness).unwrap().into_axum_router().layer(layer);
    gate.check(&metrics).unwrap();
    tokio::spawn(gate.renewed());
    Fixture { http, grpc, metrics, circuit, service }
}

fn flags<A: AsRef<str>>(args: &[A]) -> Serve {
    match parse(args.iter().map(|arg| arg.as_ref().to_owned()), |_| None) {
        Ok(Command::Serve(flags)) => flags,
        other => panic!("{other:?}"),
    }
}

/// Serves as the flags say.
async fn flagged<A: AsRef<str>>(args: &[A]) -> Fixture {
    let flags = flags(args);
    let gate = auth::open(&flags).await.unwrap();
    let metrics = Prometheus::new();
    let (entry, circuit) = entry::open(&flags, &gate, &metrics).unwrap();
    serving(gate, metrics, &entry, circuit)
}

/// Serves with a limit that the test holds too.
fn limited(limiter: &Limiter) -> Fixture {
    let entry = Entry::new(None, None, Some(limiter.clone()));
    let circuit = Circuit::new("greeting", Limits::default());
    serving(Gate::default(), Prometheus::new(), &entry, circuit)
}

/// Takes so many places of a limit.
fn taken(limiter: &Limiter, places: usize) -> Vec<Permit> {
    (0..places).map(|_| limiter.admit().unwrap()).collect()
}

/// Who asks, and what they show.
#[derive(Debug, Clone, Copy, Default)]
struct From<'a> {
    peer: Option<Peer>,
    authorization: Option<&'a str>,
    criticality: Option<&'a str>,
}

fn of(peer: &str) -> From<'static> {
    From { peer: Some(Peer::Ip(peer.parse().unwrap())), ..From::default() }
}

fn critical(criticality: &str) -> From<'_> {
    From { criticality: Some(criticality), ..From::default() }
}

impl Fixture {
    async fn get(&self, target: &str, from: From<'_>) -> Response<String> {
        let mut request = Request::get(target).body(Body::empty()).unwrap();
        if let Some(peer) = from.peer {
            request.extensions_mut().insert(peer);
        }
        for (name, value) in from.headers() {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let (parts, body) = self.http.clone().oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Response::from_parts(parts, String::from_utf8(body.into()).unwrap())
    }

    /// The status of a greeting over HTTP.
    async fn http(&self, from: From<'_>) -> u16 {
        self.get("/greeting?name=Ada", from).await.status().as_u16()
    }

    /// The code of a greeting over gRPC.
    async fn grpc(&self, from: From<'_>) -> Code {
        self.greeting(from).await.map_or_else(|status| status.code(), |()| Code::Ok)
    }

    async fn greeting(&self, from: From<'_>) -> Result<(), Status> {
        let asked = from.with(GreetingRequest { name: "Ada".to_owned() });
        let reply = self.client().greeting(asked).await?.into_inner();
        assert_eq!(reply.greeting, "Hello, Ada!");
        Ok(())
    }

    fn client(&self) -> GreeterClient<Router> {
        GreeterClient::new(self.grpc.clone())
    }

    async fn is_well_over_both(&self) {
        assert_eq!(self.get("/health", From::default()).await.status(), StatusCode::OK);
        let asked = HealthCheckRequest { service: "greeter.v1.Greeter".to_owned() };
        HealthClient::new(self.grpc.clone()).check(asked).await.unwrap();
        let nothing = self.get("/nothing", From::default()).await;
        assert_eq!(nothing.status(), StatusCode::NOT_FOUND);
    }
}

impl From<'_> {
    fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let known =
            [("authorization", self.authorization), ("x-request-criticality", self.criticality)];
        known.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }

    fn with<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(peer);
        }
        for (name, value) in self.headers() {
            request.metadata_mut().insert(name, value.parse().unwrap());
        }
        request
    }
}

// ===== rate =====

#[tokio::test(start_paused = true)]
async fn each_address_has_a_rate_of_its_own_which_all_its_ports_and_both_transports_share() {
    let greeter = flagged(&["--rate-limit", "2/m"]).await;
    let (one, other) = ("192.0.2.1", "192.0.2.2");
    let at = |host: &str, port: u16| of(&format!("{host}:{port}"));
    assert_eq!(greeter.http(at(one, 1)).await, 200);
    // As a socket for both versions shows it.
    assert_eq!(greeter.grpc(of("[::ffff:192.0.2.1]:2")).await, Code::Ok);
    for port in 3..10 {
        assert_eq!(greeter.http(at(one, port)).await, 429);
        assert_eq!(greeter.grpc(at(one, port)).await, Code::ResourceExhausted);
    }
    assert_eq!(greeter.http(at(other, 1)).await, 200);
    assert_eq!(greeter.grpc(of("[2001:db8::1]:1")).await, Code::Ok);
    // One each half a minute, for who asks too often too.
    advance(Duration::from_secs(30)).await;
    assert_eq!(greeter.http(at(one, 1)).await, 200);
    assert_eq!(greeter.http(at(one, 1)).await, 429);
    advance(Duration::from_hours(1)).await;
    for expected in [200, 200, 429] {
        assert_eq!(greeter.http(at(one, 1)).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_is_one_caller_whichever_address_of_its_network_it_takes() {
    let greeter = flagged(&["--rate-limit", "2/m"]).await;
    let mut passed = 0;
    for host in 0..20 {
        let from = of(&format!("[2001:db8:0:7:{host}::{host}]:1"));
        passed += u32::from(greeter.http(from).await == 200);
    }
    assert_eq!(passed, 2);
    assert_eq!(greeter.grpc(of("[2001:db8:0:8::1]:1")).await, Code::Ok, "another network");
}

#[tokio::test(start_paused = true)]
async fn those_of_whom_nothing_is_known_are_one() {
    let greeter = flagged(&["--rate-limit", "2/m"]).await;
    let unix = From { peer: Some(Peer::Unix), ..From::default() };
    assert_eq!(greeter.http(unix).await, 200);
    assert_eq!(greeter.grpc(From::default()).await, Code::Ok);
    assert_eq!(greeter.http(unix).await, 429);
    assert_eq!(greeter.http(From::default()).await, 429);
    assert_eq!(greeter.http(of("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:1")).await, 200);
}

#[tokio::test(start_paused = true)]
async fn who_is_known_by_name_has_one_rate_wherever_they_come_from() {
    let forger = Forger::new();
    let args = [forger.flags(), vec!["--rate-limit=2/m".to_owned()]].concat();
    let greeter = flagged(&args).await;
    let claims = |rest: &str| {
        let claims = format!(r#"{{"iss":"{ISSUER}","aud":"{AUDIENCE}","exp":99999999999{rest}}}"#);
        format!("Bearer {}", forger.claiming(&claims))
    };
    let (ada, aladdin) = (forger.bearer(), basic("Aladdin", PASSWORD));
    let [same, eve] = [r#","sub":"Aladdin""#, r#","sub":"Eve""#].map(claims);
    let at = |peer, authorization| From { authorization: Some(authorization), ..of(peer) };
    let (here, there) = ("192.0.2.1:1", "192.0.2.2:1");
    assert_eq!(greeter.http(at(here, &ada)).await, 200);
    assert_eq!(greeter.grpc(at(there, &ada)).await, Code::Ok);
    for peer in [here, there, "192.0.2.3:1"] {
        assert_eq!(greeter.http(at(peer, &ada)).await, 429);
        assert_eq!(greeter.grpc(at(peer, &ada)).await, Code::ResourceExhausted);
    }
    // The name counts, and not what showed it.
    for (expected, shown) in [(200, &aladdin), (200, &same), (429, &aladdin), (429, &same)] {
        assert_eq!(greeter.http(at(here, shown)).await, expected);
    }
    assert_eq!(greeter.http(at(here, &eve)).await, 200);
    // A token may be about nobody: then the address counts.
    let nobody = claims("");
    for (expected, peer) in [(200, here), (200, here), (429, here), (200, there)] {
        assert_eq!(greeter.http(at(peer, &nobody)).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_not_let_in_takes_nothing_of_the_rate() {
    let forger = Forger::new();
    let args = [forger.flags(), vec!["--rate-limit=1/h".to_owned()]].concat();
    let greeter = flagged(&args).await;
    let here = of("192.0.2.1:1");
    for _ in 0..10 {
        let wrong = From { authorization: Some("Bearer x"), ..here };
        assert_eq!(greeter.http(wrong).await, 401);
        assert_eq!(greeter.grpc(wrong).await, Code::Unauthenticated);
        assert_eq!(greeter.http(here).await, 401);
    }
    let bearer = forger.bearer();
    let right = From { authorization: Some(&bearer), ..here };
    assert_eq!(greeter.http(right).await, 200);
    assert_eq!(greeter.http(right).await, 429);
}

#[tokio::test(start_paused = true)]
async fn who_asks_too_often_over_http_is_told_when_to_come_back() {
    let greeter = flagged(&["--rate-limit", "2/m"]).await;
    let here = of("192.0.2.1:1");
    for _ in 0..2 {
        let reply = greeter.get("/greeting?name=Ada", here).await;
        assert_eq!(reply.status(), StatusCode::OK);
        assert!(!reply.headers().contains_key("ratelimit"), "{reply:?}");
    }
    for target in ["/greeting?name=Ada", "/greetings?name=Ada", "/greeting"] {
        let reply = greeter.get(target, here).await;
        assert_eq!(reply.status(), StatusCode::TOO_MANY_REQUESTS, "{target}");
        let headers = reply.headers();
        assert_eq!(headers[header::RETRY_AFTER], "30");
        assert_eq!(headers["ratelimit-policy"], r#""per-caller";q=2;w=60"#);
        assert_eq!(headers["ratelimit"], r#""per-caller";r=0;t=30"#);
        assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json");
        let problem: Value = serde_json::from_str(reply.body()).unwrap();
        assert_eq!(problem["kind"], "RESOURCE_EXHAUSTED");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("rate limit") && detail.contains("30s"), "{problem}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_too_often_over_grpc_is_told_when_to_come_back() {
    let greeter = flagged(&["--rate-limit", "2/m"]).await;
    let here = of("192.0.2.1:1");
    for _ in 0..2 {
        greeter.greeting(here).await.unwrap();
    }
    let mut client = greeter.client();
    let names = here.with(GreetingsRequest { names: vec!["Ada".to_owned()] });
    let hellos = here.with(tokio_stream::iter([GreetingRequest { name: "Ada".to_owned() }]));
    for status in [
        greeter.greeting(here).await.unwrap_err(),
        client.greetings(names).await.unwrap_err(),
        client.chat(hellos).await.unwrap_err(),
    ] {
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert!(status.message().contains("rate limit"), "{status:?}");
        let details = status.get_error_details();
        let retry = details.retry_info().unwrap().retry_delay.unwrap();
        assert!((29..=30).contains(&retry.as_secs()), "{details:?}");
        assert_eq!(details.error_info().unwrap().reason, "RATE_LIMITED");
        assert_eq!(details.quota_failure().unwrap().violations.len(), 1);
        assert_eq!(status.metadata().get("ratelimit").unwrap(), r#""per-caller";r=0;t=30"#);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_asked_for_once_however_many_it_greets() {
    let greeter = flagged(&["--rate-limit", "3/h"]).await;
    let names = vec!["Ada".to_owned(); 50];
    let mut replies = greeter.client().greetings(GreetingsRequest { names }).await.unwrap();
    let mut count = 0;
    while replies.get_mut().message().await.unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, 50);
    let hellos = vec![GreetingRequest { name: "Ada".to_owned() }; 50];
    let mut replies = greeter.client().chat(tokio_stream::iter(hellos)).await.unwrap();
    while replies.get_mut().message().await.unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, 100);
    assert_eq!(greeter.http(From::default()).await, 200);
    assert_eq!(greeter.http(From::default()).await, 429);
}

// ===== concurrency =====

#[tokio::test(start_paused = true)]
async fn who_comes_while_there_is_too_much_to_do_is_told_when_to_come_back() {
    let limiter = Limiter::new("greeting", Fixed::new(1)).jitter(0.0);
    let greeter = limited(&limiter);
    assert_eq!(greeter.http(From::default()).await, 200);
    let place = limiter.admit().unwrap();
    for target in ["/greeting?name=Ada", "/greetings?name=Ada", "/greeting"] {
        let reply = greeter.get(target, From::default()).await;
        assert_eq!(reply.status(), StatusCode::SERVICE_UNAVAILABLE, "{target}");
        assert_eq!(reply.headers()[header::RETRY_AFTER], "1");
        let problem: Value = serde_json::from_str(reply.body()).unwrap();
        assert_eq!(problem["kind"], "UNAVAILABLE");
    }
    let mut client = greeter.client();
    let names = GreetingsRequest { names: vec!["Ada".to_owned()] };
    let hellos = tokio_stream::iter([GreetingRequest { name: "Ada".to_owned() }]);
    for status in [
        greeter.greeting(From::default()).await.unwrap_err(),
        client.greetings(names).await.unwrap_err(),
        client.chat(hellos).await.unwrap_err(),
    ] {
        assert_eq!(status.code(), Code::Unavailable);
        let details = status.get_error_details();
        let retry = details.retry_info().unwrap().retry_delay;
        assert_eq!(retry, Some(Duration::from_secs(1)));
        assert_eq!(details.error_info().unwrap().reason, "OVERLOADED");
    }
    assert_eq!(greeter.service.calls.load(Ordering::Relaxed), 1, "a refused one was begun");
    drop(place);
    assert_eq!(greeter.http(From::default()).await, 200);
    assert_eq!(greeter.grpc(From::default()).await, Code::Ok);
    assert_eq!(limiter.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_less_critical_is_refused_first() {
    let limiter = Limiter::new("greeting", Fixed::new(20));
    let greeter = limited(&limiter);
    let classes = ["sheddable", "sheddable-plus", "critical", "critical-plus"];
    let mut places = Vec::new();
    // Where a half, three quarters, nine tenths and all of the places are taken.
    for (refused, in_flight) in [0, 10, 15, 18, 20].into_iter().enumerate() {
        places.extend(taken(&limiter, in_flight - places.len()));
        for (at, class) in classes.into_iter().enumerate() {
            let (status, code) =
                if at < refused { (503, Code::Unavailable) } else { (200, Code::Ok) };
            assert_eq!(greeter.http(critical(class)).await, status, "{class}, {in_flight}");
            assert_eq!(greeter.grpc(critical(class)).await, code, "{class}, {in_flight}");
        }
        // Who says nothing of use is critical.
        for from in [From::default(), critical("very")] {
            let status = if refused > 2 { 503 } else { 200 };
            assert_eq!(greeter.http(from).await, status, "{from:?}, {in_flight}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_in_until_it_begins() {
    let limiter = Limiter::new("greeting", Fixed::new(2));
    let greeter = limited(&limiter);
    let names = GreetingsRequest { names: vec!["Ada".to_owned(); 3] };
    let mut greetings = greeter.client().greetings(names).await.unwrap().into_inner();
    let (say, hellos) = mpsc::unbounded_channel();
    let hellos = UnboundedReceiverStream::new(hellos);
    let mut chat = greeter.client().chat(hellos).await.unwrap().into_inner();
    assert_eq!((limiter.in_flight(), limiter.admitted()), (0, 2));
    // What has begun goes on, however much there is to do.
    let _places = taken(&limiter, 2);
    assert_eq!(greeter.http(From::default()).await, 503);
    for _ in 0..3 {
        say.send(GreetingRequest { name: "Ada".to_owned() }).unwrap();
        assert!(greetings.message().await.unwrap().is_some());
        assert!(chat.message().await.unwrap().is_some());
    }
}

#[test]
fn how_critical_a_request_is_is_read_only_where_it_makes_a_difference() {
    let mut headers = HeaderMap::new();
    headers.insert("x-request-criticality", "sheddable".parse().unwrap());
    let (metrics, gate) = (Prometheus::new(), Gate::default());
    for (args, expected) in
        [(&[][..], None), (&["--concurrency-limit=9"], Some(Criticality::Sheddable))]
    {
        let (entry, _) = entry::open(&flags(args), &gate, &metrics).unwrap();
        let mut read = http::Extensions::new();
        let call = Call::new(Protocol::Http, "GET", &headers);
        drop(hooks::http(&metrics, &gate, &entry).before(&call, &mut read));
        assert_eq!(read.get().copied(), expected, "{args:?}");
        let mut read = http::Extensions::new();
        let call = Call::new(Protocol::Grpc, "a/b", &headers);
        drop(hooks::grpc(&metrics, &gate, &entry).before(&call, &mut read));
        assert_eq!(read.get().copied(), expected, "{args:?}");
    }
}

// ===== all of it =====

#[tokio::test(start_paused = true)]
async fn without_flags_everybody_gets_in() {
    let greeter = flagged(&[""; 0]).await;
    for _ in 0..1000 {
        assert_eq!(greeter.http(critical("sheddable")).await, 200);
    }
    assert_eq!(greeter.grpc(From::default()).await, Code::Ok);
    let page = greeter.metrics.render();
    assert!(!page.contains("rate_limit") && !page.contains("concurrency_limit"), "{page}");
}

#[tokio::test(start_paused = true)]
async fn what_asks_for_health_is_never_limited() {
    let limiter = Limiter::new("greeting", Fixed::new(0));
    let rate = KeyedRateLimit::new("per-caller", Rate::per_hour(1), 8);
    let entry = Entry::new(None, Some(rate), Some(limiter));
    let circuit = Circuit::new("greeting", Limits::default());
    circuit.force_open();
    let greeter = serving(Gate::default(), Prometheus::new(), &entry, circuit);
    assert_eq!(greeter.http(From::default()).await, 503);
    assert_eq!(greeter.http(From::default()).await, 429, "the rate goes first");
    for _ in 0..10 {
        greeter.is_well_over_both().await;
    }
}

#[tokio::test(start_paused = true)]
async fn no_refusal_opens_the_circuit() {
    let limiter = Limiter::new("greeting", Fixed::new(1));
    let rate = KeyedRateLimit::new("per-caller", Rate::per_hour(100), 8);
    let entry = Entry::new(None, Some(rate), Some(limiter.clone()));
    let circuit = Circuit::new("greeting", Limits::default().failures(1));
    let greeter = serving(Gate::default(), Prometheus::new(), &entry, circuit);
    let place = limiter.admit().unwrap();
    for _ in 0..100 {
        assert_eq!(greeter.http(From::default()).await, 503);
    }
    for _ in 0..100 {
        assert_eq!(greeter.grpc(From::default()).await, Code::ResourceExhausted);
    }
    assert_eq!(greeter.circuit.state(), State::Closed);
    drop(place);
    assert_eq!(greeter.http(of("192.0.2.1:1")).await, 200);
    let page = greeter.metrics.render();
    let refused =
        r#"endpoint_duration_seconds_count{endpoint="greeting",kind="RESOURCE_EXHAUSTED"} 100"#;
    assert!(page.contains(refused), "{page}");
}

#[test]
fn each_refusal_is_an_error_that_says_that_nothing_ran() {
    let limiter = Limiter::new("greeting", Fixed::new(0));
    let rate = KeyedRateLimit::<str>::new("per-caller", Rate::per_hour(1), 8);
    rate.check("Ada").unwrap();
    for (error, shown) in [
        (Error::from(limiter.admit().unwrap_err()), "too many calls are in flight"),
        (Error::from(rate.check("Ada").unwrap_err()), "the rate limit is exceeded"),
    ] {
        assert!(error.refused() && error.retry_after().is_some(), "{error:?}");
        assert!(error.to_string().starts_with(shown), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn everything_is_measured() {
    let greeter = flagged(&["--rate-limit=1/h", "--concurrency-limit=adaptive"]).await;
    assert_eq!(greeter.http(From::default()).await, 200);
    assert_eq!(greeter.http(From::default()).await, 429);
    let page = greeter.metrics.render();
    for line in [
        r#"rate_limit_capacity{limit="per-caller"} 10000"#,
        r#"concurrency_limit_admitted_total{limiter="greeting"} 1"#,
        r#"concurrency_limit_in_flight{limiter="greeting"} 0"#,
        r#"breaker_state{breaker="greeting",state="closed"} 1"#,
    ] {
        assert!(page.contains(line), "{line} is not in\n{page}");
    }
    // As many as go well, to begin with; or as many as are said.
    let limit = |page: &str| {
        let line = page.lines().find(|line| line.starts_with("concurrency_limit{")).unwrap();
        line.rsplit(' ').next().unwrap().parse::<usize>().unwrap()
    };
    assert!(limit(&page) >= 10, "{page}");
    let fixed = flagged(&["--concurrency-limit=7"]).await;
    assert_eq!(limit(&fixed.metrics.render()), 7);
}

// ===== the circuit =====

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Written {
    /// The lines since the last time.
    fn lines(&self) -> Vec<String> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn so_many_failures_open_the_circuit_and_each_change_is_a_line_of_the_log() {
    quiet::quiet();
    let written = Written::default();
    let out = written.clone();
    let _guard = set_default(subscriber("info,access=off", Format::Logfmt, move || out.clone()));
    let greeter = flagged(&["--breaker-failures", "2"]).await;
    greeter.service.panics.store(true, Ordering::Relaxed);
    assert_eq!(greeter.http(From::default()).await, 500);
    assert_eq!(written.lines(), [""; 0]);
    assert_eq!(greeter.grpc(From::default()).await, Code::Internal);
    let [line] = &written.lines()[..] else { panic!("it opens") };
    for part in ["level=warn", "circuit=greeting", "the circuit is open", "2 calls failed in a row"]
    {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    let reply = greeter.get("/greeting?name=Ada", From::default()).await;
    assert_eq!(reply.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(reply.headers().contains_key(header::RETRY_AFTER));
    assert_eq!(written.lines(), [""; 0], "refusals are no changes");
    greeter.service.panics.store(false, Ordering::Relaxed);
    advance(Duration::from_secs(2)).await;
    assert_eq!(greeter.http(From::default()).await, 200);
    let [probes, closed] = &written.lines()[..] else { panic!("it probes, and closes") };
    assert!(
        probes.contains("level=info") && probes.contains("the circuit is half-open"),
        "{probes}"
    );
    assert!(closed.contains("level=info") && closed.contains("the circuit is closed"), "{closed}");
}

#[tokio::test(start_paused = true)]
async fn a_circuit_may_be_told_never_to_open() {
    let greeter = flagged(&["--breaker-failures", "0"]).await;
    greeter.service.panics.store(true, Ordering::Relaxed);
    for _ in 0..100 {
        assert_eq!(greeter.http(From::default()).await, 500);
    }
    assert_eq!(greeter.circuit.state(), State::Closed);
}

#[test]
fn public_types_are_send_and_sync() {
    const fn assert_send_sync<T: Send + Sync>() {}
    assert_send_sync::<Entry>();
    assert_send_sync::<entry::Asker>();
}
