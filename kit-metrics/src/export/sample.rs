//! The values of a histogram, one by one.

use crate::registry::Histogram;

/// Lists the value in the middle of each bucket that has some, and how many it
/// has.
#[cfg(feature = "cloudwatch")]
pub(super) fn middles(histogram: &Histogram) -> impl Iterator<Item = (f64, u64)> + '_ {
    let counts = histogram.counts.iter().enumerate().filter(|(_, count)| **count > 0);
    counts.map(|(bucket, count)| (value(histogram, bucket, 0.5), *count))
}

/// Lists values that the histogram may have been made of, the least first, and
/// how many there are of each: a power of two.
///
/// There are at most `most` of one number, and then less than 64 more, which
/// make up what is left. So `1 / number` has a few decimals and is exact, and
/// all numbers together are the count.
#[cfg(any(feature = "statsd", feature = "dogstatsd"))]
#[expect(clippy::cast_precision_loss, reason = "a place among values is an estimate")]
pub(super) fn samples(histogram: &Histogram, most: u64) -> impl Iterator<Item = (f64, u64)> + '_ {
    let total = histogram.count();
    let mut weight = 1;
    while total / weight > most.max(1) {
        weight *= 2;
    }
    let (mut done, mut bucket, mut below) = (0, 0, 0);
    std::iter::from_fn(move || {
        let left = total - done;
        if left == 0 {
            return None;
        }
        while weight > left {
            weight /= 2;
        }
        // The value in the middle of those that this one stands for.
        let rank = done as f64 + weight as f64 / 2.0;
        let counts = &histogram.counts;
        while bucket + 1 < counts.len() && (below + counts[bucket]) as f64 <= rank {
            below += counts[bucket];
            bucket += 1;
        }
        done += weight;
        let share = (rank - below as f64) / counts[bucket].max(1) as f64;
        Some((value(histogram, bucket, share), weight))
    })
}

/// The value at a place within a bucket, from 0 to 1.
#[expect(clippy::cast_precision_loss, reason = "a mean is not exact")]
fn value(histogram: &Histogram, bucket: usize, share: f64) -> f64 {
    let bounds = &histogram.bounds;
    let Some(last) = bounds.last() else {
        return histogram.sum / histogram.count().max(1) as f64;
    };
    let Some(end) = bounds.get(bucket) else { return *last };
    let start = bucket.checked_sub(1).map_or(end.min(0.0), |before| bounds[before]);
    (end - start).mul_add(share.clamp(0.0, 1.0), start)
}

/// Writes the rate of a sample that stands for `weight` values, a power of two.
#[cfg(any(feature = "statsd", feature = "dogstatsd"))]
#[expect(clippy::cast_precision_loss, reason = "a power of two is exact")]
pub(super) fn rate(weight: u64) -> f64 {
    1.0 / weight as f64
}

#[cfg(all(test, feature = "statsd"))]
mod tests {
    use super::{rate, samples};
    use crate::registry::Histogram;
    use std::sync::Arc;

    fn histogram(bounds: &[f64], counts: &[u64]) -> Histogram {
        let (counts, exemplars) = (counts.to_vec(), Vec::new());
        Histogram { bounds: Arc::from(bounds), counts, sum: 12.0, exemplars }
    }

    #[test]
    fn few_values_are_listed_each() {
        let few = histogram(&[1.0, 3.0], &[1, 2, 1]);
        let all: Vec<_> = samples(&few, 100).collect();
        assert_eq!(all, [(0.5, 1), (1.5, 1), (2.5, 1), (3.0, 1)]);
    }

    #[test]
    fn many_are_listed_by_few_and_none_is_lost() {
        for counts in [[12_345, 1, 7], [0, 1_000_003, 0], [u64::MAX >> 8, 5, 9]] {
            let many = histogram(&[1.0, 3.0], &counts);
            let all: Vec<_> = samples(&many, 100).collect();
            assert!(all.len() <= 100 + 64, "{}", all.len());
            assert!(all.iter().all(|(_, weight)| weight.is_power_of_two()));
            assert_eq!(all.iter().map(|(_, weight)| weight).sum::<u64>(), many.count());
            assert!(all.is_sorted_by(|a, b| a.0 <= b.0));
        }
    }

    #[test]
    fn a_rate_is_the_inverse_exactly() {
        for power in 0..53 {
            let weight = 1_u64 << power;
            let written: f64 = rate(weight).to_string().parse().unwrap();
            #[expect(clippy::cast_precision_loss, reason = "it is exact")]
            let same = weight as f64;
            assert_eq!((1.0 / written).to_bits(), same.to_bits());
        }
    }

    #[test]
    fn no_values_no_samples() {
        assert_eq!(samples(&histogram(&[1.0], &[0, 0]), 10).count(), 0);
        assert_eq!(samples(&histogram(&[], &[0]), 10).count(), 0);
        assert_eq!(samples(&histogram(&[], &[4]), 10).next(), Some((3.0, 1)));
    }
}
