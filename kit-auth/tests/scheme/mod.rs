//! A scheme whose credentials say themselves what is to become of them.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

use http::{HeaderMap, HeaderValue, Request, header::AUTHORIZATION};
use kit_auth::{Authenticator, Credentials, Denied, Presented, Presents, Reason, Verdict};
use std::{fmt::Debug, time::Duration};

/// Whom the scheme knows.
pub const KNOWN: &str = "Test hunter2";

/// Who it is then.
pub const ADA: User = User("ada");

/// The scheme `Test`; or another, of the same rules.
#[derive(Debug, Clone, Copy)]
pub struct Test {
    pub scheme: &'static str,
    pub knows: User,
}

pub const TEST: Test = Test { scheme: "Test", knows: ADA };

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User(pub &'static str);

/// By what a check failed: for logs.
#[derive(Debug, thiserror::Error)]
#[error("the signature is not by key 7")]
pub struct Forged;

impl Authenticator for Test {
    type Identity = User;

    fn authenticate(&self, presented: &Presented<'_>) -> Verdict<User> {
        let token = match presented.authorization(self.scheme) {
            Ok(Some(token)) => token,
            Ok(None) => return Verdict::Absent,
            Err(malformed) => return Verdict::Known(Err(malformed.into())),
        };
        let denied = |reason| Verdict::Known(Err(Denied::new(reason).of(self.scheme)));
        match token {
            "hunter2" => Verdict::Known(Ok(self.knows)),
            "hunter2-over" => denied(Reason::Expired),
            "hunter2-soon" => denied(Reason::NotYetValid),
            "hunter2-down" => {
                let down = Denied::new(Reason::Unavailable).retry_after(Duration::from_secs(7));
                Verdict::Known(Err(down))
            }
            _ => Verdict::Known(Err(Denied::new(Reason::Invalid).of(self.scheme).because(Forged))),
        }
    }

    fn challenge(&self, denied: &Denied, challenges: &mut Vec<HeaderValue>) {
        let scheme = self.scheme;
        let challenge = match denied.scheme() {
            Some(looked_at) if looked_at == scheme => {
                format!("{scheme} realm=\"t\", error=\"{}\"", denied.reason().name())
            }
            _ => format!("{scheme} realm=\"t\""),
        };
        challenges.push(challenge.parse().expect("it is a header's value"));
    }
}

/// A request with `authorization` headers, of either kind.
pub trait Saying: Presents + Debug + Send + 'static {
    fn saying(authorization: &[&str]) -> Self;
}

fn headers(authorization: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in authorization {
        headers.append(AUTHORIZATION, value.parse().expect("it is a header's value"));
    }
    headers
}

impl Saying for kit_endpoint::Request<()> {
    fn saying(authorization: &[&str]) -> Self {
        let mut request = Self::new(());
        request.extensions_mut().insert(Credentials::of(&headers(authorization), &[]));
        request
    }
}

impl Saying for Request<()> {
    fn saying(authorization: &[&str]) -> Self {
        let mut request = Self::new(());
        *request.headers_mut() = headers(authorization);
        request
    }
}
