//! What a histogram's buckets let one guess.

/// Rounds an estimate to seven digits, which says all it knows and is short.
pub(super) fn estimate(value: f64) -> f64 {
    format!("{value:.6e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::estimate;

    #[test]
    fn estimates_are_short() {
        assert_eq!(estimate(0.1 + 0.2).to_string(), "0.3");
        assert_eq!(estimate(-123_456_789.0).to_string(), "-123456800");
        assert_eq!(estimate(1e300).to_bits(), 1e300_f64.to_bits());
        assert_eq!(estimate(0.0).to_bits(), 0);
    }
}
