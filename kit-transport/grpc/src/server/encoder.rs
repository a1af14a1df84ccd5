use crate::{
    EncodeError,
    edge::{Slot, answer},
    too_large::TooLarge,
};
use kit_endpoint::Fault;
use kit_transport::Phase;
use prost::Message;
use std::{any::type_name, fmt};
use tonic::Status;

/// Writes the replies of a [`Server`](super::Server): its codec, and the limit of what is
/// sent.
pub struct Encoder<N, R> {
    encode: N,
    limit: Option<Limit<R>>,
}

struct Limit<R> {
    bytes: usize,
    // Not all that may be served is a message of prost's.
    size: fn(&R) -> usize,
}

// ===== impl Encoder =====

impl<N, R> Encoder<N, R> {
    pub(super) const fn new(encode: N) -> Self {
        Self { encode, limit: None }
    }

    pub(super) const fn limit(&mut self, bytes: usize)
    where
        R: Message,
    {
        self.limit = Some(Limit { bytes, size: R::encoded_len });
    }

    /// Writes `reply`. What goes wrong is told to `slot`, and answered with
    /// `encode_error`.
    #[inline]
    pub(super) fn encode<T, E, X>(
        &self,
        reply: T,
        slot: Option<&Slot>,
        encode_error: &X,
    ) -> Result<R, Status>
    where
        N: Fn(T) -> Result<R, E>,
        E: Fault,
        X: EncodeError,
    {
        let message = match (self.encode)(reply) {
            Ok(message) => message,
            Err(fault) => return Err(answer(Phase::Encode, fault, slot, encode_error)),
        };
        if let Some(limit) = &self.limit
            && let Err(large) = limit.check(&message)
        {
            return Err(answer(Phase::Encode, large, slot, encode_error));
        }
        Ok(message)
    }
}

impl<N: Clone, R> Clone for Encoder<N, R> {
    fn clone(&self) -> Self {
        Self { encode: self.encode.clone(), limit: self.limit }
    }
}

impl<N, R> fmt::Debug for Encoder<N, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder")
            .field("encode", &format_args!("{}", type_name::<N>()))
            .field("limit", &self.limit.map(|limit| limit.bytes))
            .finish()
    }
}

// ===== impl Limit =====

impl<R> Limit<R> {
    /// Few have one.
    #[cold]
    fn check(&self, message: &R) -> Result<(), TooLarge> {
        TooLarge::reply((self.size)(message), self.bytes)
    }
}

impl<R> Clone for Limit<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Limit<R> {}
