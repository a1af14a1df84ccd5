use super::NotConnected;
use http::{Uri, uri::Scheme};
use hyper_util::client::legacy::connect::HttpConnector;
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::timeout;
use tower::util::MapErr;
use tower_service::Service;

type TcpStream = <HttpConnector as Service<Uri>>::Response;
type TcpError = <HttpConnector as Service<Uri>>::Error;
type Tcp = MapErr<HttpConnector, fn(TcpError) -> NotConnected>;

#[cfg(feature = "tls")]
type Stream = hyper_rustls::MaybeHttpsStream<TcpStream>;
#[cfg(not(feature = "tls"))]
type Stream = TcpStream;

#[cfg(feature = "tls")]
const PLAIN: fn(TcpStream) -> Stream = Stream::Http;
#[cfg(not(feature = "tls"))]
const PLAIN: fn(TcpStream) -> Stream = std::convert::identity;

/// Connects, over TLS where the URI asks for it, within a limit for the whole.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    way: Way,
    limit: Duration,
}

#[derive(Clone, Debug)]
enum Way {
    Plain(Tcp),
    #[cfg(feature = "tls")]
    Tls(hyper_rustls::HttpsConnector<Tcp>),
}

// ===== impl Connector =====

impl Connector {
    pub(super) fn plain(limit: Duration) -> Self {
        Self { way: Way::Plain(tcp()), limit }
    }

    #[cfg(feature = "tls")]
    pub(super) fn tls(limit: Duration, tls: super::Tls, http2: bool) -> Self {
        let tls = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls.into_config())
            .https_or_http();
        let tls = if http2 {
            tls.enable_http2().wrap_connector(tcp())
        } else {
            tls.enable_all_versions().wrap_connector(tcp())
        };
        Self { way: Way::Tls(tls), limit }
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = NotConnected;
    /// Boxed: connecting is rare, and costs system calls.
    type Future = Pin<Box<dyn Future<Output = Result<Stream, NotConnected>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(match &mut self.way {
            Way::Plain(tcp) => ready!(tcp.poll_ready(cx)),
            #[cfg(feature = "tls")]
            Way::Tls(tls) => ready!(tls.poll_ready(cx)).map_err(over_tls),
        })
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let limit = self.limit;
        match &mut self.way {
            Way::Plain(tcp) if uri.scheme() == Some(&Scheme::HTTP) => {
                let tcp = tcp.call(uri);
                Box::pin(within(limit, async move { tcp.await.map(PLAIN) }))
            }
            #[cfg(feature = "tls")]
            Way::Tls(tls)
                if [Some(&Scheme::HTTP), Some(&Scheme::HTTPS)].contains(&uri.scheme()) =>
            {
                let tls = tls.call(uri);
                Box::pin(within(limit, async move { tls.await.map_err(over_tls) }))
            }
            _ => Box::pin(std::future::ready(Err(NotConnected::Scheme))),
        }
    }
}

async fn within(
    limit: Duration,
    connecting: impl Future<Output = Result<Stream, NotConnected>>,
) -> Result<Stream, NotConnected> {
    timeout(limit, connecting).await.unwrap_or(Err(NotConnected::TimedOut { limit }))
}

fn tcp() -> Tcp {
    let mut http = HttpConnector::new();
    http.set_nodelay(true);
    // The scheme is looked at here, before this is called.
    http.enforce_http(false);
    MapErr::new(http, |error| NotConnected::Unreachable(Arc::new(error)))
}

/// What is not of the connection below is of TLS.
#[cfg(feature = "tls")]
fn over_tls(error: tower::BoxError) -> NotConnected {
    match error.downcast() {
        Ok(below) => *below,
        Err(error) => NotConnected::Tls(error.into()),
    }
}
