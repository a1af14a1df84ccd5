//! The streaming shapes, client, and metadata, limits and compression there.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use http_body_util::BodyExt;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use kit_endpoint::{CatchPanicLayer, Endpoint, Fault, Kind, Panicked, Request};
use kit_transport::{Call, Metadata, Outcome, Propagation};
use kit_transport_grpc::{
    CallError, Client, GrpcLayer, ReceivedMetadata, ReplyMetadata, Server, server::ReadError,
};
use std::{
    convert::Infallible,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use support::{
    Ends, Greeter, PATH, Wrong,
    pb::{GreetingRequest, GreetingResponse, greeter_server::GreeterServer},
    streams::{CHAT, GATHER, GREETINGS, Methods, StreamsServer},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, advance, sleep},
};
use tokio_stream::{Stream, StreamExt, wrappers::UnboundedReceiverStream};
use tokio_test::{assert_pending, assert_ready, task};
use tonic::body::Body;
use tower::{Layer, Service, ServiceExt, service_fn};

type Decode = fn(GreetingRequest) -> Result<String, Infallible>;
const DECODE: Decode = support::decode;

fn encode(name: String) -> Result<GreetingRequest, Infallible> {
    Ok(GreetingRequest { name })
}

fn decode(reply: GreetingResponse) -> Result<String, Infallible> {
    Ok(reply.greeting)
}

/// Greets each letter; `!` is a fault, and `?` waits for ever.
async fn greetings(
    request: Request<String>,
) -> Result<impl Stream<Item = Result<String, Wrong>> + Send, Wrong> {
    let metadata = request.extensions().get::<ReplyMetadata>().cloned();
    if let Some(metadata) = &metadata {
        metadata.initial(|initial| initial.insert("x-initial", "1".parse().unwrap()));
    }
    let letters: Vec<char> = request.message().chars().collect();
    if letters.is_empty() {
        return Err(Wrong::new(Kind::PreconditionFailed));
    }
    let waits = letters.contains(&'?');
    let letters = tokio_stream::iter(letters).filter(|letter| *letter != '?').map(move |letter| {
        if let Some(metadata) = &metadata {
            let id = letter.to_string().parse().unwrap();
            metadata.trailing(|trailing| trailing.insert("x-last", id));
        }
        match letter {
            '!' => Err(Wrong::new(Kind::PayloadTooLarge)),
            letter => Ok(letter.to_string()),
        }
    });
    let rest = tokio_stream::pending().take(usize::from(waits));
    Ok(letters.chain(rest))
}

async fn gather<St>(request: Request<St>) -> Result<String, ReadError>
where
    St: Stream<Item = Result<String, ReadError>>,
{
    let mut names = pin!(request.into_message());
    let mut all = Vec::new();
    while let Some(name) = names.try_next().await? {
        all.push(name);
    }
    Ok(all.join(" and "))
}

async fn chat<St>(
    request: Request<St>,
) -> Result<impl Stream<Item = Result<String, ReadError>> + use<St>, ReadError>
where
    St: Stream<Item = Result<String, ReadError>>,
{
    Ok(request.into_message().map(|name| Ok(format!("Hello, {}", name?))))
}

type Response = http::Response<
    kit_transport_grpc::edge::ResponseBody<
        Body,
        <((), kit_transport_grpc::edge::GiveReplyMetadata) as kit_transport::Hook>::Observer,
    >,
>;

/// The service of all three, in this process.
fn service()
-> impl Service<http::Request<Body>, Response = Response, Error = Infallible, Future: Send>
+ Clone
+ Send
+ Sync
+ 'static {
    let methods = Methods {
        greetings: Server::server_streaming(service_fn(greetings), DECODE, support::encode),
        gather: Server::client_streaming(service_fn(gather), DECODE, support::encode),
        chat: Server::bidi(service_fn(chat), DECODE, support::encode),
    };
    GrpcLayer::new().reply_metadata().layer(StreamsServer::new(methods))
}

fn name(name: &str) -> Request<String> {
    Request::new(name.to_owned())
}

fn names(names: &[&str]) -> Request<tokio_stream::Iter<std::vec::IntoIter<Result<String, Wrong>>>> {
    let names: Vec<_> = names
        .iter()
        .map(|name| match *name {
            "!" => Err(Wrong::new(Kind::DataLoss)),
            name => Ok(name.to_owned()),
        })
        .collect();
    Request::new(tokio_stream::iter(names))
}

#[tokio::test]
async fn a_method_that_streams_its_replies_is_an_endpoint() {
    fn is_endpoint<E: Endpoint<String, Error = CallError>>(endpoint: E) -> E {
        endpoint
    }

    let client = is_endpoint(Client::server_streaming(service(), GREETINGS, encode, decode));
    let replies = client.oneshot(name("Ada")).await.unwrap();
    let replies: Vec<String> = replies.map(Result::unwrap).collect().await;
    assert_eq!(replies, ["A", "d", "a"]);
}

#[tokio::test]
async fn a_method_that_takes_a_stream_is_an_endpoint() {
    let client = Client::client_streaming(service(), GATHER, encode, decode);
    assert_eq!(client.oneshot(names(&["Ada", "Bob"])).await.unwrap(), "Ada and Bob");
}

#[tokio::test]
async fn a_method_of_streams_both_ways_is_an_endpoint() {
    let (sender, requests) = mpsc::unbounded_channel::<Result<String, Wrong>>();
    let client = Client::bidi(service(), CHAT, encode, decode);
    let requests = UnboundedReceiverStream::new(requests);
    let mut replies = client.oneshot(Request::new(requests)).await.unwrap();
    for name in ["Ada", "Bob"] {
        assert_pending!(task::spawn(replies.next()).poll());
        sender.send(Ok(name.to_owned())).unwrap();
        assert_eq!(replies.next().await.unwrap().unwrap(), format!("Hello, {name}"));
    }
    drop(sender);
    assert!(replies.next().await.is_none());
    assert!(replies.next().await.is_none());
}

#[tokio::test]
async fn a_success_may_be_a_head_alone_where_there_are_no_replies() {
    let service = service_fn(|_: http::Request<Body>| {
        let mut response = http::Response::new(Body::empty());
        let headers = response.headers_mut();
        headers.insert("content-type", "application/grpc".parse().unwrap());
        headers.insert("grpc-status", "0".parse().unwrap());
        headers.insert("x-last", "1".parse().unwrap());
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let received = ReceivedMetadata::default();
    let mut request = names(&[]);
    request.extensions_mut().insert(received.clone());
    let client = Client::bidi(service, CHAT, encode, decode);
    let mut replies = client.oneshot(request).await.unwrap();
    assert!(replies.next().await.is_none());
    assert_eq!(received.trailing().unwrap().get("x-last").unwrap(), "1");

    // One reply it must be, where it is one.
    let client = Client::client_streaming(service, GATHER, encode, decode);
    assert_eq!(client.oneshot(names(&[])).await.unwrap_err().kind(), Kind::Internal);
}

#[tokio::test]
async fn a_failure_amid_the_replies_is_their_last_item() {
    let client = Client::server_streaming(service(), GREETINGS, encode, decode);
    let mut replies = client.oneshot(name("A!b")).await.unwrap();
    assert_eq!(replies.next().await.unwrap().unwrap(), "A");
    let error = replies.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), Kind::PayloadTooLarge, "the exact kind, of a peer of ours");
    assert!(!error.refused());
    assert!(replies.next().await.is_none());
}

#[tokio::test]
async fn a_failure_before_the_replies_fails_the_call() {
    let client = Client::server_streaming(service(), GREETINGS, encode, decode);
    let error = client.oneshot(name("")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::PreconditionFailed);
}

#[tokio::test]
async fn a_reply_that_cannot_be_decoded_ends_the_replies() {
    let refuse = |_: GreetingResponse| Err::<String, _>(Wrong::new(Kind::InvalidArgument));
    let client = Client::server_streaming(service(), GREETINGS, encode, refuse);
    let mut replies = client.oneshot(name("Ada")).await.unwrap();
    let error = replies.next().await.unwrap().unwrap_err();
    assert!(matches!(error, CallError::Decode(_)));
    assert!(replies.next().await.is_none());
}

#[tokio::test]
async fn a_stream_of_requests_that_fails_is_why_the_call_does() {
    let client = Client::client_streaming(service(), GATHER, encode, decode);
    let error = client.oneshot(names(&["Ada", "!"])).await.unwrap_err();
    assert!(matches!(error, CallError::Requests(_)), "{error:?}");
    assert_eq!(error.kind(), Kind::DataLoss);
    assert!(!error.refused(), "some had been sent");

    let client = Client::bidi(service(), CHAT, encode, decode);
    let mut replies = client.oneshot(names(&["Ada", "!"])).await.unwrap();
    let mut last = None;
    while let Some(reply) = replies.next().await {
        last = Some(reply);
    }
    assert_eq!(last.unwrap().unwrap_err().kind(), Kind::DataLoss);
}

// ===== deadlines =====

#[tokio::test(start_paused = true)]
async fn the_deadline_travels_and_ends_the_replies() {
    // One that does not keep time itself.
    let timeouts = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = timeouts.clone();
    let inner = service();
    let service = service_fn(move |mut request: http::Request<Body>| {
        seen.lock().unwrap().push(request.headers_mut().remove("grpc-timeout").unwrap());
        inner.clone().oneshot(request)
    });
    let client = Client::server_streaming(service, GREETINGS, encode, decode);
    let request = name("A?").within(Instant::now() + Duration::from_millis(50));
    let mut replies = client.oneshot(request).await.unwrap();
    assert_eq!(replies.next().await.unwrap().unwrap(), "A");
    assert_pending!(task::spawn(replies.next()).poll());
    advance(Duration::from_millis(51)).await;
    let error = replies.next().await.unwrap().unwrap_err();
    assert!(matches!(error, CallError::Expired(_)));
    assert!(replies.next().await.is_none());
    assert_eq!(timeouts.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_too_late_is_not_sent() {
    let client = Client::client_streaming(service(), GATHER, encode, decode);
    let error = client.oneshot(names(&["Ada"]).within(Instant::now())).await.unwrap_err();
    assert!(matches!(error, CallError::Expired(_)) && error.refused());
}

#[tokio::test(start_paused = true)]
async fn the_head_of_a_stream_is_waited_for_no_longer_than_that() {
    let never = service_fn(|_: http::Request<Body>| {
        std::future::pending::<Result<http::Response<Body>, Infallible>>()
    });
    let client = Client::server_streaming(never, GREETINGS, encode, decode);
    let request = name("Ada").within(Instant::now() + Duration::from_millis(50));
    let mut late = task::spawn(client.oneshot(request));
    assert_pending!(late.poll());
    advance(Duration::from_millis(51)).await;
    assert_eq!(late.await.unwrap_err().kind(), Kind::DeadlineExceeded);
}

#[tokio::test(start_paused = true)]
async fn replies_that_break_off_past_the_deadline_are_late() {
    const LIMIT: Duration = Duration::from_millis(50);

    for (after, kind) in [(LIMIT, Kind::DeadlineExceeded), (LIMIT / 2, Kind::Unavailable)] {
        let service = service_fn(move |_: http::Request<Body>| {
            let message = support::frame(&GreetingResponse { greeting: "A".to_owned() });
            let cut = tokio_stream::once(()).then(move |()| async move {
                sleep(after).await;
                Err(std::io::Error::other("cut off"))
            });
            let frames = tokio_stream::once(Ok(http_body::Frame::data(message))).chain(cut);
            let mut response =
                http::Response::new(Body::new(http_body_util::StreamBody::new(frames)));
            response.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
            std::future::ready(Ok::<_, Infallible>(response))
        });
        let client = Client::server_streaming(service, GREETINGS, encode, decode);
        let request = name("Ada").within(Instant::now() + LIMIT);
        let mut replies = client.oneshot(request).await.unwrap();
        assert_eq!(replies.next().await.unwrap().unwrap(), "A");
        assert_eq!(replies.next().await.unwrap().unwrap_err().kind(), kind);
        assert!(replies.next().await.is_none());
    }
}

// ===== metadata =====

#[tokio::test]
async fn metadata_of_the_reply_is_the_callers_to_read() {
    let received = ReceivedMetadata::default();
    let mut request = name("Ada");
    request.extensions_mut().insert(received.clone());
    let client = Client::server_streaming(service(), GREETINGS, encode, decode);
    let mut replies = client.oneshot(request).await.unwrap();
    assert_eq!(received.initial().unwrap().get("x-initial").unwrap(), "1");
    assert!(received.trailing().is_none());
    while replies.next().await.is_some() {}
    assert_eq!(received.trailing().unwrap().get("x-last").unwrap(), "a");
}

#[tokio::test]
async fn metadata_of_a_failure_is_trailing() {
    for (letters, initial) in [("", false), ("A!", true)] {
        let received = ReceivedMetadata::default();
        let mut request = name(letters);
        request.extensions_mut().insert(received.clone());
        let client = Client::server_streaming(service(), GREETINGS, encode, decode);
        if let Ok(mut replies) = client.oneshot(request).await {
            while replies.next().await.is_some() {}
        }
        assert_eq!(received.initial().is_some(), initial);
        assert!(received.trailing().unwrap().get("grpc-status").is_some());
    }
}

#[tokio::test]
async fn a_correlation_id_makes_the_round() {
    #[derive(Clone)]
    struct Correlation(String);

    async fn answers(request: Request<String>) -> Result<String, Wrong> {
        let Correlation(id) = request.extensions().get().cloned().unwrap();
        let metadata = request.extensions().get::<ReplyMetadata>().unwrap();
        metadata.initial(|initial| initial.insert("x-head", "head".parse().unwrap()));
        metadata.trailing(|trailing| trailing.insert("correlation-id", id.parse().unwrap()));
        Ok(id)
    }

    let server = Server::new(service_fn(answers), support::decode, support::encode);
    let service = GrpcLayer::new()
        .reply_metadata()
        .before(|call: &Call<'_>, extensions: &mut http::Extensions| {
            let id = call.headers["correlation-id"].to_str().unwrap().to_owned();
            extensions.insert(Correlation(id));
        })
        .before(|_: &Call<'_>, extensions: &mut http::Extensions| {
            extensions.get_mut::<Correlation>().unwrap().0.push_str("-seen");
        })
        .layer(GreeterServer::new(Greeter(server)));
    let client = Client::new(service, PATH, encode, decode).metadata(
        |extensions: &http::Extensions, headers: &mut http::HeaderMap| {
            let Correlation(id) = extensions.get().cloned().unwrap();
            headers.insert("correlation-id", id.parse().unwrap());
        },
    );
    let received = ReceivedMetadata::default();
    let mut request = name("Ada");
    request.extensions_mut().insert(Correlation("42".to_owned()));
    request.extensions_mut().insert(received.clone());
    assert_eq!(client.oneshot(request).await.unwrap(), "42-seen");
    assert_eq!(received.initial().unwrap().get("x-head").unwrap(), "head");
    assert_eq!(received.trailing().unwrap().get("correlation-id").unwrap(), "42-seen");
}

#[tokio::test]
async fn what_another_call_says_is_not_said_by_this_one() {
    let mut request = name("Ada");
    let other = ReplyMetadata::default();
    request.extensions_mut().insert(other.clone());
    let looks = service_fn(|request: http::Request<Body>| async move {
        assert!(request.extensions().get::<ReplyMetadata>().is_none());
        assert!(request.extensions().get::<ReceivedMetadata>().is_none());
        service().oneshot(request).await
    });
    request.extensions_mut().insert(ReceivedMetadata::default());
    let client = Client::server_streaming(looks, GREETINGS, encode, decode);
    client.oneshot(request).await.unwrap();
    assert!(other.initial(|initial| initial.is_empty()));
}

#[tokio::test]
async fn global_metadata_goes_on() {
    async fn tells(request: Request<String>) -> Result<String, Wrong> {
        let metadata = request.extensions().get::<Metadata>().unwrap();
        Ok(metadata.get("x-md-global-tenant").unwrap().to_str().unwrap().to_owned())
    }

    let server = Server::new(service_fn(tells), support::decode, support::encode);
    let service =
        GrpcLayer::new().hook(Propagation::new()).layer(GreeterServer::new(Greeter(server)));
    let mut headers = http::HeaderMap::new();
    headers.insert("x-md-global-tenant", "blue".parse().unwrap());
    let mut request = name("Ada");
    let call = Call::new(kit_transport::Protocol::Http, "GET", &headers);
    kit_transport::Hook::before(&Propagation::new(), &call, request.extensions_mut());
    let client = Client::new(service, PATH, encode, decode);
    assert_eq!(client.oneshot(request).await.unwrap(), "blue");
}

// ===== limits =====

#[tokio::test]
async fn a_message_over_the_limit_is_not_sent() {
    let client =
        Client::server_streaming(service(), GREETINGS, encode, decode).max_encoding_message_size(5);
    client.clone().oneshot(name("Ada")).await.unwrap();
    let error = client.oneshot(name("Grace")).await.unwrap_err();
    assert!(matches!(error, CallError::Encode(_)) && error.refused());
    assert_eq!(error.kind(), Kind::PayloadTooLarge);

    let client =
        Client::client_streaming(service(), GATHER, encode, decode).max_encoding_message_size(5);
    let error = client.oneshot(names(&["Ada", "Grace"])).await.unwrap_err();
    assert!(matches!(error, CallError::Requests(_)));
    assert_eq!(error.kind(), Kind::PayloadTooLarge);
}

#[tokio::test]
async fn a_message_over_the_limit_is_not_read() {
    let client =
        Client::client_streaming(service(), GATHER, encode, decode).max_decoding_message_size(5);
    assert_eq!(client.clone().oneshot(names(&["Ada"])).await.unwrap(), "Ada");
    let error = client.oneshot(names(&["Grace"])).await.unwrap_err();
    assert_eq!(error.kind(), Kind::PayloadTooLarge);
}

#[cfg(feature = "gzip")]
#[tokio::test]
async fn messages_are_compressed_where_both_sides_ask() {
    use tonic::codec::CompressionEncoding::Gzip;

    let inner = StreamsServer::new(Methods {
        greetings: Server::server_streaming(service_fn(greetings), DECODE, support::encode),
        gather: Server::client_streaming(service_fn(gather), DECODE, support::encode),
        chat: Server::bidi(service_fn(chat), DECODE, support::encode),
    })
    .compressed(Gzip);
    let looks = service_fn(move |request: http::Request<Body>| {
        assert_eq!(request.headers()["grpc-encoding"], "gzip");
        assert_eq!(request.headers()["grpc-accept-encoding"], "gzip,identity");
        let reply = inner.clone().oneshot(request);
        async move {
            let reply = reply.await?;
            assert_eq!(reply.headers()["grpc-encoding"], "gzip");
            Ok::<_, Infallible>(reply)
        }
    });
    let client = Client::client_streaming(looks, GATHER, encode, decode)
        .send_compressed(Gzip)
        .accept_compressed(Gzip);
    assert_eq!(client.oneshot(names(&["Ada", "Bob"])).await.unwrap(), "Ada and Bob");
}

#[tokio::test]
async fn compression_that_was_not_asked_for_is_the_other_sides_fault() {
    let service = service_fn(|_: http::Request<Body>| async {
        let mut reply = http::Response::new(Body::empty());
        reply.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
        reply.headers_mut().insert("grpc-encoding", "gzip".parse().unwrap());
        Ok::<_, Infallible>(reply)
    });
    let client = Client::server_streaming(service, GREETINGS, encode, decode);
    assert_eq!(client.oneshot(name("Ada")).await.unwrap_err().kind(), Kind::Internal);
}

// ===== the end of the call =====

#[tokio::test]
async fn requests_end_with_their_call_whether_or_not_they_wait() {
    let (give, mut bodies) = mpsc::unbounded_channel();
    let carries = service_fn(move |request: http::Request<Body>| {
        give.send(request.into_body()).unwrap();
        std::future::pending::<Result<http::Response<Body>, Infallible>>()
    });
    let client = Client::client_streaming(carries, GATHER, encode, decode);

    let endless = std::iter::repeat_with(|| Ok::<_, Wrong>("Ada".to_owned()));
    let mut call = task::spawn(client.clone().oneshot(Request::new(tokio_stream::iter(endless))));
    assert_pending!(call.poll());
    let mut body = bodies.try_recv().unwrap();
    assert!(body.frame().await.unwrap().unwrap().is_data());
    drop(call);
    assert!(body.frame().await.unwrap().is_err());

    let silent = tokio_stream::pending::<Result<String, Wrong>>();
    let mut call = task::spawn(client.oneshot(Request::new(silent)));
    assert_pending!(call.poll());
    let mut body = bodies.try_recv().unwrap();
    let mut frame = task::spawn(body.frame());
    assert_pending!(frame.poll());
    drop(call);
    assert!(frame.is_woken());
    assert!(assert_ready!(frame.poll()).unwrap().is_err());
}

// ===== over a connection =====

/// Says when it is dropped.
struct Dropped(Arc<AtomicBool>, Option<oneshot::Sender<()>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        let _ = self.1.take().unwrap().send(());
    }
}

/// A client's end of a connection of hyper's, and what drives it. It ends when the last
/// call and its client are dropped.
async fn dial(
    near: tokio::io::DuplexStream,
) -> (
    impl Service<
        http::Request<Body>,
        Response = http::Response<hyper::body::Incoming>,
        Error = hyper::Error,
        Future: Send,
    > + Clone,
    impl Future,
) {
    let near = TokioIo::new(near);
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), near);
    let (calls, connection) = handshake.await.unwrap();
    (service_fn(move |request| calls.clone().send_request(request)), connection)
}

#[tokio::test]
async fn dropped_replies_cancel_the_handler_over_a_connection() {
    let (dropped, gone) = oneshot::channel();
    let held = Arc::new(AtomicBool::new(false));
    let guard = Arc::new(std::sync::Mutex::new(Some(Dropped(held.clone(), Some(dropped)))));
    let chat = service_fn(move |request: Request<_>| {
        let guard = guard.lock().unwrap().take();
        async move {
            let requests: kit_transport_grpc::server::Incoming<GreetingRequest, Decode> =
                request.into_message();
            Ok::<_, ReadError>(requests.map(move |name| {
                let _ = &guard;
                name
            }))
        }
    });
    let ends = Ends::default();
    let methods = Methods {
        greetings: Server::server_streaming(service_fn(greetings), DECODE, support::encode),
        gather: Server::client_streaming(service_fn(gather), DECODE, support::encode),
        chat: Server::bidi(chat, DECODE, support::encode),
    };
    let service = GrpcLayer::new().finally(ends.finally()).layer(StreamsServer::new(methods));

    let (near, far) = tokio::io::duplex(64 * 1024);
    let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(far), TowerToHyperService::new(service));
    let calling = async {
        let (carries, connection) = dial(near).await;
        let calling = async move {
            let client = Client::bidi(carries, CHAT, encode, decode)
                .origin("http://greeter".parse().unwrap())
                .unwrap();
            // The requests never end by themselves.
            let (sender, requests) = mpsc::unbounded_channel::<Result<String, Wrong>>();
            let requests = UnboundedReceiverStream::new(requests);
            sender.send(Ok("Ada".to_owned())).unwrap();
            let mut replies = client.oneshot(Request::new(requests)).await.unwrap();
            assert_eq!(replies.next().await.unwrap().unwrap(), "Ada");
            assert!(!held.load(Ordering::Relaxed));
            drop(replies);
            let told = tokio::time::timeout(Duration::from_secs(5), gone).await;
            told.expect("the handler is cancelled").unwrap();
            drop(sender);
        };
        let (_, ()) = tokio::join!(connection, calling);
    };
    let (_, ()) = tokio::join!(serving, calling);
    assert_eq!(ends.one().outcome, Outcome::Cancelled);
}

#[cfg(feature = "channel")]
type Told = kit_transport_grpc::client::Replies<
    GreetingResponse,
    fn(GreetingResponse) -> Result<String, Infallible>,
>;

/// What a server of HTTP/2 hears of a call whose caller does `leave` once the
/// reply has begun.
#[cfg(feature = "channel")]
async fn heard<F: Future<Output = ()>>(
    leave: impl FnOnce(mpsc::UnboundedSender<Result<String, Wrong>>, Told) -> F,
) -> Option<h2::Reason> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let serving = async {
        let mut connection = h2::server::handshake(far).await.unwrap();
        let (request, mut respond) = connection.accept().await.unwrap().unwrap();
        let head = http::Response::builder().header("content-type", "application/grpc");
        let _sending = respond.send_response(head.body(()).unwrap(), false).unwrap();
        let mut requests = request.into_body();
        let reading = async move {
            while let Some(data) = requests.data().await {
                match data {
                    Ok(data) => requests.flow_control().release_capacity(data.len()).unwrap(),
                    Err(error) => return error.reason(),
                }
            }
            None
        };
        // What it was told is told, also where the connection ends with it.
        let driving = async { while connection.accept().await.is_some() {} };
        tokio::join!(reading, driving).0
    };
    let calling = async {
        let (carries, connection) = dial(near).await;
        let calling = async move {
            let client = Client::bidi(carries, CHAT, encode, decode as fn(_) -> _)
                .origin("http://greeter".parse().unwrap())
                .unwrap();
            let (sender, requests) = mpsc::unbounded_channel::<Result<String, Wrong>>();
            let requests = UnboundedReceiverStream::new(requests);
            sender.send(Ok("Ada".to_owned())).unwrap();
            leave(sender, client.oneshot(Request::new(requests)).await.unwrap()).await;
        };
        tokio::join!(connection, calling)
    };
    tokio::select! { reason = serving => reason, _ = calling => None }
}

#[cfg(feature = "channel")]
#[tokio::test]
async fn who_leaves_amid_their_requests_cancels() {
    let left = heard(async |sender, replies| {
        drop(replies);
        sender.closed().await;
        std::future::pending::<()>().await;
    });
    assert_eq!(left.await, Some(h2::Reason::CANCEL));
    let failed = heard(async |sender, mut replies| {
        sender.send(Err(Wrong::new(Kind::DataLoss))).unwrap();
        assert_eq!(replies.next().await.unwrap().unwrap_err().kind(), Kind::DataLoss);
        std::future::pending::<()>().await;
    });
    assert_eq!(failed.await, Some(h2::Reason::CANCEL));
}

#[tokio::test]
async fn a_panic_amid_a_stream_ends_that_call_alone() {
    let chat = service_fn(
        async |request: Request<kit_transport_grpc::server::Incoming<GreetingRequest, Decode>>| {
            Ok::<_, Panicked>(request.into_message().map(|name| {
                let name = name.unwrap();
                assert_ne!(name, "Eve");
                Ok::<_, Panicked>(name)
            }))
        },
    );
    let methods = Methods {
        greetings: Server::server_streaming(service_fn(greetings), DECODE, support::encode),
        gather: Server::client_streaming(service_fn(gather), DECODE, support::encode),
        chat: Server::bidi(CatchPanicLayer::new().streaming().layer(chat), DECODE, support::encode),
    };
    let service = GrpcLayer::new().layer(StreamsServer::new(methods));

    let (near, far) = tokio::io::duplex(64 * 1024);
    let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(far), TowerToHyperService::new(service));
    let calling = async {
        let (carries, connection) = dial(near).await;
        let calling = async move {
            let client = Client::bidi(carries, CHAT, encode, decode)
                .origin("http://greeter".parse().unwrap())
                .unwrap();
            let (sender, requests) = mpsc::unbounded_channel::<Result<String, Wrong>>();
            let requests = Request::new(UnboundedReceiverStream::new(requests));
            sender.send(Ok("Ada".to_owned())).unwrap();
            let mut stays = client.clone().oneshot(requests).await.unwrap();
            assert_eq!(stays.next().await.unwrap().unwrap(), "Ada");

            let (other, requests) = mpsc::unbounded_channel::<Result<String, Wrong>>();
            let requests = Request::new(UnboundedReceiverStream::new(requests));
            for name in ["Bob", "Eve", "Mia"] {
                other.send(Ok(name.to_owned())).unwrap();
            }
            let mut panics = client.oneshot(requests).await.unwrap();
            assert_eq!(panics.next().await.unwrap().unwrap(), "Bob");
            let error = panics.next().await.unwrap().unwrap_err();
            assert_eq!(error.kind(), Kind::Internal);
            assert!(panics.next().await.is_none());

            sender.send(Ok("Zoe".to_owned())).unwrap();
            assert_eq!(stays.next().await.unwrap().unwrap(), "Zoe");
        };
        let (_, ()) = tokio::join!(connection, calling);
    };
    let (_, ()) = tokio::join!(serving, calling);
}

/// A server of HTTP/2 that does `answer` to its first call, and a client's failure then.
#[cfg(feature = "channel")]
async fn failure<F: Future<Output = ()>>(
    answer: impl FnOnce(h2::server::Connection<tokio::io::DuplexStream, bytes::Bytes>) -> F,
) -> CallError {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let serving = async { answer(h2::server::handshake(far).await.unwrap()).await };
    let calling = async {
        let (carries, connection) = dial(near).await;
        let calling = async move {
            let client = Client::server_streaming(carries, GREETINGS, encode, decode);
            let client = client.origin("http://greeter".parse().unwrap()).unwrap();
            // The head, or the trailers, tell of it.
            match client.oneshot(name("Ada")).await {
                Ok(mut replies) => replies.next().await.unwrap().unwrap_err(),
                Err(error) => error,
            }
        };
        tokio::join!(connection, calling).1
    };
    tokio::join!(serving, calling).1
}

#[cfg(feature = "channel")]
#[tokio::test]
async fn what_the_other_side_did_not_look_at_is_refused_and_no_cancel() {
    let refused = failure(async |mut connection| {
        let (_, mut respond) = connection.accept().await.unwrap().unwrap();
        respond.send_reset(h2::Reason::REFUSED_STREAM);
        while connection.accept().await.is_some() {}
    });
    let error = refused.await;
    assert_eq!((error.kind(), error.refused()), (Kind::Unavailable, true), "{error:?}");

    // A reset of another reason may come after anything.
    let broke = failure(async |mut connection| {
        let (_, mut respond) = connection.accept().await.unwrap().unwrap();
        respond.send_reset(h2::Reason::INTERNAL_ERROR);
        while connection.accept().await.is_some() {}
    });
    assert!(!broke.await.refused());

    // It goes away, and its last stream was before this.
    let gone = failure(async |mut connection| {
        connection.abrupt_shutdown(h2::Reason::NO_ERROR);
        while connection.accept().await.is_some() {}
    });
    let error = gone.await;
    assert_eq!((error.kind(), error.refused()), (Kind::Unavailable, true), "{error:?}");
}

#[cfg(feature = "channel")]
#[tokio::test]
async fn what_was_never_sent_is_refused_and_no_cancel() {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let (carries, connection) = dial(near).await;
    drop((far, connection));
    let client = Client::new(carries, GATHER, encode, decode);
    let client = client.origin("http://greeter".parse().unwrap()).unwrap();
    let error = client.oneshot(name("Ada")).await.unwrap_err();
    assert_eq!((error.kind(), error.refused()), (Kind::Unavailable, true), "{error:?}");
    assert_eq!(error.to_string(), "cannot reach the service");
}
