use super::Line;
use http::{HeaderMap, Response};
use http_body::Body;
use kit_endpoint::{Guard, Guarded, KindOfEnd, UntilBodyEnd, UntilReply, UntilStreamEnd};
use std::fmt;

/// Says when a call has ended, and its [`Line`] is written: when the reply is there, or
/// when its end is.
pub trait Lasts<T, C>: Clone {
    /// What the reply becomes.
    type Reply;

    /// Lets `line` go with `reply`, which began well; how it went on, `classify` says.
    fn reply(&self, reply: T, line: Line, classify: C) -> Self::Reply;

    /// Passes on a reply whose call is over already.
    fn over(&self, reply: T) -> Self::Reply;
}

/// Writes the line of a call when its reply ends: the guard of a stream or a body.
pub struct Ending<C> {
    line: Line,
    classify: C,
}

// ===== impl UntilReply =====

impl<T, C> Lasts<T, C> for UntilReply {
    type Reply = T;

    fn reply(&self, reply: T, line: Line, _: C) -> T {
        line.end(None, false, None);
        reply
    }

    fn over(&self, reply: T) -> T {
        reply
    }
}

// ===== impl UntilStreamEnd =====

impl<T, C> Lasts<T, C> for UntilStreamEnd {
    type Reply = Guarded<T, Ending<C>>;

    fn reply(&self, reply: T, line: Line, classify: C) -> Self::Reply {
        Guarded::new(reply, Ending { line, classify })
    }

    fn over(&self, reply: T) -> Self::Reply {
        Guarded::unguarded(reply)
    }
}

// ===== impl UntilBodyEnd =====

impl<B: Body, C> Lasts<Response<B>, C> for UntilBodyEnd {
    type Reply = Response<Guarded<B, Ending<C>>>;

    fn reply(&self, reply: Response<B>, line: Line, classify: C) -> Self::Reply {
        // Nobody polls a body that is at its end from the start.
        if reply.body().is_end_stream() {
            line.end(None, false, None);
            return reply.map(Guarded::unguarded);
        }
        reply.map(|body| Guarded::new(body, Ending { line, classify }))
    }

    fn over(&self, reply: Response<B>) -> Self::Reply {
        reply.map(Guarded::unguarded)
    }
}

// ===== impl Ending =====

impl<C: KindOfEnd<E>, E> Guard<E> for Ending<C> {
    fn end(self, end: Result<Option<&HeaderMap>, &E>) {
        let kind = self.classify.kind_of_end(end);
        self.line.end(kind, false, self.classify.fault_of_end(end));
    }
}

impl<C> fmt::Debug for Ending<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ending").field("line", &self.line).finish_non_exhaustive()
    }
}
