//! What components say of themselves, and what is in flight.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use http::StatusCode;
use kit_debug::{Debug, InFlight, States};
use kit_endpoint::{Inspect, Inspector};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use support::get;

/// Says whatever it is told to.
struct Says<F>(F);

impl<F: Fn(&mut dyn Inspector) + Send + Sync> Inspect for Says<F> {
    fn inspect(&self, inspector: &mut dyn Inspector) {
        (self.0)(inspector);
    }
}

#[tokio::test]
async fn everything_that_is_said_is_shown() {
    let cache = Says(|inspector: &mut dyn Inspector| {
        let labels = &[("kind", "hit"), ("tier", "\"a\"")];
        inspector.counter("cache_total", "Look-ups.", labels, u64::MAX);
        inspector.gauge("cache_entries", "Entries.", &[], 1.5);
        inspector.counter("cache_total", "Look-ups.", &[("kind", "miss")], 0);
        inspector.state("cache_state", "What it does.", &[], "warming");
    });
    let port = Debug::new().state("cache", cache).into_router();
    let reply = get(&port, "/debug/state/cache").await;
    let page = json!({
        "metrics": [
            { "name": "cache_total", "type": "counter", "help": "Look-ups.", "values": [
                { "labels": { "kind": "hit", "tier": "\"a\"" }, "value": u64::MAX },
                { "labels": { "kind": "miss" }, "value": 0 },
            ]},
            { "name": "cache_entries", "type": "gauge", "help": "Entries.", "values": [
                { "labels": {}, "value": 1.5 },
            ]},
            { "name": "cache_state", "type": "state", "help": "What it does.", "values": [
                { "labels": {}, "value": "warming" },
            ]},
        ],
        "omitted": 0,
    });
    assert_eq!(reply.json(), page);
}

#[tokio::test]
async fn it_is_asked_anew_for_each_page() {
    let asked = Arc::new(AtomicU64::new(0));
    let counts = Arc::clone(&asked);
    let component = Says(move |inspector: &mut dyn Inspector| {
        let count = counts.fetch_add(1, Ordering::Relaxed);
        inspector.counter("asked_total", "Times.", &[], count);
    });
    let port = Debug::new().state("asked", component).into_router();
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    for count in 0..3 {
        let page = get(&port, "/debug/state/asked").await.json();
        assert_eq!(page["metrics"][0]["values"][0]["value"], count);
    }
    get(&port, "/debug/state").await;
    assert_eq!(asked.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn numbers_that_json_has_not_are_text() {
    let levels = Says(|inspector: &mut dyn Inspector| {
        for (name, value) in [("a", f64::NAN), ("b", f64::INFINITY), ("c", f64::NEG_INFINITY)] {
            inspector.gauge(name, "", &[], value);
        }
    });
    let port = Debug::new().state("levels", levels).into_router();
    let page = get(&port, "/debug/state/levels").await.json();
    let value = |at: usize| page["metrics"][at]["values"][0]["value"].clone();
    assert_eq!([value(0), value(1), value(2)], ["NaN", "+Inf", "-Inf"]);
}

#[tokio::test]
async fn the_names_are_listed_and_those_of_one_name_are_together() {
    let of = |name: &'static str| {
        Says(move |inspector: &mut dyn Inspector| inspector.gauge(name, "", &[], 1.0))
    };
    let port = Debug::new()
        .state("limits", of("rate"))
        .state("a b/c", of("odd"))
        .state("breakers", of("circuit"))
        .state("limits", of("concurrency"))
        .into_router();
    let names = get(&port, "/debug/state").await.json();
    assert_eq!(names, json!({ "states": ["a b/c", "breakers", "limits"] }));
    let index = get(&port, "/debug").await;
    assert!(index.text().contains("/debug/state/a%20b%2Fc "), "{}", index.text());
    let names_in = async |target: &str| {
        let page = get(&port, target).await.json();
        let metrics = page["metrics"].as_array().unwrap().clone();
        metrics.into_iter().map(|metric| metric["name"].clone()).collect::<Vec<Value>>()
    };
    assert_eq!(names_in("/debug/state/limits").await, ["rate", "concurrency"]);
    assert_eq!(names_in("/debug/state/a%20b%2Fc").await, ["odd"]);
}

#[tokio::test]
async fn what_comes_later_is_there_then() {
    let states = States::new();
    let port = Debug::new().states(&states).into_router();
    assert_eq!(get(&port, "/debug/state").await.json(), json!({ "states": [] }));
    assert_eq!(get(&port, "/debug/state/late").await.status, StatusCode::NOT_FOUND);
    states.add("late", Says(|inspector: &mut dyn Inspector| inspector.gauge("late", "", &[], 1.0)));
    assert_eq!(get(&port, "/debug/state").await.json(), json!({ "states": ["late"] }));
    assert_eq!(get(&port, "/debug/state/late").await.json()["metrics"][0]["name"], "late");
    assert!(get(&port, "/debug").await.text().contains("/debug/state/late "));
}

#[tokio::test]
async fn a_component_may_look_at_all_of_them_while_it_is_asked() {
    let states = States::new();
    let of_it = states.clone();
    let port = Debug::new().states(&states).into_router();
    let says = Says(move |inspector: &mut dyn Inspector| {
        let quiet = Says(|_: &mut dyn Inspector| {});
        of_it.add("another", quiet);
        inspector.gauge("a", "", &[], 1.0);
    });
    states.add("one", says);
    assert_eq!(get(&port, "/debug/state/one").await.status, StatusCode::OK);
    assert_eq!(get(&port, "/debug/state/another").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_name_that_is_not_there_is_a_problem() {
    let quiet = Says(|_: &mut dyn Inspector| {});
    let port = Debug::new().state("limits", quiet).into_router();
    let reply = get(&port, "/debug/state/%3Cb%3E").await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
    assert_eq!(reply.header("content-type"), "application/problem+json");
    assert!(!reply.text().contains('<'), "{}", reply.text());
    let empty = get(&port, "/debug/state/limits").await.json();
    assert_eq!(empty, json!({ "metrics": [], "omitted": 0 }));
}

#[tokio::test]
async fn a_page_is_no_longer_than_it_may_be() {
    let many = Says(|inspector: &mut dyn Inspector| {
        for key in 0..10_007 {
            inspector.counter("keys_total", "", &[("key", &key.to_string())], key);
        }
    });
    let port = Debug::new().state("many", many).into_router();
    let page = get(&port, "/debug/state/many").await.json();
    assert_eq!(page["metrics"][0]["values"].as_array().unwrap().len(), 10_000);
    assert_eq!(page["omitted"], 7);
}

fn in_flight(server: &str, path: &str, age: u64) -> InFlight {
    InFlight {
        server: server.to_owned(),
        method: "GET".to_owned(),
        path: path.to_owned(),
        peer: "10.0.0.1:4000".to_owned(),
        age: Duration::from_millis(age),
    }
}

#[tokio::test]
async fn what_is_in_flight_is_listed_the_oldest_first() {
    let port = Debug::new()
        .requests(|| vec![in_flight("http", "/a", 1500), in_flight("http", "/b", 7)])
        .requests(|| vec![in_flight("grpc", "/c", 30)])
        .into_router();
    let page = get(&port, "/debug/requests").await.json();
    let line = |server: &str, path: &str, age: f64| {
        json!({
            "server": server, "method": "GET", "path": path, "peer": "10.0.0.1:4000",
            "age_seconds": age,
        })
    };
    let requests = [line("http", "/a", 1.5), line("grpc", "/c", 0.03), line("http", "/b", 0.007)];
    assert_eq!(page, json!({ "in_flight": 3, "requests": requests }));
}

#[tokio::test]
async fn the_youngest_of_many_are_left_out() {
    let many = || (0..1500).map(|age| in_flight("http", "/", age)).collect();
    let port = Debug::new().requests(many).into_router();
    let page = get(&port, "/debug/requests").await.json();
    assert_eq!(page["in_flight"], 1500);
    let requests = page["requests"].as_array().unwrap();
    assert_eq!((requests.len(), &requests[999]["age_seconds"]), (1000, &json!(0.5)));
}
