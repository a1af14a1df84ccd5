//! A debug port on a port of its own, served by kit-serve over hyper, which knows
//! who is at the other end, and what it is answering.

use kit_debug::{Debug, InFlight};
use kit_serve::Handle;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower::BoxError;

/// What a server answers now.
fn in_flight(server: &Handle) -> Vec<InFlight> {
    let requests = server.in_flight().into_iter().map(|request| InFlight {
        server: "app".to_owned(),
        method: request.method.to_string(),
        path: request.path,
        peer: request.peer.to_string(),
        age: request.age,
    });
    requests.collect()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let app = axum::Router::new().route("/", axum::routing::get(|| async { "Hello!" }));
    let app = kit_serve::serve(TcpListener::bind("127.0.0.1:0").await?, app).name("app");

    let of_app = app.handle();
    let port =
        Debug::new().state("app", app.handle()).requests(move || in_flight(&of_app)).into_router();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    let debug = kit_serve::serve(listener, port);
    let handles = [app.handle(), debug.handle()];
    let running = tokio::spawn(async move { tokio::join!(app.into_future(), debug.into_future()) });

    let mut stream = TcpStream::connect(addr).await?;
    let request = "GET /debug/state/app HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await?;
    assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
    assert!(reply.contains("serve_connections_limit"), "{reply}");

    kit_serve::drain_all(handles, Duration::from_secs(5)).await?;
    let (app, debug) = running.await?;
    app?;
    debug?;
    Ok(())
}

#[test]
fn shows_what_it_says() -> Result<(), BoxError> {
    main()
}
