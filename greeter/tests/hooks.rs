//! What watches requests and servers.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

#[path = "memory/agent.rs"]
mod agent;

use ::http::{Extensions, HeaderMap};
use agent::Fake;
use greeter::{
    auth::Gate,
    discovery::{deregister, register},
    entry::Entry,
    hooks::{grpc, http, registered, watched},
    registry::{Consul, Registry},
    transport::grpc::{ARTICLE, CHAT, GREETING, GREETINGS},
};
use kit_endpoint::Kind;
use kit_metrics::{Prometheus, prometheus::Format};
use kit_serve::{Listener, Peer};
use kit_trace::{Flags, SpanId, TraceContext, TraceId};
use kit_transport::{Call, Hook, Protocol, RequestId, Watch};
use std::{future::pending, io, time::Duration};
use tokio::{
    io::DuplexStream,
    sync::watch,
    time::{sleep, timeout},
};

/// Has `hook` see a call that nothing answers, and returns what it put by.
fn seen(hook: &impl Hook, call: &Call<'_>) -> Extensions {
    seen_with(hook, call, Extensions::new())
}

/// As [`seen`], of a call that came with `extensions`.
fn seen_with(hook: &impl Hook, call: &Call<'_>, mut extensions: Extensions) -> Extensions {
    let mut watch = Watch::new(hook.before(call, &mut extensions));
    watch.failed_with(Kind::Unimplemented, None);
    watch.finish();
    extensions
}

#[test]
fn a_request_over_http_has_an_id_and_is_measured_by_its_route() {
    let metrics = Prometheus::new();
    let headers = HeaderMap::new();
    let call = Call::new(Protocol::Http, "GET", &headers).route(Some("/greeting"));
    let extensions = seen(&http(&metrics, &Gate::default(), &Entry::default()), &call);
    assert!(extensions.get::<RequestId>().is_some());
    let page = metrics.render();
    let count = "http_server_request_duration_seconds_count{";
    let line = page.lines().find(|line| line.starts_with(count)).unwrap();
    assert!(line.contains(r#"http_route="/greeting""#) && line.ends_with(" 1"), "{line}");
}

#[test]
fn a_request_over_grpc_has_an_id_and_is_measured_by_its_method_if_that_is_ours() {
    let metrics = Prometheus::new();
    let headers = HeaderMap::new();
    let hook = grpc(&metrics, &Gate::default(), &Entry::default());
    let ours = [GREETING, ARTICLE, GREETINGS, CHAT].map(|path| &path[1..]);
    for method in ours.into_iter().chain(["made.Up/ByACaller"]) {
        let extensions = seen(&hook, &Call::new(Protocol::Grpc, method, &headers));
        assert!(extensions.get::<RequestId>().is_some());
    }
    let page = metrics.render();
    for method in ours {
        assert!(page.contains(&format!("rpc_method=\"{method}\"")), "{method}: {page}");
    }
    assert!(!page.contains("made.Up"), "{page}");
}

#[test]
fn a_call_of_a_sampled_trace_is_an_exemplar_at_either_port() {
    let metrics = Prometheus::new();
    let headers = HeaderMap::new();
    let web = http(&metrics, &Gate::default(), &Entry::default());
    let rpc = grpc(&metrics, &Gate::default(), &Entry::default());
    let get = Call::new(Protocol::Http, "GET", &headers).route(Some("/greeting"));
    let ask = Call::new(Protocol::Grpc, &GREETING[1..], &headers);
    let of = |trace, sampled| {
        let (trace, span) = (TraceId::new(trace).unwrap(), SpanId::new(9).unwrap());
        let mut extensions = Extensions::new();
        let flags = Flags::RANDOM.with_sampled(sampled);
        extensions.insert(TraceContext::new(trace, span, flags));
        extensions
    };
    for (trace, sampled) in [(0xa, true), (0xb, false)] {
        seen_with(&web, &get, of(trace, sampled));
        seen_with(&rpc, &ask, of(trace + 0x10, sampled));
    }
    let page = metrics.render_as(Format::OpenMetrics);
    for (metric, trace) in
        [("http_server_request_duration_seconds", 0xa), ("rpc_server_call_duration_seconds", 0x1a)]
    {
        let examples: Vec<_> = page
            .lines()
            .filter(|line| line.starts_with(metric))
            .filter_map(|line| line.split_once(" # "))
            .collect();
        let [(_, example)] = *examples else { panic!("{examples:?} of {metric}: {page}") };
        let expected = format!(r#"{{trace_id="{trace:032x}",span_id="{:016x}"}} "#, 9);
        assert!(example.starts_with(&expected), "{example}");
    }
}

/// A listener to which nobody comes.
struct Nobody;

impl Listener for Nobody {
    type Io = DuplexStream;

    async fn accept(&mut self) -> io::Result<(DuplexStream, Peer)> {
        pending().await
    }
}

#[test]
fn a_server_is_measured_under_its_name() {
    let metrics = Prometheus::new();
    let server = kit_serve::serve(Nobody, axum::Router::new());
    let _server = watched("http", server, &metrics);
    let page = metrics.render();
    assert!(page.contains(r#"serve_connections_total{server="http"} 0"#), "{page}");
}

/// What the page says of either name.
fn are_registered(metrics: &Prometheus) -> Vec<String> {
    let page = metrics.render();
    let lines = page.lines().filter(|line| line.starts_with("sd_registered{"));
    lines.filter_map(|line| Some(line.rsplit_once(' ')?.1.to_owned())).collect()
}

#[tokio::test(start_paused = true)]
async fn names_in_a_registry_are_measured_until_they_are_given_up() {
    let metrics = Prometheus::new();
    let (_ready, readiness) = watch::channel(true);
    let agent = Fake::default().slow(Duration::from_secs(1)).down(true);
    let (service, host) = ("hello".to_owned(), "10.0.0.1".to_owned());
    let at = Consul(agent.clone());
    let registry = Registry { at, service, host, tags: vec![], metadata: vec![], tls: false };
    let names = register(&registry, [9110, 9120], &readiness).unwrap();
    let logging = tokio::spawn(registered(Some(&names), &metrics));
    sleep(Duration::from_secs(1)).await;
    assert!(agent.tried() > 0);
    assert_eq!(are_registered(&metrics), ["0", "0"]);
    let agent = agent.down(false);
    // The keeper tries again after 5 s at most.
    sleep(Duration::from_mins(1)).await;
    assert_eq!(agent.services().len(), 2);
    assert_eq!(are_registered(&metrics), ["1", "1"]);
    assert!(!logging.is_finished());
    deregister(Some(names)).await.unwrap();
    assert_eq!(agent.ids(), [""; 0]);
    timeout(Duration::from_mins(1), logging).await.unwrap().unwrap();
}

#[tokio::test]
async fn without_a_registry_there_is_nothing_to_log() {
    let metrics = Prometheus::new();
    registered(None, &metrics).await;
    assert!(!metrics.render().contains("sd_registered"));
}
