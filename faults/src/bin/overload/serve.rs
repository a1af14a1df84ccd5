//! The service that has too much to do: eight slots, each held for 10 ms by a
//! request, so 800 a second; of kit's layers, with a limit or without.

use kit_endpoint::{Endpoint, Fault, Request};
use kit_faults::{BoxError, say_ready};
use kit_limit::concurrency::{
    Aimd, Algorithm, ConcurrencyLimitLayer, ConcurrencyLimited, Gradient2, Limiter,
};
use kit_transport::propagation::Propagation;
use kit_transport_http::{Server, json, nothing};
use std::{
    error, fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    net::TcpListener,
    sync::Semaphore,
    time::{Instant, sleep_until},
};
use tower::{Layer, service_fn};

pub(crate) const SLOTS: u32 = 8;
pub(crate) const HELD: Duration = Duration::from_millis(10);

#[derive(Debug)]
struct Limited(ConcurrencyLimited);

/// Serves on a port that is free: `bare`, or limited by `aimd` or `gradient2`.
pub(crate) async fn serve(which: &str) -> Result<(), BoxError> {
    match which {
        // What takes twice as long as a call does alone waits too long.
        "aimd" => run(limit(Aimd::default().initial(8).min(1).timeout(HELD * 2))).await,
        "gradient2" => run(limit(Gradient2::default().initial(8).min(1))).await,
        _ => run(service()).await,
    }
}

fn limit(algorithm: impl Algorithm) -> impl Endpoint<(), Response = u32> {
    let limiter = Limiter::new("overload", algorithm);
    ConcurrencyLimitLayer::shared(limiter).by_criticality().layer(service())
}

async fn run(endpoint: impl Endpoint<(), Response = u32>) -> Result<(), BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    say_ready!(listener.local_addr()?.port());
    let server = Server::new(endpoint, nothing, json::encode).hook(Propagation::new());
    Ok(kit_serve::serve(listener, server).await?)
}

/// When each slot is free again, as planned: a timer that rings late must not make
/// it hold longer on average.
type Slots = Arc<(Semaphore, Mutex<Vec<Instant>>)>;

fn service() -> impl Endpoint<(), Response = u32, Error = Limited> {
    let free = vec![Instant::now(); SLOTS as usize];
    let slots: Slots = Arc::new((Semaphore::new(SLOTS as usize), Mutex::new(free)));
    service_fn(move |_: Request<()>| {
        let slots = Arc::clone(&slots);
        async move {
            let (permits, free) = &*slots;
            // Never closed.
            let Ok(_permit) = permits.acquire().await else { return Ok(0) };
            let lock = || free.lock().unwrap_or_else(PoisonError::into_inner);
            let slot = lock().pop().unwrap_or_else(Instant::now);
            let late = slot.elapsed();
            let begun = if late < HELD / 5 { slot } else { Instant::now() };
            let ends = begun + HELD;
            let held = Held { free, ends };
            sleep_until(ends).await;
            drop(held);
            Ok(42)
        }
    })
}

/// A slot that is held until it is given back.
struct Held<'a> {
    free: &'a Mutex<Vec<Instant>>,
    ends: Instant,
}

// ===== impl Held =====

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let ends = self.ends.min(Instant::now());
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(ends);
    }
}

// ===== impl Limited =====

impl From<ConcurrencyLimited> for Limited {
    fn from(fact: ConcurrencyLimited) -> Self {
        Self(fact)
    }
}

impl fmt::Display for Limited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl error::Error for Limited {}

impl Fault for Limited {
    fn inner(&self) -> Option<&dyn Fault> {
        Some(&self.0)
    }
}
