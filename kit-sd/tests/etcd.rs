//! etcd's instancer and registrar, over an etcd in memory.
#![cfg(feature = "etcd")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use kit_sd::{
    Doubt, Follower, Health, Instance, Instances, Keeper, Registrar as _, Snapshot, State,
    etcd::{Change, Changes, Client, Entry, Error, Instancer, Layout, Listing, Registrar, Told},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

const MINUTE: Duration = Duration::from_mins(1);
const SECOND: Duration = Duration::from_secs(1);

/// What a server holds.
#[derive(Default)]
struct Store {
    cluster: u64,
    revision: i64,
    compacted: i64,
    keys: BTreeMap<String, (String, i64)>,
    history: Vec<(i64, Change)>,
    leases: BTreeSet<i64>,
    granted: i64,
    is_down: bool,
    /// Watches that began before it are cancelled.
    cut: u64,
    /// Whether every watch is cancelled as it begins.
    cuts: bool,
    /// Whether every watch finds its revisions compacted.
    compacts: bool,
}

impl Store {
    fn put(&mut self, key: &str, value: &str, lease: i64) {
        self.revision += 1;
        self.keys.insert(key.to_owned(), (value.to_owned(), lease));
        let entry = Entry { key: key.into(), value: value.into() };
        self.history.push((self.revision, Change::Put(entry)));
    }

    fn delete(&mut self, key: &str) {
        if self.keys.remove(key).is_some() {
            self.revision += 1;
            self.history.push((self.revision, Change::Deleted(key.into())));
        }
    }

    fn revoke(&mut self, lease: i64) -> bool {
        let keys: Vec<_> = self.keys.iter().filter(|(_, (_, of))| *of == lease).collect();
        let keys: Vec<_> = keys.into_iter().map(|(key, _)| key.clone()).collect();
        for key in &keys {
            self.delete(key);
        }
        self.leases.remove(&lease)
    }

    fn come(&mut self, port: u16) {
        self.put(&key(port), &format!(r#"{{"address":"10.0.0.1:{port}"}}"#), 0);
    }

    fn compact(&mut self) {
        self.compacted = self.revision;
        self.history.clear();
    }

    /// All is lost, but for the configuration.
    fn wipe(&mut self) {
        *self = Self { cut: self.cut + 1, cluster: self.cluster, ..Self::default() };
    }
}

fn key(port: u16) -> String {
    format!("/kit/hello/{port}")
}

type Hook = Box<dyn FnOnce(&mut Store) + Send>;

#[derive(Clone)]
struct Fake {
    store: Arc<watch::Sender<Store>>,
    calls: Arc<Mutex<Vec<(&'static str, Instant)>>>,
    /// Happens right after a list.
    meddles: Arc<Mutex<Option<Hook>>>,
}

impl Fake {
    fn new() -> Self {
        let store = Arc::new(watch::Sender::new(Store { cluster: 7, ..Store::default() }));
        Self { store, calls: Arc::default(), meddles: Arc::default() }
    }

    fn with(ports: &[u16]) -> Self {
        let fake = Self::new();
        fake.set(|store| ports.iter().for_each(|port| store.come(*port)));
        fake
    }

    fn set(&self, change: impl FnOnce(&mut Store)) {
        self.store.send_modify(change);
    }

    fn calls(&self) -> Vec<&'static str> {
        self.calls.lock().unwrap().drain(..).map(|call| call.0).collect()
    }

    fn call<T>(
        &self,
        what: &'static str,
        answer: impl FnOnce(&mut Store) -> T,
    ) -> Result<T, Error> {
        let mut calls = self.calls.lock().unwrap();
        calls.push((what, Instant::now()));
        // A loop without a pause would hold the paused clock for ever.
        assert!(calls.len() < 10_000, "called without end");
        let mut answered = None;
        self.store.send_modify(|store| {
            if !store.is_down {
                answered = Some(answer(store));
            }
        });
        answered.ok_or_else(refused)
    }
}

fn refused() -> Error {
    Error::Connection { address: "etcd:2379".to_owned(), message: "refused".to_owned() }
}

impl Client for Fake {
    type Watch = Following;

    async fn list(&self, prefix: &str) -> Result<Listing, Error> {
        let listing = self.call("list", |store| {
            let below = store.keys.iter().filter(|(key, _)| key.starts_with(prefix));
            let entry = |(key, (value, _)): (&String, &(String, i64))| Entry {
                key: key.clone().into(),
                value: value.clone().into(),
            };
            Listing::new(store.cluster, store.revision, below.map(entry).collect())
        });
        if let Some(meddle) = self.meddles.lock().unwrap().take() {
            self.store.send_modify(meddle);
        }
        listing
    }

    async fn watch(&self, prefix: &str, revision: i64) -> Result<Following, Error> {
        let cut = self.call("watch", |store| store.cut)?;
        let store = self.store.subscribe();
        let prefix = prefix.to_owned();
        Ok(Following { store, prefix, next: revision, cut, is_new: true })
    }

    async fn ping(&self, _: &str) -> Result<(), Error> {
        self.call("ping", |_| ())
    }

    async fn grant(&self, _: Duration) -> Result<i64, Error> {
        self.call("grant", |store| {
            store.granted += 1;
            store.leases.insert(store.granted);
            store.granted
        })
    }

    async fn keep_alive(&self, lease: i64) -> Result<bool, Error> {
        self.call("keep_alive", |store| store.leases.contains(&lease))
    }

    async fn revoke(&self, lease: i64) -> Result<(), Error> {
        self.call("revoke", |store| store.revoke(lease)).map(drop)
    }

    async fn put(&self, key: &str, value: &str, lease: i64) -> Result<bool, Error> {
        self.call("put", |store| {
            let lives = store.leases.contains(&lease);
            if lives {
                store.put(key, value, lease);
            }
            lives
        })
    }

    async fn delete(&self, key: &str) -> Result<(), Error> {
        self.call("delete", |store| store.delete(key))
    }
}

struct Following {
    store: watch::Receiver<Store>,
    prefix: String,
    next: i64,
    cut: u64,
    is_new: bool,
}

impl Changes for Following {
    async fn next(&mut self) -> Result<Told, Error> {
        loop {
            {
                let store = self.store.borrow_and_update();
                if store.is_down {
                    return Err(refused());
                }
                if store.cuts || store.cut != self.cut {
                    return Err(Error::Cancelled("no leader".to_owned()));
                }
                if store.compacts || self.next <= store.compacted {
                    return Ok(Told::Compacted);
                }
                let is_ours = |change: &Change| match change {
                    Change::Put(entry) => entry.key.starts_with(self.prefix.as_bytes()),
                    Change::Deleted(key) => key.starts_with(self.prefix.as_bytes()),
                    _ => false,
                };
                // One at a time, as they come over a slow network.
                let mut new = store.history.iter().filter(|(revision, _)| *revision >= self.next);
                if let Some((revision, change)) = new.find(|(_, change)| is_ours(change)) {
                    self.next = revision + 1;
                    self.is_new = false;
                    return Ok(Told::Changes {
                        revision: *revision,
                        changes: vec![change.clone()],
                    });
                }
                if std::mem::take(&mut self.is_new) {
                    return Ok(Told::Changes { revision: store.revision, changes: Vec::new() });
                }
            }
            if self.store.changed().await.is_err() {
                return Err(refused());
            }
        }
    }
}

fn follow(fake: &Fake) -> (kit_sd::Watch, Instances) {
    let watch = Follower::new(Instancer::new(fake.clone(), "hello")).spawn();
    let instances = watch.instances();
    (watch, instances)
}

fn ports(seen: &Snapshot) -> Vec<u16> {
    seen.instances.iter().map(|one| one.address.port()).collect()
}

async fn sees(seen: &mut Instances, wanted: &[u16]) -> Arc<Snapshot> {
    let is_so = |seen: &Snapshot| seen.revision > 0 && ports(seen) == wanted;
    let shown = timeout(MINUTE, seen.wait_for(is_so)).await;
    shown.unwrap_or_else(|_| panic!("not {wanted:?}: {:?}", seen.snapshot())).unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_is_listed_and_each_change_is_the_set() {
    let fake = Fake::with(&[11, 12]);
    let (_watch, mut seen) = follow(&fake);
    sees(&mut seen, &[11, 12]).await;
    fake.set(|store| store.come(13));
    sees(&mut seen, &[11, 12, 13]).await;
    fake.set(|store| store.delete(&key(12)));
    sees(&mut seen, &[11, 13]).await;
    fake.set(|store| store.put("/kit/hello-more/1", r#"{"address":"10.0.0.1:1"}"#, 0));
    fake.set(|store| store.come(14));
    let after = sees(&mut seen, &[11, 13, 14]).await;
    assert_eq!((after.failures, after.state.name()), (0, "fresh"));
    assert_eq!(fake.calls(), ["list", "watch"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_falls_between_the_list_and_the_watch() {
    let fake = Fake::with(&[11, 12]);
    *fake.meddles.lock().unwrap() = Some(Box::new(|store| {
        store.come(13);
        store.delete(&key(11));
    }));
    let (_watch, mut seen) = follow(&fake);
    sees(&mut seen, &[12, 13]).await;
    assert_eq!(fake.calls(), ["list", "watch"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_compacted_is_listed_again_and_is_no_failure() {
    let fake = Fake::with(&[11, 12]);
    *fake.meddles.lock().unwrap() = Some(Box::new(|store| {
        store.come(13);
        store.delete(&key(11));
        store.compact();
    }));
    let (_watch, mut seen) = follow(&fake);
    let after = sees(&mut seen, &[12, 13]).await;
    assert_eq!((after.failures, after.state.name()), (0, "fresh"));
    assert_eq!(fake.calls()[..3], ["list", "watch", "list"]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_ends_is_a_failure_and_lists_again() {
    let fake = Fake::with(&[11, 12]);
    let (_watch, mut seen) = follow(&fake);
    sees(&mut seen, &[11, 12]).await;
    fake.set(|store| {
        store.cut += 1;
        store.delete(&key(12));
    });
    let failed = timeout(SECOND, seen.wait_for(|seen| seen.failures == 1)).await.unwrap().unwrap();
    assert_eq!(failed.state.error(), Some("etcd ended the watch: no leader"));
    assert_eq!(ports(&failed), [11, 12]);
    let after = sees(&mut seen, &[11]).await;
    assert_eq!((after.failures, after.state.name()), (1, "fresh"));
    assert_eq!(fake.calls(), ["list", "watch", "ping", "list", "watch"]);
}

#[tokio::test(start_paused = true)]
async fn an_outage_takes_nothing_away_and_is_no_storm() {
    let fake = Fake::with(&[11]);
    let (_watch, mut seen) = follow(&fake);
    sees(&mut seen, &[11]).await;
    fake.calls();
    fake.set(|store| store.is_down = true);
    sleep(MINUTE).await;
    let calls = fake.calls();
    assert!((60..=150).contains(&calls.len()), "{}", calls.len());
    assert!(calls.iter().all(|call| *call == "ping"), "{calls:?}");
    sleep(MINUTE * 60).await;
    let after = seen.snapshot();
    assert_eq!((ports(&after), after.state.name()), (vec![11], "stale"));
    assert!(fake.calls().len() < 400);
    fake.set(|store| store.is_down = false);
    let fresh = |seen: &Snapshot| seen.state == State::Fresh;
    timeout(MINUTE, seen.wait_for(fresh)).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_never_lasts_is_no_storm() {
    for compacts in [false, true] {
        let fake = Fake::with(&[11]);
        fake.set(|store| (store.cuts, store.compacts) = (!compacts, compacts));
        let (_watch, mut seen) = follow(&fake);
        sees(&mut seen, &[11]).await;
        sleep(MINUTE).await;
        let lists = fake.calls().iter().filter(|call| **call == "list").count();
        let most = if compacts { 620 } else { 200 };
        assert!(lists <= most, "{lists} lists in a minute, compacts: {compacts}");
        assert_eq!(ports(&seen.snapshot()), [11]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_is_wiped_is_doubted() {
    let fake = Fake::with(&[11, 12, 13]);
    let (_watch, mut seen) = follow(&fake);
    sees(&mut seen, &[11, 12, 13]).await;
    fake.set(|store| {
        store.wipe();
        store.come(12);
    });
    let suspect = |seen: &Snapshot| matches!(seen.state, State::Suspect { .. });
    let doubted = timeout(SECOND * 2, seen.wait_for(suspect)).await.unwrap().unwrap();
    assert_eq!(ports(&doubted), [11, 12, 13]);
    let State::Suspect { doubt, missing, .. } = doubted.state else { unreachable!() };
    assert_eq!((doubt, missing), (Doubt::WentBack, 2));
    fake.set(|store| {
        store.come(11);
        store.come(13);
    });
    let fresh = |seen: &Snapshot| seen.state == State::Fresh;
    timeout(SECOND, seen.wait_for(fresh)).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn another_cluster_is_doubted_and_one_that_goes_on_is_not() {
    let fake = Fake::with(&[11, 12]);
    let (_watch, mut seen) = follow(&fake);
    sees(&mut seen, &[11, 12]).await;
    fake.set(|store| {
        store.cut += 1;
        store.delete(&key(12));
    });
    sees(&mut seen, &[11]).await;
    assert_eq!(seen.snapshot().state, State::Fresh);
    fake.set(|store| {
        store.cluster += 1;
        store.cut += 1;
        store.delete(&key(11));
        store.come(12);
    });
    sees(&mut seen, &[11, 12]).await;
    assert!(matches!(seen.snapshot().state, State::Suspect { doubt: Doubt::WentBack, .. }));
}

#[tokio::test(start_paused = true)]
async fn changes_without_end_are_shown_fifty_times_a_second() {
    let fake = Fake::with(&[10]);
    let (_watch, mut seen) = follow(&fake);
    sees(&mut seen, &[10]).await;
    sleep(SECOND).await;
    let before = seen.snapshot().revision;
    for port in 11..1011 {
        fake.set(|store| store.come(port));
        sleep(Duration::from_millis(1)).await;
    }
    let all: Vec<_> = (10..1011).collect();
    let is_so = |seen: &Snapshot| seen.instances.len() == all.len();
    let after = timeout(SECOND / 20, seen.wait_for(is_so)).await.unwrap().unwrap();
    let shown = after.revision - before;
    assert!((40..=60).contains(&shown), "{shown} sets in a second");
    assert_eq!(fake.calls(), ["list", "watch"]);
}

#[tokio::test(start_paused = true)]
async fn what_changed_just_before_the_end_of_a_watch_is_shown() {
    let fake = Fake::with(&[11]);
    let (_watch, mut seen) = follow(&fake);
    sees(&mut seen, &[11]).await;
    fake.set(|store| store.come(12));
    sees(&mut seen, &[11, 12]).await;
    // Within the time that the last set is shown.
    fake.set(|store| store.come(13));
    tokio::task::yield_now().await;
    fake.set(|store| store.is_down = true);
    let stale = |seen: &Snapshot| seen.failures > 0;
    let after = timeout(SECOND, seen.wait_for(stale)).await.unwrap().unwrap();
    assert_eq!(ports(&after), [11, 12, 13]);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_instance_is_left_out_and_said() {
    let fake = Fake::with(&[11]);
    fake.set(|store| store.put("/kit/hello/bad", "?", 0));
    let said = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&said);
    let instancer = Instancer::new(fake.clone(), "hello")
        .on_left_out(move |left| hears.lock().unwrap().push(left.key.clone()));
    let watch = Follower::new(instancer).spawn();
    let mut seen = watch.instances();
    sees(&mut seen, &[11]).await;
    fake.set(|store| {
        store.put("/kit/hello/worse", "{}", 0);
        store.come(12);
    });
    sees(&mut seen, &[11, 12]).await;
    assert_eq!(*said.lock().unwrap(), ["/kit/hello/bad", "/kit/hello/worse"]);
}

fn registrar(fake: &Fake) -> Registrar<Fake> {
    let instance = Instance::new("hello", "10.0.0.1:80".parse().unwrap()).id("one");
    Registrar::new(fake.clone(), instance)
}

fn value(fake: &Fake) -> Option<String> {
    fake.store.borrow().keys.get("/kit/hello/one").map(|(value, _)| value.clone())
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_granted_kept_alive_by_thirds_and_revoked() {
    let fake = Fake::new();
    let registration = Keeper::new(registrar(&fake).ttl(SECOND * 9)).register().await.unwrap();
    assert_eq!(fake.calls(), ["grant", "put"]);
    let json = r#"{"id":"one","service":"hello","address":"10.0.0.1:80"}"#;
    assert_eq!(value(&fake).as_deref(), Some(json));
    sleep(SECOND * 30).await;
    let calls = fake.calls();
    assert_eq!(calls[..2], ["list", "watch"]);
    assert!((9..=11).contains(&(calls.len() - 2)), "{calls:?}");
    assert!(calls[2..].iter().all(|call| *call == "keep_alive"), "{calls:?}");
    registration.deregister().await.unwrap();
    assert_eq!(fake.calls(), ["delete", "revoke"]);
    assert!(value(&fake).is_none() && fake.store.borrow().leases.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_defaults_are_go_kits() {
    let registrar = registrar(&Fake::new());
    assert_eq!(registrar.period(), Duration::from_secs(10) / 3);
    let all = [Health::Passing, Health::Warning, Health::Draining, Health::Critical];
    assert!(all.into_iter().all(|health| registrar.can_say(health)));
    let plain = registrar.layout(Layout::go_kit("/services/hello/"));
    assert!(!plain.can_say(Health::Draining));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_deleted_or_a_lease_that_is_lost_is_put_again_at_once() {
    let fake = Fake::new();
    let registration = Keeper::new(registrar(&fake)).register().await.unwrap();
    let mut status = registration.status();
    sleep(SECOND).await;
    let losses: [fn(&mut Store); 3] = [
        |store| store.delete("/kit/hello/one"),
        |store| _ = store.revoke(store.granted),
        Store::wipe,
    ];
    for (loss, registrations) in losses.into_iter().zip(2..) {
        fake.set(loss);
        let again = status.wait_for(|status| status.registrations == registrations);
        timeout(SECOND, again).await.unwrap().unwrap();
        assert!(value(&fake).is_some());
        // Its watch is to begin before the next loss.
        sleep(SECOND).await;
    }
    registration.deregister().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_lost_is_found_out_by_its_heartbeat_too() {
    let fake = Fake::new();
    let registrar = registrar(&fake);
    assert!(!registrar.renew(Health::Passing).await.unwrap());
    registrar.register(Health::Passing).await.unwrap();
    assert!(registrar.renew(Health::Passing).await.unwrap());
    fake.set(|store| _ = store.revoke(1));
    fake.calls();
    assert!(!registrar.renew(Health::Passing).await.unwrap());
    assert!(!registrar.renew(Health::Passing).await.unwrap());
    assert_eq!(fake.calls(), ["keep_alive"]);
}

#[tokio::test(start_paused = true)]
async fn registering_anew_changes_the_value_and_keeps_the_lease() {
    let fake = Fake::new();
    let registrar = registrar(&fake);
    registrar.register(Health::Passing).await.unwrap();
    registrar.register(Health::Draining).await.unwrap();
    assert_eq!(fake.calls(), ["grant", "put", "keep_alive", "put"]);
    assert!(value(&fake).unwrap().ends_with(r#""health":"draining"}"#));
    fake.set(|store| _ = store.revoke(1));
    registrar.register(Health::Passing).await.unwrap();
    assert_eq!(fake.calls(), ["keep_alive", "grant", "put"]);
    assert_eq!(fake.store.borrow().keys["/kit/hello/one"].1, 2);
}

#[tokio::test(start_paused = true)]
async fn a_loss_that_is_made_good_is_no_loss() {
    let fake = Fake::new();
    let registrar = registrar(&fake);
    registrar.register(Health::Passing).await.unwrap();
    // Its watch goes on where it was, also after it was given up.
    assert!(timeout(SECOND, registrar.lost()).await.is_err());
    fake.set(|store| _ = store.revoke(1));
    registrar.register(Health::Passing).await.unwrap();
    assert!(timeout(SECOND, registrar.lost()).await.is_err());
    fake.set(|store| _ = store.revoke(2));
    timeout(SECOND, registrar.lost()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn another_hand_deregisters_too_and_whoever_is_not_there_is_gone() {
    let fake = Fake::new();
    registrar(&fake).register(Health::Passing).await.unwrap();
    for _ in 0..2 {
        registrar(&fake).deregister().await.unwrap();
        assert!(value(&fake).is_none());
    }
    fake.set(|store| store.is_down = true);
    assert!(registrar(&fake).deregister().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn the_key_is_watched_through_outages_without_a_storm() {
    let fake = Fake::new();
    let registrar = registrar(&fake);
    registrar.register(Health::Passing).await.unwrap();
    let lost = registrar.lost();
    let mut lost = std::pin::pin!(lost);
    assert!(timeout(SECOND, &mut lost).await.is_err());
    fake.calls();
    fake.set(|store| store.is_down = true);
    assert!(timeout(MINUTE, &mut lost).await.is_err());
    assert!(fake.calls().len() < 200);
    fake.set(|store| {
        store.is_down = false;
        store.come(81);
        store.compact();
        store.cut += 1;
    });
    assert!(timeout(MINUTE, &mut lost).await.is_err());
    fake.set(|store| store.delete("/kit/hello/one"));
    timeout(SECOND, lost).await.unwrap();
}
