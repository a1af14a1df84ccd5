//! What is written to carbon, byte by byte, and what is kept while it is away.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod export_support;

use export_support::{AT, counter, gauge, histogram, metric, reading};
use kit_metrics::{
    export::{Export, graphite::Graphite},
    registry::{Metric, Value},
};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpSocket},
    task::JoinHandle,
    time::timeout,
};

/// Listens, and reads what each connection says, up to its end.
fn listen(at: Option<SocketAddr>) -> (TcpListener, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(at.unwrap_or_else(|| "127.0.0.1:0".parse().unwrap())).unwrap();
    let listener = socket.listen(16).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn read(listener: TcpListener, connections: usize) -> JoinHandle<Vec<String>> {
    tokio::spawn(async move {
        let mut all = Vec::new();
        for _ in 0..connections {
            let accepted = timeout(Duration::from_secs(5), listener.accept()).await;
            let (mut stream, _) = accepted.expect("an export connects").unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).await.unwrap();
            all.push(text);
        }
        all
    })
}

async fn sent(set: impl Fn(Graphite) -> Graphite, metrics: &[Metric]) -> Vec<String> {
    let (listener, address) = listen(None);
    let read = read(listener, 1);
    let mut client = set(Graphite::tcp(address.to_string()));
    client.export(&reading(0, metrics)).await.unwrap();
    let text = read.await.unwrap().remove(0);
    text.lines().map(|line| line.strip_suffix(&format!(" {AT}")).unwrap().to_owned()).collect()
}

#[tokio::test]
async fn lines_are_path_value_and_time() {
    let metrics = [counter("a.b", 3), gauge("g", -2.5), gauge("nan", f64::NAN), counter("zero", 0)];
    let lines = sent(|client| client.prefix("app.host-1"), &metrics).await;
    assert_eq!(lines, ["app.host-1.a.b 3", "app.host-1.g -2.5", "app.host-1.zero 0"]);
}

#[tokio::test]
async fn labels_are_parts_of_the_path_or_tags() {
    let labels: &[(&str, &str)] = &[("empty", ""), ("m", "a.b;c d\n"), ("t", "~x=y é")];
    let metrics = [metric("r s", None, &[(labels, Value::Counter(1))])];
    assert_eq!(sent(|client| client, &metrics).await, ["r_s.empty._.m.a_b_c_d_.t._x_y__ 1"]);
    assert_eq!(sent(Graphite::tagged, &metrics).await, ["r_s;m=a.b_c_d_;t=_x=y_é 1"]);
}

#[tokio::test]
async fn histograms_are_quantiles_or_buckets() {
    let metrics = [metric("took", None, &[(&[("k", "v")], histogram([50, 50, 0], 20.0))])];
    assert_eq!(
        sent(Graphite::tagged, &metrics).await,
        [
            "took.count;k=v 100",
            "took.sum;k=v 20",
            "took.p50;k=v 0.1",
            "took.p90;k=v 0.42",
            "took.p95;k=v 0.46",
            "took.p99;k=v 0.492",
        ]
    );
    assert_eq!(
        sent(Graphite::buckets, &metrics).await,
        [
            "took.k.v.count 100",
            "took.k.v.sum 20",
            "took.k.v.le.0_1 50",
            "took.k.v.le.0_5 100",
            "took.k.v.le.inf 100",
        ]
    );
    let nothing = [metric("took", None, &[(&[], histogram([0, 0, 0], 0.0))])];
    assert_eq!(sent(|client| client, &nothing).await, ["took.count 0", "took.sum 0"]);
}

#[tokio::test]
async fn counters_are_what_was_added_or_all_of_it() {
    for (is_cumulative, second) in [(false, 4), (true, 7)] {
        let (listener, address) = listen(None);
        let read = read(listener, 2);
        let mut client = Graphite::tcp(address.to_string());
        if is_cumulative {
            client = client.cumulative();
        }
        client.export(&reading(0, &[counter("a", 3)])).await.unwrap();
        client.export(&reading(10, &[counter("a", 7)])).await.unwrap();
        let texts = read.await.unwrap();
        assert_eq!(texts, [format!("a 3 {AT}\n"), format!("a {second} {}\n", AT + 10)]);
    }
}

#[tokio::test]
async fn what_carbon_did_not_read_is_sent_after_with_its_own_time() {
    let (listener, address) = listen(None);
    let mut client = Graphite::tcp(address.to_string());
    drop(listener);
    client.export(&reading(0, &[counter("a", 3)])).await.unwrap_err();
    // This one takes the connection and resets it: what was written is unread.
    let (listener, _) = listen(Some(address));
    let reset = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        stream.readable().await.unwrap();
    });
    client.export(&reading(10, &[counter("a", 5)])).await.unwrap_err();
    reset.await.unwrap();
    let (listener, _) = listen(Some(address));
    let read = read(listener, 1);
    client.export(&reading(20, &[counter("a", 6)])).await.unwrap();
    let expected = format!("a 3 {AT}\na 2 {}\na 1 {}\n", AT + 10, AT + 20);
    assert_eq!((read.await.unwrap(), client.dropped()), (vec![expected], 0));
}

#[tokio::test]
async fn what_is_kept_is_bounded_and_the_oldest_goes_first() {
    let (listener, address) = listen(None);
    let mut client = Graphite::tcp(address.to_string()).keep(2);
    drop(listener);
    for seconds in 0..5 {
        client.export(&reading(seconds, &[counter("a", seconds + 1)])).await.unwrap_err();
    }
    let (listener, _) = listen(Some(address));
    let read = read(listener, 1);
    client.export(&reading(5, &[counter("a", 6)])).await.unwrap();
    let expected = format!("a 1 {}\na 1 {}\n", AT + 4, AT + 5);
    assert_eq!((read.await.unwrap(), client.dropped()), (vec![expected], 4));
}
