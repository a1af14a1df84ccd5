use super::Format;
use crate::registry::{Exemplar, Histogram, Metric, Reading, Series, Shape, Value, name};
use std::{
    collections::{BTreeMap, HashSet},
    fmt::{self, Write as _},
    time::SystemTime,
};

/// A page, while it is being put together.
pub(super) struct Text<'a> {
    format: Format,
    /// By the names that stand there, so that it is sorted.
    metrics: BTreeMap<String, &'a Metric>,
    /// Every name of a line, so that no two metrics write the same.
    taken: HashSet<String>,
    left_out: Vec<(String, Shape)>,
}

/// Text in which what the format gives a meaning is escaped.
struct Escaped<'a>(&'a str, &'static [char]);

/// A number as both formats write it.
struct Number(f64);

/// The upper bound of a bucket, which is a label and so has but one spelling.
struct Bound(f64, Format);

// ===== impl Text =====

impl<'a> Text<'a> {
    pub(super) fn new(reading: &'a Reading, format: Format) -> Self {
        let mut text =
            Self { format, metrics: BTreeMap::new(), taken: HashSet::new(), left_out: Vec::new() };
        reading.metrics.iter().for_each(|metric| text.add(metric));
        text.left_out.extend(reading.left_out.iter().cloned());
        text
    }

    fn add(&mut self, metric: &'a Metric) {
        let Metric { name, unit, shape, .. } = metric;
        let family = match self.format {
            Format::Text => name::exposed(name, *shape, *unit),
            Format::OpenMetrics => name::family(name, *shape, *unit),
        };
        let lines: Vec<_> =
            self.suffixes(*shape).iter().map(|end| format!("{family}{end}")).collect();
        if lines.iter().any(|line| self.taken.contains(line)) {
            self.left_out.push((name::exposed(name, *shape, *unit), *shape));
        } else {
            self.taken.extend(lines);
            self.metrics.insert(family, metric);
        }
    }

    /// Returns what the names of a metric's lines end in, and in OpenMetrics
    /// those that it could have, too.
    const fn suffixes(&self, shape: Shape) -> &'static [&'static str] {
        match (self.format, shape) {
            (Format::Text, Shape::Counter | Shape::Gauge) | (_, Shape::Gauge) => &[""],
            (Format::Text, Shape::Histogram) => &["", "_bucket", "_sum", "_count"],
            (Format::OpenMetrics, Shape::Counter) => &["", "_total", "_created"],
            (Format::OpenMetrics, Shape::Histogram) => {
                &["", "_bucket", "_sum", "_count", "_created"]
            }
        }
    }

    pub(super) fn render(&self) -> String {
        let mut out = String::new();
        // A string takes whatever is written.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        let open = self.format == Format::OpenMetrics;
        for (name, metric) in &self.metrics {
            if !metric.help.is_empty() {
                let special: &[char] = if open { &['\\', '\n', '"'] } else { &['\\', '\n'] };
                writeln!(out, "# HELP {name} {}", Escaped(&metric.help, special))?;
            }
            writeln!(out, "# TYPE {name} {}", metric.shape.name())?;
            if open && let Some(unit) = metric.unit.and_then(name::suffix) {
                writeln!(out, "# UNIT {name} {unit}")?;
            }
            for Series { labels, value } in &metric.series {
                let labels = labels.iter().map(|(name, value)| (&**name, &**value));
                let labels: BTreeMap<_, _> =
                    labels.map(|(name, value)| (name::label(name, metric.shape), value)).collect();
                match value {
                    Value::Counter(count) => {
                        let total = if open { "_total" } else { "" };
                        line(out, name, total, &labels, None, count)?;
                        out.push('\n');
                    }
                    Value::Gauge(level) => {
                        line(out, name, "", &labels, None, Number(*level))?;
                        out.push('\n');
                    }
                    Value::Histogram(read) => self.histogram(out, name, &labels, read)?,
                }
            }
        }
        if open {
            // It knows no comments.
            return out.write_str("# EOF\n");
        }
        for (name, shape) in &self.left_out {
            let shape = shape.name();
            writeln!(out, "# the {shape} {name} is left out: another metric has its name")?;
        }
        Ok(())
    }

    fn histogram(
        &self,
        out: &mut String,
        name: &str,
        labels: &BTreeMap<String, &str>,
        read: &Histogram,
    ) -> fmt::Result {
        for (bucket, (bound, count)) in read.cumulative().enumerate() {
            line(out, name, "_bucket", labels, Some(Bound(bound, self.format)), count)?;
            if self.format == Format::OpenMetrics
                && let Some(Some(example)) = read.exemplars.get(bucket)
            {
                exemplar(out, example)?;
            }
            out.push('\n');
        }
        line(out, name, "_sum", labels, None, Number(read.sum))?;
        out.push('\n');
        line(out, name, "_count", labels, None, read.count())?;
        out.push('\n');
        Ok(())
    }
}

/// Writes a line but for its end.
fn line(
    out: &mut String,
    name: &str,
    suffix: &str,
    labels: &BTreeMap<String, &str>,
    le: Option<Bound>,
    value: impl fmt::Display,
) -> fmt::Result {
    write!(out, "{name}{suffix}")?;
    let mut separator = '{';
    for (name, value) in labels {
        write!(out, "{separator}{name}=\"{}\"", Escaped(value, &['\\', '\n', '"']))?;
        separator = ',';
    }
    if let Some(le) = le {
        write!(out, "{separator}le=\"{le}\"")?;
        separator = ',';
    }
    if separator == ',' {
        out.push('}');
    }
    write!(out, " {value}")
}

/// Writes the example of a bucket behind its value.
fn exemplar(out: &mut String, Exemplar { trace, value, at }: &Exemplar) -> fmt::Result {
    write!(out, " # {{trace_id=\"{:032x}\"", u128::from_be_bytes(trace.id()))?;
    if let Some(span) = trace.span() {
        write!(out, ",span_id=\"{:016x}\"", u64::from_be_bytes(span))?;
    }
    let at = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (seconds, millis) = (at.as_secs(), at.subsec_millis());
    write!(out, "}} {} {seconds}.{millis:03}", Number(*value))
}

// ===== impl Escaped =====

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(self.1) {
            f.write_str(&rest[..at])?;
            f.write_str(match &rest[at..=at] {
                "\n" => "\\n",
                "\"" => "\\\"",
                _ => "\\\\",
            })?;
            rest = &rest[at + 1..];
        }
        f.write_str(rest)
    }
}

// ===== impl Number =====

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            f64::INFINITY => f.write_str("+Inf"),
            f64::NEG_INFINITY => f.write_str("-Inf"),
            number => number.fmt(f),
        }
    }
}

// ===== impl Bound =====

impl fmt::Display for Bound {
    /// OpenMetrics spells bounds as Go's `%g` does ("canonical numbers"), and
    /// whole ones with `.0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let &Self(bound, format) = self;
        if format == Format::Text || !bound.is_finite() {
            return Number(bound).fmt(f);
        }
        let size = bound.abs();
        if bound == 0.0 || (1e-4..1e6).contains(&size) {
            return write!(f, "{bound:?}");
        }
        let text = format!("{bound:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |e| ('-', e));
        write!(f, "{digits}e{sign}{exponent:0>2}")
    }
}

#[cfg(test)]
mod tests {
    use super::{Bound, Format};

    #[test]
    fn bounds_have_one_spelling() {
        let spelled = [
            (0.0, "0.0"),
            (1.0, "1.0"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (2.5e-10, "2.5e-10"),
            (100_000.0, "100000.0"),
            (1e6, "1e+06"),
            (-2.5e7, "-2.5e+07"),
            (1e10, "1e+10"),
            (1e100, "1e+100"),
            (f64::INFINITY, "+Inf"),
        ];
        for (bound, text) in spelled {
            assert_eq!(Bound(bound, Format::OpenMetrics).to_string(), text);
        }
        assert_eq!(Bound(1e6, Format::Text).to_string(), "1000000");
    }
}
