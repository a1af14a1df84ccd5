//! The life of a process: a group of actors, signals, an ordered shutdown.
//!
//! A service is a few things that run side by side (servers, a registrar), and
//! what matters is how they stop: together, in order, and in time. A
//! [`Group`] runs [actors](Group::actor) until the first of them ends or a
//! signal comes, then runs the [phases](Group::on_shutdown) of the shutdown one
//! after the other, each with its own limit, waits for the actors, and returns
//! every error in the order in which it happened. Nothing is lost silently: a
//! panic is an error, and so is a phase that overran or an actor that had to be
//! cut.
//!
//! # Example
//!
//! ```
//! use kit_run::Group;
//! use std::{convert::Infallible, time::Duration};
//! use tokio::sync::watch;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), kit_run::Error> {
//! let (ready, readiness) = watch::channel(true);
//! let (stop, mut stopped) = watch::channel(false);
//! let server = async move {
//!     let _ = stopped.wait_for(|stopped| *stopped).await;
//!     Ok::<(), Infallible>(())
//! };
//!
//! Group::new()
//!     .actor("http", server)
//!     .on_shutdown("readiness off", Duration::from_secs(1), async move {
//!         ready.send_replace(false);
//!     })
//!     .on_shutdown("drain", Duration::from_secs(25), async move {
//!         stop.send_replace(true);
//!     })
//! #     .until(async {})
//!     // .signals(kit_run::signals()?)
//!     .run()
//!     .await?;
//! assert!(!*readiness.borrow());
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//!
//! ```text
//!  run ---- first actor ends, a signal, `until` ----> phases, in order
//!                                                        |
//!          a second signal ends it here and now          v
//!   <----------------------------------------- actors end, or are cut
//! ```
//!
//! An actor and its interrupt, as in oklog/run, are an [`actor`](Group::actor)
//! and a phase that makes it end. What may simply be dropped needs no phase: a
//! [`background`](Group::background) actor. Actors go on running during the
//! phases, which is what a drain needs; each is a task, and so is each phase.
//! All of it has 30 s by default ([`limit`](Group::limit)): a phase that begins
//! later is skipped, and an actor that still runs is dropped.
//!
//! At SIGHUP a [hook](Group::on_reload) reads anew what may change while the
//! process runs, where the program asks for it.
//!
//! # Features
//!
//! `systemd`: [`notify_systemd`](Group::notify_systemd) tells systemd when the
//! service is ready, reloads, stops and is alive.
//!
//! # Which order
//!
//! Readiness off and deregister, so that nobody new comes; wait until watchers
//! know; drain the servers; flush the telemetry. Readiness is a
//! `tokio::sync::watch` channel of `bool`, which the health endpoints read and
//! the first phase sets: there is no type for it here.
//!
//! # Where it goes
//!
//! In `main`, around everything; its error is that of `main`. Nothing of it is
//! global except the handlers of [`signals`], which the program asks for.

mod error;
mod event;
mod group;
mod outcome;
mod reload;
mod signals;
#[cfg(feature = "systemd")]
mod systemd;

pub use self::{
    error::{Error, Failure},
    event::{Event, Reason},
    group::Group,
    outcome::Outcome,
    signals::{Signal, Signals, signals},
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
