//! An exemplar in every order that threads may write and read it, as loom finds
//! them.

#![allow(clippy::expect_used, clippy::unwrap_used, dead_code, reason = "a test may panic")]

mod sync {
    pub(crate) use loom::sync::atomic::{AtomicU64, Ordering, fence};
}

#[path = "../src/registry/exemplar.rs"]
mod exemplar;

use exemplar::{Slot, WORDS};
use loom::{sync::Arc, thread};

/// Reads once, and sees that the words are of one writer.
fn read(slot: &Slot) -> bool {
    let Some(words) = slot.read() else { return false };
    assert!(words.iter().all(|word| *word == words[0] && *word != 0), "torn: {words:?}");
    true
}

#[test]
fn a_reader_takes_no_halves_of_two() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let slot = Arc::new(Slot::new());
        slot.write([1; WORDS]);
        let reading = Arc::clone(&slot);
        let reader = thread::spawn(move || read(&reading));
        slot.write([2; WORDS]);
        reader.join().unwrap();
        assert_eq!(slot.read(), Some([2; WORDS]), "what is written is read");
    });
}

#[test]
fn of_two_writers_one_writes() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let slot = Arc::new(Slot::new());
        let writers = [1, 2].map(|word| {
            let slot = Arc::clone(&slot);
            thread::spawn(move || slot.write([word; WORDS]))
        });
        read(&slot);
        for writer in writers {
            writer.join().unwrap();
        }
        assert!(read(&slot), "one of them wrote");
    });
}
