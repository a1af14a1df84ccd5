//! A collector of OTLP behind TLS, over sockets of this machine, and what is sent to it
//! compressed. The certificates are those of `cargo xtask certificates`.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/spans.rs"]
mod spans;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use kit_trace::otel::{Exporter, Otlp, OtlpError, resource};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
    trace_service_server::{TraceService, TraceServiceServer},
};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use spans::span;
use std::{convert::Infallible, io, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Status, transport::Server};
use tower::service_fn;

/// More than any of this takes.
const LIMIT: Duration = Duration::from_secs(10);

macro_rules! certificate {
    ($name:literal) => {
        include_bytes!(concat!("../../kit-transport/http/tests/tls/", $name))
    };
}

const AUTHORITY: &[u8] = certificate!("authority.pem");

/// A collector that tells what it is sent, and the headers.
struct Collector {
    port: u16,
    sent: UnboundedReceiver<(HeaderMap, Bytes)>,
}

fn acceptor(alpn: &[u8]) -> TlsAcceptor {
    let chain = CertificateDer::from_pem_slice(certificate!("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(certificate!("server.key")).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)
        .unwrap();
    config.alpn_protocols = vec![alpn.to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

impl Collector {
    /// Takes connections over TLS that speak `alpn`, and serves each by `serve`.
    async fn new(
        alpn: &'static [u8],
        serve: impl Fn(TlsStream<TcpStream>, UnboundedSender<(HeaderMap, Bytes)>) + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sends, sent) = unbounded_channel();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // Who does not trust it, goes.
                if let Ok(stream) = acceptor(alpn).accept(stream).await {
                    serve(stream, sends.clone());
                }
            }
        });
        Self { port, sent }
    }

    async fn http() -> Self {
        Self::new(b"http/1.1", |stream, sends| {
            let service = service_fn(move |request: Request<Incoming>| {
                let sends = sends.clone();
                async move {
                    let (head, body) = request.into_parts();
                    assert_eq!(head.uri, "/v1/traces");
                    let body = body.collect().await.unwrap().to_bytes();
                    sends.send((head.headers, body)).unwrap();
                    Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
                }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
            tokio::spawn(connection);
        })
        .await
    }

    async fn grpc() -> Self {
        Self::new(b"h2", |stream, sends| {
            let service = TraceServiceServer::new(Service(sends));
            #[cfg(feature = "gzip")]
            let service = service.accept_compressed(tonic::codec::CompressionEncoding::Gzip);
            let (accepts, accepted) = unbounded_channel();
            accepts.send(Ok::<_, io::Error>(stream)).unwrap();
            let accepted = UnboundedReceiverStream::new(accepted);
            tokio::spawn(Server::builder().add_service(service).serve_with_incoming(accepted));
        })
        .await
    }

    fn address(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    async fn sent(&mut self) -> (HeaderMap, Bytes) {
        timeout(LIMIT, self.sent.recv()).await.unwrap().unwrap()
    }
}

struct Service(UnboundedSender<(HeaderMap, Bytes)>);

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, Status> {
        let (metadata, _, batch) = request.into_parts();
        let batch = prost::Message::encode_to_vec(&batch).into();
        self.0.send((metadata.into_headers(), batch)).unwrap();
        Ok(tonic::Response::new(ExportTraceServiceResponse::default()))
    }
}

async fn export(otlp: Otlp) -> Result<(), OtlpError> {
    let resource = resource("greeter");
    let mut otlp = otlp.tries(1);
    let sent = otlp.export(vec![span("greet")], &resource);
    timeout(LIMIT, sent).await.unwrap()
}

/// The spans' names.
fn names(batch: &[u8]) -> Vec<String> {
    let batch = <ExportTraceServiceRequest as prost::Message>::decode(batch).unwrap();
    let scopes = &batch.resource_spans[0].scope_spans;
    scopes.iter().flat_map(|scope| &scope.spans).map(|span| span.name.clone()).collect()
}

#[tokio::test]
async fn over_http_an_authority_of_ones_own_is_trusted() {
    let mut collector = Collector::http().await;
    let otlp = Otlp::http(&collector.address()).unwrap();
    export(otlp.clone().authorities(AUTHORITY).unwrap()).await.unwrap();
    assert_eq!(names(&collector.sent().await.1), ["greet"]);
    assert_eq!(export(otlp).await.unwrap_err().to_string(), "cannot reach the collector");
}

#[tokio::test]
async fn over_grpc_an_authority_of_ones_own_is_trusted() {
    let mut collector = Collector::grpc().await;
    let otlp = Otlp::grpc(&collector.address()).unwrap();
    export(otlp.clone().authorities(AUTHORITY).unwrap()).await.unwrap();
    assert_eq!(names(&collector.sent().await.1), ["greet"]);
    export(otlp).await.unwrap_err();
}

#[tokio::test]
async fn by_the_environment_too() {
    let file =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../kit-transport/http/tests/tls/authority.pem");
    for (protocol, mut collector) in
        [("grpc", Collector::grpc().await), ("http/protobuf", Collector::http().await)]
    {
        let address = collector.address();
        let otlp = Otlp::from_env(|name| match name {
            "OTEL_EXPORTER_OTLP_PROTOCOL" => Some(protocol.to_owned()),
            "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(address.clone()),
            "OTEL_EXPORTER_OTLP_CERTIFICATE" => Some(file.to_owned()),
            "OTEL_EXPORTER_OTLP_HEADERS" => Some("api-key=s%20ecret".to_owned()),
            _ => None,
        });
        export(otlp.unwrap().unwrap()).await.unwrap();
        let (headers, batch) = collector.sent().await;
        assert_eq!(headers["api-key"], "s ecret", "{protocol}");
        assert_eq!(names(&batch), ["greet"], "{protocol}");
    }
}

/// Whom a client of the user's trusts is not for us to say.
#[tokio::test]
async fn a_client_of_ones_own_has_its_own_trust() {
    let client = service_fn(|_: Request<Full<Bytes>>| async {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let http = Otlp::http_by("https://collector.example", client).unwrap();
    let channel = tonic::transport::Endpoint::from_static("http://there").connect_lazy();
    for otlp in [http, Otlp::grpc_by(channel)] {
        otlp.authorities(AUTHORITY).unwrap_err();
    }
}

#[cfg(feature = "gzip")]
#[tokio::test]
async fn what_is_sent_can_be_compressed() {
    use std::io::Read;

    let mut collector = Collector::http().await;
    let otlp = Otlp::http(&collector.address()).unwrap().authorities(AUTHORITY).unwrap();
    export(otlp.gzip()).await.unwrap();
    let (headers, batch) = collector.sent().await;
    assert_eq!(headers["content-encoding"], "gzip");
    let mut whole = Vec::new();
    flate2::read::GzDecoder::new(&*batch).read_to_end(&mut whole).unwrap();
    assert_eq!(names(&whole), ["greet"]);

    let mut collector = Collector::grpc().await;
    let otlp = Otlp::grpc(&collector.address()).unwrap().authorities(AUTHORITY).unwrap();
    export(otlp.gzip()).await.unwrap();
    let (headers, batch) = collector.sent().await;
    assert_eq!(headers["grpc-encoding"], "gzip");
    assert_eq!(names(&batch), ["greet"]);
}
