//! The starter, on ports of loopback.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use greeter::{
    call::call,
    flags::{Command, Serve, parse},
    listen::Addresses,
    pb::{GreetingRequest, greeter_client::GreeterClient},
    serve::serve,
};
use kit_run::Signal;
use kit_transport::Report;
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tower::BoxError;

/// More than anything here takes.
const LIMIT: Duration = Duration::from_secs(20);

fn flags(more: &[&str]) -> Serve {
    let mut args = Vec::new();
    for (name, value) in
        [("http", "127.0.0.1:0"), ("grpc", "127.0.0.1:0"), ("debug", "127.0.0.1:0")]
    {
        let name = format!("--{name}-addr");
        if !more.contains(&&*name) {
            args.extend([name, value.to_owned()]);
        }
    }
    args.extend(more.iter().map(|&arg| arg.to_owned()));
    match parse(args, |_| None) {
        Ok(Command::Serve(flags)) => flags,
        other => panic!("{other:?}"),
    }
}

struct Running {
    addresses: Addresses,
    signals: mpsc::Sender<Signal>,
    task: JoinHandle<Result<(), BoxError>>,
}

async fn start(more: &[&str]) -> Running {
    let (signals, heard) = mpsc::channel(2);
    let (said, addresses) = oneshot::channel();
    let task = tokio::spawn(serve(flags(more), heard.into(), |addresses| {
        said.send(addresses).unwrap();
        Ok(())
    }));
    Running { addresses: timeout(LIMIT, addresses).await.unwrap().unwrap(), signals, task }
}

impl Running {
    fn signal(&self, signal: Signal) {
        self.signals.try_send(signal).unwrap();
    }

    async fn end(self) -> Result<(), BoxError> {
        timeout(LIMIT, self.task).await.unwrap().unwrap()
    }
}

/// A whole reply to a request.
async fn ask(address: SocketAddr, target: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nhost: greeter\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    timeout(LIMIT, stream.read_to_string(&mut reply)).await.unwrap().unwrap();
    reply
}

async fn called(line: &str) -> Result<String, BoxError> {
    match parse(line.split(' ').map(str::to_owned), |_| None) {
        Ok(Command::Call(flags)) => timeout(LIMIT, call(flags)).await.unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn serves_and_stops_by_either_signal() {
    for signal in [Signal::Terminate, Signal::Interrupt] {
        let running = start(&[]).await;
        let Addresses { http, grpc, debug } = running.addresses;
        let greeting = ask(http, "/greeting?name=Ada").await;
        assert!(greeting.ends_with(r#"{"greeting":"Hello, Ada!"}"#), "{greeting}");
        let greeting = called(&format!("call grpc://{grpc} Ada")).await.unwrap();
        assert_eq!(greeting, "Hello, Ada!");
        assert!(ask(http, "/health").await.starts_with("HTTP/1.1 200 "));
        assert!(ask(debug, "/health/ready").await.starts_with("HTTP/1.1 200 "));
        running.signal(signal);
        running.end().await.unwrap();
        for address in [http, grpc, debug] {
            TcpStream::connect(address).await.unwrap_err();
        }
    }
}

#[tokio::test]
async fn metrics_tell_of_both_transports_the_circuit_and_the_connections() {
    let running = start(&[]).await;
    let Addresses { http, grpc, debug } = running.addresses;
    ask(http, "/greeting?name=Ada").await;
    called(&format!("call grpc://{grpc} Ada")).await.unwrap();
    let page = ask(debug, "/metrics").await;
    for part in [
        r#"http_route="/greeting""#,
        r#"rpc_method="greeter.v1.Greeter/Greeting""#,
        r#"endpoint_duration_seconds_count{endpoint="greeting",kind="OK"} 2"#,
        r#"breaker_state{breaker="greeting",state="closed"} 1"#,
        r#"serve_connections_total{server="http"} 1"#,
        r#"serve_connections_total{server="grpc"} 1"#,
    ] {
        assert!(page.contains(part), "{part} is not in\n{page}");
    }
    running.signal(Signal::Terminate);
    running.end().await.unwrap();
}

#[tokio::test]
async fn addresses_are_a_line_each() {
    let running = start(&[]).await;
    let Addresses { http, grpc, debug } = running.addresses;
    let expected = format!(
        "HTTP listens on http://{http}\ngRPC listens on grpc://{grpc}\ndebug listens on http://{debug}\n"
    );
    assert_eq!(running.addresses.to_string(), expected);
    running.signal(Signal::Terminate);
    running.end().await.unwrap();
}

#[tokio::test]
async fn a_port_alone_is_reached_by_loopback() {
    let running = start(&["--http-addr", ":0"]).await;
    let address = SocketAddr::from(([127, 0, 0, 1], running.addresses.http.port()));
    assert!(ask(address, "/health").await.starts_with("HTTP/1.1 200 "));
    running.signal(Signal::Terminate);
    running.end().await.unwrap();
}

#[tokio::test]
async fn a_port_in_use_is_an_error_that_names_the_flag() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for flag in ["--http-addr", "--grpc-addr", "--debug-addr"] {
        let (_signals, heard) = mpsc::channel(2);
        let error = serve(flags(&[flag, &*address]), heard.into(), |_| panic!("it listens"))
            .await
            .unwrap_err();
        let said = error.to_string();
        assert!(said.contains(&format!("cannot listen on {address} ({flag})")), "{said}");
        assert!(said.contains("in use"), "{said}");
    }
}

#[tokio::test]
async fn a_host_of_another_machine_is_an_error_that_names_the_flag() {
    let (_signals, heard) = mpsc::channel(2);
    let flags = flags(&["--grpc-addr", "192.0.2.1:0"]);
    let error = serve(flags, heard.into(), |_| panic!("it listens")).await.unwrap_err();
    assert!(error.to_string().contains("(--grpc-addr)"), "{error}");
}

/// Waits until a page of the debug port is as it is wanted.
async fn until(debug: SocketAddr, target: &str, wanted: impl Fn(&str) -> bool) {
    timeout(LIMIT, async { while !wanted(&ask(debug, target).await) {} }).await.unwrap();
}

#[tokio::test]
async fn what_is_in_flight_is_finished() {
    let running = start(&[]).await;
    let Addresses { http, debug, .. } = running.addresses;
    let mut stream = TcpStream::connect(http).await.unwrap();
    let begin = b"GET /greeting?name=Ada HTTP/1.1\r\nhost: greeter\r\ncontent-length: 4\r\n\r\nsl";
    stream.write_all(begin).await.unwrap();
    let in_flight = r#"serve_requests_in_flight{server="http"} 1"#;
    until(debug, "/metrics", |page| page.contains(in_flight)).await;

    running.signal(Signal::Terminate);
    until(debug, "/health/ready", |page| page.starts_with("HTTP/1.1 503 ")).await;
    // The drain closes the listener: what is seen next comes after it began.
    timeout(LIMIT, async { while TcpStream::connect(http).await.is_ok() {} }).await.unwrap();
    stream.write_all(b"ow").await.unwrap();
    let mut reply = String::new();
    timeout(LIMIT, stream.read_to_string(&mut reply)).await.unwrap().unwrap();
    assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
    assert!(reply.ends_with(r#"{"greeting":"Hello, Ada!"}"#), "{reply}");
    running.end().await.unwrap();
}

#[tokio::test]
async fn what_does_not_finish_is_cut_and_told() {
    let running = start(&["--drain-timeout", "50ms"]).await;
    let Addresses { http, debug, .. } = running.addresses;
    let mut stream = TcpStream::connect(http).await.unwrap();
    let begin = b"GET /greeting?name=Ada HTTP/1.1\r\nhost: greeter\r\ncontent-length: 4\r\n\r\nsl";
    stream.write_all(begin).await.unwrap();
    let in_flight = r#"serve_requests_in_flight{server="http"} 1"#;
    until(debug, "/metrics", |page| page.contains(in_flight)).await;
    running.signal(Signal::Terminate);
    let error = running.end().await.unwrap_err();
    assert!(Report(&*error).to_string().contains("/greeting"), "{}", Report(&*error));
}

#[tokio::test]
async fn while_it_drains_it_is_not_ready_and_serves_on() {
    let running = start(&["--drain-delay", "1s"]).await;
    let Addresses { http, debug, .. } = running.addresses;
    running.signal(Signal::Terminate);
    until(debug, "/health/ready", |page| page.starts_with("HTTP/1.1 503 ")).await;
    let health = ask(http, "/health").await;
    assert!(health.starts_with("HTTP/1.1 503 "), "{health}");
    assert!(ask(http, "/greeting?name=Ada").await.starts_with("HTTP/1.1 200 "));
    running.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn it_serves_on_for_the_delay_however_long_it_ran_before() {
    let running = start(&["--drain-delay", "5s"]).await;
    sleep(Duration::from_mins(10)).await;
    let began = Instant::now();
    running.signal(Signal::Terminate);
    running.end().await.unwrap();
    let took = began.elapsed();
    assert!((5..7).contains(&took.as_secs()), "it ended after {took:?}");
}

#[tokio::test]
async fn a_registry_that_is_absent_stops_nothing() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let running = start(&["--consul-addr", &closed, "--drain-delay", "0s"]).await;
    let Addresses { http, debug, .. } = running.addresses;
    assert!(ask(http, "/health").await.starts_with("HTTP/1.1 200 "));
    let page = ask(debug, "/metrics").await;
    assert!(page.contains("sd_registered{"), "{page}");
    running.signal(Signal::Terminate);
    running.end().await.unwrap();
}

#[tokio::test]
async fn a_second_signal_forces_the_end() {
    let running = start(&["--drain-delay", "2m"]).await;
    running.signal(Signal::Terminate);
    let debug = running.addresses.debug;
    until(debug, "/health/ready", |page| page.starts_with("HTTP/1.1 503 ")).await;
    running.signal(Signal::Interrupt);
    let error = running.end().await.unwrap_err();
    assert!(error.downcast_ref::<kit_run::Error>().unwrap().is_forced(), "{error}");
}

#[tokio::test]
async fn a_request_id_comes_back_over_grpc_too() {
    let running = start(&[]).await;
    let address = format!("grpc://{}", running.addresses.grpc);
    let mut client = GreeterClient::new(kit_transport_grpc::channel(&address).unwrap());
    for name in ["Ada", ""] {
        let mut request = tonic::Request::new(GreetingRequest { name: name.to_owned() });
        request.metadata_mut().insert("x-request-id", "the-id".parse().unwrap());
        let metadata = match timeout(LIMIT, client.greeting(request)).await.unwrap() {
            Ok(reply) => reply.metadata().clone(),
            Err(status) => status.metadata().clone(),
        };
        assert_eq!(metadata.get("x-request-id").unwrap(), "the-id", "{name:?}");
    }
    drop(client);
    running.signal(Signal::Terminate);
    running.end().await.unwrap();
}
