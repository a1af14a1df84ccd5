//! `kit-sd-consulrs`: a workspace of its own, so it is checked, built and tested apart.

use std::{ffi::OsStr, path::Path, process::Command};

use crate::{
    apt, ci,
    step::{self, Result, run, succeeds},
};

const FOLDER: &str = "kit-sd/consulrs";
/// Not the workspace's, whose builds it would wait for.
const TARGET: &str = "target/consulrs";

/// `cargo` in its folder, as its lock file says.
pub(crate) fn cargo<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Result<Command> {
    let mut command = step::cargo(arguments);
    command.arg("--locked").current_dir(FOLDER);
    command.env("CARGO_TARGET_DIR", std::path::absolute(TARGET)?);
    Ok(command)
}

/// What OpenSSL's crate builds with, and nothing else of the kit does.
pub(crate) fn provide() -> Result {
    apt::provide("pkg-config", "pkg-config")?;
    if succeeds(Command::new("pkg-config").args(["--exists", "openssl"])) {
        return Ok(());
    }
    apt::install("libssl-dev")
}

/// All that `cargo xtask ci` asks of the others, but for the live test, which runs with theirs.
pub(crate) fn check() -> Result {
    provide()?;
    run(&mut cargo(["fetch"])?)?;
    run(step::cargo(["fmt", "--check"]).current_dir(FOLDER))?;
    run(cargo(["clippy", "--all-targets"])?.args(["--", "-D", "warnings"]))?;
    run(cargo(["doc", "--no-deps"])?.env("RUSTDOCFLAGS", "-D warnings"))?;
    run(&mut cargo(["test"])?)?;
    ci::deny(Path::new(FOLDER))
}
