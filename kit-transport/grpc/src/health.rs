//! gRPC's own health check, `grpc.health.v1`, fed by readiness.
//!
//! Readiness is a `watch::Receiver<bool>`, one per service name; the empty
//! name is the server as a whole. `Check` of a name that is not there is
//! `NOT_FOUND`; `Watch` of one streams `SERVICE_UNKNOWN` and stays open, as
//! gRPC says (health-checking.md), and so clients wait instead of reconnecting
//! all the time. A stream ends when its sender of readiness is gone.
//!
//! ```
//! use kit_transport_grpc::Health;
//! use tokio::sync::watch;
//! use tonic::service::Routes;
//!
//! let (ready, readiness) = watch::channel(false);
//! let health = Health::new(readiness.clone()).service("greeter.v1.Greeter", readiness);
//! let routes = Routes::new(health.into_server());
//! ready.send_replace(true);
//! # let _ = routes;
//! ```

use std::{
    collections::HashMap,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::sync::watch;
use tokio_stream::{Stream, wrappers::WatchStream};
use tonic::{Request, Response, Status};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus, health_server,
};

pub use tonic_health::pb::{FILE_DESCRIPTOR_SET, health_server::HealthServer};

/// Answers health checks from readiness. See the [module](self).
#[derive(Debug, Clone)]
pub struct Health {
    whole: watch::Receiver<bool>,
    services: HashMap<String, watch::Receiver<bool>>,
}

/// The changes that a `Watch` sends: the state at once, then each other one.
pub struct Changes {
    ready: WatchStream<bool>,
    known: bool,
    last: Option<ServingStatus>,
}

// ===== impl Health =====

impl Health {
    /// Answers for the server as a whole, the empty name.
    #[must_use]
    pub fn new(ready: watch::Receiver<bool>) -> Self {
        Self { whole: ready, services: HashMap::new() }
    }

    /// Answers for the service of that name too (`greeter.v1.Greeter`).
    #[must_use]
    pub fn service(mut self, name: impl Into<String>, ready: watch::Receiver<bool>) -> Self {
        self.services.insert(name.into(), ready);
        self
    }

    /// Answers for the services of those names too, as for the whole.
    #[must_use]
    pub fn services<N: Into<String>>(self, names: impl IntoIterator<Item = N>) -> Self {
        let ready = self.whole.clone();
        names.into_iter().fold(self, |health, name| health.service(name, ready.clone()))
    }

    /// Returns the gRPC service, to be mounted beside the others.
    #[must_use]
    pub fn into_server(self) -> HealthServer<Self> {
        HealthServer::new(self)
    }

    fn find(&self, name: &str) -> Option<&watch::Receiver<bool>> {
        // A service called "" would be the whole, and is not asked for.
        if name.is_empty() { Some(&self.whole) } else { self.services.get(name) }
    }
}

#[tonic::async_trait]
impl health_server::Health for Health {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let ready = self.find(&request.get_ref().service).ok_or_else(|| {
            Status::not_found("no service of that name: ask for \"\", the server as a whole")
        })?;
        let status = serving(*ready.borrow());
        Ok(Response::new(HealthCheckResponse { status: status.into() }))
    }

    type WatchStream = Changes;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Changes>, Status> {
        let found = self.find(&request.get_ref().service);
        // An unknown name lasts as long as the server does.
        let ready = WatchStream::new(found.unwrap_or(&self.whole).clone());
        Ok(Response::new(Changes { ready, known: found.is_some(), last: None }))
    }
}

// ===== impl Changes =====

impl Stream for Changes {
    type Item = Result<HealthCheckResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let Some(ready) = ready!(Pin::new(&mut self.ready).poll_next(cx)) else {
                return Poll::Ready(None);
            };
            let status = if self.known { serving(ready) } else { ServingStatus::ServiceUnknown };
            if self.last.replace(status) != Some(status) {
                return Poll::Ready(Some(Ok(HealthCheckResponse { status: status.into() })));
            }
        }
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes")
            .field("known", &self.known)
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}

const fn serving(ready: bool) -> ServingStatus {
    if ready { ServingStatus::Serving } else { ServingStatus::NotServing }
}
