//! Endpoints of instances: made, kept, dropped.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use kit_sd::{Backoff, Endpointer, Endpoints, Instance, Instances};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::task::yield_now;

/// What a factory made: it knows how often, and what still lives.
#[derive(Clone, Default)]
struct Made(Arc<Mutex<BTreeMap<String, u32>>>, Arc<Mutex<Vec<String>>>);

#[derive(Clone)]
struct Endpoint(#[expect(dead_code, reason = "held, for its drop")] Arc<Open>);

struct Open(String, Made);

impl Made {
    fn factory(&self) -> impl FnMut(&Instance) -> Result<Endpoint, String> + Send + use<> {
        let made = self.clone();
        move |instance| {
            *made.0.lock().unwrap().entry(instance.id.clone()).or_default() += 1;
            if instance.tags.iter().any(|tag| tag == "bad") {
                return Err("bad".to_owned());
            }
            Ok(Endpoint(Arc::new(Open(instance.id.clone(), made.clone()))))
        }
    }

    fn count(&self, id: &str) -> u32 {
        self.0.lock().unwrap().get(id).copied().unwrap_or_default()
    }

    fn closed(&self) -> Vec<String> {
        self.1.lock().unwrap().clone()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.1.1.lock().unwrap().push(self.0.clone());
    }
}

fn instance(id: &str) -> Instance {
    Instance::new("hello", "10.0.0.1:80".parse().unwrap()).id(id)
}

fn ids(endpoints: &Endpoints<Endpoint>) -> Vec<String> {
    endpoints.with(|members| members.iter().map(|member| member.instance().id.clone()).collect())
}

/// Lets the endpointer's task do all it can.
async fn settle() {
    for _ in 0..10 {
        yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn survivors_are_kept_new_ones_made_and_gone_ones_dropped() {
    let (publisher, hello) = Instances::channel("hello");
    let made = Made::default();
    let endpointer = Endpointer::spawn(hello, made.factory());
    let endpoints = endpointer.endpoints();
    assert!(endpoints.is_empty());

    publisher.publish([instance("a"), instance("b")]);
    settle().await;
    assert_eq!(ids(&endpoints), ["a", "b"]);

    publisher.publish([instance("c"), instance("a").tag("new")]);
    settle().await;
    assert_eq!(ids(&endpoints), ["a", "c"]);
    assert_eq!((made.count("a"), made.count("b"), made.count("c")), (1, 1, 1));
    assert_eq!(made.closed(), ["b"]);

    publisher.publish([]);
    settle().await;
    assert_eq!(made.closed(), ["b", "a", "c"]);
}

#[tokio::test(start_paused = true)]
async fn an_outage_changes_nothing() {
    let (publisher, hello) = Instances::channel("hello");
    let made = Made::default();
    let endpointer = Endpointer::spawn(hello, made.factory());
    publisher.publish([instance("a")]);
    settle().await;
    publisher.fail("down");
    settle().await;
    assert_eq!(ids(&endpointer.endpoints()), ["a"]);
    // Not even that nobody watches any more.
    drop(publisher);
    settle().await;
    assert_eq!(ids(&endpointer.endpoints()), ["a"]);
    assert!(made.closed().is_empty());
}

#[tokio::test(start_paused = true)]
async fn duplicates_make_one_endpoint() {
    let (publisher, hello) = Instances::channel("hello");
    let made = Made::default();
    let endpointer = Endpointer::spawn(hello, made.factory());
    publisher.publish([instance("a"), instance("a")]);
    settle().await;
    assert_eq!(ids(&endpointer.endpoints()), ["a"]);
    assert_eq!(made.count("a"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_factory_that_fails_for_one_does_not_drop_the_rest_and_is_tried_again() {
    let (publisher, hello) = Instances::channel("hello");
    let made = Made::default();
    let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1)).seed(1);
    let endpointer = Endpointer::with_backoff(hello, made.factory(), backoff);
    publisher.publish([instance("a"), instance("b").tag("bad"), instance("c")]);
    settle().await;
    assert_eq!(ids(&endpointer.endpoints()), ["a", "c"]);
    assert_eq!(made.count("b"), 1);

    // The set does not change; the factory is asked again, and not too often.
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!((30..=1000).contains(&made.count("b")), "{}", made.count("b"));
    assert_eq!((made.count("a"), made.count("c")), (1, 1));

    publisher.publish([instance("a"), instance("b"), instance("c")]);
    settle().await;
    assert_eq!(ids(&endpointer.endpoints()), ["a", "b", "c"]);
    let tries = made.count("b");
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(made.count("b"), tries);
}

#[tokio::test(start_paused = true)]
async fn dropping_it_drops_every_endpoint_though_balancers_live() {
    let (publisher, hello) = Instances::channel("hello");
    let made = Made::default();
    let endpointer = Endpointer::spawn(hello, made.factory());
    let endpoints = endpointer.endpoints();
    publisher.publish([instance("a"), instance("b")]);
    settle().await;
    drop(endpointer);
    assert_eq!(made.closed(), ["a", "b"]);
    publisher.publish([instance("c")]);
    settle().await;
    assert!(endpoints.is_empty());
    assert_eq!(made.count("c"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_under_way_keeps_its_endpoint() {
    let (publisher, hello) = Instances::channel("hello");
    let made = Made::default();
    let endpointer = Endpointer::spawn(hello, made.factory());
    publisher.publish([instance("a")]);
    settle().await;
    let picked = endpointer.endpoints().with(|members| members[0].endpoint().clone());
    publisher.publish([]);
    settle().await;
    assert!(made.closed().is_empty());
    drop(picked);
    assert_eq!(made.closed(), ["a"]);
}
