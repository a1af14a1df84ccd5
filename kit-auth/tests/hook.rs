//! The hook that shows endpoints the credentials of their requests: alone, and
//! in the servers of both transports, called in process.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod scheme;

use bytes::Bytes;
use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Response,
    header::{AUTHORIZATION, WWW_AUTHENTICATE},
};
use http_body_util::{BodyExt, Full};
use kit_auth::{
    Auth, Authenticator, AuthorizeLayer, Credentials, CredentialsHook, Denied, MAX_CREDENTIALS,
    Presented, Presents, Verdict,
    authorize::{self, Forbidden},
};
use kit_endpoint::{Endpoint, Fault, Kind, Request, TlsIdentity};
use kit_transport::{
    Call, Hook, Protocol,
    hook::{Faulted, Faults},
};
use kit_transport_grpc::GrpcLayer;
use scheme::{ADA, KNOWN, TEST, User};
use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus,
    health_client::HealthClient,
};
use tower::{ServiceBuilder, ServiceExt, service_fn};

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Asks for an API key beside `authorization`.
#[derive(Debug)]
struct Keys;

impl Authenticator for Keys {
    type Identity = User;

    fn authenticate(&self, presented: &Presented<'_>) -> Verdict<User> {
        match presented.header(&API_KEY) {
            Ok(Some("hunter2")) => Verdict::Known(Ok(User("eve"))),
            _ => Verdict::Absent,
        }
    }

    fn challenge(&self, _: &Denied, challenges: &mut Vec<HeaderValue>) {
        challenges.push(HeaderValue::from_static("Key"));
    }

    fn headers(&self) -> Vec<HeaderName> {
        vec![API_KEY]
    }
}

// ===== the hook alone =====

/// What an endpoint gets when these headers came by `protocol`.
fn kept(hook: &impl Hook, protocol: Protocol, headers: &HeaderMap) -> Request<()> {
    let mut extensions = Extensions::new();
    let _observer = hook.before(&Call::new(protocol, "GET", headers), &mut extensions);
    Request::from_parts((), extensions)
}

#[test]
fn credentials_are_kept_of_either_protocol() {
    let hook = Auth::new(TEST.or(Keys)).hook();
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, KNOWN.parse().unwrap());
    headers.insert(API_KEY, "hunter2".parse().unwrap());
    headers.insert("x-other", "7".parse().unwrap());
    for protocol in [Protocol::Http, Protocol::Grpc] {
        let request = kept(&hook, protocol, &headers);
        let presented = request.presented().expect("they are kept");
        assert_eq!(presented.authorization("Test"), Ok(Some("hunter2")));
        assert_eq!(presented.header(&API_KEY), Ok(Some("hunter2")));
        assert_eq!(presented.header(&HeaderName::from_static("x-other")), Ok(None));
        assert!(!format!("{request:?} {hook:?}").contains("hunter2"));
    }
}

#[test]
fn that_there_are_none_is_written_down_too() {
    let hook = Auth::new(TEST).hook();
    for protocol in [Protocol::Http, Protocol::Grpc] {
        let request = kept(&hook, protocol, &HeaderMap::new());
        let presented = request.presented().expect("it is written down");
        assert_eq!(presented.authorization("Test"), Ok(None));
    }
}

#[test]
fn an_entry_from_before_is_replaced() {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, KNOWN.parse().unwrap());
    let mut extensions = Extensions::new();
    extensions.insert(Credentials::of(&headers, &[]));
    let none = HeaderMap::new();
    Auth::new(TEST).hook().before(&Call::new(Protocol::Http, "GET", &none), &mut extensions);
    let request = Request::from_parts((), extensions);
    let presented = request.presented().expect("it is written down");
    assert_eq!(presented.authorization("Test"), Ok(None));
}

#[test]
fn an_auth_knows_whether_a_hook_was_made_of_it() {
    let auth = Auth::new(TEST);
    let clone = auth.clone();
    let error = auth.check().expect_err("none was");
    assert!(error.to_string().contains("add `.hook(auth.hook())`"), "{error}");
    let _layer = auth.layer();
    assert_eq!(auth.check(), Err(error), "a layer is no hook");
    let _hook = clone.hook();
    assert_eq!(auth.check(), Ok(()));
    assert_eq!(clone.check(), Ok(()), "clones are one");
}

#[test]
fn it_can_be_sent_and_shared() {
    fn assert_send_sync<T: Send + Sync>() {}
    assert_send_sync::<CredentialsHook>();
}

// ===== in the servers =====

/// What a user's endpoint fails with.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
}

impl Fault for Error {
    fn inner(&self) -> Option<&dyn Fault> {
        Some(match self {
            Self::Denied(fact) => fact,
            Self::Forbidden(fact) => fact,
        })
    }
}

/// Says who calls, to all but eve.
fn whoami<A>(auth: &Auth<A>) -> impl Endpoint<(), Response = &'static str, Error = Error> + use<A>
where
    A: Authenticator<Identity = User>,
{
    async fn say(request: Request<()>) -> Result<&'static str, Error> {
        Ok(request.extensions().get::<User>().expect("it is under an `Auth`").0)
    }

    let but_eve = authorize::who(|user: &User, _: &Request<()>| user.0 != "eve");
    ServiceBuilder::new()
        .layer(auth.layer())
        .layer(AuthorizeLayer::new(but_eve))
        .service(service_fn(say))
}

/// Keeps what the logs would be told.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn hook(&self) -> Faults<impl Fn(&Faulted<'_>) + Clone + use<>> {
        let lines = Arc::clone(&self.0);
        Faults(move |failed: &Faulted<'_>| lines.lock().unwrap().push(failed.fault.to_string()))
    }

    fn one(&self) -> String {
        let lines = self.0.lock().unwrap();
        assert_eq!(lines.len(), 1, "one line for each: {lines:?}");
        lines[0].clone()
    }
}

/// What a caller is told.
#[derive(Debug)]
struct Told {
    kind: Option<Kind>,
    headers: HeaderMap,
    /// Who it was, or the problem.
    text: String,
}

impl Told {
    fn challenges(&self) -> Vec<&str> {
        let all = self.headers.get_all(WWW_AUTHENTICATE).iter();
        all.map(|value| value.to_str().unwrap()).collect()
    }
}

/// A request whose head is as if it came over a connection.
#[derive(Default, Clone)]
struct Head {
    headers: HeaderMap,
    extensions: Extensions,
}

impl Head {
    fn with(name: HeaderName, value: impl AsRef<[u8]>) -> Self {
        Self::default().and(name, value)
    }

    fn and(mut self, name: HeaderName, value: impl AsRef<[u8]>) -> Self {
        self.headers.append(name, HeaderValue::from_bytes(value.as_ref()).unwrap());
        self
    }

    fn put_on<B>(self, request: http::Request<B>) -> http::Request<B> {
        let (mut parts, body) = request.into_parts();
        parts.headers.extend(self.headers);
        parts.extensions.extend(self.extensions);
        http::Request::from_parts(parts, body)
    }
}

type Hooks = (Option<CredentialsHook>, Log);

async fn over_http<A>(auth: &Auth<A>, (hook, log): &Hooks, head: Head) -> Told
where
    A: Authenticator<Identity = User>,
{
    let decode = |_: &http::Request<Bytes>| Ok::<_, Infallible>(());
    let encode = |who: &'static str| Ok::<_, Infallible>(Response::new(Bytes::from(who)));
    let server = kit_transport_http::Server::new(whoami(auth), decode, encode)
        .hook(hook.clone())
        .hook(log.hook());
    let request = head.put_on(http::Request::new(Full::<Bytes>::default()));
    let (parts, body) = server.oneshot(request).await.unwrap().into_parts();
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    let kind = (parts.status != 200).then(|| {
        let problem: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(problem["status"], parts.status.as_u16());
        problem["kind"].as_str().unwrap().parse::<Kind>().unwrap()
    });
    assert!(kind.is_none_or(|kind| kind.http_status() == parts.status));
    Told { kind, headers: parts.headers, text }
}

async fn over_grpc<A>(auth: &Auth<A>, (hook, log): &Hooks, head: Head) -> Told
where
    A: Authenticator<Identity = User>,
{
    let decode = |_: HealthCheckRequest| Ok::<_, Infallible>(());
    let encode = |who: &'static str| {
        let status = if who == ADA.0 { ServingStatus::Serving } else { ServingStatus::NotServing };
        Ok::<_, Infallible>(HealthCheckResponse { status: status.into() })
    };
    let server = ServiceBuilder::new()
        .map_request(move |request: http::Request<tonic::body::Body>| head.clone().put_on(request))
        .layer(GrpcLayer::new().hook(hook.clone()).hook(log.hook()))
        .service(kit_transport_grpc::Server::new(whoami(auth), decode, encode));
    match HealthClient::new(server).check(HealthCheckRequest::default()).await {
        Ok(reply) => {
            let headers = reply.metadata().clone().into_headers();
            let is_ada = reply.into_inner().status() == ServingStatus::Serving;
            let text = if is_ada { ADA.0 } else { "another" }.to_owned();
            Told { kind: None, headers, text }
        }
        Err(status) => {
            let kind = kit_transport_grpc::kind(&status);
            let reason = kit_transport_grpc::details(&status).get_reason().map(str::to_owned);
            let text = format!("{} {reason:?} {:?}", status.message(), status.details());
            Told { kind, headers: status.metadata().clone().into_headers(), text }
        }
    }
}

/// Asks over both transports; each has the hook, and a log of its own.
async fn over_both<A>(auth: &Auth<A>, head: Head) -> [Told; 2]
where
    A: Authenticator<Identity = User>,
{
    let hooks = || (Some(auth.hook()), Log::default());
    [over_http(auth, &hooks(), head.clone()).await, over_grpc(auth, &hooks(), head).await]
}

#[tokio::test]
async fn good_credentials_are_let_in_over_both() {
    let auth = Auth::new(TEST.or(Keys));
    for told in over_both(&auth, Head::with(AUTHORIZATION, KNOWN)).await {
        assert_eq!((told.kind, &*told.text), (None, "ada"), "{told:?}");
        assert!(told.challenges().is_empty());
    }
}

#[tokio::test]
async fn without_credentials_both_say_how_it_is_done() {
    let auth = Auth::new(TEST.or(Keys));
    for told in over_both(&auth, Head::default()).await {
        assert_eq!(told.kind, Some(Kind::Unauthenticated), "{told:?}");
        assert_eq!(told.challenges(), ["Test realm=\"t\"", "Key"]);
        assert!(told.text.contains("CREDENTIALS_MISSING"), "{told:?}");
        assert!(told.text.contains("credentials are needed"), "{told:?}");
    }
}

#[tokio::test]
async fn bad_credentials_are_refused_over_both() {
    let long = "Test ".to_owned() + &"x".repeat(MAX_CREDENTIALS);
    let heads = [
        (Head::with(AUTHORIZATION, "Test nonsense"), "CREDENTIALS_INVALID"),
        (Head::with(AUTHORIZATION, "Test hunter2-over"), "CREDENTIALS_EXPIRED"),
        (Head::with(AUTHORIZATION, KNOWN).and(AUTHORIZATION, KNOWN), "CREDENTIALS_MALFORMED"),
        (Head::with(AUTHORIZATION, b"Test hunter2\xff"), "CREDENTIALS_MALFORMED"),
        (Head::with(AUTHORIZATION, "Test"), "CREDENTIALS_MALFORMED"),
        (Head::with(AUTHORIZATION, long), "CREDENTIALS_MALFORMED"),
        // A bad one is not made good by the next.
        (Head::with(AUTHORIZATION, "Test").and(API_KEY, "hunter2"), "CREDENTIALS_MALFORMED"),
    ];
    let auth = Auth::new(TEST.or(Keys));
    for (head, reason) in heads {
        for told in over_both(&auth, head).await {
            assert_eq!(told.kind, Some(Kind::Unauthenticated), "{told:?}");
            assert!(told.text.contains(reason), "{told:?}");
            assert_eq!(told.challenges().len(), 2, "{told:?}");
            assert!(!told.text.contains("hunter2"), "{told:?}");
        }
    }
}

#[tokio::test]
async fn one_who_is_known_and_may_not_is_forbidden_over_both() {
    let auth = Auth::new(TEST.or(Keys));
    for told in over_both(&auth, Head::with(API_KEY, "hunter2")).await {
        assert_eq!(told.kind, Some(Kind::PermissionDenied), "{told:?}");
        assert!(told.text.contains("FORBIDDEN"), "{told:?}");
        assert!(told.challenges().is_empty(), "{told:?}");
    }
}

#[tokio::test]
async fn without_the_hook_it_is_internal_and_the_log_says_which_line_is_missing() {
    let auth = Auth::new(TEST);
    let head = || Head::with(AUTHORIZATION, KNOWN);
    let (http, grpc) = ((None, Log::default()), (None, Log::default()));
    let told = [over_http(&auth, &http, head()).await, over_grpc(&auth, &grpc, head()).await];
    for (told, (_, log)) in told.iter().zip([http, grpc]) {
        assert_eq!(told.kind, Some(Kind::Internal), "{told:?}");
        assert!(told.text.contains("internal error"), "{told:?}");
        let shown = format!("{told:?}").to_lowercase();
        for word in ["hook", "credential", "authenticate"] {
            assert!(!shown.contains(word), "{word}: {told:?}");
        }
        assert!(log.one().contains("add `.hook(auth.hook())` to the server"), "{}", log.one());
    }
}

/// Knows who has a certificate.
#[derive(Debug)]
struct Certified;

impl Authenticator for Certified {
    type Identity = User;

    fn authenticate(&self, presented: &Presented<'_>) -> Verdict<User> {
        presented.tls().map_or(Verdict::Absent, |_| Verdict::Known(Ok(ADA)))
    }

    fn challenge(&self, _: &Denied, _: &mut Vec<HeaderValue>) {}
}

#[tokio::test]
async fn a_certificate_is_shown_over_both() {
    let auth = Auth::new(Certified);
    let mut head = Head::default();
    for told in over_both(&auth, head.clone()).await {
        assert_eq!(told.kind, Some(Kind::Unauthenticated), "{told:?}");
        assert!(told.challenges().is_empty(), "there is no scheme for it");
    }
    head.extensions.insert(TlsIdentity::new([b"der".to_vec()]));
    for told in over_both(&auth, head).await {
        assert_eq!((told.kind, &*told.text), (None, "ada"), "{told:?}");
    }
}
