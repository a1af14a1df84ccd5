//! The door of the bulkhead, in every order that two or three threads may take it,
//! as loom finds them.

#![allow(clippy::unwrap_used, dead_code, reason = "a test may panic")]

mod sync {
    pub(crate) use loom::sync::{
        Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    };
    pub(crate) use std::sync::PoisonError;
}

#[path = "../src/bulkhead/door.rs"]
mod door;
#[path = "../src/bulkhead/line.rs"]
mod line;

use door::{Door, Entry};
use kit_endpoint::Criticality::Critical;
use line::{Key, Turn};
use loom::{sync::Arc, thread};
use std::{
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    task::{Poll, Wake, Waker},
};
use tokio::time::Instant;

/// Counts how often it is woken.
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn counter() -> (std::sync::Arc<Counter>, Waker) {
    let counter = std::sync::Arc::new(Counter(AtomicUsize::new(0)));
    (std::sync::Arc::clone(&counter), Waker::from(counter))
}

/// Enters, or waits in a line of at most so many, in which nobody is ever too late.
fn wait(door: &Door, most: usize) -> Entry {
    let (entry, woken) = door.enter_or_wait(Critical, None, Instant::now(), most);
    woken.wake();
    entry
}

/// A door of one place, that is taken, and one who waits for it.
fn waited_for() -> (Arc<Door>, Key) {
    let door = Arc::new(Door::new(1));
    assert!(door.enter());
    let Entry::Waits(key) = wait(&door, 2) else { panic!("it is full") };
    (door, key)
}

fn leave(door: &Door) {
    door.leave(Instant::now);
}

fn spawn<T: Send + 'static>(
    door: &Arc<Door>,
    work: impl FnOnce(&Door) -> T + Send + 'static,
) -> thread::JoinHandle<T> {
    let door = Arc::clone(door);
    thread::spawn(move || work(&door))
}

#[test]
fn there_are_never_more_inside_than_places() {
    loom::model(|| {
        let door = Arc::new(Door::new(1));
        let enter = |door: &Door| {
            let entered = door.enter();
            assert!(door.inside() <= 1);
            if entered {
                leave(door);
            }
        };
        let (one, other) = (spawn(&door, enter), spawn(&door, enter));
        one.join().unwrap();
        other.join().unwrap();
        assert_eq!(door.inside(), 0, "nothing leaks");
    });
}

#[test]
fn who_comes_while_the_place_is_given_back_gets_it_or_is_woken() {
    loom::model(|| {
        let door = Arc::new(Door::new(1));
        assert!(door.enter());
        let left = spawn(&door, leave);
        let (counter, waker) = counter();
        match wait(&door, 1) {
            Entry::In => left.join().unwrap(),
            Entry::Full => panic!("there is a place in the line"),
            Entry::Waits(key) => {
                let turn = door.poll(key, &waker);
                left.join().unwrap();
                if turn == Poll::Pending {
                    assert_eq!(counter.0.load(SeqCst), 1, "the wake-up is not lost");
                    assert_eq!(door.poll(key, &waker), Poll::Ready(Turn::Come));
                }
            }
        }
        assert_eq!((door.inside(), door.waiting()), (1, 0));
        leave(&door);
        assert!(door.enter(), "it is free again");
    });
}

#[test]
fn a_place_given_to_one_who_is_dropped_goes_on() {
    loom::model(|| {
        let (door, key) = waited_for();
        let Entry::Waits(second) = wait(&door, 2) else { panic!("full") };
        let left = spawn(&door, leave);
        // As the drop of a wait does.
        if door.abandon(key) == Turn::Come {
            leave(&door);
        }
        left.join().unwrap();
        let (_, waker) = counter();
        assert_eq!(door.poll(second, &waker), Poll::Ready(Turn::Come), "it was not lost");
        assert_eq!((door.inside(), door.waiting()), (1, 0));
    });
}

#[test]
fn nothing_leaks_when_the_last_who_waits_goes() {
    loom::model(|| {
        let (door, key) = waited_for();
        let left = spawn(&door, leave);
        if door.abandon(key) == Turn::Come {
            leave(&door);
        }
        left.join().unwrap();
        assert_eq!((door.inside(), door.waiting()), (0, 0));
        assert!(door.enter(), "the door is open again");
    });
}

#[test]
fn nobody_comes_in_past_those_who_wait() {
    loom::model(|| {
        let (door, key) = waited_for();
        let newcomer = spawn(&door, Door::enter);
        leave(&door);
        let (_, waker) = counter();
        assert_eq!(door.poll(key, &waker), Poll::Ready(Turn::Come));
        assert!(!newcomer.join().unwrap());
        assert_eq!(door.inside(), 1);
    });
}

#[test]
fn nobody_takes_a_new_place_from_those_who_wait() {
    loom::model(|| {
        let (door, key) = waited_for();
        let newcomer = spawn(&door, Door::enter);
        door.resize(2, Instant::now());
        assert!(!newcomer.join().unwrap());
        let (_, waker) = counter();
        assert_eq!(door.poll(key, &waker), Poll::Ready(Turn::Come));
        assert_eq!((door.inside(), door.waiting()), (2, 0));
    });
}

#[test]
fn two_who_leave_let_two_in() {
    loom::model(|| {
        let door = Arc::new(Door::new(2));
        assert!(door.enter() && door.enter());
        let keys = [0, 1].map(|_| match wait(&door, 2) {
            Entry::Waits(key) => key,
            other => panic!("{other:?}"),
        });
        let (one, other) = (spawn(&door, leave), spawn(&door, leave));
        one.join().unwrap();
        other.join().unwrap();
        let (_, waker) = counter();
        for key in keys {
            assert_eq!(door.poll(key, &waker), Poll::Ready(Turn::Come));
        }
        assert_eq!((door.inside(), door.waiting()), (2, 0));
    });
}

#[test]
fn a_new_place_goes_to_who_waits() {
    loom::model(|| {
        let door = Arc::new(Door::new(1));
        assert!(door.enter());
        let resized = spawn(&door, |door| door.resize(2, Instant::now()));
        let (_, waker) = counter();
        let entry = wait(&door, 1);
        resized.join().unwrap();
        match entry {
            Entry::In => {}
            Entry::Waits(key) => assert_eq!(door.poll(key, &waker), Poll::Ready(Turn::Come)),
            Entry::Full => panic!("there is a place in the line"),
        }
        assert_eq!((door.inside(), door.waiting()), (2, 0));
    });
}
