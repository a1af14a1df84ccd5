//! What a layer adds to a call, in time and allocations.

use crate::{
    BoxError, Row,
    requests::{SLACK, callgrind, collected, scratch},
    spread,
};
use kit_bench::{
    WASTE,
    layers::{self, AtOnce, Measured, Waits, call, finish},
};
use kit_endpoint::DeadlineLayer;
use std::{hint::black_box, process::Command, time::Duration};
use tokio::time::Instant;
use tower::{Layer, Service};

const CALLS: u32 = 20_000;
const BATCHES: u32 = 25;
const PAIRS: usize = 5;

/// Nanoseconds for one call, in the quickest of some batches: whatever else
/// the machine does only makes it slower.
fn time(mut call: impl FnMut(u64)) -> f64 {
    let batch = |_| {
        let start = Instant::now();
        for request in 0..u64::from(CALLS) {
            call(request);
        }
        start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
    };
    (0..BATCHES).map(batch).fold(f64::INFINITY, f64::min)
}

/// Times both in turn: the middle of each, and of the differences, with spread.
fn pairs(mut ours: impl FnMut(u64), mut bare: impl FnMut(u64)) -> (Vec<f64>, Vec<f64>) {
    // Once for nothing, so that both begin warm.
    let _ = (time(&mut ours), time(&mut bare));
    (0..PAIRS).map(|_| (time(&mut ours), time(&mut bare))).unzip()
}

fn middle(figures: &[f64]) -> f64 {
    spread(figures.to_vec()).0
}

fn allocated(service: &mut impl Measured) -> u64 {
    allocation_counter::measure(|| (0..1000).for_each(|request| call(service, request))).count_total
}

/// A row for what a layer adds, beyond the clock reads that it makes.
fn added(
    name: &'static str,
    layer: &'static str,
    mut layered: impl Measured,
    reads: f64,
    bar: f64,
    clock: f64,
) -> Result<[Row; 3], BoxError> {
    let mut bare = AtOnce;
    let (ours, bare) = pairs(|n| call(&mut layered, n), |n| call(&mut bare, n));
    let differences = ours.iter().zip(&bare).map(|(ours, bare)| ours - bare - reads * clock);
    let (difference, least, most) = spread(differences.collect());
    let time = Row {
        name,
        ours: format!("{:.1} ns", middle(&ours)),
        bare: format!("{:.1} ns, {reads} clock reads of {clock:.1} ns", middle(&bare)),
        value: format!("{difference:+.1} ns ({least:+.1} to {most:+.1})"),
        bar: format!("{bar} ns"),
        met: difference <= bar,
    };
    let count = allocated(&mut layered);
    let allocations = Row {
        name: "the same, allocations in 1000 calls",
        ours: count.to_string(),
        bare: "0".to_owned(),
        value: count.to_string(),
        bar: "0".to_owned(),
        met: count == 0,
    };
    Ok([time, instructions(layer)?, allocations])
}

/// The instructions of one call through each layer, the service's and the
/// caller's own included, when the table was committed.
const COMMITTED: [(&str, f64); 4] =
    [("deadline", 149.0), ("catch_panic", 20.0), ("breaker", 135.0), ("red", 303.0)];

/// A row for the instructions of a call: they repeat, as times do not, so that
/// a slowdown shows long before it reaches the bar.
fn instructions(layer: &'static str) -> Result<Row, BoxError> {
    let count = |layer: &str, slowed: bool| {
        let one = |calls: u32| {
            let log = scratch("callgrind.log");
            let [program, args @ ..] = callgrind(&log);
            let mut command = Command::new(program);
            command.args(args).arg(env!("CARGO_BIN_EXE_layer_calls"));
            command.args([layer, &calls.to_string()]);
            if !slowed {
                command.env_remove(WASTE);
            }
            let status = command.status()?;
            if status.success() { collected(&log) } else { Err(status.to_string().into()) }
        };
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        Ok::<_, BoxError>((one(3000)? as f64 - one(1000)? as f64) / 2000.0)
    };
    let (ours, bare) = (count(layer, true)?, count("none", false)?);
    let committed = COMMITTED.iter().find(|(name, _)| *name == layer).map_or(0.0, |(_, it)| *it);
    Ok(Row {
        name: "the same, instructions",
        ours: format!("{ours:.0}"),
        bare: format!("{bare:.0}"),
        value: format!("{:+.0}", ours - bare),
        bar: format!("{:.0} in all", committed * SLACK),
        met: ours <= committed * SLACK,
    })
}

pub(crate) fn rows() -> Result<Vec<Row>, BoxError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    // A timer needs a runtime to be made in, not to be polled by.
    let runtime = runtime.ok();
    let _entered = runtime.as_ref().map(tokio::runtime::Runtime::enter);

    let clock =
        middle(&(0..PAIRS).map(|_| time(|_| _ = black_box(Instant::now()))).collect::<Vec<_>>());
    let mut rows = Vec::new();
    rows.extend(added(
        "DeadlineLayer, reply at once",
        "deadline",
        layers::deadline(),
        1.0,
        30.0,
        clock,
    )?);
    rows.push(waiting());
    rows.extend(added("CatchPanicLayer", "catch_panic", layers::catch_panic(), 0.0, 10.0, clock)?);
    rows.extend(added("BreakerLayer, closed", "breaker", layers::breaker(), 0.0, 20.0, clock)?);
    rows.extend(added("RedLayer", "red", layers::red(), 2.0, 30.0, clock)?);
    Ok(rows)
}

/// A deadline over a reply that lets wait, beside tokio's own time-out.
fn waiting() -> Row {
    let limit = Duration::from_secs(5);
    let mut ours = DeadlineLayer::new(limit).layer(Waits);
    let mut bare = Waits;
    let (ours, bare) = pairs(
        |n| call(&mut ours, n),
        |n| drop(black_box(finish(tokio::time::timeout(limit, bare.call(n))))),
    );
    let ratios = ours.iter().zip(&bare).map(|(ours, bare)| ours / bare).collect();
    let (ratio, least, most) = spread(ratios);
    Row {
        name: "DeadlineLayer, reply not at once",
        ours: format!("{:.1} ns", middle(&ours)),
        bare: format!("{:.1} ns, tokio::time::timeout", middle(&bare)),
        value: format!("{ratio:.2} times ({least:.2} to {most:.2})"),
        bar: "1.3 times".to_owned(),
        met: ratio <= 1.3,
    }
}
