//! Limits of rate: so many requests in a time, for all or for each key.

mod error;
pub mod future;
mod keyed;
mod layer;
mod limit;
mod limiter;
mod meter;
mod patience;
mod quota;
mod reservation;
mod service;
mod table;

pub use self::{
    error::{Exceeded, RateLimited, TooHeavy},
    keyed::KeyedRateLimit,
    layer::{RateLimitLayer, Refusing, Waiting},
    limit::RateLimit,
    meter::{By, KeyOf, Meter, One, Weigh},
    patience::{AnyRequest, OfRequest, Patience, Until},
    quota::Rate,
    reservation::Reservation,
    service::RateLimiting,
};
