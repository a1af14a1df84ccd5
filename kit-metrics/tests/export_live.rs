//! Against the servers themselves: statsd, Graphite's carbon, InfluxDB, and a
//! collector in Python. While they are up they have exact counts; over a
//! restart nothing is counted twice, and what was not written comes after.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use kit_metrics::{
    Recorder, Registry,
    export::{Export, graphite::Graphite, influx::Influx, otlp::Otlp, statsd::Statsd},
};
use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Unit};
use serde_json::Value as Json;
use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, SystemTime},
};

const METADATA: Metadata<'static> = Metadata::new("test", Level::INFO, None);

/// How long a server may take to start.
const START: Duration = Duration::from_secs(10);

/// What is measured.
struct Measured {
    registry: Registry,
    jobs: Counter,
    depth: Gauge,
    took: Histogram,
}

impl Measured {
    fn new() -> Self {
        let registry = Registry::new();
        registry.describe_histogram("kit.took".into(), Some(Unit::Seconds), "How long.".into());
        let labels = vec![Label::new("queue", "a")];
        let jobs = registry.register_counter(&Key::from_parts("kit.jobs", labels), &METADATA);
        let depth = registry.register_gauge(&Key::from_name("kit.depth"), &METADATA);
        let took = registry.register_histogram(&Key::from_name("kit.took"), &METADATA);
        Self { registry, jobs, depth, took }
    }

    /// Does something, and exports it as of `seconds` before now.
    async fn export(&self, exporter: &mut impl Export, jobs: u64, ago: u64) -> bool {
        self.jobs.increment(jobs);
        self.depth.set(-2.5);
        self.took.record_many(0.02, usize::try_from(jobs).unwrap());
        let mut reading = self.registry.read();
        reading.at = SystemTime::now() - Duration::from_secs(ago);
        exporter.export(&reading).await.is_ok()
    }
}

/// A server, which ends with the test.
struct Server(Child);

impl Server {
    fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).spawn().unwrap())
    }

    /// Ends it as an operator does.
    fn stop(mut self) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").arg(pid).status().unwrap().success());
        assert!(self.ends());
    }

    fn ends(&mut self) -> bool {
        within(START, || self.0.try_wait().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn within<T>(limit: Duration, mut done: impl FnMut() -> Option<T>) -> bool {
    for _ in 0..limit.as_millis() / 50 {
        if done().is_some() {
            return true;
        }
        thread::sleep(Duration::from_millis(50));
    }
    false
}

fn wait_for(port: u16) {
    assert!(within(START, || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()), "{port}");
}

/// A port that is free for now.
fn port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn udp_port() -> u16 {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn provided(variable: &str) -> PathBuf {
    let value = env::var_os(variable);
    value.unwrap_or_else(|| panic!("set {variable}, or run cargo xtask test")).into()
}

/// Says something over TCP, and reads all that is answered.
fn ask(port: u16, question: &str) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(START)).unwrap();
    stream.write_all(question.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

// ===== statsd =====

struct StatsdServer {
    config: PathBuf,
    manage: u16,
}

impl StatsdServer {
    fn start(&self) -> Server {
        let script = provided("KIT_STATSD").join("stats.js");
        let server =
            Server::start(Command::new("node").arg(script).arg(&self.config).stdout(Stdio::null()));
        wait_for(self.manage);
        server
    }

    /// What it has of a kind: the text of an object of JavaScript.
    fn has(&self, kind: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.manage)).unwrap();
        stream.set_read_timeout(Some(START)).unwrap();
        writeln!(stream, "{kind}").unwrap();
        let lines = BufReader::new(stream).lines().map(Result::unwrap);
        lines.take_while(|line| line != "END").collect::<Vec<_>>().join("\n")
    }

    fn jobs(&self) -> u64 {
        let counters = self.has("counters");
        let Some((_, after)) = counters.split_once("'kit.jobs.queue.a': ") else { return 0 };
        let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap()
    }
}

#[tokio::test]
#[ignore = "needs statsd and node"]
async fn statsd_counts_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let (manage, port) = (port(), udp_port());
    let config = folder.path().join("config.js");
    // It flushes when the test is long over.
    let text = format!(
        "{{ address: '127.0.0.1', port: {port}, mgmt_address: '127.0.0.1', mgmt_port: {manage}, \
         flushInterval: 3600000, backends: ['./backends/console'] }}"
    );
    fs::write(&config, text).unwrap();
    let statsd = StatsdServer { config, manage };
    let server = statsd.start();
    let measured = Measured::new();
    let mut exporter = Statsd::udp(format!("127.0.0.1:{port}"));
    for jobs in [3, 0, 17] {
        assert!(measured.export(&mut exporter, jobs, 0).await);
    }
    assert!(within(START, || (statsd.jobs() == 20).then_some(())), "{}", statsd.has("counters"));
    assert!(statsd.has("gauges").contains("'kit.depth': -2.5"), "{}", statsd.has("gauges"));
    let timers = statsd.has("timers");
    assert!(timers.contains("'kit.took'"), "{timers}");
    let values = timers.split_once('[').unwrap().1.split_once(']').unwrap().0;
    assert_eq!(values.split(',').count(), 20, "{timers}");
    assert!(statsd.has("counters").contains("'statsd.bad_lines_seen': 0"));

    drop(server);
    assert!(!measured.export(&mut exporter, 5, 0).await);
    assert!(!measured.export(&mut exporter, 7, 0).await);
    let server = statsd.start();
    assert_eq!(statsd.jobs(), 0);
    assert!(measured.export(&mut exporter, 1, 0).await);
    assert!(within(START, || (statsd.jobs() == 13).then_some(())), "{}", statsd.has("counters"));
    drop(server);
}

#[tokio::test]
#[ignore = "needs statsd and node"]
async fn statsd_weighs_what_is_sampled() {
    let folder = tempfile::tempdir().unwrap();
    let (manage, port) = (port(), udp_port());
    let config = folder.path().join("config.js");
    // A flush, which tells the count by the rates, once a second.
    let text = format!(
        "{{ address: '127.0.0.1', port: {port}, mgmt_address: '127.0.0.1', mgmt_port: {manage}, \
         flushInterval: 1000, backends: ['./backends/console'] }}"
    );
    fs::write(&config, text).unwrap();
    let script = provided("KIT_STATSD").join("stats.js");
    let mut server =
        Server::start(Command::new("node").arg(script).arg(&config).stdout(Stdio::piped()));
    wait_for(manage);
    let measured = Measured::new();
    let mut exporter = Statsd::udp(format!("127.0.0.1:{port}")).timings(100);
    assert!(measured.export(&mut exporter, 12_345, 0).await);
    let mut counted = 0;
    for line in BufReader::new(server.0.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        // `'kit.took': { count_90: ..., count: 12345, ...`
        if let Some((_, count)) =
            line.split_once(" count: ").or_else(|| line.split_once(" 'count': "))
        {
            let digits: String = count.chars().take_while(char::is_ascii_digit).collect();
            counted = digits.parse().unwrap();
            if counted > 0 {
                break;
            }
        }
    }
    assert_eq!(counted, 12_345);
}

// ===== Graphite =====

/// Carbon, of a folder that Debian's packages were unpacked into.
struct Carbon {
    root: PathBuf,
    folder: tempfile::TempDir,
    port: u16,
}

impl Carbon {
    fn new() -> Self {
        let (folder, query, port) = (tempfile::tempdir().unwrap(), port(), port());
        let at = folder.path().display();
        let config = format!(
            "[cache]\nSTORAGE_DIR = {at}\nLOCAL_DATA_DIR = {at}/whisper\nWHITELISTS_DIR = {at}/lists\n\
             CONF_DIR = {at}\nLOG_DIR = {at}/log\nPID_DIR = {at}\nUSER =\nMAX_CACHE_SIZE = inf\n\
             MAX_UPDATES_PER_SECOND = 5000\nMAX_CREATES_PER_MINUTE = inf\n\
             LINE_RECEIVER_INTERFACE = 127.0.0.1\nLINE_RECEIVER_PORT = {port}\n\
             PICKLE_RECEIVER_PORT = 0\nENABLE_UDP_LISTENER = False\n\
             CACHE_QUERY_INTERFACE = 127.0.0.1\nCACHE_QUERY_PORT = {query}\nENABLE_TAGS = False\n"
        );
        fs::write(folder.path().join("carbon.conf"), config).unwrap();
        let schemas = "[all]\npattern = .*\nretentions = 1s:1h\n";
        fs::write(folder.path().join("storage-schemas.conf"), schemas).unwrap();
        Self { root: provided("KIT_CARBON"), folder, port }
    }

    fn python(&self) -> Command {
        // Debian's modules want Debian's Python.
        let mut command = Command::new("/usr/bin/python3");
        command.env("PYTHONPATH", self.root.join("usr/lib/python3/dist-packages"));
        command
    }

    fn start(&self) -> Server {
        let log = fs::File::create(self.folder.path().join("said.log")).unwrap();
        let server = Server::start(
            self.python()
                .env("GRAPHITE_ROOT", self.folder.path())
                .arg(self.root.join("usr/bin/carbon-cache"))
                .arg("--config")
                .arg(self.folder.path().join("carbon.conf"))
                .args(["--nodaemon", "start"])
                .stdout(log.try_clone().unwrap())
                .stderr(log),
        );
        wait_for(self.port);
        server
    }

    /// Whether it has written so many points of a path: what is only in its memory
    /// it may forget when it is stopped.
    fn has(&self, path: &str, points: usize) -> bool {
        within(START, || (self.points(path).len() == points).then_some(()))
    }

    /// The points of a file of whisper, without those that are none.
    fn points(&self, path: &str) -> Vec<f64> {
        let file = self.folder.path().join("whisper").join(path.replace('.', "/") + ".wsp");
        if !file.exists() {
            return Vec::new();
        }
        let script = "import json, sys, whisper\n\
                      print(json.dumps([v for v in whisper.fetch(sys.argv[1], 0)[1] if v is not None]))";
        let said = self.python().args(["-c", script]).arg(file).output().unwrap();
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        serde_json::from_slice(&said.stdout).unwrap()
    }
}

#[tokio::test]
#[ignore = "needs Graphite's carbon"]
async fn carbon_has_each_point_once_over_a_restart() {
    const PATHS: [&str; 3] = ["app.kit.jobs.queue.a", "app.kit.depth", "app.kit.took.count"];
    let carbon = Carbon::new();
    let server = carbon.start();
    let measured = Measured::new();
    let mut exporter = Graphite::tcp(format!("127.0.0.1:{}", carbon.port)).prefix("app");
    for (jobs, ago) in [(3, 60), (0, 59), (17, 58)] {
        assert!(measured.export(&mut exporter, jobs, ago).await);
    }
    for path in PATHS {
        assert!(carbon.has(path, 3), "{path}: {:?}", carbon.points(path));
    }
    server.stop();
    // Nobody is there: both are kept, with their own time.
    assert!(!measured.export(&mut exporter, 5, 57).await);
    assert!(!measured.export(&mut exporter, 7, 56).await);
    let server = carbon.start();
    assert!(measured.export(&mut exporter, 1, 55).await);
    for path in PATHS {
        assert!(carbon.has(path, 6), "{path}: {:?}", carbon.points(path));
    }
    server.stop();
    assert_eq!(carbon.points("app.kit.jobs.queue.a"), [3.0, 0.0, 17.0, 5.0, 7.0, 1.0]);
    assert_eq!(carbon.points("app.kit.depth"), [-2.5; 6]);
    let counts: f64 = carbon.points("app.kit.took.count").iter().sum();
    assert_eq!(counts.to_bits(), 33.0_f64.to_bits());
    assert_eq!(exporter.dropped(), 0);
}

// ===== InfluxDB =====

struct InfluxServer {
    folder: tempfile::TempDir,
    http: u16,
    udp: u16,
}

impl InfluxServer {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (http, udp) = (port(), udp_port());
        let at = folder.path().display();
        let config = format!(
            "reporting-disabled = true\nbind-address = \"127.0.0.1:{}\"\n\
             [meta]\ndir = \"{at}/meta\"\n[data]\ndir = \"{at}/data\"\nwal-dir = \"{at}/wal\"\n\
             [http]\nbind-address = \"127.0.0.1:{http}\"\n\
             [[udp]]\nenabled = true\nbind-address = \"127.0.0.1:{udp}\"\ndatabase = \"kit\"\n\
             batch-size = 1\n",
            port()
        );
        fs::write(folder.path().join("influxdb.conf"), config).unwrap();
        Self { folder, http, udp }
    }

    fn start(&self) -> Server {
        let log = fs::File::create(self.folder.path().join("said.log")).unwrap();
        let server = Server::start(
            Command::new(provided("KIT_INFLUXD"))
                .arg("-config")
                .arg(self.folder.path().join("influxdb.conf"))
                .stdout(log.try_clone().unwrap())
                .stderr(log),
        );
        wait_for(self.http);
        server
    }

    fn query(&self, query: &str) -> Json {
        let query = query.replace(' ', "%20").replace('"', "%22");
        let request = format!(
            "POST /query?db=kit&q={query} HTTP/1.0\r\nhost: 127.0.0.1\r\ncontent-length: 0\r\n\r\n"
        );
        let answer = ask(self.http, &request);
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"))
    }

    /// The single row of a query, without its time.
    fn row(&self, query: &str) -> Vec<f64> {
        let answer = self.query(query);
        let row = answer["results"][0]["series"][0]["values"][0].as_array();
        let row = row.unwrap_or_else(|| panic!("{answer}"));
        row.iter().skip(1).map(|number| number.as_f64().unwrap()).collect()
    }
}

#[tokio::test]
#[ignore = "needs InfluxDB"]
async fn influxdb_has_each_point_once_over_a_restart() {
    let influxdb = InfluxServer::new();
    let server = influxdb.start();
    influxdb.query("CREATE DATABASE kit");
    let measured = Measured::new();
    let base = format!("http://127.0.0.1:{}", influxdb.http);
    let mut exporter = Influx::v1(&base, "kit").unwrap().tags(&[("host", "h 1")]);
    for (jobs, ago) in [(3, 60), (0, 59), (17, 58)] {
        assert!(measured.export(&mut exporter, jobs, ago).await);
    }
    let jobs = "SELECT count(count), sum(count) FROM \"kit.jobs\" WHERE queue='a' AND host='h 1'";
    assert_eq!(influxdb.row(jobs), [3.0, 20.0]);
    // Killed: what it said it took, it has.
    drop(server);
    assert!(!measured.export(&mut exporter, 5, 57).await);
    assert!(!measured.export(&mut exporter, 7, 56).await);
    let server = influxdb.start();
    assert!(measured.export(&mut exporter, 1, 55).await);
    assert_eq!(influxdb.row(jobs), [6.0, 33.0]);
    assert_eq!(
        influxdb.row("SELECT count(value), min(value), max(value) FROM \"kit.depth\""),
        [6.0, -2.5, -2.5]
    );
    assert_eq!(influxdb.row("SELECT sum(count) FROM \"kit.took\""), [33.0]);
    // What has no database is not taken, and not given up.
    let mut nowhere = Influx::v1(&base, "nowhere").unwrap();
    assert!(!measured.export(&mut nowhere, 0, 0).await);
    assert_eq!(nowhere.dropped(), 0);

    let mut datagrams = Influx::udp(format!("127.0.0.1:{}", influxdb.udp)).prefix("udp");
    assert!(measured.export(&mut datagrams, 9, 0).await);
    let all = "SELECT sum(count) FROM \"udp.kit.jobs\"";
    assert!(within(START, || influxdb.query(all)["results"][0].get("series").map(drop)));
    assert_eq!(influxdb.row(all), [42.0]);
    drop(server);
}

// ===== OTLP =====

/// A collector, which prints a line of JSON for each request.
const COLLECTOR: &str = r#"
import concurrent.futures, grpc, http.server, json, sys
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as pb
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as rpc

def took(way, request):
    print(json.dumps([way, MessageToDict(request)]), flush=True)

class Service(rpc.MetricsServiceServicer):
    def Export(self, request, context):
        took("grpc", request)
        return pb.ExportMetricsServiceResponse()

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *args):
        pass
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path != "/v1/metrics" or self.headers["content-type"] != "application/x-protobuf":
            return self.send_error(400)
        took("http", pb.ExportMetricsServiceRequest.FromString(body))
        answer = pb.ExportMetricsServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

server = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
rpc.add_MetricsServiceServicer_to_server(Service(), server)
assert server.add_insecure_port("127.0.0.1:" + sys.argv[1])
server.start()
web = http.server.HTTPServer(("127.0.0.1", int(sys.argv[2])), Handler)
web.serve_forever()
"#;

struct Collector {
    server: Server,
    lines: mpsc::Receiver<String>,
}

impl Collector {
    fn start(grpc: u16, http: u16) -> Self {
        let mut server = Server::start(
            Command::new(provided("KIT_PYTHON"))
                .args(["-c", COLLECTOR, &grpc.to_string(), &http.to_string()])
                .stdout(Stdio::piped()),
        );
        let stdout = server.0.stdout.take().unwrap();
        let (sender, lines) = mpsc::channel();
        // It ends with the collector.
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        wait_for(http);
        wait_for(grpc);
        Self { server, lines }
    }

    /// How it came, and the metrics.
    fn next(&self) -> (String, Vec<Json>) {
        let line = self.lines.recv_timeout(START).unwrap();
        let (way, request): (String, Json) = serde_json::from_str(&line).unwrap();
        let resource = &request["resourceMetrics"][0];
        assert_eq!(resource["resource"]["attributes"][0]["value"]["stringValue"], "kit");
        (way, resource["scopeMetrics"][0]["metrics"].as_array().unwrap().clone())
    }
}

fn check_otlp(metrics: &[Json], total: &str) {
    let named = |name: &str| metrics.iter().find(|metric| metric["name"] == name).unwrap();
    let sum = &named("kit.jobs")["sum"];
    assert_eq!(sum["isMonotonic"], true);
    assert_eq!(sum["aggregationTemporality"], "AGGREGATION_TEMPORALITY_CUMULATIVE");
    assert_eq!(sum["dataPoints"][0]["asInt"], total);
    assert_eq!(named("kit.depth")["gauge"]["dataPoints"][0]["asDouble"], -2.5);
    let took = named("kit.took");
    assert_eq!(
        (&took["unit"], &took["histogram"]["dataPoints"][0]["count"]),
        (&"s".into(), &total.into())
    );
}

#[tokio::test]
#[ignore = "needs Python with opentelemetry-proto and grpcio"]
async fn a_collector_has_exact_sums_over_a_restart() {
    let (grpc, http) = (port(), port());
    let collector = Collector::start(grpc, http);
    let measured = Measured::new();
    let of = [("service.name", "kit")];
    let mut over_http = Otlp::http(&format!("http://127.0.0.1:{http}")).unwrap().resource(&of);
    let channel = tonic::transport::Channel::from_shared(format!("http://127.0.0.1:{grpc}"));
    let mut over_grpc = Otlp::grpc(channel.unwrap().connect_lazy()).resource(&of);
    for (jobs, total) in [(3, "3"), (17, "20")] {
        assert!(measured.export(&mut over_http, jobs, 0).await);
        let (way, metrics) = collector.next();
        assert_eq!(way, "http");
        check_otlp(&metrics, total);
        assert!(measured.export(&mut over_grpc, 0, 0).await);
        let (way, metrics) = collector.next();
        assert_eq!(way, "grpc");
        check_otlp(&metrics, total);
    }
    drop(collector.server);
    assert!(!measured.export(&mut over_http, 5, 0).await);
    assert!(!measured.export(&mut over_grpc, 7, 0).await);
    let collector = Collector::start(grpc, http);
    assert!(measured.export(&mut over_http, 1, 0).await);
    check_otlp(&collector.next().1, "33");
    // Its channel connects anew when it is used, and that may fail once.
    let mut is_back = measured.export(&mut over_grpc, 0, 0).await;
    for _ in 0..20 {
        if is_back {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        is_back = measured.export(&mut over_grpc, 0, 0).await;
    }
    assert!(is_back);
    check_otlp(&collector.next().1, "33");
}
