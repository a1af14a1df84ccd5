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
//! that is closed and was not asked since the last time one had to; if there is
//! none, the new key shares one circuit with all others that came too late.
//!
//! # Readiness
//!
//! Only `call` knows the key, so `poll_ready` asks the inner service alone: a
//! keyed breaker waits for it also where the circuit is open.

mod layer;
mod service;

pub use self::{layer::KeyedBreakerLayer, service::KeyedBreaker};
use crate::{Circuit, Limits};
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
};

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
    growing: Mutex<()>,
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
                growing: Mutex::new(()),
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
        let _growing = growing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(circuit) = self.find(&key) {
            return circuit;
        }
        let mut grown = HashMap::clone(&circuits.load());
        if grown.len() >= *most {
            let Some(idle) = idle(&grown) else {
                shares.fetch_add(1, Ordering::Relaxed);
                return others.clone();
            };
            grown.remove(&idle);
            evicted.fetch_add(1, Ordering::Relaxed);
        }
        let circuit = Circuit::new(name.clone(), *limits);
        let kept = Kept { circuit: circuit.clone(), is_used: AtomicBool::new(true) };
        grown.insert(key, Arc::new(kept));
        circuits.store(Arc::new(grown));
        circuit
    }
}

/// A circuit that is as a new one would be, and was not asked for the longest: not
/// since the last look. Each look is the second chance of the others.
fn idle<K: Clone>(circuits: &HashMap<K, Arc<Kept>>) -> Option<K> {
    let mut idle = None;
    for (key, Kept { circuit, is_used }) in circuits.iter().map(|(key, kept)| (key, &**kept)) {
        let is_used = is_used.swap(false, Ordering::Relaxed);
        if idle.is_none() && !is_used && circuit.is_idle() {
            idle = Some(key.clone());
        }
    }
    idle
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
        let Shared { name, circuits, evicted, shares, .. } = &*self.shared;
        let mut states: Vec<(&str, u32)> = Vec::new();
        for kept in circuits.load().values() {
            let state = kept.circuit.state().name();
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
