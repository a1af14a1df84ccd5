use super::{Client, Error};
use crate::race::{First, race};
use std::{fmt, sync::Arc, time::Duration};
use tokio::{
    sync::{Mutex, watch},
    time::{Instant, sleep_until, timeout},
};

/// Finds out that an agent has fallen silent while queries wait for it: by one
/// cheap call a second, for all queries that share it.
///
/// A connection that is closed tells by itself; an agent that is stopped, or
/// cut off, does not, and its long queries would hang for a minute. It is no
/// task: one of those that wait makes the calls, and when it goes another
/// takes over.
#[derive(Clone)]
pub struct Pulse(Arc<Inner>);

struct Inner {
    /// When the last call began; held by who makes them.
    turn: Mutex<Option<Instant>>,
    missed: watch::Sender<Arc<str>>,
}

/// How often the agent is called.
const EVERY: Duration = Duration::from_secs(1);
/// How long it may take to answer: with the second before, under 2 s.
pub(super) const LIMIT: Duration = Duration::from_millis(900);

// ===== impl Pulse =====

impl Pulse {
    /// Waits until the agent does not answer.
    pub(super) async fn missed<C: Client>(&self, client: &C) -> Error {
        let mut heard = self.0.missed.subscribe();
        let beat = async {
            let mut last = self.0.turn.lock().await;
            loop {
                // A query that has just begun has heard of the agent.
                let next = last.map_or_else(Instant::now, |last| last + EVERY);
                sleep_until(next.max(Instant::now() + EVERY / 10)).await;
                *last = Some(Instant::now());
                let error = match timeout(LIMIT, client.ping()).await {
                    Ok(Ok(())) => continue,
                    Ok(Err(error)) => crate::error::chain(&error),
                    Err(_) => Error::TimedOut(LIMIT).to_string(),
                };
                break Arc::from(error);
            }
        };
        match race(beat, heard.changed()).await {
            First::Left(error) => {
                self.0.missed.send_replace(Arc::clone(&error));
                Error::Silent(error)
            }
            First::Right(_) => Error::Silent(Arc::clone(&heard.borrow())),
        }
    }
}

impl Default for Pulse {
    fn default() -> Self {
        let missed = watch::Sender::new("it has not been asked".into());
        Self(Arc::new(Inner { turn: Mutex::new(None), missed }))
    }
}

impl fmt::Debug for Pulse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pulse").finish_non_exhaustive()
    }
}
