//! Each light feature builds alone, and the heavy ones as one set.

use crate::{
    step::{Result, cargo, run},
    workspace::{Workspace, pulls_in},
};

/// A feature that adds more packages than this is heavy: alone it would cost a build of its own.
const LIGHT: usize = 40;

#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    /// Package and feature.
    light: Vec<(String, String)>,
    heavy: Vec<(String, String)>,
}

impl Plan {
    fn add(&mut self, package: &str, feature: &str, added: usize) {
        let kind = if added > LIGHT { &mut self.heavy } else { &mut self.light };
        kind.push((package.to_owned(), feature.to_owned()));
    }
}

pub(crate) fn check(workspace: &Workspace) -> Result {
    let edges = "normal,build";
    let mut plan = Plan::default();
    for package in workspace.libraries() {
        let base = pulls_in(&package.name, edges, &["--no-default-features"])?.len();
        for feature in &package.features {
            let more = ["--no-default-features", "--features", feature];
            let added = pulls_in(&package.name, edges, &more)?.len().saturating_sub(base);
            println!("{}: feature `{feature}` adds {added} to {base}", package.name);
            plan.add(&package.name, feature, added);
        }
    }
    // Clippy checks as `cargo check` does, and turns the warnings of our own code alone into errors.
    for package in workspace.libraries() {
        run(cargo(["clippy", "--quiet", "--no-default-features", "-p", &package.name])
            .args(["--", "-D", "warnings"]))?;
    }
    for (package, feature) in &plan.light {
        run(cargo(["clippy", "--quiet", "--no-default-features", "-p", package]).args([
            "--features",
            feature,
            "--",
            "-D",
            "warnings",
        ]))?;
    }
    if !plan.heavy.is_empty() {
        run(cargo(heavy(&plan)).args(["--", "-D", "warnings"]))?;
    }
    Ok(())
}

fn heavy(plan: &Plan) -> Vec<String> {
    let mut arguments = vec!["clippy".to_owned(), "--quiet".to_owned()];
    let mut packages: Vec<_> = plan.heavy.iter().map(|(package, _)| package).collect();
    packages.dedup();
    for package in packages {
        arguments.extend(["-p".to_owned(), package.clone()]);
    }
    for (package, feature) in &plan.heavy {
        arguments.extend(["--features".to_owned(), format!("{package}/{feature}")]);
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_is_heavy_from_41_packages_on() {
        let mut plan = Plan::default();
        plan.add("kit-sd", "file", 40);
        plan.add("kit-sd", "dns", 41);
        assert_eq!(plan.light, [("kit-sd".to_owned(), "file".to_owned())]);
        assert_eq!(plan.heavy, [("kit-sd".to_owned(), "dns".to_owned())]);
    }

    #[test]
    fn the_heavy_ones_are_one_call() {
        let mut plan = Plan::default();
        plan.add("kit-sd", "dns", 51);
        plan.add("kit-sd", "zookeeper", 60);
        plan.add("kit-trace", "otlp", 70);
        let line = heavy(&plan).join(" ");
        assert_eq!(
            line,
            "clippy --quiet -p kit-sd -p kit-trace --features kit-sd/dns \
             --features kit-sd/zookeeper --features kit-trace/otlp"
        );
    }
}
