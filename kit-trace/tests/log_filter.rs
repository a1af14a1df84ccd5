//! What is logged, and how that changes while the program runs.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]
// One crate of the shared tests uses more of it than another.
#![allow(dead_code, reason = "shared")]

#[path = "support/written.rs"]
mod written;

use http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use kit_endpoint::{Fault, Inspect, Inspector, Kind};
use kit_trace::log::{Filter, Format, Lines, LogService};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::{advance, sleep};
use tower::ServiceExt;
use tracing::{Subscriber, debug, error, info, info_span, trace};
use tracing_subscriber::{Layer, prelude::*};
use written::{Written, heard};

const SECOND: Duration = Duration::from_secs(1);

fn filter(text: &str) -> Filter {
    Filter::new(text).unwrap()
}

/// Filters for all layers, and for one.
fn both(filter: &Filter) -> [(Written, Box<dyn Subscriber + Send + Sync>); 2] {
    let (all, one) = (Written::default(), Written::default());
    let lines = |written: &Written| Lines::new(Format::Logfmt, written.clone());
    let registry = tracing_subscriber::registry;
    [
        (all.clone(), Box::new(registry().with(filter.clone()).with(lines(&all)))),
        (one.clone(), Box::new(registry().with(lines(&one).with_filter(filter.clone())))),
    ]
}

fn said(written: &Written) -> Vec<String> {
    written.logfmt().into_iter().map(|mut line| line.remove("message").unwrap()).collect()
}

#[test]
fn a_filter_is_kept_and_changed_while_it_is_used() {
    fn log() {
        info!(target: "access", "access");
        info!("info");
        debug!("debug");
    }
    let filter = filter("info,access=warn");
    for (written, subscriber) in both(&filter) {
        filter.set("info,access=warn").unwrap();
        heard(subscriber, || {
            log();
            filter.set("debug,access=off").unwrap();
            log();
            filter.set("off").unwrap();
            log();
            filter.set("access=info").unwrap();
            log();
        });
        assert_eq!(said(&written), ["info", "info", "debug", "access"]);
    }
}

#[test]
fn a_filter_of_one_layer_takes_nothing_from_another() {
    let (log, all) = (Written::default(), Written::default());
    let subscriber = tracing_subscriber::registry()
        .with(Lines::new(Format::Logfmt, log.clone()).with_filter(filter("error")))
        .with(Lines::new(Format::Logfmt, all.clone()));
    heard(subscriber, || {
        error!("error");
        trace!("trace");
    });
    assert_eq!(said(&log), ["error"]);
    assert_eq!(said(&all), ["error", "trace"]);
}

#[test]
fn a_filter_knows_spans_and_their_fields() {
    let filter = filter("off,[asked{who=7}]=debug");
    for (written, subscriber) in both(&filter) {
        heard(subscriber, || {
            info_span!("asked", who = 7).in_scope(|| debug!("seven"));
            info_span!("asked", who = 8).in_scope(|| debug!("eight"));
            debug!("nobody");
        });
        assert_eq!(said(&written), ["seven"]);
    }
}

#[test]
fn white_space_around_commas_means_nothing() {
    let filter = filter(" off,, access= ,\tinfo ");
    for (written, subscriber) in both(&filter) {
        heard(subscriber, || {
            info!("info");
            debug!("debug");
            debug!(target: "access", "access");
        });
        assert_eq!(said(&written), ["info", "access"]);
    }
}

#[test]
fn of_two_parts_for_the_same_the_later_holds() {
    let filter = filter("off,[asked{who=me}]=debug,[asked{who=you}]=debug,[asked{who=me}]=info");
    for (written, subscriber) in both(&filter) {
        heard(subscriber, || {
            for who in ["me", "you"] {
                info_span!("asked", who = tracing::field::display(who)).in_scope(|| {
                    debug!("debug {who}");
                    info!("info {who}");
                });
            }
        });
        assert_eq!(said(&written), ["info me", "debug you", "info you"]);
    }
}

/// It is not to cost what a program of the caller's does.
#[test]
fn a_mistake_beside_an_expression_does_not_compile_it() {
    let text = format!("[asked{{who=(a|b)*a{}}}]=info,access=loud", "(a|b)".repeat(12));
    let counted = allocation_counter::measure(|| drop(Filter::new(&text)));
    assert!(counted.bytes_total < 64 << 10, "{counted:?}");
}

#[test]
fn clones_are_the_same_filter() {
    let one = filter("info");
    one.clone().set("debug").unwrap();
    assert_eq!(one.current().filter, "debug");
    assert!(format!("{one:?}").contains("debug"));
}

#[test]
fn a_text_that_is_no_filter_says_what_is_wrong_and_changes_nothing() {
    let filter = filter("info");
    for (text, why) in [
        ("", "it is empty"),
        ("  ", "it is empty"),
        ("info,access=loud", "`access=loud`"),
        ("a=b=c", "`a=b=c`"),
        (" , ,", "it is empty"),
        ("info, access=loud", "`access=loud`"),
        ("[asked{who=me=you}]=debug", "`[asked{who=me=you}]=debug`: a field has one value"),
        // A value is no regular expression, so that there is nothing wrong with this one.
        ("[asked{who=(}]=debug,access=loud", "`access=loud`"),
        ("\u{e9}=debug", "ASCII"),
        (&"a,".repeat(3000), "more than 4096 bytes"),
    ] {
        let error = filter.set(text).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(error.kind(), Kind::InvalidArgument);
        assert_eq!(Filter::new(text).unwrap_err(), error);
        assert_eq!(filter.set_for(text, SECOND).unwrap_err(), error);
    }
    assert_eq!(filter.current().filter, "info");
    assert_eq!(filter.current().expires_in, None);
}

proptest::proptest! {
    /// It comes from the network.
    #[test]
    fn no_text_is_too_bad(text in "[ -~]{0,60}", other: String, parts in "([a-z\\[\\]{}=,\":*]|info|off){0,20}") {
        for text in [text, other, parts] {
            let filter = filter("info");
            let set = filter.set(&text);
            let holds = filter.current().filter;
            proptest::prop_assert_eq!(holds, if set.is_ok() { text.trim() } else { "info" });
        }
    }
}

// ===== expiry =====

#[tokio::test(start_paused = true)]
async fn what_holds_for_a_time_is_over_after_it() {
    let filter = filter("info");
    let expiring = tokio::spawn(filter.clone().expiring());
    filter.set_for("debug", 10 * SECOND).unwrap();
    let setting = filter.current();
    assert_eq!((&*setting.filter, &*setting.default), ("debug", "info"));
    assert_eq!(setting.expires_in, Some(10 * SECOND));
    sleep(9 * SECOND).await;
    assert_eq!(filter.current().filter, "debug");
    assert_eq!(filter.current().expires_in, Some(SECOND));
    sleep(2 * SECOND).await;
    assert_eq!(filter.current().filter, "info");
    assert_eq!(filter.current().expires_in, None);

    // A later one takes the place, and its own time holds.
    filter.set_for("debug", 10 * SECOND).unwrap();
    sleep(SECOND).await;
    filter.set_for("trace", 100 * SECOND).unwrap();
    sleep(50 * SECOND).await;
    assert_eq!(filter.current().filter, "trace");
    filter.set_for("warn", SECOND).unwrap();
    sleep(2 * SECOND).await;
    assert_eq!(filter.current().filter, "info");
    assert!(!expiring.is_finished());
    expiring.abort();
}

#[tokio::test(start_paused = true)]
async fn the_lines_change_when_it_expires() {
    let filter = filter("info");
    let [(written, subscriber), _] = both(&filter);
    // Held on this thread, on which everything runs.
    heard(subscriber, || {
        filter.set_for("debug", SECOND).unwrap();
        debug!("one");
    });
    advance(2 * SECOND).await;
    let [(later, subscriber), _] = both(&filter);
    heard(subscriber, || {
        debug!("still, since nobody looked");
        assert_eq!(filter.expire(), None);
        debug!("two");
    });
    assert_eq!(said(&written), ["one"]);
    assert_eq!(said(&later), ["still, since nobody looked"]);
}

#[tokio::test(start_paused = true)]
async fn a_default_that_is_set_ends_what_holds_for_a_time() {
    let filter = filter("info");
    filter.set_for("debug", SECOND).unwrap();
    assert_eq!(filter.expire(), Some(SECOND));
    filter.set("warn").unwrap();
    assert_eq!(filter.expire(), None);
    advance(2 * SECOND).await;
    assert_eq!(filter.expire(), None);
    assert_eq!(filter.current().filter, "warn");
    filter.set_for("debug", SECOND).unwrap();
    assert!(filter.reset());
    assert!(!filter.reset());
    assert_eq!(filter.current().filter, "warn");
}

#[tokio::test(start_paused = true)]
async fn no_time_is_too_long() {
    let filter = filter("info");
    filter.set_for("debug", Duration::MAX).unwrap();
    assert_eq!(filter.current().expires_in, Some(Filter::FOREVER));
}

#[derive(Default)]
struct Seen(BTreeMap<String, f64>);

impl Inspector for Seen {
    fn counter(&mut self, name: &str, _: &str, _: &[(&str, &str)], value: u64) {
        self.0.insert(name.to_owned(), f64::from(u32::try_from(value).unwrap()));
    }

    fn gauge(&mut self, name: &str, _: &str, labels: &[(&str, &str)], value: f64) {
        let labels =
            labels.iter().fold(String::new(), |all, (name, value)| all + " " + name + "=" + value);
        self.0.insert(format!("{name}{labels}"), value);
    }
}

#[tokio::test(start_paused = true)]
async fn a_filter_can_be_inspected() {
    let filter = filter("info");
    filter.set("warn,access=debug").unwrap();
    filter.set_for("error", SECOND).unwrap();
    let mut seen = Seen::default();
    filter.inspect(&mut seen);
    let expected = [
        ("log_filter_changes_total", 2.0),
        ("log_filter_level state=error", 1.0),
        ("log_filter_temporary", 1.0),
    ];
    assert_eq!(seen.0, expected.map(|(name, value)| (name.to_owned(), value)).into());
}

// ===== over HTTP =====

async fn asked(
    filter: &Filter,
    method: Method,
    kind: &str,
    body: &str,
) -> (Response<()>, Option<Value>) {
    let mut request = Request::builder().method(method).uri("/debug/log");
    if !kind.is_empty() {
        request = request.header(header::CONTENT_TYPE, kind);
    }
    let request = request.body(body.to_owned()).unwrap();
    let response = LogService::new(filter.clone()).oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let body = (!body.is_empty()).then(|| serde_json::from_slice(&body).unwrap());
    (Response::from_parts(head, ()), body)
}

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test(start_paused = true)]
async fn the_filter_is_shown_and_set() {
    let filter = filter("info");
    let (head, shown) = asked(&filter, Method::GET, "", "").await;
    assert_eq!(head.status(), StatusCode::OK);
    assert_eq!(head.headers()[header::CONTENT_TYPE], "application/json");
    assert_eq!(head.headers()[header::CACHE_CONTROL], "no-store");
    let expected = json!({"filter": "info", "default": "info", "expires_in_seconds": null});
    assert_eq!(shown, Some(expected));

    let body = r#"{"filter": "debug,access=off", "for_seconds": 60}"#;
    let (_, shown) = asked(&filter, Method::PUT, "application/json; charset=utf-8", body).await;
    let expected =
        json!({"filter": "debug,access=off", "default": "info", "expires_in_seconds": 60});
    assert_eq!(shown, Some(expected));
    advance(Duration::from_millis(59_500)).await;
    let (_, shown) = asked(&filter, Method::GET, "", "").await;
    assert_eq!(shown.unwrap()["expires_in_seconds"], 1);
    // It is seen to by whoever looks, too.
    advance(SECOND).await;
    let (_, shown) = asked(&filter, Method::GET, "", "").await;
    assert_eq!(shown.unwrap()["filter"], "info");

    asked(&filter, Method::POST, FORM, "filter=info%2Caccess%3Dwarn").await;
    assert_eq!(filter.current().default, "info,access=warn");
    asked(&filter, Method::POST, FORM, "filter=trace&for_seconds=5").await;
    assert_eq!(filter.current().expires_in, Some(5 * SECOND));
    let (_, shown) = asked(&filter, Method::DELETE, "", "").await;
    assert_eq!(shown.unwrap()["filter"], "info,access=warn");

    let (head, shown) = asked(&filter, Method::HEAD, "", "").await;
    assert_eq!((head.status(), shown), (StatusCode::OK, None));
}

#[tokio::test(start_paused = true)]
async fn a_mistake_is_named_and_changes_nothing() {
    let filter = filter("info");
    let long = format!("filter={}", "a".repeat(17 << 10));
    for (method, kind, body, status, why) in [
        (Method::PATCH, JSON, "{}", 405, "PUT sets it"),
        (Method::PUT, "text/plain", "debug", 415, "application/json"),
        (Method::PUT, "", "debug", 415, "application/json"),
        (Method::PUT, JSON, "{}", 400, "`filter` is missing"),
        (Method::PUT, JSON, "debug", 400, "not a change"),
        (Method::PUT, JSON, r#"["debug"]"#, 400, "not a change"),
        (Method::PUT, JSON, r#"{"filter": 7}"#, 400, "`filter` is no text"),
        (Method::PUT, JSON, r#"{"filter": "debug", "for": 7}"#, 400, "`for` is not known"),
        (Method::PUT, JSON, r#"{"filter": "debug", "for_seconds": -7}"#, 400, "no count"),
        (Method::PUT, JSON, r#"{"filter": "debug", "for_seconds": 0}"#, 400, "from 1 to 86400"),
        (Method::PUT, JSON, r#"{"filter": "debug", "for_seconds": 86401}"#, 400, "from 1 to"),
        (Method::PUT, JSON, r#"{"filter": "access=loud"}"#, 400, "`access=loud`"),
        (Method::PUT, FORM, "debug", 400, "`debug` is not known"),
        (Method::PUT, FORM, "filter=a&filter=b", 400, "`filter` is there twice"),
        (Method::PUT, FORM, "filter=debug&for_seconds=soon", 400, "no count"),
        (Method::PUT, FORM, "filter=debug&for_seconds=%2B60", 400, "no count"),
        (Method::PUT, FORM, "filter=a%3Db%3Dc", 400, "`a=b=c`"),
        (Method::PUT, FORM, &long, 413, "at most"),
    ] {
        let (head, problem) = asked(&filter, method, kind, body).await;
        let problem = problem.unwrap();
        assert_eq!(head.status().as_u16(), status, "{body}: {problem}");
        assert_eq!(head.headers()[header::CONTENT_TYPE], "application/problem+json");
        assert!(problem["detail"].as_str().unwrap().contains(why), "{problem}");
        assert_eq!(head.headers().contains_key(header::ALLOW), status == 405);
        assert_eq!(filter.current().filter, "info");
    }
}

#[test]
fn a_change_is_logged_under_the_filter_that_held() {
    let filter = filter("info");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let [(written, subscriber), _] = both(&filter);
    heard(subscriber, || {
        runtime.block_on(async {
            asked(&filter, Method::PUT, FORM, "filter=off&for_seconds=60").await;
            asked(&filter, Method::PUT, FORM, "filter=a=b=c").await;
        });
    });
    let lines = written.logfmt();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["level"], "warn");
    assert_eq!(lines[0]["filter"], "off");
    assert_eq!(lines[0]["for_seconds"], "60");
}
