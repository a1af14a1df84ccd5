use super::{AnyDeadline, Bulkhead, Compartment, OfRequest};
use crate::concurrency::{ByCriticality, OneClass};
use kit_endpoint::{AsError, UntilBodyEnd, UntilReply, UntilStreamEnd};
use tower_layer::Layer;

/// Puts a [`Bulkhead`] in front of a service.
///
/// One layer is one compartment: all the services that it wraps share it, as its
/// clones do. `K` says of which class a request is, `D` what its deadline is, `R`
/// what a refusal becomes, `U` when a call is over.
#[derive(Debug, Clone)]
pub struct BulkheadLayer<K = OneClass, D = AnyDeadline, R = AsError, U = UntilReply> {
    compartment: Compartment,
    class: K,
    deadline: D,
    refuse: R,
    until: U,
}

// ===== impl BulkheadLayer =====

impl BulkheadLayer {
    /// Creates a layer with a compartment of its own, of so many places, in which
    /// nobody waits.
    #[must_use]
    pub fn new(places: usize) -> Self {
        Self::shared(Compartment::new("").size(places))
    }

    /// Creates a layer on `compartment`: to look at it from outside. It takes all
    /// requests for the same, first come, first served, and refuses with the
    /// service's own error.
    #[must_use]
    pub const fn shared(compartment: Compartment) -> Self {
        let (class, deadline) = (OneClass, AnyDeadline);
        Self { compartment, class, deadline, refuse: AsError, until: UntilReply }
    }
}

impl<K, D, R, U> BulkheadLayer<K, D, R, U> {
    /// Gives a place to the most critical who wait first, as a request's extensions
    /// say how critical it is; and lets the least critical give way when the queue
    /// is full. One that says nothing is critical.
    #[must_use]
    pub fn by_criticality(self) -> BulkheadLayer<ByCriticality, D, R, U> {
        let Self { compartment, deadline, refuse, until, .. } = self;
        BulkheadLayer { compartment, class: ByCriticality, deadline, refuse, until }
    }

    /// Lets no request wait past its deadline: for one that
    /// [`Carries`](kit_endpoint::Carries) it.
    #[must_use]
    pub fn of_request(self) -> BulkheadLayer<K, OfRequest, R, U> {
        let Self { compartment, class, refuse, until, .. } = self;
        BulkheadLayer { compartment, class, deadline: OfRequest, refuse, until }
    }

    /// Answers with `refuse` what gets no place.
    #[must_use]
    pub fn refuse<Q>(self, refuse: Q) -> BulkheadLayer<K, D, Q, U> {
        let Self { compartment, class, deadline, until, .. } = self;
        BulkheadLayer { compartment, class, deadline, refuse, until }
    }

    /// Keeps the place of a call whose reply is a stream until the stream ends.
    #[must_use]
    pub fn streaming(self) -> BulkheadLayer<K, D, R, UntilStreamEnd> {
        let Self { compartment, class, deadline, refuse, .. } = self;
        BulkheadLayer { compartment, class, deadline, refuse, until: UntilStreamEnd }
    }

    /// Keeps the place of a call until the body of its HTTP reply ends.
    #[must_use]
    pub fn until_body_end(self) -> BulkheadLayer<K, D, R, UntilBodyEnd> {
        let Self { compartment, class, deadline, refuse, .. } = self;
        BulkheadLayer { compartment, class, deadline, refuse, until: UntilBodyEnd }
    }
}

impl<S, K: Clone, D: Clone, R: Clone, U: Clone> Layer<S> for BulkheadLayer<K, D, R, U> {
    type Service = Bulkhead<S, K, D, R, U>;

    fn layer(&self, inner: S) -> Self::Service {
        let Self { compartment, class, deadline, refuse, until } = self.clone();
        Bulkhead { inner, compartment, class, deadline, refuse, until }
    }
}
