use crate::{
    Cut, Handle, Incident, Listener,
    call::Counted,
    conn::Conn,
    connection::{Connection, Ended},
    limits::{HTTP1_BUFFER, HTTP2_HEADERS, Limits},
    listener::is_of_one_connection,
    peek::Peek,
    shared::{Command, Shared},
};
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
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
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tower_service::Service;

type BoxError = Box<dyn Error + Send + Sync>;
type OnIncident = Arc<dyn Fn(Incident<'_>) + Send + Sync>;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

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
        on_incident: None,
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
    on_incident: Option<OnIncident>,
    handle: Handle,
    commands: watch::Receiver<Command>,
    running: watch::Sender<()>,
}

// ===== impl Server =====

impl<L, S> Server<L, S> {
    /// Closes a connection that in `limit` has not sent enough to tell HTTP/1
    /// from HTTP/2: 10 s by default, [`Duration::MAX`] for never.
    pub const fn sniff_timeout(mut self, limit: Duration) -> Self {
        self.limits.sniff = limit;
        self
    }

    /// Closes an HTTP/1 connection that began a request and in `limit` has not
    /// sent its whole head: 10 s by default, [`Duration::MAX`] for never.
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

    /// Lets an HTTP/2 connection have `limit` requests in flight: 200 by
    /// default. Who has more waits.
    pub const fn max_streams(mut self, limit: u32) -> Self {
        self.limits.streams = limit;
        self
    }

    /// Calls `hear` when something goes wrong beside the requests; the server
    /// itself logs nothing. It must not block.
    pub fn on_incident(mut self, hear: impl Fn(Incident<'_>) + Send + Sync + 'static) -> Self {
        self.on_incident = Some(Arc::new(hear));
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
        let Self { listener, service, limits, on_incident, handle, commands, running } = self;
        let acceptor = Acceptor {
            http: http(&limits),
            service,
            limits,
            on_incident,
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
    http.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(HTTP1_BUFFER);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(HTTP2_HEADERS)
        .keep_alive_interval(limits.ping)
        .keep_alive_timeout(limits.pong);
    http
}

/// What runs.
struct Acceptor<S> {
    http: Builder<TokioExecutor>,
    service: S,
    limits: Limits,
    on_incident: Option<OnIncident>,
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
        mut listener: L,
        mut commands: watch::Receiver<Command>,
    ) -> Result<(), Cut> {
        let mut pause = Pause::default();
        let mut full = false;
        let asked = loop {
            if full != (self.tasks.len() >= self.limits.connections) {
                full = !full;
                self.shared.stats.pauses.add(u64::from(full));
            }
            match self.next(&mut listener, &mut commands, full, pause.until).await {
                Next::Asked(command) => break command,
                Next::Accepted(Ok((io, peer))) => {
                    pause = Pause::default();
                    self.spawn(io, peer);
                }
                Next::Accepted(Err(error)) => {
                    self.shared.stats.accept_errors.add(1);
                    if !is_of_one_connection(&error) {
                        pause.longer();
                    }
                    if let Some(hear) = &self.on_incident {
                        hear(Incident::Accept { error: &error });
                    }
                }
                Next::Again => pause.until = None,
            }
        };
        drop(listener);
        self.end(asked, commands).await
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

    fn spawn<Io>(&mut self, io: Io, peer: kit_endpoint::Peer)
    where
        Io: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let conn = Arc::new(Conn::new(peer, Arc::clone(&self.shared.stats)));
        let open = self.shared.open(Arc::clone(&conn));
        let io = TokioIo::new(Peek::new(io, Arc::clone(&conn)));
        let service = Counted::new(self.service.clone(), Arc::clone(&conn));
        let http = self.http.serve_connection_with_upgrades(io, service).into_owned();
        let connection = Connection::new(http, self.limits, conn, Arc::clone(&self.shared), open);
        let stats = Arc::clone(&self.shared.stats);
        let on_incident = self.on_incident.clone();
        self.tasks.spawn(async move {
            let Err(ended) = connection.await else { return };
            if matches!(ended, Ended::Failed(_)) {
                stats.connection_errors.add(1);
            }
            if let Some(hear) = on_incident {
                hear(match &ended {
                    Ended::Failed(error) => Incident::Connection { peer, error: &**error },
                    Ended::TimedOut(waiting) => Incident::TimedOut { peer, waiting: *waiting },
                });
            }
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
