//! What is believed of what a registry says: the policy, without tasks, locks
//! and clocks of its own.

use crate::{Confirmation, Doubt, Event, Instance, Snapshot, State};
use std::{cmp::Ordering, sync::Arc, time::Duration};
use tokio::time::Instant;

/// How far a registry is believed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trust {
    /// How long what is missing from a doubtful answer stays; zero doubts
    /// nothing.
    pub(crate) grace: Duration,
    /// How long a set outlives the registry; `None` is for ever.
    pub(crate) keep: Option<Duration>,
}

/// A set of instances, and what stands behind it.
#[derive(Debug)]
pub(crate) struct Set {
    trust: Trust,
    snapshot: Snapshot,
    /// What the registry said last, sorted.
    told: Arc<[Arc<Instance>]>,
    /// What is kept although it did not say it.
    suspicion: Option<Suspicion>,
    /// Whether a set was kept for too long, and is none any more.
    expired: bool,
}

#[derive(Debug)]
struct Suspicion {
    doubt: Doubt,
    since: Instant,
    /// Sorted; never empty.
    missing: Vec<Arc<Instance>>,
}

type Sorted = Arc<[Arc<Instance>]>;

// ===== impl Set =====

impl Set {
    pub(crate) fn new(trust: Trust) -> Self {
        let snapshot = Snapshot::default();
        let told = Arc::clone(&snapshot.instances);
        Self { trust, snapshot, told, suspicion: None, expired: false }
    }

    pub(crate) const fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Takes an answer of the registry. `doubt` says what speaks against it.
    pub(crate) fn answer(
        &mut self,
        answer: Vec<Arc<Instance>>,
        doubt: Option<Doubt>,
        now: Instant,
        events: &mut Vec<Event>,
    ) {
        let told = merged(&self.snapshot.instances, answer);
        let collapsed = told.is_empty() && !self.snapshot.instances.is_empty();
        let doubt = doubt.or(collapsed.then_some(Doubt::Collapsed));
        let was_stale = matches!(self.snapshot.state, State::Stale { .. });
        let (missing, doubt, since) = match (self.suspicion.take(), doubt) {
            _ if self.trust.grace.is_zero() => (Vec::new(), Doubt::Collapsed, now),
            // Of what the answer before had and this one has not, the registry
            // is believed; of what was missing before, still not. After an
            // outage the grace begins anew: while nobody answers, nothing is
            // confirmed.
            (Some(one), None) => {
                let since = if was_stale { now } else { one.since };
                (without(&one.missing, &told), one.doubt, since)
            }
            (Some(one), Some(_)) => {
                let since = if was_stale { now } else { one.since };
                (without(&self.snapshot.instances, &told), one.doubt, since)
            }
            (None, Some(doubt)) => (without(&self.snapshot.instances, &told), doubt, now),
            (None, None) => (Vec::new(), Doubt::Collapsed, now),
        };
        let was_suspect = matches!(self.snapshot.state, State::Suspect { .. });
        self.told = told;
        self.expired = false;
        if missing.is_empty() {
            if was_suspect {
                events.push(Event::Confirmed { by: Confirmation::Reseeded, dropped: 0 });
            }
            self.fresh(events);
            return;
        }
        let set = union(&self.told, &missing);
        if !was_suspect {
            events.push(Event::Suspect { doubt, missing: missing.len() });
        }
        let state = State::Suspect { since, doubt, missing: missing.len() };
        self.suspicion = Some(Suspicion { doubt, since, missing });
        self.show(set, state);
    }

    /// Takes note that the registry could not be asked.
    pub(crate) fn fail(&mut self, error: Arc<str>, now: Instant, events: &mut Vec<Event>) {
        self.snapshot.failures += 1;
        self.age(error, now, events);
    }

    /// The same, of a registry that nobody asks any more.
    pub(crate) fn age(&mut self, error: Arc<str>, now: Instant, events: &mut Vec<Event>) {
        self.snapshot.state = match self.snapshot.state {
            State::NeverSeen { .. } => State::NeverSeen { error: Some(error) },
            State::Fresh | State::Suspect { .. } => {
                events.push(Event::Stale { error: Arc::clone(&error) });
                State::Stale { since: now, error }
            }
            State::Stale { since, .. } => State::Stale { since, error },
        };
    }

    /// Takes what was known before this process began, if nothing is known yet.
    #[cfg(feature = "disk")]
    pub(crate) fn restore(
        &mut self,
        instances: Vec<Arc<Instance>>,
        now: Instant,
        events: &mut Vec<Event>,
    ) {
        let State::NeverSeen { error } = &self.snapshot.state else { return };
        let error = error.clone().unwrap_or_else(|| "the registry has not answered yet".into());
        events.push(Event::Restored { instances: instances.len() });
        let set = merged(&[], instances);
        self.told = Arc::clone(&set);
        self.show(set, State::Stale { since: now, error });
    }

    /// Returns what is kept without the registry's word.
    pub(crate) fn missing(&self) -> &[Arc<Instance>] {
        match (&self.suspicion, &self.snapshot.state) {
            (Some(suspicion), State::Suspect { .. }) => &suspicion.missing,
            _ => &[],
        }
    }

    /// Takes note that an instance that is missing does not answer.
    pub(crate) fn is_dead(&mut self, dead: &Instance, events: &mut Vec<Event>) {
        if self.missing().is_empty() {
            return;
        }
        let Some(mut suspicion) = self.suspicion.take() else { return };
        let before = suspicion.missing.len();
        suspicion.missing.retain(|one| one.key() != dead.key());
        let missing = suspicion.missing.len();
        if missing == 0 {
            events.push(Event::Confirmed { by: Confirmation::Dead, dropped: before });
            self.fresh(events);
            return;
        }
        let set = union(&self.told, &suspicion.missing);
        let state = State::Suspect { since: suspicion.since, doubt: suspicion.doubt, missing };
        self.suspicion = Some(suspicion);
        self.show(set, state);
    }

    /// Returns when time alone changes the set, if it does.
    pub(crate) fn due(&self) -> Option<Instant> {
        match self.snapshot.state {
            State::Suspect { since, .. } => since.checked_add(self.trust.grace),
            State::Stale { since, .. } if !self.expired => since.checked_add(self.trust.keep?),
            _ => None,
        }
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, now: Instant, events: &mut Vec<Event>) {
        if self.due().is_none_or(|due| now < due) {
            return;
        }
        if let State::Stale { .. } = self.snapshot.state {
            events.push(Event::Expired { dropped: self.snapshot.instances.len() });
            self.expired = true;
            self.suspicion = None;
            self.told = Arc::new([]);
            let state = self.snapshot.state.clone();
            self.show(Arc::new([]), state);
            return;
        }
        let dropped = self.suspicion.take().map_or(0, |suspicion| suspicion.missing.len());
        events.push(Event::Confirmed { by: Confirmation::Grace, dropped });
        self.fresh(events);
    }

    fn fresh(&mut self, events: &mut Vec<Event>) {
        let told = Arc::clone(&self.told);
        if !matches!(self.snapshot.state, State::Fresh) {
            events.push(Event::Fresh { instances: told.len() });
        }
        self.show(told, State::Fresh);
    }

    fn show(&mut self, set: Sorted, state: State) {
        let is_first = self.snapshot.revision == 0;
        self.snapshot.state = state;
        if is_first || !same(&self.snapshot.instances, &set) {
            self.snapshot.instances = set;
            self.snapshot.revision += 1;
        }
    }
}

/// Sorts an answer, with every instance once; those that are as before are the
/// same as before, and if all are, it is the set before.
fn merged(before: &[Arc<Instance>], mut answer: Vec<Arc<Instance>>) -> Sorted {
    // An answer is sorted most often, and then this is one comparison for each.
    answer.sort_by(|a, b| a.key().cmp(&b.key()));
    answer.dedup_by(|a, b| a.key() == b.key());
    let mut at = 0;
    for one in &mut answer {
        while let Some(old) = before.get(at) {
            match old.key().cmp(&one.key()) {
                Ordering::Less => at += 1,
                Ordering::Greater => break,
                Ordering::Equal => {
                    if !Arc::ptr_eq(old, one) && old == one {
                        *one = Arc::clone(old);
                    }
                    at += 1;
                    break;
                }
            }
        }
    }
    answer.into()
}

/// Whether two sets are of the very same instances, in memory: [`merged`] has
/// seen to it that equal ones are.
fn same(a: &[Arc<Instance>], b: &[Arc<Instance>]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| Arc::ptr_eq(a, b))
}

/// What of `all` is not in `told`.
fn without(all: &[Arc<Instance>], told: &[Arc<Instance>]) -> Vec<Arc<Instance>> {
    let is_missing =
        |one: &&Arc<Instance>| told.binary_search_by(|told| told.key().cmp(&one.key())).is_err();
    all.iter().filter(is_missing).cloned().collect()
}

/// Both of two sets that have nothing in common.
fn union(told: &[Arc<Instance>], missing: &[Arc<Instance>]) -> Sorted {
    let mut all: Vec<_> = told.iter().chain(missing).cloned().collect();
    all.sort_by(|a, b| a.key().cmp(&b.key()));
    all.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(30);
    const KEEP: Duration = Duration::from_mins(5);

    fn instance(n: u8) -> Arc<Instance> {
        Arc::new(Instance::new("hello", format!("10.0.0.{n}:80").parse().unwrap()))
    }

    fn set_of(numbers: &[u8]) -> Vec<Arc<Instance>> {
        numbers.iter().copied().map(instance).collect()
    }

    /// A set, and the time that it is told.
    struct Told {
        set: Set,
        now: Instant,
        events: Vec<Event>,
    }

    impl Told {
        fn new(numbers: &[u8]) -> Self {
            let trust = Trust { grace: GRACE, keep: Some(KEEP) };
            let mut told = Self { set: Set::new(trust), now: Instant::now(), events: Vec::new() };
            told.answer(numbers, None);
            told.events.clear();
            told
        }

        fn answer(&mut self, numbers: &[u8], doubt: Option<Doubt>) {
            self.set.answer(set_of(numbers), doubt, self.now, &mut self.events);
        }

        fn fail(&mut self) {
            self.set.fail("refused".into(), self.now, &mut self.events);
        }

        fn after(&mut self, time: Duration) {
            self.now += time;
            self.set.tick(self.now, &mut self.events);
        }

        fn shows(&self) -> (Vec<u8>, &'static str) {
            let number = |one: &Arc<Instance>| {
                let host = one.address.host().to_string();
                host.rsplit('.').next().unwrap().parse::<u8>().unwrap()
            };
            let snapshot = self.set.snapshot();
            (snapshot.instances.iter().map(number).collect(), snapshot.state.name())
        }
    }

    #[test]
    fn what_the_registry_says_is_believed() {
        let mut told = Told::new(&[1, 2]);
        told.answer(&[2, 3], None);
        assert_eq!(told.shows(), (vec![2, 3], "fresh"));
        assert_eq!(told.set.due(), None);
        assert!(told.events.is_empty());
    }

    #[test]
    fn a_collapse_is_suspect_until_its_grace_is_over() {
        let mut told = Told::new(&[1, 2]);
        told.answer(&[], None);
        assert_eq!(told.shows(), (vec![1, 2], "suspect"));
        assert_eq!(told.set.due(), Some(told.now + GRACE));
        told.after(Duration::from_millis(29_999));
        assert_eq!(told.shows(), (vec![1, 2], "suspect"));
        told.after(Duration::from_millis(1));
        assert_eq!(told.shows(), (vec![], "fresh"));
        let [Event::Suspect { missing: 2, .. }, Event::Confirmed { dropped: 2, .. }, _] =
            &told.events[..]
        else {
            panic!("{:?}", told.events)
        };
    }

    #[test]
    fn an_index_that_went_back_is_suspect_until_all_are_seen_again() {
        let mut told = Told::new(&[1, 2, 3]);
        told.answer(&[1], Some(Doubt::WentBack));
        assert_eq!(told.shows(), (vec![1, 2, 3], "suspect"));
        told.answer(&[1, 3], None);
        assert_eq!(told.shows(), (vec![1, 2, 3], "suspect"));
        told.answer(&[1, 2, 3], None);
        assert_eq!(told.shows(), (vec![1, 2, 3], "fresh"));
        assert_eq!(told.set.snapshot().revision, 1);
    }

    #[test]
    fn what_was_seen_again_may_leave_while_others_are_missing() {
        let mut told = Told::new(&[1, 2, 3]);
        told.answer(&[1, 2], Some(Doubt::WentBack));
        told.answer(&[2], None);
        assert_eq!(told.shows(), (vec![2, 3], "suspect"));
        told.after(GRACE);
        assert_eq!(told.shows(), (vec![2], "fresh"));
    }

    #[test]
    fn a_second_collapse_keeps_what_came_after_the_first_and_the_first_grace() {
        let mut told = Told::new(&[1]);
        told.answer(&[], None);
        told.after(GRACE / 2);
        told.answer(&[2], None);
        assert_eq!(told.shows(), (vec![1, 2], "suspect"));
        told.answer(&[], None);
        assert_eq!(told.shows(), (vec![1, 2], "suspect"));
        told.after(GRACE / 2);
        assert_eq!(told.shows(), (vec![], "fresh"));
    }

    #[test]
    fn an_outage_stops_the_grace_which_begins_anew() {
        let mut told = Told::new(&[1]);
        told.answer(&[], None);
        told.after(GRACE / 2);
        told.fail();
        assert_eq!(told.shows(), (vec![1], "stale"));
        told.after(GRACE);
        assert_eq!(told.shows(), (vec![1], "stale"));
        told.answer(&[], None);
        assert_eq!(told.shows(), (vec![1], "suspect"));
        told.after(Duration::from_secs(29));
        assert_eq!(told.shows(), (vec![1], "suspect"));
        told.after(Duration::from_secs(1));
        assert_eq!(told.shows(), (vec![], "fresh"));
    }

    #[test]
    fn the_dead_are_dropped_one_by_one_and_the_last_confirms() {
        let mut told = Told::new(&[1, 2]);
        told.answer(&[], None);
        assert_eq!(told.set.missing().len(), 2);
        told.set.is_dead(&instance(1), &mut told.events);
        assert_eq!(told.shows(), (vec![2], "suspect"));
        told.set.is_dead(&instance(2), &mut told.events);
        assert_eq!(told.shows(), (vec![], "fresh"));
        told.set.is_dead(&instance(2), &mut told.events);
        assert_eq!(told.shows(), (vec![], "fresh"));
    }

    #[test]
    fn a_set_may_outlive_its_registry_only_so_long() {
        let mut told = Told::new(&[1]);
        told.fail();
        told.after(KEEP / 2);
        told.fail();
        told.after(KEEP / 2);
        assert_eq!(told.shows(), (vec![], "stale"));
        assert_eq!(told.set.due(), None);
        told.answer(&[1], None);
        assert_eq!(told.shows(), (vec![1], "fresh"));
    }

    #[test]
    fn without_a_grace_nothing_is_suspect() {
        let mut set = Set::new(Trust { grace: Duration::ZERO, keep: None });
        let (now, mut events) = (Instant::now(), Vec::new());
        set.answer(set_of(&[1]), None, now, &mut events);
        set.answer(vec![], Some(Doubt::WentBack), now, &mut events);
        assert!(set.snapshot().instances.is_empty());
        assert_eq!(set.snapshot().state.name(), "fresh");
    }

    #[test]
    fn what_did_not_change_is_shared() {
        let mut told = Told::new(&[1, 2]);
        let before = told.set.snapshot().clone();
        let changed = Arc::new((*instance(2)).clone().tag("new"));
        told.set.answer(vec![instance(1), changed], None, told.now, &mut told.events);
        let after = told.set.snapshot();
        assert_eq!((before.revision, after.revision), (1, 2));
        assert!(Arc::ptr_eq(&before.instances[0], &after.instances[0]));
        assert!(!Arc::ptr_eq(&before.instances[1], &after.instances[1]));
    }
}
