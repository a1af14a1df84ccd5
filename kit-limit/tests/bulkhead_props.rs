//! Calls that come, wait, end, are dropped or too late in any order: the bulkhead
//! is a naive model of itself.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use kit_endpoint::{Criticality, Request};
use kit_limit::bulkhead::{BulkheadFull, BulkheadLayer, Compartment, Refusal};
use proptest::prelude::*;
use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};
use tokio::time::{Instant, advance};
use tokio_test::task::{self, Spawn};
use tower::{BoxError, Layer, Service, service_fn};

const LONGEST_WAIT: u64 = 50;

#[derive(Debug, Clone, Copy)]
enum Step {
    Call {
        class: usize,
        deadline: Option<u64>,
    },
    /// Drops one: that waits, or has a place, or was refused.
    Drop(usize),
    /// Asks one.
    Poll(usize),
    /// Lets so many milliseconds go by, and asks nobody.
    Advance(u64),
    Resize(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let deadline = prop_oneof![Just(None), (1..80_u64).prop_map(Some)];
    prop_oneof![
        6 => (0..4_usize, deadline).prop_map(|(class, deadline)| Step::Call { class, deadline }),
        4 => (0..1000_usize).prop_map(Step::Drop),
        3 => (0..1000_usize).prop_map(Step::Poll),
        2 => (1..40_u64).prop_map(Step::Advance),
        1 => (0..4_usize).prop_map(Step::Resize),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waits,
    In,
    Refused(Refusal),
}

/// One call, as the model knows it.
struct Known {
    number: usize,
    class: Criticality,
    deadline: Option<u64>,
    timeout: u64,
    state: State,
    /// Whether it had to wait.
    waited: bool,
    /// Whether it was asked, and so must be woken.
    asked: bool,
    /// Whether the service has it.
    sent: bool,
}

/// The bulkhead in the plainest way: a list, searched for everything.
struct Model {
    size: usize,
    queue: usize,
    now: u64,
    calls: Vec<Known>,
}

impl Model {
    fn count(&self, state: State) -> usize {
        self.calls.iter().filter(|call| call.state == state).count()
    }

    fn call(&mut self, number: usize, class: Criticality, deadline: Option<u64>) {
        let timeout = self.now + LONGEST_WAIT;
        if self.count(State::Waits) >= self.queue {
            self.expel();
        }
        let state = if self.count(State::Waits) == 0 && self.count(State::In) < self.size {
            State::In
        } else if self.count(State::Waits) < self.queue {
            State::Waits
        } else {
            // The least critical, and of these the last.
            let waiting = self.calls.iter_mut().rev().filter(|call| call.state == State::Waits);
            match waiting.min_by_key(|call| call.class) {
                Some(least) if least.class < class => {
                    least.state = State::Refused(Refusal::Displaced);
                    State::Waits
                }
                _ => State::Refused(Refusal::Full),
            }
        };
        let waited = state == State::Waits;
        let (asked, sent) = (false, false);
        self.calls.push(Known { number, class, deadline, timeout, state, waited, asked, sent });
    }

    /// Tells those who are too late and first of their class.
    fn expel(&mut self) {
        let now = self.now;
        for class in Criticality::ALL {
            let waiting = self.calls.iter_mut().filter(|call| call.state == State::Waits);
            for first in waiting.filter(|call| call.class == class) {
                let until = first.deadline.map_or(first.timeout, |it| it.min(first.timeout));
                if until > now {
                    break;
                }
                first.state = State::Refused(first.lateness());
            }
        }
    }

    /// Gives free places away, as a place is given back or there are more.
    fn hand_out(&mut self) {
        while self.count(State::In) < self.size {
            let now = self.now;
            // The most critical, and of these the first.
            let waiting = self.calls.iter_mut().rev().filter(|call| call.state == State::Waits);
            let Some(next) = waiting.max_by_key(|call| call.class) else { return };
            let until = next.deadline.map_or(next.timeout, |deadline| deadline.min(next.timeout));
            next.state = if until <= now { State::Refused(next.lateness()) } else { State::In };
        }
    }

    fn remove(&mut self, place: usize) {
        let gone = self.calls.remove(place);
        if gone.state == State::In {
            self.hand_out();
        }
    }

    /// What asking it now finds.
    fn poll(&mut self, place: usize) -> State {
        let now = self.now;
        let call = &mut self.calls[place];
        let until = call.deadline.map_or(call.timeout, |deadline| deadline.min(call.timeout));
        match call.state {
            State::Waits if until <= now => call.state = State::Refused(call.lateness()),
            // Its turn came while it waited, and now nobody wants the reply.
            State::In if !call.sent && call.waited && call.deadline.is_some_and(|it| it <= now) => {
                call.state = State::Refused(Refusal::Expired);
                self.hand_out();
            }
            State::In => call.sent = true,
            State::Waits => call.asked = true,
            State::Refused(_) => {}
        }
        self.calls[place].state
    }
}

impl Known {
    fn lateness(&self) -> Refusal {
        match self.deadline {
            Some(deadline) if deadline <= self.timeout => Refusal::Expired,
            _ => Refusal::TimedOut,
        }
    }
}

type Call = Spawn<Pin<Box<dyn Future<Output = Result<(), BoxError>>>>>;

async fn check(size: usize, queue: usize, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let compartment =
        Compartment::new("test").size(size).queue(queue, Duration::from_millis(LONGEST_WAIT));
    let sent: Arc<Mutex<Vec<usize>>> = Arc::default();
    let service = {
        let sent = Arc::clone(&sent);
        service_fn(move |request: Request<usize>| {
            sent.lock().unwrap().push(request.into_message());
            std::future::pending::<Result<(), BoxError>>()
        })
    };
    let mut bulkhead =
        BulkheadLayer::shared(compartment.clone()).by_criticality().of_request().layer(service);
    let mut model = Model { size, queue, now: 0, calls: Vec::new() };
    let mut calls: Vec<Call> = Vec::new();
    let begun = Instant::now();
    for (number, step) in steps.into_iter().enumerate() {
        match step {
            Step::Call { class, deadline } => {
                let class = Criticality::ALL[class];
                let deadline = deadline.map(|after| model.now + after);
                let mut request = Request::new(number);
                request.extensions_mut().insert(class);
                if let Some(deadline) = deadline {
                    request = request.within(begun + Duration::from_millis(deadline));
                }
                calls.push(task::spawn(Box::pin(bulkhead.call(request))));
                model.call(number, class, deadline);
            }
            Step::Drop(which) if !calls.is_empty() => {
                let which = which % calls.len();
                drop(calls.remove(which));
                model.remove(which);
            }
            Step::Poll(which) if !calls.is_empty() => {
                let which = which % calls.len();
                let was_sent = model.calls[which].sent;
                let state = model.poll(which);
                let found = match calls[which].poll() {
                    Poll::Ready(Err(error)) => {
                        let fact = error.downcast::<BulkheadFull>().unwrap();
                        State::Refused(fact.refusal())
                    }
                    Poll::Ready(Ok(())) => unreachable!("it never replies"),
                    Poll::Pending => {
                        let sent = std::mem::take(&mut *sent.lock().unwrap());
                        let is_now = state == State::In && !was_sent;
                        let expected =
                            if is_now { vec![model.calls[which].number] } else { vec![] };
                        prop_assert_eq!(sent, expected);
                        if model.calls[which].sent { State::In } else { State::Waits }
                    }
                };
                prop_assert_eq!(found, state);
                if let State::Refused(_) = state {
                    drop(calls.remove(which));
                    model.remove(which);
                }
            }
            Step::Advance(millis) => {
                advance(Duration::from_millis(millis)).await;
                model.now += millis;
            }
            Step::Resize(size) => {
                compartment.resize(size);
                model.size = size;
                model.hand_out();
            }
            Step::Drop(_) | Step::Poll(_) => {}
        }
        prop_assert_eq!(compartment.in_flight(), model.count(State::In));
        prop_assert_eq!(compartment.queued(), model.count(State::Waits));
        for (known, call) in model.calls.iter().zip(&calls) {
            if known.asked && !known.sent && known.state != State::Waits {
                prop_assert!(call.is_woken(), "the wake-up of {} is lost", known.number);
            }
        }
    }
    calls.clear();
    prop_assert_eq!((compartment.in_flight(), compartment.queued()), (0, 0));
    Ok(())
}

proptest! {
    #[test]
    fn it_serves_whom_the_model_serves(
        size in 0..4_usize,
        queue in 0..6_usize,
        steps in proptest::collection::vec(step(), 0..200),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(check(size, queue, steps))?;
    }
}
