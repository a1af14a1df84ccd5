use super::{
    Claims, Keys, TokenError, Verified,
    claims::{Registered, Seconds},
    keys::Look,
    plain,
    token::{object, open},
};
use crate::{
    Authenticator, Denied, MAX_CREDENTIALS, Malformed, Presented, Reason, Verdict, cache::Cache,
    challenge::Challenge,
};
use http::HeaderValue;
use serde::de::DeserializeOwned;
use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

pub(super) const BEARER: &str = "Bearer";
/// How far the clocks of two machines may differ that are kept right (NTP).
const LEEWAY: Duration = Duration::from_secs(5);

/// Knows who sends a request by its bearer token, a signed one (RFC 6750,
/// RFC 7519).
///
/// See the [module](super) for what it checks.
pub struct Verifier<C = Claims> {
    keys: Keys,
    policy: Arc<Policy>,
    read: Read<C>,
    /// What was verified before, if that is remembered.
    cache: Option<Cache<Verified<C>>>,
}

/// Reads claims that are to hold, and says until when they do.
type Read<C> = fn(&Policy, &str) -> Result<(C, SystemTime), TokenError>;

#[derive(Debug, Clone)]
struct Policy {
    issuers: Vec<String>,
    audiences: Vec<String>,
    types: Vec<String>,
    leeway: Duration,
    max_age: Option<Duration>,
    most: usize,
    realm: Option<String>,
    clock: fn() -> SystemTime,
}

// ===== impl Verifier =====

impl Verifier {
    /// Takes tokens that are signed with one of `keys`, made by `issuer` and for
    /// `audience`.
    pub fn new(
        keys: impl Into<Keys>,
        issuer: impl Into<String>,
        audience: impl Into<String>,
    ) -> Self {
        let policy = Policy {
            issuers: vec![issuer.into()],
            audiences: vec![audience.into()],
            types: vec!["JWT".to_owned(), "at+jwt".to_owned()],
            leeway: LEEWAY,
            max_age: None,
            most: MAX_CREDENTIALS,
            realm: None,
            clock: SystemTime::now,
        };
        Self { keys: keys.into(), policy: Arc::new(policy), read: Policy::claims, cache: None }
    }
}

impl<C> Verifier<C> {
    /// Reads the claims as another type, which says by itself what must be there.
    #[must_use]
    pub fn claims<D: DeserializeOwned>(self) -> Verifier<D> {
        let cache = self.cache.map(|cache| Cache::new(cache.capacity()));
        Verifier { keys: self.keys, policy: self.policy, read: Policy::any, cache }
    }

    /// Takes tokens of this issuer too.
    #[must_use]
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.policy().issuers.push(issuer.into());
        self
    }

    /// Takes tokens for this audience too.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.policy().audiences.push(audience.into());
        self
    }

    /// Takes tokens of these types alone (`typ`; RFC 8725, section 3.11), whatever
    /// their case, with or without `application/` before them: `JWT` and `at+jwt`
    /// (RFC 9068) by default, for which one that says none is taken too. Of other
    /// types each must be said.
    #[must_use]
    pub fn types(mut self, types: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.policy().types = types.into_iter().map(Into::into).collect();
        self
    }

    /// Lets the clock of who made a token differ by so much from ours: 5 s by
    /// default.
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.policy().leeway = leeway;
        self
    }

    /// Takes no token that was made longer ago (`iat`, which must be there then):
    /// any age by default, until it expires.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.policy().max_age = Some(age);
        self
    }

    /// Lets a token have so many bytes: 8 KiB by default, which is the most.
    #[must_use]
    pub fn max_token(mut self, bytes: usize) -> Self {
        self.policy().most = bytes;
        self
    }

    /// Names what is protected, in the challenges.
    #[must_use]
    pub fn realm(mut self, realm: impl Into<String>) -> Self {
        self.policy().realm = Some(realm.into());
        self
    }

    /// Tells the time by `clock`: the system's by default.
    #[must_use]
    pub fn clock(mut self, clock: fn() -> SystemTime) -> Self {
        self.policy().clock = clock;
        self
    }

    /// Remembers about so many tokens that were verified, and spares what it costs
    /// to verify them again: none by default.
    ///
    /// It keeps their claims and a keyed hash of them, nothing else; a token is
    /// looked at anew when it has expired, and when a key was withdrawn, whichever.
    #[must_use]
    pub fn cache(mut self, tokens: usize) -> Self {
        self.cache = Some(Cache::new(tokens));
        self
    }

    fn policy(&mut self) -> &mut Policy {
        // What one policy takes, another may not.
        self.cache = self.cache.take().map(|cache| Cache::new(cache.capacity()));
        Arc::make_mut(&mut self.policy)
    }

    /// Returns the keys.
    #[must_use]
    pub const fn keys(&self) -> &Keys {
        &self.keys
    }
}

impl<C: DeserializeOwned> Verifier<C> {
    /// Verifies a token.
    ///
    /// # Errors
    ///
    /// When it is not taken.
    pub fn verify(&self, token: &str) -> Result<Verified<C>, TokenError> {
        self.verify_bytes(token.as_bytes())
    }

    /// To remember a token it need not be a text.
    fn verify_bytes(&self, token: &[u8]) -> Result<Verified<C>, TokenError> {
        let verify = || {
            let token = str::from_utf8(token).map_err(|_| TokenError::Parts)?;
            self.policy.verify(&self.keys, token, self.read)
        };
        let Some(cache) = &self.cache else {
            return verify().map(|(claims, _)| claims);
        };
        // Before the keys are looked at: what is withdrawn meanwhile is not found.
        let generation = self.keys.generation();
        let tag = cache.tag(token);
        if let Some(claims) = cache.get(tag, generation, (self.policy.clock)()) {
            return Ok(claims);
        }
        let (claims, until) = verify()?;
        cache.put(tag, generation, until, Verified::clone(&claims));
        Ok(claims)
    }
}

impl<C: DeserializeOwned + Send + Sync + 'static> Verifier<C> {
    /// Asks for a key that is not known: it may be newer than those that are.
    fn look(&self, token: &[u8]) -> Verdict<Verified<C>> {
        let unknown = || denied(TokenError::UnknownKey);
        let unchecked =
            || Denied::new(Reason::Unavailable).of(BEARER).because(TokenError::UnknownKey);
        match self.keys.look() {
            None | Some(Look::TooSoon) => Verdict::Known(Err(unknown())),
            Some(Look::Failed) => Verdict::Known(Err(unchecked())),
            Some(Look::Asked(over)) => {
                let (keys, policy, read) = (self.keys.clone(), Arc::clone(&self.policy), self.read);
                let token = String::from_utf8_lossy(token).into_owned();
                Verdict::later(async move {
                    let is_told = keys.looked(over).await;
                    let verified = policy.verify(&keys, &token, read).map(|(claims, _)| claims);
                    match verified {
                        Err(TokenError::UnknownKey) if !is_told => Err(unchecked()),
                        verified => verified.map_err(denied),
                    }
                })
            }
        }
    }
}

impl<C> Authenticator for Verifier<C>
where
    C: DeserializeOwned + Send + Sync + 'static,
{
    type Identity = Verified<C>;

    fn authenticate(&self, presented: &Presented<'_>) -> Verdict<Verified<C>> {
        let token = match presented.credentials(BEARER) {
            Ok(Some(token)) => token,
            Ok(None) => return Verdict::Absent,
            Err(malformed) => return Verdict::Known(Err(Denied::from(malformed).of(BEARER))),
        };
        match self.verify_bytes(token) {
            Err(TokenError::UnknownKey) => self.look(token),
            verified => Verdict::Known(verified.map_err(denied)),
        }
    }

    fn challenge(&self, denied: &Denied, challenges: &mut Vec<HeaderValue>) {
        challenges.push(challenge(self.policy.realm.as_deref(), denied));
    }
}

impl<C> fmt::Debug for Verifier<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("keys", &self.keys)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

/// What the caller hears of it.
pub(super) fn denied(error: TokenError) -> Denied {
    let reason = match error {
        TokenError::TooLong => Reason::Malformed(Malformed::TooLong),
        TokenError::Parts => Reason::Malformed(Malformed::Syntax),
        TokenError::NoKeys => Reason::Unavailable,
        TokenError::Expired(_) => Reason::Expired,
        TokenError::Early(_) => Reason::NotYetValid,
        _ => Reason::Invalid,
    };
    Denied::new(reason).of(BEARER).because(error)
}

/// RFC 6750, section 3: nothing is said of an error to one who showed no token; one
/// that is malformed is an invalid one, and only what is there twice a wrong request.
fn challenge(realm: Option<&str>, denied: &Denied) -> HeaderValue {
    let mut challenge = Challenge::new(BEARER);
    if let Some(realm) = realm {
        challenge = challenge.with("realm", realm);
    }
    if denied.scheme() == Some(BEARER) {
        let error = match denied.reason() {
            Reason::Malformed(Malformed::Several) => "invalid_request",
            _ => "invalid_token",
        };
        challenge = challenge.with("error", error);
        challenge = challenge.with("error_description", &denied.reason().to_string());
    }
    challenge.header()
}

// ===== impl Policy =====

impl Policy {
    /// Verifies a token; returns its claims, and until when they hold.
    fn verify<C>(
        &self,
        keys: &Keys,
        token: &str,
        read: Read<C>,
    ) -> Result<(Verified<C>, SystemTime), TokenError> {
        if token.len() > self.most {
            return Err(TokenError::TooLong);
        }
        let payload = keys.with(|keys| open(keys, token, |kind| self.is_of_a_type(kind)))?;
        // As a whole, which JSON is: its parts need not be looked at then.
        let payload = str::from_utf8(&payload).map_err(|_| TokenError::Claims)?;
        let (claims, until) = read(self, payload)?;
        Ok((Verified::new(claims), until))
    }

    /// Reads the claims that have all that is looked at, in one pass.
    fn claims(&self, payload: &str) -> Result<(Claims, SystemTime), TokenError> {
        let read = plain::claims(payload).or_else(|| object(payload));
        let held = read.and_then(|claims| {
            let until = self.holds(&claims.registered()).ok()?;
            Some((claims, until))
        });
        // What is wrong with them is said as for any: what is no longer taken, before
        // what does not fit.
        held.map_or_else(|| self.any(payload), Ok)
    }

    fn any<C: DeserializeOwned>(&self, payload: &str) -> Result<(C, SystemTime), TokenError> {
        let registered: Registered<'_> = object(payload).ok_or(TokenError::Claims)?;
        let until = self.holds(&registered)?;
        let claims = serde_json::from_str(payload).map_err(|_| TokenError::Claims)?;
        Ok((claims, until))
    }

    fn is_of_a_type(&self, kind: Option<&str>) -> bool {
        fn bare(kind: &str) -> &str {
            match kind.split_at_checked("application/".len()) {
                Some((start, rest)) if start.eq_ignore_ascii_case("application/") => rest,
                _ => kind,
            }
        }
        let kind = bare(kind.unwrap_or("JWT"));
        self.types.iter().any(|known| bare(known).eq_ignore_ascii_case(kind))
    }

    /// Says until when the claims hold, without leeway, if they do.
    fn holds(&self, claims: &Registered<'_>) -> Result<SystemTime, TokenError> {
        let issuer = claims.iss.as_ref().ok_or(TokenError::Missing("iss"))?;
        if !self.issuers.iter().any(|known| *known == issuer.0) {
            return Err(TokenError::Issuer);
        }
        let audience = claims.aud.as_ref().ok_or(TokenError::Missing("aud"))?;
        if !self.audiences.iter().any(|own| audience.has(own)) {
            return Err(TokenError::Audience);
        }
        let expires = claims.exp.ok_or(TokenError::Missing("exp"))?.0;
        let now = (self.clock)().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let last = expires.saturating_add(self.leeway);
        if now >= last {
            return Err(TokenError::Expired(now.saturating_sub(expires)));
        }
        let begins = [claims.nbf, claims.iat].into_iter().flatten().max();
        let ahead = begins.map_or(Duration::ZERO, |Seconds(begins)| begins.saturating_sub(now));
        if ahead > self.leeway {
            return Err(TokenError::Early(ahead));
        }
        let mut holds = expires;
        if let Some(age) = self.max_age {
            let Seconds(made) = claims.iat.ok_or(TokenError::Missing("iat"))?;
            if now >= made.saturating_add(age).saturating_add(self.leeway) {
                return Err(TokenError::TooOld);
            }
            holds = holds.min(made.saturating_add(age));
        }
        // What no clock shows is never.
        let never = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(u32::MAX) * 100);
        Ok(SystemTime::UNIX_EPOCH.checked_add(holds).unwrap_or(never))
    }
}
