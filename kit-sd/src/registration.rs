use crate::{Health, NotDeregistered, keeper::Wish, owned::Owned};
use kit_endpoint::{Inspect, Inspector};
use std::{error::Error, sync::Arc};
use tokio::sync::{oneshot, watch};

/// An instance that is kept registered by a task, owned.
///
/// [`deregister`](Self::deregister) ends it well. Dropping it ends the task at
/// once and says nothing to the registry, where the instance stays until its
/// check has failed for long enough.
#[derive(Debug)]
pub struct Registration {
    pub(crate) status: RegistrationStatus,
    pub(crate) stop: oneshot::Sender<()>,
    pub(crate) wish: watch::Sender<Wish>,
    pub(crate) task: Owned<Result<(), Box<dyn Error + Send + Sync>>>,
}

/// How a registration is doing: a view to be cloned, waited on and inspected.
#[derive(Debug, Clone)]
pub struct RegistrationStatus {
    pub(crate) watched: watch::Receiver<Status>,
    pub(crate) service: Arc<str>,
    pub(crate) id: Arc<str>,
}

/// Whether an instance is registered.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Status {
    /// Whether it is, as far as the registry has said.
    pub registered: bool,
    /// How the registry says that it is, while it is registered.
    pub health: Option<Health>,
    /// Why the service's own check fails, if it does.
    pub failing: Option<Arc<str>>,
    /// Counts how often it was registered: more than once if it was lost, or
    /// if how it is has changed.
    pub registrations: u64,
    /// Counts the calls to the registry that failed.
    pub failures: u64,
    /// Why the last call failed, if it did.
    pub error: Option<Arc<str>>,
}

// ===== impl Registration =====

impl Registration {
    /// Returns a view of how it is doing.
    #[must_use]
    pub fn status(&self) -> RegistrationStatus {
        self.status.clone()
    }

    /// Tells the readers of the registry that the instance is about to end, and
    /// is to get no more calls, where the registry can say so; returns at once.
    /// A [status](Self::status) of [`Health::Draining`] says that it heard.
    ///
    /// Call [`deregister`](Self::deregister) when they had the time to hear it.
    /// From here on it stays so, whether it is ready or not.
    pub fn drain(&self) {
        self.wish.send_replace(Wish::Drain);
    }

    /// Takes the instance out of the registry and ends the task.
    ///
    /// It waits for a call that is under way, so that the registry hears them
    /// in the right order, and for its own: twice the
    /// [`limit`](crate::Keeper::limit) at most. It does not try again. Dropping the
    /// future drops the registration.
    ///
    /// # Errors
    ///
    /// When the instance was registered, and the registry did not take it out.
    pub async fn deregister(self) -> Result<(), NotDeregistered> {
        let Self { stop, mut task, .. } = self;
        // A task that is over hears nothing and has a result all the same.
        let _ = stop.send(());
        (&mut task.0).await.map_err(Box::from).and_then(|result| result).map_err(NotDeregistered)
    }
}

impl Inspect for Registration {
    fn inspect(&self, inspector: &mut dyn Inspector) {
        self.status.inspect(inspector);
    }
}

// ===== impl RegistrationStatus =====

impl RegistrationStatus {
    /// Returns the status as it is now.
    #[must_use]
    pub fn get(&self) -> Status {
        self.watched.borrow().clone()
    }

    /// Waits until the status is as `wanted`; it may be so already. `None`
    /// says that it will never be, since the registration has ended.
    pub async fn wait_for(&mut self, wanted: impl FnMut(&Status) -> bool) -> Option<Status> {
        self.watched.wait_for(wanted).await.ok().map(|status| status.clone())
    }
}

impl Inspect for RegistrationStatus {
    fn inspect(&self, inspector: &mut dyn Inspector) {
        let status = self.get();
        let labels = [("service", &*self.service), ("id", &*self.id)];
        inspector.gauge(
            "sd_registered",
            "Whether the instance is registered, 0 or 1.",
            &labels,
            f64::from(u8::from(status.registered)),
        );
        inspector.counter(
            "sd_registrations_total",
            "How often the instance was registered.",
            &labels,
            status.registrations,
        );
        inspector.counter(
            "sd_registration_failures_total",
            "Calls of the registrar that failed.",
            &labels,
            status.failures,
        );
    }
}
