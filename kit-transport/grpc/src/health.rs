//! gRPC's own health check, `grpc.health.v1`, fed by readiness.
//!
//! Readiness is a `watch::Receiver<bool>`, one per service name; the empty
//! name is the server as a whole. `Check` of a name that is not there is
//! `NOT_FOUND`; `Watch` of one streams `SERVICE_UNKNOWN` and stays open, as
//! gRPC says (health-checking.md), and so clients wait instead of reconnecting
//! all the time. A stream ends when its sender of readiness is gone. `List`
//! tells all names at once; above [`MAX_LISTED`] it is `RESOURCE_EXHAUSTED`.
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

use self::pb::{
    HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
    health_check_response::ServingStatus, health_server,
};
use std::{
    collections::HashMap,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::sync::watch;
use tokio_stream::{Stream, wrappers::WatchStream};
use tonic::{Request, Response, Status};

pub use self::pb::health_server::HealthServer;

/// The generated code of `grpc.health.v1`.
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::pedantic,
    clippy::use_self,
    reason = "generated"
)]
pub mod pb {
    include!("pb/grpc.health.v1.rs");

    /// The descriptors of the health check, for a reflection service that is
    /// not ours.
    pub const DESCRIPTOR: &[u8] = include_bytes!("pb/health.bin");
}

/// How many names `List` tells at most, the server as a whole included: as
/// many as grpc-go does.
pub const MAX_LISTED: usize = 100;

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

    /// Answers for the service of that name too (`greeter.v1.Greeter`). The
    /// last readiness of a name counts, that of the empty one too.
    #[must_use]
    pub fn service(mut self, name: impl Into<String>, ready: watch::Receiver<bool>) -> Self {
        let name = name.into();
        if name.is_empty() {
            self.whole = ready;
        } else {
            self.services.insert(name, ready);
        }
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
        Ok(Response::new(state(ready)))
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

    async fn list(
        &self,
        _request: Request<HealthListRequest>,
    ) -> Result<Response<HealthListResponse>, Status> {
        if self.services.len() >= MAX_LISTED {
            return Err(Status::resource_exhausted(format!(
                "more than {MAX_LISTED} services: check each by its name"
            )));
        }
        let services = self.services.iter().map(|(name, ready)| (name.clone(), state(ready)));
        let whole = (String::new(), state(&self.whole));
        let statuses = services.chain([whole]).collect();
        Ok(Response::new(HealthListResponse { statuses }))
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

fn state(ready: &watch::Receiver<bool>) -> HealthCheckResponse {
    HealthCheckResponse { status: serving(*ready.borrow()).into() }
}

const fn serving(ready: bool) -> ServingStatus {
    if ready { ServingStatus::Serving } else { ServingStatus::NotServing }
}
