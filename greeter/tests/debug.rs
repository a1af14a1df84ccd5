//! The debug port, as a service of requests.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use axum::body::Body;
use greeter::{
    auth::{Gate, open},
    debug::{BUILD, Seen, Shows, router},
    entry,
    flags::{Command, Serve, parse},
    hooks::watched,
};
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use kit_breaker::{Circuit, Limits};
use kit_endpoint::Peer;
use kit_metrics::Prometheus;
use kit_serve::Listener;
use kit_trace::log::Filter;
use serde_json::{Value, json};
use std::{fs, future::pending, io, net::SocketAddr};
use tokio::{
    io::{AsyncWriteExt, DuplexStream},
    sync::watch,
};
use tower::ServiceExt;

struct Fixture {
    flags: Serve,
    gate: Gate,
    seen: Seen,
    ready: watch::Sender<bool>,
    readiness: watch::Receiver<bool>,
}

fn flags(args: &[&str]) -> Serve {
    match parse(args, |_| None) {
        Ok(Command::Serve(flags)) => flags,
        other => panic!("{other:?}"),
    }
}

fn of(flags: Serve, gate: Gate) -> Fixture {
    let (ready, readiness) = watch::channel(true);
    Fixture { flags, gate, seen: Seen::default(), ready, readiness }
}

fn fixture() -> Fixture {
    of(flags(&[]), Gate::default())
}

impl Fixture {
    async fn get(&self, target: &str) -> (StatusCode, String, String) {
        self.ask(Request::get(target).body(Body::empty()).unwrap()).await
    }

    async fn json(&self, target: &str) -> Value {
        let (status, content, body) = self.get(target).await;
        assert_eq!((status, &*content), (StatusCode::OK, "application/json"), "{body}");
        serde_json::from_str(&body).unwrap()
    }

    async fn ask(&self, request: Request<Body>) -> (StatusCode, String, String) {
        let ready = self.readiness.clone();
        let (router, _) = router(&self.flags, &self.gate, &self.seen, ready);
        let response = router.oneshot(request).await.unwrap();
        let content = response.headers().get(header::CONTENT_TYPE);
        let content = content.map_or("", |content| content.to_str().unwrap()).to_owned();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, content, String::from_utf8(body.into()).unwrap())
    }
}

#[tokio::test]
async fn it_lives_whether_it_is_ready_or_not() {
    let fixture = fixture();
    for ready in [true, false] {
        fixture.ready.send_replace(ready);
        assert_eq!(fixture.get("/health/live").await.0, StatusCode::OK);
    }
}

#[tokio::test]
async fn readiness_is_told() {
    let fixture = fixture();
    assert_eq!(fixture.get("/health/ready").await.0, StatusCode::OK);
    fixture.ready.send_replace(false);
    let (status, _, body) = fixture.get("/health/ready").await;
    assert_eq!((status, &*body), (StatusCode::SERVICE_UNAVAILABLE, "not ready\n"));
}

#[tokio::test]
async fn it_has_started_once_it_was_ready_and_for_good() {
    let (ready, readiness) = watch::channel(false);
    let (app, starts) = router(&flags(&[]), &Gate::default(), &Seen::default(), readiness);
    let starts = tokio::spawn(starts);
    let ask = async || {
        let request = Request::get("/health/startup").body(Body::empty()).unwrap();
        app.clone().oneshot(request).await.unwrap().status()
    };
    assert_eq!(ask().await, StatusCode::SERVICE_UNAVAILABLE);
    ready.send_replace(true);
    starts.await.unwrap();
    assert_eq!(ask().await, StatusCode::OK);
    ready.send_replace(false);
    assert_eq!(ask().await, StatusCode::OK);
}

#[tokio::test]
async fn metrics_are_a_page_for_prometheus() {
    let fixture = fixture();
    fixture.seen.show("breakers", Circuit::new("greeting", Limits::default()));
    let (status, content, page) = fixture.get("/metrics").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(content, Prometheus::CONTENT_TYPE);
    assert!(page.contains("greeting"), "{page}");
}

#[tokio::test]
async fn the_build_is_told() {
    let (status, content, body) = fixture().get("/debug/build").await;
    assert_eq!((status, &*content), (StatusCode::OK, "application/json"));
    let build: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(build["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(build["commit"].as_str(), BUILD.commit);
    assert!(build["features"].is_array());
}

#[tokio::test]
async fn the_flags_are_told_as_they_were_said_without_secrets() {
    let args = ["--http-addr=:1", "--basic-htpasswd=users", "--metadata=team=a,password=hunter2"];
    let said = match parse(args, |name| (name == "GREETER_LOG").then(|| "warn".into())) {
        Ok(Command::Serve(flags)) => of(flags, Gate::default()).json("/debug/config").await,
        other => panic!("{other:?}"),
    };
    for (flag, value) in [
        ("http-addr", ":1"),
        ("grpc-addr", ":9120"),
        ("basic-htpasswd", "users"),
        ("metadata", "team=a,password=[redacted]"),
        ("log", "warn"),
        ("drain-timeout", "20s"),
    ] {
        assert_eq!(said[flag], value, "{flag}");
    }
    assert_eq!(said["consul-addr"], Value::Null);
    assert!(!said.to_string().contains("hunter2"), "{said}");
}

#[tokio::test]
async fn the_parts_say_how_they_are() {
    let args = ["--rate-limit=100/s", "--concurrency-limit=7", "--breaker-failures=3"];
    let fixture = of(flags(&args), Gate::default());
    let _ = entry::open(&fixture.flags, &fixture.gate, &fixture.seen);
    let states = fixture.json("/debug/state").await;
    assert_eq!(states, json!({ "states": ["breakers", "guard", "limits"] }));
    for (name, metric) in [
        ("breakers", "breaker_state"),
        ("guard", "debug_refusals_total"),
        ("limits", "concurrency_limit"),
        ("limits", "rate_limit_allowed_total"),
    ] {
        let state = fixture.json(&format!("/debug/state/{name}")).await;
        let mut metrics = state["metrics"].as_array().unwrap().iter();
        assert!(metrics.any(|of| of["name"] == metric), "{metric} is not in {state}");
    }
    // What is at one of them is at the other.
    let (_, _, metrics) = fixture.get("/metrics").await;
    assert!(metrics.contains("concurrency_limit"), "{metrics}");
    assert!(metrics.contains("debug_refusals_total"), "{metrics}");
}

/// Accepts one connection.
struct One(Option<DuplexStream>);

impl Listener for One {
    type Io = DuplexStream;

    async fn accept(&mut self) -> io::Result<(DuplexStream, Peer)> {
        match self.0.take() {
            Some(stream) => Ok((stream, Peer::Unix)),
            None => pending().await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_shows_its_connections_and_what_it_answers() {
    let fixture = fixture();
    let (mut near, far) = tokio::io::duplex(4096);
    let never = axum::Router::new().fallback(pending::<()>);
    let server = watched("http", kit_serve::serve(One(Some(far)), never), &fixture.seen);
    let server = tokio::spawn(server.into_future());
    near.write_all(b"GET /slow?token=hunter2 HTTP/1.1\r\nhost: greeter\r\n\r\n").await.unwrap();
    let mut page = Value::Null;
    while page["in_flight"] != 1 {
        tokio::task::yield_now().await;
        page = fixture.json("/debug/requests").await;
    }
    let request = &page["requests"][0];
    for (field, value) in
        [("server", "http"), ("method", "GET"), ("path", "/slow"), ("peer", "unix")]
    {
        assert_eq!(request[field], value, "{page}");
    }
    let state = fixture.json("/debug/state/connections").await;
    let mut metrics = state["metrics"].as_array().unwrap().iter();
    let open = metrics.find(|metric| metric["name"] == "serve_connections").unwrap();
    assert_eq!(open["values"], json!([{ "labels": { "server": "http" }, "value": 1.0 }]));
    server.abort();
}

#[tokio::test]
async fn the_runtime_and_what_is_in_flight_are_told() {
    assert_eq!(fixture().json("/debug/runtime").await["flavor"], "current_thread");
    let requests = fixture().json("/debug/requests").await;
    assert_eq!(requests, json!({ "in_flight": 0, "requests": [] }));
}

#[tokio::test]
async fn the_index_lists_it_all() {
    let (status, _, index) = fixture().get("/debug").await;
    assert_eq!(status, StatusCode::OK);
    for path in [
        "/health/live",
        "/health/ready",
        "/health/startup",
        "/metrics",
        "/debug/build",
        "/debug/config",
        "/debug/pprof/profile",
        "/debug/requests",
        "/debug/runtime",
        "/debug/state",
        "/debug/state/guard",
    ] {
        assert!(index.lines().any(|line| line.split(' ').next() == Some(path)), "{path}: {index}");
    }
}

fn profile(peer: [u8; 4], authorization: &str) -> Request<Body> {
    // Who may ask hears that this is no number of seconds.
    let request = Request::get("/debug/pprof/profile?seconds=0").header("host", "10.0.0.9:9100");
    let request = request.header("authorization", authorization);
    request.extension(Peer::from(SocketAddr::from((peer, 4000)))).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn who_is_elsewhere_needs_the_token() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, "0123456789abcdef\n").unwrap();
    let path = file.path().to_str().unwrap();
    let flags = flags(&["--debug-token-file", path]);
    let gate = open(&flags).await.unwrap();
    let fixture = of(flags, gate);
    for (peer, shown, status) in [
        ([127, 0, 0, 1], "", StatusCode::BAD_REQUEST),
        ([10, 0, 0, 1], "", StatusCode::UNAUTHORIZED),
        ([10, 0, 0, 1], "Bearer 0123456789abcdeF", StatusCode::UNAUTHORIZED),
        ([10, 0, 0, 1], "Bearer 0123456789abcdef", StatusCode::BAD_REQUEST),
    ] {
        let (said, content, _) = fixture.ask(profile(peer, shown)).await;
        assert_eq!((said, &*content), (status, "application/problem+json"), "{peer:?} {shown}");
    }
    let said = fixture.json("/debug/config").await;
    assert_eq!(said["debug-token-file"], path);
    assert!(!said.to_string().contains("0123456789"), "{said}");
}

#[tokio::test]
async fn without_a_token_only_who_is_on_this_machine_changes_something() {
    let fixture = fixture();
    let (status, ..) = fixture.ask(profile([10, 0, 0, 1], "Bearer 0123456789abcdef")).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let (status, ..) = fixture.ask(profile([127, 0, 0, 1], "")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let mut put = profile([10, 0, 0, 1], "");
    *put.method_mut() = Method::PUT;
    *put.uri_mut() = "/metrics".parse().unwrap();
    assert_eq!(fixture.ask(put).await.0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_log_is_shown_to_readers_and_changed_from_this_machine() {
    let filter = Filter::new("info").unwrap();
    let fixture = Fixture { seen: Seen::default().log(Some(&filter)), ..fixture() };
    let ask = async |method: Method, peer: [u8; 4], origin: &str| {
        let request = Request::builder().method(method).uri("/debug/log");
        let request = request.header("host", "127.0.0.1:9100").header("origin", origin);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let request = request.extension(Peer::from(SocketAddr::from((peer, 4000))));
        fixture.ask(request.body(Body::from("filter=debug")).unwrap()).await
    };
    let own = "http://127.0.0.1:9100";
    let (status, _, body) = ask(Method::GET, [10, 0, 0, 1], own).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.contains(r#""filter":"info""#), "{body}");
    for (peer, origin) in [([10, 0, 0, 1], own), ([127, 0, 0, 1], "http://evil.example")] {
        for method in [Method::PUT, Method::POST, Method::DELETE] {
            assert_eq!(ask(method, peer, origin).await.0, StatusCode::FORBIDDEN);
        }
    }
    let (_, _, body) = ask(Method::GET, [10, 0, 0, 1], own).await;
    assert!(body.contains(r#""filter":"info""#), "{body}");
    let (status, _, body) = ask(Method::PUT, [127, 0, 0, 1], own).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert!(body.contains(r#""filter":"debug""#), "{body}");
}

#[tokio::test]
async fn a_token_that_is_none_is_told_at_the_start() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for (text, why) in [("", "16 to 4096"), ("short\n", "16 to 4096")] {
        fs::write(&file, text).unwrap();
        let args = ["--debug-token-file", file.path().to_str().unwrap()];
        let error = open(&flags(&args)).await.unwrap_err().to_string();
        assert!(error.contains("the token of --debug-token-file is not to be had"), "{error}");
        assert!(error.contains(why) && !error.contains("short"), "{error}");
    }
    let gone =
        flags(&["--debug-token-file", "/nowhere/token", "--basic-htpasswd", "/nowhere/users"]);
    let error = open(&gone).await.unwrap_err().to_string();
    for part in ["--debug-token-file", "--basic-htpasswd", "; "] {
        assert!(error.contains(part), "{error}");
    }
}

#[tokio::test]
async fn there_is_nothing_else() {
    assert_eq!(fixture().get("/greeting?name=Ada").await.0, StatusCode::NOT_FOUND);
}
