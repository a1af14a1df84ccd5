//! How a program of either side calls.

use crate::{BoxError, say};
use std::{env, io::BufRead};
use tokio::runtime::{Builder, Runtime};

/// Returns the runtime of either side: one thread.
///
/// # Errors
///
/// Fails if the system has none.
pub fn runtime() -> Result<Runtime, BoxError> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// Returns where this program's server is, and what it is to call there: its
/// arguments.
///
/// # Errors
///
/// Fails if they are not given.
pub fn port_and_job() -> Result<(u16, String), BoxError> {
    let mut args = env::args().skip(1);
    let port = args.next().ok_or("which port?")?.parse()?;
    Ok((port, args.next().ok_or("what shall I call?")?))
}

/// Lets `work` call as often as each line of standard input says, and answers
/// each with a line; at the end says how many allocations that took, of how
/// many bytes.
///
/// # Errors
///
/// Fails if a call does.
pub fn work_on_demand(mut work: impl FnMut(u64) -> Result<(), BoxError>) -> Result<(), BoxError> {
    let (mut count, mut bytes) = (0, 0);
    for line in std::io::stdin().lock().lines() {
        let calls = line?.trim().parse()?;
        let mut worked = Ok(());
        let counted = allocation_counter::measure(|| worked = work(calls));
        worked?;
        count += counted.count_total;
        bytes += counted.bytes_total;
        say("done")?;
    }
    say(format_args!("{count} {bytes}"))
}
