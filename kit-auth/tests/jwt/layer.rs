//! Tokens in requests, through the layer: who gets 200, and what all others hear.

use super::{
    AUDIENCE, ISSUER, NOW, base64url, claiming, clock, headed, key, knowing, token, verifier, with,
    without,
};
use http::{
    HeaderValue, Request, Response, StatusCode,
    header::{AUTHORIZATION, WWW_AUTHENTICATE},
};
use kit_auth::{
    AsGrpc, AsHttp, Auth, Authenticator, Credentials, Denied, MAX_CREDENTIALS, Malformed,
    Presented, Reason, Verdict,
    jwt::{Algorithm, Claims, KeySet, Keys, TokenError, Verified, Verifier},
};
use kit_endpoint::{Fault, Kind};
use serde_json::json;
use std::{convert::Infallible, error::Error, time::Duration};
use tokio_test::{assert_ready_ok, task};
use tower::{Layer, ServiceExt, service_fn};

type Authorization = Vec<HeaderValue>;

/// A header with this text, or bytes.
fn one(value: impl AsRef<[u8]>) -> Authorization {
    vec![HeaderValue::from_bytes(value.as_ref()).unwrap()]
}

fn bearer(token: &str) -> Authorization {
    one(format!("Bearer {token}"))
}

/// Says what a service answers whose endpoint greets whom the token is about.
fn answer(auth: &Auth<Verifier>, authorization: &Authorization) -> Response<String> {
    let greet = service_fn(async |request: Request<()>| {
        let claims = request.extensions().get::<Verified<Claims>>().expect("it was let in");
        let name = claims.subject.clone().unwrap_or_default();
        Ok::<_, Infallible>(Response::new(format!("Hello, {name}!")))
    });
    let service = auth.layer().refuse(AsHttp).layer(greet);
    let mut request = Request::new(());
    for value in authorization {
        request.headers_mut().append(AUTHORIZATION, value.clone());
    }
    assert_ready_ok!(task::spawn(service.oneshot(request)).poll())
}

fn challenges(response: &Response<String>) -> Vec<&str> {
    let values = response.headers().get_all(WWW_AUTHENTICATE).iter();
    values.map(|value| value.to_str().unwrap()).collect()
}

fn verdict(verifier: &Verifier, authorization: &Authorization) -> Verdict<Verified<Claims>> {
    let mut headers = http::HeaderMap::new();
    for value in authorization {
        headers.append(AUTHORIZATION, value.clone());
    }
    verifier.authenticate(&Presented::of(&headers))
}

fn denied(verifier: &Verifier, authorization: &Authorization) -> Denied {
    match verdict(verifier, authorization) {
        Verdict::Known(Err(denied)) => denied,
        verdict => panic!("{verdict:?}"),
    }
}

/// By which check it failed: for logs.
fn cause(denied: &Denied) -> Option<TokenError> {
    denied.source().map(|source| *source.downcast_ref().expect("it is said by the token"))
}

// ----- what is presented, and how

#[test]
fn the_scheme_is_bearer_in_any_case_and_a_token_follows() {
    let token = token();
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        for spaces in [" ", "  ", "          "] {
            let value = one(format!("{scheme}{spaces}{token}"));
            assert!(matches!(verdict(&verifier(), &value), Verdict::Known(Ok(_))), "{value:?}");
        }
    }
    // Another scheme is none of its own.
    for value in [
        String::new(),
        " ".to_owned(),
        token.clone(),
        format!("Basic {token}"),
        format!("Bearers {token}"),
        format!("Beare {token}"),
        format!("JWT {token}"),
        format!("Token {token}"),
        format!("DPoP {token}"),
        format!("Bearer:{token}"),
        format!("Bearer={token}"),
        format!("Bearer,{token}"),
        format!("Bearer{token}"),
        format!("\"Bearer\" {token}"),
    ] {
        let verdict = verdict(&verifier(), &one(&value));
        assert!(matches!(verdict, Verdict::Absent), "{value}: {verdict:?}");
    }
    assert!(matches!(verdict(&verifier(), &Vec::new()), Verdict::Absent));
    for value in [format!("Bearer\t{token}"), format!("Bearer \t{token}")] {
        let denied = denied(&verifier(), &one(&value));
        assert_eq!(denied.reason(), Reason::Malformed(Malformed::NotText), "{value:?}");
    }
    for value in ["Bearer", "Bearer ", "Bearer    ", "bearer"] {
        let denied = denied(&verifier(), &one(value));
        assert_eq!(denied.reason(), Reason::Malformed(Malformed::Syntax), "{value:?}");
    }
    for value in [
        format!("Bearer {token} {token}"),
        format!("Bearer {token},"),
        format!("Bearer Bearer {token}"),
        format!("Bearer token={token}"),
        format!("Bearer \"{token}\""),
        format!("Bearer {token};x"),
        format!("Bearer <{token}>"),
        format!("Bearer {token}, Bearer {token}"),
    ] {
        let denied = denied(&verifier(), &one(&value));
        assert_eq!(denied.reason(), Reason::Malformed(Malformed::Syntax), "{value}");
    }
}

#[test]
fn a_token_that_is_sent_in_another_way_is_not_looked_at() {
    let token = token();
    let auth = Auth::new(verifier());
    let greet =
        service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(String::new())));
    let service = auth.layer().refuse(AsHttp).layer(greet);
    let requests = [
        Request::get(format!("http://greeter.example/?access_token={token}")),
        Request::get("/").header("x-authorization", format!("Bearer {token}")),
        Request::get("/").header("proxy-authorization", format!("Bearer {token}")),
        Request::get("/").header("cookie", format!("access_token={token}")),
        Request::get("/").header("x-forwarded-access-token", &token),
    ];
    for request in requests {
        let request = request.body(()).unwrap();
        let reply = assert_ready_ok!(task::spawn(service.clone().oneshot(request)).poll());
        assert_eq!(reply.status(), StatusCode::UNAUTHORIZED);
    }
}

// ----- reasons

#[test]
fn each_failure_has_its_reason_and_its_kind() {
    let late = claiming(with("exp", NOW - 100));
    let soon = claiming(with("nbf", NOW + 100));
    let made_soon = claiming(with("iat", NOW + 100));
    let long = "x".repeat(MAX_CREDENTIALS);
    let cut = token().rsplit_once('.').unwrap().0.to_owned();
    let forged = cut.clone() + "." + &base64url([0; 64]);
    let invalid = Reason::Invalid;
    let syntax = Reason::Malformed(Malformed::Syntax);
    for (authorization, reason, source) in [
        (bearer(&late), Reason::Expired, Some(TokenError::Expired(Duration::from_secs(100)))),
        (bearer(&soon), Reason::NotYetValid, Some(TokenError::Early(Duration::from_secs(100)))),
        (
            bearer(&made_soon),
            Reason::NotYetValid,
            Some(TokenError::Early(Duration::from_secs(100))),
        ),
        (bearer(&forged), invalid, Some(TokenError::Signature)),
        (bearer(&headed(r#"{"alg":"none"}"#)), invalid, Some(TokenError::Algorithm)),
        (bearer(&headed(r#"{"alg":"EdDSA","kid":"x"}"#)), invalid, Some(TokenError::UnknownKey)),
        (bearer(&headed(r#"{"alg":"EdDSA","crit":[]}"#)), invalid, Some(TokenError::Critical)),
        (bearer(&headed(r#"{"alg":"EdDSA","typ":"x"}"#)), invalid, Some(TokenError::Type)),
        (bearer(&headed("{}")), invalid, Some(TokenError::Header)),
        (bearer(&claiming("{}")), invalid, Some(TokenError::Missing("iss"))),
        (bearer(&claiming("[]")), invalid, Some(TokenError::Claims)),
        (bearer(&claiming(with("iss", "x"))), invalid, Some(TokenError::Issuer)),
        (bearer(&claiming(with("aud", "x"))), invalid, Some(TokenError::Audience)),
        (bearer(&claiming(without("exp"))), invalid, Some(TokenError::Missing("exp"))),
        (bearer(&cut), syntax, Some(TokenError::Parts)),
        (bearer("x"), syntax, Some(TokenError::Parts)),
        (one("Bearer"), syntax, None),
        (bearer(&long), Reason::Malformed(Malformed::TooLong), None),
        (one(b"Bearer \xe4"), Reason::Malformed(Malformed::NotText), None),
        (
            [bearer(&token()), bearer(&token())].concat(),
            Reason::Malformed(Malformed::Several),
            None,
        ),
        ([one("Basic x"), bearer(&token())].concat(), Reason::Malformed(Malformed::Several), None),
    ] {
        let denied = denied(&verifier(), &authorization);
        assert_eq!((denied.reason(), cause(&denied)), (reason, source), "{authorization:?}");
        assert_eq!(denied.kind(), Kind::Unauthenticated);
        assert_eq!(denied.scheme(), Some("Bearer"));
        assert_eq!(denied.to_string(), reason.to_string(), "it says no more");
    }
    let short = verifier().max_token(10);
    let denied = denied(&short, &bearer(&token()));
    assert_eq!(denied.reason(), Reason::Malformed(Malformed::TooLong));
    assert_eq!(cause(&denied), Some(TokenError::TooLong));
}

#[test]
fn without_keys_a_token_cannot_be_checked_now() {
    let verifier: Verifier = Verifier::new(Keys::empty(), ISSUER, AUDIENCE).clock(clock);
    let denied = denied(&verifier, &bearer(&token()));
    assert_eq!((denied.reason(), denied.kind()), (Reason::Unavailable, Kind::Unavailable));
    assert_eq!(cause(&denied), Some(TokenError::NoKeys));
    let auth = Auth::new(verifier);
    let reply = answer(&auth, &bearer(&token()));
    assert_eq!(reply.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(challenges(&reply), [""; 0], "it is not the caller's to mend");
    // Who shows none is told to, all the same.
    let reply = answer(&auth, &Vec::new());
    assert_eq!((reply.status(), challenges(&reply)), (StatusCode::UNAUTHORIZED, vec!["Bearer"]));
    // When the keys are there, so is the answer.
    let keys = auth.authenticator().keys().clone();
    keys.set(KeySet::new([key(Algorithm::EdDSA)]).unwrap());
    assert_eq!(answer(&auth, &bearer(&token())).status(), StatusCode::OK);
    keys.clear();
    assert_eq!(answer(&auth, &bearer(&token())).status(), StatusCode::SERVICE_UNAVAILABLE);
}

// ----- challenges (RFC 6750, section 3)

#[test]
fn one_who_shows_no_token_hears_of_no_error() {
    for authorization in [Vec::new(), one("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), one("x")] {
        let reply = answer(&Auth::new(verifier()), &authorization);
        assert_eq!(reply.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(challenges(&reply), ["Bearer"]);
        let reply = answer(&Auth::new(verifier().realm("greetings")), &authorization);
        assert_eq!(challenges(&reply), [r#"Bearer realm="greetings""#]);
    }
}

#[test]
fn one_whose_token_is_not_right_hears_so() {
    let forged = token().rsplit_once('.').unwrap().0.to_owned() + "." + &base64url([0; 64]);
    for (authorization, error, description) in [
        (bearer(&forged), "invalid_token", "the credentials are not right"),
        (bearer(&claiming(with("aud", "x"))), "invalid_token", "the credentials are not right"),
        (
            bearer(&claiming(with("exp", 1))),
            "invalid_token",
            "the credentials are expired: get new ones",
        ),
        (
            bearer(&claiming(with("nbf", NOW + 60))),
            "invalid_token",
            "the credentials are not valid yet",
        ),
        (
            [bearer(&token()), bearer(&token())].concat(),
            "invalid_request",
            "the credentials are there more than once: send one header",
        ),
        (one(b"Bearer \xff"), "invalid_token", "the credentials are not printable ASCII"),
        (one("Bearer"), "invalid_token", "the credentials are not what their scheme asks for"),
    ] {
        let reply = answer(&Auth::new(verifier()), &authorization);
        assert_eq!(reply.status(), StatusCode::UNAUTHORIZED);
        let expected = format!(r#"Bearer error="{error}", error_description="{description}""#);
        assert_eq!(challenges(&reply), [expected.as_str()]);
        let auth = Auth::new(verifier().realm(r#"a "b" \ c"#));
        let reply = answer(&auth, &authorization);
        let expected = format!(
            r#"Bearer realm="a \"b\" \\ c", error="{error}", error_description="{description}""#
        );
        assert_eq!(challenges(&reply), [expected.as_str()]);
    }
}

#[test]
fn a_challenge_can_be_written_in_a_header_whatever_the_realm() {
    for realm in ["", "ä", "a\r\nx: y", "\0", "💥", "\u{7f}", "\"", "\\"] {
        let reply = answer(&Auth::new(verifier().realm(realm)), &bearer("x"));
        let [challenge] = challenges(&reply)[..] else { panic!("one challenge") };
        assert!(challenge.starts_with("Bearer realm=\""), "{challenge}");
        assert!(challenge.contains("\", error=\""), "{challenge}");
        assert!(challenge.chars().all(|char| matches!(char, ' '..='~')), "{challenge}");
    }
}

// ----- who gets 200

#[test]
fn none_but_the_right_token_gets_200() {
    let right = token();
    let auth = Auth::new(knowing([key(Algorithm::EdDSA)]));
    let reply = answer(&auth, &bearer(&right));
    assert_eq!((reply.status(), reply.body().as_str()), (StatusCode::OK, "Hello, ada!"));
    assert_eq!(reply.headers().get(WWW_AUTHENTICATE), None);
    let [header, claims, signature] = right.split('.').collect::<Vec<_>>()[..] else {
        panic!("it has three parts")
    };
    let none = base64url(r#"{"alg":"none"}"#);
    let eve = base64url(with("sub", "eve").to_string());
    let list = [
        bearer(&format!("{none}.{claims}.")),
        bearer(&format!("{none}.{claims}")),
        bearer(&format!("{none}.{claims}.{signature}")),
        bearer(&format!("{header}.{claims}")),
        bearer(&format!("{header}.{claims}.")),
        bearer(&format!("{header}.{eve}.{signature}")),
        bearer(&format!("{header}.{claims}.{signature}=")),
        bearer(&format!("{header}.{claims}.{signature}.")),
        bearer(&format!("{header}.{claims}.{signature}.{signature}")),
        bearer(&right[..right.len() - 1]),
        bearer(&right.to_ascii_lowercase()),
        bearer(&right.replace('.', "%2E")),
        bearer(&claiming(with("iss", "https://evil.example"))),
        bearer(&claiming(with("aud", "other"))),
        bearer(&claiming(with("aud", json!([])))),
        bearer(&claiming(with("exp", NOW - 5))),
        bearer(&claiming(without("exp"))),
        bearer(&claiming(with("exp", (NOW + 60).to_string()))),
        bearer(&claiming(with("nbf", NOW + 6))),
        bearer(&claiming(with("iat", NOW + 6))),
        bearer(&headed(r#"{"alg":"EdDSA","crit":["exp"]}"#)),
        bearer(&headed(r#"{"alg":"EdDSA","b64":false}"#)),
        bearer(&headed(r#"{"alg":"EdDSA","typ":"id+jwt"}"#)),
        bearer(&headed(r#"{"alg":"EdDSA","kid":"../ed"}"#)),
        bearer(&super::token_by(Algorithm::HS256)),
        bearer(&super::token_by(Algorithm::RS256)),
        one(&right),
        one(format!("Basic {right}")),
        Vec::new(),
        [bearer(&right), bearer(&right)].concat(),
    ];
    for authorization in list {
        let reply = answer(&auth, &authorization);
        assert_eq!(reply.status(), StatusCode::UNAUTHORIZED, "{authorization:?}");
        assert_eq!(challenges(&reply).len(), 1);
        let all = format!("{reply:?}");
        for part in [header, claims, signature, "ada", "eve"] {
            assert!(!all.contains(part), "{all}");
        }
    }
    assert_eq!(answer(&auth, &bearer(&right)).status(), StatusCode::OK, "it still does");
}

#[test]
fn over_grpc_it_is_the_same_by_the_metadata() {
    let auth = Auth::new(verifier());
    let greet = service_fn(async |request: kit_endpoint::Request<()>| {
        assert!(request.extensions().get::<Verified<Claims>>().is_some(), "it was let in");
        Ok::<_, Infallible>(Response::new(()))
    });
    let service = auth.layer().refuse(AsGrpc).layer(greet);
    let code = |authorization: Authorization| {
        let mut metadata = http::HeaderMap::new();
        for value in authorization {
            metadata.append(AUTHORIZATION, value);
        }
        let mut request = kit_endpoint::Request::new(());
        request.extensions_mut().insert(Credentials::of(&metadata, &[]));
        let reply = assert_ready_ok!(task::spawn(service.clone().oneshot(request)).poll());
        let header =
            |name: &str| reply.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        (header("grpc-status"), header("www-authenticate"))
    };
    assert_eq!(code(bearer(&token())), (None, None));
    let unauthenticated = || Some("16".to_owned());
    assert_eq!(code(Vec::new()), (unauthenticated(), Some("Bearer".to_owned())));
    let (status, challenge) = code(bearer(&claiming(with("aud", "x"))));
    assert_eq!(status, unauthenticated());
    assert!(challenge.unwrap().contains("invalid_token"));
}
