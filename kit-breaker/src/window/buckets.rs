//! Counts of the recent past, in buckets of time.

use crate::sync::{Apart, AtomicU32, AtomicU64, Ordering};

/// How many buckets a window has: linkerd's ten, each exact.
const COUNT: u32 = 10;

/// A ring of buckets that count `N` things, without a lock.
///
/// Each counter carries the name of the bucket that it is of, so none is ever
/// cleared: who counts into a bucket of later begins it, who comes too late for
/// one leaves it, who reads passes over what has aged. Names count up with time,
/// and wrap.
#[derive(Debug)]
pub(crate) struct Buckets<const N: usize> {
    buckets: [[AtomicU64; N]; COUNT as usize],
    /// The last bucket that somebody marked.
    marked: Apart<AtomicU32>,
}

// ===== impl Buckets =====

impl<const N: usize> Buckets<N> {
    pub(crate) const COUNT: u32 = COUNT;

    pub(crate) fn new() -> Self {
        let bucket = |_| std::array::from_fn(|_| AtomicU64::new(0));
        Self { buckets: std::array::from_fn(bucket), marked: Apart(AtomicU32::new(0)) }
    }

    /// Counts one thing in the bucket of this name.
    #[inline]
    pub(crate) fn add(&self, tag: u32, what: usize) {
        let counter = &self.buckets[(tag % COUNT) as usize][what];
        let (of, count) = parts(counter.load(Ordering::Relaxed));
        if of == tag && count < u32::MAX / 2 {
            // Threads that count at once do not wait for each other. Who is held up
            // here for a whole window counts in the bucket that has come since.
            counter.fetch_add(1, Ordering::AcqRel);
            return;
        }
        // Released to a reader: what was counted before it is seen with it.
        let _ = counter.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |old| {
            let (of, count) = parts(old);
            if of == tag {
                Some(word(tag, count.saturating_add(1)))
            } else {
                // The bucket may have gone on to a later time.
                (!is_ahead(of, tag)).then(|| word(tag, 1))
            }
        });
    }

    /// Marks the bucket of this name.
    pub(crate) fn mark(&self, tag: u32) {
        let _ = self.marked.0.fetch_update(Ordering::Release, Ordering::Relaxed, |old| {
            (old != tag && !is_ahead(old, tag)).then_some(tag)
        });
    }

    /// Says whether a bucket of the window that ends with this one was marked.
    #[inline]
    pub(crate) fn is_marked(&self, tag: u32) -> bool {
        // One bucket more, on both sides: who marked it may have been overtaken.
        tag.wrapping_sub(self.marked.0.load(Ordering::Acquire)).wrapping_add(COUNT) <= 2 * COUNT
    }

    /// Returns the count of one thing in the window that ends with this bucket.
    pub(crate) fn sum(&self, tag: u32, what: usize) -> u32 {
        self.buckets.iter().fold(0, |sum, bucket| {
            let (of, count) = parts(bucket[what].load(Ordering::Acquire));
            if tag.wrapping_sub(of) < COUNT { sum.saturating_add(count) } else { sum }
        })
    }
}

/// Says whether a name is of a time after that of another one. Names wrap: what is
/// far ahead is far behind, left alone for months.
const fn is_ahead(name: u32, of: u32) -> bool {
    matches!(name.wrapping_sub(of), 1..=0xffff)
}

#[inline]
const fn word(tag: u32, count: u32) -> u64 {
    (tag as u64) << 32 | count as u64
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the halves of the word")]
const fn parts(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
}
