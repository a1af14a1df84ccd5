//! Instances, and calls of them.

use crate::BoxError;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use kit_endpoint::Request as Call;
use kit_sd::{
    Endpointer, Instance, Instances, Keeper, Registrar, Registration, Retry, RoundRobin,
    retry::Idempotent,
};
use std::{
    convert::Infallible,
    future::IntoFuture,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    net::TcpListener,
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval},
};
use tower::{ServiceExt, service_fn};

/// A server, and what keeps it registered.
#[derive(Debug)]
pub struct Server {
    /// What it is called.
    pub instance: Instance,
    /// What keeps it registered.
    pub registration: Option<Registration>,
    stop: kit_serve::Handle,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves, and is registered by what `registrar` makes of its instance.
    ///
    /// # Errors
    ///
    /// Fails if there is no port.
    pub async fn start<R: Registrar>(
        service: &str,
        number: u8,
        registrar: impl FnOnce(Instance) -> R,
    ) -> Result<Self, BoxError> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.try_into()?;
        let instance = Instance::new(service, address).id(format!("{service}-{number}"));
        let reply = service_fn(|_: Request<kit_serve::Incoming>| async {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"\"hello\""))))
        });
        let server = kit_serve::serve(listener, reply);
        let stop = server.handle();
        let task = tokio::spawn(async move { _ = server.into_future().await });
        let registration = Some(Keeper::new(registrar(instance.clone())).spawn());
        Ok(Self { instance, registration, stop, task })
    }

    /// Finishes what is in flight and ends.
    pub async fn end(self) {
        _ = self.stop.drain_within(Duration::from_secs(5)).await;
        self.task.abort();
    }
}

/// Calls at a rate, and how they went.
#[derive(Debug)]
pub struct Load {
    counts: Arc<Counts>,
    task: JoinHandle<()>,
    _endpointer: Endpointer<Client>,
}

#[derive(Debug, Default)]
struct Counts {
    made: AtomicU64,
    failed: AtomicU64,
    last: Mutex<Option<String>>,
}

type Client = tower::util::BoxCloneSyncService<Call<()>, String, kit_transport_http::CallError>;

impl Load {
    /// Calls the instances, so many times a second.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime.
    #[must_use]
    pub fn start(instances: Instances, rate: u32) -> Self {
        let pool = kit_transport_http::pool(Duration::from_millis(500));
        let endpointer = Endpointer::spawn(instances, move |instance: &Instance| {
            let uri: http::Uri = format!("http://{}/", instance.address).parse()?;
            let ask = kit_transport_http::query::request(Method::GET, uri);
            let client =
                kit_transport_http::Client::new(pool.clone(), ask, kit_transport_http::json::reply);
            Ok::<_, http::uri::InvalidUri>(Client::new(client))
        });
        let balancer = RoundRobin::new(endpointer.endpoints());
        let retry = Retry::new(balancer, 3, Duration::from_secs(2)).retryable(Idempotent);
        let counts = Arc::new(Counts::default());
        let taken = Arc::clone(&counts);
        let task = tokio::spawn(async move {
            let mut ticks = interval(Duration::from_secs(1) / rate);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            loop {
                ticks.tick().await;
                let (retry, counts) = (retry.clone(), Arc::clone(&taken));
                counts.made.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    if let Err(error) = retry.oneshot(Call::new(())).await {
                        counts.failed.fetch_add(1, Ordering::Relaxed);
                        if let Ok(mut last) = counts.last.lock() {
                            *last = Some(error.to_string());
                        }
                    }
                });
            }
        });
        Self { counts, task, _endpointer: endpointer }
    }

    /// Returns how many calls were made and how many failed, and why the last
    /// one did.
    #[must_use]
    pub fn counts(&self) -> (u64, u64, Option<String>) {
        let Counts { made, failed, last } = &*self.counts;
        let last = last.lock().ok().and_then(|last| last.clone());
        (made.load(Ordering::Relaxed), failed.load(Ordering::Relaxed), last)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Waits until it is so, and returns how many milliseconds that took since
/// `since`.
///
/// # Errors
///
/// Fails if it is not so within `limit`.
pub async fn until(
    what: &str,
    since: Instant,
    limit: Duration,
    instances: &Instances,
    mut wanted: impl FnMut(&kit_sd::Snapshot) -> bool,
) -> Result<f64, BoxError> {
    let mut seen = instances.clone();
    if let Ok(Some(_)) = tokio::time::timeout(limit, seen.wait_for(&mut wanted)).await {
        return Ok(since.elapsed().as_secs_f64() * 1e3);
    }
    let now = instances.snapshot();
    let ids: Vec<_> = now.instances.iter().map(|one| one.id.as_str()).collect();
    Err(format!("waited {limit:?} for {what}, and saw {ids:?}, {:?}", now.state).into())
}
