//! What is written to InfluxDB, byte by byte, and what is kept while it does
//! not take it.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod export_support;

use bytes::Bytes;
use export_support::{AT, counter, gauge, histogram, metric, reading};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use kit_metrics::{
    export::{
        Error, Export,
        influx::{Http, Influx},
    },
    registry::{Metric, Value},
};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{net::UdpSocket, time::timeout};
use tower::util::BoxCloneSyncService;

/// A server that is a function: it answers what it is told to, then 204.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    requests: Vec<(http::request::Parts, String)>,
    answers: VecDeque<Result<(u16, &'static str), &'static str>>,
}

type Client = BoxCloneSyncService<Request<Full<Bytes>>, Response<Full<Bytes>>, std::io::Error>;

impl Server {
    fn answers(
        &self,
        answers: impl IntoIterator<Item = Result<(u16, &'static str), &'static str>>,
    ) {
        self.0.lock().unwrap().answers.extend(answers);
    }

    fn client(&self) -> Client {
        let server = self.clone();
        BoxCloneSyncService::new(tower::service_fn(move |request: Request<Full<Bytes>>| {
            let server = server.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let mut inner = server.0.lock().unwrap();
                inner.requests.push((head, String::from_utf8(body.to_vec()).unwrap()));
                match inner.answers.pop_front().unwrap_or(Ok((204, ""))) {
                    Ok((status, text)) => {
                        let status = StatusCode::from_u16(status).unwrap();
                        Ok(Response::builder().status(status).body(Full::from(text)).unwrap())
                    }
                    Err(why) => Err(std::io::Error::other(why)),
                }
            }
        }))
    }

    fn influx(&self) -> Influx<Http<Client>> {
        let influx = Influx::v2("http://influx.test:8086/", "my org", "a&b", "secret").unwrap();
        influx.client(self.client())
    }

    /// The bodies so far, and forgets them.
    fn bodies(&self) -> Vec<String> {
        self.0.lock().unwrap().requests.drain(..).map(|(_, body)| body).collect()
    }
}

async fn sent(
    set: impl Fn(Influx<Http<Client>>) -> Influx<Http<Client>>,
    metrics: &[Metric],
) -> Vec<String> {
    let server = Server::default();
    set(server.influx()).export(&reading(0, metrics)).await.unwrap();
    let end = format!(" {AT}000000000");
    let line = |line: &str| line.strip_suffix(&end).unwrap().to_owned();
    server.bodies().iter().flat_map(|body| body.lines().map(line)).collect()
}

#[tokio::test]
async fn a_request_is_a_write_of_version_2_or_1() {
    let server = Server::default();
    server.influx().export(&reading(0, &[counter("a", 3)])).await.unwrap();
    let v1 = Influx::v1("http://influx.test:8086", "db").unwrap();
    let mut v1 = v1.authorization("Basic abc").unwrap().client(server.client());
    v1.export(&reading(0, &[counter("a", 3)])).await.unwrap();
    let requests = std::mem::take(&mut server.0.lock().unwrap().requests);
    let seen: Vec<_> = requests
        .iter()
        .map(|(head, body)| {
            assert_eq!(body, &format!("a count=3i {AT}000000000\n"));
            let authorization = head.headers["authorization"].to_str().unwrap();
            format!("{} {} {authorization}", head.method, head.uri)
        })
        .collect();
    assert_eq!(
        seen,
        [
            "POST http://influx.test:8086/api/v2/write?org=my%20org&bucket=a%26b&precision=ns Token secret",
            "POST http://influx.test:8086/write?db=db&precision=ns Basic abc",
        ]
    );
}

#[tokio::test]
async fn a_line_has_tags_and_fields() {
    let labels: &[(&str, &str)] = &[("host", "own"), ("method", "GET")];
    let metrics = [
        metric("http.requests", None, &[(labels, Value::Counter(3))]),
        gauge("g", -2.5),
        gauge("nan", f64::NAN),
        metric("most", None, &[(&[], Value::Counter(u64::MAX))]),
    ];
    let lines = sent(|i| i.prefix("app").tags(&[("host", "h1"), ("zone", "a")]), &metrics).await;
    assert_eq!(
        lines,
        [
            "app.http.requests,zone=a,host=own,method=GET count=3i",
            "app.g,host=h1,zone=a value=-2.5",
            "app.most,host=h1,zone=a count=9223372036854775807i",
        ]
    );
}

#[tokio::test]
async fn what_has_a_meaning_is_escaped() {
    let labels: &[(&str, &str)] =
        &[("a b,c=d", "e f,g=h"), ("empty", ""), ("x\\", "y\\"), ("z\n", "\r\n\"é")];
    let metrics = [metric("m n,o=p\n", None, &[(labels, Value::Counter(1))]), counter("#c", 1)];
    assert_eq!(
        sent(|influx| influx, &metrics).await,
        [r#"m\ n\,o=p_,a\ b\,c\=d=e\ f\,g\=h,x_=y_,z_=__"é count=1i"#, "_c count=1i"]
    );
}

#[tokio::test]
async fn a_histogram_is_one_point() {
    let took = |counts, sum| [metric("took", None, &[(&[], histogram(counts, sum))])];
    let server = Server::default();
    let mut influx = server.influx();
    influx.export(&reading(0, &took([50, 50, 0], 20.0))).await.unwrap();
    influx.export(&reading(1, &took([50, 50, 0], 20.0))).await.unwrap();
    influx.export(&reading(2, &took([50, 50, 1], 21.0))).await.unwrap();
    assert_eq!(
        server.bodies(),
        [
            format!("took count=100i,sum=20,p50=0.1,p90=0.42,p95=0.46,p99=0.492 {AT}000000000\n"),
            format!("took count=0i,sum=0 {}000000000\n", AT + 1),
            format!("took count=1i,sum=1,p50=0.5,p90=0.5,p95=0.5,p99=0.5 {}000000000\n", AT + 2),
        ]
    );
}

#[tokio::test]
async fn what_was_not_taken_is_sent_after_with_its_own_time() {
    let server = Server::default();
    server.answers([Err("no route"), Ok((503, "busy")), Ok((204, "")), Ok((204, ""))]);
    let mut influx = server.influx().cumulative();
    let error = influx.export(&reading(0, &[counter("a", 3)])).await.unwrap_err();
    assert!(matches!(error, Error::Other(_)), "{error}");
    let error = influx.export(&reading(1, &[counter("a", 5)])).await.unwrap_err();
    assert_eq!(error.to_string(), "the server refused: 503 Service Unavailable: busy");
    server.bodies();
    influx.export(&reading(2, &[counter("a", 6)])).await.unwrap();
    let line = |value, at| format!("a count={value}i {}000000000\n", AT + at);
    assert_eq!(server.bodies(), [line(3, 0), line(5, 1), line(6, 2)]);
    assert_eq!(influx.dropped(), 0);
}

#[tokio::test]
async fn what_will_never_be_taken_is_given_up() {
    let server = Server::default();
    server.answers([Ok((400, "partial write"))]);
    let mut influx = server.influx();
    influx.export(&reading(0, &[counter("a", 3), counter("b", 1)])).await.unwrap_err();
    server.bodies();
    influx.export(&reading(1, &[counter("a", 4)])).await.unwrap();
    assert_eq!(server.bodies(), [format!("a count=1i {}000000000\n", AT + 1)]);
    assert_eq!(influx.dropped(), 2);
}

#[tokio::test]
async fn what_is_kept_is_bounded() {
    let server = Server::default();
    server.answers([Err("away"); 5]);
    let mut influx = server.influx().keep(2);
    for second in 0..5 {
        influx.export(&reading(second, &[counter("a", second + 1)])).await.unwrap_err();
    }
    server.bodies();
    influx.export(&reading(5, &[counter("a", 6)])).await.unwrap();
    assert_eq!((server.bodies().len(), influx.dropped()), (2, 4));
}

#[tokio::test]
async fn a_token_is_not_shown() {
    let server = Server::default();
    let shown = format!("{:?}", server.influx());
    assert!(!shown.contains("secret"), "{shown}");
    let error = Influx::v2("http://a", "o", "b", "sec\nret").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("ret\""), "{error:?}");
    Influx::v1("nowhere", "db").unwrap_err();
}

#[tokio::test]
async fn datagrams_have_whole_lines() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut influx = Influx::udp(socket.local_addr().unwrap().to_string());
    let metrics: Vec<_> = (0..200).map(|n| counter(&format!("counter_{n:03}"), 1)).collect();
    influx.export(&reading(0, &metrics)).await.unwrap();
    let (mut buffer, mut lines, mut datagrams) = (vec![0; 65_536], 0, 0);
    while let Ok(size) = timeout(Duration::from_millis(50), socket.recv(&mut buffer)).await {
        let text = str::from_utf8(&buffer[..size.unwrap()]).unwrap();
        assert!(text.len() <= 1432 && text.ends_with("000000000\n"), "{text}");
        assert!(text.lines().all(|line| line.starts_with("counter_")), "{text}");
        lines += text.lines().count();
        datagrams += 1;
    }
    assert_eq!((lines, datagrams), (200, 6));
    // Nobody listens: what was written to nobody is kept.
    let address = socket.local_addr().unwrap();
    drop(socket);
    influx.export(&reading(1, &[counter("late", 1)])).await.unwrap_err();
    let socket = UdpSocket::bind(address).await.unwrap();
    influx.export(&reading(2, &[])).await.unwrap();
    let size = timeout(Duration::from_secs(5), socket.recv(&mut buffer)).await.unwrap().unwrap();
    let late = format!("late count=1i {}000000000\n", AT + 1);
    assert_eq!(str::from_utf8(&buffer[..size]).unwrap(), late);
}
