use super::expiry;
use arc_swap::ArcSwap;
use kit_endpoint::{Inspect, Inspector};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
    server::{VerifierBuilderError, WebPkiClientVerifier},
};
use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};
use tokio::time::sleep;

/// The certificates and the key that a server shows, and the authorities of
/// those it lets in, out of PEM files. Clones share them.
#[derive(Clone)]
pub struct Certificates(Arc<Inner>);

struct Inner {
    files: Files,
    current: ArcSwap<Served>,
    last: Mutex<Last>,
    /// Whether what is served is what the files hold.
    fresh: AtomicBool,
    changed: AtomicU64,
    failed: AtomicU64,
}

/// What handshakes go by.
struct Served {
    config: Arc<ServerConfig>,
    /// When the first certificate of the chain expires, since the epoch.
    expiry: Option<Duration>,
}

/// What was read of the files last, and whether it was good.
struct Last {
    read: Read,
    good: bool,
}

#[derive(Debug, Clone)]
struct Files {
    chain: PathBuf,
    key: PathBuf,
    authorities: Option<PathBuf>,
}

/// What the files hold.
#[derive(Clone, PartialEq, Eq)]
struct Read {
    chain: Vec<u8>,
    key: Vec<u8>,
    authorities: Option<Vec<u8>>,
}

/// The certificates are not to be had, or no good.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadError {
    /// A file can't be read.
    #[non_exhaustive]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A file is not PEM, or has not what it is for.
    #[non_exhaustive]
    Pem {
        /// Which one.
        path: PathBuf,
        /// What it should have.
        wanted: &'static str,
        /// What is wrong, if it is not that there is none.
        error: Option<pem::Error>,
    },
    /// The key is not that of the certificate, or is none that TLS can use.
    Tls(rustls::Error),
    /// The authorities of clients are no good.
    Authorities(VerifierBuilderError),
}

// ===== impl Certificates =====

impl Certificates {
    /// Reads the certificate, with those between it and an authority, and its
    /// key, which are PEM: PKCS#8, PKCS#1 or SEC1.
    ///
    /// # Errors
    ///
    /// When a file can't be read, or what it has is no good.
    pub fn load(chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Self, LoadError> {
        Self::of(Files { chain: chain.into(), key: key.into(), authorities: None })
    }

    /// Lets only those in who show a certificate of these authorities.
    ///
    /// # Errors
    ///
    /// When the file can't be read, or what it has is no good.
    pub fn client_ca(&self, authorities: impl Into<PathBuf>) -> Result<Self, LoadError> {
        let files = self.0.files.clone();
        Self::of(Files { authorities: Some(authorities.into()), ..files })
    }

    fn of(files: Files) -> Result<Self, LoadError> {
        let read = files.read()?;
        let current = ArcSwap::from_pointee(files.served(&read)?);
        Ok(Self(Arc::new(Inner {
            files,
            current,
            last: Mutex::new(Last { read, good: true }),
            fresh: AtomicBool::new(true),
            changed: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        })))
    }

    /// Reads the files anew, and says whether they have changed: what they
    /// have now is for the handshakes that follow.
    ///
    /// It blocks for as long as reading three small files does.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load); then what was read before stays. Files that
    /// have not changed since are no error the second time.
    pub fn reload(&self) -> Result<bool, LoadError> {
        let inner = &*self.0;
        let mut last = inner.last.lock().unwrap_or_else(PoisonError::into_inner);
        let reloaded = inner.reload(&mut last);
        let (fresh, count) = match reloaded {
            Ok(false) => (last.good, None),
            Ok(true) => (true, Some(&inner.changed)),
            Err(_) => (false, Some(&inner.failed)),
        };
        inner.fresh.store(fresh, Ordering::Relaxed);
        if let Some(count) = count {
            count.fetch_add(1, Ordering::Relaxed);
        }
        reloaded
    }

    /// Reads the files anew after each `interval`, and tells `hear` when they
    /// had changed, for good or not. It never ends; dropping it ends it.
    ///
    /// They are compared by what they hold: Kubernetes replaces a mounted
    /// secret by a link, whose times say nothing.
    pub async fn watch(&self, interval: Duration, hear: impl Fn(Result<(), LoadError>)) {
        let mut missing = false;
        loop {
            sleep(interval).await;
            let read = match self.reload() {
                Ok(false) => {
                    missing = false;
                    continue;
                }
                Ok(true) => Ok(()),
                // Told once, as long as it is so.
                Err(LoadError::File { .. }) if missing => continue,
                Err(error) => Err(error),
            };
            missing = matches!(read, Err(LoadError::File { .. }));
            hear(read);
        }
    }

    /// Returns when the first of the certificates that are shown expires: its
    /// `notAfter` (RFC 5280, 4.1.2.5). `None` if not one of them can be read so
    /// far.
    ///
    /// Those between the server's own and an authority count too: a chain is
    /// good until the first of it is not.
    #[must_use]
    pub fn expiry(&self) -> Option<SystemTime> {
        self.0.current.load().expiry.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since))
    }

    /// What the next handshake goes by.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.current.load().config)
    }
}

/// Tells when what is served expires, in seconds since the epoch
/// (`tls_certificate_expiry_timestamp_seconds`), how often the files were read
/// anew to some purpose (`tls_certificate_reloads_total`, with the `outcome`
/// `changed` or `failed`), and whether what they hold is what is served
/// (`tls_certificate_last_reload_successful`); with the path of the chain as
/// the label `file`.
impl Inspect for Certificates {
    fn inspect(&self, inspector: &mut dyn Inspector) {
        let inner = &*self.0;
        let file = inner.files.chain.to_string_lossy();
        let labels = [("file", &*file)];
        if let Some(expiry) = inner.current.load().expiry {
            inspector.gauge(
                "tls_certificate_expiry_timestamp_seconds",
                "When the first certificate of the chain that is served expires, since the epoch.",
                &labels,
                expiry.as_secs_f64(),
            );
        }
        inspector.gauge(
            "tls_certificate_last_reload_successful",
            "Whether the certificates that are served are those of the files.",
            &labels,
            if inner.fresh.load(Ordering::Relaxed) { 1.0 } else { 0.0 },
        );
        for (outcome, count) in [("changed", &inner.changed), ("failed", &inner.failed)] {
            inspector.counter(
                "tls_certificate_reloads_total",
                "Times that files which had changed were read, or could not be.",
                &[labels[0], ("outcome", outcome)],
                count.load(Ordering::Relaxed),
            );
        }
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("files", &self.0.files).finish_non_exhaustive()
    }
}

// ===== impl Inner =====

impl Inner {
    fn reload(&self, last: &mut Last) -> Result<bool, LoadError> {
        let read = self.files.read()?;
        if last.read == read {
            return Ok(false);
        }
        let served = self.files.served(&read);
        *last = Last { read, good: served.is_ok() };
        self.current.store(Arc::new(served?));
        Ok(true)
    }
}

// ===== impl Files =====

impl Files {
    fn read(&self) -> Result<Read, LoadError> {
        let bytes = |path: &Path| {
            fs::read(path).map_err(|error| LoadError::File { path: path.to_owned(), error })
        };
        Ok(Read {
            chain: bytes(&self.chain)?,
            key: bytes(&self.key)?,
            authorities: self.authorities.as_deref().map(bytes).transpose()?,
        })
    }

    fn served(&self, read: &Read) -> Result<Served, LoadError> {
        let chain = certificates(&self.chain, &read.chain)?;
        let expiry = expiry::first(&chain);
        let key = PrivateKeyDer::from_pem_slice(&read.key).map_err(|error| LoadError::Pem {
            path: self.key.clone(),
            wanted: "a private key",
            error: Some(error).filter(|error| !matches!(error, pem::Error::NoItemsFound)),
        })?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(LoadError::Tls)?;
        let builder = match (&self.authorities, &read.authorities) {
            (Some(path), Some(authorities)) => {
                let mut roots = RootCertStore::empty();
                for authority in certificates(path, authorities)? {
                    roots.add(authority).map_err(LoadError::Tls)?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier = verifier.build().map_err(LoadError::Authorities)?;
                builder.with_client_cert_verifier(verifier)
            }
            _ => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(chain, key).map_err(LoadError::Tls)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Served { config: Arc::new(config), expiry })
    }
}

fn certificates(path: &Path, bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, LoadError> {
    let wanted = "a certificate";
    let wrong = |error| LoadError::Pem { path: path.to_owned(), wanted, error };
    let all = CertificateDer::pem_slice_iter(bytes).collect::<Result<Vec<_>, _>>();
    let all = all.map_err(|error| wrong(Some(error)))?;
    if all.is_empty() { Err(wrong(None)) } else { Ok(all) }
}

// ===== impl LoadError =====

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, .. } => write!(f, "cannot read {}", path.display()),
            Self::Pem { path, wanted, .. } => {
                write!(f, "{} has not {wanted} in PEM", path.display())
            }
            Self::Tls(_) => f.write_str("the certificate and the key are no good for TLS"),
            Self::Authorities(_) => f.write_str("the authorities of clients are no good"),
        }
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { error, .. } => Some(error),
            Self::Pem { error, .. } => error.as_ref().map(|error| error as _),
            Self::Tls(error) => Some(error),
            Self::Authorities(error) => Some(error),
        }
    }
}
