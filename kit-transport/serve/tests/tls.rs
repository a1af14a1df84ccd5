#![cfg(feature = "tls")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]
//! TLS over pipes in memory, by the committed certificates of the tests.

mod pipes;

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Empty, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use kit_serve::{
    Incident, Incoming, Waiting, serve,
    tls::{Certificates, LoadError, Tls, TlsIdentity},
};
use pipes::{Net, Pipes, Said, about, closed, settle, start};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use std::{
    collections::BTreeMap,
    convert::Infallible,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::{Instant, sleep},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

fn file(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../http/tests/tls")).join(name)
}

fn server() -> Certificates {
    Certificates::load(file("server.pem"), file("server.key")).unwrap()
}

/// Says over which version, and who asks by their certificate.
async fn who(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let identity = request.extensions().get::<TlsIdentity>();
    let names = identity.map_or("nobody", |identity| &identity.dns_names()[0]);
    Ok(Response::new(Full::from(format!("{:?} by {names}", request.version()))))
}

/// A client that trusts the tests' authority, and shows this certificate.
fn client(shows: Option<&str>, alpn: &[&str]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file("authority.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match shows {
        None => builder.with_no_client_auth(),
        Some(name) => {
            let chain = CertificateDer::from_pem_file(file(&format!("{name}.pem"))).unwrap();
            let key = PrivateKeyDer::from_pem_file(file(&format!("{name}.key"))).unwrap();
            builder.with_client_auth_cert(vec![chain], key).unwrap()
        }
    };
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

async fn connect(
    net: &Net,
    client: &TlsConnector,
    name: &'static str,
) -> io::Result<TlsStream<DuplexStream>> {
    client.connect(ServerName::try_from(name).unwrap(), net.connect()).await
}

fn get() -> Request<Empty<Bytes>> {
    Request::get("https://localhost/").header("host", "localhost").body(Empty::new()).unwrap()
}

type Http1 = hyper::client::conn::http1::SendRequest<Empty<Bytes>>;

async fn http1(stream: TlsStream<DuplexStream>) -> Http1 {
    let io = TokioIo::new(stream);
    let (sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn ask(sender: &mut Http1) -> hyper::Result<String> {
    let body = sender.send_request(get()).await?.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8(body.to_vec()).unwrap())
}

fn tls(certificates: Certificates) -> (Net, Tls<Pipes>) {
    let (net, pipes) = Net::new();
    (net, Tls::new(pipes, certificates))
}

#[tokio::test]
async fn alpn_chooses_the_version() {
    let (net, listener) = tls(server());
    let _running = start(serve(listener, tower::service_fn(who)));
    let stream = connect(&net, &client(None, &["http/1.1"]), "localhost").await.unwrap();
    assert_eq!(ask(&mut http1(stream).await).await.unwrap(), "HTTP/1.1 by nobody");

    let stream = connect(&net, &client(None, &["h2", "http/1.1"]), "localhost").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let io = TokioIo::new(stream);
    let http2 = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await;
    let (mut sender, connection) = http2.unwrap();
    tokio::spawn(connection);
    assert_eq!(sender.send_request(get()).await.unwrap().version(), Version::HTTP_2);
}

#[tokio::test]
async fn with_mutual_tls_the_certificate_of_the_peer_is_among_the_extensions() {
    let certificates = server().client_ca(file("authority.pem")).unwrap();
    let (net, listener) = tls(certificates);
    let _running = start(serve(listener, tower::service_fn(who)));
    let stream = connect(&net, &client(Some("client"), &[]), "localhost").await.unwrap();
    let mut sender = http1(stream).await;
    for _ in 0..2 {
        assert_eq!(ask(&mut sender).await.unwrap(), "HTTP/1.1 by client.test");
    }
    // In TLS 1.3 the client is done before the server has refused it.
    let stream = connect(&net, &client(None, &[]), "localhost").await.unwrap();
    assert!(ask(&mut http1(stream).await).await.is_err());
}

/// What TLS holds is not with the peer yet: it takes up to 64 KiB before it
/// keeps us from writing.
#[tokio::test(start_paused = true)]
async fn a_short_reply_that_is_not_read_ends_after_10_s_too() {
    let (net, listener) = tls(server());
    let service = tower::service_fn(async |_: Request<Incoming>| {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(vec![b'x'; 40 * 1024])))
    });
    let (handle, _running) = start(serve(listener, service));
    let (client, name) = (client(None, &[]), ServerName::try_from("localhost").unwrap());
    let mut stream = client.connect(name, net.connect_through(1024)).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    settle().await;
    let begun = Instant::now();
    while handle.connections() > 0 {
        sleep(Duration::from_millis(10)).await;
    }
    about(begun.elapsed(), 10);
    assert_eq!(Said::of(&handle).0["serve_timeouts_total{waiting=reply}"], "1");
}

#[tokio::test]
async fn the_socket_under_tls_of_a_peer_that_does_not_read_is_reset() {
    let listener = Tls::new(TcpListener::bind("127.0.0.1:0").await.unwrap(), server());
    let service = tower::service_fn(async |_: Request<Incoming>| {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(vec![b'x'; 64 << 20])))
    });
    let (tell, mut ended) = mpsc::unbounded_channel();
    let server = serve(listener, service).reply_rate(u32::MAX, Duration::from_millis(1));
    let server = server.on_incident(move |incident| {
        let is_late = matches!(incident, Incident::TimedOut { waiting: Waiting::Reply, .. });
        tell.send(is_late).unwrap();
    });
    let (handle, _running) = start(server);
    let (client, name) = (client(None, &[]), ServerName::try_from("localhost").unwrap());
    let stream = TcpStream::connect(handle.local_addr().unwrap()).await.unwrap();
    let mut stream = client.connect(name, stream).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    // It is told of when the connection is gone.
    assert_eq!(ended.recv().await, Some(true));
    let (mut under, _) = stream.into_inner();
    let error = under.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

/// Files that may be written over.
fn copies(name: &str) -> (TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (chain, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    put(name, &chain, &key);
    (folder, chain, key)
}

fn put(name: &str, chain: &PathBuf, key: &PathBuf) {
    fs::copy(file(&format!("{name}.pem")), chain).unwrap();
    fs::copy(file(&format!("{name}.key")), key).unwrap();
}

#[tokio::test]
async fn certificates_are_read_anew_and_connections_go_on() {
    let (_folder, chain, key) = copies("server");
    let certificates = Certificates::load(&chain, &key).unwrap();
    let (net, listener) = tls(certificates.clone());
    let (handle, _running) = start(serve(listener, tower::service_fn(who)));
    let client = client(None, &[]);
    let mut first = http1(connect(&net, &client, "localhost").await.unwrap()).await;
    ask(&mut first).await.unwrap();
    assert!(!certificates.reload().unwrap(), "nothing has changed");

    put("elsewhere", &chain, &key);
    assert!(certificates.reload().unwrap());
    ask(&mut first).await.unwrap();
    assert!(connect(&net, &client, "localhost").await.is_err());
    let stream = connect(&net, &client, "elsewhere.test").await.unwrap();
    ask(&mut http1(stream).await).await.unwrap();
    // Who did not like the certificate left in the handshake.
    settle().await;
    assert_eq!(Said::of(&handle).0["serve_connection_errors_total"], "1");
}

#[tokio::test]
async fn files_that_are_no_good_change_nothing() {
    let (_folder, chain, key) = copies("server");
    let certificates = Certificates::load(&chain, &key).unwrap();
    let (net, listener) = tls(certificates.clone());
    let _running = start(serve(listener, tower::service_fn(who)));

    fs::copy(file("elsewhere.key"), &key).unwrap();
    assert!(matches!(certificates.reload(), Err(LoadError::Tls(_))));
    assert!(!certificates.reload().unwrap(), "it is told once");
    fs::write(&chain, "nonsense").unwrap();
    let error = certificates.reload().unwrap_err();
    assert!(error.to_string().ends_with("has not a certificate in PEM"), "{error}");
    fs::remove_file(&chain).unwrap();
    assert!(matches!(certificates.reload(), Err(LoadError::File { .. })));
    connect(&net, &client(None, &[]), "localhost").await.unwrap();

    put("server", &chain, &key);
    assert!(certificates.reload().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_watch_tells_each_change_once() {
    let (_folder, chain, key) = copies("server");
    let certificates = Certificates::load(&chain, &key).unwrap();
    let (told, mut heard) = mpsc::unbounded_channel();
    let watch = tokio::spawn({
        let certificates = certificates.clone();
        async move {
            let hear = |read: Result<(), LoadError>| {
                told.send(read.map_err(|error| error.to_string())).unwrap();
            };
            certificates.watch(Duration::from_secs(10), hear).await;
        }
    });
    sleep(Duration::from_secs(25)).await;
    put("elsewhere", &chain, &key);
    sleep(Duration::from_secs(25)).await;
    assert_eq!(heard.try_recv().unwrap(), Ok(()));
    fs::remove_file(&chain).unwrap();
    sleep(Duration::from_secs(45)).await;
    assert!(heard.try_recv().unwrap().unwrap_err().starts_with("cannot read "));
    assert!(heard.try_recv().is_err(), "told again");
    put("server", &chain, &key);
    sleep(Duration::from_secs(25)).await;
    assert_eq!(heard.try_recv().unwrap(), Ok(()));
    watch.abort();
}

#[test]
fn what_is_wrong_with_a_file_is_named() {
    let missing = Certificates::load("/nowhere.pem", file("server.key")).unwrap_err();
    assert_eq!(missing.to_string(), "cannot read /nowhere.pem");
    let no_key = Certificates::load(file("server.pem"), file("server.pem")).unwrap_err();
    assert!(no_key.to_string().ends_with("server.pem has not a private key in PEM"), "{no_key}");
    let authorities = server().client_ca(file("server.key")).unwrap_err();
    assert!(authorities.to_string().contains("has not a certificate"), "{authorities}");
}

// ----- what is shown

// What `openssl x509 -noout -enddate` says; `cargo xtask certificates` makes
// the first anew.
/// Of server.pem: 2126-10-30 01:59:10, a `GeneralizedTime`.
const SERVER_ENDS: u64 = 4_948_999_150;
/// Of earlier.pem, an authority: 2046-01-28 06:09:10, a `UTCTime`.
const EARLIER_ENDS: u64 = 2_400_732_550;
const EARLIER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls/earlier.pem");

/// What the certificates say of themselves, without the label of their file.
fn shown(certificates: &Certificates, chain: &Path) -> BTreeMap<String, String> {
    let file = format!("file={}", chain.display());
    let without = |(name, value): (String, String)| {
        assert!(name.contains(&file), "{name}");
        (name.replace(&file, ""), value)
    };
    Said::of(certificates).0.into_iter().map(without).collect()
}

/// As [`shown`], if nothing of it is left out.
fn told(expiry: u64, fresh: bool, changed: u64, failed: u64) -> BTreeMap<String, String> {
    let of = |name: &str, value: u64| (format!("tls_certificate_{name}"), value.to_string());
    BTreeMap::from([
        of("expiry_timestamp_seconds{}", expiry),
        of("last_reload_successful{}", fresh.into()),
        of("reloads_total{,outcome=changed}", changed),
        of("reloads_total{,outcome=failed}", failed),
    ])
}

/// Puts a certificate behind that of the server that ends before it does.
fn put_chain(chain: &Path) {
    let both = [file("server.pem"), EARLIER.into()].map(|one| fs::read_to_string(one).unwrap());
    fs::write(chain, both.concat()).unwrap();
}

#[test]
fn certificates_tell_when_the_first_of_their_chain_expires() {
    let (_folder, chain, key) = copies("server");
    let one = Certificates::load(&chain, &key).unwrap();
    assert_eq!(shown(&one, &chain), told(SERVER_ENDS, true, 0, 0));
    assert_eq!(one.expiry(), Some(UNIX_EPOCH + Duration::from_secs(SERVER_ENDS)));

    put_chain(&chain);
    let both = Certificates::load(&chain, &key).unwrap();
    assert_eq!(shown(&both, &chain), told(EARLIER_ENDS, true, 0, 0));
    assert_eq!(both.expiry(), Some(UNIX_EPOCH + Duration::from_secs(EARLIER_ENDS)));
    // The authorities of clients are shown to nobody.
    put("server", &chain, &key);
    let mutual = one.client_ca(EARLIER).unwrap();
    assert_eq!(shown(&mutual, &chain), told(SERVER_ENDS, true, 0, 0));
}

#[test]
fn what_is_read_anew_is_told_and_so_is_what_is_no_good() {
    let (_folder, chain, key) = copies("server");
    let certificates = Certificates::load(&chain, &key).unwrap();
    let seen = certificates.clone();
    assert!(!certificates.reload().unwrap());
    assert_eq!(shown(&seen, &chain), told(SERVER_ENDS, true, 0, 0));
    put_chain(&chain);
    assert!(certificates.reload().unwrap());
    assert_eq!(shown(&seen, &chain), told(EARLIER_ENDS, true, 1, 0));

    // What was read before is served on, and that is told for as long.
    put("elsewhere", &chain, &key);
    fs::copy(file("server.key"), &key).unwrap();
    certificates.reload().unwrap_err();
    assert_eq!(shown(&seen, &chain), told(EARLIER_ENDS, false, 1, 1));
    assert!(!certificates.reload().unwrap(), "it is told once");
    assert_eq!(shown(&seen, &chain), told(EARLIER_ENDS, false, 1, 1));
    put("server", &chain, &key);
    assert!(certificates.reload().unwrap());
    assert_eq!(shown(&seen, &chain), told(SERVER_ENDS, true, 2, 1));

    // Files that come back as they were have not changed.
    fs::remove_file(&chain).unwrap();
    certificates.reload().unwrap_err();
    assert_eq!(shown(&seen, &chain), told(SERVER_ENDS, false, 2, 2));
    put("server", &chain, &key);
    assert!(!certificates.reload().unwrap());
    assert_eq!(shown(&seen, &chain), told(SERVER_ENDS, true, 2, 2));
}

/// rustls takes any bytes for what follows the certificate of the server.
#[test]
fn a_certificate_that_cannot_be_read_leaves_the_others() {
    let (_folder, chain, key) = copies("server");
    let junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let server = fs::read_to_string(&chain).unwrap();
    fs::write(&chain, format!("{server}{junk}")).unwrap();
    let certificates = Certificates::load(&chain, &key).unwrap();
    assert_eq!(shown(&certificates, &chain), told(SERVER_ENDS, true, 0, 0));
}

// ----- the handshake

#[tokio::test(start_paused = true)]
async fn a_handshake_that_does_not_end_is_closed_after_10_s() {
    let (net, listener) = tls(server());
    let (handle, _running) = start(serve(listener, tower::service_fn(who)));
    let (mut silent, mut partial) = (net.connect(), net.connect());
    // The begin of a hello: a handshake record of TLS 1.0.
    partial.write_all(&[22, 3, 1, 2, 0, 1, 0, 1]).await.unwrap();
    about(closed(&mut silent).await, 10);
    about(closed(&mut partial).await, 0);
    settle().await;
    assert_eq!(Said::of(&handle).0["serve_timeouts_total{waiting=handshake}"], "2");
    assert_eq!(handle.connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn after_the_handshake_the_first_bytes_have_their_own_time() {
    let (net, listener) = tls(server());
    let (handle, _running) = start(serve(listener, tower::service_fn(who)));
    let pipe = net.connect();
    sleep(Duration::from_secs(8)).await;
    let name = ServerName::try_from("localhost").unwrap();
    let stream = client(None, &[]).connect(name, pipe).await.unwrap();
    sleep(Duration::from_secs(8)).await;
    assert_eq!(handle.connections(), 1);
    sleep(Duration::from_secs(3)).await;
    assert_eq!(handle.connections(), 0);
    assert_eq!(Said::of(&handle).0["serve_timeouts_total{waiting=sniff}"], "1");
    drop(stream);
}

#[tokio::test(start_paused = true)]
async fn plain_http_is_no_handshake() {
    let (net, listener) = tls(server());
    let (handle, _running) = start(serve(listener, tower::service_fn(who)));
    let mut pipe = net.connect();
    pipe.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    about(closed(&mut pipe).await, 0);
    assert_eq!(Said::of(&handle).0["serve_connection_errors_total"], "1");
}

#[tokio::test(start_paused = true)]
async fn a_peer_with_too_many_connections_costs_no_handshake() {
    let (net, listener) = tls(server());
    let server = serve(listener, tower::service_fn(who)).max_connections_per_peer(1);
    let (handle, _running) = start(server);
    let _first = net.connect();
    settle().await;
    let mut second = net.connect();
    about(closed(&mut second).await, 0);
    assert_eq!(handle.connections(), 1);
}
