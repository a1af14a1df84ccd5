//! Names and passwords, as a server reads them and a client writes them.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode,
    header::{AUTHORIZATION, WWW_AUTHENTICATE},
};
use kit_auth::{
    AsHttp, Auth, Authenticator, Denied, MAX_CREDENTIALS, Malformed, Presented, Reason, Verdict,
    authorize::Grants,
    basic::{self, BadUsers, Basic, StaticUsers, Unfit, User, Users},
};
use kit_endpoint::{Details, Fault};
use proptest::{prelude::Strategy, proptest};
use std::{
    convert::Infallible,
    error::Error as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::sync::oneshot;
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Layer, ServiceExt, service_fn};

/// RFC 7617, section 2.
const ALADDIN: &str = "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==";

/// RFC 7617, section 2.1: `test` and `123£`.
const TEST: &str = "Basic dGVzdDoxMjPCow==";

fn users() -> StaticUsers {
    StaticUsers::new([("Aladdin", "open sesame"), ("test", "123\u{a3}")]).unwrap()
}

fn basic() -> Basic<StaticUsers> {
    Basic::new("caves", users())
}

/// Says who comes in with what was sent: everybody, and each by both.
fn both() -> Basic<impl Users<Identity = (String, String)>> {
    Basic::new("caves", |name: &str, password: &str| Some((name.to_owned(), password.to_owned())))
}

fn ask<U: Users>(basic: &Basic<U>, authorization: &str) -> Verdict<U::Identity> {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::from_bytes(authorization.as_bytes()).unwrap());
    basic.authenticate(&Presented::of(&headers))
}

fn known<I>(verdict: Verdict<I>) -> I {
    match verdict {
        Verdict::Known(Ok(identity)) => identity,
        Verdict::Known(Err(denied)) => panic!("{denied:?}"),
        Verdict::Absent => panic!("absent"),
        Verdict::Later(_) => panic!("later"),
    }
}

fn denied<I>(verdict: Verdict<I>) -> Denied {
    match verdict {
        Verdict::Known(Err(denied)) => denied,
        Verdict::Known(Ok(_)) => panic!("it was let in"),
        Verdict::Absent => panic!("absent"),
        Verdict::Later(_) => panic!("later"),
    }
}

fn token(user_pass: &[u8]) -> String {
    format!("Basic {}", STANDARD.encode(user_pass))
}

fn challenge<U: Users>(basic: &Basic<U>) -> HeaderValue {
    let mut challenges = Vec::new();
    basic.challenge(&Denied::new(Reason::Missing), &mut challenges);
    assert_eq!(challenges.len(), 1);
    challenges.remove(0)
}

// ===== reading =====

#[test]
fn the_examples_of_the_rfc_are_read() {
    assert_eq!(known(ask(&basic(), ALADDIN)), User::new("Aladdin"));
    assert_eq!(known(ask(&basic(), TEST)).name(), "test");
    assert_eq!(known(ask(&both(), TEST)), ("test".to_owned(), "123\u{a3}".to_owned()));
}

#[tokio::test]
async fn what_go_kit_refuses_is_refused_and_what_it_takes_is_taken() {
    let server = Auth::new(basic()).layer().refuse(AsHttp).layer(service_fn(
        |request: Request<()>| async move {
            let user = request.extensions().get::<User>().unwrap().to_string();
            Ok::<_, Infallible>(Response::new(user))
        },
    ));
    let reply = async |authorization: Option<&[u8]>| {
        let mut request = Request::new(());
        if let Some(value) = authorization {
            let value = HeaderValue::from_bytes(value).unwrap();
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        server.clone().oneshot(request).await.unwrap()
    };
    let wrong_name = token(b"Aladin:open sesame");
    let wrong_password = token(b"Aladdin:open simsim");
    let cases: [(&str, Option<&[u8]>); 6] = [
        ("nil", None),
        ("not a string", Some(b"Basic \xff\xfe")),
        ("empty", Some(b"")),
        ("garbage", Some(b"garbage")),
        ("wrong user", Some(wrong_name.as_bytes())),
        ("wrong password", Some(wrong_password.as_bytes())),
    ];
    for (case, authorization) in cases {
        let reply = reply(authorization).await;
        assert_eq!(reply.status(), StatusCode::UNAUTHORIZED, "{case}");
        let challenges: Vec<_> = reply.headers().get_all(WWW_AUTHENTICATE).iter().collect();
        assert_eq!(challenges, [r#"Basic realm="caves", charset="UTF-8""#], "{case}");
    }
    let reply = reply(Some(ALADDIN.as_bytes())).await;
    assert_eq!((reply.status(), reply.body().as_str()), (StatusCode::OK, "Aladdin"));
}

#[test]
fn the_case_of_the_scheme_does_not_matter() {
    for scheme in ["basic", "BASIC", "bAsIc"] {
        let header = ALADDIN.replace("Basic", scheme);
        assert_eq!(known(ask(&basic(), &header)).name(), "Aladdin", "{scheme}");
    }
    assert_eq!(known(ask(&basic(), &ALADDIN.replace(' ', "   "))).name(), "Aladdin");
}

#[test]
fn other_schemes_are_for_others() {
    for header in ["", "Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Basics YTpi", "Basi YTpi", " "] {
        assert!(matches!(ask(&basic(), header), Verdict::Absent), "{header:?}");
    }
    let headers = HeaderMap::new();
    assert!(matches!(basic().authenticate(&Presented::of(&headers)), Verdict::Absent));
}

#[test]
fn the_first_colon_ends_the_name() {
    let read = |user_pass: &str| known(ask(&both(), &token(user_pass.as_bytes())));
    assert_eq!(read("a:b:c"), ("a".to_owned(), "b:c".to_owned()));
    assert_eq!(read("a::"), ("a".to_owned(), ":".to_owned()));
    assert_eq!(read("a:"), ("a".to_owned(), String::new()));
    assert_eq!(read(":b"), (String::new(), "b".to_owned()));
    assert_eq!(read(":"), (String::new(), String::new()));
    let users = StaticUsers::new([("a", "b:c")]).unwrap();
    assert_eq!(known(ask(&Basic::new("", users), &token(b"a:b:c"))).name(), "a");
}

#[test]
fn text_stays_as_it_came() {
    // U+00E9, and the same letter in two parts: two passwords.
    let users = StaticUsers::new([("ada", "caf\u{e9}")]).unwrap();
    let basic = Basic::new("", users);
    assert_eq!(known(ask(&basic, &token("ada:caf\u{e9}".as_bytes()))).name(), "ada");
    let other = denied(ask(&basic, &token("ada:cafe\u{301}".as_bytes())));
    assert_eq!(other.reason(), Reason::Invalid);
    let spaces = known(ask(&both(), &token(b" a : b ")));
    assert_eq!(spaces, (" a ".to_owned(), " b ".to_owned()));
}

#[test]
fn what_is_not_written_right_is_malformed_and_no_user_is_looked_for() {
    let looked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&looked);
    let basic = Basic::new("", move |_: &str, _: &str| {
        counter.fetch_add(1, Ordering::Relaxed);
        Some(())
    });
    let mut cases: Vec<(&str, String)> = [
        ("nothing", "Basic"),
        ("nothing but spaces", "Basic   "),
        ("no padding", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ"),
        ("half the padding", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ="),
        ("too much padding", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==="),
        ("padding alone", "Basic ===="),
        ("bits after the end", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZR=="),
        ("the URL's alphabet", "Basic YTo-Pz8_"),
        ("a space inside", "Basic QWxhZGRpbjpv cGVuIHNlc2FtZQ=="),
        ("more after it", "Basic YTpi, Basic YTpi"),
        ("a parameter", "Basic credentials=\"YTpi\""),
        ("in the clear", "Basic a:b"),
        ("one letter", "Basic Y"),
    ]
    .map(|(case, header)| (case, header.to_owned()))
    .into();
    let bytes: [(&str, &[u8]); 9] = [
        ("no colon", b"Aladdin"),
        ("Latin-1", b"test:123\xa3"),
        ("overlong UTF-8", b"a\xc0\xba:b"),
        ("half a letter", b"a:\xc2"),
        ("a control character in the name", b"a\n:b"),
        ("a control character in the password", b"a:b\0"),
        ("DEL", b"a:\x7f"),
        ("a control character after ASCII", "a:\u{85}".as_bytes()),
        ("a control character before the colon is not there", b"\x1b"),
    ];
    cases.extend(bytes.map(|(case, bytes)| (case, token(bytes))));
    for (case, header) in cases {
        let denied = denied(ask(&basic, &header));
        assert_eq!(denied.reason(), Reason::Malformed(Malformed::Syntax), "{case}");
        assert_eq!(denied.scheme(), Some("Basic"), "{case}");
        assert!(denied.source().is_none(), "{case}");
    }
    assert_eq!(looked.load(Ordering::Relaxed), 0);
}

#[test]
fn a_header_that_cannot_be_read_is_not_taken_for_another() {
    let malformed = |headers: &HeaderMap| denied(both().authenticate(&Presented::of(headers)));
    let mut headers = HeaderMap::new();
    headers.append(AUTHORIZATION, ALADDIN.parse().unwrap());
    headers.append(AUTHORIZATION, ALADDIN.parse().unwrap());
    assert_eq!(malformed(&headers).reason(), Reason::Malformed(Malformed::Several));

    let long = token(&[b':'; MAX_CREDENTIALS]);
    headers.insert(AUTHORIZATION, long.parse().unwrap());
    assert_eq!(malformed(&headers).reason(), Reason::Malformed(Malformed::TooLong));

    for bytes in [b"Basic \xa3".as_slice(), b"Basic \tYTpi"] {
        headers.insert(AUTHORIZATION, HeaderValue::from_bytes(bytes).unwrap());
        assert_eq!(malformed(&headers).reason(), Reason::Malformed(Malformed::NotText));
        assert_eq!(malformed(&headers).scheme(), None);
    }
}

#[test]
fn the_longest_header_is_read() {
    let header = token(&[b':'; (MAX_CREDENTIALS - "Basic ".len()) / 4 * 3]);
    assert!(header.len() > MAX_CREDENTIALS - 4);
    let (name, password) = known(ask(&both(), &header));
    assert_eq!((name, password), (String::new(), ":".repeat(8186 / 4 * 3 - 1)));
}

proptest! {
    #[test]
    fn what_a_client_writes_a_server_reads(name in "\\PC{0,20}", password in "\\PC{0,20}") {
        let name = name.replace(':', "");
        match basic::header(&name, &password) {
            Ok(header) => {
                let read = known(ask(&both(), header.to_str().unwrap()));
                assert_eq!(read, (name, password));
            }
            Err(unfit) => panic!("{unfit}"),
        }
    }

    #[test]
    fn whatever_comes_is_read_or_refused(token in "Basic [ -~]{0,40}") {
        match ask(&both(), &token) {
            Verdict::Known(Ok((name, password))) => {
                let header = basic::header(&name, &password).unwrap();
                assert_eq!(header.to_str().unwrap(), format!("Basic {}", token[6..].trim()));
            }
            Verdict::Known(Err(denied)) => {
                assert_eq!(denied.reason(), Reason::Malformed(Malformed::Syntax));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn bytes_are_read_or_refused(
        bytes in proptest::collection::vec(0_u8.., 0..40).prop_filter("no token", |it| !it.is_empty()),
    ) {
        let is_text = str::from_utf8(&bytes)
            .is_ok_and(|text| text.contains(':') && !text.chars().any(char::is_control));
        let verdict = ask(&both(), &token(&bytes));
        assert_eq!(matches!(verdict, Verdict::Known(Ok(_))), is_text);
    }
}

// ===== users =====

#[test]
fn a_wrong_name_and_a_wrong_password_are_one_answer() {
    let said = |user_pass: &[u8]| {
        let denied = denied(ask(&basic(), &token(user_pass)));
        let mut details = Details::default();
        denied.describe(&mut details);
        (denied.reason(), denied.scheme(), format!("{denied} {denied:?} {details:?}"))
    };
    let wrong_password = said(b"Aladdin:open simsim");
    assert_eq!((wrong_password.0, wrong_password.1), (Reason::Invalid, Some("Basic")));
    for other in ["Aladin:open sesame", "aladdin:open sesame", "Aladdin:", ":", "test:open sesame"]
    {
        assert_eq!(said(other.as_bytes()), wrong_password, "{other}");
    }

    // Also of a store that tells them apart.
    let basic = Basic::new("", |name: &str, _: &str| match name {
        "ada" => Verdict::Known(Err::<User, _>(Denied::new(Reason::Invalid))),
        _ => Verdict::Absent,
    });
    let said = |user_pass: &[u8]| format!("{:?}", denied(ask(&basic, &token(user_pass))));
    assert_eq!(said(b"ada:wrong"), said(b"bob:wrong"));
}

#[test]
fn a_store_may_say_why_not() {
    let basic = Basic::new("", |_: &str, _: &str| Err::<User, _>(Denied::new(Reason::Expired)));
    let denied = denied(ask(&basic, ALADDIN));
    assert_eq!((denied.reason(), denied.scheme()), (Reason::Expired, Some("Basic")));
}

#[tokio::test]
async fn a_store_may_have_to_wait() {
    let (sender, receiver) = oneshot::channel::<Option<User>>();
    let receiver = std::sync::Mutex::new(Some(receiver));
    let basic = Basic::new("", move |_: &str, _: &str| {
        let answer = receiver.lock().unwrap().take().unwrap();
        Verdict::later(async move {
            answer.await.unwrap().ok_or_else(|| Denied::new(Reason::Unavailable))
        })
    });
    let Verdict::Later(later) = ask(&basic, ALADDIN) else { panic!("it is known at once") };
    let mut later = task::spawn(later);
    assert_pending!(later.poll());
    sender.send(None).unwrap();
    let denied = assert_ready!(later.poll()).unwrap_err();
    assert_eq!((denied.reason(), denied.scheme()), (Reason::Unavailable, Some("Basic")));
}

#[test]
fn stores_can_be_shared() {
    let users: Arc<StaticUsers> = Arc::new(users());
    assert_eq!(users.generation(), 0);
    assert_eq!(known(ask(&Basic::new("", Arc::clone(&users)), TEST)).name(), "test");
    let erased: Arc<dyn Users<Identity = User>> = users;
    assert_eq!(known(ask(&Basic::new("", erased), TEST)).name(), "test");
}

#[test]
fn a_user_is_known_by_name_and_has_no_more_than_that() {
    let ada = User::new("ada");
    assert_eq!(
        (ada.name(), ada.to_string(), format!("{ada:>5}")),
        ("ada", "ada".into(), "  ada".into())
    );
    assert!(!ada.has_scope("ada") && !ada.has_role("ada"));
}

#[test]
fn users_who_cannot_be_kept_are_refused_when_they_are_given() {
    let wrong = |users: &[(&str, &str)]| StaticUsers::new(users.iter().copied()).unwrap_err();
    assert!(matches!(
        wrong(&[("a", "s3cret"), ("", "s3cret")]),
        BadUsers::NoName { position: 2, .. }
    ));
    assert!(matches!(wrong(&[("a", "")]), BadUsers::NoPassword { position: 1, .. }));
    let twice = wrong(&[("a", "s3cret"), ("b", "s3cret"), ("a", "0ther")]);
    assert!(matches!(twice, BadUsers::Twice { position: 3, first: 1, .. }), "{twice:?}");
    for (users, wrong_with) in [
        (("na:me", "s3cret"), Unfit::Colon),
        (("na\nme", "s3cret"), Unfit::Control),
        (("name", "s3cret\n"), Unfit::Control),
    ] {
        let error = wrong(&[users]);
        let BadUsers::Unfit { position: 1, unfit, .. } = error else { panic!("{error:?}") };
        assert_eq!(unfit, wrong_with);
    }
    assert!(StaticUsers::new([("a", "same"), ("b", "same")]).is_ok_and(|users| users.len() == 2));
}

#[test]
fn where_there_are_no_users_nobody_gets_in() {
    let users = StaticUsers::new::<&str, &str>([]).unwrap();
    assert!(users.is_empty());
    assert_eq!(denied(ask(&Basic::new("", users), ALADDIN)).reason(), Reason::Invalid);
}

// ===== what is said =====

#[test]
fn the_realm_is_quoted() {
    let of = |realm| challenge(&Basic::new(realm, users()));
    assert_eq!(of("caves"), r#"Basic realm="caves", charset="UTF-8""#);
    let quoted = of("Ali \"Baba\" \\ 40\r\nX-Evil: 1\u{e9}");
    assert_eq!(quoted, r#"Basic realm="Ali \"Baba\" \\ 40X-Evil: 1", charset="UTF-8""#);
    assert_eq!(of(""), r#"Basic realm="", charset="UTF-8""#);
}

#[test]
fn nothing_that_is_secret_is_ever_shown() {
    let basic = basic();
    let mut shown = vec![format!("{basic:?}"), format!("{:?}", Auth::new(Basic::new("", users())))];
    for sent in ["Aladdin:open simsim", "Aladin:open sesame", "sesame", "Aladdin:open sesame\n"] {
        let denied = denied(ask(&basic, &token(sent.as_bytes())));
        let mut details = Details::default();
        denied.describe(&mut details);
        shown.push(format!("{denied} {denied:?} {:?} {details:?}", denied.source()));
    }
    shown.push(format!("{:?}", ask(&basic, ALADDIN)));
    shown.push(format!("{:?}", basic::header("Aladdin", "open sesame")));
    for header in [("na:me", "open sesame"), ("name", "open\tsesame")] {
        let unfit = basic::header(header.0, header.1).unwrap_err();
        shown.push(format!("{unfit} {unfit:?}"));
    }
    for users in [[("na:me", "sesame"), ("b", "c")], [("Ali", "sesame"), ("Ali", "sesame")]] {
        let wrong = StaticUsers::new(users).unwrap_err();
        shown.push(format!("{wrong} {wrong:?}"));
    }
    for text in shown {
        let secrets = ["sesame", "simsim", "Aladin", "Ali", "na:me", "QWxh", "c2VzYW1l"];
        // The one that was let in is not.
        let text = text.replace("User(\"Aladdin\")", "");
        assert!(!secrets.iter().any(|secret| text.contains(secret)), "{text}");
    }
}

#[test]
fn what_a_header_cannot_carry_is_not_written() {
    assert_eq!(basic::header("a:b", "c"), Err(Unfit::Colon));
    assert_eq!(basic::header("a", "b\u{0}"), Err(Unfit::Control));
    assert_eq!(basic::header("a\u{7f}", "b"), Err(Unfit::Control));
    assert_eq!(basic::header("test", "123\u{a3}").unwrap(), TEST);
    assert_eq!(basic::header("a", "b:c").unwrap(), token(b"a:b:c").as_str());
    let key_as_name = basic::header("key", "").unwrap();
    assert!(key_as_name.is_sensitive());
    assert_eq!(key_as_name, token(b"key:").as_str());
}

#[test]
fn all_of_it_can_be_shared_by_threads() {
    fn assert_send_sync<T: Send + Sync>() {}
    assert_send_sync::<(Basic<StaticUsers>, User, BadUsers, Unfit)>();
}
