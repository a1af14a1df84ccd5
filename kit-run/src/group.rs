#[cfg(feature = "systemd")]
use crate::systemd::Systemd;
use crate::{
    Error, Event, Failure, Outcome, Reason, Signal, Signals, outcome::BoxError, reload::Reload,
};
use std::{
    any::Any,
    borrow::Cow,
    fmt,
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};
#[cfg(feature = "systemd")]
use tokio::sync::watch;
use tokio::{
    task::{AbortHandle, JoinError, JoinSet},
    time::{Instant, sleep_until},
};

type Name = Cow<'static, str>;
type Work = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;
type OnEvent = Box<dyn Fn(Event<'_>) + Send + Sync>;

const LIMIT: Duration = Duration::from_secs(30);

/// The actors of a process, and the phases in which they stop.
///
/// See the [front page](crate) for what it does.
#[must_use = "a group does nothing until it is run"]
pub struct Group {
    actors: Vec<Actor>,
    phases: Vec<Phase>,
    until: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    signals: Option<Signals>,
    reload: Option<Reload>,
    limit: Duration,
    on_event: Option<OnEvent>,
    #[cfg(feature = "systemd")]
    systemd: Option<Systemd>,
}

struct Actor {
    name: Name,
    work: Work,
    background: bool,
}

struct Phase {
    name: Name,
    limit: Duration,
    work: Work,
}

// ===== impl Group =====

impl Group {
    /// Makes a group without actors.
    pub fn new() -> Self {
        Self {
            actors: Vec::new(),
            phases: Vec::new(),
            until: None,
            signals: None,
            reload: None,
            limit: LIMIT,
            on_event: None,
            #[cfg(feature = "systemd")]
            systemd: None,
        }
    }

    /// Adds an actor, such as a server: when it ends, well or not, the group
    /// stops.
    ///
    /// A phase must make it end: its interrupt. It is waited for after the
    /// last phase, as long as the [limit](Self::limit) leaves time.
    pub fn actor<F>(self, name: impl Into<Name>, run: F) -> Self
    where
        F: Future<Output: Outcome> + Send + 'static,
    {
        self.add(name.into(), run, false)
    }

    /// Adds an actor that works for others, such as a registrar or a loop that
    /// reloads: it may end when it is done, and the group stops only when it
    /// fails. After the last phase it is dropped.
    pub fn background<F>(self, name: impl Into<Name>, run: F) -> Self
    where
        F: Future<Output: Outcome> + Send + 'static,
    {
        self.add(name.into(), run, true)
    }

    fn add<F>(mut self, name: Name, run: F, background: bool) -> Self
    where
        F: Future<Output: Outcome> + Send + 'static,
    {
        self.actors.push(Actor { name, work: work(run), background });
        self
    }

    /// Adds a phase of the shutdown, which has `limit` to finish and is then
    /// dropped. Phases run one after the other, in the order in which they are
    /// added, whatever became of the ones before.
    ///
    /// The future is made now and polled when its turn comes. One whose
    /// deadline is fixed when it is made, as that of `tokio::time::sleep` and
    /// `timeout` is, has run out by then: make it inside the phase, in
    /// `async move { sleep(delay).await }`.
    pub fn on_shutdown<F>(mut self, name: impl Into<Name>, limit: Duration, phase: F) -> Self
    where
        F: Future<Output: Outcome> + Send + 'static,
    {
        self.phases.push(Phase { name: name.into(), limit, work: work(phase) });
        self
    }

    /// Stops the group at the first signal, and forces its end at the second.
    pub fn signals(mut self, signals: impl Into<Signals>) -> Self {
        self.signals = Some(signals.into());
        self
    }

    /// Runs `hook` at each SIGHUP, which the [signals](Self::signals) must
    /// [listen](Signals::and_hangup) for: to read certificates or a
    /// configuration anew.
    ///
    /// One run at a time; who asks during one gets one more after it. That it
    /// failed, or panicked, is an [event](Self::on_event) and nothing more: what
    /// was read before stays. The shutdown drops it.
    pub fn on_reload<F, R>(mut self, mut hook: F) -> Self
    where
        F: FnMut() -> R + Send + 'static,
        R: Future<Output: Outcome> + Send + 'static,
    {
        self.reload = Some(Reload::new(move || work(hook())));
        self
    }

    /// Stops the group when `asked` ends; the last one given counts.
    pub fn until(mut self, asked: impl Future<Output = ()> + Send + 'static) -> Self {
        self.until = Some(Box::pin(asked));
        self
    }

    /// Lets the whole shutdown take `limit`: 30 s by default, which is the
    /// grace that Kubernetes gives before it kills.
    pub const fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Calls `hear` when something happens; the group itself logs nothing.
    pub fn on_event(mut self, hear: impl Fn(Event<'_>) + Send + Sync + 'static) -> Self {
        self.on_event = Some(Box::new(hear));
        self
    }

    /// Tells systemd how the service is (`Type=notify` or `notify-reload`), where
    /// systemd started it: ready as soon as `readiness` says so, a
    /// [reload](Self::on_reload) and its end, the stop, and, from readiness
    /// until the last phase, that it is alive, twice in the time of its watchdog
    /// (`WatchdogSec=`).
    ///
    /// Each is a datagram to a socket of systemd's; while that is full, which it is
    /// when systemd is stuck, the thread waits. One that can't be sent is passed
    /// over; that the service is ready is said each second until it is taken.
    /// Where `NOTIFY_SOCKET` is not set all this does nothing.
    ///
    /// What is told is that the runtime's timers and tasks go on: more than
    /// that the process is there, and less than that each request is served.
    #[cfg(feature = "systemd")]
    pub fn notify_systemd(self, readiness: watch::Receiver<bool>) -> Self {
        self.systemd(Systemd::from_env(), readiness)
    }

    #[cfg(feature = "systemd")]
    pub(crate) fn systemd(mut self, systemd: Systemd, readiness: watch::Receiver<bool>) -> Self {
        self.systemd = Some(systemd.clone());
        self.background("systemd", systemd.keep(readiness))
    }

    /// Runs all actors until one ends, a signal comes or
    /// [`until`](Self::until) says so; then runs the phases, and waits for the
    /// actors.
    ///
    /// Each actor and each phase is a task of its own, which ends with this
    /// future: dropping it drops them all.
    ///
    /// # Errors
    ///
    /// When an actor or a phase failed, panicked or was cut, or when a second
    /// signal came.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn run(self) -> Result<(), Error> {
        let Self { actors, phases, until, signals, reload, limit, on_event, .. } = self;
        #[cfg(feature = "systemd")]
        let systemd = self.systemd;
        let hear = |event: Event<'_>| {
            if let Some(hear) = &on_event {
                hear(event);
            }
            #[cfg(feature = "systemd")]
            if let Some(systemd) = &systemd {
                systemd.hear(event);
            }
        };
        let mut running = Running::start(actors, signals, reload);

        running.first_end(until, &hear).await;
        running.reload = None;
        let end = Instant::now().checked_add(limit);
        let forced = running.stop(phases, end, &hear).await;
        if let Some(signal) = forced {
            hear(Event::Forced(signal));
            running.failures.push(Failure::Forced { signal });
        }
        let cut = running.live.drain(..).filter(|live| !live.background);
        running.failures.extend(cut.map(|live| Failure::Cut { name: live.name }));
        Error::of(running.failures)
    }
}

impl Default for Group {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let actors: Vec<_> = self.actors.iter().map(|actor| &actor.name).collect();
        let phases: Vec<_> = self.phases.iter().map(|phase| (&phase.name, phase.limit)).collect();
        f.debug_struct("Group")
            .field("actors", &actors)
            .field("phases", &phases)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

fn work<F>(run: F) -> Work
where
    F: Future<Output: Outcome> + Send + 'static,
{
    use crate::outcome::sealed::Sealed;
    Box::pin(async move { run.await.into_result() })
}

/// What runs of a group.
struct Running {
    actors: JoinSet<Result<(), BoxError>>,
    live: Vec<Live>,
    signals: Option<Signals>,
    reload: Option<Reload>,
    signalled: bool,
    failures: Vec<Failure>,
}

struct Live {
    task: AbortHandle,
    name: Name,
    background: bool,
}

/// How a wait during the shutdown ended.
enum Waited<T> {
    Done(T),
    TimeIsUp,
    Forced(Signal),
}

// ===== impl Running =====

impl Running {
    fn start(actors: Vec<Actor>, signals: Option<Signals>, reload: Option<Reload>) -> Self {
        let mut set = JoinSet::new();
        let live = actors.into_iter().map(|Actor { name, work, background }| {
            let task = set.spawn(work);
            Live { task, name, background }
        });
        let live = live.collect();
        Self { actors: set, live, signals, reload, signalled: false, failures: Vec::new() }
    }

    /// Waits for what ends the group.
    async fn first_end(
        &mut self,
        mut until: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
        hear: &impl Fn(Event<'_>),
    ) {
        poll_fn(|cx| {
            if let Poll::Ready(signal) = self.poll_signal(cx) {
                self.signalled = true;
                hear(Event::Stopping(Reason::Signal(signal)));
                return Poll::Ready(());
            }
            if let Some(reload) = &mut self.reload {
                reload.poll(cx, hear);
            }
            if until.as_mut().is_some_and(|until| until.as_mut().poll(cx).is_ready()) {
                hear(Event::Stopping(Reason::Asked));
                return Poll::Ready(());
            }
            while let Poll::Ready((live, well)) = self.poll_actor(cx) {
                if !(live.background && well) {
                    hear(Event::Stopping(Reason::Ended(&live.name)));
                    return Poll::Ready(());
                }
            }
            if until.is_none() && self.signals.is_none() && self.live.is_empty() {
                hear(Event::Stopping(Reason::Idle));
                return Poll::Ready(());
            }
            Poll::Pending
        })
        .await;
    }

    /// Runs the phases and waits for the actors; returns the signal that
    /// forced the end.
    async fn stop(
        &mut self,
        phases: Vec<Phase>,
        end: Option<Instant>,
        hear: &impl Fn(Event<'_>),
    ) -> Option<Signal> {
        let mut phases = phases.into_iter();
        while let Some(Phase { name, limit, work }) = phases.next() {
            let now = Instant::now();
            if end.is_some_and(|end| end <= now) {
                self.failures.push(Failure::Skipped { name });
                continue;
            }
            hear(Event::Phase(&name));
            let own = now.checked_add(limit);
            let until = [own, end].into_iter().flatten().min();
            // A task, so that its panic is an error; dropped here, so that it
            // ends with the phase.
            let mut task = JoinSet::new();
            task.spawn(work);
            match self.wait(until, |_, cx| task.poll_join_next(cx)).await {
                Waited::Done(result) => {
                    self.failures.extend(result.and_then(|result| failure(name, result)));
                }
                Waited::TimeIsUp => {
                    let limit = until.map_or(limit, |until| until - now);
                    self.failures.push(Failure::Overran { name, limit });
                }
                Waited::Forced(signal) => {
                    self.failures.push(Failure::BrokenOff { name });
                    let left = phases.map(|phase| Failure::Skipped { name: phase.name });
                    self.failures.extend(left);
                    return Some(signal);
                }
            }
        }
        // What works for others has nobody left to work for.
        self.live.iter().filter(|live| live.background).for_each(|live| live.task.abort());
        let ended = self.wait(end, |running, cx| {
            while running.poll_actor(cx).is_ready() {}
            if running.live.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        });
        if let Waited::Forced(signal) = ended.await {
            return Some(signal);
        }
        None
    }

    /// Waits for `work`, the time `until` or a second signal, and takes notice
    /// of actors that end meanwhile.
    async fn wait<T>(
        &mut self,
        until: Option<Instant>,
        mut work: impl FnMut(&mut Self, &mut Context<'_>) -> Poll<T>,
    ) -> Waited<T> {
        let mut timer = pin!(until.map(sleep_until));
        poll_fn(|cx| {
            if let Poll::Ready(done) = work(self, cx) {
                return Poll::Ready(Waited::Done(done));
            }
            while let Poll::Ready(signal) = self.poll_signal(cx) {
                // The shutdown may have begun without a first.
                if std::mem::replace(&mut self.signalled, true) {
                    return Poll::Ready(Waited::Forced(signal));
                }
            }
            while self.poll_actor(cx).is_ready() {}
            match timer.as_mut().as_pin_mut() {
                Some(timer) => timer.poll(cx).map(|()| Waited::TimeIsUp),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// Takes notice of signals, and returns one that asks to stop.
    fn poll_signal(&mut self, cx: &mut Context<'_>) -> Poll<Signal> {
        while let Some(signals) = &mut self.signals {
            match signals.poll(cx) {
                Poll::Ready(Some(Signal::Hangup)) => {
                    if let Some(reload) = &mut self.reload {
                        reload.ask();
                    }
                }
                Poll::Ready(Some(signal)) => return Poll::Ready(signal),
                Poll::Ready(None) => self.signals = None,
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Pending
    }

    /// Takes notice of an actor that ended, and says whether it ended well.
    fn poll_actor(&mut self, cx: &mut Context<'_>) -> Poll<(Live, bool)> {
        while let Poll::Ready(Some(ended)) = self.actors.poll_join_next_with_id(cx) {
            let (id, result) = match ended {
                Ok((id, result)) => (id, Ok(result)),
                Err(error) => (error.id(), Err(error)),
            };
            let Some(at) = self.live.iter().position(|live| live.task.id() == id) else { continue };
            let live = self.live.remove(at);
            let failure = failure(live.name.clone(), result);
            let well = failure.is_none();
            self.failures.extend(failure);
            return Poll::Ready((live, well));
        }
        Poll::Pending
    }
}

fn failure(name: Name, result: Result<Result<(), BoxError>, JoinError>) -> Option<Failure> {
    match result {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(Failure::Failed { name, error }),
        Err(error) => {
            let payload = error.try_into_panic().ok()?;
            Some(Failure::Panicked { name, message: message(&*payload) })
        }
    }
}

pub(crate) fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("").to_owned()
}
