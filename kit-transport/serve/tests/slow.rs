#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]
//! Each way to hold a connection, by the defaults, on a paused clock.

mod pipes;

use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::{TokioExecutor, TokioIo};
use kit_serve::{Handle, Incident, Incoming, serve};
use pipes::{Net, Said, about, closed, get, http2, reply, settle, start};
use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    sync::watch,
    time::{Instant, advance, sleep, timeout},
};

const SECOND: Duration = Duration::from_secs(1);
const POST: &[u8] = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n";
const CHUNKED: &[u8] = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/// Says how much of the body came, or what was wrong with it.
async fn measure(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let said = match request.into_body().collect().await {
        Ok(body) => format!("{} bytes", body.to_bytes().len()),
        Err(error) => format!("error: {error}"),
    };
    Ok(Response::new(Full::from(said)))
}

/// Answers with so many bytes.
fn large(bytes: usize) -> Ready<Result<Response<Full<Bytes>>, Infallible>> {
    ready(Ok(Response::new(Full::from(vec![b'x'; bytes]))))
}

/// Waits until nothing is open any more, and says how long that took.
async fn gone(handle: &Handle) -> Duration {
    settle().await;
    let begun = Instant::now();
    while handle.connections() > 0 {
        sleep(Duration::from_millis(5)).await;
        assert!(begun.elapsed() < Duration::from_secs(200), "still open");
    }
    begun.elapsed()
}

fn timeouts(handle: &Handle, waiting: &str) -> String {
    Said::of(handle).0[&format!("serve_timeouts_total{{waiting={waiting}}}")].clone()
}

/// Reads all that is said, until the end.
async fn all(pipe: &mut DuplexStream) -> String {
    let mut text = String::new();
    pipe.read_to_string(&mut text).await.unwrap();
    text
}

// ----- the head

#[tokio::test(start_paused = true)]
async fn a_head_that_drips_is_answered_with_408() {
    let (net, pipes) = Net::new();
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let server = serve(pipes, tower::service_fn(measure)).on_incident(move |incident| {
        assert!(matches!(incident, Incident::Refused { .. }));
        heard.lock().unwrap().push(incident.to_string());
    });
    let (handle, _running) = start(server);
    let (mut read, mut write) = tokio::io::split(net.connect());
    let begun = Instant::now();
    let drip = tokio::spawn(async move {
        write.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n").await.unwrap();
        while write.write_all(b"x: y\r\n").await.is_ok() {
            sleep(SECOND).await;
        }
    });
    let mut text = String::new();
    read.read_to_string(&mut text).await.unwrap();
    about(begun.elapsed(), 10);
    assert!(text.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{text}");
    assert!(text.contains("\r\nconnection: close\r\n"), "{text}");
    assert!(text.ends_with('}'), "{text}");
    drip.await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(11) + Duration::from_millis(10));
    assert_eq!(handle.connections(), 0);
    assert_eq!(timeouts(&handle, "head"), "1");
    assert_eq!(Said::of(&handle).0["serve_refusals_total{reason=head_timeout}"], "1");
    let peer = "192.0.2.7:4711 refused with 408: the head of the request took too long";
    assert_eq!(*told.lock().unwrap(), [peer]);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_sends_no_byte_is_not_answered() {
    let (net, pipes) = Net::new();
    let _running = start(serve(pipes, tower::service_fn(measure)));
    let mut pipe = net.connect();
    assert_eq!(all(&mut pipe).await, "");
    let mut pipe = net.connect();
    pipe.write_all(b"PRI * HTTP/2.0\r\n").await.unwrap();
    assert_eq!(all(&mut pipe).await, "");
}

#[tokio::test(start_paused = true)]
async fn a_later_head_that_does_not_end_is_answered_after_the_reply_before_it() {
    let (net, pipes) = Net::new();
    let _running = start(serve(pipes, tower::service_fn(measure)));
    let mut pipe = net.connect();
    pipe.write_all(GET).await.unwrap();
    assert!(reply(&mut pipe).await.ends_with("0 bytes"));
    sleep(SECOND * 60).await;
    pipe.write_all(b"GET / HT").await.unwrap();
    let begun = Instant::now();
    assert!(all(&mut pipe).await.starts_with("HTTP/1.1 408 "));
    about(begun.elapsed(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_begins_behind_a_request_has_the_time_of_a_head() {
    let (net, pipes) = Net::new();
    let _running = start(serve(pipes, tower::service_fn(measure)));
    let mut pipe = net.connect();
    pipe.write_all(&[GET, b"GET / HT"].concat()).await.unwrap();
    let begun = Instant::now();
    let text = all(&mut pipe).await;
    about(begun.elapsed(), 10);
    assert!(text.starts_with("HTTP/1.1 200 ") && text.contains("HTTP/1.1 408 "), "{text}");
}

#[tokio::test(start_paused = true)]
async fn an_empty_line_is_no_head() {
    let (net, pipes) = Net::new();
    let (handle, _running) = start(serve(pipes, tower::service_fn(measure)));
    let mut pipe = net.connect();
    pipe.write_all(GET).await.unwrap();
    reply(&mut pipe).await;
    pipe.write_all(b"\r\n").await.unwrap();
    about(closed(&mut pipe).await, 75);
    assert_eq!(timeouts(&handle, "head"), "0");
}

// ----- the body

#[tokio::test(start_paused = true)]
async fn a_body_whose_end_is_hidden_is_late_too() {
    let long = format!("content-length:{}1000\r\n\r\n", " ".repeat(100));
    for (head, rest) in [
        ("transfer-encoding: chunked\r\n\r\n", "0\r\n\n"),
        ("transfer-encoding: chunked\r\n\r\n", "0\r\n \r\n"),
        ("transfer-encoding: chunked\r\n\r\n", "00000000000000005\r\n"),
        (&long[..40], &long[40..]),
        (&long[..117], &long[117..]),
    ] {
        let (net, pipes) = Net::new();
        let (handle, _running) = start(serve(pipes, tower::service_fn(measure)));
        let mut pipe = net.connect();
        pipe.write_all(format!("POST / HTTP/1.1\r\nhost: a\r\n{head}").as_bytes()).await.unwrap();
        settle().await;
        pipe.write_all(rest.as_bytes()).await.unwrap();
        let took = gone(&handle).await;
        assert!(took < SECOND * 11, "{head:?} {rest:?}: {took:?}");
    }
}

async fn drip_body(head: &[u8], drip: &[u8]) -> (String, Duration, Handle) {
    let (net, pipes) = Net::new();
    let (handle, _running) = start(serve(pipes, tower::service_fn(measure)));
    let (mut read, mut write) = tokio::io::split(net.connect());
    let begun = Instant::now();
    let (head, drip) = (head.to_vec(), drip.to_vec());
    let dripping = tokio::spawn(async move {
        write.write_all(&head).await.unwrap();
        while write.write_all(&drip).await.is_ok() {
            sleep(SECOND).await;
        }
    });
    let mut text = String::new();
    read.read_to_string(&mut text).await.unwrap();
    let took = begun.elapsed();
    dripping.await.unwrap();
    assert!(begun.elapsed() <= took + SECOND);
    (text, took, handle)
}

#[tokio::test(start_paused = true)]
async fn a_body_that_drips_is_an_error_for_the_service_after_10_s() {
    for (head, drip) in [(POST, &b"x"[..]), (CHUNKED, b"1\r\nx\r\n")] {
        let (text, took, handle) = drip_body(head, drip).await;
        assert!(took >= SECOND * 10 && took < SECOND * 11, "{took:?}");
        assert!(text.starts_with("HTTP/1.1 200 ") && text.contains("error: "), "{text}");
        assert_eq!(timeouts(&handle, "body"), "1");
        assert_eq!(handle.connections(), 0);
    }
}

/// Timers ring at whole milliseconds, and so later than what they wait for: on a
/// paused clock only when it stands between two of them.
async fn between_ticks() {
    advance(Duration::from_micros(300)).await;
}

#[tokio::test(start_paused = true)]
async fn a_timer_that_rings_late_ends_a_body_too() {
    between_ticks().await;
    let (net, pipes) = Net::new();
    let (handle, _running) = start(serve(pipes, tower::service_fn(measure)));
    let mut pipe = net.connect();
    pipe.write_all(POST).await.unwrap();
    assert!(timeout(SECOND * 11, all(&mut pipe)).await.unwrap().contains("error: "));
    assert_eq!(timeouts(&handle, "body"), "1");
}

#[tokio::test(start_paused = true)]
async fn a_timer_that_rings_late_ends_a_reply_too() {
    between_ticks().await;
    let (net, pipes) = Net::new();
    let service = tower::service_fn(|_: Request<Incoming>| large(1 << 20));
    let (handle, _running) = start(serve(pipes, service));
    let mut pipe = net.connect();
    pipe.write_all(GET).await.unwrap();
    timeout(SECOND * 11, gone(&handle)).await.unwrap();
    assert_eq!(timeouts(&handle, "reply"), "1");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_comes_is_late_after_10_s() {
    let (net, pipes) = Net::new();
    let (handle, _running) = start(serve(pipes, tower::service_fn(measure)));
    let mut pipe = net.connect();
    pipe.write_all(POST).await.unwrap();
    let begun = Instant::now();
    assert!(all(&mut pipe).await.contains("error: "));
    about(begun.elapsed(), 10);
    assert_eq!(timeouts(&handle, "body"), "1");
}

#[tokio::test(start_paused = true)]
async fn a_body_at_the_rate_takes_as_long_as_it_takes() {
    let (net, pipes) = Net::new();
    let (handle, _running) = start(serve(pipes, tower::service_fn(measure)));
    let mut pipe = net.connect();
    pipe.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 60000\r\n\r\n").await.unwrap();
    for _ in 0..100 {
        pipe.write_all(&[b'x'; 600]).await.unwrap();
        sleep(SECOND * 2).await;
    }
    assert!(reply(&mut pipe).await.ends_with("60000 bytes"));
    assert_eq!(timeouts(&handle, "body"), "0");
    about(closed(&mut pipe).await, 73);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_reads_late_is_no_fault_of_the_peer() {
    let (net, pipes) = Net::new();
    let service = tower::service_fn(|request: Request<Incoming>| async {
        sleep(SECOND * 100).await;
        measure(request).await
    });
    let (handle, _running) = start(serve(pipes, service));
    let mut pipe = net.connect();
    pipe.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nx").await.unwrap();
    sleep(SECOND * 105).await;
    pipe.write_all(b"y").await.unwrap();
    assert!(reply(&mut pipe).await.ends_with("2 bytes"));
    assert_eq!(timeouts(&handle, "body"), "0");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_works_after_the_body_is_waited_for() {
    let (net, pipes) = Net::new();
    let service = tower::service_fn(|request: Request<Incoming>| async {
        let reply = measure(request).await;
        sleep(SECOND * 100).await;
        reply
    });
    let _running = start(serve(pipes, service));
    for (head, body) in [
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n", "xy"),
        (
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n",
            "2\r\nxy\r\n0\r\n\r\n",
        ),
    ] {
        let mut pipe = net.connect();
        pipe.write_all(head.as_bytes()).await.unwrap();
        sleep(SECOND).await;
        pipe.write_all(body.as_bytes()).await.unwrap();
        assert!(reply(&mut pipe).await.ends_with("2 bytes"), "{head}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_does_not_hear_that_the_body_is_late_is_cut() {
    let (net, pipes) = Net::new();
    let service = tower::service_fn(|request: Request<Incoming>| async {
        _ = request.into_body().collect().await;
        std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>().await
    });
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let server = serve(pipes, service)
        .on_incident(move |incident| heard.lock().unwrap().push(incident.to_string()));
    let (handle, _running) = start(server);
    let mut pipe = net.connect();
    pipe.write_all(POST).await.unwrap();
    let took = gone(&handle).await;
    settle().await;
    let late = "connection of 192.0.2.7:4711 closed: waited too long for the body of a request";
    assert_eq!(*told.lock().unwrap(), [late]);
    assert!(took >= SECOND * 10 && took < SECOND * 11, "{took:?}");
}

/// A request over HTTP/2 with so many parts of `bytes`, one each `every`.
fn dripping(kind: &str, parts: usize, bytes: usize, every: Duration) -> Request<Dripping> {
    let parts = futures_util::stream::iter(0..parts).then(move |_| async move {
        sleep(every).await;
        Ok::<_, Infallible>(Frame::data(Bytes::from(vec![b'x'; bytes])))
    });
    let request = Request::post("http://a/").header("content-type", kind);
    request.body(StreamBody::new(parts.boxed())).unwrap()
}

type Dripping = StreamBody<BoxStream<'static, Result<Frame<Bytes>, Infallible>>>;

async fn text(response: hyper::Result<Response<hyper::body::Incoming>>) -> String {
    let body = response.unwrap().into_body().collect().await.unwrap();
    String::from_utf8(body.to_bytes().into()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn over_http2_a_body_that_drips_ends_and_the_others_go_on() {
    let (net, pipes) = Net::new();
    let (handle, _running) = start(serve(pipes, tower::service_fn(measure)));
    let io = TokioIo::new(net.connect());
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let begun = Instant::now();
    let slow = async |request: hyper::Result<_>| (text(request).await, begun.elapsed());
    let drip = sender.send_request(dripping("a/b", 100, 1, SECOND));
    let silent = sender.send_request(dripping("a/b", 1, 1, SECOND * 100));
    // Slow, and as fast as it must be.
    let steady = sender.send_request(dripping("a/b", 60, 240, SECOND));
    let grpc = sender.send_request(dripping("application/grpc+proto", 3, 7, SECOND * 20));
    let (drip, silent, steady, grpc) = tokio::join!(
        async { slow(drip.await).await },
        async { slow(silent.await).await },
        async { slow(steady.await).await },
        async { slow(grpc.await).await },
    );
    assert_eq!(drip.0, "error: the body comes too slowly");
    // Ten bytes have bought 42 ms.
    about(drip.1.saturating_sub(Duration::from_millis(42)), 10);
    assert_eq!(silent.0, "error: the body comes too slowly");
    about(silent.1, 10);
    assert_eq!((&*steady.0, &*grpc.0), ("14400 bytes", "21 bytes"));
    assert_eq!(timeouts(&handle, "body"), "2");
    let again = sender.send_request(dripping("a/b", 1, 5, SECOND)).await;
    assert_eq!(text(again).await, "5 bytes");
}

#[tokio::test(start_paused = true)]
async fn over_http2_too_a_service_that_reads_late_is_no_fault_of_the_peer() {
    let (net, pipes) = Net::new();
    let service = tower::service_fn(|request: Request<Incoming>| async {
        sleep(SECOND * 100).await;
        measure(request).await
    });
    let (handle, _running) = start(serve(pipes, service).body_rate(240, SECOND * 3));
    let io = TokioIo::new(net.connect());
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let request = dripping("a/b", 2, 1, SECOND * 51);
    assert_eq!(text(sender.send_request(request).await).await, "2 bytes");
    let late = dripping("a/b", 2, 1, SECOND * 52);
    assert!(text(sender.send_request(late).await).await.starts_with("error: "));
    assert_eq!(timeouts(&handle, "body"), "1");
}

#[tokio::test(start_paused = true)]
async fn a_body_may_be_as_slow_as_it_likes_where_that_is_said() {
    let (net, pipes) = Net::new();
    let server = serve(pipes, tower::service_fn(measure)).body_rate(0, Duration::MAX);
    let _running = start(server);
    let mut pipe = net.connect();
    pipe.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nx").await.unwrap();
    sleep(SECOND * 10_000).await;
    pipe.write_all(b"y").await.unwrap();
    assert!(reply(&mut pipe).await.ends_with("2 bytes"));
}

// ----- the reply

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_not_read_ends_after_10_s() {
    let (net, pipes) = Net::new();
    let service = tower::service_fn(|_: Request<Incoming>| large(1 << 20));
    let (handle, _running) = start(serve(pipes, service));
    let mut pipe = net.connect();
    pipe.write_all(GET).await.unwrap();
    about(gone(&handle).await + Duration::from_millis(1), 10);
    assert_eq!(timeouts(&handle, "reply"), "1");
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_read_byte_by_byte_ends_too() {
    let (net, pipes) = Net::new();
    let service = tower::service_fn(|_: Request<Incoming>| large(1 << 20));
    let (handle, _running) = start(serve(pipes, service));
    let mut pipe = net.connect();
    pipe.write_all(GET).await.unwrap();
    let begun = Instant::now();
    let mut byte = [0];
    while handle.connections() > 0 || begun.elapsed().is_zero() {
        _ = pipe.read(&mut byte).await;
        sleep(SECOND).await;
    }
    assert!(begun.elapsed() <= SECOND * 12, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_read_at_the_rate_comes_whole() {
    let (net, pipes) = Net::new();
    let service = tower::service_fn(|_: Request<Incoming>| large(200_000));
    let _running = start(serve(pipes, service));
    let mut pipe = net.connect_through(1024);
    pipe.write_all(GET).await.unwrap();
    let (mut read, mut part) = (0, [0; 1000]);
    while read < 200_000 {
        read += pipe.read(&mut part).await.unwrap();
        sleep(SECOND).await;
    }
}

/// A client whose streams have a window of 64 KiB each, and room for all.
async fn narrow(
    pipe: DuplexStream,
) -> (hyper::client::conn::http2::SendRequest<Empty<Bytes>>, impl Future<Output = hyper::Result<()>>)
{
    hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .initial_connection_window_size(8 << 20)
        .initial_stream_window_size(65_535)
        .handshake(TokioIo::new(pipe))
        .await
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_http2_peer_that_lets_no_reply_go_on_is_closed() {
    let (net, pipes) = Net::new();
    let service = tower::service_fn(|_: Request<Incoming>| large(1 << 20));
    let (handle, _running) = start(serve(pipes, service));
    let (mut sender, connection) = narrow(net.connect()).await;
    let connection = tokio::spawn(connection);
    let mut held = Vec::new();
    for _ in 0..3 {
        // Their windows are full after 64 KiB, and nobody opens them.
        held.push(sender.send_request(get("/")).await.unwrap());
    }
    let took = gone(&handle).await;
    assert!(took >= SECOND * 75 && took < SECOND * 113, "{took:?}");
    assert_eq!(timeouts(&handle, "reply"), "1");
    _ = connection.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_http2_peer_that_lets_one_reply_go_on_may_let_the_others_wait() {
    let (net, pipes) = Net::new();
    let service = tower::service_fn(|_: Request<Incoming>| large(1 << 20));
    let (handle, _running) = start(serve(pipes, service));
    let (mut sender, connection) = narrow(net.connect()).await;
    let _connection = tokio::spawn(connection);
    let _held = sender.send_request(get("/")).await.unwrap();
    let mut read = sender.send_request(get("/")).await.unwrap().into_body();
    let mut bytes = 0;
    // What is left then is with us, and the one that waits is alone.
    while bytes < 900_000 {
        bytes += read.frame().await.unwrap().unwrap().into_data().unwrap().len();
        sleep(SECOND * 3).await;
    }
    assert_eq!(handle.connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_takes_its_time_holds_an_http2_connection() {
    let (net, pipes) = Net::new();
    let (open, opened) = watch::channel(false);
    let service = tower::service_fn(move |_: Request<Incoming>| {
        let mut opened = opened.clone();
        async move {
            opened.wait_for(|open| *open).await.unwrap();
            large(3).await
        }
    });
    let _running = start(serve(pipes, service));
    let (mut sender, connection) = http2(net.connect()).await;
    let _connection = tokio::spawn(connection);
    let reply = tokio::spawn(sender.send_request(get("/")));
    sleep(SECOND * 500).await;
    open.send_replace(true);
    assert!(reply.await.unwrap().is_ok());
}

// ----- age

#[tokio::test(start_paused = true)]
async fn a_connection_is_told_to_go_at_about_its_age() {
    let (net, pipes) = Net::new();
    let server = serve(pipes, tower::service_fn(measure)).max_age(SECOND * 100, Duration::MAX);
    let (handle, _running) = start(server);
    let mut ages = Vec::new();
    for _ in 0..8 {
        let begun = Instant::now();
        let mut pipe = net.connect();
        loop {
            pipe.write_all(GET).await.unwrap();
            reply(&mut pipe).await;
            let mut byte = [0];
            if let Ok(read) = timeout(SECOND, pipe.read(&mut byte)).await {
                assert_eq!(read.unwrap(), 0);
                break;
            }
        }
        ages.push(begun.elapsed());
    }
    assert!(ages.iter().all(|age| (SECOND * 90..=SECOND * 111).contains(age)), "{ages:?}");
    ages.sort_unstable();
    ages.dedup();
    assert!(ages.len() > 4, "{ages:?}");
    assert_eq!(handle.connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_in_flight_has_a_grace_after_the_age() {
    let (net, pipes) = Net::new();
    let service = tower::service_fn(|_: Request<Incoming>| async {
        std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>().await
    });
    let server = serve(pipes, service).max_age(SECOND * 100, SECOND * 30);
    let (handle, _running) = start(server);
    let (mut sender, connection) = http2(net.connect()).await;
    let connection = tokio::spawn(connection);
    let waiting = tokio::spawn(sender.send_request(get("/")));
    let took = gone(&handle).await;
    assert!(took >= SECOND * 120 && took <= SECOND * 141, "{took:?}");
    assert_eq!(timeouts(&handle, "age"), "1");
    assert!(waiting.await.unwrap().is_err());
    _ = connection.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_age_may_be_never() {
    let (net, pipes) = Net::new();
    let server = serve(pipes, tower::service_fn(measure)).max_age(Duration::MAX, Duration::MAX);
    let _running = start(server);
    for _ in 0..8 {
        let mut pipe = net.connect();
        pipe.write_all(GET).await.unwrap();
        assert!(!reply(&mut pipe).await.contains("close"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_has_no_age_by_default() {
    let (net, pipes) = Net::new();
    let _running = start(serve(pipes, tower::service_fn(measure)));
    let mut pipe = net.connect();
    for _ in 0..1000 {
        pipe.write_all(GET).await.unwrap();
        assert!(!reply(&mut pipe).await.contains("close"));
        sleep(SECOND * 70).await;
    }
}

/// What is ready uses up tokio's budget of the task: the timer is looked at in
/// vain then, and must be looked at again.
#[tokio::test(start_paused = true)]
async fn a_reply_whose_parts_are_all_there_is_not_held_for_ever_either() {
    let (net, pipes) = Net::new();
    let service = tower::service_fn(|_: Request<Incoming>| async {
        let (send, parts) = tokio::sync::mpsc::channel(10_000);
        for _ in 0..10_000 {
            _ = send.try_send(Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"part"))));
        }
        // Nor does it end by itself.
        tokio::spawn(async move { send.closed().await });
        let parts = futures_util::stream::unfold(parts, |mut parts| async {
            parts.recv().await.map(|part| (part, parts))
        });
        Ok::<_, Infallible>(Response::new(StreamBody::new(parts.boxed())))
    });
    let mut pipe = net.connect_through(16 * 1024);
    // It is there when the connection is looked at first.
    pipe.write_all(GET).await.unwrap();
    let (handle, _running) = start(serve(pipes, service));
    let took = gone(&handle).await;
    assert!(took < SECOND * 11, "{took:?}");
}
