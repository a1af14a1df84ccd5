//! What a line of the access log costs, beside tracing-subscriber's compact formatter
//! with the same fields, and a place in the code that is silent.

use crate::{
    BoxError, Row,
    count::{SLACK, callgrind, collected, said, scratch},
    layers::turns,
    slower,
};
use kit_bench::TURNS;
use std::process::Command;

/// A line, to the instructions of the compact formatter's, at most.
const BAR: f64 = 0.5;
/// What a silent place may cost more than one that nobody can listen to, in
/// instructions: 5 ns are about twenty.
const SILENT: f64 = 20.0;
/// Lines between two chances to waste something.
const CHUNK: f64 = 100.0;

/// The formats, and their share of the compact formatter when the table was committed.
const FORMATS: [(&str, f64); 3] = [("logfmt", 0.395), ("json", 0.426), ("pretty", 0.420)];

pub(crate) fn rows() -> Result<Vec<Row>, BoxError> {
    let compact = instructions("compact", 0)?;
    let mut rows = Vec::new();
    for (format, committed) in FORMATS {
        let mut ours = instructions(format, 0)?;
        if let Some(percent) = slower() {
            ours = instructions(format, turns(ours * CHUNK, percent))?;
        }
        let share = ours / compact;
        let bar = BAR.min(committed * SLACK);
        rows.push(Row {
            name: format!("a line of the access log: {format}"),
            ours: format!("{ours:.0} instructions"),
            bare: format!("{compact:.0} instructions (compact)"),
            value: format!("{share:.3} times"),
            bar: format!("{bar:.3} times"),
            met: share <= bar,
        });
    }
    let nobody = instructions("off-none", 0)?;
    let mut ours = instructions("off", 0)?;
    if let Some(percent) = slower() {
        // A share of so little is nothing: of a line's.
        ours = instructions("off", turns(compact * CHUNK, percent))?;
    }
    let added = ours - nobody;
    rows.push(Row {
        name: "an event whose level is off".to_owned(),
        ours: format!("{ours:.1} instructions"),
        bare: format!("{nobody:.1} instructions (no subscriber)"),
        value: format!("{added:+.1} instructions"),
        bar: format!("+{SILENT:.0} instructions"),
        met: added <= SILENT,
    });
    Ok(rows)
}

/// The instructions of one line, if `turns` are wasted on each hundred.
fn instructions(what: &str, turns: u64) -> Result<f64, BoxError> {
    let of = |lines: u32| {
        let log = scratch("log_line.log");
        let [program, args @ ..] = callgrind(&log);
        let mut command = Command::new(program);
        command.args(args).arg(env!("CARGO_BIN_EXE_log_line"));
        command.args([what, &lines.to_string()]).env(TURNS, turns.to_string());
        said(&mut command)?;
        collected(&log)
    };
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    Ok((of(3000)? as f64 - of(1000)? as f64) / 2000.0)
}
