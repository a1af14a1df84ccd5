//! Makes `deploy/alerts.yml` and the tables of the pages *Metrics* and *What to
//! watch*, from what components say and the alerts of `alerts.rs`.

#![allow(clippy::expect_used, reason = "a chore may panic")]
#![allow(clippy::format_push_string, reason = "a chore need not be fast")]

#[allow(dead_code, reason = "the tests look at all of it")]
mod alerts;
mod definitions;
mod pages;

use std::{fs, io, path::Path};

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |page: &str| fs::read_to_string(here.join(page)).expect("a page");
    for (file, text) in pages::all(&definitions::all().await, read) {
        fs::write(here.join(file), text)?;
    }
    Ok(())
}
