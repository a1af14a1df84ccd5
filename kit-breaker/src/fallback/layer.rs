use super::{Always, Fallback, Keeping, Uses};
use kit_endpoint::ServerFaults;
use std::borrow::Cow;
use tower_layer::Layer;

/// Puts a [`Fallback`] in front of a service.
#[derive(Debug, Clone)]
pub struct FallbackLayer<A, C = ServerFaults> {
    answer: A,
    classify: C,
    uses: Uses,
}

// ===== impl FallbackLayer =====

impl<F> FallbackLayer<Always<F>> {
    /// Creates a layer that asks `answer` for the reply where [`ServerFaults`] sees
    /// no success: an async function of the failed result. `name` tells it from
    /// others in what it says to an [`Inspector`](kit_endpoint::Inspector).
    pub fn new(name: impl Into<Cow<'static, str>>, answer: F) -> Self {
        let (answer, uses) = (Always(answer), Uses::new(name.into()));
        Self { answer, classify: ServerFaults, uses }
    }
}

impl<K, F> FallbackLayer<Keeping<K, F>> {
    /// Creates such a layer whose `answer` gets what `keep` took from the request,
    /// and the failed result. All requests pay for what is kept.
    pub fn keeping(name: impl Into<Cow<'static, str>>, keep: K, answer: F) -> Self {
        let (answer, uses) = (Keeping { keep, answer }, Uses::new(name.into()));
        Self { answer, classify: ServerFaults, uses }
    }
}

impl<A, C> FallbackLayer<A, C> {
    /// Answers what `classify` says is no success.
    #[must_use]
    pub fn classify<D>(self, classify: D) -> FallbackLayer<A, D> {
        let Self { answer, uses, .. } = self;
        FallbackLayer { answer, classify, uses }
    }

    /// Returns how often it is used.
    #[must_use]
    pub fn uses(&self) -> Uses {
        self.uses.clone()
    }
}

impl<S, A: Clone, C: Clone> Layer<S> for FallbackLayer<A, C> {
    type Service = Fallback<S, A, C>;

    fn layer(&self, inner: S) -> Self::Service {
        let Self { answer, classify, uses } = self;
        Fallback { inner, answer: answer.clone(), classify: classify.clone(), uses: uses.clone() }
    }
}
