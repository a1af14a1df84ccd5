//! By curl, as anybody would.

use crate::process::{Greeter, LIMIT, variable};
use std::process::Command;

/// What curl shows: the head and the body.
#[derive(Debug)]
struct Shown {
    status: u16,
    head: String,
    body: String,
}

impl Shown {
    /// The value of a header.
    #[track_caller]
    fn header(&self, name: &str) -> &str {
        let value = self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(": ")?;
            known.eq_ignore_ascii_case(name).then_some(value)
        });
        value.unwrap_or_else(|| panic!("{name} is not in {self:?}"))
    }
}

fn curl(args: &[&str]) -> Shown {
    let limit = LIMIT.as_secs().to_string();
    let done = Command::new(variable("KIT_CURL"))
        .args(["--silent", "--show-error", "--include", "--noproxy", "*", "--max-time", &limit])
        .args(args)
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    let text = String::from_utf8_lossy(&done.stdout).replace("\r\n", "\n");
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
    Shown { status, head: head.to_owned(), body: body.to_owned() }
}

#[test]
#[ignore = "needs curl"]
fn it_greets_and_is_well() {
    let greeter = Greeter::start(&[]);
    let http = format!("http://{}", greeter.http);
    let greeting = curl(&[&format!("{http}/greeting?name=Ada")]);
    assert_eq!((greeting.status, &*greeting.body), (200, r#"{"greeting":"Hello, Ada!"}"#));
    assert_eq!(greeting.header("content-type"), "application/json");
    let encoded =
        curl(&["--get", "--data-urlencode", "name=Zoë & Ada", &format!("{http}/greeting")]);
    assert_eq!(encoded.body, r#"{"greeting":"Hello, Zoë & Ada!"}"#);
    let health = curl(&[&format!("{http}/health")]);
    assert_eq!((health.status, &*health.body), (200, r#"{"healthy":true}"#));
    let head = curl(&["--head", &format!("{http}/greeting?name=Ada")]);
    assert_eq!((head.status, &*head.body), (200, ""));
}

#[test]
#[ignore = "needs curl"]
fn what_is_wrong_is_a_problem() {
    let greeter = Greeter::start(&[]);
    let http = format!("http://{}", greeter.http);
    let long = format!("{http}/greeting?name={}", "a".repeat(257));
    for (target, method, status, advice) in [
        (format!("{http}/greeting"), "GET", 400, "say whom to greet"),
        (format!("{http}/greeting?name="), "GET", 400, "say whom to greet"),
        (format!("{http}/greeting?name=a&name=b"), "GET", 400, "give each parameter once"),
        (long, "GET", 400, "at most 256 bytes"),
        (format!("{http}/greetings"), "GET", 400, "say whom to greet"),
        (format!("{http}/nothing"), "GET", 404, "/greeting?name="),
        (format!("{http}/greeting?name=Ada"), "POST", 405, "GET"),
    ] {
        let shown = curl(&["--request", method, &target]);
        assert_eq!(shown.status, status, "{shown:?}");
        assert_eq!(shown.header("content-type"), "application/problem+json");
        let problem: serde_json::Value = serde_json::from_str(&shown.body).unwrap();
        assert_eq!(problem["status"], status);
        assert_eq!(problem["instance"], format!("#{}", shown.header("x-request-id")));
        assert!(problem["detail"].as_str().unwrap().contains(advice), "{problem}");
        if status == 405 {
            assert_eq!(shown.header("allow"), "GET,HEAD");
        }
    }
}

#[test]
#[ignore = "needs curl"]
fn names_are_greeted_by_events_and_a_fault_is_the_last() {
    let greeter = Greeter::start(&[]);
    let greetings = format!("http://{}/greetings", greeter.http);
    let event = |name| format!("data: {{\"greeting\":\"Hello, {name}!\"}}\n\n");
    let encoded = ["--get", "--data-urlencode", "name=Zoë & Ada", "--data-urlencode", "name=Eve"];
    let shown = curl(&[&["--no-buffer"], &encoded[..], &[&greetings]].concat());
    assert_eq!(shown.status, 200);
    assert_eq!(shown.header("content-type"), "text/event-stream");
    assert_eq!(shown.body, event("Zoë & Ada") + &event("Eve"));

    let shown = curl(&["--no-buffer", &format!("{greetings}?name=Ada&name=&name=Eve")]);
    assert_eq!(shown.status, 200);
    let last = shown.body.strip_prefix(&event("Ada")).unwrap();
    let problem = last.strip_prefix("event: error\ndata: ").unwrap();
    let problem: serde_json::Value = serde_json::from_str(problem).unwrap();
    assert_eq!(problem["status"], 400);
    assert!(problem["detail"].as_str().unwrap().contains("say whom to greet"), "{problem}");
}

#[test]
#[ignore = "needs curl"]
fn a_request_id_comes_back_and_a_long_greeting_comes_compressed() {
    let greeter = Greeter::start(&[]);
    let name = "a".repeat(200);
    let target = format!("http://{}/greeting?name={name}", greeter.http);
    let shown = curl(&["--compressed", "--header", "x-request-id: the-id", &target]);
    assert_eq!(shown.header("x-request-id"), "the-id");
    assert_eq!(shown.header("content-encoding"), "gzip");
    assert_eq!(shown.body, format!(r#"{{"greeting":"Hello, {name}!"}}"#));
}

#[test]
#[ignore = "needs curl"]
fn the_debug_port_tells() {
    let greeter = Greeter::start(&[]);
    curl(&[&format!("http://{}/greeting?name=Ada", greeter.http)]);
    let debug = format!("http://{}", greeter.debug);
    for target in ["/health/live", "/health/ready"] {
        assert_eq!(curl(&[&format!("{debug}{target}")]).status, 200);
    }
    let page = curl(&[&format!("{debug}/metrics")]);
    assert!(page.header("content-type").starts_with("text/plain; version=0.0.4"));
    let count = page.body.lines().find(|line| {
        line.starts_with("http_server_request_duration_seconds_count{")
            && line.contains(r#"http_route="/greeting""#)
    });
    assert!(count.unwrap().ends_with(" 1"), "{count:?}");
    let build = curl(&[&format!("{debug}/debug/build")]);
    let build: serde_json::Value = serde_json::from_str(&build.body).unwrap();
    assert_eq!(build["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
#[ignore = "needs curl"]
fn an_expired_timeout_is_deadline_exceeded_over_both() {
    let greeter = Greeter::start(&[]);
    let late = curl(&[
        "--header",
        "x-request-timeout-ms: 0",
        &format!("http://{}/greeting?name=Ada", greeter.http),
    ]);
    assert_eq!(late.status, 504);
    // A message without a name: the time is looked at first.
    let message = std::env::temp_dir().join(format!("greeter-{}", std::process::id()));
    std::fs::write(&message, [0; 5]).unwrap();
    let data = format!("@{}", message.display());
    let target = format!("http://{}/greeter.v1.Greeter/Greeting", greeter.grpc);
    for (timeout, status) in [("0n", "4"), ("10S", "3")] {
        let shown = curl(&[
            "--http2-prior-knowledge",
            "--header",
            "content-type: application/grpc",
            "--header",
            "te: trailers",
            "--header",
            &format!("grpc-timeout: {timeout}"),
            "--data-binary",
            &data,
            &target,
        ]);
        assert_eq!(shown.status, 200);
        assert_eq!(shown.header("grpc-status"), status);
    }
    std::fs::remove_file(message).unwrap();
}
