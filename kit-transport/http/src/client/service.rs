use super::{CallError, CallFuture, Raw, RawBody, RawFuture, future::in_time, head::Head};
use bytes::Bytes;
use http::{Extensions, HeaderMap, HeaderName};
use http_body::Body;
use http_body_util::Full;
use kit_endpoint::{Fault, Request};
use kit_transport::{
    Call, End, Hook, Protocol, Watch,
    deadline::REQUEST_TIMEOUT_MS,
    hook::{After, Before, Finally},
    propagate,
};
use std::{
    any::type_name,
    error, fmt,
    task::{Context, Poll},
};
use tower_service::Service;

/// Calls one method over HTTP: a service from [`Request`] to its reply, over
/// any service of `http::Request`s. With it layers, retry and balancing work
/// on a client as on a server.
///
/// `N` encodes the message, the whole request with its URI; `D` decodes the
/// reply. A status that is not 2xx is the error [`CallError::Rejected`]. What
/// is left of the request's deadline travels in `x-request-timeout-ms`, with
/// its id, its `x-md-global-*` metadata and its criticality, each merged into
/// what `N` set: see [`propagate`]. Its extensions go to the service that is called
/// over, for layers there that propagate more (a trace). A request whose deadline has passed is not
/// sent, and fails as [`CallError::Expired`]; one that passes later ends the
/// call only if a `DeadlineLayer` is around the client.
///
/// `H` watches, as at a [`Server`](crate::Server). `before` sees the request as
/// `N` made it, and what it puts into the extensions travels too; `after` sees
/// the head of the reply, before the body is read, whatever its status;
/// `finally` is called once, when the caller has its reply or its error, or has
/// dropped the call. Its [`End`] counts the body of the reply as it is read,
/// and that of the request as sent once the head of a reply has come.
///
/// ```
/// use bytes::Bytes;
/// use http_body_util::Full;
/// use kit_endpoint::Request;
/// use kit_transport_http::Client;
/// use std::convert::Infallible;
/// use tower::{ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// // In place of the pool of this crate's feature `client`:
/// let server = service_fn(|_: http::Request<Full<Bytes>>| async {
///     Ok::<_, Infallible>(http::Response::new(Full::new(Bytes::from("pong"))))
/// });
/// let encode = |(): &()| Ok::<_, Infallible>(http::Request::new(Bytes::from("ping")));
/// let decode = |reply: &http::Response<Bytes>| Ok::<_, Infallible>(reply.body().clone());
/// let client = Client::new(server, encode, decode)
///     .route("/ping")
///     .finally(|end| assert_eq!((end.sent, end.received), (4, 4)));
/// assert_eq!(client.oneshot(Request::new(())).await.unwrap(), "pong");
/// # }
/// ```
#[derive(Clone)]
pub struct Client<S, N, D, H = ()> {
    service: S,
    encode: N,
    decode: D,
    hook: H,
    limit: usize,
    route: Option<&'static str>,
    timeout: HeaderName,
}

// ===== impl Client =====

impl<S, N, D> Client<S, N, D> {
    /// Calls over `service`, writing with `encode` and reading with `decode`.
    /// A reply may have 2 MiB.
    pub const fn new(service: S, encode: N, decode: D) -> Self {
        let limit = 2 << 20;
        let timeout = REQUEST_TIMEOUT_MS;
        Self { service, encode, decode, hook: (), limit, route: None, timeout }
    }
}

impl<S, N> Client<S, N, Raw> {
    /// Calls over `service`, writing with `encode`, and replies with the head of
    /// the reply and its body as it comes: for downloads, and for streams of a
    /// form of one's own (Go kit's `BufferedStream`).
    ///
    /// The body outlives the call: nothing of it is read before it is asked for,
    /// it has no limit, and with its end, its error or its drop the call has
    /// ended for `finally`. A failure is an error all the same, of which up to
    /// [`body_limit`](Self::body_limit) is read.
    ///
    /// A `DeadlineLayer` around the client bounds the time to the head; then it
    /// is with whoever reads to stop, by dropping the body, which cancels what
    /// the server does. The server is told of the request's deadline, and may
    /// end the body at it: for a stream without an end set none.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http_body_util::{BodyExt, Full};
    /// use kit_endpoint::Request;
    /// use kit_transport_http::Client;
    /// use std::convert::Infallible;
    /// use tower::{ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// // In place of the pool of this crate's feature `client`:
    /// let server = service_fn(|_: http::Request<Full<Bytes>>| async {
    ///     Ok::<_, Infallible>(http::Response::new(Full::new(Bytes::from("a long story"))))
    /// });
    /// let encode = |(): &()| Ok::<_, Infallible>(http::Request::new(Bytes::new()));
    /// let client = Client::raw(server, encode);
    /// let mut body = client.oneshot(Request::new(())).await.unwrap().into_body();
    /// let frame = body.frame().await.unwrap().unwrap();
    /// assert_eq!(frame.into_data().unwrap(), "a long story");
    /// # }
    /// ```
    pub const fn raw(service: S, encode: N) -> Self {
        Self::new(service, encode, Raw)
    }
}

impl<S, N, D, H> Client<S, N, D, H> {
    /// Calls `f` with the head of each request, before it is sent.
    pub fn before<F>(self, f: F) -> Client<S, N, D, (H, Before<F>)>
    where
        F: Fn(&Call<'_>, &mut Extensions) + Clone,
    {
        self.hook(Before(f))
    }

    /// Calls `f` with the headers of each reply, also of a failure, before its
    /// body is read.
    pub fn after<F>(self, f: F) -> Client<S, N, D, (H, After<F>)>
    where
        F: Fn(&mut HeaderMap) + Clone,
    {
        self.hook(After(f))
    }

    /// Calls `f` once each call has ended, however it ended.
    pub fn finally<F>(self, f: F) -> Client<S, N, D, (H, Finally<F>)>
    where
        F: Fn(&End) + Clone,
    {
        self.hook(Finally(f))
    }

    /// Adds a hook. Hooks see requests in the order in which they were added,
    /// and replies in the reverse one.
    pub fn hook<G>(self, hook: G) -> Client<S, N, D, (H, G)> {
        let Self { service, encode, decode, hook: first, limit, route, timeout } = self;
        Client { service, encode, decode, hook: (first, hook), limit, route, timeout }
    }

    /// Tells hooks the template of the route that is called (`"/users/{id}"`):
    /// metrics and logs must not have raw paths.
    #[must_use]
    pub const fn route(mut self, template: &'static str) -> Self {
        self.route = Some(template);
        self
    }

    /// Writes the time that is left into `header`, in milliseconds, or as gRPC
    /// does if it is `grpc-timeout`. `x-request-timeout-ms` by default.
    #[must_use]
    pub fn timeout_header(mut self, header: HeaderName) -> Self {
        self.timeout = header;
        self
    }

    /// Takes replies of up to `bytes`; a larger one is an error, at once if its
    /// length is announced. 2 MiB by default.
    #[must_use]
    pub const fn body_limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }
}

impl<S, N, D, H: Hook> Client<S, N, D, H> {
    /// Encodes the message, lets hooks see it, and writes what travels with it.
    fn outgoing<T, NE>(
        &self,
        request: Request<T>,
    ) -> (Watch<H::Observer>, Result<http::Request<Bytes>, CallError>)
    where
        N: Fn(&T) -> Result<http::Request<Bytes>, NE>,
        NE: Fault,
    {
        let (message, deadline, mut extensions) = request.into_parts();
        let encoded = (self.encode)(&message);
        let none = HeaderMap::new();
        let (method, headers) = match &encoded {
            Ok(outgoing) => (outgoing.method().as_str(), outgoing.headers()),
            Err(_) => ("", &none),
        };
        let call = Call::new(Protocol::Http, method, headers).route(self.route);
        let watch = Watch::new(self.hook.before(&call, &mut extensions));
        let outgoing = encoded.map_err(|fault| CallError::Encode(Box::new(fault)));
        let outgoing = outgoing.and_then(|mut outgoing| {
            in_time(deadline)?;
            propagate(&extensions, deadline, &self.timeout, outgoing.headers_mut());
            outgoing.extensions_mut().extend(extensions);
            Ok(outgoing)
        });
        (watch, outgoing)
    }
}

impl<S, B, N, D, H, T, R, NE, DE> Service<Request<T>> for Client<S, N, D, H>
where
    S: Service<http::Request<Full<Bytes>>, Response = http::Response<B>>,
    S::Error: Into<Box<dyn error::Error + Send + Sync>>,
    B: Body<Error: Into<Box<dyn error::Error + Send + Sync>>>,
    N: Fn(&T) -> Result<http::Request<Bytes>, NE>,
    NE: Fault,
    D: Fn(&http::Response<Bytes>) -> Result<R, DE> + Clone,
    DE: Fault,
    H: Hook,
{
    type Response = R;
    type Error = CallError;
    type Future = CallFuture<S::Future, B, D, H::Observer>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx).map_err(|error| CallError::unsent(error.into()))
    }

    fn call(&mut self, request: Request<T>) -> Self::Future {
        let (watch, outgoing) = self.outgoing(request);
        match outgoing {
            Ok(outgoing) => {
                let sent = outgoing.body().len() as u64;
                let reply = self.service.call(outgoing.map(Full::new));
                CallFuture::sent(watch, reply, sent, self.limit, self.decode.clone())
            }
            Err(error) => CallFuture::failed(watch, error),
        }
    }
}

impl<S, B, N, H, T, NE> Service<Request<T>> for Client<S, N, Raw, H>
where
    S: Service<http::Request<Full<Bytes>>, Response = http::Response<B>>,
    S::Error: Into<Box<dyn error::Error + Send + Sync>>,
    B: Body<Error: Into<Box<dyn error::Error + Send + Sync>>>,
    N: Fn(&T) -> Result<http::Request<Bytes>, NE>,
    NE: Fault,
    H: Hook,
{
    type Response = http::Response<RawBody<B, H::Observer>>;
    type Error = CallError;
    type Future = RawFuture<S::Future, B, H::Observer>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx).map_err(|error| CallError::unsent(error.into()))
    }

    fn call(&mut self, request: Request<T>) -> Self::Future {
        let (watch, outgoing) = self.outgoing(request);
        match outgoing {
            Ok(outgoing) => {
                let sent = outgoing.body().len() as u64;
                let reply = self.service.call(outgoing.map(Full::new));
                RawFuture::new(watch, Head::sent(reply, sent, self.limit))
            }
            Err(error) => RawFuture::new(watch, Head::failed(error)),
        }
    }
}

impl<S: fmt::Debug, N, D, H: fmt::Debug> fmt::Debug for Client<S, N, D, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("service", &self.service)
            .field("encode", &format_args!("{}", type_name::<N>()))
            .field("decode", &format_args!("{}", type_name::<D>()))
            .field("hook", &self.hook)
            .field("route", &self.route)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
