use super::table::{Slot, Table, hash};
use crate::{DynRecorder, METADATA};
use metrics::{Histogram, Key, Label};
use std::{sync::OnceLock, time::Duration};

/// How many routes, and how many series of each metric, a server keeps apart.
///
/// OpenTelemetry's default limit of a metric is 2000 series; a histogram has
/// seventeen lines for each.
pub const LIMIT: usize = 1000;

/// What routes past the [`LIMIT`] fall into.
pub(super) const OTHER: &str = "other";

/// Room for the series of `OTHER`, so that it still tells methods and statuses
/// apart.
const SPARE: usize = LIMIT / 4;

/// The series of one histogram: by method and route, and by how a request
/// ended.
pub(super) struct Series {
    name: &'static str,
    routes: Table<Place, ()>,
    histograms: Table<(Slot, Ending), Histogram>,
    rest: OnceLock<Histogram>,
}

/// Where a request went: the number of its method, and its route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) method: u8,
    pub(super) route: Option<Box<str>>,
}

/// How a request ended: the number of its status, and of its error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) status: u16,
    pub(super) error: u16,
}

/// Where a request goes: known, or to be known once it has ended.
#[derive(Debug)]
pub(super) enum Way {
    Known(Slot),
    New(Place),
}

// ===== impl Series =====

impl Series {
    pub(super) fn new(name: &'static str) -> Self {
        let (routes, histograms) = (Table::new(LIMIT + SPARE), Table::new(LIMIT + SPARE));
        Self { name, routes, histograms, rest: OnceLock::new() }
    }

    /// Keeps a way that is known to exist.
    pub(super) fn know(&self, method: u8, route: &str) {
        self.keep(Place { method, route: Some(route.into()) });
    }

    /// Finds the way of a request. One that is new is not kept yet: whoever
    /// made it up must not fill the table.
    pub(super) fn way(&self, method: u8, route: Option<&str>) -> Way {
        let is = |place: &Place| place.method == method && place.route.as_deref() == route;
        self.routes
            .find(hash_place(method, route), is)
            .map_or_else(|| Way::New(Place { method, route: route.map(Into::into) }), Way::Known)
    }

    /// Records a request that took `duration`. `labels` names its series:
    /// that of a place, or the one that takes whatever finds no room.
    pub(super) fn record(
        &self,
        recorder: &DynRecorder,
        way: Way,
        ending: Ending,
        duration: Duration,
        labels: impl Fn(Option<&Place>) -> Vec<Label>,
    ) {
        let slot = match way {
            Way::Known(slot) => Some(slot),
            Way::New(place) => self.keep(place),
        };
        let histogram = slot.and_then(|slot| self.histogram(recorder, slot, ending, &labels));
        let rest = || {
            self.rest.get_or_init(|| {
                let key = Key::from_parts(self.name, labels(None));
                recorder.register_histogram(&key, &METADATA)
            })
        };
        histogram.unwrap_or_else(rest).record(duration.as_secs_f64());
    }

    fn keep(&self, place: Place) -> Option<Slot> {
        let method = place.method;
        let keep = |place: Place, spare| {
            let hash = hash_place(place.method, place.route.as_deref());
            let key = place.clone();
            self.routes.find_or_insert(hash, |other| *other == place, spare, || (key, ()))
        };
        keep(place, SPARE).or_else(|| keep(other(method), 0))
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
                    ((slot, ending), recorder.register_histogram(&key, &METADATA))
                },
            )?;
            self.histograms.at(slot).map(|(_, histogram)| histogram)
        };
        find(slot, SPARE).or_else(|| {
            let (place, ()) = self.routes.at(slot)?;
            find(self.keep(other(place.method))?, 0)
        })
    }
}

fn other(method: u8) -> Place {
    Place { method, route: Some(OTHER.into()) }
}

fn hash_place(method: u8, route: Option<&str>) -> u64 {
    hash(method.into(), route.unwrap_or_default().as_bytes())
}
