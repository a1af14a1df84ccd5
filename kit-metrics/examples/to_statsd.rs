//! A registry that is pushed to statsd, and once more at the end.

use kit_metrics::{
    Recorder, Registry,
    export::{Push, statsd::Statsd},
};
use metrics::{Key, Level, Metadata};
use std::error::Error;
use tokio::{net::UdpSocket, sync::oneshot};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // Stands for the daemon.
    let statsd = UdpSocket::bind("127.0.0.1:0").await?;

    let registry = Registry::new();
    let exporter = Statsd::udp(statsd.local_addr()?.to_string()).prefix("greeter");
    let push = Push::new(registry.clone(), exporter).on_event(|event| eprintln!("statsd: {event}"));
    // Another exporter, or the page, says how this one gets on.
    registry.collect(push.status());
    let (shutdown, over) = oneshot::channel::<()>();
    let pushing = tokio::spawn(push.run(async { drop(over.await) }));

    let metadata = Metadata::new("example", Level::INFO, None);
    registry.register_counter(&Key::from_name("jobs"), &metadata).increment(3);

    // What is left is flushed, with a bound.
    drop(shutdown);
    pushing.await??;
    let mut datagram = [0; 1432];
    let size = statsd.recv(&mut datagram).await?;
    let lines = std::str::from_utf8(&datagram[..size])?;
    assert!(lines.lines().any(|line| line == "greeter.jobs:3|c"), "{lines}");
    Ok(())
}

#[test]
fn runs() -> Result<(), Box<dyn Error>> {
    main()
}
