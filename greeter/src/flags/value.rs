//! The values of flags: how each is written, and what is said of one that is
//! not.

use super::{At, Concurrency, Jwks, Listen, ReadyWhen, Sample, Shown, Target, Traces, Trusted};
use http::Uri;
use kit_auth::{client::bearer, jwt};
use kit_limit::rate::Rate;
use kit_sd::Address;
use std::{ffi::OsStr, path::PathBuf, time::Duration};

#[expect(clippy::unnecessary_debug_formatting, reason = "quoted and escaped, as all values are")]
pub(super) fn not_utf8(what: &str, value: &OsStr) -> String {
    format!("{what} {value:?} is not UTF-8: write it in UTF-8")
}

pub(super) fn listen(flag: &'static str, value: &str) -> Result<Listen, String> {
    let hint = "write HOST:PORT, or :PORT for all interfaces";
    if let Some(socket) = value.strip_prefix("fd:") {
        let socket = socket.parse().map_err(|_| "write fd:0 for the first socket passed")?;
        return Ok(Listen { flag, at: At::Passed(socket) });
    }
    let (host, number) = value.rsplit_once(':').ok_or(hint)?;
    let port = port(number)?;
    let host = match host.strip_prefix('[').map(|inner| inner.strip_suffix(']')) {
        Some(Some(inner)) => Some(inner),
        None if !host.contains(':') => Some(host).filter(|host| !host.is_empty()),
        _ => return Err("write an IPv6 address in brackets: [::1]:9110".to_owned()),
    };
    if let Some(host) = host {
        self::host(host)?;
    }
    Ok(Listen { flag, at: At::Port { host: host.map(str::to_owned), port } })
}

pub(super) fn port(value: &str) -> Result<u16, String> {
    value.parse().map_err(|_| "the port must be a number from 0 to 65535".to_owned())
}

pub(super) fn host(value: &str) -> Result<String, String> {
    Address::new(value, 1).map(|_| value.to_owned()).map_err(|error| error.to_string())
}

pub(super) fn service_name(value: &str) -> Result<String, String> {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if matches!(value.len(), 1..=58) && value.bytes().all(valid) {
        Ok(value.to_owned())
    } else {
        // A label of DNS has 63 bytes, and the gRPC port adds five.
        Err("write 1 to 58 letters, digits and hyphens".to_owned())
    }
}

pub(super) fn duration(value: &str) -> Result<Duration, String> {
    let digits = value.len() - value.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = value.split_at(digits);
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        _ => return Err("write a whole number and ms, s or m: 500ms, 20s".to_owned()),
    };
    let number: u32 = number.parse().map_err(|_| "the number is too large or missing")?;
    Ok(Duration::from_millis(u64::from(number) * millis))
}

pub(super) fn number(value: &str) -> Result<u32, String> {
    value.parse().map_err(|_| format!("write a whole number up to {}", u32::MAX))
}

pub(super) fn count(value: &str) -> Result<u32, String> {
    match number(value)? {
        0 => Err("write 1 or more".to_owned()),
        count => Ok(count),
    }
}

/// So many in a second, a minute or an hour.
pub(super) fn rate(value: &str) -> Result<Rate, String> {
    let hint = "write a number and s, m or h: 100/s, 6000/m, 100000/h";
    let (number, unit) = value.split_once('/').ok_or(hint)?;
    let rate = match unit {
        "s" => Rate::per_second,
        "m" => Rate::per_minute,
        "h" => Rate::per_hour,
        _ => return Err(hint.to_owned()),
    };
    count(number).map(rate)
}

pub(super) fn concurrency(value: &str) -> Result<Concurrency, String> {
    match value.parse() {
        _ if value == "adaptive" => Ok(Concurrency::Adaptive),
        Ok(most @ 1..) => Ok(Concurrency::Fixed(most)),
        _ => Err("write adaptive, or a whole number from 1 on".to_owned()),
    }
}

pub(super) fn target_of(value: &str) -> Result<Target, String> {
    let hint = "write http://HOST:PORT or grpc://HOST:PORT";
    let (scheme, rest) = value.split_once("://").ok_or(hint)?;
    let target = match scheme {
        "http" => Target::Http,
        "grpc" => Target::Grpc,
        _ => return Err(format!("{scheme:?} is not a scheme of the greeter: {hint}")),
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains(['/', '?', '#']) {
        return Err(format!("it has a path, and the greeter's is known: {hint}"));
    }
    if authority.contains('@') {
        return Err(format!("it has a user, and the greeter asks for none: {hint}"));
    }
    match authority.parse::<Address>() {
        Ok(address) => Ok(target(address.to_string())),
        Err(error) => Err(format!("{error}: {hint}")),
    }
}

/// A collector of OTLP.
pub(super) fn traces(value: &str) -> Result<Traces, String> {
    let hint = "write grpc://HOST:4317, http://HOST:4318 or https://HOST";
    let (scheme, rest) = value.split_once("://").ok_or(hint)?;
    let collector = match scheme {
        "grpc" => Traces::Grpc(format!("http://{rest}")),
        "http" | "https" => Traces::Http(value.to_owned()),
        _ => return Err(format!("{scheme:?} is not a scheme of OTLP: {hint}")),
    };
    let (Traces::Grpc(url) | Traces::Http(url)) = &collector;
    let uri: Uri = url.parse().map_err(|error| format!("{error}: {hint}"))?;
    match uri.authority() {
        Some(authority) if !authority.as_str().contains('@') => Ok(collector),
        _ => Err(format!("it has a user, and collectors ask for none: {hint}")),
    }
}

/// A share of all, or so many in a second.
pub(super) fn sample(value: &str) -> Result<Sample, String> {
    let hint = "write a share from 0 to 1, or a number and /s: 0.01, 10/s";
    if let Some(number) = value.strip_suffix("/s") {
        return count(number).map(Sample::PerSecond).map_err(|_| hint.to_owned());
    }
    let (whole, part) = value.split_once('.').unwrap_or((value, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 6 {
        return Err(hint.to_owned());
    }
    let millionths = format!("{whole}{part:0<6}").parse().ok();
    let millionths = millionths.filter(|share: &u32| *share <= 1_000_000);
    millionths.map(Sample::Millionths).ok_or_else(|| hint.to_owned())
}

pub(super) fn trusted(value: &str) -> Result<Trusted, String> {
    match value {
        "all" => Ok(Trusted::All),
        "local" => Ok(Trusted::Local),
        "none" => Ok(Trusted::None),
        _ => Err("write all, local or none".to_owned()),
    }
}

pub(super) fn ready_when(value: &str) -> Result<ReadyWhen, String> {
    match value {
        "serving" => Ok(ReadyWhen::Serving),
        "registered" => Ok(ReadyWhen::Registered),
        _ => Err("write serving or registered".to_owned()),
    }
}

pub(super) fn path(value: &str) -> Result<PathBuf, String> {
    Ok(text(value)?.into())
}

pub(super) fn text(value: &str) -> Result<String, String> {
    if value.is_empty() { Err("it is empty".to_owned()) } else { Ok(value.to_owned()) }
}

/// A token, or the file of one; the error shows nothing of it.
pub(super) fn shown(value: &str) -> Result<Shown, String> {
    if let Some(file) = value.strip_prefix('@') {
        return path(file).map(Shown::File);
    }
    let hint = "write the token, or @ and the file that has it";
    bearer(value).map(Shown::Token).map_err(|_| format!("it is not a bearer token: {hint}"))
}

/// A file of keys, or where they are fetched.
pub(super) fn jwks(value: &str) -> Result<Jwks, String> {
    if !value.contains("://") {
        return path(value).map(Jwks::File);
    }
    let hint = "write https://HOST/PATH, or the path of a file";
    let uri: Uri = value.parse().map_err(|error| format!("{error}: {hint}"))?;
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(format!("it has a user, and keys are for everybody: {hint}"));
    }
    match jwt::Url::new(uri.clone(), ()) {
        Ok(_) => Ok(Jwks::Url(uri)),
        Err(error) => Err(format!("{error}: {hint}")),
    }
}

/// Words between commas.
pub(super) fn tags(value: &str) -> Result<Vec<String>, String> {
    let tags: Vec<_> = value.split(',').map(|tag| tag.trim().to_owned()).collect();
    if tags.iter().any(String::is_empty) {
        return Err("write tags with commas between them: blue,eu".to_owned());
    }
    Ok(tags)
}

/// Names and values between commas.
pub(super) fn metadata(value: &str) -> Result<Vec<(String, String)>, String> {
    let hint = "write names and values with commas between them: team=a,tier=1";
    let pair = |pair: &str| match pair.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err(hint.to_owned()),
    };
    let pairs = value.split(',').map(pair).collect::<Result<Vec<_>, _>>()?;
    let is_twice = |at: usize| pairs[..at].iter().any(|(name, _)| *name == pairs[at].0);
    match (0..pairs.len()).find(|at| is_twice(*at)) {
        Some(at) => Err(format!("{:?} is there twice", pairs[at].0)),
        None => Ok(pairs),
    }
}

/// Members of etcd between commas, each `HOST:PORT`.
#[cfg(feature = "etcd")]
pub(super) fn members(value: &str) -> Result<Vec<String>, String> {
    let member = |member: &str| match member.trim().parse::<Address>() {
        Ok(address) => Ok(address.to_string()),
        Err(error) => Err(format!("{:?}: {error}", member.trim())),
    };
    value.split(',').map(member).collect()
}

pub(super) fn name_server(value: &str) -> Result<std::net::SocketAddr, String> {
    value.parse().map_err(|_| "write the address of a name server: 127.0.0.1:53".to_owned())
}
