#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]
//! Connections are pipes in memory and the clock is paused, so the defaults
//! themselves are tested.

mod pipes;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::TokioIo;
use kit_serve::{Handle, Incident, Incoming, Peer, Server, Waiting, drain_all, serve};
use pipes::{Net, PREFACE, Said, about, closed, get, http2, reply, settle, start};
use std::{
    convert::Infallible,
    future::IntoFuture,
    io,
    panic::{UnwindSafe, catch_unwind},
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::{mpsc, watch},
    time::{Instant, sleep, timeout},
};

type Reply = Result<Response<Full<Bytes>>, Infallible>;

/// Says its path; `/panic` panics, `/wait` waits for [`Gate::open`].
#[derive(Clone)]
struct Gate(watch::Sender<bool>);

impl Gate {
    fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    fn open(&self) {
        self.0.send_replace(true);
    }

    async fn answer(self, request: Request<Incoming>) -> Reply {
        let path = request.uri().path().to_owned();
        assert_ne!(path, "/panic", "asked to");
        if path.starts_with("/wait") {
            self.0.subscribe().wait_for(|open| *open).await.unwrap();
        }
        Ok(Response::new(Full::from(path)))
    }
}

macro_rules! service {
    ($gate:expr) => {{
        let gate: Gate = $gate.clone();
        tower::service_fn(move |request| gate.clone().answer(request))
    }};
}

const GET: &[u8] = b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n";
const GET_WAIT: &[u8] = b"GET /wait?secret=1 HTTP/1.1\r\nhost: a\r\n\r\n";

// ----- time-outs

#[tokio::test(start_paused = true)]
async fn a_connection_that_sends_nothing_is_closed_after_10_s() {
    let (net, pipes) = Net::new();
    let (handle, _running) = start(serve(pipes, service!(Gate::new())));
    let mut pipe = net.connect();
    about(closed(&mut pipe).await, 10);
    assert_eq!(handle.connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_part_of_the_preface_does_not_buy_time() {
    let (net, pipes) = Net::new();
    let _running = start(serve(pipes, service!(Gate::new())));
    let mut pipe = net.connect();
    pipe.write_all(&PREFACE[..3]).await.unwrap();
    sleep(Duration::from_secs(6)).await;
    pipe.write_all(&PREFACE[3..12]).await.unwrap();
    about(closed(&mut pipe).await, 4);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_drips_is_closed_10_s_after_its_first_bytes() {
    let (net, pipes) = Net::new();
    let _running = start(serve(pipes, service!(Gate::new())));
    let mut pipe = net.connect();
    sleep(Duration::from_secs(5)).await;
    let began = Instant::now();
    pipe.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    while pipe.write_all(b"x: y\r\n").await.is_ok() {
        sleep(Duration::from_secs(1)).await;
    }
    assert!(began.elapsed() >= Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_outlives_the_head_timeout_and_is_closed_after_75_s() {
    let (net, pipes) = Net::new();
    let _running = start(serve(pipes, service!(Gate::new())));
    let mut pipe = net.connect();
    pipe.write_all(GET).await.unwrap();
    assert!(reply(&mut pipe).await.ends_with("/a"));
    sleep(Duration::from_mins(1)).await;
    pipe.write_all(GET).await.unwrap();
    assert!(reply(&mut pipe).await.ends_with("/a"));
    about(closed(&mut pipe).await, 75);
}

#[tokio::test(start_paused = true)]
async fn the_head_of_a_later_request_may_take_10_s_too() {
    let (net, pipes) = Net::new();
    let _running = start(serve(pipes, service!(Gate::new())));
    let mut pipe = net.connect();
    pipe.write_all(GET).await.unwrap();
    reply(&mut pipe).await;
    sleep(Duration::from_secs(50)).await;
    pipe.write_all(b"GET / HT").await.unwrap();
    about(closed(&mut pipe).await, 10);
}

#[tokio::test(start_paused = true)]
async fn a_busy_connection_is_not_closed() {
    let (net, pipes) = Net::new();
    let gate = Gate::new();
    let (handle, _running) = start(serve(pipes, service!(gate)));
    let mut pipe = net.connect();
    pipe.write_all(GET_WAIT).await.unwrap();
    sleep(Duration::from_secs(1000)).await;
    assert_eq!(handle.in_flight().len(), 1);
    gate.open();
    assert!(reply(&mut pipe).await.ends_with("/wait"));
    about(closed(&mut pipe).await, 75);
}

#[tokio::test(start_paused = true)]
async fn a_reply_is_in_flight_until_its_body_ends() {
    let (net, pipes) = Net::new();
    let (frames, source) = mpsc::unbounded_channel::<Bytes>();
    let source = Arc::new(Mutex::new(Some(source)));
    let service = tower::service_fn(move |_: Request<Incoming>| {
        let mut source = source.lock().unwrap().take().unwrap();
        let body = StreamBody::new(futures_util::stream::poll_fn(move |cx| {
            source
                .poll_recv(cx)
                .map(|bytes| bytes.map(|bytes| Ok::<_, Infallible>(Frame::data(bytes))))
        }));
        async move { Ok::<_, Infallible>(Response::new(body)) }
    });
    let (handle, _running) = start(serve(pipes, service));
    let mut pipe = net.connect();
    pipe.write_all(GET).await.unwrap();
    frames.send(Bytes::from_static(b"one")).unwrap();
    sleep(Duration::from_secs(500)).await;
    assert_eq!(handle.in_flight().len(), 1);
    drop(frames);
    about(closed(&mut pipe).await, 75);
}

#[tokio::test(start_paused = true)]
async fn http2_is_idle_without_streams_and_not_before() {
    let (net, pipes) = Net::new();
    let gate = Gate::new();
    let (handle, _running) = start(serve(pipes, service!(gate)));
    let (mut sender, connection) = http2(net.connect()).await;
    let connection = tokio::spawn(connection);
    let waiting = tokio::spawn(sender.send_request(get("/wait")));
    sleep(Duration::from_secs(500)).await;
    assert_eq!(handle.connections(), 1);
    let began = Instant::now();
    gate.open();
    assert_eq!(waiting.await.unwrap().unwrap().status(), StatusCode::OK);
    connection.await.unwrap().unwrap();
    about(began.elapsed(), 75);
}

#[tokio::test(start_paused = true)]
async fn an_http2_peer_that_leaves_its_stream_becomes_idle() {
    let (net, pipes) = Net::new();
    let (handle, _running) = start(serve(pipes, service!(Gate::new())));
    let (mut sender, connection) = http2(net.connect()).await;
    let connection = tokio::spawn(connection);
    let waiting = tokio::spawn(sender.send_request(get("/wait")));
    settle().await;
    assert_eq!(handle.in_flight().len(), 1);
    let began = Instant::now();
    waiting.abort();
    connection.await.unwrap().unwrap();
    about(began.elapsed(), 75);
}

#[tokio::test(start_paused = true)]
async fn an_http2_peer_that_does_not_answer_pings_is_closed() {
    let (net, pipes) = Net::new();
    let _running = start(serve(pipes, service!(Gate::new())));
    let mut pipe = net.connect();
    pipe.write_all(PREFACE).await.unwrap();
    pipe.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
    let took = closed(&mut pipe).await;
    assert!(took >= Duration::from_secs(40) && took < Duration::from_secs(45), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn every_timeout_can_be_set() {
    let (net, pipes) = Net::new();
    let server = serve(pipes, service!(Gate::new()))
        .sniff_timeout(Duration::from_secs(1))
        .head_timeout(Duration::from_secs(2))
        .idle_timeout(Duration::from_secs(3));
    let (handle, _running) = start(server);
    let (mut sniff, mut head, mut idle) = (net.connect(), net.connect(), net.connect());
    head.write_all(b"G").await.unwrap();
    idle.write_all(GET).await.unwrap();
    reply(&mut idle).await;
    about(closed(&mut sniff).await, 1);
    about(closed(&mut head).await, 1);
    about(closed(&mut idle).await, 1);
    let said = Said::of(&handle);
    assert_eq!(said.0["serve_timeouts_total{waiting=sniff}"], "1");
    assert_eq!(said.0["serve_timeouts_total{waiting=head}"], "1");
    assert_eq!(said.0["serve_timeouts_total{waiting=idle}"], "1");
}

#[tokio::test(start_paused = true)]
async fn a_timeout_may_be_never() {
    let (net, pipes) = Net::new();
    let server = serve(pipes, service!(Gate::new())).sniff_timeout(Duration::MAX);
    let _running = start(server);
    let mut pipe = net.connect();
    sleep(Duration::from_secs(100_000)).await;
    pipe.write_all(GET).await.unwrap();
    assert!(reply(&mut pipe).await.ends_with("/a"));
}

// ----- the accept loop

#[tokio::test(start_paused = true)]
async fn at_the_limit_newcomers_wait_until_a_connection_closes() {
    let (net, pipes) = Net::new();
    let (handle, _running) = start(serve(pipes, service!(Gate::new())).max_connections(2));
    let (first, _second, mut third) = (net.connect(), net.connect(), net.connect());
    third.write_all(GET).await.unwrap();
    settle().await;
    assert_eq!(handle.connections(), 2);
    assert_eq!(Said::of(&handle).0["serve_accept_pauses_total"], "1");
    drop(first);
    assert!(timeout(Duration::from_secs(1), reply(&mut third)).await.unwrap().ends_with("/a"));
    drop(third);
    settle().await;
    assert_eq!(handle.connections(), 1);
    let _fourth = net.connect();
    settle().await;
    assert_eq!(Said::of(&handle).0["serve_accept_pauses_total"], "3");
    assert_eq!(Said::of(&handle).0["serve_connections_total"], "4");
}

#[tokio::test(start_paused = true)]
async fn errors_of_accept_neither_end_nor_spin_the_loop() {
    let (net, pipes) = Net::new();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let times = Arc::clone(&heard);
    let server = serve(pipes, service!(Gate::new())).on_incident(move |incident| {
        assert!(matches!(incident, Incident::Accept { .. }));
        times.lock().unwrap().push(Instant::now());
    });
    let began = Instant::now();
    let _running = start(server);
    for _ in 0..7 {
        net.0.send(Err(io::Error::from_raw_os_error(24))).unwrap();
    }
    let mut pipe = net.connect();
    pipe.write_all(GET).await.unwrap();
    assert!(reply(&mut pipe).await.ends_with("/a"));
    let waits: Vec<_> = heard.lock().unwrap().iter().map(|at| (*at - began).as_millis()).collect();
    let expected = [0, 100, 300, 700, 1500, 2500, 3500];
    for (waited, expected) in waits.iter().zip(expected) {
        assert!((expected..expected + 10).contains(waited), "{waits:?}");
    }
    assert_eq!(waits.len(), expected.len());
}

#[tokio::test(start_paused = true)]
async fn an_error_of_one_connection_is_passed_over_at_once() {
    let (net, pipes) = Net::new();
    let (handle, _running) = start(serve(pipes, service!(Gate::new())));
    for _ in 0..7 {
        net.0.send(Err(io::ErrorKind::ConnectionAborted.into())).unwrap();
    }
    let mut pipe = net.connect();
    let began = Instant::now();
    pipe.write_all(GET).await.unwrap();
    assert!(reply(&mut pipe).await.ends_with("/a"));
    assert!(began.elapsed() < Duration::from_millis(50));
    assert_eq!(Said::of(&handle).0["serve_accept_errors_total"], "7");
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_waits_after_an_error_hears_the_stop() {
    let (net, pipes) = Net::new();
    let (handle, running) = start(serve(pipes, service!(Gate::new())));
    net.0.send(Err(io::Error::from_raw_os_error(24))).unwrap();
    settle().await;
    let began = Instant::now();
    handle.drain().await;
    running.await.unwrap().unwrap();
    assert!(began.elapsed() < Duration::from_millis(50));
}

// ----- requests

#[tokio::test(start_paused = true)]
async fn the_peer_is_among_the_extensions() {
    let (net, pipes) = Net::new();
    let service = tower::service_fn(|request: Request<Incoming>| async move {
        let peer = request.extensions().get::<Peer>().unwrap().to_string();
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(peer)))
    });
    let _running = start(serve(pipes, service));
    let mut pipe = net.connect();
    pipe.write_all(GET).await.unwrap();
    assert!(reply(&mut pipe).await.ends_with("192.0.2.7:4711"));
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_its_http1_connection_and_nothing_else() {
    let (net, pipes) = Net::new();
    let (handle, _running) = start(serve(pipes, service!(Gate::new())));
    let (mut one, mut other) = (net.connect(), net.connect());
    other.write_all(GET).await.unwrap();
    reply(&mut other).await;
    one.write_all(b"GET /panic HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    about(closed(&mut one).await, 0);
    other.write_all(GET).await.unwrap();
    assert!(reply(&mut other).await.ends_with("/a"));
    assert_eq!(Said::of(&handle).0["serve_panics_total"], "1");
    assert_eq!((handle.connections(), handle.in_flight().len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_its_http2_stream_and_nothing_else() {
    let (net, pipes) = Net::new();
    let (handle, _running) = start(serve(pipes, service!(Gate::new())));
    let (mut sender, connection) = http2(net.connect()).await;
    let _connection = tokio::spawn(connection);
    sender.send_request(get("/panic")).await.unwrap_err();
    assert_eq!(sender.send_request(get("/a")).await.unwrap().status(), StatusCode::OK);
    assert_eq!(Said::of(&handle).0["serve_panics_total"], "1");
    assert_eq!((handle.connections(), handle.in_flight().len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn requests_in_flight_are_listed_without_their_query() {
    let (net, pipes) = Net::new();
    let gate = Gate::new();
    let (handle, _running) = start(serve(pipes, service!(gate)));
    let mut pipe = net.connect();
    pipe.write_all(GET_WAIT).await.unwrap();
    sleep(Duration::from_secs(3)).await;
    let [request] = handle.in_flight().try_into().unwrap();
    assert_eq!((&request.method, &*request.path), (&Method::GET, "/wait"));
    assert_eq!(request.peer.to_string(), "192.0.2.7:4711");
    about(request.age, 3);
    assert_eq!(request.to_string(), "GET /wait from 192.0.2.7:4711 after 3s");
    gate.open();
    reply(&mut pipe).await;
    assert_eq!(handle.in_flight(), []);
}

#[tokio::test(start_paused = true)]
async fn each_http2_stream_in_flight_is_listed() {
    let (net, pipes) = Net::new();
    let gate = Gate::new();
    let (handle, _running) = start(serve(pipes, service!(gate)));
    let (mut sender, connection) = http2(net.connect()).await;
    let _connection = tokio::spawn(connection);
    let all: Vec<_> =
        (0..40).map(|n| tokio::spawn(sender.send_request(get(&format!("/wait/{n:02}"))))).collect();
    settle().await;
    let mut paths: Vec<_> = handle.in_flight().into_iter().map(|request| request.path).collect();
    paths.sort();
    assert_eq!(paths, (0..40).map(|n| format!("/wait/{n:02}")).collect::<Vec<_>>());
    gate.open();
    for one in all {
        one.await.unwrap().unwrap();
    }
    settle().await;
    assert_eq!(handle.in_flight(), []);
}

#[tokio::test(start_paused = true)]
async fn streams_over_the_limit_wait() {
    let (net, pipes) = Net::new();
    let gate = Gate::new();
    let (handle, _running) = start(serve(pipes, service!(gate)).max_streams(2));
    let (mut sender, connection) = http2(net.connect()).await;
    let _connection = tokio::spawn(connection);
    // The limit is known after the first reply.
    sender.send_request(get("/a")).await.unwrap();
    let all: Vec<_> = (0..3).map(|_| tokio::spawn(sender.send_request(get("/wait")))).collect();
    settle().await;
    assert_eq!(handle.in_flight().len(), 2);
    gate.open();
    for one in all {
        one.await.unwrap().unwrap();
    }
}

/// What is said to a limit that can't be.
fn refused(set: impl FnOnce() + UnwindSafe) -> &'static str {
    catch_unwind(set).unwrap_err().downcast_ref::<&str>().unwrap()
}

#[test]
fn a_frame_or_a_send_buffer_of_http2_that_cannot_be_is_refused_at_once() {
    let server = || serve(Net::new().1, service!(Gate::new()));
    for bytes in [0, (1 << 14) - 1, 1 << 24, u32::MAX] {
        let said = refused(|| drop(server().max_frame(bytes)));
        assert_eq!(said, "a frame has 16,384 to 16,777,215 bytes", "{bytes}");
    }
    // Where a number has 32 bits none is too large.
    for bytes in [0, 1 << 32, u64::MAX].into_iter().flat_map(usize::try_from) {
        let said = refused(|| drop(server().max_send_buffer(bytes)));
        assert_eq!(said, "a buffer has 1 to 2^32-1 bytes", "{bytes}");
    }
}

/// hyper and h2 have bounds of their own.
#[tokio::test(start_paused = true)]
async fn http2_is_served_with_the_least_and_the_most_of_a_frame_and_of_a_send_buffer() {
    for (frame, buffer) in [(1 << 14, 1), ((1 << 24) - 1, u32::MAX)] {
        let (net, pipes) = Net::new();
        let server = serve(pipes, service!(Gate::new()))
            .max_frame(frame)
            .max_send_buffer(usize::try_from(buffer).unwrap());
        let _running = start(server);
        let (mut sender, connection) = http2(net.connect()).await;
        let _connection = tokio::spawn(connection);
        let reply = sender.send_request(get("/whole")).await.unwrap();
        assert_eq!(reply.into_body().collect().await.unwrap().to_bytes(), "/whole");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_does_not_speak_http_is_an_incident() {
    let (net, pipes) = Net::new();
    let (sender, mut heard) = mpsc::unbounded_channel();
    let server = serve(pipes, service!(Gate::new()))
        .on_incident(move |incident| sender.send(incident.to_string()).unwrap());
    let (handle, _running) = start(server);
    let mut pipe = net.connect();
    pipe.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n").await.unwrap();
    closed(&mut pipe).await;
    let incident = heard.recv().await.unwrap();
    assert!(incident.starts_with("connection of 192.0.2.7:4711 broken: "), "{incident}");
    assert_eq!(Said::of(&handle).0["serve_connection_errors_total"], "1");

    let mut pipe = net.connect();
    closed(&mut pipe).await;
    let expected = "connection of 192.0.2.7:4711 closed: waited too long for the first bytes";
    assert_eq!(heard.recv().await.unwrap(), expected);
    assert_eq!(Waiting::Sniff.to_string(), "the first bytes");
}

// ----- stopping

#[tokio::test(start_paused = true)]
async fn a_drain_finishes_what_is_in_flight_and_takes_nothing_new() {
    let (net, pipes) = Net::new();
    let gate = Gate::new();
    let (handle, running) = start(serve(pipes, service!(gate)));
    let (mut busy, mut idle, mut unused) = (net.connect(), net.connect(), net.connect());
    busy.write_all(GET_WAIT).await.unwrap();
    idle.write_all(GET).await.unwrap();
    reply(&mut idle).await;
    let drain = tokio::spawn({
        let handle = handle.clone();
        async move { handle.drain().await }
    });
    settle().await;
    assert!(net.0.is_closed());
    // A request may be on its way over them.
    assert!(closed(&mut idle).await >= Duration::from_millis(1999));
    about(closed(&mut unused).await, 0);
    sleep(Duration::from_secs(100)).await;
    assert!(!drain.is_finished() && !running.is_finished());
    gate.open();
    let reply = reply(&mut busy).await;
    assert!(reply.contains("connection: close\r\n") && reply.ends_with("/wait"), "{reply}");
    about(closed(&mut busy).await, 0);
    drain.await.unwrap();
    running.await.unwrap().unwrap();
    // To close what nobody used is no error.
    assert_eq!(Said::of(&handle).0["serve_connection_errors_total"], "0");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_sent_before_the_drain_is_answered() {
    let (net, pipes) = Net::new();
    let (handle, _running) = start(serve(pipes, service!(Gate::new())));
    let mut pipe = net.connect();
    pipe.write_all(GET).await.unwrap();
    reply(&mut pipe).await;
    // Nothing runs between the two.
    pipe.write_all(GET).await.unwrap();
    let mut drain = pin!(handle.drain());
    assert!(is_pending(drain.as_mut()).await);
    assert!(reply(&mut pipe).await.ends_with("/a"));
    assert!(closed(&mut pipe).await <= Duration::from_secs(2));
    drain.await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_comes_after_the_drain_began_is_answered_and_the_last() {
    let (net, pipes) = Net::new();
    let (handle, running) = start(serve(pipes, service!(Gate::new())));
    let (mut idle, mut unused) = (net.connect(), net.connect());
    idle.write_all(GET).await.unwrap();
    reply(&mut idle).await;
    let drain = tokio::spawn({
        let handle = handle.clone();
        async move { handle.drain().await }
    });
    sleep(Duration::from_secs(1)).await;
    for pipe in [&mut idle, &mut unused] {
        pipe.write_all(GET).await.unwrap();
        let reply = reply(pipe).await;
        assert!(reply.contains("connection: close\r\n") && reply.ends_with("/a"), "{reply}");
        about(closed(pipe).await, 0);
    }
    // Nobody else is left to wait for.
    settle().await;
    assert!(drain.is_finished() && running.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_head_that_has_begun_is_waited_for() {
    let (net, pipes) = Net::new();
    let (handle, running) = start(serve(pipes, service!(Gate::new())));
    let mut pipe = net.connect();
    pipe.write_all(&GET[..9]).await.unwrap();
    settle().await;
    let mut drain = pin!(handle.drain());
    assert!(is_pending(drain.as_mut()).await);
    sleep(Duration::from_secs(3)).await;
    pipe.write_all(&GET[9..]).await.unwrap();
    assert!(reply(&mut pipe).await.contains("connection: close\r\n"));
    drain.await;
    running.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_later_head_that_has_begun_is_waited_for_too() {
    let (net, pipes) = Net::new();
    let (handle, running) = start(serve(pipes, service!(Gate::new())));
    let (mut begun, mut begins) = (net.connect(), net.connect());
    for pipe in [&mut begun, &mut begins] {
        pipe.write_all(GET).await.unwrap();
        reply(pipe).await;
    }
    begun.write_all(&GET[..9]).await.unwrap();
    settle().await;
    let drain = tokio::spawn({
        let handle = handle.clone();
        async move { handle.drain().await }
    });
    sleep(Duration::from_secs(1)).await;
    begins.write_all(&GET[..9]).await.unwrap();
    sleep(Duration::from_secs(3)).await;
    for pipe in [&mut begun, &mut begins] {
        pipe.write_all(&GET[9..]).await.unwrap();
        let reply = reply(pipe).await;
        assert!(reply.contains("connection: close\r\n") && reply.ends_with("/a"), "{reply}");
    }
    drain.await.unwrap();
    running.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_request_that_is_cut_is_told_as_one() {
    let (net, pipes) = Net::new();
    let (handle, _running) = start(serve(pipes, service!(Gate::new())));
    let mut pipe = net.connect();
    pipe.write_all(GET_WAIT).await.unwrap();
    settle().await;
    let cut = handle.drain_within(Duration::from_secs(30)).await.unwrap_err();
    let said = cut.to_string();
    assert!(said.starts_with("1 request cut at the limit of the drain: GET /wait"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_comes_to_its_limit_says_what_it_cut() {
    let (net, pipes) = Net::new();
    let (handle, running) = start(serve(pipes, service!(Gate::new())));
    let mut pipe = net.connect();
    pipe.write_all(GET_WAIT).await.unwrap();
    let (mut sender, connection) = http2(net.connect()).await;
    let _connection = tokio::spawn(connection);
    let stream = tokio::spawn(sender.send_request(get("/wait/2")));
    settle().await;
    let began = Instant::now();
    let cut = handle.drain_within(Duration::from_secs(30)).await.unwrap_err();
    about(began.elapsed(), 30);
    let mut paths: Vec<_> = cut.requests().iter().map(|request| &*request.path).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["/wait", "/wait/2"]);
    assert!(cut.to_string().starts_with("2 requests cut at the limit of the drain: GET /wait"));
    about(closed(&mut pipe).await, 0);
    stream.await.unwrap().unwrap_err();
    assert_eq!(running.await.unwrap().unwrap_err(), cut);
    assert_eq!(handle.in_flight(), []);
    let said = Said::of(&handle);
    assert_eq!(said.0["serve_cut_total"], "2");
    assert_eq!(said.0["serve_state{state=stopped}"], "1");
}

#[tokio::test(start_paused = true)]
async fn several_servers_are_drained_at_once_and_cut_at_one_limit() {
    let gates = [Gate::new(), Gate::new(), Gate::new()];
    let (mut nets, mut handles, mut running, mut busy) = (vec![], vec![], vec![], vec![]);
    for gate in &gates {
        let (net, pipes) = Net::new();
        let (handle, task) = start(serve(pipes, service!(gate)));
        let mut pipe = net.connect();
        pipe.write_all(GET_WAIT).await.unwrap();
        nets.push(net);
        handles.push(handle);
        running.push(task);
        busy.push(pipe);
    }
    settle().await;
    let began = Instant::now();
    let drain = drain_all(handles.clone(), Duration::from_secs(30));
    settle().await;
    assert!(!nets.iter().any(|net| net.0.is_closed()), "it has not begun");
    let drain = tokio::spawn(drain);
    settle().await;
    assert!(nets.iter().all(|net| net.0.is_closed()), "none waits for another");
    // The last is done in time.
    sleep(Duration::from_secs(10)).await;
    gates[2].open();
    reply(&mut busy[2]).await;
    running.pop().unwrap().await.unwrap().unwrap();
    let cut = drain.await.unwrap().unwrap_err();
    about(began.elapsed(), 30);
    let mut ends = vec![];
    for task in running {
        ends.push(task.await.unwrap().unwrap_err());
    }
    assert_eq!(cut, ends[0], "the first one's");
    assert!(ends.iter().all(|cut| cut.requests().len() == 1), "{ends:?}");
    assert!(handles.iter().all(|handle| handle.in_flight().is_empty()));
    // Once more is no other end.
    assert_eq!(drain_all(handles, Duration::ZERO).await, Err(cut));
}

#[tokio::test(start_paused = true)]
async fn servers_that_are_done_in_time_are_not_cut() {
    drain_all([], Duration::ZERO).await.unwrap();
    let ((one, pipes), (other, more)) = (Net::new(), Net::new());
    let (first, _running) = start(serve(pipes, service!(Gate::new())));
    let (second, _running) = start(serve(more, service!(Gate::new())));
    let (mut pipe, mut late) = (one.connect(), other.connect());
    for pipe in [&mut pipe, &mut late] {
        pipe.write_all(GET).await.unwrap();
        reply(pipe).await;
    }
    let drained = drain_all([first, second], Duration::MAX);
    timeout(Duration::from_secs(3), drained).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn http2_is_told_to_go_away_and_its_stream_finishes() {
    let (net, pipes) = Net::new();
    let gate = Gate::new();
    let (handle, running) = start(serve(pipes, service!(gate)));
    let (mut sender, connection) = http2(net.connect()).await;
    let connection = tokio::spawn(connection);
    let waiting = tokio::spawn(sender.send_request(get("/wait")));
    settle().await;
    let drain = tokio::spawn({
        let handle = handle.clone();
        async move { handle.drain_within(Duration::from_mins(1)).await }
    });
    settle().await;
    // The client heard GOAWAY: it begins no new stream.
    assert!(sender.ready().await.is_err() || sender.send_request(get("/a")).await.is_err());
    assert!(!drain.is_finished());
    gate.open();
    let reply = waiting.await.unwrap().unwrap();
    assert_eq!(reply.into_body().collect().await.unwrap().to_bytes(), "/wait");
    connection.await.unwrap().unwrap();
    drain.await.unwrap().unwrap();
    running.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_accepting_serves_on() {
    let (net, pipes) = Net::new();
    let (handle, running) = start(serve(pipes, service!(Gate::new())).name("http"));
    let mut pipe = net.connect();
    pipe.write_all(GET).await.unwrap();
    reply(&mut pipe).await;
    assert_eq!(Said::of(&handle).0["serve_state{server=http,state=accepting}"], "1");
    handle.stop_accepting();
    settle().await;
    assert!(net.0.is_closed());
    assert_eq!(Said::of(&handle).0["serve_state{server=http,state=closed}"], "1");
    pipe.write_all(GET).await.unwrap();
    assert!(!reply(&mut pipe).await.contains("connection: close"));
    drop(pipe);
    running.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_server_without_handles_serves_on() {
    let (net, pipes) = Net::new();
    let running = tokio::spawn(serve(pipes, service!(Gate::new())).into_future());
    for _ in 0..3 {
        settle().await;
        let mut pipe = net.connect();
        pipe.write_all(GET).await.unwrap();
        assert!(reply(&mut pipe).await.ends_with("/a"));
    }
    assert!(!running.is_finished());
}

#[tokio::test(start_paused = true)]
async fn dropping_the_server_cuts_every_connection_and_ends_a_drain() {
    let (net, pipes) = Net::new();
    let (handle, running) = start(serve(pipes, service!(Gate::new())));
    let mut pipe = net.connect();
    pipe.write_all(GET_WAIT).await.unwrap();
    settle().await;
    running.abort();
    about(closed(&mut pipe).await, 0);
    handle.drain().await;
    assert_eq!((handle.connections(), handle.in_flight().len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_server_drops_the_services_of_http2_streams() {
    let (net, pipes) = Net::new();
    let (alive, mut gone) = mpsc::channel::<()>(1);
    let service = tower::service_fn(move |_: Request<Incoming>| {
        let alive = alive.clone();
        async move {
            alive.closed().await;
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let (handle, running) = start(serve(pipes, service));
    let (mut sender, connection) = http2(net.connect()).await;
    let _connection = tokio::spawn(connection);
    let _stream = tokio::spawn(sender.send_request(get("/a")));
    settle().await;
    assert_eq!(handle.in_flight().len(), 1);
    running.abort();
    assert_eq!(timeout(Duration::from_secs(1), gone.recv()).await, Ok(None));
}

#[tokio::test(start_paused = true)]
async fn an_upgraded_connection_belongs_to_the_service() {
    let (net, pipes) = Net::new();
    let service = tower::service_fn(|request: Request<Incoming>| async move {
        tokio::spawn(async move {
            let mut io = TokioIo::new(hyper::upgrade::on(request).await.unwrap());
            io.write_all(b"upgraded").await.unwrap();
            let mut rest = String::new();
            io.read_to_string(&mut rest).await.unwrap();
            io.write_all(rest.as_bytes()).await.unwrap();
        });
        let reply = Response::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header("connection", "upgrade")
            .header("upgrade", "echo")
            .body(Empty::<Bytes>::new());
        Ok::<_, Infallible>(reply.unwrap())
    });
    let (handle, running) = start(serve(pipes, service));
    let mut pipe = net.connect();
    let get = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    pipe.write_all(get).await.unwrap();
    let mut replied = Vec::new();
    while !replied.ends_with(b"upgraded") {
        assert_ne!(pipe.read_buf(&mut replied).await.unwrap(), 0);
    }
    assert!(String::from_utf8_lossy(&replied).contains("connection: upgrade"));
    handle.drain().await;
    running.await.unwrap().unwrap();
    sleep(Duration::from_secs(500)).await;
    pipe.write_all(b"still here").await.unwrap();
    pipe.shutdown().await.unwrap();
    let mut rest = String::new();
    pipe.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "still here");
}

#[test]
fn public_types_are_send_and_sync() {
    const fn assert_send_sync<T: Send + Sync>() {}
    const fn assert_send<T: Send>() {}
    assert_send_sync::<Handle>();
    assert_send_sync::<kit_serve::Cut>();
    assert_send_sync::<kit_serve::InFlight>();
    assert_send::<Server<tokio::net::TcpListener, ()>>();
}

// ----- helpers

/// Polls once; `true` when it is pending.
async fn is_pending(mut future: std::pin::Pin<&mut impl Future>) -> bool {
    std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}

/// Ready when one request is over, or never again.
#[derive(Clone)]
enum Readiness {
    One(tower::limit::ConcurrencyLimit<Slow>),
    Broken,
}

#[derive(Clone)]
struct Slow;

impl tower::Service<Request<Incoming>> for Slow {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = std::pin::Pin<Box<dyn Future<Output = Reply> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Incoming>) -> Self::Future {
        Box::pin(async {
            sleep(Duration::from_secs(1)).await;
            Ok(Response::new(Full::from("slow")))
        })
    }
}

impl tower::Service<Request<Incoming>> for Readiness {
    type Response = Response<Full<Bytes>>;
    type Error = io::Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = io::Result<Response<Full<Bytes>>>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::One(service) => service.poll_ready(cx).map_err(|never| match never {}),
            Self::Broken => Poll::Ready(Err(io::Error::other("broken"))),
        }
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let Self::One(service) = self else { panic!("it is not ready") };
        let reply = service.call(request);
        Box::pin(async { reply.await.map_err(|never| match never {}) })
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_until_its_service_is_ready() {
    let (net, pipes) = Net::new();
    let service = Readiness::One(tower::limit::ConcurrencyLimit::new(Slow, 1));
    let (handle, _running) = start(serve(pipes, service));
    let begun = Instant::now();
    let ask = async || {
        let mut pipe = net.connect();
        pipe.write_all(GET).await.unwrap();
        assert!(reply(&mut pipe).await.ends_with("slow"));
        begun.elapsed().as_secs()
    };
    let three = async { tokio::join!(ask(), ask(), ask()) };
    let (first, second, third) = timeout(Duration::from_mins(1), three).await.unwrap();
    assert_eq!(first + second + third, 6, "{first}, {second}, {third}");
    assert_eq!(Said::of(&handle).0["serve_requests_in_flight"], "0");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_never_ready_again_ends_the_connection_with_its_error() {
    let (net, pipes) = Net::new();
    let told = Arc::new(Mutex::new(Vec::new()));
    let hear = Arc::clone(&told);
    let server = serve(pipes, Readiness::Broken);
    let (_handle, _running) = start(server.on_incident(move |incident| {
        if let Incident::Connection { error, .. } = incident {
            let source = error.source().map(ToString::to_string);
            hear.lock().unwrap().push(source.unwrap_or_default());
        }
    }));
    let mut pipe = net.connect();
    pipe.write_all(GET).await.unwrap();
    closed(&mut pipe).await;
    settle().await;
    assert_eq!(*told.lock().unwrap(), ["broken"]);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_panics_as_it_is_called_ends_its_http2_stream_and_nothing_else() {
    let (net, pipes) = Net::new();
    let service = tower::service_fn(|request: Request<Incoming>| {
        // Before there is a future.
        assert_ne!(request.uri().path(), "/panic", "asked to");
        async {
            sleep(Duration::from_secs(1)).await;
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("slow")))
        }
    });
    let (handle, _running) = start(serve(pipes, service));
    let (mut sender, connection) = http2(net.connect()).await;
    let _connection = tokio::spawn(connection);
    let slow = tokio::spawn(sender.send_request(get("/slow")));
    settle().await;
    sender.send_request(get("/panic")).await.unwrap_err();
    assert_eq!(slow.await.unwrap().unwrap().status(), StatusCode::OK);
    assert_eq!(Said::of(&handle).0["serve_panics_total"], "1");
    assert_eq!((handle.connections(), handle.in_flight().len()), (1, 0));
}
