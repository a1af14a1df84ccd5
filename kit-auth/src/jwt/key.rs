use super::{Algorithm, token::object};
use aws_lc_rs::{
    hmac::{self, HMAC_SHA256, HMAC_SHA384, HMAC_SHA512},
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey,
        RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
        RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
        RsaParameters, RsaPublicKeyComponents, VerificationAlgorithm,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{AlgorithmFamily, DecodingKey, crypto::aws_lc::DEFAULT_PROVIDER};
use serde::{Deserialize, Deserializer, de::IgnoredAny};
use std::{borrow::Cow, error::Error, fmt, sync::Arc};

/// The least that an RSA key has (RFC 7518, section 3.3).
const LEAST_RSA_BITS: usize = 2048;
/// The most that is verified with: what it costs grows by the square.
const MOST_RSA_BITS: usize = 8192;

/// A key that tokens are verified with, by one algorithm and no other.
///
/// Its `Debug` shows which it is, and nothing of the key.
#[derive(Clone)]
pub struct Key {
    id: Option<Box<str>>,
    algorithm: Algorithm,
    material: Arc<Material>,
}

/// What is verified with, read once: to read a public key anew for each token takes
/// longer than all else here but the arithmetic.
enum Material {
    Secret {
        key: Box<hmac::Key>,
        /// What the secret makes of nothing, to know it by.
        mark: Box<[u8]>,
    },
    Public(ParsedPublicKey),
}

/// A key that is none, or that nobody should trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadKey {
    /// It is not JSON, or not a key of RFC 7517.
    NotJwk,
    /// It is not PEM, or has no public key of its algorithm's kind.
    NotPem,
    /// A value is not base64url without padding.
    Base64,
    /// It is for another kind of algorithm.
    Algorithm,
    /// It is a private key: only its public part belongs here.
    Private,
    /// An RSA key that has fewer bits than 2048, or more than 8192.
    RsaBits(usize),
    /// An RSA key whose modulus is even: everybody can factor it.
    RsaModulus,
    /// An RSA key whose exponent is even, or 1.
    RsaExponent,
    /// An RSA key made by a library whose keys can be factored (ROCA,
    /// CVE-2017-15361).
    Roca,
    /// Its point is not on its curve, or one by which anyone can sign. (One of
    /// Ed25519 that is on no curve may be taken, and verifies nothing.)
    Point,
    /// A secret that is shorter than its algorithm's hash (RFC 7518, section
    /// 3.2): so many bytes, and so many are needed.
    ShortSecret {
        /// How many bytes it has.
        bytes: usize,
        /// How many it needs.
        least: usize,
    },
}

/// A key as JSON (RFC 7517), as far as it matters here.
#[derive(Deserialize)]
pub(super) struct Jwk<'a> {
    #[serde(borrow)]
    kty: Cow<'a, str>,
    alg: Option<String>,
    #[serde(rename = "use")]
    used_for: Option<String>,
    key_ops: Option<Vec<String>>,
    kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    k: Option<Secret>,
    #[serde(default, deserialize_with = "is_there")]
    d: bool,
    #[serde(default, deserialize_with = "is_there")]
    p: bool,
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Secret(String);

/// What a key of a set is to us.
pub(super) enum Use {
    Verifies(Key),
    /// It is for something else, or by an algorithm that we do not know (RFC
    /// 7517, section 5, asks to leave it out).
    Other,
}

pub(super) fn is_there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

// ===== impl Key =====

impl Key {
    /// Takes a secret that both sides share, for HS256, HS384 or HS512.
    ///
    /// # Errors
    ///
    /// When the algorithm is another, or the secret is shorter than its hash.
    pub fn secret(algorithm: Algorithm, secret: &[u8]) -> Result<Self, BadKey> {
        let hash = match algorithm {
            Algorithm::HS256 => HMAC_SHA256,
            Algorithm::HS384 => HMAC_SHA384,
            Algorithm::HS512 => HMAC_SHA512,
            _ => return Err(BadKey::Algorithm),
        };
        let least = hash.tag_len();
        if secret.len() < least {
            return Err(BadKey::ShortSecret { bytes: secret.len(), least });
        }
        let key = Box::new(hmac::Key::new(hash, secret));
        let mark = hmac::sign(&key, &[]).as_ref().into();
        Ok(Self::new(algorithm, Material::Secret { key, mark }))
    }

    /// Takes a public key out of PEM: `PUBLIC KEY`, or `RSA PUBLIC KEY`.
    ///
    /// # Errors
    ///
    /// When there is none for the algorithm, or nobody should trust it.
    pub fn pem(algorithm: Algorithm, pem: &[u8]) -> Result<Self, BadKey> {
        if memmem(pem, b"PRIVATE KEY-----") {
            return Err(BadKey::Private);
        }
        // One, or it would be the first of several. A certificate has a key too, and
        // says until when it is good: nobody here would look.
        let begins = pem.windows(11).filter(|window| window == b"-----BEGIN ").count();
        let is_public = begins == 1 && memmem(pem, b" PUBLIC KEY-----");
        let key = match algorithm.family() {
            AlgorithmFamily::Hmac => return Err(BadKey::Algorithm),
            _ if !is_public => return Err(BadKey::NotPem),
            AlgorithmFamily::Rsa => DecodingKey::from_rsa_pem(pem),
            AlgorithmFamily::Ec => DecodingKey::from_ec_pem(pem),
            AlgorithmFamily::Ed => DecodingKey::from_ed_pem(pem),
        };
        let key = key.map_err(|_| BadKey::NotPem)?;
        let bytes = key.try_get_as_bytes().map_err(|_| BadKey::NotPem)?;
        let key = match algorithm.family() {
            AlgorithmFamily::Rsa => {
                let (n, e) = (DEFAULT_PROVIDER.key_utils.rsa_pub_components_from_public_key)(bytes)
                    .map_err(|_| BadKey::NotPem)?;
                rsa(algorithm, &n, &e)?
            }
            _ => point(algorithm, bytes)?,
        };
        Ok(Self::new(algorithm, Material::Public(key)))
    }

    /// Takes one key as JSON (RFC 7517). Where it does not say its algorithm it is
    /// for ES256 or ES384 by its curve, `EdDSA`, RS256, or HS256.
    ///
    /// # Errors
    ///
    /// When it is not for verifying by an algorithm that we know, or nobody should
    /// trust it.
    pub fn jwk(json: &str) -> Result<Self, BadKey> {
        let jwk: Jwk<'_> = object(json).ok_or(BadKey::NotJwk)?;
        match jwk.read()? {
            Use::Verifies(key) => Ok(key),
            Use::Other => Err(BadKey::Algorithm),
        }
    }

    fn new(algorithm: Algorithm, material: Material) -> Self {
        Self { id: None, algorithm, material: Arc::new(material) }
    }

    /// Gives it an id: the `kid` of the tokens that it is for.
    #[must_use]
    pub fn id(mut self, id: impl Into<Box<str>>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Returns its id.
    #[must_use]
    pub fn get_id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Returns its algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(super) fn is_secret(&self) -> bool {
        self.algorithm.family() == AlgorithmFamily::Hmac
    }

    /// Whether it is the same key, whatever it is called.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        let is_same = match (&*self.material, &*other.material) {
            (Material::Secret { mark, .. }, Material::Secret { mark: other, .. }) => mark == other,
            (Material::Public(key), Material::Public(other)) => key.as_ref() == other.as_ref(),
            _ => false,
        };
        is_same && self.algorithm == other.algorithm && self.id == other.id
    }

    /// Verifies a signature of a message.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let verified = match &*self.material {
            Material::Secret { key, .. } => hmac::verify(key, message, signature),
            Material::Public(key) => key.verify_sig(message, signature),
        };
        verified.is_ok()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

// ===== impl Jwk =====

impl Jwk<'_> {
    pub(super) fn id(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    pub(super) fn read(&self) -> Result<Use, BadKey> {
        let verifies = |ops: &Vec<String>| ops.iter().any(|op| op == "verify");
        if self.used_for.as_deref().is_some_and(|used_for| used_for != "sig")
            || self.key_ops.as_ref().is_some_and(|ops| !verifies(ops))
        {
            return Ok(Use::Other);
        }
        let named = match &self.alg {
            Some(name) => match name.parse::<Algorithm>() {
                Ok(algorithm) => Some(algorithm),
                Err(_) => return Ok(Use::Other),
            },
            None => None,
        };
        let usual = match (&*self.kty, self.crv.as_deref()) {
            ("RSA", _) => Algorithm::RS256,
            ("EC", Some("P-256")) => Algorithm::ES256,
            ("EC", Some("P-384")) => Algorithm::ES384,
            ("OKP", Some("Ed25519")) => Algorithm::EdDSA,
            ("oct", _) => Algorithm::HS256,
            // Curves and kinds that we do not know, but it says that it is of ours.
            _ if named.is_some() => return Err(BadKey::Algorithm),
            _ => return Ok(Use::Other),
        };
        let algorithm = named.unwrap_or(usual);
        let fits = match algorithm.family() {
            AlgorithmFamily::Ec => algorithm == usual,
            family => family == usual.family(),
        };
        if !fits {
            return Err(BadKey::Algorithm);
        }
        let is_secret = algorithm.family() == AlgorithmFamily::Hmac;
        if !is_secret && (self.d || self.p) {
            return Err(BadKey::Private);
        }
        let key = match algorithm.family() {
            AlgorithmFamily::Hmac => {
                let secret = self.k.as_ref().ok_or(BadKey::NotJwk)?;
                Key::secret(algorithm, &base64url(&secret.0)?)?
            }
            AlgorithmFamily::Rsa => {
                let (n, e) = (value(self.n.as_ref())?, value(self.e.as_ref())?);
                // Some write zeros before them, and aws-lc would not verify then.
                let (n, e) = (&n[zeros(&n)..], &e[zeros(&e)..]);
                Key::new(algorithm, Material::Public(rsa(algorithm, n, e)?))
            }
            AlgorithmFamily::Ec => {
                let (x, y) = (value(self.x.as_ref())?, value(self.y.as_ref())?);
                if x.len() != y.len() {
                    return Err(BadKey::Point);
                }
                let bytes = [&[4], &*x, &y].concat();
                Key::new(algorithm, Material::Public(point(algorithm, &bytes)?))
            }
            AlgorithmFamily::Ed => {
                let bytes = value(self.x.as_ref())?;
                Key::new(algorithm, Material::Public(point(algorithm, &bytes)?))
            }
        };
        Ok(Use::Verifies(match &self.kid {
            Some(id) => key.id(&**id),
            None => key,
        }))
    }
}

fn value(text: Option<&String>) -> Result<Vec<u8>, BadKey> {
    base64url(text.ok_or(BadKey::NotJwk)?)
}

fn base64url(text: &str) -> Result<Vec<u8>, BadKey> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| BadKey::Base64)
}

fn memmem(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Reads a point; fails if it is not on the curve, or none.
fn point(algorithm: Algorithm, bytes: &[u8]) -> Result<ParsedPublicKey, BadKey> {
    let curve: &'static dyn VerificationAlgorithm = match algorithm {
        Algorithm::ES256 => &ECDSA_P256_SHA256_FIXED,
        Algorithm::ES384 => &ECDSA_P384_SHA384_FIXED,
        _ => &ED25519,
    };
    // What is longer would be taken for another encoding of a key.
    let length = match algorithm {
        Algorithm::ES256 => 65,
        Algorithm::ES384 => 97,
        _ => 32,
    };
    if bytes.len() != length || algorithm == Algorithm::EdDSA && is_of_small_order(bytes) {
        return Err(BadKey::Point);
    }
    ParsedPublicKey::new(curve, bytes).map_err(|_| BadKey::Point)
}

/// Says whether a point of Ed25519 is one of those by which anyone can sign, in
/// whichever way it is written: y is 0, 1 or -1, or the point is of order 8.
fn is_of_small_order(point: &[u8]) -> bool {
    const OF_ORDER_8: [[u8; 32]; 2] = [
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef,
            0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88,
            0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10,
            0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77,
            0x92, 0xac, 0x03, 0x7a,
        ],
    ];
    let &[first, ref middle @ .., last] = point else { return false };
    // The first bit is of x.
    let last = last & 0x7f;
    let is_all = |byte| middle.iter().all(|other| *other == byte);
    // The prime is 2^255 - 19, which is 0xed, 0xff, ..., 0x7f.
    match first {
        0x00 | 0x01 if last == 0 => is_all(0),
        0xec..=0xee if last == 0x7f => is_all(0xff),
        _ => OF_ORDER_8.iter().any(|own| point[..31] == own[..31] && last == own[31]),
    }
}

/// Reads a key of RSA; fails if nobody should trust it.
fn rsa(algorithm: Algorithm, n: &[u8], e: &[u8]) -> Result<ParsedPublicKey, BadKey> {
    let bits = bits(n);
    if !(LEAST_RSA_BITS..=MOST_RSA_BITS).contains(&bits) {
        return Err(BadKey::RsaBits(bits));
    }
    let is_odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
    if !is_odd(n) {
        return Err(BadKey::RsaModulus);
    }
    // More than 33 bits are no key's (and cost), fewer than two are one.
    if !is_odd(e) || !(2..=33).contains(&self::bits(e)) {
        return Err(BadKey::RsaExponent);
    }
    if is_roca(n) {
        return Err(BadKey::Roca);
    }
    let parameters: &'static RsaParameters = match algorithm {
        Algorithm::RS256 => &RSA_PKCS1_2048_8192_SHA256,
        Algorithm::RS384 => &RSA_PKCS1_2048_8192_SHA384,
        Algorithm::RS512 => &RSA_PKCS1_2048_8192_SHA512,
        Algorithm::PS256 => &RSA_PSS_2048_8192_SHA256,
        Algorithm::PS384 => &RSA_PSS_2048_8192_SHA384,
        Algorithm::PS512 => &RSA_PSS_2048_8192_SHA512,
        _ => return Err(BadKey::Algorithm),
    };
    // It has looked for the same, and for less.
    let key = RsaPublicKeyComponents { n, e }.to_parsed_public_key(parameters);
    key.map_err(|_| BadKey::RsaModulus)
}

/// How many bytes before the number are zero.
fn zeros(number: &[u8]) -> usize {
    number.iter().take_while(|byte| **byte == 0).count()
}

/// How many bits the number has.
fn bits(number: &[u8]) -> usize {
    let zeros = zeros(number);
    number.get(zeros).map_or(0, |first| (number.len() - zeros) * 8 - first.leading_zeros() as usize)
}

/// Says whether a modulus has the form by which Infineon's library made its
/// primes: modulo each of these, both are powers of 65537, and so is their
/// product (Nemec and others, *The Return of Coppersmith's Attack*, 2017). One
/// made by chance is so once in 2^27.
fn is_roca(n: &[u8]) -> bool {
    const PRIMES: [u32; 17] =
        [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];
    PRIMES.iter().all(|prime| {
        let rest = n.iter().fold(0, |rest, byte| (rest << 8 | u32::from(*byte)) % prime);
        let mut power = 1;
        loop {
            if power == rest {
                return true;
            }
            power = power * 65537 % prime;
            if power == 1 {
                return false;
            }
        }
    })
}

// ===== impl BadKey =====

impl fmt::Display for BadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJwk => f.write_str("it is not a JSON Web Key"),
            Self::NotPem => f.write_str("it is not a public key of its algorithm in PEM"),
            Self::Base64 => f.write_str("a value of it is not base64url without padding"),
            Self::Algorithm => f.write_str("it is not for its algorithm, or not for verifying"),
            Self::Private => f.write_str("it is a private key: give its public part"),
            Self::RsaBits(bits) => {
                write!(f, "it is an RSA key of {bits} bits, and must have 2048 to 8192")
            }
            Self::RsaModulus => f.write_str("the modulus of the RSA key is even"),
            Self::RsaExponent => f.write_str("the exponent of the RSA key is not one"),
            Self::Roca => f.write_str("it can be factored (ROCA): make another"),
            Self::Point => f.write_str("its point is not on its curve, or of small order"),
            Self::ShortSecret { bytes, least } => {
                write!(f, "it is a secret of {bytes} bytes, and needs {least}")
            }
        }
    }
}

impl Error for BadKey {}

#[cfg(test)]
mod tests {
    use super::*;

    fn base64(bytes: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    #[test]
    fn a_key_is_the_same_however_it_is_written() {
        let pem = include_bytes!("../../tests/keys/rsa.pub.pem");
        let rsa = Key::pem(Algorithm::RS256, pem).unwrap();
        let der = DecodingKey::from_rsa_pem(pem).unwrap();
        let components = DEFAULT_PROVIDER.key_utils.rsa_pub_components_from_public_key;
        let (n, e) = components(der.try_get_as_bytes().unwrap()).unwrap();
        let [n, zeros, e] = [n.clone(), [&[0], &*n].concat(), e].map(|value| base64(&value));
        for n in [n, zeros] {
            let jwk = Key::jwk(&format!(r#"{{"kty":"RSA","n":"{n}","e":"{e}"}}"#)).unwrap();
            assert!(jwk.is_as(&rsa) && rsa.is_as(&jwk));
            assert!(!jwk.clone().id("a").is_as(&rsa) && !rsa.is_as(&jwk.id("a")));
        }
        assert!(!Key::pem(Algorithm::PS256, pem).unwrap().is_as(&rsa));

        let secret = |secret: u8| Key::secret(Algorithm::HS256, &[secret; 32]).unwrap();
        assert!(secret(1).is_as(&secret(1)));
        assert!(!secret(1).is_as(&secret(2)) && !secret(1).is_as(&rsa));
        let pem = include_bytes!("../../tests/keys/ec.pub.pem");
        let point = DecodingKey::from_ec_pem(pem).unwrap();
        let (x, y) = point.try_get_as_bytes().unwrap()[1..].split_at(32);
        let (x, y) = (base64(x), base64(y));
        let jwk = format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}"}}"#);
        let ec = Key::pem(Algorithm::ES256, pem).unwrap();
        assert!(Key::jwk(&jwk).unwrap().is_as(&ec) && !ec.is_as(&rsa));
    }

    #[test]
    fn bits_are_counted_from_the_first_that_is_set() {
        assert_eq!([bits(&[]), bits(&[0, 0]), bits(&[1]), bits(&[0, 0x80, 0])], [0, 0, 1, 16]);
    }
}
