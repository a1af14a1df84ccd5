//! Who is let in, over HTTP and gRPC, as services of requests.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

#[path = "memory/forger.rs"]
mod forger;
#[path = "memory/quiet.rs"]
mod quiet;

use axum::{Router, body::Body};
use forger::{AUDIENCE, Attack, Forger, ISSUER, PASSWORD, basic, made};
use greeter::{
    auth::{Caller, Callers, Gate, NotOpen, open, open_by},
    endpoints::endpoints,
    entry::Entry,
    flags::{Command, Serve, parse},
    hooks,
    log::{Format, subscriber},
    pb::{GreetingRequest, GreetingsRequest, greeter_client::GreeterClient},
    service::Greeter,
    token::{JWKS, KEY},
    transport::{grpc, http::router},
};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use kit_auth::{
    Authenticator, Denied, Presented, Reason, Verdict,
    authorize::Grants,
    jwt::{FetchError, Fetched, KeySet, KeySource},
};
use kit_breaker::{Circuit, Limits};
use kit_metrics::Prometheus;
use kit_transport_grpc::GrpcLayer;
use serde_json::Value;
use std::{
    fs, io,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tonic::{Code, Status};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tower::ServiceExt;
use tracing::subscriber::set_default;

fn flags(args: &[String]) -> Serve {
    match parse(args, |_| None) {
        Ok(Command::Serve(flags)) => flags,
        other => panic!("{other:?}"),
    }
}

/// A greeter without ports.
struct Fixture {
    http: Router,
    grpc: Router,
    metrics: Prometheus,
}

/// Serves those whom the gate lets in, whose keys and users are kept meanwhile.
fn serving(gate: Gate) -> Fixture {
    let (_, readiness) = watch::channel(true);
    let metrics = Prometheus::new();
    let circuit = Circuit::new("greeting", Limits::default());
    let entry = Entry::new(gate.layer(), None, None);
    let endpoints = endpoints(Greeter, readiness.clone(), circuit, metrics.clone(), entry.clone());
    let http = router(endpoints.clone(), &hooks::http(&metrics, &gate, &entry));
    let layer = GrpcLayer::new().hook(hooks::grpc(&metrics, &gate, &entry));
    let grpc = grpc::routes(endpoints, readiness).unwrap().into_axum_router().layer(layer);
    gate.check(&metrics).unwrap();
    tokio::spawn(gate.renewed());
    Fixture { http, grpc, metrics }
}

async fn served(forger: &Forger) -> Fixture {
    serving(open(&flags(&forger.flags())).await.unwrap())
}

fn get(target: &str, authorization: &[&str]) -> Request<Body> {
    let mut request = Request::get(target).body(Body::empty()).unwrap();
    for value in authorization {
        request.headers_mut().append(header::AUTHORIZATION, value.parse().unwrap());
    }
    request
}

impl Fixture {
    async fn ask(&self, request: Request<Body>) -> Response<String> {
        let (parts, body) = self.http.clone().oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Response::from_parts(parts, String::from_utf8(body.into()).unwrap())
    }

    async fn get(&self, target: &str, authorization: &[&str]) -> Response<String> {
        self.ask(get(target, authorization)).await
    }

    fn client(&self) -> GreeterClient<Router> {
        GreeterClient::new(self.grpc.clone())
    }

    async fn greeting(&self, authorization: &[&str]) -> Result<String, Status> {
        let asked = with(GreetingRequest { name: "Ada".to_owned() }, authorization);
        Ok(self.client().greeting(asked).await?.into_inner().greeting)
    }
}

fn with<T>(message: T, authorization: &[&str]) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    for value in authorization {
        request.metadata_mut().append("authorization", value.parse().unwrap());
    }
    request
}

/// The challenges of a reply.
fn challenges(headers: &http::HeaderMap) -> Vec<&str> {
    headers.get_all(header::WWW_AUTHENTICATE).iter().map(|one| one.to_str().unwrap()).collect()
}

fn of_status(status: &Status) -> Vec<&str> {
    let all = status.metadata().get_all("www-authenticate");
    all.iter().map(|one| one.to_str().unwrap()).collect()
}

const BEARER: &str = r#"Bearer realm="greeter""#;
const BASIC: &str = r#"Basic realm="greeter", charset="UTF-8""#;

#[tokio::test(start_paused = true)]
async fn who_shows_nothing_is_told_both_ways() {
    let greeter = served(&Forger::new()).await;
    for target in ["/greeting?name=Ada", "/greetings?name=Ada", "/greeting"] {
        let reply = greeter.get(target, &[]).await;
        assert_eq!(reply.status(), StatusCode::UNAUTHORIZED, "{target}");
        assert_eq!(challenges(reply.headers()), [BEARER, BASIC]);
        assert_eq!(reply.headers()[header::CONTENT_TYPE], "application/problem+json");
        let problem: Value = serde_json::from_str(reply.body()).unwrap();
        assert_eq!(problem["kind"], "UNAUTHENTICATED");
        assert_eq!(problem["detail"], "credentials are needed");
    }
    let status = greeter.greeting(&[]).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!(status.message(), "credentials are needed");
    assert_eq!(of_status(&status), [BEARER, BASIC]);
    let names = GreetingsRequest { names: vec!["Ada".to_owned()] };
    let status = greeter.client().greetings(names).await.unwrap_err();
    assert_eq!((status.code(), of_status(&status).len()), (Code::Unauthenticated, 2));
    let hellos = tokio_stream::iter([GreetingRequest { name: "Ada".to_owned() }]);
    let status = greeter.client().chat(hellos).await.unwrap_err();
    assert_eq!((status.code(), of_status(&status).len()), (Code::Unauthenticated, 2));
    let page = greeter.metrics.render();
    assert!(page.contains(r#"auth_requests_total{outcome="missing"} 6"#), "{page}");
    let refused = r#"endpoint_duration_seconds_count{endpoint="chat",kind="UNAUTHENTICATED"} 1"#;
    assert!(page.contains(refused), "{page}");
}

#[tokio::test(start_paused = true)]
async fn a_right_token_and_a_right_password_are_let_in_everywhere() {
    let forger = Forger::new();
    let greeter = served(&forger).await;
    for (what, right) in forger.rights() {
        let reply = greeter.get("/greeting?name=Ada", &[&right]).await;
        assert_eq!(reply.status(), StatusCode::OK, "{what}: {reply:?}");
        assert_eq!(reply.body(), r#"{"greeting":"Hello, Ada!"}"#);
        assert_eq!(greeter.greeting(&[&right]).await.unwrap(), "Hello, Ada!", "{what}");
    }
    for right in [forger.bearer(), basic("Aladdin", PASSWORD)] {
        let reply = greeter.get("/greetings?name=Ada&name=Eve", &[&right]).await;
        assert_eq!(reply.body().matches("Hello, ").count(), 2, "{reply:?}");
        let names = with(GreetingsRequest { names: vec!["Ada".to_owned()] }, &[&right]);
        let mut replies = greeter.client().greetings(names).await.unwrap().into_inner();
        assert_eq!(replies.message().await.unwrap().unwrap().greeting, "Hello, Ada!");
        let hellos = tokio_stream::iter([GreetingRequest { name: "Ada".to_owned() }]);
        let mut replies =
            greeter.client().chat(with(hellos, &[&right])).await.unwrap().into_inner();
        assert_eq!(replies.message().await.unwrap().unwrap().greeting, "Hello, Ada!");
        // What it asks for may be wrong all the same.
        let reply = greeter.get("/greeting", &[&right]).await;
        assert_eq!(reply.status(), StatusCode::BAD_REQUEST);
    }
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Written {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn no_attack_is_let_in_and_nothing_tells_a_secret() {
    quiet::quiet();
    let written = Written::default();
    let out = written.clone();
    let _guard = set_default(subscriber("trace", Format::Logfmt, move || out.clone()));
    let forger = Forger::new();
    let greeter = served(&forger).await;
    // What is right is known, and remembered.
    assert_eq!(greeter.greeting(&[&forger.bearer()]).await.unwrap(), "Hello, Ada!");
    greeter.greeting(&[&basic("Aladdin", PASSWORD)]).await.unwrap();
    let attacks = forger.attacks();
    assert!(attacks.len() > 150, "{}", attacks.len());
    let mut said = Vec::new();
    for Attack { what, authorization } in &attacks {
        let reply = greeter.get("/greeting?name=Ada", &[authorization]).await;
        assert_eq!(reply.status(), StatusCode::UNAUTHORIZED, "{what}: {reply:?}");
        let told = challenges(reply.headers());
        assert_eq!(told.len(), 2, "{what}");
        assert!(told[0].starts_with(BEARER) && told[1] == BASIC, "{what}: {told:?}");
        let status = greeter.greeting(&[authorization]).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{what}: {status:?}");
        assert_eq!(of_status(&status).len(), 2, "{what}");
        said.push(format!("{reply:?}{status:?}"));
    }
    // Two of what is right is one too many.
    for both in [
        [forger.bearer(), forger.bearer()],
        [forger.bearer(), basic("Aladdin", PASSWORD)],
        [basic("Aladdin", "wrong"), forger.bearer()],
    ] {
        let both = both.each_ref().map(String::as_str);
        let reply = greeter.get("/greeting?name=Ada", &both).await;
        assert_eq!(reply.status(), StatusCode::UNAUTHORIZED);
        let status = greeter.greeting(&both).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
        said.push(format!("{reply:?}{status:?}"));
    }
    assert_eq!(greeter.greeting(&[&forger.bearer()]).await.unwrap(), "Hello, Ada!");
    let log = written.text();
    assert!(log.contains("request"), "{log}");
    for secret in forger.secrets() {
        assert!(!said.iter().any(|said| said.contains(&secret)), "{secret} is answered");
        assert!(!log.contains(&secret), "{secret} is logged");
    }
    let page = greeter.metrics.render();
    assert!(page.contains(r#"auth_requests_total{outcome="known"} 3"#), "{page}");
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_an_honest_token_is_told() {
    let forger = Forger::new();
    let greeter = served(&forger).await;
    let old = forger.claiming(&format!(r#"{{"iss":"{ISSUER}","aud":"{AUDIENCE}","exp":1}}"#));
    let reply = greeter.get("/greeting?name=Ada", &[&format!("Bearer {old}")]).await;
    let [bearer, _] = challenges(reply.headers())[..] else { panic!("{reply:?}") };
    for part in [r#"error="invalid_token""#, "expired"] {
        assert!(bearer.contains(part), "{part} is not in {bearer}");
    }
}

#[tokio::test(start_paused = true)]
async fn probes_reflection_and_preflights_are_open() {
    let greeter = served(&Forger::new()).await;
    for authorization in [&[][..], &["Bearer x"], &["Basic x"]] {
        assert_eq!(greeter.get("/health", authorization).await.status(), StatusCode::OK);
        for service in ["", "greeter.v1.Greeter", "pb.Greeter"] {
            let asked = HealthCheckRequest { service: service.to_owned() };
            let mut health = HealthClient::new(greeter.grpc.clone());
            health.check(with(asked, authorization)).await.unwrap();
        }
    }
    let mut reflection =
        tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient::new(
            greeter.grpc.clone(),
        );
    reflection.server_reflection_info(tokio_stream::iter([])).await.unwrap();
    // A script may ask whether it may show a token.
    let mut preflight = get("/greeting?name=Ada", &[]);
    *preflight.method_mut() = Method::OPTIONS;
    for (name, value) in [
        (header::ORIGIN, "https://example.org"),
        (header::ACCESS_CONTROL_REQUEST_METHOD, "GET"),
        (header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization"),
    ] {
        preflight.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    let reply = greeter.ask(preflight).await;
    assert_eq!(reply.status(), StatusCode::OK);
    assert_eq!(reply.headers()[header::ACCESS_CONTROL_ALLOW_HEADERS], "authorization");
    // What is not there is not there for strangers too.
    assert_eq!(greeter.get("/nothing", &[]).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn without_flags_everybody_is_let_in_and_nobody_is_counted() {
    let gate = open(&flags(&[])).await.unwrap();
    assert!(gate.layer().is_none() && gate.hook().is_none());
    timeout(Duration::from_secs(1), open(&flags(&[])).await.unwrap().renewed()).await.unwrap();
    let greeter = serving(gate);
    for authorization in [&[][..], &["Bearer x"], &["Basic x", "Basic y"]] {
        let reply = greeter.get("/greeting?name=Ada", authorization).await;
        assert_eq!(reply.status(), StatusCode::OK);
        assert_eq!(greeter.greeting(authorization).await.unwrap(), "Hello, Ada!");
    }
    assert!(!greeter.metrics.render().contains("auth_requests"));
}

#[tokio::test(start_paused = true)]
async fn each_kind_of_credentials_may_be_asked_for_alone() {
    let forger = Forger::new();
    let (token, password) = (forger.bearer(), basic("Aladdin", PASSWORD));
    let all = forger.flags();
    for (flags, challenge, right, wrong) in [
        (flags(&all[..3]), BEARER, &token, &password),
        (flags(&all[3..]), BASIC, &password, &token),
    ] {
        let greeter = serving(open(&flags).await.unwrap());
        let reply = greeter.get("/greeting?name=Ada", &[wrong]).await;
        assert_eq!(reply.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(challenges(reply.headers()), [challenge]);
        assert_eq!(greeter.greeting(&[right]).await.unwrap(), "Hello, Ada!");
        let status = greeter.greeting(&[wrong]).await.unwrap_err();
        assert_eq!(of_status(&status), [challenge]);
    }
}

// ===== the start =====

#[tokio::test(start_paused = true)]
async fn files_that_are_no_good_stop_the_start_with_their_flags() {
    let forger = Forger::new();
    let said = async || -> String {
        let error: NotOpen = open(&flags(&forger.flags())).await.unwrap_err();
        error.to_string()
    };
    fs::write(forger.path("users"), "Aladdin:open sesame\n").unwrap();
    let users = said().await;
    assert!(users.starts_with("the users of --basic-htpasswd are not to be had: "), "{users}");
    assert!(users.contains("line 1: ") && !users.contains(PASSWORD), "{users}");
    fs::write(forger.path(JWKS), r#"{"keys":[]}"#).unwrap();
    let both = said().await;
    for part in ["--jwt-jwks", "it has no key to verify with", "; the users of", "--basic-htpasswd"]
    {
        assert!(both.contains(part), "{part} is not in {both}");
    }
    fs::remove_file(forger.path(JWKS)).unwrap();
    fs::remove_file(forger.path("users")).unwrap();
    let gone = said().await;
    assert_eq!(gone.matches("cannot read").count(), 2, "{gone}");
    assert!(gone.contains(JWKS) && gone.contains("users"), "{gone}");
}

/// A server of keys.
#[derive(Debug, Clone, Default)]
struct Server(Arc<Mutex<Option<KeySet>>>);

impl KeySource for Server {
    async fn fetch(&self) -> Result<Fetched, FetchError> {
        let keys = self.0.lock().unwrap().clone();
        keys.map(Fetched::new).ok_or(FetchError::Status(503))
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_of_keys_that_is_down_stops_nothing_but_tokens_until_it_is_up() {
    quiet::quiet();
    let written = Written::default();
    let out = written.clone();
    let _guard = set_default(subscriber("info", Format::Logfmt, move || out.clone()));
    let forger = Forger::new();
    let mut args = forger.flags();
    args[0] = "--jwt-jwks=https://login.example/jwks".to_owned();
    let server = Server::default();
    let gate = open_by(&flags(&args), |_| Ok(server.clone())).await.unwrap();
    let said = written.text();
    for part in ["tokens cannot be checked", "https://login.example/jwks", "answered with 503"] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    let greeter = serving(gate);
    let reply = greeter.get("/greeting?name=Ada", &[&forger.bearer()]).await;
    assert_eq!(reply.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(!reply.headers().contains_key(header::WWW_AUTHENTICATE));
    let status = greeter.greeting(&[&forger.bearer()]).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    // What needs no keys goes on.
    assert_eq!(greeter.greeting(&[&basic("Aladdin", PASSWORD)]).await.unwrap(), "Hello, Ada!");
    assert_eq!(greeter.get("/health", &[]).await.status(), StatusCode::OK);
    assert_eq!(greeter.greeting(&[]).await.unwrap_err().code(), Code::Unauthenticated);

    let set = |name: &str| KeySet::jwks(&fs::read(forger.path(name)).unwrap()).unwrap();
    *server.0.lock().unwrap() = Some(set(JWKS));
    sleep(Duration::from_mins(2)).await;
    assert_eq!(greeter.greeting(&[&forger.bearer()]).await.unwrap(), "Hello, Ada!");
    assert!(written.text().contains("the keys of tokens are new"), "{}", written.text());
    // Down again, what it gave is good for a day.
    *server.0.lock().unwrap() = None;
    sleep(Duration::from_hours(1)).await;
    assert!(written.text().contains("those of before stay"));
    assert_eq!(greeter.greeting(&[&forger.bearer()]).await.unwrap(), "Hello, Ada!");
    sleep(Duration::from_hours(24)).await;
    assert!(written.text().contains("too old, and given up"));
    let status = greeter.greeting(&[&forger.bearer()]).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
}

// ===== what changes =====

#[tokio::test(start_paused = true)]
async fn keys_and_users_that_change_are_read_anew() {
    let forger = Forger::new();
    let greeter = served(&forger).await;
    let password = basic("Aladdin", PASSWORD);
    greeter.greeting(&[&forger.bearer()]).await.unwrap();
    greeter.greeting(&[&password]).await.unwrap();
    // Other keys, and nobody left.
    let old = fs::read(forger.path(JWKS)).unwrap();
    for name in [KEY, JWKS] {
        fs::remove_file(forger.path(name)).unwrap();
    }
    let token = made(forger.path("").as_path(), ISSUER, AUDIENCE, "60m");
    assert_ne!(fs::read(forger.path(JWKS)).unwrap(), old);
    fs::write(forger.path("users"), "").unwrap();
    // A token by a new key is what makes it look.
    assert_eq!(greeter.greeting(&[&format!("Bearer {token}")]).await.unwrap(), "Hello, Ada!");
    let status = greeter.greeting(&[&forger.bearer()]).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    sleep(Duration::from_secs(11)).await;
    let status = greeter.greeting(&[&password]).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    // What is no good changes nothing.
    fs::write(forger.path(JWKS), "{}").unwrap();
    sleep(Duration::from_mins(2)).await;
    assert_eq!(greeter.greeting(&[&format!("Bearer {token}")]).await.unwrap(), "Hello, Ada!");
}

#[tokio::test(start_paused = true)]
async fn a_reload_reads_the_users_at_once_and_tells_what_is_no_good() {
    let forger = Forger::new();
    let gate = open(&flags(&forger.flags())).await.unwrap();
    let mut reload = hooks::reload(None, &gate);
    let greeter = serving(gate);
    reload().await.unwrap();
    fs::write(forger.path("users"), "nobody").unwrap();
    let said = reload().await.unwrap_err().to_string();
    assert!(said.contains("users is no good") && said.contains("line 1"), "{said}");
    let password = basic("Aladdin", PASSWORD);
    greeter.greeting(&[&password]).await.unwrap();
    fs::write(forger.path("users"), "").unwrap();
    reload().await.unwrap();
    let status = greeter.greeting(&[&password]).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    hooks::reload(None, &Gate::default())().await.unwrap();
}

// ===== who =====

/// Asks who shows this.
async fn who(callers: &Callers, authorization: &str) -> Result<Caller, Denied> {
    let mut headers = http::HeaderMap::new();
    headers.insert(header::AUTHORIZATION, authorization.parse().unwrap());
    match callers.authenticate(&Presented::of(&headers)) {
        Verdict::Known(known) => known,
        Verdict::Later(later) => later.await,
        Verdict::Absent => Err(Denied::new(Reason::Missing)),
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_has_a_name_and_what_its_token_grants() {
    let forger = Forger::new();
    let gate = open(&flags(&forger.flags())).await.unwrap();
    let callers = gate.callers().unwrap();
    let claims = format!(
        r#"{{"iss":"{ISSUER}","aud":"{AUDIENCE}","exp":99999999999,"sub":"Eve","scope":"a b","roles":["c"]}}"#
    );
    let eve = who(callers, &format!("Bearer {}", forger.claiming(&claims))).await.unwrap();
    assert_eq!(eve.name(), Some("Eve"));
    assert!(eve.has_scope("a") && eve.has_scope("b") && !eve.has_scope("c") && eve.has_role("c"));
    let aladdin = who(callers, &basic("Aladdin", PASSWORD)).await.unwrap();
    assert_eq!(aladdin.name(), Some("Aladdin"));
    assert!(!aladdin.has_scope("a") && !aladdin.has_role("c"));
    let shown = format!("{gate:?}");
    for secret in forger.secrets() {
        assert!(!shown.contains(&secret), "{shown}");
    }
}
