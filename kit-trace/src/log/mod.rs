//! One line for each call, and the lines a program writes.

mod filter;
mod lines;
mod queue;
mod redact;
mod service;

pub use self::{
    filter::{BadFilter, Filter, Setting},
    lines::{Counts, Format, Lines, UnknownFormat},
    queue::{Queue, Writer},
    redact::{REDACTED, Redacted, Sensitive},
    service::LogService,
};
