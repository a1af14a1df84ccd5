//! A greeter, and calls of it without a socket.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]
#![allow(
    clippy::unused_async,
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "each test uses a part of it"
)]

pub mod pb;
pub mod streams;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use kit_endpoint::{Details, Fault, Kind};
use kit_transport::{
    End, Outcome, Report,
    hook::{Faulted, Faults},
};
use kit_transport_grpc::Unary;
use pb::{GreetingRequest, GreetingResponse, greeter_server};
use prost::Message;
use std::{
    convert::Infallible,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

pub const PATH: &str = "/greeter.v1.Greeter/Greeting";

/// The generated trait, over whatever serves its method.
#[derive(Debug)]
pub struct Greeter<S>(pub S);

#[tonic::async_trait]
impl<S: Unary<GreetingRequest, GreetingResponse>> greeter_server::Greeter for Greeter<S> {
    async fn greeting(
        &self,
        request: tonic::Request<GreetingRequest>,
    ) -> Result<tonic::Response<GreetingResponse>, tonic::Status> {
        self.0.serve(request).await
    }
}

pub fn decode(request: GreetingRequest) -> Result<String, Infallible> {
    Ok(request.name)
}

pub fn encode(greeting: String) -> Result<GreetingResponse, Infallible> {
    Ok(GreetingResponse { greeting })
}

pub async fn hello(request: kit_endpoint::Request<String>) -> Result<String, Wrong> {
    Ok(format!("Hello, {}!", request.message()))
}

/// A fault of any kind, with a source that nobody outside may see.
#[derive(Debug, Clone)]
pub struct Wrong {
    pub kind: Kind,
    pub retry_after: Option<Duration>,
    pub describe: fn(&mut Details),
    text: &'static str,
    source: Secret,
}

#[derive(Debug, Clone)]
pub struct Secret;

impl Wrong {
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            retry_after: None,
            describe: |_| {},
            text: "the greeter is wrong",
            source: Secret,
        }
    }

    pub fn saying(self, text: &'static str) -> Self {
        Self { text, ..self }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

impl std::error::Error for Wrong {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

impl Fault for Wrong {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    fn describe(&self, details: &mut Details) {
        (self.describe)(details);
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the password is 1234")
    }
}

impl std::error::Error for Secret {}

/// A message in gRPC's frame.
pub fn frame(message: &impl Message) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.encoded_len()).unwrap());
    message.encode(&mut frame).unwrap();
    frame.freeze()
}

/// A call of `path` by a client that greets Ada.
pub fn call_of(path: &str) -> Request<Full<Bytes>> {
    let body = Full::new(frame(&GreetingRequest { name: "Ada".to_owned() }));
    Request::post(path)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(body)
        .unwrap()
}

pub fn call() -> Request<Full<Bytes>> {
    call_of(PATH)
}

/// What a client sees of a reply.
#[derive(Debug)]
pub struct Seen {
    pub http: StatusCode,
    pub headers: HeaderMap,
    pub trailers: HeaderMap,
    pub body: Bytes,
}

impl Seen {
    /// The status, of the trailers or of a head without them.
    pub fn status(&self) -> tonic::Status {
        tonic::Status::from_header_map(&self.trailers)
            .or_else(|| tonic::Status::from_header_map(&self.headers))
            .expect("a gRPC reply has a status")
    }

    pub fn greeting(&self) -> String {
        GreetingResponse::decode(&self.body[5..]).unwrap().greeting
    }
}

pub async fn seen<B>(response: Response<B>) -> Seen
where
    B: http_body::Body<Error: fmt::Debug>,
{
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap();
    let trailers = body.trailers().cloned().unwrap_or_default();
    Seen { http: parts.status, headers: parts.headers, trailers, body: body.to_bytes() }
}

/// Keeps the ends of all calls.
#[derive(Debug, Clone, Default)]
pub struct Ends(Arc<Mutex<Vec<End>>>);

impl Ends {
    pub fn finally(&self) -> impl Fn(&End) + Clone + Send + Sync + 'static {
        let ends = self.clone();
        move |end: &End| ends.0.lock().unwrap_or_else(PoisonError::into_inner).push(end.clone())
    }

    pub fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub fn outcomes(&self) -> Vec<Outcome> {
        self.0.lock().unwrap().iter().map(|end| end.outcome).collect()
    }

    /// The one end that there is.
    pub fn one(&self) -> End {
        let ends = self.0.lock().unwrap();
        assert_eq!(ends.len(), 1, "each call ends once: {ends:?}");
        ends[0].clone()
    }
}

/// What was heard, line by line.
#[derive(Debug, Clone, Default)]
pub struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    pub fn say(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    pub fn hook(&self) -> Faults<impl Fn(&Faulted<'_>) + Clone + use<>> {
        let heard = self.clone();
        Faults(move |failed: &Faulted<'_>| {
            let Faulted { protocol, method, phase, fault, .. } = failed;
            let line = format!("{protocol} {method} {phase}: {}", Report(*fault));
            heard.0.lock().unwrap().push(line);
        })
    }
}
