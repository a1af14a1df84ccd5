//! What it costs to know who calls, beside the bare primitive.

use crate::{
    BoxError, Row,
    count::{Counted, said},
    spread,
};
use std::process::Command;

const PAIRS: usize = 5;
/// Calls between two chances to waste something.
const CHUNK: f64 = 10.0;

/// What is measured, and what it cost when the table was committed.
struct Case {
    name: &'static str,
    job: &'static str,
    /// The nanoseconds that it may take, over the bare primitive if there is one.
    bar: f64,
    is_over: bool,
    instructions: f64,
}

const fn over(name: &'static str, job: &'static str, instructions: f64) -> Case {
    Case { name, job, bar: 1500.0, is_over: true, instructions }
}

const CASES: [Case; 6] = [
    over("HS256", "HS256", 26_199.4),
    over("ES256", "ES256", 737_810.0),
    over("EdDSA", "EdDSA", 495_211.9),
    over("RS256", "RS256", 299_349.0),
    over("Basic, of one static user", "basic", 8_262.1),
    Case {
        name: "a token that was verified before",
        job: "cached",
        bar: 300.0,
        is_over: false,
        instructions: 2_014.0,
    },
];

pub(crate) fn rows() -> Result<Vec<Row>, BoxError> {
    let mut rows = Vec::new();
    for case in CASES {
        rows.push(case.time()?);
        rows.push(case.instructions()?);
    }
    Ok(rows)
}

// ===== impl Case =====

impl Case {
    fn time(&self) -> Result<Row, BoxError> {
        let run = |_| {
            let said = said(Command::new(env!("CARGO_BIN_EXE_auth")).args([self.job, "time"]))?;
            let (ours, bare) = said.split_once(' ').ok_or("it says two times")?;
            Ok::<_, BoxError>((ours.parse::<f64>()?, bare.parse::<f64>()?))
        };
        let pairs = (0..PAIRS).map(run).collect::<Result<Vec<_>, _>>()?;
        let (ours, ..) = spread(pairs.iter().map(|pair| pair.0).collect());
        let (bare, ..) = spread(pairs.iter().map(|pair| pair.1).collect());
        let value = |(ours, bare): &(f64, f64)| if self.is_over { ours - bare } else { *ours };
        let (middle, least, most) = spread(pairs.iter().map(value).collect());
        let sign = if self.is_over { "+" } else { "" };
        Ok(Row {
            name: format!("auth: {}", self.name),
            ours: format!("{ours:.0} ns"),
            bare: format!("{bare:.0} ns"),
            value: format!("{sign}{middle:.0} ns ({least:.0} to {most:.0})"),
            bar: format!("{sign}{:.0} ns", self.bar),
            met: middle <= self.bar,
        })
    }

    fn instructions(&self) -> Result<Row, BoxError> {
        let program = env!("CARGO_BIN_EXE_auth");
        // A key that is drawn by chance costs more or less: little beside many calls.
        let often = if self.instructions < 10_000.0 { (2_000, 42_000) } else { (200, 600) };
        Counted { program, job: self.job, often, chunk: CHUNK }.row(self.instructions)
    }
}
