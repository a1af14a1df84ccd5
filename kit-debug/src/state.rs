use kit_endpoint::{Inspect, Inspector};
use serde::{Serialize, Serializer};
use std::collections::{BTreeMap, HashMap};

/// How many values a page has, at the most: what a component says of itself may be
/// as much as it has keys.
pub(crate) const MOST: usize = 10_000;

/// What a component said of itself, as `/debug/state/NAME` shows it.
#[derive(Debug, Default, Serialize)]
pub(crate) struct State {
    metrics: Vec<Metric>,
    /// Values for which there was no room.
    omitted: usize,
    #[serde(skip)]
    places: HashMap<(String, Type), usize>,
    #[serde(skip)]
    values: usize,
}

#[derive(Debug, Serialize)]
struct Metric {
    name: String,
    r#type: Type,
    help: String,
    values: Vec<Labeled>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
enum Type {
    Counter,
    Gauge,
    State,
}

#[derive(Debug, Serialize)]
struct Labeled {
    labels: BTreeMap<String, String>,
    value: Value,
}

#[derive(Debug)]
enum Value {
    Count(u64),
    Level(f64),
    State(String),
}

// ===== impl State =====

impl State {
    pub(crate) fn of(components: &[impl Inspect]) -> Self {
        let mut state = Self::default();
        components.inspect(&mut state);
        state
    }

    fn add(
        &mut self,
        r#type: Type,
        name: &str,
        help: &str,
        labels: &[(&str, &str)],
        value: impl FnOnce() -> Value,
    ) {
        if self.values == MOST {
            self.omitted += 1;
            return;
        }
        self.values += 1;
        let place = *self.places.entry((name.to_owned(), r#type)).or_insert(self.metrics.len());
        if place == self.metrics.len() {
            let (name, help) = (name.to_owned(), help.to_owned());
            self.metrics.push(Metric { name, r#type, help, values: Vec::new() });
        }
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let value = Labeled { labels: labels.collect(), value: value() };
        self.metrics[place].values.push(value);
    }
}

impl Inspector for State {
    fn counter(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: u64) {
        self.add(Type::Counter, name, help, labels, || Value::Count(value));
    }

    fn gauge(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: f64) {
        self.add(Type::Gauge, name, help, labels, || Value::Level(value));
    }

    fn state(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: &str) {
        self.add(Type::State, name, help, labels, || Value::State(value.to_owned()));
    }
}

// ===== impl Value =====

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Count(count) => serializer.serialize_u64(*count),
            Self::Level(level) if level.is_finite() => serializer.serialize_f64(*level),
            // JSON has no such numbers: as Prometheus writes them.
            Self::Level(level) if level.is_nan() => serializer.serialize_str("NaN"),
            Self::Level(level) => {
                serializer.serialize_str(if *level > 0.0 { "+Inf" } else { "-Inf" })
            }
            Self::State(state) => serializer.serialize_str(state),
        }
    }
}
