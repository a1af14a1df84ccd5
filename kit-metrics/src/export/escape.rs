//! Text as a protocol takes it.

use crate::registry::Histogram;
use metrics::Unit;

/// Writes `text` with an underscore for each character that does not fit.
pub(super) fn write(to: &mut String, text: &str, fits: impl Fn(char) -> bool) {
    to.extend(text.chars().map(|letter| if fits(letter) { letter } else { '_' }));
}

/// Letters and digits of ASCII, and what most take beside them.
pub(super) const fn is_plain(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-')
}

/// How many milliseconds one of the unit is, if it is one of time.
pub(super) const fn milliseconds(unit: Option<Unit>) -> Option<f64> {
    match unit {
        Some(Unit::Seconds) => Some(1e3),
        Some(Unit::Milliseconds) => Some(1.0),
        Some(Unit::Microseconds) => Some(1e-3),
        Some(Unit::Nanoseconds) => Some(1e-6),
        _ => None,
    }
}

/// The quantiles that Go kit's exporters have, too.
pub(super) const QUANTILES: [(&str, f64); 4] =
    [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)];

/// The quantiles of a histogram by their names; none of one without values.
pub(super) fn quantiles(histogram: &Histogram) -> impl Iterator<Item = (&'static str, f64)> + '_ {
    QUANTILES.iter().filter_map(|(name, q)| Some((*name, estimate(histogram.quantile(*q)?))))
}

/// Rounds an estimate to seven digits, which says all it knows and is short.
pub(super) fn estimate(value: f64) -> f64 {
    format!("{value:.6e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::{estimate, is_plain, write};

    #[test]
    fn estimates_are_short() {
        assert_eq!(estimate(0.1 + 0.2).to_string(), "0.3");
        assert_eq!(estimate(-123_456_789.0).to_string(), "-123456800");
        assert_eq!(estimate(1e300).to_bits(), 1e300_f64.to_bits());
        assert_eq!(estimate(0.0).to_bits(), 0);
    }

    #[test]
    fn what_does_not_fit_is_an_underscore() {
        let mut text = "a.".to_owned();
        write(&mut text, "b-c d\n\u{e9}", is_plain);
        assert_eq!(text, "a.b-c_d__");
    }
}
