//! Against a real agent, at `KIT_CONSUL_ADDR` (`host:port`).
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use consulrs::client::{ConsulClient, ConsulClientSettingsBuilder};
use kit_sd::{
    Follower, Health, Instance, Keeper,
    consul::{Client, Instancer, Registrar, TtlCheck},
};
use kit_sd_consulrs::Adapter;
use std::{env, process, sync::Arc, time::Duration};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
#[ignore = "needs Consul at KIT_CONSUL_ADDR"]
async fn an_instance_is_registered_found_lost_found_again_and_deregistered() {
    let address = env::var("KIT_CONSUL_ADDR").expect("set KIT_CONSUL_ADDR to host:port");
    let address = format!("http://{address}");
    let settings = ConsulClientSettingsBuilder::default().address(address).build().unwrap();
    let client = Arc::new(ConsulClient::new(settings).unwrap());
    let adapter = Adapter::new(Arc::clone(&client)).unwrap();
    let nanos = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    let service = format!("kit-consulrs-{}-{nanos}", process::id());

    let instancer = Instancer::new(adapter.clone(), &*service).tag("v1").passing(true);
    // The last instance is gone at once, and not only when that is confirmed.
    let watch = Follower::new(instancer).grace(Duration::ZERO).spawn();
    let mut seen = watch.instances();
    let first = timeout(SOON, seen.changed()).await.unwrap().unwrap();
    assert!(first.instances.is_empty());

    let instance = Instance::new(&*service, "127.0.0.1:1".parse().unwrap())
        .id(format!("{service}/ä 1"))
        .tag("v1")
        .metadata("team", "a")
        .zone("eu-1a");
    let registrar = Registrar::new(adapter.clone(), instance.clone())
        .check(TtlCheck::new(Duration::from_secs(3)));
    let registration = Keeper::new(registrar).register().await.unwrap();
    let found = timeout(SOON, seen.changed()).await.unwrap().unwrap();
    assert_eq!(*found.instances[0], instance);

    // Behind the keeper's back, by the same client.
    adapter.deregister(&instance.id).await.unwrap();
    let mut status = registration.status();
    timeout(SOON, status.wait_for(|status| status.registrations == 2)).await.unwrap().unwrap();
    assert!(!adapter.service(&instance.id, "").await.unwrap().unwrap().is_empty());
    assert!(adapter.report(&format!("service:{}", instance.id), Health::Passing).await.unwrap());

    registration.deregister().await.unwrap();
    assert_eq!(adapter.service(&instance.id, "").await.unwrap(), None);
    assert!(!adapter.report(&format!("service:{}", instance.id), Health::Passing).await.unwrap());
    let gone = timeout(SOON, seen.wait_for(|seen| seen.instances.is_empty())).await.unwrap();
    assert_eq!(gone.unwrap().failures, 0);
    // The client that was there before is still its owner's.
    let kv = consulrs::kv::set(&*client, &service, b"x", None).await.unwrap();
    assert!(kv.response);
    consulrs::kv::delete(&*client, &service, None).await.unwrap();
}
