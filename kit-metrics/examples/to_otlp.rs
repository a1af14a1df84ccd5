//! A registry that is pushed to a collector over gRPC.

use kit_metrics::{
    Recorder, Registry,
    export::{Push, otlp::Otlp},
};
use metrics::{Key, Level, Metadata};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
    metrics_service_server::{MetricsService, MetricsServiceServer},
};
use std::{error::Error, future::ready};
use tokio::sync::mpsc;

/// Stands for the collector.
struct Collector(mpsc::UnboundedSender<ExportMetricsServiceRequest>);

#[tonic::async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: tonic::Request<ExportMetricsServiceRequest>,
    ) -> Result<tonic::Response<ExportMetricsServiceResponse>, tonic::Status> {
        let _ = self.0.send(request.into_inner());
        Ok(tonic::Response::new(ExportMetricsServiceResponse::default()))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (sender, mut requests) = mpsc::unbounded_channel();
    // A program gives a channel that connects when it is used:
    // `Channel::from_static("http://127.0.0.1:4317").connect_lazy()`.
    let channel = MetricsServiceServer::new(Collector(sender));

    let registry = Registry::new();
    let exporter = Otlp::grpc(channel).resource(&[("service.name", "greeter")]);
    let metadata = Metadata::new("example", Level::INFO, None);
    registry.register_counter(&Key::from_name("jobs.done"), &metadata).increment(3);
    Push::new(registry, exporter).run(ready(())).await?;

    let request = requests.recv().await.ok_or("nothing was sent")?;
    assert_eq!(request.resource_metrics[0].scope_metrics[0].metrics[0].name, "jobs.done");
    Ok(())
}

#[test]
fn runs() -> Result<(), Box<dyn Error>> {
    main()
}
