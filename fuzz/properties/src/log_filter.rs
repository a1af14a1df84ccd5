use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use kit_trace::log::{Filter, LogService};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};
use tower_service::Service;
use tracing::{Level, level_filters::LevelFilter, subscriber::with_default};
use tracing_subscriber::{layer::SubscriberExt, registry};

/// What a filter says of a target: nothing of most if it begins with another.
type Levels = BTreeMap<String, LevelFilter>;

/// Filters of the log: a method and a content type, a line end, and the body of
/// a request to change what is logged. The body is read as a filter, too.
pub fn log_filter(data: &[u8]) {
    let (head, body) = crate::halves(data, b'\n');
    filter(&String::from_utf8_lossy(body));
    let (method, kind) = crate::halves(head, b' ');
    let kind = HeaderValue::from_bytes(kind).ok();
    if let Ok(method) = Method::from_bytes(method) {
        asked(&method, kind.as_ref(), body);
    }
}

fn filter(text: &str) {
    let filter = Filter::new(text);
    let read = read(text);
    match (&filter, &read) {
        (Ok(filter), Ok(read)) => {
            assert_eq!(filter.current().filter, text.trim());
            if let Some(levels) = read {
                assert_eq!(logged(filter), expected(levels), "{text}");
            }
        }
        // It names the part that is wrong.
        (Err(error), Err(why)) => assert!(error.to_string().contains(why), "{error}, not {why}"),
        _ => panic!("{text:?}: {filter:?}, and not {read:?}"),
    }
    // It changes where it can be read, and only there.
    let other = Filter::new("warn").expect("a level is a filter");
    assert_eq!(other.set(text).is_ok(), filter.is_ok());
    let default = if filter.is_ok() { text.trim() } else { "warn" };
    assert_eq!(other.current().default, default);
    if let Ok(Some(levels)) = read {
        assert_eq!(logged(&other), expected(&levels), "{text}");
    }
}

/// What is said of the filter, and done to it, over HTTP.
fn asked(method: &Method, kind: Option<&HeaderValue>, body: &[u8]) {
    let filter = Filter::new("info").expect("a level is a filter");
    filter.set_for("warn", Duration::from_mins(1)).expect("a level is a filter");
    let mut request = Request::new(Full::new(Bytes::copy_from_slice(body)));
    request.method_mut().clone_from(method);
    if let Some(kind) = kind {
        request.headers_mut().insert(header::CONTENT_TYPE, kind.clone());
    }
    let response = answer(&filter, request);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let changed = match (method.as_str(), &*kind) {
        ("GET" | "HEAD", _) => Ok(("warn".to_owned(), "info".to_owned(), Some(60))),
        ("DELETE", _) => Ok(("info".to_owned(), "info".to_owned(), None)),
        ("PUT" | "POST", "application/json") => of_json(body).ok_or(400),
        ("PUT" | "POST", "application/x-www-form-urlencoded") => of_form(body).ok_or(400),
        ("PUT" | "POST", _) => Err(415),
        _ => Err(405),
    };
    let allows = response.headers().contains_key(header::ALLOW);
    assert_eq!(allows, response.status() == StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    let shown = serde_json::from_slice::<Value>(response.body()).ok();
    assert_eq!(shown.is_none(), *method == Method::HEAD);
    let text = |name: &str| shown.as_ref().and_then(|shown| shown.get(name)?.as_str());
    let setting = filter.current();
    match changed {
        Ok((holds, default, seconds)) => {
            assert_eq!(response.status(), StatusCode::OK, "{shown:?}");
            assert_eq!((&setting.filter, &setting.default), (&holds, &default));
            assert_eq!(setting.expires_in.is_some(), seconds.is_some());
            if let Some(shown) = &shown {
                let left = shown["expires_in_seconds"].as_u64();
                assert_eq!((text("filter"), text("default")), (Some(&*holds), Some(&*default)));
                assert_eq!(left.is_some(), seconds.is_some());
                // Rounded up.
                assert!(left.is_none_or(|left| left > 0) && left <= seconds);
            }
        }
        Err(status) => {
            assert_eq!(response.status(), status, "{shown:?}");
            assert_eq!((&*setting.filter, &*setting.default), ("warn", "info"));
            assert!(shown.is_none() || text("detail").is_some_and(|why| !why.is_empty()));
        }
    }
}

fn answer(filter: &Filter, request: Request<Full<Bytes>>) -> Response<Bytes> {
    let mut context = Context::from_waker(Waker::noop());
    let mut service = LogService::new(filter.clone());
    let response = pin!(service.call(request)).as_mut().poll(&mut context);
    let Poll::Ready(Ok(response)) = response else { panic!("it waits for nothing") };
    response.map(|body| match pin!(body.collect()).as_mut().poll(&mut context) {
        Poll::Ready(Ok(body)) => body.to_bytes(),
        Poll::Ready(Err(never)) => match never {},
        Poll::Pending => panic!("it waits for nothing"),
    })
}

// ===== a body =====

/// What holds after a change, by default, and for how many seconds.
type Change = (String, String, Option<u64>);

fn of_json(body: &[u8]) -> Option<Change> {
    let Value::Object(object) = serde_json::from_slice(body).ok()? else { return None };
    let known = |name: &String| ["filter", "for_seconds"].contains(&&**name);
    let seconds = match object.get("for_seconds") {
        None | Some(Value::Null) => None,
        Some(seconds) => Some(seconds.as_u64()?),
    };
    if object.keys().all(known) { change(object.get("filter")?.as_str()?, seconds) } else { None }
}

fn of_form(body: &[u8]) -> Option<Change> {
    let decoded = |text: &[u8]| {
        let text: Vec<_> =
            text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
        String::from_utf8_lossy(&crate::percent_decoded(&text)).into_owned()
    };
    let mut fields = BTreeMap::new();
    for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        let (name, value) = crate::halves(pair, b'=');
        if fields.insert(decoded(name), decoded(value)).is_some() {
            return None;
        }
    }
    let text = fields.remove("filter")?;
    let seconds = match fields.remove("for_seconds") {
        None => None,
        Some(seconds) if seconds.chars().all(|digit| digit.is_ascii_digit()) => {
            Some(seconds.parse().ok()?)
        }
        Some(_) => return None,
    };
    if fields.is_empty() { change(&text, seconds) } else { None }
}

fn change(text: &str, seconds: Option<u64>) -> Option<Change> {
    read(text).ok()?;
    let text = text.trim().to_owned();
    match seconds {
        None => Some((text.clone(), text, None)),
        Some(1..=86_400) => Some((text, "info".to_owned(), seconds)),
        Some(_) => None,
    }
}

// ===== a filter =====

/// Reads a filter as tracing-subscriber's `EnvFilter` documents it, but strictly;
/// gives levels if it knows of nothing but targets, and else what is wrong.
fn read(text: &str) -> Result<Option<Levels>, String> {
    let text = text.trim();
    if text.len() > Filter::LONGEST || !text.is_ascii() {
        let why = if text.is_ascii() { "more than 4096 bytes" } else { "ASCII" };
        return Err(why.to_owned());
    }
    let parts: Vec<_> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    let mut levels = Some(Levels::new());
    for part in &parts {
        let read = directive(part).ok_or_else(|| format!("`{}`", part.escape_debug()))?;
        match (read, &mut levels) {
            (Directive::Level(target, level), Some(levels)) => _ = levels.insert(target, level),
            _ => levels = None,
        }
    }
    if parts.is_empty() { Err("it is empty".to_owned()) } else { Ok(levels) }
}

/// A part of a filter: of a target, or of all; or of a span.
enum Directive {
    Level(String, LevelFilter),
    Span,
}

/// `level`, `target`, `target=level`, or `target[span{field=value}]=level`, of which
/// all may be missing but the brackets, and which is no level of a target.
fn directive(part: &str) -> Option<Directive> {
    let first = |letter: char| letter.is_ascii_alphanumeric() || "-:_[".contains(letter);
    if !part.starts_with(first) {
        return None;
    }
    let head = part.split('=').next()?;
    let Some((_, span)) = head.find('[').map(|at| part.split_at(at + 1)) else {
        let (target, level) = match (part.split_once('='), level(part)) {
            (Some((target, name)), _) => (target.to_owned(), level_or_all(name)?),
            (None, Some(level)) => (String::new(), level),
            (None, None) => (part.to_owned(), LevelFilter::TRACE),
        };
        return Some(Directive::Level(target, level));
    };
    // What comes first ends its name.
    let end = span.find(['{', ']'])?;
    let (_, mut rest) = span.split_at(end);
    if let Some(field) = rest.strip_prefix('{') {
        let (field, more) = field.split_once('}')?;
        // It has one value at most.
        if field.is_empty() || field.matches('=').count() > 1 {
            return None;
        }
        rest = more;
    }
    match rest.strip_prefix(']')? {
        "" => Some(Directive::Span),
        rest => level_or_all(rest.strip_prefix('=')?).map(|_| Directive::Span),
    }
}

/// A level, or nothing, which is all.
fn level_or_all(name: &str) -> Option<LevelFilter> {
    if name.is_empty() { Some(LevelFilter::TRACE) } else { level(name) }
}

/// A name in any case, or a number from 0.
fn level(name: &str) -> Option<LevelFilter> {
    let levels = [
        LevelFilter::OFF,
        LevelFilter::ERROR,
        LevelFilter::WARN,
        LevelFilter::INFO,
        LevelFilter::DEBUG,
        LevelFilter::TRACE,
    ];
    if let Ok(number) = name.parse::<usize>() {
        return levels.get(number).copied();
    }
    levels.into_iter().find(|level| level.to_string().eq_ignore_ascii_case(name))
}

/// Says how much is logged of some targets.
macro_rules! loudest {
    ($($target:literal)*) => {
        /// Targets that filters may know.
        const TARGETS: &[&str] = &[$($target),*];

        /// What is logged of them.
        fn logged(filter: &Filter) -> Vec<LevelFilter> {
            with_default(registry().with(filter.clone()), || {
                vec![$({
                    let heard = [
                        tracing::event_enabled!(target: $target, Level::ERROR),
                        tracing::event_enabled!(target: $target, Level::WARN),
                        tracing::event_enabled!(target: $target, Level::INFO),
                        tracing::event_enabled!(target: $target, Level::DEBUG),
                        tracing::event_enabled!(target: $target, Level::TRACE),
                    ];
                    let count = heard.iter().take_while(|heard| **heard).count();
                    assert!(heard.iter().skip(count).all(|heard| !heard));
                    level(&count.to_string()).expect("a level")
                }),*]
            })
        }
    };
}

loudest!("a" "ab" "access" "kit_trace" "kit_trace::log");

/// The longest that a target begins with decides.
fn expected(levels: &Levels) -> Vec<LevelFilter> {
    let of = |target: &&str| {
        let known = levels.iter().filter(|(name, _)| target.starts_with(&***name));
        known.max_by_key(|(name, _)| name.len()).map_or(LevelFilter::OFF, |(_, level)| *level)
    };
    TARGETS.iter().map(of).collect()
}
