//! What must hold before a change is merged.

use std::{path::Path, process::Command};

use crate::{
    clock::Stopwatch,
    consulrs, coverage, features, layers, live, packages,
    step::{Result, cargo, run, step},
    workspace::Workspace,
};

type Check = fn(&Workspace) -> Result;

/// From cheap to dear; the live tests come last.
const STEPS: [(&str, Check); 11] = [
    ("fmt", |_| run(&mut cargo(["fmt", "--all", "--check"]))),
    ("layers", layers::check),
    ("clippy", clippy),
    ("doc", doc),
    ("features", features::check),
    ("packages", packages::check),
    ("deny", |_| deny(Path::new("."))),
    ("package", package),
    ("consulrs", |_| consulrs::check()),
    ("coverage", coverage::check),
    ("test", |_| live::test()),
];

/// Every step, also after one that failed, so that one run names all there is to mend.
pub(crate) fn all(workspace: &Workspace) -> Result {
    // Later steps ask cargo about the packages of every platform, without a network.
    step("fetch", || run(&mut cargo(["fetch", "--locked"])))?;
    let mut report = Vec::new();
    for (name, check) in STEPS {
        let clock = Stopwatch::start();
        let result = step(name, || check(workspace));
        if let Err(error) = &result {
            println!("{name}: {error}");
        }
        report.push((name, clock.elapsed(), result.is_ok()));
    }
    println!();
    for (name, took, held) in &report {
        let verdict = if *held { "ok" } else { "FAILED" };
        println!("{name:10} {verdict:8} {:7.1} s", took.as_secs_f64());
    }
    let failed: Vec<_> =
        report.iter().filter(|(_, _, held)| !held).map(|(name, _, _)| *name).collect();
    if failed.is_empty() {
        return Ok(());
    }
    Err(format!("these steps failed: {}; one alone: `cargo xtask ci <step>`", failed.join(", "))
        .into())
}

pub(crate) fn one(workspace: &Workspace, name: &str) -> Result {
    let Some((_, check)) = STEPS.iter().find(|step| step.0 == name) else {
        return Err(format!("`cargo xtask ci` has no step `{name}`").into());
    };
    step(name, || check(workspace))
}

fn clippy(_: &Workspace) -> Result {
    run(cargo(["clippy", "--workspace", "--all-targets", "--all-features"])
        .args(["--", "-D", "warnings"]))
}

fn doc(_: &Workspace) -> Result {
    let mut doc = cargo(["doc", "--workspace", "--no-deps", "--all-features"]);
    run(doc.env("RUSTDOCFLAGS", "-D warnings"))
}

/// What the folder's `deny.toml` says of its lock file: against the advisories beside the checkout where there are some,
/// else against today's.
pub(crate) fn deny(folder: &Path) -> Result {
    let offline = std::path::absolute("../shared/deny-offline")?;
    if offline.is_file() {
        return run(Command::new(offline).current_dir(folder));
    }
    run(cargo(["deny", "check"]).current_dir(folder))
}

/// Whether the library crates could be published, without building them once more.
fn package(workspace: &Workspace) -> Result {
    let mut package = cargo(["package", "--quiet", "--offline", "--no-verify", "--allow-dirty"]);
    for library in workspace.libraries() {
        package.args(["-p", &library.name]);
    }
    run(&mut package)
}
