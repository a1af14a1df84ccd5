//! Consul's instancer: its loop, over a scripted client.
#![cfg(feature = "consul")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use kit_sd::{
    Backoff, Health, Instances, State, Watch,
    consul::{Answer, Client, Entry, Error, Instancer, Pulse, Query, Service},
};
use std::{
    collections::VecDeque,
    future::pending,
    iter,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep},
};

type Line = Box<dyn FnMut(&Query) -> Option<Result<Answer, Error>> + Send>;

/// Answers as the script says, then with the last line of it for ever.
#[derive(Clone)]
struct Fake {
    script: Arc<Mutex<VecDeque<Line>>>,
    asked: Arc<Mutex<Vec<(Instant, Query)>>>,
    /// How long a query waits that may, while these many have been asked.
    takes: (Duration, usize),
    pings: Arc<Mutex<Vec<Instant>>>,
    /// Whether it does not answer pings.
    is_silent: Arc<AtomicBool>,
}

impl Fake {
    fn new(script: impl IntoIterator<Item = Line>) -> Self {
        Self {
            script: Arc::new(Mutex::new(script.into_iter().collect())),
            asked: Arc::default(),
            takes: (Duration::ZERO, 0),
            pings: Arc::default(),
            is_silent: Arc::default(),
        }
    }

    fn asked(&self) -> Vec<(Instant, Query)> {
        self.asked.lock().unwrap().clone()
    }

    fn indexes(&self) -> Vec<u64> {
        self.asked().iter().map(|(_, query)| query.index).collect()
    }
}

impl Client for Fake {
    async fn register(&self, _: &Service) -> Result<(), Error> {
        unreachable!("an instancer only asks for health")
    }

    async fn deregister(&self, _: &str) -> Result<(), Error> {
        unreachable!("an instancer only asks for health")
    }

    async fn service(&self, _: &str, _: &str) -> Result<Option<String>, Error> {
        unreachable!("an instancer only asks for health")
    }

    async fn report(&self, _: &str, _: Health) -> Result<bool, Error> {
        unreachable!("an instancer only asks for health")
    }

    async fn ping(&self) -> Result<(), Error> {
        self.pings.lock().unwrap().push(Instant::now());
        if self.is_silent.load(Ordering::Relaxed) {
            pending::<()>().await;
        }
        Ok(())
    }

    async fn health(&self, query: &Query) -> Result<Answer, Error> {
        let asked = {
            let mut asked = self.asked.lock().unwrap();
            asked.push((Instant::now(), query.clone()));
            // A loop without a pause would hold the paused clock for ever.
            assert!(asked.len() < 10_000, "asked without end");
            asked.len()
        };
        let answer = {
            let mut script = self.script.lock().unwrap();
            let answer = script.front_mut().unwrap()(query);
            if script.len() > 1 {
                script.pop_front();
            }
            answer
        };
        if query.index > 0 && asked <= self.takes.1 {
            sleep(self.takes.0).await;
        }
        match answer {
            Some(answer) => answer,
            None => pending().await,
        }
    }
}

/// One of several that share a pulse.
struct Shared(Fake, Pulse);

impl Client for Shared {
    async fn register(&self, service: &Service) -> Result<(), Error> {
        self.0.register(service).await
    }

    async fn deregister(&self, id: &str) -> Result<(), Error> {
        self.0.deregister(id).await
    }

    async fn service(&self, id: &str, hash: &str) -> Result<Option<String>, Error> {
        self.0.service(id, hash).await
    }

    async fn report(&self, check: &str, health: Health) -> Result<bool, Error> {
        self.0.report(check, health).await
    }

    async fn ping(&self) -> Result<(), Error> {
        self.0.ping().await
    }

    async fn health(&self, query: &Query) -> Result<Answer, Error> {
        // The script is one: every service has the instance, and waits.
        match query.index {
            0 => Ok(health(5, [entry(1)])),
            _ => pending().await,
        }
    }

    fn pulse(&self) -> Pulse {
        self.1.clone()
    }
}

fn entry(n: u8) -> Entry {
    let mut entry = Entry::default();
    entry.node.push_str("10.9.9.9");
    entry.id = format!("hello-{n}");
    entry.address = format!("10.0.0.{n}");
    entry.port = 80;
    entry
}

fn health(index: u64, entries: impl IntoIterator<Item = Entry>) -> Answer {
    let mut health = Answer::default();
    health.index = index;
    health.entries = entries.into_iter().collect();
    health
}

/// Answers once with this.
fn answers(index: u64, numbers: &[u8]) -> Line {
    let entries: Vec<_> = numbers.iter().copied().map(entry).collect();
    Box::new(move |_| Some(Ok(health(index, entries.clone()))))
}

fn fails() -> Line {
    Box::new(|_| Some(Err(Error::NoIndex)))
}

fn hangs() -> Line {
    Box::new(|_| None)
}

fn ids(instances: &Instances) -> Vec<String> {
    instances.snapshot().instances.iter().map(|instance| instance.id.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn the_query_says_what_is_wanted() {
    let fake = Fake::new([answers(5, &[1]), hangs()]);
    let instancer = Instancer::new(fake.clone(), "hello").passing(true).tag("a").tag("b");
    let watch = Watch::spawn(instancer.wait(Duration::from_secs(20)));
    watch.instances().changed().await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let [(_, first), (_, second)] = fake.asked().try_into().unwrap();
    assert_eq!((&*first.service, first.passing, first.index), ("hello", true, 0));
    assert_eq!(first.tags, ["a", "b"]);
    assert_eq!((second.index, second.wait), (5, Duration::from_secs(20)));
    assert_eq!(second.patience(), Duration::from_millis(20_000 + 1_250 + 10_000));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_before_it_runs() {
    let fake = Fake::new([hangs()]);
    let instancer = Instancer::new(fake.clone(), "hello");
    sleep(Duration::from_mins(1)).await;
    assert!(fake.asked().is_empty());
    drop(instancer);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_service_has_no_instances() {
    let watch = Watch::spawn(Instancer::new(Fake::new([answers(1, &[]), hangs()]), "hello"));
    let seen = watch.instances().changed().await.unwrap();
    assert!(seen.instances.is_empty());
    assert!(matches!(seen.state, State::Fresh));
}

#[tokio::test(start_paused = true)]
async fn addresses_fall_back_to_the_nodes_and_what_cannot_be_dialled_is_left_out() {
    let (own, mut of_node, mut six, mut nowhere) = (entry(1), entry(2), entry(3), entry(4));
    of_node.address.clear();
    six.address = "2001:db8::1".to_owned();
    nowhere.port = 0;
    let mut entries = Some([own, of_node, six, nowhere]);
    let first: Line = Box::new(move |_| Some(Ok(health(1, entries.take().unwrap()))));
    let watch = Watch::spawn(Instancer::new(Fake::new([first, hangs()]), "hello"));
    let seen = watch.instances().changed().await.unwrap();
    let addresses: Vec<_> = seen.instances.iter().map(|one| one.address.to_string()).collect();
    assert_eq!(addresses, ["10.0.0.1:80", "10.9.9.9:80", "[2001:db8::1]:80"]);
}

#[tokio::test(start_paused = true)]
async fn tags_and_metadata_come_through() {
    let mut tagged = entry(1);
    tagged.tags = vec!["v1".to_owned()];
    tagged.metadata.insert("team".to_owned(), "a".to_owned());
    let first: Line = Box::new(move |_| Some(Ok(health(1, [tagged.clone()]))));
    let watch = Watch::spawn(Instancer::new(Fake::new([first, hangs()]), "hello"));
    let seen = watch.instances().changed().await.unwrap();
    assert_eq!((&*seen.instances[0].service, &*seen.instances[0].id), ("hello", "hello-1"));
    assert_eq!(seen.instances[0].tags, ["v1"]);
    assert_eq!(seen.instances[0].metadata["team"], "a");
}

#[tokio::test(start_paused = true)]
async fn it_outlives_a_failure_and_asks_from_the_start_again() {
    let fake = Fake::new([answers(7, &[1]), fails(), fails(), answers(8, &[2]), hangs()]);
    let watch = Watch::spawn(Instancer::new(fake.clone(), "hello"));
    let mut hello = watch.instances();
    hello.changed().await.unwrap();
    let stale = hello.wait_for(|seen| seen.failures == 2).await.unwrap();
    assert_eq!((stale.instances.len(), stale.state.name()), (1, "stale"));
    hello.changed().await.unwrap();
    assert_eq!(ids(&hello), ["hello-2"]);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(fake.indexes(), [0, 7, 0, 0, 8]);
}

#[tokio::test(start_paused = true)]
async fn an_index_that_goes_back_is_forgotten_and_its_answer_suspect() {
    let fake = Fake::new([answers(100, &[1]), answers(99, &[2]), answers(99, &[3]), hangs()]);
    let watch = Watch::spawn(Instancer::new(fake.clone(), "hello"));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(fake.indexes(), [0, 100, 0, 99]);
    // The second was seen after the index went back, so its going is believed.
    assert_eq!(ids(&watch.instances()), ["hello-1", "hello-3"]);
    assert_eq!(watch.instances().snapshot().state.name(), "suspect");
    sleep(Duration::from_secs(30)).await;
    assert_eq!(ids(&watch.instances()), ["hello-3"]);
    assert_eq!(watch.instances().snapshot().state.name(), "fresh");
}

#[tokio::test(start_paused = true)]
async fn an_index_that_went_back_over_a_failure_is_seen() {
    let fake =
        Fake::new([answers(28, &[1, 2]), fails(), answers(11, &[]), answers(12, &[2]), hangs()]);
    let watch = Watch::spawn(Instancer::new(fake.clone(), "hello"));
    let mut hello = watch.instances();
    hello.wait_for(|seen| seen.state.name() == "suspect").await.unwrap();
    assert_eq!(ids(&hello), ["hello-1", "hello-2"]);
    sleep(Duration::from_millis(29_990)).await;
    assert_eq!(ids(&hello), ["hello-1", "hello-2"]);
    sleep(Duration::from_millis(20)).await;
    assert_eq!(ids(&hello), ["hello-2"]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_agent_is_found_out_within_two_seconds_by_one_call_a_second() {
    let fake = Fake::new([answers(5, &[1]), hangs()]);
    let pulse = Pulse::default();
    let shared =
        |service: &str| Watch::spawn(Instancer::new(Shared(fake.clone(), pulse.clone()), service));
    let watches = [shared("hello"), shared("bye"), shared("adieu")];
    sleep(Duration::from_secs(10)).await;
    let pings = fake.pings.lock().unwrap().len();
    assert!((9..=11).contains(&pings), "{pings}");
    fake.is_silent.store(true, Ordering::Relaxed);
    let silent = Instant::now();
    for watch in &watches {
        let stale = watch.instances().wait_for(|seen| seen.failures > 0).await.unwrap();
        assert!(stale.state.error().unwrap().starts_with("the agent has fallen silent: "));
    }
    assert!(silent.elapsed() < Duration::from_secs(2), "{:?}", silent.elapsed());
    // It is asked at most a second apart, and found again within another.
    sleep(Duration::from_secs(20)).await;
    fake.is_silent.store(false, Ordering::Relaxed);
    let back = Instant::now();
    for watch in &watches {
        watch.instances().wait_for(|seen| seen.state == State::Fresh).await.unwrap();
    }
    assert!(back.elapsed() <= Duration::from_secs(2), "{:?}", back.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_index_of_zero_is_a_failure() {
    let fake = Fake::new([answers(5, &[1]), answers(0, &[]), hangs()]);
    let watch = Watch::spawn(Instancer::new(fake.clone(), "hello"));
    let mut hello = watch.instances();
    let failed = hello.wait_for(|seen| seen.failures == 1).await.unwrap();
    assert_eq!(failed.state.error(), Some("the answer has no index"));
    assert_eq!(ids(&hello), ["hello-1"]);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(fake.indexes(), [0, 5, 0]);
}

#[tokio::test(start_paused = true)]
async fn the_index_that_is_sent_is_the_one_that_came() {
    let mut last = 0;
    let advances: Line = Box::new(move |query| {
        assert_eq!(query.index, last);
        last += 3;
        Some(Ok(health(last, [])))
    });
    let fake = Fake::new([advances]);
    let _watch = Watch::spawn(Instancer::new(fake.clone(), "hello"));
    sleep(Duration::from_secs(2)).await;
    assert!(fake.asked().len() >= 20);
    assert!(fake.indexes().is_sorted_by(|a, b| a < b));
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_answers_at_once_is_asked_ten_times_a_second() {
    let same = Fake::new([answers(5, &[1])]);
    let back_and_forth: Line =
        Box::new(|query| Some(Ok(health(if query.index == 0 { 9 } else { 8 }, []))));
    let back_and_forth = Fake::new([back_and_forth]);
    for fake in [same, back_and_forth] {
        let _watch = Watch::spawn(Instancer::new(fake.clone(), "hello"));
        sleep(Duration::from_secs(10)).await;
        let count = fake.asked().len();
        assert!((90..=111).contains(&count), "{count}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_after_a_quiet_time_is_asked_for_at_once() {
    let answers = [answers(5, &[1]), answers(6, &[2]), answers(7, &[3]), hangs()];
    let fake = Fake { takes: (Duration::from_secs(30), 9), ..Fake::new(answers) };
    let _watch = Watch::spawn(Instancer::new(fake.clone(), "hello"));
    sleep(Duration::from_secs(100)).await;
    let asked = fake.asked();
    for pair in asked[1..].windows(2) {
        // The timer is as fine as a millisecond.
        assert!(pair[1].0 - pair[0].0 <= Duration::from_millis(30_001));
    }
    assert_eq!(asked.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_time_saves_no_more_than_a_seconds_queries() {
    let quiet = Duration::from_mins(1);
    let fake = Fake { takes: (quiet, 2), ..Fake::new([answers(5, &[1])]) };
    let _watch = Watch::spawn(Instancer::new(fake.clone(), "hello"));
    sleep(quiet + Duration::from_secs(1)).await;
    let count = fake.asked().len();
    assert!((12..=24).contains(&count), "{count}");
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_fails_is_asked_less_and_less() {
    for _ in 0..3 {
        let fake = Fake::new([fails()]);
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(30)).seed(3);
        let _watch = Watch::spawn(Instancer::new(fake.clone(), "hello").backoff(backoff));
        sleep(Duration::from_hours(1)).await;
        let count = fake.asked().len();
        // 15 s on average, for an hour.
        assert!((200..=300).contains(&count), "{count}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_hangs_is_given_up_in_time() {
    let fake = Fake::new([hangs()]);
    let instancer = Instancer::new(fake.clone(), "hello").wait(Duration::from_secs(16));
    let started = Instant::now();
    let watch = Watch::spawn(instancer);
    let failed = watch.instances().wait_for(|seen| seen.failures == 1).await.unwrap();
    assert_eq!(started.elapsed(), Duration::from_secs(27));
    assert_eq!(failed.state.error(), Some("the agent did not answer within 27s"));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_watch_drops_the_query_that_waits() {
    let (alive, mut ended) = oneshot::channel::<()>();
    // The script lives in the client, and the client in the task.
    let holds: Line = Box::new(move |_| {
        let _ = &alive;
        None
    });
    let watch = Watch::spawn(Instancer::new(Fake::new(iter::once(holds)), "hello"));
    sleep(Duration::from_secs(1)).await;
    ended.try_recv().unwrap_err();
    let dropped = Instant::now();
    drop(watch);
    ended.await.unwrap_err();
    assert_eq!(dropped.elapsed(), Duration::ZERO);
}
