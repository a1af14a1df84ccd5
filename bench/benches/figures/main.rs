//! Takes the figures and prints their table; a row over its bar is red, and
//! the exit code says so. `cargo bench -p kit-bench`, with valgrind on PATH.
//!
//! Requests are counted, not timed: the instructions (callgrind) and the
//! allocations of a whole server for many requests, less those for few,
//! divided by the difference. Layers are timed too, in turn with a busy loop,
//! in five processes. `KIT_BENCH_SLOWER=5` slows our side down by 5 %, in each
//! row, to see that the row turns red.

#![allow(clippy::print_stdout, reason = "the table is what it is for")]

mod auth;
mod breakers;
mod count;
mod layers;
mod leaks;
mod limits;
mod log;
mod program;
mod requests;
mod sd;
mod spans;
mod stack;

use std::{error::Error, process::ExitCode};

type BoxError = Box<dyn Error + Send + Sync>;

/// One line of the table.
struct Row {
    name: String,
    ours: String,
    bare: String,
    value: String,
    bar: String,
    met: bool,
}

fn main() -> Result<ExitCode, BoxError> {
    // `-- requests`, or another name below, takes a part of the table, `-- requests "gRPC client"`
    // some rows of it; cargo adds flags.
    let mut args = std::env::args().skip(1).filter(|arg| !arg.starts_with('-'));
    let (part, only) = (args.next(), args.next());
    let wanted = |name| part.as_deref().is_none_or(|part| part == name);
    let mut rows = Vec::new();
    if wanted("requests") {
        rows.extend(requests::rows(only.as_deref())?);
    }
    let parts: [(&str, fn() -> Result<Vec<Row>, BoxError>); 9] = [
        ("layers", layers::rows),
        ("breakers", breakers::rows),
        ("limits", limits::rows),
        ("log", log::rows),
        ("spans", spans::rows),
        ("stack", stack::rows),
        ("sd", sd::rows),
        ("auth", auth::rows),
        ("leaks", leaks::rows),
    ];
    for (_, rows_of) in parts.iter().filter(|(name, _)| wanted(name)) {
        rows.extend(rows_of()?);
    }
    println!("| what | ours | bare | measured | bar | |");
    println!("|---|---|---|---|---|---|");
    for Row { name, ours, bare, value, bar, met } in &rows {
        let verdict = if *met { "met" } else { "**RED**" };
        println!("| {name} | {ours} | {bare} | {value} | {bar} | {verdict} |");
    }
    Ok(ExitCode::from(u8::from(rows.iter().any(|row| !row.met))))
}

/// By how many percent our side is to be slowed down, if it is.
fn slower() -> Option<f64> {
    std::env::var(kit_bench::SLOWER).ok()?.parse().ok()
}

/// The middle of an odd number of figures, the least and the most.
fn spread(mut figures: Vec<f64>) -> (f64, f64, f64) {
    figures.sort_by(f64::total_cmp);
    (figures[figures.len() / 2], figures[0], figures[figures.len() - 1])
}
