use std::{
    future::poll_fn,
    pin::pin,
    task::{Context, Poll},
};

/// Which of two futures was first.
#[derive(Debug)]
pub(crate) enum First<A, B> {
    Left(A),
    Right(B),
}

/// Waits for the first of two futures and drops the other; if both are ready
/// it is the left one. (`tokio::select!` would bring proc macros into every
/// build.)
pub(crate) async fn race<A: Future, B: Future>(a: A, b: B) -> First<A::Output, B::Output> {
    let (mut a, mut b) = (pin!(a), pin!(b));
    poll_fn(|cx: &mut Context<'_>| {
        if let Poll::Ready(a) = a.as_mut().poll(cx) {
            return Poll::Ready(First::Left(a));
        }
        b.as_mut().poll(cx).map(First::Right)
    })
    .await
}
