//! The book: its pages are there, its links lead somewhere, and the program of
//! *Your first service* is the one that is compiled.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use kit_endpoint::Kind;
use prost::Message;
use prost_types::{FileDescriptorProto, FileDescriptorSet};
use std::{
    fs,
    path::{Path, PathBuf},
};

mod markdown;

use markdown::{blocks, headings, links, rows};

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = here().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn pages() -> Vec<PathBuf> {
    let entries = fs::read_dir(here().join("src")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn the_summary_names_every_page_and_no_other() {
    let mut named = vec!["SUMMARY.md".to_owned()];
    named.extend(links(&read("src/SUMMARY.md")));
    let name = |page: PathBuf| page.file_name().unwrap().to_str().unwrap().to_owned();
    let mut there: Vec<_> = pages().into_iter().map(name).collect();
    named.sort();
    there.sort();
    assert_eq!(named, there);
}

#[test]
fn the_book_opens_with_the_first_service() {
    let pages = links(&read("src/SUMMARY.md"));
    assert_eq!(pages[..2], ["first-service.md", "coming-from-go-kit.md"]);
}

#[test]
fn every_page_is_compiled() {
    let lib = read("lib.rs");
    for page in links(&read("src/SUMMARY.md")) {
        let page = page.strip_suffix(".md").unwrap();
        // Those are programs of their own, which tests say the pages show.
        let is_program = ["first-service", "write-a-backend"].contains(&page);
        assert!(is_program || lib.contains(&format!("\"{page}\"")), "{page}");
    }
    for page in pages() {
        let text = read(&page);
        assert!(!text.contains("```rust,ignore"), "{}", page.display());
    }
}

#[test]
fn links_lead_to_pages_and_headings() {
    for page in pages() {
        for link in links(&read(&page)) {
            let (file, heading) = link.split_once('#').unwrap_or((&link, ""));
            let target = page.with_file_name(file);
            assert!(target.is_file(), "{}: {link}", page.display());
            let known = heading.is_empty() || headings(&read(target)).iter().any(|h| h == heading);
            assert!(known, "{}: {link}", page.display());
        }
    }
}

#[test]
fn the_first_service_is_the_program_that_is_compiled() {
    let page = read("src/first-service.md");
    let rust = blocks(&page, "rust");
    let (build, main): (Vec<_>, Vec<_>) =
        rust.into_iter().partition(|block| block.contains("protox"));
    assert_eq!(main.join("\n"), read("first-service/src/main.rs"));
    assert_eq!(build, [read("first-service/build.rs")]);
    assert_eq!(blocks(&page, "toml"), [read("first-service/dependencies.toml")]);
    assert_eq!(blocks(&page, "proto"), [read("first-service/proto/greeter.proto")]);
}

#[test]
fn the_crates_of_the_first_service_are_where_it_says() {
    let dependencies = read("first-service/dependencies.toml");
    let mut found = 0;
    for line in dependencies.lines() {
        let Some((_, path)) = line.split_once("path = \"../kit/") else { continue };
        let folder = path.split('"').next().unwrap();
        let name = line.split(' ').next().unwrap();
        let manifest = read(Path::new("..").join(folder).join("Cargo.toml"));
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{line}");
        found += 1;
    }
    assert_eq!(found, 6);
}

/// Its program is compiled with the greeter's generated code, so that must be
/// what its own `.proto` yields. The greeter has more: its streams.
#[test]
fn the_first_services_contract_is_the_greeters() {
    let include = here().join("first-service/proto");
    let page = protox::compile(["greeter.proto"], [include]).unwrap();
    let greeter = FileDescriptorSet::decode(greeter::pb::DESCRIPTOR).unwrap();
    let contract = |set: FileDescriptorSet| -> FileDescriptorProto {
        let mut file = set.file.into_iter().find(|file| file.package() == "greeter.v1").unwrap();
        file.name = None;
        file.source_code_info = None;
        file
    };
    let (page, mut greeter) = (contract(page), contract(greeter));
    let [service] = &mut greeter.service[..] else { panic!("{:?}", greeter.service) };
    service.method.retain(|method| !method.server_streaming());
    let used = service.method.iter().flat_map(|method| [method.input_type(), method.output_type()]);
    let used: Vec<_> = used.map(str::to_owned).collect();
    greeter.message_type.retain(|message| {
        used.iter().any(|name| name.strip_prefix(".greeter.v1.") == Some(message.name()))
    });
    assert_eq!(page, greeter);
}

#[test]
fn the_table_of_kinds_is_the_codes() {
    let table = rows(&read("src/errors.md"), "kind");
    let code = Kind::ALL.map(|kind| {
        let grpc = Kind::from_grpc_code(kind.grpc_code().into()).unwrap().name();
        let fault = if kind.is_server() { "service" } else { "caller" };
        let status = kind.http_status().as_u16();
        vec![format!("`{kind:?}`"), status.to_string(), format!("`{grpc}`"), fault.to_owned()]
    });
    assert_eq!(table, code);
}
