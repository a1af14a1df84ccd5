use super::{
    Answer, Client, Error, Pulse, Query, Service,
    dial::{Place, Tls},
    wire::{in_go, status},
};
use crate::{
    Health,
    race::{First, race},
};
use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, StatusCode, Uri,
    header::{AUTHORIZATION, CONTENT_TYPE, HOST},
    response,
};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use std::{fmt, fmt::Write, pin::pin, time::Duration};
use tokio::time::timeout;

/// An agent of Consul, over HTTP. Clones are cheap and share the
/// [`Pulse`] that finds out when the agent is silent.
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
    place: Place,
    host: HeaderValue,
    /// The name that TLS knows the agent by, until a configuration is given.
    #[cfg_attr(not(feature = "consul-tls"), expect(dead_code, reason = "TLS is a feature"))]
    is_https: bool,
    tls: Option<Tls>,
    token: Option<HeaderValue>,
    authorization: Option<HeaderValue>,
    scope: Scope,
    consistency: Consistency,
    limit: Duration,
    size: usize,
    pulse: Pulse,
}

/// Where in a federation of Consul a call is meant; what is empty is the
/// agent's own.
#[derive(Debug, Clone, Default)]
struct Scope {
    datacenter: String,
    namespace: String,
    partition: String,
}

/// Which of its servers Consul asks for an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Consistency {
    /// The leader, which is almost always right.
    #[default]
    Default,
    /// Any server: also without a leader there is an answer, which may be old.
    Stale,
    /// The leader, after it has made sure that it still is the leader.
    Consistent,
}

/// How much of what an agent says goes into an error.
const MESSAGE: usize = 256;

/// How long a query for one service waits.
const SERVICE_WAIT: Duration = Duration::from_mins(1);

// ===== impl Agent =====

impl Agent {
    /// Names the agent: `host:port`, or that as a URL (`http://`, `https://`
    /// with the feature `consul-tls`), or `unix:///path`; the port is 8500
    /// unless said, 8501 for HTTPS. Nothing is sent.
    ///
    /// # Errors
    ///
    /// [`Error::Address`] when the address is not one, or of a kind that is
    /// not spoken.
    pub fn new(address: &str) -> Result<Self, Error> {
        // What stands before an `@` may be a password.
        let shown = address.rsplit('@').next().unwrap_or(address);
        let wrong = |why| Error::Address { address: shown.to_owned(), why };
        let (authority, is_https) = match address.split_once("://") {
            None => (address, false),
            Some(("http", rest)) => (rest.strip_suffix('/').unwrap_or(rest), false),
            Some(("https", rest)) if cfg!(feature = "consul-tls") => {
                (rest.strip_suffix('/').unwrap_or(rest), true)
            }
            Some(("https", _)) => {
                return Err(wrong("TLS is the feature consul-tls: build with it, or use http://"));
            }
            #[cfg(unix)]
            Some(("unix", path)) if path.starts_with('/') => {
                let place = Place::Unix(std::path::PathBuf::from(path).into());
                return Ok(Self::at(place, HeaderValue::from_static("localhost"), false));
            }
            Some(("unix", _)) => return Err(wrong("write the path in full: unix:///path")),
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
            None if authority.as_str() != authority.host() => {
                return Err(wrong("the port must be a number from 1 to 65535"));
            }
            None if is_https => 8501,
            None => 8500,
        };
        if port == 0 {
            return Err(wrong("the port must be a number from 1 to 65535"));
        }
        let address = format!("{}:{port}", authority.host());
        let host = HeaderValue::from_str(&address).map_err(|_| wrong("the host is not ASCII"))?;
        Ok(Self::at(Place::Tcp(address.into()), host, is_https))
    }

    fn at(place: Place, host: HeaderValue, is_https: bool) -> Self {
        Self {
            place,
            host,
            is_https,
            tls: None,
            token: None,
            authorization: None,
            scope: Scope::default(),
            consistency: Consistency::default(),
            limit: Duration::from_secs(5),
            size: 8 << 20,
            pulse: Pulse::default(),
        }
    }

    /// Speaks TLS with this configuration, which says whom to trust and, for
    /// mutual TLS, who we are; to the host of the address, unless the agent's
    /// certificate has another `name`. [`tls_config`](super::tls_config) makes
    /// one of PEM files.
    ///
    /// # Errors
    ///
    /// [`Error::Address`] when the name is none that a certificate can have.
    #[cfg(feature = "consul-tls")]
    pub fn tls(
        mut self,
        config: std::sync::Arc<rustls::ClientConfig>,
        name: Option<&str>,
    ) -> Result<Self, Error> {
        let address = self.place.to_string();
        let host = address.rsplit_once(':').map_or(&*address, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = name.unwrap_or(host).to_owned();
        let wrong = Error::Address { address: name.clone(), why: "no certificate has such a name" };
        let name = rustls::pki_types::ServerName::try_from(name).map_err(|_| wrong)?;
        self.tls = Some(Tls { config, name });
        Ok(self)
    }

    /// Sends a token with every call. It is never shown.
    ///
    /// # Errors
    ///
    /// [`Error::Token`] when it has characters that a header cannot have.
    pub fn token(mut self, token: &str) -> Result<Self, Error> {
        self.token = Some(secret(token)?);
        Ok(self)
    }

    /// Sends a user and a password with every call (HTTP Basic), for a proxy
    /// before the agent. They are never shown.
    ///
    /// # Errors
    ///
    /// [`Error::Token`] when the user has a colon, which nobody could read
    /// back.
    pub fn basic(mut self, user: &str, password: &str) -> Result<Self, Error> {
        if user.contains(':') {
            return Err(Error::Token);
        }
        let credentials = base64(format!("{user}:{password}").as_bytes());
        self.authorization = Some(secret(&format!("Basic {credentials}"))?);
        Ok(self)
    }

    /// Asks for the instances of another datacenter than the agent's own.
    #[must_use]
    pub fn datacenter(mut self, datacenter: impl Into<String>) -> Self {
        self.scope.datacenter = datacenter.into();
        self
    }

    /// Registers and asks in another namespace than the token's own (Consul
    /// Enterprise).
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.scope.namespace = namespace.into();
        self
    }

    /// Registers and asks in another partition than the agent's own (Consul
    /// Enterprise).
    #[must_use]
    pub fn partition(mut self, partition: impl Into<String>) -> Self {
        self.scope.partition = partition.into();
        self
    }

    /// Sets which server Consul asks for the instances of a service.
    #[must_use]
    pub const fn consistency(mut self, consistency: Consistency) -> Self {
        self.consistency = consistency;
        self
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
        target: Target,
        body: Vec<u8>,
        limit: Duration,
        known: &[StatusCode],
    ) -> Result<(response::Parts, Bytes), Error> {
        let request = self.request(method, target, body)?;
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
        Target(target): Target,
        body: Vec<u8>,
    ) -> Result<Request<Full<Bytes>>, Error> {
        let mut request = Request::new(Full::from(body));
        *request.method_mut() = method;
        // Too long is all that it can be.
        *request.uri_mut() = Uri::try_from(target).map_err(|error| Error::Other(error.into()))?;
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(token) = &self.token {
            headers.insert("x-consul-token", token.clone());
        }
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        Ok(request)
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(response::Parts, Bytes), Error> {
        #[cfg(feature = "consul-tls")]
        if self.is_https && self.tls.is_none() {
            return Err(Error::NoTls);
        }
        let stream = self.place.dial(self.tls.as_ref()).await?;
        let broken = |error: hyper::Error| Error::Connection(error.into());
        let (mut sender, connection) = http1::handshake(stream).await.map_err(broken)?;
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
        let ended = match race(answer.as_mut(), connection).await {
            First::Left(answer) => return answer,
            First::Right(ended) => ended,
        };
        // What came before the connection broke may be all of the answer.
        answer.await.or_else(|error| ended.map_err(broken).and(Err(error)))
    }

    async fn put(
        &self,
        target: Target,
        body: Vec<u8>,
        known: &[StatusCode],
    ) -> Result<StatusCode, Error> {
        let (parts, _) = self.call(Method::PUT, target, body, self.limit, known).await?;
        Ok(parts.status)
    }
}

impl Client for Agent {
    async fn register(&self, service: &Service) -> Result<(), Error> {
        let body = serde_json::to_vec(service).map_err(|error| Error::Other(error.into()))?;
        // Without it a check that the instance no longer has would stay.
        let target = Target::new("/v1/agent/service/register", &[])
            .with("replace-existing-checks", "true")
            .within(&self.scope);
        self.put(target, body, &[]).await.map(drop)
    }

    async fn deregister(&self, id: &str) -> Result<(), Error> {
        let target = Target::new("/v1/agent/service/deregister", &[id]).within(&self.scope);
        self.put(target, Vec::new(), &[StatusCode::NOT_FOUND]).await.map(drop)
    }

    async fn service(&self, id: &str, hash: &str) -> Result<Option<String>, Error> {
        let mut target = Target::new("/v1/agent/service", &[id]).within(&self.scope);
        let mut limit = self.limit;
        if !hash.is_empty() {
            target = target.with("hash", hash).with("wait", &in_go(SERVICE_WAIT));
            limit = patience(SERVICE_WAIT);
        }
        let known = [StatusCode::NOT_FOUND];
        let (parts, _) = self.call(Method::GET, target, Vec::new(), limit, &known).await?;
        if parts.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let hash = parts.headers.get("x-consul-contenthash").and_then(|hash| hash.to_str().ok());
        Ok(Some(hash.unwrap_or_default().to_owned()))
    }

    async fn report(&self, check: &str, health: Health) -> Result<bool, Error> {
        let path = match status(health) {
            "passing" => "/v1/agent/check/pass",
            "warning" => "/v1/agent/check/warn",
            _ => "/v1/agent/check/fail",
        };
        let target = Target::new(path, &[check]).within(&self.scope);
        // Consul says 404 of an unknown check since 1.11, and 500 before.
        let known = [StatusCode::NOT_FOUND, StatusCode::INTERNAL_SERVER_ERROR];
        self.put(target, Vec::new(), &known).await.map(|status| status.is_success())
    }

    async fn health(&self, query: &Query) -> Result<Answer, Error> {
        let mut target = Target::new("/v1/health/service", &[&query.service]);
        let mut limit = self.limit;
        if query.index > 0 {
            target = target.with("index", &query.index.to_string());
            target = target.with("wait", &in_go(query.wait));
            limit = query.patience();
        }
        if query.passing {
            target = target.with("passing", "true");
        }
        for tag in &query.tags {
            target = target.with("tag", tag);
        }
        target = match self.consistency {
            Consistency::Default => target,
            Consistency::Stale => target.with("stale", ""),
            Consistency::Consistent => target.with("consistent", ""),
        };
        if !self.scope.datacenter.is_empty() {
            target = target.with("dc", &self.scope.datacenter);
        }
        let target = target.within(&self.scope);
        let (parts, body) = self.call(Method::GET, target, Vec::new(), limit, &[]).await?;
        let index = parts.headers.get("x-consul-index").and_then(|index| index.to_str().ok());
        let entries =
            serde_json::from_slice(&body).map_err(|error| Error::Malformed(error.into()))?;
        Ok(Answer {
            index: index.and_then(|index| index.parse().ok()).unwrap_or_default(),
            entries,
        })
    }

    async fn ping(&self) -> Result<(), Error> {
        let mut target = Target::new("/v1/status/leader", &[]);
        if !self.scope.datacenter.is_empty() {
            target = target.with("dc", &self.scope.datacenter);
        }
        let (_, body) = self.call(Method::GET, target, Vec::new(), self.limit, &[]).await?;
        // Its address, as JSON.
        if body.trim_ascii() == b"\"\"" { Err(Error::NoLeader) } else { Ok(()) }
    }

    fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent")
            .field("place", &format_args!("{}", self.place))
            .field("has_tls", &self.tls.is_some())
            .field("has_token", &self.token.is_some())
            .field("scope", &self.scope)
            .field("consistency", &self.consistency)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// How long the answer to a query that waits may take.
pub(super) fn patience(wait: Duration) -> Duration {
    wait.saturating_add(wait / 16).saturating_add(Duration::from_secs(10))
}

fn secret(text: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(text).map_err(|_| Error::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let six = bits >> (18 - 6 * at) & 63;
            text.push(if at > chunk.len() { '=' } else { char::from(ALPHABET[six as usize]) });
        }
    }
    text
}

/// What a call asks for: a path and a query.
struct Target(String);

// ===== impl Target =====

impl Target {
    fn new(path: &str, segments: &[&str]) -> Self {
        let mut target = path.to_owned();
        for segment in segments {
            target.push('/');
            encode(segment, &mut target);
        }
        Self(target)
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.0.push(if self.0.contains('?') { '&' } else { '?' });
        self.0.push_str(name);
        if !value.is_empty() {
            self.0.push('=');
            encode(value, &mut self.0);
        }
        self
    }

    fn within(self, scope: &Scope) -> Self {
        let parameters = [("ns", &scope.namespace), ("partition", &scope.partition)];
        let given = parameters.into_iter().filter(|(_, value)| !value.is_empty());
        given.fold(self, |target, (name, value)| target.with(name, value))
    }
}

/// Encodes a segment of a path, or a value of a query: all but RFC 3986's
/// unreserved characters.
fn encode(text: &str, target: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                target.push(char::from(byte));
            }
            _ => {
                // Writing to a `String` cannot fail.
                let _ = write!(target, "%{byte:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_its_rfc() {
        let pairs =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (plain, encoded) in pairs {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
        assert_eq!(base64(b"Aladdin:open sesame"), "QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }
}
