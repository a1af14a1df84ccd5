//! The peer of a connection, by its certificate.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use http::{Request, Response, StatusCode, header};
use kit_auth::{
    AsHttp, Auth, Authenticator, Credentials, Denied, Presents, Reason, Verdict,
    authorize::Grants,
    certificate::{Certificate, PeerName, Peers, StaticPeers},
};
use kit_endpoint::TlsIdentity;
use std::{convert::Infallible, sync::Arc};
use tower::{Layer, ServiceExt, service_fn};

const ORDERS: &str = "spiffe://example.org/orders";

fn peers() -> StaticPeers {
    StaticPeers::new().uri(ORDERS).uri("spiffe://example.org/billing").dns_name("a.example.org")
}

fn peer() -> TlsIdentity {
    TlsIdentity::new([b"der".to_vec()])
}

fn ask<P: Peers>(of: &Certificate<P>, peer: Option<TlsIdentity>) -> Verdict<P::Identity> {
    let mut request = Request::new(());
    if let Some(peer) = peer {
        request.extensions_mut().insert(peer);
    }
    of.authenticate(&request.presented().unwrap())
}

fn name(verdict: Verdict<PeerName>) -> Option<String> {
    match verdict {
        Verdict::Known(Ok(peer)) => Some(peer.name().to_owned()),
        Verdict::Known(Err(denied)) => {
            assert_eq!(denied.reason(), Reason::Invalid);
            None
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_connection_without_a_certificate_is_for_others() {
    assert!(matches!(ask(&Certificate::new(peers()), None), Verdict::Absent));
}

#[test]
fn peers_are_known_by_the_whole_of_a_name() {
    let certificate = Certificate::new(peers());
    let by_uri = |uri: &str| name(ask(&certificate, Some(peer().uri(uri))));
    let by_dns_name = |dns: &str| name(ask(&certificate, Some(peer().dns_name(dns))));
    assert_eq!(by_uri(ORDERS).as_deref(), Some(ORDERS));
    for other in [
        "spiffe://example.org/orders/",
        "spiffe://example.org/orders2",
        "spiffe://example.org/Orders",
        "spiffe://example.org/",
        "spiffe://evil.example/orders",
        "a.example.org",
        "",
    ] {
        assert_eq!(by_uri(other), None, "{other}");
    }
    assert_eq!(by_dns_name("a.example.org").as_deref(), Some("a.example.org"));
    assert_eq!(by_dns_name("A.Example.ORG").as_deref(), Some("a.example.org"));
    for other in ["b.example.org", "*.example.org", "example.org", "x.a.example.org", ORDERS] {
        assert_eq!(by_dns_name(other), None, "{other}");
    }
    assert_eq!(name(ask(&certificate, Some(peer()))), None);
    assert_eq!(name(ask(&Certificate::new(StaticPeers::new()), Some(peer().uri(ORDERS)))), None);
}

#[test]
fn of_several_names_the_first_that_is_known_counts() {
    let certificate = Certificate::new(peers().dns_name("b.example.org"));
    let both = peer().dns_name("c.example.org").dns_name("b.example.org").dns_name("a.example.org");
    assert_eq!(name(ask(&certificate, Some(both.clone()))).as_deref(), Some("b.example.org"));
    assert_eq!(name(ask(&certificate, Some(both.uri(ORDERS)))).as_deref(), Some(ORDERS));
}

#[test]
fn a_certificate_with_two_uris_is_nobodys_in_spiffe() {
    let two = peer().uri(ORDERS).uri("spiffe://example.org/billing");
    assert_eq!(name(ask(&Certificate::new(peers()), Some(two))), None);
}

#[tokio::test]
async fn a_function_may_decide() {
    let chain = |peer: &TlsIdentity| (peer.certificate() == b"der").then_some(peer.chain().len());
    let certificate = Certificate::new(chain);
    assert!(matches!(ask(&certificate, Some(peer())), Verdict::Known(Ok(1))));
    let other = ask(&certificate, Some(TlsIdentity::new([])));
    assert!(matches!(other, Verdict::Known(Err(_))));

    // It may leave a request to another authenticator.
    let certificate = Certificate::new(|_: &TlsIdentity| Verdict::<u8>::Absent);
    assert!(matches!(ask(&certificate, Some(peer())), Verdict::Absent));

    let later =
        |_: &TlsIdentity| Verdict::later(async { Err::<u8, _>(Denied::new(Reason::Expired)) });
    let Verdict::Later(later) = ask(&Certificate::new(later), Some(peer())) else {
        panic!("known")
    };
    assert_eq!(later.await.unwrap_err().reason(), Reason::Expired);

    let erased: Arc<dyn Peers<Identity = PeerName>> = Arc::new(peers());
    assert!(name(ask(&Certificate::new(erased), Some(peer().uri(ORDERS)))).is_some());
}

#[test]
fn the_identity_may_be_any_type() {
    let certificate = Certificate::new(peers()).map(|peer| peer.name().len());
    let mut request = kit_endpoint::Request::new(());
    request.extensions_mut().insert(Credentials::default());
    request.extensions_mut().insert(peer().uri(ORDERS));
    let verdict = certificate.authenticate(&request.presented().unwrap());
    assert!(matches!(verdict, Verdict::Known(Ok(27))), "{verdict:?}");
}

#[tokio::test]
async fn there_is_nothing_that_asks_for_a_certificate() {
    let server = Auth::new(Certificate::new(peers())).layer().refuse(AsHttp).layer(service_fn(
        |request: Request<()>| async move {
            let peer = request.extensions().get::<PeerName>().unwrap().to_string();
            Ok::<_, Infallible>(Response::new(peer))
        },
    ));
    let reply = server.clone().oneshot(Request::new(())).await.unwrap();
    assert_eq!(reply.status(), StatusCode::UNAUTHORIZED);
    assert!(!reply.headers().contains_key(header::WWW_AUTHENTICATE));
    let mut request = Request::new(());
    request.extensions_mut().insert(peer().uri(ORDERS));
    assert_eq!(server.oneshot(request).await.unwrap().body(), ORDERS);
}

#[test]
fn a_peer_has_no_more_than_its_name() {
    let certificate = Certificate::new(peers());
    let Verdict::Known(Ok(peer)) = ask(&certificate, Some(peer().uri(ORDERS))) else { panic!() };
    assert!(!peer.has_scope(ORDERS) && !peer.has_role(ORDERS));
    assert_eq!(format!("{peer:?}"), format!("PeerName({ORDERS:?})"));
}

#[test]
fn all_of_it_can_be_shared_by_threads() {
    fn assert_send_sync<T: Send + Sync>() {}
    assert_send_sync::<(Certificate<StaticPeers>, PeerName)>();
}
