//! Where the greeter listens, and the address by which it is reached.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use greeter::listen::reached_from;
use std::net::Ipv4Addr;

#[tokio::test]
async fn a_registry_of_this_machine_reaches_it_by_loopback() {
    assert_eq!(reached_from("127.0.0.1:8500").await, Ipv4Addr::LOCALHOST);
    assert!(reached_from("localhost:8500").await.is_loopback());
}

#[tokio::test]
async fn a_registry_whose_name_is_not_known_yet_does_not_keep_it_from_having_an_address() {
    // No resolver asks anybody for a name with an empty label.
    let address = reached_from("no..name:8500").await;
    assert!(!address.is_unspecified());
    // The way out of this machine, if there is one.
    assert_eq!(address, reached_from("192.0.2.1:8500").await);
}
