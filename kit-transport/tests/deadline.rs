//! Deadlines on the wire, by their grammar.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use http::{HeaderMap, HeaderName, HeaderValue};
use kit_endpoint::{Details, Fault, Kind};
use kit_transport::deadline::{
    GRPC_TIMEOUT, REQUEST_TIMEOUT_MS, encode_grpc, encode_millis, parse_grpc, parse_millis, timeout,
};
use proptest::prelude::*;
use std::time::Duration;

const MOST: u64 = 99_999_999;

fn value(bytes: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(bytes).expect("a header value")
}

fn headers<const N: usize>(pairs: [(&HeaderName, &str); N]) -> HeaderMap {
    pairs.into_iter().map(|(name, text)| (name.clone(), text.parse().unwrap())).collect()
}

#[test]
fn a_grpc_timeout_is_one_to_eight_digits_and_a_unit() {
    for (text, expected) in [
        ("1H", Duration::from_hours(1)),
        ("2M", Duration::from_mins(2)),
        ("3S", Duration::from_secs(3)),
        ("4m", Duration::from_millis(4)),
        ("5u", Duration::from_micros(5)),
        ("6n", Duration::from_nanos(6)),
        ("0S", Duration::ZERO),
        ("007S", Duration::from_secs(7)),
        ("00000001S", Duration::from_secs(1)),
        ("99999999n", Duration::from_nanos(MOST)),
        ("99999999u", Duration::from_micros(MOST)),
        ("99999999m", Duration::from_millis(MOST)),
        ("99999999S", Duration::from_secs(MOST)),
        ("99999999M", Duration::from_mins(MOST)),
        ("99999999H", Duration::from_hours(MOST)),
    ] {
        assert_eq!(parse_grpc(&value(text.as_bytes())), Some(expected), "{text}");
    }
}

#[test]
fn what_is_not_in_the_grammar_is_not_read() {
    for text in [
        &b""[..],
        b"S",
        b"1",
        b"100000000S",
        b"000000001S",
        b"123456789n",
        b"+1S",
        b"-1S",
        b"1.5S",
        b"1e3m",
        b"0x1S",
        b" 1S",
        b"1 S",
        b"1S ",
        b"1SS",
        b"1s",
        b"1h",
        b"1U",
        b"1N",
        b"1d",
        b"1\xff",
        b"\xff1S",
        // Arabic-Indic one: a digit of Unicode, not of ASCII.
        "\u{661}S".as_bytes(),
    ] {
        assert_eq!(parse_grpc(&value(text)), None, "{text:?}");
    }
}

#[test]
fn milliseconds_are_one_to_eight_digits() {
    for (text, expected) in [
        ("0", Some(0)),
        ("1", Some(1)),
        ("0250", Some(250)),
        ("99999999", Some(MOST)),
        ("100000000", None),
        ("", None),
        ("+1", None),
        ("-1", None),
        ("1.0", None),
        ("1m", None),
        (" 1", None),
    ] {
        let expected = expected.map(Duration::from_millis);
        assert_eq!(parse_millis(&value(text.as_bytes())), expected, "{text}");
    }
    assert_eq!(parse_millis(&value(b"\xff")), None);
}

#[test]
fn without_a_header_there_is_no_deadline() {
    assert_eq!(timeout(&HeaderMap::new(), &REQUEST_TIMEOUT_MS), Ok(None));
    let other = headers([(&http::header::ACCEPT, "1")]);
    assert_eq!(timeout(&other, &REQUEST_TIMEOUT_MS), Ok(None));
    assert_eq!(timeout(&other, &GRPC_TIMEOUT), Ok(None));
}

#[test]
fn either_header_is_understood_and_the_sooner_holds() {
    let second = Ok(Some(Duration::from_secs(1)));
    for headers in [
        headers([(&REQUEST_TIMEOUT_MS, "1000")]),
        headers([(&GRPC_TIMEOUT, "1S")]),
        headers([(&REQUEST_TIMEOUT_MS, "1000"), (&GRPC_TIMEOUT, "2S")]),
        headers([(&REQUEST_TIMEOUT_MS, "2000"), (&GRPC_TIMEOUT, "1S")]),
    ] {
        assert_eq!(timeout(&headers, &REQUEST_TIMEOUT_MS), second, "{headers:?}");
    }
}

#[test]
fn of_several_values_the_least_holds() {
    for (header, first, second) in [
        (&REQUEST_TIMEOUT_MS, "90000", "5"),
        (&REQUEST_TIMEOUT_MS, "5", "90000"),
        (&GRPC_TIMEOUT, "90S", "5m"),
        (&GRPC_TIMEOUT, "5m", "90S"),
    ] {
        let mut headers = headers([(header, first)]);
        headers.append(header, second.parse().unwrap());
        let least = Ok(Some(Duration::from_millis(5)));
        assert_eq!(timeout(&headers, &REQUEST_TIMEOUT_MS), least, "{headers:?}");
        headers.append(header, "soon".parse().unwrap());
        timeout(&headers, &REQUEST_TIMEOUT_MS).expect_err("one cannot be read");
    }
}

#[test]
fn a_header_of_ones_own_is_read_in_place_of_ours() {
    let own = HeaderName::from_static("x-budget");
    let headers = headers([(&own, "250"), (&REQUEST_TIMEOUT_MS, "1")]);
    assert_eq!(timeout(&headers, &own), Ok(Some(Duration::from_millis(250))));
}

#[test]
fn grpcs_own_header_is_read_by_its_grammar() {
    let headers = headers([(&GRPC_TIMEOUT, "250m"), (&REQUEST_TIMEOUT_MS, "1")]);
    assert_eq!(timeout(&headers, &GRPC_TIMEOUT), Ok(Some(Duration::from_millis(250))));
}

#[test]
fn a_header_that_cannot_be_read_is_the_callers_fault() {
    for (bad, name, text) in [
        (
            headers([(&GRPC_TIMEOUT, "soon"), (&REQUEST_TIMEOUT_MS, "1")]),
            "grpc-timeout",
            "grpc-timeout must be 1 to 8 digits and one of the units H, M, S, m, u, n",
        ),
        (
            headers([(&GRPC_TIMEOUT, "1S"), (&REQUEST_TIMEOUT_MS, "soon")]),
            "x-request-timeout-ms",
            "x-request-timeout-ms must be a number of milliseconds of 1 to 8 digits",
        ),
    ] {
        let error = timeout(&bad, &REQUEST_TIMEOUT_MS).expect_err("cannot be read");
        assert_eq!(error.to_string(), text);
        assert_eq!(error.kind(), Kind::InvalidArgument);
        let mut details = Details::default();
        error.describe(&mut details);
        assert_eq!(details.violations()[0].field, name);
        assert_eq!(details.violations()[0].description, text);
    }
    let bad = headers([(&GRPC_TIMEOUT, "soon")]);
    let error = timeout(&bad, &GRPC_TIMEOUT).expect_err("cannot be read");
    assert!(error.to_string().starts_with("grpc-timeout must be"), "{error}");
}

#[test]
fn a_timeout_is_written_in_the_finest_unit_that_holds_it() {
    for (timeout, expected) in [
        (Duration::ZERO, "0n"),
        (Duration::from_nanos(1), "1n"),
        (Duration::from_nanos(MOST), "99999999n"),
        (Duration::from_nanos(MOST + 1), "100000u"),
        (Duration::from_secs(1), "1000000u"),
        (Duration::from_micros(MOST + 1), "100000m"),
        (Duration::from_nanos(100_000_000_999), "100000m"),
        (Duration::from_hours(1), "3600000m"),
        (Duration::from_millis(MOST + 1), "100000S"),
        (Duration::from_secs(MOST + 1), "1666666M"),
        (Duration::from_mins(MOST + 1), "1666666H"),
        (Duration::MAX, "99999999H"),
    ] {
        assert_eq!(encode_grpc(timeout), expected, "{timeout:?}");
    }
}

#[test]
fn milliseconds_are_written_rounded_down() {
    for (timeout, expected) in [
        (Duration::ZERO, "0"),
        (Duration::from_micros(999), "0"),
        (Duration::from_micros(1999), "1"),
        (Duration::from_secs(5), "5000"),
        (Duration::from_millis(MOST + 1), "99999999"),
        (Duration::MAX, "99999999"),
    ] {
        assert_eq!(encode_millis(timeout), expected, "{timeout:?}");
    }
}

/// Durations of every magnitude, not only of the largest.
fn durations() -> impl Strategy<Value = Duration> {
    (any::<u64>(), 0..64_u32, 0..1_000_000_000_u32)
        .prop_map(|(secs, shift, nanos)| Duration::new(secs >> shift, nanos))
}

proptest! {
    #[test]
    fn a_grpc_timeout_never_grows(before in durations()) {
        let header = encode_grpc(before);
        let after = parse_grpc(&header).expect("it reads what it writes");
        prop_assert!(after <= before, "{:?} became {:?}", before, after);
        let lost = before.abs_diff(after);

        let unit = match header.as_bytes().last() {
            Some(b'n') => Duration::from_nanos(1),
            Some(b'u') => Duration::from_micros(1),
            Some(b'm') => Duration::from_millis(1),
            Some(b'S') => Duration::from_secs(1),
            Some(b'M') => Duration::from_mins(1),
            _ => Duration::from_hours(1),
        };
        let most = Duration::from_hours(MOST);
        prop_assert!(lost < unit || before >= most, "{:?} lost {:?}", before, lost);
        // Eight digits hold at least four of precision, or all there is.
        prop_assert!(lost.as_nanos() * 1_000 <= before.as_nanos() || before >= most);
    }

    #[test]
    fn milliseconds_never_grow(before in durations()) {
        let after = parse_millis(&encode_millis(before)).expect("it reads what it writes");
        prop_assert!(after <= before);
        let lost = before.abs_diff(after);
        prop_assert!(lost < Duration::from_millis(1) || after == Duration::from_millis(MOST));
    }

    #[test]
    fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..16)) {
        if let Ok(value) = HeaderValue::from_bytes(&bytes) {
            let mut headers = HeaderMap::new();
            headers.insert(GRPC_TIMEOUT, value.clone());
            prop_assert_eq!(timeout(&headers, &GRPC_TIMEOUT).is_ok(), parse_grpc(&value).is_some());
        }
    }
}
