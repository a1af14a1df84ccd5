//! Keeping an instance registered: from readiness to the end.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use kit_endpoint::{Inspect, Inspector};
use kit_sd::{Backoff, Failing, Health, Instance, Keeper, NotRegistered, Registrar};
use std::{
    error::Error as _,
    fmt,
    future::{Ready, pending, ready},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Notify, oneshot, watch},
    task::yield_now,
    time::{Instant, sleep},
};

const PERIOD: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused")
    }
}

impl std::error::Error for Refused {}

/// What the fake registry is like, and what it heard.
#[derive(Default)]
struct Registry {
    is_up: bool,
    hangs: bool,
    knows: bool,
    heard: Vec<&'static str>,
}

#[derive(Clone)]
struct Fake(Arc<Mutex<Registry>>, Arc<Instance>);

impl Fake {
    fn new(is_up: bool) -> Self {
        let registry = Registry { is_up, ..Registry::default() };
        let instance = Instance::new("hello", "10.0.0.1:80".parse().unwrap());
        Self(Arc::new(Mutex::new(registry)), Arc::new(instance))
    }

    fn set(&self, change: impl FnOnce(&mut Registry)) {
        change(&mut self.0.lock().unwrap());
    }

    fn heard(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.lock().unwrap().heard)
    }

    async fn call<T>(
        &self,
        what: &'static str,
        answer: impl FnOnce(&mut Registry) -> T,
    ) -> Result<T, Refused> {
        let hangs = {
            let mut registry = self.0.lock().unwrap();
            registry.heard.push(what);
            // A loop without a pause would hold the paused clock for ever.
            assert!(registry.heard.len() < 10_000, "called without end");
            registry.hangs
        };
        if hangs {
            pending::<()>().await;
        }
        let mut registry = self.0.lock().unwrap();
        if registry.is_up { Ok(answer(&mut registry)) } else { Err(Refused) }
    }
}

impl Registrar for Fake {
    type Error = Refused;

    fn instance(&self) -> &Instance {
        &self.1
    }

    async fn register(&self, _: Health) -> Result<(), Refused> {
        self.call("register", |registry| registry.knows = true).await
    }

    async fn renew(&self, _: Health) -> Result<bool, Refused> {
        self.call("renew", |registry| registry.knows).await
    }

    fn period(&self) -> Duration {
        PERIOD
    }

    async fn deregister(&self) -> Result<(), Refused> {
        self.call("deregister", |registry| registry.knows = false).await
    }
}

/// Lets the task do all it can.
async fn settle() {
    for _ in 0..10 {
        yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn it_registers_renews_and_deregisters() {
    let fake = Fake::new(true);
    let registration = Keeper::new(fake.clone()).spawn();
    assert!(fake.heard().is_empty());
    settle().await;
    assert_eq!(fake.heard(), ["register"]);
    assert!(registration.status().get().registered);
    sleep(PERIOD * 10).await;
    let heard = fake.heard();
    assert!((9..=11).contains(&heard.len()), "{heard:?}");
    assert!(heard.iter().all(|heard| *heard == "renew"));
    let status = registration.status();
    registration.deregister().await.unwrap();
    assert_eq!(fake.heard(), ["deregister"]);
    assert!(!status.get().registered);
    sleep(PERIOD * 10).await;
    assert!(fake.heard().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_is_absent_is_tried_again_until_it_is_there() {
    let fake = Fake::new(false);
    let registration = Keeper::new(fake.clone()).spawn();
    let mut status = registration.status();
    let failed = status.wait_for(|status| status.failures == 3).await.unwrap();
    assert_eq!((failed.registered, failed.error.as_deref()), (false, Some("refused")));
    fake.set(|registry| registry.is_up = true);
    let kept = status.wait_for(|status| status.registered).await.unwrap();
    assert_eq!((kept.registrations, kept.error), (1, None));
}

#[tokio::test(start_paused = true)]
async fn pauses_grow_up_to_the_cap_and_no_further() {
    let fake = Fake::new(false);
    let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5)).seed(1);
    let registration = Keeper::new(fake.clone()).backoff(backoff).spawn();
    sleep(Duration::from_mins(10)).await;
    let failures = registration.status().get().failures;
    // 2.5 s on average, for 600 s.
    assert!((180..=320).contains(&failures), "{failures}");
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_was_lost_is_registered_again_at_once() {
    let fake = Fake::new(true);
    let registration = Keeper::new(fake.clone()).spawn();
    settle().await;
    fake.set(|registry| registry.knows = false);
    let mut status = registration.status();
    let started = Instant::now();
    status.wait_for(|status| status.registrations == 2).await.unwrap();
    assert!(started.elapsed() <= PERIOD + PERIOD / 9, "{:?}", started.elapsed());
    assert_eq!(fake.heard(), ["register", "renew", "register"]);
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_is_away_is_asked_again_and_the_registration_stays() {
    let fake = Fake::new(true);
    let registration = Keeper::new(fake.clone()).spawn();
    settle().await;
    fake.set(|registry| registry.is_up = false);
    let mut status = registration.status();
    let failed = status.wait_for(|status| status.failures == 3).await.unwrap();
    assert!(failed.registered);
    fake.set(|registry| registry.is_up = true);
    status.wait_for(|status| status.error.is_none()).await.unwrap();
    assert_eq!(status.get().registrations, 1);
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_that_failed_is_sent_again_within_its_period() {
    let fake = Fake::new(true);
    let slow = Backoff::new(PERIOD * 1000, PERIOD * 1000).seed(1);
    let registration = Keeper::new(fake.clone()).backoff(slow).spawn();
    settle().await;
    fake.set(|registry| registry.is_up = false);
    sleep(PERIOD * 10).await;
    let failures = registration.status().get().failures;
    assert!((8..=11).contains(&failures), "{failures}");
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_hangs_is_given_up_in_time() {
    let fake = Fake::new(true);
    fake.set(|registry| registry.hangs = true);
    let registration = Keeper::new(fake.clone()).limit(Duration::from_secs(2)).spawn();
    let started = Instant::now();
    let mut status = registration.status();
    let failed = status.wait_for(|status| status.failures == 1).await.unwrap();
    assert_eq!(started.elapsed(), Duration::from_secs(2));
    assert_eq!(failed.error.as_deref(), Some("the registry did not answer within 2s"));
}

#[tokio::test(start_paused = true)]
async fn deregistering_ends_though_the_registry_hangs() {
    let fake = Fake::new(true);
    let registration = Keeper::new(fake.clone()).limit(Duration::from_secs(2)).spawn();
    settle().await;
    fake.set(|registry| registry.hangs = true);
    let started = Instant::now();
    let error = registration.deregister().await.unwrap_err();
    assert_eq!(started.elapsed(), Duration::from_secs(2));
    assert_eq!(error.source().unwrap().to_string(), "the registry did not answer within 2s");
}

#[tokio::test(start_paused = true)]
async fn deregistering_waits_for_a_call_that_is_under_way() {
    let fake = Fake::new(true);
    fake.set(|registry| registry.hangs = true);
    let registration = Keeper::new(fake.clone()).limit(Duration::from_secs(2)).spawn();
    settle().await;
    assert_eq!(fake.heard(), ["register"]);
    fake.set(|registry| registry.hangs = false);
    // The call that hangs may have been heard, so it is taken back.
    registration.deregister().await.unwrap();
    assert_eq!(fake.heard(), ["deregister"]);
}

#[tokio::test(start_paused = true)]
async fn deregistering_what_never_was_is_no_error() {
    let fake = Fake::new(false);
    let registration = Keeper::new(fake.clone()).spawn();
    settle().await;
    registration.deregister().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn deregistering_what_the_registry_keeps_is_an_error() {
    let fake = Fake::new(true);
    let registration = Keeper::new(fake.clone()).spawn();
    settle().await;
    fake.set(|registry| registry.is_up = false);
    let error = registration.deregister().await.unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "refused");
}

#[tokio::test(start_paused = true)]
async fn it_is_registered_only_while_it_is_ready() {
    let fake = Fake::new(true);
    let (ready, readiness) = watch::channel(false);
    let registration = Keeper::new(fake.clone()).ready(readiness).spawn();
    sleep(PERIOD * 10).await;
    assert!(fake.heard().is_empty());
    ready.send(true).unwrap();
    settle().await;
    assert_eq!(fake.heard(), ["register"]);
    ready.send(false).unwrap();
    settle().await;
    assert_eq!(fake.heard(), ["deregister"]);
    assert!(!registration.status().get().registered);
    sleep(PERIOD * 10).await;
    assert!(fake.heard().is_empty());
    ready.send(true).unwrap();
    settle().await;
    assert_eq!(fake.heard(), ["register"]);
    ready.send(false).unwrap();
    // Nothing is left to be taken back.
    settle().await;
    fake.heard();
    registration.deregister().await.unwrap();
    assert!(fake.heard().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_last_word_on_readiness_counts() {
    let fake = Fake::new(true);
    let (ready, readiness) = watch::channel(true);
    drop(ready);
    let registration = Keeper::new(fake.clone()).ready(readiness).spawn();
    settle().await;
    assert_eq!(fake.heard(), ["register"]);
    sleep(PERIOD * 2).await;
    assert!(registration.status().get().registered);
    assert!((1..=2).contains(&fake.heard().len()));
}

#[tokio::test(start_paused = true)]
async fn registering_in_the_foreground_says_how_it_went() {
    let fake = Fake::new(false);
    let error = Keeper::new(fake.clone()).register().await.unwrap_err();
    assert!(matches!(error, NotRegistered::Registry(Refused)));
    sleep(PERIOD).await;
    assert_eq!(fake.heard(), ["register"]);

    fake.set(|registry| registry.is_up = true);
    let registration = Keeper::new(fake.clone()).register().await.unwrap();
    assert!(registration.status().get().registered);
    sleep(PERIOD + PERIOD / 5).await;
    assert_eq!(fake.heard(), ["register", "renew"]);
    registration.deregister().await.unwrap();
    assert_eq!(fake.heard(), ["deregister"]);

    let (ready, readiness) = watch::channel(false);
    drop(ready);
    let error = Keeper::new(fake).ready(readiness).register().await.unwrap_err();
    assert!(matches!(error, NotRegistered::NeverReady));
}

#[tokio::test(start_paused = true)]
async fn dropping_it_ends_the_task_and_says_nothing() {
    struct Held(Fake, #[expect(dead_code, reason = "held, for its drop")] oneshot::Sender<()>);
    impl Registrar for Held {
        type Error = Refused;

        fn instance(&self) -> &Instance {
            self.0.instance()
        }

        async fn register(&self, health: Health) -> Result<(), Refused> {
            self.0.register(health).await
        }

        async fn renew(&self, health: Health) -> Result<bool, Refused> {
            self.0.renew(health).await
        }

        fn period(&self) -> Duration {
            self.0.period()
        }

        async fn deregister(&self) -> Result<(), Refused> {
            self.0.deregister().await
        }
    }
    let fake = Fake::new(true);
    let (alive, ended) = oneshot::channel();
    let registration = Keeper::new(Held(fake.clone(), alive)).spawn();
    settle().await;
    let mut status = registration.status();
    drop(registration);
    ended.await.unwrap_err();
    assert_eq!(fake.heard(), ["register"]);
    assert!(status.wait_for(|status| !status.registered).await.is_none());
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
async fn inspection_tells_whether_it_is_registered() {
    let registration = Keeper::new(Fake::new(true)).spawn();
    settle().await;
    let mut seen = Seen::default();
    registration.inspect(&mut seen);
    let labels = r#"[("service", "hello"), ("id", "hello-10.0.0.1-80")]"#;
    assert_eq!(
        seen.0,
        [
            format!("sd_registered {labels} 1"),
            format!("sd_registrations_total {labels} 1"),
            format!("sd_registration_failures_total {labels} 0"),
        ]
    );
}

/// A registry in which an instance can be other than passing.
#[derive(Clone)]
struct Telling {
    fake: Fake,
    says: Arc<Mutex<Vec<String>>>,
    can_say: bool,
    /// Notified when the registry has lost the instance.
    lost: Arc<Notify>,
}

impl Telling {
    fn new(can_say: bool) -> Self {
        Self { fake: Fake::new(true), says: Arc::default(), can_say, lost: Arc::default() }
    }

    fn says(&self) -> Vec<String> {
        std::mem::take(&mut self.says.lock().unwrap())
    }

    fn say(&self, what: impl fmt::Display) {
        self.says.lock().unwrap().push(what.to_string());
    }
}

impl Registrar for Telling {
    type Error = Refused;

    fn instance(&self) -> &Instance {
        self.fake.instance()
    }

    async fn register(&self, health: Health) -> Result<(), Refused> {
        self.say(health);
        self.fake.register(health).await
    }

    async fn renew(&self, health: Health) -> Result<bool, Refused> {
        self.fake.renew(health).await
    }

    fn period(&self) -> Duration {
        PERIOD
    }

    async fn deregister(&self) -> Result<(), Refused> {
        self.say("gone");
        self.fake.deregister().await
    }

    fn can_say(&self, health: Health) -> bool {
        self.can_say || health == Health::Passing
    }

    async fn lost(&self) {
        self.lost.notified().await;
    }
}

/// A check that says what it is told to.
fn check(passes: &Arc<AtomicBool>) -> impl FnMut() -> Ready<Result<(), &'static str>> + use<> {
    let passes = Arc::clone(passes);
    move || ready(if passes.load(Ordering::Relaxed) { Ok(()) } else { Err("the disk is full") })
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_check_gates_the_registration() {
    let registry = Telling::new(true);
    let passes = Arc::new(AtomicBool::new(false));
    let kept = Keeper::new(registry.clone()).check(SECOND, check(&passes)).spawn();
    sleep(SECOND * 30).await;
    assert!(registry.says().is_empty());
    assert_eq!(kept.status().get().failing.as_deref(), Some("the disk is full"));
    passes.store(true, Ordering::Relaxed);
    sleep(SECOND * 2).await;
    assert_eq!(registry.says(), ["passing"]);
    assert_eq!(kept.status().get().failing, None);
}

// Go Micro's check falls through: what fails is deregistered and registered
// again in the same tick.
#[tokio::test(start_paused = true)]
async fn what_fails_its_check_is_deregistered_once_and_stays_so() {
    for can_say in [true, false] {
        let registry = Telling::new(can_say);
        let passes = Arc::new(AtomicBool::new(true));
        let _kept = Keeper::new(registry.clone()).check(SECOND, check(&passes)).spawn();
        sleep(SECOND * 5).await;
        passes.store(false, Ordering::Relaxed);
        sleep(SECOND * 60).await;
        assert_eq!(registry.says(), ["passing", "gone"]);
        passes.store(true, Ordering::Relaxed);
        sleep(SECOND * 2).await;
        assert_eq!(registry.says(), ["passing"]);
    }
}

#[tokio::test(start_paused = true)]
async fn or_it_is_marked_critical_where_the_registry_can_say_so() {
    for (can_say, said) in [(true, &["passing", "critical"][..]), (false, &["passing", "gone"])] {
        let registry = Telling::new(can_say);
        let passes = Arc::new(AtomicBool::new(true));
        let keeper = Keeper::new(registry.clone()).failing(Failing::Critical);
        let kept = keeper.check(SECOND, check(&passes)).spawn();
        sleep(SECOND * 5).await;
        passes.store(false, Ordering::Relaxed);
        sleep(SECOND * 60).await;
        assert_eq!(registry.says(), said);
        let health = kept.status().get().health;
        assert_eq!(health, can_say.then_some(Health::Critical));
        passes.store(true, Ordering::Relaxed);
        sleep(SECOND * 2).await;
        assert_eq!(registry.says(), ["passing"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_that_hangs_fails() {
    let registry = Telling::new(true);
    let hang = || pending::<Result<(), Refused>>();
    let keeper = Keeper::new(registry.clone()).check(SECOND, hang);
    let error = keeper.register().await.unwrap_err();
    assert!(matches!(&error, NotRegistered::Failing(_)), "{error}");
    assert_eq!(error.source().unwrap().to_string(), "the check did not end within 1s");
    assert!(registry.says().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_drains_stays_and_says_so_until_it_is_deregistered() {
    let registry = Telling::new(true);
    let (ready, readiness) = watch::channel(true);
    let kept = Keeper::new(registry.clone()).ready(readiness).spawn();
    sleep(SECOND).await;
    kept.drain();
    ready.send_replace(false);
    let mut status = kept.status();
    status.wait_for(|status| status.health == Some(Health::Draining)).await.unwrap();
    // Its heartbeats go on, and one that was lost is back as draining.
    sleep(PERIOD * 5).await;
    registry.fake.set(|registry| registry.knows = false);
    sleep(PERIOD * 2).await;
    assert_eq!(registry.says(), ["passing", "draining", "draining"]);
    kept.deregister().await.unwrap();
    assert_eq!(registry.says(), ["gone"]);
}

#[tokio::test(start_paused = true)]
async fn where_nobody_can_be_told_draining_changes_nothing() {
    let registry = Telling::new(false);
    let (ready, readiness) = watch::channel(true);
    let kept = Keeper::new(registry.clone()).ready(readiness).spawn();
    sleep(SECOND).await;
    kept.drain();
    sleep(SECOND).await;
    assert_eq!(registry.says(), ["passing"]);
    ready.send_replace(false);
    sleep(SECOND).await;
    assert_eq!(registry.says(), ["gone"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_never_registered_does_not_begin_by_draining() {
    let registry = Telling::new(true);
    let (_ready, readiness) = watch::channel(false);
    let kept = Keeper::new(registry.clone()).ready(readiness).spawn();
    kept.drain();
    sleep(SECOND).await;
    assert!(registry.says().is_empty());
    kept.deregister().await.unwrap();
    assert!(registry.says().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_says_it_lost_the_instance_has_it_back_at_once() {
    let registry = Telling::new(true);
    let kept = Keeper::new(registry.clone()).spawn();
    sleep(SECOND).await;
    registry.fake.set(|registry| registry.knows = false);
    registry.lost.notify_one();
    let (lost, mut status) = (Instant::now(), kept.status());
    status.wait_for(|status| status.registrations == 2).await.unwrap();
    assert!(lost.elapsed() < Duration::from_millis(10));
    assert_eq!(registry.says(), ["passing", "passing"]);
}

/// A registry that takes an instance, and says at once that it lost it.
struct Lying(Telling);

impl Registrar for Lying {
    type Error = Refused;

    fn instance(&self) -> &Instance {
        self.0.instance()
    }

    async fn register(&self, health: Health) -> Result<(), Refused> {
        self.0.register(health).await
    }

    async fn renew(&self, health: Health) -> Result<bool, Refused> {
        self.0.renew(health).await
    }

    fn period(&self) -> Duration {
        self.0.period()
    }

    async fn deregister(&self) -> Result<(), Refused> {
        self.0.deregister().await
    }

    async fn lost(&self) {}
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_lies_about_a_loss_is_told_ten_times_a_second_at_most() {
    let registry = Telling::new(true);
    let _kept = Keeper::new(Lying(registry.clone())).spawn();
    sleep(SECOND * 10).await;
    let told = registry.says().len();
    assert!((90..=112).contains(&told), "{told}");
}
