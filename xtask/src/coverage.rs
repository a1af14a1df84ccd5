//! Line coverage, crate by crate.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    step::{Result, cargo, run},
    workspace::{Package, Workspace, list, text},
};

/// What each crate must reach, in percent of its lines.
const FLOOR: f64 = 80.0;
const REPORT: &str = "target/tarpaulin";

/// The lines that can be covered, and those that were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Lines {
    covered: u64,
    coverable: u64,
}

impl Lines {
    #[expect(clippy::cast_precision_loss, reason = "no crate has 2^52 lines")]
    fn percent(self) -> f64 {
        100.0 * self.covered as f64 / self.coverable as f64
    }
}

pub(crate) fn check(workspace: &Workspace) -> Result {
    let report = Path::new(REPORT).join("tarpaulin-report.json");
    if report.exists() {
        fs::remove_file(&report)?;
    }
    fs::create_dir_all(REPORT)?;
    // The llvm engine counts what `async` code runs, and what the processes run that a test starts.
    let mut tarpaulin = cargo(["tarpaulin", "--ignore-config", "--workspace", "--all-features"]);
    for package in workspace.packages.iter().filter(|package| !counts(package)) {
        tarpaulin.args(["--exclude", &package.name]);
    }
    tarpaulin
        .args(["--locked", "--engine", "llvm", "--follow-exec", "--skip-clean"])
        .args(["--target-dir", REPORT, "--out", "Json", "--output-dir", REPORT])
        .args(["--timeout", "120", "--exclude-files", "*/src/pb/*"]);
    // Counters need no debug information, and tarpaulin's level 2 of it is most of the folder: gigabytes for each run.
    tarpaulin.arg("--rustflags=-Cdebuginfo=0").env("CARGO_INCREMENTAL", "0");
    run(&mut tarpaulin)?;

    let report: Value = serde_json::from_str(&fs::read_to_string(report)?)?;
    let files = files(&report)?;
    let mut low = Vec::new();
    for package in workspace.packages.iter().filter(|package| counts(package)) {
        let lines = lines(&files, &workspace.root.join(&package.folder).join("src"));
        println!(
            "{:20} {:5.1} % ({} of {} lines)",
            package.name,
            lines.percent(),
            lines.covered,
            lines.coverable
        );
        if let Some(reason) = too_low(lines) {
            low.push(format!("  {} {reason}", package.name));
        }
    }
    if low.is_empty() {
        return Ok(());
    }
    Err(format!("too little is covered by tests:\n{}", low.join("\n")).into())
}

fn counts(package: &Package) -> bool {
    package.library || package.name == "greeter"
}

fn too_low(lines: Lines) -> Option<String> {
    if lines.coverable == 0 {
        return Some("was not measured".to_owned());
    }
    let percent = lines.percent();
    (percent < FLOOR).then(|| format!("has {percent:.1} % of its lines, and needs {FLOOR} %"))
}

/// Each file of the report, and its lines.
fn files(report: &Value) -> Result<Vec<(PathBuf, Lines)>> {
    list(&report["files"])?
        .iter()
        .map(|file| {
            let path = list(&file["path"])?.iter().map(text).collect::<Result<PathBuf>>()?;
            let count = |name: &str| file[name].as_u64().ok_or("a file of the report has no count");
            Ok((path, Lines { covered: count("covered")?, coverable: count("coverable")? }))
        })
        .collect()
}

fn lines(files: &[(PathBuf, Lines)], folder: &Path) -> Lines {
    let mut sum = Lines::default();
    for (_, lines) in files.iter().filter(|(path, _)| path.starts_with(folder)) {
        sum.covered += lines.covered;
        sum.coverable += lines.coverable;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = r#"{"files": [
        {"path": ["/", "w", "kit", "src", "lib.rs"], "covered": 7, "coverable": 8},
        {"path": ["/", "w", "kit", "src", "a", "b.rs"], "covered": 1, "coverable": 2},
        {"path": ["/", "w", "kit", "tests", "lib.rs"], "covered": 0, "coverable": 90},
        {"path": ["/", "w", "kit", "http", "src", "lib.rs"], "covered": 0, "coverable": 5}]}"#;

    #[test]
    fn only_a_crates_own_sources_are_summed() {
        let files = files(&serde_json::from_str(REPORT).unwrap()).unwrap();
        let kit = lines(&files, Path::new("/w/kit/src"));
        assert_eq!(kit, Lines { covered: 8, coverable: 10 });
    }

    #[test]
    fn less_than_the_floor_or_nothing_at_all_is_too_low() {
        assert_eq!(too_low(Lines { covered: 80, coverable: 100 }), None);
        assert!(too_low(Lines { covered: 799, coverable: 1000 }).is_some());
        assert!(too_low(Lines::default()).is_some());
    }
}
