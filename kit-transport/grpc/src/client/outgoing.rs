use super::{CallError, options::Options};
use kit_endpoint::Fault;
use pin_project_lite::pin_project;
use prost::Message;
use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker, ready},
};
use tokio_stream::Stream;
use tonic::Status;

pin_project! {
    /// The requests of a call, encoded one by one as the connection takes them.
    pub(super) struct Outgoing<St, N> {
        #[pin]
        stream: Option<St>,
        encode: N,
        options: Options,
        link: Arc<Link>,
    }
}

/// What joins the two directions of a call: each ends the other.
#[derive(Debug, Default)]
pub(super) struct Link {
    /// Nobody waits for replies any more. It is read at each message.
    over: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Why the requests ended before their time.
    fault: Option<Box<dyn Fault>>,
    waker: Option<Waker>,
}

/// The end of the link that waits for replies.
#[derive(Debug)]
pub(super) struct Waiting(Arc<Link>);

// ===== impl Outgoing =====

impl<St, N> Outgoing<St, N> {
    pub(super) fn new(stream: St, encode: N, options: Options) -> (Self, Waiting) {
        let link = Arc::<Link>::default();
        let waiting = Waiting(link.clone());
        (Self { stream: Some(stream), encode, options, link }, waiting)
    }
}

impl<St, N, T, E, M, NE> Stream for Outgoing<St, N>
where
    St: Stream<Item = Result<T, E>>,
    E: Fault,
    N: Fn(T) -> Result<M, NE>,
    NE: Fault,
    M: Message,
{
    type Item = Result<M, Status>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        let Some(stream) = this.stream.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        if this.link.is_over() {
            // The connection keeps our half of the stream, and resets it now.
            this.stream.set(None);
            return Poll::Ready(Some(Err(cancelled("the call is given up"))));
        }
        let fault: Box<dyn Fault> = match stream.poll_next(cx) {
            Poll::Ready(Some(Ok(item))) => match (this.encode)(item) {
                Ok(message) => match this.options.check(&message) {
                    Ok(()) => return Poll::Ready(Some(Ok(message))),
                    Err(large) => Box::new(large),
                },
                Err(fault) => Box::new(fault),
            },
            Poll::Ready(Some(Err(fault))) => Box::new(fault),
            Poll::Ready(None) => {
                this.stream.set(None);
                return Poll::Ready(None);
            }
            Poll::Pending => {
                ready!(this.link.poll_over(cx));
                this.stream.set(None);
                return Poll::Ready(Some(Err(cancelled("the call is given up"))));
            }
        };
        this.stream.set(None);
        this.link.lock(|state| state.fault = Some(fault));
        Poll::Ready(Some(Err(cancelled("the stream of requests failed"))))
    }
}

/// Ends the requests amid the stream, so that the peer hears of a cancel: the connection
/// resets its half with the reason that it finds among the sources, and else with
/// `INTERNAL_ERROR`, as if something had broken.
#[cold]
fn cancelled(why: &str) -> Status {
    #[cfg_attr(not(feature = "channel"), expect(unused_mut, reason = "h2 comes with the channel"))]
    let mut status = Status::cancelled(why);
    #[cfg(feature = "channel")]
    status.set_source(Arc::new(h2::Error::from(h2::Reason::CANCEL)));
    status
}

// ===== impl Link =====

impl Link {
    fn lock<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// Waits until nobody waits for replies any more. Only a stream that lets
    /// wait asks: one that does not looks at each message.
    fn poll_over(&self, cx: &Context<'_>) -> Poll<()> {
        self.lock(|state| match &mut state.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        });
        // After the waker is there, so that either side sees the other.
        if self.is_over() { Poll::Ready(()) } else { Poll::Pending }
    }
}

// ===== impl Waiting =====

impl Waiting {
    /// Returns why the requests ended, if that is why the call failed.
    pub(super) fn fault(&self) -> Option<CallError> {
        self.0.lock(|state| state.fault.take()).map(CallError::Requests)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Release);
        let waker = self.0.lock(|state| state.waker.take());
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
