//! One line for each call, and the lines a program writes.
//!
//! Everything here speaks to `tracing`, and each part is useful alone:
//!
//! - [`LogLayer`] logs each call of any tower service once, and `AccessLog` (feature
//!   `hook`) each request of kit's transports; [`Sampling`] bounds how many;
//! - [`Lines`] writes events as logfmt, JSON or for a person: one event, one line, one
//!   write, escaped and of bounded length;
//! - [`Redacted`] hides a secret by its type, and [`Sensitive`] by the name of its field;
//! - [`Filter`] says what is logged and changes while the program runs, also for a time,
//!   also over HTTP ([`LogService`]);
//! - [`Queue`] is a writer that waits for no reader.
//!
//! ```
//! use kit_trace::log::{Filter, Format, Lines};
//! use tracing_subscriber::prelude::*;
//!
//! let filter = Filter::new("info,access=warn").unwrap();
//! let lines = Lines::new(Format::Logfmt, std::io::stderr);
//! let subscriber = tracing_subscriber::registry().with(lines.with_filter(filter.clone()));
//! tracing::subscriber::with_default(subscriber, || {
//!     // ts=2026-11-29T01:34:49.123456Z level=info target=doc message=listening port=9110
//!     tracing::info!(port = 9110, "listening");
//!     filter.set("debug").unwrap();
//! });
//! ```
//!
//! Nothing here installs a subscriber, reads the environment or runs by itself.

#[cfg(feature = "hook")]
pub mod access;
pub mod call;
mod filter;
mod heard;
mod lines;
mod queue;
mod redact;
mod sample;
mod service;

#[cfg(feature = "hook")]
pub use self::access::{AccessLog, SampledAccessLog};
pub use self::{
    call::LogLayer,
    filter::{BadFilter, Filter, Setting},
    lines::{Counts, Format, Lines, UnknownFormat},
    queue::{Queue, Writer},
    redact::{REDACTED, Redacted, Sensitive},
    sample::{Rate, Sampling},
    service::LogService,
};
