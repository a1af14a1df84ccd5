//! Which host a request is for (RFC 9112, section 3.2; RFC 9110, section 7.2).

use http::{Method, Uri, Version, header, request::Parts, uri::Authority};
use std::{fmt, sync::OnceLock};

/// What is wrong with the host that a request names.
///
/// A router, a proxy and a cache in front that read such a request each in its
/// own way are what attacks are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HostFault {
    /// There is none, which HTTP/1.1 does not allow.
    Missing,
    /// It is empty.
    Empty,
    /// There are several, be they equal.
    Several,
    /// It is not a host with or without a port: it has user information, a
    /// path, a comma, or letters that no host has.
    Invalid,
    /// The target of the request names another.
    Mismatch,
    /// The target is no path, and the service has no use for it: `CONNECT`, or
    /// `*`.
    Target,
    /// The target is none that a URI may be (RFC 3986): it has bytes beyond
    /// ASCII, or its path has a backslash or a percent sign that encodes nothing,
    /// or it is a host alone without `CONNECT`.
    NoUri,
}

/// The longest host that is remembered, with its port.
const LONGEST: usize = 260;

/// Says what is wrong with the host of a request, if something is.
///
/// `known` is one that was right: each request of a connection names the same,
/// most often.
pub(crate) fn check(
    head: &Parts,
    known: &OnceLock<Box<[u8]>>,
    any_target: bool,
) -> Result<(), HostFault> {
    let Parts { method, uri, version, headers, .. } = head;
    let path = uri.path();
    let connects = *method == Method::CONNECT;
    if !any_target && (connects || path == "*") {
        return Err(HostFault::Target);
    }
    if path.is_empty() && !connects || !is_uri(uri) {
        return Err(HostFault::NoUri);
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    let (host, another) = (hosts.next(), hosts.next());
    if another.is_some() {
        return Err(HostFault::Several);
    }
    let authority = uri.authority();
    if let Some(authority) = authority {
        valid(authority.as_str().as_bytes())?;
    }
    let Some(host) = host else {
        // HTTP/2 names it in the target; HTTP/1.0 need not name it.
        let is_named = *version >= Version::HTTP_2 && authority.is_some();
        let may_lack = *version < Version::HTTP_11;
        return if is_named || may_lack { Ok(()) } else { Err(HostFault::Missing) };
    };
    if known.get().is_none_or(|known| **known != *host.as_bytes()) {
        valid(host.as_bytes())?;
        // It stays as long as the connection: a name has 253 letters at most.
        if host.len() <= LONGEST {
            known.get_or_init(|| host.as_bytes().into());
        }
    }
    match authority {
        Some(authority) if !is_same(authority, host.as_bytes(), uri.scheme_str()) => {
            Err(HostFault::Mismatch)
        }
        _ => Ok(()),
    }
}

/// What is told apart by servers that read the path each in its own way: what
/// others have of no URI's letters, browsers send.
fn is_uri(uri: &Uri) -> bool {
    let Some(target) = uri.path_and_query() else { return true };
    let path = target.path().as_bytes();
    target.as_str().is_ascii()
        && memchr::memchr2_iter(b'%', b'\\', path).all(|at| {
            path[at] == b'%'
                && path.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
        })
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`.
fn valid(host: &[u8]) -> Result<(), HostFault> {
    let is_name = |byte: &u8| REG_NAME[usize::from(*byte)];
    let name = match host {
        [] => return Err(HostFault::Empty),
        [b'[', ..] => literal(host)?,
        _ => host.iter().position(|byte| !is_name(byte)).unwrap_or(host.len()),
    };
    match host.split_at(name) {
        ([], [b':', ..]) => Err(HostFault::Empty),
        (_, []) => Ok(()),
        (_, [b':', port @ ..]) if port.len() <= 5 && port.iter().all(u8::is_ascii_digit) => Ok(()),
        _ => Err(HostFault::Invalid),
    }
}

/// Where an address in brackets ends.
fn literal(host: &[u8]) -> Result<usize, HostFault> {
    let end = host.iter().position(|byte| *byte == b']').ok_or(HostFault::Invalid)?;
    let hex = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    if end > 2 && host[1..end].iter().all(hex) { Ok(end + 1) } else { Err(HostFault::Invalid) }
}

/// Unreserved letters, percent and sub-delimiters of RFC 3986, section 3.2.2,
/// without the comma, which joins two headers to one.
const REG_NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "the loop ends at 256")]
        let letter = byte as u8;
        table[byte] = letter.is_ascii_alphanumeric()
            || matches!(letter, b'-' | b'.' | b'_' | b'~' | b'%')
            || matches!(
                letter,
                b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b';' | b'='
            );
        byte += 1;
    }
    table
};

fn is_same(authority: &Authority, host: &[u8], scheme: Option<&str>) -> bool {
    let authority = authority.as_str().as_bytes();
    if authority.eq_ignore_ascii_case(host) {
        return true;
    }
    let usual = match scheme {
        Some("https") => &b":443"[..],
        _ => b":80",
    };
    let bare = |host| <[u8]>::strip_suffix(host, usual).unwrap_or(host);
    bare(authority).eq_ignore_ascii_case(bare(host))
}

impl fmt::Display for HostFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "the request names no host",
            Self::Empty => "the host is empty",
            Self::Several => "the request names its host more than once",
            Self::Invalid => "the host is not a name or an address with or without a port",
            Self::Mismatch => "the host differs from the target's",
            Self::Target => "the target of the request is not a path",
            Self::NoUri => "the target of the request is not one of a URI: percent-encode it",
        })
    }
}

impl std::error::Error for HostFault {}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue, Request};

    fn of(
        method: &Method,
        target: &str,
        version: Version,
        hosts: &[&str],
    ) -> Result<(), HostFault> {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, HeaderValue::from_bytes(host.as_bytes()).unwrap());
        }
        let request = Request::builder().method(method).uri(target).version(version);
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        head.headers = headers;
        check(&head, &OnceLock::new(), false)
    }

    fn get(host: &str) -> Result<(), HostFault> {
        of(&Method::GET, "/", Version::HTTP_11, &[host])
    }

    #[test]
    fn a_host_is_a_name_or_an_address_with_or_without_a_port() {
        for host in ["a", "a.example:80", "127.0.0.1:9110", "[::1]", "[::ffff:1.2.3.4]:443"] {
            assert_eq!(get(host), Ok(()), "{host}");
        }
        for host in ["a_b.example", "xn--bcher-kva.example", "a:", "a.", "%41"] {
            assert_eq!(get(host), Ok(()), "{host}");
        }
        let invalid = ["u@a", "u:p@a", "a/b", "a,b", "a b", "a?b", "a#b", "a\\b", "b\u{fc}cher"];
        for host in invalid {
            assert_eq!(get(host), Err(HostFault::Invalid), "{host}");
        }
        for host in ["[::1", "[]", "[::1]x", "[::g]", "a:b", "a:80:80", "a:123456", "::1"] {
            assert!(get(host).is_err(), "{host}");
        }
        assert_eq!(get(""), Err(HostFault::Empty));
        assert_eq!(get(":80"), Err(HostFault::Empty));
    }

    #[test]
    fn one_that_was_right_stays_right_and_makes_no_other_so() {
        let known = OnceLock::new();
        let check = |host: &str| {
            let request = Request::get("/").header(header::HOST, host).body(()).unwrap();
            check(&request.into_parts().0, &known, false)
        };
        for _ in 0..2 {
            assert_eq!(check("a.example"), Ok(()));
            assert_eq!(check("b.example"), Ok(()));
            assert_eq!(check("a/b"), Err(HostFault::Invalid));
            assert_eq!(check("a.example/"), Err(HostFault::Invalid));
        }
        assert_eq!(&**known.get().unwrap(), b"a.example");
    }

    #[test]
    fn there_is_one_host() {
        let of = |version, hosts: &[&str]| of(&Method::GET, "/", version, hosts);
        assert_eq!(of(Version::HTTP_11, &[]), Err(HostFault::Missing));
        assert_eq!(of(Version::HTTP_10, &[]), Ok(()));
        assert_eq!(of(Version::HTTP_11, &["a", "a"]), Err(HostFault::Several));
        assert_eq!(of(Version::HTTP_10, &["a", "b"]), Err(HostFault::Several));
    }

    #[test]
    fn a_target_with_a_host_agrees_with_the_header() {
        let of = |target, version, hosts: &[&str]| of(&Method::GET, target, version, hosts);
        assert_eq!(of("http://a/x", Version::HTTP_11, &["A"]), Ok(()));
        assert_eq!(of("http://a:80/", Version::HTTP_11, &["a"]), Ok(()));
        assert_eq!(of("https://a/", Version::HTTP_2, &["a:443"]), Ok(()));
        assert_eq!(of("http://a/", Version::HTTP_11, &["b"]), Err(HostFault::Mismatch));
        assert_eq!(of("http://a:81/", Version::HTTP_11, &["a"]), Err(HostFault::Mismatch));
        assert_eq!(of("http://a/", Version::HTTP_11, &[]), Err(HostFault::Missing));
        assert_eq!(of("http://a/", Version::HTTP_2, &[]), Ok(()));
        assert_eq!(of("http://u@a/", Version::HTTP_2, &[]), Err(HostFault::Invalid));
        assert_eq!(of("/", Version::HTTP_2, &[]), Err(HostFault::Missing));
    }

    #[test]
    fn connect_and_star_are_only_for_a_service_that_wants_them() {
        let of = |method: &Method, target: &str, any| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static("a:443"));
            let request = Request::builder().method(method).uri(target).body(()).unwrap();
            let (mut head, ()) = request.into_parts();
            head.headers = headers;
            check(&head, &OnceLock::new(), any)
        };
        for (method, target) in
            [(Method::CONNECT, "a:443"), (Method::OPTIONS, "*"), (Method::GET, "*")]
        {
            assert_eq!(of(&method, target, false), Err(HostFault::Target), "{method} {target}");
            assert_eq!(of(&method, target, true), Ok(()), "{method} {target}");
        }
    }
}
