//! The same over real ports, those of loopback: what the tests of the rooms
//! put in the place of a socket, done by the system.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

#[path = "memory/catalog.rs"]
mod catalog;

use catalog::{Fake, entry, greeters};
use greeter::{
    auth,
    call::{OtherPort, call},
    client,
    endpoints::Hello,
    flags::{Command, Place, Serve, parse},
    listen::{Addresses, NotBound, Ports, reached_from, registry},
    pb::{GreetingRequest, greeter_client::GreeterClient},
    registry::Consul,
    serve::serve,
    tls,
    token::{self, JWKS},
};
use kit_endpoint::Request;
use kit_run::Signal;
use kit_sd::consul::Agent;
use kit_serve::{Listener, Sockets};
use kit_transport::Report;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use std::{
    fs,
    future::IntoFuture,
    io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::transport::Endpoint;
use tower::{BoxError, ServiceExt, service_fn};

/// More than anything here takes.
const LIMIT: Duration = Duration::from_secs(20);

fn flags(more: &[&str]) -> Serve {
    let mut args = Vec::new();
    for name in ["--http-addr", "--grpc-addr", "--debug-addr"] {
        if !more.contains(&name) {
            args.extend([name, "127.0.0.1:0"]);
        }
    }
    args.extend(more);
    match parse(args, |_| None) {
        Ok(Command::Serve(flags)) => flags,
        other => panic!("{other:?}"),
    }
}

async fn bind(more: &[&str]) -> Result<Ports, NotBound> {
    Ports::bind(&flags(more), &mut Sockets::from_env()).await
}

struct Running {
    addresses: Addresses,
    signals: mpsc::Sender<Signal>,
    task: JoinHandle<Result<(), BoxError>>,
}

async fn start(more: &[&str]) -> Running {
    let flags = flags(more);
    let ports = Ports::bind(&flags, &mut Sockets::from_env()).await.unwrap();
    begin(flags, ports).await
}

async fn begin<L: Listener, D: Listener>(flags: Serve, ports: Ports<L, D>) -> Running {
    let (signals, heard) = mpsc::channel(2);
    let (said, addresses) = oneshot::channel();
    let registry = match &flags.registry {
        Some(place @ Place::Consul(addr)) => {
            Some(registry(&flags, place).await.at(Consul(Agent::new(addr).unwrap())))
        }
        None => None,
        #[cfg(feature = "etcd")]
        Some(other) => panic!("{other:?}"),
    };
    let task = tokio::spawn(async move {
        serve(&flags, ports, registry, heard.into(), |addresses| {
            said.send(addresses).unwrap();
            Ok(())
        })
        .await
    });
    Running { addresses: timeout(LIMIT, addresses).await.unwrap().unwrap(), signals, task }
}

impl Running {
    async fn end(self, signal: Signal) -> Result<(), BoxError> {
        self.signals.try_send(signal).unwrap();
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

async fn called(target: &str) -> Result<String, BoxError> {
    called_by(&[target, "Ada"]).await
}

/// What the one call comes to that the flags ask for.
async fn called_by(args: &[&str]) -> Result<String, BoxError> {
    let Ok(Command::Call(flags)) = parse([&["call"], args].concat(), |_| None) else {
        panic!("{args:?}")
    };
    let mut told = Vec::new();
    let tell = |greeting| {
        told.push(greeting);
        Ok(())
    };
    timeout(LIMIT, call(flags, tell)).await.unwrap()?;
    assert_eq!(told.len(), 1);
    told.remove(0)
}

/// An address at which nothing listens.
async fn closed() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn serves_and_stops_by_either_signal() {
    for signal in [Signal::Terminate, Signal::Interrupt] {
        let running = start(&[]).await;
        let Addresses { http, grpc, debug, .. } = running.addresses;
        for target in [format!("http://{http}"), format!("grpc://{grpc}")] {
            assert_eq!(called(&target).await.unwrap(), "Hello, Ada!", "{target}");
        }
        assert!(ask(http, "/health").await.starts_with("HTTP/1.1 200 "));
        assert!(ask(debug, "/health/ready").await.starts_with("HTTP/1.1 200 "));
        running.end(signal).await.unwrap();
        for address in [http, grpc, debug] {
            TcpStream::connect(address).await.unwrap_err();
        }
    }
}

#[tokio::test]
async fn a_port_alone_is_reached_by_loopback() {
    let running = start(&["--http-addr", ":0"]).await;
    let address = SocketAddr::from(([127, 0, 0, 1], running.addresses.http.port()));
    assert!(ask(address, "/health").await.starts_with("HTTP/1.1 200 "));
    running.end(Signal::Terminate).await.unwrap();
}

#[tokio::test]
async fn every_port_in_use_is_named_at_once() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let [first, second] = [&taken, &other].map(|port| port.local_addr().unwrap().to_string());
    for [one, another] in [
        ["--http-addr", "--grpc-addr"],
        ["--http-addr", "--debug-addr"],
        ["--grpc-addr", "--debug-addr"],
    ] {
        let error = bind(&[one, &first, another, &second]).await.unwrap_err();
        let said = error.to_string();
        for (address, flag) in [(&first, one), (&second, another)] {
            assert!(said.contains(&format!("cannot listen on {address} ({flag})")), "{said}");
        }
        assert_eq!(said.matches("the port is in use").count(), 2, "{said}");
    }
}

#[tokio::test]
async fn a_host_of_another_machine_is_an_error_that_names_the_flag() {
    let error: NotBound = bind(&["--grpc-addr", "192.0.2.1:0"]).await.unwrap_err();
    let said = error.to_string();
    assert!(said.contains("cannot listen on 192.0.2.1:0 (--grpc-addr)"), "{said}");
    assert!(!said.contains("--http-addr"), "{said}");
}

#[tokio::test]
async fn a_registry_that_is_absent_stops_nothing() {
    let gone = closed().await.to_string();
    let running = start(&["--consul-addr", &gone, "--drain-delay", "0s"]).await;
    let Addresses { http, debug, .. } = running.addresses;
    assert!(ask(http, "/health").await.starts_with("HTTP/1.1 200 "));
    let page = ask(debug, "/metrics").await;
    assert!(page.contains("sd_registered{"), "{page}");
    running.end(Signal::Terminate).await.unwrap();
}

#[tokio::test]
async fn a_registry_of_this_machine_reaches_it_by_loopback() {
    assert_eq!(reached_from("127.0.0.1:8500").await, Ipv4Addr::LOCALHOST);
    assert!(reached_from("localhost:8500").await.is_loopback());
}

#[tokio::test]
async fn a_registry_whose_name_is_not_known_yet_does_not_keep_it_from_having_an_address() {
    // No resolver asks anybody for a name with an empty label.
    let address = reached_from("no..name:8500").await;
    assert!(!address.is_unspecified());
    // The way out of this machine, if there is one.
    assert_eq!(address, reached_from("192.0.2.1:8500").await);
}

#[tokio::test]
async fn a_greeter_that_is_not_there_is_told() {
    let gone = closed().await;
    for target in [format!("http://{gone}"), format!("grpc://{gone}")] {
        let error = called(&target).await.unwrap_err();
        let said = Report(&*error).to_string();
        assert!(said.starts_with("cannot ") && said.contains("onnection refused"), "{said}");
    }
}

#[tokio::test]
async fn the_other_port_is_told_with_what_to_write() {
    let running = start(&[]).await;
    let Addresses { http, grpc, debug, .. } = running.addresses;
    for (asked, advice) in [
        (format!("http://{grpc}"), format!("write grpc://{grpc}")),
        (format!("grpc://{http}"), format!("write http://{http}")),
        (format!("grpc://{debug}"), format!("write http://{debug}")),
        (format!("http://{debug}"), format!("write grpc://{debug}")),
    ] {
        let error = called(&asked).await.unwrap_err();
        assert!(error.is::<OtherPort>(), "{asked}: {error}");
        assert!(error.to_string().ends_with(&advice), "{asked}: {error}");
    }
    running.end(Signal::Terminate).await.unwrap();
}

#[tokio::test]
async fn instances_are_asked_in_turn_and_one_that_is_gone_is_passed_over() {
    let running = [start(&[]).await, start(&[]).await];
    let [first, second] = [&running[0], &running[1]].map(|one| one.addresses.http.port());
    let at = |id, port| entry(id, "127.0.0.1", port);
    let entries = vec![at("a", first), at("b", closed().await.port()), at("c", second)];
    let web = kit_transport_http::pool(LIMIT);
    let endpoint = client::found(greeters(Fake(Ok(entries))), web, LIMIT).await.unwrap();
    for _ in 0..6 {
        let hello = Request::new(Hello { name: "Ada".to_owned() });
        let reply = timeout(LIMIT, endpoint.clone().oneshot(hello)).await.unwrap();
        assert_eq!(reply.unwrap().greeting, "Hello, Ada!");
    }
    drop(endpoint);
    for one in running {
        let page = ask(one.addresses.debug, "/metrics").await;
        let count = "http_server_request_duration_seconds_count{";
        assert!(page.contains(count), "it was never asked:\n{page}");
        one.end(Signal::Terminate).await.unwrap();
    }
}

// ===== callers =====

/// A token, and the set of its key.
fn made() -> (String, Vec<u8>) {
    let folder = TempDir::new().unwrap();
    match parse(["token", "--out", folder.path().to_str().unwrap()], |_| None) {
        Ok(Command::Token(flags)) => {
            let made = token::make(&flags).unwrap();
            (made.token, fs::read(folder.path().join(JWKS)).unwrap())
        }
        other => panic!("{other:?}"),
    }
}

/// A server of keys, which gives what it is told to.
async fn key_server(listener: TcpListener, keys: watch::Receiver<Vec<u8>>) {
    let page = move || {
        let keys = keys.borrow().clone();
        async move { ([(http::header::CACHE_CONTROL, "max-age=3600")], keys) }
    };
    let router = axum::Router::new().route("/jwks", axum::routing::get(page));
    kit_serve::serve(listener, router).into_future().await.unwrap();
}

#[tokio::test]
async fn keys_at_a_url_are_waited_for_and_followed() {
    let ((first, first_set), (second, second_set)) = (made(), made());
    let at = closed().await;
    let url = format!("--jwt-jwks=http://{at}/jwks");
    let flags = flags(&[&url, "--jwt-issuer=greeter", "--jwt-audience=greeter"]);
    // Nobody is there yet.
    let gate = auth::open(&flags).await.unwrap();
    let ports = Ports::bind(&flags, &mut Sockets::from_env()).await.unwrap();
    let running = begin(flags, Ports { gate, ..ports }).await;
    let http = running.addresses.http;
    let ask = async |token: &str| {
        let mut stream = TcpStream::connect(http).await.unwrap();
        let request = format!(
            "GET /greeting?name=Ada HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n\
             connection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut reply = String::new();
        timeout(LIMIT, stream.read_to_string(&mut reply)).await.unwrap().unwrap();
        reply["HTTP/1.1 ".len()..][..3].to_owned()
    };
    assert_eq!(ask(&first).await, "503");
    assert!(self::ask(http, "/health").await.starts_with("HTTP/1.1 200 "));

    let (keys, given) = watch::channel(first_set);
    let server = tokio::spawn(key_server(TcpListener::bind(at).await.unwrap(), given));
    let comes = async {
        while ask(&first).await != "200" {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(LIMIT, comes).await.unwrap();
    // Another key, for which it asks at once.
    keys.send_replace(second_set);
    assert_eq!(ask(&second).await, "200");
    assert_eq!(ask(&first).await, "401");
    // Gone again, nothing is lost.
    server.abort();
    assert_eq!(ask(&second).await, "200");
    running.end(Signal::Terminate).await.unwrap();
}

#[tokio::test]
async fn a_call_shows_its_token_over_both() {
    let folder = TempDir::new().unwrap();
    let (token, set) = made();
    let path = |name: &str| folder.path().join(name).into_os_string().into_string().unwrap();
    fs::write(path("jwks"), set).unwrap();
    fs::write(path("token"), format!("{token}\n")).unwrap();
    let flags =
        flags(&["--jwt-jwks", &path("jwks"), "--jwt-issuer=greeter", "--jwt-audience=greeter"]);
    let gate = auth::open(&flags).await.unwrap();
    let ports = Ports::bind(&flags, &mut Sockets::from_env()).await.unwrap();
    let running = begin(flags, Ports { gate, ..ports }).await;
    let Addresses { http, grpc, .. } = running.addresses;
    for target in [format!("http://{http}"), format!("grpc://{grpc}")] {
        for shown in [&token, &format!("@{}", path("token"))] {
            let greeting = called_by(&[&target, "Ada", "--token", shown]).await.unwrap();
            assert_eq!(greeting, "Hello, Ada!", "{target}");
        }
        let said = Report(&*called_by(&[&target, "Ada"]).await.unwrap_err()).to_string();
        assert!(said.contains("credentials are needed"), "{target}: {said}");
        let said =
            Report(&*called_by(&[&target, "Ada", "--token", "x"]).await.unwrap_err()).to_string();
        assert!(said.contains("credentials"), "{target}: {said}");
        for (name, what) in [("nowhere", "No such file"), ("jwks", "not a bearer token")] {
            let file = format!("@{}", path(name));
            let error = called_by(&[&target, "Ada", "--token", &file]).await.unwrap_err();
            let said = Report(&*error).to_string();
            assert!(
                said.contains(name) && said.contains("--token") && said.contains(what),
                "{said}"
            );
        }
    }
    running.end(Signal::Terminate).await.unwrap();
}

// ===== tls =====

fn file(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../kit-transport/http/tests/tls")).join(name)
}

/// A client that trusts the tests' authority, and shows a certificate of it if
/// it is told to.
fn client(shows: bool, alpn: &[u8]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file("authority.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = if shows {
        let chain = CertificateDer::from_pem_file(file("client.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(file("client.key")).unwrap();
        builder.with_client_auth_cert(vec![chain], key).unwrap()
    } else {
        builder.with_no_client_auth()
    };
    config.alpn_protocols = vec![alpn.to_vec()];
    TlsConnector::from(Arc::new(config))
}

async fn connect(client: &TlsConnector, to: SocketAddr) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from("localhost").unwrap();
    client.connect(name, TcpStream::connect(to).await?).await
}

#[tokio::test]
async fn both_protocols_speak_tls_with_those_who_have_a_certificate() {
    let [cert, key, authority] = ["server.pem", "server.key", "authority.pem"]
        .map(|name| file(name).into_os_string().into_string().unwrap());
    let args = ["--tls-cert", &cert, "--tls-key", &key, "--tls-client-ca", &authority];
    let flags = flags(&args);
    let ports = Ports::bind(&flags, &mut Sockets::from_env()).await.unwrap();
    let certificates = tls::load(flags.tls.as_ref().unwrap()).unwrap();
    let running = begin(flags, ports.tls(certificates)).await;
    let Addresses { http, grpc, debug, .. } = running.addresses;
    let said = running.addresses.to_string();
    assert!(said.contains("https://") && said.contains("grpcs://"), "{said}");

    let request = b"GET /greeting?name=Ada HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let mut stream = connect(&client(true, b"http/1.1"), http).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut reply = String::new();
    timeout(LIMIT, stream.read_to_string(&mut reply)).await.unwrap().unwrap();
    assert!(reply.ends_with(r#"{"greeting":"Hello, Ada!"}"#), "{reply}");

    let connector = service_fn(move |_: http::Uri| async move {
        connect(&client(true, b"h2"), grpc).await.map(hyper_util::rt::TokioIo::new)
    });
    let channel = Endpoint::from_static("http://localhost").connect_with_connector_lazy(connector);
    let asked = GreetingRequest { name: "Ada".to_owned() };
    let greeting = timeout(LIMIT, GreeterClient::new(channel).greeting(asked)).await.unwrap();
    assert_eq!(greeting.unwrap().into_inner().greeting, "Hello, Ada!");

    // TLS 1.3 tells a client only after its handshake that it is refused.
    let refused = async {
        let mut stream = connect(&client(false, b"http/1.1"), http).await?;
        stream.write_all(request).await?;
        stream.read_to_string(&mut String::new()).await
    };
    timeout(LIMIT, refused).await.unwrap().unwrap_err();
    assert!(ask(debug, "/health/startup").await.starts_with("HTTP/1.1 200 "));

    // When they expire: once, though both ports show them.
    let metrics = ask(debug, "/metrics").await;
    let expiry = format!("\ntls_certificate_expiry_timestamp_seconds{{file=\"{cert}\"}} ");
    let (_, seconds) = metrics.split_once(&expiry).expect(&metrics);
    let seconds: f64 = seconds.split_once('\n').unwrap().0.parse().unwrap();
    assert!(seconds > 4e9 && metrics.matches(&expiry).count() == 1, "{seconds}");
    // That page is for those who ask this machine by its own name.
    let mut stream = TcpStream::connect(debug).await.unwrap();
    let page =
        b"GET /debug/state/certificates HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(page).await.unwrap();
    let mut state = String::new();
    timeout(LIMIT, stream.read_to_string(&mut state)).await.unwrap().unwrap();
    assert!(state.contains(r#""tls_certificate_expiry_timestamp_seconds""#), "{state}");
    running.end(Signal::Terminate).await.unwrap();
}
