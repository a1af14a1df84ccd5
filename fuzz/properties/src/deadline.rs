use http::{HeaderMap, HeaderValue};
use kit_transport::deadline::{
    GRPC_TIMEOUT, REQUEST_TIMEOUT_MS, encode_grpc, encode_millis, parse_grpc, parse_millis, timeout,
};
use std::time::Duration;

/// Deadlines: lines of `x-request-timeout-ms` and of `grpc-timeout`, in turn;
/// empty ones are left out. The same bytes as a number of nanoseconds are
/// written.
pub fn deadline(data: &[u8]) {
    write(data);
    let mut headers = HeaderMap::new();
    let mut read = Vec::new();
    for (line, grpc) in data.split(|byte| *byte == b'\n').zip([false, true].into_iter().cycle()) {
        let Ok(value) = HeaderValue::from_bytes(line) else { continue };
        if line.is_empty() {
            continue;
        }
        let (known, parsed) = if grpc {
            (nanos(line), parse_grpc(&value))
        } else {
            (digits(line).map(|millis| millis * 1_000_000), parse_millis(&value))
        };
        assert_eq!(parsed.map(|timeout| timeout.as_nanos()), known);
        read.push(parsed);
        headers.append(if grpc { GRPC_TIMEOUT } else { REQUEST_TIMEOUT_MS }, value);
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
