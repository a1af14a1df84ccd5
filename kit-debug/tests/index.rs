//! What is mounted, and within which limits.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use axum::{Router, body::Body, extract::Request, response::Response};
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use kit_debug::{
    Build, Debug,
    guard::{Guard, Token},
};
use serde_json::json;
use std::{convert::Infallible, future::pending, time::Duration};
use support::{Reply, get, request, send};
use tokio::time::{Instant, timeout};
use tower::{Service, service_fn};

const BUILD: Build = Build::new("app", "1.2.3").commit(Some("c0ffee")).features(&["etcd"]);
const TOKEN: &str = "0123456789abcdef";

/// Answers with the method, and the body that it got.
fn echo() -> impl Service<Request, Response = Response, Error = Infallible, Future: Send>
+ Clone
+ Send
+ Sync
+ 'static {
    service_fn(|request: Request| async move {
        let method = request.method().clone();
        let body = match request.into_body().collect().await {
            Ok(body) => body.to_bytes(),
            Err(_) => return Ok(Response::builder().status(418).body(Body::empty()).unwrap()),
        };
        Ok(Response::new(Body::from([method.as_str().as_bytes(), b" ", &body].concat())))
    })
}

fn port() -> Router {
    Debug::new()
        .build_info(BUILD)
        .mount("/debug/log", "The <filter> of the log", echo())
        .mount_open("/metrics", "Metrics", echo())
        .mount_guarded("/debug/cut", "Cuts", echo())
        .into_router()
}

async fn index(accept: &str) -> Reply {
    let mut request = request(Method::GET, [10, 0, 0, 1], "/debug");
    if !accept.is_empty() {
        request.headers_mut().insert("accept", accept.parse().unwrap());
    }
    send(&port(), request).await
}

#[tokio::test]
async fn the_index_is_text_unless_something_else_is_wanted() {
    for (accept, content) in [
        ("", "text/plain; charset=utf-8"),
        ("*/*", "text/plain; charset=utf-8"),
        ("text/*", "text/plain; charset=utf-8"),
        ("image/png", "text/plain; charset=utf-8"),
        ("nonsense, ;q=, a/b;q=x", "text/plain; charset=utf-8"),
        ("text/html", "text/html; charset=utf-8"),
        (
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "text/html; charset=utf-8",
        ),
        ("text/plain;q=0.5, TEXT/HTML;q=0.6", "text/html; charset=utf-8"),
        ("text/html;q=0, */*", "text/plain; charset=utf-8"),
        ("text/plain;q=0, text/*;q=0.1", "text/html; charset=utf-8"),
        ("application/json", "application/json"),
        ("application/*, text/plain;q=0.9", "application/json"),
    ] {
        let reply = index(accept).await;
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(reply.header("content-type"), content, "{accept:?}");
        assert_eq!(reply.header("vary"), "accept");
    }
}

#[tokio::test]
async fn it_lists_what_is_there_and_no_more() {
    let page = index("application/json").await.json();
    let line = |path, help, guarded| json!({ "path": path, "help": help, "guarded": guarded });
    let pages = [
        line("/debug/build", "What was built", false),
        line("/debug/cut", "Cuts", true),
        line("/debug/log", "The <filter> of the log", false),
        line("/health/live", "Whether the process lives", false),
        line("/metrics", "Metrics", false),
    ];
    assert_eq!(page, json!({ "pages": pages }));
    let text = index("").await;
    assert_eq!(text.text().lines().nth(1), Some("/debug/cut    Cuts (guarded)"));
    let html = index("text/html").await;
    assert!(html.text().contains("<a href=\"/debug/log\">/debug/log</a><dd>The &lt;filter&gt; of"));
    assert_eq!(get(&port(), "/debug/").await.text(), text.text());
    for path in ["/", "/debug/config", "/debug/state", "/debug/requests", "/debug/pprof/profile"] {
        assert_eq!(get(&port(), path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn a_path_that_is_not_there_is_so_for_everybody() {
    for (method, target) in [(Method::GET, "/nothing"), (Method::PUT, "/debug/nothing")] {
        let reply = send(&port(), request(method, [10, 0, 0, 1], target)).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn the_build_is_told() {
    let page = get(&port(), "/debug/build").await.json();
    assert_eq!(
        page,
        json!({ "name": "app", "version": "1.2.3", "commit": "c0ffee", "features": ["etcd"] })
    );
}

#[tokio::test]
async fn pages_are_kept_from_caches_frames_and_guesses() {
    for target in ["/debug", "/health/live", "/metrics", "/debug/build", "/debug/cut"] {
        let reply = get(&port(), target).await;
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(reply.header(name), value, "{target}");
        }
    }
    let stranger = send(&port(), request(Method::GET, [10, 0, 0, 1], "/debug/cut")).await;
    assert_eq!(stranger.header("cache-control"), "no-store");
    let own = service_fn(|_: Request| async {
        let response = Response::builder().header("content-security-policy", "default-src 'self'");
        Ok::<_, Infallible>(response.body(Body::empty()).unwrap())
    });
    let port = Debug::new().mount("/debug/dashboard", "", own).into_router();
    let reply = get(&port, "/debug/dashboard").await;
    assert_eq!(reply.header("content-security-policy"), "default-src 'self'");
}

#[tokio::test]
async fn whoever_reaches_it_reads_and_who_is_local_changes() {
    let port = port();
    let stranger = [10, 0, 0, 1];
    let local = [127, 0, 0, 1];
    for target in ["/debug/log", "/metrics"] {
        let reply = send(&port, request(Method::GET, stranger, target)).await;
        assert_eq!(reply.text(), "GET ", "{target}");
        for method in [Method::PUT, Method::POST, Method::DELETE, Method::PATCH, Method::OPTIONS] {
            let reply = send(&port, request(method.clone(), stranger, target)).await;
            assert_eq!(reply.status, StatusCode::FORBIDDEN, "{method} {target}");
            assert_eq!(reply.header("content-type"), "application/problem+json");
            let reply = send(&port, request(method.clone(), local, target)).await;
            assert_eq!(reply.text(), format!("{method} "), "{target}");
        }
    }
    let cut = async |peer| send(&port, request(Method::GET, peer, "/debug/cut")).await.status;
    assert_eq!(cut(stranger).await, StatusCode::FORBIDDEN);
    assert_eq!(cut(local).await, StatusCode::OK);
}

#[tokio::test]
async fn the_guard_is_the_one_that_was_given_whenever_that_was() {
    let guard = || Guard::new().token(Token::new(TOKEN).unwrap());
    for port in [
        Debug::new().guard(guard()).mount_guarded("/cut", "", echo()).into_router(),
        Debug::new().mount_guarded("/cut", "", echo()).guard(guard()).into_router(),
    ] {
        let mut ask = request(Method::GET, [10, 0, 0, 1], "/cut");
        let reply = send(&port, request(Method::GET, [10, 0, 0, 1], "/cut")).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
        let token = format!("Bearer {TOKEN}").parse().unwrap();
        ask.headers_mut().insert("authorization", token);
        assert_eq!(send(&port, ask).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn only_what_is_no_secret_is_read_by_any_name() {
    for (target, status) in [
        ("/metrics", StatusCode::OK),
        ("/health/live", StatusCode::OK),
        ("/debug", StatusCode::FORBIDDEN),
        ("/debug/", StatusCode::FORBIDDEN),
        ("/debug/build", StatusCode::FORBIDDEN),
        ("/debug/log", StatusCode::FORBIDDEN),
        ("/debug/cut", StatusCode::FORBIDDEN),
    ] {
        let mut rebound = request(Method::GET, [127, 0, 0, 1], target);
        rebound.headers_mut().insert("host", "evil.example:9100".parse().unwrap());
        assert_eq!(send(&port(), rebound).await.status, status, "{target}");
    }
}

#[tokio::test]
async fn a_body_has_a_limit() {
    let port = Debug::new().mount("/debug/log", "", echo()).body_limit(10).into_router();
    let put = |body: Body| {
        let mut request = request(Method::PUT, [127, 0, 0, 1], "/debug/log");
        *request.body_mut() = body;
        request
    };
    let reply = send(&port, put(Body::from("0123456789"))).await;
    assert_eq!(reply.text(), "PUT 0123456789");
    let mut said = put(Body::from("0123456789a"));
    said.headers_mut().insert("content-length", 11.into());
    assert_eq!(send(&port, said).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    // Whether it says so or not.
    let unsaid = put(Body::new(http_body_util::Full::new(bytes::Bytes::from("0123456789a"))));
    assert_eq!(send(&port, unsaid).await.status, StatusCode::IM_A_TEAPOT);
    let port = Debug::new().mount("/debug/log", "", echo()).into_router();
    let full = |more: usize| put(Body::from(vec![b'a'; 64 * 1024 + more]));
    assert_eq!(send(&port, full(0)).await.status, StatusCode::OK);
    assert_ne!(send(&port, full(1)).await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_page_has_a_time() {
    let slow = || service_fn(|_: Request| pending::<Result<Response, Infallible>>());
    for (port, limit) in [
        (Debug::new().mount("/slow", "", slow()), 10),
        (Debug::new().mount_open("/slow", "", slow()).time_limit(Duration::from_secs(3)), 3),
        (Debug::new().mount_guarded("/slow", "", slow()), 10),
    ] {
        let begun = Instant::now();
        let port = port.into_router();
        let reply = timeout(Duration::from_mins(1), get(&port, "/slow")).await.unwrap();
        assert_eq!(reply.status, StatusCode::GATEWAY_TIMEOUT);
        assert_eq!(begun.elapsed().as_secs(), limit);
    }
}

#[test]
#[should_panic(expected = "/debug/log")]
fn a_path_is_taken_once() {
    let _ = Debug::new()
        .mount("/debug/log", "", echo())
        .mount_open("/debug/log", "", echo())
        .into_router();
}

#[test]
fn its_debug_shows_no_token() {
    let port = Debug::new().guard(Guard::new().token(Token::new(TOKEN).unwrap()));
    assert!(!format!("{port:?}").contains("0123"));
}
