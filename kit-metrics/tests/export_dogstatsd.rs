//! What is written to Datadog's agent, byte by byte.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod export_support;

use export_support::{counter, gauge, histogram, metric, reading};
use kit_metrics::{
    export::{Export, dogstatsd::DogStatsd},
    registry::{Metric, Value},
};
use metrics::Unit;
use std::time::Duration;
use tokio::{net::UdpSocket, time::timeout};

/// Exports once, and returns what came.
async fn sent(set: impl Fn(DogStatsd) -> DogStatsd, metrics: &[Metric]) -> Vec<String> {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut client = set(DogStatsd::udp(socket.local_addr().unwrap().to_string()));
    client.export(&reading(0, metrics)).await.unwrap();
    let mut lines = Vec::new();
    let mut buffer = vec![0; 65_536];
    while let Ok(size) = timeout(Duration::from_millis(50), socket.recv(&mut buffer)).await {
        let size = size.unwrap();
        assert!(size <= 1432, "{size}");
        let datagram = str::from_utf8(&buffer[..size]).unwrap();
        lines.extend(datagram.lines().map(str::to_owned));
    }
    lines
}

#[tokio::test]
async fn series_have_their_tags_and_those_of_all() {
    let labels: &[(&str, &str)] =
        &[("empty", ""), ("env", "own"), ("path:", "/a:b"), ("to", "a,b|c\nd é")];
    let metrics = [metric("http.requests", None, &[(labels, Value::Counter(3))]), gauge("g", -2.5)];
    let tags = |client: DogStatsd| client.prefix("app").tags(&[("env", "prod"), ("zone", "a")]);
    assert_eq!(
        sent(tags, &metrics).await,
        [
            "app.http.requests:3|c|#zone:a,empty,env:own,path_:/a:b,to:a_b_c_d é",
            "app.g:-2.5|g|#env:prod,zone:a",
        ]
    );
}

#[tokio::test]
async fn histograms_are_distributions_or_histograms() {
    let took = [metric("took", Some(Unit::Seconds), &[(&[], histogram([1, 1, 0], 0.4))])];
    assert_eq!(sent(|client| client, &took).await, ["took:0.05|d", "took:0.3|d"]);
    assert_eq!(sent(DogStatsd::histograms, &took).await, ["took:0.05|h", "took:0.3|h"]);
}

#[tokio::test]
async fn many_values_are_weighed() {
    let took = [metric("took", None, &[(&[("k", "v")], histogram([6, 0, 0], 0.4))])];
    let lines = sent(|client| client.values(2), &took).await;
    assert_eq!(lines, ["took:0.03333333|d|@0.25|#k:v", "took:0.08333333|d|@0.5|#k:v"]);
}

#[tokio::test]
async fn names_are_what_datadog_takes() {
    assert_eq!(sent(|client| client, &[counter("a-b c.d_é", 1)]).await, ["a_b_c.d__:1|c"]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_that_is_gone_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dsd.socket");
    let mut client = DogStatsd::unix(&path);
    client.export(&reading(0, &[counter("a", 3)])).await.unwrap_err();
    let receive = async |jobs: u64, client: &mut DogStatsd| {
        let socket = tokio::net::UnixDatagram::bind(&path).unwrap();
        client.export(&reading(jobs, &[counter("a", jobs)])).await.unwrap();
        let mut buffer = vec![0; 8192];
        let received = timeout(Duration::from_secs(5), socket.recv(&mut buffer)).await;
        let size = received.unwrap().unwrap();
        std::fs::remove_file(&path).unwrap();
        String::from_utf8(buffer[..size].to_vec()).unwrap()
    };
    assert_eq!(receive(5, &mut client).await, "a:5|c");
    // Its file may still be there.
    drop(tokio::net::UnixDatagram::bind(&path).unwrap());
    client.export(&reading(8, &[counter("a", 8)])).await.unwrap_err();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(receive(9, &mut client).await, "a:4|c");
}
