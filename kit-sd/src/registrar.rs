use crate::{Health, Instance};
use std::{error::Error, future::pending, time::Duration};

/// Puts one instance into a registry: single calls, no policy.
///
/// This is what a backend implements; a [`Keeper`](crate::Keeper) calls it, bounds every call
/// and tries again. Both registering and deregistering must be idempotent.
pub trait Registrar: Send + Sync + 'static {
    /// Why the registry did not do it.
    type Error: Error + Send + Sync + 'static;

    /// Returns the instance.
    fn instance(&self) -> &Instance;

    /// Puts the instance into the registry as one that is so, in place of what
    /// it says of it. It is found from then on.
    fn register(&self, health: Health) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Tells the registry that the instance is still so, where it wants to be
    /// told, and asks whether it knows it: `false` says that it must be
    /// registered again.
    fn renew(&self, health: Health) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Returns how often it must be renewed: for one that lapses, a third of
    /// the time to live.
    fn period(&self) -> Duration;

    /// Takes the instance out of the registry. One that is not there is none.
    fn deregister(&self) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Says whether the registry can tell its readers that an instance is so.
    /// Where it cannot, one that is critical is deregistered, and one that is
    /// draining stays as it is. By default it can say of none.
    fn can_say(&self, health: Health) -> bool {
        health == Health::Passing
    }

    /// Waits until the registry has lost the instance, where it can say so
    /// unasked. By default it never does, and the next renewal finds out.
    fn lost(&self) -> impl Future<Output = ()> + Send {
        pending()
    }
}
