//! `attacks [floods|idle|readers|slow]..`: what a server costs, and whom it
//! still serves, while peers do their worst: `kit_serve::serve`, and beside it
//! what axum and hyper do by themselves.

#![allow(clippy::print_stdout, reason = "the table is what it is for")]

mod floods;
mod idle;
mod readers;
mod serve;
mod slow;

use kit_faults::{BoxError, table::Table};
use std::{env, process::ExitCode};

#[tokio::main]
async fn main() -> Result<ExitCode, BoxError> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let mut arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    if let ["serve", which] = arguments[..] {
        serve::serve(which).await?;
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.is_empty() {
        arguments = vec!["floods", "idle", "readers", "slow"];
    }
    let mut table = Table::new();
    for part in arguments {
        match part {
            "floods" => floods::run(&mut table).await?,
            "idle" => idle::run(&mut table).await?,
            "readers" => readers::run(&mut table).await?,
            "slow" => slow::run(&mut table).await?,
            _ => return Err("usage: attacks [floods|idle|readers|slow]..".into()),
        }
    }
    Ok(ExitCode::from(u8::from(table.is_red())))
}
