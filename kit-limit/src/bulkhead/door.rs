//! Who is inside, and who waits to be: one word while nobody waits, a lock then.

use super::line::{Key, Line, Turn};
use crate::sync::{AtomicUsize, Mutex, MutexGuard, Ordering, PoisonError};
use kit_endpoint::Criticality;
use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    task::{Poll, Waker},
};
use tokio::time::Instant;

/// A number of places, and those who wait for one.
///
/// While somebody waits, the word is marked, and only who has the lock changes
/// it: so no one comes in past those who wait, and no place is given back
/// unseen.
#[derive(Debug)]
pub(crate) struct Door {
    /// Twice how many are inside, and whether somebody waits.
    word: AtomicUsize,
    size: AtomicUsize,
    line: Mutex<Line>,
}

/// What one finds at the door.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// It is inside.
    In,
    /// It waits.
    Waits(Key),
    /// There is no place to wait either.
    Full,
}

/// Who waits no more, and is to be woken.
#[derive(Debug, Default)]
#[must_use = "they wait"]
pub(crate) struct Woken(Vec<Waker>);

const WAITING: usize = 1;
const ONE: usize = 2;

// ===== impl Door =====

impl Door {
    pub(crate) fn new(size: usize) -> Self {
        Self {
            word: AtomicUsize::new(0),
            size: AtomicUsize::new(size),
            line: Mutex::new(Line::default()),
        }
    }

    pub(crate) fn size(&self) -> usize {
        self.size.load(Ordering::Relaxed)
    }

    pub(crate) fn inside(&self) -> usize {
        self.word.load(Ordering::Acquire) / ONE
    }

    pub(crate) fn waiting(&self) -> usize {
        self.line().len()
    }

    /// Lets one in, if there is a place and nobody waits for it.
    #[inline]
    pub(crate) fn enter(&self) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        while word & WAITING == 0 && word / ONE < self.size() {
            let (next, fail) = (word + ONE, Ordering::Relaxed);
            match self.word.compare_exchange_weak(word, next, Ordering::AcqRel, fail) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Lets one in, or wait in a line of at most so many. Who waits no more for it is
    /// to be woken by the caller, once it holds what it got: a waker may be anybody's
    /// code, and panic.
    #[cold]
    pub(crate) fn enter_or_wait(
        &self,
        class: Criticality,
        until: Option<Instant>,
        now: Instant,
        most: usize,
    ) -> (Entry, Woken) {
        let mut woken = Woken::default();
        if most == 0 {
            return (if self.enter() { Entry::In } else { Entry::Full }, woken);
        }
        let mut line = self.line();
        if line.len() == 0 {
            // The word is not marked, so it may change meanwhile.
            loop {
                if self.enter() {
                    return (Entry::In, woken);
                }
                let word = self.word.load(Ordering::Relaxed);
                let (next, fail) = (word | WAITING, Ordering::Relaxed);
                if word / ONE >= self.size()
                    && self.word.compare_exchange(word, next, Ordering::AcqRel, fail).is_ok()
                {
                    break;
                }
            }
        } else if line.len() >= most {
            // Who is too late takes nobody's place.
            line.expel(now, &mut woken.0);
            if line.len() >= most {
                let Some(key) = line.less_critical(class) else { return (Entry::Full, woken) };
                woken.0.extend(line.displace(key));
            }
        }
        (Entry::Waits(line.push(class, until)), woken)
    }

    /// Lets one out, and the next in.
    #[inline]
    pub(crate) fn leave(&self, now: impl FnOnce() -> Instant) {
        let mut word = self.word.load(Ordering::Relaxed);
        while word & WAITING == 0 {
            let (next, fail) = (word - ONE, Ordering::Relaxed);
            match self.word.compare_exchange_weak(word, next, Ordering::AcqRel, fail) {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
        self.pass_on(1, now());
    }

    /// Has so many places from now on.
    pub(crate) fn resize(&self, size: usize, now: Instant) {
        self.size.store(size, Ordering::Relaxed);
        self.pass_on(0, now);
    }

    /// Gives places back, and to those who wait.
    #[cold]
    fn pass_on(&self, left: usize, now: Instant) {
        let mut line = self.line();
        if line.len() == 0 {
            // Who waited has gone meanwhile.
            self.word.fetch_sub(left * ONE, Ordering::AcqRel);
            return;
        }
        let mut inside = self.inside() - left;
        // Most often one is woken, and nothing is allocated for that.
        let (mut first, mut others) = (None, Vec::new());
        while inside < self.size() {
            let Some((_, waker)) = line.next(now, &mut others) else { break };
            inside += 1;
            match waker {
                Some(waker) if first.is_none() => first = Some(waker),
                waker => others.extend(waker),
            }
        }
        let mark = if line.len() == 0 { 0 } else { WAITING };
        self.word.store((inside * ONE) | mark, Ordering::Release);
        drop(line);
        // Not under the lock.
        wake(first.into_iter().chain(others));
    }

    /// Says whether its turn has come: if it is over, it is out of the line.
    pub(crate) fn poll(&self, key: Key, waker: &Waker) -> Poll<Turn> {
        // A waker is cloned, and dropped, by anybody's code: not under the lock.
        let mut new = None;
        loop {
            let mut line = self.line();
            let turn = line.turn(key);
            if turn != Turn::Waiting {
                let old = line.remove(key).1;
                drop(line);
                drop((old, new));
                return Poll::Ready(turn);
            }
            if line.wakes(key, waker) {
                return Poll::Pending;
            }
            if let Some(new) = new.take() {
                let old = line.wake(key, new);
                drop(line);
                drop(old);
                return Poll::Pending;
            }
            drop(line);
            new = Some(waker.clone());
        }
    }

    /// Takes one out of the line, that waits no more; says how it stood.
    pub(crate) fn abandon(&self, key: Key) -> Turn {
        let mut line = self.line();
        let (turn, waker) = line.remove(key);
        if turn == Turn::Waiting && line.len() == 0 {
            // The word was marked, so it is ours.
            self.word.fetch_and(!WAITING, Ordering::AcqRel);
        }
        drop(line);
        drop(waker);
        turn
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        // What panics under it is memory that is not there.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// ===== impl Woken =====

impl Woken {
    /// Wakes them.
    pub(crate) fn wake(self) {
        wake(self.0);
    }
}

/// Wakes all of them, also if one panics: those are told of it then who woke it.
fn wake(wakers: impl IntoIterator<Item = Waker>) {
    let mut panicked = None;
    for waker in wakers {
        let woken = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        panicked = panicked.or(woken.err());
    }
    if let Some(panicked) = panicked {
        resume_unwind(panicked);
    }
}
