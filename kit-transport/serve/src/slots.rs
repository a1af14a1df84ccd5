//! The requests that a connection is answering, readable from other threads.
//!
//! A slot is a seqlock of plain atomics: whoever serves a request writes it
//! with a dozen stores and never waits; whoever asks copies it and looks
//! whether it changed meanwhile. The first slot lies in the connection, which
//! is all that HTTP/1 needs; HTTP/2 grows more, sixteen at a time.

use std::{
    array,
    sync::{
        OnceLock,
        atomic::{AtomicU32, AtomicU64, Ordering, fence},
    },
};

/// Longest part of a method and of a path that is kept, in words of 8 bytes.
const METHOD_WORDS: usize = 2;
const PATH_WORDS: usize = 12;
const BLOCK: usize = 16;

#[derive(Debug, Default)]
pub(crate) struct Slots {
    first: Block<1>,
    more: OnceLock<Box<More>>,
}

#[derive(Debug, Default)]
struct More {
    block: Block<BLOCK>,
    next: OnceLock<Box<Self>>,
}

#[derive(Debug)]
struct Block<const N: usize> {
    /// One bit for each slot.
    taken: AtomicU32,
    slots: [Slot; N],
}

#[derive(Debug, Default)]
struct Slot {
    /// A multiple of 4 while free, one more while it is written, two more
    /// while the request is in flight.
    version: AtomicU64,
    since: AtomicU64,
    /// Odd while the peer has to take a part of the reply.
    turn: AtomicU64,
    /// What `turn` was when the connection last looked.
    looked: AtomicU64,
    method_len: AtomicU64,
    path_len: AtomicU64,
    method: [AtomicU64; METHOD_WORDS],
    path: [AtomicU64; PATH_WORDS],
}

/// A copy of a slot.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) method: Vec<u8>,
    pub(crate) path: Vec<u8>,
    /// Milliseconds on the clock of whoever wrote it.
    pub(crate) since: u64,
}

// ===== impl Slots =====

impl Slots {
    /// Takes a slot and returns its number.
    pub(crate) fn claim(&self, method: &str, path: &str, since: u64) -> usize {
        if let Some(index) = self.first.claim(method, path, since) {
            return index;
        }
        let (mut link, mut base) = (&self.more, 1);
        loop {
            let more = link.get_or_init(Box::default);
            if let Some(index) = more.block.claim(method, path, since) {
                return base + index;
            }
            (link, base) = (&more.next, base + BLOCK);
        }
    }

    /// Gives the slot `index` back.
    pub(crate) fn release(&self, index: usize) {
        if index == 0 {
            return self.first.release(0);
        }
        let (mut link, mut index) = (self.more.get(), index - 1);
        while let Some(more) = link {
            if index < BLOCK {
                return more.block.release(index);
            }
            (link, index) = (more.next.get(), index - BLOCK);
        }
    }

    /// Says whose turn it is with the reply of the request in slot `index`.
    pub(crate) fn set_turn(&self, index: usize, turn: u64) {
        if index == 0 {
            return self.first.slots[0].turn.store(turn, Ordering::Relaxed);
        }
        let (mut link, mut index) = (self.more.get(), index - 1);
        while let Some(more) = link {
            if let Some(slot) = more.block.slots.get(index) {
                return slot.turn.store(turn, Ordering::Relaxed);
            }
            (link, index) = (more.next.get(), index - BLOCK);
        }
    }

    /// Says whether every reply waits for the peer, as it did at the last look.
    pub(crate) fn are_stalled(&self) -> bool {
        let mut stalled = self.first.are_stalled();
        let mut link = self.more.get();
        while let Some(more) = link {
            // Each is looked at, for the next time.
            stalled &= more.block.are_stalled();
            link = more.next.get();
        }
        stalled
    }

    /// Calls `found` for each request in flight.
    pub(crate) fn each(&self, mut found: impl FnMut(Entry)) {
        self.first.each(&mut found);
        let mut link = self.more.get();
        while let Some(more) = link {
            more.block.each(&mut found);
            link = more.next.get();
        }
    }
}

// ===== impl Block =====

impl<const N: usize> Default for Block<N> {
    fn default() -> Self {
        Self { taken: AtomicU32::new(0), slots: array::from_fn(|_| Slot::default()) }
    }
}

impl<const N: usize> Block<N> {
    fn claim(&self, method: &str, path: &str, since: u64) -> Option<usize> {
        let mut taken = self.taken.load(Ordering::Relaxed);
        loop {
            let index = taken.trailing_ones() as usize;
            let slot = self.slots.get(index)?;
            let bit = 1 << index;
            let before = self.taken.fetch_or(bit, Ordering::Acquire);
            if before & bit == 0 {
                slot.write(method.as_bytes(), path.as_bytes(), since);
                return Some(index);
            }
            taken = before;
        }
    }

    fn release(&self, index: usize) {
        self.slots[index].free();
        self.taken.fetch_and(!(1 << index), Ordering::Release);
    }

    fn are_stalled(&self) -> bool {
        self.slots.iter().fold(true, |stalled, slot| stalled & slot.is_stalled())
    }

    fn each(&self, found: &mut impl FnMut(Entry)) {
        self.slots.iter().filter_map(Slot::read).for_each(found);
    }
}

// ===== impl Slot =====

impl Slot {
    fn write(&self, method: &[u8], path: &[u8], since: u64) {
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version + 1, Ordering::Relaxed);
        fence(Ordering::Release);
        self.since.store(since, Ordering::Relaxed);
        self.turn.store(0, Ordering::Relaxed);
        self.looked.store(0, Ordering::Relaxed);
        store(&self.method, &self.method_len, method);
        store(&self.path, &self.path_len, path);
        self.version.store(version + 2, Ordering::Release);
    }

    /// A slot without a request does not count.
    fn is_stalled(&self) -> bool {
        if self.version.load(Ordering::Acquire) % 4 != 2 {
            return true;
        }
        let turn = self.turn.load(Ordering::Relaxed);
        let looked = self.looked.load(Ordering::Relaxed);
        self.looked.store(turn, Ordering::Relaxed);
        turn & 1 == 1 && turn == looked
    }

    fn free(&self) {
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version + 2, Ordering::Release);
    }

    fn read(&self) -> Option<Entry> {
        loop {
            let version = self.version.load(Ordering::Acquire);
            if version % 4 != 2 {
                return None;
            }
            let entry = Entry {
                method: load(&self.method, &self.method_len),
                path: load(&self.path, &self.path_len),
                since: self.since.load(Ordering::Relaxed),
            };
            fence(Ordering::Acquire);
            // Another request took the slot meanwhile: read that one.
            if self.version.load(Ordering::Relaxed) == version {
                return Some(entry);
            }
        }
    }
}

fn store(words: &[AtomicU64], len: &AtomicU64, bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(words.len() * 8)];
    len.store(bytes.len() as u64, Ordering::Relaxed);
    let (whole, rest) = bytes.as_chunks::<8>();
    let mut words = words.iter();
    for (chunk, word) in whole.iter().zip(words.by_ref()) {
        word.store(u64::from_le_bytes(*chunk), Ordering::Relaxed);
    }
    if let Some(word) = words.next() {
        word.store(begin(rest), Ordering::Relaxed);
    }
}

/// Packs less than eight bytes, by loads in place of a loop.
fn begin(bytes: &[u8]) -> u64 {
    let at = |index: usize| u64::from(bytes[index]);
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let shift = 8 * (bytes.len() - 4);
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        return u64::from(first) | u64::from(last) << shift;
    }
    match bytes.len() {
        0 => 0,
        1 => at(0),
        2 => at(0) | at(1) << 8,
        _ => at(0) | at(1) << 8 | at(2) << 16,
    }
}

fn load(words: &[AtomicU64], len: &AtomicU64) -> Vec<u8> {
    let mut bytes: Vec<u8> =
        words.iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()).collect();
    bytes.truncate(usize::try_from(len.load(Ordering::Relaxed)).unwrap_or(usize::MAX));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(slots: &Slots) -> Vec<String> {
        let mut paths = Vec::new();
        slots.each(|entry| paths.push(String::from_utf8(entry.path).unwrap()));
        paths
    }

    #[test]
    fn a_slot_keeps_what_was_written() {
        let slots = Slots::default();
        slots.claim("GET", "/greeting", 7);
        let mut entries = Vec::new();
        slots.each(|entry| entries.push(entry));
        let written = Entry { method: b"GET".into(), path: b"/greeting".into(), since: 7 };
        assert_eq!(entries, [written]);
    }

    #[test]
    fn a_path_of_any_length_is_kept() {
        let path = "/abcdefghijklmnopqrstuvwxyz";
        for length in 1..path.len() {
            let slots = Slots::default();
            slots.claim("GET", &path[..length], 0);
            assert_eq!(paths(&slots), [&path[..length]]);
        }
    }

    #[test]
    fn a_long_path_is_cut() {
        let slots = Slots::default();
        slots.claim("A-METHOD-OF-MORE-THAN-SIXTEEN-BYTES", &"/x".repeat(100), 0);
        slots.each(|entry| {
            assert_eq!(entry.method, b"A-METHOD-OF-MORE");
            assert_eq!(entry.path, "/x".repeat(48).as_bytes());
        });
        assert_eq!(paths(&slots).len(), 1);
    }

    #[test]
    fn slots_grow_and_are_used_again() {
        let slots = Slots::default();
        let all: Vec<usize> = (0..200).map(|n| slots.claim("GET", &format!("/{n}"), 0)).collect();
        assert_eq!(all, (0..200).collect::<Vec<_>>());
        assert_eq!(paths(&slots).len(), 200);
        for index in 0..200 {
            if index % 50 != 0 {
                slots.release(index);
            }
        }
        assert_eq!(paths(&slots), ["/0", "/50", "/100", "/150"]);
        assert_eq!(slots.claim("GET", "/again", 0), 1);
    }

    #[test]
    fn replies_stall_when_none_was_taken_since_the_last_look() {
        let slots = Slots::default();
        let requests: Vec<usize> = (0..20).map(|_| slots.claim("GET", "/", 0)).collect();
        for slot in &requests {
            slots.set_turn(*slot, 1);
        }
        assert!(!slots.are_stalled(), "the first look");
        assert!(slots.are_stalled());
        slots.set_turn(requests[19], 2);
        assert!(!slots.are_stalled(), "one is with the service");
        slots.set_turn(requests[19], 3);
        assert!(!slots.are_stalled(), "one got on");
        assert!(slots.are_stalled());
        slots.set_turn(requests[0], 2);
        slots.release(requests[0]);
        assert!(slots.are_stalled(), "one is over");
    }

    #[test]
    fn a_reader_never_sees_two_requests_in_one() {
        let slots = Slots::default();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for n in 0..20_000_u64 {
                    let (path, since) =
                        if n % 2 == 0 { ("/even/even/even", 0) } else { ("/odd", 1) };
                    slots.release(slots.claim("GET", path, since));
                }
            });
            while !writer.is_finished() {
                slots.each(|Entry { path, since, .. }| {
                    assert_eq!(path, if since == 0 { &b"/even/even/even"[..] } else { b"/odd" });
                });
            }
        });
    }
}
