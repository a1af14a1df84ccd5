//! What a request says of who sends it, read in each way that there is: from
//! its headers, and from those that a hook kept of them.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};
use kit_auth::{Credentials, MAX_CREDENTIALS, Malformed, Presented, Presents};
use kit_endpoint::{Request, TlsIdentity};

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const OTHER: HeaderName = HeaderName::from_static("x-other");

fn headers(named: &[(HeaderName, &[u8])]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in named {
        headers.append(name, HeaderValue::from_bytes(value).expect("it is a header's value"));
    }
    headers
}

fn several(name: &HeaderName, values: &[&[u8]]) -> HeaderMap {
    headers(&values.iter().map(|value| (name.clone(), *value)).collect::<Vec<_>>())
}

/// Shows `read` these headers in each way, and returns what it makes of all of
/// them, which must be one and the same.
#[track_caller]
fn in_each_way<T, F>(headers: &HeaderMap, read: F) -> T
where
    T: PartialEq + std::fmt::Debug,
    F: Fn(&Presented<'_>) -> T,
{
    let mut http = http::Request::new(());
    http.headers_mut().clone_from(headers);
    let mut kit = Request::new(());
    kit.extensions_mut().insert(Credentials::of(headers, &[API_KEY]));

    let alone = read(&Presented::of(headers));
    assert_eq!(read(&http.presented().expect("it has its headers")), alone);
    assert_eq!(read(&kit.presented().expect("they are kept")), alone);
    alone
}

#[track_caller]
fn authorization(values: &[&[u8]]) -> Result<Option<String>, Malformed> {
    let headers = several(&AUTHORIZATION, values);
    in_each_way(&headers, |presented| Ok(presented.authorization("Test")?.map(str::to_owned)))
}

#[track_caller]
fn one(value: &str) -> Result<Option<String>, Malformed> {
    authorization(&[value.as_bytes()])
}

#[track_caller]
fn api_key(values: &[&[u8]]) -> Result<Option<String>, Malformed> {
    let headers = several(&API_KEY, values);
    in_each_way(&headers, |presented| Ok(presented.header(&API_KEY)?.map(str::to_owned)))
}

#[test]
fn what_is_not_there_is_none() {
    assert_eq!(authorization(&[]), Ok(None));
    assert_eq!(api_key(&[]), Ok(None));
}

#[test]
fn what_follows_the_scheme_is_presented() {
    assert_eq!(one("Test hunter2"), Ok(Some("hunter2".to_owned())));
    assert_eq!(one("Test a=\"b\", c=d"), Ok(Some("a=\"b\", c=d".to_owned())));
}

#[test]
fn the_case_of_a_scheme_does_not_matter() {
    for value in ["test hunter2", "TEST hunter2", "tEsT hunter2"] {
        assert_eq!(one(value), Ok(Some("hunter2".to_owned())), "{value}");
    }
    assert_eq!(one("Test HUNTER2"), Ok(Some("HUNTER2".to_owned())), "that of what follows does");
}

#[test]
fn another_scheme_is_none_of_ours() {
    for value in ["Basic hunter2", "Tester hunter2", "Tes thunter2", "Testhunter2", "", "Other"] {
        assert_eq!(one(value), Ok(None), "{value:?}");
    }
}

#[test]
fn a_scheme_that_nothing_follows_is_malformed() {
    for value in ["Test", "Test ", "test    "] {
        assert_eq!(one(value), Err(Malformed::Syntax), "{value:?}");
    }
}

#[test]
fn more_spaces_are_one() {
    for value in ["Test   hunter2", "Test hunter2  ", "Test  hunter2 "] {
        assert_eq!(one(value), Ok(Some("hunter2".to_owned())), "{value:?}");
    }
    assert_eq!(one("Test a  b"), Ok(Some("a  b".to_owned())), "those inside are not ours");
}

#[test]
fn several_are_refused_even_if_they_are_equal() {
    let two: [&[u8]; 2] = [b"Test hunter2", b"Test hunter2"];
    assert_eq!(authorization(&two), Err(Malformed::Several));
    let of_two_schemes: [&[u8]; 2] = [b"Other 1", b"Test hunter2"];
    assert_eq!(authorization(&of_two_schemes), Err(Malformed::Several));
    let three: [&[u8]; 3] = [b"", b"", b""];
    assert_eq!(authorization(&three), Err(Malformed::Several));
    assert_eq!(api_key(&[b"7", b"7"]), Err(Malformed::Several));
}

#[test]
fn only_printable_ascii_is_text() {
    // Latin-1, UTF-8, and a tab, which `http` takes for visible.
    let bad: [&[u8]; 5] = [
        b"Test hunter\xff",
        "Test h\u{fc}nter2".as_bytes(),
        b"Test\thunter2",
        b"Test hunter2\t",
        b"Other hunter\xff",
    ];
    for value in bad {
        assert_eq!(authorization(&[value]), Err(Malformed::NotText), "{value:?}");
        assert_eq!(api_key(&[value]), Err(Malformed::NotText), "{value:?}");
    }
    let all: Vec<u8> = (b' '..=b'~').collect();
    assert_eq!(api_key(&[&all]), Ok(Some(String::from_utf8(all.clone()).unwrap())));
}

#[test]
fn what_is_too_long_is_not_looked_at() {
    let longest = "Test ".to_owned() + &"x".repeat(MAX_CREDENTIALS - 5);
    assert_eq!(one(&longest), Ok(Some(longest[5..].to_owned())));
    assert_eq!(one(&(longest.clone() + "x")), Err(Malformed::TooLong));
    assert_eq!(one(&("Test".to_owned() + &" ".repeat(MAX_CREDENTIALS))), Err(Malformed::TooLong));

    let longest = "x".repeat(MAX_CREDENTIALS);
    assert_eq!(api_key(&[longest.as_bytes()]), Ok(Some(longest.clone())));
    assert_eq!(api_key(&[(longest + "\u{fc}").as_bytes()]), Err(Malformed::TooLong));
}

#[test]
fn one_header_does_not_spoil_another() {
    let headers = headers(&[
        (AUTHORIZATION, b"Test hunter\xff".as_slice()),
        (AUTHORIZATION, b"Test hunter\xff"),
        (API_KEY, b"7"),
    ]);
    let both = in_each_way(&headers, |presented| {
        let key = presented.header(&API_KEY).map(|key| key.map(str::to_owned));
        (presented.header(&AUTHORIZATION).map(|_| ()), key)
    });
    assert_eq!(both, (Err(Malformed::Several), Ok(Some("7".to_owned()))));
}

#[test]
fn of_what_a_hook_kept_only_named_headers_are_there() {
    let headers = headers(&[(API_KEY, b"7".as_slice()), (OTHER, b"8"), (OTHER, b"9")]);
    let read = |named: &[HeaderName]| {
        let mut request = Request::new(());
        request.extensions_mut().insert(Credentials::of(&headers, named));
        let presented = request.presented().expect("they are kept");
        [&API_KEY, &OTHER].map(|name| presented.header(name).map(|key| key.map(str::to_owned)))
    };
    let seven = || Ok(Some("7".to_owned()));
    assert_eq!(read(&[]), [Ok(None), Ok(None)]);
    assert_eq!(read(&[API_KEY]), [seven(), Ok(None)]);
    assert_eq!(read(&[API_KEY, OTHER, API_KEY]), [seven(), Err(Malformed::Several)]);
}

#[test]
fn a_request_of_ours_presents_nothing_unless_it_was_written_down() {
    let mut request = Request::new(());
    assert!(request.presented().is_none());
    request.extensions_mut().insert(Credentials::default());
    let presented = request.presented().expect("that there are none");
    assert_eq!(presented.authorization("Test"), Ok(None));
}

#[test]
fn a_request_of_http_needs_no_entry_and_does_not_believe_one() {
    let forged = Credentials::of(&headers(&[(AUTHORIZATION, b"Test hunter2".as_slice())]), &[]);
    let mut request = http::Request::new(());
    request.extensions_mut().insert(forged);
    let presented = request.presented().expect("it has its headers");
    assert_eq!(presented.authorization("Test"), Ok(None));
}

#[test]
fn the_peers_certificate_is_shown() {
    let peer = TlsIdentity::new([b"der".to_vec()]).uri("spiffe://example.org/a");
    let mut http = http::Request::new(());
    http.extensions_mut().insert(peer.clone());
    assert_eq!(http.presented().and_then(|presented| presented.tls()), Some(&peer));

    let mut kit = Request::new(());
    kit.extensions_mut().insert(peer.clone());
    assert!(kit.presented().is_none(), "a certificate is no entry");
    kit.extensions_mut().insert(Credentials::default());
    assert_eq!(kit.presented().and_then(|presented| presented.tls()), Some(&peer));

    assert_eq!(http::Request::new(()).presented().and_then(|presented| presented.tls()), None);
    assert_eq!(Presented::of(&HeaderMap::new()).tls(), None);
}

#[test]
fn debug_shows_how_many_and_not_what() {
    let headers = headers(&[
        (AUTHORIZATION, b"Test hunter2".as_slice()),
        (API_KEY, b"hunter2"),
        (API_KEY, b"hunter2"),
    ]);
    let kept = Credentials::of(&headers, &[API_KEY, OTHER]);
    let shown = format!("{kept:?}");
    assert_eq!(shown, "Credentials { authorization: one, x-api-key: several, x-other: none }");

    let mut request = Request::new(());
    request.extensions_mut().insert(kept);
    for shown in [
        format!("{request:?} {:?}", request.presented()),
        format!("{:?} {:#?}", Presented::of(&headers), request.presented()),
    ] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn what_is_malformed_is_said_without_the_credentials() {
    let texts = [Malformed::Several, Malformed::NotText, Malformed::TooLong, Malformed::Syntax]
        .map(|malformed| malformed.to_string());
    let expected = [
        "the credentials are there more than once: send one header",
        "the credentials are not printable ASCII",
        "the credentials are too long",
        "the credentials are not what their scheme asks for",
    ];
    assert_eq!(texts, expected);
}

#[test]
fn they_can_be_sent_and_shared() {
    fn assert_send_sync<T: Send + Sync>() {}
    assert_send_sync::<(Credentials, Presented<'_>, Malformed)>();
}
