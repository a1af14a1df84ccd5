//! The pooled client, on loopback: whom it trusts, which version it speaks,
//! and why it has no connection. The certificates are of
//! `cargo xtask certificates`.

#![cfg(feature = "tls")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use kit_endpoint::{Fault, Kind};
use kit_transport_http::{CallError, Client, NotConnected, Pool, PoolOptions, Tls, pool};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::{net::TcpListener, time::Instant};
use tokio_rustls::TlsAcceptor;
use tower::{ServiceExt, service_fn};

const AUTHORITY: &[u8] = include_bytes!("tls/authority.pem");
const SERVER: [&[u8]; 2] = [include_bytes!("tls/server.pem"), include_bytes!("tls/server.key")];
const ELSEWHERE: [&[u8]; 2] =
    [include_bytes!("tls/elsewhere.pem"), include_bytes!("tls/elsewhere.key")];
const CLIENT: [&[u8]; 2] = [include_bytes!("tls/client.pem"), include_bytes!("tls/client.key")];

fn certificate(pem: &[u8]) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem).unwrap()
}

/// A server's side of TLS, which speaks `alpn` and perhaps asks who calls.
fn acceptor([chain, key]: [&[u8]; 2], alpn: &[&str], asks: bool) -> TlsAcceptor {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let config = if asks {
        let mut roots = RootCertStore::empty();
        roots.add(certificate(AUTHORITY)).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
        config.with_client_cert_verifier(verifier.build().unwrap())
    } else {
        config.with_no_client_auth()
    };
    let key = PrivateKeyDer::from_pem_slice(key).unwrap();
    let mut config = config.with_single_cert(vec![certificate(chain)], key).unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

/// Serves on loopback, and returns the address; every reply is the version of
/// its request.
async fn serve(tls: Option<TlsAcceptor>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tls = tls.clone();
            tokio::spawn(async move {
                let service = TowerToHyperService::new(service_fn(version));
                let builder = Builder::new(TokioExecutor::new());
                // Whether a connection ends well is the client's to tell.
                let _ = match tls {
                    None => builder.serve_connection(TokioIo::new(stream), service).await,
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => builder.serve_connection(TokioIo::new(stream), service).await,
                        Err(_) => Ok(()),
                    },
                };
            });
        }
    });
    address
}

async fn version(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::new(format!("{:?}", request.version()).into())))
}

/// An address at which connections are taken, and nothing is ever said.
async fn silent() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    address
}

/// Returns what the server at `uri` says.
async fn call(pool: Pool, uri: String) -> Result<String, CallError> {
    let encode = move |(): &()| {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = uri.parse().unwrap();
        Ok::<_, Infallible>(request)
    };
    let text = |response: &Response<Bytes>| {
        Ok::<_, Infallible>(String::from_utf8_lossy(response.body()).into_owned())
    };
    Client::new(pool, encode, text).oneshot(kit_endpoint::Request::new(())).await
}

fn trusting() -> Pool {
    Pool::new(PoolOptions::new().tls(Tls::trusting(AUTHORITY).unwrap()))
}

/// Why there is no connection; and such a call may be tried elsewhere.
fn why(result: Result<String, CallError>) -> NotConnected {
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.refused()), (Kind::Unavailable, true));
    match error {
        CallError::NotConnected(why) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn over_tls_the_server_chooses_the_version() {
    for (alpn, version) in
        [(&["h2", "http/1.1"][..], "HTTP/2.0"), (&["http/1.1"], "HTTP/1.1"), (&[], "HTTP/1.1")]
    {
        let address = serve(Some(acceptor(SERVER, alpn, false))).await;
        assert_eq!(call(trusting(), format!("https://{address}/")).await.unwrap(), version);
    }
}

#[tokio::test]
async fn without_tls_it_is_1_1_unless_the_pool_says_otherwise() {
    let uri = format!("http://{}/", serve(None).await);
    assert_eq!(call(pool(Duration::from_secs(5)), uri.clone()).await.unwrap(), "HTTP/1.1");
    assert_eq!(call(trusting(), uri.clone()).await.unwrap(), "HTTP/1.1");
    let http2 = Pool::new(PoolOptions::new().http2());
    assert_eq!(call(http2, uri).await.unwrap(), "HTTP/2.0");
}

#[tokio::test]
async fn a_server_that_nobody_trusted_signed_is_not_called() {
    let uri = format!("https://{}/", serve(Some(acceptor(SERVER, &["h2"], false))).await);
    let public = Pool::new(PoolOptions::new().tls(Tls::public()));
    let error = call(public, uri).await.unwrap_err();
    let told = kit_transport::Report(&error).to_string();
    assert!(told.starts_with("cannot agree on TLS with the server: "), "{told}");
    assert!(told.contains("UnknownIssuer"), "{told}");
    assert!(matches!(why(Err(error)), NotConnected::Tls(_)));
}

#[tokio::test]
async fn a_server_of_another_name_is_not_called() {
    let uri = format!("https://{}/", serve(Some(acceptor(ELSEWHERE, &[], false))).await);
    assert!(matches!(why(call(trusting(), uri).await), NotConnected::Tls(_)));
}

#[tokio::test]
async fn a_server_without_tls_is_told() {
    let uri = format!("https://{}/", serve(None).await);
    assert!(matches!(why(call(trusting(), uri).await), NotConnected::Tls(_)));
}

#[tokio::test]
async fn a_server_that_asks_who_calls_is_answered() {
    let uri = format!("https://{}/", serve(Some(acceptor(SERVER, &["h2"], true))).await);
    let [chain, key] = CLIENT;
    let tls = Tls::mutual(AUTHORITY, chain, key).unwrap();
    let known = Pool::new(PoolOptions::new().tls(tls));
    assert_eq!(call(known, uri.clone()).await.unwrap(), "HTTP/2.0");
    // In TLS 1.3 the refusal comes after what the client takes for the end of
    // the handshake.
    let error = call(trusting(), uri).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable, "{error:?}");
}

#[tokio::test]
async fn https_without_tls_is_not_spoken() {
    let why = why(call(pool(Duration::from_secs(5)), "https://127.0.0.1:1/".to_owned()).await);
    assert!(matches!(why, NotConnected::Scheme), "{why:?}");
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    for scheme in ["http", "https"] {
        let why = why(call(trusting(), format!("{scheme}://{address}/")).await);
        assert!(matches!(why, NotConnected::Unreachable(_)), "{why:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_limit_for_connecting_is_for_tls_too() {
    let uri = format!("https://{}/", silent().await);
    let tls = Tls::trusting(AUTHORITY).unwrap();
    let options = PoolOptions::new().tls(tls).connect(Duration::from_millis(700));
    let why = why(call(Pool::new(options), uri).await);
    let NotConnected::TimedOut { limit } = why else { panic!("{why:?}") };
    assert_eq!(limit, Duration::from_millis(700));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_vanished_is_noticed_by_ping() {
    let uri = format!("http://{}/", silent().await);
    let started = Instant::now();
    let options = PoolOptions::new().http2();
    let options = options.ping(Duration::from_secs(10), Duration::from_secs(3));
    let error = call(Pool::new(options), uri).await.unwrap_err();
    assert_eq!((error.kind(), error.refused()), (Kind::Unavailable, false));
    assert!(matches!(error, CallError::Send(_)), "{error:?}");
    assert_eq!(started.elapsed().as_secs(), 13);
}

#[test]
fn what_is_no_certificate_is_told() {
    let [chain, key] = CLIENT;
    let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let told = |tls: Result<Tls, _>| kit_transport::Report(&tls.unwrap_err()).to_string();
    let none = "cannot use the certificate of an authority: there is none: give PEM";
    assert_eq!(told(Tls::trusting(b"")), none);
    assert!(told(Tls::trusting(broken)).starts_with("cannot use the certificate of an authority"));
    let told_of_key = told(Tls::mutual(AUTHORITY, chain, b""));
    assert!(told_of_key.starts_with("cannot use the key of the client: "), "{told_of_key}");
    let another = told(Tls::mutual(AUTHORITY, chain, SERVER[1]));
    assert!(another.starts_with("cannot use the certificate of the client: "), "{another}");
    assert!(Tls::mutual(AUTHORITY, chain, key).is_ok());
}

#[test]
fn a_debug_output_has_no_key_in_it() {
    let tls = Tls::mutual(AUTHORITY, CLIENT[0], CLIENT[1]).unwrap();
    assert_eq!(format!("{tls:?}"), "Tls { .. }");
}
