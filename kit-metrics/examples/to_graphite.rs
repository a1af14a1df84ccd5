//! A registry that is pushed to Graphite; what carbon was not there for comes
//! after, with its own time.

use kit_metrics::{
    Recorder, Registry,
    export::{Export, graphite::Graphite},
};
use metrics::{Key, Level, Metadata};
use std::error::Error;
use tokio::{io::AsyncReadExt, net::TcpListener};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let carbon = TcpListener::bind("127.0.0.1:0").await?;
    let address = carbon.local_addr()?;
    drop(carbon);

    // A `Push` makes these exports, at each of its ticks.
    let registry = Registry::new();
    let mut exporter = Graphite::tcp(address.to_string()).prefix("greeter.host-1");
    let metadata = Metadata::new("example", Level::INFO, None);
    let jobs = registry.register_counter(&Key::from_name("jobs"), &metadata);
    jobs.increment(3);
    assert!(exporter.export(&registry.read()).await.is_err());

    let carbon = TcpListener::bind(address).await?;
    jobs.increment(4);
    let later = registry.read();
    let (done, lines) = tokio::join!(exporter.export(&later), async {
        let mut lines = String::new();
        carbon.accept().await?.0.read_to_string(&mut lines).await?;
        Ok::<_, std::io::Error>(lines)
    });
    done?;
    let lines = lines?;
    let values: Vec<_> = lines.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    assert_eq!(values, ["3", "4"], "{lines}");
    Ok(())
}

#[test]
fn runs() -> Result<(), Box<dyn Error>> {
    main()
}
