use http::HeaderMap;
use kit_endpoint::{Fault, Kind};
use kit_transport::{End, Observer, Outcome, Report};
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

/// What the parts of one call tell the end of it. It is there only where a
/// hook listens.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slot(Arc<Facts>);

#[derive(Debug, Default)]
struct Facts {
    received: AtomicU64,
    /// The body of the request ended in an error.
    broken: AtomicBool,
    /// The first fault is the one that was answered.
    fault: OnceLock<(Kind, Box<str>)>,
}

/// An observer that learns what stands in the slot before it hears the end.
#[derive(Debug)]
pub(crate) struct Told<O> {
    pub(super) observer: O,
    pub(super) slot: Option<Slot>,
}

// ===== impl Slot =====

impl Slot {
    /// Says that the call is answered with `fault`. The wire tells less: no
    /// sources, and of the kind only the code.
    pub(crate) fn report(&self, fault: &dyn Fault) {
        let _ = self.0.fault.set((fault.kind(), Report(fault).to_string().into()));
    }

    pub(super) fn received(&self, bytes: u64) {
        self.0.received.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Says that the peer left before it had sent its whole request.
    pub(super) fn broke_off(&self) {
        self.0.broken.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_broken_off(&self) -> bool {
        self.0.broken.load(Ordering::Relaxed)
    }

    fn tell(&self, end: &mut End) {
        end.received = self.0.received.load(Ordering::Relaxed);
        let Outcome::Failed(kind) = end.outcome else { return };
        match self.0.fault.get() {
            // A call may end otherwise than it was answered: out of time.
            Some((exact, error)) if exact.grpc_code() == kind.grpc_code() => {
                end.outcome = Outcome::Failed(*exact);
                end.error = Some(error.clone());
            }
            // Whatever a call makes of half a request, nobody waits for it. A
            // body that a limit cut off has a peer still, and a panic is news.
            None if self.is_broken_off()
                && kind != Kind::PayloadTooLarge
                && !std::thread::panicking() =>
            {
                end.outcome = Outcome::Cancelled;
                end.error = None;
            }
            _ => {}
        }
    }
}

// ===== impl Told =====

impl<O: Observer> Observer for Told<O> {
    const SILENT: bool = O::SILENT;

    fn after(&mut self, headers: &mut HeaderMap) {
        self.observer.after(headers);
    }

    fn finish(self, end: &End) {
        let Some(slot) = self.slot else { return self.observer.finish(end) };
        let mut end = end.clone();
        slot.tell(&mut end);
        self.observer.finish(&end);
    }
}
