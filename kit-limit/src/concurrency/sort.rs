//! What a limiter must know of a request.

use kit_endpoint::{Carries, Criticality};

/// Says of which class a request is.
pub trait Class<Req>: Clone {
    /// Returns the class of `request`; none if that makes no difference.
    fn class(&self, request: &Req) -> Option<Criticality>;
}

/// Makes no difference between classes.
#[derive(Debug, Clone, Copy, Default)]
pub struct OneClass;

/// Takes the class from the request's extensions; one that has none is critical.
#[derive(Debug, Clone, Copy, Default)]
pub struct ByCriticality;

/// Says whose a request is.
pub trait Partition<Req>: Clone {
    /// Names the partition of `request`.
    type Name: AsRef<str>;

    /// Returns the name of the partition that `request` belongs to.
    fn partition(&self, request: &Req) -> Option<Self::Name>;
}

/// Makes no difference between callers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Whole;

// ===== impl Class =====

impl<Req> Class<Req> for OneClass {
    #[inline]
    fn class(&self, _: &Req) -> Option<Criticality> {
        None
    }
}

impl<Req: Carries> Class<Req> for ByCriticality {
    #[inline]
    fn class(&self, request: &Req) -> Option<Criticality> {
        Some(request.extensions().get().copied().unwrap_or(Criticality::Critical))
    }
}

// ===== impl Partition =====

impl<Req> Partition<Req> for Whole {
    type Name = &'static str;

    #[inline]
    fn partition(&self, _: &Req) -> Option<Self::Name> {
        None
    }
}

impl<F, Req, N> Partition<Req> for F
where
    F: Fn(&Req) -> N + Clone,
    N: AsRef<str>,
{
    type Name = N;

    #[inline]
    fn partition(&self, request: &Req) -> Option<N> {
        Some(self(request))
    }
}
