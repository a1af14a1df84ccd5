use std::{error, fmt, sync::Arc};
use subtle::ConstantTimeEq;

/// A secret that who changes something may show. Its `Debug` does not.
#[derive(Clone)]
pub struct Token(Arc<[u8]>);

/// What no [`Token`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidToken(());

// ===== impl Token =====

impl Token {
    /// The fewest characters of one: there is no other limit to guessing.
    pub const SHORTEST: usize = 16;
    /// The most: it has to go into a header.
    pub const LONGEST: usize = 4096;

    /// Takes the secret, without the blanks around it that a file has. Make it of
    /// chance: `openssl rand -hex 32`.
    ///
    /// # Errors
    ///
    /// Fails unless it is 16 to 4096 visible characters of ASCII. The error does
    /// not tell it.
    pub fn new(secret: &str) -> Result<Self, InvalidToken> {
        let secret = secret.trim_ascii().as_bytes();
        let is_fit = (Self::SHORTEST..=Self::LONGEST).contains(&secret.len());
        if is_fit && secret.iter().all(u8::is_ascii_graphic) {
            Ok(Self(secret.into()))
        } else {
            Err(InvalidToken(()))
        }
    }

    /// Compares in a time that tells no more than the lengths.
    pub(super) fn is(&self, shown: &[u8]) -> bool {
        self.0.ct_eq(shown).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

// ===== impl InvalidToken =====

impl fmt::Display for InvalidToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shortest, longest) = (Token::SHORTEST, Token::LONGEST);
        write!(f, "a token is {shortest} to {longest} visible characters of ASCII on one line")
    }
}

impl error::Error for InvalidToken {}
