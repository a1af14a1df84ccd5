//! The starter: runs everything as one group that ends in order.

use crate::{
    debug, discovery,
    endpoints::endpoints,
    entry,
    flags::Serve,
    hooks::{self, watched},
    listen::{Addresses, Ports},
    log,
    registry::{self, Backend, Registry},
    service::{Greeter, Logging},
    tls,
    transport::{grpc, http},
};
use kit_run::{Group, Signals};
use kit_serve::{Listener, drain_all};
use kit_transport_grpc::GrpcLayer;
use std::{future::IntoFuture, time::Duration};
use tokio::{sync::watch, time::sleep};
use tower::{BoxError, Layer};

const SECOND: Duration = Duration::from_secs(1);
/// How long the registry may take to forget us.
const DEREGISTER: Duration = Duration::from_secs(5);

/// Serves at `ports` until a signal comes, and then stops in order. Just
/// before it is ready, it tells `say` where it listens.
///
/// It opens nothing itself: the ports are bound, and the registry's agent is
/// whatever it is given, so that all of it runs in memory too.
///
/// # Errors
///
/// Fails if `say` does, if the host cannot be registered, or if the end was
/// not clean.
pub async fn serve<L: Listener, D: Listener, B: Backend>(
    flags: &Serve,
    ports: Ports<L, D>,
    at: Option<Registry<B>>,
    signals: Signals,
    say: impl FnOnce(Addresses) -> Result<(), BoxError>,
) -> Result<(), BoxError> {
    let (ready, up) = watch::channel(false);
    let seen = debug::Seen::default().log(ports.log.as_ref()).traces(ports.traces.as_ref());
    let (entry, circuit) = entry::open(flags, &ports.gate, &seen)?;
    let service = Logging(Greeter, log::calls());
    let endpoints = endpoints(service, up.clone(), circuit, seen.metrics.clone(), entry.clone());
    let web = http::router(endpoints.clone(), &hooks::http(&seen.metrics, &ports.gate, &entry));
    let routes = grpc::routes(endpoints, up.clone())?;
    let rpc = GrpcLayer::new().hook(hooks::grpc(&seen.metrics, &ports.gate, &entry)).layer(routes);

    ports.gate.check(&seen)?;
    tls::show(ports.certificates.as_ref(), &seen);
    let kept = at.map(|at| discovery::register(&at, ports.addresses.numbers(), &up)).transpose()?;
    let (shown, settled) = registry::shown(flags.ready_when, &up, kept.as_ref());
    let (page, starts) = debug::router(flags, &ports.gate, &seen, shown.clone());

    let http = watched("http", kit_serve::serve(ports.http, entry.spans().layer(web)), &seen);
    let grpc = watched("grpc", kit_serve::serve(ports.grpc, entry.spans().layer(rpc)), &seen);
    let debug = watched("debug", kit_serve::serve(ports.debug, page), &seen);
    let [of_http, of_grpc, of_debug] = [http.handle(), grpc.handle(), debug.handle()];

    say(ports.addresses)?;
    ready.send_replace(true);
    let (delay, drain) = (flags.drain_delay, flags.drain_timeout);
    Ok(Group::new()
        .on_event(log::life([of_http.clone(), of_grpc.clone()]))
        .actor("http", http.into_future())
        .actor("grpc", grpc.into_future())
        .actor("debug", debug.into_future())
        .background("registry", hooks::registered(kept.as_ref(), &seen))
        .background("readiness", settled)
        .background("start", starts)
        .background("log", log::expiring(ports.log))
        .on_reload(hooks::reload(ports.certificates.clone(), &ports.gate))
        .background("certificates", tls::renewed(ports.certificates))
        .background("callers", ports.gate.renewed())
        .notify_systemd(shown)
        .signals(signals)
        .limit(delay + drain + DEREGISTER + 3 * SECOND)
        .on_shutdown("readiness off", SECOND, async move { _ = ready.send(false) })
        .on_shutdown("deregister", DEREGISTER, discovery::deregister(kept))
        .on_shutdown("drain delay", delay + SECOND, async move { sleep(delay).await })
        .on_shutdown("drain", drain + SECOND, drain_all([of_http, of_grpc], drain))
        .on_shutdown("debug off", SECOND, async move { of_debug.drain_within(SECOND / 2).await })
        .run()
        .await?)
}
