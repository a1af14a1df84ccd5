//! Following a registry: how far it is believed.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use kit_sd::{Follower, Instance, Instancer, Instances, Publisher, State, Watch};
use std::{
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{sync::mpsc, time::sleep};

/// A registry that says what it is told to; an error is a failure to ask it.
struct Registry(mpsc::UnboundedReceiver<Result<Vec<Instance>, &'static str>>);

type Say = mpsc::UnboundedSender<Result<Vec<Instance>, &'static str>>;

fn registry() -> (Say, Registry) {
    let (say, said) = mpsc::unbounded_channel();
    (say, Registry(said))
}

impl Instancer for Registry {
    fn service(&self) -> &'static str {
        "hello"
    }

    async fn run(mut self, publisher: Publisher) {
        while let Some(said) = self.0.recv().await {
            match said {
                Ok(instances) => publisher.publish(instances),
                Err(error) => publisher.fail(error),
            }
        }
    }
}

fn instances(numbers: impl IntoIterator<Item = u8>) -> Vec<Instance> {
    let one = |n| Instance::new("hello", format!("10.0.0.{n}:80").parse().unwrap());
    numbers.into_iter().map(one).collect()
}

async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

fn shown(instances: &Instances) -> (usize, &'static str) {
    let seen = instances.snapshot();
    (seen.instances.len(), seen.state.name())
}

/// Collects what the events say.
fn events() -> (Arc<Mutex<Vec<String>>>, impl Fn(&kit_sd::Event) + Send + Sync + 'static) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&heard);
    (heard, move |event: &kit_sd::Event| told.lock().unwrap().push(event.to_string()))
}

#[tokio::test(start_paused = true)]
async fn a_suspect_set_is_dropped_exactly_at_its_grace() {
    let (say, registry) = registry();
    let (heard, tell) = events();
    let watch = Follower::new(registry).on_event(tell).spawn();
    say.send(Ok(instances([1, 2, 3]))).unwrap();
    settle().await;
    say.send(Ok(vec![])).unwrap();
    settle().await;
    assert_eq!(shown(&watch.instances()), (3, "suspect"));
    sleep(Duration::from_secs(30) - Duration::from_millis(5)).await;
    assert_eq!(shown(&watch.instances()), (3, "suspect"));
    sleep(Duration::from_millis(10)).await;
    assert_eq!(shown(&watch.instances()), (0, "fresh"));
    assert_eq!(
        *heard.lock().unwrap(),
        [
            "the registry answers: 3 instances",
            "the registry knows no instance any more: the 3 instances that are missing stay for now",
            "3 instances are still missing and are dropped",
            "the registry answers: 0 instances",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_leaves_alone_leaves_at_once() {
    let (say, registry) = registry();
    let watch = Watch::spawn(registry);
    say.send(Ok(instances([1, 2, 3]))).unwrap();
    settle().await;
    say.send(Ok(instances([1, 3]))).unwrap();
    settle().await;
    assert_eq!(shown(&watch.instances()), (2, "fresh"));
}

#[tokio::test(start_paused = true)]
async fn an_error_keeps_the_set_for_ever_or_for_as_long_as_is_said() {
    for (keep, after, kept) in [(None, 1_000_000, 2), (Some(60), 59, 2), (Some(60), 61, 0)] {
        let (say, registry) = registry();
        let follower = Follower::new(registry);
        let watch = match keep {
            Some(keep) => follower.keep(Duration::from_secs(keep)).spawn(),
            None => follower.spawn(),
        };
        say.send(Ok(instances([1, 2]))).unwrap();
        settle().await;
        say.send(Err("refused")).unwrap();
        sleep(Duration::from_secs(after / 2)).await;
        // A later error does not prolong it (Go kit's `InvalidateOnError`).
        say.send(Err("refused again")).unwrap();
        sleep(Duration::from_secs(after - after / 2)).await;
        assert_eq!(shown(&watch.instances()), (kept, "stale"), "{keep:?}");
        say.send(Ok(instances([3]))).unwrap();
        settle().await;
        assert_eq!(shown(&watch.instances()), (1, "fresh"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_dead_among_the_missing_are_dropped_and_the_living_stay() {
    let (say, registry) = registry();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let watch = Follower::new(registry)
        .probe(move |instance: Arc<Instance>| {
            count.fetch_add(1, Ordering::Relaxed);
            async move {
                match instance.address.to_string().as_str() {
                    "10.0.0.1:80" => true,
                    "10.0.0.2:80" => false,
                    // Who does not answer is dead.
                    _ => pending().await,
                }
            }
        })
        .spawn();
    say.send(Ok(instances([1, 2, 3]))).unwrap();
    sleep(Duration::from_secs(10)).await;
    assert_eq!(asked.load(Ordering::Relaxed), 0, "nobody is asked without a doubt");
    say.send(Ok(vec![])).unwrap();
    settle().await;
    assert_eq!(shown(&watch.instances()), (2, "suspect"));
    sleep(Duration::from_millis(1100)).await;
    assert_eq!(shown(&watch.instances()), (1, "suspect"));
    assert_eq!(watch.instances().snapshot().instances[0].address.to_string(), "10.0.0.1:80");
    sleep(Duration::from_secs(30)).await;
    assert_eq!(shown(&watch.instances()), (0, "fresh"));
    let asked = asked.load(Ordering::Relaxed);
    assert!((31..=34).contains(&asked), "{asked}: once a second");
}

#[tokio::test(start_paused = true)]
async fn the_last_of_the_missing_that_is_dead_confirms_the_answer() {
    let (say, registry) = registry();
    let (heard, tell) = events();
    let watch = Follower::new(registry).probe(|_| async { false }).on_event(tell).spawn();
    say.send(Ok(instances(1..=100))).unwrap();
    settle().await;
    say.send(Ok(vec![])).unwrap();
    settle().await;
    assert_eq!(shown(&watch.instances()), (0, "fresh"));
    let last = heard.lock().unwrap().pop().unwrap();
    assert_eq!(last, "the registry answers: 0 instances");
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_panics_drops_nothing() {
    let (say, registry) = registry();
    let watch = Follower::new(registry)
        .probe(|_| async { if cfg!(test) { panic!("a probe panics") } else { false } })
        .spawn();
    say.send(Ok(instances([1]))).unwrap();
    settle().await;
    say.send(Ok(vec![])).unwrap();
    sleep(Duration::from_secs(5)).await;
    assert_eq!(shown(&watch.instances()), (1, "suspect"));
    assert!(!watch.is_finished());
}

#[tokio::test(start_paused = true)]
async fn without_a_grace_every_answer_is_believed() {
    let (say, registry) = registry();
    let watch = Follower::new(registry).grace(Duration::ZERO).spawn();
    say.send(Ok(instances([1]))).unwrap();
    settle().await;
    say.send(Ok(vec![])).unwrap();
    settle().await;
    assert_eq!(shown(&watch.instances()), (0, "fresh"));
}

#[tokio::test(start_paused = true)]
async fn an_instancer_that_ends_leaves_the_last_set_behind() {
    let (say, registry) = registry();
    let watch = Watch::spawn(registry);
    say.send(Ok(instances([1]))).unwrap();
    drop(say);
    let mut seen = watch.instances();
    assert_eq!(seen.changed().await.unwrap().instances.len(), 1);
    assert!(seen.changed().await.is_none());
    assert!(watch.is_finished());
    let State::Stale { error, .. } = &seen.current().state else { panic!("{seen:?}") };
    assert_eq!(&**error, "nobody follows the registry");
}

#[cfg(feature = "probe")]
#[tokio::test]
async fn a_probe_connects() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().try_into().unwrap();
    let instance = Arc::new(Instance::new("hello", address));
    assert!(kit_sd::probe_tcp(Arc::clone(&instance)).await);
    drop(listener);
    assert!(!kit_sd::probe_tcp(instance).await);
}

#[cfg(feature = "disk")]
mod disk {
    use super::*;
    use kit_sd::Health;
    use std::fs;

    /// The file is written by a thread of its own, to which a paused clock is
    /// nothing: what it did is waited for.
    async fn written(path: &std::path::Path, wanted: &str) {
        while !fs::read_to_string(path).is_ok_and(|text| text.contains(wanted)) {
            tokio::task::spawn_blocking(std::thread::yield_now).await.unwrap();
        }
    }

    #[tokio::test]
    async fn the_last_set_is_there_after_a_cold_start_during_an_outage() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hello.json");
        let full = Instance::new("hello", "[2001:db8::1]:80".parse().unwrap())
            .id("one")
            .tag("v1")
            .metadata("team", "a")
            .version("1.2.3")
            .zone("eu-1a")
            .weight(0)
            .health(Health::Warning);
        let (say, registry) = registry();
        let watch = Follower::new(registry).disk(&path).spawn();
        say.send(Ok(vec![full.clone()])).unwrap();
        written(&path, "one").await;
        drop(watch);

        let (say, registry) = super::registry();
        let (heard, tell) = events();
        let watch = Follower::new(registry).disk(&path).on_event(tell).spawn();
        let restored = watch.instances().changed().await.unwrap();
        assert_eq!(restored.state.name(), "stale");
        assert_eq!(*restored.instances[0], full);
        // A registry that comes back with nothing is doubted as ever.
        say.send(Ok(vec![])).unwrap();
        let mut seen = watch.instances();
        seen.wait_for(|seen| seen.state.name() == "suspect").await.unwrap();
        assert_eq!(seen.current().instances.len(), 1);
        let mut again = instances([7]);
        again.push(full);
        say.send(Ok(again)).unwrap();
        written(&path, "10.0.0.7").await;
        assert!(heard.lock().unwrap()[0].contains("1 instances were read from disk"));
    }

    #[tokio::test]
    async fn a_file_that_is_none_is_an_event_and_no_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hello.json");
        for text in ["", "{", r#"{"service":"other","instances":[]}"#] {
            fs::write(&path, text).unwrap();
            let (say, registry) = registry();
            let (heard, tell) = events();
            let watch = Follower::new(registry).disk(&path).on_event(tell).spawn();
            say.send(Ok(instances([1]))).unwrap();
            written(&path, "10.0.0.1").await;
            assert_eq!(watch.instances().snapshot().instances.len(), 1);
            let heard = heard.lock().unwrap().join("\n");
            assert!(heard.contains("the copy of the set on disk: "), "{heard}");
        }
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_is_an_event_and_no_end() {
        let folder = tempfile::tempdir().unwrap();
        let (say, registry) = registry();
        let (told, mut tells) = mpsc::unbounded_channel();
        let watch = Follower::new(registry)
            .disk(folder.path().join("gone/hello.json"))
            .on_event(move |event| told.send(event.to_string()).unwrap())
            .spawn();
        say.send(Ok(instances([1]))).unwrap();
        while !tells.recv().await.unwrap().contains("on disk") {}
        assert_eq!(watch.instances().snapshot().instances.len(), 1);
    }
}
