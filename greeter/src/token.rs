//! `greeter token`: a key and a token, to try what asks for one.

use crate::flags::Token;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use kit_auth::jwt::{Algorithm, Claims, KeySet, Signer, SigningKey};
use std::{
    borrow::Cow,
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};
use tower::BoxError;

/// The name of the private key.
pub const KEY: &str = "greeter-key.pem";
/// The name of the public one.
pub const JWKS: &str = "greeter-jwks.json";

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----\n";
const END: &str = "-----END PRIVATE KEY-----\n";

/// A token that was made, and how to serve those who have it.
#[derive(Clone)]
pub struct Made {
    /// The token.
    pub token: String,
    /// The command that serves with it.
    pub serve: String,
}

/// There is no token.
#[derive(Debug, thiserror::Error)]
pub enum NotMade {
    /// A file cannot be read.
    #[error("cannot read {path}", path = .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// A file cannot be made.
    #[error("cannot make {path}", path = .0.display())]
    Write(PathBuf, #[source] io::Error),
    /// The key is another's.
    #[error("{path} has no key of `greeter token`: name another folder by --out", path = .0.display())]
    Key(PathBuf),
    /// The public key is another's.
    #[error("{path} is not of {KEY} beside it: name another folder by --out", path = .0.display())]
    Jwks(PathBuf),
    /// The system has no randomness, or does not sign.
    #[error("cannot sign")]
    Sign,
}

/// Signs a token by the key in the folder, which it makes if there is none.
/// No file is ever written over.
///
/// # Errors
///
/// Fails if the folder has other files of those names, or they cannot be made.
pub fn make(flags: &Token) -> Result<Made, NotMade> {
    let Token { issuer, audience, subject, scope, lifetime, out } = flags;
    let (path, jwks) = (out.join(KEY), out.join(JWKS));
    let pem = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if jwks.exists() {
                return Err(NotMade::Jwks(jwks));
            }
            let pem = fresh().ok_or(NotMade::Sign)?;
            create(&path, &pem, 0o600)?;
            pem
        }
        read => read.map_err(|error| NotMade::Read(path.clone(), error))?,
    };
    let public = public(&pem).ok_or_else(|| NotMade::Key(path.clone()))?;
    let (id, set) = published(&public);
    match fs::read(&jwks) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(&jwks, &set, 0o644)?,
        Err(error) => return Err(NotMade::Read(jwks, error)),
        Ok(read) => {
            let is_there = |keys: KeySet| keys.keys().iter().any(|key| key.get_id() == Some(&id));
            if !KeySet::jwks(&read).is_ok_and(is_there) {
                return Err(NotMade::Jwks(jwks));
            }
        }
    }
    let key = SigningKey::pem(Algorithm::EdDSA, pem.as_bytes()).map_err(|_| NotMade::Key(path))?;
    let mut claims = Claims::default();
    claims.issuer = Some(issuer.clone());
    claims.subject = Some(subject.clone());
    claims.audience.0 = vec![audience.clone()];
    claims.scope.clone_from(scope);
    let signer = Signer::new(key.id(id), move || claims.clone()).lifetime(*lifetime);
    let token = signer.token().map_err(|_| NotMade::Sign)?;
    let jwks = jwks.to_string_lossy();
    let [jwks, issuer, audience] = [&*jwks, issuer, audience].map(quoted);
    let serve =
        format!("greeter serve --jwt-jwks {jwks} --jwt-issuer {issuer} --jwt-audience {audience}");
    Ok(Made { token, serve })
}

/// A new key, as PKCS#8 in PEM.
fn fresh() -> Option<String> {
    let pair = Ed25519KeyPair::generate().ok()?;
    let key = STANDARD.encode(pair.to_pkcs8v1().ok()?);
    Some(format!("{BEGIN}{key}\n{END}"))
}

/// The public half of such a key.
fn public(pem: &str) -> Option<Vec<u8>> {
    let inner = pem.trim_start().strip_prefix(BEGIN)?;
    let (inner, _) = inner.split_once(END.trim_end())?;
    let inner: String = inner.split_whitespace().collect();
    let pair = Ed25519KeyPair::from_pkcs8(&STANDARD.decode(inner).ok()?).ok()?;
    Some(pair.public_key().as_ref().to_vec())
}

/// The id of a public key, which is itself cut short, and the set of it alone.
fn published(public: &[u8]) -> (String, String) {
    let x = URL_SAFE_NO_PAD.encode(public);
    let id = x.get(..8).unwrap_or_default().to_owned();
    let set = format!(
        r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","use":"sig","alg":"EdDSA","kid":"{id}","x":"{x}"}}]}}"#
    );
    (id, set + "\n")
}

/// Writes a file that is not there.
fn create(path: &Path, text: &str, mode: u32) -> Result<(), NotMade> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| NotMade::Write(path.to_owned(), error))
}

/// As a shell takes it for one word.
fn quoted(word: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/:@%+=,".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
    }
}

// ===== impl Made =====

impl Made {
    /// Says how to serve those who have the token, and how to show it.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be written.
    pub fn told(&self, mut out: impl Write) -> Result<(), BoxError> {
        writeln!(out, "# serve those who have it:\n{}", self.serve)?;
        writeln!(out, "# and show it, where $TOKEN is what was printed:")?;
        let show = r#"curl -H "authorization: Bearer $TOKEN" 'localhost:9110/greeting?name=Ada'"#;
        Ok(writeln!(out, "{show}")?)
    }
}

/// It does not show the token.
impl std::fmt::Debug for Made {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Made").field("serve", &self.serve).finish_non_exhaustive()
    }
}
