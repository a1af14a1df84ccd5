//! The endpoints over HTTP, as a service of requests.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use axum::{Router, body::Body};
use greeter::{
    endpoints::{Hello, endpoints},
    entry::Entry,
    service::{self, Greeter, Service},
    transport::http::router,
};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use kit_breaker::{Circuit, Limits};
use kit_metrics::{HttpServer, Prometheus};
use kit_transport::RequestIds;
use serde_json::{Value, json};
use std::convert::Infallible;
use tokio::sync::watch;
use tokio_stream::Empty;
use tower::ServiceExt;

#[derive(Debug, Clone)]
struct Broken;

impl Service for Broken {
    fn health(&self) -> bool {
        false
    }

    fn greeting(&self, _: &str) -> Result<String, service::Error> {
        panic!("the password is 1234")
    }
}

/// Nobody chats over HTTP.
type Nobody = Empty<Result<Hello, Infallible>>;

struct Fixture {
    router: Router,
    ready: watch::Sender<bool>,
    metrics: Prometheus,
}

fn serving<S: Service + Clone + Send + Sync + 'static>(service: S) -> Fixture {
    let (ready, readiness) = watch::channel(true);
    let metrics = Prometheus::new();
    let circuit = Circuit::new("greeting", Limits::default());
    let endpoints =
        endpoints::<_, Nobody, _>(service, readiness, circuit, metrics.clone(), Entry::default());
    let router = router(endpoints, &(RequestIds, HttpServer::new(metrics.clone())));
    Fixture { router, ready, metrics }
}

fn fixture() -> Fixture {
    serving(Greeter)
}

fn get(target: &str) -> Request<Body> {
    Request::get(target).body(Body::empty()).unwrap()
}

impl Fixture {
    async fn ask(&self, request: Request<Body>) -> Response<Vec<u8>> {
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes().into();
        Response::from_parts(parts, body)
    }

    async fn get(&self, target: &str) -> Response<Vec<u8>> {
        self.ask(get(target)).await
    }
}

fn json(response: &Response<Vec<u8>>) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

/// Checks that it is a problem, with this status and word of advice.
#[track_caller]
fn assert_problem(response: &Response<Vec<u8>>, status: StatusCode, advice: &str) {
    assert_eq!(response.status(), status);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    let problem = json(response);
    assert_eq!(problem["type"], "about:blank");
    assert_eq!(problem["status"], status.as_u16());
    assert_eq!(problem["title"], status.canonical_reason().unwrap());
    let id = response.headers()["x-request-id"].to_str().unwrap();
    assert_eq!(problem["instance"], format!("#{id}"));
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains(advice), "{advice:?} is not in {detail:?}");
}

// ===== the greeting =====

#[tokio::test]
async fn a_name_is_greeted() {
    let response = fixture().get("/greeting?name=Ada").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
    assert_eq!(response.body(), br#"{"greeting":"Hello, Ada!"}"#);
}

#[tokio::test]
async fn names_are_utf8_percent_encoded() {
    let fixture = fixture();
    for (query, greeting) in [
        ("Zo%C3%AB", "Hello, Zoë!"),
        ("%F0%9F%A6%80", "Hello, 🦀!"),
        ("Ada+Lovelace", "Hello, Ada Lovelace!"),
        ("Ada%20Lovelace", "Hello, Ada Lovelace!"),
        ("%22%5C%0A%00", "Hello, \"\\\n\0!"),
        ("a%26b%3Dc", "Hello, a&b=c!"),
    ] {
        let response = fixture.get(&format!("/greeting?name={query}")).await;
        assert_eq!(json(&response), json!({ "greeting": greeting }), "{query}");
    }
}

#[tokio::test]
async fn a_parameter_that_nobody_knows_does_no_harm() {
    let response = fixture().get("/greeting?loud=true&name=Ada").await;
    assert_eq!(json(&response), json!({ "greeting": "Hello, Ada!" }));
}

#[tokio::test]
async fn a_name_of_256_bytes_is_greeted_and_a_longer_one_is_not() {
    let fixture = fixture();
    let name = "a".repeat(256);
    let response = fixture.get(&format!("/greeting?name={name}")).await;
    assert_eq!(json(&response), json!({ "greeting": format!("Hello, {name}!") }));
    let response = fixture.get(&format!("/greeting?name={name}a")).await;
    assert_problem(&response, StatusCode::BAD_REQUEST, "give at most 256 bytes");
    let bytes = "%C3%A9".repeat(129);
    let response = fixture.get(&format!("/greeting?name={bytes}")).await;
    assert_problem(&response, StatusCode::BAD_REQUEST, "give at most 256 bytes");
}

#[tokio::test]
async fn an_empty_or_missing_name_is_said_to_be_missing() {
    let fixture = fixture();
    for target in ["/greeting", "/greeting?", "/greeting?name=", "/greeting?name", "/greeting?x=y"]
    {
        let response = fixture.get(target).await;
        assert_problem(&response, StatusCode::BAD_REQUEST, "say whom to greet");
        assert_eq!(json(&response)["kind"], "INVALID_ARGUMENT");
        assert_eq!(json(&response)["violations"][0]["field"], "name");
    }
}

#[tokio::test]
async fn a_repeated_name_is_refused() {
    let response = fixture().get("/greeting?name=Ada&name=Eve").await;
    assert_problem(&response, StatusCode::BAD_REQUEST, "give each parameter once");
}

#[tokio::test]
async fn a_head_is_answered_without_a_body() {
    let fixture = fixture();
    for (target, status) in [
        ("/greeting?name=Ada", StatusCode::OK),
        ("/greetings?name=Ada", StatusCode::OK),
        ("/health", StatusCode::OK),
        ("/greeting", StatusCode::BAD_REQUEST),
        ("/greetings", StatusCode::BAD_REQUEST),
    ] {
        // Nor is one made by what compresses.
        let request = Request::head(target).header(header::ACCEPT_ENCODING, "gzip");
        let response = fixture.ask(request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), status, "{target}");
        assert!(!response.headers().contains_key(header::CONTENT_ENCODING), "{target}");
        assert!(response.body().is_empty(), "{target}");
    }
}

#[tokio::test]
async fn a_panic_shows_nothing_of_the_service() {
    let response = serving(Broken).get("/greeting?name=Ada").await;
    assert_problem(&response, StatusCode::INTERNAL_SERVER_ERROR, "");
    assert!(!json(&response).to_string().contains("1234"));
}

#[tokio::test]
async fn an_open_circuit_says_when_to_come_again() {
    let fixture = serving(Broken);
    for _ in 0..5 {
        fixture.get("/greeting?name=Ada").await;
    }
    let response = fixture.get("/greeting?name=Ada").await;
    assert_problem(&response, StatusCode::SERVICE_UNAVAILABLE, "");
    let seconds: u64 = response.headers()[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=2).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn a_caller_whose_time_is_up_gets_a_504() {
    let mut request = get("/greeting?name=Ada");
    request.headers_mut().insert("x-request-timeout-ms", "0".parse().unwrap());
    let response = fixture().ask(request).await;
    assert_problem(&response, StatusCode::GATEWAY_TIMEOUT, "");
}

// ===== greetings =====

#[tokio::test]
async fn each_name_is_greeted_by_an_event() {
    let fixture = fixture();
    let response = fixture.get("/greetings?name=Ada&loud=true&name=Zo%C3%AB&name=Ada").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-cache");
    assert!(response.headers().contains_key("x-request-id"));
    let [ada, zoe] = ["Ada", "Zoë"].map(event);
    assert_eq!(str::from_utf8(response.body()).unwrap(), format!("{ada}{zoe}{ada}"));
}

/// A greeting as it is sent.
fn event(name: &str) -> String {
    format!("data: {{\"greeting\":\"Hello, {name}!\"}}\n\n")
}

#[tokio::test]
async fn an_event_is_sent_before_the_next_is_made() {
    let response = fixture().router.oneshot(get("/greetings?name=Ada&name=Eve")).await.unwrap();
    let mut body = response.into_body();
    for name in ["Ada", "Eve"] {
        let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(frame, event(name).as_bytes());
    }
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn events_are_not_held_back_to_compress_them() {
    let fixture = fixture();
    let mut request = get(&format!("/greetings?name={}", "a".repeat(256)));
    request.headers_mut().insert(header::ACCEPT_ENCODING, "gzip".parse().unwrap());
    let response = fixture.ask(request).await;
    assert!(!response.headers().contains_key(header::CONTENT_ENCODING));
    assert_eq!(response.body(), event(&"a".repeat(256)).as_bytes());
}

#[tokio::test]
async fn what_can_be_told_before_the_first_event_is_a_problem() {
    let fixture = fixture();
    let many = "name=Ada&".repeat(51);
    for (query, advice) in [
        ("", "say whom to greet"),
        ("?", "say whom to greet"),
        ("?names=Ada", "say whom to greet"),
        ("?name=&name=Ada", "say whom to greet"),
        (&format!("?name={}", "a".repeat(257)), "give at most 256 bytes"),
        (&format!("?{many}"), "give at most 50"),
    ] {
        let response = fixture.get(&format!("/greetings{query}")).await;
        assert_problem(&response, StatusCode::BAD_REQUEST, advice);
        assert_eq!(json(&response)["kind"], "INVALID_ARGUMENT");
        assert_eq!(json(&response)["violations"][0]["field"], "name");
    }
    let most = "name=Ada&".repeat(50);
    let response = fixture.get(&format!("/greetings?{most}")).await;
    assert_eq!(response.body(), event("Ada").repeat(50).as_bytes());

    let response = fixture.get("/greetings?name=%FF").await;
    assert_problem(&response, StatusCode::BAD_REQUEST, "percent-encode text");
}

#[tokio::test]
async fn a_bad_name_amid_the_events_is_the_last_of_them_and_the_problem_of_the_greeting() {
    let fixture = fixture();
    let response = fixture.get("/greetings?name=Ada&name=&name=Eve").await;
    assert_eq!(response.status(), StatusCode::OK);
    let text = str::from_utf8(response.body()).unwrap();
    let fault = text.strip_prefix(&event("Ada")).unwrap();
    let data = fault.strip_prefix("event: error\ndata: ").unwrap().strip_suffix("\n\n").unwrap();
    let mut told: Value = serde_json::from_str(data).unwrap();
    let mut expected = json(&fixture.get("/greeting?name=").await);
    let id = response.headers()["x-request-id"].to_str().unwrap();
    assert_eq!(told["instance"].take(), format!("#{id}"));
    expected["instance"].take();
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_panic_shows_nothing_of_the_service_here_too() {
    let response = serving(Broken).get("/greetings?name=Ada").await;
    assert_problem(&response, StatusCode::INTERNAL_SERVER_ERROR, "");
    assert!(!json(&response).to_string().contains("1234"));
}

#[tokio::test]
async fn a_stream_is_one_request_measured_at_its_end() {
    let fixture = fixture();
    let count = r#"http_route="/greetings""#;
    let response = fixture.router.clone().oneshot(get("/greetings?name=Ada&name=Eve")).await;
    let mut body = response.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    let counted = |page: &str| {
        let line = |line: &&str| {
            line.starts_with("http_server_request_duration_seconds_count{") && line.contains(count)
        };
        page.lines().find(line).map(|line| line.rsplit(' ').next().unwrap().to_owned())
    };
    assert_eq!(counted(&fixture.metrics.render()), None);
    body.collect().await.unwrap();
    assert_eq!(counted(&fixture.metrics.render()).as_deref(), Some("1"));
}

// ===== health =====

#[tokio::test]
async fn health_is_200_when_it_is_ready_and_503_when_it_is_not() {
    let fixture = fixture();
    let response = fixture.get("/health").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.body(), br#"{"healthy":true}"#);
    fixture.ready.send_replace(false);
    let response = fixture.get("/health").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
    assert_eq!(response.body(), br#"{"healthy":false}"#);
}

#[tokio::test]
async fn health_is_503_when_the_service_is_unwell() {
    let response = serving(Broken).get("/health").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
}

// ===== routes =====

#[tokio::test]
async fn a_wrong_path_is_404() {
    let fixture = fixture();
    for target in ["/", "/greetings/", "/greeting/", "/greeting/Ada", "/GREETING", "//health"] {
        let response = fixture.get(target).await;
        assert_problem(&response, StatusCode::NOT_FOUND, "/greeting?name=");
    }
}

#[tokio::test]
async fn a_wrong_method_is_405_and_says_which_are_allowed() {
    let fixture = fixture();
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::TRACE] {
        for target in ["/greeting?name=Ada", "/greetings?name=Ada", "/health"] {
            let request = Request::builder().method(&method).uri(target);
            let response = fixture.ask(request.body(Body::empty()).unwrap()).await;
            assert_problem(&response, StatusCode::METHOD_NOT_ALLOWED, "GET");
            assert_eq!(response.headers()[header::ALLOW], "GET,HEAD");
        }
    }
}

#[tokio::test]
async fn a_wrong_method_of_a_wrong_path_is_404() {
    let response = fixture().ask(Request::post("/nothing").body(Body::empty()).unwrap()).await;
    assert_problem(&response, StatusCode::NOT_FOUND, "/greeting?name=");
}

#[tokio::test]
async fn metrics_have_the_route_and_never_the_path() {
    let fixture = fixture();
    fixture.get("/greeting?name=Ada").await;
    fixture.get("/secret-path").await;
    let page = fixture.metrics.render();
    assert!(page.contains(r#"http_route="/greeting""#), "{page}");
    assert!(!page.contains("secret-path"), "{page}");
    assert!(!page.contains("Ada"), "{page}");
}

// ===== request ids =====

#[tokio::test]
async fn a_good_request_id_comes_back_from_every_reply() {
    let fixture = fixture();
    let wrong_method = Request::post("/health").body(Body::empty()).unwrap();
    for mut request in
        [get("/greeting?name=Ada"), get("/greeting"), get("/health"), get("/nothing"), wrong_method]
    {
        request.headers_mut().insert("x-request-id", "a.B_1:/+=-".parse().unwrap());
        let response = fixture.ask(request).await;
        assert_eq!(response.headers()["x-request-id"], "a.B_1:/+=-", "{}", response.status());
    }
}

#[tokio::test]
async fn a_bad_or_missing_request_id_is_replaced() {
    let fixture = fixture();
    let long = "a".repeat(129);
    for id in [None, Some(""), Some("a b"), Some("a\"b"), Some("ä"), Some(&*long)] {
        let mut request = get("/greeting?name=Ada");
        if let Some(id) = id {
            let id = http::HeaderValue::from_bytes(id.as_bytes()).unwrap();
            request.headers_mut().insert("x-request-id", id);
        }
        let response = fixture.ask(request).await;
        let made = response.headers()["x-request-id"].to_str().unwrap();
        assert_eq!(made.len(), 36, "{id:?} became {made}");
        assert_eq!(made.as_bytes()[14], b'7', "{made} is no UUID of version 7");
    }
}

// ===== what surrounds it =====

#[tokio::test]
async fn a_reply_worth_it_is_compressed_for_those_who_ask() {
    let fixture = fixture();
    let target = format!("/greeting?name={}", "a".repeat(256));
    let mut request = get(&target);
    request.headers_mut().insert(header::ACCEPT_ENCODING, "gzip".parse().unwrap());
    let response = fixture.ask(request).await;
    assert_eq!(response.headers()[header::CONTENT_ENCODING], "gzip");
    assert!(response.body().starts_with(&[0x1f, 0x8b]), "that is no gzip");
    assert!(response.body().len() < 256);

    let response = fixture.get(&target).await;
    assert!(!response.headers().contains_key(header::CONTENT_ENCODING));
}

#[tokio::test]
async fn every_origin_may_read() {
    let fixture = fixture();
    let mut request = get("/greeting?name=Ada");
    request.headers_mut().insert(header::ORIGIN, "https://example.org".parse().unwrap());
    let response = fixture.ask(request).await;
    assert_eq!(response.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");

    // A refusal too: its problem says what to do.
    let from_elsewhere = |method, target| {
        let request = Request::builder().method(method).uri(target);
        request.header(header::ORIGIN, "https://example.org").body(Body::empty()).unwrap()
    };
    for (method, target, status) in [
        (Method::GET, "/greeting", StatusCode::BAD_REQUEST),
        (Method::GET, "/greetings", StatusCode::BAD_REQUEST),
        (Method::GET, "/greetings?name=Ada", StatusCode::OK),
        (Method::GET, "/nope", StatusCode::NOT_FOUND),
        (Method::POST, "/greeting", StatusCode::METHOD_NOT_ALLOWED),
        (Method::OPTIONS, "/health", StatusCode::METHOD_NOT_ALLOWED),
    ] {
        let response = fixture.ask(from_elsewhere(method, target)).await;
        assert_eq!(response.status(), status, "{target}");
        assert_eq!(response.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*", "{target}");
    }

    for route in ["/greeting", "/greetings"] {
        let preflight = Request::options(route)
            .header(header::ORIGIN, "https://example.org")
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "GET");
        let response = fixture.ask(preflight.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::ACCESS_CONTROL_ALLOW_METHODS], "GET");
        assert!(response.headers().contains_key("x-request-id"));
    }
}

#[tokio::test]
async fn options_of_a_wrong_path_is_404_and_of_a_right_one_405() {
    let fixture = fixture();
    let preflight = |target| {
        Request::options(target)
            .header(header::ORIGIN, "https://example.org")
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "GET")
            .body(Body::empty())
            .unwrap()
    };
    let response = fixture.ask(preflight("/nope")).await;
    assert_problem(&response, StatusCode::NOT_FOUND, "/greeting?name=");
    let plain = Request::options("/health").body(Body::empty()).unwrap();
    let response = fixture.ask(plain).await;
    assert_problem(&response, StatusCode::METHOD_NOT_ALLOWED, "GET");
    fixture.ask(preflight("/health")).await;
    let page = fixture.metrics.render();
    // A wrong method has a route; a wrong path is none.
    for (status, routed) in [(404, false), (405, true), (200, true)] {
        let count = page.lines().find(|line| {
            line.starts_with("http_server_request_duration_seconds_count{")
                && line.contains(r#"http_request_method="OPTIONS""#)
                && line.contains(&format!(r#"http_response_status_code="{status}""#))
        });
        assert!(count.is_some_and(|line| line.ends_with(" 1")), "{status}: {page}");
        let route = count.is_some_and(|line| line.contains(r#"http_route="/health""#));
        assert_eq!(route, routed, "{status}: {page}");
    }
}
