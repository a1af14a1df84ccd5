//! Hooks in their order, before the endpoint and back.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use http::{Extensions, HeaderMap, StatusCode};
use kit_endpoint::Fault;
use kit_transport::{
    Call, End, Hook, Observer, Outcome, Phase, Protocol, RequestIds, Watch,
    hook::{After, Before, Faulted, Faults, Finally},
};
use std::sync::{Arc, Mutex};

type Log = Arc<Mutex<Vec<String>>>;

/// Says when it is passed.
#[derive(Clone)]
struct Named(&'static str, Log);

impl Named {
    fn say(&self, when: &str) {
        self.1.lock().unwrap().push(format!("{} {when}", self.0));
    }
}

impl Hook for Named {
    type Observer = Self;

    fn before(&self, _: &Call<'_>, _: &mut Extensions) -> Self {
        self.say("before");
        self.clone()
    }
}

impl Observer for Named {
    fn fault(&mut self, fault: &dyn Fault, phase: Phase) {
        self.say(&format!("{phase} {fault}"));
    }

    fn after(&mut self, _: &mut HeaderMap) {
        self.say("after");
    }

    fn finish(self, end: &End) {
        self.say(&format!("finish {}", end.outcome));
    }
}

/// Runs one request through `hook`, as a transport does.
fn run<H: Hook>(hook: &H) -> (Extensions, HeaderMap) {
    let headers = HeaderMap::new();
    let call = Call::new(Protocol::Http, "GET", &headers);
    let (mut extensions, mut reply) = (Extensions::new(), HeaderMap::new());
    let mut watch = Watch::new(hook.before(&call, &mut extensions));
    watch.after(StatusCode::OK, &mut reply);
    watch.finish();
    (extensions, reply)
}

#[test]
fn a_fault_is_heard_in_the_order_of_replies_by_who_is_there() {
    #[derive(Debug)]
    struct Late;
    impl std::fmt::Display for Late {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("too late")
        }
    }
    impl std::error::Error for Late {}
    impl Fault for Late {}

    let log = Log::default();
    let named = |name| Named(name, Arc::clone(&log));
    let told = Arc::clone(&log);
    let told = Faults(move |failed: &Faulted<'_>| {
        let Faulted { protocol, method, route, phase, fault, .. } = failed;
        let line = format!("{protocol} {method} {route:?} {phase} {fault}");
        told.lock().unwrap().push(line);
    });
    let hook = ((named("first"), Some(named("second"))), (None::<Named>, told));
    let headers = HeaderMap::new();
    let call = Call::new(Protocol::Grpc, "a.B/C", &headers).route(Some("/c"));
    let mut watch = Watch::new(hook.before(&call, &mut Extensions::new()));
    log.lock().unwrap().clear();
    watch.failed_at(Phase::Encode, &Late);
    // Let go of the lock first: the watch ends while this test fails.
    let heard = log.lock().unwrap().clone();
    assert_eq!(
        heard,
        [
            "grpc a.B/C Some(\"/c\") encode too late",
            "second encode too late",
            "first encode too late",
        ]
    );
}

const fn is_silent<H: Hook>(_: &H) -> bool {
    H::Observer::SILENT
}

#[test]
fn hooks_run_in_their_order_and_back() {
    let log = Log::default();
    let named = |name| Named(name, Arc::clone(&log));
    run(&((named("first"), named("second")), named("third")));
    assert_eq!(
        *log.lock().unwrap(),
        [
            "first before",
            "second before",
            "third before",
            "third after",
            "second after",
            "first after",
            "third finish OK",
            "second finish OK",
            "first finish OK",
        ]
    );
}

#[test]
fn a_later_hook_sees_what_an_earlier_one_left() {
    #[derive(Debug, Clone, PartialEq)]
    struct Language(&'static str);

    let first = Before(|_: &Call<'_>, extensions: &mut Extensions| {
        extensions.insert(Language("de"));
    });
    let second = Before(|call: &Call<'_>, extensions: &mut Extensions| {
        let seen = format!("{} {:?}", call.method, extensions.get::<Language>());
        extensions.insert(seen);
    });
    let (extensions, _) = run(&(first, second));
    let seen: Option<&String> = extensions.get();
    assert_eq!(seen.map(String::as_str), Some("GET Some(Language(\"de\"))"));
}

#[test]
fn an_optional_hook_is_there_or_not() {
    let log = Log::default();
    let named = |name| Named(name, Arc::clone(&log));
    run(&(Some(named("there")), None::<Named>));
    assert_eq!(*log.lock().unwrap(), ["there before", "there after", "there finish OK"]);
}

#[test]
fn functions_are_hooks() {
    let log = Log::default();
    let ended = Arc::clone(&log);
    let after = After(|headers: &mut HeaderMap| {
        headers.insert("server", "kit".parse().expect("a value"));
    });
    let finally = Finally(move |end: &End| {
        let line = format!("{} {:?}", end.outcome, end.status);
        ended.lock().unwrap().push(line);
    });
    let (_, reply) = run(&(after, finally));
    assert_eq!(reply["server"], "kit");
    assert_eq!(*log.lock().unwrap(), ["OK Some(200)"]);
}

#[test]
fn only_who_watches_nothing_is_silent() {
    let before = Before(|_: &Call<'_>, _: &mut Extensions| ());
    let after = After(|_: &mut HeaderMap| ());
    let finally = Finally(|_: &End| ());
    assert!(is_silent(&()));
    assert!(is_silent(&before));
    assert!(is_silent(&((), before.clone())));
    assert!(is_silent(&None::<()>));
    assert!(!is_silent(&after));
    assert!(!is_silent(&finally));
    assert!(!is_silent(&Faults(|_: &Faulted<'_>| ())));
    assert!(!is_silent(&((), after)));
    assert!(!is_silent(&(finally, before)));
    assert!(!is_silent(&None::<RequestIds>), "decided when the program is built");
}

#[test]
fn a_call_says_what_is_known() {
    let headers = HeaderMap::new();
    let peer = "127.0.0.1:80".parse::<std::net::SocketAddr>().unwrap().into();
    let call = Call::new(Protocol::Grpc, "greeter.v1.Greeter/Greeting", &headers);
    assert_eq!((call.route, call.peer), (None, None));
    let call = call.route(Some("/users/{id}")).peer(Some(peer));
    assert_eq!((call.route, call.peer), (Some("/users/{id}"), Some(peer)));
    assert_eq!(format!("{} {}", call.protocol, Protocol::Http), "grpc http");
}

#[test]
fn an_outcome_has_a_name_and_a_kind() {
    use kit_endpoint::Kind;
    for (outcome, name, kind) in [
        (Outcome::Replied, "OK", None),
        (Outcome::Failed(Kind::NotFound), "NOT_FOUND", Some(Kind::NotFound)),
        (Outcome::Cancelled, "CANCELLED", Some(Kind::Cancelled)),
    ] {
        assert_eq!(outcome.to_string(), name);
        assert_eq!(outcome.kind(), kind);
    }
}

#[test]
fn no_hook_is_idle_that_does_something() {
    fn is_idle<H: Hook>(_: H) -> bool {
        H::IDLE
    }

    let before = || Before(|_: &Call<'_>, _: &mut Extensions| ());
    assert!(is_idle(()) && is_idle(((), ())) && is_idle(Some(())));
    assert!(!is_idle(before()), "it may name the request, though it has no end");
    assert!(!is_idle(((), before())) && !is_idle((before(), ())) && !is_idle(Some(before())));
}
