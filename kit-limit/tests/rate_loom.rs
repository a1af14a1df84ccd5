//! The times of a limit, in every order that two threads may take them, as loom
//! finds them. Sets have one or two slots here, so that they are soon full.

#![allow(clippy::expect_used, clippy::unwrap_used, dead_code, reason = "a test may panic")]

mod sync {
    pub(crate) use loom::sync::atomic::{AtomicU64, Ordering, fence};
}

#[path = "../src/rate/table.rs"]
mod table;

use loom::{sync::Arc, thread};
use table::{Table, Tat};

/// What one request costs.
const COST: u64 = 10;
const ADA: u64 = 1;
const BOB: u64 = 2;
const EVE: u64 = 3;

/// Runs `first` and `second` at once.
fn both<T: Send + Sync + 'static>(shared: &Arc<T>, first: fn(&T), second: fn(&T)) {
    let one = Arc::clone(shared);
    let one = thread::spawn(move || first(&one));
    second(shared);
    one.join().unwrap();
}

/// Adds the cost of one request to what is owed at `now`, up to `most`.
fn add(tat: u64, now: u64, most: u64) -> Result<((), u64), ()> {
    let next = tat.max(now) + COST;
    if next > now + most { Err(()) } else { Ok(((), next)) }
}

fn take<const WAYS: usize>(table: &Table<WAYS>, key: u64, now: u64) -> bool {
    table.update(key, now, |tat| add(tat, now, 10 * COST)).is_ok()
}

#[test]
fn every_request_counts() {
    loom::model(|| {
        let tat = Arc::new(Tat::new());
        let take = |tat: &Tat| tat.update(|tat| add(tat, 0, 10 * COST)).unwrap();
        both(&tat, take, take);
        assert_eq!(tat.get(), 2 * COST);
    });
}

#[test]
fn one_passes_where_there_is_room_for_one() {
    loom::model(|| {
        let tat = Arc::new((Tat::new(), Tat::new()));
        let take = |(tat, passed): &(Tat, Tat)| {
            if tat.update(|tat| add(tat, 0, COST)).is_ok() {
                passed.update(|passed| Ok::<_, ()>(((), passed + 1))).unwrap();
            }
        };
        both(&tat, take, take);
        assert_eq!((tat.0.get(), tat.1.get()), (COST, 1));
    });
}

#[test]
fn what_is_given_back_is_what_was_taken_last() {
    loom::model(|| {
        // One waits, and gives up while another comes.
        let tat = Arc::new(Tat::new());
        tat.update(|tat| add(tat, 0, 10 * COST)).unwrap();
        let give_back = |tat: &Tat| {
            let _ = tat.replace(COST, 0);
        };
        let take = |tat: &Tat| tat.update(|tat| add(tat, 0, 10 * COST)).unwrap();
        both(&tat, give_back, take);
        let owed = tat.get();
        assert!(owed == COST || owed == 2 * COST, "{owed}");
    });
}

#[test]
fn every_request_of_a_key_counts() {
    loom::model(|| {
        let table = Arc::new(Table::<2>::new(2));
        assert!(take(&table, ADA, 0));
        let ada = |table: &Table<2>| assert!(take(table, ADA, 0));
        both(&table, ada, ada);
        assert_eq!((table.get(ADA), table.evicted()), (3 * COST, 0));
    });
}

#[test]
fn a_new_key_that_two_bring_owes_one_request_at_least() {
    loom::model(|| {
        let table = Arc::new(Table::<2>::new(2));
        let ada = |table: &Table<2>| assert!(take(table, ADA, 0));
        both(&table, ada, ada);
        let owed = table.get(ADA);
        assert!(owed == COST || owed == 2 * COST, "{owed}");
        assert_eq!(table.evicted(), 0);
        // From now on all of them count.
        assert!(take(&table, ADA, 0));
        assert_eq!(table.get(ADA), owed + COST);
    });
}

#[test]
fn whoever_came_late_with_a_key_undoes_nothing() {
    // All orders would take a minute; those with three switches have it.
    let mut few = loom::model::Builder::new();
    few.preemption_bound = Some(3);
    few.check(|| {
        let table = Arc::new(Table::<2>::new(2));
        let once = |table: &Table<2>| assert!(take(table, ADA, 0));
        let often = |table: &Table<2>| (0..2).for_each(|_| assert!(take(table, ADA, 0)));
        both(&table, once, often);
        // The one that met the others is lost at worst, and none of theirs.
        let owed = table.get(ADA);
        assert!(owed == 2 * COST || owed == 3 * COST, "{owed}");
    });
}

#[test]
fn two_new_keys_find_a_place_each() {
    loom::model(|| {
        let table = Arc::new(Table::<2>::new(2));
        let ada = |table: &Table<2>| assert!(take(table, ADA, 0));
        let bob = |table: &Table<2>| assert!(take(table, BOB, 0));
        both(&table, ada, bob);
        assert_eq!((table.get(ADA), table.get(BOB), table.evicted()), (COST, COST, 0));
    });
}

#[test]
fn a_race_for_a_place_costs_one_request_at_most() {
    loom::model(|| {
        // The old key's time is past: its place is free, and it comes back just
        // when another takes the place.
        let table = Arc::new(Table::<1>::new(1));
        assert!(take(&table, ADA, 0));
        let ada = |table: &Table<1>| assert!(take(table, ADA, 100));
        let bob = |table: &Table<1>| assert!(take(table, BOB, 100));
        both(&table, ada, bob);
        // There is one place, for one of them, who owes one or two.
        let (ada, bob) = (table.get(ADA), table.get(BOB));
        assert_eq!(ada.min(bob), 0);
        let owed = ada.max(bob) - 100;
        assert!(owed == COST || owed == 2 * COST, "{owed}");
        assert!(table.evicted() <= 2);
        // And it is free again later.
        assert!(take(&table, EVE, 1000));
        assert_eq!(table.get(EVE), 1000 + COST);
    });
}

#[test]
fn who_owes_the_least_gives_way() {
    loom::model(|| {
        let table = Arc::new(Table::<2>::new(2));
        for _ in 0..5 {
            assert!(take(&table, ADA, 0));
        }
        assert!(take(&table, BOB, 0));
        let bob = |table: &Table<2>| assert!(take(table, BOB, 0));
        let eve = |table: &Table<2>| assert!(take(table, EVE, 0));
        both(&table, bob, eve);
        assert_eq!(table.get(ADA), 5 * COST, "the heavy one stays");
        assert!((1..=2).contains(&table.evicted()));
        let (bob, eve) = (table.get(BOB), table.get(EVE));
        assert_eq!(bob.min(eve), 0);
        // The old debt passes to nobody.
        assert!((COST..=2 * COST).contains(&bob.max(eve)), "{bob} {eve}");
    });
}

#[test]
fn who_takes_the_second_place_of_a_key_keeps_what_it_owes() {
    // All orders would take minutes; those with four switches have it.
    let mut few = loom::model::Builder::new();
    few.preemption_bound = Some(4);
    few.check(|| {
        let table = Arc::new(Table::<2>::new(2));
        // A heavy one, whose place is not free for long.
        let heavy = |table: &Table<2>| {
            let decide = |tat: u64| Ok::<_, ()>(((), tat + 20 * COST));
            table.update(ADA, 0, decide).unwrap();
        };
        let ada_and_bob = |table: &Table<2>| {
            _ = take(table, ADA, 0);
            // If she is there twice, her second place is free by then.
            for _ in 0..3 {
                _ = take(table, BOB, 100);
            }
        };
        both(&table, heavy, ada_and_bob);
        // The one that met her where the place changed hands may be lost, and no other.
        let owed = table.get(BOB).saturating_sub(100);
        assert!(owed >= 2 * COST, "{owed}");
    });
}
