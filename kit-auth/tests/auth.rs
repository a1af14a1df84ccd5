//! Who is let in: the layer over a mock service, for requests of both kinds.
//!
//! Nothing here waits: a request is there or it is not, so a bug fails a test
//! and never hangs it.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod scheme;

use http::{HeaderName, HeaderValue, Response, header::WWW_AUTHENTICATE};
use kit_auth::{
    Anonymous, AsGrpc, AsHttp, Auth, AuthLayer, AuthService, Authenticator, Denied, Inspect,
    Inspector, Malformed, NoHook, Presented, Reason, Verdict,
};
use kit_endpoint::{Details, Endpoint, Fault, Kind, Request};
use scheme::{ADA, Forged, KNOWN, Saying, TEST, Test, User};
use std::{
    convert::Infallible,
    error::Error as _,
    fmt::Debug,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{sync::oneshot, time::timeout};
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::{BoxError, Layer, Service as _, ServiceExt, limit::ConcurrencyLimit, service_fn};
use tower_test::mock::{self, Handle, Mock, SendResponse, Spawn};

type Http = http::Request<()>;
type Kit = Request<()>;

/// A scheme with Test's rules and another name, which knows another.
const OTHER: Test = Test { scheme: "Other", knows: User("bob") };

type Service<Req, A = Test> = Spawn<AuthService<Mock<Req, ()>, A>>;

fn mock<Req: Saying, A>(layer: AuthLayer<A>) -> (Service<Req, A>, Handle<Req, ()>)
where
    A: Authenticator,
{
    mock::spawn_layer(layer)
}

fn layer() -> AuthLayer<Test> {
    Auth::new(TEST).layer()
}

/// Takes the request that must have reached the inner service.
fn sent<Req>(handle: &mut Handle<Req, ()>) -> (Req, SendResponse<()>) {
    let request = assert_ready!(handle.poll_request(), "the request was not sent");
    request.expect("the layer is alive")
}

/// Says what the layer refuses a request with, which the inner service must not
/// see.
fn refusal<Req: Saying, A: Authenticator>(layer: AuthLayer<A>, request: Req) -> BoxError {
    let (mut service, mut handle) = mock(layer);
    assert_ready_ok!(service.poll_ready());
    let error = assert_ready_err!(task::spawn(service.call(request)).poll());
    assert_pending!(handle.poll_request(), "it reached the inner service");
    error
}

/// Says as whom the layer lets a request in, and answers it.
fn identity<Req: Saying, A>(layer: AuthLayer<A>, request: Req) -> Option<A::Identity>
where
    A: Authenticator,
{
    let (mut service, mut handle) = mock(layer);
    assert_ready_ok!(service.poll_ready());
    let mut reply = task::spawn(service.call(request));
    let (request, respond) = sent(&mut handle);
    respond.send_response(());
    assert_ready_ok!(reply.poll());
    request.extensions().get().cloned()
}

fn denied(error: &BoxError) -> &Denied {
    error.downcast_ref().expect("it is not let in")
}

fn described(fault: &dyn Fault) -> Details {
    let mut details = Details::default();
    fault.describe(&mut details);
    details
}

fn challenges(fault: &dyn Fault) -> Vec<String> {
    let details = described(fault);
    let all = details.headers().get_all(WWW_AUTHENTICATE).iter();
    all.map(|value| value.to_str().unwrap().to_owned()).collect()
}

// ===== who is let in, and who is not =====

fn one_is_let_in<Req: Saying>() {
    let (mut service, mut handle) = mock::<Req, _>(layer());
    assert_ready_ok!(service.poll_ready());
    let mut reply = task::spawn(service.call(Req::saying(&[KNOWN])));
    let (request, respond) = sent(&mut handle);
    assert_eq!(request.extensions().get(), Some(&ADA));
    assert!(request.extensions().get::<Anonymous>().is_none());
    assert_pending!(reply.poll());
    respond.send_response(());
    assert_ready_ok!(reply.poll());
    assert_pending!(handle.poll_request(), "it was sent twice");
}

#[test]
fn one_who_is_known_is_let_in_once_with_the_identity() {
    one_is_let_in::<Kit>();
    one_is_let_in::<Http>();
}

fn errors_are_passed_on<Req: Saying>() {
    let (mut service, mut handle) = mock::<Req, _>(layer());
    assert_ready_ok!(service.poll_ready());
    let mut reply = task::spawn(service.call(Req::saying(&[KNOWN])));
    sent(&mut handle).1.send_error("boom");
    assert_eq!(assert_ready_err!(reply.poll()).to_string(), "boom");
}

#[test]
fn an_error_of_the_service_is_its_own() {
    errors_are_passed_on::<Kit>();
    errors_are_passed_on::<Http>();
}

/// What comes, why it is not let in, and what the caller is told.
const REFUSED: [(&[&str], Reason, &str, &str, &str); 7] = [
    (&[], Reason::Missing, "CREDENTIALS_MISSING", "credentials are needed", "Test realm=\"t\""),
    (
        &["Basic hunter2"],
        Reason::Missing,
        "CREDENTIALS_MISSING",
        "credentials are needed",
        "Test realm=\"t\"",
    ),
    (
        &[KNOWN, KNOWN],
        Reason::Malformed(Malformed::Several),
        "CREDENTIALS_MALFORMED",
        "the credentials are there more than once: send one header",
        "Test realm=\"t\"",
    ),
    (
        &["Test"],
        Reason::Malformed(Malformed::Syntax),
        "CREDENTIALS_MALFORMED",
        "the credentials are not what their scheme asks for",
        "Test realm=\"t\"",
    ),
    (
        &["Test hunter2-forged"],
        Reason::Invalid,
        "CREDENTIALS_INVALID",
        "the credentials are not right",
        "Test realm=\"t\", error=\"invalid\"",
    ),
    (
        &["Test hunter2-over"],
        Reason::Expired,
        "CREDENTIALS_EXPIRED",
        "the credentials are expired: get new ones",
        "Test realm=\"t\", error=\"expired\"",
    ),
    (
        &["Test hunter2-soon"],
        Reason::NotYetValid,
        "CREDENTIALS_NOT_YET_VALID",
        "the credentials are not valid yet",
        "Test realm=\"t\", error=\"not_yet_valid\"",
    ),
];

fn the_others_are_refused<Req: Saying>() {
    for (authorization, reason, name, text, challenge) in REFUSED {
        let error = refusal(layer(), Req::saying(authorization));
        let denied = denied(&error);
        assert_eq!(denied.reason(), reason);
        assert_eq!(denied.kind(), Kind::Unauthenticated, "{reason:?}");
        assert_eq!(denied.to_string(), text);
        assert_eq!(denied.retry_after(), None, "{reason:?}");
        assert!(denied.refused(), "nothing ran");
        let details = described(denied);
        assert_eq!((details.get_reason(), details.get_domain()), (Some(name), Some("kit")));
        assert!(details.get_metadata().is_empty() && details.violations().is_empty());
        assert_eq!(challenges(denied), [challenge], "{reason:?}");
    }
}

#[test]
fn who_is_not_known_is_told_why_and_how_to_do_it_right() {
    the_others_are_refused::<Kit>();
    the_others_are_refused::<Http>();
}

#[test]
fn by_what_it_failed_is_for_logs_alone() {
    let error = refusal(layer(), Kit::saying(&["Test hunter2-forged"]));
    let source = denied(&error).source().expect("it says by what");
    assert!(source.is::<Forged>());
    assert_eq!(denied(&error).scheme(), Some("Test"));
    let http = AsHttp::reply(denied(&error));
    let grpc: Response<()> = AsGrpc::reply(denied(&error));
    for told in [format!("{http:?}"), format!("{grpc:?}")] {
        assert!(!told.contains("signature") && !told.contains("key 7"), "{told}");
    }
}

fn what_cannot_be_checked_is_unavailable<Req: Saying>() {
    let error = refusal(layer(), Req::saying(&["Test hunter2-down"]));
    let denied = denied(&error);
    assert_eq!(denied.reason(), Reason::Unavailable);
    assert_eq!(denied.kind(), Kind::Unavailable);
    assert_eq!(denied.retry_after(), Some(Duration::from_secs(7)));
    assert_eq!(described(denied).get_reason(), Some("CREDENTIALS_UNCHECKED"));
    assert!(challenges(denied).is_empty(), "others would not help");

    let reply = AsHttp::reply(denied);
    assert_eq!(reply.status(), 503);
    assert_eq!(reply.headers()["retry-after"], "7");
    let reply: Response<()> = AsGrpc::reply(denied);
    assert_eq!(reply.headers()["grpc-status"], "14");
    assert_eq!(reply.headers()["grpc-message"], "service unavailable");
}

#[test]
fn what_cannot_be_checked_now_is_no_fault_of_the_callers() {
    what_cannot_be_checked_is_unavailable::<Kit>();
    what_cannot_be_checked_is_unavailable::<Http>();
}

#[test]
fn without_the_hook_it_is_internal_and_says_to_the_logs_what_is_missing() {
    for layer in [layer(), layer().optional()] {
        let error = refusal(layer, Request::new(()));
        let denied = denied(&error);
        assert_eq!((denied.reason(), denied.kind()), (Reason::NoHook, Kind::Internal));
        assert!(denied.to_string().contains("add `.hook(auth.hook())` to the server"), "{denied}");

        let details = described(denied);
        assert_eq!((details.get_reason(), details.get_domain()), (None, None));
        assert!(details.headers().is_empty() && details.get_metadata().is_empty());

        let http = AsHttp::reply(denied);
        assert_eq!(http.status(), 500);
        assert!(!http.headers().contains_key(WWW_AUTHENTICATE));
        assert!(http.body().contains("internal error"));
        let grpc: Response<()> = AsGrpc::reply(denied);
        assert_eq!(grpc.headers()["grpc-status"], "13");
        assert_eq!(grpc.headers()["grpc-message"], "internal error");
        for told in [format!("{http:?}"), format!("{grpc:?}")] {
            let told = told.to_lowercase();
            for word in ["hook", "credential", "authenticat", "auth."] {
                assert!(!told.contains(word), "{word}: {told}");
            }
        }
    }
}

// ===== optional =====

fn the_anonymous_are_let_in<Req: Saying>() {
    let optional = || layer().optional();
    for stranger in [&[][..], &["Basic hunter2"], &["Negotiate"]] {
        let (mut service, mut handle) = mock::<Req, _>(optional());
        assert_ready_ok!(service.poll_ready());
        let mut reply = task::spawn(service.call(Req::saying(stranger)));
        let (request, respond) = sent(&mut handle);
        assert!(request.extensions().get::<Anonymous>().is_some(), "{stranger:?}");
        assert_eq!(request.extensions().get::<User>(), None);
        respond.send_response(());
        assert_ready_ok!(reply.poll());
    }
    assert_eq!(identity(optional(), Req::saying(&[KNOWN])), Some(ADA));
    for (authorization, reason, ..) in REFUSED {
        if reason != Reason::Missing {
            let error = refusal(optional(), Req::saying(authorization));
            assert_eq!(denied(&error).reason(), reason);
            assert!(!challenges(denied(&error)).is_empty(), "{reason:?}");
        }
    }
    let error = refusal(optional(), Req::saying(&["Test hunter2-down"]));
    assert_eq!(denied(&error).reason(), Reason::Unavailable, "unchecked is not unknown");
}

#[test]
fn if_it_is_optional_the_anonymous_are_let_in_but_not_those_who_fail() {
    the_anonymous_are_let_in::<Kit>();
    the_anonymous_are_let_in::<Http>();
}

// ===== a verdict that waits =====

/// Says what its other end says.
struct Slow(Mutex<Option<oneshot::Receiver<Result<User, Denied>>>>);

type Told = oneshot::Sender<Result<User, Denied>>;

fn slow() -> (Slow, Told) {
    let (tell, told) = oneshot::channel();
    (Slow(Mutex::new(Some(told))), tell)
}

impl Authenticator for Slow {
    type Identity = User;

    fn authenticate(&self, _: &Presented<'_>) -> Verdict<User> {
        let told = self.0.lock().unwrap().take().expect("asked once");
        Verdict::later(async { told.await.expect("it is told") })
    }

    fn challenge(&self, denied: &Denied, challenges: &mut Vec<HeaderValue>) {
        challenges.push(HeaderValue::from_str(denied.reason().name()).unwrap());
    }
}

fn a_clone_is_called_when_it_is_ready<Req: Saying>() {
    let (slow, tell) = slow();
    let (mut service, mut handle) = mock::<Req, _>(Auth::new(slow).layer());
    assert_ready_ok!(service.poll_ready());
    let mut reply = task::spawn(service.call(Req::saying(&[])));
    handle.allow(0);
    assert_pending!(service.poll_ready(), "what was ready is given back");
    assert_pending!(reply.poll());
    assert_pending!(handle.poll_request(), "it is not known yet");

    // A mock panics when it is called and was not asked.
    tell.send(Ok(ADA)).unwrap();
    assert!(reply.is_woken());
    assert_pending!(reply.poll());
    assert_pending!(handle.poll_request(), "its clone is not ready");
    handle.allow(1);
    assert!(reply.is_woken());
    assert_pending!(reply.poll());
    let (request, respond) = sent(&mut handle);
    assert_eq!(request.extensions().get(), Some(&ADA));
    assert_pending!(reply.poll());
    respond.send_response(());
    assert_ready_ok!(reply.poll());
    assert_pending!(handle.poll_request(), "it was sent twice");
}

#[test]
fn who_is_not_known_yet_holds_no_readiness_and_waits_for_it_after() {
    a_clone_is_called_when_it_is_ready::<Kit>();
    a_clone_is_called_when_it_is_ready::<Http>();
}

#[tokio::test(start_paused = true)]
async fn under_a_limit_nobody_waits_for_what_it_holds_itself() {
    let (slow, tell) = slow();
    let inner = service_fn(async |_: Http| Ok::<_, BoxError>(()));
    let mut service = Auth::new(slow).layer().layer(ConcurrencyLimit::new(inner, 1));
    let call = service.ready().await.unwrap().call(Http::saying(&[]));
    tell.send(Ok(ADA)).unwrap();
    timeout(Duration::from_secs(1), call).await.unwrap().unwrap();
}

fn an_earlier_identity_goes<Req: Saying>() {
    let (mut service, mut handle) = mock::<Req, _>(layer().optional());
    assert_ready_ok!(service.poll_ready());
    let mut stranger = Req::saying(&[]);
    stranger.extensions_mut().insert(ADA);
    let mut reply = task::spawn(service.call(stranger));
    assert_pending!(reply.poll());
    let (request, _respond) = sent(&mut handle);
    assert_eq!(request.extensions().get::<User>(), None);
}

#[test]
fn one_who_says_nothing_is_not_who_was_known_before() {
    an_earlier_identity_goes::<Kit>();
    an_earlier_identity_goes::<Http>();
}

#[test]
fn dropped_before_the_verdict_nothing_runs() {
    let (slow, tell) = slow();
    let auth = Auth::new(slow);
    let (mut service, mut handle) = mock::<Kit, _>(auth.layer());
    assert_ready_ok!(service.poll_ready());
    let mut reply = task::spawn(service.call(Kit::saying(&[])));
    assert_pending!(reply.poll());
    drop(reply);
    assert!(tell.is_closed(), "the verdict is dropped with the request");
    assert_pending!(handle.poll_request());
    assert!(counts(&auth).iter().all(|(_, count)| *count == 0), "nothing became of it");
}

#[test]
fn a_verdict_may_be_late_and_bad() {
    let (slow, tell) = slow();
    let auth = Auth::new(slow);
    let (mut service, mut handle) = mock::<Http, _>(auth.layer());
    assert_ready_ok!(service.poll_ready());
    let mut reply = task::spawn(service.call(Http::saying(&[])));
    assert_pending!(reply.poll());
    tell.send(Err(Denied::new(Reason::Expired))).unwrap();
    let error = assert_ready_err!(reply.poll());
    assert_eq!(denied(&error).reason(), Reason::Expired);
    assert_eq!(challenges(denied(&error)), ["expired"]);
    assert_pending!(handle.poll_request());
    assert_eq!(count(&auth, "expired"), 1);
}

#[test]
fn a_late_verdict_without_an_answer_is_no_stranger() {
    // Not even where strangers are let in.
    let (slow, tell) = slow();
    let (mut service, mut handle) = mock::<Kit, _>(Auth::new(slow).layer().optional());
    assert_ready_ok!(service.poll_ready());
    let mut reply = task::spawn(service.call(Kit::saying(&[])));
    tell.send(Err(Denied::new(Reason::Missing))).unwrap();
    let error = assert_ready_err!(reply.poll());
    assert_eq!(denied(&error).reason(), Reason::Missing);
    assert_eq!(challenges(denied(&error)), ["missing"]);
    assert_pending!(handle.poll_request());
}

// ===== several authenticators =====

#[test]
fn the_next_is_asked_about_what_one_knows_nothing_of() {
    let either = || Auth::new(TEST.or(OTHER)).layer();
    assert_eq!(identity(either(), Kit::saying(&[KNOWN])), Some(ADA));
    assert_eq!(identity(either(), Kit::saying(&["Other hunter2"])), Some(User("bob")));
    assert_eq!(identity(either(), Http::saying(&["other hunter2"])), Some(User("bob")));
}

#[test]
fn the_first_that_knows_decides() {
    let same_scheme = Test { scheme: "Test", knows: User("bob") };
    assert_eq!(identity(Auth::new(TEST.or(same_scheme)).layer(), Kit::saying(&[KNOWN])), Some(ADA));
    let error = refusal(Auth::new(TEST.or(Everyone)).layer(), Kit::saying(&["Test nonsense"]));
    assert_eq!(denied(&error).reason(), Reason::Invalid, "a bad one does not fall through");
    let twice = [KNOWN, KNOWN];
    let error = refusal(Auth::new(TEST.or(Everyone)).layer(), Kit::saying(&twice));
    assert_eq!(denied(&error).reason(), Reason::Malformed(Malformed::Several));
    let error = refusal(Auth::new(TEST.or(Everyone)).layer(), Kit::saying(&["Test hunter2-down"]));
    assert_eq!(denied(&error).reason(), Reason::Unavailable);
}

/// Knows everyone, and asks for headers of its own.
#[derive(Debug)]
struct Everyone;

impl Authenticator for Everyone {
    type Identity = User;

    fn authenticate(&self, _: &Presented<'_>) -> Verdict<User> {
        Verdict::Known(Ok(User("everyone")))
    }

    fn challenge(&self, _: &Denied, _: &mut Vec<HeaderValue>) {}

    fn headers(&self) -> Vec<HeaderName> {
        vec![HeaderName::from_static("x-one"), HeaderName::from_static("x-two")]
    }
}

#[test]
fn the_challenges_of_all_are_listed_in_their_order() {
    let all = || Auth::new(TEST.or(OTHER).or(Test { scheme: "Third", ..TEST })).layer();
    let error = refusal(all(), Kit::saying(&[]));
    let plain = ["Test realm=\"t\"", "Other realm=\"t\"", "Third realm=\"t\""];
    assert_eq!(challenges(denied(&error)), plain);
    let error = refusal(all(), Http::saying(&["Other nonsense"]));
    let told = ["Test realm=\"t\"", "Other realm=\"t\", error=\"invalid\"", "Third realm=\"t\""];
    assert_eq!(challenges(denied(&error)), told, "whose they were is told what was wrong");
}

#[test]
fn the_headers_of_all_are_asked_for() {
    let two = ["x-one", "x-two"];
    assert_eq!(Everyone.headers(), two);
    assert_eq!(TEST.or(Everyone).headers(), two);
    assert_eq!(Everyone.or(TEST).headers(), two);
    assert_eq!(Everyone.map(|user| user.0).headers(), two);
    assert_eq!(Arc::new(Everyone).headers(), two);
    assert!(TEST.headers().is_empty());
}

#[test]
fn who_it_was_can_be_made_another() {
    let length = || Auth::new(TEST.map(|user: User| user.0.len())).layer();
    assert_eq!(identity(length(), Kit::saying(&[KNOWN])), Some(3));
    for (authorization, reason, _, _, challenge) in REFUSED {
        let error = refusal(length(), Kit::saying(authorization));
        assert_eq!(denied(&error).reason(), reason);
        assert_eq!(challenges(denied(&error)), [challenge]);
    }
}

#[test]
fn who_it_was_can_be_made_another_later() {
    let (good, tell) = slow();
    let (mut service, mut handle) =
        mock::<Kit, _>(Auth::new(good.map(|user| user.0.len())).layer());
    assert_ready_ok!(service.poll_ready());
    let mut reply = task::spawn(service.call(Kit::saying(&[])));
    tell.send(Ok(ADA)).unwrap();
    assert_pending!(reply.poll());
    assert_eq!(sent(&mut handle).0.extensions().get(), Some(&3_usize));

    let (bad, tell) = slow();
    let (mut service, _handle) = mock::<Kit, _>(Auth::new(bad.map(|user| user.0.len())).layer());
    assert_ready_ok!(service.poll_ready());
    let mut reply = task::spawn(service.call(Kit::saying(&[])));
    tell.send(Err(Denied::new(Reason::Invalid))).unwrap();
    assert_eq!(denied(&assert_ready_err!(reply.poll())).reason(), Reason::Invalid);
}

#[tokio::test]
async fn what_a_verdict_says_can_be_made_another() {
    let length = |user: User| user.0.len();
    assert!(matches!(Verdict::Absent.map(length), Verdict::Absent));
    assert!(matches!(Verdict::Known(Ok(ADA)).map(length), Verdict::Known(Ok(3))));
    let Verdict::Known(Err(denied)) = Verdict::denied(Reason::Expired).map(length) else {
        panic!("it is not right")
    };
    assert_eq!(denied.reason(), Reason::Expired);
    for (told, expected) in [(Ok(ADA), Ok(3)), (Err(Reason::Invalid), Err(Reason::Invalid))] {
        let later = Verdict::later(async move { told.map_err(Denied::new) });
        let Verdict::Later(later) = later.map(length) else { panic!("it is not known yet") };
        assert_eq!(later.await.map_err(|denied| denied.reason()), expected);
    }
}

#[test]
fn one_can_be_switched_on_and_off() {
    let either = |is_on: bool| {
        let one = is_on.then_some(TEST);
        Auth::new(Authenticator::or(one, OTHER).or(None::<Test>)).layer()
    };
    assert_eq!(identity(either(true), Kit::saying(&[KNOWN])), Some(ADA));
    let (plain, other) = ("Test realm=\"t\"", "Other realm=\"t\"");
    let error = refusal(either(true), Kit::saying(&[]));
    assert_eq!(challenges(denied(&error)), [plain, other]);

    let error = refusal(either(false), Kit::saying(&[KNOWN]));
    assert_eq!(denied(&error).reason(), Reason::Missing, "nobody knows the scheme");
    assert_eq!(challenges(denied(&error)), [other]);
    assert_eq!(identity(either(false), Kit::saying(&["Other hunter2"])), Some(User("bob")));

    assert_eq!(Some(Everyone).headers(), Everyone.headers());
    assert!(None::<Everyone>.headers().is_empty());
    let error = refusal(Auth::new(None::<Test>).layer(), Kit::saying(&[KNOWN]));
    assert!(challenges(denied(&error)).is_empty());
}

#[test]
fn a_shared_authenticator_is_one() {
    let shared = Arc::new(TEST);
    let auth = Auth::new(Arc::clone(&shared));
    assert_eq!(identity(auth.layer(), Kit::saying(&[KNOWN])), Some(ADA));
    let error = refusal(auth.layer(), Kit::saying(&[]));
    assert_eq!(challenges(denied(&error)), ["Test realm=\"t\""]);
    assert!(Arc::ptr_eq(auth.authenticator(), &shared));
}

// ===== the layer as a service =====

#[test]
fn readiness_is_the_inner_services() {
    let (mut service, mut handle) = mock::<Kit, _>(layer());
    handle.allow(0);
    assert_pending!(service.poll_ready());
    handle.allow(1);
    assert!(service.is_woken());
    assert_ready_ok!(service.poll_ready());
    handle.send_error("gone");
    assert_eq!(assert_ready_err!(service.poll_ready()).to_string(), "gone");
}

#[test]
fn a_refusal_leaves_the_inner_service_ready() {
    let (mut service, mut handle) = mock::<Kit, _>(layer());
    handle.allow(1);
    assert_ready_ok!(service.poll_ready());
    assert_ready_err!(task::spawn(service.call(Kit::saying(&[]))).poll());
    assert_ready_ok!(service.poll_ready());
    let _reply = task::spawn(service.call(Kit::saying(&[KNOWN])));
    sent(&mut handle);
}

#[test]
fn a_refusal_can_be_answered_as_one_likes() {
    let refuse = |denied: Denied| Ok::<_, Infallible>(denied.reason().name());
    let inner = service_fn(|_: Kit| async { Ok("hello") });
    let service = layer().refuse(refuse).layer(inner);
    let ask = |authorization: &[&str]| {
        assert_ready_ok!(task::spawn(service.clone().oneshot(Kit::saying(authorization))).poll())
    };
    assert_eq!(ask(&[KNOWN]), "hello");
    assert_eq!(ask(&["Test nonsense"]), "invalid");
    let optional = layer().optional().refuse(refuse).layer(inner);
    let mut reply = task::spawn(optional.oneshot(Kit::saying(&[])));
    assert_eq!(assert_ready_ok!(reply.poll()), "hello", "the options stay");
}

/// What a user's endpoint fails with.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("the name is empty")]
    EmptyName,
    #[error(transparent)]
    Denied(#[from] Denied),
}

impl Fault for Error {
    fn inner(&self) -> Option<&dyn Fault> {
        match self {
            Self::EmptyName => None,
            Self::Denied(fact) => Some(fact),
        }
    }

    fn kind(&self) -> Kind {
        self.inner().map_or(Kind::InvalidArgument, Fault::kind)
    }
}

fn endpoint<A>(auth: &Auth<A>) -> impl Endpoint<(), Response = User, Error = Error> + use<A>
where
    A: Authenticator<Identity = User>,
{
    auth.layer().layer(service_fn(|request: Kit| async move {
        request.extensions().get().copied().ok_or(Error::EmptyName)
    }))
}

#[test]
fn it_is_an_endpoint_with_the_users_own_error() {
    let endpoint = endpoint(&Auth::new(TEST));
    let mut reply = task::spawn(endpoint.clone().oneshot(Kit::saying(&[KNOWN])));
    assert_eq!(assert_ready_ok!(reply.poll()), ADA);
    let mut reply = task::spawn(endpoint.oneshot(Kit::saying(&["Test nonsense"])));
    assert!(matches!(assert_ready_err!(reply.poll()), Error::Denied(_)));
}

#[test]
fn through_a_users_enum_it_reaches_both_transports() {
    let endpoint = endpoint(&Auth::new(TEST.or(OTHER)));
    for (authorization, _, name, text, challenge) in REFUSED {
        let mut reply = task::spawn(endpoint.clone().oneshot(Kit::saying(authorization)));
        let error = assert_ready_err!(reply.poll());
        assert!(error.refused());

        let reply = AsHttp::reply(&error);
        assert_eq!(reply.status(), 401, "{name}");
        let all: Vec<_> = reply.headers().get_all(WWW_AUTHENTICATE).iter().collect();
        assert_eq!(all, [challenge, "Other realm=\"t\""]);
        let problem: serde_json::Value = serde_json::from_str(reply.body()).unwrap();
        assert_eq!(problem["status"], 401);
        assert_eq!(problem["kind"], "UNAUTHENTICATED");
        assert_eq!((&problem["reason"], &problem["domain"]), (&name.into(), &"kit".into()));
        assert_eq!(problem["detail"], text);

        let reply: Response<()> = AsGrpc::reply(&error);
        assert_eq!(reply.headers()["grpc-status"], "16");
        assert_eq!(reply.headers()["grpc-message"], text);
        let all: Vec<_> = reply.headers().get_all(WWW_AUTHENTICATE).iter().collect();
        assert_eq!(all, [challenge, "Other realm=\"t\""]);
    }
}

// ===== what it counts =====

/// Keeps what it is told of outcomes.
#[derive(Default)]
struct Counts(Vec<(String, u64)>);

impl Inspector for Counts {
    fn counter(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: u64) {
        assert_eq!(name, "auth_requests_total");
        assert!(help.ends_with('.'), "{help}");
        let [("outcome", outcome)] = labels else { panic!("{labels:?}") };
        self.0.push(((*outcome).to_owned(), value));
    }

    fn gauge(&mut self, name: &str, _: &str, _: &[(&str, &str)], _: f64) {
        panic!("{name} is no counter");
    }
}

fn counts(auth: &impl Inspect) -> Vec<(String, u64)> {
    let mut counts = Counts::default();
    auth.inspect(&mut counts);
    counts.0
}

fn count(auth: &impl Inspect, outcome: &str) -> u64 {
    let counts = counts(auth);
    counts.iter().find(|(name, _)| name == outcome).expect("it is there from the start").1
}

#[test]
fn outcomes_are_counted_by_reason() {
    let auth = Auth::new(TEST);
    let optional = auth.layer().optional();
    assert_eq!(count(&auth, "known"), 0);
    for _ in 0..2 {
        identity(auth.layer(), Kit::saying(&[KNOWN]));
    }
    identity(optional.clone(), Http::saying(&[]));
    for (authorization, ..) in REFUSED {
        refusal(auth.layer(), Http::saying(authorization));
    }
    refusal(optional, Kit::saying(&["Test hunter2-down"]));
    refusal(auth.clone().layer(), Request::new(()));

    let expected = [
        ("known", 2),
        ("anonymous", 1),
        ("missing", 2),
        ("malformed", 2),
        ("invalid", 1),
        ("expired", 1),
        ("not_yet_valid", 1),
        ("unavailable", 1),
        ("no_hook", 1),
    ];
    assert_eq!(counts(&auth), expected.map(|(outcome, count)| (outcome.to_owned(), count)));
}

#[test]
fn a_late_verdict_is_counted_when_it_is_in() {
    let (slow, tell) = slow();
    let auth = Auth::new(slow);
    let (mut service, mut handle) = mock::<Kit, _>(auth.layer());
    assert_ready_ok!(service.poll_ready());
    let mut reply = task::spawn(service.call(Kit::saying(&[])));
    assert_pending!(reply.poll());
    assert_eq!(count(&auth, "known"), 0);
    tell.send(Ok(ADA)).unwrap();
    assert_pending!(reply.poll());
    assert_eq!(count(&auth, "known"), 1);
    sent(&mut handle).1.send_response(());
    assert_ready_ok!(reply.poll());
    assert_eq!(count(&auth, "known"), 1);
}

// ===== what it shows =====

#[track_caller]
fn shows_no_secret(shown: &impl Debug) {
    for shown in [format!("{shown:?}"), format!("{shown:#?}")] {
        assert!(!shown.is_empty() && !shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn debug_never_shows_a_secret() {
    let auth = Auth::new(TEST);
    shows_no_secret(&auth);
    shows_no_secret(&auth.layer());
    shows_no_secret(&auth.layer().layer(()));
    shows_no_secret(&auth.check());
    for authorization in
        [&["Test hunter2-forged"][..], &["Test hunter2-down"], &["Test hunter2"; 2]]
    {
        let request = Kit::saying(authorization);
        shows_no_secret(&request);
        let error = refusal(auth.layer(), request);
        shows_no_secret(&error);
        shows_no_secret(denied(&error));
        assert!(!denied(&error).to_string().contains("hunter2"));
        let source = denied(&error).source().map(ToString::to_string);
        assert!(!source.is_some_and(|source| source.contains("hunter2")));
    }
}

#[test]
fn debug_of_what_is_under_way_never_shows_a_secret() {
    let (slow, _tell) = slow();
    let auth = Auth::new(Arc::new(slow).map(|user: User| user.0));
    let layer = auth.layer().optional();
    let mut service = layer.layer(service_fn(|_: Http| async { Ok::<_, BoxError>(()) }));
    let waiting = tower::Service::call(&mut service, Http::saying(&[KNOWN]));
    shows_no_secret(&waiting);

    let layer = Auth::new(TEST).layer();
    let mut service = layer.layer(service_fn(|_: Http| async { Ok::<_, BoxError>(()) }));
    for authorization in [KNOWN, "Test hunter2-forged"] {
        let future = tower::Service::call(&mut service, Http::saying(&[authorization]));
        shows_no_secret(&future);
    }
    let verdict: Verdict<User> = Verdict::later(async { Ok(ADA) });
    assert_eq!(format!("{verdict:?}"), "Later(..)");
    assert_eq!(format!("{:?}", Verdict::<User>::Absent), "Absent");
    let known = Verdict::Known(Ok(ADA));
    assert_eq!(format!("{known:?}"), "Known(Ok(User(\"ada\")))");
}

#[test]
fn reasons_have_names_and_words() {
    let reasons = [
        (Reason::Missing, "missing"),
        (Reason::Malformed(Malformed::NotText), "malformed"),
        (Reason::Invalid, "invalid"),
        (Reason::Expired, "expired"),
        (Reason::NotYetValid, "not_yet_valid"),
        (Reason::Unavailable, "unavailable"),
        (Reason::NoHook, "no_hook"),
    ];
    for (reason, name) in reasons {
        assert_eq!(reason.name(), name);
        assert_eq!(Denied::new(reason).to_string(), reason.to_string());
    }
    assert_eq!(Reason::Malformed(Malformed::NotText).to_string(), Malformed::NotText.to_string());
    assert_eq!(Denied::from(Malformed::TooLong).reason(), Reason::Malformed(Malformed::TooLong));
}

#[test]
fn they_can_be_sent_and_shared() {
    fn assert_send_sync<T: Send + Sync>() {}
    fn assert_send<T: Send>(_: &T) {}
    assert_send_sync::<(Auth<Test>, AuthLayer<Test>, AuthService<(), Test>, NoHook, Anonymous)>();
    assert_send_sync::<(Denied, Reason, kit_auth::Or<Test, Test>)>();
    let mut service = layer().layer(service_fn(|_: Kit| async { Ok::<_, BoxError>(()) }));
    assert_send(&tower::Service::call(&mut service, Kit::saying(&[])));
}
