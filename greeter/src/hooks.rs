//! What watches requests and servers: ids, metrics and the log.

use crate::{
    auth::Gate,
    debug::Shows,
    entry::Entry,
    log, tls,
    transport::grpc::{ARTICLE, CHAT, GREETING, GREETINGS},
};
use http::Extensions;
use kit_endpoint::{ServerFaults, UntilReply};
use kit_metrics::{GrpcServer, HttpServer, Prometheus, RedLayer, Trace, TraceOf};
use kit_sd::Registration;
use kit_serve::{Server, tls::Certificates};
use kit_trace::{TraceContext, hook::SpanHook};
use kit_transport::{Hook, Report, RequestIds};
use std::future::{Ready, ready};
use tower::BoxError;

/// Returns what gives each request over HTTP its id, measures it and logs it,
/// and reads its credentials if the `gate` asks for any, and how critical it is if
/// that is asked at the `entry`.
#[must_use]
pub fn http(
    metrics: &Prometheus,
    gate: &Gate,
    entry: &Entry,
) -> impl Hook<Observer: Send> + Send + Sync + use<> {
    let asked = (gate.hook(), entry.hook());
    let measured = HttpServer::new(metrics.clone()).exemplars(example);
    (RequestIds, (SpanHook, (measured, (entry.log(), asked))))
}

/// Returns what gives each request over gRPC its id, measures it and logs it,
/// and reads its credentials if the `gate` asks for any, and how critical it is if
/// that is asked at the `entry`.
///
/// Metrics name the greeter's methods, and no other that a caller makes up.
#[must_use]
pub fn grpc(
    metrics: &Prometheus,
    gate: &Gate,
    entry: &Entry,
) -> impl Hook<Observer: Send> + Send + Sync + use<> {
    let asked = (gate.hook(), entry.hook());
    let methods = [GREETING, ARTICLE, GREETINGS, CHAT].map(|path| &path[1..]);
    let measured = GrpcServer::new(metrics.clone()).methods(methods).exemplars(example);
    (RequestIds, (SpanHook, (measured, (entry.log(), asked))))
}

/// What measures the calls of an endpoint.
pub type Red = RedLayer<ServerFaults, UntilReply, TraceOf>;

/// Returns what measures the calls of each endpoint, by its name.
pub fn red(metrics: Prometheus) -> impl Fn(&'static str) -> Red {
    move |name| RedLayer::new(metrics.clone(), "endpoint", &[("endpoint", name)]).exemplars(example)
}

/// Finds the trace of a request, if it is sampled, for the metrics' exemplars.
fn example(extensions: &Extensions) -> Option<Trace> {
    let context = extensions.get::<TraceContext>().filter(|context| context.sampled())?;
    Trace::new(context.trace_id().to_bytes(), context.span_id().to_bytes())
}

/// Names `server`, shows it, and has its incidents logged.
pub fn watched<L, S>(name: &'static str, server: Server<L, S>, seen: &impl Shows) -> Server<L, S> {
    seen.show_server(name, server.handle());
    server.name(name).on_incident(move |incident| log::incident(name, &incident))
}

/// Shows the names that the greeter has in a registry, and returns what
/// logs their changes until they are given up.
pub fn registered<S: Shows>(
    names: Option<&[Registration; 2]>,
    seen: &S,
) -> impl Future<Output = ()> + Send + use<S> {
    let names = names.map(|names| names.each_ref().map(Registration::status));
    names.iter().flatten().for_each(|name| seen.show("registrations", name.clone()));
    async move {
        let Some([http, grpc]) = names else { return };
        tokio::join!(log::registration("http", http), log::registration("grpc", grpc));
    }
}

/// Returns what reads certificates and users anew at once, each time that it is
/// called.
///
/// It fails if a file cannot be read, or what it has is no good; then the greeter
/// goes on with what it has of it, and takes the others.
pub fn reload(
    certificates: Option<Certificates>,
    gate: &Gate,
) -> impl FnMut() -> Ready<Result<(), BoxError>> + Send + use<> {
    let (mut certificates, mut users) = (tls::reload(certificates), gate.reload());
    move || {
        let of_certificates =
            certificates().into_inner().map_err(|error| Report(&error).to_string());
        let of_users = users().map_err(|error| Report(&error).to_string());
        ready(match (of_certificates, of_users) {
            (Err(one), Err(other)) => Err(format!("{one}; {other}").into()),
            (one, other) => one.and(other).map_err(Into::into),
        })
    }
}
