//! Work whose deadline has passed before it began, at the server and at the
//! clients: nothing runs, and nothing is sent.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use kit_endpoint::{Expired, Fault};
use kit_transport::{End, Outcome, Phase, hook::Faulted, hook::Faults};
use kit_transport_http::{CallError, Client, Server};
use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::mpsc,
    time::{Instant, advance},
};
use tokio_stream::{StreamExt, wrappers::UnboundedReceiverStream};
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Service, ServiceExt, service_fn};

type Kit<T> = kit_endpoint::Request<T>;

/// Counts calls.
#[derive(Clone, Default)]
struct Calls(Arc<AtomicUsize>);

impl Calls {
    fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn with_timeout<B>(name: &str, value: &str, body: B) -> Request<B> {
    Request::post("/").header(name, value).body(body).unwrap()
}

fn text(request: &Request<Bytes>) -> Result<String, Infallible> {
    Ok(String::from_utf8_lossy(request.body()).into_owned())
}

fn bytes(reply: String) -> Result<Response<Bytes>, Infallible> {
    Ok(Response::new(Bytes::from(reply)))
}

async fn is_problem<B: Body<Data = Bytes, Error = Infallible>>(reply: Response<B>) {
    assert_eq!(reply.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(reply.headers()["content-type"], "application/problem+json");
    reply.collect().await.unwrap();
}

// ===== the server =====

#[tokio::test(start_paused = true)]
async fn a_request_without_time_is_refused_before_the_endpoint() {
    for (name, value) in
        [("x-request-timeout-ms", "0"), ("grpc-timeout", "0m"), ("grpc-timeout", "0n")]
    {
        let (calls, ends, heard) = (Calls::default(), Arc::default(), Arc::default());
        let (endpoint, finished) = (calls.clone(), Arc::<Mutex<Vec<End>>>::clone(&ends));
        let faults = Arc::<Mutex<Vec<Phase>>>::clone(&heard);
        let endpoint = service_fn(move |request: Kit<String>| {
            endpoint.add();
            async { Ok::<_, Expired>(request.into_message()) }
        });
        let mut server = Server::new(endpoint, text, bytes)
            .hook(Faults(move |failed: &Faulted<'_>| {
                assert!(failed.fault.refused());
                faults.lock().unwrap().push(failed.phase);
            }))
            .finally(move |end| finished.lock().unwrap().push(end.clone()));
        is_problem(server.call(with_timeout(name, value, Empty::new())).await.unwrap()).await;
        let full = Full::new(Bytes::from("Ada"));
        is_problem(server.call(with_timeout(name, value, full)).await.unwrap()).await;
        assert_eq!(calls.count(), 0, "{name}: {value}");
        assert_eq!(*heard.lock().unwrap(), [Phase::Decode; 2]);
        for end in &*ends.lock().unwrap() {
            assert_eq!(end.outcome, Outcome::Failed(kit_endpoint::Kind::DeadlineExceeded));
            assert_eq!(end.status, Some(StatusCode::GATEWAY_TIMEOUT));
        }
        let some = with_timeout(name, value.replace('0', "50").as_str(), Empty::new());
        assert_eq!(server.call(some).await.unwrap().status(), StatusCode::OK);
        assert_eq!(calls.count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_takes_all_the_time_is_refused_even_if_it_is_there() {
    let calls = Calls::default();
    let endpoint = calls.clone();
    let endpoint = service_fn(move |request: Kit<String>| {
        endpoint.add();
        async { Ok::<_, Expired>(request.into_message()) }
    });
    let (send, body) = mpsc::unbounded_channel::<Result<Frame<Bytes>, Infallible>>();
    let body = StreamBody::new(UnboundedReceiverStream::new(body));
    let mut server = Server::new(endpoint, text, bytes);
    let mut call = task::spawn(server.call(with_timeout("x-request-timeout-ms", "5", body)));
    assert_pending!(call.poll());
    // The body ends before the future is polled again: it is looked at first.
    drop(send);
    advance(Duration::from_millis(5)).await;
    let reply = assert_ready!(call.poll()).unwrap();
    assert_eq!(reply.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(calls.count(), 0);
}

#[cfg(feature = "json-lines")]
#[tokio::test(start_paused = true)]
async fn so_is_a_stream_of_every_shape() {
    use kit_transport_http::{json, json_lines, stream::ReadError};
    use tokio_stream::Stream;

    async fn replies<T>(_: Kit<T>) -> Result<impl Stream<Item = Result<u32, Expired>>, Expired> {
        Ok(tokio_stream::iter([Ok(1)]))
    }

    async fn counts(
        request: Kit<impl Stream<Item = Result<u32, ReadError>>>,
    ) -> Result<usize, ReadError> {
        request.into_message().collect::<Result<Vec<_>, _>>().await.map(|items| items.len())
    }

    let expired = || {
        let mut request = with_timeout("x-request-timeout-ms", "0", Full::new(Bytes::from("1\n")));
        let json = "application/x-ndjson".parse().unwrap();
        request.headers_mut().insert("content-type", json);
        request
    };
    let write = json_lines::Writer::new;
    let read = json_lines::Reader::<u32>::new;
    let server = Server::server_streaming(service_fn(replies), text, write());
    is_problem(server.oneshot(expired()).await.unwrap()).await;
    let server = Server::client_streaming(service_fn(counts), read(), json::encode);
    is_problem(server.oneshot(expired()).await.unwrap()).await;
    let server = Server::bidi(service_fn(replies), read(), write());
    is_problem(server.oneshot(expired()).await.unwrap()).await;
}

// ===== the clients =====

/// A server that counts what comes.
fn upstream(
    calls: &Calls,
) -> impl Service<
    Request<Full<Bytes>>,
    Response = Response<Full<Bytes>>,
    Error = Infallible,
    Future: Send,
> + Clone
+ use<> {
    let calls = calls.clone();
    service_fn(move |_: Request<Full<Bytes>>| {
        calls.add();
        async { Ok(Response::new(Full::default())) }
    })
}

const PING: fn(&()) -> Result<Request<Bytes>, Infallible> = |()| Ok(Request::new(Bytes::new()));

fn is_expired(error: &CallError) {
    assert!(matches!(error, CallError::Expired(fact) if !fact.ran()), "{error:?}");
    assert!(error.refused(), "nothing was sent");
}

#[tokio::test(start_paused = true)]
async fn a_call_without_time_is_not_sent() {
    let calls = Calls::default();
    let decode = |_: &Response<Bytes>| Ok::<_, Infallible>(());
    let mut client = Client::new(upstream(&calls), PING, decode);
    let late = || Kit::new(()).within(Instant::now());
    is_expired(&client.call(late()).await.expect_err("too late"));
    is_expired(&Client::raw(upstream(&calls), PING).oneshot(late()).await.expect_err("too late"));
    assert_eq!(calls.count(), 0);

    let soon = Kit::new(()).within(Instant::now() + Duration::from_millis(1));
    client.call(soon).await.expect("there is some left");
    assert_eq!(calls.count(), 1);
}

#[cfg(feature = "json-lines")]
#[tokio::test(start_paused = true)]
async fn nor_is_the_call_of_a_stream() {
    use kit_transport_http::{StreamClient, json_lines};

    let calls = Calls::default();
    let read = json_lines::Replies::<u32>::new();
    let client = StreamClient::new(upstream(&calls), PING, read);
    let late = Kit::new(()).within(Instant::now());
    is_expired(&client.oneshot(late).await.expect_err("too late"));
    assert_eq!(calls.count(), 0);
}
