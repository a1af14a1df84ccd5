//! `protoc`, as far as the build scripts of dependencies call it: made of protox, so that no machine needs the real one.
//!
//! cargo's children find it in `PROTOC`, unless somebody has set that. It is this very program under another name.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process,
};

use protox::{Compiler, prost::Message};

use crate::step::Result;

const PROGRAM: &str = "target/tools/protoc";
const VARIABLE: &str = "PROTOC";

/// What stands for the real one in `PROTOC`; `None` where somebody has chosen.
pub(crate) fn variable() -> Option<(&'static str, PathBuf)> {
    if env::var_os(VARIABLE).is_some() {
        return None;
    }
    Some((VARIABLE, std::path::absolute(PROGRAM).ok()?))
}

/// Gives this program its other name. A copy: cargo may replace the program while a build script calls it.
pub(crate) fn provide() -> Result {
    let program = Path::new(PROGRAM);
    fs::create_dir_all(program.parent().unwrap_or(program))?;
    // Another run may do the same at this moment: each writes its own, and the last one stays.
    let fresh = program.with_extension(process::id().to_string());
    let own = env::current_exe()?;
    fs::hard_link(&own, &fresh).or_else(|_| fs::copy(&own, &fresh).map(drop))?;
    fs::rename(&fresh, program)?;
    // Two names of one file are not renamed, and both stay.
    _ = fs::remove_file(fresh);
    Ok(())
}

/// Says whether this program was called by its other name.
pub(crate) fn is_called(program: &OsStr) -> bool {
    Path::new(program).file_stem() == Some(OsStr::new("protoc"))
}

pub(crate) fn run(arguments: Vec<String>) -> Result {
    let Some(call) = Call::parse(arguments)? else {
        // prost-build asks for one that knows proto3's optional fields.
        println!("libprotoc 25.1 (protox)");
        return Ok(());
    };
    let mut compiler = Compiler::new(&call.includes)?;
    compiler.include_imports(call.imports).include_source_info(call.source_info);
    let files = compiler.open_files(&call.files)?.file_descriptor_set();
    fs::write(call.out, files.encode_to_vec())?;
    Ok(())
}

/// A call of `protoc` that writes descriptors.
#[derive(Debug, Default, PartialEq, Eq)]
struct Call {
    imports: bool,
    source_info: bool,
    out: PathBuf,
    includes: Vec<PathBuf>,
    files: Vec<PathBuf>,
}

impl Call {
    /// Reads a call; `None` asks for the version.
    fn parse(arguments: Vec<String>) -> Result<Option<Self>> {
        let mut call = Self::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value =
                |name| arguments.next().ok_or_else(|| format!("protoc: {name} needs a value"));
            match &*argument {
                "--version" => return Ok(None),
                "--include_imports" => call.imports = true,
                "--include_source_info" => call.source_info = true,
                // Once experimental, now always so.
                "--experimental_allow_proto3_optional" => {}
                "-o" => call.out = value("-o")?.into(),
                "-I" => call.includes.push(value("-I")?.into()),
                other if !other.starts_with('-') => call.files.push(other.into()),
                other => match other.split_once('=') {
                    Some(("--descriptor_set_out", out)) => call.out = out.into(),
                    Some(("--proto_path", include)) => call.includes.push(include.into()),
                    _ => match other.strip_prefix("-I") {
                        Some(include) => call.includes.push(include.into()),
                        None => return Err(format!("this protoc does not know {other}").into()),
                    },
                },
            }
        }
        if call.out.as_os_str().is_empty() {
            return Err("this protoc writes descriptors alone: give -o".into());
        }
        if call.includes.is_empty() {
            call.includes.push(".".into());
        }
        Ok(Some(call))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn the_call_of_prost_build_is_understood() {
        let line =
            "--include_imports --include_source_info -o out.bin -I a -I b a/x.proto b/y.proto";
        let call = Call::parse(words(line)).unwrap().unwrap();
        let expected = Call {
            imports: true,
            source_info: true,
            out: "out.bin".into(),
            includes: vec!["a".into(), "b".into()],
            files: vec!["a/x.proto".into(), "b/y.proto".into()],
        };
        assert_eq!(call, expected);
        let line = "--include_imports --include_source_info --descriptor_set_out=out.bin -Ia \
                    --proto_path=b a/x.proto b/y.proto";
        assert_eq!(Call::parse(words(line)).unwrap(), Some(expected));
    }

    #[test]
    fn what_it_cannot_do_is_said() {
        assert_eq!(Call::parse(words("--version")).unwrap(), None);
        assert!(Call::parse(words("-o out --rust_out=x a.proto")).is_err());
        assert!(Call::parse(words("a.proto")).is_err());
        assert!(Call::parse(words("a.proto -o")).is_err());
    }

    #[test]
    fn the_descriptors_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let text = "syntax = \"proto3\";\nimport \"google/protobuf/empty.proto\";\n\
                    message A { optional google.protobuf.Empty b = 1; }\n";
        fs::write(path("a.proto"), text).unwrap();
        let include = folder.path().to_str().unwrap().to_owned();
        let arguments = ["--include_imports", "-o", &path("out"), "-I", &include, &path("a.proto")];
        run(arguments.map(str::to_owned).into()).unwrap();
        let written = fs::read(path("out")).unwrap();
        assert!(written.windows(7).any(|word| word == b"a.proto"));
        assert!(written.windows(11).any(|word| word == b"empty.proto"));
    }

    #[test]
    fn it_is_called_by_its_name() {
        assert!(is_called(OsStr::new("/w/target/tools/protoc")));
        assert!(!is_called(OsStr::new("/w/target/debug/xtask")));
    }
}
