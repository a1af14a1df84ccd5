//! Keys that programs show in a header of their own.

use crate::{
    Authenticator, Denied, IntoVerdict, MAX_CREDENTIALS, Malformed, Presented, Reason, Verdict,
    challenge::Challenge, digests::Digests,
};
use http::{HeaderName, HeaderValue};
use std::{error::Error, fmt, sync::Arc};

/// What it is called to clients. IANA's registry has no such scheme.
const SCHEME: &str = "ApiKey";

const HEADER: HeaderName = HeaderName::from_static("x-api-key");

/// Lets those in whose key some [`Keys`] know.
///
/// ```
/// use kit_auth::{Auth, api_key::{ApiKey, StaticKeys}};
///
/// #[derive(Debug, Clone, PartialEq)]
/// struct Client(&'static str);
///
/// let keys = StaticKeys::new([
///     ("k-7f3c9f0f6b1e4d0e", Client("billing")),
///     ("k-0a4c1be02d5f4c53", Client("shipping")),
/// ])?;
/// let auth = Auth::new(ApiKey::new(keys));
/// # let _ = auth;
/// # Ok::<_, kit_auth::api_key::BadKeys>(())
/// ```
///
/// # The challenge
///
/// A 401 must have one (RFC 9110, section 15.5.2), and no scheme is registered for
/// keys in headers of their own. So it is `ApiKey header="x-api-key"`: a person can
/// read it, and a client skips a scheme that it does not know (section 11.6.1).
#[derive(Clone)]
pub struct ApiKey<K> {
    keys: K,
    header: HeaderName,
    challenge: HeaderValue,
}

/// Some keys, and whose they are.
///
/// It is implemented for functions of a key, which may return what [`IntoVerdict`]
/// is implemented for.
pub trait Keys: Send + Sync + 'static {
    /// Whose one is: what the endpoint finds among the extensions.
    type Identity: Clone + Send + Sync + 'static;

    /// Says whose this key is.
    ///
    /// [`Verdict::Absent`], as nobody's, is [`Reason::Invalid`] to the caller. It is
    /// called for each request and must not block.
    fn find(&self, key: &str) -> Verdict<Self::Identity>;

    /// Returns a number that changes when a key that was known might not be any more:
    /// what was remembered under another is over. By default it never changes.
    fn generation(&self) -> u64 {
        0
    }
}

/// Keys that the program was told: in its configuration, say.
///
/// Of each only a digest is kept (HMAC-SHA-256, under a key made at the start), by
/// which it is looked up: one that nobody has costs what another does.
pub struct StaticKeys<I>(Digests<(usize, I)>);

/// Keys that cannot be kept. It says which, counted from one, and nothing of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadKeys {
    /// A key is empty, as a variable that is not set would make it.
    #[non_exhaustive]
    Empty {
        /// Which key.
        position: usize,
    },
    /// A header cannot carry a key: it is not printable ASCII, begins or ends with a
    /// space, or is longer than [`MAX_CREDENTIALS`].
    #[non_exhaustive]
    Unfit {
        /// Which key.
        position: usize,
    },
    /// Two keys are the same.
    #[non_exhaustive]
    Twice {
        /// Which key was there.
        position: usize,
        /// Where it was there first.
        first: usize,
    },
    /// The system has no random numbers.
    NoRandom,
}

// ===== impl ApiKey =====

impl<K> ApiKey<K> {
    /// Asks `keys` for what is in `x-api-key`.
    pub fn new(keys: K) -> Self {
        Self { keys, challenge: challenge(&HEADER), header: HEADER }
    }

    /// Reads the key in `header` instead, where it is the whole value.
    #[must_use]
    pub fn header(mut self, header: HeaderName) -> Self {
        self.challenge = challenge(&header);
        self.header = header;
        self
    }

    /// Returns what knows the keys.
    pub const fn keys(&self) -> &K {
        &self.keys
    }
}

impl<K: Keys> Authenticator for ApiKey<K> {
    type Identity = K::Identity;

    fn authenticate(&self, presented: &Presented<'_>) -> Verdict<K::Identity> {
        let key = match presented.header(&self.header) {
            Ok(Some("")) => return Verdict::Known(Err(of_key(Malformed::Syntax.into()))),
            Ok(Some(key)) => key,
            Ok(None) => return Verdict::Absent,
            Err(malformed) => return Verdict::Known(Err(of_key(malformed.into()))),
        };
        match self.keys.find(key) {
            Verdict::Absent => Verdict::Known(Err(of_key(Denied::new(Reason::Invalid)))),
            Verdict::Known(known) => Verdict::Known(known.map_err(of_key)),
            Verdict::Later(later) => Verdict::later(async move { later.await.map_err(of_key) }),
        }
    }

    fn challenge(&self, _: &Denied, challenges: &mut Vec<HeaderValue>) {
        challenges.push(self.challenge.clone());
    }

    fn headers(&self) -> Vec<HeaderName> {
        vec![self.header.clone()]
    }
}

fn challenge(header: &HeaderName) -> HeaderValue {
    Challenge::new(SCHEME).with("header", header.as_str()).header()
}

fn of_key(denied: Denied) -> Denied {
    denied.of(SCHEME)
}

impl<K: fmt::Debug> fmt::Debug for ApiKey<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey")
            .field("keys", &self.keys)
            .field("header", &self.header)
            .field("challenge", &self.challenge)
            .finish()
    }
}

// ===== impl Keys =====

impl<F, V> Keys for F
where
    F: Fn(&str) -> V + Send + Sync + 'static,
    V: IntoVerdict<Identity: Clone + Send + Sync + 'static>,
{
    type Identity = V::Identity;

    fn find(&self, key: &str) -> Verdict<V::Identity> {
        self(key).into_verdict()
    }
}

impl<K: Keys + ?Sized> Keys for Arc<K> {
    type Identity = K::Identity;

    fn find(&self, key: &str) -> Verdict<K::Identity> {
        (**self).find(key)
    }

    fn generation(&self) -> u64 {
        (**self).generation()
    }
}

// ===== impl StaticKeys =====

impl<I> StaticKeys<I> {
    /// Takes keys, and whose each is.
    ///
    /// # Errors
    ///
    /// When a key is empty, cannot be sent, or is there twice.
    pub fn new<K>(keys: impl IntoIterator<Item = (K, I)>) -> Result<Self, BadKeys>
    where
        K: AsRef<str>,
    {
        let mut digests = Digests::new().map_err(|_| BadKeys::NoRandom)?;
        for ((key, identity), position) in keys.into_iter().zip(1..) {
            let key = key.as_ref();
            if key.is_empty() {
                return Err(BadKeys::Empty { position });
            }
            if !is_sent_whole(key) {
                return Err(BadKeys::Unfit { position });
            }
            let known = digests.insert(&[key], (position, identity));
            known.map_err(|(first, _)| BadKeys::Twice { position, first: *first })?;
        }
        Ok(Self(digests))
    }

    /// Returns how many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Says whether there is none, and nobody gets in.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn is_sent_whole(key: &str) -> bool {
    let is_printable = key.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    is_printable && key.trim() == key && key.len() <= MAX_CREDENTIALS
}

impl<I: Clone + Send + Sync + 'static> Keys for StaticKeys<I> {
    type Identity = I;

    fn find(&self, key: &str) -> Verdict<I> {
        self.0.find(&[key]).map(|(_, identity)| identity.clone()).into_verdict()
    }
}

impl<I> fmt::Debug for StaticKeys<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StaticKeys").field(&self.0).finish()
    }
}

// ===== impl BadKeys =====

impl fmt::Display for BadKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty { position } => write!(f, "key {position} is empty"),
            Self::Unfit { position } => write!(f, "key {position} cannot be sent in a header"),
            Self::Twice { position, first } => write!(f, "keys {first} and {position} are one"),
            Self::NoRandom => f.write_str("the system has no random numbers"),
        }
    }
}

impl Error for BadKeys {}
