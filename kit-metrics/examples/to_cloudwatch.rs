//! A registry for CloudWatch: as lines of a log, and by a client of one's own.

use kit_metrics::{
    Recorder, Registry,
    export::{
        Error as ExportError, Export, Push,
        cloudwatch::{CloudWatch, Emf, PutMetricData, Request},
    },
};
use metrics::{Key, Level, Metadata};
use std::{error::Error, future::ready};
use tokio::sync::mpsc;

/// Stands for the client of the AWS SDK; the module's page has that one.
struct Client(mpsc::UnboundedSender<Request>);

impl PutMetricData for Client {
    async fn put_metric_data(&mut self, request: &Request) -> Result<(), ExportError> {
        self.0.send(request.clone()).map_err(ExportError::other)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let registry = Registry::new();
    let metadata = Metadata::new("example", Level::INFO, None);
    registry.register_counter(&Key::from_name("jobs"), &metadata).increment(3);

    // A program in a container writes to `tokio::io::stdout()`.
    let mut emf = Emf::new("Greeter", Vec::new());
    emf.export(&registry.read()).await?;
    let line: serde_json::Value = serde_json::from_slice(&emf.into_inner())?;
    assert_eq!(line["jobs"], 3.0);

    let (sender, mut calls) = mpsc::unbounded_channel();
    Push::new(registry, CloudWatch::new("Greeter", Client(sender))).run(ready(())).await?;
    let call = calls.recv().await.ok_or("there was no call")?;
    assert_eq!((&*call.namespace, &*call.data[0].name), ("Greeter", "jobs"));
    Ok(())
}

#[test]
fn runs() -> Result<(), Box<dyn Error>> {
    main()
}
