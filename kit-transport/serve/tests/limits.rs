#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]
//! What is too much, and what is said of it.

mod pipes;

use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::{TokioExecutor, TokioIo};
use kit_serve::{Handle, Incoming, Refusal, Server, serve};
use pipes::{Net, Pipes, Said, closed, http2, reply, settle, start};
use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::sleep,
};

async fn path(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let said = request.uri().path().len().to_string();
    _ = request.into_body().collect().await;
    Ok(Response::new(Full::from(said)))
}

type Path = fn(
    Request<Incoming>,
) -> std::pin::Pin<
    Box<dyn Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Send>,
>;

fn server(pipes: Pipes) -> Server<Pipes, tower::util::ServiceFn<Path>> {
    let path: Path = |request| Box::pin(path(request));
    serve(pipes, tower::service_fn(path))
}

/// Sends this at once, and reads until the end.
async fn said(net: &Net, request: &[u8]) -> String {
    let mut pipe = net.connect_through(1 << 20);
    pipe.write_all(request).await.unwrap();
    all(&mut pipe).await
}

async fn all(pipe: &mut DuplexStream) -> String {
    let mut text = Vec::new();
    pipe.read_to_end(&mut text).await.unwrap();
    String::from_utf8(text).unwrap()
}

fn refusals(handle: &Handle, reason: &str) -> String {
    Said::of(handle).0[&format!("serve_refusals_total{{reason={reason}}}")].clone()
}

fn request(uri: usize, field: usize) -> Vec<u8> {
    let (uri, field) = ("x".repeat(uri - 1), "y".repeat(field));
    format!("GET /{uri} HTTP/1.1\r\nhost: a\r\nf: {field}\r\nconnection: close\r\n\r\n").into()
}

#[tokio::test(start_paused = true)]
async fn a_long_request_line_is_414_whatever_else_is_too_long() {
    let (net, pipes) = Net::new();
    let (handle, _running) = start(server(pipes));
    // The line has 13 bytes beside the URI.
    let fits = said(&net, &request(8 * 1024 - 13, 10)).await;
    assert!(fits.starts_with("HTTP/1.1 200 ") && fits.ends_with("8179"), "{fits}");
    for field in [10, 32 * 1024, 100 * 1024] {
        let text = said(&net, &request(9 * 1024, field)).await;
        assert!(text.starts_with("HTTP/1.1 414 URI Too Long\r\n"), "{field}: {text}");
        assert!(text.contains("\"status\":414"), "{text}");
    }
    assert_eq!(refusals(&handle, "uri_too_long"), "3");
    // Nobody waits for the end of a line that is too long.
    let mut pipe = net.connect();
    pipe.write_all(&[b'G'; 9 * 1024]).await.unwrap();
    assert!(reply(&mut pipe).await.starts_with("HTTP/1.1 414 "));
}

#[tokio::test(start_paused = true)]
async fn a_large_head_is_431() {
    let (net, pipes) = Net::new();
    let (handle, _running) = start(server(pipes));
    assert!(said(&net, &request(8000, 8000)).await.starts_with("HTTP/1.1 200 "));
    let text = said(&net, &request(1, 17 * 1024)).await;
    assert!(text.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"), "{text}");
    let field = "a: b\r\n".repeat(101);
    let text = said(&net, format!("GET / HTTP/1.1\r\n{field}\r\n").as_bytes()).await;
    assert!(text.starts_with("HTTP/1.1 431 "), "{text}");
    let field = "a: b\r\n".repeat(98);
    let many = format!("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{field}\r\n");
    assert!(said(&net, many.as_bytes()).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(refusals(&handle, "head_too_large"), "2");
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_before_is_answered_before_a_refusal() {
    let (net, pipes) = Net::new();
    let _running = start(server(pipes));
    let mut both = b"GET /abc HTTP/1.1\r\nhost: a\r\n\r\n".to_vec();
    both.extend(request(20_000, 1));
    let text = said(&net, &both).await;
    let (first, second) = text.split_at(text.find("HTTP/1.1 414").unwrap());
    assert!(first.starts_with("HTTP/1.1 200 ") && first.ends_with("\r\n\r\n4"), "{first}");
    assert!(second.ends_with('}'), "{second}");
}

#[tokio::test(start_paused = true)]
async fn limits_of_heads_can_be_set() {
    let (net, pipes) = Net::new();
    let server = server(pipes).max_uri(60_100).max_head(200_000).max_fields(150);
    let _running = start(server);
    assert!(said(&net, &request(60_000, 90_000)).await.starts_with("HTTP/1.1 200 "));
    assert!(said(&net, &request(61_000, 1)).await.starts_with("HTTP/1.1 414 "));
    assert!(said(&net, &request(1, 201_000)).await.starts_with("HTTP/1.1 431 "));
    let field = "a: b\r\n".repeat(140);
    let many = format!("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{field}\r\n");
    assert!(said(&net, many.as_bytes()).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_says_it_is_too_large_is_413_and_its_sender_hears_it() {
    let (net, pipes) = Net::new();
    let (handle, _running) = start(server(pipes).max_body(1000));
    let head = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ";
    let mut pipe = net.connect_through(512);
    let fits = format!("{head}1000\r\nconnection: close\r\n\r\n{}", "x".repeat(1000));
    pipe.write_all(fits.as_bytes()).await.unwrap();
    assert!(all(&mut pipe).await.starts_with("HTTP/1.1 200 "));
    let (mut read, mut write) = tokio::io::split(net.connect_through(512));
    let more = format!("{head}100000\r\n\r\n{}", "x".repeat(100_000));
    let sending = tokio::spawn(async move { write.write_all(more.as_bytes()).await });
    let mut text = String::new();
    read.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 413 Payload Too Large\r\n"), "{text}");
    // All of it was taken, though nobody wants it.
    sending.await.unwrap().unwrap();
    assert_eq!(refusals(&handle, "body_too_large"), "1");
}

/// Sends bodies without a length, of parts of 100 bytes.
fn chunked(parts: usize) -> Vec<u8> {
    let mut bytes = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..parts {
        bytes.extend(format!("64\r\n{}\r\n", "x".repeat(100)).into_bytes());
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}

#[tokio::test(start_paused = true)]
async fn a_body_that_says_no_length_is_413_when_it_was_too_large() {
    let (net, pipes) = Net::new();
    let (handle, _running) = start(server(pipes).max_body(1000));
    let mut pipe = net.connect();
    pipe.write_all(&chunked(10)).await.unwrap();
    // Without a word of closing: it may send the next.
    assert!(reply(&mut pipe).await.starts_with("HTTP/1.1 200 "));
    pipe.write_all(&chunked(11)).await.unwrap();
    let text = all(&mut pipe).await;
    assert!(text.starts_with("HTTP/1.1 413 Payload Too Large\r\n"), "{text}");
    assert!(text.contains("\r\nconnection: close\r\n"), "{text}");
    assert_eq!(refusals(&handle, "body_too_large"), "1");
    assert_eq!(Said::of(&handle).0["serve_connection_errors_total"], "0");
}

#[tokio::test(start_paused = true)]
async fn who_sends_on_and_on_without_a_length_hears_413() {
    let (net, pipes) = Net::new();
    let _running = start(server(pipes).max_body(1000));
    let (mut read, mut write) = tokio::io::split(net.connect_through(512));
    let sending = tokio::spawn(async move { write.write_all(&chunked(1000)).await });
    let mut text = String::new();
    read.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 413 "), "{text}");
    sending.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_service_that_has_begun_to_answer_hears_that_a_body_is_too_large() {
    let (net, pipes) = Net::new();
    let echo = tower::service_fn(|request: Request<Incoming>| async {
        Ok::<_, Infallible>(Response::new(request.into_body()))
    });
    let (handle, _running) = start(serve(pipes, echo).max_body(1000));
    let mut pipe = net.connect_through(512);
    let (mut read, mut write) = tokio::io::split(&mut pipe);
    let sending = async { _ = write.write_all(&chunked(1000)).await };
    let mut echoed = Vec::new();
    let ((), read) = tokio::join!(sending, read.read_to_end(&mut echoed));
    // Cut, so that nobody takes it for whole.
    _ = read;
    let echoed = String::from_utf8(echoed).unwrap();
    assert!(echoed.starts_with("HTTP/1.1 200 ") && !echoed.ends_with("0\r\n\r\n"), "{echoed}");
    assert_eq!(refusals(&handle, "body_too_large"), "1");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_hears_of_a_body_too_large_may_clean_up_before_its_peer_does() {
    let (net, pipes) = Net::new();
    let cleaned = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&cleaned);
    let service = tower::service_fn(move |request: Request<Incoming>| {
        let count = Arc::clone(&count);
        async move {
            let error = request.into_body().collect().await.unwrap_err();
            assert!(matches!(error, kit_serve::BodyError::TooLarge));
            sleep(Duration::from_millis(10)).await;
            count.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("cleaned")))
        }
    });
    let _running = start(serve(pipes, service).max_body(1000));
    let text = said(&net, &chunked(11)).await;
    assert!(text.starts_with("HTTP/1.1 413 "), "{text}");
    assert_eq!(cleaned.load(Ordering::Relaxed), 1);
}

type Sender<B> = hyper::client::conn::http2::SendRequest<B>;

async fn connected<B>(net: &Net) -> Sender<B>
where
    B: http_body::Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
{
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(net.connect()))
            .await
            .unwrap();
    tokio::spawn(connection);
    sender
}

/// So many parts of 100 bytes, one a millisecond, whose sum is not told.
fn parts(count: usize) -> impl http_body::Body<Data = Bytes, Error = Infallible> + Send + Unpin {
    let parts = futures_util::stream::iter(0..count).then(|_| async {
        sleep(Duration::from_millis(1)).await;
        Ok(Frame::data(Bytes::from_static(&[b'x'; 100])))
    });
    StreamBody::new(Box::pin(parts))
}

#[tokio::test(start_paused = true)]
async fn over_http2_a_body_that_says_no_length_is_refused_and_no_other() {
    let (net, pipes) = Net::new();
    let (handle, _running) = start(server(pipes).max_body(1000));
    let mut sender = connected(&net).await;
    let mut post = |kind: &str, count| {
        let request = Request::post("http://a/abc").header("content-type", kind);
        sender.send_request(request.body(parts(count)).unwrap())
    };
    let replies =
        (post("a/b", 11), post("a/b", 10), post("application/grpc", 1000), post("a/b", 9));
    let (over, whole, grpc, less) = tokio::join!(replies.0, replies.1, replies.2, replies.3);
    let statuses = [over, whole, grpc, less].map(|reply| reply.unwrap().status().as_u16());
    assert_eq!(statuses, [413, 200, 200, 200]);
    assert_eq!(refusals(&handle, "body_too_large"), "1");
}

#[tokio::test(start_paused = true)]
async fn a_body_may_have_no_limit() {
    let (net, pipes) = Net::new();
    let _running = start(server(pipes).max_body(u64::MAX));
    let mut pipe = net.connect();
    pipe.write_all(&chunked(500)).await.unwrap();
    assert!(reply(&mut pipe).await.starts_with("HTTP/1.1 200 "));
    let mut sender = connected(&net).await;
    let request = Request::post("http://a/abc").body(parts(500)).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn http2_is_refused_by_reply_too() {
    let (net, pipes) = Net::new();
    let (handle, _running) = start(server(pipes).max_body(1000));
    let pipe = net.connect();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(pipe))
            .await
            .unwrap();
    let _connection = tokio::spawn(connection);
    let large = Request::post("http://a/").body(Full::<Bytes>::from(vec![0; 2000])).unwrap();
    let reply = sender.send_request(large).await.unwrap();
    assert_eq!(reply.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let fits = Request::post("http://a/").body(Full::from(vec![0; 1000])).unwrap();
    assert_eq!(sender.send_request(fits).await.unwrap().status(), StatusCode::OK);
    assert_eq!(refusals(&handle, "body_too_large"), "1");
}

#[tokio::test(start_paused = true)]
async fn a_header_list_too_large_is_431_over_http2() {
    let (net, pipes) = Net::new();
    let _running = start(server(pipes));
    let (mut sender, connection) = http2(net.connect()).await;
    let _connection = tokio::spawn(connection);
    let mut headers = HeaderMap::new();
    for n in 0..20 {
        headers.append("x", format!("{n}{}", "y".repeat(1000)).parse().unwrap());
    }
    let mut large = Request::get("http://a/").body(Empty::new()).unwrap();
    *large.headers_mut() = headers;
    let refused = sender.send_request(large).await;
    let is_refused = refused.as_ref().is_ok_and(|reply| reply.status().as_u16() == 431);
    assert!(is_refused || refused.is_err(), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn one_address_may_have_so_many_connections() {
    let (net, pipes) = Net::new();
    let (handle, _running) = start(server(pipes).max_connections_per_peer(2));
    let (first, mut second) = (net.connect(), net.connect());
    settle().await;
    let mut third = net.connect();
    let text = all(&mut third).await;
    assert!(text.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{text}");
    second.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert!(reply(&mut second).await.ends_with('1'));
    assert_eq!(handle.connections(), 2);
    assert_eq!(refusals(&handle, "peer"), "1");
    drop(first);
    settle().await;
    let mut fourth = net.connect();
    fourth.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert!(reply(&mut fourth).await.ends_with('1'));
}

#[tokio::test(start_paused = true)]
async fn who_does_not_take_a_refusal_is_not_waited_for() {
    let (net, pipes) = Net::new();
    let (handle, _running) = start(server(pipes));
    let mut pipe = net.connect_through(64);
    let (mut read, mut write) = tokio::io::split(net.connect_through(64));
    let request = request(20_000, 1);
    let writing = tokio::spawn(async move {
        _ = write.write_all(&request).await;
        write
    });
    sleep(Duration::from_secs(2)).await;
    // The other has sent nothing yet.
    assert_eq!(handle.connections(), 1);
    let mut text = String::new();
    _ = read.read_to_string(&mut text).await;
    drop(writing.await.unwrap());
    closed(&mut pipe).await;
}

#[test]
fn each_refusal_has_its_status() {
    let statuses = [
        (Refusal::HeadTimeout, 408),
        (Refusal::UriTooLong, 414),
        (Refusal::HeadTooLarge, 431),
        (Refusal::BodyTooLarge, 413),
        (Refusal::Host(kit_serve::HostFault::Missing), 400),
        (Refusal::TooManyOfPeer, 503),
    ];
    for (refusal, status) in statuses {
        assert_eq!(refusal.status().as_u16(), status);
    }
}

/// A frame of eight bytes on stream 0.
fn ping() -> Vec<u8> {
    [&[0, 0, 8, 6, 0, 0, 0, 0, 0][..], b"measured"].concat()
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_http2_frames_without_work_is_closed_and_counted() {
    let (net, pipes) = Net::new();
    let (handle, _running) = start(server(pipes));
    let mut pipe = net.connect_through(1 << 20);
    pipe.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    pipe.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
    // One of them was the settings.
    pipe.write_all(&ping().repeat(1_998)).await.unwrap();
    settle().await;
    assert_eq!(refusals(&handle, "frames"), "0");
    pipe.write_all(&ping()).await.unwrap();
    let mut told = Vec::new();
    pipe.read_to_end(&mut told).await.unwrap();
    assert_eq!(refusals(&handle, "frames"), "1");
    assert_eq!(Said::of(&handle).0["serve_connection_errors_total"], "0");
}

/// Parts of a reply that are counted as they are asked for.
#[tokio::test(start_paused = true)]
async fn a_service_is_not_asked_for_more_of_a_reply_than_its_http2_peer_takes() {
    let (net, pipes) = Net::new();
    let asked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&asked);
    let service = tower::service_fn(move |_: Request<Incoming>| {
        let count = Arc::clone(&count);
        let parts = futures_util::stream::iter(0..10_000).map(move |_| {
            count.fetch_add(1024, Ordering::Relaxed);
            Ok::<_, Infallible>(Frame::data(Bytes::from_static(&[0; 1024])))
        });
        async { Ok::<_, Infallible>(Response::new(StreamBody::new(parts))) }
    });
    let _running = start(serve(pipes, service));
    let mut pipe = net.connect_through(1024);
    pipe.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    // Windows of 2^31-1, of streams and of the connection.
    pipe.write_all(&[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 127, 255, 255, 255]).await.unwrap();
    pipe.write_all(&[0, 0, 4, 8, 0, 0, 0, 0, 0, 127, 255, 0, 0]).await.unwrap();
    // GET / of a, by the static table (RFC 7541, appendix A).
    let head = [&[0, 0, 6, 1, 5, 0, 0, 0, 1][..], &[0x82, 0x86, 0x84, 0x01, 1, b'a']].concat();
    pipe.write_all(&head).await.unwrap();
    settle().await;
    let asked = asked.load(Ordering::Relaxed);
    assert!((32 * 1024..128 * 1024).contains(&asked), "{asked}");
}
