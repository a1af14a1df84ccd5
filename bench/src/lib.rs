//! What the benchmarks share: the work that both sides do, and how a program
//! serves one connection, or calls as often as it is told, and says what it
//! allocated.
//!
//! Each side is a program of its own (`src/bin`): bare hyper, axum and bare
//! tonic as their own examples write it, and ours, in the same profile, with
//! the same allocator, around the same functions.

pub mod by_hand;
mod client;
mod ids;
pub mod layers;
mod server;
pub mod stack;
mod waste;
mod work;

pub use self::{
    client::{port_and_job, runtime, work_on_demand},
    ids::Ids,
    server::{constant, job, serve_one, serve_until_told},
    waste::{LITTER, SLOWER, TURN, TURNS, slow_down, spin},
    work::{EmptyName, Greeting, Hello, LIMIT, Many, echo, greet, greeting},
};

use std::{error::Error, fmt::Display, io::Write};

/// Why a program of a benchmark failed.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Says a line to who started this program.
///
/// # Errors
///
/// Fails if nobody listens.
pub fn say(line: impl Display) -> Result<(), BoxError> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// The generated code, of which no server of either side is a part.
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::pedantic,
    clippy::use_self,
    reason = "generated"
)]
pub mod pb {
    include!("pb/bench.v1.rs");
}
