use crate::{Instances, Publisher, owned::Owned};

/// Follows a registry: one service's instances, for as long as it runs.
///
/// This is what a backend implements. It does nothing until it runs, and is
/// ended by dropping what [`run`](Self::run) returned, also in the middle of a
/// query. Put that future wherever the program keeps its tasks, or let a
/// [`Watch`] own it.
pub trait Instancer: Send + Sized + 'static {
    /// Returns the name of the service.
    fn service(&self) -> &str;

    /// Publishes every set the registry tells, and every failure to ask it.
    ///
    /// It returns only if there is nothing more to learn, ever; an error is
    /// published and tried again.
    fn run(self, publisher: Publisher) -> impl Future<Output = ()> + Send;
}

/// A task that follows a registry, owned: dropping it ends the task, and with
/// it a query that is under way. Whoever holds the [`Instances`] keeps the
/// last set.
#[derive(Debug)]
pub struct Watch {
    instances: Instances,
    task: Owned<()>,
}

// ===== impl Watch =====

impl Watch {
    /// Starts to follow.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime.
    pub fn spawn<I: Instancer>(instancer: I) -> Self {
        let (publisher, set) = Instances::channel(instancer.service());
        let task = Owned(tokio::spawn(async move { instancer.run(publisher).await }));
        Self { instances: set, task }
    }

    /// Returns a view of the set.
    #[must_use]
    pub fn instances(&self) -> Instances {
        self.instances.clone()
    }

    /// Says whether the task is over, which it is only if there is nothing
    /// more to learn, or if it panicked.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.task.0.is_finished()
    }
}
