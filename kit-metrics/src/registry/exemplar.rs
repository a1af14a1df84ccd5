//! One exemplar, written and read without a lock.

use super::sync::{AtomicU64, Ordering, fence};

/// How many words an exemplar is.
pub(crate) const WORDS: usize = 5;

/// A place for some words that belong together, of which the last written
/// stands: a sequence lock.
///
/// The version is odd while somebody writes. Whoever comes to write then leaves
/// it be, since one exemplar is as good as another; whoever reads tries again
/// later, and never takes halves of two.
#[derive(Debug)]
pub(crate) struct Slot {
    version: AtomicU64,
    words: [AtomicU64; WORDS],
}

// ===== impl Slot =====

impl Slot {
    pub(crate) fn new() -> Self {
        Self { version: AtomicU64::new(0), words: [0; WORDS].map(AtomicU64::new) }
    }

    /// Writes `words`, unless another does just now.
    pub(crate) fn write(&self, words: [u64; WORDS]) {
        let version = self.version.load(Ordering::Relaxed);
        let odd = version | 1;
        if odd == version
            || self
                .version
                .compare_exchange(version, odd, Ordering::Acquire, Ordering::Relaxed)
                .is_err()
        {
            return;
        }
        // Whoever sees one of the words below sees the odd version, too.
        fence(Ordering::Release);
        for (place, word) in self.words.iter().zip(words) {
            place.store(word, Ordering::Relaxed);
        }
        self.version.store(version.wrapping_add(2), Ordering::Release);
    }

    /// Reads the words; `None` where there are none yet, or where they are
    /// being written.
    pub(crate) fn read(&self) -> Option<[u64; WORDS]> {
        let version = self.version.load(Ordering::Acquire);
        if version == 0 || version & 1 == 1 {
            return None;
        }
        let mut words = [0; WORDS];
        for (place, word) in self.words.iter().zip(&mut words) {
            *word = place.load(Ordering::Relaxed);
        }
        fence(Ordering::Acquire);
        (self.version.load(Ordering::Relaxed) == version).then_some(words)
    }
}
