//! What those may do who were let in: the layer over a mock service, for
//! requests of both kinds, and rules as data.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod scheme;

use http::{Response, header::WWW_AUTHENTICATE};
use kit_auth::{
    AsGrpc, AsHttp, Auth, Authenticator, AuthorizeLayer,
    authorize::{
        self, Answer, Authorize, Authorizer, Forbidden, Grants, Holds, ResponseFuture, Rule, Rules,
        RulesOn, Who,
    },
};
use kit_endpoint::{AsError, Details, Fault, Kind, Request};
use scheme::{ADA, KNOWN, Saying, TEST, Test, User};
use std::{convert::Infallible, task::Poll};
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};
use tower_test::mock::{self, Handle, Mock, SendResponse};

type Http = http::Request<()>;
type Kit = Request<()>;

impl Grants for User {
    /// Ada may read and list.
    fn has_scope(&self, scope: &str) -> bool {
        *self == ADA && ["read", "list"].contains(&scope)
    }

    /// And is a clerk.
    fn has_role(&self, role: &str) -> bool {
        *self == ADA && role == "clerk"
    }
}

/// Takes the request that must have reached the inner service.
fn sent<Req>(handle: &mut Handle<Req, ()>) -> (Req, SendResponse<()>) {
    let request = assert_ready!(handle.poll_request(), "the request was not sent");
    request.expect("the layer is alive")
}

/// Sends a request through `layer`, and says what becomes of it.
#[track_caller]
fn outcome<Req, L>(layer: &L, request: Req) -> Result<(), Forbidden>
where
    L: Layer<Mock<Req, ()>, Service: Service<Req, Response = (), Error = BoxError>>,
{
    let (mock, mut handle) = mock::pair();
    let mut reply = task::spawn(layer.layer(mock).oneshot(request));
    match reply.poll() {
        Poll::Ready(answer) => {
            let error = answer.expect_err("nobody has answered");
            let reached = matches!(handle.poll_request(), Poll::Ready(Some(_)));
            assert!(!reached, "it reached the inner service");
            Err(error.downcast_ref::<Forbidden>().expect("it is not allowed").clone())
        }
        Poll::Pending => {
            sent(&mut handle).1.send_response(());
            assert_ready_ok!(reply.poll());
            Ok(())
        }
    }
}

/// A request of one who was let in.
fn of<Req: Saying>(user: User) -> Req {
    let mut request = Req::saying(&[]);
    request.extensions_mut().insert(user);
    request
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

/// Asks without a layer.
fn ask<Req: Saying>(authorizer: &impl Authorizer<Req>, request: &Req) -> Result<(), Kind> {
    authorizer.authorize(request).map_err(|forbidden| forbidden.kind())
}

const BOB: User = User("bob");

// ===== 403 and 401 =====

fn one_who_may_not<Req: Saying>() {
    let layer = AuthorizeLayer::new(authorize::who(|user: &User, _: &Req| *user == ADA));
    outcome(&layer, of::<Req>(ADA)).expect("she may");

    let forbidden = outcome(&layer, of::<Req>(BOB)).expect_err("he may not");
    assert!(forbidden.is_known());
    assert_eq!(forbidden.kind(), Kind::PermissionDenied);
    assert!(forbidden.refused(), "nothing ran");
    assert_eq!(forbidden.retry_after(), None);
    assert_eq!(forbidden.to_string(), "that is not allowed with these credentials");
    let details = described(&forbidden);
    assert_eq!((details.get_reason(), details.get_domain()), (Some("FORBIDDEN"), Some("kit")));
    assert!(details.headers().is_empty() && details.get_metadata().is_empty());

    let unknown = outcome(&layer, Req::saying(&[])).expect_err("nobody knows");
    assert!(!unknown.is_known());
    assert_eq!(unknown.kind(), Kind::Unauthenticated);
    assert!(unknown.refused(), "nothing ran");
    assert_eq!(unknown.to_string(), "credentials are needed");
    assert_eq!(described(&unknown).get_reason(), Some("CREDENTIALS_MISSING"));
    assert!(challenges(&unknown).is_empty(), "no `Auth` said how");
}

#[test]
fn one_who_is_known_and_may_not_is_403_and_a_stranger_401() {
    one_who_may_not::<Kit>();
    one_who_may_not::<Http>();
}

fn a_stranger_is_told_how<Req: Saying, P: Authorizer<Req>>(authorizer: P) {
    let auth = Auth::new(TEST.or(Test { scheme: "Other", ..TEST }));
    let both = (auth.layer().optional(), AuthorizeLayer::new(authorizer));
    outcome(&both, Req::saying(&[KNOWN])).expect("it is Ada");
    let unknown = outcome(&both, Req::saying(&[])).expect_err("nobody knows");
    assert!(!unknown.is_known());
    assert_eq!(unknown.kind(), Kind::Unauthenticated);
    assert_eq!(challenges(&unknown), ["Test realm=\"t\"", "Other realm=\"t\""]);
}

fn under_an_optional_auth<Req: Saying>() {
    a_stranger_is_told_how(authorize::who(|user: &User, _: &Req| *user == ADA));
    a_stranger_is_told_how::<Req, _>(authorize::scopes::<User>(["read"]));
    let rules = Rules::new().rule(Rule::allow("*").scope("read"));
    a_stranger_is_told_how(rules.on::<User, Req, _>(|_| "/"));
}

#[test]
fn a_stranger_is_told_how_not_to_be_one() {
    under_an_optional_auth::<Kit>();
    under_an_optional_auth::<Http>();
}

#[test]
fn both_go_over_the_wire_as_what_they_are() {
    let forbidden = Forbidden::new();
    let reply = AsHttp::reply(&forbidden);
    assert_eq!(reply.status(), 403);
    assert!(!reply.headers().contains_key(WWW_AUTHENTICATE));
    let problem: serde_json::Value = serde_json::from_str(reply.body()).unwrap();
    assert_eq!(problem["kind"], "PERMISSION_DENIED");
    assert_eq!((&problem["reason"], &problem["domain"]), (&"FORBIDDEN".into(), &"kit".into()));
    let reply: Response<()> = AsGrpc::reply(&forbidden);
    assert_eq!(reply.headers()["grpc-status"], "7");

    let unknown = Forbidden::unknown(["Test".parse().unwrap(), "Other".parse().unwrap()]);
    let reply = AsHttp::reply(&unknown);
    assert_eq!(reply.status(), 401);
    let all: Vec<_> = reply.headers().get_all(WWW_AUTHENTICATE).iter().collect();
    assert_eq!(all, ["Test", "Other"]);
    let reply: Response<()> = AsGrpc::reply(&unknown);
    assert_eq!(reply.headers()["grpc-status"], "16");
    let all: Vec<_> = reply.headers().get_all(WWW_AUTHENTICATE).iter().collect();
    assert_eq!(all, ["Test", "Other"]);
}

/// What a user's endpoint fails with.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Error(#[from] Forbidden);

impl Fault for Error {
    fn inner(&self) -> Option<&dyn Fault> {
        Some(&self.0)
    }
}

#[test]
fn through_a_users_error_it_reaches_both_transports() {
    let scopes = AuthorizeLayer::new(authorize::scopes::<User>(["write"]));
    let inner = service_fn(|_: Kit| async { Ok::<_, Error>(()) });
    let mut reply = task::spawn(scopes.layer(inner).oneshot(of(ADA)));
    let error = assert_ready_err!(reply.poll());
    assert!(error.refused());
    let challenge = "Bearer error=\"insufficient_scope\", scope=\"write\"";
    let reply = AsHttp::reply(&error);
    assert_eq!(reply.status(), 403);
    assert_eq!(reply.headers()[WWW_AUTHENTICATE], challenge);
    let reply: Response<()> = AsGrpc::reply(&error);
    assert_eq!(reply.headers()["grpc-status"], "7");
    assert_eq!(reply.headers()[WWW_AUTHENTICATE], challenge);
    assert_eq!(reply.headers()["grpc-message"], "that is not allowed with these credentials");
}

// ===== who, scopes, roles =====

#[test]
fn a_function_sees_the_caller_and_the_request() {
    let own = |user: &User, request: &Request<&str>| user.0 == *request.message();
    let own = authorize::who(own);
    let mut request = Request::new("ada");
    request.extensions_mut().insert(ADA);
    own.authorize(&request).expect("it is hers");
    own.authorize(&request.with("bob")).expect_err("it is his");
}

fn scopes_are_asked_for<Req: Saying>() {
    let holds = authorize::scopes::<User>;
    assert_eq!(ask::<Req>(&holds(vec!["read"]), &of(ADA)), Ok(()));
    assert_eq!(ask::<Req>(&holds(vec!["read", "list"]), &of(ADA)), Ok(()));
    assert_eq!(ask::<Req>(&holds(vec!["read", "list"]), &of(BOB)), Err(Kind::PermissionDenied));
    assert_eq!(
        ask::<Req>(&holds(vec!["read", "write"]), &of(ADA)),
        Err(Kind::PermissionDenied),
        "all of them are needed"
    );
    assert_eq!(ask::<Req>(&holds(vec![]), &of(BOB)), Ok(()), "to be known is enough");
    assert_eq!(ask::<Req>(&holds(vec![]), &Req::saying(&[])), Err(Kind::Unauthenticated));
}

#[test]
fn all_scopes_are_needed() {
    scopes_are_asked_for::<Kit>();
    scopes_are_asked_for::<Http>();
}

fn roles_are_asked_for<Req: Saying>() {
    let clerk = AuthorizeLayer::new(authorize::roles::<User>(["clerk"]));
    outcome(&clerk, of::<Req>(ADA)).expect("she is");
    let forbidden = outcome(&clerk, of::<Req>(BOB)).expect_err("he is not");
    assert_eq!(forbidden, Forbidden::new(), "which role it takes is not his to know");
    let both = authorize::roles::<User>(["clerk"]).and_roles(["boss"]);
    assert_eq!(ask::<Req>(&both, &of(ADA)), Err(Kind::PermissionDenied));
    assert_eq!(ask::<Req>(&both, &Req::saying(&[])), Err(Kind::Unauthenticated));
}

#[test]
fn all_roles_are_needed_and_none_is_named() {
    roles_are_asked_for::<Kit>();
    roles_are_asked_for::<Http>();
}

#[test]
fn by_default_nobody_has_a_role() {
    struct Roleless;

    impl Grants for Roleless {
        fn has_scope(&self, _: &str) -> bool {
            true
        }
    }

    assert!(!Roleless.has_role("clerk"));
}

#[test]
fn a_scope_that_is_missing_is_named() {
    let holds = authorize::scopes::<User>(["read"]).and_scopes(["write"]).and_roles(["clerk"]);
    let forbidden = Authorizer::<Kit>::authorize(&holds, &of(ADA)).expect_err("she cannot write");
    assert!(forbidden.is_known());
    // RFC 6750, section 3.1: "the scope necessary to access the resource", all of it.
    let challenge = "Bearer error=\"insufficient_scope\", scope=\"read write\"";
    assert_eq!(challenges(&forbidden), [challenge]);
}

#[test]
fn scopes_that_would_not_help_are_not_named() {
    let holds = authorize::scopes::<User>(["read"]).and_roles(["boss"]);
    let forbidden = Authorizer::<Kit>::authorize(&holds, &of(ADA)).expect_err("she is no boss");
    assert_eq!(forbidden, Forbidden::new(), "a token with that scope is what she has");
}

#[test]
fn an_authorizer_may_name_the_scopes_itself() {
    assert_eq!(
        challenges(&Forbidden::new().needs(["a", "b"])),
        ["Bearer error=\"insufficient_scope\", scope=\"a b\""]
    );
    assert!(challenges(&Forbidden::new().needs([""; 0])).is_empty());
    assert_eq!(Forbidden::default(), Forbidden::new());
}

// ===== rules =====

/// Whose scopes, and whether anyone is there at all.
type Account = Option<&'static [&'static str]>;

struct Scopes(&'static [&'static str]);

impl Grants for Scopes {
    fn has_scope(&self, scope: &str) -> bool {
        self.0.contains(&scope)
    }
}

fn answer(rules: &Rules, resource: &str, account: Account) -> Answer {
    rules.ask(resource, account.map(Scopes).as_ref())
}

/// Those of Go Micro's `auth/rules_test.go` (77fc793d5), all of them. There a
/// resource is a type, a name and an endpoint, which here are one path; who is
/// refused without an account is unknown here, and forbidden there.
#[test]
fn go_micros_cases_hold() {
    const SERVICE: &str = "service/go.micro.service.foo/Foo.Bar";
    const WEB: &str = "service/go.micro.web.foo/foo/bar";
    const NOBODY: Account = None;
    const SOMEBODY: Account = Some(&[]);
    const SCOPED: Account = Some(&["neededscope"]);

    let granted = |resource: &str| Rule::allow(resource);
    let denied = |resource: &str| Rule::deny(resource);
    let one = |rule| Rules::new().rule(rule);
    let (yes, no, unknown) = (Answer::Allowed, Answer::Forbidden, Answer::Unknown);
    let cases = [
        ("NoRules", Rules::new(), NOBODY, SERVICE, unknown),
        ("CatchallPublicAccount", one(granted("*").anyone()), SOMEBODY, SERVICE, yes),
        ("CatchallPublicNoAccount", one(granted("*").anyone()), NOBODY, SERVICE, yes),
        ("CatchallPrivateAccount", one(granted("*")), SOMEBODY, SERVICE, yes),
        ("CatchallPrivateNoAccount", one(granted("*")), NOBODY, SERVICE, unknown),
        (
            "CatchallServiceRuleMatch",
            one(granted("service/go.micro.service.foo/*")),
            SOMEBODY,
            SERVICE,
            yes,
        ),
        ("CatchallServiceRuleNoMatch", one(granted("service/wrongname/*")), SOMEBODY, SERVICE, no),
        ("ExactRuleValidScope", one(granted(SERVICE).scope("neededscope")), SCOPED, SERVICE, yes),
        ("ExactRuleInvalidScope", one(granted(SERVICE).scope("invalidscope")), SCOPED, SERVICE, no),
        ("CatchallDenyWithAccount", one(denied("*")), SOMEBODY, SERVICE, no),
        ("CatchallDenyWithNoAccount", one(denied("*")), NOBODY, SERVICE, no),
        (
            "RulePriorityGrantFirst",
            Rules::new().rule(granted("*").priority(1)).rule(denied("*").priority(0)),
            SOMEBODY,
            SERVICE,
            yes,
        ),
        (
            "RulePriorityDenyFirst",
            Rules::new().rule(granted("*").priority(0)).rule(denied("*").priority(1)),
            SOMEBODY,
            SERVICE,
            no,
        ),
        ("WebExactEndpointValid", one(granted(WEB)), SOMEBODY, WEB, yes),
        (
            "WebExactEndpointInvalid",
            one(granted("service/go.micro.web.foo/invalidendpoint")),
            SOMEBODY,
            WEB,
            no,
        ),
        ("WebWildcardEndpoint", one(granted("service/go.micro.web.foo/*")), SOMEBODY, WEB, yes),
        (
            "WebWildcardPathEndpointValid",
            one(granted("service/go.micro.web.foo/foo/*")),
            SOMEBODY,
            WEB,
            yes,
        ),
        (
            "WebWildcardPathEndpointInvalid",
            one(granted("service/go.micro.web.foo/bar/*")),
            SOMEBODY,
            WEB,
            no,
        ),
    ];
    for (name, rules, account, resource, expected) in cases {
        assert_eq!(answer(&rules, resource, account), expected, "{name}");
    }
}

#[test]
fn a_star_stands_for_what_follows_and_only_at_the_end() {
    let about = |rule: &str, resource: &str| {
        answer(&Rules::new().rule(Rule::allow(rule)), resource, Some(&[])) == Answer::Allowed
    };
    for (rule, resource, fits) in [
        ("*", "", true),
        ("*", "/anything/at/all", true),
        ("/a/*", "/a/b", true),
        ("/a/*", "/a/", true),
        ("/a/*", "/a", false),
        ("/a/*", "/ab", false),
        ("/a/*", "/b/a/c", false),
        ("/a*", "/ab", true),
        ("/a", "/a", true),
        ("/a", "/a/", false),
        ("/a", "/A", false),
        ("/a", "", false),
        ("", "", true),
        ("", "/", false),
        ("/*/b", "/a/b", false),
        ("/*/b", "/*/b", true),
        ("/a/**", "/a/b", false),
    ] {
        assert_eq!(about(rule, resource), fits, "{rule:?} {resource:?}");
    }
}

#[test]
fn rules_of_one_priority_are_asked_in_the_order_in_which_they_were_added() {
    let (allow, deny) = (Rule::allow("/a"), Rule::deny("/a"));
    let order = |rules: [&Rule; 2]| answer(&rules.into_iter().cloned().collect(), "/a", Some(&[]));
    assert_eq!(order([&allow, &deny]), Answer::Allowed);
    assert_eq!(order([&deny, &allow]), Answer::Forbidden);
    let (allow, deny) = (allow.priority(-1), deny.priority(-1));
    assert_eq!(order([&allow, &deny]), Answer::Allowed);
    assert_eq!(order([&deny, &allow]), Answer::Forbidden);

    // Also among others, before and after.
    let rules = Rules::new()
        .rule(Rule::deny("*").priority(-1))
        .rule(Rule::allow("/a").priority(5))
        .rule(Rule::deny("/b").priority(9))
        .rule(Rule::deny("/a").priority(5))
        .rule(Rule::deny("/a"));
    assert_eq!(answer(&rules, "/a", Some(&[])), Answer::Allowed);
}

#[test]
fn collected_and_extended_rules_keep_their_priorities() {
    let low = || Rule::allow("/a").priority(i32::MIN);
    let high = || Rule::deny("/a").priority(i32::MAX);
    for rules in [[low(), high()], [high(), low()]] {
        let collected: Rules = rules.clone().into_iter().collect();
        assert_eq!(answer(&collected, "/a", Some(&[])), Answer::Forbidden);
        let mut extended = Rules::new().rule(Rule::allow("/a"));
        extended.extend(rules);
        assert_eq!(answer(&extended, "/a", Some(&[])), Answer::Forbidden);
    }
    let mut extended = Rules::new().rule(Rule::allow("/a"));
    extended.extend([Rule::deny("/a")]);
    assert_eq!(answer(&extended, "/a", Some(&[])), Answer::Allowed, "it was there first");
}

#[test]
fn a_rule_for_others_does_not_decide() {
    let rules = Rules::new()
        .rule(Rule::deny("/a").scope("banned"))
        .rule(Rule::allow("/a").scope("read"))
        .rule(Rule::allow("/a").role("clerk"));
    assert_eq!(answer(&rules, "/a", Some(&["read", "banned"])), Answer::Forbidden);
    assert_eq!(answer(&rules, "/a", Some(&["read"])), Answer::Allowed);
    assert_eq!(answer(&rules, "/a", Some(&["clerk"])), Answer::Forbidden, "a scope is no role");
    assert_eq!(answer(&rules, "/a", None), Answer::Unknown);
    assert_eq!(rules.ask("/a", Some(&ADA)), Answer::Allowed);
    assert_eq!(rules.ask("/a", Some(&BOB)), Answer::Forbidden);
    let clerks = Rules::new().rule(Rule::allow("/a").role("clerk"));
    assert_eq!(clerks.ask("/a", Some(&ADA)), Answer::Allowed);
    assert_eq!(clerks.ask("/a", Some(&BOB)), Answer::Forbidden);
}

#[test]
fn rules_for_all_hold_for_those_who_are_known_too() {
    let rules = Rules::new().rule(Rule::deny("/a").anyone()).rule(Rule::allow("*").anyone());
    assert_eq!(answer(&rules, "/b", None), Answer::Allowed);
    assert_eq!(answer(&rules, "/b", Some(&[])), Answer::Allowed);
    assert_eq!(answer(&rules, "/a", Some(&[])), Answer::Forbidden);
    assert_eq!(answer(&rules, "/a", None), Answer::Forbidden);
}

#[test]
fn the_last_word_says_whom_a_rule_is_for() {
    let rules = Rules::new().rule(Rule::allow("/a").anyone().scope("read"));
    assert_eq!(answer(&rules, "/a", None), Answer::Unknown);
    assert_eq!(answer(&rules, "/a", Some(&["list"])), Answer::Forbidden);
    assert_eq!(answer(&rules, "/a", Some(&["read"])), Answer::Allowed);
}

#[test]
fn rules_can_be_asked_about_the_path_of_a_request() {
    let rules = Rules::new()
        .rule(Rule::allow("/health").anyone())
        .rule(Rule::allow("/orders/*").scope("read"));
    let rules = rules.on::<User, _, _>(|request: &Http| request.uri().path());
    let layer = AuthorizeLayer::new(rules);
    let at = |path: &str, user: Option<User>| {
        let mut request = Http::saying(&[]);
        *request.uri_mut() = path.parse().unwrap();
        if let Some(user) = user {
            request.extensions_mut().insert(user);
        }
        outcome(&layer, request).map_err(|forbidden| forbidden.kind())
    };
    assert_eq!(at("/health", None), Ok(()));
    assert_eq!(at("/health?verbose", Some(BOB)), Ok(()));
    assert_eq!(at("/orders/7", Some(ADA)), Ok(()));
    assert_eq!(at("/orders/7", Some(BOB)), Err(Kind::PermissionDenied));
    assert_eq!(at("/orders/7", None), Err(Kind::Unauthenticated));
    assert_eq!(at("/", Some(ADA)), Err(Kind::PermissionDenied), "no rule allows it");
    assert_eq!(at("/", None), Err(Kind::Unauthenticated));
}

#[test]
fn rules_can_be_asked_about_one_endpoint() {
    let rules = Rules::new().rule(Rule::allow("orders.list").scope("list"));
    let layer = AuthorizeLayer::new(rules.on::<User, Kit, _>(|_| "orders.list"));
    outcome(&layer, of::<Kit>(ADA)).expect("she may list");
    let forbidden = outcome(&layer, of::<Kit>(BOB)).expect_err("he may not");
    assert_eq!(forbidden, Forbidden::new(), "what would be needed is not said");
}

// ===== the layer as a service =====

#[test]
fn readiness_is_the_inner_services() {
    let layer = AuthorizeLayer::new(authorize::scopes::<User>(["read"]));
    let (mut service, mut handle) = mock::spawn_layer::<Kit, (), _>(layer);
    handle.allow(0);
    assert_pending!(service.poll_ready());
    handle.allow(1);
    assert!(service.is_woken());
    assert_ready_ok!(service.poll_ready());
    let mut refused = task::spawn(service.call(of(BOB)));
    assert_ready_err!(refused.poll());
    let mut reply = task::spawn(service.call(of(ADA)));
    sent(&mut handle).1.send_error("boom");
    assert_eq!(assert_ready_err!(reply.poll()).to_string(), "boom");
    handle.send_error("gone");
    assert_eq!(assert_ready_err!(service.poll_ready()).to_string(), "gone");
}

#[test]
fn a_refusal_can_be_answered_as_one_likes() {
    let refuse = |forbidden: Forbidden| Ok::<_, Infallible>(forbidden.is_known());
    let layer = AuthorizeLayer::new(authorize::scopes::<User>(["write"])).refuse(refuse);
    let service = layer.layer(service_fn(|_: Kit| async { unreachable!("nobody may") }));
    let mut reply = task::spawn(service.clone().oneshot(of(ADA)));
    assert!(assert_ready_ok!(reply.poll()));
    let mut reply = task::spawn(service.oneshot(Kit::saying(&[])));
    assert!(!assert_ready_ok!(reply.poll()));
}

#[test]
fn debug_shows_what_is_asked_for() {
    let holds = authorize::scopes::<User>(["read"]).and_roles(["clerk"]);
    let shown = "Holds { all: [Scope(\"read\"), Role(\"clerk\")] }";
    assert_eq!(format!("{holds:?}"), shown);
    let layer = AuthorizeLayer::new(holds.clone());
    assert_eq!(format!("{layer:?}"), format!("AuthorizeLayer {{ authorizer: {shown}, .. }}"));
    let service = format!("Authorize {{ inner: (), authorizer: {shown}, .. }}");
    assert_eq!(format!("{:?}", layer.layer(())), service);
    assert_eq!(layer.layer(()).get_ref(), &());
    let who = authorize::who(|_: &User, _: &Kit| true);
    assert_eq!(format!("{:?}", who.clone()), "Who { .. }");
    let rules = Rules::new().rule(Rule::allow("/a")).on::<User, Kit, _>(|_| "/a");
    assert!(format!("{:?}", rules.clone()).contains("resource: \"/a\""));
}

#[test]
fn they_can_be_sent_and_shared() {
    fn assert_send_sync<T: Send + Sync>() {}
    // Also where who it is cannot.
    type Local = std::rc::Rc<()>;
    assert_send_sync::<(Forbidden, Rule, Rules, Answer)>();
    assert_send_sync::<(Who<Local, ()>, Holds<Local>, RulesOn<Local, ()>)>();
    assert_send_sync::<(AuthorizeLayer<()>, Authorize<(), ()>, ResponseFuture<(), AsError>)>();
}
