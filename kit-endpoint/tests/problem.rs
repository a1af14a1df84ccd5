//! Problem details, read back by another's JSON parser.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use http::{HeaderValue, Response, header};
use kit_endpoint::{Details, Fault, Kind, Problem};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::{fmt, time::Duration};

/// A fault that says what it is told to.
#[derive(Debug)]
struct Wrong {
    text: String,
    kind: Kind,
    retry_after: Option<Duration>,
    details: Details,
}

impl Wrong {
    fn new(kind: Kind, text: &str) -> Self {
        Self { text: text.to_owned(), kind, retry_after: None, details: Details::default() }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Wrong {}

impl Fault for Wrong {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    fn describe(&self, details: &mut Details) {
        details.clone_from(&self.details);
    }
}

fn parsed(problem: &str) -> Value {
    serde_json::from_str(problem).unwrap_or_else(|error| panic!("{error}: {problem}"))
}

fn reply(wrong: &Wrong) -> Response<String> {
    Problem::new(wrong).into_response()
}

#[test]
fn every_member_is_there() {
    let mut wrong = Wrong::new(Kind::InvalidArgument, "the name is empty");
    wrong
        .details
        .reason("NAME_EMPTY")
        .domain("greeter.example")
        .metadata("limit", "256")
        .metadata("unit", "bytes")
        .violation("name", "is empty")
        .violation("address.city", "is unknown")
        .quota("project:blue", "10 a day")
        .quota("project:red", "none");
    let problem = Problem::new(&wrong).instance("/requests/1").trace_id("4bf92f35");

    assert_eq!(
        parsed(&problem.to_string()),
        json!({
            "type": "about:blank",
            "title": "Bad Request",
            "status": 400,
            "detail": "the name is empty",
            "instance": "/requests/1",
            "kind": "INVALID_ARGUMENT",
            "reason": "NAME_EMPTY",
            "domain": "greeter.example",
            "metadata": { "limit": "256", "unit": "bytes" },
            "violations": [
                { "field": "name", "description": "is empty" },
                { "field": "address.city", "description": "is unknown" },
            ],
            "quotas": [
                { "subject": "project:blue", "description": "10 a day" },
                { "subject": "project:red", "description": "none" },
            ],
            "traceId": "4bf92f35",
        })
    );
    assert_eq!(*problem.into_response().body(), problem.to_string());
}

#[test]
fn what_is_not_known_is_left_out() {
    let wrong = Wrong::new(Kind::NotFound, "no such greeting");
    assert_eq!(
        parsed(&Problem::new(&wrong).to_string()),
        json!({
            "type": "about:blank",
            "title": "Not Found",
            "status": 404,
            "detail": "no such greeting",
            "kind": "NOT_FOUND",
        })
    );
}

#[test]
fn every_kind_has_its_status_and_a_title() {
    for kind in Kind::ALL {
        let reply = reply(&Wrong::new(kind, "wrong"));
        assert_eq!(reply.status(), kind.http_status());
        let problem = parsed(reply.body());
        assert_eq!(problem["status"], kind.http_status().as_u16());
        assert_eq!(problem["kind"], kind.name());
        assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()), "{kind}");
    }
}

#[test]
fn a_fault_of_the_service_hides_its_text() {
    for kind in Kind::ALL {
        let body = reply(&Wrong::new(kind, "the password is 1234")).into_body();
        assert_eq!(body.contains("1234"), !kind.is_server(), "{kind}: {body}");
        if kind.is_server() {
            assert_eq!(parsed(&body)["detail"], kind.phrase());
        }
    }
}

#[test]
fn retry_after_is_rounded_up_to_seconds() {
    for (after, seconds) in [
        (Duration::from_millis(1200), "2"),
        (Duration::from_secs(2), "2"),
        (Duration::from_millis(1), "1"),
        (Duration::from_nanos(1), "1"),
        (Duration::ZERO, "0"),
        (Duration::MAX, "18446744073709551615"),
    ] {
        let mut wrong = Wrong::new(Kind::Unavailable, "busy");
        wrong.retry_after = Some(after);
        wrong.details.header(header::RETRY_AFTER, HeaderValue::from_static("9"));
        let reply = reply(&wrong);
        let all: Vec<_> = reply.headers().get_all(header::RETRY_AFTER).iter().collect();
        assert_eq!(all, [seconds], "{after:?}");
    }
    let reply = reply(&Wrong::new(Kind::Unavailable, "busy"));
    assert!(!reply.headers().contains_key(header::RETRY_AFTER));
}

#[test]
fn there_is_one_content_type_whatever_the_fault_says() {
    let mut wrong = Wrong::new(Kind::InvalidArgument, "wrong");
    wrong.details.header(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
    wrong.details.header(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    let reply = reply(&wrong);
    let all: Vec<_> = reply.headers().get_all(header::CONTENT_TYPE).iter().collect();
    assert_eq!(all, ["application/problem+json"]);
}

#[test]
fn two_challenges_survive() {
    let mut wrong = Wrong::new(Kind::Unauthenticated, "say who you are");
    for scheme in ["Basic realm=\"a\"", "Bearer"] {
        wrong.details.header(header::WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
    }
    let reply = reply(&wrong);
    let all: Vec<_> = reply.headers().get_all(header::WWW_AUTHENTICATE).iter().collect();
    assert_eq!(all, ["Basic realm=\"a\"", "Bearer"]);
}

#[test]
fn debug_shows_the_fault() {
    let wrong = Wrong::new(Kind::Internal, "why");
    let shown = format!("{:?}", Problem::new(&wrong).instance("here"));
    assert!(shown.contains("why") && shown.contains("here"), "{shown}");
}

proptest! {
    #[test]
    fn any_text_survives(text in any::<String>(), key in any::<String>(), value in any::<String>()) {
        let mut wrong = Wrong::new(Kind::InvalidArgument, &text);
        wrong
            .details
            .reason(value.clone())
            .metadata(key.clone(), value.clone())
            .violation(key.clone(), text.clone());
        let problem = Problem::new(&wrong).instance(&value).trace_id(&key).to_string();
        prop_assert!(problem.chars().all(|char| char >= ' '), "{}", problem);

        let problem = parsed(&problem);
        prop_assert_eq!(&problem["detail"], &text);
        prop_assert_eq!(&problem["reason"], &value);
        prop_assert_eq!(&problem["instance"], &value);
        prop_assert_eq!(&problem["traceId"], &key);
        prop_assert_eq!(&problem["metadata"][&key], &value);
        prop_assert_eq!(&problem["violations"][0]["field"], &key);
        prop_assert_eq!(&problem["violations"][0]["description"], &text);
    }
}

#[test]
fn every_character_of_ascii_survives() {
    let text: String = (0..128_u8).map(char::from).collect();
    let problem = Problem::new(&Wrong::new(Kind::NotFound, &text)).to_string();
    assert!(problem.bytes().all(|byte| byte >= b' '), "{problem}");
    assert_eq!(parsed(&problem)["detail"], text);
}

#[test]
fn a_status_of_its_own_leaves_the_kind() {
    let wrong = Wrong::new(Kind::Unavailable, "down");
    let response = Problem::new(&wrong).status(http::StatusCode::BAD_GATEWAY).into_response();
    assert_eq!(response.status(), 502);
    let problem = parsed(response.body());
    assert_eq!((&problem["status"], &problem["title"]), (&json!(502), &json!("Bad Gateway")));
    assert_eq!(problem["kind"], "UNAVAILABLE");
}
