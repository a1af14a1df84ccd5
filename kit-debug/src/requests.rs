use serde::{Serialize, Serializer};
use std::{cmp::Reverse, time::Duration};

/// How many requests the page lists, at the most: the oldest.
pub(crate) const MOST: usize = 1000;

/// A request that is being answered: a line of the page `/debug/requests`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InFlight {
    /// Which server answers it.
    pub server: String,
    /// Its method.
    pub method: String,
    /// Its path, without the query.
    pub path: String,
    /// Who sent it.
    pub peer: String,
    /// How long ago its head came; shown in seconds.
    #[serde(rename = "age_seconds", serialize_with = "seconds")]
    pub age: Duration,
}

#[derive(Debug, Serialize)]
pub(crate) struct Page {
    in_flight: usize,
    requests: Vec<InFlight>,
}

// ===== impl Page =====

impl Page {
    pub(crate) fn of(mut requests: Vec<InFlight>) -> Self {
        requests.sort_by_key(|request| Reverse(request.age));
        let in_flight = requests.len();
        requests.truncate(MOST);
        Self { in_flight, requests }
    }
}

fn seconds<S: Serializer>(age: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(age.as_secs_f64())
}
