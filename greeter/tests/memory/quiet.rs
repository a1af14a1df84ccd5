//! What keeps tests of the log apart that run at the same time.

use std::sync::Once;
use tracing::{
    Event, Metadata, Subscriber,
    span::{Attributes, Id, Record},
    subscriber::{Interest, set_global_default},
};

/// Hears nothing, but may at any time.
///
/// `tracing` keeps for each place in the code whether anybody could want to
/// hear of it. A thread that comes first to a place while another one begins to
/// listen may keep that nobody does. As long as this is there, it asks.
struct Quiet;

/// To be called before a test writes or hears any log.
pub(crate) fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| set_global_default(Quiet).unwrap());
}

impl Subscriber for Quiet {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        false
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
