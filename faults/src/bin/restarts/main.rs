//! `restarts [TIMES]`: what is lost when a server under load is replaced by
//! another on its port, again and again: `kit_serve::serve`, and beside it
//! axum's graceful shutdown; and with the port as systemd passes it, where the
//! next one begins only when the first has ended.

#![allow(clippy::print_stdout, reason = "the table is what it is for")]

mod chats;

use axum::{Router, routing::get};
use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Empty};
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use kit_faults::{BoxError, server::Server, table::Table};
use kit_run::Group;
use kit_serve::{Bind, Inherited, Listener, Sockets};
use std::{
    env,
    future::IntoFuture,
    net::SocketAddr,
    os::fd::OwnedFd,
    process::{Command, ExitCode, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    signal::unix::{SignalKind, signal},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

const SECOND: Duration = Duration::from_secs(1);
/// How h2 tells of a GOAWAY without an error.
const GONE_AWAY: &str = "not a result of an error";
/// How long what is in flight at the signal takes.
const SLOW: Duration = Duration::from_secs(5);
const LIMIT: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> Result<ExitCode, BoxError> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let times = match arguments[..] {
        ["serve", which, port] => {
            serve(which, port.parse()?).await?;
            return Ok(ExitCode::SUCCESS);
        }
        [] => 20,
        [times] => times.parse()?,
        _ => return Err("usage: restarts [TIMES]".into()),
    };
    let mut table = Table::new();
    for (which, name) in [
        ("kit", "kit_serve::serve"),
        ("passed", "kit_serve::serve, LISTEN_FDS"),
        ("axum", "axum::serve, graceful"),
    ] {
        restarts(which, name, times, &mut table).await?;
        if which != "passed" {
            chats::held(which, name, &mut table).await?;
        }
    }
    Ok(ExitCode::from(u8::from(table.is_red())))
}

// ===== the server =====

async fn serve(which: &str, port: u16) -> Result<(), BoxError> {
    let listener = if which == "passed" {
        Sockets::from_env().tcp(0)?
    } else {
        let bind = Bind::new().reuse_port(true);
        Inherited::bound(bind.listen(([127, 0, 0, 1], port).into())?)
    };
    let port = listener.local_addr().ok_or("it has an address")?.port();
    let slow = async || {
        sleep(SLOW).await;
        "slow"
    };
    let app: Router = Router::new().route("/", get(async || "hello")).route("/slow", get(slow));
    let app = app.merge(chats::router()?);
    if which != "axum" {
        let server = kit_serve::serve(listener, app);
        let handle = server.handle();
        let group = Group::new().signals(kit_run::signals()?).actor("http", server.into_future());
        let drain = async move { handle.drain_within(LIMIT).await };
        kit_faults::say_ready!(port);
        return Ok(group.on_shutdown("drain", LIMIT + SECOND, drain).run().await?);
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let told = async move { _ = terminate.recv().await };
    kit_faults::say_ready!(port);
    let listener = listener.into_inner();
    Ok(axum::serve(listener, app).with_graceful_shutdown(told).await?)
}

// ===== the load =====

/// How often one kind of client asked, got no whole reply, or was told to ask
/// another.
#[derive(Default)]
struct Counts {
    asked: AtomicU64,
    lost: AtomicU64,
    again: AtomicU64,
    last: Mutex<Option<String>>,
}

impl Counts {
    fn asked(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
    }

    fn lost(&self, why: &dyn ToString) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        if let Ok(mut last) = self.last.lock() {
            *last = Some(why.to_string());
        }
    }
}

impl Counts {
    /// Takes a reply, and says whether the connection is still good.
    async fn told<B>(&self, reply: Result<Response<Incoming>, TrySendError<B>>) -> bool {
        match reply {
            Ok(reply) => {
                self.asked();
                if let Err(error) = whole(reply).await {
                    self.lost(&format!("in the body: {}", chain(&*error)));
                }
                true
            }
            // It was never sent: it goes over the next connection.
            Err(error) if error.message().is_some() => false,
            Err(error) => {
                self.asked();
                let why = chain(&error.into_error());
                // GOAWAY said that this stream is beyond the last that is served
                // (RFC 9113, section 6.8): it is free to go over the next too.
                // h2's client opens streams on after the first GOAWAY, which
                // asks it not to.
                if why.ends_with(GONE_AWAY) {
                    self.again.fetch_add(1, Ordering::Relaxed);
                } else {
                    self.lost(&why);
                }
                false
            }
        }
    }
}

fn request() -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = http::Uri::from_static("http://localhost/");
    request.headers_mut().insert(header::HOST, header::HeaderValue::from_static("localhost"));
    request
}

/// An error and its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        said = format!("{said}: {cause}");
        source = cause.source();
    }
    said
}

async fn whole(reply: Response<Incoming>) -> Result<(), BoxError> {
    let status = reply.status();
    let body = reply.into_body().collect().await?.to_bytes();
    if status.is_success() && body == "hello" { Ok(()) } else { Err(status.to_string().into()) }
}

async fn connect(address: SocketAddr) -> Result<TokioIo<TcpStream>, BoxError> {
    let stream = timeout(SECOND * 5, TcpStream::connect(address)).await??;
    stream.set_nodelay(true)?;
    Ok(TokioIo::new(stream))
}

/// Asks over one HTTP/1.1 connection, as long as it lasts; then over the next.
async fn keep_alive(address: SocketAddr, counts: Arc<Counts>) {
    'anew: loop {
        let connected = async {
            let (sender, connection) = http1::handshake(connect(address).await?).await?;
            tokio::spawn(connection);
            Ok::<_, BoxError>(sender)
        };
        let mut sender = match connected.await {
            Ok(sender) => sender,
            Err(error) => {
                counts.lost(&error);
                continue;
            }
        };
        loop {
            sleep(Duration::from_millis(5)).await;
            // A connection that ended between two requests costs nothing.
            if sender.ready().await.is_err() {
                continue 'anew;
            }
            if !counts.told(sender.try_send_request(request()).await).await {
                continue 'anew;
            }
        }
    }
}

/// The same over HTTP/2.
async fn multiplexed(address: SocketAddr, counts: Arc<Counts>) {
    'anew: loop {
        let connected = async {
            let io = connect(address).await?;
            let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
            tokio::spawn(connection);
            Ok::<_, BoxError>(sender)
        };
        let mut sender = match connected.await {
            Ok(sender) => sender,
            Err(error) => {
                counts.lost(&error);
                continue;
            }
        };
        loop {
            sleep(Duration::from_millis(5)).await;
            if sender.ready().await.is_err() {
                continue 'anew;
            }
            if !counts.told(sender.try_send_request(request()).await).await {
                continue 'anew;
            }
        }
    }
}

/// Connects for each request.
async fn reconnecting(address: SocketAddr, counts: Arc<Counts>) {
    loop {
        sleep(Duration::from_millis(5)).await;
        counts.asked();
        let exchange = async {
            let (mut sender, connection) = http1::handshake(connect(address).await?).await?;
            let connection = tokio::spawn(connection);
            whole(sender.send_request(request()).await?).await?;
            drop(sender);
            connection.await??;
            Ok::<_, BoxError>(())
        };
        if let Err(error) = exchange.await {
            counts.lost(&error);
        }
    }
}

// ===== the restarts =====

/// What became of the two connections that were watched over one restart.
#[derive(Default)]
struct Watched {
    idle_lost: u32,
    /// The reply said that it is the last.
    idle_closed: u32,
    slow_lost: u32,
    unclean: u32,
    /// From the end of the last reply to the end of the process, in ms.
    ends: Vec<f64>,
}

async fn ask(stream: &mut TcpStream, path: &str) -> Result<(), BoxError> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    Ok(stream.write_all(request.as_bytes()).await?)
}

/// Reads one reply.
async fn told(stream: &mut TcpStream, body: &str) -> Result<String, BoxError> {
    let mut text = String::new();
    let reads = async {
        let mut part = [0; 1024];
        while !text.ends_with(body) {
            match stream.read(&mut part).await? {
                0 => return Err("it was closed".into()),
                read => text.push_str(std::str::from_utf8(&part[..read])?),
            }
        }
        Ok::<_, BoxError>(())
    };
    timeout(SECOND * 10, reads).await??;
    Ok(text)
}

/// Starts a server, on a port of its own or on the socket that it is passed, as
/// systemd does: descriptor 3, which is the service's by its process id.
fn start(
    which: &str,
    address: SocketAddr,
    socket: Option<&std::net::TcpListener>,
) -> Result<Server, BoxError> {
    let port = address.port().to_string();
    let Some(socket) = socket else { return Server::start(&["serve", which, &port]) };
    let mut command = Command::new("sh");
    let pass = r#"LISTEN_PID=$$ exec "$0" "$@" 3<&0 </dev/null"#;
    command.args(["-c", pass]).arg(env::current_exe()?).args(["serve", which, &port]);
    command.env("LISTEN_FDS", "1").stdin(Stdio::from(OwnedFd::from(socket.try_clone()?)));
    Server::start_by(&mut command)
}

async fn restart(
    which: &str,
    address: SocketAddr,
    socket: Option<&std::net::TcpListener>,
    old: Server,
    watched: &mut Watched,
) -> Result<Server, BoxError> {
    let (mut idle, mut slow) =
        (TcpStream::connect(address).await?, TcpStream::connect(address).await?);
    ask(&mut idle, "/").await?;
    told(&mut idle, "hello").await?;
    ask(&mut slow, "/slow").await?;
    sleep(Duration::from_millis(50)).await;

    // Beside the old one, or only after it.
    let mut new = None;
    if socket.is_none() {
        new = Some(start(which, address, None)?);
        sleep(Duration::from_millis(100)).await;
    }
    old.terminate()?;
    sleep(SECOND).await;
    let late = async {
        ask(&mut idle, "/").await?;
        told(&mut idle, "hello").await
    };
    match late.await {
        Ok(text) => {
            watched.idle_closed +=
                u32::from(text.to_ascii_lowercase().contains("connection: close"));
        }
        Err(_) => watched.idle_lost += 1,
    }
    watched.slow_lost += u32::from(told(&mut slow, "slow").await.is_err());
    let last = Instant::now();
    drop((idle, slow));
    watched.unclean += u32::from(!old.end(LIMIT + SECOND * 5).await?.success());
    watched.ends.push(last.elapsed().as_secs_f64() * 1e3);
    new.map_or_else(|| start(which, address, socket), Ok)
}

async fn restarts(which: &str, name: &str, times: u32, table: &mut Table) -> Result<(), BoxError> {
    let socket = std::net::TcpListener::bind("127.0.0.1:0")?;
    let free = socket.local_addr()?;
    let socket = (which == "passed").then_some(socket);
    let mut server = start(which, free, socket.as_ref())?;
    let mut clients = JoinSet::new();
    let counts: [Arc<Counts>; 4] = Default::default();
    for _ in 0..16 {
        clients.spawn(keep_alive(free, Arc::clone(&counts[0])));
    }
    for _ in 0..4 {
        clients.spawn(multiplexed(free, Arc::clone(&counts[1])));
        clients.spawn(reconnecting(free, Arc::clone(&counts[2])));
        clients.spawn(chats::chats(free, Arc::clone(&counts[3])));
    }
    sleep(SECOND).await;
    let mut watched = Watched::default();
    for _ in 0..times {
        server = restart(which, free, socket.as_ref(), server, &mut watched).await?;
    }
    clients.shutdown().await;
    drop(server);

    let is_ours = which != "axum";
    let fault = format!("{name}, {times} restarts");
    let bar = if is_ours { "0" } else { "shown" };
    let clients = [
        "16 keep-alive HTTP/1.1",
        "4 HTTP/2",
        "4 that reconnect each time",
        "4 gRPC, each chat a stream of 50 greetings",
    ];
    for (client, counts) in clients.iter().zip(&counts) {
        let (asked, lost) = (&counts.asked, &counts.lost);
        let (asked, lost) = (asked.load(Ordering::Relaxed), lost.load(Ordering::Relaxed));
        let why = counts.last.lock().ok().and_then(|last| last.clone());
        let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
        let again = match counts.again.load(Ordering::Relaxed) {
            0 => String::new(),
            again => format!(", {again} told by GOAWAY to go elsewhere"),
        };
        let measured = format!("{lost} of {asked}{again}{why}");
        table.row(&fault, &format!("lost, {client}"), measured, bar, !is_ours || lost == 0);
    }
    let rows = [
        ("lost, idle at the signal, asked 1 s later", watched.idle_lost),
        ("lost, 5 s in flight at the signal", watched.slow_lost),
        ("ends that were not clean", watched.unclean),
    ];
    for (what, count) in rows {
        table.row(&fault, what, format!("{count} of {times}"), bar, !is_ours || count == 0);
    }
    let closed = format!("{} of {times}", watched.idle_closed);
    let what = "the idle one's reply says `connection: close`";
    table.row(&fault, what, closed, if is_ours { "all" } else { bar }, {
        !is_ours || watched.idle_closed == times
    });
    let longest = watched.ends.iter().copied().fold(0.0, f64::max);
    let what = "from the last reply's end to the process's, at most";
    if is_ours {
        table.most(&fault, what, longest, 100.0, "ms");
    } else {
        table.row(&fault, what, format!("{longest:.1} ms"), bar, true);
    }
    Ok(())
}
