use super::{Algorithm, BadKey};
use crate::client::{Credential, Given, NoCredential, bearer};
use arc_swap::ArcSwapOption;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::HeaderValue;
use jsonwebtoken::{AlgorithmFamily, EncodingKey, crypto::aws_lc::DEFAULT_PROVIDER};
use serde::Serialize;
use serde_json::{Value, json};
use std::{
    error::Error,
    fmt,
    sync::{Arc, Mutex, PoisonError, TryLockError},
    time::{Duration, SystemTime},
};

/// A key that tokens are signed with, by one algorithm.
///
/// Its `Debug` shows which it is, and nothing of the key.
#[derive(Clone)]
pub struct SigningKey {
    id: Option<Box<str>>,
    algorithm: Algorithm,
    key: EncodingKey,
}

/// A token could not be made.
#[derive(Debug)]
#[non_exhaustive]
pub enum SignError {
    /// The claims are not a JSON object.
    Claims,
    /// The key does not sign.
    Key,
}

/// Signs the tokens of a client: a [`Credential`].
///
/// The claims are made anew for each token, to which it adds when it was made
/// (`iat`) and when it is over (`exp`): 5 minutes later by default. A token serves
/// until four fifths of that have passed; then one call makes the next, and those
/// that come meanwhile take the old one.
pub struct Signer<F> {
    key: SigningKey,
    claims: F,
    lifetime: Duration,
    clock: fn() -> SystemTime,
    current: ArcSwapOption<Signed>,
    /// Held by who makes the next.
    making: Mutex<()>,
}

/// Longer is no token's life, but a key's.
const LONGEST: Duration = Duration::from_hours(24 * 365);

struct Signed {
    header: HeaderValue,
    made: SystemTime,
    renew: SystemTime,
    until: SystemTime,
}

// ===== impl SigningKey =====

impl SigningKey {
    /// Takes a secret that both sides share, for HS256, HS384 or HS512.
    ///
    /// # Errors
    ///
    /// When the algorithm is another, or the secret is shorter than its hash.
    pub fn secret(algorithm: Algorithm, secret: &[u8]) -> Result<Self, BadKey> {
        super::Key::secret(algorithm, secret)?;
        Ok(Self { id: None, algorithm, key: EncodingKey::from_secret(secret) })
    }

    /// Takes a private key out of PEM: PKCS#8, or PKCS#1 of RSA.
    ///
    /// # Errors
    ///
    /// When there is none for the algorithm, or it does not sign.
    pub fn pem(algorithm: Algorithm, pem: &[u8]) -> Result<Self, BadKey> {
        let key = match algorithm.family() {
            AlgorithmFamily::Hmac => return Err(BadKey::Algorithm),
            AlgorithmFamily::Rsa => EncodingKey::from_rsa_pem(pem),
            AlgorithmFamily::Ec => EncodingKey::from_ec_pem(pem),
            AlgorithmFamily::Ed => EncodingKey::from_ed_pem(pem),
        };
        let key = Self { id: None, algorithm, key: key.map_err(|_| BadKey::NotPem)? };
        // A key of another curve is seen only when it is to sign.
        key.signature(b"").map_err(|_| BadKey::Algorithm)?;
        Ok(key)
    }

    /// Gives it an id, which its tokens name (`kid`).
    #[must_use]
    pub fn id(mut self, id: impl Into<Box<str>>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Signs claims, as they are.
    ///
    /// # Errors
    ///
    /// When they are not a JSON object, or the key does not sign.
    pub fn sign(&self, claims: &impl Serialize) -> Result<String, SignError> {
        let claims = serde_json::to_value(claims).map_err(|_| SignError::Claims)?;
        if !claims.is_object() {
            return Err(SignError::Claims);
        }
        let mut header = json!({ "typ": "JWT", "alg": self.algorithm });
        if let Some(id) = &self.id {
            header["kid"] = Value::from(&**id);
        }
        let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims.to_string(), &mut token);
        let signature = self.signature(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        // By name: the default of jsonwebtoken is a global, and may be none.
        let signer = (DEFAULT_PROVIDER.signer_factory)(&self.algorithm, &self.key);
        let signature = signer.ok().and_then(|signer| signer.try_sign(message).ok());
        signature.ok_or(SignError::Key)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

// ===== impl Signer =====

impl<F, C> Signer<F>
where
    F: Fn() -> C + Send + Sync + 'static,
    C: Serialize,
{
    /// Signs with `key` what `claims` makes.
    pub const fn new(key: SigningKey, claims: F) -> Self {
        Self {
            key,
            claims,
            lifetime: Duration::from_mins(5),
            clock: SystemTime::now,
            current: ArcSwapOption::const_empty(),
            making: Mutex::new(()),
        }
    }

    /// Lets a token live so long: 5 minutes by default, a second at least and a year
    /// at most.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime.clamp(Duration::from_secs(1), LONGEST);
        self
    }

    /// Tells the time by `clock`: the system's by default.
    #[must_use]
    pub const fn clock(mut self, clock: fn() -> SystemTime) -> Self {
        self.clock = clock;
        self
    }

    /// Signs a token of now.
    ///
    /// # Errors
    ///
    /// When the claims are not a JSON object, or the key does not sign.
    pub fn token(&self) -> Result<String, SignError> {
        self.token_at((self.clock)())
    }

    fn token_at(&self, now: SystemTime) -> Result<String, SignError> {
        let mut claims = serde_json::to_value((self.claims)()).map_err(|_| SignError::Claims)?;
        let object = claims.as_object_mut().ok_or(SignError::Claims)?;
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        object.insert("iat".to_owned(), now.as_secs().into());
        object.insert("exp".to_owned(), (now + self.lifetime).as_secs().into());
        self.key.sign(&claims)
    }

    fn make(&self, now: SystemTime) -> Result<HeaderValue, NoCredential> {
        let token = self
            .token_at(now)
            .map_err(|error| NoCredential::new("a token could not be signed").because(error))?;
        let header = bearer(&token)?;
        let (renew, until) = (now + self.lifetime * 4 / 5, now + self.lifetime);
        let signed = Signed { header: header.clone(), made: now, renew, until };
        self.current.store(Some(Arc::new(signed)));
        Ok(header)
    }

    fn current(&self, now: SystemTime) -> Option<(HeaderValue, bool)> {
        let current = self.current.load();
        let signed =
            current.as_ref().filter(|signed| (signed.made..signed.until).contains(&now))?;
        Some((signed.header.clone(), now < signed.renew))
    }
}

impl<F, C> Credential for Signer<F>
where
    F: Fn() -> C + Send + Sync + 'static,
    C: Serialize,
{
    fn give(&self) -> Given {
        let now = (self.clock)();
        let known = self.current(now);
        if let Some((header, true)) = known {
            return Given::Now(Ok(header));
        }
        let making = match (self.making.try_lock(), known) {
            (Ok(making), _) => making,
            (Err(TryLockError::Poisoned(poisoned)), _) => poisoned.into_inner(),
            (Err(TryLockError::WouldBlock), Some((header, _))) => return Given::Now(Ok(header)),
            // There is none: all wait for the one that is made, a moment.
            (Err(TryLockError::WouldBlock), None) => {
                self.making.lock().unwrap_or_else(PoisonError::into_inner)
            }
        };
        let given = match self.current(now) {
            Some((header, true)) => Ok(header),
            _ => self.make(now),
        };
        drop(making);
        Given::Now(given)
    }
}

impl<F> fmt::Debug for Signer<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("key", &self.key)
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

// ===== impl SignError =====

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Claims => "the claims are not a JSON object",
            Self::Key => "the key does not sign",
        })
    }
}

impl Error for SignError {}
