//! When a token is valid: `exp`, `nbf`, `iat`, to the second.

use super::{NOW, claiming, clock, good, refusal, token, verified, verifier, with, without};
use kit_auth::jwt::{Key, KeySet, TokenError, Verified, Verifier};
use serde_json::{Value, json};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

const SECOND: Duration = Duration::from_secs(1);
/// By default.
const LEEWAY: u64 = 5;

/// A token with this text where the claim's value is: JSON, or not.
fn saying(claim: &str, value: &str) -> String {
    let claims = with(claim, "@").to_string();
    claiming(claims.replace("\"@\"", value))
}

fn expired(ago: u64) -> TokenError {
    TokenError::Expired(Duration::from_secs(ago))
}

fn early(ahead: u64) -> TokenError {
    TokenError::Early(Duration::from_secs(ahead))
}

/// Says what becomes of a token whose claim is `offset` seconds from now.
fn at(verifier: &Verifier, claim: &str, offset: i64) -> Result<(), TokenError> {
    let token = claiming(with(claim, NOW.checked_add_signed(offset).unwrap()));
    verifier.verify(&token).map(drop)
}

// ----- when

#[test]
fn a_token_is_taken_until_it_expires_and_the_leeway_longer() {
    let leeway = i64::try_from(LEEWAY).unwrap();
    for offset in [1, 0, -1, 1 - leeway] {
        assert_eq!(at(&verifier(), "exp", offset), Ok(()), "{offset}");
    }
    assert_eq!(at(&verifier(), "exp", -leeway), Err(expired(5)));
    assert_eq!(at(&verifier(), "exp", -leeway - 1), Err(expired(6)));
    assert_eq!(at(&verifier(), "exp", -86_400), Err(expired(86_400)));
    for (leeway, last) in [(0, 1), (1, 0), (60, -59), (3600, -3599)] {
        let verifier = verifier().leeway(Duration::from_secs(leeway));
        assert_eq!(at(&verifier, "exp", last), Ok(()), "{leeway}");
        assert_eq!(at(&verifier, "exp", last - 1), Err(expired(leeway)), "{leeway}");
    }
}

#[test]
fn a_token_is_taken_from_its_time_on_and_the_leeway_earlier() {
    for claim in ["nbf", "iat"] {
        for offset in [-1_000_000_000, -1, 0, 1, 5] {
            assert_eq!(at(&verifier(), claim, offset), Ok(()), "{claim}: {offset}");
        }
        assert_eq!(at(&verifier(), claim, 6), Err(early(6)));
        assert_eq!(at(&verifier(), claim, 59), Err(early(59)));
        let exact = verifier().leeway(Duration::ZERO);
        assert_eq!((at(&exact, claim, 0), at(&exact, claim, 1)), (Ok(()), Err(early(1))));
    }
    // The later of them counts.
    let mut both = with("nbf", NOW + 30);
    both["iat"] = json!(NOW + 20);
    assert_eq!(refusal(&claiming(&both)), early(30));
    both["iat"] = json!(NOW + 40);
    assert_eq!(refusal(&claiming(&both)), early(40));
}

#[test]
fn a_part_of_a_second_counts() {
    fn half() -> SystemTime {
        clock() + SECOND / 2
    }
    let half = verifier().clock(half).leeway(Duration::ZERO);
    assert_eq!(at(&half, "exp", 1), Ok(()));
    let error = at(&half, "exp", 0).unwrap_err();
    assert_eq!(error, TokenError::Expired(SECOND / 2));
    assert_eq!(at(&half, "nbf", 1), Err(TokenError::Early(SECOND / 2)));
    let exact = verifier().leeway(Duration::ZERO);
    let text = |claim: &str, part: &str| saying(claim, &format!("{NOW}{part}"));
    exact.verify(&text("exp", ".25")).unwrap();
    exact.verify(&text("exp", ".0")).unwrap_err();
    exact.verify(&text("nbf", ".0")).unwrap();
    exact.verify(&text("nbf", ".25")).unwrap_err();
}

#[test]
fn a_token_that_is_remembered_expires_all_the_same() {
    static TIME: AtomicU64 = AtomicU64::new(NOW);
    fn ticking() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(TIME.load(Ordering::SeqCst))
    }
    let verifier = verifier().clock(ticking).max_age(Duration::from_secs(90)).cache(8);
    let verified_at = |token: &str, seconds: u64| {
        TIME.store(NOW + seconds, Ordering::SeqCst);
        verifier.verify(token).map(drop)
    };
    let mut over_at_60 = with("iat", NOW);
    over_at_60["exp"] = json!(NOW + 60);
    let mut old_at_90 = with("iat", NOW);
    old_at_90["exp"] = json!(NOW + 1000);
    let (over_at_60, old_at_90) = (claiming(over_at_60), claiming(old_at_90));
    for seconds in [0, 0, 59, 60, 64] {
        assert_eq!(verified_at(&over_at_60, seconds), Ok(()), "{seconds}");
        assert_eq!(verified_at(&old_at_90, seconds), Ok(()), "{seconds}");
    }
    assert_eq!(verified_at(&over_at_60, 65), Err(expired(5)));
    for seconds in [65, 89, 90, 94] {
        assert_eq!(verified_at(&old_at_90, seconds), Ok(()), "{seconds}");
    }
    assert_eq!(verified_at(&old_at_90, 95), Err(TokenError::TooOld));
}

#[test]
fn any_leeway_will_do() {
    let endless = verifier().leeway(Duration::MAX);
    assert_eq!(at(&endless, "exp", -1_000_000_000), Ok(()));
    assert_eq!(at(&endless, "nbf", 1_000_000_000), Ok(()));
    endless.verify(&saying("exp", "18446744073709551615")).unwrap();
    endless.max_age(Duration::MAX).verify(&claiming(with("iat", u64::MAX))).unwrap();
}

#[test]
fn a_token_may_be_so_old_if_that_is_said() {
    let young = verifier().max_age(Duration::from_secs(100));
    assert_eq!(young.verify(&token()).unwrap_err(), TokenError::Missing("iat"));
    for offset in [0, -100, -104] {
        assert_eq!(at(&young, "iat", offset), Ok(()), "{offset}");
    }
    assert_eq!(at(&young, "iat", -105), Err(TokenError::TooOld));
    assert_eq!(at(&young, "iat", 6), Err(early(6)));
    // It expires all the same.
    let mut old = with("iat", NOW - 50);
    old["exp"] = json!(NOW - 5);
    assert_eq!(young.verify(&claiming(old)).unwrap_err(), expired(5));
    assert_eq!(at(&verifier(), "iat", -1_000_000_000), Ok(()), "any age by default");
    let exact = verifier().max_age(Duration::ZERO).leeway(SECOND);
    assert_eq!((at(&exact, "iat", 0), at(&exact, "iat", -1)), (Ok(()), Err(TokenError::TooOld)));
}

#[test]
fn the_time_is_the_systems_by_default() {
    let secret = [7; 32];
    let algorithm = kit_auth::jwt::Algorithm::HS256;
    let keys = KeySet::new([Key::secret(algorithm, &secret).unwrap()]).unwrap();
    let verifier = Verifier::new(keys, super::ISSUER, super::AUDIENCE);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let token = |exp: u64| {
        let claims = with("exp", exp);
        let key = jsonwebtoken::EncodingKey::from_secret(&secret);
        jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
    };
    verifier.verify(&token(now + 3600)).unwrap();
    let error = verifier.verify(&token(now - 3600)).unwrap_err();
    assert!(matches!(error, TokenError::Expired(ago) if ago.as_secs() >= 3600), "{error:?}");
}

#[test]
fn a_clock_before_1970_stops_nothing() {
    fn before() -> SystemTime {
        SystemTime::UNIX_EPOCH - SECOND
    }
    verifier().clock(before).verify(&token()).unwrap();
}

// ----- what a time is

#[test]
fn a_time_is_a_number_of_seconds() {
    let far = [
        "1700000060",
        "1700000060.0",
        "1700000060.75",
        "1.70000006e9",
        "170000006E1",
        "17000000600e-1",
        "99999999999",
        "1e15",
        "9007199254740993",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "1.8e19",
    ];
    for exp in far {
        let claims = verified(&saying("exp", exp));
        assert!(claims.expires.unwrap().as_secs() >= NOW + 60, "{exp}");
    }
    for past in ["0", "-0", "0.0", "-0.0", "1", "1e-400", "1.5", "1699999994.9"] {
        let error = refusal(&saying("exp", past));
        assert!(matches!(error, TokenError::Expired(_)), "{past}: {error:?}");
        for claim in ["nbf", "iat"] {
            verified(&saying(claim, past));
        }
    }
    for claim in ["nbf", "iat"] {
        for future in &far[..] {
            let error = refusal(&saying(claim, future));
            assert!(matches!(error, TokenError::Early(_)), "{claim} {future}: {error:?}");
        }
    }
}

#[test]
fn what_is_no_time_is_refused() {
    for claim in ["exp", "nbf", "iat"] {
        for value in [
            "-1",
            "-1700000060",
            "-9223372036854775808",
            "-9223372036854775809",
            "-0.5",
            "-1e-3",
            "1e400",
            "-1e400",
            "1e309",
            "1e300",
            "1e20",
            "18446744073709551616",
            "99999999999999999999999999999999",
            "1.8446744073709552e19",
            "\"1700000060\"",
            "\"\"",
            "\"2023-11-14T22:13:20Z\"",
            "true",
            "false",
            "[]",
            "[1700000060]",
            "{}",
            "{\"$numberLong\":\"1700000060\"}",
            // No JSON.
            "NaN",
            "Infinity",
            "-Infinity",
            "+1700000060",
            "01700000060",
            "1700000060.",
            ".5",
            "0x6553f13c",
            "1_700_000_060",
            "1700000060 1",
            "",
        ] {
            assert_eq!(refusal(&saying(claim, value)), TokenError::Claims, "{claim}: {value}");
        }
    }
}

#[test]
fn a_token_must_say_when_it_expires_and_no_more() {
    assert_eq!(refusal(&claiming(without("exp"))), TokenError::Missing("exp"));
    assert_eq!(refusal(&saying("exp", "null")), TokenError::Missing("exp"));
    for claim in ["nbf", "iat"] {
        assert!(good()[claim].is_null());
        verified(&saying(claim, "null"));
        verified(&saying(claim, " null\n"));
    }
    // Whatever the claims are read as.
    let value: Verified<Value> = verifier().claims().verify(&token()).unwrap();
    assert_eq!(*value, good());
    let error = verifier().claims::<Value>().verify(&claiming(without("exp"))).unwrap_err();
    assert_eq!(error, TokenError::Missing("exp"));
}
