//! Registered with a real Consul.

use crate::process::{Greeter, LIMIT, get, run, until, variable};
use serde_json::Value;
use std::{
    net::TcpListener,
    process,
    time::{Duration, SystemTime},
};
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);
/// The interval of the check, and what it takes beside.
const FIRST_CHECK: Duration = Duration::from_secs(15);

/// A name that no other test, nor another run of this one, uses.
fn name() -> String {
    let nanos = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    format!("greeter-{}-{nanos}", process::id())
}

/// What Consul answers to a question.
fn ask(consul: &str, target: &str) -> Value {
    let reply = get(consul, target).unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    // A chunked body begins with its size.
    let begin = body.find(['[', '{']).unwrap();
    let mut values = serde_json::Deserializer::from_str(&body[begin..]).into_iter();
    values.next().unwrap().unwrap()
}

/// The instances of a service that pass their checks.
fn passing(consul: &str, service: &str) -> Vec<Value> {
    match ask(consul, &format!("/v1/health/service/{service}?passing=true")) {
        Value::Array(found) => found,
        other => panic!("{other}"),
    }
}

/// The check of the one instance of a service.
fn check(consul: &str, service: &str) -> Value {
    ask(consul, &format!("/v1/health/checks/{service}"))[0].clone()
}

/// Both names.
fn names(service: &str) -> [String; 2] {
    [service.to_owned(), format!("{service}-grpc")]
}

#[test]
#[ignore = "needs consul"]
fn it_is_found_within_a_second_under_both_names_and_gone_within_another() {
    let consul = variable("KIT_CONSUL_ADDR");
    let service = name();
    let greeter = Greeter::start(&["--consul-addr", &consul, "--service-name", &service]);
    let ports = [&greeter.http, &greeter.grpc].map(|address| address.rsplit_once(':').unwrap().1);
    for (name, port) in names(&service).iter().zip(ports) {
        let found = until(SECOND, "the instance", || passing(&consul, name).pop());
        assert_eq!(found["Service"]["Port"].to_string(), port);
        assert_eq!(found["Service"]["Address"], "127.0.0.1");
        assert_eq!(check(&consul, name)["Status"], "passing");
    }

    let call = |more: &[&str]| {
        run(&[&["call", "--consul-addr", &consul, "--service-name", &service][..], more].concat())
    };
    let called = call(&["Ada"]);
    assert_eq!(called.status.code(), Some(0), "{called:?}");
    assert_eq!(called.stdout, b"Hello, Ada!\n");

    greeter.signal("TERM");
    let begun = Instant::now();
    for name in names(&service) {
        until(SECOND.saturating_sub(begun.elapsed()), "the end of the instance", || {
            passing(&consul, &name).is_empty().then_some(())
        });
    }
    // It serves on until callers know.
    let served = get(&greeter.http, "/greeting?name=Ada").unwrap();
    assert!(served.starts_with("HTTP/1.1 200 "), "{served}");
    let (code, log) = greeter.end();
    assert_eq!(code, Some(0), "{log:#?}");
    for name in names(&service) {
        assert_eq!(ask(&consul, &format!("/v1/health/checks/{name}")), Value::Array(Vec::new()));
    }
    let lost = call(&["--timeout", "500ms", "Ada"]);
    assert_eq!(lost.status.code(), Some(1), "{lost:?}");
}

#[test]
#[ignore = "needs consul"]
fn it_still_passes_after_the_first_check() {
    let consul = variable("KIT_CONSUL_ADDR");
    let service = name();
    let greeter = Greeter::start(&["--consul-addr", &consul, "--service-name", &service]);
    for name in names(&service) {
        until(SECOND, "the instance", || passing(&consul, &name).pop());
    }
    for name in names(&service) {
        // What the check says is empty until the agent has made it.
        let checked = until(FIRST_CHECK, "the first check", || {
            let all = ask(&consul, "/v1/agent/checks");
            let check = all.as_object()?.values().find(|check| check["ServiceName"] == name[..])?;
            (check["Output"] != "").then(|| check.clone())
        });
        assert_eq!(checked["Status"], "passing", "{checked}");
        let said = checked["Output"].as_str().unwrap();
        let wanted =
            if name == service { ["/health", "200 OK"] } else { ["gRPC check", "success"] };
        assert!(wanted.iter().all(|part| said.contains(part)), "{said}");
        assert_eq!(passing(&consul, &name).len(), 1);
    }
    greeter.signal("TERM");
    assert_eq!(greeter.end().0, Some(0));
}

#[test]
#[ignore = "needs a process of its own"]
fn a_registry_that_is_absent_does_not_keep_it_from_serving() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let greeter = Greeter::start(&["--consul-addr", &closed]);
    let greeting = get(&greeter.http, "/greeting?name=Ada").unwrap();
    assert!(greeting.starts_with("HTTP/1.1 200 "), "{greeting}");
    until(LIMIT, "a failed call of the registry", || {
        get(&greeter.debug, "/metrics").filter(|page| {
            page.lines().any(|line| {
                line.starts_with("sd_registration_failures_total{") && !line.ends_with(" 0")
            })
        })
    });
    greeter.signal("TERM");
    assert_eq!(greeter.end().0, Some(0));
}
