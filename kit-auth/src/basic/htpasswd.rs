use super::{BadHash, PasswordHash, User, Users, Workers};
use crate::{Denied, Inspect, Inspector, Reason, Verdict};
use arc_swap::ArcSwap;
use std::{
    collections::{HashMap, hash_map::Entry},
    error::Error,
    fmt, fs,
    hash::BuildHasher,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::sleep;
use zeroize::Zeroizing;

/// Users out of a file, one a line: `name:hash`, as Apache's `htpasswd -B` writes it
/// and nginx reads it. Clones share them.
///
/// The hashes are [`PasswordHash`]'s: bcrypt and argon2id. Empty lines and those that
/// begin with `#` are skipped, and so is what follows a second colon. A file that has
/// a line that is no good is no good, and [`LoadError`] names all of them. One without
/// users is good: nobody gets in.
///
/// Passwords are checked by [`Workers`]. A name that nobody has is checked against the
/// hash of another, always the same, and refused however that ends: it takes as long.
///
/// ```
/// use kit_auth::basic::{Basic, Htpasswd, LoadError};
///
/// let users = Htpasswd::text(
///     "# by `htpasswd -nbB ada secret`
///      ada:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a",
/// )?;
/// assert_eq!(users.len(), 1);
/// let basic = Basic::new("orders", users);
/// # let _ = basic;
/// # Ok::<_, LoadError>(())
/// ```
#[derive(Clone)]
pub struct Htpasswd {
    shared: Arc<Shared>,
    workers: Workers,
}

struct Shared {
    path: Option<PathBuf>,
    current: ArcSwap<Content>,
    read: Mutex<Last>,
}

/// What was read last.
struct Last {
    bytes: Vec<u8>,
    is_bad: bool,
}

/// What the file has, or had.
struct Content {
    generation: u64,
    users: HashMap<User, Arc<PasswordHash>>,
    /// Against which those are checked who are not there.
    hashes: Vec<Arc<PasswordHash>>,
}

/// The users are not to be had, or no good.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadError {
    /// The file can't be read.
    #[non_exhaustive]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Lines are no good.
    #[non_exhaustive]
    Lines {
        /// Of which file, if it is one.
        path: Option<PathBuf>,
        /// All of them.
        lines: Vec<BadLine>,
    },
}

/// A line that is no good. It holds nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadLine {
    /// Which one, counted from one.
    pub number: usize,
    /// What is wrong.
    pub wrong: Wrong,
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Wrong {
    /// It is not UTF-8.
    NotText,
    /// It has no colon.
    NoColon,
    /// It has no name.
    NoName,
    /// The name has a control character, which Basic cannot carry.
    Control,
    /// The hash is not taken.
    Hash(BadHash),
    /// The name is there already.
    #[non_exhaustive]
    Twice {
        /// In which line.
        first: usize,
    },
}

// ===== impl Htpasswd =====

impl Htpasswd {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// When it can't be read, or lines of it are no good.
    pub fn load(path: impl Into<PathBuf>) -> Result<Self, LoadError> {
        let path = path.into();
        let read = read(&path)?;
        Self::of(read, Some(path))
    }

    /// Takes the text of such a file.
    ///
    /// # Errors
    ///
    /// When lines of it are no good.
    pub fn text(text: impl Into<String>) -> Result<Self, LoadError> {
        Self::of(text.into().into_bytes(), None)
    }

    fn of(read: Vec<u8>, path: Option<PathBuf>) -> Result<Self, LoadError> {
        let users = HashMap::default();
        let nothing = Content { generation: 0, users, hashes: Vec::new() };
        let current = match nothing.followed_by(&read) {
            Ok(content) => ArcSwap::from_pointee(content),
            Err(lines) => return Err(LoadError::Lines { path, lines }),
        };
        let last = Last { bytes: read, is_bad: false };
        let shared = Arc::new(Shared { path, current, read: Mutex::new(last) });
        Ok(Self { shared, workers: Workers::default() })
    }

    /// Has passwords checked by `workers`, which others may have too.
    #[must_use]
    pub fn workers(mut self, workers: Workers) -> Self {
        self.workers = workers;
        self
    }

    /// Reads the file anew, and says whether it has changed: who is in it now gets
    /// in, and nobody else, not even one whose password was being checked.
    ///
    /// It blocks for as long as reading a small file does. A file should be replaced
    /// by renaming another, lest it be read when half of it is written.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load), as long as the file is so; then the users of before
    /// stay.
    pub fn reload(&self) -> Result<bool, LoadError> {
        let Shared { path: Some(path), current, read: last } = &*self.shared else {
            return Ok(false);
        };
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        let read = read(path)?;
        if last.bytes == read && !last.is_bad {
            return Ok(false);
        }
        let content = current.load().followed_by(&read);
        *last = Last { bytes: read, is_bad: content.is_err() };
        let wrong = |lines| LoadError::Lines { path: Some(path.clone()), lines };
        current.store(Arc::new(content.map_err(wrong)?));
        Ok(true)
    }

    /// Reads the file anew after each `interval`, and tells `hear` when it had
    /// changed, for good or not. It never ends; dropping it ends it.
    ///
    /// It is compared by what it holds: Kubernetes replaces a mounted secret by a
    /// link, whose times say nothing.
    pub async fn watch(&self, interval: Duration, hear: impl Fn(Result<(), LoadError>)) {
        let mut told = None;
        loop {
            sleep(interval).await;
            match self.reload() {
                Ok(has_changed) => {
                    if has_changed {
                        hear(Ok(()));
                    }
                    told = None;
                }
                // Told once, as long as it is so.
                Err(error) => {
                    let text = Some(error.to_string());
                    if told != text {
                        told = text;
                        hear(Err(error));
                    }
                }
            }
        }
    }

    /// Returns how many users there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.current.load().users.len()
    }

    /// Says whether there is none, and nobody gets in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Says whether a user is still there, with that password.
    fn has(&self, user: &User, hash: &PasswordHash) -> bool {
        self.shared.current.load().users.get(user).is_some_and(|now| **now == *hash)
    }
}

impl Users for Htpasswd {
    type Identity = User;

    fn verify(&self, name: &str, password: &str) -> Verdict<User> {
        let Some((user, hash)) = self.shared.current.load().find(name) else {
            return Verdict::Absent;
        };
        let this = self.clone();
        let password = Zeroizing::new(password.to_owned());
        Verdict::later(async move {
            let job = Arc::clone(&hash);
            let is_right = this.workers.run(move || job.verify(&password)).await?;
            user.filter(|user| is_right && this.has(user, &hash))
                .ok_or_else(|| Denied::new(Reason::Invalid))
        })
    }

    /// It is one more with each content that was read and is good.
    fn generation(&self) -> u64 {
        self.shared.current.load().generation
    }
}

impl fmt::Debug for Htpasswd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Htpasswd")
            .field("path", &self.shared.path)
            .field("users", &self.len())
            .field("workers", &self.workers)
            .finish_non_exhaustive()
    }
}

/// Says how many users there are, and what the workers do.
impl Inspect for Htpasswd {
    fn inspect(&self, inspector: &mut dyn Inspector) {
        let users = u32::try_from(self.len()).unwrap_or(u32::MAX);
        inspector.gauge("auth_htpasswd_users", "Users that may come in.", &[], users.into());
        self.workers.inspect(inspector);
    }
}

fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    fs::read(path).map_err(|error| LoadError::File { path: path.to_owned(), error })
}

// ===== impl Content =====

impl Content {
    /// Reads what is there now. Those who are not are checked as before, as far as
    /// that can be.
    fn followed_by(&self, read: &[u8]) -> Result<Self, Vec<BadLine>> {
        let mut users = HashMap::with_hasher(self.users.hasher().clone());
        let (mut hashes, mut firsts, mut wrongs) = (Vec::new(), HashMap::new(), Vec::new());
        let read = read.strip_prefix(b"\xef\xbb\xbf").unwrap_or(read);
        for (line, number) in read.split(|byte| *byte == b'\n').zip(1..) {
            let user = match user(line) {
                Ok(None) => continue,
                Ok(Some((name, hash))) => match firsts.entry(name) {
                    Entry::Vacant(vacant) => {
                        vacant.insert(number);
                        hash.parse().map(|hash| (name, hash)).map_err(Wrong::Hash)
                    }
                    Entry::Occupied(first) => Err(Wrong::Twice { first: *first.get() }),
                },
                Err(wrong) => Err(wrong),
            };
            match user {
                Ok((name, hash)) => {
                    let hash: Arc<PasswordHash> = Arc::new(hash);
                    hashes.push(Arc::clone(&hash));
                    users.insert(User::new(name), hash);
                }
                Err(wrong) => wrongs.push(BadLine { number, wrong }),
            }
        }
        let generation = self.generation + 1;
        if wrongs.is_empty() { Ok(Self { generation, users, hashes }) } else { Err(wrongs) }
    }

    /// Returns the user, if there is one of that name, and what to check the password
    /// against; nothing if there is no user at all.
    fn find(&self, name: &str) -> Option<(Option<User>, Arc<PasswordHash>)> {
        if let Some((user, hash)) = self.users.get_key_value(name) {
            return Some((Some(user.clone()), Arc::clone(hash)));
        }
        let count = u64::try_from(self.hashes.len()).ok().filter(|count| *count > 0)?;
        let at = usize::try_from(self.users.hasher().hash_one(name) % count).ok()?;
        self.hashes.get(at).map(|hash| (None, Arc::clone(hash)))
    }
}

/// Reads a line: the name and the hash, or nothing.
fn user(line: &[u8]) -> Result<Option<(&str, &str)>, Wrong> {
    let line = str::from_utf8(line).map_err(|_| Wrong::NotText)?.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (name, rest) = line.split_once(':').ok_or(Wrong::NoColon)?;
    let hash = rest.split_once(':').map_or(rest, |(hash, _)| hash);
    if name.is_empty() {
        Err(Wrong::NoName)
    } else if name.chars().any(char::is_control) {
        Err(Wrong::Control)
    } else {
        Ok(Some((name, hash)))
    }
}

// ===== impl LoadError =====

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, .. } => write!(f, "cannot read {}", path.display()),
            Self::Lines { path, lines } => {
                match path {
                    Some(path) => write!(f, "{} is no good", path.display())?,
                    None => f.write_str("the users are no good")?,
                }
                lines
                    .iter()
                    .try_for_each(|BadLine { number, wrong }| write!(f, "\nline {number}: {wrong}"))
            }
        }
    }
}

impl Error for LoadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::File { error, .. } => Some(error),
            Self::Lines { .. } => None,
        }
    }
}

// ===== impl Wrong =====

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotText => f.write_str("it is not UTF-8"),
            Self::NoColon => f.write_str("it has no colon between a name and a hash"),
            Self::NoName => f.write_str("it has no name"),
            Self::Control => f.write_str("the name has a control character"),
            Self::Hash(hash) => hash.fmt(f),
            Self::Twice { first } => write!(f, "the name is in line {first} already"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const SALTED: &str = "$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a";

    fn content(costs: &[u32]) -> Content {
        let line = |(user, cost)| format!("user{user}:$2y${cost:02}{SALTED}\n");
        let text: String = costs.iter().enumerate().map(line).collect();
        let nothing = Content { generation: 0, users: HashMap::default(), hashes: Vec::new() };
        nothing.followed_by(text.as_bytes()).unwrap()
    }

    fn cost(content: &Content, name: &str) -> u32 {
        let hash: PasswordHash = format!("$2y$04{SALTED}").parse().unwrap();
        let (user, found) = content.find(name).unwrap();
        assert_eq!(user.is_some(), name.starts_with("user"));
        if *found == hash { 4 } else { 5 }
    }

    #[test]
    fn a_name_that_nobody_has_costs_what_a_user_does() {
        let content = content(&[5, 5, 5]);
        assert!((0..100).all(|n| cost(&content, &format!("name{n}")) == 5));
    }

    #[test]
    fn where_users_cost_more_or_less_so_do_names_that_nobody_has() {
        let content = content(&[4, 5, 4, 5, 4, 5, 4, 5]);
        let mut costs = BTreeMap::new();
        for n in 0..1000 {
            let name = format!("name{n}");
            let first = cost(&content, &name);
            assert_eq!(cost(&content, &name), first, "it is always the same for one name");
            *costs.entry(first).or_insert(0) += 1;
        }
        assert!(costs.len() == 2 && costs.values().all(|count| *count > 300), "{costs:?}");
        assert_eq!(cost(&content, "user0"), 4);
        assert_eq!(cost(&content, "user1"), 5);
    }

    #[test]
    fn names_that_nobody_has_cost_the_same_after_the_file_was_read_anew() {
        let first = content(&[4, 5, 4, 5]);
        let two = |n| format!("user{n}:$2y$04{SALTED}\nuser{}:$2y$05{SALTED}\n", n + 1);
        let text = format!("# changed\n{}{}", two(0), two(2));
        let second = first.followed_by(text.as_bytes()).unwrap();
        assert_eq!((first.generation, second.generation), (1, 2));
        let costs = |content| (0..100).map(|n| cost(content, &format!("name{n}"))).collect();
        let (before, after): (Vec<_>, Vec<_>) = (costs(&first), costs(&second));
        assert_eq!(before, after);
    }
}
