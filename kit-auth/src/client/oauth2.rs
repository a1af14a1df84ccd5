use super::{Credential, Given, NoCredential, bearer};
use arc_swap::ArcSwapOption;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body::Body;
use http_body_util::{BodyExt, Full, Limited};
use serde::Deserialize;
use std::{
    error::Error,
    fmt,
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep_until, timeout},
};
use tower_service::Service;

type BoxError = Box<dyn Error + Send + Sync>;

const MOST: usize = 64 * 1024;
/// How long a token serves whose server does not say.
const USUAL: Duration = Duration::from_mins(5);
const RETRY: Duration = Duration::from_secs(5);
/// How long a server that did not answer a call is not asked by others, and how
/// long one that answered is let alone.
const PAUSE: Duration = Duration::from_secs(1);
/// Longer is asked for anew.
const LONGEST: Duration = Duration::from_hours(24 * 30);

/// Tokens of a server of them, by OAuth 2.0's client credentials (RFC 6749,
/// section 4.4): a [`Credential`].
///
/// A token serves until it is over; when four fifths of its time have passed one
/// call fetches the next, and those that come meanwhile take the old one. A call that
/// is dropped drops what it fetches: where calls are shorter than a fetch, and where
/// none is to wait while there is a token, let [`keep`](Self::keep) run. Clones share
/// the token.
pub struct OAuth2<S> {
    inner: Arc<Inner<S>>,
    limit: Duration,
}

struct Inner<S> {
    uri: Uri,
    client: S,
    authorization: HeaderValue,
    form: String,
    current: ArcSwapOption<Token>,
    /// Somebody fetches the next in time.
    is_kept: AtomicBool,
    /// Held by who fetches the next; when that failed last.
    fetching: Mutex<Option<Instant>>,
}

struct Token {
    header: HeaderValue,
    renew: Instant,
    until: Instant,
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    token_type: String,
    /// Seconds; Azure AD writes them as a string.
    expires_in: Option<serde_json::Value>,
}

// ===== impl OAuth2 =====

impl<S> OAuth2<S> {
    /// Fetches tokens at `uri`, the token endpoint, by `client`, as `id` with its
    /// `secret`, good for `scopes` (names with spaces between them; may be empty).
    ///
    /// # Errors
    ///
    /// When the URL is not `https`, unless of this machine.
    pub fn new(
        uri: Uri,
        client: S,
        id: &str,
        secret: &str,
        scopes: &str,
    ) -> Result<Self, NoCredential> {
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(NoCredential::new("the URL of the server of tokens has a user"));
        }
        let is_here = matches!(uri.host(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if uri.scheme_str() != Some("https") && !is_here {
            return Err(NoCredential::new("a server of tokens is asked over https only"));
        }
        // RFC 6749, section 2.3.1: both are encoded before.
        let pair = format!("{}:{}", encoded(id), encoded(secret));
        let mut authorization = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair)))
            .map_err(|_| NoCredential::new("the client's id is none"))?;
        authorization.set_sensitive(true);
        let mut form = "grant_type=client_credentials".to_owned();
        if !scopes.is_empty() {
            form.push_str("&scope=");
            form.push_str(&encoded(scopes));
        }
        let inner = Arc::new(Inner {
            uri,
            client,
            authorization,
            form,
            current: ArcSwapOption::empty(),
            is_kept: AtomicBool::new(false),
            fetching: Mutex::new(None),
        });
        Ok(Self { inner, limit: Duration::from_secs(5) })
    }
}

impl<S> OAuth2<S> {
    /// Lets the server take so long: 5 s by default.
    #[must_use]
    pub const fn fetch_timeout(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }
}

/// `application/x-www-form-urlencoded`, of all but letters, digits and `-._`.
fn encoded(text: &str) -> String {
    use fmt::Write;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => encoded.push('+'),
            b'-' | b'.' | b'_' => encoded.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => encoded.push(char::from(byte)),
            // Writing to a `String` cannot fail.
            _ => drop(write!(encoded, "%{byte:02X}")),
        }
    }
    encoded
}

impl<S> Inner<S> {
    fn current(&self) -> Option<(HeaderValue, bool)> {
        let (current, now) = (self.current.load(), Instant::now());
        let token = current.as_ref().filter(|token| now < token.until)?;
        Some((token.header.clone(), now < token.renew))
    }
}

impl<S, B> Inner<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<BoxError>> + Send,
{
    async fn fetch(&self, limit: Duration) -> Result<HeaderValue, NoCredential> {
        let failed = |error: BoxError| {
            NoCredential::new("the server of tokens does not answer").because(error)
        };
        let asked = Instant::now();
        let answer = timeout(limit, self.ask()).await;
        let answer = answer.unwrap_or_else(|late| Err(late.into())).map_err(failed)?;
        if !answer.token_type.eq_ignore_ascii_case("bearer") {
            return Err(NoCredential::new("the server of tokens gives none that is a bearer's"));
        }
        let header = bearer(&answer.access_token)?;
        let seconds = answer.expires_in.and_then(|seconds| match seconds {
            serde_json::Value::String(text) => text.parse().ok(),
            number => number.as_u64(),
        });
        let lifetime = seconds.map_or(USUAL, Duration::from_secs).min(LONGEST);
        // From when it was asked for: it is no older than that.
        let (renew, until) = (asked + lifetime / 5 * 4, asked + lifetime);
        let token = Token { header: header.clone(), renew, until };
        self.current.store(Some(Arc::new(token)));
        Ok(header)
    }

    async fn ask(&self) -> Result<Answer, BoxError> {
        let mut client = self.client.clone();
        let mut request = Request::new(Full::from(self.form.clone()));
        (*request.method_mut(), *request.uri_mut()) = (Method::POST, self.uri.clone());
        let headers = request.headers_mut();
        headers.insert(header::AUTHORIZATION, self.authorization.clone());
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(header::CONTENT_TYPE, form);
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(host) = self.uri.authority() {
            headers.insert(header::HOST, host.as_str().parse()?);
        }
        poll_fn(|cx| client.poll_ready(cx)).await.map_err(Into::into)?;
        let reply = client.call(request).await.map_err(Into::into)?;
        if reply.status() != StatusCode::OK {
            return Err(format!("it answers with {}", reply.status().as_u16()).into());
        }
        let body = Limited::new(reply.into_body(), MOST).collect().await?;
        // What serde says of it may show a part.
        serde_json::from_slice(&body.to_bytes()).map_err(|_| "its answer has no token".into())
    }

    async fn next(&self, limit: Duration) -> Result<HeaderValue, NoCredential> {
        let begun = Instant::now();
        let silent = || NoCredential::new("the server of tokens does not answer");
        let mut failed = match (self.fetching.try_lock(), self.current()) {
            (Ok(failed), _) => failed,
            // Somebody fetches, and the old one serves still.
            (Err(_), Some((header, _))) => return Ok(header),
            (Err(_), None) => timeout(limit, self.fetching.lock()).await.map_err(|_| silent())?,
        };
        let known = self.current();
        if let Some((header, true)) = known {
            return Ok(header);
        }
        // What failed while this waited, or a moment ago, would fail again.
        let has_failed = failed.is_some_and(|failed| failed >= begun || failed + PAUSE > begun);
        let fetched = if has_failed { Err(silent()) } else { self.fetch(limit).await };
        if !has_failed {
            *failed = fetched.is_err().then(Instant::now);
        }
        match (fetched, known) {
            (Err(_), Some((header, _))) => Ok(header),
            (fetched, _) => fetched,
        }
    }
}

impl<S, B> OAuth2<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<BoxError>> + Send,
{
    /// Fetches each token before the one before it is over, so that no call waits
    /// that comes while there is one.
    /// It never ends; a server that does not answer is asked again after 5 s.
    pub async fn keep(&self) {
        self.inner.is_kept.store(true, Ordering::Relaxed);
        let _kept = NoMore(&self.inner.is_kept);
        loop {
            let renew = self.inner.current.load().as_ref().map(|token| token.renew);
            if let Some(renew) = renew {
                sleep_until(renew).await;
            }
            let is_new = {
                let _fetching = self.inner.fetching.lock().await;
                matches!(self.inner.current(), Some((_, true)))
                    || self.inner.fetch(self.limit).await.is_ok()
            };
            // One that is over when it comes is asked for no more often than that.
            let pause = if is_new { PAUSE } else { RETRY };
            sleep_until(Instant::now() + pause).await;
        }
    }
}

struct NoMore<'a>(&'a AtomicBool);

impl Drop for NoMore<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl<S, B> Credential for OAuth2<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    fn give(&self) -> Given {
        let known = self.inner.current();
        let is_kept = || self.inner.is_kept.load(Ordering::Relaxed);
        if let Some((header, is_fresh)) = known
            && (is_fresh || is_kept() || self.inner.fetching.try_lock().is_err())
        {
            return Given::Now(Ok(header));
        }
        let (inner, limit) = (Arc::clone(&self.inner), self.limit);
        Given::Later(Box::pin(async move { inner.next(limit).await }))
    }
}

impl<S> Clone for OAuth2<S> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), limit: self.limit }
    }
}

impl<S> fmt::Debug for OAuth2<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth2").field("uri", &self.inner.uri).finish_non_exhaustive()
    }
}
