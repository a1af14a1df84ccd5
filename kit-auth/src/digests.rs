//! Secrets of which only digests are kept.

use aws_lc_rs::{error::Unspecified, hmac, rand::SystemRandom};
use std::fmt;
use subtle::{Choice, ConstantTimeEq};

type Digest = [u8; 32];

/// What secrets stand for.
///
/// They are looked up by their HMAC-SHA-256 under a key that nobody knows: how
/// long that takes says nothing about the secrets, since nobody can choose digests.
/// Whether or not there is such a secret, one digest is made and one compared.
pub(crate) struct Digests<T> {
    key: hmac::Key,
    /// In the order of the digests.
    entries: Vec<(Digest, T)>,
}

// ===== impl Digests =====

impl<T> Digests<T> {
    /// Fails when the system has no random numbers.
    pub(crate) fn new() -> Result<Self, Unspecified> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())?;
        Ok(Self { key, entries: Vec::new() })
    }

    pub(crate) const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds what a secret, the whole of its `parts`, stands for. If it stands for
    /// something already, it says for what.
    pub(crate) fn insert(&mut self, parts: &[&str], value: T) -> Result<(), &T> {
        let digest = self.digest(parts);
        match self.entries.binary_search_by(|(known, _)| known.cmp(&digest)) {
            Ok(at) => Err(&self.entries[at].1),
            Err(at) => {
                self.entries.insert(at, (digest, value));
                Ok(())
            }
        }
    }

    /// Returns what a secret stands for.
    pub(crate) fn find(&self, parts: &[&str]) -> Option<&T> {
        self.find_by(&self.digest(parts), |known, digest| known.ct_eq(digest))
    }

    fn find_by(
        &self,
        digest: &Digest,
        is_same: impl FnOnce(&Digest, &Digest) -> Choice,
    ) -> Option<&T> {
        let at = self.entries.partition_point(|(known, _)| known < digest);
        let (known, value) = self.entries.get(at).or(self.entries.last())?;
        bool::from(is_same(known, digest)).then_some(value)
    }

    fn digest(&self, parts: &[&str]) -> Digest {
        let mut hmac = hmac::Context::with_key(&self.key);
        for part in parts {
            hmac.update(part.as_bytes());
        }
        let mut digest = Digest::default();
        digest.copy_from_slice(hmac.sign().as_ref());
        digest
    }
}

impl<T> fmt::Debug for Digests<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Digests").field("len", &self.entries.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(secrets: &[&str]) -> Digests<usize> {
        let mut digests = Digests::new().unwrap();
        for (index, secret) in secrets.iter().enumerate() {
            digests.insert(&[secret], index).unwrap();
        }
        digests
    }

    #[test]
    fn each_secret_is_found_and_no_other() {
        let secrets: Vec<_> = (0..50).map(|n| format!("secret {n}")).collect();
        let secrets: Vec<_> = secrets.iter().map(String::as_str).collect();
        let digests = digests(&secrets);
        for (index, secret) in secrets.iter().enumerate() {
            assert_eq!(digests.find(&[secret]), Some(&index));
        }
        for other in ["", "secret", "secret 50", "Secret 1", "secret 1 "] {
            assert_eq!(digests.find(&[other]), None, "{other:?}");
        }
        assert_eq!(digests.find(&["sec", "ret 7"]), Some(&7), "parts are one secret");
    }

    #[test]
    fn what_is_not_there_costs_as_many_comparisons_as_what_is() {
        let digests = digests(&["a", "b", "c"]);
        let known = digests.entries.iter().map(|(digest, _)| *digest);
        let unknown = [[0; 32], digests.digest(&["d"]), digests.digest(&["e"]), [0xff; 32]];
        for digest in known.chain(unknown) {
            let mut comparisons = 0;
            digests.find_by(&digest, |known, digest| {
                comparisons += 1;
                known.ct_eq(digest)
            });
            assert_eq!(comparisons, 1);
        }
    }

    #[test]
    fn a_secret_stands_for_one_thing() {
        let mut digests = digests(&["a"]);
        assert_eq!(digests.insert(&["a"], 1), Err(&0));
        assert_eq!(digests.find(&["a"]), Some(&0));
        assert_eq!(digests.len(), 1);
    }

    #[test]
    fn two_sets_digest_a_secret_differently() {
        assert_ne!(digests(&[]).digest(&["a"]), digests(&[]).digest(&["a"]));
    }

    #[test]
    fn nothing_is_found_where_there_is_nothing() {
        assert_eq!(digests(&[]).find(&["a"]), None);
    }
}
