use super::{
    family::{Cell, Family, Labels, Shape},
    histogram::Snapshot,
};
use std::{
    collections::{BTreeMap, HashSet},
    fmt::{self, Write as _},
    sync::atomic::Ordering,
};

/// A page in the text format 0.0.4, while it is being put together.
#[derive(Default)]
pub(super) struct Page<'a> {
    families: BTreeMap<String, (Shape, &'a Family)>,
    /// Every name of a line, so that no two metrics write the same.
    taken: HashSet<String>,
    clashes: Vec<(String, Shape)>,
}

/// Text in which what the format gives a meaning is escaped.
struct Escaped<'a>(&'a str, &'static [char]);

/// A number as the format writes it.
struct Number(f64);

// ===== impl Page =====

impl<'a> Page<'a> {
    pub(super) fn add(&mut self, name: String, shape: Shape, family: &'a Family) {
        if family.all().is_empty() {
            return;
        }
        let suffixes: &[&str] = match shape {
            Shape::Counter | Shape::Gauge => &[""],
            Shape::Histogram => &["", "_bucket", "_sum", "_count"],
        };
        let lines: Vec<_> = suffixes.iter().map(|suffix| format!("{name}{suffix}")).collect();
        if lines.iter().any(|line| self.taken.contains(line)) {
            self.clashes.push((name, shape));
        } else {
            self.taken.extend(lines);
            self.families.insert(name, (shape, family));
        }
    }

    pub(super) fn render(&self) -> String {
        let mut out = String::new();
        // A string takes whatever is written.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        for (name, (shape, family)) in &self.families {
            if !family.help().is_empty() {
                writeln!(out, "# HELP {name} {}", Escaped(family.help(), &['\\', '\n']))?;
            }
            writeln!(out, "# TYPE {name} {}", shape.name())?;
            for (labels, cell) in family.all() {
                match cell {
                    Cell::Counter(count) => {
                        line(out, name, "", labels, None, count.load(Ordering::Relaxed))?;
                    }
                    Cell::Gauge(level) => {
                        line(out, name, "", labels, None, Number(level.value()))?;
                    }
                    Cell::Histogram(buckets) => {
                        histogram(out, name, labels, &buckets.snapshot())?;
                    }
                }
            }
        }
        for (name, shape) in &self.clashes {
            let shape = shape.name();
            writeln!(out, "# the {shape} {name} is left out: another metric has its name")?;
        }
        Ok(())
    }
}

fn histogram(out: &mut String, name: &str, labels: &Labels, read: &Snapshot<'_>) -> fmt::Result {
    for (bound, count) in read.buckets() {
        line(out, name, "_bucket", labels, Some(Number(bound)), count)?;
    }
    line(out, name, "_sum", labels, None, Number(read.sum))?;
    line(out, name, "_count", labels, None, read.count())
}

fn line(
    out: &mut String,
    name: &str,
    suffix: &str,
    labels: &Labels,
    le: Option<Number>,
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
    writeln!(out, " {value}")
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
