//! The quantiles of what was added to a histogram.

use super::estimate::estimate;
use crate::registry::Histogram;

/// The quantiles that Go kit's exporters have, too.
const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)];

/// The quantiles of a histogram by their names; none of one without values.
pub(super) fn quantiles(histogram: &Histogram) -> impl Iterator<Item = (&'static str, f64)> + '_ {
    QUANTILES.iter().filter_map(|(name, q)| Some((*name, estimate(histogram.quantile(*q)?))))
}
