//! Another greeter, that is asked in place of the service.

use crate::{
    call, client,
    endpoints::{Error, Greeting, Hello},
    flags::{Target, Trace},
    service, trace,
};
use kit_endpoint::{DeadlineLayer, Endpoint, Expired, Fault, Request};
use kit_transport_grpc as grpc;
use kit_transport_http as web;
use std::{error, fmt};
use tower::{BoxError, Layer, ServiceBuilder, ServiceExt, service_fn, util::BoxCloneSyncService};

/// The greeter that is asked for each greeting, or none: then the service greets itself.
#[derive(Debug, Clone, Default)]
pub struct Upstream(Option<Asks>);

/// The other greeter has no greeting.
#[derive(Debug)]
pub struct Unanswered(Box<dyn Fault>);

type Asks = BoxCloneSyncService<Request<Hello>, Greeting, Unanswered>;

/// Returns what asks the greeter at `target`, on behalf of each request: with its
/// deadline, its id and its trace.
///
/// # Errors
///
/// Fails if that is no address.
///
/// # Panics
///
/// Panics outside of a runtime.
pub fn open(target: Option<&Target>, flags: &Trace) -> Result<Upstream, BoxError> {
    let span = trace::client(flags);
    Ok(match target {
        None | Some(Target::Found { .. }) => Upstream::default(),
        Some(Target::Http(authority)) => {
            Upstream::new(client::http(span.layer(web::pool(call::CONNECT)), authority)?)
        }
        Some(Target::Grpc(authority)) => {
            let channel = grpc::channel(&format!("grpc://{authority}"))?;
            Upstream::new(client::grpc(span.server(authority.parse()?).layer(channel)))
        }
    })
}

// ===== impl Upstream =====

impl Upstream {
    /// Asks `endpoint`, each time until the deadline of who asks.
    pub fn new<E>(endpoint: E) -> Self
    where
        E: Endpoint<Hello, Response = Greeting>,
        E::Error: From<Expired>,
    {
        let endpoint = ServiceBuilder::new().layer(DeadlineLayer::of_request()).service(endpoint);
        let asks = service_fn(move |hello: Request<Hello>| {
            let asked = endpoint.clone().oneshot(hello);
            async move { asked.await.map_err(|fault| Unanswered(Box::new(fault))) }
        });
        Self(Some(Asks::new(asks)))
    }

    /// Asks for the greeting, or has it of `own`.
    ///
    /// # Errors
    ///
    /// Fails if there is none.
    pub fn greeting(
        &self,
        hello: Request<Hello>,
        own: &dyn Fn(&str) -> Result<String, service::Error>,
    ) -> impl Future<Output = Result<Greeting, Error>> + Send + use<> {
        let asked = match &self.0 {
            None => Err(own(&hello.message().name)),
            Some(asks) => Ok(asks.clone().oneshot(hello)),
        };
        async move {
            match asked {
                Err(greeting) => Ok(Greeting { greeting: greeting? }),
                Ok(asked) => Ok(asked.await?),
            }
        }
    }
}

// ===== impl Unanswered =====

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the greeter that is asked has no greeting")
    }
}

impl error::Error for Unanswered {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&*self.0)
    }
}

impl Fault for Unanswered {
    fn inner(&self) -> Option<&dyn Fault> {
        Some(&*self.0)
    }
}
