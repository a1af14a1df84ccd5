//! Spans to a collector of OTLP that is overloaded at first: they are sent again, not
//! sooner than it asks for, and the clock is paused, so that nobody waits for it.
//!
//! A program says `Pipeline::from_env("greeter", |name| std::env::var(name).ok())` and
//! `Otlp::from_env(..)`, or `Otlp::http("http://collector:4318")`.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use kit_endpoint::{Inspect, Inspector};
use kit_trace::otel::{Otlp, Pipeline};
use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;
use tower::{BoxError, service_fn};
use tracing_subscriber::{Layer, filter::LevelFilter, layer::SubscriberExt};

/// Reads one of the counters that metrics and the debug port show.
struct Exported(u64);

impl Inspector for Exported {
    fn counter(&mut self, name: &str, _: &str, _: &[(&str, &str)], value: u64) {
        if name == "trace_spans_exported_total" {
            self.0 = value;
        }
    }

    fn gauge(&mut self, _: &str, _: &str, _: &[(&str, &str)], _: f64) {}
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), BoxError> {
    // In place of a collector: it takes nothing in the first seconds.
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let collector = service_fn(move |_: Request<Full<Bytes>>| {
        let first = counted.fetch_add(1, Ordering::Relaxed) == 0;
        let status = if first { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
        async move {
            let mut reply = Response::new(Full::<Bytes>::default());
            *reply.status_mut() = status;
            if first {
                reply.headers_mut().insert("retry-after", 4.into());
            }
            Ok::<_, Infallible>(reply)
        }
    });

    let variables = |name: &str| match name {
        "OTEL_RESOURCE_ATTRIBUTES" => Some("deployment.environment.name=test".to_owned()),
        "OTEL_BSP_MAX_QUEUE_SIZE" => Some("1000".to_owned()),
        _ => None,
    };
    let otlp = Otlp::http_by("http://collector:4318", collector)?;
    let (tracing, exporting) = Pipeline::from_env("greeter", variables)?.export(otlp);
    let exporting = tokio::spawn(exporting.run());
    let subscriber =
        tracing_subscriber::registry().with(tracing.layer().with_filter(LevelFilter::INFO));
    let listening = tracing::subscriber::set_default(subscriber);

    tracing::info_span!("greeting").in_scope(|| ());

    // The last that a program does.
    let begun = Instant::now();
    assert!(tracing.flush(Duration::from_secs(10)).await);
    assert_eq!(begun.elapsed().as_secs(), 4);
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    let mut exported = Exported(0);
    tracing.inspect(&mut exported);
    assert_eq!(exported.0, 1);
    drop(listening);
    exporting.abort();
    Ok(())
}

#[test]
fn shows_what_it_says() -> Result<(), BoxError> {
    main()
}
