//! Calls a layer's service as often as it is told, for counting instructions.

use kit_bench::layers::{AtOnce, Measured, breaker, call, catch_panic, deadline, red};
use std::{env, error::Error};

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut args = env::args().skip(1);
    let layer = args.next().ok_or("which layer?")?;
    let calls = args.next().ok_or("how many calls?")?.parse()?;
    match &*layer {
        "none" => run(AtOnce, calls),
        "deadline" => run(deadline(), calls),
        "catch_panic" => run(catch_panic(), calls),
        "breaker" => run(breaker(), calls),
        "red" => run(red(), calls),
        _ => return Err("there is no such layer".into()),
    }
    Ok(())
}

fn run(mut service: impl Measured, calls: u64) {
    for request in 0..calls {
        kit_bench::slow_down();
        call(&mut service, request);
    }
}
