//! The live tests: every test that is ignored because it needs a server or a tool, of the workspace and of
//! `kit-sd-consulrs`.
//!
//! Each runs alone, so each has a bound and a line of its own. They find in their environment:
//!
//! - `KIT_CONSUL_ADDR`: host and port of a Consul agent,
//! - `KIT_CONSUL_DNS_ADDR`: IP and port of its DNS,
//! - `KIT_CONSUL_CLUSTER`: three Consul servers, each `host:port=pid`, with commas,
//! - `KIT_ETCD_ADDR`: host and port of each of three etcd nodes, with commas,
//! - `KIT_ETCD_TLS_ADDR`: host and port of an etcd that speaks TLS with those who have a certificate,
//! - `KIT_PYTHON`: a Python with the packages of `requirements.txt`,
//! - `KIT_CURL`: curl,
//! - `KIT_STATSD`: the folder of statsd's `stats.js`, for `node`,
//! - `KIT_CARBON`: the folder that Graphite's carbon is unpacked into,
//! - `KIT_INFLUXD`: InfluxDB's server,
//! - `KIT_PROMTOOL`, `KIT_PROMETHEUS`: Prometheus' promtool, and Prometheus, which lies beside it,
//! - `KIT_WYCHEPROOF`: the folder of Wycheproof's vectors, which lies beside this project; where it does not, their
//!   tests are left out.

use std::{
    ffi::OsString,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::Value;

use crate::{
    apt,
    clock::Stopwatch,
    consul,
    consul::{Cluster, Consul},
    consulrs, deploy, etcd,
    etcd::Etcd,
    process::{Bounds, Group},
    python, sinks,
    step::{Result, capture, cargo, step},
};

/// For the whole run, with what it builds and installs.
const RUN: Duration = Duration::from_mins(20);
/// For one test.
const TEST: Duration = Duration::from_secs(30);
const FOLDER: &str = "target/xtask";
const PROMETHEUS: &str = "target/tools/prometheus";
/// A release with promtool 2.42; Debian's older ones serve as well.
const PROMETHEUS_SUITE: &str = "bookworm";
const VECTORS: &str = "../shared/vectors";
/// The program whose tests need them.
const OF_VECTORS: &str = "kit-auth/vectors";

pub(crate) fn test() -> Result {
    let bounds = Bounds::listen(RUN)?;
    fs::create_dir_all(FOLDER)?;
    let mut tests = step("build the tests", || build(&mut workspace(), &bounds))?;
    // What it needs may be missing: the others run all the same.
    let adapted = step("build the tests of kit-sd-consulrs", || {
        consulrs::provide()?;
        tests.extend(build(&mut consulrs::cargo(["test"])?, &bounds)?);
        Ok(())
    });

    let (vectors, left_out) = step("wycheproof", || vectors(Path::new(VECTORS), &mut tests))?;
    let programs = step("python", || python::provide(&bounds))?;
    let linted = deploy::lint_with(&programs, &bounds);
    let curl = step("curl", || apt::provide("curl", "curl"))?;
    let promtool = step("promtool", || {
        let folder = Path::new(PROMETHEUS);
        apt::provide_unpacked(
            "promtool",
            "--version",
            "prometheus",
            PROMETHEUS_SUITE,
            folder,
            &bounds,
        )
    })?;
    let sinks = step("statsd, carbon, influxdb", || sinks::provide(&bounds))?;
    let (consul, cluster) = step("consul", || {
        let program = consul::provide(&bounds)?;
        let consul = Consul::start(&program, &bounds)?;
        let cluster = Cluster::start(&program, &bounds)?;
        println!(
            "{} listens on {}; three on {}",
            program.display(),
            consul.addr,
            cluster.servers()
        );
        Ok((consul, cluster))
    })?;
    let (etcd, etcd_tls) = step("etcd", || {
        let program = etcd::provide(&bounds)?;
        let etcd = Etcd::start(&program, 3, &bounds)?;
        let tls = Etcd::start_tls(&program, &bounds)?;
        let (addresses, tls_address) = (etcd.addresses(), tls.addresses());
        println!("{} listens on {addresses}, by TLS on {tls_address}", program.display());
        Ok((etcd, tls))
    })?;
    let environment: [(&str, OsString); 13] = [
        ("KIT_CONSUL_ADDR", consul.addr.to_string().into()),
        ("KIT_CONSUL_DNS_ADDR", consul.dns.to_string().into()),
        ("KIT_CONSUL_CLUSTER", cluster.servers().into()),
        ("KIT_ETCD_ADDR", etcd.addresses().into()),
        ("KIT_ETCD_TLS_ADDR", etcd_tls.addresses().into()),
        ("KIT_PYTHON", programs.join("python").into()),
        ("KIT_CURL", curl.into()),
        ("KIT_STATSD", sinks.statsd.into()),
        ("KIT_CARBON", sinks.carbon.into()),
        ("KIT_INFLUXD", sinks.influxd.into()),
        ("KIT_PROMETHEUS", promtool.with_file_name("prometheus").into()),
        ("KIT_PROMTOOL", promtool.into()),
        ("KIT_WYCHEPROOF", vectors.into()),
    ];

    println!("==> {} live tests", tests.len());
    let mut failed = Vec::new();
    for test in &tests {
        let clock = Stopwatch::start();
        match test.run(&environment, &bounds) {
            Ok(()) => println!("{test}: ok, {clock}", test = test.title()),
            Err(reason) => {
                println!("{test}: FAILED, {clock}: {reason}", test = test.title());
                failed.push(test.title());
            }
        }
        bounds.check()?;
    }
    drop((consul, cluster, etcd, etcd_tls));
    println!("{} passed, {} failed, {left_out} left out", tests.len() - failed.len(), failed.len());
    linted?;
    adapted?;
    if failed.is_empty() {
        Ok(())
    } else {
        Err(format!("live tests failed: {}", failed.join(", ")).into())
    }
}

/// A program that cargo built out of tests.
#[derive(Debug, PartialEq, Eq)]
struct Binary {
    /// `package/target`.
    name: String,
    program: PathBuf,
    /// The package's, where cargo runs its tests.
    folder: PathBuf,
}

#[derive(Debug)]
struct Test {
    binary: Binary,
    name: String,
}

/// The tests of the workspace, with what a plain `cargo test` leaves out, since its build wants protoc.
fn workspace() -> Command {
    cargo(["test", "--workspace", "--features", "kit-sd/etcd-tls,greeter/etcd,kit-auth/jwt"])
}

/// Finds Wycheproof's vectors, or leaves out the tests that need them: says where they are, and how many.
fn vectors(folder: &Path, tests: &mut Vec<Test>) -> Result<(PathBuf, usize)> {
    let all = tests.len();
    let needs = |test: &Test| test.binary.name == OF_VECTORS;
    if let Ok(folder) = fs::canonicalize(folder) {
        // Nothing found would look like all is well.
        if !tests.iter().any(needs) {
            return Err(format!("no test of {OF_VECTORS} is ignored: they are gone").into());
        }
        println!("the vectors are in {}", folder.display());
        return Ok((folder, 0));
    }
    tests.retain(|test| !needs(test));
    let left_out = all - tests.len();
    println!("{} is not there: {left_out} tests of {OF_VECTORS} are left out", folder.display());
    Ok((PathBuf::new(), left_out))
}

/// Builds what a `cargo test` would run, and lists the live tests in there.
fn build(test: &mut Command, bounds: &Bounds) -> Result<Vec<Test>> {
    let messages = Path::new(FOLDER).join("build.json");
    test.args(["--no-run", "--message-format=json-render-diagnostics"]);
    bounds.run(test.stdout(File::create(&messages)?))?;
    let mut tests = Vec::new();
    for binary in binaries(&fs::read_to_string(messages)?)? {
        tests.extend(binary.live_tests()?);
    }
    // Nothing found would look like all is well.
    if tests.is_empty() {
        return Err("no test is ignored: the live tests are gone".into());
    }
    Ok(tests)
}

fn binaries(messages: &str) -> Result<Vec<Binary>> {
    let mut binaries = Vec::new();
    for message in messages.lines().filter(|line| line.starts_with('{')) {
        let message: Value = serde_json::from_str(message)?;
        let (Some(program), Some(manifest), Some(target)) = (
            message["executable"].as_str(),
            message["manifest_path"].as_str(),
            message["target"]["name"].as_str(),
        ) else {
            continue;
        };
        if message["profile"]["test"] == true {
            let folder = Path::new(manifest).parent().unwrap_or(Path::new("."));
            let package = folder.file_name().unwrap_or_default().to_string_lossy();
            let name = format!("{package}/{target}");
            binaries.push(Binary { name, program: program.into(), folder: folder.to_owned() });
        }
    }
    binaries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(binaries)
}

impl Binary {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.folder).env("CARGO_MANIFEST_DIR", &self.folder);
        command
    }

    fn live_tests(self) -> Result<Vec<Test>> {
        let list = capture(self.command().args(["--list", "--ignored", "--format", "terse"]))?;
        let test = |name| {
            let Self { name: binary, program, folder } = &self;
            let binary =
                Self { name: binary.clone(), program: program.clone(), folder: folder.clone() };
            Test { binary, name }
        };
        Ok(names(&list).into_iter().map(test).collect())
    }
}

/// The names in a list of `name: test`.
fn names(list: &str) -> Vec<String> {
    list.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

impl Test {
    fn title(&self) -> String {
        format!("{} {}", self.binary.name, self.name)
    }

    /// Runs the test and what it starts; what it prints is shown when it fails.
    fn run(&self, environment: &[(&str, OsString)], bounds: &Bounds) -> Result {
        let path = Path::new(FOLDER).join("test.log");
        let log = File::create(&path)?;
        let mut command = self.binary.command();
        command
            .args(["--ignored", "--exact", &self.name, "--nocapture"])
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdout(log.try_clone()?)
            .stderr(log);
        let ended = Group::start(&mut command)?.wait(bounds, TEST);
        let said = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
        let reason = match ended? {
            // A test program that no longer knows the name runs nothing, and is content.
            Some(status) if status.success() && said.contains("test result: ok. 1 passed") => {
                return Ok(());
            }
            Some(status) => status.to_string(),
            None => format!("it did not end within {} s", TEST.as_secs()),
        };
        println!("{}", said.trim_end());
        Err(reason.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_programs_made_of_tests_are_kept() {
        let messages = r#"
            not a message
{"reason":"compiler-artifact","manifest_path":"/w/kit-sd/Cargo.toml","target":{"name":"consul_live"},"profile":{"test":true},"executable":"/w/target/debug/deps/consul_live-1"}
{"reason":"compiler-artifact","manifest_path":"/w/greeter/Cargo.toml","target":{"name":"greeter"},"profile":{"test":false},"executable":"/w/target/debug/greeter"}
{"reason":"compiler-artifact","manifest_path":"/w/kit-sd/Cargo.toml","target":{"name":"kit_sd"},"profile":{"test":false},"executable":null}
{"reason":"build-finished","success":true}"#;
        let expected = Binary {
            name: "kit-sd/consul_live".to_owned(),
            program: "/w/target/debug/deps/consul_live-1".into(),
            folder: "/w/kit-sd".into(),
        };
        assert_eq!(binaries(messages).unwrap(), [expected]);
    }

    #[test]
    fn without_vectors_their_tests_are_left_out() {
        let test = |binary: &str| Test {
            binary: Binary {
                name: binary.to_owned(),
                program: PathBuf::new(),
                folder: PathBuf::new(),
            },
            name: "is_right".to_owned(),
        };
        let all = || vec![test("kit-auth/jwt"), test(OF_VECTORS), test(OF_VECTORS)];
        let mut tests = all();
        assert_eq!(vectors(Path::new("is not there"), &mut tests).unwrap().1, 2);
        assert_eq!(tests.iter().map(Test::title).collect::<Vec<_>>(), ["kit-auth/jwt is_right"]);
        vectors(Path::new("."), &mut tests).unwrap_err();
        let mut tests = all();
        assert_eq!(vectors(Path::new("."), &mut tests).unwrap().1, 0);
        assert_eq!(tests.len(), 3);
    }

    #[test]
    fn a_list_becomes_names() {
        let list = "is_found: test\nsub::is_gone: test\nspeed: benchmark\n\n2 tests, 1 benchmark\n";
        assert_eq!(names(list), ["is_found", "sub::is_gone"]);
    }
}
