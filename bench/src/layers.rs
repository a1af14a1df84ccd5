//! The services that the layers are measured on, and how they are called.

use kit_breaker::{BreakerLayer, Circuit, Limits, Window, keyed};
use kit_endpoint::{AnyError, CatchPanicLayer, DeadlineLayer, Panicked};
use kit_metrics::{Prometheus, RedLayer};
use std::{
    future::{Ready, ready},
    hint::black_box,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::Duration,
};
use tower::{BoxError, Layer, Service};

/// What is measured.
pub trait Measured: Service<u64, Response = u64, Error = BoxError> {}
impl<S: Service<u64, Response = u64, Error = BoxError>> Measured for S {}

/// A service that has its reply at once.
#[derive(Debug, Clone)]
pub struct AtOnce;

impl Service<u64> for AtOnce {
    type Response = u64;
    type Error = BoxError;
    type Future = Ready<Result<u64, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u64) -> Self::Future {
        ready(Ok(black_box(request)))
    }
}

/// A service that lets its caller wait once.
#[derive(Debug, Clone)]
pub struct Waits;

/// The reply of [`Waits`].
#[derive(Debug)]
pub struct Once(Option<u64>, bool);

impl Service<u64> for Waits {
    type Response = u64;
    type Error = BoxError;
    type Future = Once;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u64) -> Once {
        Once(Some(request), false)
    }
}

impl Future for Once {
    type Output = Result<u64, BoxError>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        if std::mem::replace(&mut self.1, true) {
            Poll::Ready(self.0.take().ok_or_else(|| "polled again".into()))
        } else {
            Poll::Pending
        }
    }
}

/// Polls a future to its end, whether or not it asked to be.
pub fn finish<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
    }
}

/// Calls a service, from readiness to the reply.
///
/// Never inlined: a caller would change what is measured.
#[inline(never)]
pub fn call<S: Measured>(service: &mut S, request: u64) {
    let mut cx = Context::from_waker(Waker::noop());
    if let Poll::Ready(Ok(())) = service.poll_ready(&mut cx) {
        let _ = black_box(finish(service.call(request)));
    }
}

/// Calls a service as [`call`] does, within tokio's time-out.
#[inline(never)]
pub fn call_within<S: Measured>(service: &mut S, limit: Duration, request: u64) {
    let mut cx = Context::from_waker(Waker::noop());
    if let Poll::Ready(Ok(())) = service.poll_ready(&mut cx) {
        let _ = black_box(finish(tokio::time::timeout(limit, service.call(request))));
    }
}

/// Returns a layer's service over one that replies at once.
#[must_use]
pub fn deadline() -> impl Measured {
    DeadlineLayer::new(Duration::from_secs(5)).layer(AtOnce)
}

/// Returns a layer's service over one that replies at once.
#[must_use]
pub fn catch_panic() -> impl Measured {
    let again = |panicked: Panicked| Err(BoxError::from(panicked));
    CatchPanicLayer::new().refuse(again).layer(AtOnce)
}

/// Returns a layer's service over one that replies at once.
#[must_use]
pub fn breaker() -> impl Measured + Clone {
    let circuit = Circuit::new("bench", Limits::default());
    BreakerLayer::shared(circuit).classify(AnyError).layer(AtOnce)
}

/// Returns a breaker that rates the last 100 calls.
#[must_use]
pub fn breaker_calls() -> impl Measured + Clone {
    let limits = Limits::default().failure_rate(0.5);
    BreakerLayer::shared(Circuit::new("bench", limits)).classify(AnyError).layer(AtOnce)
}

/// Returns a breaker that rates the calls of the last ten seconds.
#[must_use]
pub fn breaker_time() -> impl Measured + Clone {
    let limits = Limits::default().failure_rate(0.5).window(Window::Time(Duration::from_secs(10)));
    BreakerLayer::shared(Circuit::new("bench", limits)).classify(AnyError).layer(AtOnce)
}

/// Returns a breaker that rates the last 100 calls, the slow ones too.
#[must_use]
pub fn breaker_slow() -> impl Measured + Clone {
    let limits = Limits::default().failure_rate(0.5).slow_calls(Duration::from_secs(1), 0.5);
    BreakerLayer::shared(Circuit::new("bench", limits)).classify(AnyError).layer(AtOnce)
}

/// Returns a breaker for each of ten keys.
#[must_use]
pub fn breaker_keyed() -> impl Measured + Clone {
    let circuits = keyed::Circuits::new("bench", Limits::default());
    let key = |request: &u64| request % 10;
    let mut service = keyed::KeyedBreakerLayer::new(circuits, key).classify(AnyError).layer(AtOnce);
    // The first call of a key makes its circuit.
    (0..10).for_each(|request| call(&mut service, request));
    service
}

/// Returns a layer's service over one that replies at once.
#[must_use]
pub fn red() -> impl Measured {
    let red = RedLayer::new(Prometheus::new(), "bench", &[("endpoint", "bench")]);
    red.classify(AnyError).layer(AtOnce)
}
