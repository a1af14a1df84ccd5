//! How instructions are counted.

use crate::{BoxError, Row, layers::turns, slower};
use kit_bench::TURNS;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// How far a figure may be above the one that is committed: a change of 3 % is
/// one of the code, for each figure here repeats to a percent or better.
pub(crate) const SLACK: f64 = 1.03;

/// How a program is run so that its instructions are counted, into `log`.
pub(crate) fn callgrind(log: &Path) -> [String; 4] {
    [
        "valgrind".to_owned(),
        "--tool=callgrind".to_owned(),
        format!("--callgrind-out-file={}", log.with_extension("out").display()),
        format!("--log-file={}", log.display()),
    ]
}

/// Reads how many instructions were counted.
pub(crate) fn collected(log: &Path) -> Result<u64, BoxError> {
    let log = fs::read_to_string(log)?;
    let collected =
        log.lines().find_map(|line| line.split_once("Collected :")).ok_or("no count")?;
    Ok(collected.1.trim().parse()?)
}

pub(crate) fn scratch(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// A program that does a job so many times, and is counted.
pub(crate) struct Counted {
    pub(crate) program: &'static str,
    pub(crate) job: &'static str,
    /// How often it is done, less and more often.
    pub(crate) often: (u32, u32),
    /// How often it is done between two chances to waste something.
    pub(crate) chunk: f64,
}

impl Counted {
    /// The row of its instructions, beside those that were `committed`.
    pub(crate) fn row(&self, committed: f64) -> Result<Row, BoxError> {
        let mut ours = self.count(0)?;
        if let Some(percent) = slower() {
            ours = self.count(turns(ours * self.chunk, percent))?;
        }
        let limit = committed * SLACK;
        Ok(Row {
            name: "the same, instructions".to_owned(),
            ours: format!("{ours:.1}"),
            bare: "-".to_owned(),
            value: format!("{ours:.1}"),
            bar: format!("{limit:.1}"),
            met: ours <= limit,
        })
    }

    /// The instructions of once more, if `turns` are wasted now and then.
    fn count(&self, turns: u64) -> Result<f64, BoxError> {
        let of = |times: u32| {
            let log = scratch("callgrind.log");
            let [program, args @ ..] = callgrind(&log);
            let mut command = Command::new(program);
            command.args(args).arg(self.program);
            command.args([self.job, &times.to_string()]).env(TURNS, turns.to_string());
            said(&mut command)?;
            collected(&log)
        };
        let (few, many) = self.often;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        Ok((of(many)? as f64 - of(few)? as f64) / f64::from(many - few))
    }
}

/// What a program says.
pub(crate) fn said(command: &mut Command) -> Result<String, BoxError> {
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("{command:?} ended with {}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
