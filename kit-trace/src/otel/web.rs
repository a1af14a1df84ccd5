//! A client over HTTP, for collectors.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body::Body;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::RootCertStore;
use std::{error::Error, fmt, pin::Pin, sync::Arc, time::Duration};
use tower_service::Service;

/// The most that is read of an answer.
const LIMIT: usize = 64 << 10;
/// As long as for gRPC.
const CONNECT: Duration = Duration::from_secs(5);

pub(super) type BoxError = Box<dyn Error + Send + Sync>;

/// Why a collector did not take what was posted.
#[derive(Debug)]
pub(super) enum PostError {
    Unreachable(BoxError),
    /// And after how long to come again, if it said so.
    Answered(StatusCode, Option<Duration>),
}

#[derive(Clone)]
pub(super) struct Web {
    client: Arc<dyn Posts>,
    uri: Uri,
}

/// A client of whatever type: one box for each batch.
trait Posts: Send + Sync {
    fn post(&self, request: Request<Full<Bytes>>) -> Reply;
}

type Reply = Pin<Box<dyn Future<Output = Result<Answer, BoxError>> + Send>>;

/// The head of an answer, and as much of its body as is read.
type Answer = Response<Bytes>;

struct By<S>(S);

// ===== impl Web =====

impl Web {
    /// Posts to `uri`, over TLS where it says so, with the authorities that Mozilla
    /// trusts.
    pub(super) fn new(uri: Uri) -> Result<Self, rustls::Error> {
        Self::trusting(uri, RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() })
    }

    /// Posts to `uri`, over TLS where it says so, with these authorities.
    pub(super) fn trusting(uri: Uri, roots: RootCertStore) -> Result<Self, rustls::Error> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT));
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let tls = rustls::ClientConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector: HttpsConnector<_> = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        Ok(Self::by(uri, Client::builder(TokioExecutor::new()).build(connector)))
    }

    /// Posts to `uri` by a client of the user's.
    pub(super) fn by<S, B>(uri: Uri, client: S) -> Self
    where
        S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        Self { client: Arc::new(By(client)), uri }
    }

    #[cfg(feature = "otlp")]
    pub(super) const fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Returns what was answered, if it took it.
    pub(super) async fn post(
        &self,
        kind: &'static str,
        body: Bytes,
        headers: &HeaderMap,
    ) -> Result<Bytes, PostError> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = headers.clone();
        let kind = HeaderValue::from_static(kind);
        request.headers_mut().insert(header::CONTENT_TYPE, kind);
        let reply = self.client.post(request).await.map_err(PostError::Unreachable)?;
        let status = reply.status();
        if status.is_success() {
            return Ok(reply.into_body());
        }
        Err(PostError::Answered(status, retry_after(reply.headers())))
    }
}

impl fmt::Debug for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Web").field("uri", &self.uri).finish_non_exhaustive()
    }
}

// ===== impl By =====

impl<S, B> Posts for By<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    fn post(&self, request: Request<Full<Bytes>>) -> Reply {
        let mut client = self.0.clone();
        Box::pin(async move {
            std::future::poll_fn(|cx| client.poll_ready(cx)).await.map_err(Into::into)?;
            let (head, body) = client.call(request).await.map_err(Into::into)?.into_parts();
            // Read, so that the connection can be used again. What the collector says is
            // in the head: a body that breaks off, or is too long, is none.
            let body = Limited::new(body, LIMIT).collect().await;
            let body = body.map_or_else(|_| Bytes::new(), http_body_util::Collected::to_bytes);
            Ok(Response::from_parts(head, body))
        })
    }
}

/// Reads how long to wait (RFC 9110, section 10.2.3): seconds, or a date, by the reply's
/// own clock if it tells it.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number too large for us is one too large to wait for.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let now = headers.get(header::DATE).and_then(|date| date.to_str().ok());
    let now = now.and_then(|date| httpdate::parse_http_date(date).ok());
    let now = now.unwrap_or_else(std::time::SystemTime::now);
    Some(until.duration_since(now).unwrap_or(Duration::ZERO))
}

// ===== impl PostError =====

impl fmt::Display for PostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(_) => f.write_str("cannot reach the collector"),
            Self::Answered(status, None) => write!(f, "the collector answered {status}"),
            Self::Answered(status, Some(wait)) => {
                write!(f, "the collector answered {status}, for {} s", wait.as_secs())
            }
        }
    }
}

impl Error for PostError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreachable(error) => Some(&**error),
            Self::Answered(..) => None,
        }
    }
}
