use super::{Errors, SpanBody, scope::Scope};
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;
use std::{
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

pin_project! {
    /// The future of a [`ServerSpan`](super::ServerSpan) and of a
    /// [`ClientSpan`](super::ClientSpan).
    #[derive(Debug)]
    pub struct SpanFuture<F, R> {
        #[pin]
        pub(super) reply: F,
        pub(super) scope: Scope,
        pub(super) errors: Option<R>,
    }
}

impl<F, R, T, E> Future for SpanFuture<F, R>
where
    F: Future<Output = Result<Response<T>, E>>,
    T: Body,
    R: Errors<E>,
{
    type Output = Result<Response<SpanBody<T, R>>, E>;

    #[expect(clippy::expect_used, reason = "polling a finished future may panic")]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let reply = {
            let _in = this.scope.enter();
            ready!(this.reply.poll(cx))
        };
        let errors = this.errors.take().expect("polled after the reply");
        let mut scope = mem::replace(this.scope, Scope::Nothing);
        Poll::Ready(match reply {
            Ok(reply) => {
                let ends = reply.body().is_end_stream();
                if let Some(ongoing) = scope.ongoing() {
                    ongoing.head(reply.status(), reply.headers(), ends);
                }
                // What asks others for what it says does not know how much that is.
                let is_known = reply.body().size_hint().exact().is_some();
                let scope = match scope {
                    _ if ends => None,
                    Scope::LeftOut(_) if is_known => None,
                    Scope::Nothing => None,
                    scope => Some(Box::new(scope)),
                };
                Ok(reply.map(|body| SpanBody::new(body, scope, errors)))
            }
            Err(error) => {
                if let Some(ongoing) = scope.ongoing() {
                    ongoing.errs(|span| errors.record(span, &error));
                }
                Err(error)
            }
        })
    }
}
