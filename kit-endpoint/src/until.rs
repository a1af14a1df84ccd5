use crate::{ClassifyEnd, Guard, Guarded, Judgement};
use http::{HeaderMap, Response};
use http_body::Body;
use std::fmt;

/// Says how long a call lasts, for a layer that counts or judges calls.
///
/// [`UntilReply`] is the default: a call is over when its reply is there.
/// [`UntilStreamEnd`] is for replies that are streams, and [`UntilBodyEnd`]
/// for HTTP replies whose end matters, gRPC's above all.
pub trait Until<T, P, C>: Clone {
    /// What the reply becomes.
    type Reply;

    /// Lets `permit` go with `reply`, which began well, until the call is
    /// over; how it went on, `classify` judges.
    fn reply(&self, reply: T, permit: P, classify: C) -> Self::Reply;

    /// Passes on a reply whose call is over already: it began badly.
    fn over(&self, reply: T) -> Self::Reply;
}

/// Something that a layer holds while a call lasts, and that is told once what
/// the call shows of the service. Dropped untold, it showed nothing.
pub trait Settle {
    /// Ends the call.
    fn settle(self, judgement: Judgement);
}

/// A call is over when its reply is there.
#[derive(Debug, Clone, Copy, Default)]
pub struct UntilReply;

/// A call is over when the stream that it replied with is: at its end, its
/// first error, or its drop.
#[derive(Debug, Clone, Copy, Default)]
pub struct UntilStreamEnd;

/// A call is over when the body of its HTTP reply is: at its trailers, its
/// end, its error, or its drop.
#[derive(Debug, Clone, Copy, Default)]
pub struct UntilBodyEnd;

/// Judges the end of a reply and settles the call: the guard of [`Until`].
pub struct Judge<P, C> {
    permit: P,
    classify: C,
}

// ===== impl UntilReply =====

impl<T, P: Settle, C> Until<T, P, C> for UntilReply {
    type Reply = T;

    fn reply(&self, reply: T, permit: P, _: C) -> T {
        permit.settle(Judgement::Success);
        reply
    }

    fn over(&self, reply: T) -> T {
        reply
    }
}

// ===== impl UntilStreamEnd =====

impl<T, P, C> Until<T, P, C> for UntilStreamEnd {
    type Reply = Guarded<T, Judge<P, C>>;

    fn reply(&self, reply: T, permit: P, classify: C) -> Self::Reply {
        Guarded::new(reply, Judge { permit, classify })
    }

    fn over(&self, reply: T) -> Self::Reply {
        Guarded::unguarded(reply)
    }
}

// ===== impl UntilBodyEnd =====

impl<B: Body, P: Settle, C> Until<Response<B>, P, C> for UntilBodyEnd {
    type Reply = Response<Guarded<B, Judge<P, C>>>;

    fn reply(&self, reply: Response<B>, permit: P, classify: C) -> Self::Reply {
        // Nobody polls a body that is at its end from the start.
        if reply.body().is_end_stream() {
            permit.settle(Judgement::Success);
            return reply.map(Guarded::unguarded);
        }
        reply.map(|body| Guarded::new(body, Judge { permit, classify }))
    }

    fn over(&self, reply: Response<B>) -> Self::Reply {
        reply.map(Guarded::unguarded)
    }
}

// ===== impl Judge =====

impl<P: Settle, C: ClassifyEnd<E>, E> Guard<E> for Judge<P, C> {
    fn end(self, end: Result<Option<&HeaderMap>, &E>) {
        let judgement = self.classify.judge_end(end);
        self.permit.settle(judgement);
    }
}

impl<P: fmt::Debug, C> fmt::Debug for Judge<P, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Judge").field("permit", &self.permit).finish_non_exhaustive()
    }
}
