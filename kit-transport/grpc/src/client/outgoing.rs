use super::{CallError, options::Options};
use kit_endpoint::Fault;
use pin_project_lite::pin_project;
use prost::Message;
use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
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
pub(super) struct Link(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Why the requests ended before their time.
    fault: Option<Box<dyn Fault>>,
    /// Nobody waits for replies any more.
    over: bool,
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
        if this.link.is_over(cx) {
            // The connection keeps our half of the stream, and resets it now.
            this.stream.set(None);
            return Poll::Ready(Some(Err(Status::cancelled("the call is given up"))));
        }
        let message: Result<M, Box<dyn Fault>> = match ready!(stream.poll_next(cx)) {
            Some(Ok(item)) => match (this.encode)(item) {
                Ok(message) => match this.options.check(&message) {
                    Ok(()) => Ok(message),
                    Err(large) => Err(Box::new(large)),
                },
                Err(fault) => Err(Box::new(fault)),
            },
            Some(Err(fault)) => Err(Box::new(fault)),
            None => {
                this.stream.set(None);
                return Poll::Ready(None);
            }
        };
        Poll::Ready(Some(message.map_err(|fault| {
            this.stream.set(None);
            this.link.lock(|state| state.fault = Some(fault));
            Status::cancelled("the stream of requests failed")
        })))
    }
}

// ===== impl Link =====

impl Link {
    fn lock<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn is_over(&self, cx: &Context<'_>) -> bool {
        self.lock(|state| {
            if !state.over && !state.waker.as_ref().is_some_and(|old| old.will_wake(cx.waker())) {
                state.waker = Some(cx.waker().clone());
            }
            state.over
        })
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
        let waker = self.0.lock(|state| {
            state.over = true;
            state.waker.take()
        });
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
