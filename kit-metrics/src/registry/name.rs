//! What Prometheus takes for names.

use super::Shape;
use metrics::Unit;

/// The label of a histogram's buckets.
const LE: &str = "le";

/// How a counter ends.
const TOTAL: &str = "_total";

/// Makes a metric's name one that Prometheus takes. Colons are for the rules
/// of whoever scrapes.
pub(crate) fn metric(name: &str) -> String {
    identifier(name)
}

/// Makes the name of a label one that Prometheus takes. Two leading
/// underscores are its own.
pub(crate) fn label(name: &str, shape: Shape) -> String {
    let name = identifier(name);
    if name == LE && shape == Shape::Histogram {
        return format!("exported_{LE}");
    }
    match name.strip_prefix("__") {
        Some(rest) => format!("_{}", rest.trim_start_matches('_')),
        None => name,
    }
}

/// Adds what a name must end in: the unit, and `_total` for a counter.
pub(crate) fn exposed(name: &str, shape: Shape, unit: Option<Unit>) -> String {
    let mut exposed = family(name, shape, unit);
    if shape == Shape::Counter {
        exposed.push_str(TOTAL);
    }
    exposed
}

/// The same without `_total`, which is how OpenMetrics calls the metric of
/// which that is a sample.
pub(crate) fn family(name: &str, shape: Shape, unit: Option<Unit>) -> String {
    let mut exposed = metric(name);
    // A name that is nothing else is one.
    if shape == Shape::Counter && exposed.ends_with(TOTAL) && exposed != TOTAL {
        exposed.truncate(exposed.len() - TOTAL.len());
    }
    let stem = exposed.as_str();
    if let Some(unit) = unit.and_then(suffix)
        && !stem.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_'))
    {
        exposed.push('_');
        exposed.push_str(unit);
    }
    exposed
}

/// Names a unit; a count has none.
pub(crate) fn suffix(unit: Unit) -> Option<&'static str> {
    match unit {
        Unit::Count => None,
        Unit::CountPerSecond => Some("per_second"),
        unit => Some(unit.as_str()),
    }
}

fn identifier(name: &str) -> String {
    let mut identifier = String::with_capacity(name.len());
    for letter in name.chars() {
        let fits = letter.is_ascii_alphanumeric();
        if identifier.is_empty() && (letter.is_ascii_digit() || !fits) {
            identifier.push('_');
            if !fits {
                continue;
            }
        }
        identifier.push(if fits { letter } else { '_' });
    }
    if identifier.is_empty() { "_".to_owned() } else { identifier }
}

#[cfg(test)]
mod tests {
    use super::{exposed, label, metric};
    use crate::registry::Shape;
    use metrics::Unit;

    #[test]
    fn other_characters_become_underscores() {
        assert_eq!(metric("http.server.duration"), "http_server_duration");
        assert_eq!(metric("größe"), "gr__e");
        assert_eq!(metric("5xx"), "_5xx");
        assert_eq!(metric("a:b"), "a_b");
        assert_eq!(metric(""), "_");
        assert_eq!(metric("-"), "_");
    }

    #[test]
    fn reserved_labels_are_renamed() {
        assert_eq!(label("__name__", Shape::Gauge), "_name__");
        assert_eq!(label("le", Shape::Histogram), "exported_le");
        assert_eq!(label("le", Shape::Gauge), "le");
        assert_eq!(label("_ok", Shape::Gauge), "_ok");
    }

    #[test]
    fn a_unit_is_a_suffix_once() {
        let seconds = Some(Unit::Seconds);
        assert_eq!(exposed("a", Shape::Histogram, seconds), "a_seconds");
        assert_eq!(exposed("a_seconds", Shape::Histogram, seconds), "a_seconds");
        assert_eq!(exposed("milliseconds", Shape::Gauge, seconds), "milliseconds_seconds");
        assert_eq!(exposed("a", Shape::Gauge, Some(Unit::Count)), "a");
        assert_eq!(exposed("a", Shape::Gauge, Some(Unit::CountPerSecond)), "a_per_second");
    }

    #[test]
    fn a_counter_ends_in_total() {
        assert_eq!(exposed("a", Shape::Counter, None), "a_total");
        assert_eq!(exposed("a_total", Shape::Counter, Some(Unit::Bytes)), "a_bytes_total");
    }
}
