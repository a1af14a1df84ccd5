//! A circuit for each of many: methods, instances, tenants.
//!
//! One circuit in front of ten methods opens for all when one of them fails. A
//! [`KeyedBreakerLayer`] asks each request for its key, and keeps a circuit for
//! each key, up to a bound.
//!
//! ```
//! use kit_breaker::{AnyError, Limits, State, keyed::{Circuits, KeyedBreakerLayer}};
//! use tower::{BoxError, Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let circuits = Circuits::new("billing", Limits::default().failures(1));
//! let layer = KeyedBreakerLayer::new(circuits.clone(), |path: &&str| (*path).to_owned());
//! let service = layer.classify(AnyError).layer(service_fn(|path: &str| {
//!     let reply = if path == "/refund" { Err(BoxError::from("it is down")) } else { Ok(()) };
//!     async { reply }
//! }));
//! service.clone().oneshot("/refund").await.unwrap_err();
//! service.oneshot("/invoice").await.unwrap();
//! assert_eq!(circuits.get("/refund").state(), State::Open);
//! assert_eq!(circuits.get("/invoice").state(), State::Closed);
//! # }
//! ```
//!
//! Take keys from a set that is bounded by itself, such as route templates and
//! instances. Beyond the bound (1,000 by default) the circuit of a key gives way
//! that nobody holds and that was not asked since the last look for one: first one
//! that a new one would be the same as, else one that nobody came to probe. If there
//! is none, the new key shares one circuit with all others that came too late.
//!
//! # Readiness
//!
//! Only `call` knows the key, so `poll_ready` asks the inner service alone: a
//! keyed breaker waits for it also where the circuit is open.

mod layer;
mod service;

pub use self::{layer::KeyedBreakerLayer, service::KeyedBreaker};
use crate::{Circuit, Limits, circuit::Idleness};
use arc_swap::ArcSwap;
use kit_endpoint::{Inspect, Inspector};
use std::{
    borrow::{Borrow, Cow},
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

/// Circuits by key. Clones are the same.
pub struct Circuits<K> {
    shared: Arc<Shared<K>>,
}

struct Shared<K> {
    name: Cow<'static, str>,
    limits: Limits,
    most: usize,
    /// Replaced as a whole when a key is new, so that no call waits to look.
    circuits: ArcSwap<HashMap<K, Arc<Kept>>>,
    /// When it was last looked for one that may go, in vain.
    growing: Mutex<Option<Instant>>,
    /// Of keys beyond the bound.
    others: Circuit,
    evicted: AtomicU64,
    shares: AtomicU64,
}

struct Kept {
    circuit: Circuit,
    /// It was asked since it last could have had to go.
    is_used: AtomicBool,
}

/// The circuits that are kept by default.
const MOST: usize = 1000;
/// How long nobody looks again for one that may go, when there was none.
const LOOK: Duration = Duration::from_millis(100);

// ===== impl Circuits =====

impl<K> Circuits<K> {
    /// Keeps up to 1,000 circuits, all with the same limits and name.
    pub fn new(name: impl Into<Cow<'static, str>>, limits: Limits) -> Self {
        Self::bounded(name, limits, MOST)
    }

    /// Keeps up to `most` circuits; 0 is 1.
    pub fn bounded(name: impl Into<Cow<'static, str>>, limits: Limits, most: usize) -> Self {
        let name = name.into();
        let others = Circuit::new(name.clone(), limits);
        Self {
            shared: Arc::new(Shared {
                name,
                limits,
                most: most.max(1),
                circuits: ArcSwap::default(),
                growing: Mutex::new(None),
                others,
                evicted: AtomicU64::new(0),
                shares: AtomicU64::new(0),
            }),
        }
    }

    /// Returns how many circuits are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.circuits.load().len()
    }

    /// Says whether none is kept yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K: Hash + Eq + Clone> Circuits<K> {
    /// Returns the circuit of a key; a new one if the key is new.
    pub fn get<Q>(&self, key: &Q) -> Circuit
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.find(key).unwrap_or_else(|| self.add(key.to_owned()))
    }

    /// Returns the circuits, by key, as they are now.
    #[must_use]
    pub fn all(&self) -> Vec<(K, Circuit)> {
        let circuits = self.shared.circuits.load();
        circuits.iter().map(|(key, kept)| (key.clone(), kept.circuit.clone())).collect()
    }

    pub(crate) fn of(&self, key: K) -> Circuit {
        self.find(&key).unwrap_or_else(|| self.add(key))
    }

    #[inline]
    fn find<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<Circuit>
    where
        K: Borrow<Q>,
    {
        let circuits = self.shared.circuits.load();
        let kept = circuits.get(key)?;
        // Not written where it stands: calls share the line.
        if !kept.is_used.load(Ordering::Relaxed) {
            kept.is_used.store(true, Ordering::Relaxed);
        }
        Some(kept.circuit.clone())
    }

    #[cold]
    fn add(&self, key: K) -> Circuit {
        let Shared { name, limits, most, circuits, growing, others, evicted, shares } =
            &*self.shared;
        let mut in_vain = growing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(circuit) = self.find(&key) {
            return circuit;
        }
        let idle = if circuits.load().len() >= *most {
            // A look is at all of them: not for each request of a stranger.
            let is_early = in_vain.is_some_and(|last| last.elapsed() < LOOK);
            let found = if is_early { None } else { idle(&circuits.load()) };
            if found.is_none() {
                if !is_early {
                    *in_vain = Some(Instant::now());
                }
                shares.fetch_add(1, Ordering::Relaxed);
                return others.clone();
            }
            evicted.fetch_add(1, Ordering::Relaxed);
            found
        } else {
            None
        };
        let mut grown = HashMap::clone(&circuits.load());
        if let Some(idle) = idle {
            grown.remove(&idle);
        }
        let circuit = Circuit::new(name.clone(), *limits);
        let kept = Kept { circuit: circuit.clone(), is_used: AtomicBool::new(true) };
        grown.insert(key, Arc::new(kept));
        circuits.store(Arc::new(grown));
        circuit
    }
}

/// A circuit that may go, of those that were not asked since the last look: each
/// look is the second chance of the others.
fn idle<K: Clone>(circuits: &HashMap<K, Arc<Kept>>) -> Option<K> {
    let (mut new, mut left) = (None, None);
    for (key, kept) in circuits {
        if kept.is_used.swap(false, Ordering::Relaxed) || new.is_some() {
            continue;
        }
        match kept.circuit.idleness() {
            Idleness::New => new = Some(key),
            Idleness::Left => left = left.or(Some(key)),
            Idleness::Busy => {}
        }
    }
    new.or(left).cloned()
}

impl<K> Clone for Circuits<K> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<K: Send + Sync> Inspect for Circuits<K> {
    /// Says how many circuits are in which state, not which: keys are too many
    /// for labels.
    fn inspect(&self, inspector: &mut dyn Inspector) {
        let Shared { name, circuits, others, evicted, shares, .. } = &*self.shared;
        let mut states: Vec<(&str, u32)> = Vec::new();
        let all = circuits.load();
        // That of keys beyond the bound counts from the first of them on.
        let others = (shares.load(Ordering::Relaxed) > 0).then_some(others);
        for circuit in all.values().map(|kept| &kept.circuit).chain(others) {
            let state = circuit.state().name();
            match states.iter_mut().find(|(known, _)| *known == state) {
                Some((_, many)) => *many += 1,
                None => states.push((state, 1)),
            }
        }
        for (state, many) in states {
            inspector.gauge(
                "breaker_circuits",
                "Circuits by state.",
                &[("breaker", name), ("state", state)],
                many.into(),
            );
        }
        let labels = [("breaker", &**name)];
        inspector.counter(
            "breaker_circuits_evicted_total",
            "Circuits that gave way to those of other keys.",
            &labels,
            evicted.load(Ordering::Relaxed),
        );
        inspector.counter(
            "breaker_circuits_shared_total",
            "Look-ups of keys beyond the bound, which share one circuit.",
            &labels,
            shares.load(Ordering::Relaxed),
        );
    }
}

impl<K> fmt::Debug for Circuits<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Circuits")
            .field("name", &self.shared.name)
            .field("circuits", &self.len())
            .finish_non_exhaustive()
    }
}
