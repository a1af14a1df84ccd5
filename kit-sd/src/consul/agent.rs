use super::{
    Client, Entry, Error, Health, Query, Service,
    wire::{Healthy, Registration, in_go},
};
use crate::race::{First, race};
use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, StatusCode, Uri,
    header::{CONTENT_TYPE, HOST},
    response,
};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::{fmt, fmt::Write, pin::pin, sync::Arc, time::Duration};
use tokio::{net::TcpStream, time::timeout};

/// An agent of Consul, over HTTP. Clones are cheap and share nothing but the
/// address.
///
/// Every call has a connection of its own, driven by the call itself: dropping
/// a call closes its connection at once, and nothing is left running. A client
/// makes few calls (a blocking query stays open for minutes), to an agent that
/// is most often on the same machine, so there is little for a pool to save.
///
/// # Limits
///
/// A connection is made within 2 s, a call answered within 5 s, or, for a
/// query that waits, what [`Query::wait`] allows and a sixteenth, for Consul's
/// jitter, and 10 s more. An answer has 8 MiB at most.
#[derive(Clone)]
pub struct Agent {
    /// `host:port`, as it is dialled and as `Host` says.
    address: Arc<str>,
    host: HeaderValue,
    token: Option<HeaderValue>,
    limit: Duration,
    size: usize,
}

/// How long making a connection may take.
const CONNECT: Duration = Duration::from_secs(2);

/// How much of what an agent says goes into an error.
const MESSAGE: usize = 256;

// ===== impl Agent =====

impl Agent {
    /// Names the agent: `host:port`, or that as a URL; the port is 8500 unless
    /// said. Nothing is sent.
    ///
    /// # Errors
    ///
    /// [`Error::Address`] when the address is not one, or of a kind that is
    /// not spoken: only plain HTTP is, and without a path.
    pub fn new(address: &str) -> Result<Self, Error> {
        // What stands before an `@` may be a password.
        let shown = address.rsplit('@').next().unwrap_or(address);
        let wrong = |why| Error::Address { address: shown.to_owned(), why };
        let authority = match address.split_once("://") {
            None => address,
            Some(("http", rest)) => rest.strip_suffix('/').unwrap_or(rest),
            Some(("https", _)) => return Err(wrong("TLS is not spoken, use http://")),
            Some(_) => return Err(wrong("write host:port or http://host:port")),
        };
        let authority: http::uri::Authority =
            authority.parse().map_err(|_| wrong("write host:port or http://host:port"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("leave the user out and set a token"));
        }
        if authority.host().is_empty() {
            return Err(wrong("the host is missing"));
        }
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            None if authority.as_str() == authority.host() => 8500,
            None => return Err(wrong("the port must be a number from 1 to 65535")),
        };
        if port == 0 {
            return Err(wrong("the port must be a number from 1 to 65535"));
        }
        let address = format!("{}:{port}", authority.host());
        Ok(Self {
            host: HeaderValue::from_str(&address).map_err(|_| wrong("the host is not ASCII"))?,
            address: address.into(),
            token: None,
            limit: Duration::from_secs(5),
            size: 8 << 20,
        })
    }

    /// Sends a token with every call. It is never shown.
    ///
    /// # Errors
    ///
    /// [`Error::Token`] when it has characters that a header cannot have.
    pub fn token(mut self, token: &str) -> Result<Self, Error> {
        let mut token = HeaderValue::from_str(token).map_err(|_| Error::Token)?;
        token.set_sensitive(true);
        self.token = Some(token);
        Ok(self)
    }

    /// Sets how long a call that does not wait may take.
    #[must_use]
    pub const fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Sets how many bytes an answer may have.
    #[must_use]
    pub const fn size(mut self, size: usize) -> Self {
        self.size = size;
        self
    }

    /// Makes a call, and returns what the agent answered: a success, or one of
    /// the `known` statuses.
    async fn call(
        &self,
        method: Method,
        path: String,
        body: Vec<u8>,
        limit: Duration,
        known: &[StatusCode],
    ) -> Result<(response::Parts, Bytes), Error> {
        let request = self.request(method, path, body)?;
        let (parts, body) =
            timeout(limit, self.exchange(request)).await.unwrap_or(Err(Error::TimedOut(limit)))?;
        if !parts.status.is_success() && !known.contains(&parts.status) {
            let message = &body[..body.len().min(MESSAGE)];
            return Err(Error::Refused {
                status: parts.status.as_u16(),
                message: String::from_utf8_lossy(message).trim().to_owned(),
            });
        }
        Ok((parts, body))
    }

    fn request(
        &self,
        method: Method,
        path: String,
        body: Vec<u8>,
    ) -> Result<Request<Full<Bytes>>, Error> {
        let mut request = Request::new(Full::from(body));
        *request.method_mut() = method;
        // Too long is all that it can be.
        *request.uri_mut() = Uri::try_from(path).map_err(|error| Error::Other(error.into()))?;
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(token) = &self.token {
            headers.insert("x-consul-token", token.clone());
        }
        Ok(request)
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(response::Parts, Bytes), Error> {
        let stream = timeout(CONNECT, TcpStream::connect(&*self.address))
            .await
            .map_err(|_| Error::TimedOut(CONNECT))?
            .map_err(|source| Error::Connect { address: self.address.to_string(), source })?;
        let broken = |error: hyper::Error| Error::Connection(error.into());
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let mut answer = pin!(async move {
            let (parts, body) = sender.send_request(request).await.map_err(broken)?.into_parts();
            let body = Limited::new(body, self.size).collect().await.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    Error::TooLarge(self.size)
                } else {
                    Error::Connection(error)
                }
            })?;
            Ok((parts, body.to_bytes()))
        });
        match race(answer.as_mut(), connection).await {
            First::Left(answer) => answer,
            First::Right(Err(error)) => Err(broken(error)),
            // The connection is closed and all of it is read.
            First::Right(Ok(())) => answer.await,
        }
    }

    async fn put(
        &self,
        path: String,
        body: Vec<u8>,
        known: &[StatusCode],
    ) -> Result<StatusCode, Error> {
        let (parts, _) = self.call(Method::PUT, path, body, self.limit, known).await?;
        Ok(parts.status)
    }
}

impl Client for Agent {
    async fn register(&self, service: &Service) -> Result<(), Error> {
        let body = serde_json::to_vec(&Registration::from(service))
            .map_err(|error| Error::Other(error.into()))?;
        // Without it a check that the instance no longer has would stay.
        let path = "/v1/agent/service/register?replace-existing-checks=true".to_owned();
        self.put(path, body, &[]).await.map(drop)
    }

    async fn deregister(&self, id: &str) -> Result<(), Error> {
        let path = format!("/v1/agent/service/deregister/{}", encoded(id));
        self.put(path, Vec::new(), &[StatusCode::NOT_FOUND]).await.map(drop)
    }

    async fn is_registered(&self, id: &str) -> Result<bool, Error> {
        let path = format!("/v1/agent/service/{}", encoded(id));
        let known = [StatusCode::NOT_FOUND];
        let (parts, _) = self.call(Method::GET, path, Vec::new(), self.limit, &known).await?;
        Ok(parts.status.is_success())
    }

    async fn pass(&self, check: &str) -> Result<bool, Error> {
        let path = format!("/v1/agent/check/pass/{}", encoded(check));
        // Consul says 404 of an unknown check since 1.11, and 500 before.
        let known = [StatusCode::NOT_FOUND, StatusCode::INTERNAL_SERVER_ERROR];
        self.put(path, Vec::new(), &known).await.map(|status| status.is_success())
    }

    async fn health(&self, query: &Query) -> Result<Health, Error> {
        let mut path = format!("/v1/health/service/{}", encoded(&query.service));
        let mut limit = self.limit;
        let mut join = '?';
        let mut push = |name: &str, value: &str| {
            // Writing to a `String` cannot fail.
            let _ = write!(path, "{join}{name}={}", encoded(value));
            join = '&';
        };
        if query.index > 0 {
            push("index", &query.index.to_string());
            push("wait", &in_go(query.wait));
            limit = query.patience();
        }
        if query.passing {
            push("passing", "true");
        }
        for tag in &query.tags {
            push("tag", tag);
        }
        let (parts, body) = self.call(Method::GET, path, Vec::new(), limit, &[]).await?;
        let index = parts.headers.get("x-consul-index").and_then(|index| index.to_str().ok());
        let entries: Vec<Healthy> =
            serde_json::from_slice(&body).map_err(|error| Error::Malformed(error.into()))?;
        Ok(Health {
            index: index.and_then(|index| index.parse().ok()).unwrap_or_default(),
            entries: entries.into_iter().map(Entry::from).collect(),
        })
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent")
            .field("address", &self.address)
            .field("has_token", &self.token.is_some())
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// Encodes a segment of a path, or a value of a query: all but RFC 3986's
/// unreserved characters.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}
