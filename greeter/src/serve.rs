//! The starter: binds the ports, and runs everything as one group that ends
//! in order.

use crate::{
    discovery,
    endpoints::endpoints,
    flags::{Listen, Serve},
    log::AccessLog,
    service::{Greeter, Logging, Service},
    transport::{debug, grpc, http},
};
use kit_breaker::{Circuit, Limits};
use kit_metrics::{GrpcServer, HttpServer, Prometheus};
use kit_run::Group;
use kit_sd::{Registration, consul::Agent};
use kit_transport::RequestIds;
use kit_transport_grpc::GrpcLayer;
use std::{
    future::IntoFuture,
    io::{self, Write},
    net::{Ipv4Addr, Ipv6Addr},
    time::Duration,
};
use tokio::{
    net::{TcpListener, UdpSocket},
    sync::watch,
    task::JoinSet,
    time::sleep,
};
use tower::{BoxError, Layer};

/// How long the registry may take to forget us.
const DEREGISTER: Duration = Duration::from_secs(5);

/// Serves until a signal comes, and then stops in order.
///
/// # Errors
///
/// Fails if a port cannot be bound, or if the end was not clean.
pub async fn serve(flags: Serve) -> Result<(), BoxError> {
    if tracing::enabled!(tracing::Level::DEBUG) {
        let log = |call: std::fmt::Arguments<'_>| tracing::debug!("{call}");
        run(Logging::new(Greeter, log), flags).await
    } else {
        run(Greeter, flags).await
    }
}

async fn run<S>(service: S, flags: Serve) -> Result<(), BoxError>
where
    S: Service + Clone + Send + Sync + 'static,
{
    // Before anything is seen from outside, so that no signal is lost.
    let signals = kit_run::signals()?;
    let http = bind(&flags.http).await?;
    let grpc = bind(&flags.grpc).await?;
    let debug = bind(&flags.debug).await?;
    let ports = (http.local_addr()?.port(), grpc.local_addr()?.port());
    let listening = format!(
        "HTTP listens on http://{}\ngRPC listens on grpc://{}\ndebug listens on http://{}\n",
        http.local_addr()?,
        grpc.local_addr()?,
        debug.local_addr()?
    );

    let (ready, readiness) = watch::channel(false);
    let metrics = Prometheus::new();
    let circuit = Circuit::new("greeting", Limits::default());
    metrics.collect(circuit.clone());
    let endpoints = endpoints(service, readiness.clone(), circuit, &metrics);
    let hook = (RequestIds, (HttpServer::new(metrics.clone()), AccessLog));
    let router = http::router(endpoints.clone(), hook);
    let routes = GrpcLayer::new()
        .hook(RequestIds)
        .hook(
            GrpcServer::new(metrics.clone()).methods([&grpc::GREETING[1..], "pb.Greeter/Greeting"]),
        )
        .hook(AccessLog)
        .layer(grpc::routes(endpoints, readiness.clone())?);
    let http = kit_serve::serve(http, router).name("http");
    let grpc = kit_serve::serve(grpc, routes).name("grpc");
    let debug_router = debug::router(metrics.clone(), readiness.clone());
    let debug = kit_serve::serve(debug, debug_router).name("debug");
    let handles = [http.handle(), grpc.handle(), debug.handle()];
    handles.iter().for_each(|handle| metrics.collect(handle.clone()));

    let mut registrations = Vec::new();
    if let Some(consul) = &flags.consul {
        let host = match flags.advertise {
            Some(host) => host,
            None => reached_from(consul).await?,
        };
        let agent = Agent::new(consul)?;
        registrations.extend(discovery::register(
            &agent,
            &flags.service,
            &host,
            ports,
            &readiness,
        )?);
        registrations.iter().for_each(|kept| metrics.collect(kept.status()));
    }

    io::stdout().lock().write_all(listening.as_bytes())?;
    let (drain, delay) = (flags.drain_timeout, flags.drain_delay);
    let [http_handle, grpc_handle, debug_handle] = handles;
    let group = Group::new()
        .actor("http", http.into_future())
        .actor("grpc", grpc.into_future())
        .actor("debug", debug.into_future())
        .signals(signals)
        .limit(delay + drain + DEREGISTER + Duration::from_secs(3));
    ready.send_replace(true);
    // What this says holds until the process ends: readiness, then the rest.
    group
        .on_shutdown("readiness off", Duration::from_secs(1), async move {
            ready.send_replace(false);
        })
        .on_shutdown("deregister", DEREGISTER, deregister(registrations))
        .on_shutdown("drain delay", delay + Duration::from_secs(1), sleep(delay))
        .on_shutdown("drain", drain + Duration::from_secs(1), async move {
            let (http, grpc) =
                tokio::join!(http_handle.drain_within(drain), grpc_handle.drain_within(drain));
            http.and(grpc)
        })
        .on_shutdown("debug off", Duration::from_secs(1), async move {
            debug_handle.drain_within(Duration::from_millis(500)).await
        })
        .on_event(|event| tracing::info!("{event}"))
        .run()
        .await?;
    Ok(())
}

/// Tells the registry, of every name at once.
async fn deregister(registrations: Vec<Registration>) -> Result<(), BoxError> {
    let mut all = JoinSet::from_iter(registrations.into_iter().map(Registration::deregister));
    let mut done = Ok(());
    while let Some(one) = all.join_next().await {
        done = done.and(one.map_err(BoxError::from).and_then(|one| one.map_err(BoxError::from)));
    }
    done
}

async fn bind(listen: &Listen) -> Result<TcpListener, BoxError> {
    let bound = match &listen.host {
        Some(host) => TcpListener::bind((&**host, listen.port)).await,
        // All interfaces: of both versions, or of IPv4 where there is no IPv6.
        None => match TcpListener::bind((Ipv6Addr::UNSPECIFIED, listen.port)).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
            Err(_) => TcpListener::bind((Ipv4Addr::UNSPECIFIED, listen.port)).await,
            bound => bound,
        },
    };
    bound.map_err(|error| format!("cannot listen on {listen} ({}): {error}", listen.flag).into())
}

/// Returns the address by which this machine reaches `consul`, and is reached
/// from there. Nothing is sent.
async fn reached_from(consul: &str) -> io::Result<String> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
    socket.connect(consul).await?;
    Ok(socket.local_addr()?.ip().to_string())
}
