use crate::{
    Backoff, Health, NotRegistered, Registrar, Registration, RegistrationStatus, Status,
    error::chain,
    owned::Owned,
    pace::Pace,
    race::{First, race},
};
use std::{error::Error, fmt, future::pending, pin::Pin, sync::Arc, time::Duration};
use tokio::{
    sync::{oneshot, watch},
    time::{Instant, sleep_until, timeout},
};

/// Keeps an instance registered, from when it is ready until it is
/// deregistered.
///
/// A registry that is absent is tried again in the background
/// ([`Backoff::of_registry`]); one that has lost the instance gets it again.
/// Each call to the registry may take 5 s.
pub struct Keeper<R> {
    registrar: R,
    ready: Option<watch::Receiver<bool>>,
    check: Option<Check>,
    failing: Failing,
    backoff: Backoff,
    limit: Duration,
}

/// What becomes of an instance whose own [check](Keeper::check) fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failing {
    /// It is taken out of the registry, and registered again when the check
    /// passes.
    #[default]
    Deregistered,
    /// It stays, marked as critical, where the registry can say so; else it is
    /// taken out.
    Critical,
}

/// The service's own check; erased, for it is asked once in seconds.
struct Check {
    every: Duration,
    ask: Box<dyn FnMut() -> Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>> + Send>,
}

type BoxError = Box<dyn Error + Send + Sync>;

/// What is asked of the task that keeps an instance registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    Keep,
    Drain,
}

/// The task that keeps an instance registered.
struct Keeping<R> {
    registrar: Arc<R>,
    ready: Readiness,
    wish: watch::Receiver<Wish>,
    stop: oneshot::Receiver<()>,
    failing: Failing,
    /// Whether the service's own check passes.
    passes: watch::Receiver<bool>,
    backoff: Backoff,
    limit: Duration,
    status: watch::Sender<Status>,
    /// Whether the registry may know the instance: a call that failed may have
    /// been heard all the same.
    is_left: bool,
}

/// Readiness whose end is not its loss: the last word of a sender that is gone
/// counts for ever. Without a sender it is ready.
struct Readiness(Option<watch::Receiver<bool>>);

/// When there is something to do next.
enum Next {
    At(Instant),
    /// Once something is other than it is.
    Changed,
}

// ===== impl Keeper =====

impl<R: Registrar> Keeper<R> {
    /// Keeps the instance of `registrar` registered, ready from the start.
    #[must_use]
    pub fn new(registrar: R) -> Self {
        Self {
            registrar,
            ready: None,
            check: None,
            failing: Failing::default(),
            backoff: Backoff::of_registry(),
            limit: Duration::from_secs(5),
        }
    }

    /// Registers only while `ready` is true; the instance is deregistered when
    /// it no longer is, and registered again when it is again.
    #[must_use]
    pub fn ready(mut self, ready: watch::Receiver<bool>) -> Self {
        self.ready = Some(ready);
        self
    }

    /// Asks the service itself how it is, so often, before it is registered
    /// and while it is. A check that takes longer than that fails.
    ///
    /// What becomes of an instance that fails, [`failing`](Self::failing) says.
    #[must_use]
    pub fn check<F, Fut, E>(mut self, every: Duration, mut check: F) -> Self
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError> + 'static,
    {
        let ask = Box::new(move || -> Pin<Box<dyn Future<Output = _> + Send>> {
            let asked = check();
            Box::pin(async move { asked.await.map_err(Into::into) })
        });
        self.check = Some(Check { every: every.max(LEAST), ask });
        self
    }

    /// Sets what becomes of an instance whose check fails.
    #[must_use]
    pub const fn failing(mut self, failing: Failing) -> Self {
        self.failing = failing;
        self
    }

    /// Sets the pauses between tries.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Sets how long a call to the registry may take.
    #[must_use]
    pub const fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Registers in the background, for as long as it takes.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime.
    pub fn spawn(self) -> Registration {
        self.keep(Status::default())
    }

    /// Waits until it is ready and registers once, so that it is known whether
    /// that went well; then keeps it so in the background.
    ///
    /// When the future is dropped while the call is under way, the registry
    /// may have heard it.
    ///
    /// # Errors
    ///
    /// When its own check failed, or this one try did; nothing goes on in the
    /// background.
    pub async fn register(mut self) -> Result<Registration, NotRegistered<R::Error>> {
        if let Some(ready) = &mut self.ready {
            ready.wait_for(|ready| *ready).await.map_err(|_| NotRegistered::NeverReady)?;
        }
        if let Some(check) = &mut self.check {
            check.ask().await.map_err(NotRegistered::Failing)?;
        }
        let health = self.registrar.instance().health;
        match timeout(self.limit, self.registrar.register(health)).await {
            Ok(Ok(())) => {
                let health = Some(health);
                Ok(self.keep(Status {
                    registered: true,
                    registrations: 1,
                    health,
                    ..Status::default()
                }))
            }
            Ok(Err(error)) => Err(NotRegistered::Registry(error)),
            Err(_) => Err(NotRegistered::TimedOut(self.limit)),
        }
    }

    fn keep(self, status: Status) -> Registration {
        let instance = self.registrar.instance();
        let (service, id) = (instance.service.as_str().into(), instance.id.as_str().into());
        let (stop, stopped) = oneshot::channel();
        let (wish, wished) = watch::channel(Wish::Keep);
        let is_left = status.registered;
        // A check that was not asked yet does not pass, unless it just did.
        let (passing, passes) = watch::channel(self.check.is_none() || status.registered);
        let (status, watched) = watch::channel(status);
        let failed = status.clone();
        let keeping = Keeping {
            registrar: Arc::new(self.registrar),
            ready: Readiness(self.ready),
            wish: wished,
            stop: stopped,
            failing: self.failing,
            passes,
            backoff: self.backoff,
            limit: self.limit,
            status,
            is_left,
        };
        let checking = checking(self.check, passing, failed);
        Registration {
            status: RegistrationStatus { watched, service, id },
            stop,
            wish,
            task: Owned(tokio::spawn(async move {
                match race(keeping.run(), checking).await {
                    First::Left(result) => result,
                    First::Right(never) => match never {},
                }
            })),
        }
    }
}

impl<R: fmt::Debug> fmt::Debug for Keeper<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper")
            .field("registrar", &self.registrar)
            .field("checked", &self.check.is_some())
            .field("failing", &self.failing)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

// ===== impl Check =====

/// What is done again and again is not done all the time.
const LEAST: Duration = Duration::from_millis(10);

impl Check {
    async fn ask(&mut self) -> Result<(), BoxError> {
        let every = self.every;
        let late = |_| format!("the check did not end within {every:?}");
        timeout(every, (self.ask)()).await.map_err(late)?
    }
}

/// Asks the check, for ever, and says whether it passes.
async fn checking(
    check: Option<Check>,
    passing: watch::Sender<bool>,
    status: watch::Sender<Status>,
) -> std::convert::Infallible {
    let Some(mut check) = check else { return pending().await };
    loop {
        let begun = Instant::now();
        let result = check.ask().await;
        let failing = result.as_ref().err().map(|error| chain(&**error).into());
        status.send_if_modified(|status| {
            let before = std::mem::replace(&mut status.failing, failing);
            before != status.failing
        });
        passing
            .send_if_modified(|passes| std::mem::replace(passes, result.is_ok()) != result.is_ok());
        sleep_until(begun + check.every).await;
    }
}

// ===== impl Keeping =====

impl<R: Registrar> Keeping<R> {
    async fn run(mut self) -> Result<(), BoxError> {
        let mut losses = Pace::new();
        let mut next = if self.status.borrow().registered {
            // Just registered in the foreground.
            self.next_period()
        } else {
            Next::At(Instant::now())
        };
        loop {
            match self.wait(next).await {
                Woken::Stopped => break,
                Woken::Lost => {
                    self.forgotten();
                    // One that takes the instance and does not know it is
                    // not told without end.
                    losses.wait().await;
                    losses.round(false);
                }
                Woken::Due | Woken::Changed => {}
            }
            next = self.step().await;
        }
        let was_registered = self.status.borrow().registered;
        if !self.is_left {
            return Ok(());
        }
        // A registry that never took the instance need not hear the farewell.
        self.withdraw().await.or_else(|error| if was_registered { Err(error) } else { Ok(()) })
    }

    /// How the instance is to be registered; `None` is not at all.
    fn wanted(&mut self) -> Option<Health> {
        let is_ready = self.ready.get();
        let passes = *self.passes.borrow_and_update();
        let drains = *self.wish.borrow_and_update() == Wish::Drain;
        let own = self.registrar.instance().health;
        if drains && self.is_left && self.registrar.can_say(Health::Draining) {
            // It is to be found as draining, also when it is no longer ready.
            return Some(Health::Draining);
        }
        match (is_ready, passes, self.failing) {
            (true, true, _) => Some(own),
            (true, false, Failing::Critical)
                if self.is_left && self.registrar.can_say(Health::Critical) =>
            {
                Some(Health::Critical)
            }
            _ => None,
        }
    }

    /// Does the next thing, and says when there is another.
    async fn step(&mut self) -> Next {
        let wanted = self.wanted();
        let (is_registered, told) = {
            let status = self.status.borrow();
            (status.registered, status.health)
        };
        let done = match wanted {
            Some(health) if is_registered && told == Some(health) => self.renew(health).await,
            Some(health) => self.register(health).await,
            None if self.is_left => self.withdraw().await.map(|()| Next::Changed),
            None => Ok(Next::Changed),
        };
        done.unwrap_or_else(|_| {
            let pause = self.backoff.pause();
            // A heartbeat is not let lapse by a pause.
            let most = if is_registered { self.registrar.period().max(LEAST) } else { pause };
            Next::At(Instant::now() + pause.min(most))
        })
    }

    async fn register(&mut self, health: Health) -> Result<Next, BoxError> {
        self.is_left = true;
        let registrar = Arc::clone(&self.registrar);
        self.call(registrar.register(health)).await?;
        self.status.send_modify(|status| {
            status.registered = true;
            status.health = Some(health);
            status.registrations += 1;
        });
        Ok(self.next_period())
    }

    async fn renew(&mut self, health: Health) -> Result<Next, BoxError> {
        let registrar = Arc::clone(&self.registrar);
        if self.call(registrar.renew(health)).await? {
            return Ok(self.next_period());
        }
        self.forgotten();
        Ok(Next::At(Instant::now()))
    }

    async fn withdraw(&mut self) -> Result<(), BoxError> {
        let registrar = Arc::clone(&self.registrar);
        self.call(registrar.deregister()).await?;
        self.is_left = false;
        self.forgotten();
        Ok(())
    }

    /// The registry does not have the instance any more.
    fn forgotten(&self) {
        self.status.send_if_modified(|status| {
            status.health = None;
            std::mem::take(&mut status.registered)
        });
    }

    /// Says when to renew: spread by a tenth, and never so often that it would
    /// be all the task does.
    fn next_period(&mut self) -> Next {
        Next::At(Instant::now() + self.backoff.spread(self.registrar.period().max(LEAST)))
    }

    /// Makes a call in its time, and takes down how it went.
    async fn call<T>(
        &mut self,
        call: impl Future<Output = Result<T, R::Error>>,
    ) -> Result<T, BoxError> {
        let error: BoxError = match timeout(self.limit, call).await {
            Ok(Ok(value)) => {
                self.backoff.reset();
                self.status.send_if_modified(|status| status.error.take().is_some());
                return Ok(value);
            }
            Ok(Err(error)) => error.into(),
            Err(_) => NotRegistered::<R::Error>::TimedOut(self.limit).into(),
        };
        self.status.send_modify(|status| {
            status.failures += 1;
            status.error = Some(chain(&*error).into());
        });
        Err(error)
    }

    /// Waits until there is something to do.
    async fn wait(&mut self, next: Next) -> Woken {
        let registrar = Arc::clone(&self.registrar);
        let is_registered = self.status.borrow().registered;
        let due = async {
            match next {
                Next::At(at) => sleep_until(at).await,
                Next::Changed => pending().await,
            }
        };
        let lost = async {
            if !is_registered {
                pending::<()>().await;
            }
            registrar.lost().await;
        };
        let changed =
            race(self.ready.changed(), race(changed(&mut self.passes), changed(&mut self.wish)));
        let stop = async {
            // A registration that is dropped, not deregistered, aborts us.
            if (&mut self.stop).await.is_err() {
                pending::<()>().await;
            }
        };
        match race(stop, race(changed, race(lost, due))).await {
            First::Left(()) => Woken::Stopped,
            First::Right(First::Left(_)) => Woken::Changed,
            First::Right(First::Right(First::Left(()))) => Woken::Lost,
            First::Right(First::Right(First::Right(()))) => Woken::Due,
        }
    }
}

/// Why there is something to do.
enum Woken {
    Stopped,
    Changed,
    Lost,
    Due,
}

/// Waits for a value that was not got yet.
async fn changed<T>(watched: &mut watch::Receiver<T>) {
    if watched.changed().await.is_err() {
        pending::<()>().await;
    }
}

// ===== impl Readiness =====

impl Readiness {
    fn get(&mut self) -> bool {
        self.0.as_mut().is_none_or(|ready| *ready.borrow_and_update())
    }

    async fn changed(&mut self) {
        match &mut self.0 {
            Some(ready) => changed(ready).await,
            None => pending().await,
        }
    }
}
