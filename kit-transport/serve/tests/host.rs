#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]
//! Requests whose host is not clear never reach the service.

mod pipes;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use kit_serve::{Incoming, Peer, serve};
use pipes::{Net, Said, start};
use std::convert::Infallible;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn peer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let peer = request.extensions().get::<Peer>().unwrap();
    Ok(Response::new(Full::from(format!("{} by {peer}", request.method()))))
}

async fn said(net: &Net, request: &str) -> String {
    let mut pipe = net.connect();
    pipe.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    pipe.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_not_clear_is_400() {
    let (net, pipes) = Net::new();
    let (handle, _running) = start(serve(pipes, tower::service_fn(peer)));
    let refused = [
        ("GET / HTTP/1.1\r\n\r\n", "the request names no host"),
        ("GET / HTTP/1.1\r\nhost:\r\n\r\n", "the host is empty"),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n", "more than once"),
        ("GET / HTTP/1.1\r\nhost: u@a\r\n\r\n", "not a name or an address"),
        ("GET / HTTP/1.1\r\nhost: a/b\r\n\r\n", "not a name or an address"),
        ("GET / HTTP/1.1\r\nhost: a, b\r\n\r\n", "not a name or an address"),
        ("GET http://a/ HTTP/1.1\r\nhost: b\r\n\r\n", "differs from the target's"),
        ("CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n", "not a path"),
        ("OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n", "not a path"),
        ("GET * HTTP/1.1\r\nhost: a\r\n\r\n", "not a path"),
        ("GET a:80 HTTP/1.1\r\nhost: a:80\r\n\r\n", "not one of a URI"),
        ("GET /\u{e4} HTTP/1.1\r\nhost: a\r\n\r\n", "not one of a URI"),
        ("GET /?q=\u{e4} HTTP/1.1\r\nhost: a\r\n\r\n", "not one of a URI"),
        ("GET /a\\..\\b HTTP/1.1\r\nhost: a\r\n\r\n", "not one of a URI"),
        ("GET /100% HTTP/1.1\r\nhost: a\r\n\r\n", "not one of a URI"),
        ("GET /%4 HTTP/1.1\r\nhost: a\r\n\r\n", "not one of a URI"),
        ("GET /%zz HTTP/1.1\r\nhost: a\r\n\r\n", "not one of a URI"),
    ];
    for (request, why) in refused {
        let text = said(&net, request).await;
        assert!(text.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{request}: {text}");
        assert!(text.contains("\r\nconnection: close\r\n"), "{request}: {text}");
        assert!(text.contains("application/problem+json") && text.contains(why), "{text}");
    }
    let counted = Said::of(&handle).0["serve_refusals_total{reason=host}"].clone();
    assert_eq!(counted, refused.len().to_string());
    assert_eq!(Said::of(&handle).0["serve_requests_in_flight"], "0");
}

#[tokio::test(start_paused = true)]
async fn a_clear_host_is_served() {
    let (net, pipes) = Net::new();
    let _running = start(serve(pipes, tower::service_fn(peer)));
    for request in [
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: [::1]:9110\r\nconnection: close\r\n\r\n",
        "GET http://a:80/ HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET /%C3%A4/{a}?q=100% HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    ] {
        let text = said(&net, request).await;
        assert!(text.contains(" 200 ") && text.ends_with("GET by 192.0.2.7:4711"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_may_want_any_target() {
    let (net, pipes) = Net::new();
    let _running = start(serve(pipes, tower::service_fn(peer)).any_target());
    let options = "OPTIONS * HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    assert!(said(&net, options).await.contains("OPTIONS by"));
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_is_trusted_says_who_asks() {
    let (net, pipes) = Net::new();
    let networks = ["192.0.2.0/24".parse().unwrap()];
    let _running = start(serve(pipes, tower::service_fn(peer)).trust_proxies(networks));
    let head = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n";
    let text = said(&net, &format!("{head}x-forwarded-for: 203.0.113.7\r\n\r\n")).await;
    assert!(text.ends_with("GET by 203.0.113.7:0"), "{text}");
    let text = said(&net, &format!("{head}forwarded: for=\"[2001:db8::1]:99\"\r\n\r\n")).await;
    assert!(text.ends_with("GET by [2001:db8::1]:99"), "{text}");
}
