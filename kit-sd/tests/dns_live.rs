//! Against Consul's DNS at `KIT_CONSUL_DNS_ADDR` (IP and port), of the agent at `KIT_CONSUL_ADDR`.
#![cfg(all(feature = "consul", feature = "dns"))]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use kit_sd::{
    Address, Health, Instance, Registrar as _, Watch,
    consul::{Agent, Registrar},
    dns::{Addresses, Family, Resolver, Srv},
};
use std::{
    env, process,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use tokio::time::timeout;

/// Twice the TTL of 1 s that an answer of TTL 0 is given, and some.
const SOON: Duration = Duration::from_secs(5);

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("set {name}"))
}

/// Consul cuts its answers over UDP short without a word.
fn resolver() -> Resolver {
    Resolver::new([variable("KIT_CONSUL_DNS_ADDR").parse().unwrap()]).tcp()
}

/// A name that no other test, nor another run of this one, uses.
fn service() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let nanos = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    format!("kit-{}-{nanos}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn registrars(service: &str, ports: impl IntoIterator<Item = u16>) -> Vec<Registrar<Agent>> {
    let agent = Agent::new(&variable("KIT_CONSUL_ADDR")).unwrap();
    let registrar = |port| {
        let address = Address::new("127.0.0.1", port).unwrap();
        Registrar::new(agent.clone(), Instance::new(service, address))
    };
    ports.into_iter().map(registrar).collect()
}

#[tokio::test]
#[ignore = "needs Consul's DNS at KIT_CONSUL_DNS_ADDR"]
async fn what_is_registered_is_found_by_srv_records_all_of_it() {
    let service = service();
    let name = format!("{service}.service.consul.");
    let watch = Watch::spawn(Srv::new(resolver(), name).service(&*service).resolve(Family::Any));
    let mut seen = watch.instances();
    let first = timeout(SOON, seen.changed()).await.unwrap().unwrap();
    assert!(first.instances.is_empty());

    // More than an answer over UDP has room for.
    let registrars = registrars(&service, 9001..=9030);
    for registrar in &registrars {
        registrar.register(Health::Passing).await.unwrap();
    }
    let all = timeout(SOON, seen.wait_for(|seen| seen.instances.len() == 30)).await.unwrap();
    let all = all.unwrap();
    let addresses: Vec<_> = all.instances.iter().map(|one| one.address.to_string()).collect();
    assert_eq!(
        addresses,
        (9001..=9030).map(|port| format!("127.0.0.1:{port}")).collect::<Vec<_>>()
    );
    assert!(all.instances.iter().all(|one| one.weight == 1 && one.service == service));

    registrars[0].deregister().await.unwrap();
    timeout(SOON, seen.wait_for(|seen| seen.instances.len() == 29)).await.unwrap().unwrap();
    for registrar in &registrars[1..] {
        registrar.deregister().await.unwrap();
    }
    // NXDOMAIN, which is doubted.
    let suspect = timeout(SOON, seen.wait_for(|seen| seen.state.name() == "suspect")).await;
    let suspect = suspect.unwrap().unwrap();
    assert_eq!((suspect.instances.len(), suspect.failures), (29, 0));
}

#[tokio::test]
#[ignore = "needs Consul's DNS at KIT_CONSUL_DNS_ADDR"]
async fn what_is_registered_is_found_by_its_addresses() {
    let service = service();
    let registrars = registrars(&service, [9001]);
    registrars[0].register(Health::Passing).await.unwrap();
    let name = format!("{service}.service.consul");
    let watch = Watch::spawn(Addresses::new(resolver(), name, 9001).service(&*service));
    let found = timeout(SOON, watch.instances().changed()).await.unwrap().unwrap();
    assert_eq!(found.instances.len(), 1);
    assert_eq!(found.instances[0].address.to_string(), "127.0.0.1:9001");
    registrars[0].deregister().await.unwrap();
}

#[cfg(feature = "testing")]
mod suite {
    use super::*;
    use kit_sd::{
        dns::Timing,
        testing::{self, Backend, Keeps},
    };

    /// Consul, as its DNS shows it.
    struct Dns(Agent);

    impl Backend for Dns {
        type Instancer = Srv<Resolver>;

        fn instancer(&self, service: &str) -> Self::Instancer {
            let often = Duration::from_millis(100);
            Srv::new(resolver(), format!("{service}.service.consul."))
                .service(service)
                .resolve(Family::Any)
                .timing(Timing::new().min_ttl(often).max_negative_ttl(often))
        }

        async fn put(&self, instance: &Instance) {
            let registrar = Registrar::new(self.0.clone(), instance.clone());
            registrar.register(instance.health).await.unwrap();
        }

        async fn remove(&self, instance: &Instance) {
            Registrar::new(self.0.clone(), instance.clone()).deregister().await.unwrap();
        }

        /// Records have a place, a priority and a weight, and nothing else.
        fn keeps(&self) -> Keeps {
            Keeps {
                id: false,
                tags: false,
                metadata: false,
                version: false,
                zone: false,
                weight: true,
                health: false,
            }
        }

        fn patience(&self) -> Duration {
            SOON
        }
    }

    #[tokio::test]
    #[ignore = "needs Consul's DNS at KIT_CONSUL_DNS_ADDR"]
    async fn it_follows_as_every_registry_must() {
        let agent = Agent::new(&variable("KIT_CONSUL_ADDR")).unwrap();
        testing::follows(&Dns(agent)).await.unwrap();
    }
}
