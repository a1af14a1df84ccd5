//! The chores of the workspace; `cargo xtask` lists them. For Unix.
#![allow(clippy::print_stdout, reason = "a chore talks to whoever started it")]

mod apt;
mod certificates;
mod ci;
mod clock;
mod codegen;
mod consul;
mod consulrs;
mod coverage;
mod deploy;
mod etcd;
mod features;
mod fuzz;
mod layers;
mod live;
mod packages;
mod process;
mod protoc;
mod prove;
mod python;
mod sinks;
mod step;
mod workspace;

use std::{env, process::ExitCode};

use crate::{step::Result, workspace::Workspace};

const HELP: &str = "\
The chores of the workspace.

Usage: cargo xtask <chore>

  ci                  everything that must hold before a change is merged: all of the below
  ci <step>           one step of it: fmt, clippy, doc, features, deny, packages, layers, package, consulrs, coverage
  test                the live tests: those that need a server or a tool, which it starts or installs
  deploy-lint         lint the Dockerfile and the Kubernetes manifest
  packages            write xtask/packages.txt: what each library crate pulls in
  layers              list the public layers that have no test file of their own
  certificates        make the certificates of the tests anew, by the openssl command
  codegen [--check]   generate the protobuf code; with --check, only say whether it is stale
  prove [<name> ..]   run a proof, or list them
";

fn main() -> ExitCode {
    let mut arguments = env::args();
    let program = arguments.next().unwrap_or_default();
    let arguments: Vec<String> = arguments.collect();
    if protoc::is_called(program.as_ref()) {
        return exit(protoc::run(arguments));
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if matches!(arguments[..], [] | ["help" | "-h" | "--help"]) {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    exit(chore(&arguments))
}

fn exit(result: Result) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn chore(arguments: &[&str]) -> Result {
    let workspace = Workspace::load()?;
    // Every chore names its files from the root.
    env::set_current_dir(&workspace.root)?;
    protoc::provide()?;
    match *arguments {
        ["ci"] => ci::all(&workspace),
        ["ci", step] => ci::one(&workspace, step),
        ["test"] => live::test(),
        ["deploy-lint"] => deploy::lint(),
        ["packages"] => packages::write(&workspace),
        ["layers"] => layers::check(&workspace),
        ["certificates"] => certificates::write(),
        ["codegen"] => codegen::write(),
        ["codegen", "--check"] => codegen::check(),
        ["prove"] => {
            prove::list();
            Ok(())
        }
        ["prove", name, ref arguments @ ..] => prove::run(name, arguments),
        _ => {
            Err(format!("there is no chore `{}`; `cargo xtask` lists them", arguments.join(" "))
                .into())
        }
    }
}
