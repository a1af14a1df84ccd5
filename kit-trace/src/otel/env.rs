use super::{Pipeline, Sampling};
use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use std::{error, fmt, time::Duration};

const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
const QUEUE: &str = "OTEL_BSP_MAX_QUEUE_SIZE";
const BATCH: &str = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE";

/// Variables of the environment that cannot be used: each that was found, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadVariable(Vec<Mistake>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Mistake {
    name: &'static str,
    value: Box<str>,
    wanted: &'static str,
}

/// Variables as they are read, and what is wrong with those that were.
pub(super) struct Variables<G> {
    get: G,
    wrong: Vec<Mistake>,
}

/// Describes a service that is called `name`, and nothing more. What else is known of
/// it are [`Resource::builder_empty`]'s attributes.
#[must_use]
pub fn resource(name: impl Into<String>) -> Resource {
    Resource::builder_empty().with_service_name(name.into()).build()
}

/// Describes a service by `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`, read by
/// `get`; it is called `name` if neither says otherwise.
///
/// # Errors
///
/// Fails if the attributes are not `key=value`, with commas.
pub fn resource_from_env(
    name: impl Into<String>,
    get: impl Fn(&str) -> Option<String>,
) -> Result<Resource, BadVariable> {
    let mut resource = Resource::builder_empty().with_service_name(name.into());
    let attributes = get(ATTRIBUTES).unwrap_or_default();
    for pair in attributes.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let bad = || BadVariable::new(ATTRIBUTES, &attributes, "key=value,...");
        let (key, value) = pair.split_once('=').ok_or_else(bad)?;
        let (key, value) = (key.trim().to_owned(), value.trim().to_owned());
        resource = resource.with_attribute(KeyValue::new(key, value));
    }
    if let Some(name) = get("OTEL_SERVICE_NAME").filter(|name| !name.is_empty()) {
        resource = resource.with_service_name(name);
    }
    Ok(resource.build())
}

impl Pipeline {
    /// Makes it by OpenTelemetry's variables, read by `get`: those of
    /// [`resource_from_env`] and of [`Sampling::from_env`], and of the batching processor
    /// `OTEL_BSP_MAX_QUEUE_SIZE` and `OTEL_BSP_MAX_EXPORT_BATCH_SIZE` (spans),
    /// `OTEL_BSP_SCHEDULE_DELAY` and `OTEL_BSP_EXPORT_TIMEOUT` (milliseconds).
    ///
    /// A batch is no larger than the queue: by default 512 spans, or what the queue has.
    /// Where to, is the exporter's to read: [`Otlp::from_env`](super::Otlp::from_env).
    ///
    /// ```
    /// use kit_trace::otel::Pipeline;
    ///
    /// // A program says: `Pipeline::from_env("greeter", |name| std::env::var(name).ok())`.
    /// let wrong = |name: &str| match name {
    ///     "OTEL_BSP_MAX_QUEUE_SIZE" => Some("many".to_owned()),
    ///     "OTEL_BSP_SCHEDULE_DELAY" => Some("5s".to_owned()),
    ///     _ => None,
    /// };
    /// assert_eq!(
    ///     Pipeline::from_env("greeter", wrong).unwrap_err().to_string(),
    ///     "OTEL_BSP_MAX_QUEUE_SIZE cannot be \"many\": give a number of spans, from 1; \
    ///      OTEL_BSP_SCHEDULE_DELAY cannot be \"5s\": give milliseconds",
    /// );
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if some of them cannot be used, and names each. (The specification would
    /// have a number that is none ignored, with a warning that may go unread; and 0
    /// milliseconds for a batch be without a limit, which nothing here is.)
    pub fn from_env(
        name: impl Into<String>,
        get: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, BadVariable> {
        const SPANS: &str = "a number of spans, from 1";
        let mut from = Variables::new(&get);
        let resource = from.or_wrong(resource_from_env(name, &get));
        let sampling = from.or_wrong(Sampling::from_env(&get));
        let spans = |text: &str| text.parse().ok().filter(|count| *count > 0);
        let queue: Option<usize> = from.read(QUEUE, SPANS, spans);
        let batch: Option<usize> = from.read(BATCH, SPANS, spans);
        if let (Some(batch), most) = (batch, queue.unwrap_or(2048))
            && batch > most
        {
            from.wrong(BATCH, &batch.to_string(), "no more than OTEL_BSP_MAX_QUEUE_SIZE");
        }
        let delay = from.read("OTEL_BSP_SCHEDULE_DELAY", "milliseconds", |text| {
            text.parse().ok().map(Duration::from_millis)
        });
        let timeout = from.milliseconds("OTEL_BSP_EXPORT_TIMEOUT");
        let (Some(resource), Some(sampling), []) = (resource, sampling, &*from.wrong) else {
            return Err(BadVariable(from.wrong));
        };
        let mut pipeline = Self::new(resource).sampling(sampling);
        if let Some(queue) = queue {
            pipeline = pipeline.queue(queue).batch(batch.unwrap_or(512).min(queue));
        } else if let Some(batch) = batch {
            pipeline = pipeline.batch(batch);
        }
        if let Some(delay) = delay {
            pipeline = pipeline.delay(delay);
        }
        if let Some(timeout) = timeout {
            pipeline = pipeline.timeout(timeout);
        }
        Ok(pipeline)
    }
}

// ===== impl Variables =====

impl<G: Fn(&str) -> Option<String>> Variables<G> {
    pub(super) const fn new(get: G) -> Self {
        Self { get, wrong: Vec::new() }
    }

    /// What it says, if it says something: to be empty is to be unset.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        (self.get)(name).filter(|value| !value.is_empty())
    }

    /// What `parse` makes of it, which otherwise is a mistake.
    pub(super) fn read<T>(
        &mut self,
        name: &'static str,
        wanted: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.get(name)?;
        let value = parse(text.trim());
        if value.is_none() {
            self.wrong(name, &text, wanted);
        }
        value
    }

    /// A time to wait, which ends: so not 0.
    pub(super) fn milliseconds(&mut self, name: &'static str) -> Option<Duration> {
        self.read(name, "milliseconds, from 1", |text| {
            text.parse().ok().filter(|count| *count > 0).map(Duration::from_millis)
        })
    }

    pub(super) fn wrong(&mut self, name: &'static str, value: &str, wanted: &'static str) {
        self.wrong.push(Mistake { name, value: value.into(), wanted });
    }

    fn or_wrong<T>(&mut self, value: Result<T, BadVariable>) -> Option<T> {
        value.map_err(|BadVariable(wrong)| self.wrong.extend(wrong)).ok()
    }

    /// Fails with all that was wrong, if anything was.
    #[cfg(feature = "otlp")]
    pub(super) fn done(self) -> Result<(), BadVariable> {
        if self.wrong.is_empty() { Ok(()) } else { Err(BadVariable(self.wrong)) }
    }
}

// ===== impl BadVariable =====

impl BadVariable {
    pub(super) fn new(name: &'static str, value: &str, wanted: &'static str) -> Self {
        Self(vec![Mistake { name, value: value.into(), wanted }])
    }
}

impl fmt::Display for BadVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, Mistake { name, value, wanted }) in self.0.iter().enumerate() {
            let separator = if at > 0 { "; " } else { "" };
            write!(f, "{separator}{name} cannot be {value:?}: give {wanted}")?;
        }
        Ok(())
    }
}

impl error::Error for BadVariable {}
