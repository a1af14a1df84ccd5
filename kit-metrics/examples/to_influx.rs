//! A registry that is pushed to InfluxDB by a client of one's own.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use kit_metrics::{
    Recorder, Registry,
    export::{Push, influx::Influx},
};
use metrics::{Key, Level, Metadata};
use std::{convert::Infallible, error::Error, future::ready};
use tokio::sync::mpsc;
use tower::service_fn;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // Stands for a client with TLS, and the server behind it. Without `client`
    // it is a plain one.
    let (sender, mut bodies) = mpsc::unbounded_channel();
    let client = service_fn(move |request: Request<Full<Bytes>>| {
        let sender = sender.clone();
        async move {
            let body = request.into_body().collect().await?.to_bytes();
            let _ = sender.send(body);
            let mut answer = Response::new(Empty::<Bytes>::new());
            *answer.status_mut() = StatusCode::NO_CONTENT;
            Ok::<_, Infallible>(answer)
        }
    });

    let registry = Registry::new();
    let exporter = Influx::v2("https://influx.example.com", "my-org", "my-bucket", "my-token")?
        .client(client)
        .tags(&[("host", "host-1")]);
    let metadata = Metadata::new("example", Level::INFO, None);
    registry.register_gauge(&Key::from_name("depth"), &metadata).set(2.5);
    Push::new(registry, exporter).run(ready(())).await?;

    let body = bodies.recv().await.ok_or("nothing was written")?;
    let lines = std::str::from_utf8(&body)?;
    assert!(lines.starts_with("depth,host=host-1 value=2.5 "), "{lines}");
    Ok(())
}

#[test]
fn runs() -> Result<(), Box<dyn Error>> {
    main()
}
