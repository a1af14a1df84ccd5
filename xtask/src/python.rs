//! A Python of our own, in `target/venv`, with the packages of `xtask/requirements.txt`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    apt,
    process::Bounds,
    step::{Result, succeeds},
};

const VENV: &str = "target/venv";
const REQUIREMENTS: &str = "xtask/requirements.txt";

/// Makes the environment, or finds it made; the folder of its programs.
pub(crate) fn provide(bounds: &Bounds) -> Result<PathBuf> {
    let venv = std::path::absolute(VENV)?;
    let programs = venv.join("bin");
    // Written last, so an environment that is half made is made again.
    let stamp = venv.join("requirements.txt");
    let wanted = fs::read(REQUIREMENTS)?;
    let works = succeeds(Command::new(programs.join("python")).arg("--version"));
    if works && fs::read(&stamp).is_ok_and(|made| made == wanted) {
        return Ok(programs);
    }
    let python = apt::provide("python3", "python3")?;
    if !succeeds(Command::new(&python).args(["-c", "import ensurepip, venv"])) {
        // Debian splits it off.
        apt::install("python3-venv")?;
    }
    if venv.exists() {
        fs::remove_dir_all(&venv)?;
    }
    bounds.run(Command::new(&python).args(["-m", "venv"]).arg(&venv))?;
    let mut pip = Command::new(programs.join("python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    bounds.run(pip.args(["--no-deps", "--requirement"]).arg(Path::new(REQUIREMENTS)))?;
    fs::write(stamp, wanted)?;
    Ok(programs)
}
