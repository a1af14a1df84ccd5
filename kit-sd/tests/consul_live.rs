//! Against a real agent, at `KIT_CONSUL_ADDR` (`host:port`).
#![cfg(feature = "consul")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use kit_sd::{
    Address, Follower, Health, Instance, Keeper, Registrar as _, Watch,
    consul::{Agent, Client, HttpCheck, Instancer, Registrar, TtlCheck},
};
use std::{
    env, process,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc,
    time::{sleep, timeout},
};

const SECOND: Duration = Duration::from_secs(1);

fn agent() -> Agent {
    Agent::new(&env::var("KIT_CONSUL_ADDR").expect("set KIT_CONSUL_ADDR to host:port")).unwrap()
}

/// A name that no other test, nor another run of this one, uses.
fn service() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let nanos = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    format!("kit-{}-{nanos}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn watch(service: &str) -> Watch {
    // Nothing is doubted: the last one that goes is to be seen at once.
    let instancer = Instancer::new(agent(), service).passing(true);
    Follower::new(instancer).grace(Duration::ZERO).spawn()
}

/// Answers every check well, and tells of it.
async fn healthy() -> (Address, mpsc::UnboundedReceiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().try_into().unwrap();
    let (checked, checks) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let read = stream.read(&mut request).await.unwrap();
            assert!(request[..read].starts_with(b"GET /health "));
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            stream.write_all(answer).await.unwrap();
            if checked.send(()).is_err() {
                break;
            }
        }
    });
    (address, checks)
}

#[tokio::test]
#[ignore = "needs Consul at KIT_CONSUL_ADDR"]
async fn an_instance_is_found_in_a_second_passes_its_check_and_is_gone_in_a_second() {
    let service = service();
    let watch = watch(&service);
    let mut seen = watch.instances();
    assert!(timeout(SECOND, seen.changed()).await.unwrap().unwrap().instances.is_empty());

    let (address, mut checks) = healthy().await;
    let check = HttpCheck::new(format!("http://{address}/health")).interval(SECOND);
    let instance = Instance::new(&*service, address)
        .id("one/ä 1")
        .tag("v1")
        .metadata("team", "a")
        .zone("eu-1a");
    let registrar = Registrar::new(agent(), instance.clone()).check(check);
    let registration = Keeper::new(registrar).register().await.unwrap();
    let found = timeout(SECOND, seen.changed()).await.unwrap().unwrap();
    assert_eq!(*found.instances[0], instance);

    for _ in 0..2 {
        timeout(SECOND * 5, checks.recv()).await.unwrap().unwrap();
    }
    assert_eq!(seen.snapshot().revision, found.revision);

    registration.deregister().await.unwrap();
    let gone = timeout(SECOND, seen.changed()).await.unwrap().unwrap();
    assert!(gone.instances.is_empty());
    assert_eq!(gone.failures, 0);
}

#[tokio::test]
#[ignore = "needs Consul at KIT_CONSUL_ADDR"]
async fn a_ttl_is_kept_alive_and_lapses_without_its_keeper() {
    let service = service();
    let watch = watch(&service);
    let mut seen = watch.instances();
    let instance = Instance::new(&*service, "127.0.0.1:1".parse().unwrap());
    let registrar =
        Registrar::new(agent(), instance.clone()).check(TtlCheck::new(Duration::from_millis(1500)));
    let registration = Keeper::new(registrar).register().await.unwrap();
    seen.wait_for(|seen| seen.instances.len() == 1).await.unwrap();
    let lapsed = timeout(SECOND * 4, seen.wait_for(|seen| seen.instances.is_empty())).await;
    assert!(lapsed.is_err(), "it lapsed though it is kept");
    drop(registration);
    timeout(SECOND * 4, seen.wait_for(|seen| seen.instances.is_empty())).await.unwrap().unwrap();
    agent().deregister(&instance.id).await.unwrap();
}

#[tokio::test]
#[ignore = "needs Consul at KIT_CONSUL_ADDR"]
async fn a_lost_ttl_check_is_registered_again() {
    let service = service();
    let instance = Instance::new(&*service, "127.0.0.1:1".parse().unwrap());
    let check = TtlCheck::new(Duration::from_millis(900));
    let registrar = Registrar::new(agent(), instance.clone()).check(check);
    let registration = Keeper::new(registrar).register().await.unwrap();
    agent().deregister(&instance.id).await.unwrap();
    let mut status = registration.status();
    timeout(SECOND, status.wait_for(|status| status.registrations == 2)).await.unwrap().unwrap();
    assert!(agent().service(&instance.id, "").await.unwrap().is_some());
    registration.deregister().await.unwrap();
    assert!(agent().service(&instance.id, "").await.unwrap().is_none());
}

#[tokio::test]
#[ignore = "needs Consul at KIT_CONSUL_ADDR"]
async fn registering_and_deregistering_twice_is_as_once() {
    let instance = Instance::new(service(), "127.0.0.1:1".parse().unwrap());
    let registrar = Registrar::new(agent(), instance);
    assert!(!registrar.renew(Health::Passing).await.unwrap());
    for _ in 0..2 {
        registrar.register(Health::Passing).await.unwrap();
        assert!(registrar.renew(Health::Passing).await.unwrap());
    }
    for _ in 0..2 {
        registrar.deregister().await.unwrap();
        assert!(!registrar.renew(Health::Passing).await.unwrap());
    }
}

#[tokio::test]
#[ignore = "needs Consul at KIT_CONSUL_ADDR"]
async fn tags_are_all_asked_for() {
    let service = service();
    let registrars: Vec<_> = [&["a"][..], &["b"], &["a", "b"]]
        .into_iter()
        .zip(1..)
        .map(|(tags, port)| {
            let address = Address::new("127.0.0.1", port).unwrap();
            let instance = Instance::new(&*service, address);
            Registrar::new(agent(), tags.iter().fold(instance, |one, tag| one.tag(*tag)))
        })
        .collect();
    for registrar in &registrars {
        registrar.register(Health::Passing).await.unwrap();
    }
    let count = async |tags: &[&str]| {
        let instancer = Instancer::new(agent(), &*service);
        let watch = Watch::spawn(tags.iter().fold(instancer, |one, tag| one.tag(*tag)));
        timeout(SECOND, watch.instances().changed()).await.unwrap().unwrap().instances.len()
    };
    assert_eq!(count(&[]).await, 3);
    assert_eq!(count(&["a"]).await, 2);
    assert_eq!(count(&["a", "b"]).await, 1);
    for registrar in &registrars {
        registrar.deregister().await.unwrap();
    }
}

#[tokio::test]
#[ignore = "needs Consul at KIT_CONSUL_ADDR"]
async fn a_query_that_waits_is_asked_again_and_nothing_changes() {
    let service = service();
    let watch = Watch::spawn(Instancer::new(agent(), &*service).wait(SECOND));
    let mut seen = watch.instances();
    timeout(SECOND, seen.changed()).await.unwrap().unwrap();
    sleep(SECOND * 3).await;
    let after = seen.snapshot();
    assert_eq!((after.revision, after.failures, after.state.name()), (1, 0, "fresh"));
}

#[cfg(feature = "testing")]
mod suite {
    use super::*;
    use kit_sd::testing::{self, Backend, Registry};

    struct Consul;

    impl Backend for Consul {
        type Instancer = Instancer<Agent>;

        fn instancer(&self, service: &str) -> Self::Instancer {
            Instancer::new(agent(), service)
        }

        async fn put(&self, instance: &Instance) {
            self.registrar(instance.clone()).register(instance.health).await.unwrap();
        }

        async fn remove(&self, instance: &Instance) {
            agent().deregister(&instance.id).await.unwrap();
        }
    }

    impl Registry for Consul {
        type Registrar = Registrar<Agent>;

        fn registrar(&self, instance: Instance) -> Self::Registrar {
            Registrar::new(agent(), instance).check(TtlCheck::new(SECOND * 9))
        }
    }

    #[tokio::test]
    #[ignore = "needs Consul at KIT_CONSUL_ADDR"]
    async fn it_follows_as_every_registry_must() {
        testing::follows(&Consul).await.unwrap();
    }

    #[tokio::test]
    #[ignore = "needs Consul at KIT_CONSUL_ADDR"]
    async fn it_registers_as_every_registry_must() {
        testing::registers(&Consul).await.unwrap();
    }
}

/// Answers each check as it is told to.
async fn ill() -> (Address, tokio::sync::watch::Sender<&'static str>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().try_into().unwrap();
    let (say, status) = tokio::sync::watch::channel("200 OK");
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let status = *status.borrow();
            let answer =
                format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (address, say)
}

#[tokio::test]
#[ignore = "needs Consul at KIT_CONSUL_ADDR"]
async fn one_whose_check_fails_goes_and_comes_again_when_it_passes() {
    let service = service();
    let of_passing = watch(&service);
    let of_all = Watch::spawn(Instancer::new(agent(), &*service));
    let (mut passing, mut all) = (of_passing.instances(), of_all.instances());
    let (address, say) = ill().await;
    let check = HttpCheck::new(format!("http://{address}/health")).interval(SECOND);
    let registrar = Registrar::new(agent(), Instance::new(&*service, address)).check(check);
    let kept = Keeper::new(registrar).register().await.unwrap();
    let seen = passing.wait_for(|seen| seen.instances.len() == 1);
    timeout(SECOND, seen).await.unwrap().unwrap();
    say.send_replace("503 Service Unavailable");
    let gone = passing.wait_for(|seen| seen.instances.is_empty());
    timeout(SECOND * 5, gone).await.unwrap().unwrap();
    let critical =
        all.wait_for(|seen| matches!(&*seen.instances, [one] if one.health == Health::Critical));
    timeout(SECOND * 5, critical).await.unwrap().unwrap();
    say.send_replace("200 OK");
    let back = passing.wait_for(|seen| seen.instances.len() == 1);
    timeout(SECOND * 5, back).await.unwrap().unwrap();
    kept.deregister().await.unwrap();
}
