//! Connections that are pipes in memory, and what is asked of them.
#![allow(dead_code, unreachable_pub, reason = "each test file takes what it needs")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use hyper_util::rt::{TokioExecutor, TokioIo};
use kit_endpoint::{Inspect, Inspector};
use kit_serve::{Handle, Listener, Peer, Server};
use std::{
    collections::BTreeMap,
    future::{IntoFuture, pending},
    io,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, DuplexStream},
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Pipes in memory, and errors.
pub struct Pipes(mpsc::UnboundedReceiver<io::Result<DuplexStream>>);

impl Listener for Pipes {
    type Io = DuplexStream;

    async fn accept(&mut self) -> io::Result<(DuplexStream, Peer)> {
        match self.0.recv().await {
            Some(pipe) => Ok((pipe?, Peer::Ip(([192, 0, 2, 7], 4711).into()))),
            None => pending().await,
        }
    }
}

/// The other end of [`Pipes`].
pub struct Net(pub mpsc::UnboundedSender<io::Result<DuplexStream>>);

impl Net {
    pub fn new() -> (Self, Pipes) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), Pipes(receiver))
    }

    pub fn connect(&self) -> DuplexStream {
        self.connect_through(64 * 1024)
    }

    /// A connection in which so many bytes are on their way at most.
    pub fn connect_through(&self, bytes: usize) -> DuplexStream {
        let (near, far) = tokio::io::duplex(bytes);
        assert!(self.0.send(Ok(far)).is_ok(), "the listener is closed");
        near
    }
}

pub fn start<L, S>(server: Server<L, S>) -> (Handle, JoinHandle<Result<(), kit_serve::Cut>>)
where
    Server<L, S>: IntoFuture<
            Output = Result<(), kit_serve::Cut>,
            IntoFuture: Future<Output = Result<(), kit_serve::Cut>> + Send + 'static,
        >,
{
    (server.handle(), tokio::spawn(server.into_future()))
}

/// Reads one reply with a known length.
pub async fn reply(pipe: &mut DuplexStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text;
            }
        }
        assert_ne!(pipe.read_buf(&mut bytes).await.unwrap(), 0, "closed in {text:?}");
    }
}

/// Waits until the peer closes, and says how long that took.
pub async fn closed(pipe: &mut DuplexStream) -> Duration {
    let began = Instant::now();
    let mut rest = Vec::new();
    timeout(Duration::from_hours(1), pipe.read_to_end(&mut rest)).await.unwrap().unwrap();
    began.elapsed()
}

pub fn about(took: Duration, expected: u64) {
    let expected = Duration::from_secs(expected);
    assert!(took >= expected && took < expected + Duration::from_millis(10), "{took:?}");
}

/// Lets every other task come to rest; the clock is paused.
pub async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

pub fn get(path: &str) -> Request<Empty<Bytes>> {
    Request::get(format!("http://a{path}")).body(Empty::new()).unwrap()
}

pub async fn http2(
    pipe: DuplexStream,
) -> (hyper::client::conn::http2::SendRequest<Empty<Bytes>>, impl Future<Output = hyper::Result<()>>)
{
    hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(pipe)).await.unwrap()
}

/// What a component says of itself, by name and labels.
pub struct Said(pub BTreeMap<String, String>);

impl Said {
    pub fn of(part: &dyn Inspect) -> Self {
        let mut said = Self(BTreeMap::new());
        part.inspect(&mut said);
        said
    }

    fn put(&mut self, name: &str, labels: &[(&str, &str)], value: &impl ToString) {
        let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let name = match &*labels {
            [] => name.to_owned(),
            labels => format!("{name}{{{}}}", labels.join(",")),
        };
        assert!(self.0.insert(name.clone(), value.to_string()).is_none(), "{name} twice");
    }
}

impl Inspector for Said {
    fn counter(&mut self, name: &str, _: &str, labels: &[(&str, &str)], value: u64) {
        self.put(name, labels, &value);
    }

    fn gauge(&mut self, name: &str, _: &str, labels: &[(&str, &str)], value: f64) {
        self.put(name, labels, &value);
    }
}
