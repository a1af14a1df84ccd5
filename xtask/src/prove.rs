//! Proofs of what the documents claim: too slow, or too dependent on the machine, for every change.

use crate::step::{self, Result, cargo, step};

/// Name, what it shows, how cargo runs it.
const PROOFS: [(&str, &str, &[&str]); 1] = [(
    "bench",
    "what the kit costs beside bare hyper and tonic",
    &["bench", "-p", "kit-bench", "--bench", "figures"],
)];

pub(crate) fn list() {
    for (name, shows, _) in PROOFS {
        println!("{name:10} {shows}");
    }
}

pub(crate) fn run(name: &str) -> Result {
    let Some((_, _, arguments)) = PROOFS.iter().find(|proof| proof.0 == name) else {
        return Err(format!("there is no proof `{name}`; `cargo xtask prove` lists them").into());
    };
    step(name, || step::run(&mut cargo(*arguments)))
}
