//! Against a real etcd, at `KIT_ETCD_ADDR` (`host:port`, or several with commas).
#![cfg(feature = "etcd")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use kit_sd::{
    Follower, Health, Instance, Instances, Keeper, Registrar as _, Snapshot, Watch,
    etcd::{self, Client, Error, Etcd, Instancer, Layout, Listing, Registrar, Told},
};
use std::{
    env, process,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::{RwLock, watch},
    time::{Instant, sleep, timeout},
};

const SECOND: Duration = Duration::from_secs(1);

/// One test asks everybody for a password: it is alone meanwhile.
static OPEN: RwLock<()> = RwLock::const_new(());

fn addresses() -> Vec<String> {
    let addresses = env::var("KIT_ETCD_ADDR").expect("set KIT_ETCD_ADDR to host:port");
    addresses.split(',').map(str::to_owned).collect()
}

fn cluster() -> Etcd {
    Etcd::new(addresses()).unwrap()
}

/// A name that no other test, nor another run of this one, uses.
fn service() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let nanos = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    format!("kit-{}-{nanos}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn instance(service: &str, port: u16) -> Instance {
    Instance::new(service, kit_sd::Address::new("192.0.2.1", port).unwrap())
}

/// Nothing is doubted: the last one that goes is to be seen at once.
fn follow<C: Client>(instancer: Instancer<C>) -> Watch {
    Follower::new(instancer).grace(Duration::ZERO).spawn()
}

async fn sees(seen: &mut Instances, limit: Duration, ports: &[u16]) -> Arc<Snapshot> {
    let is_so = |seen: &Snapshot| {
        let all = seen.instances.iter().map(|one| one.address.port());
        seen.revision > 0 && all.eq(ports.iter().copied())
    };
    let shown = timeout(limit, seen.wait_for(is_so)).await;
    shown.unwrap_or_else(|_| panic!("not {ports:?}: {:?}", seen.snapshot())).unwrap()
}

/// Asks etcd's JSON gateway.
async fn post(path: &str, body: serde_json::Value) -> serde_json::Value {
    let exchange = async {
        let mut stream = TcpStream::connect(&addresses()[0]).await.unwrap();
        let body = body.to_string();
        let head = format!(
            "POST {path} HTTP/1.0\r\nhost: etcd\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let answer = timeout(SECOND * 5, exchange).await.unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut written = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bits = chunk.iter().fold(0, |bits, byte| bits << 8 | usize::from(*byte));
        let bits = bits << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            written.push(DIGITS[bits >> (18 - 6 * place) & 63].into());
        }
        written.extend(std::iter::repeat_n('=', 3 - chunk.len()));
    }
    written
}

/// The lease that a key is under.
async fn lease(key: &str) -> i64 {
    let answer = post("/v3/kv/range", serde_json::json!({ "key": base64(key) })).await;
    answer["kvs"][0]["lease"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
#[ignore = "needs etcd at KIT_ETCD_ADDR"]
async fn an_instance_is_found_in_a_second_with_all_that_it_has_and_is_gone_in_a_second() {
    let _open = OPEN.read().await;
    let service = service() + "/ä 1";
    let cluster = cluster();
    let watch = follow(Instancer::new(cluster.clone(), &*service));
    let mut seen = watch.instances();
    sees(&mut seen, SECOND, &[]).await;

    let instance = instance(&service, 80)
        .id("one/ä 1")
        .tag("v1")
        .metadata("team", "a")
        .version("1.2.3")
        .zone("eu-1a")
        .weight(3);
    let registrar = Registrar::new(cluster, instance.clone());
    let registration = Keeper::new(registrar).register().await.unwrap();
    let found = sees(&mut seen, SECOND, &[80]).await;
    assert_eq!(*found.instances[0], instance);

    registration.deregister().await.unwrap();
    let gone = sees(&mut seen, SECOND, &[]).await;
    assert_eq!(gone.failures, 0);
}

#[tokio::test]
#[ignore = "needs etcd at KIT_ETCD_ADDR"]
async fn a_lease_is_kept_alive_and_lapses_without_its_keeper() {
    let _open = OPEN.read().await;
    let service = service();
    let watch = follow(Instancer::new(cluster(), &*service));
    let mut seen = watch.instances();
    let registrar = Registrar::new(cluster(), instance(&service, 80)).ttl(SECOND * 2);
    let registration = Keeper::new(registrar).register().await.unwrap();
    sees(&mut seen, SECOND, &[80]).await;
    let lapsed = timeout(SECOND * 5, seen.wait_for(|seen| seen.instances.is_empty())).await;
    assert!(lapsed.is_err(), "it lapsed though it is kept");
    drop(registration);
    sees(&mut seen, SECOND * 5, &[]).await;
}

#[tokio::test]
#[ignore = "needs etcd at KIT_ETCD_ADDR"]
async fn a_lease_that_is_revoked_behind_our_back_is_granted_anew() {
    let _open = OPEN.read().await;
    let service = service();
    let instance = instance(&service, 80).id("one");
    let key = format!("/kit/{service}/one");
    let registration =
        Keeper::new(Registrar::new(cluster(), instance.clone())).register().await.unwrap();
    let before = lease(&key).await;
    cluster().revoke(before).await.unwrap();
    let mut status = registration.status();
    // Long before the next heartbeat, which is due after 3.3 s.
    timeout(SECOND, status.wait_for(|status| status.registrations == 2)).await.unwrap().unwrap();
    assert_ne!(lease(&key).await, before);
    registration.deregister().await.unwrap();

    // The heartbeat finds out by itself as well.
    let registrar = Registrar::new(cluster(), instance);
    registrar.register(Health::Passing).await.unwrap();
    assert!(registrar.renew(Health::Passing).await.unwrap());
    cluster().revoke(lease(&key).await).await.unwrap();
    assert!(!registrar.renew(Health::Passing).await.unwrap());
    registrar.register(Health::Passing).await.unwrap();
    assert!(registrar.renew(Health::Passing).await.unwrap());
    registrar.deregister().await.unwrap();
}

#[tokio::test]
#[ignore = "needs etcd at KIT_ETCD_ADDR"]
async fn a_service_that_begins_as_another_is_not_mixed_up_with_it() {
    let _open = OPEN.read().await;
    let short = service();
    let (long, below) = (format!("{short}-more"), format!("{short}/more"));
    let cluster = cluster();
    let mut registrars = Vec::new();
    for (service, port) in [(&short, 1), (&long, 2), (&below, 3)] {
        let registrar = Registrar::new(cluster.clone(), instance(service, port));
        registrar.register(Health::Passing).await.unwrap();
        registrars.push(registrar);
    }
    for (service, port) in [(&short, 1), (&long, 2), (&below, 3)] {
        let watch = follow(Instancer::new(cluster.clone(), service.as_str()));
        sees(&mut watch.instances(), SECOND, &[port]).await;
    }
    for registrar in &registrars {
        registrar.deregister().await.unwrap();
    }
}

/// Lets much happen between the first list and its watch, and all of that be
/// compacted.
struct Meddling {
    etcd: Etcd,
    registrars: [Registrar; 2],
    listed: AtomicU32,
}

impl Client for Meddling {
    type Watch = etcd::Watch;

    async fn list(&self, prefix: &str) -> Result<Listing, Error> {
        let listing = self.etcd.list(prefix).await?;
        if self.listed.fetch_add(1, Ordering::Relaxed) == 0 {
            let [comes, goes] = &self.registrars;
            comes.register(Health::Passing).await?;
            goes.deregister().await?;
            let now = self.etcd.list(prefix).await?.revision;
            post("/v3/kv/compaction", serde_json::json!({ "revision": now })).await;
        }
        Ok(listing)
    }

    async fn watch(&self, prefix: &str, revision: i64) -> Result<etcd::Watch, Error> {
        self.etcd.watch(prefix, revision).await
    }

    async fn ping(&self, key: &str) -> Result<(), Error> {
        self.etcd.ping(key).await
    }

    async fn grant(&self, ttl: Duration) -> Result<i64, Error> {
        self.etcd.grant(ttl).await
    }

    async fn keep_alive(&self, lease: i64) -> Result<bool, Error> {
        self.etcd.keep_alive(lease).await
    }

    async fn revoke(&self, lease: i64) -> Result<(), Error> {
        self.etcd.revoke(lease).await
    }

    async fn put(&self, key: &str, value: &str, lease: i64) -> Result<bool, Error> {
        self.etcd.put(key, value, lease).await
    }

    async fn delete(&self, key: &str) -> Result<(), Error> {
        self.etcd.delete(key).await
    }
}

#[tokio::test]
#[ignore = "needs etcd at KIT_ETCD_ADDR"]
async fn a_compaction_before_the_watch_begins_loses_nothing() {
    let _open = OPEN.read().await;
    let service = service();
    let registrar = |port| Registrar::new(cluster(), instance(&service, port));
    let [comes, goes, stays] = [registrar(1), registrar(2), registrar(3)];
    goes.register(Health::Passing).await.unwrap();
    stays.register(Health::Passing).await.unwrap();
    let meddling = Meddling { etcd: cluster(), registrars: [comes, goes], listed: 0.into() };
    let watch = follow(Instancer::new(meddling, &*service));
    let mut seen = watch.instances();
    let found = sees(&mut seen, SECOND * 2, &[1, 3]).await;
    assert_eq!((found.failures, found.state.name()), (0, "fresh"));
    stays.deregister().await.unwrap();
    sees(&mut seen, SECOND, &[1]).await;
    cluster().delete(&format!("/kit/{service}/{service}-192.0.2.1-1")).await.unwrap();
    sees(&mut seen, SECOND, &[]).await;
    // What is compacted is said to be so.
    let mut compacted = cluster().watch("/kit/", 1).await.unwrap();
    let told = timeout(SECOND * 2, async {
        loop {
            match etcd::Changes::next(&mut compacted).await.unwrap() {
                Told::Changes { changes, .. } => assert!(changes.is_empty()),
                told => return told,
            }
        }
    });
    assert_eq!(told.await.unwrap(), Told::Compacted);
}

#[tokio::test]
#[ignore = "needs etcd at KIT_ETCD_ADDR"]
async fn a_cluster_goes_on_for_others_after_a_deregistration() {
    let _open = OPEN.read().await;
    let service = service();
    let cluster = cluster();
    let watch = follow(Instancer::new(cluster.clone(), &*service));
    let mut seen = watch.instances();
    let keep = async |port| {
        Keeper::new(Registrar::new(cluster.clone(), instance(&service, port))).register().await
    };
    let (one, other) = (keep(1).await.unwrap(), keep(2).await.unwrap());
    sees(&mut seen, SECOND, &[1, 2]).await;
    one.deregister().await.unwrap();
    sees(&mut seen, SECOND, &[2]).await;
    let again = keep(1).await.unwrap();
    let found = sees(&mut seen, SECOND, &[1, 2]).await;
    assert_eq!((found.failures, other.status().get().failures), (0, 0));
    again.deregister().await.unwrap();
    other.deregister().await.unwrap();
}

#[tokio::test]
#[ignore = "needs etcd at KIT_ETCD_ADDR"]
async fn one_that_is_about_to_end_is_seen_to_drain() {
    let _open = OPEN.read().await;
    let service = service();
    let watch = follow(Instancer::new(cluster(), &*service));
    let mut seen = watch.instances();
    let registrar = Registrar::new(cluster(), instance(&service, 80));
    let registration = Keeper::new(registrar).register().await.unwrap();
    sees(&mut seen, SECOND, &[80]).await;
    registration.drain();
    let drains = |seen: &Snapshot| seen.instances.iter().all(|one| one.health == Health::Draining);
    timeout(SECOND, seen.wait_for(drains)).await.unwrap().unwrap();
    registration.deregister().await.unwrap();
    sees(&mut seen, SECOND, &[]).await;
}

#[tokio::test]
#[ignore = "needs etcd at KIT_ETCD_ADDR"]
async fn go_kits_layout_is_written_and_read() {
    let _open = OPEN.read().await;
    let folder = format!("/services/{}/", service());
    let layout = Layout::go_kit(&folder);
    let cluster = cluster();
    let registrar = Registrar::new(cluster.clone(), instance("hello", 80)).layout(layout.clone());
    registrar.register(Health::Passing).await.unwrap();
    let raw = cluster.list(&folder).await.unwrap();
    assert_eq!(raw.entries[0].key, format!("{folder}192.0.2.1:80").as_bytes());
    assert_eq!(raw.entries[0].value, b"192.0.2.1:80");
    // As Go kit's own example writes it.
    let lease = cluster.grant(SECOND * 5).await.unwrap();
    let url = "http://192.0.2.1:9110";
    assert!(cluster.put(&format!("{folder}by-go"), url, lease).await.unwrap());
    let watch = follow(Instancer::new(cluster.clone(), "hello").layout(layout));
    let mut seen = watch.instances();
    sees(&mut seen, SECOND, &[80, 9110]).await;
    registrar.deregister().await.unwrap();
    sees(&mut seen, SECOND, &[9110]).await;
    cluster.revoke(lease).await.unwrap();
    sees(&mut seen, SECOND, &[]).await;
}

#[tokio::test]
#[ignore = "needs etcd at KIT_ETCD_ADDR"]
async fn what_is_no_instance_is_left_out_and_said() {
    let _open = OPEN.read().await;
    let service = service();
    let cluster = cluster();
    let (said, mut hears) = watch::channel(String::new());
    let instancer = Instancer::new(cluster.clone(), &*service)
        .on_left_out(move |left| _ = said.send(left.to_string()));
    let watch = follow(instancer);
    let mut seen = watch.instances();
    sees(&mut seen, SECOND, &[]).await;
    let lease = cluster.grant(SECOND * 5).await.unwrap();
    assert!(cluster.put(&format!("/kit/{service}/bad"), "?", lease).await.unwrap());
    timeout(SECOND, hears.changed()).await.unwrap().unwrap();
    assert!(hears.borrow().contains("/bad is left out: the value is not JSON"));
    let good = r#"{"address":"192.0.2.1:80"}"#;
    assert!(cluster.put(&format!("/kit/{service}/good"), good, lease).await.unwrap());
    sees(&mut seen, SECOND, &[80]).await;
    cluster.revoke(lease).await.unwrap();
}

#[tokio::test]
#[ignore = "needs etcd at KIT_ETCD_ADDR"]
async fn a_watch_that_hears_nothing_goes_on() {
    let _open = OPEN.read().await;
    let service = service();
    let watch = follow(Instancer::new(cluster(), &*service));
    let mut seen = watch.instances();
    sees(&mut seen, SECOND, &[]).await;
    // Servers drop those that ping too often by the third ping.
    sleep(SECOND * 7).await;
    let after = seen.snapshot();
    assert_eq!((after.revision, after.failures, after.state.name()), (1, 0, "fresh"));
}

/// Stands before etcd, and passes nothing on while it is told so.
struct Wall {
    address: String,
    passes: watch::Sender<bool>,
}

impl Wall {
    async fn build() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (passes, passing) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut passing = passing.clone();
                tokio::spawn(async move {
                    passing.wait_for(|passes| *passes).await.unwrap();
                    let mut far = TcpStream::connect(&addresses()[0]).await.unwrap();
                    let pass = copy_bidirectional(&mut near, &mut far);
                    let stopped = async { passing.wait_for(|passes| !*passes).await.map(drop) };
                    let ended = tokio::select! { _ = pass => true, _ = stopped => false };
                    if !ended {
                        // Silent, and open, for ever.
                        std::future::pending::<()>().await;
                    }
                });
            }
        });
        Self { address, passes }
    }
}

#[tokio::test]
#[ignore = "needs etcd at KIT_ETCD_ADDR"]
async fn a_silent_server_is_found_out_within_2_s_and_back_in_1_s() {
    let _open = OPEN.read().await;
    let service = service();
    let wall = Wall::build().await;
    let watch = follow(Instancer::new(Etcd::new([&wall.address]).unwrap(), &*service));
    let mut seen = watch.instances();
    sees(&mut seen, SECOND, &[]).await;
    sleep(SECOND / 4).await;
    let begun = Instant::now();
    wall.passes.send_replace(false);
    let stale = |seen: &Snapshot| !seen.state.is_up();
    let seen_stale = timeout(SECOND * 2, seen.wait_for(stale)).await.unwrap().unwrap();
    assert!(begun.elapsed() > SECOND / 2, "{seen_stale:?}");
    sleep(SECOND * 3).await;
    let registrar = Registrar::new(cluster(), instance(&service, 80));
    registrar.register(Health::Passing).await.unwrap();
    wall.passes.send_replace(true);
    // Half a second more, for a machine that is busy.
    sees(&mut seen, SECOND * 3 / 2, &[80]).await;
    registrar.deregister().await.unwrap();
}

#[tokio::test]
#[ignore = "needs etcd at KIT_ETCD_ADDR"]
async fn members_that_are_dead_or_silent_are_passed_over() {
    let _open = OPEN.read().await;
    let service = service();
    let wall = Wall::build().await;
    wall.passes.send_replace(false);
    let dead = "127.0.0.1:1".to_owned();
    for member in [dead, wall.address] {
        let members = [member].into_iter().chain(addresses());
        let etcd = Etcd::new(members).unwrap().limit(SECOND / 2);
        let watch = follow(Instancer::new(etcd.clone(), &*service));
        let registrar = Registrar::new(etcd, instance(&service, 80));
        let registration = Keeper::new(registrar).register().await.unwrap();
        let found = sees(&mut watch.instances(), SECOND * 2, &[80]).await;
        assert_eq!(found.failures, 0);
        registration.deregister().await.unwrap();
    }
    let nobody = Etcd::new(["127.0.0.1:1", "127.0.0.1:2"]).unwrap();
    let error = nobody.list("/kit/").await.unwrap_err().to_string();
    assert!(error.starts_with("etcd is not reached at 127.0.0.1:2: "), "{error}");
    assert!(error.contains("refused"), "{error}");
}

#[tokio::test]
#[ignore = "needs etcd at KIT_ETCD_ADDR"]
async fn a_user_logs_in_with_a_password() {
    let _alone = OPEN.write().await;
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    for (path, body) in [
        ("user/add", r#"{"name":"root","password":"s3cret"}"#),
        ("role/add", r#"{"name":"root"}"#),
        ("user/grant", r#"{"user":"root","role":"root"}"#),
        ("enable", "{}"),
    ] {
        post(&format!("/v3/auth/{path}"), json(body)).await;
    }
    // Whatever it comes to, the others need no password.
    let tried = tokio::spawn(registers_by_password()).await;
    disable().await;
    tried.unwrap();
}

async fn registers_by_password() {
    let service = service();
    let etcd = cluster().user("root", "s3cret");
    let watch = follow(Instancer::new(etcd.clone(), &*service));
    let mut seen = watch.instances();
    let registrar = Registrar::new(etcd, instance(&service, 80));
    let registration = Keeper::new(registrar).register().await.unwrap();
    let found = sees(&mut seen, SECOND * 2, &[80]).await;
    assert_eq!(found.failures, 0);
    registration.deregister().await.unwrap();
    sees(&mut seen, SECOND, &[]).await;
    for wrong in [cluster(), cluster().user("root", "guess")] {
        let error = wrong.list("/kit/").await.unwrap_err();
        assert!(matches!(error, Error::Refused { .. }), "{error}");
        assert!(!error.to_string().contains("guess"));
    }
}

/// Ends the need of a password.
async fn disable() {
    let answer =
        post("/v3/auth/authenticate", serde_json::json!({ "name": "root", "password": "s3cret" }))
            .await;
    let token = answer["token"].as_str().unwrap();
    let mut stream = TcpStream::connect(&addresses()[0]).await.unwrap();
    let request = format!(
        "POST /v3/auth/disable HTTP/1.0\r\nhost: etcd\r\nauthorization: {token}\r\n\
         content-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
    for (path, body) in [
        ("user/delete", serde_json::json!({ "name": "root" })),
        ("role/delete", serde_json::json!({ "role": "root" })),
    ] {
        post(&format!("/v3/auth/{path}"), body).await;
    }
}

#[cfg(feature = "testing")]
mod suite {
    use super::*;
    use kit_sd::testing::{self, Backend, Registry};

    struct Suite;

    impl Backend for Suite {
        type Instancer = Instancer;

        fn instancer(&self, service: &str) -> Instancer {
            Instancer::new(cluster(), service)
        }

        async fn put(&self, instance: &Instance) {
            Registrar::new(cluster(), instance.clone()).register(instance.health).await.unwrap();
        }

        async fn remove(&self, instance: &Instance) {
            Registrar::new(cluster(), instance.clone()).deregister().await.unwrap();
        }
    }

    impl Registry for Suite {
        type Registrar = Registrar;

        fn registrar(&self, instance: Instance) -> Registrar {
            Registrar::new(cluster(), instance)
        }
    }

    #[tokio::test]
    #[ignore = "needs etcd at KIT_ETCD_ADDR"]
    async fn it_follows_as_every_registry_must() {
        let _open = OPEN.read().await;
        testing::follows(&Suite).await.unwrap();
    }

    #[tokio::test]
    #[ignore = "needs etcd at KIT_ETCD_ADDR"]
    async fn it_registers_as_every_registry_must() {
        let _open = OPEN.read().await;
        testing::registers(&Suite).await.unwrap();
    }
}

#[cfg(feature = "etcd-tls")]
mod tls {
    use super::*;
    use std::fs;

    fn file(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../kit-transport/http/tests/tls/");
        fs::read(folder.to_owned() + name).unwrap()
    }

    fn member() -> String {
        let address = env::var("KIT_ETCD_TLS_ADDR").expect("set KIT_ETCD_TLS_ADDR to host:port");
        format!("https://{address}")
    }

    #[tokio::test]
    #[ignore = "needs etcd with TLS at KIT_ETCD_TLS_ADDR"]
    async fn an_instance_is_found_by_mutual_tls() {
        let (chain, key) = (file("client.pem"), file("client.key"));
        let identity = Some((&*chain, &*key));
        let cluster = Etcd::new([member()]).unwrap().tls(&file("authority.pem"), identity, None);
        let service = service();
        let watch = follow(Instancer::new(cluster.clone(), &*service));
        let mut seen = watch.instances();
        sees(&mut seen, SECOND * 5, &[]).await;
        let registration =
            Keeper::new(Registrar::new(cluster, instance(&service, 1))).register().await.unwrap();
        sees(&mut seen, SECOND, &[1]).await;
        registration.deregister().await.unwrap();
        sees(&mut seen, SECOND, &[]).await;
    }

    #[tokio::test]
    #[ignore = "needs etcd with TLS at KIT_ETCD_TLS_ADDR"]
    async fn whoever_is_not_trusted_learns_nothing() {
        let (chain, key) = (file("client.pem"), file("client.key"));
        let identity = Some((&*chain, &*key));
        let strange = file("elsewhere.pem");
        let of = |authorities: &[u8], identity, name| {
            Etcd::new([member()]).unwrap().tls(authorities, identity, name).limit(SECOND * 2)
        };
        let authority = file("authority.pem");
        let mistaken = [
            ("no certificate of ours", of(&authority, None, None)),
            ("another authority", of(&strange, identity, None)),
            ("another name", of(&authority, identity, Some("elsewhere.test"))),
        ];
        for (what, cluster) in mistaken {
            assert!(cluster.list("/kit/").await.is_err(), "{what}");
        }
        assert!(of(&authority, identity, Some("localhost")).list("/kit/").await.is_ok());
    }
}
