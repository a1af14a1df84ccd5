use super::{Users, credentials};
use crate::{
    Authenticator, Denied, Malformed, Presented, Reason, Verdict, cache::Cache,
    challenge::Challenge,
};
use http::HeaderValue;
use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

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
pub struct Basic<U: Users> {
    users: U,
    challenge: HeaderValue,
    memory: Option<Memory<U::Identity>>,
}

/// Who was right a moment ago.
#[derive(Clone)]
struct Memory<I> {
    cache: Arc<Cache<I>>,
    lasts: Duration,
}

// ===== impl Basic =====

impl<U: Users> Basic<U> {
    /// Asks `users`. Clients are told the `realm`, as far as it is ASCII: which
    /// passwords it is that are asked for (RFC 9110, section 11.5).
    pub fn new(realm: &str, users: U) -> Self {
        let challenge = Challenge::new(SCHEME).with("realm", realm).with("charset", "UTF-8");
        Self { users, challenge: challenge.header(), memory: None }
    }

    /// Remembers about so many pairs of a name and a password that were right, and
    /// for how long, which spares a slow hash: none by default.
    ///
    /// It keeps who it was and a keyed hash of the pair, nothing else. A pair is
    /// looked at anew when its time is over, and when the users have
    /// [changed](Users::generation).
    #[must_use]
    pub fn cache(mut self, pairs: usize, lasts: Duration) -> Self {
        self.memory = Some(Memory { cache: Arc::new(Cache::new(pairs)), lasts });
        self
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
        // Before the users are asked: who is taken away meanwhile is not found.
        let generation = self.users.generation();
        let memory = self.memory.as_ref().map(|memory| memory.of(token, generation));
        if let Some(known) = memory.as_ref().and_then(Remembered::get) {
            return Verdict::Known(Ok(known));
        }
        let keep = move |known: Result<U::Identity, Denied>| {
            if let (Some(memory), Ok(known)) = (memory, &known) {
                memory.put(known.clone());
            }
            known.map_err(of_basic)
        };
        let verify = |name: &str, password: &str| self.users.verify(name, password);
        match credentials::read(token, verify) {
            Ok(Verdict::Absent) => Verdict::Known(Err(of_basic(Denied::new(Reason::Invalid)))),
            Ok(Verdict::Known(known)) => Verdict::Known(keep(known)),
            Ok(Verdict::Later(later)) => Verdict::later(async move { keep(later.await) }),
            Err(malformed) => Verdict::Known(Err(unreadable(malformed))),
        }
    }

    fn challenge(&self, _: &Denied, challenges: &mut Vec<HeaderValue>) {
        challenges.push(self.challenge.clone());
    }
}

// ===== impl Memory =====

/// What is remembered of one pair.
struct Remembered<I> {
    memory: Memory<I>,
    tag: u128,
    generation: u64,
}

impl<I: Clone> Memory<I> {
    fn of(&self, token: &str, generation: u64) -> Remembered<I> {
        Remembered { memory: self.clone(), tag: self.cache.tag(token.as_bytes()), generation }
    }
}

impl<I: Clone> Remembered<I> {
    fn get(&self) -> Option<I> {
        self.memory.cache.get(self.tag, self.generation, SystemTime::now())
    }

    fn put(self, known: I) {
        if let Some(until) = SystemTime::now().checked_add(self.memory.lasts) {
            self.memory.cache.put(self.tag, self.generation, until, known);
        }
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

impl<U: Users + fmt::Debug> fmt::Debug for Basic<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Basic")
            .field("users", &self.users)
            .field("challenge", &self.challenge)
            .finish_non_exhaustive()
    }
}
