use argon2::{Argon2, Params, PasswordVerifier};
use std::{error::Error, fmt, str::FromStr};

/// A password as a slow hash: bcrypt's (`$2a$`, `$2b$`, `$2y$`), or argon2id's as a
/// PHC string (`$argon2id$v=19$m=..,t=..,p=..$salt$hash`).
///
/// It is for [`Htpasswd`](super::Htpasswd), and for whoever keeps users elsewhere;
/// run it by [`Workers`](super::Workers). Its `Debug` does not show it.
///
/// ```
/// use kit_auth::basic::{BadHash, PasswordHash};
///
/// let hash: PasswordHash =
///     "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
///         .parse()?;
/// assert!(hash.verify("password"));
/// assert!(!hash.verify("passwort"));
/// # Ok::<_, BadHash>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(Scheme);

#[derive(Clone, PartialEq, Eq)]
enum Scheme {
    Bcrypt(Box<str>),
    Argon2id(Box<argon2::PasswordHash>),
}

/// A hash that is not taken, and what to do about it. It holds nothing of the hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BadHash {
    /// MD5, as `htpasswd` makes it unless it is told otherwise (`$apr1$`, `$1$`).
    Md5,
    /// SHA-1 (`{SHA}`, `{SSHA}`).
    Sha1,
    /// One of crypt's: DES, SHA-crypt (`$5$`, `$6$`), scrypt, yescrypt.
    Crypt,
    /// Argon2i, argon2d, or argon2id in a version before 1.3 (`v=19`).
    Argon2,
    /// Not a hash: a password in the clear, by the looks of it.
    Plain,
    /// It is cut off, or not written as its kind is.
    Malformed,
    /// It would take more time or memory than a request should: more than bcrypt's
    /// cost 17, or for argon2id more than 1 GiB (m), or 4 GiB in all passes (m * t).
    TooCostly,
}

/// The most that Apache's `htpasswd` makes: seconds.
const MAX_BCRYPT_COST: u32 = 17;
const MIN_BCRYPT_COST: u32 = 4;

/// KiB.
const MAX_ARGON2_MEMORY: u64 = 1 << 20;
const MAX_ARGON2_WORK: u64 = 1 << 22;

/// Bytes: RFC 9106, section 3.1, asks for four, which anybody finds.
const MIN_ARGON2_OUTPUT: usize = 16;

const ARGON2_VERSION: u32 = 0x13;

// ===== impl PasswordHash =====

impl PasswordHash {
    /// Says whether `password` is the one. It takes as long as the hash was made to
    /// take, and blocks.
    ///
    /// Bcrypt knows no more than the first 72 bytes of a password, here as elsewhere.
    #[must_use]
    pub fn verify(&self, password: &str) -> bool {
        match &self.0 {
            Scheme::Bcrypt(hash) => bcrypt::verify(password, hash).unwrap_or(false),
            Scheme::Argon2id(hash) => {
                let argon2 = Argon2::default();
                PasswordVerifier::<argon2::PasswordHash>::verify_password(
                    &argon2,
                    password.as_bytes(),
                    hash,
                )
                .is_ok()
            }
        }
    }
}

impl FromStr for PasswordHash {
    type Err = BadHash;

    fn from_str(hash: &str) -> Result<Self, BadHash> {
        let scheme = hash.strip_prefix('$').and_then(|rest| rest.split_once('$'));
        match scheme.map(|(scheme, _)| scheme) {
            Some("2a" | "2b" | "2y") => bcrypt(hash).map(Self),
            Some("argon2id") => argon2id(hash).map(Self),
            Some("argon2i" | "argon2d") => Err(BadHash::Argon2),
            Some("apr1" | "1") => Err(BadHash::Md5),
            Some("2" | "2x") => Err(BadHash::Malformed),
            Some("3" | "5" | "6" | "7" | "8" | "y" | "gy" | "md5" | "sha1") => Err(BadHash::Crypt),
            _ if hash.starts_with("{SHA}") || hash.starts_with("{SSHA}") => Err(BadHash::Sha1),
            _ if looks_like_des(hash) => Err(BadHash::Crypt),
            _ => Err(BadHash::Plain),
        }
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.0 {
            Scheme::Bcrypt(_) => "bcrypt",
            Scheme::Argon2id(_) => "argon2id",
        };
        f.debug_tuple("PasswordHash").field(&format_args!("{scheme}")).finish()
    }
}

fn bcrypt(hash: &str) -> Result<Scheme, BadHash> {
    let parts: bcrypt::HashParts = hash.parse().map_err(|_| BadHash::Malformed)?;
    // `+4` is a number too, and no hash of anybody's.
    if !hash[4..6].bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(BadHash::Malformed);
    }
    match parts.get_cost() {
        MIN_BCRYPT_COST..=MAX_BCRYPT_COST => Ok(Scheme::Bcrypt(hash.into())),
        cost if cost > MAX_BCRYPT_COST => Err(BadHash::TooCostly),
        _ => Err(BadHash::Malformed),
    }
}

fn argon2id(text: &str) -> Result<Scheme, BadHash> {
    let hash: argon2::PasswordHash = text.parse().map_err(|_| BadHash::Malformed)?;
    if hash.version != Some(ARGON2_VERSION) {
        return Err(BadHash::Argon2);
    }
    // What is not said has a default there, which need not be whose hash it is; and
    // a key or data that went into it is not to be had here.
    let is_said = |name| hash.params.get(name).is_some();
    let is_whole = is_said("m") && is_said("t") && is_said("p") && hash.params.iter().count() == 3;
    let params = Params::try_from(&hash).map_err(|_| BadHash::Malformed)?;
    let output = hash.hash.as_ref().map_or(0, argon2::password_hash::phc::Output::len);
    if !is_whole || output < MIN_ARGON2_OUTPUT {
        return Err(BadHash::Malformed);
    }
    let (memory, passes) = (u64::from(params.m_cost()), u64::from(params.t_cost()));
    if memory > MAX_ARGON2_MEMORY || memory * passes > MAX_ARGON2_WORK {
        return Err(BadHash::TooCostly);
    }
    Ok(Scheme::Argon2id(Box::new(hash)))
}

fn looks_like_des(hash: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/');
    hash.len() == 13 && hash.bytes().all(is_known)
}

// ===== impl BadHash =====

impl fmt::Display for BadHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self {
            Self::Md5 => "the hash is MD5",
            Self::Sha1 => "the hash is SHA-1",
            Self::Crypt => "the hash is crypt's",
            Self::Argon2 => "the hash is not argon2id of version 19",
            Self::Plain => "there is no hash: it may be a password in the clear",
            Self::Malformed => "the hash is not whole",
            Self::TooCostly => "the hash takes more time or memory than a request should",
        };
        write!(f, "{what}; hash the password anew, as `htpasswd -B -C 10` does")
    }
}

impl Error for BadHash {}
