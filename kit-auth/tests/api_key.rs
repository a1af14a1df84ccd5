//! Keys in a header of their own.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use kit_auth::{
    AsHttp, Auth, Authenticator, Credentials, Denied, MAX_CREDENTIALS, Malformed, Presented,
    Presents, Reason, Verdict,
    api_key::{ApiKey, BadKeys, Keys, StaticKeys},
};
use std::{convert::Infallible, error::Error as _, sync::Arc};
use tower::{Layer, ServiceExt, service_fn};

const HEADER: HeaderName = HeaderName::from_static("x-api-key");

#[derive(Debug, Clone, Copy, PartialEq)]
struct Client(&'static str);

fn keys() -> StaticKeys<Client> {
    StaticKeys::new([("k-billing-1", Client("billing")), ("k-shipping-1", Client("shipping"))])
        .unwrap()
}

fn ask<K: Keys>(of: &ApiKey<K>, header: &HeaderName, values: &[&[u8]]) -> Verdict<K::Identity> {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(header, HeaderValue::from_bytes(value).unwrap());
    }
    of.authenticate(&Presented::of(&headers))
}

fn known<I>(verdict: Verdict<I>) -> I {
    match verdict {
        Verdict::Known(Ok(identity)) => identity,
        _ => panic!("it was not let in"),
    }
}

fn denied<I>(verdict: Verdict<I>) -> Denied {
    match verdict {
        Verdict::Known(Err(denied)) => denied,
        _ => panic!("it was not refused"),
    }
}

fn challenge<K: Keys>(of: &ApiKey<K>) -> Vec<HeaderValue> {
    let mut challenges = Vec::new();
    of.challenge(&Denied::new(Reason::Missing), &mut challenges);
    challenges
}

#[test]
fn each_key_is_its_clients() {
    let api_key = ApiKey::new(keys());
    assert_eq!(known(ask(&api_key, &HEADER, &[b"k-billing-1"])), Client("billing"));
    assert_eq!(known(ask(&api_key, &HEADER, &[b"k-shipping-1"])), Client("shipping"));
    for other in ["k-billing-2", "K-BILLING-1", "k-billing-1 ", "k-billing-", "k-billing-11"] {
        let denied = denied(ask(&api_key, &HEADER, &[other.as_bytes()]));
        assert_eq!(
            (denied.reason(), denied.scheme()),
            (Reason::Invalid, Some("ApiKey")),
            "{other}"
        );
    }
}

#[test]
fn a_request_without_a_key_is_for_others() {
    let api_key = ApiKey::new(keys());
    assert!(matches!(ask(&api_key, &HEADER, &[]), Verdict::Absent));
    assert!(matches!(ask(&api_key, &header::AUTHORIZATION, &[b"k-billing-1"]), Verdict::Absent));
}

#[test]
fn a_key_that_cannot_be_read_is_malformed() {
    let api_key = ApiKey::new(keys());
    let long = [b'k'; MAX_CREDENTIALS + 1];
    let cases: [(&[&[u8]], Malformed); 4] = [
        (&[b""], Malformed::Syntax),
        (&[b"k-billing-1", b"k-billing-1"], Malformed::Several),
        (&[b"k-\xff"], Malformed::NotText),
        (&[&long], Malformed::TooLong),
    ];
    for (values, malformed) in cases {
        let denied = denied(ask(&api_key, &HEADER, values));
        assert_eq!(denied.reason(), Reason::Malformed(malformed));
    }
}

#[test]
fn the_header_may_be_another() {
    let name = HeaderName::from_static("x-goog-api-key");
    let api_key = ApiKey::new(keys()).header(name.clone());
    assert_eq!(*api_key.headers(), *std::slice::from_ref(&name));
    assert_eq!(known(ask(&api_key, &name, &[b"k-billing-1"])), Client("billing"));
    assert!(matches!(ask(&api_key, &HEADER, &[b"k-billing-1"]), Verdict::Absent));
    assert_eq!(challenge(&api_key), [r#"ApiKey header="x-goog-api-key""#]);
}

#[test]
fn a_hook_keeps_the_header_that_is_asked_for() {
    let api_key = ApiKey::new(keys());
    let mut headers = HeaderMap::new();
    headers.insert(HEADER, HeaderValue::from_static("k-shipping-1"));
    let mut request = kit_endpoint::Request::new(());
    request.extensions_mut().insert(Credentials::of(&headers, &api_key.headers()));
    let verdict = api_key.authenticate(&request.presented().unwrap());
    assert_eq!(known(verdict), Client("shipping"));
}

#[tokio::test]
async fn who_has_no_key_is_told_where_it_goes() {
    let server = Auth::new(ApiKey::new(keys())).layer().refuse(AsHttp).layer(service_fn(
        |request: Request<()>| async move {
            Ok::<_, Infallible>(Response::new(
                request.extensions().get::<Client>().unwrap().0.into(),
            ))
        },
    ));
    let reply: Response<String> = server.clone().oneshot(Request::new(())).await.unwrap();
    assert_eq!(reply.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(reply.headers()[header::WWW_AUTHENTICATE], r#"ApiKey header="x-api-key""#);
    let request = Request::builder().header(HEADER, "k-billing-1").body(()).unwrap();
    assert_eq!(server.oneshot(request).await.unwrap().body(), "billing");
}

#[tokio::test]
async fn keys_may_be_anywhere() {
    let api_key = ApiKey::new(|key: &str| (key == "right").then_some(Client("by a function")));
    assert_eq!(known(ask(&api_key, &HEADER, &[b"right"])), Client("by a function"));
    assert_eq!(denied(ask(&api_key, &HEADER, &[b"wrong"])).reason(), Reason::Invalid);

    let api_key = ApiKey::new(|_: &str| Verdict::<Client>::Absent);
    assert_eq!(denied(ask(&api_key, &HEADER, &[b"k"])).reason(), Reason::Invalid);

    let api_key = ApiKey::new(|key: &str| {
        let is_right = key == "right";
        let unavailable = || Denied::new(Reason::Unavailable);
        Verdict::later(async move { is_right.then_some(Client("later")).ok_or_else(unavailable) })
    });
    let Verdict::Later(later) = ask(&api_key, &HEADER, &[b"right"]) else { panic!("at once") };
    assert_eq!(later.await.unwrap(), Client("later"));
    let Verdict::Later(later) = ask(&api_key, &HEADER, &[b"wrong"]) else { panic!("at once") };
    let denied = later.await.unwrap_err();
    assert_eq!((denied.reason(), denied.scheme()), (Reason::Unavailable, Some("ApiKey")));

    let erased: Arc<dyn Keys<Identity = Client>> = Arc::new(keys());
    assert_eq!(erased.generation(), 0);
    assert_eq!(known(ask(&ApiKey::new(erased), &HEADER, &[b"k-billing-1"])), Client("billing"));
}

#[test]
fn keys_that_cannot_be_kept_are_refused_when_they_are_given() {
    let wrong = |keys: &[&str]| StaticKeys::new(keys.iter().map(|key| (key, ()))).unwrap_err();
    assert!(matches!(wrong(&["k-1", ""]), BadKeys::Empty { position: 2, .. }));
    let twice = wrong(&["k-1", "k-2", "k-3", "k-2"]);
    assert!(matches!(twice, BadKeys::Twice { position: 4, first: 2, .. }), "{twice:?}");
    let long = "k".repeat(MAX_CREDENTIALS + 1);
    for unfit in ["k-1\n", "k-\u{e9}", " k-1", "k-1 ", &long] {
        assert!(matches!(wrong(&[unfit]), BadKeys::Unfit { position: 1, .. }), "{unfit:?}");
    }
    let nobody = StaticKeys::<Client>::new::<&str>([]).unwrap();
    assert!(nobody.is_empty());
    assert_eq!(denied(ask(&ApiKey::new(nobody), &HEADER, &[b"k"])).reason(), Reason::Invalid);
}

#[test]
fn nothing_that_is_secret_is_ever_shown() {
    let api_key = ApiKey::new(keys());
    let mut shown = vec![format!("{api_key:?} {:?}", Auth::new(ApiKey::new(keys())))];
    for sent in ["k-billing-2", "k-billing-1\u{e9}"] {
        let denied = denied(ask(&api_key, &HEADER, &[sent.as_bytes()]));
        shown.push(format!("{denied} {denied:?} {:?}", denied.source()));
    }
    for keys in [["k-billing-1\n", "b"], ["k-billing-1", "k-billing-1"]] {
        let wrong = StaticKeys::new(keys.map(|key| (key, ()))).unwrap_err();
        shown.push(format!("{wrong} {wrong:?}"));
    }
    for text in shown {
        assert!(!text.contains("k-billing"), "{text}");
    }
}

#[test]
fn all_of_it_can_be_shared_by_threads() {
    fn assert_send_sync<T: Send + Sync>() {}
    assert_send_sync::<(ApiKey<StaticKeys<Client>>, BadKeys)>();
}
