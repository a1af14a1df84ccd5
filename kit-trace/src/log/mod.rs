//! One line for each call, and the lines a program writes.

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
