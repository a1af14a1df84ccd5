//! What a set of instances costs, in time and instructions.

use crate::{
    BoxError, Row,
    count::{Counted, said},
    spread,
};
use std::process::Command;

const PAIRS: usize = 5;

/// What is measured, and what it cost when the table was committed.
struct Case {
    name: &'static str,
    job: &'static str,
    /// How often it is done, less and more often, when it is counted.
    often: (u32, u32),
    /// The nanoseconds that it may take; none where it is only shown.
    bar: Option<f64>,
    /// Its instructions.
    instructions: f64,
    /// How often it is done between two chances to waste something.
    chunk: f64,
}

const CASES: [Case; 4] = [
    Case {
        name: "the current set is read",
        job: "read",
        often: (10_000, 30_000),
        bar: Some(20.0),
        instructions: 10.3,
        chunk: 100.0,
    },
    Case {
        name: "one of 10,000 instances changes, none of them shared",
        job: "update",
        often: (3, 9),
        bar: None,
        instructions: 0.0,
        chunk: 1.0,
    },
    Case {
        name: "one of 10,000 instances changes, decoded set to subscriber",
        job: "shared",
        often: (3, 9),
        bar: Some(1e6),
        instructions: 2_054_108.5,
        chunk: 1.0,
    },
    Case {
        name: "Consul's answer with 10,000 instances, loopback to decoded set",
        job: "decode",
        often: (2, 4),
        bar: None,
        instructions: 0.0,
        chunk: 1.0,
    },
];

pub(crate) fn rows() -> Result<Vec<Row>, BoxError> {
    let mut rows = Vec::new();
    for case in CASES {
        rows.push(case.time()?);
        if case.bar.is_some() {
            rows.push(case.instructions()?);
        }
    }
    Ok(rows)
}

// ===== impl Case =====

impl Case {
    fn time(&self) -> Result<Row, BoxError> {
        let run = |_| Ok::<_, BoxError>(said(&mut self.command("time"))?.parse::<f64>()?);
        let (middle, least, most) = spread((0..PAIRS).map(run).collect::<Result<_, _>>()?);
        Ok(Row {
            name: format!("sd: {}", self.name),
            ours: unit(middle),
            bare: "-".to_owned(),
            value: format!("{} to {}", unit(least), unit(most)),
            bar: self.bar.map_or_else(|| "shown".to_owned(), unit),
            met: self.bar.is_none_or(|bar| middle <= bar),
        })
    }

    fn instructions(&self) -> Result<Row, BoxError> {
        let (program, job) = (env!("CARGO_BIN_EXE_sd"), self.job);
        Counted { program, job, often: self.often, chunk: self.chunk }.row(self.instructions)
    }

    fn command(&self, how: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sd"));
        command.args([self.job, how]);
        command
    }
}

fn unit(nanoseconds: f64) -> String {
    if nanoseconds < 1e4 {
        format!("{nanoseconds:.2} ns")
    } else {
        format!("{:.3} ms", nanoseconds / 1e6)
    }
}
