//! What two threads make of one closed breaker, and what others' breakers cost.

use crate::{BoxError, Row, count::said, spread};
use std::process::Command;

const PAIRS: usize = 5;
/// Millions of calls a second that two threads must make on one breaker.
const TOGETHER: f64 = 10.0;

/// Ours, by what they count; and the others' that each stands beside.
const OURS: [(&str, &str); 3] = [
    ("failures in a row", "kit"),
    ("a rate of the last 100 calls", "kit-calls"),
    ("a rate of the last 10 s", "kit-time"),
];

pub(crate) fn rows() -> Result<Vec<Row>, BoxError> {
    let mut rows = Vec::new();
    let recloser = middle("recloser", "two")?;
    let failsafe = middle("failsafe", "two")?;
    let beside = format!("{:.1} (recloser), {:.1} (failsafe)", recloser.0, failsafe.0);
    for (counts, whose) in OURS {
        let (ours, least, most) = middle(whose, "two")?;
        rows.push(Row {
            name: format!("two threads on one breaker: {counts}, million calls a second"),
            ours: format!("{ours:.1}"),
            bare: beside.clone(),
            value: format!("{ours:.1} ({least:.1} to {most:.1})"),
            bar: format!("{TOGETHER:.0} at least"),
            met: ours >= TOGETHER,
        });
    }
    let alone = |whose| middle(whose, "time");
    let (ours, theirs) = (alone("kit")?, [alone("recloser")?, alone("failsafe")?]);
    rows.push(Row {
        name: "one thread, the service's own call included".to_owned(),
        ours: format!("{:.1} ns", ours.0),
        bare: format!("{:.1} ns (recloser), {:.1} ns (failsafe)", theirs[0].0, theirs[1].0),
        value: format!("{:.1} ns ({:.1} to {:.1})", ours.0, ours.1, ours.2),
        bar: "-".to_owned(),
        met: true,
    });
    Ok(rows)
}

/// The middle, the least and the most of what five runs say.
fn middle(whose: &str, how: &str) -> Result<(f64, f64, f64), BoxError> {
    let run = |_| {
        let said = said(Command::new(env!("CARGO_BIN_EXE_breakers")).args([whose, how]))?;
        Ok::<_, BoxError>(said.parse::<f64>()?)
    };
    Ok(spread((0..PAIRS).map(run).collect::<Result<_, _>>()?))
}
