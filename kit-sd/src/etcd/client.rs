use super::Error;
use std::time::Duration;

/// The few calls to etcd that the registrar and the instancer make.
///
/// [`Etcd`](super::Etcd) implements it. Another client's adapter bounds every
/// call, turns every failure into an [`Error`], and keeps no other policy:
/// what is tried again, and when, is its callers' affair.
pub trait Client: Send + Sync + 'static {
    /// What tells of changes.
    type Watch: Changes;

    /// Returns all keys that begin so, as the leader has them.
    fn list(&self, prefix: &str) -> impl Future<Output = Result<Listing, Error>> + Send;

    /// Watches all keys that begin so, from this revision on, which may be one
    /// that is yet to come.
    fn watch(
        &self,
        prefix: &str,
        revision: i64,
    ) -> impl Future<Output = Result<Self::Watch, Error>> + Send;

    /// Asks, as cheaply as can be, whether anybody answers who may read this
    /// key: within a second, for it is asked after a failure.
    fn ping(&self, key: &str) -> impl Future<Output = Result<(), Error>> + Send;

    /// Begins a lease of whole seconds, and returns its id.
    fn grant(&self, ttl: Duration) -> impl Future<Output = Result<i64, Error>> + Send;

    /// Keeps a lease alive; `false` says that there is none of this id.
    fn keep_alive(&self, lease: i64) -> impl Future<Output = Result<bool, Error>> + Send;

    /// Ends a lease and deletes its keys. One that is not there is no error.
    fn revoke(&self, lease: i64) -> impl Future<Output = Result<(), Error>> + Send;

    /// Puts a key for as long as the lease lasts; `false` says that there is no
    /// such lease.
    fn put(
        &self,
        key: &str,
        value: &str,
        lease: i64,
    ) -> impl Future<Output = Result<bool, Error>> + Send;

    /// Deletes a key. One that is not there is no error.
    fn delete(&self, key: &str) -> impl Future<Output = Result<(), Error>> + Send;
}

/// A watch that is under way; dropped, it ends.
pub trait Changes: Send {
    /// Waits for what it tells next. A server that is silent is found out
    /// within 2 s, however little happens, and is an error. Dropping the future
    /// loses nothing.
    fn next(&mut self) -> impl Future<Output = Result<Told, Error>> + Send;
}

/// What is under a prefix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listing {
    /// The cluster's id.
    pub cluster: u64,
    /// The revision that this is the state of.
    pub revision: i64,
    /// The keys and their values.
    pub entries: Vec<Entry>,
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
}

/// What a watch tells.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Told {
    /// What has changed; nothing, where it only says that it goes on.
    Changes {
        /// The server's revision.
        revision: i64,
        /// The changes, in their order.
        changes: Vec<Change>,
    },
    /// The revisions to be watched are compacted, and their changes lost: list
    /// again.
    Compacted,
}

/// A change of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// It was put.
    Put(Entry),
    /// The key was deleted, or its lease is over.
    Deleted(Vec<u8>),
}

// ===== impl Listing =====

impl Listing {
    /// Creates a listing.
    #[must_use]
    pub const fn new(cluster: u64, revision: i64, entries: Vec<Entry>) -> Self {
        Self { cluster, revision, entries }
    }
}
