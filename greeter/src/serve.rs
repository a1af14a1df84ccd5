//! The starter: binds the ports, and runs everything as one group that ends
//! in order.

use crate::{
    debug, discovery,
    endpoints::endpoints,
    flags::Serve,
    listen::{Addresses, Ports, reached_from, watched},
    log::{self, AccessLog},
    service::{Greeter, Logging},
    transport::{grpc, http},
};
use kit_breaker::{Circuit, Limits};
use kit_metrics::{GrpcServer, HttpServer, Prometheus};
use kit_run::{Group, Signals};
use kit_sd::consul::Agent;
use kit_transport::RequestIds;
use kit_transport_grpc::GrpcLayer;
use std::{future::IntoFuture, time::Duration};
use tokio::{sync::watch, time::sleep};
use tower::{BoxError, Layer};

const SECOND: Duration = Duration::from_secs(1);
/// How long the registry may take to forget us.
const DEREGISTER: Duration = Duration::from_secs(5);

/// Serves until a signal comes, and then stops in order. Once it listens, it
/// tells `say` where.
///
/// # Errors
///
/// Fails if a port cannot be bound, or if the end was not clean.
pub async fn serve(
    flags: Serve,
    signals: Signals,
    say: impl FnOnce(Addresses) -> Result<(), BoxError>,
) -> Result<(), BoxError> {
    let ports = Ports::bind(&flags).await?;
    let (ready, readiness) = watch::channel(false);
    let metrics = Prometheus::new();
    let circuit = Circuit::new("greeting", Limits::default());
    metrics.collect(circuit.clone());
    let service = Logging(Greeter, |call| tracing::debug!("{call}"));
    let endpoints = endpoints(service, readiness.clone(), circuit, metrics.clone());
    let hook = (RequestIds, (HttpServer::new(metrics.clone()), AccessLog));
    let web = http::router(endpoints.clone(), &hook);
    let methods = [grpc::GREETING, grpc::ARTICLE].map(|path| &path[1..]);
    let measure = GrpcServer::new(metrics.clone()).methods(methods);
    let hooks = GrpcLayer::new().hook(RequestIds).hook(measure).hook(AccessLog);
    let routes = hooks.layer(grpc::routes(endpoints, readiness.clone())?);
    let page = debug::router(metrics.clone(), readiness.clone());

    let http = watched("http", kit_serve::serve(ports.http, web), &metrics);
    let grpc = watched("grpc", kit_serve::serve(ports.grpc, routes), &metrics);
    let debug = watched("debug", kit_serve::serve(ports.debug, page), &metrics);
    let [of_http, of_grpc, of_debug] = [http.handle(), grpc.handle(), debug.handle()];

    let (mut group, mut kept) = (Group::new(), None);
    if let Some(consul) = &flags.consul {
        let host = match flags.advertise {
            Some(host) => host,
            None => reached_from(consul).await.to_string(),
        };
        let numbers = [ports.addresses.http.port(), ports.addresses.grpc.port()];
        let agent = Agent::new(consul)?;
        let names = discovery::register(&agent, &flags.service, &host, numbers, &readiness)?;
        for (port, name) in ["http", "grpc"].into_iter().zip(&names) {
            metrics.collect(name.status());
            group = group.background("registry", log::registration(port, name.status()));
        }
        kept = Some(names);
    }
    say(ports.addresses)?;
    ready.send_replace(true);
    let (delay, drain) = (flags.drain_delay, flags.drain_timeout);
    Ok(group
        .actor("http", http.into_future())
        .actor("grpc", grpc.into_future())
        .actor("debug", debug.into_future())
        .signals(signals)
        .limit(delay + drain + DEREGISTER + 3 * SECOND)
        .on_shutdown("readiness off", SECOND, async move {
            ready.send_replace(false);
        })
        .on_shutdown("deregister", DEREGISTER, discovery::deregister(kept))
        .on_shutdown("drain delay", delay + SECOND, async move { sleep(delay).await })
        .on_shutdown("drain", drain + SECOND, async move {
            let (http, grpc) =
                tokio::join!(of_http.drain_within(drain), of_grpc.drain_within(drain));
            http.and(grpc)
        })
        .on_shutdown("debug off", SECOND, async move { of_debug.drain_within(SECOND / 2).await })
        .on_event(|event| tracing::info!("{event}"))
        .run()
        .await?)
}
