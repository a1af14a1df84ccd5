//! How our side is slowed down on purpose: a row that stays green then shows
//! nothing.

use std::{
    env,
    hint::black_box,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// The variable that asks the benchmark to slow our side down: by how many
/// percent, in each row.
pub const SLOWER: &str = "KIT_BENCH_SLOWER";
/// The variable that wastes time in a program of ours: turns of [`spin`] at
/// each [`slow_down`].
pub const TURNS: &str = "KIT_BENCH_TURNS";
/// The variable that wastes allocations in a program of ours: thousandths of
/// one at each [`slow_down`].
pub const LITTER: &str = "KIT_BENCH_LITTER";

/// The instructions of a turn of [`spin`].
pub const TURN: f64 = 4.0;

/// Wastes as much as [`TURNS`] and [`LITTER`] say.
pub fn slow_down() {
    // Read once: what it costs then is the same few loads on either side.
    static WASTE: LazyLock<(u64, u64)> = LazyLock::new(|| (asked(TURNS), asked(LITTER)));
    static LITTERED: AtomicU64 = AtomicU64::new(0);
    let (turns, litter) = *WASTE;
    if turns > 0 {
        spin(turns);
    }
    if litter > 0 {
        let before = LITTERED.fetch_add(litter, Ordering::Relaxed);
        for thousand in before / 1000..(before + litter) / 1000 {
            drop(black_box(Box::new(thousand)));
        }
    }
}

fn asked(variable: &str) -> u64 {
    env::var(variable).ok().and_then(|turns| turns.parse().ok()).unwrap_or(0)
}

/// Turns an empty loop.
#[inline(never)]
pub fn spin(turns: u64) {
    for turn in 0..turns {
        black_box(turn);
    }
}
