//! The starter, in memory: no port is opened, and the clock is the test's.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

#[path = "memory/agent.rs"]
mod agent;
#[path = "memory/quiet.rs"]
mod quiet;

use agent::Fake;
use greeter::{
    auth::Gate,
    call::over_grpc,
    endpoints::Hello,
    flags::{Command, Serve, parse},
    listen::{Addresses, Ports},
    log::{Format, subscriber},
    pb::{GreetingRequest, GreetingResponse, GreetingsRequest, greeter_client::GreeterClient},
    registry::{Consul, Registry},
    serve::serve,
    service::LONGEST_NAME,
};
use hyper_util::rt::TokioIo;
use kit_endpoint::{Fault, Kind, Request};
use kit_run::Signal;
use kit_serve::{Listener, Peer};
use kit_transport::Report;
use std::{
    future::pending,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{
    Streaming,
    transport::{Channel, Endpoint},
};
use tower::{BoxError, service_fn};
use tracing::{
    Subscriber,
    span::{Attributes, Id},
};
use tracing_subscriber::{Layer, fmt::MakeWriter, layer::Context, prelude::*};

/// More than anything here takes, by a clock that moves when nothing else does.
const LIMIT: Duration = Duration::from_mins(10);

/// How often something is looked for that needs no time, but other tasks' turn.
const TRIES: u32 = 100;

/// Accepts pipes in place of connections.
struct Pipes(mpsc::Receiver<DuplexStream>);

/// The other side of [`Pipes`].
#[derive(Debug, Clone)]
struct Dial(mpsc::Sender<DuplexStream>);

impl Listener for Pipes {
    type Io = DuplexStream;

    async fn accept(&mut self) -> io::Result<(DuplexStream, Peer)> {
        match self.0.recv().await {
            Some(pipe) => Ok((pipe, Peer::Unix)),
            None => pending().await,
        }
    }
}

fn listener() -> (Dial, Pipes) {
    let (dial, pipes) = mpsc::channel(8);
    (Dial(dial), Pipes(pipes))
}

impl Dial {
    /// Connects, unless nobody listens.
    fn connect(&self) -> io::Result<DuplexStream> {
        let (near, far) = tokio::io::duplex(4096);
        let refused = |_| io::Error::from(io::ErrorKind::ConnectionRefused);
        self.0.try_send(far).map(|()| near).map_err(refused)
    }

    /// Waits until nobody listens.
    async fn closed(&self) {
        timeout(LIMIT, self.0.closed()).await.unwrap();
    }

    /// Returns a whole reply.
    async fn ask(&self, target: &str) -> String {
        let mut stream = self.connect().unwrap();
        let request =
            format!("GET {target} HTTP/1.1\r\nhost: greeter\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        rest(stream).await
    }

    fn channel(&self) -> Channel {
        let dial = self.clone();
        let connect = service_fn(move |_: http::Uri| {
            let stream = dial.connect().map(TokioIo::new);
            async { stream }
        });
        Endpoint::from_static("http://memory").connect_with_connector_lazy(connect)
    }

    async fn greeting(&self) -> Result<String, BoxError> {
        let hello = Request::new(Hello { name: "Ada".to_owned() });
        timeout(LIMIT, over_grpc(self.channel(), "memory:1", hello)).await.unwrap()
    }
}

/// Reads until the other side closes.
async fn rest(mut stream: DuplexStream) -> String {
    let mut reply = String::new();
    timeout(LIMIT, stream.read_to_string(&mut reply)).await.unwrap().unwrap();
    reply
}

fn flags(args: &[&str]) -> Serve {
    match parse(args, |_| None) {
        Ok(Command::Serve(flags)) => flags,
        other => panic!("{other:?}"),
    }
}

fn addresses() -> Addresses {
    let at = |port| SocketAddr::from(([10, 0, 0, 1], port));
    Addresses { http: at(9110), grpc: at(9120), debug: at(9100), tls: false }
}

struct Running {
    http: Dial,
    grpc: Dial,
    debug: Dial,
    signals: mpsc::Sender<Signal>,
    task: JoinHandle<Result<(), BoxError>>,
}

/// Starts it, and waits until it says where it listens; `say` fails if it is
/// told to.
async fn begun(args: &[&str], registry: Option<Fake>, say: Result<(), &'static str>) -> Running {
    quiet::quiet();
    let [(http, http_port), (grpc, grpc_port), (debug, debug_port)] =
        [listener(), listener(), listener()];
    let addresses = addresses();
    let ports = Ports {
        http: http_port,
        grpc: grpc_port,
        debug: debug_port,
        addresses,
        certificates: None,
        gate: Gate::default(),
        traces: None,
        log: None,
    };
    let host = "10.0.0.1".to_owned();
    let registry = registry.map(|fake| Registry {
        at: Consul(fake),
        service: "hello".to_owned(),
        host: host.clone(),
        tags: vec![],
        metadata: vec![],
        tls: false,
    });
    let (signals, heard) = mpsc::channel(2);
    let (said, seen) = oneshot::channel();
    let flags = flags(args);
    let task = tokio::spawn(async move {
        serve(&flags, ports, registry, heard.into(), |addresses| {
            said.send(addresses).unwrap();
            Ok(say?)
        })
        .await
    });
    assert_eq!(timeout(LIMIT, seen).await.unwrap().unwrap(), addresses);
    Running { http, grpc, debug, signals, task }
}

async fn start(args: &[&str]) -> Running {
    begun(args, None, Ok(())).await
}

impl Running {
    fn signal(&self, signal: Signal) {
        self.signals.try_send(signal).unwrap();
    }

    async fn end(self) -> Result<(), BoxError> {
        timeout(LIMIT, self.task).await.unwrap().unwrap()
    }

    /// Begins a request whose body is not whole, and waits until it is in
    /// flight.
    async fn in_flight(&self) -> DuplexStream {
        let mut stream = self.http.connect().unwrap();
        let begin =
            b"GET /greeting?name=Ada HTTP/1.1\r\nhost: greeter\r\ncontent-length: 4\r\n\r\nsl";
        stream.write_all(begin).await.unwrap();
        let in_flight = r#"serve_requests_in_flight{server="http"} 1"#;
        for _ in 0..TRIES {
            if self.debug.ask("/metrics").await.contains(in_flight) {
                return stream;
            }
        }
        panic!("it is not in flight");
    }

    /// Begins a chat, and waits until its first name is greeted.
    async fn chat(&self) -> (mpsc::UnboundedSender<GreetingRequest>, Streaming<GreetingResponse>) {
        let (say, hellos) = mpsc::unbounded_channel();
        let mut client = GreeterClient::new(self.grpc.channel());
        let replies = client.chat(UnboundedReceiverStream::new(hellos));
        let mut replies = timeout(LIMIT, replies).await.unwrap().unwrap().into_inner();
        say.send(GreetingRequest { name: "Ada".to_owned() }).unwrap();
        let reply = timeout(LIMIT, replies.message()).await.unwrap().unwrap().unwrap();
        assert_eq!(reply.greeting, "Hello, Ada!");
        (say, replies)
    }

    async fn is_ready(&self) -> bool {
        let reply = self.debug.ask("/health/ready").await;
        let ready = reply.starts_with("HTTP/1.1 200 ");
        assert!(ready || reply.starts_with("HTTP/1.1 503 "), "{reply}");
        ready
    }

    async fn until_it_is_not_ready(&self) {
        for _ in 0..TRIES {
            if !self.is_ready().await {
                return;
            }
        }
        panic!("it is ready still");
    }
}

/// Waits until both names are registered.
async fn registered(agent: &Fake) {
    let both = async {
        while agent.ids().len() < 2 {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(LIMIT, both).await.unwrap();
}

// ===== start =====

#[tokio::test(start_paused = true)]
async fn serves_and_stops_by_either_signal() {
    for signal in [Signal::Terminate, Signal::Interrupt] {
        let running = start(&[]).await;
        let [http, grpc, debug] = [&running.http, &running.grpc, &running.debug].map(Dial::clone);
        let greeting = http.ask("/greeting?name=Ada").await;
        assert!(greeting.ends_with(r#"{"greeting":"Hello, Ada!"}"#), "{greeting}");
        assert_eq!(grpc.greeting().await.unwrap(), "Hello, Ada!");
        assert!(http.ask("/health").await.starts_with("HTTP/1.1 200 "));
        assert!(running.is_ready().await);
        running.signal(signal);
        running.end().await.unwrap();
        for dial in [http, grpc, debug] {
            dial.connect().unwrap_err();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn metrics_tell_of_both_transports_the_circuit_and_the_connections() {
    let running = start(&[]).await;
    running.http.ask("/greeting?name=Ada").await;
    running.grpc.greeting().await.unwrap();
    running.http.ask("/greetings?name=Ada").await;
    let asked = GreetingsRequest { names: vec!["Ada".to_owned()] };
    let mut greetings = GreeterClient::new(running.grpc.channel());
    let mut greetings = greetings.greetings(asked).await.unwrap().into_inner();
    while greetings.message().await.unwrap().is_some() {}
    let (say, mut replies) = running.chat().await;
    drop(say);
    assert!(replies.message().await.unwrap().is_none());
    let page = running.debug.ask("/metrics").await;
    for part in [
        r#"http_route="/greeting""#,
        r#"http_route="/greetings""#,
        r#"rpc_method="greeter.v1.Greeter/Greeting""#,
        r#"rpc_method="greeter.v1.Greeter/Greetings""#,
        r#"rpc_method="greeter.v1.Greeter/Chat""#,
        r#"endpoint_duration_seconds_count{endpoint="greeting",kind="OK"} 2"#,
        r#"endpoint_duration_seconds_count{endpoint="greetings",kind="OK"} 2"#,
        r#"endpoint_duration_seconds_count{endpoint="chat",kind="OK"} 1"#,
        r#"breaker_state{breaker="greeting",state="closed"} 1"#,
        r#"serve_connections_total{server="http"} 2"#,
        r#"serve_connections_total{server="grpc"} 3"#,
        r#"serve_connections_total{server="debug"} 1"#,
    ] {
        assert!(page.contains(part), "{part} is not in\n{page}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_id_comes_back_over_grpc_too() {
    let running = start(&[]).await;
    let mut client = GreeterClient::new(running.grpc.channel());
    for name in ["Ada", ""] {
        let mut request = tonic::Request::new(GreetingRequest { name: name.to_owned() });
        request.metadata_mut().insert("x-request-id", "the-id".parse().unwrap());
        let metadata = match timeout(LIMIT, client.greeting(request)).await.unwrap() {
            Ok(reply) => reply.metadata().clone(),
            Err(status) => status.metadata().clone(),
        };
        assert_eq!(metadata.get("x-request-id").unwrap(), "the-id", "{name:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_output_that_fails_stops_it_before_anybody_is_told_of_it() {
    let agent = Fake::default();
    let running = begun(&[], Some(agent.clone()), Err("nobody reads")).await;
    let [http, grpc, debug] = [&running.http, &running.grpc, &running.debug].map(Dial::clone);
    let error = running.end().await.unwrap_err();
    assert_eq!(error.to_string(), "nobody reads");
    for dial in [http, grpc, debug] {
        dial.closed().await;
    }
    sleep(Duration::from_mins(1)).await;
    assert_eq!(agent.tried(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_the_flags_limit_is_limited_over_both_and_health_is_not() {
    let running = start(&["--rate-limit", "2/m", "--concurrency-limit", "adaptive"]).await;
    assert!(running.http.ask("/greeting?name=Ada").await.starts_with("HTTP/1.1 200 "));
    assert_eq!(running.grpc.greeting().await.unwrap(), "Hello, Ada!");
    let refused = running.http.ask("/greeting?name=Ada").await;
    assert!(refused.starts_with("HTTP/1.1 429 "), "{refused}");
    assert!(refused.contains("retry-after: 30\r\n"), "{refused}");
    let error = running.grpc.greeting().await.unwrap_err();
    let fault = error.downcast_ref::<kit_transport_grpc::CallError>().unwrap();
    assert_eq!(fault.kind(), Kind::ResourceExhausted);
    assert!(running.http.ask("/health").await.starts_with("HTTP/1.1 200 "));
    let page = running.debug.ask("/metrics").await;
    assert!(page.contains(r#"concurrency_limit_admitted_total{limiter="greeting"} 2"#), "{page}");
    running.signal(Signal::Terminate);
    running.end().await.unwrap();
}

// ===== registry =====

#[tokio::test(start_paused = true)]
async fn both_ports_are_registered_while_it_serves() {
    let agent = Fake::default();
    let running = begun(&[], Some(agent.clone()), Ok(())).await;
    registered(&agent).await;
    let names = agent
        .services()
        .into_iter()
        .map(|service| (service.instance.service.clone(), service.instance.address.to_string()));
    let expected = [("hello", "10.0.0.1:9110"), ("hello-grpc", "10.0.0.1:9120")];
    let expected = expected.map(|(name, address)| (name.to_owned(), address.to_owned()));
    assert_eq!(names.collect::<Vec<_>>(), expected);
    let page = running.debug.ask("/metrics").await;
    assert!(page.lines().any(|line| line.starts_with("sd_registered{") && line.ends_with(" 1")));
    running.signal(Signal::Terminate);
    running.end().await.unwrap();
    assert_eq!(agent.ids(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_is_absent_stops_nothing() {
    let agent = Fake::default().down(true);
    let running = begun(&["--drain-delay", "0s"], Some(agent.clone()), Ok(())).await;
    sleep(Duration::from_mins(1)).await;
    assert!(agent.tried() > 2, "it was tried {} times", agent.tried());
    assert!(running.http.ask("/health").await.starts_with("HTTP/1.1 200 "));
    let page = running.debug.ask("/metrics").await;
    assert!(page.lines().any(|line| line.starts_with("sd_registered{") && line.ends_with(" 0")));
    running.signal(Signal::Terminate);
    running.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_comes_later_is_told_then() {
    let agent = Fake::default().down(true);
    let running = begun(&[], Some(agent.clone()), Ok(())).await;
    sleep(Duration::from_mins(1)).await;
    let agent = agent.down(false);
    registered(&agent).await;
    running.signal(Signal::Terminate);
    running.end().await.unwrap();
    assert_eq!(agent.ids(), [""; 0]);
}

// ===== end =====

#[tokio::test(start_paused = true)]
async fn it_ends_in_order() {
    let agent = Fake::default().slow(Duration::from_secs(1));
    let running = begun(&["--drain-delay", "3s"], Some(agent.clone()), Ok(())).await;
    registered(&agent).await;
    let mut stream = running.in_flight().await;

    let began = Instant::now();
    running.signal(Signal::Terminate);
    running.until_it_is_not_ready().await;
    assert_eq!(began.elapsed(), Duration::ZERO, "readiness waits");
    assert_eq!(agent.ids().len(), 2, "it is deregistered first");
    sleep(Duration::from_millis(1500)).await;
    assert_eq!(agent.ids(), [""; 0], "it is still registered");
    assert!(running.http.ask("/greeting?name=Ada").await.starts_with("HTTP/1.1 200 "));
    assert_eq!(running.grpc.greeting().await.unwrap(), "Hello, Ada!");

    running.http.closed().await;
    running.grpc.closed().await;
    assert_eq!(began.elapsed().as_secs(), 4, "the delay begins once the registry forgot it");
    sleep(Duration::from_secs(2)).await;
    let live = running.debug.ask("/health/live").await;
    assert!(live.starts_with("HTTP/1.1 200 "), "the debug port is off before it has drained");
    stream.write_all(b"ow").await.unwrap();
    assert!(rest(stream).await.starts_with("HTTP/1.1 200 "));
    let debug = running.debug.clone();
    running.end().await.unwrap();
    debug.connect().unwrap_err();
    assert_eq!(began.elapsed().as_secs(), 6);
}

#[tokio::test(start_paused = true)]
async fn what_is_in_flight_is_finished() {
    let running = start(&[]).await;
    let mut stream = running.in_flight().await;
    running.signal(Signal::Terminate);
    // The drain closes the listener: what is seen next comes after it began.
    running.http.closed().await;
    stream.write_all(b"ow").await.unwrap();
    let reply = rest(stream).await;
    assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
    assert!(reply.ends_with(r#"{"greeting":"Hello, Ada!"}"#), "{reply}");
    running.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_does_not_finish_is_cut_and_told() {
    let running = start(&["--drain-timeout", "50ms"]).await;
    let _stream = running.in_flight().await;
    let began = Instant::now();
    running.signal(Signal::Terminate);
    let error = running.end().await.unwrap_err();
    assert!(Report(&*error).to_string().contains("/greeting"), "{}", Report(&*error));
    let took = began.elapsed();
    assert!((50..100).contains(&took.as_millis()), "it was cut after {took:?}");
}

#[tokio::test(start_paused = true)]
async fn events_in_flight_are_finished() {
    let running = start(&[]).await;
    let mut stream = running.http.connect().unwrap();
    // More than the pipe takes, and no more than a request line may have.
    let (name, names) = ("a".repeat(LONGEST_NAME), 30);
    let query = vec![format!("name={name}"); names].join("&");
    let request = format!("GET /greetings?{query} HTTP/1.1\r\nhost: greeter\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    timeout(LIMIT, stream.read_exact(&mut first)).await.unwrap().unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    running.signal(Signal::Terminate);
    running.http.closed().await;
    let reply = rest(stream).await;
    assert_eq!(reply.matches(&format!("Hello, {name}!")).count(), names);
    assert!(reply.ends_with("\r\n0\r\n\r\n"), "it is cut");
    running.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_chat_in_flight_is_finished() {
    let running = start(&[]).await;
    let (say, mut replies) = running.chat().await;
    running.signal(Signal::Terminate);
    running.grpc.closed().await;
    say.send(GreetingRequest { name: "Grace".to_owned() }).unwrap();
    let reply = timeout(LIMIT, replies.message()).await.unwrap().unwrap().unwrap();
    assert_eq!(reply.greeting, "Hello, Grace!");
    drop(say);
    assert!(timeout(LIMIT, replies.message()).await.unwrap().unwrap().is_none());
    running.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_chat_that_does_not_finish_is_cut_and_both_sides_are_told() {
    let running = start(&["--drain-timeout", "50ms"]).await;
    let (_say, mut replies) = running.chat().await;
    let began = Instant::now();
    running.signal(Signal::Terminate);
    let error = running.end().await.unwrap_err();
    let told = Report(&*error).to_string();
    assert!(told.contains("/greeter.v1.Greeter/Chat"), "{told}");
    let took = began.elapsed();
    assert!((50..100).contains(&took.as_millis()), "it was cut after {took:?}");
    timeout(LIMIT, replies.message()).await.unwrap().unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn while_it_drains_it_is_not_ready_and_serves_on() {
    let running = start(&["--drain-delay", "1s"]).await;
    running.signal(Signal::Terminate);
    running.until_it_is_not_ready().await;
    let health = running.http.ask("/health").await;
    assert!(health.starts_with("HTTP/1.1 503 "), "{health}");
    assert!(running.http.ask("/greeting?name=Ada").await.starts_with("HTTP/1.1 200 "));
    running.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn it_serves_on_for_the_delay_however_long_it_ran_before() {
    let running = start(&["--drain-delay", "5s"]).await;
    sleep(Duration::from_mins(10)).await;
    let began = Instant::now();
    running.signal(Signal::Terminate);
    running.end().await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_forces_the_end() {
    let running = start(&["--drain-delay", "2m"]).await;
    let began = Instant::now();
    running.signal(Signal::Terminate);
    running.until_it_is_not_ready().await;
    running.signal(Signal::Interrupt);
    let error = running.end().await.unwrap_err();
    assert!(error.downcast_ref::<kit_run::Error>().unwrap().is_forced(), "{error}");
    assert_eq!(began.elapsed().as_secs(), 0);
}

// ===== log =====

/// What was written.
#[derive(Debug, Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::Write::write(&mut *self.0.lock().unwrap(), bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Written {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// What is logged of a life with one greeting, registered with `agent`.
async fn logged(filter: &str, agent: Option<Fake>) -> String {
    quiet::quiet();
    let written = Written::default();
    let _until_the_end =
        tracing::subscriber::set_default(subscriber(filter, Format::Logfmt, written.clone()));
    let running = begun(&[], agent.clone(), Ok(())).await;
    if let Some(agent) = &agent {
        registered(agent).await;
    }
    running.http.ask("/greeting?name=Ada").await;
    running.signal(Signal::Terminate);
    running.end().await.unwrap();
    let bytes = written.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_end_is_logged_step_by_step() {
    let log = logged("greeter::serve=info", None).await;
    let steps = ["SIGTERM", "readiness off", "deregister", "drain delay", "drain", "debug off"];
    let lines: Vec<_> = log.lines().collect();
    assert_eq!(lines.len(), steps.len(), "{log}");
    for (line, step) in lines.iter().zip(steps) {
        assert!(line.contains(&format!("\"stopping: {step}\"")), "{step}: {line}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_forced_end_says_what_it_cuts() {
    quiet::quiet();
    let written = Written::default();
    let _until_the_end =
        tracing::subscriber::set_default(subscriber("warn", Format::Logfmt, written.clone()));
    let running = begun(&[], None, Ok(())).await;
    let (_say, _replies) = running.chat().await;
    running.signal(Signal::Terminate);
    running.until_it_is_not_ready().await;
    running.signal(Signal::Interrupt);
    running.end().await.unwrap_err();
    let log = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("cut: POST /greeter.v1.Greeter/Chat from unix after "), "{log}");
}

#[tokio::test(start_paused = true)]
async fn calls_of_the_service_are_logged_at_debug_level_only() {
    let call = |line: &&str| line.contains("greeting(") && line.contains("Hello, Ada!");
    assert_eq!(logged("greeter=debug", None).await.lines().filter(call).count(), 1);
    assert_eq!(logged("info", None).await.lines().filter(call).count(), 0);
}

/// Counts kit's spans.
#[derive(Debug, Clone, Default)]
struct Spans(Arc<Mutex<usize>>);

impl Spans {
    fn count(&self) -> usize {
        *self.0.lock().unwrap()
    }
}

impl<S: Subscriber> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        if attributes.metadata().target().starts_with("kit_") {
            *self.0.lock().unwrap() += 1;
        }
    }
}

/// Who watches is not what is to be watched: a scrape every few seconds and a probe each
/// second would be most of what a quiet service logs and measures. The debug port's own
/// requests are seen as its connections, and nowhere else: no line, no metric of requests,
/// no trace.
#[tokio::test(start_paused = true)]
async fn who_reads_the_debug_port_is_in_no_log_and_in_no_metric_of_requests() {
    quiet::quiet();
    let (written, spans) = (Written::default(), Spans::default());
    let subscriber = subscriber("trace", Format::Logfmt, written.clone()).with(spans.clone());
    let _until_the_end = tracing::subscriber::set_default(subscriber);
    let running = start(&["--trace-otlp=http://collector:4318"]).await;
    let ours = || {
        let log = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let of_kit = |line: &&str| {
            ["target=access", "target=call", "target=kit_"]
                .iter()
                .any(|target| line.contains(target))
        };
        log.lines().filter(of_kit).map(str::to_owned).collect::<Vec<_>>()
    };
    let asked = ["/metrics", "/health/ready", "/health/live", "/debug", "/debug/state", "/none"];
    for target in asked {
        running.debug.ask(target).await;
    }
    assert_eq!((ours(), spans.count()), (Vec::new(), 0));
    let page = running.debug.ask("/metrics").await;
    let of_requests = |line: &&str| line.starts_with("http_server_request_duration_seconds_count");
    assert_eq!(page.lines().find(of_requests), None);
    let connections = format!(r#"serve_connections_total{{server="debug"}} {}"#, asked.len() + 1);
    assert!(page.contains(&connections), "{page}");

    // Where it is to be seen, it is.
    running.http.ask("/greeting?name=Ada").await;
    let lines = ours();
    assert_eq!(spans.count(), 1);
    assert_eq!(lines.iter().filter(|line| line.contains("target=access")).count(), 1, "{lines:?}");
    let page = running.debug.ask("/metrics").await;
    let counts: Vec<_> = page.lines().filter(of_requests).collect();
    assert!(counts.len() == 1 && counts[0].contains(r#"http_route="/greeting""#), "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn both_registrations_are_logged() {
    let log = logged("greeter::log=info", Some(Fake::default())).await;
    for port in ["port=http", "port=grpc"] {
        let of = |line: &&str| line.contains(port) && line.contains("registered");
        assert_eq!(log.lines().filter(of).count(), 1, "{port}: {log}");
    }
}
