use crate::EncodeError;
use http::HeaderMap;
use kit_endpoint::{Fault, Kind};
use kit_transport::{End, Observer, Outcome, Phase, Report};
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicU64, Ordering},
};
use tonic::Status;

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
    fault: OnceLock<(Phase, Box<dyn Fault>)>,
}

/// An observer that hears of the fault in the slot before it sees the head of
/// the reply, or its end.
#[derive(Debug)]
pub(crate) struct Told<O> {
    observer: O,
    slot: Option<Slot>,
    heard: bool,
}

/// Encodes the fault that a call is answered with, and leaves it to the hooks:
/// the wire tells less. It has no sources, and of the kind only the code.
pub(crate) fn answer(
    phase: Phase,
    fault: impl Fault,
    slot: Option<&Slot>,
    encode_error: &impl EncodeError,
) -> Status {
    let status = encode_error.encode_error(&fault);
    if let Some(slot) = slot {
        slot.report(phase, fault);
    }
    status
}

// ===== impl Slot =====

impl Slot {
    /// Says that the call is answered with `fault`.
    pub(super) fn report(&self, phase: Phase, fault: impl Fault) {
        let _ = self.0.fault.set((phase, Box::new(fault)));
    }

    pub(super) fn received(&self, bytes: u64) {
        self.0.received.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Says that the peer left before it had sent its whole request.
    pub(super) fn broke_off(&self) {
        self.0.broken.store(true, Ordering::Relaxed);
    }

    fn is_broken_off(&self) -> bool {
        self.0.broken.load(Ordering::Relaxed)
    }

    fn tell(&self, end: &mut End) {
        end.received = self.0.received.load(Ordering::Relaxed);
        let Outcome::Failed(kind) = end.outcome else { return };
        match self.0.fault.get() {
            // A call may end otherwise than it was answered: out of time.
            Some((_, fault)) if fault.kind().grpc_code() == kind.grpc_code() => {
                end.outcome = Outcome::Failed(fault.kind());
                end.error = Some(Report(&**fault).to_string().into());
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

impl<O: Observer> Told<O> {
    pub(super) const fn new(observer: O, slot: Option<Slot>) -> Self {
        Self { observer, slot, heard: false }
    }

    fn hear(&mut self) {
        let Some((phase, fault)) = self.slot.as_ref().and_then(|slot| slot.0.fault.get()) else {
            return;
        };
        if !std::mem::replace(&mut self.heard, true) {
            self.observer.fault(&**fault, *phase);
        }
    }
}

impl<O: Observer> Observer for Told<O> {
    const SILENT: bool = O::SILENT;

    fn fault(&mut self, fault: &dyn Fault, phase: Phase) {
        self.observer.fault(fault, phase);
    }

    fn after(&mut self, headers: &mut HeaderMap) {
        self.hear();
        self.observer.after(headers);
    }

    fn finish(mut self, end: &End) {
        self.hear();
        let Some(slot) = self.slot else { return self.observer.finish(end) };
        let mut end = end.clone();
        slot.tell(&mut end);
        self.observer.finish(&end);
    }
}
