//! The time of a line.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: u64 = 86_400;
/// The last second of the year 9999: RFC 3339 has four digits for it.
const LAST: u64 = 253_402_300_799;

/// The second that was written last, for those that come in it too.
#[derive(Debug, Clone)]
pub(super) struct Second {
    unix: u64,
    text: [u8; 20],
}

// ===== impl Second =====

impl Second {
    pub(super) const NONE: Self = Self { unix: u64::MAX, text: [b'0'; 20] };

    /// Writes `now` as RFC 3339 does, in UTC and with microseconds. What is before
    /// 1970 is written as its begin, what is after 9999 as its end.
    #[inline]
    pub(super) fn push(&mut self, out: &mut Vec<u8>, now: SystemTime) {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let unix = since.as_secs().min(LAST);
        if unix != self.unix {
            *self = Self { unix, text: text(unix) };
        }
        out.extend_from_slice(&self.text);
        let mut micros = since.subsec_micros();
        let mut digits = *b"000000Z";
        for digit in digits[..6].iter_mut().rev() {
            *digit = decimal(u64::from(micros % 10));
            micros /= 10;
        }
        out.extend_from_slice(&digits);
    }
}

#[expect(clippy::cast_possible_truncation, reason = "below ten")]
const fn decimal(digit: u64) -> u8 {
    b'0' + digit as u8
}

/// `2026-11-29T01:34:49.`, by the civil calendar (H. Hinnant, "chrono-Compatible
/// Low-Level Date Algorithms", `civil_from_days`).
#[inline(never)]
fn text(unix: u64) -> [u8; 20] {
    let (days, second) = (unix / DAY + 719_468, unix % DAY);
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year + era * 400 + u64::from(month <= 2);

    let mut text = *b"0000-00-00T00:00:00.";
    let mut put = |at: usize, width: usize, mut value: u64| {
        for digit in text[at..at + width].iter_mut().rev() {
            *digit = decimal(value % 10);
            value /= 10;
        }
    };
    put(0, 4, year);
    put(5, 2, month);
    put(8, 2, day);
    put(11, 2, second / 3600);
    put(14, 2, second / 60 % 60);
    put(17, 2, second % 60);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(unix: u64, micros: u32) -> String {
        let mut out = Vec::new();
        let now = UNIX_EPOCH + Duration::new(unix, micros * 1000);
        let mut second = Second::NONE;
        second.push(&mut out, now);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn seconds_are_dates() {
        assert_eq!(at(0, 0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(at(951_782_400, 1), "2000-02-29T00:00:00.000001Z");
        assert_eq!(at(951_868_799, 999_999), "2000-02-29T23:59:59.999999Z");
        assert_eq!(at(1_709_164_800, 0), "2024-02-29T00:00:00.000000Z");
        assert_eq!(at(4_107_542_400, 0), "2100-03-01T00:00:00.000000Z");
        assert_eq!(at(1_795_916_089, 120), "2026-11-29T01:34:49.000120Z");
        assert_eq!(at(LAST, 0), "9999-12-31T23:59:59.000000Z");
        assert_eq!(at(LAST + 1, 0), "9999-12-31T23:59:59.000000Z");
    }

    #[test]
    fn what_was_before_1970_is_its_begin() {
        let mut out = Vec::new();
        let mut second = Second::NONE;
        second.push(&mut out, UNIX_EPOCH - Duration::from_secs(1));
        assert_eq!(out, b"1970-01-01T00:00:00.000000Z");
    }

    #[test]
    fn a_second_is_kept_as_long_as_it_lasts() {
        let mut second = Second::NONE;
        for (unix, expected) in [
            (59, "1970-01-01T00:00:59"),
            (59, "1970-01-01T00:00:59"),
            (60, "1970-01-01T00:01:00"),
            (59, "1970-01-01T00:00:59"),
        ] {
            let mut out = Vec::new();
            second.push(&mut out, UNIX_EPOCH + Duration::from_secs(unix));
            assert_eq!(String::from_utf8(out).unwrap(), format!("{expected}.000000Z"));
        }
    }
}
