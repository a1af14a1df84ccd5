use std::{io, path::PathBuf};

/// Why a file is no list of instances.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Its name does not say what is in it.
    #[error("{0:?} ends neither in .json nor in .toml")]
    Extension(PathBuf),
    /// It cannot be read.
    #[error("{path:?} cannot be read")]
    Read {
        /// Where it is.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is no regular file.
    #[error("{0:?} is no file")]
    NotAFile(PathBuf),
    /// It is larger than this many bytes.
    #[error("{path:?} is larger than {limit} bytes")]
    TooLarge {
        /// Where it is.
        path: PathBuf,
        /// How large it may be.
        limit: u64,
    },
    /// It has mistakes, all of which are named.
    #[error("{path:?} has mistakes: {}", mistakes.join("; "))]
    Mistakes {
        /// Where it is.
        path: PathBuf,
        /// What is wrong, and where.
        mistakes: Vec<String>,
    },
    /// The runtime ends.
    #[error("{0:?} was not read: the runtime is shutting down")]
    ShuttingDown(PathBuf),
}
