//! Pick and choose: the committed list of what each library crate pulls in.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs, io,
};

use crate::{
    step::Result,
    workspace::{Workspace, pulls_in},
};

const FILE: &str = "xtask/packages.txt";
const HEADER: &str = "\
# What each library crate pulls in: the packages behind its default features (normal dependencies, Linux on x86_64).
# Written by `cargo xtask packages`; `cargo xtask ci` fails when a crate grows and this list does not say so.
";

type Packages = BTreeMap<String, BTreeSet<String>>;

pub(crate) fn write(workspace: &Workspace) -> Result {
    fs::write(FILE, render(&resolve(workspace)?))?;
    println!("wrote {FILE}");
    Ok(())
}

pub(crate) fn check(workspace: &Workspace) -> Result {
    let committed = match fs::read_to_string(FILE) {
        Ok(text) => parse(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Packages::new(),
        Err(error) => return Err(error.into()),
    };
    let now = resolve(workspace)?;
    for (package, pulled) in &now {
        println!("{package} pulls in {}", pulled.len());
    }
    match difference(&committed, &now) {
        difference if difference.is_empty() => Ok(()),
        difference => Err(format!(
            "the crates pull in other packages than {FILE} says:\n{difference}\
             if that is meant, run `cargo xtask packages`, commit the file and say why"
        )
        .into()),
    }
}

fn resolve(workspace: &Workspace) -> Result<Packages> {
    workspace
        .libraries()
        .map(|package| {
            let pulled = pulls_in(&package.name, "normal", &[])?;
            Ok((package.name.clone(), pulled.into_iter().collect()))
        })
        .collect()
}

fn render(packages: &Packages) -> String {
    let mut text = HEADER.to_owned();
    for (package, pulled) in packages {
        _ = writeln!(text, "\n{package} ({})", pulled.len());
        for name in pulled {
            _ = writeln!(text, "  {name}");
        }
    }
    text
}

fn parse(text: &str) -> Packages {
    let mut packages = Packages::new();
    let mut package = String::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        if let Some(name) = line.strip_prefix("  ") {
            packages.entry(package.clone()).or_default().insert(name.to_owned());
        } else {
            line.split(' ').next().unwrap_or(line).clone_into(&mut package);
            packages.entry(package.clone()).or_default();
        }
    }
    packages
}

fn difference(committed: &Packages, now: &Packages) -> String {
    let mut text = String::new();
    let none = BTreeSet::new();
    let either: BTreeSet<_> = committed.keys().chain(now.keys()).collect();
    for package in either {
        let (before, after) =
            (committed.get(package).unwrap_or(&none), now.get(package).unwrap_or(&none));
        if before == after && committed.contains_key(package) == now.contains_key(package) {
            continue;
        }
        _ = writeln!(text, "  {package} ({} -> {})", before.len(), after.len());
        for name in after.difference(before) {
            _ = writeln!(text, "    + {name}");
        }
        for name in before.difference(after) {
            _ = writeln!(text, "    - {name}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packages(pairs: &[(&str, &[&str])]) -> Packages {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        pairs.iter().map(|(package, names)| ((*package).to_owned(), owned(names))).collect()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let packages = packages(&[("kit-a", &["bytes", "http"]), ("kit-b", &[])]);
        let text = render(&packages);
        assert!(text.ends_with("\nkit-a (2)\n  bytes\n  http\n\nkit-b (0)\n"), "{text}");
        assert_eq!(parse(&text), packages);
    }

    #[test]
    fn the_same_packages_differ_in_nothing() {
        let packages = packages(&[("kit-a", &["bytes"])]);
        assert_eq!(difference(&packages, &packages), "");
    }

    #[test]
    fn a_new_package_a_lost_one_and_a_new_crate_are_named() {
        let before = packages(&[("kit-a", &["bytes", "http"])]);
        let after = packages(&[("kit-a", &["bytes", "hyper"]), ("kit-b", &[])]);
        let difference = difference(&before, &after);
        assert_eq!(difference, "  kit-a (2 -> 2)\n    + hyper\n    - http\n  kit-b (0 -> 0)\n");
    }
}
