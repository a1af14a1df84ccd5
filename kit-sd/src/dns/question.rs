//! What both instancers do: ask, publish, wait.

use super::{Error, Timing};
use crate::{Backoff, Doubt, Instance, Publisher, error::chain, pace::Pace};
use std::{cmp::Reverse, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// What is asked again and again.
pub(super) trait Question: Send + Sync {
    fn ask(&self) -> impl Future<Output = Result<Told, Error>> + Send;
}

/// What was answered.
pub(super) struct Told {
    instances: Vec<Instance>,
    doubt: Option<Doubt>,
    ttl: Option<Duration>,
}

/// Asks, for as long as it runs.
pub(super) async fn follow(
    question: impl Question,
    timing: Timing,
    mut backoff: Backoff,
    publisher: Publisher,
) {
    let mut pace = Pace::new();
    let mut is_down = false;
    loop {
        pace.wait().await;
        pace.round(false);
        let begun = Instant::now();
        let answered = timeout(timing.timeout, question.ask()).await;
        match answered.unwrap_or(Err(Error::TimedOut(timing.timeout))) {
            Ok(Told { instances, doubt, ttl }) => {
                is_down = false;
                backoff.reset();
                let pause = timing.pause(ttl, !instances.is_empty());
                publisher.publish_shared(instances.into_iter().map(Arc::new), doubt);
                sleep(backoff.lengthen(pause)).await;
            }
            Err(error) => {
                publisher.fail(chain(&error));
                // From try to try, not from the end of one to the next: a
                // silent name server makes each take its time.
                let from = if is_down { begun } else { Instant::now() };
                is_down = true;
                sleep_until(from + backoff.pause()).await;
            }
        }
    }
}

/// Returns the smaller of two TTLs, of which one may not have been said.
pub(super) fn sooner(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

// ===== impl Told =====

impl Told {
    /// The answer with records.
    pub(super) fn found(mut instances: Vec<Instance>, ttl: Option<Duration>) -> Self {
        // Of those that are one to us the set has the first, and name servers
        // change the order from answer to answer.
        instances.sort_by(|a, b| (a.key(), Reverse(a.weight)).cmp(&(b.key(), Reverse(b.weight))));
        Self { instances, doubt: None, ttl }
    }

    /// The answer that says in so many words that there is no such service.
    pub(super) const fn unavailable(ttl: Option<Duration>) -> Self {
        Self { instances: Vec::new(), doubt: None, ttl }
    }

    /// The answer without records.
    pub(super) const fn unknown(ttl: Option<Duration>) -> Self {
        Self { instances: Vec::new(), doubt: Some(Doubt::Unknown), ttl }
    }
}
