//! The series of one histogram whose labels calls bring along.

use crate::{
    DynRecorder, Trace,
    records::Histogram,
    table::{Slot, Table, hash},
};
use metrics::{Key, Label};
use std::{sync::OnceLock, time::Duration};

/// The methods that OpenTelemetry knows by default, and what others are.
pub(crate) const METHODS: [&str; 10] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "_OTHER"];

/// What routes past the limit fall into.
pub(crate) const OTHER: &str = "other";

/// The series of one histogram: by method and route, and by how a request
/// ended.
pub(crate) struct Series {
    name: &'static str,
    routes: Table<Place, ()>,
    histograms: Table<(Slot, Ending), Histogram>,
    rest: OnceLock<Histogram>,
    /// Room for the series of `OTHER`, so that it still tells methods and
    /// statuses apart.
    spare: usize,
}

/// Where a request went: the number of its method, and its route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) method: u8,
    pub(crate) route: Option<Box<str>>,
}

/// How a request ended: the number of its status, and of its error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) status: u16,
    pub(crate) error: u16,
}

/// Where a request goes: known, or to be known once it has ended.
#[derive(Debug)]
pub(crate) enum Way {
    Known(Slot),
    /// In a box: it is rare, and a call carries this around.
    New(Box<Place>),
}

// ===== impl Series =====

impl Series {
    /// Keeps `limit` routes and as many series apart.
    pub(crate) fn new(name: &'static str, limit: usize) -> Self {
        let spare = limit / 4;
        let (routes, histograms) = (Table::new(limit + spare), Table::new(limit + spare));
        Self { name, routes, histograms, rest: OnceLock::new(), spare }
    }

    /// Keeps a way that is known to exist.
    pub(crate) fn know(&self, method: u8, route: &str) {
        self.keep(Place { method, route: Some(route.into()) });
    }

    /// Finds the way of a request. One that is new is not kept yet: whoever
    /// made it up must not fill the table.
    pub(crate) fn way(&self, method: u8, route: Option<&str>) -> Way {
        let is = |place: &Place| place.method == method && place.route.as_deref() == route;
        self.routes.find(hash_place(method, route), is).map_or_else(
            || Way::New(Box::new(Place { method, route: route.map(Into::into) })),
            Way::Known,
        )
    }

    /// Records a request that took `duration`, and its trace if it is sampled.
    /// `labels` names its series:
    /// that of a place, or the one that takes whatever finds no room.
    pub(crate) fn record(
        &self,
        recorder: &DynRecorder,
        way: Way,
        ending: Ending,
        (duration, trace): (Duration, Option<Trace>),
        labels: impl Fn(Option<&Place>) -> Vec<Label>,
    ) {
        let slot = match way {
            Way::Known(slot) => Some(slot),
            Way::New(place) => self.keep(*place),
        };
        let histogram = slot.and_then(|slot| self.histogram(recorder, slot, ending, &labels));
        let rest = || {
            self.rest.get_or_init(|| {
                let key = Key::from_parts(self.name, labels(None));
                recorder.observations(&key)
            })
        };
        let histogram = histogram.unwrap_or_else(rest);
        let seconds = duration.as_secs_f64();
        match trace {
            None => histogram.record(seconds),
            Some(trace) => histogram.record_traced(seconds, trace),
        }
    }

    fn keep(&self, place: Place) -> Option<Slot> {
        let method = place.method;
        let keep = |place: Place, spare| {
            let hash = hash_place(place.method, place.route.as_deref());
            let key = place.clone();
            self.routes.find_or_insert(hash, |other| *other == place, spare, || (key, ()))
        };
        keep(place, self.spare).or_else(|| keep(other(method), 0))
    }

    fn histogram(
        &self,
        recorder: &DynRecorder,
        slot: Slot,
        ending: Ending,
        labels: &impl Fn(Option<&Place>) -> Vec<Label>,
    ) -> Option<&Histogram> {
        let find = |slot: Slot, spare| {
            let (place, ()) = self.routes.at(slot)?;
            let number =
                (slot.0 as u64) << 32 | u64::from(ending.status) << 16 | u64::from(ending.error);
            let hash = hash(number, &[]);
            let slot = self.histograms.find_or_insert(
                hash,
                |key| *key == (slot, ending),
                spare,
                || {
                    let key = Key::from_parts(self.name, labels(Some(place)));
                    ((slot, ending), recorder.observations(&key))
                },
            )?;
            self.histograms.at(slot).map(|(_, histogram)| histogram)
        };
        find(slot, self.spare).or_else(|| {
            let (place, ()) = self.routes.at(slot)?;
            find(self.keep(other(place.method))?, 0)
        })
    }
}

/// Returns the number of an HTTP method among the [`METHODS`].
#[expect(clippy::cast_possible_truncation, reason = "there are ten")]
pub(crate) fn method_index(method: &str) -> u8 {
    let known = METHODS.iter().position(|known| *known == method);
    known.unwrap_or(METHODS.len() - 1) as u8
}

fn other(method: u8) -> Place {
    Place { method, route: Some(OTHER.into()) }
}

fn hash_place(method: u8, route: Option<&str>) -> u64 {
    hash(method.into(), route.unwrap_or_default().as_bytes())
}
