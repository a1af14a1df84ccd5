use super::{Log, OfRequest, line::Named};
use crate::log::Sampling;
use kit_endpoint::{ServerFaults, UntilBodyEnd, UntilReply, UntilStreamEnd};
use std::{fmt, sync::Arc};
use tower_layer::Layer;

/// Logs each call of a service once.
///
/// See the [module](super) for what it does.
#[derive(Debug, Clone)]
pub struct LogLayer<C = ServerFaults, U = UntilReply, A = ()> {
    named: Arc<Named>,
    classify: C,
    until: U,
    about: A,
}

// ===== impl LogLayer =====

impl LogLayer {
    /// Logs calls under the name `call`: what is called, not by whom.
    #[must_use]
    pub fn new(call: impl Into<Box<str>>) -> Self {
        let named = Named { call: call.into(), instance: None, sampling: None };
        Self { named: Arc::new(named), classify: ServerFaults, until: UntilReply, about: () }
    }
}

impl<C, U, A> LogLayer<C, U, A> {
    /// Names the instance that is called, in the layer of its client.
    #[must_use]
    pub fn instance(self, instance: impl fmt::Display) -> Self {
        let instance = Some(instance.to_string().into());
        self.named(|named| named.instance = instance)
    }

    /// Logs of many calls only some. All are by default.
    #[must_use]
    pub fn sampling(self, sampling: Sampling) -> Self {
        self.named(|named| named.sampling = Some(sampling))
    }

    /// Names the kind of a failure by `classify`, a [`KindOf`](kit_endpoint::KindOf):
    /// [`ServerFaults`] by default, which is for errors that are a
    /// [`Fault`](kit_endpoint::Fault).
    #[must_use]
    pub fn classify<D>(self, classify: D) -> LogLayer<D, U, A> {
        let Self { named, until, about, .. } = self;
        LogLayer { named, classify, until, about }
    }

    /// Logs a call when the stream that it replies with is over: at its end, its first
    /// error, or its drop.
    #[must_use]
    pub fn streaming(self) -> LogLayer<C, UntilStreamEnd, A> {
        self.until(UntilStreamEnd)
    }

    /// Logs a call when the body of its HTTP reply is over: at its trailers, its end, its
    /// error, or its drop.
    #[must_use]
    pub fn until_body_end(self) -> LogLayer<C, UntilBodyEnd, A> {
        self.until(UntilBodyEnd)
    }

    /// Logs which request and trace a call belongs to, for requests that carry it
    /// ([`Carries`](kit_endpoint::Carries)).
    #[must_use]
    pub fn of_request(self) -> LogLayer<C, U, OfRequest> {
        self.about(OfRequest)
    }

    /// Logs what `about` finds in a request, an [`About`](super::About).
    #[must_use]
    pub fn about<B>(self, about: B) -> LogLayer<C, U, B> {
        let Self { named, classify, until, .. } = self;
        LogLayer { named, classify, until, about }
    }

    fn until<V>(self, until: V) -> LogLayer<C, V, A> {
        let Self { named, classify, about, .. } = self;
        LogLayer { named, classify, until, about }
    }

    fn named(mut self, change: impl FnOnce(&mut Named)) -> Self {
        let Named { call, instance, sampling } = &*self.named;
        let (call, instance) = (call.clone(), instance.clone());
        let mut named = Named { call, instance, sampling: sampling.clone() };
        change(&mut named);
        self.named = Arc::new(named);
        self
    }
}

impl<S, C: Clone, U: Clone, A: Clone> Layer<S> for LogLayer<C, U, A> {
    type Service = Log<S, C, U, A>;

    fn layer(&self, inner: S) -> Self::Service {
        let Self { named, classify, until, about } = self.clone();
        Log { inner, named, classify, until, about }
    }
}
