//! Traces: what is recorded of them, whom they are believed of, and where they go.

use crate::{
    flags::{Sample, Trace, Traces, Trusted},
    log::{self, Filter, Format},
};
use kit_trace::{
    ClientSpanLayer, Sampling, ServerSpanLayer, Trust,
    otel::{Exporting, Otlp, Pipeline, Tracing, resource},
};
use std::{net::IpAddr, time::Duration};
use tokio::task::JoinHandle;
use tower::BoxError;
use tracing::Level;
use tracing_subscriber::{filter::Targets, prelude::*};

/// How long the collector may take for what is left at the end.
const FLUSH: Duration = Duration::from_secs(3);

/// Sends spans, until it is ended.
#[derive(Debug)]
pub struct Sending {
    tracing: Tracing,
    exporting: JoinHandle<()>,
}

/// Lets events be logged that `filter` lets through, if there is one, and spans be sent
/// if the flags say where to, in the name of `service`, whatever is logged.
///
/// # Errors
///
/// Fails if the collector's address is none.
///
/// # Panics
///
/// Panics outside of a runtime, where it sends.
pub fn install(
    trace: &Trace,
    service: &str,
    filter: Option<&Filter>,
    format: Format,
) -> Result<Option<Sending>, BoxError> {
    let Some(collector) = &trace.otlp else {
        if let Some(filter) = filter {
            log::install_changing(filter, format);
        }
        return Ok(None);
    };
    let collector = match collector {
        Traces::Grpc(address) => Otlp::grpc(address)?,
        Traces::Http(address) => Otlp::http(address)?,
    };
    // For spans that no layer opens, of which there are none.
    let pipeline = Pipeline::new(resource(service)).sampling(sampling(trace));
    let (tracing, exporting) = pipeline.export(collector);
    // Spans are wanted whatever is logged.
    let only = Targets::new().with_target("kit_trace", Level::INFO);
    let registry = tracing_subscriber::registry();
    // A layer that is none would let everything through.
    let _ = match filter {
        Some(filter) => registry
            .with(log::layer(filter, format))
            .with(tracing.layer().with_filter(only))
            .try_init(),
        None => registry.with(tracing.layer().with_filter(only)).try_init(),
    };
    Ok(Some(Sending::new(tracing, exporting)))
}

/// Opens a span for each request that is recorded, if spans are sent, and believes whom
/// the flags say; what came goes on in either case.
#[must_use]
pub fn server(trace: &Trace) -> ServerSpanLayer {
    let trust = match trace.trust {
        Trusted::All => Trust::all(),
        Trusted::None => Trust::none(),
        Trusted::Local => Trust::by(|peer, _| {
            peer.is_none_or(|peer| peer.addr().is_none_or(|addr| is_local(addr.ip())))
        }),
    };
    ServerSpanLayer::new().trust(trust).sampling(sampling(trace)).enabled(trace.otlp.is_some())
}

/// Opens a span for each call that is recorded, if spans are sent.
#[must_use]
pub fn client(trace: &Trace) -> ClientSpanLayer {
    ClientSpanLayer::new().sampling(sampling(trace)).enabled(trace.otlp.is_some())
}

/// Which traces are recorded that begin here.
///
/// Each that is returned counts on its own: a rate is shared by clones only. That comes to
/// one rate, for a trace begins at one place in a program, the server's layer or the
/// client's of `greeter call`.
fn sampling(trace: &Trace) -> Sampling {
    match trace.sample {
        Sample::Millionths(share) => Sampling::ratio(f64::from(share) / 1e6),
        Sample::PerSecond(count) => Sampling::per_second(count),
    }
}

/// Of this machine, or of a network of its own (RFC 1918, RFC 4193).
fn is_local(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

// ===== impl Sending =====

impl Sending {
    fn new(tracing: Tracing, exporting: Exporting<Otlp>) -> Self {
        Self { tracing, exporting: tokio::spawn(exporting.run()) }
    }

    /// Returns what records spans.
    #[must_use]
    pub fn tracing(&self) -> Tracing {
        self.tracing.clone()
    }

    /// Sends what is left, if the collector takes it in time.
    pub async fn end(self) {
        if !self.tracing.flush(FLUSH).await {
            tracing::warn!("not all spans were sent: the collector does not take them");
        }
        self.exporting.abort();
    }
}
