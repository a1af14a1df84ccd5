//! How instructions are counted.

use crate::BoxError;
use std::{
    fs,
    path::{Path, PathBuf},
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
