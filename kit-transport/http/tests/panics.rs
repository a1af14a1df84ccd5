//! A panic is the service's failure, also where something around the server
//! catches it (tower-http's `CatchPanicLayer`), and drops the request later.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use kit_endpoint::{Expired, Kind};
use kit_transport::{End, Outcome};
use kit_transport_http::Server;
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
