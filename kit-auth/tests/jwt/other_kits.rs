//! The cases of other kits' tests of their tokens, and where each is. Those that
//! no other test holds are here.
//!
//! | Go kit, `auth/jwt/middleware_test.go` | here |
//! |---|---|
//! | a signer for claims as a map, registered, custom | the client's tests |
//! | no token in the context | `layer.rs` `one_who_shows_no_token_hears_of_no_error` |
//! | a bad token | `a_bad_token_is_malformed` |
//! | wrong algorithm: the key is never asked for | `signatures.rs` `a_token_of_another_algorithm_than_its_keys_is_refused` |
//! | wrong key | `signatures.rs` `a_signature_of_another_key_is_not_right` |
//! | ok, as a map | `claims_may_be_a_map` |
//! | ok, registered claims | `claims.rs` `registered_claims_are_read` |
//! | ok, custom claims | `claims.rs` `claims_are_read_as_a_type_of_ones_own` |
//! | a malformed token | `a_bad_token_is_malformed` |
//! | expired | `times.rs` `a_token_is_taken_until_it_expires_and_the_leeway_longer` |
//! | not active yet | `times.rs` `a_token_is_taken_from_its_time_on_and_the_leeway_earlier` |
//! | 100 at once, into claims of their own (#562) | `tokens_that_are_verified_at_once_keep_to_themselves` |
//! | its key of 16 bytes | refused: `a_secret_as_short_as_go_kits_is_refused` |
//! | expired, and forged: says that it is expired | not here: `a_forged_token_that_is_over_is_forged` |
//!
//! | Go kit, `auth/jwt/transport_test.go` | here |
//! |---|---|
//! | no header, over HTTP and gRPC | `layer.rs` `one_who_shows_no_token_hears_of_no_error`, `over_grpc_it_is_the_same_by_the_metadata` |
//! | a malformed header is no token | `layer.rs` `the_scheme_is_bearer_in_any_case_and_a_token_follows` |
//! | a token, over HTTP and gRPC | `layer.rs` `none_but_the_right_token_gets_200`, `over_grpc_it_is_the_same_by_the_metadata` |
//!
//! | Gizmo, `auth` | here |
//! |---|---|
//! | a bad header | `a_token_without_the_word_bearer_is_none` |
//! | wrong `kid` | `signatures.rs` `the_id_of_a_key_is_a_name_and_nothing_else` |
//! | expired | as Go kit's |
//! | `iat` ahead | `times.rs` `a_token_is_taken_from_its_time_on_and_the_leeway_earlier` |
//! | good | `signatures.rs` `a_token_of_each_algorithm_is_taken` |
//! | a key source is reused until it expires; max-age | the tests of keys that come from elsewhere |

use super::{
    NOW, base64url, claiming, good, header, private, refusal, sealed, signed, token, verifier, with,
};
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use kit_auth::{
    Authenticator, Presented, Verdict,
    jwt::{Algorithm, BadKey, Claims, Key, TokenError, Verified, Verifier},
};
use serde_json::{Map, Value};
use std::{sync::Barrier, thread};

#[test]
fn a_bad_token_is_malformed() {
    for token in ["", "badToken", "malformed.token", "malformed.jwt.token!", "a.b"] {
        assert_eq!(refusal(token), TokenError::Parts, "{token}");
    }
}

#[test]
fn claims_may_be_a_map() {
    let claims: Verified<Map<String, Value>> =
        verifier().claims().verify(&claiming(with("user", "go-kit"))).unwrap();
    assert_eq!(claims["user"], "go-kit");
    assert_eq!(claims["exp"], NOW + 60);
}

#[test]
fn tokens_that_are_verified_at_once_keep_to_themselves() {
    const MANY: usize = 100;
    let verifier = verifier();
    let barrier = Barrier::new(MANY);
    thread::scope(|scope| {
        for number in 0..MANY {
            let (verifier, barrier) = (&verifier, &barrier);
            scope.spawn(move || {
                let name = format!("user {number}");
                let token = claiming(with("sub", name.as_str()));
                barrier.wait();
                let claims = verifier.verify(&token).unwrap();
                assert_eq!(claims.subject, Some(name));
            });
        }
    });
}

#[test]
fn a_secret_as_short_as_go_kits_is_refused() {
    let bad = Key::secret(Algorithm::HS256, b"test_signing_key").unwrap_err();
    assert_eq!(bad, BadKey::ShortSecret { bytes: 16, least: 32 });
}

#[test]
fn a_forged_token_that_is_over_is_forged() {
    let late = claiming(with("exp", 1));
    assert!(matches!(refusal(&late), TokenError::Expired(_)));
    let forged = format!("{}.{}", late.rsplit_once('.').unwrap().0, base64url([7; 64]));
    assert_eq!(refusal(&forged), TokenError::Signature);
    // And the same of one of another algorithm or key.
    let header = header(Algorithm::EdDSA).to_string();
    let message = format!("{}.{}", base64url(header), base64url(with("exp", 1).to_string()));
    let other = sealed(&private(Algorithm::HS256), Algorithm::HS256, &message);
    assert_eq!(refusal(&other), TokenError::Signature);
    let unknown =
        signed(Algorithm::EdDSA, r#"{"alg":"EdDSA","kid":"x"}"#, with("exp", 1).to_string());
    assert_eq!(refusal(&unknown), TokenError::UnknownKey);
}

#[test]
fn a_token_without_the_word_bearer_is_none() {
    let verifier: Verifier<Claims> = verifier();
    for value in [token(), format!("JWT {}", token()), "Bearer".to_owned()] {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::try_from(value.as_str()).unwrap());
        let verdict = verifier.authenticate(&Presented::of(&headers));
        let is_expected = match verdict {
            Verdict::Absent => value != "Bearer",
            Verdict::Known(Err(_)) => value == "Bearer",
            _ => false,
        };
        assert!(is_expected, "{value}");
    }
}

#[test]
fn what_go_kit_does_not_ask_for_must_be_there() {
    for claim in ["iss", "aud", "exp"] {
        let mut claims = good();
        claims.as_object_mut().unwrap().remove(claim);
        assert_eq!(refusal(&claiming(claims)), TokenError::Missing(claim));
    }
}
