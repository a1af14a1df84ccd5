//! Streams over connections of hyper's, whose both ends are in memory: what
//! HTTP/1.1 and HTTP/2 make of a stream that ends, is cut, or is left.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]
#![cfg(all(feature = "json-lines", feature = "sse"))]

use bytes::Bytes;
use http::{Method, Request, Response, Uri, Version};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use kit_endpoint::{Fault, Kind};
use kit_transport::{End, Outcome};
use kit_transport_http::{
    CallError, Client, EncodeError, Server, StreamClient, json, json_lines, nothing, sse,
    stream::ReadError,
};
use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
    task::AbortHandle,
    time::timeout,
};
use tokio_stream::{Stream, StreamExt, wrappers::UnboundedReceiverStream};
use tower::{BoxError, Service, ServiceExt, service_fn};

type Kit<T> = kit_endpoint::Request<T>;

const BOTH: [Version; 2] = [Version::HTTP_11, Version::HTTP_2];

/// A client's end of a connection, of either version.
enum Connection<B> {
    One(http1::SendRequest<B>),
    Two(http2::SendRequest<B>),
}

/// Connects to a server of its own. The handle cuts the connection, from the
/// server's side.
async fn connect<S, B, C>(version: Version, service: S) -> (Connection<B>, AbortHandle)
where
    S: Service<Request<Incoming>, Response = Response<C>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    C: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    let (near, far) = tokio::io::duplex(64 * 1024);
    let server = tokio::spawn(async move {
        let service = TowerToHyperService::new(service);
        // How a connection ends is what the client says of it.
        let _ =
            Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(far), service).await;
    });
    let near = TokioIo::new(near);
    let connection = if version == Version::HTTP_2 {
        let (send, connection) = http2::handshake(TokioExecutor::new(), near).await.unwrap();
        tokio::spawn(connection);
        Connection::Two(send)
    } else {
        let (send, connection) = http1::handshake(near).await.unwrap();
        tokio::spawn(connection);
        Connection::One(send)
    };
    (connection, server.abort_handle())
}

impl<B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static> Connection<B> {
    /// For one call: what is in flight outlives it, and is all that keeps the
    /// connection.
    fn into_service(
        mut self,
    ) -> impl Service<Request<B>, Response = Response<Incoming>, Error = hyper::Error> {
        service_fn(move |request| -> Pin<Box<dyn Future<Output = _> + Send>> {
            match &mut self {
                Self::One(send) => Box::pin(send.send_request(request)),
                Self::Two(send) => Box::pin(send.send_request(request)),
            }
        })
    }
}

/// Nothing here waits for a clock: what would hang fails.
async fn soon<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_mins(1), future).await.expect("it hangs")
}

/// Tells how a request ended, once it has.
fn ends() -> (impl Fn(&End) + Clone, mpsc::UnboundedReceiver<End>) {
    let (ends, ended) = mpsc::unbounded_channel();
    (move |end: &End| ends.send(end.clone()).unwrap_or_default(), ended)
}

fn uri() -> Uri {
    Uri::from_static("http://counter.example/count")
}

fn frame(text: &'static str) -> Result<Frame<Bytes>, BoxError> {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

type Chunks = mpsc::UnboundedSender<Result<Frame<Bytes>, BoxError>>;
type Frames = StreamBody<UnboundedReceiverStream<Result<Frame<Bytes>, BoxError>>>;

fn chunks() -> (Chunks, Frames) {
    let (send, frames) = mpsc::unbounded_channel();
    (send, StreamBody::new(UnboundedReceiverStream::new(frames)))
}

async fn double(
    request: Kit<impl Stream<Item = Result<u32, ReadError>>>,
) -> Result<impl Stream<Item = Result<u32, ReadError>>, ReadError> {
    Ok(request.into_message().map(|number| Ok(number? * 2)))
}

#[tokio::test(start_paused = true)]
async fn over_http2_json_lines_go_both_ways_at_once() {
    let (hook, mut ended) = ends();
    let (read, write) = (json_lines::Reader::<u32>::new(), json_lines::Writer::new());
    let server = Server::bidi(service_fn(double), read, write).finally(hook);
    let (connection, _cut) = connect(Version::HTTP_2, server).await;
    let (send, body) = chunks();
    let request = Request::post(uri()).body(body).unwrap();
    let reply = soon(connection.into_service().oneshot(request)).await.unwrap();
    assert_eq!((reply.version(), reply.status().as_u16()), (Version::HTTP_2, 200));
    let mut body = reply.into_body();
    for (there, back) in [("1\n", "2\n"), ("20\n", "40\n")] {
        send.send(frame(there)).unwrap();
        let item = soon(body.frame()).await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(item, back, "before the next request is sent");
    }
    assert!(ended.try_recv().is_err());
    drop(send);
    // At its end there may be a frame of nothing.
    assert_eq!(soon(body.collect()).await.unwrap().to_bytes(), "");
    let end = soon(ended.recv()).await.unwrap();
    assert_eq!((end.outcome, end.received, end.sent), (Outcome::Replied, 5, 5));
}

#[tokio::test(start_paused = true)]
async fn a_head_goes_out_alone_over_both_versions() {
    let asked = [(Method::HEAD, 200), (Method::GET, 204), (Method::GET, 304)];
    for (version, (method, status)) in
        BOTH.into_iter().flat_map(|version| asked.clone().map(|asked| (version, asked)))
    {
        let (hook, mut ended) = ends();
        let hello = service_fn(async |_: Kit<()>| Ok::<_, EncodeError>("hello"));
        let encode = move |reply: &'static str| {
            let reply = Response::builder().status(status).body(Bytes::from(reply));
            reply.map_err(EncodeError::new)
        };
        let server = Server::new(hello, nothing, encode).finally(hook);
        let (connection, _cut) = connect(version, server).await;
        let request = Request::builder().method(method).uri(uri());
        let request = request.body(Full::<Bytes>::default()).unwrap();
        let reply = soon(connection.into_service().oneshot(request)).await.unwrap();
        assert_eq!((reply.version(), reply.status().as_u16()), (version, status));
        let length = reply.headers().get("content-length").cloned();
        assert_eq!(length, (status == 200).then(|| "5".parse().unwrap()), "{version:?}");
        let whole = soon(reply.into_body().collect()).await.unwrap();
        assert_eq!(whole.to_bytes(), "", "{version:?} {status}");
        let end = soon(ended.recv()).await.unwrap();
        assert_eq!((end.outcome, end.sent), (Outcome::Replied, 0));
    }
}

/// A client's failure, whose server does `answer` to its first request.
#[cfg(feature = "client")]
async fn failure<F: Future<Output = ()> + Send + 'static>(
    answer: impl FnOnce(h2::server::Connection<tokio::io::DuplexStream, Bytes>) -> F + Send + 'static,
) -> CallError {
    let (near, far) = tokio::io::duplex(64 * 1024);
    tokio::spawn(async { answer(h2::server::handshake(far).await.unwrap()).await });
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(near)).await;
    let (send, connection) = handshake.unwrap();
    tokio::spawn(connection);
    let service = Connection::<Full<Bytes>>::Two(send).into_service();
    let client = Client::new(service, json::request(Method::POST, uri()), json::reply::<u32>);
    soon(client.oneshot(Kit::new(0))).await.unwrap_err()
}

#[cfg(feature = "client")]
#[tokio::test(start_paused = true)]
async fn what_the_server_did_not_look_at_is_refused() {
    let reset = |reason| {
        failure(move |mut connection| async move {
            let (_, mut respond) = connection.accept().await.unwrap().unwrap();
            respond.send_reset(reason);
            while connection.accept().await.is_some() {}
        })
    };
    for (reason, refused) in
        [(h2::Reason::REFUSED_STREAM, true), (h2::Reason::INTERNAL_ERROR, false)]
    {
        let error = reset(reason).await;
        assert_eq!((error.kind(), error.refused()), (Kind::Unavailable, refused), "{error:?}");
    }
    let gone = failure(|mut connection| async move {
        connection.abrupt_shutdown(h2::Reason::NO_ERROR);
        while connection.accept().await.is_some() {}
    });
    let error = gone.await;
    assert_eq!((error.kind(), error.refused()), (Kind::Unavailable, true), "{error:?}");

    // Nor was what the connection did not take.
    for version in BOTH {
        let never = service_fn(async |_: Request<Incoming>| {
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        });
        let (connection, cut) = connect(version, never).await;
        cut.abort();
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        let encode = json::request(Method::POST, uri());
        let client = Client::new(connection.into_service(), encode, json::reply::<u32>);
        let error = soon(client.oneshot(Kit::new(0))).await.unwrap_err();
        assert_eq!((error.kind(), error.refused()), (Kind::Unavailable, true), "{error:?}");
    }
}

/// What becomes of a stream after its only item, which is a whole line.
enum Last {
    End,
    Error,
    Connection,
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_cut_at_its_last_chunk_is_told_from_its_end() {
    for (version, last) in BOTH
        .into_iter()
        .flat_map(|version| [Last::End, Last::Error, Last::Connection].map(|last| (version, last)))
    {
        let (send, body) = chunks();
        let body = Arc::new(Mutex::new(Some(body)));
        let server = service_fn(move |_: Request<Incoming>| {
            let body = body.lock().unwrap().take().unwrap();
            let reply = Response::builder().header("content-type", "application/jsonl").body(body);
            async move { Ok::<_, Infallible>(reply.unwrap()) }
        });
        let (connection, cut) = connect::<_, Full<Bytes>, _>(version, server).await;
        let (hook, mut ended) = ends();
        let read = json_lines::Replies::<u32>::new();
        let encode = json::request(Method::POST, uri());
        let client = StreamClient::new(connection.into_service(), encode, read).finally(hook);
        let mut replies = soon(client.oneshot(Kit::new(0))).await.unwrap();
        send.send(frame("1\n")).unwrap();
        assert_eq!(soon(replies.next()).await.unwrap().unwrap(), 1);
        let whole = matches!(last, Last::End);
        match last {
            Last::End => drop(send),
            Last::Error => send.send(Err("out of paper".into())).unwrap(),
            Last::Connection => cut.abort(),
        }
        let end = if whole {
            assert!(soon(replies.next()).await.is_none(), "{version:?}");
            Outcome::Replied
        } else {
            let error = soon(replies.next()).await.expect("no end").unwrap_err();
            assert!(matches!(error, CallError::Body(_)), "{version:?}: {error:?}");
            assert!(soon(replies.next()).await.is_none());
            Outcome::Failed(Kind::Unavailable)
        };
        assert_eq!(soon(ended.recv()).await.unwrap().outcome, end, "{version:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_cut_where_only_the_connection_ends_the_body_is_no_item() {
    for (sent, cut) in [("1\n1234\n", false), ("1\n12", true)] {
        let (near, mut far) = tokio::io::duplex(64 * 1024);
        tokio::spawn(async move {
            let _ = far.read(&mut [0; 1024]).await.unwrap();
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/jsonl\r\n\r\n";
            far.write_all(format!("{head}{sent}").as_bytes()).await.unwrap();
        });
        let (send, connection) = http1::handshake(TokioIo::new(near)).await.unwrap();
        tokio::spawn(connection);
        let read = json_lines::Replies::<u32>::new();
        let encode = json::request(Method::POST, uri());
        let connection = Connection::<Full<Bytes>>::One(send);
        let client = StreamClient::new(connection.into_service(), encode, read);
        let mut replies = soon(client.oneshot(Kit::new(0))).await.unwrap();
        assert_eq!(soon(replies.next()).await.unwrap().unwrap(), 1);
        match soon(replies.next()).await.unwrap() {
            Ok(item) => assert_eq!((item, cut), (1234, false)),
            Err(error) => {
                assert!(cut && matches!(error, CallError::Body(_)), "{error:?}");
                assert_eq!(error.kind(), Kind::Unavailable);
            }
        }
        assert!(soon(replies.next()).await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_of_events_that_leaves_drops_the_endpoints_stream() {
    for version in BOTH {
        let (send, items) = mpsc::unbounded_channel::<Result<u32, ReadError>>();
        let items = Arc::new(Mutex::new(Some(items)));
        let endpoint = service_fn(move |_: Kit<()>| {
            let items = items.lock().unwrap().take().unwrap();
            async move { Ok::<_, ReadError>(UnboundedReceiverStream::new(items)) }
        });
        let (hook, mut ended) = ends();
        // No comment goes out that would find out.
        let write = sse::Writer::new(sse::json).keep_alive(None);
        let server = Server::server_streaming(endpoint, nothing, write).finally(hook);
        let (connection, _cut) = connect::<_, Full<Bytes>, _>(version, server).await;
        let read = sse::Reader::new(sse::from_json::<u32>);
        let encode = json::request(Method::GET, uri());
        let client = StreamClient::new(connection.into_service(), encode, read);
        let mut replies = soon(client.oneshot(Kit::new(()))).await.unwrap();
        send.send(Ok(7)).unwrap();
        assert_eq!(soon(replies.next()).await.unwrap().unwrap(), 7);
        assert!(!send.is_closed());
        drop(replies);
        soon(send.closed()).await;
        assert_eq!(soon(ended.recv()).await.unwrap().outcome, Outcome::Cancelled, "{version:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_announces_its_length() {
    for version in BOTH {
        let server = service_fn(|request: Request<Incoming>| async move {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::copy_from_slice(
                request.headers()["content-length"].as_bytes(),
            ))))
        });
        let (connection, _cut) = connect(version, server).await;
        let encode = |text: &&'static str| {
            Request::post(uri()).body(Bytes::from(*text)).map_err(EncodeError::new)
        };
        let client = Client::new(connection.into_service(), encode, json::reply::<u32>);
        let reply = soon(client.oneshot(Kit::new("hello world"))).await;
        // It is plain text, which JSON reads as a number.
        assert_eq!(reply.unwrap(), 11, "{version:?}");
    }
}
