//! `greeter token`.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use greeter::{
    flags::{Command, Token, parse},
    token::{JWKS, KEY, make},
};
use kit_auth::jwt::{Claims, KeySet, TokenError, Verified, Verifier};
use kit_transport::Report;
use std::{fs, path::Path, time::Duration};
use tempfile::TempDir;

fn flags(folder: &Path) -> Token {
    match parse(["token", "--out", folder.to_str().unwrap()], |_| None) {
        Ok(Command::Token(token)) => token,
        other => panic!("{other:?}"),
    }
}

/// Verifies a token as `greeter serve` does by the set in a folder.
fn verified(
    folder: &Path,
    token: &str,
    issuer: &str,
    audience: &str,
) -> Result<Verified<Claims>, TokenError> {
    let keys = KeySet::jwks(&fs::read(folder.join(JWKS)).unwrap()).unwrap();
    Verifier::new(keys, issuer, audience).verify(token)
}

#[test]
fn a_token_is_good_by_the_set_beside_its_key() {
    let folder = TempDir::new().unwrap();
    let made = make(&flags(folder.path())).unwrap();
    let claims = verified(folder.path(), &made.token, "greeter", "greeter").unwrap();
    assert_eq!(claims.subject.as_deref(), Some("Ada"));
    assert_eq!(claims.scope, None);
    let lifetime = claims.expires.unwrap().checked_sub(claims.issued.unwrap()).unwrap();
    assert_eq!(lifetime, Duration::from_hours(1));
    assert_eq!(
        verified(folder.path(), &made.token, "greeter", "other").err(),
        Some(TokenError::Audience),
    );

    let flags = Token {
        issuer: "a".to_owned(),
        audience: "b".to_owned(),
        subject: "c \"d\"".to_owned(),
        scope: Some("e f".to_owned()),
        lifetime: Duration::from_secs(1),
        ..flags(folder.path())
    };
    let claims = verified(folder.path(), &make(&flags).unwrap().token, "a", "b").unwrap();
    assert_eq!(claims.subject.as_deref(), Some("c \"d\""));
    assert_eq!(claims.scope.as_deref(), Some("e f"));
}

#[test]
fn the_key_of_before_signs_again_and_no_file_is_written_over() {
    let folder = TempDir::new().unwrap();
    let flags = flags(folder.path());
    let first = make(&flags).unwrap();
    let read = || [KEY, JWKS].map(|name| fs::read(folder.path().join(name)).unwrap());
    let files = read();
    let second = make(&flags).unwrap();
    assert_eq!(read(), files);
    for made in [first, second] {
        verified(folder.path(), &made.token, "greeter", "greeter").unwrap();
    }
    // The public one can be made anew.
    fs::remove_file(folder.path().join(JWKS)).unwrap();
    make(&flags).unwrap();
    assert_eq!(read(), files);
}

#[cfg(unix)]
#[test]
fn nobody_else_reads_the_private_key() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().unwrap();
    make(&flags(folder.path())).unwrap();
    let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
    assert_eq!(mode(KEY) & 0o777, 0o600);
    assert_eq!(mode(JWKS) & 0o600, 0o600);
}

#[test]
fn files_of_others_stay_and_are_named() {
    let (folder, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    make(&flags(other.path())).unwrap();
    let said = |folder: &Path| Report(&make(&flags(folder)).unwrap_err()).to_string();
    // A set without its key.
    fs::copy(other.path().join(JWKS), folder.path().join(JWKS)).unwrap();
    let set = said(folder.path());
    assert!(set.contains(JWKS) && set.contains("is not of"), "{set}");
    assert!(!folder.path().join(KEY).exists());
    // A set of another key.
    fs::remove_file(folder.path().join(JWKS)).unwrap();
    make(&flags(folder.path())).unwrap();
    fs::copy(other.path().join(JWKS), folder.path().join(JWKS)).unwrap();
    let set = said(folder.path());
    assert!(set.contains(JWKS) && set.contains("name another folder by --out"), "{set}");
    // A key of another kind.
    for text in ["", "secret", "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"]
    {
        fs::write(folder.path().join(KEY), text).unwrap();
        let key = said(folder.path());
        assert!(key.contains(KEY) && key.contains("no key of `greeter token`"), "{key}");
        assert_eq!(fs::read_to_string(folder.path().join(KEY)).unwrap(), text);
    }
    let nowhere = said(&folder.path().join("nowhere"));
    assert!(nowhere.starts_with("cannot make ") && nowhere.contains("No such file"), "{nowhere}");
}

#[test]
fn it_says_how_to_serve_and_nothing_of_the_token() {
    let folder = TempDir::new().unwrap();
    let flags = Token {
        audience: "Ada's".to_owned(),
        issuer: String::from("https://a.example/?b"),
        ..flags(folder.path())
    };
    let made = make(&flags).unwrap();
    let mut told = Vec::new();
    made.told(&mut told).unwrap();
    let told = String::from_utf8(told).unwrap();
    let jwks = folder.path().join(JWKS);
    let serve = format!(
        r"greeter serve --jwt-jwks {} --jwt-issuer 'https://a.example/?b' --jwt-audience 'Ada'\''s'",
        jwks.display(),
    );
    assert!(told.lines().any(|line| line == serve), "{told}");
    for said in [told, format!("{made:?}")] {
        assert!(!said.contains(&made.token), "{said}");
    }
}
