//! What fuzzing has found to be worth a try, tried each time.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use kit_properties::ALL;
use std::{
    collections::BTreeSet,
    fs,
    panic::catch_unwind,
    path::{Path, PathBuf},
};

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What is in a folder, by name.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn every_property_holds_of_its_corpus() {
    let mut broken = Vec::new();
    for (name, property) in ALL {
        let corpus = fuzz().join("corpus").join(name);
        let files = names(&corpus);
        assert!(files.len() > 1, "{name}: there is no corpus");
        for file in files {
            let data = fs::read(corpus.join(&file)).unwrap();
            if catch_unwind(|| property(&data)).is_err() {
                broken.push(format!("{name}/{file}"));
            }
        }
    }
    assert!(broken.is_empty(), "these break a property: {broken:#?}");
}

#[test]
fn every_property_is_a_fuzz_target_and_has_a_corpus() {
    let properties: BTreeSet<String> = ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&fuzz().join("corpus")), properties);
    let files: BTreeSet<String> = properties.iter().map(|name| format!("{name}.rs")).collect();
    assert_eq!(names(&fuzz().join("fuzz_targets")), files);
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for name in properties {
        assert!(manifest.contains(&format!("[[bin]]\nname = \"{name}\"\n")), "{name}");
        let target = fs::read_to_string(fuzz().join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(target.contains(&format!("kit_properties::{name}(data)")), "{name}");
    }
}

#[test]
fn corpora_are_small() {
    for (name, _) in ALL {
        let corpus = fuzz().join("corpus").join(name);
        let files = names(&corpus);
        assert!(files.len() <= 600, "{name}: minimise it, by `cargo fuzz cmin`");
        for file in files {
            let size = fs::metadata(corpus.join(&file)).unwrap().len();
            assert!(size <= 1024, "{name}/{file}: {size} bytes");
        }
    }
}
