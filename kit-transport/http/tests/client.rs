//! The client over a service: no sockets. Which of Go kit's cases is which test
//! here says `go_kit.rs`.

#![cfg(all(feature = "json", feature = "query"))]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, StreamBody};
use kit_endpoint::{DeadlineLayer, Fault, Kind, Resent};
use kit_transport::{
    Criticality, End, Metadata, Outcome, Protocol, RequestId, deadline::REQUEST_TIMEOUT_MS,
};
use kit_transport_http::{CallError, Client, NotConnected, Rejection, Server, json, query};
use std::{
    convert::Infallible,
    future::{pending, ready},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::Instant;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_test::{assert_pending, task};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};

type Kit<T> = kit_endpoint::Request<T>;

const URI: &str = "http://greeter.example/greeting";

#[derive(Debug, PartialEq, serde::Deserialize, serde::Serialize)]
struct Hello {
    name: String,
}

fn uri() -> Uri {
    Uri::from_static(URI)
}

/// A server that answers every request alike, and shows what it got.
fn answering(
    status: u16,
    content_type: &'static str,
    reply: &'static str,
) -> impl Service<
    Request<Full<Bytes>>,
    Response = Response<Full<Bytes>>,
    Error = Infallible,
    Future: Send,
> + Clone {
    service_fn(move |_: Request<Full<Bytes>>| async move {
        let response = Response::builder()
            .status(status)
            .header("content-type", content_type)
            .header("retry-after", "7")
            .body(Full::new(Bytes::from(reply)));
        Ok(response.unwrap())
    })
}

async fn call<S>(server: S) -> Result<Hello, CallError>
where
    S: Service<Request<Full<Bytes>>, Response = Response<Full<Bytes>>>,
    S::Error: Into<BoxError>,
{
    let client = Client::new(server, json::request(Method::POST, uri()), json::reply::<Hello>);
    client.oneshot(Kit::new(Hello { name: "Ada".to_owned() })).await
}

#[tokio::test]
async fn a_client_and_a_server_of_ours_understand_each_other() {
    let greet = |request: Kit<Hello>| async move { Ok::<_, Infallible>(request.into_message()) };
    let server = Server::new(service_fn(greet), query::decode, json::encode);
    let client = Client::new(server, query::request(Method::GET, uri()), json::reply::<Hello>);
    let hello = Hello { name: "Ada & Bob = 1+1 %".to_owned() };
    assert_eq!(client.oneshot(Kit::new(hello)).await.unwrap().name, "Ada & Bob = 1+1 %");
}

/// Layers around the pool see it: how often a retry sent the request before, say.
#[tokio::test]
async fn what_a_request_carries_goes_along() {
    let server = service_fn(|request: Request<Full<Bytes>>| async move {
        assert_eq!(request.extensions().get(), Some(&Resent(2)));
        Ok::<_, Infallible>(Response::new(request.into_body()))
    });
    let client = Client::new(server, json::request(Method::POST, uri()), json::reply::<Hello>);
    let mut request = Kit::new(Hello { name: "Ada".to_owned() });
    request.extensions_mut().insert(Resent(2));
    assert_eq!(client.oneshot(request).await.unwrap().name, "Ada", "it was asked");
}

#[tokio::test]
async fn a_request_has_a_length_and_a_content_type() {
    let server = service_fn(|request: Request<Full<Bytes>>| async move {
        assert_eq!(request.body().size_hint().exact(), Some(14));
        assert_eq!(request.headers()["content-type"], "application/json");
        assert_eq!((request.method(), request.uri()), (&Method::POST, &uri()));
        let body = request.into_body().collect().await.unwrap().to_bytes();
        Ok::<_, Infallible>(Response::new(Full::new(body)))
    });
    assert_eq!(call(server).await.unwrap(), Hello { name: "Ada".to_owned() });
}

#[tokio::test(start_paused = true)]
async fn deadline_and_what_goes_on_travel_and_what_the_caller_set_stays() {
    let server = service_fn(|request: Request<Full<Bytes>>| async move {
        let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
        let names = ["x-request-timeout-ms", "x-request-id", "x-md-global-tenant"];
        let seen = names.map(header).join(" ") + " " + &header("x-request-criticality");
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(seen))))
    });
    let text = |response: &Response<Bytes>| {
        Ok::<_, Infallible>(String::from_utf8(response.body().to_vec()).unwrap())
    };
    let kit = || {
        let mut request = Kit::new(()).within(Instant::now() + Duration::from_millis(1500));
        let id = RequestId::new(&HeaderValue::from_static("abc-1")).unwrap();
        let mut metadata = Metadata::new();
        let tenant = HeaderName::from_static("x-md-global-tenant");
        metadata.insert(tenant, HeaderValue::from_static("blue")).unwrap();
        let extensions = request.extensions_mut();
        extensions.insert(id);
        extensions.insert(metadata);
        extensions.insert(Criticality::Sheddable);
        request
    };
    let plain = |(): &()| Ok::<_, Infallible>(Request::new(Bytes::new()));
    let reply = Client::new(server, plain, text).oneshot(kit()).await.unwrap();
    assert_eq!(reply, "1500 abc-1 blue sheddable");

    let own = |(): &()| {
        let mut request = Request::new(Bytes::new());
        request.headers_mut().insert(REQUEST_TIMEOUT_MS, HeaderValue::from_static("20"));
        let headers = request.headers_mut();
        headers.insert("x-request-id", HeaderValue::from_static("mine"));
        headers.insert("x-md-global-tenant", HeaderValue::from_static("red"));
        headers.insert("x-request-criticality", HeaderValue::from_static("critical"));
        Ok::<_, Infallible>(request)
    };
    assert_eq!(
        Client::new(server, own, text).oneshot(kit()).await.unwrap(),
        "20 mine red critical"
    );
}

#[tokio::test]
async fn a_failure_of_a_peer_of_ours_keeps_its_exact_kind() {
    for kind in Kind::ALL {
        #[derive(Debug, Clone, Copy, thiserror::Error)]
        #[error("it is so")]
        struct Failed(Kind);
        impl Fault for Failed {
            fn kind(&self) -> Kind {
                self.0
            }
        }
        let endpoint =
            service_fn(move |_: Kit<Hello>| async move { Err::<Hello, _>(Failed(kind)) });
        let server = Server::new(endpoint, json::decode, json::encode);
        let client = Client::new(server, json::request(Method::POST, uri()), json::reply::<Hello>);
        let error = client.oneshot(Kit::new(Hello { name: String::new() })).await.unwrap_err();
        assert_eq!(error.kind(), kind);
    }
}

#[tokio::test]
async fn a_failure_of_a_stranger_has_the_kind_of_its_status() {
    let error = call(answering(503, "text/html", "<h1>down</h1>")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    assert_eq!(error.to_string(), "the server answered 503 Service Unavailable");
    let CallError::Rejected(rejection) = error else { panic!("{error:?}") };
    assert_eq!(rejection.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn bad_problem_details_do_not_hide_the_status() {
    for bad in ["", "{", "[]", r#"{"kind":7}"#, r#"{"kind":"NO_SUCH_KIND"}"#] {
        let error = call(answering(404, "application/problem+json", bad)).await.unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound, "{bad}");
    }
}

#[tokio::test]
async fn problem_details_are_kept_whole() {
    let error = call(answering(
        422,
        "Application/Problem+JSON; charset=utf-8",
        r##"{"type":"https://x/poor","title":"Poor","status":422,"detail":"30 is not 50",
        "instance":"#abc-1","kind":"FAILED_PRECONDITION","reason":"POOR","domain":"bank.example",
        "metadata":{"balance":"30","odd":7},"traceId":"4bf9","more":[1],
        "quotas":[{"subject":"tenant-7","description":"50 a day"},{"subject":"x"},7],
        "violations":[{"field":"amount","description":"too much"},{"field":7},"x"]}"##,
    ))
    .await
    .unwrap_err();
    // What the server says is for logs, and not for callers of our own.
    assert_eq!(error.to_string(), "the server answered 422 Unprocessable Entity");
    let said = "the server answered 422 Unprocessable Entity: 30 is not 50";
    assert_eq!(kit_transport::Report(&error).to_string(), said);
    let CallError::Rejected(rejection) = error else { panic!("{error:?}") };
    assert_eq!((rejection.status.as_u16(), rejection.kind), (422, Kind::FailedPrecondition));
    let problem = rejection.problem.unwrap();
    assert_eq!(problem.r#type.as_deref(), Some("https://x/poor"));
    assert_eq!(problem.title.as_deref(), Some("Poor"));
    assert_eq!(problem.detail.as_deref(), Some("30 is not 50"));
    assert_eq!(problem.instance.as_deref(), Some("#abc-1"));
    assert_eq!(problem.trace_id.as_deref(), Some("4bf9"));
    assert_eq!(problem.details.get_reason(), Some("POOR"));
    assert_eq!(problem.details.get_domain(), Some("bank.example"));
    assert_eq!(problem.details.get_metadata(), [("balance".into(), "30".to_owned())]);
    let violations = problem.details.violations();
    assert_eq!(violations.len(), 1);
    assert_eq!((&*violations[0].field, &*violations[0].description), ("amount", "too much"));
    let quotas = problem.details.quotas();
    assert_eq!(quotas.len(), 1);
    assert_eq!((&*quotas[0].subject, &*quotas[0].description), ("tenant-7", "50 a day"));
}

#[test]
fn of_the_facts_of_a_failure_so_many_are_kept() {
    let facts: Vec<_> = (0..1000).map(|fact| format!(r#""{fact:04}":"""#)).collect();
    let body = format!(r#"{{"metadata":{{{}}},"reason":"POOR"}}"#, facts.join(","));
    let json = HeaderValue::from_static("application/problem+json");
    let headers = [(http::header::CONTENT_TYPE, json)].into_iter().collect();
    let problem = Rejection::new(StatusCode::CONFLICT, &headers, body.as_bytes()).problem.unwrap();
    assert_eq!(problem.details.get_metadata().len(), 128);
    assert_eq!(problem.details.get_reason(), Some("POOR"));
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    const DATE: (&str, &str) = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
    let read = |pairs: &[(&'static str, &'static str)]| {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        Rejection::new(StatusCode::SERVICE_UNAVAILABLE, &pairs.collect(), b"").retry_after
    };
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    assert_eq!(read(&[("retry-after", "120")]), seconds(120));
    assert_eq!(read(&[("retry-after", "0")]), seconds(0));
    assert_eq!(read(&[("retry-after", "99999999999999999999")]), seconds(u64::MAX));
    // The three forms of a date (RFC 9110, section 5.6.7).
    for date in [
        "Sun, 06 Nov 1994 08:50:07 GMT",
        "Sunday, 06-Nov-94 08:50:07 GMT",
        "Sun Nov  6 08:50:07 1994",
    ] {
        assert_eq!(read(&[DATE, ("retry-after", date)]), seconds(30), "{date}");
    }
    assert_eq!(read(&[DATE, ("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT")]), seconds(0));
    // Without the server's clock it is ours, which is later than 1994.
    assert_eq!(read(&[("retry-after", DATE.1)]), seconds(0));
    assert!(read(&[("retry-after", "Fri, 31 Dec 9999 23:59:59 GMT")]) > seconds(1_000_000));
    for bad in ["", "-1", "+1", "1.5", "soon", "Sun, 06 Nov 1994"] {
        assert_eq!(read(&[("retry-after", bad)]), None, "{bad}");
    }
    assert_eq!(read(&[]), None);
}

/// Tries again whatever failed, twice, with the same request.
#[derive(Clone)]
struct Twice(u32);

impl<T, E> tower::retry::Policy<Request<Full<Bytes>>, T, E> for Twice {
    type Future = std::future::Ready<()>;

    fn retry(
        &mut self,
        _: &mut Request<Full<Bytes>>,
        result: &mut Result<T, E>,
    ) -> Option<Self::Future> {
        let again = result.is_err() && self.0 > 0;
        self.0 = self.0.saturating_sub(1);
        again.then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Request<Full<Bytes>>) -> Option<Request<Full<Bytes>>> {
        Some(request.clone())
    }
}

#[tokio::test]
async fn a_body_can_be_sent_again_whole() {
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&bodies);
    let server = service_fn(move |request: Request<Full<Bytes>>| {
        let seen = Arc::clone(&seen);
        async move {
            assert_eq!(request.body().size_hint().exact(), Some(5));
            let body = request.into_body().collect().await.unwrap().to_bytes();
            seen.lock().unwrap().push(body);
            match seen.lock().unwrap().len() {
                3 => Ok(Response::new(Full::new(Bytes::from_static(b"at last")))),
                _ => Err::<_, BoxError>("reset".into()),
            }
        }
    });
    let server = tower::retry::Retry::new(Twice(2), server);
    let reply = Client::new(server, five, text).oneshot(Kit::new(())).await.unwrap();
    assert_eq!(reply, "at last");
    assert_eq!(*bodies.lock().unwrap(), ["12345"; 3]);
}

#[tokio::test]
async fn a_failure_keeps_its_status_whatever_becomes_of_its_body() {
    fn is_told<T: std::fmt::Debug>(result: Result<T, CallError>, end: &End, received: u64) {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), Kind::ResourceExhausted, "{error:?}");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
        assert_eq!(end.status, Some(StatusCode::TOO_MANY_REQUESTS));
        assert_eq!(end.outcome, Outcome::Failed(Kind::ResourceExhausted));
        assert_eq!(end.received, received);
    }
    for (body, received) in
        [(&["123456789"][..], 9), (&["12", "!"], 2), (&["1234", "56789", "!"], 9)]
    {
        let server = service_fn(move |_: Request<Full<Bytes>>| {
            let reply = Response::builder().status(429).header("retry-after", "3");
            ready(Ok::<_, Infallible>(reply.body(chunks(body)).unwrap()))
        });
        let ends = Ends::default();
        let client = Client::new(server, five, text).body_limit(8).finally(ends.hook());
        is_told(client.oneshot(Kit::new(())).await, &ends.one(), received);
        let ends = Ends::default();
        let client = Client::raw(server, five).body_limit(8).finally(ends.hook());
        is_told(client.oneshot(Kit::new(())).await, &ends.one(), received);
    }
    let announced = answering(503, "text/plain", "123456789");
    let client = Client::new(announced, five, text).body_limit(8);
    let error = client.oneshot(Kit::new(())).await.unwrap_err();
    assert!(matches!(error, CallError::Rejected(_)), "{error:?}");
}

#[tokio::test]
async fn a_reply_that_cannot_be_read_is_an_error_with_its_source() {
    let error = call(answering(200, "application/json", "{}")).await.unwrap_err();
    assert!(matches!(error, CallError::Decode(_)), "{error:?}");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("missing field `name`"), "{source}");
}

#[tokio::test]
async fn a_reply_over_the_limit_is_refused() {
    let server = answering(200, "application/json", r#"{"name":"Ada"}"#);
    let client = Client::new(server, json::request(Method::POST, uri()), json::reply::<Hello>);
    let call = client.body_limit(8).oneshot(Kit::new(Hello { name: String::new() }));
    assert!(matches!(call.await, Err(CallError::TooLarge { limit: 8 })));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let server = service_fn(|_: Request<Full<Bytes>>| async {
        Err::<Response<Full<Bytes>>, BoxError>("connection refused".into())
    });
    let error = call(server).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "connection refused");
}

#[tokio::test]
async fn a_message_that_cannot_be_encoded_is_not_sent() {
    let server = service_fn(|_: Request<Full<Bytes>>| async {
        panic!("nothing may be sent");
        #[expect(unreachable_code, reason = "it says what the type is")]
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    // A query is made of pairs: a sequence of numbers is none.
    let client = Client::new(server, query::request(Method::GET, uri()), json::reply::<Hello>);
    let error = client.oneshot(Kit::new([1, 2])).await.unwrap_err();
    assert!(matches!(error, CallError::Encode(_)), "{error:?}");
    assert!(error.refused());
}

#[tokio::test]
async fn a_call_without_a_connection_is_free_to_be_tried_elsewhere() {
    #[derive(Debug, thiserror::Error)]
    #[error("a layer between")]
    struct Between(#[source] NotConnected);

    let server = service_fn(|_: Request<Full<Bytes>>| async {
        Err::<Response<Full<Bytes>>, _>(Between(NotConnected::Scheme))
    });
    let error = call(server).await.unwrap_err();
    assert!(matches!(error, CallError::NotConnected(NotConnected::Scheme)), "{error:?}");
    assert_eq!((error.kind(), error.refused()), (Kind::Unavailable, true));
    // What failed later may have been heard.
    let server = service_fn(|_: Request<Full<Bytes>>| async {
        Err::<Response<Full<Bytes>>, BoxError>("reset".into())
    });
    assert!(!call(server).await.unwrap_err().refused());
}

#[tokio::test(start_paused = true)]
async fn a_deadline_goes_around_a_client() {
    let silent =
        service_fn(|_: Request<Full<Bytes>>| pending::<Result<Response<Frames>, BoxError>>());
    let client = DeadlineLayer::of_request().layer(Client::new(silent, five, text));
    let within = |left| Kit::new(()).within(Instant::now() + Duration::from_millis(left));
    let error = client.clone().oneshot(within(40)).await.unwrap_err();
    assert!(matches!(error, CallError::Expired(_)), "{error:?}");
    assert_eq!((error.kind(), error.refused()), (Kind::DeadlineExceeded, false));
    let error = client.oneshot(within(0)).await.unwrap_err();
    assert_eq!((error.kind(), error.refused()), (Kind::DeadlineExceeded, true));
}

// ===== hooks =====

/// Collects how calls ended.
#[derive(Clone, Default)]
struct Ends(Arc<Mutex<Vec<End>>>);

impl Ends {
    fn hook(&self) -> impl Fn(&End) + Clone + use<> {
        let ends = Arc::clone(&self.0);
        move |end| ends.lock().unwrap().push(end.clone())
    }

    fn none_yet(&self) {
        assert!(self.0.lock().unwrap().is_empty());
    }

    fn one(&self) -> End {
        let ends = self.0.lock().unwrap();
        assert_eq!(ends.len(), 1, "finish is called exactly once: {ends:?}");
        ends[0].clone()
    }
}

/// A request of five bytes.
#[expect(
    clippy::unnecessary_wraps,
    clippy::trivially_copy_pass_by_ref,
    reason = "it is an encoder"
)]
fn five(_: &()) -> Result<Request<Bytes>, Infallible> {
    Ok(Request::post(URI).body(Bytes::from_static(b"12345")).unwrap())
}

#[expect(clippy::unnecessary_wraps, reason = "it is a decoder")]
fn text(response: &Response<Bytes>) -> Result<String, Infallible> {
    Ok(String::from_utf8_lossy(response.body()).into_owned())
}

type Frames = StreamBody<tokio_stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, BoxError>>>>;

/// A body of these chunks; one that is "!" breaks it off.
fn chunks(chunks: &[&'static str]) -> Frames {
    let frames = chunks.iter().map(|chunk| match *chunk {
        "!" => Err("reset".into()),
        chunk => Ok(Frame::data(Bytes::from_static(chunk.as_bytes()))),
    });
    StreamBody::new(tokio_stream::iter(frames.collect::<Vec<_>>()))
}

/// Answers with a body of these chunks.
fn streaming(
    of: &'static [&'static str],
) -> impl Service<Request<Full<Bytes>>, Response = Response<Frames>, Error = Infallible> + Clone {
    service_fn(move |_: Request<Full<Bytes>>| ready(Ok(Response::new(chunks(of)))))
}

#[tokio::test(start_paused = true)]
async fn hooks_see_the_call_its_reply_and_its_end() {
    let ends = Ends::default();
    let server = service_fn(|request: Request<Full<Bytes>>| async move {
        tokio::time::sleep(Duration::from_millis(250)).await;
        assert_eq!(request.headers()["x-request-id"], "given");
        let reply = Response::builder().header("x-reply", "1").body(chunks(&["four", "", "more"]));
        Ok::<_, Infallible>(reply.unwrap())
    });
    let decode = |response: &Response<Bytes>| {
        assert_eq!(response.headers()["x-seen"], "1", "what `after` writes is read");
        text(response)
    };
    let client = Client::new(server, five, decode)
        .route("/greeting")
        .before(|call, extensions| {
            assert_eq!((call.protocol, call.method), (Protocol::Http, "POST"));
            assert_eq!((call.route, call.peer), (Some("/greeting"), None));
            extensions.insert(RequestId::new(&HeaderValue::from_static("given")).unwrap());
        })
        .after(|headers| {
            let seen = headers["x-reply"].clone();
            headers.insert("x-seen", seen);
        })
        .finally(ends.hook());
    assert_eq!(client.oneshot(Kit::new(())).await.unwrap(), "fourmore");
    let end = ends.one();
    assert_eq!((end.outcome, end.status), (Outcome::Replied, Some(StatusCode::OK)));
    assert_eq!((end.sent, end.received), (5, 8));
    assert_eq!((end.duration, end.error), (Duration::from_millis(250), None));
}

#[tokio::test]
async fn a_failure_is_seen_with_its_head_and_its_kind() {
    let (ends, seen) = (Ends::default(), Arc::new(Mutex::new(None)));
    let after = Arc::clone(&seen);
    let client = Client::new(answering(503, "text/plain", "busy"), five, text)
        .after(move |headers| *after.lock().unwrap() = headers.get("retry-after").cloned())
        .finally(ends.hook());
    client.oneshot(Kit::new(())).await.unwrap_err();
    assert_eq!(seen.lock().unwrap().as_ref().unwrap(), "7");
    let end = ends.one();
    assert_eq!(end.outcome, Outcome::Failed(Kind::Unavailable));
    assert_eq!((end.status, end.received), (Some(StatusCode::SERVICE_UNAVAILABLE), 4));
    assert_eq!(end.error.as_deref(), Some("the server answered 503 Service Unavailable"));
}

#[tokio::test]
async fn a_call_that_cannot_be_sent_has_an_end_and_no_head() {
    let ends = Ends::default();
    let server = service_fn(|_: Request<Full<Bytes>>| {
        ready(Err::<Response<Full<Bytes>>, BoxError>("connection refused".into()))
    });
    let client =
        Client::new(server, five, text).after(|_| panic!("no head came")).finally(ends.hook());
    client.oneshot(Kit::new(())).await.unwrap_err();
    let end = ends.one();
    assert_eq!((end.outcome, end.status), (Outcome::Failed(Kind::Unavailable), None));
    assert_eq!((end.sent, end.received), (0, 0));
    assert_eq!(end.error.as_deref(), Some("cannot reach the server: connection refused"));
}

#[tokio::test]
async fn a_message_that_cannot_be_encoded_has_an_end_too() {
    #[derive(Debug, thiserror::Error)]
    #[error("too shy")]
    struct Shy;
    impl Fault for Shy {
        fn kind(&self) -> Kind {
            Kind::InvalidArgument
        }
    }
    let ends = Ends::default();
    let client = Client::new(streaming(&[]), |(): &()| Err::<Request<Bytes>, _>(Shy), text)
        .before(|call, _| assert_eq!(call.method, ""))
        .finally(ends.hook());
    client.oneshot(Kit::new(())).await.unwrap_err();
    let end = ends.one();
    assert_eq!((end.outcome, end.status), (Outcome::Failed(Kind::InvalidArgument), None));
    assert_eq!(end.error.as_deref(), Some("cannot encode the request: too shy"));
}

#[tokio::test]
async fn a_reply_that_breaks_off_counts_what_came() {
    let ends = Ends::default();
    let client = Client::new(streaming(&["four", "!"]), five, text).finally(ends.hook());
    let error = client.oneshot(Kit::new(())).await.unwrap_err();
    assert!(matches!(error, CallError::Body(_)), "{error:?}");
    let end = ends.one();
    assert_eq!(end.outcome, Outcome::Failed(Kind::Unavailable));
    assert_eq!((end.status, end.received), (Some(StatusCode::OK), 4));
    assert_eq!(end.error.as_deref(), Some("the reply broke off: reset"));
}

#[tokio::test]
async fn a_reply_that_cannot_be_decoded_is_a_failure() {
    let ends = Ends::default();
    let server = answering(200, "application/json", "{}");
    let client = Client::new(server, five, json::reply::<Hello>).finally(ends.hook());
    client.oneshot(Kit::new(())).await.unwrap_err();
    let end = ends.one();
    assert_eq!(end.outcome, Outcome::Failed(Kind::Internal));
    assert_eq!((end.status, end.received), (Some(StatusCode::OK), 2));
    assert!(end.error.unwrap().contains("missing field `name`"));
}

#[tokio::test]
async fn the_limit_counts_chunks_together_and_an_announced_length_at_once() {
    for (server, received) in [(&["1234", "567", "89"][..], 9), (&["123456789", "!"], 9)] {
        let ends = Ends::default();
        let client = Client::new(streaming(server), five, text).finally(ends.hook());
        let error = client.body_limit(8).oneshot(Kit::new(())).await.unwrap_err();
        assert!(matches!(error, CallError::TooLarge { limit: 8 }), "{error:?}");
        assert_eq!(ends.one().received, received);
    }
    let client = Client::new(streaming(&["1234", "567", "8"]), five, text).body_limit(8);
    assert_eq!(client.oneshot(Kit::new(())).await.unwrap(), "12345678");

    let ends = Ends::default();
    let client = Client::new(answering(200, "text/plain", "123456789"), five, text);
    let client = client.body_limit(8).finally(ends.hook());
    let error = client.oneshot(Kit::new(())).await.unwrap_err();
    assert!(matches!(error, CallError::TooLarge { limit: 8 }), "{error:?}");
    assert_eq!(ends.one().received, 0, "none of it is read");
}

#[test]
fn a_dropped_call_is_cancelled_wherever_it_stood() {
    let ends = Ends::default();
    let silent =
        service_fn(|_: Request<Full<Bytes>>| pending::<Result<Response<Frames>, BoxError>>());
    let mut client = Client::new(silent, five, text).finally(ends.hook());
    let mut call = task::spawn(client.call(Kit::new(())));
    assert_pending!(call.poll());
    ends.none_yet();
    drop(call);
    let end = ends.one();
    assert_eq!((end.outcome, end.status), (Outcome::Cancelled, None));
    assert_eq!((end.sent, end.received), (0, 0));

    let ends = Ends::default();
    let (frames, body) = tokio::sync::mpsc::unbounded_channel();
    let body = Mutex::new(Some(body));
    let server = service_fn(|_: Request<Full<Bytes>>| {
        let frames = UnboundedReceiverStream::new(body.lock().unwrap().take().unwrap());
        ready(Ok::<_, Infallible>(Response::new(StreamBody::new(frames))))
    });
    let mut client = Client::new(server, five, text).finally(ends.hook());
    let mut call = task::spawn(client.call(Kit::new(())));
    frames.send(Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"four")))).unwrap();
    assert_pending!(call.poll());
    ends.none_yet();
    drop(call);
    let end = ends.one();
    assert_eq!((end.outcome, end.status), (Outcome::Cancelled, Some(StatusCode::OK)));
    assert_eq!((end.sent, end.received), (5, 4));
}

#[tokio::test]
async fn a_panic_while_decoding_is_an_end() {
    let ends = Ends::default();
    let decode = |_: &Response<Bytes>| -> Result<(), Infallible> { panic!("out of cheese") };
    let client = Client::new(streaming(&["four"]), five, decode).finally(ends.hook());
    let mut call = task::spawn(client.oneshot(Kit::new(())));
    let poll = std::panic::AssertUnwindSafe(move || drop(call.poll()));
    assert!(std::panic::catch_unwind(poll).is_err());
    assert_eq!(ends.one().outcome, Outcome::Failed(Kind::Internal));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_header_of_ones_own_is_written() {
    let server = service_fn(|request: Request<Full<Bytes>>| async move {
        assert!(!request.headers().contains_key(REQUEST_TIMEOUT_MS));
        let left = request.headers()["x-budget"].clone();
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::copy_from_slice(left.as_bytes()))))
    });
    let client =
        Client::new(server, five, text).timeout_header(HeaderName::from_static("x-budget"));
    let request = Kit::new(()).within(Instant::now() + Duration::from_millis(40));
    assert_eq!(client.oneshot(request).await.unwrap(), "40");
}

// ===== as it comes =====

#[tokio::test]
async fn a_raw_reply_outlives_the_call_and_is_read_as_it_comes() {
    let ends = Ends::default();
    let (frames, body) = tokio::sync::mpsc::unbounded_channel();
    let body = Mutex::new(Some(body));
    let server = service_fn(|_: Request<Full<Bytes>>| {
        let frames = UnboundedReceiverStream::new(body.lock().unwrap().take().unwrap());
        let reply = Response::builder().header("x-kind", "feed").body(StreamBody::new(frames));
        ready(Ok::<_, Infallible>(reply.unwrap()))
    });
    // A limit is for failures.
    let client = Client::raw(server, five).body_limit(2).finally(ends.hook());
    let reply = client.oneshot(Kit::new(())).await.unwrap();
    assert_eq!(reply.headers()["x-kind"], "feed");
    let mut body = reply.into_body();
    assert_pending!(task::spawn(body.frame()).poll());
    for part in ["four", "more"] {
        frames.send(Ok::<_, Infallible>(Frame::data(Bytes::from_static(part.as_bytes())))).unwrap();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), part);
        ends.none_yet();
    }
    drop(frames);
    assert!(body.frame().await.is_none());
    let end = ends.one();
    assert_eq!((end.outcome, end.status), (Outcome::Replied, Some(StatusCode::OK)));
    assert_eq!((end.sent, end.received), (5, 8));
}

#[tokio::test]
async fn a_raw_reply_that_is_cut_or_dropped_ends_so() {
    for (read, outcome, received) in
        [(1, Outcome::Cancelled, 4), (2, Outcome::Failed(Kind::Unavailable), 4)]
    {
        let ends = Ends::default();
        let client = Client::raw(streaming(&["four", "!"]), five).finally(ends.hook());
        let mut body = client.oneshot(Kit::new(())).await.unwrap().into_body();
        let mut last = None;
        for _ in 0..read {
            last = body.frame().await;
        }
        if read == 2 {
            assert!(matches!(last, Some(Err(CallError::Body(_)))));
        }
        drop(body);
        let end = ends.one();
        assert_eq!((end.outcome, end.received), (outcome, received));
    }
}

#[tokio::test]
async fn a_raw_reply_without_a_body_is_over_at_once() {
    let ends = Ends::default();
    let client = Client::raw(answering(204, "text/plain", ""), five).finally(ends.hook());
    let reply = client.oneshot(Kit::new(())).await.unwrap();
    assert_eq!((reply.status().as_u16(), ends.one().outcome), (204, Outcome::Replied));
}

#[tokio::test]
async fn a_raw_failure_is_read_and_typed() {
    let problem = r#"{"detail":"gone fishing","kind":"UNAVAILABLE"}"#;
    let ends = Ends::default();
    let client = Client::raw(answering(503, "application/problem+json", problem), five);
    let error = client.finally(ends.hook()).oneshot(Kit::new(())).await.unwrap_err();
    let said = "the server answered 503 Service Unavailable: gone fishing";
    assert_eq!(kit_transport::Report(&error).to_string(), said);
    assert_eq!(ends.one().received, problem.len() as u64);

    // One that is too long to read is still that failure.
    let client = Client::raw(answering(503, "application/problem+json", problem), five);
    let error = client.body_limit(8).oneshot(Kit::new(())).await.unwrap_err();
    assert_eq!(error.to_string(), "the server answered 503 Service Unavailable");

    let ends = Ends::default();
    let none = service_fn(|_: Request<Full<Bytes>>| {
        ready(Err::<Response<Full<Bytes>>, _>(NotConnected::Scheme))
    });
    let client = Client::raw(none, five).finally(ends.hook());
    let error = client.oneshot(Kit::new(())).await.unwrap_err();
    assert!(matches!(error, CallError::NotConnected(_)), "{error:?}");
    assert_eq!(ends.one().outcome, Outcome::Failed(Kind::Unavailable));
}
