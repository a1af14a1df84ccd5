//! Future types.

use super::{
    ReplyMetadata, ResponseBody,
    refusal::Refusal,
    slot::{Slot, Told},
    unread::{UnknownMethod, Unread},
};
use crate::status;
use http::Response;
use http_body::Body;
use kit_endpoint::{Expired, Fault, Kind};
use kit_transport::{Observer, Phase, Report, Watch};
use pin_project_lite::pin_project;
use std::{
    error::Error,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::Status;

pin_project! {
    /// The future of a [`Grpc`](super::Grpc).
    pub struct ResponseFuture<F, O>
    where
        O: Observer,
    {
        #[pin]
        state: State<F>,
        deadline: Option<Instant>,
        metadata: Option<ReplyMetadata>,
        slot: Option<Slot>,
        // Given to the body of the reply.
        watch: Option<Watch<Told<O>>>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Called {
            #[pin]
            reply: F,
            // Made only once the reply lets us wait.
            #[pin]
            sleep: Option<Sleep>,
        },
        Refused {
            refusal: Refusal,
        },
    }
}

/// The service has an error instead of a reply, which says this.
#[derive(Debug)]
struct NoReply(String);

// ===== impl ResponseFuture =====

impl<F, O: Observer> ResponseFuture<F, O> {
    pub(super) const fn called(
        reply: F,
        deadline: Option<Instant>,
        metadata: Option<ReplyMetadata>,
        slot: Option<Slot>,
        watch: Watch<Told<O>>,
    ) -> Self {
        let state = State::Called { reply, sleep: None };
        Self { state, deadline, metadata, slot, watch: Some(watch) }
    }

    pub(super) const fn refused(
        refusal: Refusal,
        metadata: Option<ReplyMetadata>,
        watch: Watch<Told<O>>,
    ) -> Self {
        let state = State::Refused { refusal };
        Self { state, deadline: None, metadata, slot: None, watch: Some(watch) }
    }
}

impl<F, O, B, E> Future for ResponseFuture<F, O>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
    E: fmt::Display,
    O: Observer,
{
    type Output = Result<Response<ResponseBody<B, O>>, E>;

    #[expect(clippy::expect_used, reason = "polling a finished future may panic")]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let refusal = match this.state.as_mut().project() {
            StateProj::Called { reply, mut sleep } => {
                let watch = this.watch.as_mut().expect("polled after the reply");
                if let Poll::Ready(result) = watch.during(|| reply.poll(cx)) {
                    let watch = this.watch.take().expect("it was there when this poll began");
                    return Poll::Ready(match result {
                        Ok(response) => {
                            let (metadata, slot) = (this.metadata.take(), this.slot.take());
                            Ok(answer(response, *this.deadline, metadata, slot, watch))
                        }
                        Err(error) => {
                            fail(watch, &error);
                            Err(error)
                        }
                    });
                }
                let Some(deadline) = *this.deadline else { return Poll::Pending };
                if sleep.is_none() {
                    sleep.set(Some(sleep_until(deadline)));
                }
                match sleep.as_pin_mut().map(|sleep| sleep.poll(cx)) {
                    Some(Poll::Ready(())) => Refusal::Expired(Expired::new(true)),
                    _ => return Poll::Pending,
                }
            }
            StateProj::Refused { refusal } => refusal.clone(),
        };
        let watch = this.watch.take().expect("polled after the reply");
        // The handler is dropped now, not when the connection drops us.
        this.state.set(State::Refused { refusal: refusal.clone() });
        Poll::Ready(Ok(refuse(&refusal, this.metadata.as_ref(), watch)))
    }
}

impl<F: fmt::Debug, O: Observer> fmt::Debug for ResponseFuture<F, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

fn answer<B: Body, O: Observer>(
    mut response: Response<B>,
    deadline: Option<Instant>,
    metadata: Option<ReplyMetadata>,
    slot: Option<Slot>,
    mut watch: Watch<Told<O>>,
) -> Response<ResponseBody<B, O>> {
    // Without a message ("trailers-only"): a failure, and perhaps tonic's own.
    let over = response.body().is_end_stream();
    let mended = over && mend(&mut response, &mut watch);
    if let Some(metadata) = &metadata {
        metadata.write_initial(response.headers_mut());
        if over {
            metadata.write_trailing(response.headers_mut());
        }
    }
    watch.after(response.status(), response.headers_mut());
    if !O::SILENT && !mended {
        judge(&response, &mut watch);
    }
    response.map(|body| ResponseBody::new(Some(body), deadline, metadata, slot, watch))
}

/// Answers with the failures of the caller, and in words, where tonic by itself
/// takes them for the service's or says nothing.
fn mend<B, O: Observer>(response: &mut Response<B>, watch: &mut Watch<Told<O>>) -> bool {
    if let Some(unread) = response.extensions().get::<Status>().and_then(Unread::of) {
        watch.failed_at(Phase::Decode, &unread);
        if unread.is_misnamed() {
            write(&unread, response);
        }
        return true;
    }
    let headers = response.headers();
    let unknown = headers.get(Status::GRPC_STATUS).is_some_and(|code| code == "12")
        && !headers.contains_key(Status::GRPC_MESSAGE)
        && !response.extensions().get::<Status>().is_some_and(tells);
    if unknown {
        watch.failed_at(Phase::Endpoint, &UnknownMethod);
        write(&UnknownMethod, response);
    }
    unknown
}

/// Says whether there is more to a status than its code: tonic's own has not.
fn tells(status: &Status) -> bool {
    !status.metadata().is_empty() || !status.details().is_empty() || status.source().is_some()
}

fn write<B>(fault: &dyn Fault, response: &mut Response<B>) {
    let status = status(fault);
    // It fails only for what is no header value, and it escapes its message.
    let _ = status.add_header(response.headers_mut());
    response.extensions_mut().insert(status);
}

/// Answers without a message ("trailers-only").
fn refuse<B: Body, O: Observer>(
    refusal: &Refusal,
    metadata: Option<&ReplyMetadata>,
    mut watch: Watch<Told<O>>,
) -> Response<ResponseBody<B, O>> {
    let fault = refusal.fault();
    let mut response = status(fault).into_http::<()>();
    *response.status_mut() = refusal.http_status();
    if let Some(metadata) = metadata {
        metadata.write_initial(response.headers_mut());
        metadata.write_trailing(response.headers_mut());
    }
    watch.failed_at(refusal.phase(), fault);
    watch.after(response.status(), response.headers_mut());
    response.map(|()| ResponseBody::new(None, None, None, None, watch))
}

fn fail<O: Observer>(mut watch: Watch<Told<O>>, error: &dyn fmt::Display) {
    if !O::SILENT {
        watch.failed_at(Phase::Endpoint, &NoReply(error.to_string()));
    }
    watch.finish();
}

/// Reads what a head without a message to come tells of the outcome.
fn judge<B, O: Observer>(response: &Response<B>, watch: &mut Watch<Told<O>>) {
    let kind = match Kind::from_grpc_status(response.headers()) {
        Some(status) => status.err(),
        None if response.status().is_success() => None,
        None => Some(Kind::from_http_status_of_grpc(response.status())),
    };
    if let Some(kind) = kind {
        // tonic leaves the status that it answers with among the extensions.
        watch.failed_with(kind, response.extensions().get::<Status>().and_then(text));
    }
}

/// What a status says, with its sources.
fn text(status: &Status) -> Option<Box<str>> {
    match (status.message(), status.source()) {
        ("", None) => None,
        ("", Some(source)) => Some(Report(source).to_string().into()),
        (message, None) => Some(message.into()),
        (message, Some(source)) => Some(format!("{message}: {}", Report(source)).into()),
    }
}

// ===== impl NoReply =====

impl fmt::Display for NoReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for NoReply {}

impl Fault for NoReply {
    fn kind(&self) -> Kind {
        Kind::Unknown
    }
}
