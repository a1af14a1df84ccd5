use super::{Users, credentials};
use crate::{Authenticator, Denied, Malformed, Presented, Reason, Verdict, challenge::Challenge};
use http::HeaderValue;
use std::fmt;

const SCHEME: &str = "Basic";

/// Lets those in whose name and password some [`Users`] know.
///
/// ```
/// use kit_auth::{Authenticator, Presented, Verdict, basic::Basic};
/// use http::{HeaderMap, header::AUTHORIZATION};
///
/// let basic = Basic::new("caves", |name: &str, password: &str| {
///     (name == "Aladdin" && password == "open sesame").then_some("the master of the lamp")
/// });
/// let mut headers = HeaderMap::new();
/// headers.insert(AUTHORIZATION, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==".parse()?);
/// let verdict = basic.authenticate(&Presented::of(&headers));
/// assert!(matches!(verdict, Verdict::Known(Ok("the master of the lamp"))));
/// # Ok::<_, http::header::InvalidHeaderValue>(())
/// ```
///
/// (A function that compares passwords by `==` tells by its time how much of one is
/// right; [`StaticUsers`](super::StaticUsers) does not.)
#[derive(Clone)]
pub struct Basic<U> {
    users: U,
    challenge: HeaderValue,
}

// ===== impl Basic =====

impl<U> Basic<U> {
    /// Asks `users`. Clients are told the `realm`, as far as it is ASCII: which
    /// passwords it is that are asked for (RFC 9110, section 11.5).
    pub fn new(realm: &str, users: U) -> Self {
        let challenge = Challenge::new(SCHEME).with("realm", realm).with("charset", "UTF-8");
        Self { users, challenge: challenge.header() }
    }

    /// Returns what knows the users.
    pub const fn users(&self) -> &U {
        &self.users
    }
}

impl<U: Users> Authenticator for Basic<U> {
    type Identity = U::Identity;

    fn authenticate(&self, presented: &Presented<'_>) -> Verdict<U::Identity> {
        let token = match presented.authorization(SCHEME) {
            Ok(Some(token)) => token,
            Ok(None) => return Verdict::Absent,
            Err(malformed) => return Verdict::Known(Err(unreadable(malformed))),
        };
        let verify = |name: &str, password: &str| self.users.verify(name, password);
        match credentials::read(token, verify) {
            Ok(Verdict::Absent) => Verdict::Known(Err(of_basic(Denied::new(Reason::Invalid)))),
            Ok(Verdict::Known(known)) => Verdict::Known(known.map_err(of_basic)),
            Ok(Verdict::Later(later)) => {
                Verdict::later(async move { later.await.map_err(of_basic) })
            }
            Err(malformed) => Verdict::Known(Err(unreadable(malformed))),
        }
    }

    fn challenge(&self, _: &Denied, challenges: &mut Vec<HeaderValue>) {
        challenges.push(self.challenge.clone());
    }
}

fn of_basic(denied: Denied) -> Denied {
    denied.of(SCHEME)
}

/// Of what has no syntax the scheme is known.
fn unreadable(malformed: Malformed) -> Denied {
    match malformed {
        Malformed::Syntax => of_basic(malformed.into()),
        _ => malformed.into(),
    }
}

impl<U: fmt::Debug> fmt::Debug for Basic<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Basic")
            .field("users", &self.users)
            .field("challenge", &self.challenge)
            .finish()
    }
}
