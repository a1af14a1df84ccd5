use http::{HeaderMap, HeaderValue};
use kit_transport::deadline::{
    GRPC_TIMEOUT, REQUEST_TIMEOUT_MS, encode_grpc, encode_millis, parse_grpc, parse_millis, timeout,
};
use std::time::Duration;

/// Deadlines: `x-request-timeout-ms`, a line end, and `grpc-timeout`. The same
/// bytes as a number of nanoseconds are written.
pub fn deadline(data: &[u8]) {
    write(data);
    let (ours, grpc) = crate::halves(data, b'\n');
    let mut headers = HeaderMap::new();
    let mut read = Vec::new();
    if let Ok(value) = HeaderValue::from_bytes(ours) {
        let known = digits(ours).map(|number| number * 1_000_000);
        assert_eq!(parse_millis(&value).map(|read| read.as_nanos()), known);
        read.push(parse_millis(&value));
        headers.insert(REQUEST_TIMEOUT_MS, value);
    }
    if let Ok(value) = HeaderValue::from_bytes(grpc)
        && !grpc.is_empty()
    {
        assert_eq!(parse_grpc(&value).map(|read| read.as_nanos()), nanos(grpc));
        read.push(parse_grpc(&value));
        headers.insert(GRPC_TIMEOUT, value);
    }
    let bad = read.contains(&None);
    let sooner = read.into_iter().flatten().min();
    match timeout(&headers, &REQUEST_TIMEOUT_MS) {
        Ok(allowed) => assert!(!bad && allowed == sooner),
        Err(error) => assert!(bad, "{error}"),
    }
    // What was read is written as it was meant, to the nanosecond.
    if let Some(allowed) = sooner {
        assert_eq!(parse_grpc(&encode_grpc(allowed)), Some(allowed));
    }
}

/// What is written is read, and never says more than was meant.
fn write(data: &[u8]) {
    let mut nanos = [0; 16];
    for (byte, given) in nanos.iter_mut().zip(data) {
        *byte = *given;
    }
    let nanos = u128::from_le_bytes(nanos);
    let seconds = u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX);
    let meant = Duration::new(seconds, (nanos % 1_000_000_000) as u32);

    let written = encode_grpc(meant);
    let read = parse_grpc(&written).expect("what is written can be read");
    assert!(read <= meant);
    // Five digits or more are right, unless it takes more than eight of hours.
    let lost = meant.as_nanos() - read.as_nanos();
    let longest = Duration::from_hours(99_999_999);
    assert!(lost * 100_000 < meant.as_nanos().max(1) || meant > longest, "{meant:?} {written:?}");

    let read = parse_millis(&encode_millis(meant)).expect("what is written can be read");
    assert!(read <= meant);
    assert_eq!(read.as_millis(), meant.as_millis().min(99_999_999));
}

/// gRPC over HTTP/2: `Timeout`.
fn nanos(text: &[u8]) -> Option<u128> {
    let units = [
        ("H", 3_600_000_000_000),
        ("M", 60_000_000_000),
        ("S", 1_000_000_000),
        ("m", 1_000_000),
        ("u", 1_000),
        ("n", 1),
    ];
    let text = std::str::from_utf8(text).ok()?;
    let (number, scale) =
        units.iter().find_map(|(unit, scale)| Some((text.strip_suffix(unit)?, scale)))?;
    Some(digits(number.as_bytes())? * scale)
}

fn digits(text: &[u8]) -> Option<u128> {
    let text = std::str::from_utf8(text).ok()?;
    let sound = text.len() <= 8 && text.chars().all(|letter| letter.is_ascii_digit());
    sound.then(|| text.parse().ok()).flatten()
}
