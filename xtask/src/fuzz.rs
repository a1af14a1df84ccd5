//! Fuzzing: every target for a while, and what came of it.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use crate::step::{self, Result};

/// How long each target runs unless it is said.
const SECONDS: u64 = 600;
/// Where what is found goes: not into the corpus, which is minimised before it is committed.
const FOUND: &str = "target/fuzz";
/// The longest input, in bytes: what is committed to the corpus is no longer.
const LONGEST: u64 = 1024;

/// What libFuzzer says at the end of a run.
#[derive(Debug, PartialEq, Eq)]
struct Figures {
    runs: u64,
    /// Edges of the program that were reached.
    cov: u64,
    corpus: u64,
    seconds: u64,
}

/// Runs every target, as many at a time as there are processors, also after one that failed.
pub(crate) fn prove(arguments: &[&str]) -> Result {
    let seconds = match arguments {
        [] => SECONDS,
        [seconds] => seconds.parse().map_err(|_| "say for how many seconds each target runs")?,
        _ => return Err("usage: cargo xtask prove fuzz [<seconds>]".into()),
    };
    tools()?;
    let targets = step::capture(&mut nightly(&["fuzz", "list"]))?;
    let targets: Vec<_> = targets.lines().collect();
    step::run(&mut nightly(&["fuzz", "build"]))?;

    let workers = thread::available_parallelism()?.get().min(targets.len());
    println!("{} targets, {seconds} s each, {workers} at a time", targets.len());
    let next = AtomicUsize::new(0);
    let work = || {
        let take = || targets.get(next.fetch_add(1, Ordering::Relaxed));
        let mut results = Vec::new();
        while let Some(target) = take() {
            let result = run(target, seconds).map_err(|error| error.to_string());
            println!("{target}: {}", if result.is_ok() { "held" } else { "BROKE" });
            results.push((*target, result));
        }
        results
    };
    let mut results: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect()
    });
    results.sort_by_key(|(target, _)| *target);

    println!("\n| target | runs | edges | corpus | seconds |\n|---|---:|---:|---:|---:|");
    let mut broken = Vec::new();
    for (target, result) in &results {
        match result {
            Ok(Figures { runs, cov, corpus, seconds }) => {
                println!("| `{target}` | {runs} | {cov} | {corpus} | {seconds} |");
            }
            Err(error) => broken.push(format!("  {target}: {error}")),
        }
    }
    if results.len() < targets.len() {
        broken.push("  not every target ran".to_owned());
    }
    if broken.is_empty() {
        return Ok(());
    }
    Err(format!("these targets did not hold:\n{}", broken.join("\n")).into())
}

fn run(target: &str, seconds: u64) -> Result<Figures> {
    let found = folder(target)?;
    let log = found.with_extension("log");
    let output = File::create(&log)?;
    let corpus = env::current_dir()?.join("fuzz/corpus").join(target);
    let status = nightly(&["fuzz", "run", target])
        .args([found, corpus])
        .args([
            "--".to_owned(),
            format!("-max_total_time={seconds}"),
            format!("-max_len={LONGEST}"),
        ])
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .status()?;
    if !status.success() {
        let log = log.display();
        return Err(format!("{status}; {log} says why, and fuzz/artifacts has the input").into());
    }
    let said = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    figures(&said).ok_or_else(|| format!("{} has no last line", log.display()).into())
}

fn folder(target: &str) -> Result<PathBuf> {
    let found = env::current_dir()?.join(FOUND).join(target);
    fs::create_dir_all(&found)?;
    Ok(found)
}

/// Reads what libFuzzer ends with:
/// `#9 DONE   cov: 80 ft: 91 corp: 5/40b lim: 4 exec/s: 0 rss: 50Mb`, `Done 9 runs in 2 second(s)`.
fn figures(said: &str) -> Option<Figures> {
    let done = said.lines().rfind(|line| line.contains("\tDONE "))?;
    let after = |name: &str| {
        let value = done.split_once(name)?.1.trim_start();
        value.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
    };
    let last = said.lines().rfind(|line| line.starts_with("Done "))?;
    let mut words = last.split_whitespace();
    Some(Figures {
        runs: words.nth(1)?.parse().ok()?,
        cov: after("cov:")?,
        corpus: after("corp:")?,
        seconds: words.nth(2)?.parse().ok()?,
    })
}

fn tools() -> Result {
    let needs = [
        (&["--version"][..], "a nightly toolchain: `rustup toolchain install nightly`"),
        (&["fuzz", "--version"], "cargo-fuzz: `cargo install --locked cargo-fuzz`"),
    ];
    for (arguments, needed) in needs {
        if !step::succeeds(&mut nightly(arguments)) {
            return Err(format!("fuzzing needs {needed}").into());
        }
    }
    if !Path::new("fuzz/Cargo.toml").is_file() {
        return Err("fuzz/ is not there".into());
    }
    Ok(())
}

/// Cargo of the nightly toolchain, whichever runs this.
fn nightly(arguments: &[&str]) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo"]).args(arguments).env_remove("CARGO");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_those_of_the_last_lines() {
        let said = "#2\tINITED cov: 7 ft: 8 corp: 1/1b\n\
            #91\tDONE   cov: 112 ft: 340 corp: 63/1284b lim: 80 exec/s: 45 rss: 61Mb\n\
            ###### Recommended dictionary. ######\n\
            Done 91 runs in 2 second(s)\n";
        let expected = Figures { runs: 91, cov: 112, corpus: 63, seconds: 2 };
        assert_eq!(figures(said), Some(expected));
        assert_eq!(figures("==1== ERROR: libFuzzer: deadly signal\n"), None);
    }
}
