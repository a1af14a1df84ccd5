//! The protobuf code: generated without `protoc`, committed, and never stale.

use std::{collections::BTreeMap, fs, io, path::Path};

use protox::prost::Message;

use crate::step::Result;

/// Protos that are compiled together.
struct Generated {
    /// From `include`.
    protos: &'static [&'static str],
    /// Described for reflection beside them, without code of their own.
    described: &'static [&'static str],
    /// The folder that imports are looked up in.
    include: &'static str,
    /// The folder that is written, whole: one Rust file per protobuf package, and the descriptors.
    out: &'static str,
    /// Whether the traits of servers are made too.
    servers: bool,
    /// Whether clients are made too.
    clients: bool,
    /// The file of the descriptors, where there is reflection, or a peer without generated code.
    descriptors: Option<&'static str>,
}

/// All that is generated in the workspace.
const GENERATED: [Generated; 4] = [
    Generated {
        protos: &["greeter/v1/greeter.proto"],
        // The same messages under the article's name: the greeter's server answers both.
        described: &["pb/greeter.proto"],
        include: "greeter/proto",
        out: "greeter/src/pb",
        servers: true,
        clients: true,
        descriptors: Some("greeter.bin"),
    },
    Generated {
        protos: &["bench/v1/bench.proto"],
        described: &[],
        include: "bench/proto",
        out: "bench/src/pb",
        servers: true,
        clients: true,
        descriptors: None,
    },
    Generated {
        protos: &["grpc/testing/test.proto"],
        described: &[],
        include: "interop/proto",
        out: "interop/src/pb",
        servers: false,
        clients: false,
        descriptors: Some("interop.bin"),
    },
    Generated {
        protos: &["grpc/health/v1/health.proto"],
        described: &[],
        include: "kit-transport/grpc/proto",
        out: "kit-transport/grpc/src/pb",
        servers: true,
        clients: false,
        descriptors: Some("health.bin"),
    },
];

/// Content by file name.
type Files = BTreeMap<String, Vec<u8>>;

pub(crate) fn write() -> Result {
    for generated in &GENERATED {
        let files = generated.generate()?;
        fs::create_dir_all(generated.out)?;
        for name in read(generated.out)?.keys().filter(|name| !files.contains_key(*name)) {
            fs::remove_file(Path::new(generated.out).join(name))?;
        }
        for (name, content) in files {
            let path = Path::new(generated.out).join(name);
            fs::write(&path, content)?;
            println!("wrote {}", path.display());
        }
    }
    Ok(())
}

pub(crate) fn check() -> Result {
    let mut stale = Vec::new();
    for generated in &GENERATED {
        let names = differences(&read(generated.out)?, &generated.generate()?);
        stale.extend(names.into_iter().map(|name| format!("  {}/{name}", generated.out)));
    }
    if stale.is_empty() {
        return Ok(());
    }
    Err(format!("generated code is stale:\n{}\nrun `cargo xtask codegen`", stale.join("\n")).into())
}

impl Generated {
    fn generate(&self) -> Result<Files> {
        let code = protox::compile(self.protos, [self.include])?;
        let all = self.protos.iter().chain(self.described);
        let mut descriptors = protox::compile(all, [self.include])?;
        let folder = tempfile::tempdir()?;
        tonic_prost_build::configure()
            // The client takes any service: which transport is the program's choice.
            .build_transport(false)
            .build_client(self.clients)
            .build_server(self.servers)
            .out_dir(folder.path())
            .compile_fds(code)?;
        let mut files = read(folder.path())?;
        if let Some(name) = self.descriptors {
            // Reflection tells types, not comments.
            for file in &mut descriptors.file {
                file.source_code_info = None;
            }
            files.insert(name.to_owned(), descriptors.encode_to_vec());
        }
        Ok(files)
    }
}

/// The files of a folder; none where there is no folder.
fn read(folder: impl AsRef<Path>) -> io::Result<Files> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Files::new()),
        entries => entries?,
    };
    entries
        .map(|entry| {
            let entry = entry?;
            Ok((entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?))
        })
        .collect()
}

/// Names that only one side has, or whose content differs.
fn differences(committed: &Files, generated: &Files) -> Vec<String> {
    let either = committed.keys().chain(generated.keys().filter(|n| !committed.contains_key(*n)));
    either.filter(|name| committed.get(*name) != generated.get(*name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(pairs: &[(&str, &str)]) -> Files {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect()
    }

    #[test]
    fn a_changed_a_lost_and_a_new_file_are_stale() {
        let committed = files(&[("a.rs", "1"), ("b.rs", "1"), ("old.rs", "1")]);
        let generated = files(&[("a.rs", "1"), ("b.rs", "2"), ("new.rs", "1")]);
        assert_eq!(differences(&committed, &generated), ["b.rs", "old.rs", "new.rs"]);
        assert_eq!(differences(&committed, &committed), Vec::<String>::new());
    }
}
