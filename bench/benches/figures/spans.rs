//! What a span costs, beside tracing's own with the same fields and subscriber, and one
//! that nobody wants.

use crate::{
    BoxError, Row,
    count::{SLACK, callgrind, collected, said, scratch},
    layers::turns,
    slower,
};
use kit_bench::TURNS;
use std::process::Command;

/// A span, to the instructions of tracing's own, at most.
const BAR: f64 = 1.5;
/// What a span that is off may cost more than none, in instructions: 5 ns are about
/// twenty.
const SILENT: f64 = 20.0;
/// Spans between two chances to waste something.
const CHUNK: f64 = 100.0;

/// The spans, the subscribers, and the ratio when the table was committed.
const SPANS: [(&str, &str, f64); 4] = [
    ("internal", "registry", f64::INFINITY),
    ("internal", "otel", 1.243),
    ("server", "registry", f64::INFINITY),
    ("server", "otel", 1.227),
];

pub(crate) fn rows() -> Result<Vec<Row>, BoxError> {
    let mut rows = Vec::new();
    for (span, subscriber, committed) in SPANS {
        let none = instructions("none", subscriber, 0)?;
        let mut ours = instructions(span, subscriber, 0)?;
        if let Some(percent) = slower() {
            ours = instructions(span, subscriber, turns(ours * CHUNK, percent))?;
        }
        // What makes the request and calls the service is nobody's.
        let (ours, bare) =
            (ours - none, instructions(&format!("{span}-bare"), subscriber, 0)? - none);
        let (ratio, bar) = (ours / bare, BAR.min(committed * SLACK));
        rows.push(Row {
            name: format!("a span: {span}, {subscriber}"),
            ours: format!("{ours:.0} instructions"),
            bare: format!("{bare:.0} instructions"),
            value: format!("{ratio:.3} times"),
            bar: format!("{bar:.3} times"),
            met: ratio <= bar,
        });
    }
    for span in ["internal", "server"] {
        let none = instructions("none", "off", 0)?;
        let mut ours = instructions(span, "off", 0)?;
        if let Some(percent) = slower() {
            ours = instructions(span, "off", turns(ours * CHUNK, percent))?;
        }
        let bare = instructions(&format!("{span}-bare"), "off", 0)? - none;
        let added = ours - none;
        rows.push(Row {
            name: format!("a span that is off: {span}"),
            ours: format!("{added:.1} instructions"),
            bare: format!("{bare:.1} instructions"),
            value: format!("{added:+.1} instructions"),
            bar: format!("+{SILENT:.0} instructions"),
            met: added <= SILENT,
        });
    }
    Ok(rows)
}

/// The instructions of one more, if `turns` are wasted on each hundred.
fn instructions(span: &str, subscriber: &str, turns: u64) -> Result<f64, BoxError> {
    let of = |times: u32| {
        let log = scratch("callgrind.log");
        let [program, args @ ..] = callgrind(&log);
        let mut command = Command::new(program);
        command.args(args).arg(env!("CARGO_BIN_EXE_spans"));
        command.args([&format!("{span} {subscriber}"), &times.to_string()]);
        said(command.env(TURNS, turns.to_string()))?;
        collected(&log)
    };
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    Ok((of(11_000)? as f64 - of(1000)? as f64) / 10_000.0)
}
