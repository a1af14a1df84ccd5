/// A part of a limit, from nothing to all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share(u64);

const BITS: u32 = 32;

// ===== impl Share =====

impl Share {
    pub(crate) const ALL: Self = Self(1 << BITS);

    /// Returns `share` of the whole: 0 to 1; what is beyond is the nearest.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "it is 0 to 1"
    )]
    pub(crate) const fn new(share: f64) -> Self {
        // Downwards: 0.3 of 10 is 3, however 0.3 is written in binary.
        Self((share.clamp(0.0, 1.0) * (1_u64 << BITS) as f64) as u64)
    }

    /// Returns the share of `limit`, rounded up.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "it is at most the limit")]
    pub(crate) const fn of(self, limit: usize) -> usize {
        (limit as u64 * self.0).div_ceil(1 << BITS) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::Share;

    #[test]
    fn shares_are_rounded_up_and_no_more() {
        for (share, limit, of) in [
            (0.3, 10, 3),
            (0.7, 10, 7),
            (0.1, 10, 1),
            (0.9, 20, 18),
            (0.5, 21, 11),
            (0.07, 100, 7),
            (0.001, 10, 1),
            (1.0 / 3.0, 9, 3),
            (0.0, 200, 0),
            (1.0, 1 << 18, 1 << 18),
            (0.3, 200_000, 60_000),
        ] {
            assert_eq!(Share::new(share).of(limit), of, "{share} of {limit}");
        }
        assert_eq!(Share::new(f64::NAN).of(10), 0);
        assert_eq!(Share::new(7.0), Share::ALL);
    }
}
