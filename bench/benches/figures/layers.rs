//! What a layer adds to a call, in time, instructions and allocations.

use crate::{
    BoxError, Row,
    count::{SLACK, callgrind, collected, scratch},
    slower, spread,
};
use kit_bench::{LITTER, TURN, TURNS};
use std::process::{Command, Stdio};

const PAIRS: usize = 5;
/// Calls for which `layer_calls` wastes once.
const CHUNK: f64 = 100.0;

/// A layer, and what it cost when the table was committed.
struct Case {
    name: &'static str,
    layer: &'static str,
    /// How often it reads the clock.
    reads: f64,
    /// The nanoseconds that it may add to the call and these reads.
    bar: f64,
    /// Its instructions, the caller's and the service's own included.
    instructions: f64,
    /// Its time, as a share of `layer_calls`' busy loop.
    time: f64,
}

const CASES: [Case; 8] = [
    Case {
        name: "DeadlineLayer, reply at once",
        layer: "deadline",
        reads: 1.0,
        bar: 30.0,
        instructions: 162.3,
        time: 9.96,
    },
    Case {
        name: "CatchPanicLayer",
        layer: "catch_panic",
        reads: 0.0,
        bar: 10.0,
        instructions: 32.3,
        time: 0.899,
    },
    Case {
        name: "BreakerLayer, closed",
        layer: "breaker",
        reads: 0.0,
        bar: 20.0,
        instructions: 126.3,
        time: 2.8,
    },
    Case {
        name: "BreakerLayer, closed, a rate of the last 100 calls",
        layer: "breaker_calls",
        reads: 0.0,
        bar: 20.0,
        instructions: 203.3,
        time: 4.92,
    },
    Case {
        name: "BreakerLayer, closed, a rate of the last 10 s",
        layer: "breaker_time",
        reads: 1.0,
        bar: 20.0,
        instructions: 335.3,
        time: 10.05,
    },
    Case {
        name: "BreakerLayer, closed, slow calls of the last 100",
        layer: "breaker_slow",
        reads: 2.0,
        bar: 20.0,
        instructions: 414.3,
        time: 18.7,
    },
    Case {
        name: "KeyedBreakerLayer, closed, ten keys",
        layer: "breaker_keyed",
        reads: 0.0,
        bar: 40.0,
        instructions: 330.3,
        time: 8.75,
    },
    Case {
        name: "RedLayer",
        layer: "red",
        reads: 2.0,
        bar: 30.0,
        instructions: 313.3,
        time: 24.75,
    },
];

/// The time of a deadline over a reply that lets wait, to that of tokio's
/// time-out over the same: when the table was committed, and the bar.
const WAITING: (f64, f64) = (1.012, 1.3);

pub(crate) fn rows() -> Result<Vec<Row>, BoxError> {
    let mut rows = Vec::new();
    for case in CASES {
        rows.extend([case.time()?, case.instructions()?, case.allocations()?]);
        if case.layer == "deadline" {
            rows.push(waiting()?);
        }
    }
    Ok(rows)
}

// ===== impl Case =====

impl Case {
    fn time(&self) -> Result<Row, BoxError> {
        let runs = runs(self.layer)?;
        let bare = |run: &[f64; 5]| run[1] + self.reads * run[2];
        let adds = runs.iter().map(|run| run[0] - bare(run)).collect();
        let (added, ..) = spread(adds);
        let (time, least, most) = spread(runs.iter().map(|run| run[3]).collect());
        let (ours, ..) = spread(runs.iter().map(|run| run[0]).collect());
        let (alone, ..) = spread(runs.iter().map(|run| run[1]).collect());
        let (clock, ..) = spread(runs.iter().map(|run| run[2]).collect());
        let limit = self.time * SLACK;
        Ok(Row {
            name: self.name.to_owned(),
            ours: format!("{ours:.2} ns"),
            bare: format!("{alone:.2} ns, {} clock reads of {clock:.1} ns", self.reads),
            value: format!("{added:+.2} ns; {time:.3} busy loops ({least:.3} to {most:.3})"),
            bar: format!("{} ns; {limit:.3} busy loops", self.bar),
            met: added <= self.bar && time <= limit,
        })
    }

    /// Instructions repeat on any machine, as times do not.
    fn instructions(&self) -> Result<Row, BoxError> {
        let mut ours = instructions(self.layer, 0)?;
        if let Some(percent) = slower() {
            ours = instructions(self.layer, turns(ours * CHUNK, percent))?;
        }
        let bare = instructions("none", 0)?;
        let limit = self.instructions * SLACK;
        Ok(Row {
            name: "the same, instructions".to_owned(),
            ours: format!("{ours:.1}"),
            bare: format!("{bare:.1}"),
            value: format!("{:+.1}", ours - bare),
            bar: format!("{limit:.1} in all"),
            met: ours <= limit,
        })
    }

    fn allocations(&self) -> Result<Row, BoxError> {
        let mut command = calls(self.layer, "1000");
        if slower().is_some() {
            // A share of none is none: one in each hundred calls.
            command.env(LITTER, "1000");
        }
        let count = said(&mut command)?;
        Ok(Row {
            name: "the same, allocations in 1000 calls".to_owned(),
            ours: count.clone(),
            bare: "0".to_owned(),
            met: count == "0",
            value: count,
            bar: "0".to_owned(),
        })
    }
}

/// Returns how many turns make `instructions` a few percent more.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
pub(crate) fn turns(instructions: f64, percent: f64) -> u64 {
    (instructions * percent / 100.0 / TURN).ceil() as u64
}

fn calls(layer: &str, how: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_layer_calls"));
    command.args([layer, how]);
    command
}

fn said(command: &mut Command) -> Result<String, BoxError> {
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("{command:?} ended with {}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Times a layer in processes of their own: where its memory lies, which moves
/// some by a few percent, is another in each.
fn runs(layer: &str) -> Result<Vec<[f64; 5]>, BoxError> {
    let run = |_| {
        let line = said(&mut calls(layer, "time"))?;
        let figures = line.split(' ').map(str::parse).collect::<Result<Vec<f64>, _>>()?;
        figures.try_into().map_err(|_| BoxError::from(line))
    };
    (0..PAIRS).map(run).collect()
}

/// The instructions of one call, if `turns` are wasted on each hundred.
fn instructions(layer: &str, turns: u64) -> Result<f64, BoxError> {
    let one = |calls: u32| {
        let log = scratch("callgrind.log");
        let [program, args @ ..] = callgrind(&log);
        let mut command = Command::new(program);
        command.args(args).arg(env!("CARGO_BIN_EXE_layer_calls"));
        command.args([layer, &calls.to_string()]).env(TURNS, turns.to_string());
        said(&mut command)?;
        collected(&log)
    };
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    Ok((one(3000)? as f64 - one(1000)? as f64) / 2000.0)
}

/// A row for a deadline over a reply that lets wait.
fn waiting() -> Result<Row, BoxError> {
    let runs = runs("waiting")?;
    let (committed, bar) = WAITING;
    let limit = bar.min(committed * SLACK);
    let middle = |at: usize| spread(runs.iter().map(|run| run[at]).collect());
    let (ratio, least, most) = middle(4);
    Ok(Row {
        name: "DeadlineLayer, reply not at once".to_owned(),
        ours: format!("{:.1} ns", middle(0).0),
        bare: format!("{:.1} ns, tokio::time::timeout", middle(1).0),
        value: format!("{ratio:.3} times ({least:.3} to {most:.3})"),
        bar: format!("{limit:.3} times"),
        met: ratio <= limit,
    })
}
