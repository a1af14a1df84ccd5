//! What goes over the wire, to a scripted server on loopback.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use consulrs::client::{ConsulClient, ConsulClientSettings};
use kit_sd::{
    Health, Instance, Keeper, Registrar as _, Watch,
    consul::{Client, Error, HttpCheck, Instancer, Registrar, TtlCheck},
};
use kit_sd_consulrs::{Adapter, InvalidName};
use std::{error::Error as _, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// More than any of these tests takes; what should come and does not ends
/// here.
const SOON: Duration = Duration::from_secs(5);

struct Server(TcpListener);

/// A request as it came.
struct Heard {
    line: String,
    headers: String,
    body: String,
    stream: TcpStream,
}

impl Server {
    async fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    fn address(&self) -> String {
        format!("http://{}", self.0.local_addr().unwrap())
    }

    fn adapter(&self) -> Adapter {
        Adapter::new(client(&self.address(), Some("s3cret"))).unwrap()
    }

    async fn hear(&self) -> Heard {
        timeout(SOON, async {
            let (mut stream, _) = self.0.accept().await.unwrap();
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
        self.answer_bytes(status, headers.as_bytes(), body).await
    }

    async fn answer_bytes(&self, status: &str, headers: &[u8], body: &str) -> Heard {
        let mut heard = self.hear().await;
        // One connection for each call, so that each is accepted.
        let length = body.len();
        let begin =
            format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n");
        let answer = [begin.as_bytes(), headers, b"\r\n", body.as_bytes()].concat();
        heard.stream.write_all(&answer).await.unwrap();
        heard
    }
}

/// A client that no environment has a say in.
fn client(address: &str, token: Option<&str>) -> ConsulClient {
    let http =
        reqwest::Client::builder().no_proxy().tls_built_in_root_certs(false).build().unwrap();
    ConsulClient {
        http: rustify::Client::new(address, http),
        settings: ConsulClientSettings {
            address: address.to_owned(),
            ca_certs: Vec::new(),
            client_cert: None,
            client_key: None,
            token: token.map(str::to_owned),
            verify: true,
            version: 1,
        },
    }
}

fn instance() -> Instance {
    Instance::new("hello", "10.0.0.1:9110".parse().unwrap())
        .id("hello/1 ä%20")
        .tag("v1")
        .metadata("team", "a")
        .zone("eu-1a")
        .weight(3)
}

const ID: &str = "hello%2F1%20%C3%A4%2520";

#[tokio::test]
async fn registering_sends_the_instance_its_check_and_the_token() {
    let server = Server::new().await;
    let check = HttpCheck::new("http://10.0.0.1:9110/health");
    let registrar = Registrar::new(server.adapter(), instance()).check(check);
    let (result, heard) =
        tokio::join!(registrar.register(Health::Passing), server.answer("200 OK", "", ""));
    result.unwrap();
    assert_eq!(heard.line, "PUT /v1/agent/service/register?replace-existing-checks=true HTTP/1.1");
    assert!(heard.headers.contains("x-consul-token: s3cret"), "{}", heard.headers);
    let body: serde_json::Value = serde_json::from_str(&heard.body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({
            "ID": "hello/1 ä%20",
            "Name": "hello",
            "Address": "10.0.0.1",
            "Port": 9110,
            "Tags": ["v1"],
            "Meta": { "team": "a", "zone": "eu-1a" },
            "Weights": { "Passing": 3, "Warning": 3 },
            "Check": {
                "CheckID": "service:hello/1 ä%20",
                "Status": "passing",
                "HTTP": "http://10.0.0.1:9110/health",
                "Interval": "10000ms",
                "Timeout": "1000ms",
                "DeregisterCriticalServiceAfter": "60000ms",
            },
        })
    );
}

#[tokio::test]
async fn deregistering_encodes_the_id_once_and_what_is_unknown_is_no_error() {
    let server = Server::new().await;
    let registrar = Registrar::new(server.adapter(), instance());
    for status in ["200 OK", "404 Not Found"] {
        let (result, heard) = tokio::join!(registrar.deregister(), server.answer(status, "", ""));
        result.unwrap();
        assert_eq!(heard.line, format!("PUT /v1/agent/service/deregister/{ID} HTTP/1.1"));
    }
}

#[tokio::test]
async fn a_heartbeat_says_how_the_instance_is_and_hears_that_it_was_lost() {
    let server = Server::new().await;
    let adapter = server.adapter();
    for (health, says) in [
        (Health::Passing, "pass"),
        (Health::Draining, "pass"),
        (Health::Warning, "warn"),
        (Health::Critical, "fail"),
    ] {
        let (result, heard) =
            tokio::join!(adapter.report("service:x", health), server.answer("200 OK", "", ""));
        assert!(result.unwrap());
        assert_eq!(heard.line, format!("PUT /v1/agent/check/{says}/service%3Ax HTTP/1.1"));
    }
    let registrar =
        Registrar::new(adapter, instance()).check(TtlCheck::new(Duration::from_secs(9)));
    for status in ["404 Not Found", "500 Internal Server Error"] {
        let (result, _) =
            tokio::join!(registrar.renew(Health::Passing), server.answer(status, "", "no check"));
        assert!(!result.unwrap());
    }
    let (result, _) =
        tokio::join!(registrar.renew(Health::Passing), server.answer("403 Forbidden", "", "ACL"));
    assert!(matches!(result.unwrap_err(), Error::Refused { status: 403, .. }));
}

#[tokio::test]
async fn a_service_is_asked_for_by_its_hash_and_may_be_gone() {
    let server = Server::new().await;
    let adapter = server.adapter();
    let hash = "X-Consul-ContentHash: a/b\r\n";
    let (result, heard) =
        tokio::join!(adapter.service("x", ""), server.answer("200 OK", hash, "{}"));
    assert_eq!(result.unwrap().as_deref(), Some("a/b"));
    assert_eq!(heard.line, "GET /v1/agent/service/x HTTP/1.1");
    let (result, heard) =
        tokio::join!(adapter.service("x", "a/b"), server.answer("404 Not Found", "", ""));
    assert_eq!(result.unwrap(), None);
    assert_eq!(heard.line, "GET /v1/agent/service/x?hash=a%2Fb&wait=60000ms HTTP/1.1");
}

#[tokio::test]
async fn a_watch_asks_and_waits_with_the_index_and_ends_its_query_when_it_is_dropped() {
    let server = Server::new().await;
    let instancer = Instancer::new(server.adapter(), "hel lo").passing(true).tag("a&b").tag("v=1");
    let watch = Watch::spawn(instancer);
    let entries = r#"[{
        "Node": { "Address": "10.9.9.9" },
        "Service": { "ID": "one", "Address": "", "Port": 80, "Tags": null, "Meta": null,
                     "Weights": { "Passing": 7 } },
        "Checks": [{ "Status": "passing" }]
    }, {
        "Node": { "Address": "10.9.9.9" },
        "Service": { "ID": "two", "Address": "10.0.0.2", "Port": 81, "Meta": { "zone": "z" } },
        "Checks": [{ "Status": "passing" }, { "Status": "warning" }]
    }]"#;
    let heard = server.answer("200 OK", "X-Consul-Index: 42\r\n", entries).await;
    let line = "GET /v1/health/service/hel%20lo?passing=true&tag=a%26b&tag=v%3D1 HTTP/1.1";
    assert_eq!(heard.line, line);
    let seen = timeout(SOON, watch.instances().changed()).await.unwrap().unwrap();
    let [one, two] = &*seen.instances else { panic!("{seen:?}") };
    assert_eq!((one.address.to_string().as_str(), one.weight), ("10.9.9.9:80", 7));
    assert_eq!((two.zone.as_deref(), two.health), (Some("z"), Health::Warning));

    let mut heard = server.hear().await;
    assert_eq!(
        heard.line,
        "GET /v1/health/service/hel%20lo?index=42&wait=55000ms&passing=true&tag=a%26b&tag=v%3D1 \
         HTTP/1.1"
    );
    drop(watch);
    let end = timeout(SOON, heard.stream.read(&mut [0])).await.unwrap();
    assert_eq!(end.unwrap(), 0);
}

#[tokio::test]
async fn a_ping_knows_a_leader_from_none() {
    let server = Server::new().await;
    let adapter = server.adapter();
    let leader = server.answer("200 OK", "", "\"127.0.0.1:8300\"");
    let (result, heard) = tokio::join!(adapter.ping(), leader);
    result.unwrap();
    assert_eq!(heard.line, "GET /v1/status/leader HTTP/1.1");
    let (result, _) = tokio::join!(adapter.ping(), server.answer("200 OK", "", "\"\"\n"));
    assert!(matches!(result.unwrap_err(), Error::NoLeader));
}

#[tokio::test]
async fn a_refusal_has_its_status_and_the_beginning_of_what_was_said() {
    let server = Server::new().await;
    let adapter = server.adapter();
    let long = format!("no leader {}\n", "ä".repeat(500));
    let (result, _) =
        tokio::join!(adapter.ping(), server.answer("500 Internal Server Error", "", &long));
    let Error::Refused { status, message } = result.unwrap_err() else { panic!("not refused") };
    assert_eq!((status, message.chars().count()), (500, 256));
    assert!(message.starts_with("no leader "));
}

#[tokio::test]
async fn an_agent_that_is_absent_one_that_breaks_off_and_one_that_lies_are_told_apart() {
    let server = Server::new().await;
    let adapter = server.adapter();
    let (result, ()) = tokio::join!(adapter.ping(), async { drop(server.hear().await) });
    assert!(matches!(result.unwrap_err(), Error::Connection(_)));

    let watch = Watch::spawn(Instancer::new(adapter.clone(), "hello"));
    server.answer("200 OK", "X-Consul-Index: 1\r\n", "<html>").await;
    let mut hello = watch.instances();
    let failed = timeout(SOON, hello.wait_for(|seen| seen.failures == 1)).await.unwrap().unwrap();
    let error = failed.state.error().unwrap();
    assert!(error.starts_with("the answer is not Consul's"), "{error}");
    drop((watch, server));

    let error = timeout(SOON, adapter.ping()).await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Connect { .. }), "{error:?}");
    assert!(error.source().is_some());
}

#[tokio::test]
async fn headers_that_are_no_text_are_none_and_nothing_panics() {
    let server = Server::new().await;
    let adapter = server.adapter();
    let hash = b"X-Consul-ContentHash: \xff\r\nX-Consul-Index: \xff\r\nX-Cache: \xff\r\n";
    let (result, _) =
        tokio::join!(adapter.service("x", ""), server.answer_bytes("200 OK", hash, "{}"));
    assert_eq!(result.unwrap().as_deref(), Some(""));
    let watch = Watch::spawn(Instancer::new(adapter, "hello"));
    server.answer_bytes("200 OK", hash, "[]").await;
    let mut hello = watch.instances();
    let failed = timeout(SOON, hello.wait_for(|seen| seen.failures == 1)).await.unwrap().unwrap();
    assert_eq!(failed.state.error(), Some("the answer has no index"));
}

#[tokio::test]
async fn an_agent_that_is_silent_is_given_up_in_time() {
    let server = Server::new().await;
    let limit = Duration::from_millis(50);
    let adapter = server.adapter().limit(limit);
    let error = timeout(SOON, adapter.ping()).await.unwrap().unwrap_err();
    assert!(matches!(error, Error::TimedOut(given) if given == limit));
    let error = timeout(SOON, adapter.service("x", "")).await.unwrap().unwrap_err();
    assert!(matches!(error, Error::TimedOut(_)));
    let registrar = Registrar::new(adapter, instance());
    let error = timeout(SOON, registrar.register(Health::Passing)).await.unwrap().unwrap_err();
    assert!(matches!(error, Error::TimedOut(_)));
}

#[tokio::test]
async fn an_instance_that_the_agent_lost_is_registered_again() {
    let server = Server::new().await;
    let keeper = Keeper::new(Registrar::new(server.adapter(), instance())).spawn();
    let first = server.answer("200 OK", "", "").await;
    assert!(first.line.starts_with("PUT /v1/agent/service/register"), "{}", first.line);
    let hash = "X-Consul-ContentHash: one\r\n";
    let asked = server.answer("200 OK", hash, "{}").await;
    assert_eq!(asked.line, format!("GET /v1/agent/service/{ID} HTTP/1.1"));
    let waits = server.answer("404 Not Found", "", "").await;
    assert!(waits.line.contains("?hash=one&wait=60000ms"), "{}", waits.line);
    let again = server.answer("200 OK", "", "").await;
    assert!(again.line.starts_with("PUT /v1/agent/service/register"), "{}", again.line);
    drop(keeper);
}

#[tokio::test]
async fn a_name_that_steps_out_of_its_path_is_refused_and_nothing_is_sent() {
    // Nobody listens there: what is sent fails otherwise.
    let adapter = Adapter::new(client("http://127.0.0.1:1", None)).unwrap();
    for name in ["", ".", ".."] {
        let errors = [
            adapter.deregister(name).await.unwrap_err(),
            adapter.service(name, "").await.unwrap_err(),
            adapter.report(name, Health::Passing).await.unwrap_err(),
        ];
        for error in errors {
            let Error::Other(other) = error else { panic!("{error:?}") };
            assert!(other.is::<InvalidName>(), "{other:?}");
        }
    }
    let watch = Watch::spawn(Instancer::new(adapter, ".."));
    let mut parent = watch.instances();
    let failed = timeout(SOON, parent.wait_for(|seen| seen.failures == 1)).await.unwrap().unwrap();
    let error = failed.state.error().unwrap();
    assert_eq!(error, r#"".." cannot be in a path: choose another name or id"#);
}

#[tokio::test]
async fn any_other_name_comes_as_it_is() {
    let server = Server::new().await;
    let adapter = server.adapter();
    for (name, sent) in [
        ("../x", "..%2Fx"),
        ("%2e%2e", "%252e%252e"),
        ("a\tb\r\nc\0", "a%09b%0D%0Ac%00"),
        ("a\\b?c#d;e", "a%5Cb%3Fc%23d%3Be"),
        ("...", "..."),
        ("~a-b_c.d", "~a-b_c.d"),
    ] {
        let (result, heard) =
            tokio::join!(adapter.service(name, ""), server.answer("200 OK", "", "{}"));
        assert!(result.unwrap().is_some());
        assert_eq!(heard.line, format!("GET /v1/agent/service/{sent} HTTP/1.1"));
    }
}

#[tokio::test]
async fn a_name_that_is_too_long_for_a_url_is_an_error() {
    let adapter = Adapter::new(client("http://127.0.0.1:1", None)).unwrap();
    let error = adapter.service(&"x".repeat(70_000), "").await.unwrap_err();
    let Error::Other(other) = error else { panic!("{error:?}") };
    assert_eq!(other.source().unwrap().to_string(), "uri too long");
}

#[test]
fn a_token_that_no_header_can_have_is_refused_and_no_token_is_shown() {
    for token in ["new\nline", "nul\0", "\u{7f}"] {
        let error = Adapter::new(client("http://127.0.0.1:8500", Some(token))).unwrap_err();
        assert!(matches!(error, Error::Token), "{error:?}");
    }
    let adapter = Adapter::new(client("http://127.0.0.1:8500", Some("s3cret"))).unwrap();
    assert_eq!(
        format!("{adapter:?}"),
        "Adapter { root: \"http://127.0.0.1:8500/v1\", has_token: true, limit: 5s, .. }"
    );
}

#[tokio::test]
async fn an_empty_token_is_none() {
    let server = Server::new().await;
    let adapter = Adapter::new(client(&server.address(), Some(""))).unwrap();
    let (result, heard) = tokio::join!(adapter.ping(), server.answer("200 OK", "", "\"x\""));
    result.unwrap();
    assert!(!heard.headers.contains("x-consul-token"), "{}", heard.headers);
}

#[test]
fn addresses_that_consulrs_would_misread_are_refused() {
    for address in [
        "http://127.0.0.1:8500",
        "http://127.0.0.1:8500/",
        "http://[::1]:8500",
        "https://consul.example",
    ] {
        Adapter::new(client(address, None)).expect(address);
    }
    for (address, why) in [
        ("", "write http://host:port"),
        ("127.0.0.1:8500", "write http://host:port"),
        ("localhost:8500", "write http://host:port"),
        ("unix:///run/consul", "write http://host:port"),
        ("http://", "write http://host:port"),
        ("http://h:99999", "write http://host:port"),
        ("http://a{b:8500", "write http://host:port"),
        ("http://h:0", "the port must be a number from 1 to 65535"),
        ("http://me:s3cret@h:8500", "leave the user out and set a token"),
        ("http://h:8500/prefix", "leave out what follows the port: consulrs has no prefixes"),
        ("http://h:8500/?a", "leave out what follows the port: consulrs has no prefixes"),
        ("http://h:8500/#a", "leave out what follows the port: consulrs has no prefixes"),
    ] {
        let error = Adapter::new(client(address, None)).unwrap_err();
        assert!(!error.to_string().contains("s3cret"), "{error}");
        let Error::Address { why: said, .. } = error else { panic!("{address}: {error:?}") };
        assert_eq!(said, why, "{address}");
    }
}
