//! The Dockerfile and the Kubernetes manifest, linted: neither needs a container engine for that.

use std::{path::Path, process::Command, time::Duration};

use crate::{
    process::Bounds,
    python,
    step::{Result, step},
};

pub(crate) fn lint() -> Result {
    let bounds = Bounds::listen(Duration::from_mins(5))?;
    let programs = step("python", || python::provide(&bounds))?;
    lint_with(&programs, &bounds)
}

/// Lints with the programs of this folder.
pub(crate) fn lint_with(programs: &Path, bounds: &Bounds) -> Result {
    step("deploy-lint", || {
        bounds.run(Command::new(programs.join("hadolint")).arg("Dockerfile"))?;
        bounds.run(
            Command::new(programs.join("kubernetes-validate"))
                .args(["--strict", "deploy/kubernetes.yaml"]),
        )
    })
}
