//! The service as endpoints, each with the layers around it.

use crate::{entry::Entry, hooks, service, upstream::Unanswered};
use kit_auth::Denied;
use kit_breaker::{BreakerLayer, Circuit, Open};
use kit_endpoint::{
    CatchPanicLayer, DeadlineLayer, Details, Endpoint, Expired, Fault, Kind, Panicked, Request,
};
use kit_limit::{concurrency::ConcurrencyLimited, rate::RateLimited};
use kit_metrics::Prometheus;
use std::time::Duration;
use tokio::sync::watch;
use tokio_stream::{Stream, StreamExt, iter, once};
use tower::{Layer, ServiceBuilder, ServiceExt};

/// How long a call may take whose caller does not say.
const LIMIT: Duration = Duration::from_secs(5);
/// How long a chat may: whoever chats takes their time, but not for good.
const CHAT_LIMIT: Duration = Duration::from_mins(10);

/// Asks for a greeting.
#[derive(Debug, Clone, Default, serde::Deserialize, serde::Serialize)]
pub struct Hello {
    /// Whom to greet.
    #[serde(default)]
    pub name: String,
}

/// A greeting.
#[derive(Debug, serde::Deserialize, serde::Serialize)]
pub struct Greeting {
    /// What it says.
    pub greeting: String,
}

/// Greetings, one by one: what an endpoint of streams replies with.
pub trait Greetings: Stream<Item = Result<Greeting, Error>> + Send + 'static {}

/// Whether the service may be asked.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Health {
    /// Yes, unless it is unwell or going away.
    pub healthy: bool,
}

/// The greeter's endpoints: what every transport carries.
#[derive(Debug, Clone)]
pub struct Endpoints<H, G, M, C> {
    /// Whether the service may be asked.
    pub health: H,
    /// The greeting.
    pub greeting: G,
    /// A greeting for each of some names.
    pub greetings: M,
    /// A greeting for each name as it comes.
    pub chat: C,
}

/// Why an endpoint has no reply: the domain's reasons, and one per layer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The service has none.
    #[error(transparent)]
    Service(#[from] service::Error),
    /// It is not known who asks.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// They ask too often.
    #[error(transparent)]
    RateLimited(#[from] RateLimited),
    /// There is too much to do.
    #[error(transparent)]
    ConcurrencyLimited(#[from] ConcurrencyLimited),
    /// The circuit is open.
    #[error(transparent)]
    Open(#[from] Open),
    /// The greeter upstream has none.
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
    /// The deadline passed.
    #[error(transparent)]
    Expired(#[from] Expired),
    /// The service panicked.
    #[error(transparent)]
    Panicked(#[from] Panicked),
    /// A request amid a stream cannot be read.
    #[error("{0}")]
    Unreadable(Box<dyn Fault>),
}

/// Makes the endpoints of `service`, which is well while `ready` says so; those
/// that greet are for whom `entry` lets in. A stream passes it once, and is in
/// until it begins.
///
/// A chat is for any stream `I` of hellos, whatever transport it comes by.
pub fn endpoints<S, I, F>(
    service: S,
    ready: watch::Receiver<bool>,
    circuit: Circuit,
    metrics: Prometheus,
    entry: Entry,
) -> Endpoints<
    impl Endpoint<(), Response = Health, Error = Error>,
    impl Endpoint<Hello, Response = Greeting, Error = Error>,
    impl Endpoint<Vec<String>, Response: Greetings, Error = Error>,
    impl Endpoint<I, Response: Greetings, Error = Error>,
>
where
    S: service::Service + Clone + Send + Sync + 'static,
    I: Stream<Item = Result<Hello, F>> + Send + 'static,
    F: Fault,
{
    let red = hooks::red(metrics);
    let deadline = DeadlineLayer::of_request().default(LIMIT);
    let (well, upstream) = (service.clone(), entry.upstream());
    let health = ServiceBuilder::new().layer(deadline.clone()).service_fn(move |_: Request<()>| {
        let healthy = *ready.borrow() && well.health();
        async move { Ok(Health { healthy }) }
    });
    // What each greeting passes, also those of streams: amid one, too, a panic
    // is a fault, and a circuit that opens ends it.
    let greet = ServiceBuilder::new()
        .layer((BreakerLayer::shared(circuit), CatchPanicLayer::new()))
        .service_fn(move |hello| upstream.greeting(hello, &|name| service.greeting(name)));
    let greeting = (red("greeting"), deadline.clone(), entry.clone()).layer(greet.clone());
    // Of a stream, each is asked for on behalf of it: with its deadline, its
    // trace and whatever else it came with.
    let each = move |stream: Request<()>| {
        let greet = greet.clone();
        move |hello: Result<Hello, Error>| {
            let asked = hello.map(|hello| greet.clone().oneshot(stream.with(hello)));
            async move { asked?.await }
        }
    };
    let (in_turn, catch) = (each.clone(), CatchPanicLayer::new().streaming());
    let greetings = ServiceBuilder::new()
        .layer((red("greetings").streaming(), deadline.clone().streaming(), entry.clone(), catch))
        .service_fn(move |names: Request<Vec<String>>| {
            let each = in_turn(names.with(()));
            async move {
                let mut hellos = names.into_message().into_iter().map(|name| Ok(Hello { name }));
                if hellos.len() > service::MOST_NAMES {
                    return Err(service::Error::ManyNames.into());
                }
                // Before the stream is there: so a caller who gives no name, or
                // a bad one first, is told by the status of the whole reply.
                let first = each(hellos.next().unwrap_or(Ok(Hello::default()))).await?;
                Ok(once(Ok(first)).chain(iter(hellos).then(each)))
            }
        });
    let chat = ServiceBuilder::new()
        .layer((red("chat").streaming(), deadline.default(CHAT_LIMIT).streaming(), entry, catch))
        .service_fn(move |hellos: Request<I>| {
            let unreadable = |fault: F| Error::Unreadable(Box::new(fault));
            let each = each(hellos.with(()));
            let hellos = hellos.into_message().map(move |hello| hello.map_err(unreadable));
            async move { Ok(hellos.then(each)) }
        });
    Endpoints { health, greeting, greetings, chat }
}

// ===== impl Greetings =====

impl<S: Stream<Item = Result<Greeting, Error>> + Send + 'static> Greetings for S {}

// ===== impl Error =====

impl Fault for service::Error {
    fn kind(&self) -> Kind {
        Kind::InvalidArgument
    }

    fn describe(&self, details: &mut Details) {
        details.violation("name", self.to_string());
    }
}

impl Fault for Error {
    fn inner(&self) -> Option<&dyn Fault> {
        Some(match self {
            Self::Service(fault) => fault,
            Self::Denied(fact) => fact,
            Self::RateLimited(fact) => fact,
            Self::ConcurrencyLimited(fact) => fact,
            Self::Open(fact) => fact,
            Self::Unanswered(fact) => fact,
            Self::Expired(fact) => fact,
            Self::Panicked(fact) => fact,
            Self::Unreadable(fault) => &**fault,
        })
    }
}
