//! A trace through `greeter call`, a greeter and the greeter that it asks, as a collector
//! of OTLP sees it: Python's.

use crate::{
    process::{Greeter, LIMIT, Running, run, until, variable},
    python::python_with,
};
use opentelemetry_semantic_conventions::attribute as names;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
};

struct Collector {
    _process: Running,
    spans: Receiver<Value>,
    grpc: String,
    http: String,
}

impl Collector {
    fn start() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live/collector.py");
        let mut command = Command::new(variable("KIT_PYTHON"));
        command.arg("-B").arg(path).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Running(command.spawn().unwrap());
        let mut lines = BufReader::new(process.0.stdout.take().unwrap()).lines();
        let mut line = move || lines.next().and_then(Result::ok);
        let ports: Value = serde_json::from_str(&line().expect("its ports")).unwrap();
        let (sends, spans) = mpsc::channel();
        thread::spawn(move || {
            while let Some(line) = line() {
                let span = serde_json::from_str(&line).unwrap();
                if sends.send(span).is_err() {
                    break;
                }
            }
        });
        let (grpc, http) = (&ports["grpc"], &ports["http"]);
        let grpc = format!("grpc://127.0.0.1:{grpc}");
        let http = format!("http://127.0.0.1:{http}");
        Self { _process: process, spans, grpc, http }
    }

    /// Waits for so many spans.
    fn spans(&self, count: usize) -> Vec<Value> {
        let mut spans = Vec::new();
        until(2 * LIMIT, "spans", || {
            spans.extend(self.spans.try_iter());
            (spans.len() >= count).then_some(())
        });
        spans
    }
}

/// The span of a service, of a kind.
#[track_caller]
fn span<'a>(spans: &'a [Value], service: &str, kind: &str) -> &'a Value {
    let mut found = spans.iter().filter(|span| span["service"] == service && span["kind"] == kind);
    let span = found.next().unwrap_or_else(|| panic!("no {kind} of {service} in {spans:#?}"));
    assert!(found.next().is_none(), "several of {service}: {spans:#?}");
    span
}

/// The attributes are these and no other.
#[track_caller]
fn has(span: &Value, expected: &[&str]) {
    let found: BTreeSet<_> =
        span["attributes"].as_object().unwrap().keys().map(|it| &**it).collect();
    assert_eq!(found, expected.iter().copied().collect(), "{span:#}");
}

/// Whose child each is: `call`'s client, the first's server and client, the other's server.
fn one_below_the_other(spans: &[Value]) -> [&Value; 4] {
    let chain = [
        span(spans, "greeter-call", "CLIENT"),
        span(spans, "first", "SERVER"),
        span(spans, "first", "CLIENT"),
        span(spans, "second", "SERVER"),
    ];
    assert_eq!(spans.len(), chain.len(), "{spans:#?}");
    assert_eq!(chain[0]["parent"], "");
    for pair in chain.windows(2) {
        assert_eq!(pair[1]["parent"], pair[0]["id"], "{spans:#?}");
        assert_eq!(pair[1]["trace"], pair[0]["trace"], "{spans:#?}");
    }
    chain
}

/// Two greeters, of which the first asks the second, at `upstream` of it.
fn greeters(collector: &str, upstream: impl FnOnce(&Greeter) -> String) -> [Greeter; 2] {
    let second = Greeter::start(&["--service-name", "second", "--trace-otlp", collector]);
    let upstream = upstream(&second);
    let first = ["--service-name", "first", "--trace-otlp", collector, "--upstream", &upstream];
    [Greeter::start(&first), second]
}

fn call(collector: &str, greeter: &str, name: &str) -> String {
    let done = run(&["call", "--trace-otlp", collector, greeter, name]);
    String::from_utf8(done.stdout).unwrap() + &String::from_utf8(done.stderr).unwrap()
}

const OF_SERVER: [&str; 11] = [
    names::HTTP_REQUEST_METHOD,
    names::URL_PATH,
    names::URL_SCHEME,
    names::URL_QUERY,
    names::HTTP_ROUTE,
    names::HTTP_RESPONSE_STATUS_CODE,
    names::NETWORK_PROTOCOL_VERSION,
    names::NETWORK_PEER_ADDRESS,
    names::NETWORK_PEER_PORT,
    names::SERVER_ADDRESS,
    names::SERVER_PORT,
];

#[test]
#[ignore = "needs python"]
fn a_trace_goes_through_two_greeters_over_http() {
    let collector = Collector::start();
    let [first, _second] = greeters(&collector.http, |second| format!("http://{}", second.http));
    let said = call(&collector.http, &format!("http://{}", first.http), "Ada");
    assert_eq!(said, "Hello, Ada!\n");
    let spans = collector.spans(4);
    let chain = one_below_the_other(&spans);
    for server in [chain[1], chain[3]] {
        assert_eq!(server["name"], "GET /greeting");
        let mut expected = OF_SERVER.to_vec();
        expected.push(names::CLIENT_ADDRESS);
        has(server, &expected);
        assert_eq!(server["attributes"][names::URL_QUERY], "name=Ada");
    }
    for client in [chain[0], chain[2]] {
        assert_eq!(client["name"], "GET");
        has(
            client,
            &[
                names::HTTP_REQUEST_METHOD,
                names::HTTP_RESPONSE_STATUS_CODE,
                names::SERVER_ADDRESS,
                names::SERVER_PORT,
                names::URL_FULL,
            ],
        );
    }
    for span in chain {
        assert_eq!(
            (&span["status"], &span["attributes"][names::HTTP_RESPONSE_STATUS_CODE]),
            (&"UNSET".into(), &200.into())
        );
        assert!(span["took"].as_u64().unwrap() > 0);
    }
}

#[test]
#[ignore = "needs python"]
fn a_trace_goes_through_two_greeters_over_grpc() {
    let collector = Collector::start();
    let [first, _second] = greeters(&collector.grpc, |second| format!("grpc://{}", second.grpc));
    let said = call(&collector.grpc, &format!("grpc://{}", first.grpc), "Ada");
    assert_eq!(said, "Hello, Ada!\n");
    let spans = collector.spans(4);
    let of_both = [
        names::RPC_SYSTEM_NAME,
        names::RPC_METHOD,
        names::RPC_RESPONSE_STATUS_CODE,
        names::SERVER_ADDRESS,
        names::SERVER_PORT,
    ];
    let of_peer = [names::CLIENT_ADDRESS, names::NETWORK_PEER_ADDRESS, names::NETWORK_PEER_PORT];
    for span in one_below_the_other(&spans) {
        assert_eq!(span["name"], "greeter.v1.Greeter/Greeting");
        assert_eq!(span["attributes"][names::RPC_RESPONSE_STATUS_CODE], "OK");
        let peer: &[_] = if span["kind"] == "SERVER" { &of_peer } else { &[] };
        has(span, &[&of_both, peer].concat());
    }
}

/// Whose child each is of a stream of two: the first's server, which `SPAN` asks, and below
/// it a client for each greeting, each above a server of the other.
#[track_caller]
fn all_below_the_stream(spans: &[Value]) {
    let of = |service: &str, kind: &str| -> Vec<&Value> {
        spans.iter().filter(|span| span["service"] == service && span["kind"] == kind).collect()
    };
    let stream = span(spans, "first", "SERVER");
    assert_eq!(stream["parent"], SPAN, "{spans:#?}");
    let (clients, servers) = (of("first", "CLIENT"), of("second", "SERVER"));
    assert_eq!((spans.len(), clients.len(), servers.len()), (5, 2, 2), "{spans:#?}");
    assert!(clients.iter().all(|client| client["parent"] == stream["id"]), "{spans:#?}");
    let ids = |spans: &[&Value], id| -> BTreeSet<String> {
        spans.iter().map(|span| span[id].to_string()).collect()
    };
    assert_eq!(ids(&clients, "id"), ids(&servers, "parent"), "{spans:#?}");
    assert!(spans.iter().all(|span| span["trace"] == TRACE), "{spans:#?}");
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

#[test]
#[ignore = "needs python"]
fn a_trace_goes_through_a_stream_of_events() {
    let collector = Collector::start();
    let [first, _second] = greeters(&collector.http, |second| format!("http://{}", second.http));
    let mut stream = TcpStream::connect(&first.http).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let request = format!(
        "GET /greetings?name=Ada&name=Grace HTTP/1.1\r\nhost: greeter\r\nconnection: close\r\n\
         traceparent: 00-{TRACE}-{SPAN}-01\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    assert!(reply.contains("Hello, Ada!") && reply.contains("Hello, Grace!"), "{reply}");
    all_below_the_stream(&collector.spans(5));
}

#[test]
#[ignore = "needs python"]
fn a_trace_goes_through_streams_over_grpc() {
    let collector = Collector::start();
    let [first, _second] = greeters(&collector.grpc, |second| format!("grpc://{}", second.grpc));
    for method in ["Greetings", "Chat"] {
        python_with("traced.py", &first, &[method, &format!("00-{TRACE}-{SPAN}-01")]);
        all_below_the_stream(&collector.spans(5));
    }
}

#[test]
#[ignore = "needs python"]
fn a_failure_is_seen_all_the_way() {
    let collector = Collector::start();
    let [first, second] = greeters(&collector.grpc, |second| format!("grpc://{}", second.grpc));
    drop(second);
    let said = call(&collector.grpc, &format!("http://{}", first.http), "Ada");
    assert!(said.contains("503"), "{said}");
    let spans = collector.spans(3);
    let server = span(&spans, "first", "SERVER");
    assert_eq!(
        (&server["status"], &server["attributes"][names::ERROR_TYPE]),
        (&"ERROR".into(), &"UNAVAILABLE".into())
    );
    assert_eq!(server["events"], serde_json::json!(["exception"]));
    let client = span(&spans, "first", "CLIENT");
    assert_eq!((&client["status"], &client["parent"]), (&"ERROR".into(), &server["id"]));
    let call = span(&spans, "greeter-call", "CLIENT");
    assert_eq!(
        (&call["status"], &call["attributes"][names::ERROR_TYPE]),
        (&"ERROR".into(), &"503".into())
    );
}
