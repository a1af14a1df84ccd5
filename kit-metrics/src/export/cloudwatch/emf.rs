use super::{dimensions, unit, values};
use crate::{
    export::{
        Error, Export,
        delta::{Deltas, Grown, Part},
    },
    registry::Reading,
};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, fmt, time::SystemTime};
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// How many metrics a line may have.
const METRICS: usize = 100;

/// How many values a metric of a line may have.
const VALUES: usize = 100;

/// Writes JSON lines in CloudWatch's embedded metric format. See the
/// [module](super) for what is in them.
///
/// Each line is the metrics of one set of labels, at most 100. What a line that
/// was written told is not told again; one that broke off is no JSON, and is
/// not counted.
pub struct Emf<W> {
    writer: W,
    namespace: String,
    resolution: u8,
    properties: Map<String, Value>,
    deltas: Deltas,
    /// Whether the last line may have broken off.
    torn: bool,
}

// ===== impl Emf =====

impl<W> Emf<W> {
    /// Writes metrics of `namespace` to `writer`.
    #[must_use]
    pub fn new(namespace: impl Into<String>, writer: W) -> Self {
        let (namespace, properties) = (namespace.into(), Map::new());
        let deltas = Deltas::default();
        Self { writer, namespace, resolution: 60, properties, deltas, torn: false }
    }

    /// Adds a property to each line, which is no dimension: to search the log
    /// by.
    #[must_use]
    pub fn property(mut self, name: &str, value: &str) -> Self {
        self.properties.insert(name.to_owned(), value.into());
        self
    }

    /// Has each second kept apart, which costs more; each minute unless set.
    #[must_use]
    pub const fn high_resolution(mut self) -> Self {
        self.resolution = 1;
        self
    }

    /// Returns the writer.
    pub fn into_inner(self) -> W {
        self.writer
    }

    /// Makes the line of some series with the same labels.
    fn line(&self, series: &[(&Grown<'_>, Vec<(f64, f64)>)], at: SystemTime) -> String {
        let mut line = self.properties.clone();
        let mut names = Vec::new();
        for (name, value) in series.iter().take(1).flat_map(|(grown, _)| dimensions(grown)) {
            names.push(name.clone());
            line.insert(name.clone(), value.clone().into());
        }
        let mut definitions = Vec::new();
        for (grown, values) in series {
            let name = name(grown);
            let mut definition = json!({ "Name": name, "StorageResolution": self.resolution });
            if let Some(unit) = unit(grown.metric.unit) {
                definition["Unit"] = unit.into();
            }
            definitions.push(definition);
            line.insert(name, told(values));
        }
        let metrics = json!([{
            "Namespace": self.namespace,
            "Dimensions": [names],
            "Metrics": definitions,
        }]);
        let at = at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let at = u64::try_from(at).unwrap_or(u64::MAX);
        line.insert("_aws".to_owned(), json!({ "Timestamp": at, "CloudWatchMetrics": metrics }));
        let mut text = Value::Object(line).to_string();
        text.push('\n');
        text
    }
}

impl<W: AsyncWrite + Unpin + Send> Export for Emf<W> {
    async fn export(&mut self, reading: &Reading) -> Result<(), Error> {
        let all = self.deltas.grown(reading);
        let mut groups: BTreeMap<&[(String, String)], Vec<Vec<_>>> = BTreeMap::new();
        for grown in &all {
            let values = values(grown);
            if values.is_empty() {
                continue;
            }
            let lines = groups.entry(&*grown.series.labels).or_default();
            // A counter and a gauge may have one name, but not in one line.
            let is_free = |line: &Vec<(&Grown<'_>, _)>| {
                line.len() < METRICS && line.iter().all(|(other, _)| name(other) != name(grown))
            };
            // The values that do not fit are lines of their own.
            for (part, values) in values.chunks(VALUES).enumerate() {
                let values = values.to_vec();
                match lines.last_mut() {
                    Some(line) if part == 0 && is_free(line) => line.push((grown, values)),
                    _ => lines.push(vec![(grown, values)]),
                }
            }
        }
        for line in groups.values().flatten() {
            let mut text = self.line(line, reading.at);
            if self.torn {
                text.insert(0, '\n');
            }
            self.torn = true;
            let failed = Error::io("the log");
            self.writer.write_all(text.as_bytes()).await.map_err(&failed)?;
            self.writer.flush().await.map_err(&failed)?;
            self.torn = false;
            for (grown, _) in line {
                self.deltas.told(grown, Part::All);
            }
        }
        Ok(())
    }
}

/// The name of a metric, which no dimension of its line may have.
fn name(grown: &Grown<'_>) -> String {
    let name = &grown.metric.name;
    let taken = name == "_aws" || grown.series.labels.iter().any(|(label, _)| label == name);
    if taken { format!("{name}_value") } else { name.clone() }
}

fn told(values: &[(f64, f64)]) -> Value {
    match values {
        // `1.0` is how it counts.
        [(value, count)] if *count <= 1.0 => (*value).into(),
        _ => {
            let (values, counts): (Vec<_>, Vec<_>) = values.iter().copied().unzip();
            json!({ "Values": values, "Counts": counts })
        }
    }
}

impl<W> fmt::Debug for Emf<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emf")
            .field("namespace", &self.namespace)
            .field("resolution", &self.resolution)
            .field("properties", &self.properties)
            .finish_non_exhaustive()
    }
}
