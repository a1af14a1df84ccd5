//! What watches requests and servers: ids, metrics and the log.

use crate::{
    log::{self, AccessLog},
    transport::grpc::{ARTICLE, CHAT, GREETING, GREETINGS},
};
use kit_metrics::{GrpcServer, HttpServer, Prometheus};
use kit_sd::Registration;
use kit_serve::Server;
use kit_transport::{Hook, RequestIds};

/// Returns what gives each request over HTTP its id, measures it and logs it.
#[must_use]
pub fn http(metrics: &Prometheus) -> impl Hook<Observer: Send> + Send + Sync + use<> {
    (RequestIds, (HttpServer::new(metrics.clone()), AccessLog))
}

/// Returns what gives each request over gRPC its id, measures it and logs it.
///
/// Metrics name the greeter's methods, and no other that a caller makes up.
#[must_use]
pub fn grpc(metrics: &Prometheus) -> impl Hook<Observer: Send> + Send + Sync + use<> {
    let methods = [GREETING, ARTICLE, GREETINGS, CHAT].map(|path| &path[1..]);
    (RequestIds, (GrpcServer::new(metrics.clone()).methods(methods), AccessLog))
}

/// Names `server`, measures it, and has its incidents logged.
pub fn watched<L, S>(
    name: &'static str,
    server: Server<L, S>,
    metrics: &Prometheus,
) -> Server<L, S> {
    metrics.collect(server.handle());
    server.name(name).on_incident(move |incident| log::incident(name, &incident))
}

/// Measures the names that the greeter has in a registry, and returns what
/// logs their changes until they are given up.
pub fn registered(
    names: Option<&[Registration; 2]>,
    metrics: &Prometheus,
) -> impl Future<Output = ()> + Send + use<> {
    let names = names.map(|names| names.each_ref().map(Registration::status));
    names.iter().flatten().for_each(|name| metrics.collect(name.clone()));
    async move {
        let Some([http, grpc]) = names else { return };
        tokio::join!(log::registration("http", http), log::registration("grpc", grpc));
    }
}
