use super::{BadUsers, Unfit, User, Users};
use crate::{Denied, Reason, Verdict, digests::Digests};
use std::collections::HashMap;

/// Users whose names and passwords the program was told: in its code, its
/// configuration or its environment.
///
/// Of each only a digest is kept (HMAC-SHA-256 of name and password, under a key
/// made at the start), in which the name and the password of a request are looked up
/// together: a name that nobody has costs what a wrong password costs. It is not a
/// slow hash: whoever can read the program's memory could guess short passwords.
///
/// ```
/// use kit_auth::basic::{BadUsers, StaticUsers};
///
/// let users = StaticUsers::new([("ada", "correct horse"), ("bob", "battery staple")])?;
/// assert_eq!(users.len(), 2);
/// assert!(StaticUsers::new([("ada", "")]).is_err(), "a password that nobody set");
/// # Ok::<_, BadUsers>(())
/// ```
#[derive(Debug)]
pub struct StaticUsers(Digests<User>);

// ===== impl StaticUsers =====

impl StaticUsers {
    /// Takes names and passwords.
    ///
    /// # Errors
    ///
    /// When a name or a password is empty or cannot be sent by Basic, or a name is
    /// there twice.
    pub fn new<N, P>(users: impl IntoIterator<Item = (N, P)>) -> Result<Self, BadUsers>
    where
        N: AsRef<str>,
        P: AsRef<str>,
    {
        let mut digests = Digests::new().map_err(|_| BadUsers::NoRandom)?;
        let mut positions = HashMap::new();
        for ((name, password), position) in users.into_iter().zip(1..) {
            let (name, password) = (name.as_ref(), password.as_ref());
            Unfit::check(name, password).map_err(|unfit| BadUsers::Unfit { position, unfit })?;
            if name.is_empty() {
                return Err(BadUsers::NoName { position });
            }
            if password.is_empty() {
                return Err(BadUsers::NoPassword { position });
            }
            let user = User::new(name);
            if let Some(first) = positions.insert(user.clone(), position) {
                return Err(BadUsers::Twice { position, first });
            }
            // No two names are the same, and none has a colon: no two are one secret.
            let _ = digests.insert(&[name, ":", password], user);
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

impl Users for StaticUsers {
    type Identity = User;

    fn verify(&self, name: &str, password: &str) -> Verdict<User> {
        match self.0.find(&[name, ":", password]) {
            Some(user) => Verdict::Known(Ok(user.clone())),
            None => Verdict::Known(Err(Denied::new(Reason::Invalid))),
        }
    }
}
