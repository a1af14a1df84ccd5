use crate::{Auth, Authenticator, Credentials};
use http::{Extensions, HeaderName};
use kit_transport::{Call, Hook};
use std::sync::{Arc, atomic::Ordering};

/// The [`Hook`] that writes the [`Credentials`] of each request among its
/// extensions, also where there are none.
#[derive(Debug, Clone)]
pub struct CredentialsHook(Arc<[HeaderName]>);

impl<A: Authenticator> Auth<A> {
    /// Makes the hook for the server of a transport: HTTP's or gRPC's, whose
    /// metadata are headers too.
    #[must_use]
    pub fn hook(&self) -> CredentialsHook {
        self.0.is_hooked.store(true, Ordering::Relaxed);
        CredentialsHook(self.0.authenticator.headers().into())
    }
}

impl Hook for CredentialsHook {
    type Observer = ();

    fn before(&self, call: &Call<'_>, extensions: &mut Extensions) {
        extensions.insert(Credentials::of(call.headers, &self.0));
    }
}
