use super::{
    Algorithm, BadKey, Key, TokenError,
    headers::Headers,
    key::{Jwk, Use},
    token::{object, open},
};
use serde::Deserialize;
use std::{collections::HashSet, error::Error, fmt};

/// Keys that a token may be signed with.
///
/// A set holds either secrets or public keys: one that mixes them is refused, as
/// is one with the same id twice, or with a key that nobody should trust.
#[derive(Debug, Clone)]
pub struct KeySet {
    keys: Vec<Key>,
    left_out: usize,
    headers: Headers,
}

/// A set of keys is not taken; each reason is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadKeySet(Vec<BadSet>);

/// One reason why a set of keys is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadSet {
    /// It is not JSON with a member `keys` (RFC 7517, section 5).
    NotJwks,
    /// It has no key to verify with.
    Empty,
    /// It has secrets beside public keys: a public key might pass for a secret.
    Mixed,
    /// It has more than 1,000 keys.
    TooMany,
    /// Two keys have this id.
    Duplicate(String),
    /// A key, by its place from 0 on and its id, is no good.
    #[non_exhaustive]
    Key {
        /// Its place.
        at: usize,
        /// Its id.
        id: Option<String>,
        /// What is wrong with it.
        bad: BadKey,
    },
}

/// The most keys that a set may have: what is done with them grows by the square.
const MOST: usize = 1_000;
/// How many reasons are shown.
const SHOWN: usize = 10;

/// Why there is no key for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoKey {
    /// There is none of its id, or of its algorithm if it has no id.
    Unknown,
    /// The key of its id is for another algorithm.
    Algorithm,
    /// It says no id, and there are several.
    Ambiguous,
}

#[derive(Deserialize)]
struct Jwks<'a> {
    #[serde(borrow)]
    keys: Vec<&'a serde_json::value::RawValue>,
}

// ===== impl KeySet =====

impl KeySet {
    /// Makes a set of these keys.
    ///
    /// # Errors
    ///
    /// When it is empty, mixes secrets and public keys, or has an id twice.
    pub fn new(keys: impl IntoIterator<Item = Key>) -> Result<Self, BadKeySet> {
        Self::checked(keys.into_iter().collect(), 0, Vec::new())
    }

    /// Reads a set as JSON (RFC 7517, section 5).
    ///
    /// Keys that are for something else than verifying, or by an algorithm that
    /// we do not know, are left out, as the RFC asks.
    ///
    /// # Errors
    ///
    /// When it is not one, or as [`new`](Self::new), or a key is no good.
    pub fn jwks(json: &[u8]) -> Result<Self, BadKeySet> {
        let json = str::from_utf8(json).ok();
        let Some(jwks) = json.and_then(object::<Jwks<'_>>) else {
            return Err(BadKeySet(vec![BadSet::NotJwks]));
        };
        let (mut keys, mut left_out, mut bad) = (Vec::new(), 0, Vec::new());
        for (at, json) in jwks.keys.iter().enumerate() {
            match object::<Jwk<'_>>(json.get()) {
                Some(jwk) => match jwk.read() {
                    Ok(Use::Verifies(key)) => keys.push(key),
                    Ok(Use::Other) => left_out += 1,
                    Err(why) => {
                        let id = jwk.id().map(str::to_owned);
                        bad.push(BadSet::Key { at, id, bad: why });
                    }
                },
                None => bad.push(BadSet::Key { at, id: None, bad: BadKey::NotJwk }),
            }
        }
        Self::checked(keys, left_out, bad)
    }

    fn checked(keys: Vec<Key>, left_out: usize, mut bad: Vec<BadSet>) -> Result<Self, BadKeySet> {
        if keys.is_empty() && bad.is_empty() {
            bad.push(BadSet::Empty);
        }
        if keys.len() + bad.len() > MOST {
            return Err(BadKeySet(vec![BadSet::TooMany]));
        }
        if keys.iter().any(Key::is_secret) && !keys.iter().all(Key::is_secret) {
            bad.push(BadSet::Mixed);
        }
        // Also of those that are no good.
        let of_bad = bad.iter().filter_map(|bad| match bad {
            BadSet::Key { id, .. } => id.as_deref(),
            _ => None,
        });
        let mut ids = HashSet::new();
        let ids = keys.iter().filter_map(Key::get_id).chain(of_bad).filter(|id| !ids.insert(*id));
        let twice: Vec<_> = ids.map(|id| BadSet::Duplicate(id.to_owned())).collect();
        bad.extend(twice);
        if !bad.is_empty() {
            return Err(BadKeySet(bad));
        }
        let headers = Headers::of(keys.len());
        Ok(Self { keys, left_out, headers })
    }

    /// Returns the keys.
    #[must_use]
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Returns how many keys of the JSON were left out, being for something else.
    #[must_use]
    pub const fn left_out(&self) -> usize {
        self.left_out
    }

    /// Verifies what is signed by one of the keys, and returns it: any bytes, a JWS
    /// in compact serialization (RFC 7515) of any length.
    ///
    /// For what is no token. By whom and for whom a token was made, and until when
    /// it holds, a [`Verifier`](super::Verifier) looks at, and this does not.
    ///
    /// # Errors
    ///
    /// When it is no JWS, asks for an extension (`crit`), names no key of the set,
    /// or its signature is not right.
    pub fn payload(&self, jws: &str) -> Result<Vec<u8>, TokenError> {
        open(Some(self), jws, |_| true)
    }

    pub(super) const fn headers(&self) -> &Headers {
        &self.headers
    }

    /// Finds the place of the key of a token.
    pub(super) fn find(&self, algorithm: Algorithm, id: Option<&str>) -> Result<usize, NoKey> {
        let Some(id) = id else {
            let keys = self.keys.iter().enumerate();
            let mut keys = keys.filter(|(_, key)| key.algorithm() == algorithm);
            return match (keys.next(), keys.next()) {
                (Some((at, _)), None) => Ok(at),
                (None, _) => Err(NoKey::Unknown),
                (Some(_), Some(_)) => Err(NoKey::Ambiguous),
            };
        };
        // One key alone may have no id, though its tokens do.
        let named = self.keys.iter().position(|key| key.get_id() == Some(id));
        let only = || match &*self.keys {
            [key] if key.get_id().is_none() => Some(0),
            _ => None,
        };
        let at = named.or_else(only).ok_or(NoKey::Unknown)?;
        if self.keys[at].algorithm() == algorithm { Ok(at) } else { Err(NoKey::Algorithm) }
    }

    /// Whether it has the same keys.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.has_all_of(other) && other.has_all_of(self)
    }

    /// Whether each key of the other is in this one: nothing was withdrawn.
    pub(super) fn has_all_of(&self, other: &Self) -> bool {
        other.keys.iter().all(|key| self.keys.iter().any(|own| own.is_as(key)))
    }
}

// ===== impl NoKey =====

impl From<NoKey> for TokenError {
    fn from(none: NoKey) -> Self {
        match none {
            NoKey::Unknown => Self::UnknownKey,
            NoKey::Algorithm => Self::OtherAlgorithm,
            NoKey::Ambiguous => Self::NoKeyId,
        }
    }
}

// ===== impl BadKeySet =====

impl BadKeySet {
    /// Returns the reasons.
    #[must_use]
    pub fn reasons(&self) -> &[BadSet] {
        &self.0
    }
}

impl fmt::Display for BadKeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the set of keys is not taken: ")?;
        for (at, bad) in self.0.iter().enumerate() {
            if at == SHOWN {
                return write!(f, "; and {} more", self.0.len() - at);
            }
            if at > 0 {
                f.write_str("; ")?;
            }
            bad.fmt(f)?;
        }
        Ok(())
    }
}

impl Error for BadKeySet {}

impl fmt::Display for BadSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJwks => f.write_str("it is not a JSON Web Key Set"),
            Self::Empty => f.write_str("it has no key to verify with"),
            Self::Mixed => f.write_str("it has secrets beside public keys: make a set of each"),
            Self::TooMany => f.write_str("it has more than 1,000 keys"),
            Self::Duplicate(id) => write!(f, "two keys have the id {id:?}"),
            Self::Key { at, id: Some(id), bad } => write!(f, "key {at} ({id:?}): {bad}"),
            Self::Key { at, id: None, bad } => write!(f, "key {at}: {bad}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::SigningKey;
    use serde_json::json;

    #[test]
    fn only_the_header_of_what_was_right_is_remembered() {
        let secret = [7; 32];
        let key = Key::secret(Algorithm::HS256, &secret).unwrap();
        let set = KeySet::new([key]).unwrap();
        let right = SigningKey::secret(Algorithm::HS256, &secret).unwrap();
        let other = SigningKey::secret(Algorithm::HS256, &[8; 32]).unwrap();
        let is_known = |jws: &str| set.headers.get(jws.split_once('.').unwrap().0).is_some();

        let forged = other.sign(&json!({})).unwrap();
        assert_eq!(set.payload(&forged), Err(TokenError::Signature));
        let (message, signature) = forged.rsplit_once('.').unwrap();
        assert_eq!(set.payload(&format!("{message}.!{signature}")), Err(TokenError::Parts));
        assert!(!is_known(&forged));
        let right = right.sign(&json!({})).unwrap();
        set.payload(&right).unwrap();
        assert!(is_known(&right));
        assert!(set.clone().headers.get(right.split_once('.').unwrap().0).is_some());
    }
}
