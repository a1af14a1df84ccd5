//! What goes on from hop to hop: in by the hook, out by `propagate`.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use kit_transport::{
    Call, Criticality, Hook, Metadata, Observer, Propagation, Protocol, RequestId,
    deadline::{GRPC_TIMEOUT, REQUEST_TIMEOUT_MS, parse_grpc, parse_millis},
    propagate,
    propagation::{CRITICALITY, GLOBAL_METADATA},
};
use proptest::prelude::*;
use std::time::Duration;
use tokio::time::Instant;

fn headers<const N: usize>(pairs: [(&'static str, &str); N]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

/// Reads `headers` as a server does.
fn read(hook: Propagation, headers: &HeaderMap) -> Extensions {
    let mut extensions = Extensions::new();
    hook.before(&Call::new(Protocol::Http, "GET", headers), &mut extensions);
    extensions
}

/// Runs what needs tokio's clock, paused.
fn paused<T>(f: impl FnOnce() -> T) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap().block_on(async { f() })
}

#[test]
fn global_metadata_goes_on_and_nothing_else_does() {
    let came = headers([
        ("x-md-global-tenant", "blue"),
        ("x-md-global-tag", "one"),
        ("x-md-global-tag", "two"),
        ("x-md-global-key-bin", "AAEC"),
        ("x-md-local-shard", "7"),
        ("x-md-globally", "no"),
        ("authorization", "Bearer secret"),
        ("cookie", "a=b"),
    ]);
    let extensions = read(Propagation::new(), &came);
    let mut out = HeaderMap::new();
    propagate(&extensions, None, &REQUEST_TIMEOUT_MS, &mut out);
    let expected = headers([
        ("x-md-global-tenant", "blue"),
        ("x-md-global-tag", "one"),
        ("x-md-global-tag", "two"),
        ("x-md-global-key-bin", "AAEC"),
    ]);
    assert_eq!(out, expected);
}

#[test]
fn without_such_headers_nothing_is_put_in_or_written() {
    let extensions = read(Propagation::new(), &headers([("accept", "*/*")]));
    assert!(extensions.is_empty());
    let mut out = HeaderMap::new();
    propagate(&extensions, None, &REQUEST_TIMEOUT_MS, &mut out);
    assert!(out.is_empty());
    const { assert!(<<Propagation as Hook>::Observer as Observer>::SILENT, "it watches nothing") };
}

#[test]
fn what_the_caller_set_stays() {
    let came = headers([("x-md-global-a", "1"), ("x-md-global-b", "2")]);
    let mut extensions = read(Propagation::new(), &came);
    extensions.insert(Criticality::Sheddable);
    extensions.insert(RequestId::new(&HeaderValue::from_static("id-1")).unwrap());
    let set = [("x-md-global-a", "mine"), ("x-request-criticality", "x"), ("x-request-id", "own")];
    let mut out = headers(set);
    propagate(&extensions, None, &REQUEST_TIMEOUT_MS, &mut out);
    let mut expected = headers(set);
    expected.insert("x-md-global-b", HeaderValue::from_static("2"));
    assert_eq!(out, expected);
}

#[test]
fn id_and_criticality_are_written() {
    let mut extensions = Extensions::new();
    extensions.insert(Criticality::CriticalPlus);
    extensions.insert(RequestId::new(&HeaderValue::from_static("id-1")).unwrap());
    let mut out = HeaderMap::new();
    propagate(&extensions, None, &GRPC_TIMEOUT, &mut out);
    let expected = [("x-request-id", "id-1"), ("x-request-criticality", "critical-plus")];
    assert_eq!(out, headers(expected));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_written_in_the_grammar_of_its_header() {
    let deadline = Some(Instant::now() + Duration::from_millis(1500));
    for (header, value) in [(GRPC_TIMEOUT, "1500000u"), (REQUEST_TIMEOUT_MS, "1500")] {
        let mut out = HeaderMap::new();
        propagate(&Extensions::new(), deadline, &header, &mut out);
        assert_eq!((out.len(), &out[&header]), (1, &HeaderValue::from_static(value)));
    }
    let own = HeaderName::from_static("x-budget");
    let mut out = HeaderMap::new();
    propagate(&Extensions::new(), Some(Instant::now()), &own, &mut out);
    assert_eq!(out["x-budget"], "0", "passed is zero");
}

#[tokio::test(start_paused = true)]
async fn a_timeout_that_is_set_only_shrinks() {
    let deadline = Some(Instant::now() + Duration::from_secs(1));
    for (set, expected) in [
        (&["20"][..], &["20"][..]),
        (&["2000"], &["1000"]),
        (&["soon"], &["1000"]),
        (&["20", "30"], &["20", "30"]),
        (&["20", "2000"], &["20"]),
        (&["soon", "2000"], &["1000"]),
        (&["1000"], &["1000"]),
    ] {
        let mut out = HeaderMap::new();
        for value in set {
            out.append(REQUEST_TIMEOUT_MS, value.parse().unwrap());
        }
        propagate(&Extensions::new(), deadline, &REQUEST_TIMEOUT_MS, &mut out);
        let values: Vec<_> = out.get_all(REQUEST_TIMEOUT_MS).iter().collect();
        assert_eq!(values, expected, "{set:?}");
    }
}

#[test]
fn what_does_not_fit_is_left_out_and_counted() {
    let came = headers([
        ("x-md-global-a", "1"),
        ("x-md-global-long", "12345678"),
        ("x-md-global-with-a-long-name", "1"),
        ("x-md-global-bytes", "\u{e9}"),
        ("x-md-global-tab", "a\tb"),
        ("x-md-global-b", "2"),
        ("x-md-global-c", "3"),
    ]);
    // Names of 13 and a value of 1 byte.
    for (hook, taken) in [
        (Propagation::new(), &["a", "long", "with-a-long-name", "b", "c"][..]),
        (Propagation::new().value_bytes(7), &["a", "with-a-long-name", "b", "c"]),
        (Propagation::new().name_bytes(16), &["a", "long", "b", "c"]),
        (Propagation::new().entries(2), &["a", "long"]),
        (Propagation::new().total_bytes(28), &["a", "b"]),
        (Propagation::new().entries(0), &[]),
    ] {
        let extensions = read(hook, &came);
        let metadata = extensions.get::<Metadata>().unwrap();
        let mut names: Vec<_> = metadata.iter().map(|(name, _)| &name.as_str()[12..]).collect();
        let mut taken = taken.to_vec();
        names.sort_unstable();
        taken.sort_unstable();
        assert_eq!((names, metadata.dropped()), (taken.clone(), 7 - taken.len()), "{hook:?}");
    }
}

#[test]
fn metadata_may_be_written_by_an_endpoint() {
    let global = HeaderName::from_static("x-md-global-tenant");
    let mut metadata = Metadata::new();
    assert!(metadata.is_empty());
    metadata.insert(global.clone(), HeaderValue::from_static("blue")).unwrap();
    let other = metadata.clone();
    metadata.insert(global, HeaderValue::from_static("red")).unwrap();
    assert_eq!(metadata.get("x-md-global-tenant").unwrap(), "red");
    assert_eq!(other.get("x-md-global-tenant").unwrap(), "blue", "a clone is its own");
    metadata.remove("x-md-global-tenant");
    assert_eq!((metadata.len(), other.len()), (0, 1));

    let name = HeaderName::from_static("authorization");
    let error = metadata.insert(name, HeaderValue::from_static("x")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "authorization cannot go on: name it x-md-global-..., with a value of printable ASCII"
    );
    let name = HeaderName::from_static("x-md-global-tenant");
    assert!(metadata.insert(name, HeaderValue::from_bytes(b"\xff").unwrap()).is_err());
    assert!(metadata.is_empty());
}

#[test]
fn a_criticality_is_read_by_its_name_or_not_at_all() {
    for class in Criticality::ALL {
        let extensions =
            read(Propagation::new(), &headers([("x-request-criticality", class.name())]));
        assert_eq!(extensions.get(), Some(&class));
        let book = class.to_string().to_uppercase().replace('-', "_");
        assert_eq!(book.parse(), Ok(class));
    }
    for bad in ["", "high", "critical plus", "critical-", "critical-plusplus", "\u{e9}"] {
        let extensions = read(Propagation::new(), &headers([("x-request-criticality", bad)]));
        assert!(extensions.is_empty(), "{bad}");
        assert!(bad.parse::<Criticality>().is_err(), "{bad}");
    }
    assert!(Criticality::ALL.is_sorted(), "the greater is the more critical");
    assert_eq!(CRITICALITY, "x-request-criticality");
}

fn any_headers() -> impl Strategy<Value = HeaderMap> {
    let name = prop_oneof![
        "x-md-global-[a-z]{1,3}",
        "x-md-local-[a-z]{1,3}",
        Just("x-request-id".to_owned()),
        Just("x-request-criticality".to_owned()),
        Just("grpc-timeout".to_owned()),
        Just("x-request-timeout-ms".to_owned()),
    ];
    let value = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..40),
        "[0-9]{1,9}[HMSmun]?".prop_map(String::into_bytes),
    ];
    proptest::collection::vec((name, value), 0..30).prop_map(|pairs| {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                headers.append(HeaderName::try_from(name).unwrap(), value);
            }
        }
        headers
    })
}

proptest! {
    #[test]
    fn merging_overwrites_nothing_and_no_deadline_grows(
        came in any_headers(),
        set in any_headers(),
        left in proptest::option::of(0..200_000_000_000_u64),
        grpc in any::<bool>(),
        entries in 0..20_usize,
    ) {
        let header = if grpc { GRPC_TIMEOUT } else { REQUEST_TIMEOUT_MS };
        let hook = Propagation::new().entries(entries);
        let mut extensions = read(hook, &came);
        if let Some(id) = came.get("x-request-id").and_then(RequestId::new) {
            extensions.insert(id);
        }
        let mut out = set.clone();
        let left = left.map(Duration::from_micros);
        paused(|| {
            let deadline = left.map(|left| Instant::now() + left);
            propagate(&extensions, deadline, &header, &mut out);
        });

        // What was set stays, but for a timeout, which may have shrunk.
        for name in set.keys().filter(|name| **name != header || left.is_none()) {
            prop_assert!(set.get_all(name).iter().eq(out.get_all(name).iter()));
        }
        // What is new came in, and is of the few that go on.
        for name in out.keys().filter(|name| !set.contains_key(*name) && **name != header) {
            let known = ["x-request-id", "x-request-criticality"].contains(&name.as_str());
            prop_assert!(known || name.as_str().starts_with(GLOBAL_METADATA));
            prop_assert!(came.contains_key(name));
        }
        if let Some(left) = left {
            let parse = if grpc { parse_grpc } else { parse_millis };
            prop_assert!(out.contains_key(&header));
            for value in out.get_all(&header) {
                prop_assert!(parse(value).expect("what is sent can be read") <= left);
            }
            // The first is what our servers read.
            let first = |headers: &HeaderMap| headers.get(&header).and_then(parse);
            prop_assert!(first(&set).is_none_or(|set| first(&out) <= Some(set)));
        }
    }

    #[test]
    fn any_text_is_a_criticality_or_an_error(text in "\\PC*") {
        let _ = text.parse::<Criticality>();
    }
}
