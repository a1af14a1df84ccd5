//! What is written to a statsd server, byte by byte.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod export_support;

use export_support::{counter, gauge, histogram, metric, reading};
use kit_metrics::{
    export::{
        Export,
        statsd::{Labels, Statsd},
    },
    registry::Value,
};
use metrics::Unit;
use std::{net::SocketAddr, time::Duration};
use tokio::{net::UdpSocket, time::timeout};

/// A server in this process.
struct Server {
    socket: UdpSocket,
    address: SocketAddr,
}

impl Server {
    async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        Self { socket, address }
    }

    fn client(&self) -> Statsd {
        Statsd::udp(self.address.to_string())
    }

    /// Takes what was sent: on the loopback interface it is there already.
    async fn datagrams(&self) -> Vec<String> {
        let mut all = Vec::new();
        let mut buffer = vec![0; 65_536];
        while let Ok(size) = timeout(Duration::from_millis(50), self.socket.recv(&mut buffer)).await
        {
            all.push(String::from_utf8(buffer[..size.unwrap()].to_vec()).unwrap());
        }
        all
    }

    async fn lines(&self) -> Vec<String> {
        let datagrams = self.datagrams().await;
        datagrams.iter().flat_map(|datagram| datagram.lines()).map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn counters_are_what_was_added() {
    let server = Server::start().await;
    let mut client = server.client().prefix("app");
    client.export(&reading(0, &[counter("a", 3), counter("b", 0)])).await.unwrap();
    assert_eq!(server.lines().await, ["app.a:3|c"]);
    client.export(&reading(1, &[counter("a", 10), counter("b", 1)])).await.unwrap();
    assert_eq!(server.lines().await, ["app.a:7|c", "app.b:1|c"]);
    client.export(&reading(2, &[counter("a", 10), counter("b", 1)])).await.unwrap();
    assert_eq!(server.lines().await, [""; 0]);
}

#[tokio::test]
async fn a_negative_gauge_is_set_and_not_a_step() {
    let server = Server::start().await;
    let gauges = [
        gauge("up", 2.5),
        gauge("down", -2.5),
        gauge("nothing", -0.0),
        gauge("nan", f64::NAN),
        gauge("infinite", f64::INFINITY),
    ];
    server.client().export(&reading(0, &gauges)).await.unwrap();
    assert_eq!(server.datagrams().await, ["up:2.5|g\ndown:0|g\ndown:-2.5|g\nnothing:0|g"]);
}

#[tokio::test]
async fn a_negative_gauge_is_not_split_over_datagrams() {
    let server = Server::start().await;
    let gauges: Vec<_> = (0..200).map(|n| gauge(&format!("gauge_{n:03}"), -1.5)).collect();
    server.client().export(&reading(0, &gauges)).await.unwrap();
    let datagrams = server.datagrams().await;
    assert!(datagrams.len() > 1);
    for datagram in &datagrams {
        assert!(datagram.len() <= 1432, "{}", datagram.len());
        let lines: Vec<_> = datagram.lines().collect();
        for pair in lines.chunks(2) {
            let name = pair[0].strip_suffix(":0|g").unwrap();
            assert_eq!(pair[1], format!("{name}:-1.5|g"));
        }
    }
    let lines: usize = datagrams.iter().map(|datagram| datagram.lines().count()).sum();
    assert_eq!(lines, 400);
}

#[tokio::test]
async fn timings_are_milliseconds_one_by_one() {
    let server = Server::start().await;
    let mut client = server.client();
    let took = |value| metric("took", Some(Unit::Seconds), &[(&[], value)]);
    client.export(&reading(0, &[took(histogram([2, 1, 1], 1.0))])).await.unwrap();
    let lines = server.lines().await;
    assert_eq!(lines, ["took:25|ms", "took:75|ms", "took:300|ms", "took:500|ms"]);
    client.export(&reading(1, &[took(histogram([2, 2, 1], 1.3))])).await.unwrap();
    assert_eq!(server.lines().await, ["took:300|ms"]);
}

#[tokio::test]
async fn many_timings_are_sampled_and_their_count_is_exact() {
    let server = Server::start().await;
    let took = metric("took", Some(Unit::Seconds), &[(&[], histogram([12_345, 678, 9], 1.0))]);
    server.client().timings(100).export(&reading(0, &[took])).await.unwrap();
    let lines = server.lines().await;
    assert!(lines.len() <= 100 + 64, "{}", lines.len());
    let count = |line: &String| match line.split_once("|@") {
        Some((_, rate)) => 1.0 / rate.parse::<f64>().unwrap(),
        None => 1.0,
    };
    let total: f64 = lines.iter().map(count).sum();
    assert_eq!(total.to_bits(), 13_032_f64.to_bits());
}

#[tokio::test]
async fn labels_are_part_of_the_name_or_tags() {
    let labels: &[(&str, &str)] = &[("empty", ""), ("method", "GET"), ("to", "a.b:c|d e;f=g")];
    let requests = metric("http.requests", None, &[(labels, Value::Counter(1))]);
    for (format, line) in [
        (Labels::Path, "http.requests.empty._.method.GET.to.a_b_c_d_e_f_g:1|c"),
        (Labels::Graphite, "http.requests;empty=_;method=GET;to=a.b_c_d_e_f_g:1|c"),
        (Labels::Influx, "http.requests,empty=_,method=GET,to=a.b_c_d_e_f_g:1|c"),
    ] {
        let server = Server::start().await;
        let readings = reading(0, std::slice::from_ref(&requests));
        server.client().labels(format).export(&readings).await.unwrap();
        assert_eq!(server.lines().await, [line]);
    }
}

#[tokio::test]
async fn a_line_too_long_is_dropped_and_the_others_are_not() {
    let server = Server::start().await;
    let mut client = server.client();
    let metrics = [counter(&"a".repeat(2000), 1), counter("b", 1)];
    client.export(&reading(0, &metrics)).await.unwrap();
    assert_eq!(server.lines().await, ["b:1|c"]);
    client.export(&reading(1, &metrics)).await.unwrap();
    assert_eq!((server.lines().await.len(), client.dropped()), (0, 1));
}

#[tokio::test]
async fn what_nobody_heard_adds_up() {
    let server = Server::start().await;
    let mut client = server.client();
    client.export(&reading(0, &[counter("a", 3)])).await.unwrap();
    assert_eq!(server.lines().await, ["a:3|c"]);
    let address = server.address;
    drop(server);
    for jobs in [5, 6] {
        client.export(&reading(jobs, &[counter("a", jobs)])).await.unwrap_err();
    }
    let socket = UdpSocket::bind(address).await.unwrap();
    let server = Server { socket, address };
    client.export(&reading(9, &[counter("a", 7)])).await.unwrap();
    assert_eq!(server.lines().await, ["a:4|c"]);
}

#[tokio::test]
async fn an_address_that_is_none_is_an_error() {
    let mut client = Statsd::udp("nowhere");
    let error = client.export(&reading(0, &[counter("a", 1)])).await.unwrap_err();
    assert!(error.to_string().contains("nowhere"), "{error}");
}
