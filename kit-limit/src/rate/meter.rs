use super::{KeyedRateLimit, Patience, RateLimit, RateLimited, Reservation};
use std::{borrow::Borrow, fmt, hash::Hash};

/// Says which limit counts a request: [`RateLimit`], for all of them, or
/// [`By`], for each key.
///
/// Implement it to choose among limits: one for each plan that tenants pay for,
/// say.
pub trait Meter<Req>: Clone {
    /// Takes `request`, which weighs `weight`.
    ///
    /// # Errors
    ///
    /// Returns the fact that a limit refuses it.
    fn check(&self, request: &Req, weight: u32) -> Result<(), RateLimited>;

    /// Takes `request`, now or as soon as there is room for it.
    ///
    /// # Errors
    ///
    /// Returns at once the fact that a limit refuses it.
    fn reserve(
        &self,
        request: &Req,
        weight: u32,
        patience: Patience,
    ) -> Result<Reservation, RateLimited>;
}

/// Counts each request under a key of its own.
pub struct By<K: ?Sized, F> {
    pub(super) limit: KeyedRateLimit<K>,
    pub(super) key: F,
}

/// Says under which key a request counts: a function of it.
///
/// The key may be borrowed from the request, so that none is allocated, if the
/// function has a name: `fn tenant(request: &Call) -> &str`. (What a closure
/// returns cannot borrow from what it takes, as the language is; let it return
/// something owned.)
pub trait KeyOf<'a, Req, K: ?Sized> {
    /// Calls `with` with the key of `request`.
    fn with<T>(&self, request: &'a Req, with: impl FnOnce(&K) -> T) -> T;
}

/// Says what a request weighs: [`One`], or a function of it.
///
/// What weighs 0 passes, and is not refused either.
pub trait Weigh<Req>: Clone {
    /// Returns the weight of `request`.
    fn weigh(&self, request: &Req) -> u32;
}

/// Every request weighs the same.
#[derive(Debug, Clone, Copy, Default)]
pub struct One;

// ===== impl Meter =====

impl<Req> Meter<Req> for RateLimit {
    #[inline]
    fn check(&self, _: &Req, weight: u32) -> Result<(), RateLimited> {
        self.check_n(weight)
    }

    fn reserve(
        &self,
        _: &Req,
        weight: u32,
        patience: Patience,
    ) -> Result<Reservation, RateLimited> {
        self.reserve(weight, patience)
    }
}

impl<K, F, Req> Meter<Req> for By<K, F>
where
    K: Hash + ?Sized,
    F: for<'a> KeyOf<'a, Req, K> + Clone,
{
    #[inline]
    fn check(&self, request: &Req, weight: u32) -> Result<(), RateLimited> {
        self.key.with(request, |key| self.limit.check_n(key, weight))
    }

    fn reserve(
        &self,
        request: &Req,
        weight: u32,
        patience: Patience,
    ) -> Result<Reservation, RateLimited> {
        self.key.with(request, |key| self.limit.reserve(key, weight, patience))
    }
}

impl<K: ?Sized, F: Clone> Clone for By<K, F> {
    fn clone(&self) -> Self {
        Self { limit: self.limit.clone(), key: self.key.clone() }
    }
}

impl<K: ?Sized, F> fmt::Debug for By<K, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("By").field("limit", &self.limit).finish_non_exhaustive()
    }
}

// ===== impl KeyOf =====

impl<'a, Req, K, F, Q> KeyOf<'a, Req, K> for F
where
    Req: 'a,
    K: ?Sized,
    F: Fn(&'a Req) -> Q,
    Q: Borrow<K>,
{
    #[inline]
    fn with<T>(&self, request: &'a Req, with: impl FnOnce(&K) -> T) -> T {
        with(self(request).borrow())
    }
}

// ===== impl Weigh =====

impl<Req> Weigh<Req> for One {
    #[inline]
    fn weigh(&self, _: &Req) -> u32 {
        1
    }
}

impl<Req, F: Fn(&Req) -> u32 + Clone> Weigh<Req> for F {
    #[inline]
    fn weigh(&self, request: &Req) -> u32 {
        self(request)
    }
}
