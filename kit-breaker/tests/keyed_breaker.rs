//! A circuit for each key, and a bound on keys.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use kit_breaker::{
    AnyError, Inspect, Inspector, Limits, Open, State,
    keyed::{Circuits, KeyedBreakerLayer},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::time::advance;
use tokio_stream::StreamExt;
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};

const OPEN: Duration = Duration::from_secs(5);

fn limits() -> Limits {
    Limits::default().failures(2).cooldown(OPEN, OPEN).jitter(0.0)
}

/// A service whose requests fail that begin with an x, and how often it was asked.
fn service(
    circuits: &Circuits<String>,
) -> (impl Service<&'static str, Response = (), Error = BoxError> + Clone, Arc<AtomicU32>) {
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let layer = KeyedBreakerLayer::new(circuits.clone(), |key: &&str| (*key).to_owned());
    let service = layer.classify(AnyError).layer(service_fn(move |key: &str| {
        count.fetch_add(1, Ordering::Relaxed);
        let reply = if key.starts_with('x') { Err("boom".into()) } else { Ok(()) };
        async { reply }
    }));
    (service, asked)
}

#[tokio::test(start_paused = true)]
async fn a_key_that_fails_opens_its_own_circuit() {
    // Kratos: instances per operation; open rejects without calling.
    let circuits = Circuits::new("test", limits());
    let (service, asked) = service(&circuits);
    for _ in 0..2 {
        service.clone().oneshot("x").await.unwrap_err();
    }
    assert!(service.clone().oneshot("x").await.unwrap_err().is::<Open>());
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    service.clone().oneshot("a").await.unwrap();
    assert_eq!(
        (circuits.get("x").state(), circuits.get("a").state()),
        (State::Open, State::Closed)
    );
    advance(OPEN).await;
    service.oneshot("x").await.unwrap_err();
    assert_eq!(asked.load(Ordering::Relaxed), 4, "a probe");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_of_a_probe_gives_its_place_back() {
    let circuits = Circuits::new("test", limits().failures(1));
    let (mut service, _) = service(&circuits);
    service.ready().await.unwrap().call("x").await.unwrap_err();
    advance(OPEN).await;
    drop(service.ready().await.unwrap().call("x"));
    assert_eq!(circuits.get("x").state(), State::HalfOpen);
    service.ready().await.unwrap().call("x").await.unwrap_err();
    assert_eq!(circuits.get("x").state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn an_idle_circuit_gives_way_at_the_bound() {
    let circuits = Circuits::bounded("test", limits(), 3);
    let (service, _) = service(&circuits);
    for key in ["x1", "x1", "x2", "a", "b"] {
        let _ = service.clone().oneshot(key).await;
    }
    let mut keys: Vec<_> = circuits.all().into_iter().map(|(key, _)| key).collect();
    keys.sort();
    // All were used since the last look, which had none: b was one too many.
    assert_eq!(keys, ["a", "x1", "x2"]);
    // Not at once: a look is at all of them.
    advance(Duration::from_millis(100)).await;
    service.clone().oneshot("b").await.unwrap();
    let mut keys: Vec<_> = circuits.all().into_iter().map(|(key, _)| key).collect();
    keys.sort();
    assert_eq!(keys, ["b", "x1", "x2"], "neither one that is open nor one that failed goes");
    assert_eq!((circuits.len(), circuits.is_empty()), (3, false));
}

#[tokio::test(start_paused = true)]
async fn made_up_keys_share_one_circuit_when_all_others_are_open() {
    let circuits = Circuits::bounded("test", limits().failures(1), 2);
    let (service, asked) = service(&circuits);
    for key in ["x1", "x2", "x3"] {
        assert!(!service.clone().oneshot(key).await.unwrap_err().is::<Open>());
    }
    assert!(service.clone().oneshot("x4").await.unwrap_err().is::<Open>(), "x3's is shared");
    assert_eq!((circuits.len(), asked.load(Ordering::Relaxed)), (2, 3));
}

#[tokio::test(start_paused = true)]
async fn a_million_keys_do_not_grow_it() {
    let circuits = Circuits::bounded("test", Limits::default(), 10);
    for key in 0..10_000 {
        let circuit = circuits.get(&key);
        assert_eq!(circuit.state(), State::Closed);
    }
    assert_eq!(circuits.len(), 10);
}

#[derive(Default)]
struct Seen(Vec<String>);

impl Inspector for Seen {
    fn counter(&mut self, name: &str, _: &str, labels: &[(&str, &str)], value: u64) {
        self.0.push(format!("{name}{labels:?} {value}"));
    }

    fn gauge(&mut self, name: &str, _: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push(format!("{name}{labels:?} {value}"));
    }
}

#[tokio::test(start_paused = true)]
async fn it_says_how_many_are_open() {
    let circuits = Circuits::bounded("test", limits().failures(1), 2);
    let (service, _) = service(&circuits);
    for key in ["x1", "x2", "x3"] {
        service.clone().oneshot(key).await.unwrap_err();
    }
    let mut seen = Seen::default();
    circuits.inspect(&mut seen);
    assert_eq!(
        seen.0,
        [
            r#"breaker_circuits[("breaker", "test"), ("state", "open")] 3"#,
            r#"breaker_circuits_evicted_total[("breaker", "test")] 0"#,
            r#"breaker_circuits_shared_total[("breaker", "test")] 1"#,
        ]
    );
}

/// Threads that meet a new key at once get the same circuit.
#[test]
fn a_new_key_has_one_circuit() {
    let circuits = Circuits::new("test", limits().failures(4));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
                for key in ["x1", "x2", "x3", "x4", "x5"] {
                    let (service, _) = service(&circuits);
                    runtime.as_ref().unwrap().block_on(service.oneshot(key)).unwrap_err();
                }
            });
        }
    });
    assert!(circuits.all().into_iter().all(|(_, circuit)| circuit.state() == State::Open));
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_judged_when_it_ends() {
    let circuits = Circuits::new("test", limits().failures(1));
    let layer = KeyedBreakerLayer::new(circuits.clone(), |(): &()| 7).classify(AnyError);
    let service = layer.streaming().layer(service_fn(|()| async {
        Ok::<_, BoxError>(tokio_stream::iter([Ok(1), Err(BoxError::from("boom"))]))
    }));
    let mut stream = service.oneshot(()).await.unwrap();
    stream.next().await.unwrap().unwrap();
    assert_eq!(circuits.get(&7).state(), State::Closed);
    stream.next().await.unwrap().unwrap_err();
    assert_eq!(circuits.get(&7).state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn circuits_of_what_is_gone_give_way_at_last() {
    let circuits = Circuits::bounded("test", limits().failures(1), 2);
    let (service, _) = service(&circuits);
    for key in ["x1", "x2"] {
        service.clone().oneshot(key).await.unwrap_err();
    }
    // Both are open and in use; then nobody comes to probe them.
    service.clone().oneshot("a").await.unwrap();
    advance(OPEN).await;
    service.clone().oneshot("b").await.unwrap();
    assert!(circuits.all().iter().any(|(key, _)| key == "b"));
}

#[tokio::test(start_paused = true)]
async fn a_circuit_that_is_held_does_not_give_way() {
    let circuits = Circuits::bounded("test", limits(), 1);
    let held = circuits.get("a");
    for key in ["b", "c"] {
        drop(circuits.get(key));
        advance(Duration::from_millis(100)).await;
    }
    held.force_open();
    assert_eq!(circuits.get("a").state(), State::ForcedOpen, "it is the same");
    circuits.get("a").reset();
    drop(held);
    for _ in 0..2 {
        drop(circuits.get("b"));
        advance(Duration::from_millis(100)).await;
    }
    assert!(circuits.all().iter().any(|(key, _)| key == "b"));
}

#[tokio::test(start_paused = true)]
async fn one_that_failed_in_its_window_is_not_as_a_new_one() {
    let limits = Limits::default().failures(0).failure_rate(0.5).min_calls(10);
    let circuits = Circuits::bounded("test", limits, 2);
    let (service, _) = service(&circuits);
    service.clone().oneshot("x").await.unwrap_err();
    service.clone().oneshot("a").await.unwrap();
    for _ in 0..3 {
        service.clone().oneshot("b").await.unwrap();
        advance(Duration::from_millis(100)).await;
    }
    assert_eq!(circuits.get("x").tally().failures, 1, "it was a that gave way");
}
