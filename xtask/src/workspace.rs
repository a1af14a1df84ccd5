//! What cargo knows about the workspace.

use std::path::PathBuf;

use serde_json::Value;

use crate::step::{Result, capture, cargo};

#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) packages: Vec<Package>,
}

#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// From the root of the workspace.
    pub(crate) folder: PathBuf,
    /// Without `default`.
    pub(crate) features: Vec<String>,
    /// It may be published, and what may be is a library of ours.
    pub(crate) library: bool,
}

impl Workspace {
    pub(crate) fn load() -> Result<Self> {
        let metadata = capture(&mut cargo(["metadata", "--format-version=1", "--no-deps"]))?;
        Self::parse(&metadata)
    }

    fn parse(metadata: &str) -> Result<Self> {
        let metadata: Value = serde_json::from_str(metadata)?;
        let root = PathBuf::from(text(&metadata["workspace_root"])?);
        let mut packages = Vec::new();
        for package in list(&metadata["packages"])? {
            let manifest = PathBuf::from(text(&package["manifest_path"])?);
            let folder = manifest.parent().unwrap_or(&manifest);
            let features = package["features"].as_object().ok_or("a package has no features")?;
            packages.push(Package {
                name: text(&package["name"])?.to_owned(),
                folder: folder.strip_prefix(&root)?.to_owned(),
                features: features.keys().filter(|name| *name != "default").cloned().collect(),
                // `publish = false` is an empty list of registries.
                library: !package["publish"].as_array().is_some_and(Vec::is_empty),
            });
        }
        packages.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self { root, packages })
    }

    pub(crate) fn libraries(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.library)
    }
}

/// The packages that `package` pulls in, itself left out: sorted names, once each.
pub(crate) fn pulls_in(package: &str, edges: &str, more: &[&str]) -> Result<Vec<String>> {
    let target = "x86_64-unknown-linux-gnu";
    let mut tree = cargo(["tree", "--offline", "--prefix=none", "--no-dedupe", "--format={p}"]);
    tree.args(["-p", package, "-e", edges, "--target", target]).args(more);
    Ok(names(&capture(&mut tree)?, package))
}

fn names(tree: &str, package: &str) -> Vec<String> {
    let mut names: Vec<String> = tree
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != package)
        .map(str::to_owned)
        .collect();
    names.sort();
    names.dedup();
    names
}

pub(crate) fn text(value: &Value) -> Result<&str> {
    value.as_str().ok_or_else(|| format!("expected a string, found {value}").into())
}

pub(crate) fn list(value: &Value) -> Result<&Vec<Value>> {
    value.as_array().ok_or_else(|| format!("expected a list, found {value}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_that_may_be_published_is_a_library() {
        let metadata = r#"{"workspace_root": "/w", "packages": [
            {"name": "xtask", "manifest_path": "/w/xtask/Cargo.toml", "publish": [], "features": {}},
            {"name": "kit", "manifest_path": "/w/a/kit/Cargo.toml", "publish": null,
             "features": {"default": [], "boxed": ["dep:tower"]}}]}"#;
        let workspace = Workspace::parse(metadata).unwrap();
        let libraries: Vec<_> = workspace.libraries().collect();
        assert_eq!(workspace.packages.len(), 2);
        assert_eq!(libraries.len(), 1);
        assert_eq!(libraries[0].folder, PathBuf::from("a/kit"));
        assert_eq!(libraries[0].features, ["boxed"]);
    }

    #[test]
    fn a_tree_becomes_names_once_each_without_the_root() {
        let tree = "kit v0.1.0 (/w/kit)\ntower v0.5.3\nbytes v1.12.0\ntower v0.5.3 (*)\n\n";
        assert_eq!(names(tree, "kit"), ["bytes", "tower"]);
    }
}
