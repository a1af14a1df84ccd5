//! Calls that come, end, are dropped or refused in any order: the limiter is a
//! naive model of itself.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use kit_endpoint::{AnyError, Criticality, Judgement, Request, Settle};
use kit_limit::concurrency::{
    Aimd, ConcurrencyLimitLayer, ConcurrencyLimited, Fixed, Limiter, Partitions, Permit,
};
use proptest::prelude::*;
use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, Waker},
};
use tokio::sync::oneshot;
use tower::{BoxError, Layer, Service, service_fn};

const NAMES: [Option<&str>; 4] = [Some("a"), Some("b"), Some("who?"), None];
const CLASSES: [Option<Criticality>; 5] = [
    None,
    Some(Criticality::Sheddable),
    Some(Criticality::SheddablePlus),
    Some(Criticality::Critical),
    Some(Criticality::CriticalPlus),
];

#[derive(Debug, Clone, Copy)]
enum Step {
    Admit {
        class: usize,
        name: usize,
    },
    /// Ends one of those in flight.
    End {
        which: usize,
        judgement: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..CLASSES.len(), 0..NAMES.len()).prop_map(|(class, name)| Step::Admit { class, name }),
        2 => (0..1000_usize, 0..4_usize).prop_map(|(which, judgement)| Step::End { which, judgement }),
    ]
}

/// A part in thousandths, rounded up.
const fn part(limit: usize, thousandths: usize) -> usize {
    (limit * thousandths).div_ceil(1000)
}

/// What a class may fill.
const fn share(class: Option<Criticality>) -> usize {
    match class {
        Some(Criticality::Sheddable) => 500,
        Some(Criticality::SheddablePlus) => 750,
        Some(Criticality::Critical) => 900,
        Some(Criticality::CriticalPlus) | None => 1000,
    }
}

fn end(permit: Permit, judgement: usize) {
    match judgement {
        0 => permit.settle(Judgement::Success),
        1 => permit.settle(Judgement::of(true)),
        2 => permit.settle(Judgement::Nothing),
        _ => drop(permit),
    }
}

proptest! {
    #[test]
    fn it_admits_whom_the_model_admits(
        limit in 0..12_usize,
        is_partitioned: bool,
        steps in proptest::collection::vec(step(), 0..300),
    ) {
        let limiter = if is_partitioned {
            let partitions = Partitions::new([("a", 0.5), ("b", 0.2)]).unwrap();
            Limiter::partitioned("test", Fixed::new(limit), partitions)
        } else {
            Limiter::new("test", Fixed::new(limit))
        };
        let mut in_flight: Vec<(Permit, &str)> = Vec::new();
        let (mut admitted, mut refused) = (0, 0);
        for step in steps {
            match step {
                Step::Admit { class, name } => {
                    let (class, name) = (CLASSES[class], NAMES[name]);
                    let (partition, guaranteed) = match name {
                        Some("a") => ("a", 500),
                        Some("b") => ("b", 200),
                        _ => ("rest", 300),
                    };
                    let busy = in_flight.iter().filter(|call| call.1 == partition).count();
                    let is_free = in_flight.len() < part(limit, share(class));
                    let guaranteed = part(part(limit, guaranteed), share(class));
                    let expected = is_free || is_partitioned && busy < guaranteed;
                    let result = limiter.admit_as(class, name);
                    prop_assert_eq!(result.is_ok(), expected);
                    match result {
                        Ok(permit) => {
                            admitted += 1;
                            in_flight.push((permit, partition));
                        }
                        Err(ConcurrencyLimited { .. }) => refused += 1,
                    }
                }
                Step::End { which, judgement } if !in_flight.is_empty() => {
                    let (permit, _) = in_flight.swap_remove(which % in_flight.len());
                    end(permit, judgement);
                }
                Step::End { .. } => {}
            }
            prop_assert_eq!(limiter.in_flight(), in_flight.len());
            prop_assert_eq!((limiter.admitted(), limiter.refused()), (admitted, refused));
            if is_partitioned {
                let mut busy: HashMap<&str, usize> = [("a", 0), ("b", 0), ("rest", 0)].into();
                for (_, partition) in &in_flight {
                    *busy.get_mut(partition).unwrap() += 1;
                }
                for (partition, busy) in busy {
                    prop_assert_eq!(limiter.in_flight_of(partition), Some(busy));
                }
                let guaranteed: usize =
                    ["a", "b", "rest"].iter().filter_map(|name| limiter.guaranteed(name)).sum();
                prop_assert!(limiter.in_flight() <= limit + guaranteed);
            } else {
                prop_assert!(limiter.in_flight() <= limit);
            }
        }
        drop(in_flight);
        prop_assert_eq!(limiter.in_flight(), 0);
    }

    #[test]
    fn with_any_algorithm_nothing_leaks(
        steps in proptest::collection::vec(step(), 0..300),
    ) {
        let limiter = Limiter::new("test", Aimd::default().min(1).max(30).initial(5));
        let mut in_flight = Vec::new();
        for step in steps {
            match step {
                Step::Admit { .. } => {
                    let limit = limiter.limit();
                    match limiter.admit() {
                        Ok(permit) => {
                            prop_assert!(in_flight.len() < limit);
                            in_flight.push(permit);
                        }
                        Err(_) => prop_assert!(in_flight.len() >= limit),
                    }
                }
                Step::End { which, judgement } if !in_flight.is_empty() => {
                    end(in_flight.swap_remove(which % in_flight.len()), judgement);
                }
                Step::End { .. } => {}
            }
            prop_assert_eq!(limiter.in_flight(), in_flight.len());
            prop_assert!((1..=30).contains(&limiter.limit()));
        }
        in_flight.clear();
        prop_assert_eq!(limiter.in_flight(), 0);
    }
}

/// How a call through the layer ends.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Reply,
    Error,
    Panic,
}

#[derive(Debug, Clone, Copy)]
enum Act {
    Call,
    Poll(usize),
    Drop(usize),
    Tell(usize, Fate),
}

fn act() -> impl Strategy<Value = Act> {
    let fate = prop_oneof![Just(Fate::Reply), Just(Fate::Error), Just(Fate::Panic)];
    prop_oneof![
        4 => Just(Act::Call),
        3 => (0..100_usize).prop_map(Act::Poll),
        2 => (0..100_usize).prop_map(Act::Drop),
        2 => (0..100_usize, fate).prop_map(|(which, fate)| Act::Tell(which, fate)),
    ]
}

type Reply = Pin<Box<dyn Future<Output = Result<(), BoxError>>>>;

proptest! {
    #[test]
    fn calls_through_the_layer_leak_nothing(acts in proptest::collection::vec(act(), 0..200)) {
        let limiter = Limiter::new("test", Fixed::new(3));
        let mut service = ConcurrencyLimitLayer::shared(limiter.clone())
            .classify(AnyError)
            .layer(service_fn(|request: Request<oneshot::Receiver<Fate>>| async {
                match request.into_message().await {
                    Ok(Fate::Reply) => Ok(()),
                    Ok(Fate::Panic) => panic!("it was told to"),
                    Ok(Fate::Error) | Err(_) => Err(BoxError::from("boom")),
                }
            }));
        let mut cx = Context::from_waker(Waker::noop());
        // Each with whether it has a place, and what tells it how to end.
        let mut calls: Vec<(Reply, bool, Option<oneshot::Sender<Fate>>)> = Vec::new();
        for act in acts {
            let held = calls.iter().filter(|call| call.1).count();
            prop_assert_eq!(limiter.in_flight(), held);
            match act {
                Act::Call => {
                    let (tell, told) = oneshot::channel();
                    calls.push((Box::pin(service.call(Request::new(told))), held < 3, Some(tell)));
                }
                Act::Drop(which) if !calls.is_empty() => {
                    let len = calls.len();
                    drop(calls.swap_remove(which % len));
                }
                Act::Tell(which, fate) if !calls.is_empty() => {
                    let len = calls.len();
                    if let Some(tell) = calls[which % len].2.take() {
                        let _ = tell.send(fate);
                    }
                }
                Act::Poll(which) if !calls.is_empty() => {
                    let which = which % calls.len();
                    let (reply, has_place, tell) = &mut calls[which];
                    let poll = catch_unwind(AssertUnwindSafe(|| reply.as_mut().poll(&mut cx)));
                    let is_over = !matches!(poll, Ok(Poll::Pending));
                    prop_assert_eq!(is_over, !*has_place || tell.is_none());
                    if is_over {
                        // A reply gives the place back at once, a panic with the future.
                        drop(calls.swap_remove(which));
                    }
                }
                _ => {}
            }
        }
        calls.clear();
        prop_assert_eq!(limiter.in_flight(), 0);
    }
}
