#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]
//! The listeners that are sockets, over loopback and a folder of the system's.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use kit_serve::{Bind, Incident, Incoming, Inherited, Listener, Peer, Waiting, serve};
use std::{
    convert::Infallible,
    future::IntoFuture,
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

async fn peer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from(request.extensions().get::<Peer>().unwrap().to_string())))
}

async fn ask(mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin) -> String {
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    reply
}

#[tokio::test]
async fn tcp_tells_its_address_and_its_peers() {
    let server = serve(TcpListener::bind("127.0.0.1:0").await.unwrap(), tower::service_fn(peer));
    let handle = server.handle();
    let running = tokio::spawn(server.into_future());
    let stream = TcpStream::connect(handle.local_addr().unwrap()).await.unwrap();
    let own = stream.local_addr().unwrap().to_string();
    assert!(ask(stream).await.ends_with(&own));
    handle.drain().await;
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn tcp_does_not_wait_for_more_to_send_and_holds_little() {
    let mut listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let _client = TcpStream::connect(Listener::local_addr(&listener).unwrap()).await.unwrap();
    let (accepted, _) = Listener::accept(&mut listener).await.unwrap();
    assert!(accepted.nodelay().unwrap());
    #[cfg(any(target_os = "linux", target_os = "android"))]
    assert_eq!(socket2::SockRef::from(&accepted).tcp_notsent_lowat().unwrap(), 32 * 1024);
}

#[tokio::test]
async fn who_came_before_the_stop_is_served_and_the_next_listener_gets_the_rest() {
    let listener = Bind::new().reuse_port(true).listen(([127, 0, 0, 1], 0).into()).unwrap();
    let server = serve(listener, tower::service_fn(peer));
    let handle = server.handle();
    let address = handle.local_addr().unwrap();
    // Nobody accepts yet: they wait in the backlog.
    let mut waiting = Vec::new();
    for _ in 0..20 {
        waiting.push(TcpStream::connect(address).await.unwrap());
    }
    handle.stop_accepting();
    let running = tokio::spawn(server.into_future());
    let next = loop {
        // Where ports can't be shared yet the first holds it until it stops.
        match Bind::new().reuse_port(true).listen(address) {
            Ok(next) => break serve(next, tower::service_fn(peer)),
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let stop = next.handle();
    let next = tokio::spawn(next.into_future());
    for stream in waiting {
        let own = stream.local_addr().unwrap().to_string();
        assert!(ask(stream).await.ends_with(&own));
    }
    running.await.unwrap().unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    assert!(ask(stream).await.contains(" 200 "));
    stop.drain().await;
    next.await.unwrap().unwrap();
}

/// Counts how often it was stopped and released; nobody ever comes.
#[derive(Clone, Default)]
struct Told(Arc<[AtomicU32; 2]>);

impl Listener for Told {
    type Io = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, Peer)> {
        std::future::pending().await
    }

    fn stop(&mut self) -> bool {
        self.0[0].fetch_add(1, Ordering::Relaxed);
        true
    }

    fn release(&mut self) {
        self.0[1].fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_dropped_as_it_stops_releases_its_listener() {
    let told = Told::default();
    let server = serve(told.clone(), tower::service_fn(peer));
    let handle = server.handle();
    let running = tokio::spawn(server.into_future());
    handle.stop_accepting();
    tokio::time::sleep(Duration::from_millis(10)).await;
    let count = |at: usize| told.0[at].load(Ordering::Relaxed);
    // Once at the begin, for whoever was killed before.
    assert_eq!((count(0), count(1)), (1, 1));
    running.abort();
    running.await.unwrap_err();
    assert_eq!((count(0), count(1)), (1, 2));
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[tokio::test]
async fn a_listener_that_stopped_lets_nobody_new_in_and_resets_nobody() {
    let mut listener = Bind::new().backlog(64).listen(([127, 0, 0, 1], 0).into()).unwrap();
    let address = Listener::local_addr(&listener).unwrap();
    let mut before = TcpStream::connect(address).await.unwrap();
    assert!(listener.stop());
    let mut after = Box::pin(TcpStream::connect(address));
    // Its first packet is dropped: neither accepted nor refused.
    let (mut accepted, _) = tokio::select! {
        biased;
        connected = &mut after => panic!("it was let in, or refused: {connected:?}"),
        accepted = Listener::accept(&mut listener) => accepted.unwrap(),
    };
    // Who is in already is heard.
    before.write_all(b"hello").await.unwrap();
    let mut heard = [0; 5];
    accepted.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"hello");
    tokio::select! {
        biased;
        connected = &mut after => panic!("it was let in, or refused: {connected:?}"),
        accepted = Listener::accept(&mut listener) => panic!("it was let in: {accepted:?}"),
        () = tokio::task::yield_now() => {}
    }
    // The socket may be another process's too: who comes then is let in.
    listener.release();
    let again = TcpStream::connect(address).await.unwrap();
    let (_, peer) = Listener::accept(&mut listener).await.unwrap();
    assert_eq!(peer, Peer::Ip(again.local_addr().unwrap()));
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_has_peers_without_a_name() {
    let path = std::env::temp_dir().join(format!("kit-serve-{}.sock", std::process::id()));
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let server = serve(listener, tower::service_fn(peer));
    let handle = server.handle();
    let running = tokio::spawn(server.into_future());
    let stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(ask(stream).await.ends_with("unix"));
    assert_eq!(handle.local_addr(), None);
    handle.drain().await;
    running.await.unwrap().unwrap();
}

/// Two servers of one socket, as one program and its next version have it.
#[tokio::test]
async fn a_socket_that_goes_on_keeps_who_comes_for_the_next_server() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let passed = || TcpListener::from_std(socket.try_clone().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    let first = serve(Inherited::new(passed()), tower::service_fn(peer));
    let handle = first.handle();
    let running = tokio::spawn(first.into_future());
    let before = TcpStream::connect(address).await.unwrap();
    assert!(ask(before).await.starts_with("HTTP/1.0 200"));
    handle.drain().await;
    running.await.unwrap().unwrap();

    // Nobody accepts, and nobody is refused or kept from connecting.
    let between = TcpStream::connect(address).await.unwrap();
    let next = serve(Inherited::new(passed()), tower::service_fn(peer));
    let handle = next.handle();
    let running = tokio::spawn(next.into_future());
    assert!(ask(between).await.starts_with("HTTP/1.0 200"));
    handle.drain().await;
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_listener_that_was_bound_after_all_stops_as_its_own() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = serve(Inherited::bound(listener), tower::service_fn(peer));
    let handle = server.handle();
    let running = tokio::spawn(server.into_future());
    let queued = TcpStream::connect(handle.local_addr().unwrap()).await.unwrap();
    let asked = tokio::spawn(ask(queued));
    handle.drain().await;
    running.await.unwrap().unwrap();
    assert!(asked.await.unwrap().starts_with("HTTP/1.0 200"));
}

async fn large(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from(vec![b'x'; 64 << 20])))
}

/// A peer of `listener` asks, and does not read.
async fn is_reset(listener: impl Listener) {
    let server = serve(listener, tower::service_fn(large));
    let (tell, mut ended) = mpsc::unbounded_channel();
    let server = server.reply_rate(u32::MAX, Duration::from_millis(1));
    let server = server.on_incident(move |incident| {
        let is_late = matches!(incident, Incident::TimedOut { waiting: Waiting::Reply, .. });
        tell.send(is_late).unwrap();
    });
    let handle = server.handle();
    let running = tokio::spawn(server.into_future());
    let mut stream = TcpStream::connect(handle.local_addr().unwrap()).await.unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    stream.readable().await.unwrap();
    // It is told of when the connection is gone.
    assert_eq!(ended.recv().await, Some(true));
    let error = stream.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    handle.drain().await;
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_reset_so_that_the_system_holds_nothing_for_it() {
    is_reset(TcpListener::bind("127.0.0.1:0").await.unwrap()).await;
}

#[tokio::test]
async fn a_socket_that_goes_on_resets_a_peer_that_does_not_read_too() {
    is_reset(Inherited::new(TcpListener::bind("127.0.0.1:0").await.unwrap())).await;
}

/// What a process finds when it starts. A test runs itself anew as that process,
/// whose descriptor 0 is the socket: no other can be chosen without `unsafe`.
#[cfg(all(feature = "listenfd", unix))]
mod passed {
    use kit_serve::{Listener, Sockets};
    use std::{
        env,
        io::Read,
        os::{
            fd::OwnedFd,
            unix::net::{UnixListener, UnixStream},
        },
        process::{Command, Stdio},
    };
    use tokio::io::AsyncWriteExt;

    /// Set where the test is that process.
    const PASSED: &str = "KIT_SERVE_TEST_PASSED";

    fn is_passed() -> bool {
        env::var_os(PASSED).is_some()
    }

    fn pass(socket: impl Into<OwnedFd>, test: &str) {
        let output = Command::new(env::current_exe().unwrap())
            .args(["--exact", test])
            .envs([("LISTEN_FDS", "1"), ("LISTEN_FDS_FIRST_FD", "0"), (PASSED, "1")])
            .env_remove("LISTEN_PID")
            .stdin(Stdio::from(socket.into()))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains(" 1 passed"), "{said}");
    }

    #[tokio::test]
    async fn a_unix_socket_is_taken_once_accepts_who_waits_and_goes_on() {
        if is_passed() {
            let mut sockets = Sockets::from_env();
            assert_eq!(sockets.count(), 1);
            sockets.tcp(0).unwrap_err();
            assert_eq!(sockets.left(), [0]);
            let mut listener = sockets.unix(0).unwrap();
            assert_eq!(sockets.left(), []);
            let taken = sockets.unix(0).unwrap_err().to_string();
            assert_eq!(taken, "socket 0 is taken already");
            let missing = sockets.unix(1).unwrap_err().to_string();
            assert_eq!(missing, "there is no socket 1: LISTEN_FDS passed 1, from 0 on");
            let (mut stream, peer) = listener.accept().await.unwrap();
            stream.write_all(peer.to_string().as_bytes()).await.unwrap();
            assert!(!listener.stop(), "it is not the server's own");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passed");
        let socket = UnixListener::bind(&path).unwrap();
        let mut waits = UnixStream::connect(&path).unwrap();
        pass(socket, "passed::a_unix_socket_is_taken_once_accepts_who_waits_and_goes_on");
        let mut heard = String::new();
        waits.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "unix");
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[tokio::test]
    async fn a_unix_connection_is_no_listener() {
        if is_passed() {
            let said = Sockets::from_env().unix(0).unwrap_err().to_string();
            assert_eq!(said, "socket 0 does not listen: systemd's unit needs Accept=no");
            return;
        }
        let (one, _other) = UnixStream::pair().unwrap();
        pass(one, "passed::a_unix_connection_is_no_listener");
    }
}
