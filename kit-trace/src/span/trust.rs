use http::Extensions;
use kit_endpoint::Peer;
use std::{fmt, sync::Arc};

/// Whose trace context a server believes.
///
/// [`Trust::all`] is the default, as OpenTelemetry's and Go kit's servers have it
/// (`AllowPropagation(true)`): right within one's own network. At an edge to strangers
/// take [`Trust::none`]: each request begins a trace of its own, with a link to the one
/// that it claims (`IsPublic` in Go kit), so that nobody fills a trace with spans of
/// theirs or turns on its recording. [`Trust::by`] decides by who calls.
#[derive(Clone, Default)]
pub struct Trust(Whom);

#[derive(Clone, Default)]
enum Whom {
    #[default]
    All,
    None,
    By(Arc<dyn Fn(Option<Peer>, &Extensions) -> bool + Send + Sync>),
}

impl Trust {
    /// Believes everyone.
    #[must_use]
    pub const fn all() -> Self {
        Self(Whom::All)
    }

    /// Believes nobody.
    #[must_use]
    pub const fn none() -> Self {
        Self(Whom::None)
    }

    /// Believes whom `f` says, of the peer, if the accept loop told who that is, and
    /// what else is among the extensions (a TLS identity, say). It is asked only about
    /// requests that come with a context.
    pub fn by(f: impl Fn(Option<Peer>, &Extensions) -> bool + Send + Sync + 'static) -> Self {
        Self(Whom::By(Arc::new(f)))
    }

    pub(super) fn believes(&self, extensions: &Extensions) -> bool {
        match &self.0 {
            Whom::All => true,
            Whom::None => false,
            Whom::By(f) => f(extensions.get::<Peer>().copied(), extensions),
        }
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Whom::All => "all",
            Whom::None => "none",
            Whom::By(_) => "by",
        })
    }
}
