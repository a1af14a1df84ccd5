//! A registry that is pushed to Datadog's agent, with the tags of the host.

use kit_metrics::{
    Recorder, Registry,
    export::{Push, dogstatsd::DogStatsd},
};
use metrics::{Key, Label, Level, Metadata};
use std::{error::Error, future::ready};
use tokio::net::UdpSocket;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // Stands for the agent; `DogStatsd::unix` writes to its socket.
    let agent = UdpSocket::bind("127.0.0.1:0").await?;

    let registry = Registry::new();
    let exporter = DogStatsd::udp(agent.local_addr()?.to_string()).tags(&[("env", "prod")]);
    let metadata = Metadata::new("example", Level::INFO, None);
    let jobs = Key::from_parts("jobs", vec![Label::new("queue", "mail")]);
    registry.register_counter(&jobs, &metadata).increment(3);

    // A program gives its own shutdown; this one is over at once, which flushes.
    Push::new(registry, exporter).run(ready(())).await?;
    let mut datagram = [0; 1432];
    let size = agent.recv(&mut datagram).await?;
    assert_eq!(std::str::from_utf8(&datagram[..size])?, "jobs:3|c|#env:prod,queue:mail");
    Ok(())
}

#[test]
fn runs() -> Result<(), Box<dyn Error>> {
    main()
}
