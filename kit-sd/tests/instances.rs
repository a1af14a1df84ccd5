//! A set of instances: what is published, and who sees it.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use kit_endpoint::{Inspect, Inspector};
use kit_sd::{Instance, Instancer, Instances, Publisher, Snapshot, State, Watch};
use std::{future::pending, sync::Arc, time::Duration};
use tokio::{sync::oneshot, time::Instant};
use tokio_test::{assert_pending, assert_ready, task};

fn instance(n: u8) -> Instance {
    Instance::new("hello", format!("10.0.0.{n}:80").parse().unwrap())
}

fn ids(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.instances.iter().map(|instance| instance.id.as_str()).collect()
}

#[test]
fn the_set_is_sorted_and_has_every_instance_once() {
    let (publisher, hello) = Instances::channel("hello");
    publisher.publish([instance(3), instance(1), instance(3), instance(2)]);
    let snapshot = hello.snapshot();
    assert_eq!(ids(&snapshot), ["hello-10.0.0.1-80", "hello-10.0.0.2-80", "hello-10.0.0.3-80"]);
}

#[test]
fn one_id_at_two_addresses_is_two_instances() {
    let (publisher, hello) = Instances::channel("hello");
    publisher.publish([instance(1).id("hello"), instance(2).id("hello")]);
    assert_eq!(hello.snapshot().instances.len(), 2);
}

#[test]
fn a_late_subscriber_sees_the_set_at_once() {
    let (publisher, hello) = Instances::channel("hello");
    publisher.publish([instance(1)]);
    let mut late = hello.clone();
    let mut changed = task::spawn(late.changed());
    assert_eq!(ids(&assert_ready!(changed.poll()).unwrap()), ["hello-10.0.0.1-80"]);
}

#[test]
fn a_slow_subscriber_sees_the_last_set_and_holds_up_nobody() {
    let (publisher, mut slow) = Instances::channel("hello");
    for n in 1..=100 {
        publisher.publish([instance(n)]);
    }
    assert_eq!(
        ids(&assert_ready!(task::spawn(slow.changed()).poll()).unwrap()),
        ["hello-10.0.0.100-80"]
    );
    assert_pending!(task::spawn(slow.changed()).poll());
}

#[test]
fn the_same_set_wakes_nobody_and_shares_its_instances() {
    let (publisher, mut hello) = Instances::channel("hello");
    publisher.publish([instance(1), instance(2)]);
    let first = assert_ready!(task::spawn(hello.changed()).poll()).unwrap();
    let mut changed = task::spawn(hello.changed());
    assert_pending!(changed.poll());
    publisher.publish([instance(2), instance(1)]);
    assert!(!changed.is_woken());
    publisher.publish([instance(2), instance(1).tag("new")]);
    let second = assert_ready!(changed.poll()).unwrap();
    assert_eq!((first.revision, second.revision), (1, 2));
    assert!(!Arc::ptr_eq(&first.instances[0], &second.instances[0]));
    assert!(Arc::ptr_eq(&first.instances[1], &second.instances[1]));
}

#[test]
fn an_empty_answer_is_an_answer() {
    let (publisher, mut hello) = Instances::channel("hello");
    assert!(matches!(hello.snapshot().state, State::NeverSeen { error: None }));
    publisher.publish([]);
    let first = assert_ready!(task::spawn(hello.changed()).poll()).unwrap();
    assert!(first.instances.is_empty());
    assert!(matches!(first.state, State::Fresh));
    publisher.publish([instance(1)]);
    publisher.publish([]);
    assert!(hello.snapshot().instances.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_error_keeps_the_set_and_is_seen() {
    let (publisher, mut hello) = Instances::channel("hello");
    publisher.fail("refused");
    assert_eq!(hello.snapshot().state.error(), Some("refused"));
    publisher.publish([instance(1)]);
    hello.changed().await.unwrap();

    let failed = Instant::now();
    publisher.fail("first");
    tokio::time::advance(Duration::from_secs(1)).await;
    publisher.fail("second");
    let snapshot = hello.snapshot();
    assert_eq!(ids(&snapshot), ["hello-10.0.0.1-80"]);
    assert_eq!(snapshot.failures, 3);
    let State::Stale { since, error } = &snapshot.state else { panic!("fresh") };
    assert_eq!((*since, &**error), (failed, "second"));
    // No other set, so nothing has changed; but the state can be waited for.
    assert_pending!(task::spawn(hello.changed()).poll());

    let mut other = hello.clone();
    let mut fresh = task::spawn(other.wait_for(|seen| matches!(seen.state, State::Fresh)));
    assert_pending!(fresh.poll());
    publisher.publish([instance(1)]);
    assert_eq!(assert_ready!(fresh.poll()).unwrap().revision, 1);
}

#[test]
fn without_a_publisher_the_set_is_stale_and_changes_end() {
    let (publisher, mut hello) = Instances::channel("hello");
    publisher.publish([instance(1)]);
    drop(publisher);
    assert_eq!(assert_ready!(task::spawn(hello.changed()).poll()).unwrap().instances.len(), 1);
    assert!(assert_ready!(task::spawn(hello.changed()).poll()).is_none());
    assert_eq!(hello.snapshot().state.name(), "stale");
}

#[test]
fn a_fixed_set_is_fresh_for_ever() {
    let mut fixed = Instances::fixed("hello", [instance(1)]);
    assert_eq!(assert_ready!(task::spawn(fixed.changed()).poll()).unwrap().instances.len(), 1);
    assert_eq!(fixed.snapshot().state.name(), "fresh");
}

struct OneThenNothing(oneshot::Sender<()>);

impl Instancer for OneThenNothing {
    fn service(&self) -> &'static str {
        "hello"
    }

    async fn run(self, publisher: Publisher) {
        publisher.publish([instance(1)]);
        pending::<()>().await;
        drop(self.0);
    }
}

#[tokio::test]
async fn dropping_a_watch_ends_its_task_and_keeps_the_set() {
    let (alive, mut ended) = oneshot::channel();
    let watch = Watch::spawn(OneThenNothing(alive));
    let mut hello = watch.instances();
    assert_eq!(hello.changed().await.unwrap().instances.len(), 1);
    assert!(!watch.is_finished());
    ended.try_recv().unwrap_err();
    drop(watch);
    ended.await.unwrap_err();
    assert_eq!(hello.snapshot().instances.len(), 1);
    assert_eq!(hello.snapshot().state.name(), "stale");
}

#[derive(Default)]
struct Seen(Vec<String>);

impl Inspector for Seen {
    fn counter(&mut self, name: &str, _: &str, labels: &[(&str, &str)], value: u64) {
        self.0.push(format!("{name} {labels:?} {value}"));
    }

    fn gauge(&mut self, name: &str, _: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push(format!("{name} {labels:?} {value}"));
    }
}

#[tokio::test(start_paused = true)]
async fn inspection_tells_the_count_the_state_and_the_failures() {
    let (publisher, hello) = Instances::channel("hello");
    publisher.publish([instance(1), instance(2)]);
    publisher.fail("refused");
    tokio::time::advance(Duration::from_secs(3)).await;
    let mut seen = Seen::default();
    hello.inspect(&mut seen);
    assert_eq!(
        seen.0,
        [
            r#"sd_up [("service", "hello")] 0"#,
            r#"sd_instances [("service", "hello")] 2"#,
            r#"sd_instances_missing [("service", "hello")] 0"#,
            r#"sd_stale_seconds [("service", "hello")] 3"#,
            r#"sd_state [("service", "hello"), ("state", "stale")] 1"#,
            r#"sd_changes_total [("service", "hello")] 1"#,
            r#"sd_failures_total [("service", "hello")] 1"#,
        ]
    );
}

#[test]
fn public_types_may_cross_threads() {
    fn check<T: Send + Sync>() {}
    check::<Instances>();
    check::<Publisher>();
    check::<Watch>();
    check::<kit_sd::Registration>();
    check::<kit_sd::RegistrationStatus>();
    check::<kit_sd::Endpointer<()>>();
    check::<kit_sd::Retry<kit_sd::RoundRobin<()>>>();
}

#[test]
fn the_current_set_is_the_same_until_it_changes() {
    let (publisher, mut hello) = Instances::channel("hello");
    publisher.publish([instance(1)]);
    let first = Arc::clone(hello.current());
    assert!(Arc::ptr_eq(&first, hello.current()));
    assert!(Arc::ptr_eq(&first, &hello.snapshot()));
    publisher.publish([instance(2)]);
    assert_eq!(ids(&hello.snapshot()), ["hello-10.0.0.2-80"]);
    assert_eq!(ids(hello.current()), ["hello-10.0.0.2-80"]);
    assert_eq!(ids(&first), ["hello-10.0.0.1-80"]);
}

// Go kit's instance cache copies 1000 instances while others read them.
#[test]
fn readers_on_other_threads_see_whole_sets_that_only_grow_newer() {
    let (publisher, hello) = Instances::channel("hello");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let mut hello = hello.clone();
            scope.spawn(move || {
                let mut last = 0;
                while last < 200 {
                    let seen = hello.current();
                    assert!(seen.revision >= last);
                    assert!(seen.revision == 0 || seen.instances.len() == 100);
                    last = seen.revision;
                }
            });
        }
        for round in 0..200 {
            publisher.publish((0..100).map(|n| instance(n).metadata("round", round.to_string())));
        }
    });
}
