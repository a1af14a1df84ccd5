//! Each public layer has a test file of its own.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{step::Result, workspace::Workspace};

pub(crate) fn check(workspace: &Workspace) -> Result {
    let mut missing = Vec::new();
    for package in workspace.libraries() {
        let mut layers = Vec::new();
        for source in sources(&package.folder.join("src"))? {
            layers.extend(public_layers(&fs::read_to_string(source)?));
        }
        layers.sort();
        for layer in layers {
            let test = package.folder.join("tests").join(test_file(&layer));
            let found = test.is_file();
            println!("{layer}: {}{}", test.display(), if found { "" } else { " is missing" });
            if !found {
                missing.push(format!("  {layer}: write {}", test.display()));
            }
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!("public layers without a test file:\n{}", missing.join("\n")).into())
}

fn sources(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(found)
}

fn public_layers(source: &str) -> Vec<String> {
    source
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("pub struct "))
        .map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or(rest))
        .filter(|name| name.strip_suffix("Layer").is_some_and(|stem| !stem.is_empty()))
        .map(str::to_owned)
        .collect()
}

/// `CatchPanicLayer` is tested by `catch_panic.rs`.
fn test_file(layer: &str) -> String {
    let stem = layer.strip_suffix("Layer").unwrap_or(layer);
    let mut file = String::new();
    for (index, letter) in stem.char_indices() {
        if index > 0 && letter.is_uppercase() {
            file.push('_');
        }
        file.extend(letter.to_lowercase());
    }
    file + ".rs"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_layers_are_found_and_nothing_else() {
        let source = "\
            pub struct BreakerLayer<C = ServerFaults, R = AsError> {\n\
            pub struct CatchPanicLayer;\n\
            pub struct ShedLayer(());\n\
            pub(crate) struct HiddenLayer;\n\
            /// pub struct SaidLayer;\n\
            pub struct Layer;\n\
            pub struct LayerCake;\n";
        assert_eq!(public_layers(source), ["BreakerLayer", "CatchPanicLayer", "ShedLayer"]);
    }

    #[test]
    fn a_test_file_is_the_layers_name_in_snake_case() {
        assert_eq!(test_file("BreakerLayer"), "breaker.rs");
        assert_eq!(test_file("CatchPanicLayer"), "catch_panic.rs");
    }
}
