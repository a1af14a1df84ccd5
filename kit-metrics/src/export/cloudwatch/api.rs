use super::{VALUES, dimensions, unit, values};
use crate::{
    export::{
        Error, Export,
        delta::{Deltas, Grown, Part},
    },
    registry::Reading,
};
use std::time::SystemTime;

/// How much a request may have, by an estimate that is rather too high: the
/// limit is 1 MB, the parameters' names included.
const BYTES: usize = 900_000;

/// Calls `PutMetricData`, as often as it takes. See the [module](super) for
/// what is sent.
///
/// What a call that succeeded told is not told again. A call whose answer is
/// lost may be: the API has no way to say which it was.
#[derive(Debug)]
pub struct CloudWatch<C> {
    client: C,
    namespace: String,
    at_once: usize,
    resolution: i32,
    deltas: Deltas,
}

/// Makes the call: your client.
pub trait PutMetricData: Send {
    /// Calls `PutMetricData` once.
    ///
    /// # Errors
    ///
    /// When CloudWatch did not take all of it.
    fn put_metric_data(
        &mut self,
        request: &Request,
    ) -> impl Future<Output = Result<(), Error>> + Send;
}

/// What a call has.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Request {
    /// The namespace.
    pub namespace: String,
    /// The data.
    pub data: Vec<Datum>,
}

/// What was added to a series, or a part of it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Datum {
    /// The name of the metric.
    pub name: String,
    /// The dimensions: at most 30.
    pub dimensions: Vec<(String, String)>,
    /// When the registry was read.
    pub at: SystemTime,
    /// The unit as CloudWatch has it, if it does.
    pub unit: Option<&'static str>,
    /// The values: at most 150.
    pub values: Vec<f64>,
    /// How many there are of each.
    pub counts: Vec<f64>,
    /// For how many seconds CloudWatch keeps it apart: 60, or 1.
    pub resolution: i32,
}

// ===== impl CloudWatch =====

impl<C: PutMetricData> CloudWatch<C> {
    /// Sends to `namespace` by `client`.
    #[must_use]
    pub fn new(namespace: impl Into<String>, client: C) -> Self {
        let (namespace, deltas) = (namespace.into(), Deltas::default());
        Self { client, namespace, at_once: 1000, resolution: 60, deltas }
    }

    /// Sets how many data a call has: 1000 unless set, which is the most that
    /// CloudWatch takes; fewer where 1 MB would not do.
    #[must_use]
    pub fn at_once(mut self, data: usize) -> Self {
        self.at_once = data.clamp(1, 1000);
        self
    }

    /// Has each second kept apart, which costs more; each minute unless set.
    #[must_use]
    pub const fn high_resolution(mut self) -> Self {
        self.resolution = 1;
        self
    }
}

impl<C: PutMetricData> Export for CloudWatch<C> {
    async fn export(&mut self, reading: &Reading) -> Result<(), Error> {
        let all = self.deltas.grown(reading);
        let mut request = Request { namespace: self.namespace.clone(), data: Vec::new() };
        let (mut told, mut bytes) = (Vec::new(), 0);
        for grown in &all {
            let data = data(grown, reading.at, self.resolution);
            if data.is_empty() {
                continue;
            }
            let size = data.iter().map(size).sum::<usize>();
            let is_full = request.data.len() + data.len() > self.at_once || bytes + size > BYTES;
            // A series is told by one call, or not at all.
            if is_full && !request.data.is_empty() {
                self.client.put_metric_data(&request).await?;
                tell(&mut self.deltas, &mut told);
                request.data.clear();
                bytes = 0;
            }
            bytes += size;
            request.data.extend(data);
            told.push(grown);
        }
        if !request.data.is_empty() {
            self.client.put_metric_data(&request).await?;
            tell(&mut self.deltas, &mut told);
        }
        Ok(())
    }
}

fn tell<'a>(deltas: &mut Deltas, told: &mut Vec<&'a Grown<'a>>) {
    for grown in told.drain(..) {
        deltas.told(grown, Part::All);
    }
}

fn data(grown: &Grown<'_>, at: SystemTime, resolution: i32) -> Vec<Datum> {
    let own = |(name, value): (&String, &String)| (name.clone(), value.clone());
    let dimensions: Vec<_> = dimensions(grown).map(own).collect();
    let datum = |values: &[(f64, f64)]| Datum {
        name: grown.metric.name.clone(),
        dimensions: dimensions.clone(),
        at,
        unit: unit(grown.metric.unit),
        values: values.iter().map(|(value, _)| *value).collect(),
        counts: values.iter().map(|(_, count)| *count).collect(),
        resolution,
    };
    values(grown).chunks(VALUES).map(datum).collect()
}

/// `MetricData.member.1000.Values.member.100=0.0123456789&`, and what else
/// there is.
fn size(datum: &Datum) -> usize {
    let dimension = |(name, value): &(String, String)| 130 + 3 * (name.len() + value.len());
    let dimensions: usize = datum.dimensions.iter().map(dimension).sum();
    300 + 3 * datum.name.len() + dimensions + 120 * datum.values.len()
}
