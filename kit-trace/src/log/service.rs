use super::{BadFilter, Filter};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use kit_endpoint::{Fault, Kind, Problem};
use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tower_service::Service;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Shows and changes a [`Filter`] over HTTP: a service for a debug port, at
/// `/debug/log`, that never fails.
///
/// | method | does |
/// |---|---|
/// | `GET`, `HEAD` | shows what holds |
/// | `PUT`, `POST` | sets `filter`: for `for_seconds`, 1 to 86400, or, without, for good |
/// | `DELETE` | goes back to the default |
///
/// A body is JSON or a form, by its `Content-Type`, of at most 16 KiB. The answer is
/// what holds then: `{"filter":"debug","default":"info","expires_in_seconds":60}`.
/// What is wrong is answered with problem details that say so (400, 405, 413, 415).
/// A change is logged at warn level, under the filter that held before.
///
/// It guards nothing: whoever reaches it may fill the disk. Mount it behind what
/// asks for a token or a loopback peer.
///
/// ```sh
/// curl -X PUT -d filter=debug -d for_seconds=60 localhost:9112/debug/log
/// ```
#[derive(Debug, Clone)]
pub struct LogService {
    filter: Filter,
}

/// Why a request was not done.
#[derive(Debug)]
enum Mistake {
    Filter(BadFilter),
    Method,
    Type,
    TooLarge,
    Body(String),
    Read,
}

/// What a request asks for.
#[derive(Debug, Default)]
struct Change {
    filter: Option<String>,
    for_seconds: Option<u64>,
}

/// The bytes that a body has at most: a filter of the longest, in percent codes.
const LONGEST: usize = 16 << 10;

/// The longest that a filter is set for: a day.
const LAST: u64 = 86_400;

// ===== impl LogService =====

impl LogService {
    /// Shows and changes `filter`.
    #[must_use]
    pub const fn new(filter: Filter) -> Self {
        Self { filter }
    }

    async fn answer<B>(self, request: Request<B>) -> Result<Response<Full<Bytes>>, Mistake>
    where
        B: Body<Error: Into<BoxError>>,
    {
        // Where nobody else sees to it.
        self.filter.expire();
        match *request.method() {
            Method::GET | Method::HEAD => {}
            Method::DELETE => {
                tracing::warn!("the filter of the log goes back to its default");
                self.filter.reset();
            }
            Method::PUT | Method::POST => {
                let (head, body) = request.into_parts();
                let body = Limited::new(body, LONGEST).collect().await.map_err(|error| {
                    if error.is::<LengthLimitError>() { Mistake::TooLarge } else { Mistake::Read }
                })?;
                let change = Change::read(&head.headers, &body.to_bytes())?;
                self.change(change)?;
            }
            _ => return Err(Mistake::Method),
        }
        Ok(self.shown())
    }

    fn change(&self, change: Change) -> Result<(), Mistake> {
        let Change { filter: Some(filter), for_seconds } = change else {
            return Err(Mistake::Body("`filter` is missing".to_owned()));
        };
        // What is wrong is not said to be done.
        Filter::new(&filter).map_err(Mistake::Filter)?;
        match for_seconds {
            None => {
                tracing::warn!(filter, "the filter of the log is changed");
                self.filter.set(&filter)
            }
            Some(seconds @ 1..=LAST) => {
                tracing::warn!(filter, for_seconds = seconds, "the filter of the log is changed");
                self.filter.set_for(&filter, Duration::from_secs(seconds))
            }
            Some(_) => {
                return Err(Mistake::Body(format!("`for_seconds` is not from 1 to {LAST}")));
            }
        }
        .map_err(Mistake::Filter)
    }

    fn shown(&self) -> Response<Full<Bytes>> {
        let setting = self.filter.current();
        // Rounded up: it holds at least as long.
        let left = setting.expires_in.map(|left| left.as_secs_f64().ceil());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a year")]
        let left = left.map(|left| left as u64);
        let body = serde_json::json!({
            "filter": setting.filter,
            "default": setting.default,
            "expires_in_seconds": left,
        });
        let mut response = Response::new(Full::from(format!("{body}\n")));
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response
    }
}

impl<B> Service<Request<B>> for LogService
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    // A box, since nobody asks often.
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let this = self.clone();
        let bodiless = *request.method() == Method::HEAD;
        Box::pin(async move {
            let mut response = this.answer(request).await.unwrap_or_else(Mistake::into_response);
            let fresh = HeaderValue::from_static("no-store");
            response.headers_mut().insert(header::CACHE_CONTROL, fresh);
            if bodiless {
                *response.body_mut() = Full::default();
            }
            Ok(response)
        })
    }
}

// ===== impl Change =====

impl Change {
    fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Mistake> {
        let name = headers.get(header::CONTENT_TYPE);
        let name = name.and_then(|name| name.to_str().ok()).unwrap_or_default();
        match name.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "application/json" => Self::of_json(body),
            "application/x-www-form-urlencoded" => Self::of_form(body),
            _ => Err(Mistake::Type),
        }
    }

    fn of_json(body: &[u8]) -> Result<Self, Mistake> {
        use serde_json::{Map, Value, from_slice};

        let wrong = |why: &str| Mistake::Body(why.to_owned());
        let object: Map<String, Value> =
            from_slice(body).map_err(|error| Mistake::Body(error.to_string()))?;
        let mut change = Self::default();
        for (name, value) in object {
            match (name.as_str(), value) {
                ("filter", Value::String(filter)) => change.filter = Some(filter),
                ("filter", _) => return Err(wrong("`filter` is no text")),
                ("for_seconds", Value::Null) => {}
                ("for_seconds", value) => {
                    let seconds =
                        value.as_u64().ok_or_else(|| wrong("`for_seconds` is no count"))?;
                    change.for_seconds = Some(seconds);
                }
                (name, _) => return Err(unknown(name)),
            }
        }
        Ok(change)
    }

    fn of_form(body: &[u8]) -> Result<Self, Mistake> {
        let wrong = |why: &str| Mistake::Body(why.to_owned());
        let mut change = Self::default();
        for (name, value) in form_urlencoded::parse(body) {
            let twice = match &*name {
                "filter" => change.filter.replace(value.into_owned()).is_some(),
                "for_seconds" => {
                    // `parse` takes a sign, too.
                    let digits = value.bytes().all(|digit| digit.is_ascii_digit());
                    let seconds = value.parse().ok().filter(|_| digits);
                    let seconds = seconds.ok_or_else(|| wrong("`for_seconds` is no count"))?;
                    change.for_seconds.replace(seconds).is_some()
                }
                name => return Err(unknown(name)),
            };
            if twice {
                return Err(Mistake::Body(format!("`{name}` is there twice")));
            }
        }
        Ok(change)
    }
}

fn unknown(name: &str) -> Mistake {
    let name: String = name.escape_debug().take(64).collect();
    Mistake::Body(format!("`{name}` is not known: write `filter` and `for_seconds`"))
}

// ===== impl Mistake =====

impl Mistake {
    fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Problem::new(&self).into_response().map(Full::from);
        if response.status() == StatusCode::METHOD_NOT_ALLOWED {
            let allowed = HeaderValue::from_static("GET, HEAD, PUT, POST, DELETE");
            response.headers_mut().insert(header::ALLOW, allowed);
        }
        response
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Filter(error) => error.fmt(f),
            Self::Method => f.write_str("GET shows the filter, PUT sets it, DELETE resets it"),
            Self::Type => f.write_str("send application/json or application/x-www-form-urlencoded"),
            Self::TooLarge => write!(f, "a body has at most {LONGEST} bytes"),
            Self::Body(why) => write!(f, "not a change of the filter: {why}"),
            Self::Read => f.write_str("the body broke off"),
        }
    }
}

impl std::error::Error for Mistake {}

impl Fault for Mistake {
    fn kind(&self) -> Kind {
        match self {
            Self::Filter(error) => error.kind(),
            Self::Method => Kind::MethodNotAllowed,
            Self::Type => Kind::UnsupportedMediaType,
            Self::TooLarge => Kind::PayloadTooLarge,
            Self::Body(_) | Self::Read => Kind::InvalidArgument,
        }
    }
}
