//! How an agent is reached.

use super::Error;
use hyper_util::rt::TokioIo;
#[cfg(unix)]
use std::path::PathBuf;
use std::{fmt, io, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};

/// Where an agent listens.
#[derive(Clone)]
pub(super) enum Place {
    /// `host:port`, as it is dialled.
    Tcp(Arc<str>),
    #[cfg(unix)]
    Unix(Arc<PathBuf>),
}

/// A connection of either kind.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// How long making a connection may take, TLS included.
const CONNECT: Duration = Duration::from_secs(2);

/// What speaks TLS, and to whom.
#[cfg(feature = "consul-tls")]
#[derive(Clone)]
pub(super) struct Tls {
    pub(super) config: Arc<rustls::ClientConfig>,
    pub(super) name: rustls::pki_types::ServerName<'static>,
}

/// Without the feature nothing does.
#[cfg(not(feature = "consul-tls"))]
#[derive(Clone)]
pub(super) enum Tls {}

/// A connection: boxed, since it is made for each call, and a call crosses the
/// network.
pub(super) type Connection = TokioIo<Box<dyn Stream>>;

impl Place {
    pub(super) async fn dial(&self, tls: Option<&Tls>) -> Result<Connection, Error> {
        let unreached = |source| Error::Connect { address: self.to_string(), source };
        let dialled = timeout(CONNECT, self.connect(tls));
        let stream = dialled.await.map_err(|_| Error::TimedOut(CONNECT))?.map_err(unreached)?;
        Ok(TokioIo::new(stream))
    }

    async fn connect(&self, tls: Option<&Tls>) -> io::Result<Box<dyn Stream>> {
        let stream = match self {
            Self::Tcp(address) => TcpStream::connect(&**address).await?,
            #[cfg(unix)]
            Self::Unix(path) => {
                return Ok(Box::new(tokio::net::UnixStream::connect(&**path).await?));
            }
        };
        stream.set_nodelay(true)?;
        let Some(tls) = tls else { return Ok(Box::new(stream)) };
        #[cfg(feature = "consul-tls")]
        {
            let connector = tokio_rustls::TlsConnector::from(Arc::clone(&tls.config));
            Ok(Box::new(connector.connect(tls.name.clone(), stream).await?))
        }
        #[cfg(not(feature = "consul-tls"))]
        match *tls {}
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            #[cfg(unix)]
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}
