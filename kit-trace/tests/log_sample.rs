//! Which calls are logged, if not all are.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]
#![allow(dead_code, reason = "shared")]

#[path = "support/written.rs"]
mod written;

use kit_endpoint::{Inspect, Inspector, Kind};
use kit_trace::log::{Format, Lines, LogLayer, Rate, Sampling};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::advance;
use tower::{Layer, ServiceExt, service_fn};
use tracing_subscriber::prelude::*;
use written::{Written, heard};

/// So many calls of a kind, after so many seconds.
type Step = (u64, u32, Option<Kind>);

/// How many lines each step has, and what the last of all says was left out.
fn lines(sampling: &Sampling, steps: &[Step]) -> Vec<Vec<Option<String>>> {
    let written = Written::default();
    let all = Lines::new(Format::Logfmt, written.clone());
    let mut so_far = 0;
    heard(tracing_subscriber::registry().with(all), || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut of_steps = Vec::new();
            for &(seconds, calls, kind) in steps {
                advance(Duration::from_secs(seconds)).await;
                for _ in 0..calls {
                    let classify = move |_: Result<&(), &()>| kind;
                    let layer = LogLayer::new("step").classify(classify);
                    let service = service_fn(|()| std::future::ready(Ok::<_, ()>(())));
                    layer.sampling(sampling.clone()).layer(service).oneshot(()).await.unwrap();
                }
                let lines: Vec<_> = written.logfmt().drain(so_far..).collect();
                so_far += lines.len();
                of_steps.push(lines.iter().map(|line| line.get("left_out").cloned()).collect());
            }
            of_steps
        })
    })
}

fn counts(sampling: &Sampling, steps: &[Step]) -> Vec<usize> {
    lines(sampling, steps).iter().map(Vec::len).collect()
}

const OK: Option<Kind> = None;

#[test]
fn of_many_successes_the_first_are_logged_and_then_one_in_many() {
    let sampling = Sampling::new(Rate::first(3).then_one_in(10));
    assert_eq!(counts(&sampling, &[(0, 3, OK)]), [3]);
    let sampling = Sampling::new(Rate::first(3).then_one_in(10));
    assert_eq!(counts(&sampling, &[(0, 43, OK), (1, 3, OK), (5, 2, OK)]), [3 + 4, 3, 2]);
    let sampling = Sampling::new(Rate::first(3));
    assert_eq!(counts(&sampling, &[(0, 1000, OK), (1, 1000, OK)]), [3, 3]);
    let sampling = Sampling::new(Rate::first(0).then_one_in(10));
    assert_eq!(counts(&sampling, &[(0, 100, OK)]), [10]);
    let sampling = Sampling::new(Rate::ALL);
    assert_eq!(counts(&sampling, &[(0, 1000, OK)]), [1000]);
}

#[test]
fn a_line_says_how_many_were_left_out_before_it() {
    let sampling = Sampling::new(Rate::first(2).then_one_in(10));
    let lines = lines(&sampling, &[(0, 25, OK), (1, 2, OK)]);
    let some = |count: &str| Some(count.to_owned());
    assert_eq!(lines, [vec![None, None, some("9"), some("9")], vec![some("3"), None]]);
}

#[test]
fn failures_are_logged_all_but_for_floods() {
    for kind in [Kind::Internal, Kind::Unavailable, Kind::NotFound, Kind::Cancelled] {
        let sampling = Sampling::new(Rate::first(1));
        let steps = [(0, 500, Some(kind)), (0, 3, OK), (0, 700, Some(kind)), (1, 1000, Some(kind))];
        // A thousand in a second, and of the other 200 one in a hundred.
        assert_eq!(counts(&sampling, &steps), [500, 1, 500 + 2, 1000], "{kind}");
        let sampling = Sampling::new(Rate::ALL).failures(Rate::first(10));
        assert_eq!(counts(&sampling, &[(0, 500, Some(kind)), (0, 20, OK)]), [10, 20], "{kind}");
    }
}

#[test]
fn what_is_left_out_is_counted() {
    #[derive(Default)]
    struct Seen(BTreeMap<String, u64>);
    impl Inspector for Seen {
        fn counter(&mut self, name: &str, _: &str, labels: &[(&str, &str)], value: u64) {
            assert_eq!(name, "log_calls_left_out_total");
            assert_eq!(labels[0].0, "outcome");
            self.0.insert(labels[0].1.to_owned(), value);
        }
        fn gauge(&mut self, _: &str, _: &str, _: &[(&str, &str)], _: f64) {}
    }
    let sampling = Sampling::new(Rate::first(3)).failures(Rate::first(5));
    counts(&sampling, &[(0, 10, OK), (0, 9, Some(Kind::Internal))]);
    let mut seen = Seen::default();
    sampling.inspect(&mut seen);
    assert_eq!(seen.0, [("failure".to_owned(), 4), ("success".to_owned(), 7)].into());
}

#[test]
fn threads_lose_no_call() {
    let written = Written::default();
    let sampling = Sampling::new(Rate::first(100).then_one_in(10));
    let lines = Lines::new(Format::Logfmt, written.clone());
    let dispatch = tracing::Dispatch::new(tracing_subscriber::registry().with(lines));
    heard(tracing_subscriber::registry(), || ());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                tracing::dispatcher::with_default(&dispatch, || {
                    let service = service_fn(|()| std::future::ready(Ok::<_, std::fmt::Error>(())));
                    let layer = LogLayer::new("step").classify(kit_endpoint::AnyError);
                    let service = layer.sampling(sampling.clone()).layer(service);
                    let runtime = tokio::runtime::Builder::new_current_thread()
                        .enable_time()
                        .build()
                        .unwrap();
                    for _ in 0..1000 {
                        runtime.block_on(service.clone().oneshot(())).unwrap();
                    }
                });
            });
        }
    });
    // Each was logged or left out; those after the last line are still to be told.
    let lines = written.logfmt();
    let told: u64 = lines
        .iter()
        .map(|line| line.get("left_out").map_or(0, |count| count.parse::<u64>().unwrap()))
        .sum();
    let all = lines.len() as u64 + told;
    assert!((4000 - 10..=4000).contains(&all), "{all}");
}
