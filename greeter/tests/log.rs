//! Log lines.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

#[path = "memory/quiet.rs"]
mod quiet;

use axum::{Router, body::Body};
use greeter::{
    auth::Gate,
    endpoints::{Hello, endpoints},
    entry::{self, Entry},
    flags::{Command, parse},
    hooks::{self, watched},
    log::{AccessLog, Format, calls, failed, registration, subscriber},
    service::{self, Service},
    transport::http::router,
};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use kit_breaker::{Circuit, Limits};
use kit_endpoint::Kind;
use kit_metrics::Prometheus;
use kit_sd::{Address, Health, Instance, Keeper, Registrar};
use kit_serve::{Listener, Peer};
use kit_transport::{Call, Hook, Protocol, RequestId, RequestIds, Watch};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    convert::Infallible,
    future::IntoFuture,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    sync::watch,
};
use tokio_stream::Empty;
use tower::ServiceExt;
use tracing::Subscriber;
use tracing_subscriber::fmt::MakeWriter;

/// Lets `subscriber` hear what `f` logs.
fn with_default<T>(
    subscriber: impl Subscriber + Send + Sync + 'static,
    f: impl FnOnce() -> T,
) -> T {
    quiet::quiet();
    tracing::subscriber::with_default(subscriber, f)
}

/// What was written.
#[derive(Debug, Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn logfmt(&self) -> Vec<BTreeMap<String, String>> {
        self.text().lines().map(logfmt).collect()
    }

    fn json(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::Write::write(&mut *self.0.lock().unwrap(), bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Written {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Reads `key=value key="quoted \"value\""`, and nothing else.
fn logfmt(line: &str) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    let mut rest = line;
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=').unwrap_or_else(|| panic!("no key in {rest:?}"));
        assert!(!key.is_empty() && !key.contains([' ', '"']), "{key:?} is no key in {line:?}");
        let mut value = String::new();
        let mut left = after.chars();
        if after.starts_with('"') {
            left.next();
            loop {
                match left.next().unwrap_or_else(|| panic!("no end of the quote in {line:?}")) {
                    '"' => break,
                    '\\' => match left.next().unwrap() {
                        'n' => value.push('\n'),
                        other => value.push(other),
                    },
                    other => value.push(other),
                }
            }
        } else {
            let end = after.find(' ').unwrap_or(after.len());
            value.push_str(&after[..end]);
            assert!(!value.contains(['"', '=']), "{value:?} has no quotes in {line:?}");
            left = after[end..].chars();
        }
        assert!(fields.insert(key.to_owned(), value).is_none(), "{key} is twice in {line:?}");
        rest = left.as_str();
        rest = rest.strip_prefix(' ').unwrap_or_else(|| {
            assert!(rest.is_empty(), "{rest:?} follows a value in {line:?}");
            rest
        });
    }
    fields
}

/// Greets, and logs a line as long as the name says.
#[derive(Debug, Clone)]
struct Chatty;

impl Service for Chatty {
    fn health(&self) -> bool {
        true
    }

    fn greeting(&self, name: &str) -> Result<String, service::Error> {
        match name {
            "panic" => panic!("out of\nwords"),
            "" => Err(service::Error::EmptyName),
            _ => Ok(format!("Hello, {name}!")),
        }
    }
}

fn serving() -> Router {
    serving_seen_by(&(RequestIds, AccessLog))
}

fn serving_seen_by<K>(hook: &K) -> Router
where
    K: Hook<Observer: Send + 'static> + Send + Sync + 'static,
{
    let (_, readiness) = watch::channel(true);
    let metrics = Prometheus::new();
    let circuit = Circuit::new("greeting", Limits::default());
    // Nobody chats over HTTP.
    let endpoints = endpoints::<_, Empty<Result<Hello, Infallible>>, _>;
    router(endpoints(Chatty, readiness, circuit, metrics, Entry::default()), hook)
}

/// A runtime whose clock stands still while there is work.
fn paused() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap()
}

/// Asks for each target by GET, and returns what was logged.
fn asked(filter: &str, format: Format, targets: &[&str]) -> Written {
    let written = Written::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    with_default(subscriber(filter, format, written.clone()), || {
        runtime.block_on(async {
            let router = serving();
            for target in targets {
                let request = Request::get(*target)
                    .header("x-request-id", "the-id")
                    .body(Body::empty())
                    .unwrap();
                let reply = router.clone().oneshot(request).await.unwrap();
                reply.into_body().collect().await.unwrap();
            }
        });
    });
    written
}

#[test]
fn every_request_is_logged_once_with_how_it_ended() {
    let targets = ["/greeting?name=Ada", "/greeting", "/greeting?name=panic", "/nothing"];
    let lines = asked("info", Format::Logfmt, &targets).logfmt();
    assert_eq!(lines.len(), targets.len(), "{lines:#?}");
    let [greeted, refused, panicked, lost] = &lines[..] else { unreachable!() };
    for line in &lines {
        assert_eq!(line["target"], "access");
        assert_eq!(line["protocol"], "http");
        assert_eq!(line["method"], "GET");
        assert_eq!(line["request_id"], "the-id");
        line["duration_us"].parse::<u64>().unwrap();
    }
    assert_eq!(greeted["route"], "/greeting");
    assert_eq!(greeted["status"], "200");
    assert_eq!(greeted["level"], "info");
    assert_eq!(greeted["sent"], r#"{"greeting":"Hello, Ada!"}"#.len().to_string());
    assert!(!greeted.contains_key("error"));

    assert_eq!(refused["status"], "400");
    assert_eq!(refused["level"], "info");
    assert!(refused["outcome"].contains("INVALID_ARGUMENT"), "{refused:?}");
    assert!(refused["error"].contains("say whom to greet"), "{refused:?}");

    assert_eq!(panicked["status"], "500");
    assert_eq!(panicked["level"], "error");
    assert!(panicked["error"].contains("out of words"), "{panicked:?}");

    assert_eq!(lost["status"], "404");
    assert!(!lost.contains_key("route"), "{lost:?}");
}

#[test]
fn of_requests_that_go_well_as_many_are_logged_as_the_flag_says() {
    for (sample, expected) in [(None, 6), (Some("--log-sample=2"), 3)] {
        let Ok(Command::Serve(flags)) = parse(sample, |_| None) else {
            panic!("{sample:?} is no flag")
        };
        let (gate, metrics, written) = (Gate::default(), Prometheus::new(), Written::default());
        with_default(subscriber("info", Format::Logfmt, written.clone()), || {
            paused().block_on(async {
                let (entry, _) = entry::open(&flags, &gate, &metrics).unwrap();
                let router = serving_seen_by(&hooks::http(&metrics, &gate, &entry));
                // Failures are told, whatever else is.
                for name in ["Ada", "Ada", "Ada", "Ada", "Ada", "panic"] {
                    let request = Request::get(format!("/greeting?name={name}"));
                    let request = request.body(Body::empty()).unwrap();
                    let reply = router.clone().oneshot(request).await.unwrap();
                    reply.into_body().collect().await.unwrap();
                }
            });
        });
        let lines = written.logfmt();
        let statuses: Vec<_> = lines.iter().map(|line| &*line["status"]).collect();
        assert_eq!((statuses.len(), statuses.last()), (expected, Some(&"500")), "{lines:#?}");
        let page = metrics.render();
        let left_out = page.contains(r#"log_calls_left_out_total{outcome="success"} 3"#);
        assert_eq!(left_out, sample.is_some(), "{page}");
    }
}

#[test]
fn json_lines_have_the_same_fields() {
    let targets = ["/greeting?name=Ada", "/greeting?name=panic"];
    let lines = asked("info", Format::Json, &targets).json();
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert_eq!(lines[0]["level"], "INFO");
    assert_eq!(lines[0]["status"], 200);
    assert_eq!(lines[0]["route"], "/greeting");
    assert_eq!(lines[0]["request_id"], "the-id");
    assert!(lines[0]["duration_us"].is_u64());
    assert_eq!(lines[1]["level"], "ERROR");
    assert!(lines[1]["error"].as_str().unwrap().contains("out of words"));
}

#[test]
fn the_filter_is_kept() {
    let targets = ["/greeting?name=Ada", "/greeting?name=panic"];
    assert_eq!(asked("access=error", Format::Logfmt, &targets).logfmt().len(), 1);
    assert_eq!(asked("off", Format::Logfmt, &targets).text(), "");
    assert_eq!(asked("info,access=off", Format::Logfmt, &targets).text(), "");
}

#[test]
fn calls_of_the_service_are_said_where_debug_is_logged() {
    for (filter, said) in [("info", ""), ("debug,greeter=info", ""), ("greeter=debug", "hello()")] {
        let written = Written::default();
        with_default(subscriber(filter, Format::Logfmt, written.clone()), || {
            assert_eq!(calls().is_some(), !said.is_empty(), "{filter}");
            calls().inspect(|say| say(format_args!("hello()")));
        });
        assert!(written.text().contains(said), "{filter}: {}", written.text());
        assert_eq!(written.text().lines().count(), usize::from(!said.is_empty()), "{filter}");
    }
}

/// A request whose every part tries to break the line.
fn hostile(format: Format) -> Written {
    let written = Written::default();
    with_default(subscriber("info", format, written.clone()), || {
        let headers = HeaderMap::new();
        let method = "a=b c=\"d\"\nlevel=error \\ \r\u{1b}[31m\u{2028}end";
        let call = Call::new(Protocol::Grpc, method, &headers);
        let mut extensions = http::Extensions::new();
        let id = RequestId::generate();
        extensions.insert(id);
        let mut watch = Watch::new(AccessLog.before(&call, &mut extensions));
        watch.after(StatusCode::OK, &mut HeaderMap::new());
        let error = "x=\"1\"\n\nlevel=info msg=forged";
        watch.failed_with(Kind::Internal, Some(error.into()));
        watch.finish();
    });
    written
}

#[test]
fn nothing_that_a_caller_sends_breaks_a_line_of_logfmt() {
    let lines = hostile(Format::Logfmt).logfmt();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert_eq!(lines[0]["level"], "error");
    assert!(lines[0]["method"].starts_with("a=b c=\"d\"\nlevel=error"), "{lines:#?}");
    assert!(lines[0]["error"].contains("msg=forged"), "{lines:#?}");
}

#[test]
fn nothing_that_a_caller_sends_breaks_a_line_of_json() {
    let lines = hostile(Format::Json).json();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert_eq!(lines[0]["level"], "ERROR");
    assert!(lines[0]["method"].as_str().unwrap().starts_with("a=b c=\"d\"\nlevel=error"));
}

#[test]
fn a_caller_that_leaves_is_logged() {
    let written = Written::default();
    with_default(subscriber("info", Format::Logfmt, written.clone()), || {
        let headers = HeaderMap::new();
        let call = Call::new(Protocol::Http, "GET", &headers).route(Some("/greeting"));
        drop(Watch::new(AccessLog.before(&call, &mut http::Extensions::new())));
    });
    let lines = written.logfmt();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(!lines[0].contains_key("status"));
    assert!(lines[0]["outcome"].to_ascii_lowercase().contains("cancelled"), "{lines:#?}");
}

/// Fails a request of this method, and returns the line.
fn line_of(method: &str, kind: Kind) -> BTreeMap<String, String> {
    let written = Written::default();
    with_default(subscriber("info", Format::Logfmt, written.clone()), || {
        let headers = HeaderMap::new();
        let call = Call::new(Protocol::Grpc, method, &headers);
        let mut watch = Watch::new(AccessLog.before(&call, &mut http::Extensions::new()));
        watch.failed_with(kind, None);
        watch.finish();
    });
    let lines = written.logfmt();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    lines.into_iter().next().unwrap()
}

#[test]
fn the_level_says_who_must_act() {
    for (kind, level) in [
        (Kind::Internal, "error"),
        (Kind::Unknown, "error"),
        (Kind::DataLoss, "error"),
        (Kind::Unavailable, "warn"),
        (Kind::DeadlineExceeded, "warn"),
        (Kind::InvalidArgument, "info"),
        (Kind::NotFound, "info"),
        (Kind::Unimplemented, "info"),
    ] {
        assert_eq!(line_of("a/b", kind)["level"], level, "{kind:?}");
    }
}

#[test]
fn of_a_method_64_bytes_are_logged() {
    let longest = "m".repeat(64);
    assert_eq!(line_of(&longest, Kind::Internal)["method"], longest);
    assert_eq!(line_of(&format!("{longest}n"), Kind::Internal)["method"], longest);
    // A character that does not fit is left out whole.
    let odd = format!("{}é", "m".repeat(63));
    assert_eq!(line_of(&odd, Kind::Internal)["method"], "m".repeat(63));
}

/// A listener that fails once, and then hands out `pipe`.
struct Faulty(Option<DuplexStream>, bool);

impl Listener for Faulty {
    type Io = DuplexStream;

    async fn accept(&mut self) -> io::Result<(DuplexStream, Peer)> {
        if !std::mem::replace(&mut self.1, true) {
            return Err(io::Error::other("too many open files"));
        }
        match self.0.take() {
            Some(pipe) => Ok((pipe, Peer::Unix)),
            None => std::future::pending().await,
        }
    }
}

/// What a server logs that cannot accept, and whose peer then sends no HTTP.
fn troubled(filter: &str) -> Vec<BTreeMap<String, String>> {
    let written = Written::default();
    with_default(subscriber(filter, Format::Logfmt, written.clone()), || {
        paused().block_on(async {
            let (mut peer, pipe) = tokio::io::duplex(64);
            let server = kit_serve::serve(Faulty(Some(pipe), false), serving());
            let server = watched("http", server, &Prometheus::new());
            let handle = server.handle();
            let running = tokio::spawn(server.into_future());
            peer.write_all(b"this is no HTTP\r\n\r\n").await.unwrap();
            peer.read_to_end(&mut Vec::new()).await.unwrap();
            handle.drain().await;
            running.await.unwrap().unwrap();
        });
    });
    written.logfmt()
}

#[test]
fn an_incident_of_the_server_is_a_warning_and_one_of_a_peer_is_for_debugging() {
    let lines = troubled("info");
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert_eq!(lines[0]["level"], "warn");
    assert_eq!(lines[0]["server"], "http");
    assert!(lines[0]["message"].contains("too many open files"), "{lines:#?}");

    let lines = troubled("greeter=debug");
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert_eq!(lines[1]["level"], "debug");
    assert!(lines[1]["message"].contains("broken"), "{lines:#?}");
}

/// A registry that fails as long as it is told to.
#[derive(Debug)]
struct Registry(Instance, watch::Receiver<Option<&'static str>>);

impl Registrar for Registry {
    type Error = io::Error;

    fn instance(&self) -> &Instance {
        &self.0
    }

    async fn register(&self, _: Health) -> io::Result<()> {
        self.1.borrow().map_or(Ok(()), |why| Err(io::Error::other(why)))
    }

    async fn deregister(&self) -> io::Result<()> {
        Ok(())
    }

    async fn renew(&self, health: Health) -> io::Result<bool> {
        self.register(health).await.map(|()| true)
    }

    fn period(&self) -> Duration {
        Duration::from_secs(1)
    }
}

#[test]
fn a_registry_that_fails_is_a_warning_once_for_each_reason() {
    let written = Written::default();
    with_default(subscriber("info", Format::Logfmt, written.clone()), || {
        paused().block_on(async {
            let (state, seen) = watch::channel(Some("refused"));
            let address = "10.0.0.1:9110".parse::<Address>().unwrap();
            let kept = Keeper::new(Registry(Instance::new("greeter", address), seen)).spawn();
            let logging = tokio::spawn(registration("http", kept.status()));
            for now in [Some("refused"), Some("no route"), None, Some("refused"), None] {
                state.send_replace(now);
                tokio::time::sleep(Duration::from_mins(5)).await;
            }
            kept.deregister().await.unwrap();
            logging.await.unwrap();
        });
    });
    let lines = written.logfmt();
    let said: Vec<_> = lines
        .iter()
        .map(|line| (&*line["level"], line.get("error").map_or("", String::as_str)))
        .collect();
    let expected = [
        ("warn", "refused"),
        ("warn", "no route"),
        ("info", ""),
        ("warn", "refused"),
        ("info", ""),
    ];
    assert_eq!(said, expected, "{lines:#?}");
    assert!(lines[0]["message"].contains("--consul-addr"), "{lines:#?}");
    assert_eq!(lines[0]["port"], "http");
}

#[test]
fn the_last_error_is_an_event_if_that_is_logged_and_else_plain_text() {
    let written = Written::default();
    let mut plain = Vec::new();
    with_default(subscriber("info", Format::Json, written.clone()), || {
        failed("the port is in use", &mut plain);
    });
    let lines = written.json();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert_eq!(lines[0]["level"], "ERROR");
    assert_eq!(lines[0]["message"], "the port is in use");
    assert_eq!(plain, b"");

    failed("no log", &mut plain);
    with_default(subscriber("off", Format::Json, written.clone()), || {
        failed("an empty log", &mut plain);
    });
    assert_eq!(plain, b"greeter: no log\ngreeter: an empty log\n");
    assert_eq!(written.json().len(), 1);
}

/// Standard error that nobody reads.
struct Gone;

impl io::Write for Gone {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

#[test]
fn a_log_that_nobody_reads_does_no_harm() {
    failed("nobody hears it", Gone);
    for format in [Format::Logfmt, Format::Json] {
        with_default(subscriber("info", format, || Gone), || failed("nobody hears it", Gone));
    }
}

#[test]
fn formats_have_names() {
    assert_eq!("logfmt".parse(), Ok(Format::Logfmt));
    assert_eq!("json".parse(), Ok(Format::Json));
    assert_eq!("pretty".parse(), Ok(Format::Pretty));
    let mistake = "JSON".parse::<Format>().unwrap_err().to_string();
    assert!(mistake.contains("logfmt or json"), "{mistake}");
}
