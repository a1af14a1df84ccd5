//! The page, as Prometheus' own checker reads it.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use kit_endpoint::Request;
use kit_metrics::{Inspect, Inspector, Prometheus, Recorder, RedLayer};
use metrics::{Key, Label, Level, Metadata, Unit};
use std::{
    convert::Infallible,
    env,
    io::Write,
    process::{Command, Output, Stdio},
};
use tower::{Layer, ServiceExt, service_fn};

const METADATA: Metadata<'static> = Metadata::new("test", Level::INFO, None);

/// Lets promtool check a page.
fn check(page: &str) -> Output {
    let program =
        env::var("KIT_PROMTOOL").expect("set KIT_PROMTOOL to promtool, or run cargo xtask test");
    let mut child = Command::new(program)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

struct Depth;

impl Inspect for Depth {
    fn inspect(&self, to: &mut dyn Inspector) {
        to.gauge("queue_depth", "How much waits.", &[("queue", "a\\b\"c\nd")], 3.0);
        to.counter("queue_seen_total", "How much there was.", &[], 7);
    }
}

#[tokio::test]
#[ignore = "needs promtool"]
async fn promtool_finds_nothing_to_say() {
    let metrics = Prometheus::new();
    metrics.collect(Depth);
    metrics.describe_counter("jobs".into(), None, "Jobs \\ that\nran.".into());
    metrics.describe_histogram("wait".into(), Some(Unit::Seconds), "How long one waits.".into());
    let labels = vec![Label::new("queue", "a\\b\"c\nd{},é")];
    metrics.register_counter(&Key::from_parts("jobs", labels), &METADATA).increment(2);
    metrics.register_histogram(&Key::from_name("wait"), &METADATA).record(0.5);
    let red = RedLayer::new(metrics.clone(), "endpoint", &[("endpoint", "greeting")]);
    let service = red.layer(service_fn(async |_: Request<()>| Ok::<_, Infallible>(())));
    service.oneshot(Request::new(())).await.unwrap();

    let page = metrics.render();
    let said = check(&page);
    assert!(said.status.success() && said.stderr.is_empty(), "{said:?}\n{page}");
}

#[test]
#[ignore = "needs promtool"]
fn promtool_says_so_of_a_page_that_is_wrong() {
    assert!(!check("# TYPE jobs counter\njobs{queue=\"a} 1\n").status.success());
}
