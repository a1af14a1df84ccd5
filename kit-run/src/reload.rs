use crate::{Event, error::described, group::message, outcome::BoxError};
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::task::JoinSet;

type Work = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

/// What reads the configuration anew: one run at a time, and one more when it
/// was asked for meanwhile.
pub(crate) struct Reload {
    hook: Box<dyn FnMut() -> Work + Send>,
    running: JoinSet<Result<(), BoxError>>,
    asked: bool,
}

// ===== impl Reload =====

impl Reload {
    pub(crate) fn new(hook: impl FnMut() -> Work + Send + 'static) -> Self {
        Self { hook: Box::new(hook), running: JoinSet::new(), asked: false }
    }

    pub(crate) const fn ask(&mut self) {
        self.asked = true;
    }

    /// Lets it go on; it never ends.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, hear: &impl Fn(Event<'_>)) {
        loop {
            match self.running.poll_join_next(cx) {
                Poll::Ready(Some(Ok(Ok(())))) => hear(Event::Reloaded),
                Poll::Ready(Some(Ok(Err(error)))) => {
                    hear(Event::NotReloaded(&described(&*error)));
                }
                Poll::Ready(Some(Err(error))) => {
                    let why = match error.try_into_panic() {
                        Ok(payload) => format!("it panicked: {}", message(&*payload)),
                        Err(error) => error.to_string(),
                    };
                    hear(Event::NotReloaded(&why));
                }
                Poll::Ready(None) if self.asked => {
                    self.asked = false;
                    hear(Event::Reloading);
                    self.running.spawn((self.hook)());
                }
                Poll::Ready(None) | Poll::Pending => return,
            }
        }
    }
}

impl fmt::Debug for Reload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reload").field("asked", &self.asked).finish_non_exhaustive()
    }
}
