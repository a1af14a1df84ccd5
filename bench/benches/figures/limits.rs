//! What limits cost a call, beside governor's own stores and the clock.

use crate::{BoxError, Row, count::said, spread};
use std::process::Command;

const PAIRS: usize = 5;

/// A limit of rate: what is said of it, how it is measured, and the nanoseconds
/// that a call may take.
const RATES: [(&str, &[&str], f64); 3] = [
    ("one for all", &["one"], 60.0),
    ("one of a thousand keys", &["keyed", "1000"], 200.0),
    ("one of a million keys, 32 MB", &["keyed", "1000000"], 200.0),
];

/// A limit of concurrency, how it is measured, and what it may add to the call and
/// two readings of the clock.
const LIMITS: [(&str, &str, f64); 3] = [
    ("Gradient2", "gradient2", 40.0),
    ("AIMD", "aimd", 40.0),
    ("a bulkhead, no clock", "bulkhead", 40.0),
];

pub(crate) fn rows() -> Result<Vec<Row>, BoxError> {
    let mut rows = Vec::new();
    for (name, job, bar) in RATES {
        let runs = runs(env!("CARGO_BIN_EXE_rate"), job)?;
        let (ours, least, most) = middle(&runs, 0);
        rows.push(Row {
            name: format!("rate limit: {name}"),
            ours: format!("{ours:.0} ns"),
            bare: format!("{:.0} ns (governor)", middle(&runs, 1).0),
            value: format!("{ours:.0} ns ({least:.0} to {most:.0})"),
            bar: format!("{bar:.0} ns"),
            met: ours <= bar,
        });
    }
    for (name, job, bar) in LIMITS {
        let runs = runs(env!("CARGO_BIN_EXE_concurrency"), &[job])?;
        let reads = if job == "bulkhead" { 0.0 } else { 1.0 };
        let added = runs.iter().map(|run| run[0] - run[1] - reads * run[2]).collect();
        let (added, least, most) = spread(added);
        rows.push(Row {
            name: format!("limit of concurrency: {name}"),
            ours: format!("{:.1} ns", middle(&runs, 0).0),
            bare: format!(
                "{:.1} ns, two clock reads of {:.1} ns",
                middle(&runs, 1).0,
                middle(&runs, 2).0 / 2.0
            ),
            value: format!("{added:+.1} ns ({least:.1} to {most:.1})"),
            bar: format!("+{bar:.0} ns"),
            met: added <= bar,
        });
    }
    Ok(rows)
}

fn runs(program: &str, job: &[&str]) -> Result<Vec<Vec<f64>>, BoxError> {
    let run = |_| {
        let line = said(Command::new(program).args(job).arg("time"))?;
        Ok::<_, BoxError>(line.split(' ').map(str::parse).collect::<Result<Vec<f64>, _>>()?)
    };
    (0..PAIRS).map(run).collect()
}

fn middle(runs: &[Vec<f64>], at: usize) -> (f64, f64, f64) {
    spread(runs.iter().map(|run| run[at]).collect())
}
