//! Whether the time of an answer tells of a secret: Welch's t, as dudect has it.

use crate::{BoxError, Row, count::said, program::OneProcessor};
use std::process::Command;

/// Each has secrets, and a layout of its memory, of its own: the middle one counts.
const PROCESSES: usize = 5;
/// Below it dudect sees no evidence.
const UNSEEN: f64 = 4.5;
/// Above it dudect has no doubt.
const SEEN: f64 = 10.0;

/// What is compared.
struct Case {
    name: &'static str,
    job: &'static str,
    samples: u32,
    must: Must,
}

enum Must {
    BeSeen,
    NotBeSeen,
    /// It is another answer, after other work.
    BeShown,
}

const fn unseen(name: &'static str, job: &'static str) -> Case {
    Case { name, job, samples: 200_000, must: Must::NotBeSeen }
}

const fn shown(name: &'static str, job: &'static str) -> Case {
    Case { name, job, samples: 200_000, must: Must::BeShown }
}

const CASES: [Case; 9] = [
    Case {
        name: "control, 4 KiB by `==`: wrong in the last characters, and in the first",
        job: "control",
        samples: 200_000,
        must: Must::BeSeen,
    },
    unseen("Basic, static users: wrong in the last characters, and in the first", "basic-prefix"),
    unseen("Basic, static users: nobody's name, and somebody's", "basic-name"),
    Case {
        name: "Basic, htpasswd: nobody's name, and somebody's",
        job: "htpasswd-name",
        samples: 5_000,
        must: Must::NotBeSeen,
    },
    unseen("API keys: wrong in the last characters, and in the first", "key-prefix"),
    unseen("HS256: wrong in the last characters, and in the first", "hs256-prefix"),
    shown("Basic, static users: wrong, and right", "basic-right"),
    shown("API keys: wrong, and right", "key-right"),
    shown("HS256: wrong, and right", "hs256-right"),
];

pub(crate) fn rows() -> Result<Vec<Row>, BoxError> {
    let _one = OneProcessor::keep();
    CASES.iter().map(Case::row).collect()
}

// ===== impl Case =====

impl Case {
    fn row(&self) -> Result<Row, BoxError> {
        let run = |_| {
            let samples = self.samples.to_string();
            let said = said(Command::new(env!("CARGO_BIN_EXE_leaks")).args([self.job, &samples]))?;
            let said: Vec<f64> = said.split(' ').map(str::parse).collect::<Result<_, _>>()?;
            <[f64; 3]>::try_from(said).map_err(|_| "it says t and two times".into())
        };
        let mut runs = (0..PROCESSES).map(run).collect::<Result<Vec<_>, BoxError>>()?;
        runs.sort_by(|one, other| one[0].abs().total_cmp(&other[0].abs()));
        let [t, one, other] = runs[PROCESSES / 2];
        let (least, most) = (runs[0][0], runs[PROCESSES - 1][0]);
        let (bar, met) = match self.must {
            Must::BeSeen => (format!("over {SEEN}"), t.abs() > SEEN),
            Must::NotBeSeen => (format!("below {UNSEEN}"), t.abs() < UNSEEN),
            Must::BeShown => ("shown".to_owned(), true),
        };
        Ok(Row {
            name: format!("leaks: {}", self.name),
            ours: format!("{other:.1} ns"),
            bare: format!("{one:.1} ns"),
            value: format!("t = {t:.1} ({least:.1} to {most:.1})"),
            bar,
            met,
        })
    }
}
