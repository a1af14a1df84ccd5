use super::{Credential, Given, NoCredential, bearer};
use http::HeaderValue;
use std::{
    fmt, fs, io,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// How often the file is read: the kubelet renews a token at four fifths of its
/// time, which is 10 minutes at the least, and Kubernetes' own client reads its
/// file each minute.
const EVERY: Duration = Duration::from_mins(1);

/// A bearer token in a file that somebody else renews, as Kubernetes does
/// (`serviceAccountToken` volumes).
///
/// It is read anew each minute, by the call that comes then, which blocks for as
/// long as reading a small file does. A file that cannot be read leaves the token
/// that was there.
pub struct FileToken {
    path: PathBuf,
    read: Mutex<Option<(Instant, HeaderValue)>>,
}

// ===== impl FileToken =====

impl FileToken {
    /// Takes the token in this file.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or holds none.
    pub fn new(path: impl Into<PathBuf>) -> Result<Self, NoCredential> {
        let path = path.into();
        let first = (Instant::now(), read(&path)?);
        Ok(Self { path, read: Mutex::new(Some(first)) })
    }
}

fn read(path: &PathBuf) -> Result<HeaderValue, NoCredential> {
    let text = fs::read_to_string(path).map_err(|error: io::Error| {
        NoCredential::new("the file of the token cannot be read").because(error)
    })?;
    bearer(text.trim())
}

impl Credential for FileToken {
    fn give(&self) -> Given {
        let mut known = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some((at, value)) = &*known
            && now < *at + EVERY
        {
            return Given::Now(Ok(value.clone()));
        }
        let value = match (read(&self.path), known.take()) {
            (Ok(value), _) | (Err(_), Some((_, value))) => value,
            (Err(error), None) => return Given::Now(Err(error)),
        };
        *known = Some((now, value.clone()));
        Given::Now(Ok(value))
    }
}

impl fmt::Debug for FileToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileToken").field("path", &self.path).finish_non_exhaustive()
    }
}
