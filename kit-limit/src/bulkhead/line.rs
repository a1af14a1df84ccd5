//! Who waits, and who is next: plain data, no locks.

use kit_endpoint::Criticality;
use std::task::Waker;
use tokio::time::Instant;

/// Those who wait: the more critical first, of one class who came first.
///
/// The order is here and nowhere else: another one (last in, first out under
/// load, say) is another `next`.
#[derive(Debug, Default)]
pub(crate) struct Line {
    places: Vec<Place>,
    /// The first free place.
    free: Option<Key>,
    /// Of each class, who waits.
    classes: [Ends; Criticality::ALL.len()],
    waiting: usize,
}

/// Where one waits in the line.
pub(crate) type Key = usize;

/// How it stands with one in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Others are first.
    Waiting,
    /// It has a place, which is its to give back.
    Come,
    /// It came too late.
    Late,
    /// It gave way to one that is more critical.
    Displaced,
}

#[derive(Debug)]
struct Place {
    class: Criticality,
    /// After it, it is not worth having a turn.
    until: Option<Instant>,
    turn: Turn,
    waker: Option<Waker>,
    before: Option<Key>,
    /// Of a free place, the next free one.
    after: Option<Key>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Ends {
    first: Option<Key>,
    last: Option<Key>,
}

// ===== impl Line =====

impl Line {
    /// Returns how many wait.
    pub(crate) const fn len(&self) -> usize {
        self.waiting
    }

    /// Lets one wait, behind those of its class.
    pub(crate) fn push(&mut self, class: Criticality, until: Option<Instant>) -> Key {
        let before = self.classes[class as usize].last;
        let turn = Turn::Waiting;
        let place = Place { class, until, turn, waker: None, before, after: None };
        let key = if let Some(key) = self.free {
            self.free = self.places[key].after;
            self.places[key] = place;
            key
        } else {
            self.places.push(place);
            self.places.len() - 1
        };
        match before {
            Some(before) => self.places[before].after = Some(key),
            None => self.classes[class as usize].first = Some(key),
        }
        self.classes[class as usize].last = Some(key);
        self.waiting += 1;
        key
    }

    /// Gives the turn to who is next; returns whom to wake. Those who are too late
    /// at `now` are told, and whom to wake of them goes to `late`.
    pub(crate) fn next(
        &mut self,
        now: Instant,
        late: &mut Vec<Waker>,
    ) -> Option<(Key, Option<Waker>)> {
        while let Some(key) = self.classes.iter().rev().find_map(|ends| ends.first) {
            if self.places[key].until.is_none_or(|until| now < until) {
                return Some((key, self.end(key, Turn::Come)));
            }
            late.extend(self.end(key, Turn::Late));
        }
        None
    }

    /// Returns the least critical who waits, if it is less critical than `class`; of
    /// its class it is who came last.
    pub(crate) fn less_critical(&self, class: Criticality) -> Option<Key> {
        self.classes[..class as usize].iter().find_map(|ends| ends.last)
    }

    /// Lets one who waits give way; returns whom to wake.
    pub(crate) fn displace(&mut self, key: Key) -> Option<Waker> {
        self.end(key, Turn::Displaced)
    }

    /// Says how it stands with one.
    pub(crate) fn turn(&self, key: Key) -> Turn {
        self.places[key].turn
    }

    /// Says whether `waker` is known to be woken when it is no longer waiting.
    pub(crate) fn wakes(&self, key: Key, waker: &Waker) -> bool {
        self.places[key].waker.as_ref().is_some_and(|known| known.will_wake(waker))
    }

    /// Wakes `waker` when it is no longer waiting; returns what is no longer needed.
    pub(crate) fn wake(&mut self, key: Key, waker: Waker) -> Option<Waker> {
        self.places[key].waker.replace(waker)
    }

    /// Tells those at the front of each class who are too late at `now`; whom to wake
    /// of them goes to `late`.
    pub(crate) fn expel(&mut self, now: Instant, late: &mut Vec<Waker>) {
        for class in 0..self.classes.len() {
            while let Some(key) = self.classes[class].first
                && self.places[key].until.is_some_and(|until| until <= now)
            {
                late.extend(self.end(key, Turn::Late));
            }
        }
    }

    /// Takes one out of the line, that still waits or not; returns how it stood and
    /// what is no longer needed.
    pub(crate) fn remove(&mut self, key: Key) -> (Turn, Option<Waker>) {
        let turn = self.places[key].turn;
        let waker = if turn == Turn::Waiting { self.end(key, Turn::Late) } else { None };
        self.places[key].after = self.free.replace(key);
        (turn, waker)
    }

    /// Ends the waiting of one; its place stays until it is removed.
    fn end(&mut self, key: Key, turn: Turn) -> Option<Waker> {
        let place = &mut self.places[key];
        place.turn = turn;
        let (class, before, after) = (place.class as usize, place.before, place.after);
        let waker = place.waker.take();
        match before {
            Some(before) => self.places[before].after = after,
            None => self.classes[class].first = after,
        }
        match after {
            Some(after) => self.places[after].before = before,
            None => self.classes[class].last = before,
        }
        self.waiting -= 1;
        waker
    }
}
