//! Profiles of the CPU.

#![cfg(feature = "pprof")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]
#![allow(unexpected_cfgs, reason = "cargo-tarpaulin has one of its own")]

#[path = "support/profile.rs"]
mod profile;
mod support;

use axum::Router;
use http::{Method, StatusCode};
use kit_debug::Debug;
use profile::Profile;
use std::time::{SystemTime, UNIX_EPOCH};
use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};
use support::{Reply, get, request, send};
use tokio::{sync::Mutex, task::yield_now};

/// There is one profiler in a process, and the tests are in one.
static ONE: Mutex<()> = Mutex::const_new(());

fn port() -> Router {
    Debug::new().pprof().into_router()
}

fn profile(reply: &Reply) -> Profile {
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    Profile::read(&reply.body)
}

#[inline(never)]
fn spins_about(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        for number in 0..10_000_u64 {
            black_box(number.wrapping_mul(black_box(number)));
        }
    }
}

#[tokio::test]
// cargo-tarpaulin sets it, and builds without the symbols that a profile names.
#[cfg_attr(tarpaulin, ignore = "coverage is built without symbols")]
async fn it_shows_what_burns_the_cpu() {
    let _one = ONE.lock().await;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let burns = thread::spawn(move || spins_about(&stopped));
    let reply = get(&port(), "/debug/pprof/profile?seconds=1&frequency=250").await;
    stop.store(true, Ordering::Relaxed);
    burns.join().unwrap();
    let profile = profile(&reply);
    assert_eq!(reply.header("content-type"), "application/octet-stream");
    assert_eq!(reply.header("content-disposition"), "attachment; filename=\"profile.pb.gz\"");
    // It is all that runs; and it is where it is, not in what looks at it.
    let all: i64 = profile.sample.iter().map(|sample| sample.value[0]).sum();
    let burns = profile.samples("spins_about", false);
    assert!(all > 20 && burns > all * 8 / 10, "{burns} of {all}");
    for of_its_own in ["perf_signal_handler", "trace_unsynchronized", "pprof::profiler"] {
        assert_eq!(profile.samples(of_its_own, false), 0, "{of_its_own}");
    }
    // What it is called by is never innermost, so no frame too many is left out.
    let (own, above) = (profile.samples("spins_about", true), profile.samples("{{closure}}", true));
    assert!(own > 0 && above < all / 10, "{own} and {above} of {all}");

    let types = profile.sample_type.iter();
    let types = types.map(|of| [profile.string(of.name), profile.string(of.value)]);
    assert!(types.eq([["samples", "count"], ["cpu", "nanoseconds"]]));
    assert_eq!((profile.string(0), profile.period), ("", 4_000_000));
    for sample in &profile.sample {
        assert_eq!(sample.value[1], sample.value[0] * 4_000_000);
        assert_eq!(profile.string(sample.label[0].name), "thread");
    }
    for (index, location) in (1..).zip(&profile.location) {
        assert_eq!((location.id, location.address), (index, 0));
        assert!(!location.line.is_empty());
    }
    let files = profile.function.iter().map(|function| profile.string(function.filename));
    assert!(files.into_iter().any(|file| file.ends_with("tests/pprof.rs")));
    assert!(profile.location.iter().flat_map(|location| &location.line).any(|line| line.line > 0));
    assert!((1..).zip(&profile.function).all(|(index, function)| function.id == index));
    let seconds = profile.duration_nanos / 1_000_000_000;
    assert!((1..5).contains(&seconds), "{seconds}");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let begun = u64::try_from(profile.time_nanos / 1_000_000_000).unwrap();
    assert!((now - 60..=now).contains(&begun), "{begun} and {now}");
}

#[tokio::test(start_paused = true)]
async fn there_is_one_at_a_time_and_it_ends_when_its_caller_leaves() {
    let _one = ONE.lock().await;
    let port = port();
    let asked = port.clone();
    let first =
        tokio::spawn(async move { get(&asked, "/debug/pprof/profile?seconds=60").await.status });
    yield_now().await;
    for _ in 0..3 {
        let second = get(&port, "/debug/pprof/profile?seconds=1").await;
        assert_eq!(second.status, StatusCode::CONFLICT);
        assert_eq!(second.header("content-type"), "application/problem+json");
    }
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    // The clock is paused, and stands still while the profiler is stopped.
    loop {
        let next = get(&port, "/debug/pprof/profile?seconds=1").await;
        if next.status != StatusCode::CONFLICT {
            break drop(profile(&next));
        }
        yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn another_port_of_the_process_waits_its_turn_too() {
    let _one = ONE.lock().await;
    let running = pprof::ProfilerGuard::new(1).unwrap();
    let reply = get(&port(), "/debug/pprof/profile?seconds=1").await;
    assert_eq!(reply.status, StatusCode::CONFLICT);
    drop(running);
    profile(&get(&port(), "/debug/pprof/profile?seconds=1").await);
}

#[tokio::test(start_paused = true)]
async fn it_takes_as_long_and_as_often_as_is_asked_within_limits() {
    let _one = ONE.lock().await;
    for (query, seconds) in [
        ("", 30),
        ("?", 30),
        ("?seconds=60", 60),
        ("?frequency=1000&seconds=1", 1),
        ("?frequency=1", 30),
    ] {
        let begun = tokio::time::Instant::now();
        profile(&get(&port(), &format!("/debug/pprof/profile{query}")).await);
        assert_eq!(begun.elapsed().as_secs(), seconds, "{query}");
    }
    for query in [
        "seconds=0",
        "seconds=61",
        "seconds=-1",
        "seconds=1.5",
        "seconds=",
        "seconds",
        "seconds=1s",
        "seconds=99999999999999999999",
        "frequency=0",
        "frequency=1001",
        "frequency=x",
        "second=1",
        "seconds=1&debug=1",
    ] {
        let reply = get(&port(), &format!("/debug/pprof/profile?{query}")).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(reply.header("content-type"), "application/problem+json");
    }
}

#[tokio::test]
async fn strangers_and_pages_of_other_sites_take_none() {
    let target = "/debug/pprof/profile?seconds=0";
    let stranger = request(Method::GET, [10, 0, 0, 1], target);
    assert_eq!(send(&port(), stranger).await.status, StatusCode::FORBIDDEN);
    let mut image = request(Method::GET, [127, 0, 0, 1], target);
    image.headers_mut().insert("sec-fetch-site", "cross-site".parse().unwrap());
    assert_eq!(send(&port(), image).await.status, StatusCode::FORBIDDEN);
    // Who may ask hears what is wrong with it.
    assert_eq!(get(&port(), target).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_index_has_it() {
    let index = get(&port(), "/debug").await;
    let mut lines = index.text().lines();
    assert!(
        lines.any(|line| line.starts_with("/debug/pprof/profile ") && line.ends_with("(guarded)"))
    );
}
