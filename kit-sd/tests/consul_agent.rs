//! Consul's agent over HTTP: what goes over the wire, to a scripted server on
//! loopback.
#![cfg(feature = "consul")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use kit_sd::{
    Health, Instance, Keeper, Registrar as _, Watch,
    consul::{
        Agent, Check, Client, Consistency, Error, GrpcCheck, HttpCheck, Instancer, Registrar,
        TcpCheck, TtlCheck,
    },
};
use std::{error::Error as _, net::SocketAddr, time::Duration};
#[cfg(unix)]
use tokio::net::UnixListener;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    time::timeout,
};

/// More than any of these tests takes; what should come and does not ends
/// here.
const SOON: Duration = Duration::from_secs(5);

struct Server(Listener);

enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener),
}

/// A connection of any kind.
trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// A request as it came.
struct Heard {
    line: String,
    headers: String,
    body: String,
    stream: Box<dyn Connection>,
}

impl Server {
    async fn new() -> Self {
        Self(Listener::Tcp(TcpListener::bind("127.0.0.1:0").await.unwrap()))
    }

    fn address(&self) -> SocketAddr {
        match &self.0 {
            Listener::Tcp(listener) => listener.local_addr().unwrap(),
            #[cfg(unix)]
            Listener::Unix(_) => unreachable!("it has a path"),
        }
    }

    fn agent(&self) -> Agent {
        Agent::new(&self.address().to_string()).unwrap()
    }

    async fn accept(&self) -> Box<dyn Connection> {
        match &self.0 {
            Listener::Tcp(listener) => Box::new(listener.accept().await.unwrap().0),
            #[cfg(unix)]
            Listener::Unix(listener) => Box::new(listener.accept().await.unwrap().0),
        }
    }

    async fn hear(&self) -> Heard {
        let stream = timeout(SOON, self.accept()).await.unwrap();
        self.hear_from(stream).await
    }

    async fn hear_from(&self, mut stream: Box<dyn Connection>) -> Heard {
        timeout(SOON, async {
            let mut bytes = Vec::new();
            loop {
                let text = String::from_utf8(bytes.clone()).unwrap();
                if let Some((head, body)) = text.split_once("\r\n\r\n") {
                    let (line, headers) = head.split_once("\r\n").unwrap();
                    let headers = headers.to_ascii_lowercase();
                    let length = headers
                        .lines()
                        .find_map(|line| line.strip_prefix("content-length: "))
                        .map_or(0, |length| length.parse().unwrap());
                    if body.len() == length {
                        let (line, body) = (line.to_owned(), body.to_owned());
                        return Heard { line, headers, body, stream };
                    }
                }
                assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "{text}");
            }
        })
        .await
        .unwrap()
    }

    /// Answers the next request, and returns it.
    async fn answer(&self, status: &str, headers: &str, body: &str) -> Heard {
        let heard = self.hear().await;
        Self::reply(heard, status, headers, body).await
    }

    async fn reply(mut heard: Heard, status: &str, headers: &str, body: &str) -> Heard {
        let length = body.len();
        let answer =
            format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}\r\n{body}");
        heard.stream.write_all(answer.as_bytes()).await.unwrap();
        heard
    }
}

fn instance() -> Instance {
    Instance::new("hello", "[2001:db8::1]:9110".parse().unwrap())
        .id("hello/1 ä")
        .tag("v1")
        .metadata("team", "a")
        .version("1.2.0")
        .zone("eu-1a")
        .weight(3)
}

#[tokio::test]
async fn registering_sends_the_instance_and_its_http_check_which_passes() {
    let server = Server::new().await;
    let check = HttpCheck::new("http://[2001:db8::1]:9110/health");
    let registrar = Registrar::new(server.agent(), instance()).check(check);
    let (result, heard) =
        tokio::join!(registrar.register(Health::Passing), server.answer("200 OK", "", ""));
    result.unwrap();
    assert_eq!(heard.line, "PUT /v1/agent/service/register?replace-existing-checks=true HTTP/1.1");
    let body: serde_json::Value = serde_json::from_str(&heard.body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({
            "ID": "hello/1 ä",
            "Name": "hello",
            "Address": "2001:db8::1",
            "Port": 9110,
            "Tags": ["v1"],
            "Meta": { "team": "a", "version": "1.2.0", "zone": "eu-1a" },
            "Weights": { "Passing": 3, "Warning": 3 },
            "Check": {
                "CheckID": "service:hello/1 ä",
                "Status": "passing",
                "HTTP": "http://[2001:db8::1]:9110/health",
                "Interval": "10000ms",
                "Timeout": "1000ms",
                "DeregisterCriticalServiceAfter": "60000ms",
            },
        })
    );
}

#[tokio::test]
async fn checks_over_tcp_and_grpc_are_sent() {
    let server = Server::new().await;
    let checks: [(Check, serde_json::Value); 2] = [
        (
            TcpCheck::new("10.0.0.1:80").interval(Duration::from_secs(3)).into(),
            serde_json::json!({
                "CheckID": "service:hello/1 ä",
                "Status": "passing",
                "TCP": "10.0.0.1:80",
                "Interval": "3000ms",
                "Timeout": "1000ms",
                "DeregisterCriticalServiceAfter": "60000ms",
            }),
        ),
        (
            GrpcCheck::new("10.0.0.1:80/hello").tls(true).timeout(Duration::from_secs(2)).into(),
            serde_json::json!({
                "CheckID": "service:hello/1 ä",
                "Status": "passing",
                "GRPC": "10.0.0.1:80/hello",
                "GRPCUseTLS": true,
                "Interval": "10000ms",
                "Timeout": "2000ms",
                "DeregisterCriticalServiceAfter": "60000ms",
            }),
        ),
    ];
    for (check, expected) in checks {
        let registrar = Registrar::new(server.agent(), instance()).check(check);
        assert!(!registrar.can_say(Health::Critical), "the agent finds out by itself");
        let registered = registrar.register(Health::Passing);
        let (result, heard) = tokio::join!(registered, server.answer("200 OK", "", ""));
        result.unwrap();
        let body: serde_json::Value = serde_json::from_str(&heard.body).unwrap();
        assert_eq!(body["Check"], expected);
    }
}

#[tokio::test]
async fn how_an_instance_is_goes_with_it() {
    let server = Server::new().await;
    let check = TtlCheck::new(Duration::from_secs(9));
    let registrar = Registrar::new(server.agent(), instance()).check(check);
    assert!(registrar.can_say(Health::Critical));
    for (health, status, path, draining) in [
        (Health::Passing, "passing", "pass", None),
        (Health::Warning, "warning", "warn", None),
        (Health::Critical, "critical", "fail", None),
        (Health::Draining, "passing", "pass", Some("true")),
    ] {
        let answers = async {
            let heard = server.answer("200 OK", "", "").await;
            // Of a check that it has already, the agent keeps how it is.
            (heard, server.answer("200 OK", "", "").await)
        };
        let (result, (heard, told)) = tokio::join!(registrar.register(health), answers);
        result.unwrap();
        let body: serde_json::Value = serde_json::from_str(&heard.body).unwrap();
        assert_eq!(body["Check"]["Status"], status);
        assert_eq!(body["Meta"]["draining"].as_str(), draining);
        let (result, heard) =
            tokio::join!(registrar.renew(health), server.answer("200 OK", "", ""));
        assert!(result.unwrap());
        assert_eq!(told.line, heard.line);
        let line = format!("PUT /v1/agent/check/{path}/service%3Ahello%2F1%20%C3%A4 HTTP/1.1");
        assert_eq!(heard.line, line);
    }
}

#[tokio::test]
async fn a_registrar_hears_of_its_loss_by_a_query_that_waits_and_outlives_outages() {
    let server = Server::new().await;
    let registrar = Registrar::new(server.agent(), instance());
    let path = "GET /v1/agent/service/hello%2F1%20%C3%A4";
    let script = async {
        let heard = server.answer("200 OK", "X-Consul-ContentHash: 7f\r\n", "{}").await;
        assert_eq!(heard.line, format!("{path} HTTP/1.1"));
        // It breaks, and begins anew.
        let heard = server.hear().await;
        assert_eq!(heard.line, format!("{path}?hash=7f&wait=60000ms HTTP/1.1"));
        drop(heard);
        let heard = server.answer("200 OK", "X-Consul-ContentHash: 80\r\n", "{}").await;
        assert_eq!(heard.line, format!("{path} HTTP/1.1"));
        server.answer("404 Not Found", "", "unknown service ID").await;
    };
    timeout(SOON, async { tokio::join!(registrar.lost(), script) }).await.unwrap();
}

#[tokio::test]
async fn where_and_how_it_is_asked_is_said_with_the_query() {
    let server = Server::new().await;
    let agent = server
        .agent()
        .datacenter("dc 2")
        .namespace("team-a")
        .partition("eu")
        .basic("Aladdin", "open sesame")
        .unwrap();
    for (consistency, says) in [
        (Consistency::Default, ""),
        (Consistency::Stale, "stale&"),
        (Consistency::Consistent, "consistent&"),
    ] {
        let watch = Watch::spawn(Instancer::new(agent.clone().consistency(consistency), "hello"));
        let heard = server.hear().await;
        let line =
            format!("GET /v1/health/service/hello?{says}dc=dc%202&ns=team-a&partition=eu HTTP/1.1");
        assert_eq!(heard.line, line);
        let authorization = "authorization: basic qwxhzgrpbjpvcgvuihnlc2ftzq==";
        assert!(heard.headers.contains(authorization), "{}", heard.headers);
        drop(watch);
    }
    assert!(!format!("{agent:?}").contains("sesame"));
    assert!(agent.basic("a:b", "c").is_err());
}

#[tokio::test]
async fn a_cluster_without_a_leader_is_no_answer() {
    let server = Server::new().await;
    let agent = server.agent();
    let (led, _) = tokio::join!(agent.ping(), server.answer("200 OK", "", "\"10.0.0.1:8300\""));
    led.unwrap();
    let (lost, _) = tokio::join!(agent.ping(), server.answer("200 OK", "", "\"\"\n"));
    assert!(matches!(lost.unwrap_err(), Error::NoLeader));
}

#[cfg(unix)]
#[tokio::test]
async fn an_agent_may_listen_on_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("consul.sock");
    let server = Server(Listener::Unix(UnixListener::bind(&path).unwrap()));
    let agent = Agent::new(&format!("unix://{}", path.display())).unwrap();
    let (result, heard) = tokio::join!(agent.service("x", ""), server.answer("200 OK", "", "{}"));
    assert!(result.unwrap().is_some());
    assert!(heard.headers.contains("host: localhost"), "{}", heard.headers);
    drop(server);
    std::fs::remove_file(path).unwrap();
    assert!(matches!(agent.service("x", "").await.unwrap_err(), Error::Connect { .. }));
}

#[cfg(feature = "consul-tls")]
mod tls {
    use super::*;
    use kit_sd::consul::tls_config;
    use std::{fs, sync::Arc};
    use tokio_rustls::{
        TlsAcceptor,
        rustls::{
            RootCertStore, ServerConfig,
            crypto::aws_lc_rs,
            pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
            server::WebPkiClientVerifier,
        },
    };

    fn file(name: &str) -> Vec<u8> {
        let tests = concat!(env!("CARGO_MANIFEST_DIR"), "/../kit-transport/http/tests/tls/");
        fs::read(format!("{tests}{name}")).unwrap()
    }

    /// A server that asks for a certificate of its authority's.
    fn acceptor() -> TlsAcceptor {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&file("authority.pem")).unwrap()).unwrap();
        let clients =
            WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider));
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients.build().unwrap())
            .with_single_cert(
                vec![CertificateDer::from_pem_slice(&file("server.pem")).unwrap()],
                PrivateKeyDer::from_pem_slice(&file("server.key")).unwrap(),
            );
        TlsAcceptor::from(Arc::new(config.unwrap()))
    }

    /// Asks over TLS, as `client`, of an agent that is known by `name`.
    async fn ask(client: Option<&str>, name: &str) -> Result<bool, Error> {
        let server = Server::new().await;
        let identity =
            client.map(|client| (file(&format!("{client}.pem")), file(&format!("{client}.key"))));
        let identity = identity.as_ref().map(|(chain, key)| (&chain[..], &key[..]));
        let config = tls_config(Some(&file("authority.pem")), identity).unwrap();
        let agent = Agent::new(&format!("https://{}", server.address())).unwrap();
        let agent = agent.tls(config, Some(name)).unwrap();
        let answer = async {
            let stream = server.accept().await;
            let Ok(stream) = acceptor().accept(stream).await else { return };
            let heard = server.hear_from(Box::new(stream)).await;
            Server::reply(heard, "200 OK", "", "{}").await;
        };
        let (result, ()) = tokio::join!(agent.service("x", ""), answer);
        result.map(|hash| hash.is_some())
    }

    #[tokio::test]
    async fn both_sides_show_who_they_are() {
        assert!(ask(Some("client"), "localhost").await.unwrap());
    }

    #[tokio::test]
    async fn an_agent_by_another_name_is_not_asked() {
        assert!(matches!(ask(Some("client"), "elsewhere").await, Err(Error::Connect { .. })));
    }

    #[tokio::test]
    async fn an_agent_that_wants_to_know_us_refuses_strangers() {
        // TLS 1.3 says so after the handshake, so it is any failure.
        let hears_nothing = timeout(SOON, async {
            let server = Server::new().await;
            let config = tls_config(Some(&file("authority.pem")), None).unwrap();
            let agent = Agent::new(&format!("https://{}", server.address())).unwrap();
            let agent = agent.tls(config, Some("localhost")).unwrap();
            let refuse = async { acceptor().accept(server.accept().await).await.is_err() };
            tokio::join!(agent.service("x", ""), refuse)
        });
        let (result, refused) = hears_nothing.await.unwrap();
        assert!(refused);
        result.unwrap_err();
    }

    #[tokio::test]
    async fn https_without_a_configuration_says_what_is_missing() {
        let agent = Agent::new("https://127.0.0.1:1").unwrap();
        assert!(matches!(agent.service("x", "").await.unwrap_err(), Error::NoTls));
    }

    #[test]
    fn files_without_what_they_are_for_are_named() {
        let error = tls_config(Some(b"nothing"), None).unwrap_err();
        assert_eq!(error.to_string(), "there is no certificate in the PEM");
        let (client, server) = (file("client.pem"), file("server.key"));
        tls_config(None, Some((&client, &server))).unwrap_err();
    }
}

#[tokio::test]
async fn a_ttl_check_is_sent_and_kept_alive() {
    let server = Server::new().await;
    let registrar = Registrar::new(server.agent(), instance())
        .check(TtlCheck::new(Duration::from_secs(9)).deregister_after(Duration::from_secs(90)));
    assert_eq!(registrar.period(), Duration::from_secs(3));
    let answers = async {
        let heard = server.answer("200 OK", "", "").await;
        server.answer("200 OK", "", "").await;
        heard
    };
    let (result, heard) = tokio::join!(registrar.register(Health::Passing), answers);
    result.unwrap();
    let body: serde_json::Value = serde_json::from_str(&heard.body).unwrap();
    assert_eq!(
        body["Check"],
        serde_json::json!({
            "CheckID": "service:hello/1 ä",
            "Status": "passing",
            "TTL": "9000ms",
            "DeregisterCriticalServiceAfter": "90000ms",
        })
    );
    let lost = r#"CheckID "x" does not have associated TTL"#;
    for (status, body, knows) in [
        ("200 OK", "", true),
        ("404 Not Found", "Unknown check ID", false),
        ("500 Internal Server Error", lost, false),
    ] {
        let (result, heard) =
            tokio::join!(registrar.renew(Health::Passing), server.answer(status, "", body));
        assert_eq!(result.unwrap(), knows);
        assert_eq!(heard.line, "PUT /v1/agent/check/pass/service%3Ahello%2F1%20%C3%A4 HTTP/1.1");
    }
    let (result, _) =
        tokio::join!(registrar.renew(Health::Passing), server.answer("403 Forbidden", "", "ACL"));
    assert!(matches!(result.unwrap_err(), Error::Refused { status: 403, .. }));
}

#[tokio::test]
async fn without_a_ttl_check_the_agent_is_asked_whether_it_knows_the_instance() {
    let server = Server::new().await;
    let registrar = Registrar::new(server.agent(), instance());
    assert_eq!(registrar.period(), Duration::from_secs(10));
    for (status, knows) in [("200 OK", true), ("404 Not Found", false)] {
        let (result, heard) =
            tokio::join!(registrar.renew(Health::Passing), server.answer(status, "", "{}"));
        assert_eq!(result.unwrap(), knows);
        assert_eq!(heard.line, "GET /v1/agent/service/hello%2F1%20%C3%A4 HTTP/1.1");
    }
}

#[tokio::test]
async fn deregistering_what_is_unknown_is_no_error() {
    let server = Server::new().await;
    let registrar = Registrar::new(server.agent(), instance());
    for status in ["200 OK", "404 Not Found"] {
        let (result, heard) = tokio::join!(registrar.deregister(), server.answer(status, "", ""));
        result.unwrap();
        assert_eq!(heard.line, "PUT /v1/agent/service/deregister/hello%2F1%20%C3%A4 HTTP/1.1");
    }
    let failed = server.answer("500 Internal Server Error", "", "no leader\n");
    let (result, _) = tokio::join!(registrar.deregister(), failed);
    assert_eq!(result.unwrap_err().to_string(), "the agent answered 500: no leader");
}

#[tokio::test]
async fn a_watch_asks_waits_and_reads_what_consul_answers() {
    let server = Server::new().await;
    let instancer = Instancer::new(server.agent(), "hel lo").passing(true).tag("a&b").tag("v=1");
    let watch = Watch::spawn(instancer);
    let entries = r#"[{
        "Node": { "Node": "n", "Address": "10.9.9.9" },
        "Service": { "ID": "one", "Service": "hel lo", "Address": "", "Port": 80,
                     "Tags": null, "Meta": null, "Weights": { "Passing": 7 } },
        "Checks": [{ "Status": "passing" }, { "Status": "unheard of" }]
    }, {
        "Node": { "Node": "n", "Address": "10.9.9.9" },
        "Service": { "ID": "two", "Service": "hel lo", "Address": "10.0.0.2", "Port": 81,
                     "Tags": ["v1"], "Meta": { "team": "a", "zone": "z", "version": "1.2" },
                     "Weights": { "Passing": 7, "Warning": 2 } },
        "Checks": [{ "Status": "passing" }, { "Status": "warning" }]
    }, {
        "Node": { "Node": "n", "Address": "10.9.9.9" },
        "Service": { "ID": "zoe", "Service": "hel lo", "Address": "10.0.0.3", "Port": 81,
                     "Meta": { "draining": "true" } }
    }]"#;
    let heard = server.answer("200 OK", "X-Consul-Index: 42\r\n", entries).await;
    let line = "GET /v1/health/service/hel%20lo?passing=true&tag=a%26b&tag=v%3D1 HTTP/1.1";
    assert_eq!(heard.line, line);
    let seen = timeout(SOON, watch.instances().changed()).await.unwrap().unwrap();
    let [one, two, zoe] = &*seen.instances else { panic!("{seen:?}") };
    assert_eq!((&*one.id, one.address.to_string().as_str()), ("one", "10.9.9.9:80"));
    assert_eq!((&*two.id, two.address.to_string().as_str()), ("two", "10.0.0.2:81"));
    assert_eq!((&*two.tags, two.metadata["team"].as_str()), (&["v1".to_owned()][..], "a"));
    assert_eq!((two.zone.as_deref(), two.version.as_deref()), (Some("z"), Some("1.2")));
    assert_eq!(two.metadata.len(), 1);
    assert_eq!((one.weight, one.health), (7, Health::Passing));
    assert_eq!((two.weight, two.health), (2, Health::Warning));
    assert_eq!((zoe.weight, zoe.health), (1, Health::Draining));

    let mut heard = server.hear().await;
    assert_eq!(
        heard.line,
        "GET /v1/health/service/hel%20lo?index=42&wait=55000ms&passing=true&tag=a%26b&tag=v%3D1 \
         HTTP/1.1"
    );
    // The query that waits is closed with the watch, at once.
    drop(watch);
    let end = timeout(Duration::from_millis(100), heard.stream.read(&mut [0])).await.unwrap();
    assert_eq!(end.unwrap(), 0);
}

#[tokio::test]
async fn a_connection_that_breaks_is_a_failure_and_not_the_end() {
    let server = Server::new().await;
    let watch = Watch::spawn(Instancer::new(server.agent(), "hello"));
    let mut hello = watch.instances();
    drop(server.hear().await);
    let failed = timeout(SOON, hello.wait_for(|seen| seen.failures == 1)).await.unwrap().unwrap();
    let error = failed.state.error().unwrap();
    assert!(error.starts_with("the connection to the agent broke: "), "{error}");
    // Whether anybody is there is asked first.
    let ping = server.answer("200 OK", "", "\"127.0.0.1:8300\"").await;
    assert_eq!(ping.line, "GET /v1/status/leader HTTP/1.1");
    server.answer("200 OK", "X-Consul-Index: 1\r\n", "[]").await;
    timeout(SOON, hello.changed()).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_token_goes_with_every_call_and_nowhere_else() {
    let server = Server::new().await;
    let agent = server.agent().token("s3cret").unwrap();
    assert!(!format!("{agent:?}").contains("s3cret"));
    let (_, heard) = tokio::join!(agent.service("x", ""), server.answer("200 OK", "", "{}"));
    assert!(heard.headers.contains("x-consul-token: s3cret"), "{}", heard.headers);
    assert!(matches!(agent.token("new\nline").unwrap_err(), Error::Token));
}

#[tokio::test]
async fn an_answer_that_is_too_large_or_not_consuls_is_an_error() {
    let server = Server::new().await;
    let query = || async {
        let watch = Watch::spawn(Instancer::new(server.agent().size(16), "hello"));
        let failed = watch.instances().wait_for(|seen| seen.failures == 1).await.unwrap();
        failed.state.error().unwrap().to_owned()
    };
    let large = " ".repeat(17);
    let (error, _) = tokio::join!(query(), server.answer("200 OK", "", &large));
    assert_eq!(error, "the answer is larger than 16 bytes: ask for fewer instances by tag");
    let (error, _) = tokio::join!(query(), server.answer("200 OK", "", "<html>"));
    assert!(error.starts_with("the answer is not Consul's"), "{error}");
    // Without an index there is nothing to wait on.
    let (error, _) = tokio::join!(query(), server.answer("200 OK", "", "[]"));
    assert_eq!(error, "the answer has no index");
}

#[tokio::test]
async fn an_agent_that_is_silent_is_given_up_in_time() {
    let server = Server::new().await;
    let agent = server.agent().limit(Duration::from_millis(20));
    let (result, _heard) = tokio::join!(agent.service("x", ""), server.hear());
    assert!(matches!(result.unwrap_err(), Error::TimedOut(_)));
}

#[tokio::test]
async fn an_agent_that_is_absent_is_named() {
    let server = Server::new().await;
    let (agent, address) = (server.agent(), server.address());
    drop(server);
    let error = agent.service("x", "").await.unwrap_err();
    assert_eq!(error.to_string(), format!("the agent at {address} is not reached"));
    assert!(error.source().is_some());
    let registration = Keeper::new(Registrar::new(agent, instance())).spawn();
    let mut status = registration.status();
    let failed = timeout(SOON, status.wait_for(|status| status.failures > 1)).await.unwrap();
    assert!(failed.unwrap().error.unwrap().contains("refused"));
}

#[test]
fn addresses_of_agents_are_checked() {
    let shown = |address: &str| format!("{:?}", Agent::new(address).unwrap());
    assert!(shown("127.0.0.1:8501").contains("place: 127.0.0.1:8501,"));
    assert!(shown("http://consul.local:8501/").contains("place: consul.local:8501,"));
    assert!(shown("http://consul").contains("place: consul:8500,"));
    assert!(shown("[::1]:8501").contains("place: [::1]:8501,"));
    assert!(shown("unix:///run/consul.sock").contains("place: unix:///run/consul.sock,"));
    assert_eq!(Agent::new("https://consul").is_ok(), cfg!(feature = "consul-tls"));
    let wrong = [
        "",
        "unix://run/consul.sock",
        "http://127.0.0.1:8500/v1",
        "http://user:secret@127.0.0.1:8500",
        "127.0.0.1:0",
        "127.0.0.1:x",
        "127.0.0.1:",
        "127.0.0.1:70000",
        ":8500",
        "a b:8500",
    ];
    for wrong in wrong {
        let error = Agent::new(wrong).unwrap_err();
        assert!(matches!(error, Error::Address { .. }), "{wrong}: {error}");
    }
    assert!(!Agent::new("u:secret@h").unwrap_err().to_string().contains("secret"));
}
