use crate::Publisher;

/// Follows a registry: one service's instances, for as long as it runs.
///
/// This is what a backend implements. It does nothing until it runs, and is
/// ended by dropping what [`run`](Self::run) returned, also in the middle of a
/// query. A [`Follower`](crate::Follower) runs it in a task that somebody owns.
pub trait Instancer: Send + Sized + 'static {
    /// Returns the name of the service.
    fn service(&self) -> &str;

    /// Publishes every set the registry tells, and every failure to ask it.
    ///
    /// It returns only if there is nothing more to learn, ever; an error is
    /// published and tried again. What it publishes need not be sorted, nor
    /// differ from the set before.
    fn run(self, publisher: Publisher) -> impl Future<Output = ()> + Send;
}
