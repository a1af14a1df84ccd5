use crate::Instance;
use std::{error::Error, time::Duration};

/// Puts one instance into a registry: single calls, no policy.
///
/// This is what a backend implements; a [`Keeper`](crate::Keeper) calls it, bounds every call
/// and tries again. Both registering and deregistering must be idempotent.
pub trait Registrar: Send + Sync + 'static {
    /// Why the registry did not do it.
    type Error: Error + Send + Sync + 'static;

    /// Returns the instance.
    fn instance(&self) -> &Instance;

    /// Puts the instance into the registry, found from then on.
    fn register(&self) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Tells the registry that the instance lives, where it wants to be told,
    /// and asks whether it knows it: `false` says that it must be registered
    /// again.
    fn renew(&self) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Returns how often it must be renewed.
    fn period(&self) -> Duration;

    /// Takes the instance out of the registry. One that is not there is none.
    fn deregister(&self) -> impl Future<Output = Result<(), Self::Error>> + Send;
}
