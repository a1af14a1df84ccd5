//! The greeter's client: `greeter call`.

use crate::{
    client::{self, Shows, Web, showing},
    endpoints::{Greeting, Hello},
    flags::{Call, Place, Shown, Target},
};
use http::{HeaderValue, StatusCode};
use kit_auth::client::bearer;
use kit_endpoint::{DeadlineLayer, Endpoint, Fault, Kind, Request};
use kit_sd::consul::{Agent, Instancer};
use kit_transport_grpc as grpc;
use kit_transport_http as web;
use std::{fs, path::PathBuf, time::Duration};
use tokio::time::Instant;
use tonic::transport::Channel;
use tower::{BoxError, ServiceBuilder, ServiceExt};

/// How long connecting to a greeter may take.
const CONNECT: Duration = Duration::from_secs(5);
/// The same where another greeter can be asked instead.
const CONNECT_OR_NEXT: Duration = Duration::from_secs(1);

/// What answers is no greeter over this protocol: likely its other port.
#[derive(Debug, thiserror::Error)]
#[error("{address} does not greet over {asked}: if it is the {other} port, write {advice}")]
pub struct OtherPort {
    address: String,
    asked: &'static str,
    other: &'static str,
    advice: String,
    source: BoxError,
}

/// There is no token in the file that is to have it.
#[derive(Debug, thiserror::Error)]
#[error("cannot show the token in {path} (--token)", path = path.display())]
struct NoToken {
    path: PathBuf,
    source: BoxError,
}

/// Asks a greeter for a greeting.
///
/// # Errors
///
/// Fails if it is not found, is not reached, refuses, or takes too long.
pub async fn call(flags: Call) -> Result<String, BoxError> {
    let Call { target, name, token, timeout } = flags;
    let token = token.map(header).transpose()?;
    let deadline = Instant::now().checked_add(timeout);
    let hello = Request::new(Hello { name });
    let mut hello = deadline.into_iter().fold(hello, Request::within);
    if let Some(token) = token.clone() {
        hello.extensions_mut().insert(Shows(token));
    }
    match target {
        Target::Http(authority) => {
            over_http(showing(web::pool(CONNECT), token), &authority, hello).await
        }
        Target::Grpc(authority) => {
            let channel = grpc::channel(&format!("grpc://{authority}"))?;
            over_grpc(channel, &authority, hello).await
        }
        Target::Found { at, service } => {
            let web = showing(web::pool(CONNECT_OR_NEXT), token);
            match at {
                Place::Consul(addr) => {
                    let greeters = Instancer::new(Agent::new(&addr)?, service).passing(true);
                    greet(client::found(greeters, web, timeout).await?, hello).await
                }
                #[cfg(feature = "etcd")]
                Place::Etcd(members) => {
                    let etcd = kit_sd::etcd::Etcd::new(members)?;
                    let greeters = kit_sd::etcd::Instancer::new(etcd, service);
                    greet(client::found(greeters, web, timeout).await?, hello).await
                }
            }
        }
    }
}

/// The header that shows a token.
fn header(token: Shown) -> Result<HeaderValue, BoxError> {
    match token {
        Shown::Token(header) => Ok(header),
        Shown::File(path) => {
            let read = fs::read_to_string(&path);
            let read =
                read.map_err(|error| NoToken { path: path.clone(), source: error.into() })?;
            Ok(bearer(read.trim()).map_err(|error| NoToken { path, source: error.into() })?)
        }
    }
}

/// Asks the greeter at `authority` (`HOST:PORT`) over HTTP by `web`.
///
/// # Errors
///
/// Fails as [`greet`] does, and with [`OtherPort`] if a reply is no greeting,
/// or the greeting not known there: the gRPC port answers 405.
pub async fn over_http<W: Web>(
    web: W,
    authority: &str,
    hello: Request<Hello>,
) -> Result<String, BoxError> {
    let greeting = greet(client::http(web, authority)?, hello).await;
    greeting.map_err(|error| {
        let other = match error.downcast_ref() {
            Some(web::CallError::Decode(_)) => true,
            Some(web::CallError::Rejected(rejection)) => matches!(
                rejection.status,
                StatusCode::NOT_FOUND
                    | StatusCode::METHOD_NOT_ALLOWED
                    | StatusCode::UNSUPPORTED_MEDIA_TYPE
            ),
            _ => false,
        };
        if other { OtherPort::told(authority, ["HTTP", "gRPC"], error) } else { error }
    })
}

/// Asks the greeter at `authority` (`HOST:PORT`), which is behind `channel`,
/// over gRPC.
///
/// # Errors
///
/// Fails as [`greet`] does, and with [`OtherPort`] if the greeting is not
/// implemented there, which is also what a reply without gRPC comes to.
pub async fn over_grpc(
    channel: Channel,
    authority: &str,
    hello: Request<Hello>,
) -> Result<String, BoxError> {
    let greeting = greet(client::grpc(channel), hello).await;
    greeting.map_err(|error| match error.downcast_ref::<grpc::CallError>() {
        Some(fault) if fault.kind() == Kind::Unimplemented => {
            OtherPort::told(authority, ["gRPC", "HTTP"], error)
        }
        _ => error,
    })
}

/// Asks `endpoint`, and gives up at the request's deadline.
///
/// # Errors
///
/// Fails if it does, or takes too long.
pub async fn greet<E>(endpoint: E, hello: Request<Hello>) -> Result<String, BoxError>
where
    E: Endpoint<Hello, Response = Greeting>,
{
    let endpoint = ServiceBuilder::new()
        .layer(DeadlineLayer::of_request())
        .map_err(BoxError::from)
        .service(endpoint);
    Ok(endpoint.oneshot(hello).await?.greeting)
}

// ===== impl OtherPort =====

impl OtherPort {
    fn told(authority: &str, [asked, other]: [&'static str; 2], source: BoxError) -> BoxError {
        let advice = format!("{}://{authority}", other.to_ascii_lowercase());
        Self { address: authority.to_owned(), asked, other, advice, source }.into()
    }
}
