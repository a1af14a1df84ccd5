use super::{Credential, Given, NoCredential, bearer};
use http::HeaderValue;
use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{runtime::Handle, time::Instant};

/// How often the file is read: the kubelet renews a token at four fifths of its
/// time, which is 10 minutes at the least, and Kubernetes' own client reads its
/// file each minute.
const EVERY: Duration = Duration::from_mins(1);

/// A bearer token in a file that somebody else renews, as Kubernetes does
/// (`serviceAccountToken` volumes).
///
/// It is read anew each minute, by the call that comes then, on Tokio's threads for
/// what blocks; other calls have the token that was there meanwhile. A file that
/// cannot be read leaves that token.
pub struct FileToken(Arc<Shared>);

struct Shared {
    path: PathBuf,
    last: Mutex<Last>,
}

struct Last {
    /// When it was read, or is being read.
    at: Instant,
    value: HeaderValue,
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
        let last = Mutex::new(Last { at: Instant::now(), value: read(&path)? });
        Ok(Self(Arc::new(Shared { path, last })))
    }
}

fn read(path: &Path) -> Result<HeaderValue, NoCredential> {
    let text = fs::read_to_string(path).map_err(|error: io::Error| {
        NoCredential::new("the file of the token cannot be read").because(error)
    })?;
    bearer(text.trim())
}

impl Credential for FileToken {
    fn give(&self) -> Given {
        let value = {
            let mut last = self.0.last();
            let now = Instant::now();
            if now < last.at + EVERY {
                return Given::Now(Ok(last.value.clone()));
            }
            last.at = now;
            last.value.clone()
        };
        let shared = Arc::clone(&self.0);
        match Handle::try_current() {
            Ok(runtime) => {
                // Before it is asked for: a call that is dropped has read it all the same.
                let read = runtime.spawn_blocking(move || shared.read());
                Given::Later(Box::pin(async move { Ok(read.await.unwrap_or(value)) }))
            }
            // Nobody waits for a file without a runtime.
            Err(_) => Given::Now(Ok(shared.read())),
        }
    }
}

impl fmt::Debug for FileToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileToken").field("path", &self.0.path).finish_non_exhaustive()
    }
}

// ===== impl Shared =====

impl Shared {
    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the file, and returns what the token is now.
    fn read(&self) -> HeaderValue {
        let read = read(&self.path);
        let mut last = self.last();
        if let Ok(value) = read {
            last.value = value;
        }
        last.value.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_runtime_the_file_is_read_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "one").unwrap();
        let token = FileToken::new(&path).unwrap();
        fs::write(&path, "two").unwrap();
        assert!(matches!(token.give(), Given::Now(Ok(now)) if now == "Bearer one"));
        let mut last = token.0.last();
        last.at = last.at.checked_sub(EVERY).unwrap();
        drop(last);
        assert!(matches!(token.give(), Given::Now(Ok(now)) if now == "Bearer two"));
    }
}
