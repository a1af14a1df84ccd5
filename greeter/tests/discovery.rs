//! What is registered with Consul, and when.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

#[path = "memory/agent.rs"]
mod agent;

use agent::Fake;
use greeter::{
    discovery::{deregister, register},
    registry::{Consul, Registry},
};
use kit_sd::{
    Registration,
    consul::{Check, Service},
};
use std::time::Duration;
use tokio::{sync::watch, time::Instant};

fn at(fake: &Fake, host: &str) -> Registry<Consul<Fake>> {
    Registry {
        at: Consul(fake.clone()),
        service: "greeter".to_owned(),
        host: host.to_owned(),
        tags: vec!["blue".to_owned()],
        metadata: vec![("team".to_owned(), "a".to_owned())],
        tls: false,
    }
}

async fn registered(kept: &[Registration; 2]) {
    for one in kept {
        one.status().wait_for(|status| status.registered).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn each_protocol_has_a_name_and_a_check_that_speaks_it() {
    let fake = Fake::default();
    let (_ready, readiness) = watch::channel(true);
    let kept = register(&at(&fake, "10.0.0.1"), [9110, 9120], &readiness).unwrap();
    registered(&kept).await;

    let services = fake.services();
    let seen: Vec<_> = services
        .iter()
        .map(|Service { instance, .. }| (&*instance.service, instance.address.to_string()))
        .collect();
    let expected =
        [("greeter", "10.0.0.1:9110".to_owned()), ("greeter-grpc", "10.0.0.1:9120".to_owned())];
    assert_eq!(seen, expected);
    let Some(Check::Http(http)) = &services[0].check else { panic!("{:?}", services[0]) };
    assert_eq!(http.url, "http://10.0.0.1:9110/health");
    assert_eq!((http.interval, http.timeout), (Duration::from_secs(10), Duration::from_secs(1)));
    let Some(Check::Grpc(grpc)) = &services[1].check else { panic!("{:?}", services[1]) };
    assert_eq!(grpc.address, "10.0.0.1:9120");
    assert_eq!((grpc.interval, grpc.timeout), (Duration::from_secs(10), Duration::from_secs(1)));
    for Service { instance, .. } in &services {
        assert_eq!(instance.tags, ["blue"]);
        assert_eq!(instance.metadata["team"], "a");
        assert_eq!(instance.version.as_deref(), Some(env!("CARGO_PKG_VERSION")));
    }
}

#[tokio::test(start_paused = true)]
async fn over_tls_it_says_itself_that_it_is_well() {
    let fake = Fake::default();
    let (_ready, readiness) = watch::channel(true);
    let registry = Registry { tls: true, ..at(&fake, "10.0.0.1") };
    let kept = register(&registry, [9110, 9120], &readiness).unwrap();
    registered(&kept).await;
    for service in fake.services() {
        assert!(matches!(service.check, Some(Check::Ttl(_))), "{service:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_registered_before_it_is_ready() {
    let fake = Fake::default();
    let (ready, readiness) = watch::channel(false);
    let kept = register(&at(&fake, "10.0.0.1"), [9110, 9120], &readiness).unwrap();
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(fake.ids(), [""; 0]);
    ready.send_replace(true);
    registered(&kept).await;
    assert_eq!(fake.ids(), ["greeter-10.0.0.1-9110", "greeter-grpc-10.0.0.1-9120"]);
}

#[tokio::test(start_paused = true)]
async fn both_names_are_taken_out() {
    let fake = Fake::default();
    let (_ready, readiness) = watch::channel(true);
    let kept = register(&at(&fake, "10.0.0.1"), [9110, 9120], &readiness).unwrap();
    registered(&kept).await;
    deregister(Some(kept)).await.unwrap();
    assert_eq!(fake.ids(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn both_names_are_taken_out_at_once() {
    let fake = Fake::default().slow(Duration::from_secs(1));
    let (_ready, readiness) = watch::channel(true);
    let kept = register(&at(&fake, "10.0.0.1"), [9110, 9120], &readiness).unwrap();
    registered(&kept).await;
    let began = Instant::now();
    deregister(Some(kept)).await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_stays_is_told() {
    let fake = Fake::default();
    let (_ready, readiness) = watch::channel(true);
    let kept = register(&at(&fake, "10.0.0.1"), [9110, 9120], &readiness).unwrap();
    registered(&kept).await;
    let fake = fake.down(true);
    deregister(Some(kept)).await.unwrap_err();
    assert_eq!(fake.ids().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn without_a_registry_there_is_nothing_to_take_out() {
    deregister(None).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_absent_registry_is_tried_until_it_is_there() {
    let fake = Fake::default().down(true);
    let (_ready, readiness) = watch::channel(true);
    let kept = register(&at(&fake, "10.0.0.1"), [9110, 9120], &readiness).unwrap();
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(fake.tried() > 2, "it was tried {} times", fake.tried());
    let fake = fake.down(false);
    registered(&kept).await;
    assert_eq!(fake.ids().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_address_of_ipv6_is_written_as_a_url_takes_it() {
    let fake = Fake::default();
    let (_ready, readiness) = watch::channel(true);
    let kept = register(&at(&fake, "2001:db8::1"), [9110, 9120], &readiness).unwrap();
    registered(&kept).await;
    let Some(Check::Http(check)) = &fake.services()[0].check else { panic!("no check by HTTP") };
    assert_eq!(check.url, "http://[2001:db8::1]:9110/health");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_nobody_reaches_is_refused() {
    let (_ready, readiness) = watch::channel(true);
    for host in ["", "0.0.0.0", "::", "a b", "host:1"] {
        let refused = register(&at(&Fake::default(), host), [9110, 9120], &readiness);
        assert!(refused.is_err(), "{host:?} was taken");
    }
}
