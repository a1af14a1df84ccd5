//! When the greeter is shown as ready, and what a registry is told of it.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

#[allow(dead_code, reason = "others ask more of it")]
#[path = "memory/agent.rs"]
mod agent;

use agent::Fake;
use greeter::{
    discovery::register,
    flags::ReadyWhen,
    registry::{Consul, Registry, shown},
};
use kit_sd::Registration;
use std::time::Duration;
use tokio::sync::watch;

fn at(fake: &Fake, host: &str) -> Registry<Consul<Fake>> {
    let registry = Registry {
        at: (),
        service: "greeter".to_owned(),
        host: host.to_owned(),
        tags: vec![],
        metadata: vec![],
        tls: false,
    };
    registry.at(Consul(fake.clone()))
}

async fn registered(kept: &[Registration; 2]) {
    for one in kept {
        one.status().wait_for(|status| status.registered).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn it_may_be_ready_only_once_it_is_registered() {
    let fake = Fake::default().down(true);
    let (ready, readiness) = watch::channel(true);
    let kept = register(&at(&fake, "10.0.0.1"), [9110, 9120], &readiness).unwrap();
    let (at_once, _) = shown(ReadyWhen::Serving, &readiness, Some(&kept));
    assert!(*at_once.borrow());
    let (alone, _) = shown(ReadyWhen::Registered, &readiness, None);
    assert!(*alone.borrow());
    let (shown, settled) = shown(ReadyWhen::Registered, &readiness, Some(&kept));
    let settled = tokio::spawn(settled);
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(!*shown.borrow());
    let fake = fake.down(false);
    registered(&kept).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(*shown.borrow());
    // A registry that goes away later stops nothing; the end does.
    let _fake = fake.down(true);
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(*shown.borrow());
    ready.send_replace(false);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!*shown.borrow());
    drop(ready);
    settled.await.unwrap();
}
