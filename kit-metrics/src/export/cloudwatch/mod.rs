//! CloudWatch: by its API, or as lines of a log in its embedded metric format.
//!
//! [`Emf`] writes JSON lines to any writer, the standard output of a container
//! or of Lambda for one: CloudWatch Logs makes metrics of them, and no call is
//! made. [`CloudWatch`] calls `PutMetricData`, by a client of yours.
//!
//! ```no_run
//! use kit_metrics::{Registry, export::{Push, cloudwatch::Emf}};
//! use std::time::Duration;
//!
//! # async fn run(registry: Registry, log: impl tokio::io::AsyncWrite + Send + Unpin) {
//! let emf = Emf::new("Greeter", log);
//! let push = Push::new(registry, emf).every(Duration::from_secs(60));
//! # drop(push.run(std::future::pending()).await);
//! # }
//! ```
//!
//! # What is sent
//!
//! What was added since the last write that succeeded, with the time of the
//! reading: a counter's number, how many values of a histogram fell into each
//! bucket, as the value in its middle, and what a gauge is. What did not change
//! is not sent, gauges aside: CloudWatch's price is by the metric.
//!
//! Labels are dimensions, of which there may be 30. CloudWatch takes no empty
//! names and values: those are left out, as are values that are not finite or
//! beyond 2^360. A series with 30 dimensions and more has the first 30.
//!
//! # Your own client
//!
//! The AWS SDK is 90 packages, with an `http` of its own age, and its client is
//! made where you keep credentials and regions: so [`PutMetricData`] is a trait,
//! and its implementation yours.
//!
//! ```text
//! struct Aws(aws_sdk_cloudwatch::Client);
//!
//! impl PutMetricData for Aws {
//!     async fn put_metric_data(&mut self, request: &Request) -> Result<(), Error> {
//!         let dimension = |(name, value): &(String, String)| {
//!             Dimension::builder().name(name).value(value).build()
//!         };
//!         let datum = |datum: &Datum| {
//!             MetricDatum::builder()
//!                 .metric_name(&datum.name)
//!                 .timestamp(datum.at.into())
//!                 .set_unit(datum.unit.map(StandardUnit::from))
//!                 .set_dimensions(Some(datum.dimensions.iter().map(dimension).collect()))
//!                 .set_values(Some(datum.values.clone()))
//!                 .set_counts(Some(datum.counts.clone()))
//!                 .storage_resolution(datum.resolution)
//!                 .build()
//!         };
//!         let call = self.0.put_metric_data().namespace(&request.namespace);
//!         let data = request.data.iter().map(datum).collect();
//!         call.set_metric_data(Some(data)).send().await.map_err(Error::other)?;
//!         Ok(())
//!     }
//! }
//! ```

mod api;
mod emf;

pub use self::{
    api::{CloudWatch, Datum, PutMetricData, Request},
    emf::Emf,
};

use super::{
    delta::{By, Grown},
    sample::middles,
};
use metrics::Unit;

/// How many values a datum may have, of the API; of a line it is 100.
const VALUES: usize = 150;

/// How many dimensions a metric may have.
const DIMENSIONS: usize = 30;

/// What CloudWatch takes for a value: up to 2^360.
fn fits(value: f64) -> bool {
    value.abs() <= 2.0_f64.powi(360)
}

/// The dimensions of a series.
fn dimensions<'a>(grown: &'a Grown<'_>) -> impl Iterator<Item = (&'a String, &'a String)> {
    let labels = grown.series.labels.iter().map(|(name, value)| (name, value));
    labels.filter(|(name, value)| !name.is_empty() && !value.is_empty()).take(DIMENSIONS)
}

/// What was added: values, and how many there are of each. Nothing where
/// nothing was.
#[expect(clippy::cast_precision_loss, reason = "CloudWatch counts in doubles")]
fn values(grown: &Grown<'_>) -> Vec<(f64, f64)> {
    match &grown.by {
        By::Counter(0) => Vec::new(),
        By::Counter(count) => vec![(*count as f64, 1.0)],
        By::Gauge(value) => vec![(*value, 1.0)],
        By::Histogram(added) => {
            middles(added).map(|(value, count)| (value, count as f64)).collect()
        }
    }
    .into_iter()
    .filter(|(value, _)| fits(*value))
    .collect()
}

/// The unit as CloudWatch has it, if it does.
const fn unit(unit: Option<Unit>) -> Option<&'static str> {
    match unit {
        Some(Unit::Count) => Some("Count"),
        Some(Unit::Percent) => Some("Percent"),
        Some(Unit::Seconds) => Some("Seconds"),
        Some(Unit::Milliseconds) => Some("Milliseconds"),
        Some(Unit::Microseconds) => Some("Microseconds"),
        Some(Unit::Bytes) => Some("Bytes"),
        Some(Unit::TerabitsPerSecond) => Some("Terabits/Second"),
        Some(Unit::GigabitsPerSecond) => Some("Gigabits/Second"),
        Some(Unit::MegabitsPerSecond) => Some("Megabits/Second"),
        Some(Unit::KilobitsPerSecond) => Some("Kilobits/Second"),
        Some(Unit::BitsPerSecond) => Some("Bits/Second"),
        Some(Unit::CountPerSecond) => Some("Count/Second"),
        // Its kilobytes are not kibibytes.
        _ => None,
    }
}
