//! The id of a request: taken, or made, and echoed.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use http::{Extensions, HeaderMap, HeaderValue, StatusCode};
use kit_endpoint::{Fault, Kind};
use kit_transport::{Call, Hook, Protocol, REQUEST_ID, RequestId, RequestIds, Watch};
use proptest::prelude::*;
use std::{
    collections::HashSet,
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:/+=-";

fn id(bytes: &[u8]) -> Option<RequestId> {
    RequestId::new(&HeaderValue::from_bytes(bytes).expect("a header value"))
}

/// Runs one request that came with `id`: what it got, and what was echoed.
fn run(id: Option<&HeaderValue>) -> (RequestId, HeaderMap) {
    let mut headers = HeaderMap::new();
    if let Some(id) = id {
        headers.insert(REQUEST_ID, id.clone());
    }
    let mut extensions = Extensions::new();
    let call = Call::new(Protocol::Http, "GET", &headers);
    let mut watch = Watch::new(RequestIds.before(&call, &mut extensions));
    let mut reply = HeaderMap::new();
    reply.insert(REQUEST_ID, HeaderValue::from_static("of-the-handler"));
    watch.after(StatusCode::OK, &mut reply);
    watch.finish();
    (extensions.remove().expect("every request has an id"), reply)
}

/// Version 7, variant RFC 9562, in 36 lower-case characters.
fn is_uuid_v7(id: &str) -> bool {
    let parts: Vec<_> = id.split('-').collect();
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
        && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'))
        && parts[2].starts_with('7')
        && parts[3].starts_with(['8', '9', 'a', 'b'])
}

#[test]
fn the_alphabet_is_accepted_and_nothing_else() {
    for byte in (b' '..=u8::MAX).filter(|byte| *byte != 0x7f) {
        let expected = byte.is_ascii() && ALPHABET.contains(char::from(byte));
        assert_eq!(id(&[byte]).is_some(), expected, "{byte:#x} alone");
        assert_eq!(id(&[b'a', byte, b'z']).is_some(), expected, "{byte:#x} inside");
    }
    assert_eq!(id(ALPHABET.as_bytes()).expect("valid").as_str(), ALPHABET);
}

#[test]
fn one_to_128_bytes_are_accepted() {
    for (length, accepted) in [(0, false), (1, true), (2, true), (128, true), (129, false)] {
        assert_eq!(id(&b"a".repeat(length)).is_some(), accepted, "{length}");
    }
}

#[test]
fn a_valid_id_is_kept_and_echoed() {
    let given = HeaderValue::from_static("root=1-67891233/abc:7");
    let (id, reply) = run(Some(&given));
    assert_eq!(id.as_str(), "root=1-67891233/abc:7");
    assert_eq!(id.header(), &given);
    let echoed: Vec<_> = reply.get_all(REQUEST_ID).iter().collect();
    assert_eq!(echoed, [&given], "once, and in the place of another");
}

#[test]
fn ids_are_of_this_millisecond_and_no_two_are_alike() {
    let millis = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let before = millis();
    // Two threads, since each has a generator of its own.
    let make = || (0..10_000).map(|_| RequestId::generate().to_string()).collect::<Vec<_>>();
    let other = thread::spawn(make);
    let ids: HashSet<_> = make().into_iter().chain(other.join().unwrap()).collect();
    let after = millis();
    assert_eq!(ids.len(), 20_000);
    for id in &ids {
        assert!(is_uuid_v7(id), "{id}");
        let told = u128::from_str_radix(&id.replace('-', "")[..12], 16).unwrap();
        assert!((before..=after).contains(&told), "{id}");
    }
    // All the other bits vary, but the version and the variant.
    let bits = ids.iter().map(|id| u128::from_str_radix(&id.replace('-', ""), 16).unwrap());
    let (all, any) = bits.fold((u128::MAX, 0), |(all, any), id| (all & id, any | id));
    let fixed: u128 = (0xF << 76) | (0b11 << 62);
    assert_eq!((any & !all) & (u128::MAX >> 48) | fixed, u128::MAX >> 48);
}

#[test]
fn any_other_is_replaced_by_a_uuid_of_version_7() {
    let long = HeaderValue::from_bytes(&b"a".repeat(129)).unwrap();
    let strange = HeaderValue::from_bytes(b"\xc3\xa9").unwrap();
    for given in [None, Some("".parse().unwrap()), Some("a b".parse().unwrap())]
        .into_iter()
        .chain([Some(long), Some(strange)])
    {
        let (id, reply) = run(given.as_ref());
        assert!(is_uuid_v7(id.as_str()), "{id}");
        assert_eq!(&reply[REQUEST_ID], id.header());
    }
}

#[test]
fn new_ids_differ() {
    let ids: HashSet<_> = (0..1000).map(|_| RequestId::generate()).collect();
    assert_eq!(ids.len(), 1000);
}

#[test]
fn a_failure_is_echoed_too() {
    #[derive(Debug, thiserror::Error)]
    #[error("wrong")]
    struct Wrong;

    impl Fault for Wrong {
        fn kind(&self) -> Kind {
            Kind::Internal
        }
    }

    let mut headers = HeaderMap::new();
    headers.insert(REQUEST_ID, HeaderValue::from_static("abc"));
    let call = Call::new(Protocol::Http, "GET", &headers);
    let mut watch = Watch::new(RequestIds.before(&call, &mut Extensions::new()));
    watch.failed(&Wrong);
    let mut reply = HeaderMap::new();
    watch.after(StatusCode::INTERNAL_SERVER_ERROR, &mut reply);
    assert_eq!(reply[REQUEST_ID], "abc");
}

#[test]
fn a_call_on_behalf_of_a_request_keeps_its_id() {
    let (one, two) = (HeaderValue::from_static("one"), HeaderValue::from_static("two"));
    for (header, expected) in [(None, "one"), (Some(&two), "two")] {
        let headers = header.map(|id| (REQUEST_ID, id.clone())).into_iter().collect();
        let mut extensions = Extensions::new();
        extensions.insert(RequestId::new(&one).unwrap());
        let _ = RequestIds.before(&Call::new(Protocol::Http, "GET", &headers), &mut extensions);
        assert_eq!(extensions.get::<RequestId>().unwrap().as_str(), expected);
    }
}

#[test]
fn it_shows_as_its_text() {
    let id = id(b"abc").unwrap();
    assert_eq!(format!("[{id:>5}] {id:?}"), "[  abc] RequestId(\"abc\")");
}

proptest! {
    #[test]
    fn whatever_comes_the_id_is_valid(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        // What is no header value does not get this far.
        let given = HeaderValue::from_bytes(&bytes).ok();
        let (id, reply) = run(given.as_ref());
        prop_assert!(matches!(id.as_str().len(), 1..=128));
        prop_assert!(id.as_str().chars().all(|char| ALPHABET.contains(char)));
        prop_assert_eq!(id.header(), &reply[REQUEST_ID]);
        prop_assert!(RequestId::new(id.header()).is_some());
    }

    #[test]
    fn a_valid_id_is_never_replaced(given in "[A-Za-z0-9._:/+=-]{1,128}") {
        let (id, _) = run(Some(&given.parse().unwrap()));
        prop_assert_eq!(id.as_str(), given);
    }
}
