//! What a line of the access log costs: `log_line WHAT TIMES`, where WHAT is `logfmt`,
//! `json` or `pretty` of ours, `compact`, `full` or `fmt-json` of tracing-subscriber's,
//! or `logfmt-crate` of tracing-logfmt, all to a writer that takes everything at once;
//! or `off`, where the level is off, and `off-none`, the same without a subscriber. The
//! event is the same for all, with the fields of kit's access log.

use kit_bench::{BoxError, say, slow_down};
use kit_trace::log::{Filter, Format, Lines};
use std::{env, hint::black_box, io, net::IpAddr};
use tracing::Subscriber;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, prelude::*, registry::LookupSpan};

/// Lines between two chances to waste something.
const CHUNK: u64 = 100;

/// What a request leaves behind.
struct Request {
    method: String,
    route: Option<String>,
    outcome: &'static str,
    status: Option<u16>,
    duration: u64,
    received: u64,
    sent: u64,
    id: Option<String>,
    trace_id: Option<String>,
    span_id: Option<String>,
    peer: Option<IpAddr>,
    error: Option<String>,
}

fn main() -> Result<(), BoxError> {
    let mut args = env::args().skip(1);
    let what = args.next().ok_or("what?")?;
    let times: u64 = args.next().ok_or("how many times?")?.parse()?;
    let request = Request {
        method: "GET".to_owned(),
        route: Some("/greeting".to_owned()),
        outcome: "OK",
        status: Some(200),
        duration: 184,
        received: 0,
        sent: 26,
        id: Some("0193750e-5c4a-7f3e-9d52-0f6f3e0b7a61".to_owned()),
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned()),
        span_id: Some("00f067aa0ba902b7".to_owned()),
        peer: Some([127, 0, 0, 1].into()),
        error: None,
    };
    let ours = |format| Lines::new(format, io::sink);
    let theirs = || fmt::layer().with_ansi(false).with_writer(io::sink);
    match &*what {
        "logfmt" => logged(kept("info").with(ours(Format::Logfmt)), &request, times),
        "json" => logged(kept("info").with(ours(Format::Json)), &request, times),
        "pretty" => logged(kept("info").with(ours(Format::Pretty)), &request, times),
        "one" => logged(one(ours(Format::Logfmt))?, &request, times),
        "compact" => logged(bare("info").with(theirs().compact()), &request, times),
        "full" => logged(bare("info").with(theirs()), &request, times),
        "fmt-json" => {
            logged(bare("info").with(theirs().json().flatten_event(true)), &request, times);
        }
        "logfmt-crate" => {
            let layer = tracing_logfmt::builder().layer().with_writer(io::sink);
            logged(bare("info").with(layer), &request, times);
        }
        "off" => logged(kept("warn").with(ours(Format::Logfmt)), &request, times),
        "off-none" => log(&request, times),
        other => return Err(format!("what is {other}?").into()),
    }
    say("")
}

/// Our filter.
fn kept(filter: &str) -> impl Subscriber + for<'a> LookupSpan<'a> + Send + Sync {
    let filter = Filter::new(filter).unwrap_or_else(|error| unreachable!("{error}"));
    tracing_subscriber::registry().with(filter)
}

/// The same, of one layer.
fn one<L>(layer: L) -> Result<impl Subscriber + Send + Sync, BoxError>
where
    L: Layer<Registry> + Send + Sync,
{
    let filter = Filter::new("info")?;
    Ok(tracing_subscriber::registry().with(layer.with_filter(filter)))
}

/// tracing-subscriber's.
fn bare(filter: &str) -> impl Subscriber + for<'a> LookupSpan<'a> + Send + Sync {
    tracing_subscriber::registry().with(EnvFilter::new(filter))
}

fn logged(subscriber: impl Subscriber + Send + Sync + 'static, request: &Request, times: u64) {
    // As programs have it.
    let _ = tracing::subscriber::set_global_default(subscriber);
    log(request, times);
}

fn log(request: &Request, times: u64) {
    for _ in 0..times / CHUNK {
        for _ in 0..CHUNK {
            line(black_box(request));
        }
        slow_down();
    }
}

#[inline(never)]
fn line(request: &Request) {
    tracing::info!(
        target: "access",
        protocol = "http",
        method = &*request.method,
        route = request.route.as_deref(),
        outcome = request.outcome,
        status = request.status,
        duration_us = request.duration,
        received = request.received,
        sent = request.sent,
        request_id = request.id.as_deref(),
        trace_id = request.trace_id.as_deref(),
        span_id = request.span_id.as_deref(),
        peer = request.peer.map(tracing::field::display),
        error = request.error.as_deref(),
        "request",
    );
}
