//! A panic is the service's failure, also where something around the server
//! catches it (tower-http's `CatchPanicLayer`), and drops the request later.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use kit_endpoint::{Expired, Kind};
use kit_transport::{End, Outcome};
use kit_transport_http::{Client, Server};
use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
};
use tokio_test::task;
use tower::{Service, service_fn};

type Kit<T> = kit_endpoint::Request<T>;

/// Collects how requests ended.
#[derive(Clone, Default)]
struct Ends(Arc<Mutex<Vec<End>>>);

impl Ends {
    fn hook(&self) -> impl Fn(&End) + Clone + use<> {
        let ends = Arc::clone(&self.0);
        move |end| ends.lock().unwrap().push(end.clone())
    }

    /// The one request ended in a panic.
    fn panicked(&self) {
        let ends = self.0.lock().unwrap();
        assert_eq!(ends.len(), 1, "finish is called exactly once: {ends:?}");
        assert_eq!(ends[0].outcome, Outcome::Failed(Kind::Internal));
        assert_eq!(ends[0].error.as_deref(), Some("the handler panicked"));
    }
}

fn post(body: &'static str) -> Request<Full<Bytes>> {
    Request::new(Full::new(Bytes::from_static(body.as_bytes())))
}

/// Catches the panic of a step, and drops what panicked only then.
fn catch(work: impl Future) {
    let mut work = Box::pin(work);
    let caught = catch_unwind(AssertUnwindSafe(|| task::spawn(work.as_mut()).poll().is_ready()));
    caught.unwrap_err();
    drop(work);
}

#[test]
fn a_panic_is_internal_even_where_it_is_caught_outside() {
    for step in ["decode", "endpoint", "encode"] {
        let ends = Ends::default();
        let decode = |request: &Request<Bytes>| {
            assert_ne!(request.body(), "decode");
            Ok::<_, Infallible>(request.body().clone())
        };
        let endpoint = service_fn(async |request: Kit<Bytes>| {
            assert_ne!(request.message(), "endpoint");
            Ok::<_, Expired>(request.into_message())
        });
        let encode = |reply: Bytes| {
            assert_ne!(reply, "encode");
            Ok::<_, Infallible>(Response::new(reply))
        };
        let mut server = Server::new(endpoint, decode, encode).finally(ends.hook());
        catch(server.call(post(step)));
        ends.panicked();
    }
}

#[test]
fn so_is_one_while_a_failure_is_encoded() {
    let ends = Ends::default();
    let decode = |_: &Request<Bytes>| Ok::<_, Infallible>(());
    let endpoint = service_fn(async |_: Kit<()>| Err::<(), _>(Expired::new(true)));
    let encode = |()| Ok::<_, Infallible>(Response::new(Bytes::new()));
    let mut server = Server::new(endpoint, decode, encode)
        .encode_error(|_: &kit_transport_http::Failure<'_>| panic!("on purpose"))
        .finally(ends.hook());
    catch(server.call(post("")));
    ends.panicked();
}

#[cfg(feature = "json-lines")]
#[tokio::test]
async fn so_is_one_amid_a_stream() {
    use http_body_util::BodyExt;
    use kit_transport_http::json_lines;
    use serde::{Serialize, Serializer};
    use tokio_stream::StreamExt;
    use tower::ServiceExt;

    struct Item(&'static str);

    impl Serialize for Item {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            assert_ne!(self.0, "write");
            serializer.serialize_str(self.0)
        }
    }

    for step in ["read", "write"] {
        let ends = Ends::default();
        let decode = |_: &Request<Bytes>| Ok::<_, Infallible>(());
        let endpoint = service_fn(async move |_: Kit<()>| {
            Ok::<_, Expired>(tokio_stream::iter(["first", step]).map(|item| {
                assert_ne!(item, "read");
                Ok::<_, Expired>(Item(item))
            }))
        });
        let server = Server::server_streaming(endpoint, decode, json_lines::Writer::new());
        let reply = server.finally(ends.hook()).oneshot(post("")).await.unwrap();
        let mut body = reply.into_body();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "\"first\"\n");
        catch(body.frame());
        drop(body);
        ends.panicked();
    }
}

#[test]
fn so_is_one_at_a_client_in_its_service_and_its_decoder() {
    for step in ["service", "body", "decode"] {
        let ends = Ends::default();
        let service = service_fn(move |_: Request<Full<Bytes>>| async move {
            assert_ne!(step, "service");
            let frames = tokio_stream::StreamExt::map(tokio_stream::iter([()]), move |()| {
                assert_ne!(step, "body");
                Ok::<_, Infallible>(http_body::Frame::data(Bytes::new()))
            });
            Ok::<_, Infallible>(Response::new(http_body_util::StreamBody::new(frames)))
        });
        let encode = |(): &()| Ok::<_, Infallible>(Request::new(Bytes::new()));
        let decode = move |_: &Response<Bytes>| {
            assert_ne!(step, "decode");
            Ok::<_, Infallible>(())
        };
        let mut client = Client::new(service, encode, decode).finally(ends.hook());
        catch(client.call(Kit::new(())));
        ends.panicked();
        if step == "decode" {
            continue;
        }
        let ends = Ends::default();
        let mut raw = Client::raw(service, encode).finally(ends.hook());
        if step == "service" {
            catch(raw.call(Kit::new(())));
        } else {
            let mut call = task::spawn(raw.call(Kit::new(())));
            let mut body = tokio_test::assert_ready_ok!(call.poll()).into_body();
            catch(http_body_util::BodyExt::frame(&mut body));
            drop(body);
        }
        ends.panicked();
    }
}

#[cfg(feature = "json-lines")]
#[test]
fn so_is_one_while_a_clients_stream_is_read() {
    use kit_transport_http::{StreamClient, json_lines};
    use tokio_stream::StreamExt;

    #[derive(Debug, serde::Deserialize)]
    #[serde(from = "u32")]
    struct Item;
    impl From<u32> for Item {
        fn from(number: u32) -> Self {
            assert_ne!(number, 2, "on purpose");
            Self
        }
    }

    let ends = Ends::default();
    let service = service_fn(async |_: Request<Full<Bytes>>| {
        let reply = Response::builder().header("content-type", "application/jsonl");
        Ok::<_, Infallible>(reply.body(Full::new(Bytes::from("1\n2\n"))).unwrap())
    });
    let encode = |(): &()| Ok::<_, Infallible>(Request::new(Bytes::new()));
    let read = json_lines::Replies::<Item>::new();
    let mut client = StreamClient::new(service, encode, read).finally(ends.hook());
    let mut call = task::spawn(client.call(Kit::new(())));
    let mut replies = tokio_test::assert_ready_ok!(call.poll());
    catch(async { while replies.next().await.is_some() {} });
    drop(replies);
    ends.panicked();
}

#[cfg(feature = "proxy")]
#[test]
fn so_is_one_in_the_upstream_of_a_proxy_and_in_what_it_says() {
    use kit_transport_http::proxy::{Forwarded, Proxy};

    for step in ["upstream", "say"] {
        let ends = Ends::default();
        let upstream = service_fn(move |_: Request<Forwarded<Full<Bytes>>>| async move {
            assert_ne!(step, "upstream");
            Err::<Response<Full<Bytes>>, _>(tower::BoxError::from("down"))
        });
        let mut proxy = Proxy::new(http::Uri::from_static("http://up.example/"), upstream)
            .unwrap()
            .encode_error(|_: &kit_transport_http::Failure<'_>| panic!("on purpose"))
            .finally(ends.hook());
        catch(proxy.call(post("")));
        ends.panicked();
    }
}
