use super::KeySet;
use super::source::{FetchError, Fetched, KeySource};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, Uri, header};
use http_body::Body;
use http_body_util::{BodyExt, Full, Limited};
use std::{error::Error, fmt, future::poll_fn, time::Duration};
use tower_service::Service;

type BoxError = Box<dyn Error + Send + Sync>;

/// How large a set of keys may be: thousands of keys.
const MOST: usize = 1 << 20;

/// Keys at a URL (`jwks_uri`), fetched by a client that is given: any tower
/// service of `http` requests, kit-transport-http's `Pool` for one.
///
/// How long they are fresh its `Cache-Control: max-age` says, less its `Age` (RFC
/// 9111). Redirects are not followed.
#[derive(Clone)]
pub struct Url<S> {
    uri: Uri,
    client: S,
}

/// A URL that keys are not fetched from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadUrl {
    /// It is none with a host.
    NotAbsolute,
    /// It has a user before its host: a client has credentials of its own.
    User,
    /// It is not `https`, and of another machine: who is between could give keys of
    /// their own.
    NotSecure,
}

// ===== impl Url =====

impl<S> Url<S> {
    /// Fetches keys from `uri` by `client`.
    ///
    /// # Errors
    ///
    /// When it has no host, or a user, or is not `https` unless of this machine.
    pub fn new(uri: Uri, client: S) -> Result<Self, BadUrl> {
        let host = uri.host().ok_or(BadUrl::NotAbsolute)?;
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(BadUrl::User);
        }
        let is_here = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if is_here => {}
            Some(_) => return Err(BadUrl::NotSecure),
            None => return Err(BadUrl::NotAbsolute),
        }
        Ok(Self { uri, client })
    }
}

impl<S, B> KeySource for Url<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<BoxError>> + Send,
{
    async fn fetch(&self) -> Result<Fetched, FetchError> {
        let mut client = self.client.clone();
        let mut request = Request::new(Full::default());
        *request.uri_mut() = self.uri.clone();
        let accept = "application/jwk-set+json, application/json;q=0.9";
        request.headers_mut().insert(header::ACCEPT, http::HeaderValue::from_static(accept));
        if let Some(host) = self.uri.authority()
            && let Ok(host) = host.as_str().parse()
        {
            request.headers_mut().insert(header::HOST, host);
        }
        poll_fn(|cx| client.poll_ready(cx))
            .await
            .map_err(|error| FetchError::Other(error.into()))?;
        let reply = client.call(request).await.map_err(|error| FetchError::Other(error.into()))?;
        if reply.status() != StatusCode::OK {
            return Err(FetchError::Status(reply.status().as_u16()));
        }
        let fresh = fresh(reply.headers());
        let json = Limited::new(reply.into_body(), MOST).collect().await.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                FetchError::TooLarge
            } else {
                FetchError::Other(error)
            }
        })?;
        let keys = KeySet::jwks(&json.to_bytes()).map_err(FetchError::Keys)?;
        Ok(Fetched { keys, fresh })
    }
}

impl<S> fmt::Debug for Url<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Url").field(&self.uri).finish()
    }
}

/// How long a reply is fresh (RFC 9111, section 4.2), if it says so.
fn fresh(headers: &HeaderMap) -> Option<Duration> {
    let mut age = None;
    for value in headers.get_all(header::CACHE_CONTROL) {
        for part in value.to_str().ok()?.split(',') {
            let (name, value) = part.trim().split_once('=').unwrap_or((part.trim(), ""));
            if name.eq_ignore_ascii_case("no-store") || name.eq_ignore_ascii_case("no-cache") {
                return Some(Duration::ZERO);
            }
            if name.eq_ignore_ascii_case("max-age") {
                age = value.trim_matches('"').parse().ok();
            }
        }
    }
    let spent = headers.get(header::AGE).and_then(|age| age.to_str().ok()?.parse().ok());
    Some(Duration::from_secs(age?).saturating_sub(Duration::from_secs(spent.unwrap_or(0))))
}

// ===== impl BadUrl =====

impl fmt::Display for BadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAbsolute => "the URL of the keys names no host",
            Self::User => "the URL of the keys has a user, and nobody would ask for one",
            Self::NotSecure => "keys of another machine are fetched over https only",
        })
    }
}

impl Error for BadUrl {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_fresh_for_its_max_age_less_its_age() {
        let of = |control: &[&str], age: Option<&str>| {
            let mut headers = HeaderMap::new();
            for value in control {
                headers.append(header::CACHE_CONTROL, value.parse().unwrap());
            }
            if let Some(age) = age {
                headers.insert(header::AGE, age.parse().unwrap());
            }
            fresh(&headers).map(|fresh| fresh.as_secs())
        };
        assert_eq!(of(&[], None), None);
        assert_eq!(of(&["public, max-age=3600, must-revalidate"], None), Some(3600));
        assert_eq!(of(&["public", "Max-Age=\"60\""], Some("25")), Some(35));
        assert_eq!(of(&["max-age=60"], Some("61")), Some(0));
        assert_eq!(of(&["max-age=60, no-cache"], None), Some(0));
        assert_eq!(of(&["max-age=x"], None), None);
        assert_eq!(of(&["s-maxage=5"], None), None);
    }

    #[test]
    fn keys_of_elsewhere_come_over_https() {
        let url = |uri: &str| Url::new(uri.parse().unwrap(), ()).map(drop);
        for good in ["https://a/keys", "http://localhost:1/", "http://127.0.0.1/", "http://[::1]/"]
        {
            assert_eq!(url(good), Ok(()), "{good}");
        }
        assert_eq!(url("http://a.example/keys"), Err(BadUrl::NotSecure));
        assert_eq!(url("https://u:p@a.example/"), Err(BadUrl::User));
        assert_eq!(url("/keys"), Err(BadUrl::NotAbsolute));
        assert_eq!(url("a.example:443"), Err(BadUrl::NotAbsolute));
    }
}
