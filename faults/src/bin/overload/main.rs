//! `overload [PART ..]`: what becomes of calls when there is too much to do, or
//! nobody who can do it. The parts are `breakers` and `limits`; all by default.

#![allow(clippy::print_stdout, reason = "the table is what it is for")]

mod breakers;
mod limits;
mod serve;

use kit_faults::{BoxError, table::Table};
use std::{env, process::ExitCode};

#[tokio::main]
async fn main() -> Result<ExitCode, BoxError> {
    let parts: Vec<_> = env::args().skip(1).collect();
    if let [serve, which] = &*parts
        && serve == "serve"
    {
        serve::serve(which).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|wanted| wanted == part);
    let mut table = Table::new();
    if wanted("breakers") {
        breakers::run(&mut table).await?;
    }
    if wanted("limits") {
        limits::run(&mut table).await?;
    }
    Ok(ExitCode::from(u8::from(table.is_red())))
}
