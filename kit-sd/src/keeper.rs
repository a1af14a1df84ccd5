use crate::{
    Backoff, NotRegistered, Registrar, Registration, RegistrationStatus, Status,
    error::chain,
    owned::Owned,
    race::{First, race},
};
use std::{error::Error, future::pending, sync::Arc, time::Duration};
use tokio::{
    sync::{oneshot, watch},
    time::{sleep, timeout},
};

/// Keeps an instance registered, from when it is ready until it is
/// deregistered.
///
/// A registry that is absent is tried again in the background (100 ms to 5 s,
/// full jitter); one that has lost the instance gets it again. Each call to
/// the registry may take 5 s.
#[derive(Debug)]
pub struct Keeper<R> {
    registrar: R,
    ready: Option<watch::Receiver<bool>>,
    backoff: Backoff,
    limit: Duration,
}

/// The task that keeps an instance registered.
struct Keeping<R> {
    registrar: Arc<R>,
    ready: Readiness,
    stop: oneshot::Receiver<()>,
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

// ===== impl Keeper =====

impl<R: Registrar> Keeper<R> {
    /// Keeps the instance of `registrar` registered, ready from the start.
    #[must_use]
    pub fn new(registrar: R) -> Self {
        Self {
            registrar,
            ready: None,
            backoff: Backoff::new(Duration::from_millis(100), Duration::from_secs(5)),
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
    /// When this one try failed; nothing goes on in the background.
    pub async fn register(mut self) -> Result<Registration, NotRegistered<R::Error>> {
        if let Some(ready) = &mut self.ready {
            ready.wait_for(|ready| *ready).await.map_err(|_| NotRegistered::NeverReady)?;
        }
        match timeout(self.limit, self.registrar.register()).await {
            Ok(Ok(())) => {
                Ok(self.keep(Status { registered: true, registrations: 1, ..Status::default() }))
            }
            Ok(Err(error)) => Err(NotRegistered::Registry(error)),
            Err(_) => Err(NotRegistered::TimedOut(self.limit)),
        }
    }

    fn keep(self, status: Status) -> Registration {
        let instance = self.registrar.instance();
        let (service, id) = (instance.service.as_str().into(), instance.id.as_str().into());
        let (stop, stopped) = oneshot::channel();
        let is_left = status.registered;
        let (status, watched) = watch::channel(status);
        let keeping = Keeping {
            registrar: Arc::new(self.registrar),
            ready: Readiness(self.ready),
            stop: stopped,
            backoff: self.backoff,
            limit: self.limit,
            status,
            is_left,
        };
        Registration {
            status: RegistrationStatus { watched, service, id },
            stop,
            task: Owned(tokio::spawn(keeping.run())),
        }
    }
}

// ===== impl Keeping =====

impl<R: Registrar> Keeping<R> {
    async fn run(mut self) -> Result<(), Box<dyn Error + Send + Sync>> {
        let mut is_due = !self.status.borrow().registered;
        loop {
            let pause = match (self.ready.get(), self.is_left) {
                // Just registered in the foreground.
                (true, _) if !is_due => Some(self.period()),
                (true, _) if self.status.borrow().registered => self.renew().await,
                (true, _) => self.register().await,
                (false, true) => match self.withdraw().await {
                    Ok(()) => None,
                    Err(_) => Some(self.backoff.pause()),
                },
                (false, false) => None,
            };
            is_due = true;
            if self.is_stopped(pause).await {
                break;
            }
        }
        let was_registered = self.status.borrow().registered;
        if !self.is_left {
            return Ok(());
        }
        // A registry that never took the instance need not hear the farewell.
        self.withdraw().await.or_else(|error| if was_registered { Err(error) } else { Ok(()) })
    }

    async fn register(&mut self) -> Option<Duration> {
        self.is_left = true;
        let registrar = Arc::clone(&self.registrar);
        match self.call(registrar.register()).await {
            Ok(()) => {
                self.status.send_modify(|status| {
                    status.registered = true;
                    status.registrations += 1;
                });
                Some(self.period())
            }
            Err(_) => Some(self.backoff.pause()),
        }
    }

    async fn renew(&mut self) -> Option<Duration> {
        let registrar = Arc::clone(&self.registrar);
        match self.call(registrar.renew()).await {
            Ok(true) => Some(self.period()),
            Ok(false) => {
                self.status.send_modify(|status| status.registered = false);
                Some(Duration::ZERO)
            }
            Err(_) => Some(self.backoff.pause().min(self.period())),
        }
    }

    async fn withdraw(&mut self) -> Result<(), Box<dyn Error + Send + Sync>> {
        let registrar = Arc::clone(&self.registrar);
        self.call(registrar.deregister()).await?;
        self.is_left = false;
        self.status.send_modify(|status| status.registered = false);
        Ok(())
    }

    /// Returns when to renew: spread by a tenth, and never so often that it
    /// would be all the task does.
    fn period(&mut self) -> Duration {
        self.backoff.spread(self.registrar.period().max(Duration::from_millis(10)))
    }

    /// Makes a call in its time, and takes down how it went.
    async fn call<T>(
        &mut self,
        call: impl Future<Output = Result<T, R::Error>>,
    ) -> Result<T, Box<dyn Error + Send + Sync>> {
        let error: Box<dyn Error + Send + Sync> = match timeout(self.limit, call).await {
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

    /// Waits for the pause to be over, or readiness to change; `None` is a
    /// pause without end. Says whether it is all over.
    async fn is_stopped(&mut self, pause: Option<Duration>) -> bool {
        let pause = async {
            match pause {
                Some(pause) => sleep(pause).await,
                None => pending().await,
            }
        };
        let wake = race(self.ready.changed(), pause);
        let stop = async {
            // A registration that is dropped, not deregistered, aborts us.
            if (&mut self.stop).await.is_err() {
                pending::<()>().await;
            }
        };
        matches!(race(stop, wake).await, First::Left(()))
    }
}

// ===== impl Readiness =====

impl Readiness {
    fn get(&mut self) -> bool {
        self.0.as_mut().is_none_or(|ready| *ready.borrow_and_update())
    }

    /// Waits for a value that was not got yet.
    async fn changed(&mut self) {
        if let Some(ready) = &mut self.0
            && ready.changed().await.is_ok()
        {
            return;
        }
        pending::<()>().await;
    }
}
