//! A client over HTTP, for collectors.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use std::{error::Error, fmt};

/// The most that is read of an answer.
const LIMIT: usize = 64 << 10;

/// Why a collector did not take what was posted.
#[derive(Debug)]
pub(super) enum PostError {
    Unreachable(Box<dyn Error + Send + Sync>),
    Answered(StatusCode),
}

#[derive(Clone)]
pub(super) struct Web {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    uri: Uri,
}

// ===== impl Web =====

impl Web {
    /// Posts to `uri`, over TLS where it says so, with the authorities that Mozilla
    /// trusts.
    pub(super) fn new(uri: Uri) -> Result<Self, rustls::Error> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let tls = rustls::ClientConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { client, uri })
    }

    pub(super) async fn post(
        &self,
        kind: &'static str,
        body: Vec<u8>,
        headers: &HeaderMap,
    ) -> Result<(), PostError> {
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = headers.clone();
        let kind = HeaderValue::from_static(kind);
        request.headers_mut().insert(header::CONTENT_TYPE, kind);
        let reply = self.client.request(request).await;
        let reply = reply.map_err(|error| PostError::Unreachable(error.into()))?;
        let status = reply.status();
        // Read, so that the connection can be used again.
        let _ = Limited::new(reply.into_body(), LIMIT).collect().await;
        if status.is_success() { Ok(()) } else { Err(PostError::Answered(status)) }
    }
}

impl fmt::Debug for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Web").field("uri", &self.uri).finish_non_exhaustive()
    }
}

// ===== impl PostError =====

impl fmt::Display for PostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(_) => f.write_str("cannot reach the collector"),
            Self::Answered(status) => write!(f, "the collector answered {status}"),
        }
    }
}

impl Error for PostError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreachable(error) => Some(&**error),
            Self::Answered(_) => None,
        }
    }
}
