//! The servers that are attacked: one service, three accept loops.

use axum::{Router, body::Body, extract::Request, http::Response, routing::get};
use bytes::Bytes;
use http_body_util::StreamBody;
use hyper::body::Frame;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use kit_faults::{BoxError, say_ready, server::Server};
use std::{convert::Infallible, net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{Instant, sleep, timeout},
};

/// A part of the large reply, and how many there are: 64 MiB in all.
const PART: usize = 64 * 1024;
const PARTS: usize = 1024;

/// Serves on a port that is free: `kit`, `axum` or `hyper`.
pub(crate) async fn serve(which: &str) -> Result<(), BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let slow = async || {
        sleep(Duration::from_secs(5)).await;
        "slow"
    };
    let app: Router = Router::new()
        .route("/", get(async || "hello").post(read))
        .route("/slow", get(slow))
        .route("/large", get(async || Response::new(large())));
    say_ready!(port);
    match which {
        // The busy ones come beside as many as the default allows.
        "kit" => Ok(kit_serve::serve(listener, app).max_connections(20_000).await?),
        "axum" => Ok(axum::serve(listener, app).await?),
        _ => loop {
            let (stream, peer) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let app = app.clone();
            let service = tower::service_fn(move |mut request: http::Request<_>| {
                request.extensions_mut().insert(peer);
                tower::ServiceExt::oneshot(app.clone(), request)
            });
            tokio::spawn(async move {
                let mut builder = Builder::new(TokioExecutor::new());
                builder.http1().timer(TokioTimer::new());
                builder.http2().timer(TokioTimer::new());
                let service = TowerToHyperService::new(service);
                _ = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
            });
        },
    }
}

/// Reads a whole body, and holds none of it.
async fn read(request: Request) -> &'static str {
    let mut body = request.into_body();
    while let Some(Ok(_)) = http_body_util::BodyExt::frame(&mut body).await {}
    "read"
}

/// A body whose parts are made as they are asked for.
fn large() -> Body {
    let parts = futures_util::stream::iter(0..PARTS);
    let parts = futures_util::StreamExt::map(parts, |part| {
        // Written to, so that it is there.
        let byte = u8::try_from(part % 251 + 1).unwrap_or(1);
        Ok::<_, Infallible>(Frame::data(Bytes::from(vec![byte; PART])))
    });
    Body::new(StreamBody::new(parts))
}

/// Starts one that may have many connections.
pub(crate) fn start(which: &str) -> Result<Server, BoxError> {
    Server::start(&["serve", which])
}

/// Asks for a small reply, and returns how long it took.
pub(crate) async fn probe(server: SocketAddr) -> Result<Duration, BoxError> {
    let begun = Instant::now();
    let asked = async {
        let mut stream = TcpStream::connect(server).await?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await?;
        if reply.ends_with("hello") { Ok(()) } else { Err(BoxError::from(reply)) }
    };
    timeout(Duration::from_secs(30), asked).await??;
    Ok(begun.elapsed())
}

/// Asks again and again while `attack` goes on; returns what came of it, and
/// how long an answer took at most.
pub(crate) async fn probed<T>(
    server: &Server,
    attack: impl Future<Output = T>,
) -> Result<(T, Duration), BoxError> {
    let address = server.address;
    let (is_over, over) = watch::channel(false);
    // A task of its own: what the attack does between two looks, reading a long
    // list of connections from the system for one, is no time of the server's.
    let mut probes = tokio::spawn(async move {
        let mut longest = Duration::ZERO;
        while !*over.borrow() && over.has_changed().is_ok() {
            longest = longest.max(probe(address).await?);
            sleep(Duration::from_millis(50)).await;
        }
        Ok::<_, BoxError>(longest)
    });
    let done = tokio::select! {
        done = attack => done,
        failed = &mut probes => return Err(failed?.err().unwrap_or_else(|| "it stopped".into())),
    };
    is_over.send_replace(true);
    Ok((done, probes.await??))
}

/// KiB as MB for a table.
#[expect(clippy::cast_precision_loss, reason = "it is less than 2^52")]
pub(crate) fn megabytes(kib: u64) -> f64 {
    kib as f64 * 1024.0 / 1e6
}
