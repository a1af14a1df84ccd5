//! The guard, as a layer around any service.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use http::{Method, Request, Response, StatusCode};
use kit_debug::guard::{Barred, Guard, GuardLayer, Reason, Token};
use kit_endpoint::{AsGrpc, AsHttp, Fault, Inspect, Inspector, Kind, Peer};
use proptest::prelude::{prop, proptest};
use std::{collections::BTreeMap, convert::Infallible, net::SocketAddr};
use tower::{Layer, ServiceExt, service_fn};

const TOKEN: &str = "0123456789abcdef";

#[derive(Debug, PartialEq, thiserror::Error)]
#[error(transparent)]
struct Error(#[from] Barred);

fn with_token() -> Guard {
    Guard::new().token(Token::new(TOKEN).unwrap())
}

/// A request of `peer` that nothing is wrong with.
fn of(peer: &str, headers: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::put("/").body(()).unwrap();
    if !headers.iter().any(|(name, _)| *name == "host") {
        request.headers_mut().insert("host", "127.0.0.1:9100".parse().unwrap());
    }
    for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
        let name: http::HeaderName = name.parse().unwrap();
        request.headers_mut().append(name, value.parse().unwrap());
    }
    match peer {
        "" => {}
        "unix" => _ = request.extensions_mut().insert(Peer::Unix),
        ip => {
            let peer = SocketAddr::new(ip.parse().unwrap(), 4000);
            request.extensions_mut().insert(Peer::from(peer));
        }
    }
    request
}

async fn through(layer: GuardLayer, request: Request<()>) -> Result<(), Reason> {
    let inner = service_fn(|_: Request<()>| async { Ok::<_, Error>(()) });
    layer.layer(inner).oneshot(request).await.map_err(|Error(barred)| barred.reason())
}

async fn change(guard: Guard, peer: &str, headers: &[(&str, &str)]) -> Result<(), Reason> {
    through(GuardLayer::new(guard), of(peer, headers)).await
}

async fn read(guard: Guard, peer: &str, headers: &[(&str, &str)]) -> Result<(), Reason> {
    for method in [Method::GET, Method::HEAD] {
        let mut request = of(peer, headers);
        *request.method_mut() = method;
        through(GuardLayer::changes(guard.clone()), request).await?;
    }
    Ok(())
}

#[tokio::test]
async fn peers_of_this_machine_get_in() {
    for peer in ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1", "unix"] {
        assert_eq!(change(Guard::new(), peer, &[]).await, Ok(()), "{peer}");
    }
}

#[tokio::test]
async fn others_do_not_and_a_peer_that_is_not_known_is_another() {
    for peer in ["10.0.0.1", "192.168.0.1", "2001:db8::1", "::ffff:10.0.0.1", "0.0.0.0", "::", ""] {
        assert_eq!(change(Guard::new(), peer, &[]).await, Err(Reason::Stranger), "{peer}");
        assert_eq!(change(with_token(), peer, &[]).await, Err(Reason::NoToken), "{peer}");
    }
}

#[tokio::test]
async fn headers_of_proxies_make_nobody_local_but_who_is_no_longer_so() {
    for header in [
        ("forwarded", "for=127.0.0.1"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", "localhost"),
        ("x-forwarded-port", "80"),
        ("x-forwarded-proto", "https"),
        ("x-real-ip", "127.0.0.1"),
        ("via", "1.1 proxy"),
    ] {
        for peer in ["10.0.0.1", "127.0.0.1", "::1", "unix"] {
            let got = change(Guard::new(), peer, &[header]).await;
            assert_eq!(got, Err(Reason::Stranger), "{peer} {header:?}");
        }
    }
}

#[tokio::test]
async fn the_token_lets_in_from_anywhere_and_by_any_name() {
    for value in [format!("Bearer {TOKEN}"), format!("bEARER   {TOKEN} ")] {
        let shown = ("authorization", &*value);
        for peer in ["10.0.0.1", ""] {
            assert_eq!(change(with_token(), peer, &[shown]).await, Ok(()), "{value}");
            let proxied = [shown, ("host", "greeter.example"), ("via", "1.1 proxy")];
            assert_eq!(change(with_token(), peer, &proxied).await, Ok(()), "{value}");
        }
    }
}

#[tokio::test]
async fn what_is_not_the_token_does_not() {
    let longer = format!("Bearer {TOKEN}0");
    let other_scheme = format!("Basic {TOKEN}");
    let no_scheme = TOKEN.to_owned();
    for value in [
        "Bearer",
        "Bearer ",
        "Bearer 0123456789abcdeF",
        "Bearer 0123456789abcde",
        &longer,
        &other_scheme,
        &no_scheme,
    ] {
        let shown = [("authorization", value)];
        assert_eq!(
            change(with_token(), "10.0.0.1", &shown).await,
            Err(Reason::WrongToken),
            "{value}"
        );
        // Where there is none, none is right, not even none at all.
        assert_eq!(
            change(Guard::new(), "10.0.0.1", &shown).await,
            Err(Reason::Stranger),
            "{value}"
        );
    }
    let right = format!("Bearer {TOKEN}");
    let twice = [("authorization", &*right), ("authorization", &*right)];
    assert_eq!(change(with_token(), "10.0.0.1", &twice).await, Err(Reason::WrongToken));
}

#[tokio::test]
async fn the_token_alone_may_count() {
    let guard = with_token().token_only();
    for peer in ["127.0.0.1", "unix"] {
        assert_eq!(change(guard.clone(), peer, &[]).await, Err(Reason::NoToken));
        let shown = ("authorization", &*format!("Bearer {TOKEN}"));
        assert_eq!(change(guard.clone(), peer, &[shown]).await, Ok(()));
        assert_eq!(change(Guard::new().token_only(), peer, &[]).await, Err(Reason::Stranger));
    }
}

const KNOWN_HOSTS: [&str; 7] = [
    "127.0.0.1",
    "10.0.0.1:9100",
    "[::1]:9100",
    "[2001:db8::1]",
    "localhost",
    "LocalHost:1",
    "Debug.Example:9100",
];
const STRANGE_HOSTS: [&str; 12] = [
    "evil.example",
    "evil.example:9100",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "localhost.",
    "debug.example.evil",
    "127.1",
    "2130706433",
    "evil.example@127.0.0.1",
    "[evil]",
    "::1",
    "local host",
];

#[tokio::test]
async fn a_name_that_points_here_is_not_this_host() {
    let guard = Guard::new().hosts(["debug.example"]);
    for host in KNOWN_HOSTS {
        assert_eq!(change(guard.clone(), "127.0.0.1", &[("host", host)]).await, Ok(()), "{host}");
        assert_eq!(read(guard.clone(), "127.0.0.1", &[("host", host)]).await, Ok(()), "{host}");
    }
    for host in STRANGE_HOSTS {
        for peer in ["127.0.0.1", "10.0.0.1", ""] {
            let host = [("host", host)];
            assert_eq!(change(guard.clone(), peer, &host).await, Err(Reason::Host), "{host:?}");
            assert_eq!(read(guard.clone(), peer, &host).await, Err(Reason::Host), "{host:?}");
        }
        assert_eq!(change(guard.clone(), "unix", &[("host", host)]).await, Err(Reason::Host));
    }
    let empty = Guard::new().hosts([""]);
    assert_eq!(change(empty, "127.0.0.1", &[("host", ":9100")]).await, Err(Reason::Host));
    let unknown = [("host", "debug.example")];
    assert_eq!(change(Guard::new(), "127.0.0.1", &unknown).await, Err(Reason::Host));
    let two = [("host", "127.0.0.1"), ("host", "evil.example")];
    assert_eq!(change(guard.clone(), "127.0.0.1", &two).await, Err(Reason::Host));
    assert_eq!(read(guard, "127.0.0.1", &two).await, Err(Reason::Host));
}

#[tokio::test]
async fn a_program_may_read_without_a_host_or_over_a_unix_socket_by_any() {
    assert_eq!(read(Guard::new(), "10.0.0.1", &[("host", "")]).await, Ok(()));
    assert_eq!(change(Guard::new(), "127.0.0.1", &[("host", "")]).await, Err(Reason::Host));
    assert_eq!(read(Guard::new(), "unix", &[("host", "greeter")]).await, Ok(()));
    let shown = format!("Bearer {TOKEN}");
    let shown = [("host", "greeter"), ("authorization", &*shown)];
    assert_eq!(read(with_token(), "10.0.0.1", &shown).await, Ok(()));
}

#[tokio::test]
async fn the_authority_of_http_2_is_the_host() {
    let ask = async |authority: &str| {
        let mut request = of("127.0.0.1", &[("host", "")]);
        *request.uri_mut() = format!("http://{authority}/").parse().unwrap();
        through(GuardLayer::new(Guard::new()), request).await
    };
    assert_eq!(ask("127.0.0.1:9100").await, Ok(()));
    assert_eq!(ask("evil.example").await, Err(Reason::Host));
}

#[tokio::test]
async fn pages_of_other_sites_change_nothing_not_even_with_the_token() {
    let shown = format!("Bearer {TOKEN}");
    for header in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-site", "Same-Origin"),
        ("origin", "http://evil.example"),
        ("origin", "http://127.0.0.1:3000"),
        ("origin", "http://127.0.0.1:9100.evil.example"),
        ("origin", "null"),
        ("origin", "127.0.0.1:9100"),
    ] {
        let got = change(Guard::new(), "127.0.0.1", &[header]).await;
        assert_eq!(got, Err(Reason::CrossSite), "{header:?}");
        let got = change(with_token(), "10.0.0.1", &[header, ("authorization", &shown)]).await;
        assert_eq!(got, Err(Reason::CrossSite), "{header:?}");
        assert_eq!(read(Guard::new(), "127.0.0.1", &[header]).await, Ok(()), "{header:?}");
    }
    for header in [
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-site", "none"),
        ("origin", "http://127.0.0.1:9100"),
        ("origin", "https://127.0.0.1:9100"),
    ] {
        assert_eq!(change(Guard::new(), "127.0.0.1", &[header]).await, Ok(()), "{header:?}");
    }
}

#[tokio::test]
async fn only_get_and_head_read() {
    let ask = async |layer: GuardLayer, method: &str| {
        let mut request = of("10.0.0.1", &[]);
        *request.method_mut() = method.parse().unwrap();
        through(layer, request).await
    };
    for layer in [GuardLayer::changes(Guard::new()), GuardLayer::changes(Guard::new()).any_host()] {
        for method in ["GET", "HEAD"] {
            assert_eq!(ask(layer.clone(), method).await, Ok(()), "{method}");
        }
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "PURGE"] {
            assert_eq!(ask(layer.clone(), method).await, Err(Reason::Stranger), "{method}");
        }
    }
    for layer in [GuardLayer::new(Guard::new()), GuardLayer::new(Guard::new()).any_host()] {
        assert_eq!(ask(layer, "GET").await, Err(Reason::Stranger));
    }
}

#[tokio::test]
async fn what_is_no_secret_may_be_read_by_any_name() {
    let mut request = of("10.0.0.1", &[("host", "greeter.svc")]);
    *request.method_mut() = Method::GET;
    let layer = GuardLayer::changes(Guard::new()).any_host();
    assert_eq!(through(layer, request).await, Ok(()));
}

#[tokio::test]
async fn a_refusal_is_a_problem_of_http() {
    for (guard, status, reason, challenge) in [
        (Guard::new(), StatusCode::FORBIDDEN, "NOT_LOCAL", None),
        (
            with_token(),
            StatusCode::UNAUTHORIZED,
            "CREDENTIALS_MISSING",
            Some("Bearer realm=\"debug\""),
        ),
    ] {
        let inner = service_fn(|_: Request<()>| async {
            Ok::<_, Infallible>(Response::new(String::new()))
        });
        let service = GuardLayer::new(guard).refuse(AsHttp).layer(inner);
        let response = service.oneshot(of("10.0.0.1", &[])).await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let challenged = response.headers().get("www-authenticate");
        assert_eq!(challenged.map(|value| value.to_str().unwrap()), challenge);
        let problem: serde_json::Value = serde_json::from_str(response.body()).unwrap();
        assert_eq!(problem["reason"], reason);
    }
}

#[tokio::test]
async fn a_refusal_is_a_status_of_grpc() {
    let inner =
        service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(String::new())) });
    let service = GuardLayer::new(Guard::new()).refuse(AsGrpc).layer(inner);
    let response = service.oneshot(of("10.0.0.1", &[])).await.unwrap();
    assert_eq!(response.headers()["grpc-status"], "7");
}

#[tokio::test]
async fn a_refusal_is_a_fault_and_nothing_ran() {
    for (guard, header, kind) in [
        (Guard::new(), ("host", "evil.example"), Kind::PermissionDenied),
        (Guard::new(), ("origin", "null"), Kind::PermissionDenied),
        (Guard::new(), ("accept", "*/*"), Kind::PermissionDenied),
        (with_token(), ("accept", "*/*"), Kind::Unauthenticated),
        (with_token(), ("authorization", "Bearer no"), Kind::Unauthenticated),
    ] {
        let inner = service_fn(|_: Request<()>| async {
            panic!("it ran");
            #[expect(unreachable_code, reason = "it says the type")]
            Ok::<(), Error>(())
        });
        let got = GuardLayer::new(guard).layer(inner).oneshot(of("10.0.0.1", &[header])).await;
        let Error(barred) = got.unwrap_err();
        assert_eq!((barred.kind(), barred.refused()), (kind, true), "{header:?}");
    }
}

#[tokio::test]
async fn refusals_are_counted_by_their_reason() {
    #[derive(Default)]
    struct Counts(BTreeMap<String, u64>);

    impl Inspector for Counts {
        fn counter(&mut self, name: &str, _: &str, labels: &[(&str, &str)], value: u64) {
            assert_eq!(name, "debug_refusals_total");
            self.0.insert(labels[0].1.to_owned(), value);
        }

        fn gauge(&mut self, _: &str, _: &str, _: &[(&str, &str)], _: f64) {}
    }

    let guard = with_token();
    for headers in [
        &[][..],
        &[("authorization", "Bearer no")],
        &[("authorization", "Bearer no")],
        &[("host", "evil.example")],
        &[("origin", "null")],
    ] {
        change(guard.clone(), "10.0.0.1", headers).await.unwrap_err();
    }
    change(guard.clone(), "127.0.0.1", &[]).await.unwrap();
    let mut counts = Counts::default();
    guard.inspect(&mut counts);
    let of = |reason: Reason| counts.0[reason.name()];
    assert_eq!(
        [Reason::NoToken, Reason::WrongToken, Reason::Host, Reason::CrossSite, Reason::Stranger]
            .map(of),
        [1, 2, 1, 1, 0],
    );
}

#[test]
fn a_token_is_long_and_visible_and_not_shown() {
    for bad in [
        "",
        "short",
        "0123456789abcde",
        "0123456789 abcdef",
        "0123456789abcdeé",
        "0123456789abcdef\nmore",
    ] {
        let error = Token::new(bad).unwrap_err();
        assert!(bad.is_empty() || !format!("{error} {error:?}").contains(bad), "{error}");
    }
    assert!(Token::new(&"a".repeat(4097)).is_err());
    let token = Token::new(&format!(" {TOKEN}\r\n")).unwrap();
    let guard = Guard::new().token(token.clone());
    assert!(!format!("{token:?} {guard:?} {guard:#?}").contains("0123"));
}

proptest! {
    #[test]
    fn whatever_is_shown_is_not_the_token(shown in "[ -~]{0,40}", scheme in prop::bool::ANY) {
        let shown = if scheme { format!("Bearer {shown}") } else { shown };
        let right = shown.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer "))
            && shown[7..].trim() == TOKEN;
        let got = tokio::runtime::Builder::new_current_thread().build().unwrap()
            .block_on(change(with_token(), "10.0.0.1", &[("authorization", &shown)]));
        assert_eq!(got.is_ok(), right, "{shown:?}");
    }

    /// Only an address is a host that was not given by name.
    #[test]
    fn a_host_that_is_known_is_an_address(host in "[a-zA-Z0-9.:@\\[\\]-]{1,20}") {
        let got = tokio::runtime::Builder::new_current_thread().build().unwrap()
            .block_on(change(Guard::new(), "127.0.0.1", &[("host", &host)]));
        if got.is_ok() {
            let name = host.rsplit_once(':').filter(|(_, port)| !port.contains(']'))
                .map_or(&*host, |(name, _)| name);
            let ip = name.trim_start_matches('[').trim_end_matches(']');
            assert!(
                ip.parse::<std::net::IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost"),
                "{host:?}"
            );
        }
    }
}
