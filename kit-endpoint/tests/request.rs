//! A request, and what travels with it.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use http::Extensions;
use kit_endpoint::{Carries, Expires, Peer, Request};
use std::time::Duration;
use tokio::time::Instant;

#[derive(Debug, Clone, PartialEq)]
struct Claims(&'static str);

const SECOND: Duration = Duration::from_secs(1);

fn extensions() -> Extensions {
    let mut extensions = Extensions::new();
    extensions.insert(Claims("ada"));
    extensions
}

#[tokio::test(start_paused = true)]
async fn a_deadline_only_comes_forward() {
    let now = Instant::now();
    let request = Request::new(());
    assert_eq!(request.deadline(), None);
    let request = request.within(now + 2 * SECOND);
    assert_eq!(request.deadline(), Some(now + 2 * SECOND));
    let request = request.within(now + 3 * SECOND);
    assert_eq!(request.deadline(), Some(now + 2 * SECOND), "a later one does not count");
    let request = request.within(now + SECOND);
    assert_eq!(request.deadline(), Some(now + SECOND));
}

/// A layer knows a request only by what it carries.
fn carries<R: Carries>(mut request: R) {
    let now = Instant::now();
    assert_eq!(request.deadline(), None);
    request.bring_forward(now + 2 * SECOND);
    request.bring_forward(now + 3 * SECOND);
    assert_eq!(request.deadline(), Some(now + 2 * SECOND));
    request.bring_forward(now + SECOND);
    assert_eq!(request.deadline(), Some(now + SECOND));
    request.extensions_mut().insert(Claims("ada"));
    assert_eq!(request.extensions().get(), Some(&Claims("ada")));
}

#[tokio::test(start_paused = true)]
async fn both_requests_carry_the_same() {
    carries(Request::new("message"));
    carries(http::Request::new("body"));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_an_http_request_is_an_extension() {
    let mut request = http::Request::new(());
    let now = Instant::now();
    request.extensions_mut().insert(Expires(now + SECOND));
    assert_eq!(Carries::deadline(&request), Some(now + SECOND));
    request.bring_forward(now);
    assert_eq!(request.extensions().get::<Expires>(), Some(&Expires(now)));
}

#[tokio::test(start_paused = true)]
async fn an_outgoing_request_inherits() {
    let deadline = Instant::now() + SECOND;
    let incoming = Request::from_parts("in", extensions()).within(deadline);
    let outgoing = incoming.with(7_u8);
    assert_eq!(*outgoing.message(), 7);
    assert_eq!(outgoing.deadline(), Some(deadline));
    assert_eq!(outgoing.extensions().get(), Some(&Claims("ada")));

    // It inherits; it does not share.
    let mut outgoing = outgoing;
    outgoing.extensions_mut().insert(Claims("eve"));
    assert_eq!(incoming.extensions().get(), Some(&Claims("ada")));
    assert_eq!(incoming.into_message(), "in");
}

#[tokio::test(start_paused = true)]
async fn a_mapped_request_keeps_the_rest() {
    let deadline = Instant::now() + SECOND;
    let mut request = Request::from_parts(2, extensions()).within(deadline);
    *request.message_mut() += 1;
    let (message, kept, extensions) = request.map(|n: u8| n.to_string()).into_parts();
    assert_eq!(message, "3");
    assert_eq!(kept, Some(deadline));
    assert_eq!(extensions.get(), Some(&Claims("ada")));
}

#[test]
fn a_peer_has_an_address_or_none() {
    let addr = "127.0.0.1:80".parse().unwrap();
    assert_eq!(Peer::from(addr), Peer::Ip(addr));
    assert_eq!((Peer::Ip(addr).addr(), Peer::Unix.addr()), (Some(addr), None));
    assert_eq!(Peer::Ip(addr).to_string(), "127.0.0.1:80");
    assert_eq!(Peer::Unix.to_string(), "unix");
}
