//! A file: a list of instances, JSON or TOML, read again when it changes.
//!
//! For what no registry knows: a development machine, a partner's fixed
//! addresses, a Kubernetes `ConfigMap`, or what a tool of yours writes.
//!
//! ```toml
//! # hello.toml
//! [[instances]]
//! address = "10.0.0.1:9110"
//!
//! [[instances]]
//! address = "hello-2.example.com:9110"
//! id = "hello-2"
//! weight = 2
//! zone = "eu-1a"
//! version = "1.4.0"
//! tags = ["canary"]
//! metadata = { team = "a" }
//! health = "draining"
//! ```
//!
//! ```
//! use kit_sd::{Watch, file};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("hello.toml");
//! # std::fs::write(&path, "[[instances]]\naddress = \"10.0.0.1:9110\"\n")?;
//! let watch = Watch::spawn(file::Instancer::new("hello", path));
//! let seen = watch.instances().changed().await.unwrap();
//! assert_eq!(seen.instances[0].address.to_string(), "10.0.0.1:9110");
//! # Ok(())
//! # }
//! ```
//!
//! # What is in it
//!
//! One key, `instances`: a list, in which an instance has an `address`, and
//! whatever else an [`Instance`](crate::Instance) has. In JSON it is the same:
//! `{"instances": [{"address": "10.0.0.1:9110"}]}`. The end of the file's name
//! says which of the two it is, `.json` or `.toml`.
//!
//! An instance with a `service` of another name is not ours and left out, so
//! one file may serve several; one without is of the service that is followed.
//!
//! # When it is read
//!
//! Once a second, and its content is compared: so an editor that replaces the
//! file, and the swapped links of a `ConfigMap`, are seen as well as what is
//! written in place. A change is taken once two readings 100 ms apart agree,
//! for not everyone who writes replaces the file as a whole. Reading never
//! blocks the runtime.
//!
//! # What it believes
//!
//! A file is right as a whole or not at all: one that is missing, cannot be
//! read, or has a mistake keeps the last good set, which is stale then, and
//! the reason names every mistake at once. A key that is not known is a
//! mistake, and so is a file without `instances`, as an empty one is.
//!
//! `instances = []` is an answer. As with any source, a
//! [`Follower`](crate::Follower) doubts that all instances are gone at once and
//! keeps them for its grace, 30 s by default; with a
//! [grace](crate::Follower::grace) of zero a file is believed at its word.

mod error;
mod instancer;
mod list;

pub use self::{error::Error, instancer::Instancer};
