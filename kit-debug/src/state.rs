use kit_endpoint::{Inspect, Inspector};
use serde::{Serialize, Serializer};
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

/// How many values a page has, at the most: what a component says of itself may be
/// as much as it has keys.
pub(crate) const MOST: usize = 10_000;

/// The components that say how they are, by name; clones share them.
///
/// A part of a program that comes later than its debug port is
/// [added](Self::add) then, and is there from then on.
///
/// ```
/// use kit_debug::{Debug, States};
/// use kit_endpoint::{Inspect, Inspector};
///
/// struct Cache;
///
/// impl Inspect for Cache {
///     fn inspect(&self, inspector: &mut dyn Inspector) {
///         inspector.gauge("cache_entries", "Entries in memory.", &[], 42.0);
///     }
/// }
///
/// let states = States::new();
/// let port = Debug::new().states(&states).into_router();
/// states.add("cache", Cache);
/// # let _ = port;
/// ```
#[derive(Clone, Default)]
pub struct States(Arc<RwLock<Components>>);

type Components = BTreeMap<String, Vec<Arc<dyn Inspect>>>;

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

// ===== impl States =====

impl States {
    /// No component.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a component, for good. All of one name are together.
    pub fn add(&self, name: impl Into<String>, component: impl Inspect + 'static) {
        let mut components = self.0.write().unwrap_or_else(PoisonError::into_inner);
        components.entry(name.into()).or_default().push(Arc::new(component));
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// No lock is held while they say it.
    pub(crate) fn of(&self, name: &str) -> Option<State> {
        let components = self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        components.map(|components| State::of(&components))
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("States").field(&self.names()).finish()
    }
}

// ===== impl State =====

impl State {
    fn of(components: &[impl Inspect]) -> Self {
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
