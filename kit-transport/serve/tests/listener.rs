#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]
//! The listeners that are sockets, over loopback and a folder of the system's.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use kit_serve::{Listener, Peer, serve};
use std::{convert::Infallible, future::IntoFuture};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
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
async fn tcp_does_not_wait_for_more_to_send() {
    let mut listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let _client = TcpStream::connect(Listener::local_addr(&listener).unwrap()).await.unwrap();
    let (accepted, _) = Listener::accept(&mut listener).await.unwrap();
    assert!(accepted.nodelay().unwrap());
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
