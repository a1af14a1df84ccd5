//! Proofs of what the documents claim: too slow, or too dependent on the machine, for every change.

use crate::{
    fuzz,
    step::{self, Result, cargo, step},
};

type Proof = fn(&[&str]) -> Result;

/// Name, what it shows, how it is run.
const PROOFS: [(&str, &str, Proof); 2] = [
    ("bench", "what the kit costs beside bare hyper and tonic", bench),
    (
        "fuzz",
        "what holds of the parsers, for 10 minutes each, or as many seconds as said",
        fuzz::prove,
    ),
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
