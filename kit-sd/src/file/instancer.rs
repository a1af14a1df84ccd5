use super::{
    Error,
    list::{self, Format},
};
use crate::{Instance, Publisher, error::chain, pace::Pace};
use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
    sync::Arc,
    time::Duration,
};
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep, sleep_until},
};

/// Follows the instances of one service in a file.
///
/// The [module](super) has its form and its rules. Dropping what it runs in
/// ends it at once; a reading that is under way is finished by the runtime's
/// blocking threads, and forgotten.
#[derive(Debug, Clone)]
pub struct Instancer {
    service: Arc<str>,
    path: Arc<Path>,
    every: Duration,
}

/// What a reading brings, to be compared with the one before.
type Content = Result<Vec<u8>, Arc<str>>;

/// As much as a `ConfigMap` holds, sixteen times.
const LIMIT: u64 = 16 << 20;
/// How long a change must stay the same.
const SETTLE: Duration = Duration::from_millis(100);
/// How often that is looked at, before the file is taken as it is.
const LOOKS: usize = 10;

// ===== impl Instancer =====

impl Instancer {
    /// Follows the instances of `service` in the file at `path`. Nothing is
    /// read before it runs, and the file need not be there yet.
    pub fn new(service: impl Into<Arc<str>>, path: impl AsRef<Path>) -> Self {
        let path = path.as_ref().into();
        Self { service: service.into(), path, every: Duration::from_secs(1) }
    }

    /// Sets how often the file is looked at; once a second by default, and at
    /// most ten times a second.
    #[must_use]
    pub const fn every(mut self, every: Duration) -> Self {
        self.every = every;
        self
    }

    /// Reads the file once: to check one before it is put in place. It blocks
    /// the thread.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or has mistakes, all of which are named.
    pub fn read(&self) -> Result<Vec<Instance>, Error> {
        self.parse(&load(&self.path)?)
    }

    fn parse(&self, text: &[u8]) -> Result<Vec<Instance>, Error> {
        let extension = self.path.extension().unwrap_or_default();
        let format = if extension.eq_ignore_ascii_case("json") {
            Format::Json
        } else if extension.eq_ignore_ascii_case("toml") {
            Format::Toml
        } else {
            return Err(Error::Extension(self.path.to_path_buf()));
        };
        list::read(text, format, &self.service)
            .map_err(|mistakes| Error::Mistakes { path: self.path.to_path_buf(), mistakes })
    }

    /// Reads the file where that may block.
    async fn load(&self) -> Content {
        let path = Arc::clone(&self.path);
        let loaded = spawn_blocking(move || load(&path)).await;
        loaded
            .unwrap_or_else(|_| Err(Error::ShuttingDown(self.path.to_path_buf())))
            .map_err(|error| chain(&error).into())
    }

    /// Reads a file that has changed until it stays the same for a while.
    async fn settle(&self, mut content: Content) -> Content {
        for _ in 0..LOOKS {
            sleep(SETTLE).await;
            let again = self.load().await;
            if again == content {
                break;
            }
            content = again;
        }
        content
    }
}

impl crate::Instancer for Instancer {
    fn service(&self) -> &str {
        &self.service
    }

    async fn run(self, publisher: Publisher) {
        let mut last: Option<Content> = None;
        let mut pace = Pace::new();
        loop {
            pace.wait().await;
            pace.round(false);
            let begun = Instant::now();
            let mut content = self.load().await;
            if last.as_ref().is_some_and(|last| *last != content) {
                content = self.settle(content).await;
            }
            // What was said of it once is said.
            if last.as_ref() != Some(&content) {
                match &content {
                    Ok(text) => match self.parse(text) {
                        Ok(instances) => publisher.publish(instances),
                        Err(error) => publisher.fail(chain(&error)),
                    },
                    Err(error) => publisher.fail(error),
                }
                last = Some(content);
            }
            sleep_until(begun + self.every).await;
        }
    }
}

/// Reads a file that is not too large. One that is none, a pipe for one, would
/// never end.
fn load(path: &Path) -> Result<Vec<u8>, Error> {
    let unread = |source: io::Error| Error::Read { path: path.to_path_buf(), source };
    if !fs::metadata(path).map_err(unread)?.is_file() {
        return Err(Error::NotAFile(path.to_path_buf()));
    }
    let mut text = Vec::new();
    let file = File::open(path).map_err(unread)?;
    file.take(LIMIT + 1).read_to_end(&mut text).map_err(unread)?;
    if u64::try_from(text.len()).is_ok_and(|length| length > LIMIT) {
        return Err(Error::TooLarge { path: path.to_path_buf(), limit: LIMIT });
    }
    Ok(text)
}
