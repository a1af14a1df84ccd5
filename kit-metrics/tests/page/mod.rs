//! A strict reader of the text format 0.0.4: what it does not know, it panics
//! over.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::{BTreeMap, HashSet};

type Labels = BTreeMap<String, String>;

/// A page that was read.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) types: BTreeMap<String, String>,
    pub(crate) helps: BTreeMap<String, String>,
    pub(crate) samples: Vec<(String, Labels, f64)>,
    pub(crate) comments: Vec<String>,
}

impl Page {
    /// Reads a page.
    ///
    /// # Panics
    ///
    /// When it is not exactly what the format allows: families in one piece, a
    /// type before samples, names and escapes that are valid, no line twice,
    /// histograms whose buckets add up.
    pub(crate) fn read(text: &str) -> Self {
        let mut page = Self::default();
        let mut family = String::new();
        let mut seen = HashSet::new();
        assert!(text.is_empty() || text.ends_with('\n'), "the last line has no end");
        for line in text.split_terminator('\n') {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("a help has a text");
                assert!(page.helps.insert(name.into(), unescape(help, false)).is_none(), "{line}");
                family.clear();
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, shape) = rest.split_once(' ').expect("a type has a name");
                assert!(metric_name(name), "{line}");
                assert!(["counter", "gauge", "histogram"].contains(&shape), "{line}");
                assert!(page.types.insert(name.into(), shape.into()).is_none(), "{line}");
                family = name.into();
            } else if let Some(comment) = line.strip_prefix("# ") {
                page.comments.push(comment.into());
            } else {
                let (name, labels, value) = sample(line);
                let suffixes: &[&str] = match page.types.get(&family).map(String::as_str) {
                    Some("histogram") => &["_bucket", "_sum", "_count"],
                    _ => &[""],
                };
                assert!(
                    !family.is_empty()
                        && suffixes.iter().any(|end| name == format!("{family}{end}")),
                    "a sample outside of its family: {line}"
                );
                assert!(seen.insert((name.clone(), labels.clone())), "twice: {line}");
                page.samples.push((name, labels, value));
            }
        }
        page.check_histograms();
        page
    }

    /// Returns the value of exactly these labels.
    #[must_use]
    pub(crate) fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels: Labels = owned(labels);
        self.samples.iter().find(|(n, l, _)| n == name && *l == labels).map(|(_, _, value)| *value)
    }

    /// Returns the bucket of these labels up to `le`.
    #[must_use]
    pub(crate) fn bucket(&self, name: &str, labels: &[(&str, &str)], le: &str) -> Option<f64> {
        let mut labels = labels.to_vec();
        labels.push(("le", le));
        self.get(&format!("{name}_bucket"), &labels)
    }

    /// Adds up every sample of a name.
    #[must_use]
    pub(crate) fn sum(&self, name: &str) -> f64 {
        self.of(name).map(|(_, value)| value).sum()
    }

    /// Returns every sample of a name.
    pub(crate) fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a Labels, f64)> {
        let samples = self.samples.iter().filter(move |(n, _, _)| n == name);
        samples.map(|(_, labels, value)| (labels, *value))
    }

    fn check_histograms(&self) {
        for name in self.types.iter().filter(|(_, shape)| *shape == "histogram").map(|(n, _)| n) {
            let mut groups: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
            for (labels, value) in self.of(&format!("{name}_bucket")) {
                let mut labels = labels.clone();
                let le = number(&labels.remove("le").expect("a bucket has a bound"));
                groups.entry(labels).or_default().push((le, value));
            }
            let count = format!("{name}_count");
            let counts = self.of(&count);
            let counts: BTreeMap<_, _> = counts.map(|(labels, n)| (labels.clone(), n)).collect();
            let sums = self.of(&format!("{name}_sum")).count();
            assert_eq!((groups.len(), groups.len()), (counts.len(), sums), "{name}");
            for (labels, buckets) in groups {
                assert!(buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{name} {labels:?}");
                let (le, last) = *buckets.last().expect("a group has a bucket");
                assert!(le.is_infinite() && Some(&last) == counts.get(&labels), "{name}");
            }
        }
    }
}

fn owned(labels: &[(&str, &str)]) -> Labels {
    labels.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn sample(line: &str) -> (String, Labels, f64) {
    let end = line.find(['{', ' ']).expect("a sample has a value");
    let (name, mut rest) = line.split_at(end);
    assert!(metric_name(name), "{line}");
    let mut labels = Labels::new();
    if let Some(mut inside) = rest.strip_prefix('{') {
        loop {
            let (label, value) = inside.split_once("=\"").expect("a label has a value");
            assert!(label_name(label), "{line}");
            let end = quote(value).expect("a value ends");
            let twice = labels.insert(label.into(), unescape(&value[..end], true));
            assert!(twice.is_none(), "{line}");
            inside = &value[end + 1..];
            match inside.strip_prefix(',') {
                Some(next) => inside = next,
                None => break,
            }
        }
        rest = inside.strip_prefix('}').expect("labels end");
    }
    let value = rest.strip_prefix(' ').expect("one blank before the value");
    (name.into(), labels, number(value))
}

/// Finds the quote that ends a value: not one that is escaped.
fn quote(value: &str) -> Option<usize> {
    let mut escaped = false;
    value.bytes().position(|byte| {
        let end = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        end
    })
}

fn unescape(text: &str, quotes: bool) -> String {
    let mut letters = text.chars();
    let mut plain = String::new();
    while let Some(letter) = letters.next() {
        plain.push(match letter {
            '\\' => match letters.next() {
                Some('\\') => '\\',
                Some('n') => '\n',
                Some('"') if quotes => '"',
                other => panic!("no escape: {other:?} in {text}"),
            },
            letter => letter,
        });
    }
    plain
}

fn number(text: &str) -> f64 {
    match text {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        "NaN" => f64::NAN,
        text => {
            assert!(text.bytes().all(|b| b.is_ascii_digit() || b"+-.e".contains(&b)), "{text}");
            text.parse().expect("a number")
        }
    }
}

fn metric_name(name: &str) -> bool {
    label_name(&name.replace(':', "_"))
}

fn label_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
