//! The table.

use std::fmt::Display;

/// Figures and their bars, printed as they come.
#[derive(Debug, Default)]
pub struct Table {
    is_red: bool,
}

impl Table {
    /// Prints the head.
    #[must_use]
    pub fn new() -> Self {
        println!("| fault | what | measured | bar | |\n|---|---|---:|---:|---|");
        Self::default()
    }

    /// Prints a row.
    pub fn row(
        &mut self,
        fault: &str,
        what: &str,
        measured: impl Display,
        bar: impl Display,
        is_met: bool,
    ) {
        self.is_red |= !is_met;
        let verdict = if is_met { "met" } else { "**RED**" };
        println!("| {fault} | {what} | {measured} | {bar} | {verdict} |");
    }

    /// Prints a row that holds something to a most.
    pub fn most(&mut self, fault: &str, what: &str, measured: f64, most: f64, unit: &str) {
        let is_met = measured <= most;
        self.row(fault, what, format!("{measured:.1} {unit}"), format!("{most:.1} {unit}"), is_met);
    }

    /// Whether a row is over its bar.
    #[must_use]
    pub const fn is_red(&self) -> bool {
        self.is_red
    }
}
