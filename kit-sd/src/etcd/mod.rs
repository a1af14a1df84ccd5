//! etcd: a [`Registrar`] with a lease, an [`Instancer`] that lists and watches,
//! and the [`Etcd`] cluster that they share.
//!
//! ```no_run
//! use kit_sd::{Instance, Keeper, Watch, etcd};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let cluster = etcd::Etcd::new(["10.0.0.2:2379", "10.0.0.3:2379", "10.0.0.4:2379"])?;
//!
//! // The server: registered in the background, for as long as it lives.
//! let hello = Instance::new("hello", "10.0.0.1:9110".parse()?).zone("eu-1a");
//! let registration = Keeper::new(etcd::Registrar::new(cluster.clone(), hello)).spawn();
//!
//! // Its client: the set as it is now, and each of its changes.
//! let watch = Watch::spawn(etcd::Instancer::new(cluster, "hello"));
//! let seen = watch.instances().changed().await;
//! # drop(seen);
//! registration.deregister().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is in etcd
//!
//! The key is `/kit/<service>/<id>`, where [`Layout::kit`] may say another
//! prefix. What is not a letter or a digit of ASCII, or one of `-._~:`, is
//! written as `%` and two hexadecimal digits for each byte, so that no name
//! reaches into another. The value is one JSON object:
//!
//! | field | JSON | unless given |
//! |---|---|---|
//! | `address` | string, `host:port`, IPv6 in brackets | must be given |
//! | `id` | string | the id of the key |
//! | `service` | string | the service of the key |
//! | `tags` | array of strings | none |
//! | `metadata` | object of strings | none |
//! | `version` | string, best one of [SemVer](https://semver.org) | none |
//! | `zone` | string | none |
//! | `weight` | number from 0 to 4294967295 | 1 |
//! | `health` | `passing`, `warning`, `draining` or `critical` | `passing` |
//!
//! Other fields are for others. A key whose value is not that is left out:
//! [`Instancer::on_left_out`] says which, and why. Services that are registered
//! by Go kit have [`Layout::go_kit`].
//!
//! # What it does about etcd
//!
//! An instance is put under a lease of 10 s (Go kit's), kept alive every third
//! of that. A heartbeat that is answered with a TTL of 0 says that the lease is
//! lost: there is a new one, and the key is put again. So it is when the key is
//! deleted by another hand, which the registrar watches. Deregistering deletes
//! the key and revokes the lease; the shared connection stays.
//!
//! An instancer lists at a revision and watches from the next one, so nothing
//! falls between. When that is compacted, or the watch is cancelled or ends, it
//! lists again. A revision that went back, or another cluster's id, makes the
//! answer [doubtful](crate::Doubt): the instances stay until they have
//! registered again.
//!
//! A server that is stopped, or cut off, is found out within 2 s: a watch that
//! has heard nothing for a second asks for its progress (etcd 3.4 and later),
//! and HTTP/2's own pings are sent only every 10 s, since etcd drops a client
//! that sends them more often than every 5 s. A member without a leader ends
//! its watches. It is tried again at most a second apart for the first minute,
//! then less and less often, down to once in 30 s.
//!
//! A user needs to read and write the range of the prefix.
//!
//! # Building it
//!
//! etcd-client's build runs `protoc`: the one that `PROTOC` names, or that is
//! on `PATH`. Where there is none, protox has a drop-in: `cargo install protox
//! --features bin`, and `PROTOC=protox`.

mod client;
mod cluster;
mod entries;
mod error;
mod instancer;
mod layout;
mod registrar;

pub use self::{
    client::{Change, Changes, Client, Entry, Listing, Told},
    cluster::{Etcd, Watch},
    entries::LeftOut,
    error::{Error, InvalidEntry},
    instancer::Instancer,
    layout::Layout,
    registrar::Registrar,
};
