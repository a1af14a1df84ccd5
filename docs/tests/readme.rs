//! The README says nothing that is not there.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

mod markdown;

use markdown::{blocks, links, rows};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The name and the folder of `[name](folder/README.md)`.
fn link(cell: &str) -> (&str, &str) {
    let cell = cell.strip_prefix('[').and_then(|cell| cell.strip_suffix(')'));
    cell.and_then(|cell| cell.split_once("](")).expect("a link")
}

/// The packages that are published, by name.
fn libraries() -> BTreeSet<String> {
    let manifest = read("Cargo.toml");
    let members = manifest.split("members = [").nth(1).unwrap().split(']').next().unwrap();
    let members = members.lines().filter_map(|line| line.trim().strip_prefix('"'));
    let members = members.map(|line| line.trim_end_matches(['"', ',']));
    let manifests = members.map(|member| read(&format!("{member}/Cargo.toml")));
    let published = manifests.filter(|manifest| !manifest.contains("publish = false"));
    published.map(|manifest| manifest.split('"').nth(1).unwrap().to_owned()).collect()
}

#[test]
fn every_feature_has_a_test_that_is_there() {
    let features = rows(&read("README.md"), "feature");
    assert!(features.len() > 20, "{} rows", features.len());
    let mut crates = libraries();
    crates.insert("greeter".to_owned());
    for row in features {
        let [feature, package, test] = &row[..] else { panic!("{row:?}") };
        assert!(crates.contains(package.trim_matches('`')), "{feature}: {package}");
        let (name, file) = link(test);
        let source = read(file);
        // Written out, or by a macro that takes its name first.
        let is_there =
            source.contains(&format!("fn {name}(")) || source.contains(&format!("!({name},"));
        assert!(is_there, "{feature}: there is no {name} in {file}");
    }
}

/// The words between quotes.
fn quoted(text: &str) -> impl Iterator<Item = String> {
    text.split('"').skip(1).step_by(2).map(str::to_owned)
}

/// The features of a manifest, and what each turns on.
fn features(manifest: &str) -> BTreeMap<String, Vec<String>> {
    let section = manifest.split("\n[features]\n").nth(1).unwrap_or_default();
    let section = section.split("\n[").next().unwrap();
    let lines = section.lines().filter(|line| !line.starts_with('#'));
    let text = lines.collect::<Vec<_>>().join(" ");
    let features = text.split(']').filter_map(|feature| feature.split_once(" = ["));
    features.map(|(name, on)| (name.trim().to_owned(), quoted(on).collect())).collect()
}

/// Features whose build wants `protoc`, which the two commands of the README do
/// not: `cargo xtask ci` brings one, and runs their tests for the coverage and
/// against a real etcd.
const WANT_PROTOC: [(&str, &str); 2] = [("kit-sd", "etcd"), ("kit-sd", "etcd-tls")];

/// The second of the two commands has to run what it says it runs: a test that
/// is compiled only with a feature is silently none without it.
#[test]
fn the_tests_of_every_feature_run() {
    let docs = read("docs/Cargo.toml");
    let workspace = read("Cargo.toml");
    let mut known = 0;
    for library in libraries() {
        let begins = |line: &&str| line.starts_with(&format!("{library} = {{ path"));
        let folder = workspace.lines().find(begins).and_then(|line| quoted(line).next()).unwrap();
        let features = features(&read(&format!("{folder}/Cargo.toml")));
        let used = |line: &&str| {
            line.starts_with(&format!("{library} =")) || line.starts_with(&format!("{library}."))
        };
        let used = docs.lines().find(used).unwrap_or_else(|| panic!("docs lack {library}"));
        let mut on: Vec<String> = quoted(used).chain(["default".to_owned()]).collect();
        let mut at = 0;
        while at < on.len() {
            on.extend(features.get(&on[at]).cloned().unwrap_or_default());
            at += 1;
        }
        for feature in features.keys().filter(|feature| *feature != "default") {
            if WANT_PROTOC.contains(&(&*library, &**feature)) {
                assert!(!on.contains(feature), "docs/Cargo.toml: {feature} wants protoc");
                continue;
            }
            assert!(on.contains(feature), "docs/Cargo.toml: {library} lacks {feature}");
            known += 1;
        }
    }
    assert!(known > 15, "{known} features");
}

#[test]
fn every_member_of_the_workspace_is_in_the_context_of_the_image() {
    let ignored = read(".dockerignore");
    let members = read("Cargo.toml");
    let members = members.split("members = [").nth(1).unwrap().split(']').next().unwrap();
    for member in quoted(members) {
        let folder = member.split('/').next().unwrap();
        let is_in = |line: &str| {
            let line = line.strip_prefix('!').unwrap_or_default();
            line == member
                || line == folder
                || line
                    .strip_suffix('*')
                    .is_some_and(|start| !start.is_empty() && folder.starts_with(start))
        };
        assert!(ignored.lines().any(is_in), ".dockerignore: {member}");
    }
}

#[test]
fn every_crate_is_listed_and_none_that_is_not_there() {
    let mut listed = BTreeSet::new();
    for row in rows(&read("README.md"), "crate") {
        let (name, page) = link(&row[0]);
        let folder = page.strip_suffix("/README.md").unwrap();
        let manifest = read(&format!("{folder}/Cargo.toml"));
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        listed.insert(name.to_owned());
    }
    assert_eq!(listed, libraries());
}

#[test]
fn the_smallest_service_stands_there_whole_in_40_lines() {
    let hello = read("greeter/examples/hello.rs");
    assert!(hello.lines().count() <= 40, "{} lines", hello.lines().count());
    assert!(blocks(&read("README.md"), "rust,no_run").contains(&hello));
}

#[test]
fn the_first_example_has_20_lines() {
    let first = blocks(&read("README.md"), "rust,no_run").swap_remove(0);
    assert!(first.lines().count() <= 20, "{} lines", first.lines().count());
}

#[test]
fn links_lead_to_files() {
    for page in ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "greeter/README.md"]
    {
        for link in links(&read(page)) {
            let target = root().join(page).with_file_name(&link);
            assert!(target.is_file(), "{page}: {link}");
        }
    }
}

#[test]
fn the_chores_are_those_of_xtask() {
    let xtask = read("xtask/src/main.rs");
    let chores = rows(&read("CONTRIBUTING.md"), "command");
    assert!(!chores.is_empty());
    for row in chores {
        let chore = row[0].trim_matches('`').strip_prefix("cargo xtask ").unwrap();
        assert!(xtask.contains(&format!("[\"{chore}\"]")), "{chore}");
    }
}

#[test]
fn the_greeters_flags_are_those_of_its_help() {
    let help = |args: &[&str]| {
        let args = args.iter().map(|arg| (*arg).to_owned());
        match greeter::flags::parse(args, |_| None) {
            Ok(greeter::flags::Command::Print(help)) => help,
            other => panic!("{other:?}"),
        }
    };
    let help = help(&["--help"]);
    let flags = rows(&read("greeter/README.md"), "flag");
    for row in &flags {
        let [flag, variable, ..] = &row[..] else { panic!("{row:?}") };
        let name = flag.trim_matches('`').split(' ').next().unwrap();
        assert!(help.contains(&format!("{name} <")), "{name}");
        assert!(help.contains(&format!("[env: {}]", variable.trim_matches('`'))), "{variable}");
    }
    assert_eq!(help.matches("[env: ").count(), flags.len());
}
