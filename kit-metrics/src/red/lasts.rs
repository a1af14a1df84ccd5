use super::Call;
use crate::KindOfEnd;
use http::{HeaderMap, Response};
use http_body::Body;
use kit_endpoint::{Guard, Guarded, UntilBodyEnd, UntilReply, UntilStreamEnd};
use std::fmt;

/// Says how long a [`Call`] lasts: until the reply is there, or its end is.
pub trait Lasts<T, C>: Clone {
    /// What the reply becomes.
    type Reply;

    /// Lets `call` go with `reply`, which began well; how it went on,
    /// `classify` says.
    fn reply(&self, reply: T, call: Call, classify: C) -> Self::Reply;

    /// Passes on a reply whose call is over already.
    fn over(&self, reply: T) -> Self::Reply;
}

/// Ends a call when its reply ends: the guard of a stream or a body.
pub struct Ending<C> {
    call: Call,
    classify: C,
}

// ===== impl UntilReply =====

impl<T, C> Lasts<T, C> for UntilReply {
    type Reply = T;

    fn reply(&self, reply: T, call: Call, _: C) -> T {
        call.end(None);
        reply
    }

    fn over(&self, reply: T) -> T {
        reply
    }
}

// ===== impl UntilStreamEnd =====

impl<T, C> Lasts<T, C> for UntilStreamEnd {
    type Reply = Guarded<T, Ending<C>>;

    fn reply(&self, reply: T, call: Call, classify: C) -> Self::Reply {
        Guarded::new(reply, Ending { call, classify })
    }

    fn over(&self, reply: T) -> Self::Reply {
        Guarded::unguarded(reply)
    }
}

// ===== impl UntilBodyEnd =====

impl<B: Body, C> Lasts<Response<B>, C> for UntilBodyEnd {
    type Reply = Response<Guarded<B, Ending<C>>>;

    fn reply(&self, reply: Response<B>, call: Call, classify: C) -> Self::Reply {
        // Nobody polls a body that is at its end from the start.
        if reply.body().is_end_stream() {
            call.end(None);
            return reply.map(Guarded::unguarded);
        }
        reply.map(|body| Guarded::new(body, Ending { call, classify }))
    }

    fn over(&self, reply: Response<B>) -> Self::Reply {
        reply.map(Guarded::unguarded)
    }
}

// ===== impl Ending =====

impl<C: KindOfEnd<E>, E> Guard<E> for Ending<C> {
    fn end(self, end: Result<Option<&HeaderMap>, &E>) {
        let kind = self.classify.kind_of_end(end);
        self.call.end(kind);
    }
}

impl<C> fmt::Debug for Ending<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ending").field("call", &self.call).finish_non_exhaustive()
    }
}
