use crate::{
    Cut, Handle, Incident, Incoming, Listener, Refusal,
    body::BodyLimits,
    call::{Counted, Guards},
    conn::Conn,
    connection::{Connection, Ended},
    forwarded::Proxies,
    limits::{ABOVE, LEAST_BUFFER, Limits},
    listener::is_of_one_connection,
    pace::Rate,
    shared::{Command, Shared},
    wire::Wire,
};
use http::{Request, Response};
use http_body::Body;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use ipnet::IpNet;
use std::{
    error::Error,
    fmt,
    future::{IntoFuture, poll_fn},
    io,
    pin::{Pin, pin},
    sync::{Arc, atomic::Ordering},
    task::Poll,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};
use tower_service::Service;

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;
/// Kestrel's `MaxRequestBodySize`.
const MAX_BODY: u64 = 30_000_000;
/// How many fields of a head hyper takes unless it is told.
const HYPER_FIELDS: usize = 100;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How long nobody came when there is nobody left in the backlog, and how long
/// one that is filled on and on is accepted from.
const REST: Duration = Duration::from_millis(50);
const REST_IN_ALL: Duration = Duration::from_secs(1);
/// How long a peer may take to hear that it is refused.
const LAST_WORD: Duration = Duration::from_millis(500);

/// Serves `service` over HTTP/1 and HTTP/2 to all who connect to `listener`.
///
/// What it returns runs when it is awaited, until its [`Handle`] stops it. See
/// the [front page](crate) for what it does.
pub fn serve<L, S, B>(listener: L, service: S) -> Server<L, S>
where
    L: Listener,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let (command, commands) = watch::channel(Command::Accept);
    let (running, stopped) = watch::channel(());
    let shared = Arc::new(Shared::new(listener.local_addr()));
    let handle = Handle { shared, command, stopped };
    Server {
        listener,
        service,
        limits: Limits::default(),
        guards: Guards {
            any_target: false,
            body: BodyLimits { most: MAX_BODY, rate: Limits::default().body },
            proxies: Proxies::default(),
        },
        handle,
        commands,
        running,
    }
    .max_connections(Limits::default().connections)
}

/// An accept loop that is about to run; [`serve`] makes it.
#[must_use = "a server does nothing until it is awaited"]
pub struct Server<L, S> {
    listener: L,
    service: S,
    limits: Limits,
    guards: Guards,
    handle: Handle,
    commands: watch::Receiver<Command>,
    running: watch::Sender<()>,
}

// ===== impl Server =====

impl<L, S> Server<L, S> {
    /// Closes a connection that in `limit` has not agreed on what comes before
    /// HTTP, which is a TLS handshake: 10 s by default, [`Duration::MAX`] for
    /// never.
    pub const fn handshake_timeout(mut self, limit: Duration) -> Self {
        self.limits.handshake = limit;
        self
    }

    /// Closes a connection that in `limit` has not sent enough to tell HTTP/1
    /// from HTTP/2: 10 s by default, [`Duration::MAX`] for never.
    pub const fn sniff_timeout(mut self, limit: Duration) -> Self {
        self.limits.sniff = limit;
        self
    }

    /// Answers an HTTP/1 peer that began a request and in `limit` has not sent
    /// its whole head with 408, and closes the connection: 10 s by default,
    /// [`Duration::MAX`] for never.
    ///
    /// It is also how long a peer may take to close its side.
    pub const fn head_timeout(mut self, limit: Duration) -> Self {
        self.limits.head = limit;
        self
    }

    /// Closes a connection on which nothing was in flight for `limit`: 75 s by
    /// default, [`Duration::MAX`] for never.
    pub const fn idle_timeout(mut self, limit: Duration) -> Self {
        self.limits.idle = limit;
        self
    }

    /// Ends a body that its peer sends slower than `bytes` a second, when that
    /// has cost `patience`: 240 B/s and 10 s by default, [`Duration::MAX`] for
    /// never. Both are Kestrel's, but for its 5 s.
    ///
    /// Only the time counts in which the service waits for more of the body, from
    /// one look at it to the next; each byte buys some back, up to `patience`. Over
    /// HTTP/2 a service that leaves 1 MiB of other bodies of the connection unread
    /// leaves its peer no room to send this one, and the time counts all the same. The service hears an error
    /// in the body. Over HTTP/1 it has half a second then to answer, and the
    /// connection is closed; over HTTP/2 the others of the connection go on.
    ///
    /// It is not for gRPC (`content-type: application/grpc`), whose streams may
    /// be silent: the deadline of the call bounds them. Set it to never for other
    /// bodies that are silent for long.
    pub const fn body_rate(mut self, bytes: u32, patience: Duration) -> Self {
        self.limits.body = Rate { bytes, patience };
        self.guards.body.rate = self.limits.body;
        self
    }

    /// Closes a connection whose peer takes its replies slower than `bytes` a
    /// second, when that has cost `patience`: 240 B/s and 10 s by default,
    /// [`Duration::MAX`] for never.
    ///
    /// Only the time counts in which the connection can't be written to. Of TCP
    /// on Linux one learns that it can when 16 KiB have left, so that it takes
    /// 1.6 KB/s to be seen in 10 s. The connection ends by a reset, or the system
    /// would hold for long what was not taken. Over
    /// HTTP/2 it is closed too when its peer lets none of its replies go on for
    /// the [idle time-out](Self::idle_timeout), or up to one and a half of it: there
    /// the windows of the replies hide how fast it reads.
    pub const fn reply_rate(mut self, bytes: u32, patience: Duration) -> Self {
        self.limits.reply = Rate { bytes, patience };
        self
    }

    /// Closes each connection at about this age, which moves the clients of a
    /// balancer to instances that are new: never by default.
    ///
    /// At `age`, a tenth more or less so that not all go at once, the peer is
    /// told as in a drain, and new requests go elsewhere; `grace` later what is
    /// still in flight is cut. Both are gRPC's (proposal A9), and so are their
    /// defaults.
    pub const fn max_age(mut self, age: Duration, grace: Duration) -> Self {
        self.limits.age = Some(age);
        self.limits.age_grace = grace;
        self
    }

    /// Leaves an HTTP/1 connection without a request open for this long after a
    /// drain began, since a request may be on its way: 2 s by default. It is
    /// closed with the reply to that request, or then.
    pub const fn drain_quiet(mut self, quiet: Duration) -> Self {
        self.limits.quiet = quiet;
        self
    }

    /// Pings an HTTP/2 peer after each `interval` and closes the connection
    /// when there is no answer in `limit`: both 20 s by default.
    pub const fn ping(mut self, interval: Duration, limit: Duration) -> Self {
        self.limits.ping = interval;
        self.limits.pong = limit;
        self
    }

    /// Accepts no more connections while `limit` are open: 10,000 by default.
    ///
    /// Who comes then waits in the backlog of the kernel.
    ///
    /// # Panics
    ///
    /// When `limit` is 0.
    pub fn max_connections(mut self, limit: usize) -> Self {
        assert!(limit > 0, "a server needs at least 1 connection");
        self.limits.connections = limit;
        self.handle.shared.limit.store(limit, Ordering::Relaxed);
        self
    }

    /// Refuses connections of an address that has `limit` with 503: no limit by
    /// default, since behind a proxy all come from one.
    ///
    /// # Panics
    ///
    /// When `limit` is 0.
    pub fn max_connections_per_peer(mut self, limit: usize) -> Self {
        assert!(limit > 0, "a peer needs at least 1 connection");
        self.limits.of_peer = Some(limit);
        self
    }

    /// Lets the request line of HTTP/1 have so many bytes, the longest of which
    /// is the URI: 8 KiB by default. More is answered with 414, and so is a URI
    /// of 64 KiB, more than which no `http::Uri` holds.
    pub const fn max_uri(mut self, bytes: usize) -> Self {
        self.limits.heads.line = bytes;
        self
    }

    /// Lets the head of a request have so many bytes, over HTTP/2 as its header
    /// list: 16 KiB by default. More is answered with 431.
    pub fn max_head(mut self, bytes: usize) -> Self {
        self.limits.heads.head = bytes;
        self.limits.header_list = u32::try_from(bytes).unwrap_or(u32::MAX);
        self
    }

    /// Lets the head of an HTTP/1 request have so many fields: 100 by default.
    /// More is answered with 431.
    pub const fn max_fields(mut self, fields: usize) -> Self {
        self.limits.heads.fields = fields;
        self
    }

    /// Lets a body have so many bytes: 30,000,000 by default, which is Kestrel's
    /// limit, `u64::MAX` for any. More is answered with 413: at once when the
    /// body says its length, else when so much of it was read, where the
    /// service hears [`BodyError::TooLarge`](crate::BodyError::TooLarge).
    ///
    /// It is not for gRPC over HTTP/2 (`content-type: application/grpc`), unless
    /// a length is said: its messages have limits, and its streams need none.
    pub const fn max_body(mut self, bytes: u64) -> Self {
        self.guards.body.most = bytes;
        self
    }

    /// Lets an HTTP/2 connection have `limit` requests in flight: 200 by
    /// default. Who has more waits.
    pub const fn max_streams(mut self, limit: u32) -> Self {
        self.limits.streams = limit;
        self
    }

    /// Lets an HTTP/2 peer have `limit` streams that it has reset and the server
    /// has not yet seen: 20 by default. Who has more is told to go away
    /// (CVE-2023-44487).
    pub const fn max_pending_resets(mut self, limit: usize) -> Self {
        self.limits.resets = limit;
        self
    }

    /// Takes HTTP/2 frames of so many bytes: 16 KiB by default, which is the
    /// least that RFC 9113 allows; it allows 16 MiB less 1 at most.
    ///
    /// # Panics
    ///
    /// When it is less or more.
    pub fn max_frame(mut self, bytes: u32) -> Self {
        assert!((1 << 14..1 << 24).contains(&bytes), "a frame has 16,384 to 16,777,215 bytes");
        self.limits.frame = bytes;
        self
    }

    /// Holds so much of the reply of each HTTP/2 stream that its peer has not
    /// taken, and asks the service for more when it has: 64 KiB by default, and
    /// up to 32 KiB of the part that comes last.
    ///
    /// # Panics
    ///
    /// When it is 0, or over 4 GiB.
    pub fn max_send_buffer(mut self, bytes: usize) -> Self {
        assert!(bytes > 0 && u32::try_from(bytes).is_ok(), "a buffer has 1 to 2^32-1 bytes");
        self.limits.send_buffer = bytes;
        self
    }

    /// Passes `CONNECT`, and `*` as a target, on to the service, which are
    /// refused by default.
    pub const fn any_target(mut self) -> Self {
        self.guards.any_target = true;
        self
    }

    /// Believes what peers of these networks say of whom they forward for, by
    /// `Forwarded` (RFC 7239) or else `X-Forwarded-For`: nobody by default.
    ///
    /// The [`Peer`](kit_endpoint::Peer) of a request is then the nearest hop
    /// that is in none of them; its port is 0 where the header says none.
    pub fn trust_proxies(mut self, networks: impl IntoIterator<Item = IpNet>) -> Self {
        self.guards.proxies = Proxies::new(networks);
        self
    }

    /// Calls `hear` when something goes wrong beside the requests; the server
    /// itself logs nothing. It must not block.
    pub fn on_incident(self, hear: impl Fn(Incident<'_>) + Send + Sync + 'static) -> Self {
        self.handle.shared.hear.set(Arc::new(hear));
        self
    }

    /// Names the server: the label `server` in what its handle tells of it. The
    /// first name stays.
    pub fn name(self, name: impl Into<Box<str>>) -> Self {
        self.handle.shared.name.get_or_init(|| name.into());
        self
    }

    /// Returns what watches and stops the server.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }
}

impl<L, S> fmt::Debug for Server<L, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("limits", &self.limits)
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}

/// Runs until a [`Handle`] stops it and the last connection is closed.
///
/// Dropping the future cuts every connection.
///
/// # Errors
///
/// [`Cut`], when a drain came to its limit.
impl<L, S, B> IntoFuture for Server<L, S>
where
    L: Listener,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Output = Result<(), Cut>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { listener, service, limits, guards, handle, commands, running } = self;
        let acceptor = Acceptor {
            http: http(&limits),
            service,
            limits: Arc::new(limits),
            guards: Arc::new(guards),
            shared: handle.shared,
            tasks: JoinSet::new(),
        };
        Box::pin(async move {
            // The handles wait for the end of one, and the other is never the last.
            let _held = (running, handle.command);
            acceptor.run(listener, commands).await
        })
    }
}

fn http(limits: &Limits) -> Builder<TokioExecutor> {
    let mut http = Builder::new(TokioExecutor::new());
    // hyper's own time-out does not tell a head from an idle connection, and
    // sets a timer for each request.
    let buffer = limits.heads.head.saturating_add(ABOVE).max(LEAST_BUFFER);
    http.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(buffer);
    // hyper allocates for each head where it is told a number, even its own.
    if limits.heads.fields > HYPER_FIELDS {
        http.http1().max_headers(limits.heads.fields);
    }
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_pending_accept_reset_streams(limits.resets)
        .max_frame_size(limits.frame)
        .max_header_list_size(limits.header_list)
        .max_send_buf_size(limits.send_buffer)
        .keep_alive_interval(limits.ping)
        .keep_alive_timeout(limits.pong);
    http
}

/// What runs.
struct Acceptor<S> {
    http: Builder<TokioExecutor>,
    service: S,
    limits: Arc<Limits>,
    guards: Arc<Guards>,
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

/// What happens next.
enum Next<Io> {
    Asked(Command),
    Accepted(io::Result<(Io, kit_endpoint::Peer)>),
    /// A connection ended, or a pause.
    Again,
}

// ===== impl Acceptor =====

impl<S, B> Acceptor<S>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    async fn run<L: Listener>(
        mut self,
        listener: L,
        mut commands: watch::Receiver<Command>,
    ) -> Result<(), Cut> {
        let mut listener = Held(listener);
        // Whoever had the socket before may have been killed as it stopped.
        listener.0.release();
        let mut pause = Pause::default();
        let mut full = false;
        let asked = loop {
            if full != (self.tasks.len() >= self.limits.connections) {
                full = !full;
                self.shared.stats.pauses.add(u64::from(full));
            }
            match self.next(&mut listener.0, &mut commands, full, pause.until).await {
                Next::Asked(command) => break command,
                Next::Accepted(Ok((io, peer))) => {
                    pause = Pause::default();
                    self.spawn::<L>(io, peer);
                }
                Next::Accepted(Err(error)) => {
                    self.shared.stats.accept_errors.add(1);
                    if !is_of_one_connection(&error) {
                        pause.longer();
                    }
                    self.shared.hear.tell(Incident::Accept { error: &error });
                }
                Next::Again => pause.until = None,
            }
        };
        if listener.0.stop() {
            self.accept_rest(&mut listener.0).await;
        }
        drop(listener);
        self.end(asked, commands).await
    }

    /// Accepts who came before the stop.
    async fn accept_rest<L: Listener>(&mut self, listener: &mut L) {
        let begun = Instant::now();
        while begun.elapsed() < REST_IN_ALL {
            let Ok(accepted) = timeout(REST, listener.accept()).await else { return };
            match accepted {
                Ok((io, peer)) => self.spawn::<L>(io, peer),
                Err(error) if is_of_one_connection(&error) => {}
                Err(_) => return,
            }
        }
    }

    /// Waits for a command, the end of a connection, a new one, or the end of
    /// the pause.
    async fn next<L: Listener>(
        &mut self,
        listener: &mut L,
        commands: &mut watch::Receiver<Command>,
        full: bool,
        until: Option<Instant>,
    ) -> Next<L::Io> {
        let mut asked = pin!(commands.wait_for(|command| *command > Command::Accept));
        let mut accept = pin!(listener.accept());
        let mut pause = pin!(until.map(sleep_until));
        poll_fn(|cx| {
            if let Poll::Ready(Ok(command)) = asked.as_mut().poll(cx) {
                return Poll::Ready(Next::Asked(*command));
            }
            while let Poll::Ready(Some(_)) = self.tasks.poll_join_next(cx) {
                if full {
                    return Poll::Ready(Next::Again);
                }
            }
            match pause.as_mut().as_pin_mut() {
                Some(pause) => pause.poll(cx).map(|()| Next::Again),
                None if full => Poll::Pending,
                None => accept.as_mut().poll(cx).map(Next::Accepted),
            }
        })
        .await
    }

    fn spawn<L: Listener>(&mut self, io: L::Io, peer: kit_endpoint::Peer) {
        let shared = Arc::clone(&self.shared);
        let conn = Arc::new(Conn::new(peer, Arc::clone(&shared.stats)));
        let Some(open) = shared.open(Arc::clone(&conn), self.limits.of_peer) else {
            shared.refused(peer, Refusal::TooManyOfPeer);
            // A handshake is what a flood is after.
            if L::PLAIN {
                self.tasks.spawn(turn_away(io));
            }
            return;
        };
        let wire = Wire::new(io, Arc::clone(&conn), self.limits.heads, L::greeted, L::reset);
        let io = TokioIo::new(wire);
        let guards = Arc::clone(&self.guards);
        let service =
            Counted::new(self.service.clone(), guards, Arc::clone(&conn), Arc::clone(&shared));
        let http = self.http.serve_connection_with_upgrades(io, service).into_owned();
        let connection =
            Connection::new(http, Arc::clone(&self.limits), conn, Arc::clone(&shared), open);
        self.tasks.spawn(async move {
            let Err(ended) = connection.await else { return };
            if matches!(ended, Ended::Failed(_)) {
                shared.stats.connection_errors.add(1);
            }
            shared.hear.tell(match &ended {
                Ended::Failed(error) => Incident::Connection { peer, error: &**error },
                Ended::TimedOut(waiting) => Incident::TimedOut { peer, waiting: *waiting },
            });
        });
    }

    /// Serves what is open, as long as it lasts and no handle asks for less.
    async fn end(
        mut self,
        mut asked: Command,
        mut commands: watch::Receiver<Command>,
    ) -> Result<(), Cut> {
        loop {
            if asked >= Command::Drain {
                self.shared.drain();
            }
            if asked == Command::Cut && !self.tasks.is_empty() {
                let requests = self.shared.in_flight();
                self.shared.stats.cut.add(requests.len() as u64);
                let cut = self.shared.cut.get_or_init(|| Cut::new(requests)).clone();
                self.tasks.shutdown().await;
                return Err(cut);
            }
            let mut more = pin!(commands.wait_for(move |command| *command > asked));
            let command = poll_fn(|cx| {
                if let Poll::Ready(Ok(command)) = more.as_mut().poll(cx) {
                    return Poll::Ready(Some(*command));
                }
                loop {
                    match self.tasks.poll_join_next(cx) {
                        Poll::Ready(Some(_)) => {}
                        Poll::Ready(None) => return Poll::Ready(None),
                        Poll::Pending => return Poll::Pending,
                    }
                }
            })
            .await;
            match command {
                Some(command) => asked = command,
                None => return Ok(()),
            }
        }
    }
}

/// A listener whose socket is as it was when this is dropped.
struct Held<L: Listener>(L);

impl<L: Listener> Drop for Held<L> {
    fn drop(&mut self) {
        self.0.release();
    }
}

/// Says that there are too many, to a peer that has not said anything yet.
async fn turn_away<Io: AsyncRead + AsyncWrite + Unpin>(mut io: Io) {
    let said = async {
        io.write_all(&Refusal::TooManyOfPeer.http1()).await?;
        io.shutdown().await?;
        // What it sends is read, or a reset would take the word along.
        tokio::io::copy(&mut io, &mut tokio::io::sink()).await
    };
    // Who does not take it is not told.
    _ = timeout(LAST_WORD, said).await;
}

/// Keeps the loop from spinning while the listener can't accept.
#[derive(Debug, Default)]
struct Pause {
    until: Option<Instant>,
    length: Duration,
}

// ===== impl Pause =====

impl Pause {
    fn longer(&mut self) {
        self.length = (self.length * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        self.until = Some(Instant::now() + self.length);
    }
}
