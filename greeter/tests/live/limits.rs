//! How much it takes, by the program itself.

use crate::process::{Greeter, LIMIT, get, run, until};
use greeter::pb::{GreetingRequest, greeter_client::GreeterClient};
use std::{net::TcpListener, time::Duration};
use tokio::{runtime::Runtime, time::timeout};
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// How often it is asked where it is to refuse: more than pass in a second.
const TRIES: usize = 50;

fn over_http(greeter: &Greeter) -> String {
    get(&greeter.http, "/greeting?name=Ada").unwrap()
}

#[test]
#[ignore = "needs kill"]
fn who_asks_too_often_is_refused_over_both_until_they_ask_less() {
    let greeter = Greeter::start(&["--rate-limit", "2/s", "--concurrency-limit", "adaptive"]);
    for _ in 0..2 {
        assert!(over_http(&greeter).starts_with("HTTP/1.1 200 "));
    }
    let mut replies = (0..TRIES).map(|_| over_http(&greeter));
    let refused = replies.find(|reply| !reply.starts_with("HTTP/1.1 200 ")).unwrap();
    assert!(refused.starts_with("HTTP/1.1 429 "), "{refused}");
    for line in [
        "retry-after: 1\r\n",
        "ratelimit-policy: \"per-caller\";q=2;w=1\r\n",
        "ratelimit: \"per-caller\";r=0;t=1\r\n",
    ] {
        assert!(refused.contains(line), "{line:?} is not in {refused}");
    }

    let runtime = Runtime::new().unwrap();
    let channel = runtime.block_on(async {
        kit_transport_grpc::channel(&format!("grpc://{}", greeter.grpc)).unwrap()
    });
    let over_grpc = || -> Result<String, Status> {
        let asked = GreetingRequest { name: "Ada".to_owned() };
        let mut client = GreeterClient::new(channel.clone());
        let reply = runtime.block_on(async { timeout(LIMIT, client.greeting(asked)).await });
        Ok(reply.unwrap()?.into_inner().greeting)
    };
    // It is the same caller, from the same address.
    let status = (0..TRIES).find_map(|_| over_grpc().err()).unwrap();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    let retry = status.get_error_details().retry_info().unwrap().retry_delay.unwrap();
    assert!(retry <= Duration::from_millis(500), "{retry:?}");

    // Nobody else is to wait for them.
    for _ in 0..TRIES {
        assert!(get(&greeter.http, "/health").unwrap().starts_with("HTTP/1.1 200 "));
    }
    until(LIMIT, "its turn over gRPC", || over_grpc().ok());
    until(LIMIT, "its turn over HTTP", || {
        Some(()).filter(|()| over_http(&greeter).starts_with("HTTP/1.1 200 "))
    });
    let page = get(&greeter.debug, "/metrics").unwrap();
    for part in [
        r#"rate_limit_capacity{limit="per-caller"} 10000"#,
        r#"concurrency_limit_in_flight{limiter="greeting"} 0"#,
        r#"concurrency_limit{limiter="greeting"}"#,
    ] {
        assert!(page.contains(part), "{part} is not in\n{page}");
    }
    greeter.signal("TERM");
    assert_eq!(greeter.end().0, Some(0));
}

#[test]
#[ignore = "needs a process of its own"]
fn call_prints_each_greeting_and_each_failure_and_ends_with_1_if_there_is_one() {
    let greeter = Greeter::start(&["--rate-limit", "4/h"]);
    let targets = [format!("http://{}", greeter.http), format!("grpc://{}", greeter.grpc)];
    for target in &targets {
        let done = run(&["call", target, "Ada", "--count", "2", "--rate-limit", "100/s"]);
        assert_eq!(done.status.code(), Some(0), "{done:?}");
        assert_eq!(done.stdout, b"Hello, Ada!\nHello, Ada!\n");
        assert!(done.stderr.is_empty(), "{done:?}");
    }
    // What is left is none, which no breaker takes for a failure of the greeter.
    for target in &targets {
        let done = run(&["call", target, "Ada", "--count", "3", "--breaker-failures", "1"]);
        assert_eq!(done.status.code(), Some(1), "{done:?}");
        assert!(done.stdout.is_empty(), "{done:?}");
        let said = String::from_utf8(done.stderr).unwrap();
        assert_eq!(said.lines().count(), 3, "{said}");
        let is_limit = |line: &str| line.starts_with("greeter: ") && line.contains("rate limit");
        assert!(said.lines().all(is_limit), "{said}");
    }
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for scheme in ["http", "grpc"] {
        let target = format!("{scheme}://{gone}");
        let done = run(&["call", &target, "Ada", "--count", "4", "--breaker-failures", "2"]);
        assert_eq!(done.status.code(), Some(1), "{done:?}");
        let said = String::from_utf8(done.stderr).unwrap();
        let lines: Vec<_> = said.lines().collect();
        assert_eq!(lines.len(), 4, "{said}");
        let is_open = |line: &&str| line.contains("the circuit is open: try again in ");
        assert!(!lines[..2].iter().any(is_open) && lines[2..].iter().all(is_open), "{said}");
    }
}
