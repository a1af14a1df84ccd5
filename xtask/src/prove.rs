//! Proofs of what the documents claim: too slow, or too dependent on the machine, for every change.

use std::time::Duration;

use crate::{
    apt, consul, etcd, fuzz,
    process::Bounds,
    step::{self, Result, cargo, step},
};

type Proof = fn(&[&str]) -> Result;

/// Name, what it shows, how it is run.
const PROOFS: [(&str, &str, Proof); 7] = [
    ("bench", "what the kit costs beside bare hyper and tonic", bench),
    (
        "fuzz",
        "what holds of the parsers, for 10 minutes each, or as many seconds as said",
        fuzz::prove,
    ),
    (
        "outages",
        "what becomes of 500 calls a second while Consul and etcd fail; needs root, for a network to cut",
        outages,
    ),
    (
        "restarts",
        "what is lost when a server under load is replaced, 20 times; and by axum",
        restarts,
    ),
    ("attacks", "what floods, idle connections, slow readers and slowhttptest cost", attacks),
    (
        "overload",
        "what becomes of three times as many calls as can be answered, and of calls that nobody answers",
        overload,
    ),
    ("churn", "what 10,000 changes of membership leave behind", churn),
];

pub(crate) fn list() {
    for (name, shows, _) in PROOFS {
        println!("{name:10} {shows}");
    }
}

pub(crate) fn run(name: &str, arguments: &[&str]) -> Result {
    let Some((_, _, proof)) = PROOFS.iter().find(|proof| proof.0 == name) else {
        return Err(format!("there is no proof `{name}`; `cargo xtask prove` lists them").into());
    };
    step(name, || proof(arguments))
}

fn bench(arguments: &[&str]) -> Result {
    let mut bench = cargo(["bench", "-p", "kit-bench", "--bench", "figures", "--"]);
    step::run(bench.args(arguments))
}

/// For one registry, or both.
const OUTAGES: Duration = Duration::from_mins(30);

/// The registries are the programs' own to start: they kill them.
fn outages(arguments: &[&str]) -> Result {
    let bounds = Bounds::listen(OUTAGES)?;
    apt::provide("ip", "iproute2")?;
    let registries = [("consul", consul::provide(&bounds)?), ("etcd", etcd::provide(&bounds)?)];
    let mut red = Vec::new();
    for (name, program) in registries {
        let mut run = faults("outages");
        if bounds.run(run.arg(name).arg(program).args(arguments)).is_err() {
            red.push(name);
        }
        bounds.check()?;
    }
    if red.is_empty() { Ok(()) } else { Err(format!("over a bar: {}", red.join(", ")).into()) }
}

fn churn(_: &[&str]) -> Result {
    let bounds = Bounds::listen(OUTAGES)?;
    let consul = consul::provide(&bounds)?;
    bounds.run(faults("churn").arg(consul))
}

fn restarts(arguments: &[&str]) -> Result {
    let bounds = Bounds::listen(OUTAGES)?;
    bounds.run(faults("restarts").args(arguments))
}

fn attacks(arguments: &[&str]) -> Result {
    let bounds = Bounds::listen(OUTAGES)?;
    apt::provide("slowhttptest", "slowhttptest")?;
    bounds.run(faults("attacks").args(arguments))
}

fn overload(arguments: &[&str]) -> Result {
    let bounds = Bounds::listen(OUTAGES)?;
    bounds.run(faults("overload").args(arguments))
}

fn faults(program: &str) -> std::process::Command {
    cargo(["run", "--release", "-p", "kit-faults", "--features", "etcd", "--bin", program, "--"])
}
