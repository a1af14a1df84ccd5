//! The greeter's client: `greeter call`.

use crate::{
    client::{self, Shows, Web, showing},
    endpoints::{Greeting, Hello},
    flags::{Call, Place, Shown, Target},
    trace,
};
use http::{HeaderValue, StatusCode};
use kit_auth::client::bearer;
use kit_breaker::{BreakerLayer, Classify, Judgement, Limits};
use kit_endpoint::{DeadlineLayer, Endpoint, Fault, Kind, Request};
use kit_limit::rate::RateLimitLayer;
use kit_sd::consul::{Agent, Instancer};
use kit_transport_grpc as grpc;
use kit_transport_http as web;
use std::{error::Error, fs, iter::successors, path::PathBuf, time::Duration};
use tokio::time::Instant;
use tower::{
    BoxError, Layer, Service, ServiceBuilder, ServiceExt, service_fn,
    util::{BoxCloneSyncService, MapRequest},
};

/// How long connecting to a greeter may take.
pub(crate) const CONNECT: Duration = Duration::from_secs(5);
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

/// What asks a greeter, wherever it is.
type Calls = BoxCloneSyncService<Request<Hello>, String, BoxError>;

/// What a call that failed shows of the greeter: nothing bad, if it is its caller's
/// fault. One that is not there has failed too, for there is no other to ask.
#[derive(Debug, Clone, Copy)]
struct OfGreeter;

/// Asks a greeter for as many greetings as the flags say, and tells each as it
/// comes, or why it does not.
///
/// # Errors
///
/// Fails if no call can be begun, for there is no token or no greeter is found, and
/// if `tell` does.
pub async fn call(
    flags: Call,
    tell: impl FnMut(Result<String, BoxError>) -> Result<(), BoxError>,
) -> Result<(), BoxError> {
    let begun = Instant::now();
    let calls = greeter(&flags).await?;
    each(&flags, calls, flags.timeout.saturating_sub(begun.elapsed()), tell).await
}

/// Has as many of the `calls` as the flags say, one after the other and evenly, and
/// tells what each comes to; the first one may take `first`.
///
/// # Errors
///
/// Fails if `tell` does.
pub async fn each<S>(
    flags: &Call,
    calls: S,
    first: Duration,
    mut tell: impl FnMut(Result<String, BoxError>) -> Result<(), BoxError>,
) -> Result<(), BoxError>
where
    S: Service<Duration, Response = String, Error = BoxError> + Clone,
{
    let limits = Limits::default().failures(flags.breaker_failures);
    let calls = BreakerLayer::new(limits).classify(OfGreeter).layer(calls);
    let rate = flags.rate_limit.map(|rate| rate.burst(1));
    let rate = rate.map(|rate| RateLimitLayer::new(rate).waiting(Duration::MAX));
    let mut calls = ServiceBuilder::new()
        .option_layer(rate)
        // The circuit is asked when a call's turn has come, and not before it waits.
        .service_fn(|time| calls.clone().oneshot(time));
    let mut time = first;
    for _ in 0..flags.count {
        tell(calls.ready().await?.call(time).await)?;
        time = flags.timeout;
    }
    Ok(())
}

/// Returns what asks the greeter that the flags name, for a greeting that may take
/// so long. The registry is asked once.
async fn greeter(
    flags: &Call,
) -> Result<impl Service<Duration, Response = String, Error = BoxError> + Clone + use<>, BoxError> {
    let Call { target, name, token, timeout, .. } = flags.clone();
    let token = token.map(header).transpose()?;
    let span = trace::client(&flags.trace);
    let shows = token.clone().map(Shows);
    let hello = move |time| {
        let deadline = Instant::now().checked_add(time);
        let hello = Request::new(Hello { name: name.clone() });
        let mut hello = deadline.into_iter().fold(hello, Request::within);
        if let Some(shows) = shows.clone() {
            hello.extensions_mut().insert(shows);
        }
        hello
    };
    let calls = match target {
        Target::Http(authority) => {
            let web = showing(span.layer(web::pool(CONNECT)), token);
            Calls::new(service_fn(move |hello| {
                let (web, authority) = (web.clone(), authority.clone());
                async move { over_http(web, &authority, hello).await }
            }))
        }
        Target::Grpc(authority) => {
            let span = span.server(authority.parse()?);
            let channel = span.layer(grpc::channel(&format!("grpc://{authority}"))?);
            Calls::new(service_fn(move |hello| {
                let (channel, authority) = (channel.clone(), authority.clone());
                async move { over_grpc(channel, &authority, hello).await }
            }))
        }
        Target::Found { at, service } => {
            let web = showing(span.layer(web::pool(CONNECT_OR_NEXT)), token);
            match at {
                Place::Consul(addr) => {
                    let greeters = Instancer::new(Agent::new(&addr)?, service).passing(true);
                    let found = client::found(greeters, web, timeout).await?;
                    Calls::new(service_fn(move |hello| greet(found.clone(), hello)))
                }
                #[cfg(feature = "etcd")]
                Place::Etcd(members) => {
                    let etcd = kit_sd::etcd::Etcd::new(members)?;
                    let greeters = kit_sd::etcd::Instancer::new(etcd, service);
                    let found = client::found(greeters, web, timeout).await?;
                    Calls::new(service_fn(move |hello| greet(found.clone(), hello)))
                }
            }
        }
    };
    Ok(MapRequest::new(calls, hello))
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
pub async fn over_grpc<C: client::Grpc>(
    channel: C,
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

// ===== impl OfGreeter =====

impl Classify<String, BoxError> for OfGreeter {
    fn is_failure(&self, result: Result<&String, &BoxError>) -> bool {
        self.judge(result).is_failure()
    }

    fn judge(&self, result: Result<&String, &BoxError>) -> Judgement {
        let Err(error) = result else { return Judgement::Success };
        let cause: &(dyn Error + 'static) = &**error;
        match successors(Some(cause), |&cause| cause.source()).find_map(fault) {
            Some(fault) => Judgement::of_kind(fault.kind(), fault.retry_after()),
            None => Judgement::of(true),
        }
    }
}

/// What either transport says of a call.
fn fault<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a dyn Fault> {
    match cause.downcast_ref::<web::CallError>() {
        Some(fault) => Some(fault),
        None => cause.downcast_ref::<grpc::CallError>().map(|fault| fault as &dyn Fault),
    }
}

// ===== impl OtherPort =====

impl OtherPort {
    fn told(authority: &str, [asked, other]: [&'static str; 2], source: BoxError) -> BoxError {
        let advice = format!("{}://{authority}", other.to_ascii_lowercase());
        Self { address: authority.to_owned(), asked, other, advice, source }.into()
    }
}
