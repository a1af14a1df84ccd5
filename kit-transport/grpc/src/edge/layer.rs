use super::{GiveReplyMetadata, Grpc};
use http::{Extensions, HeaderMap};
use kit_transport::{
    Call, End, Hook,
    hook::{After, Before, Finally},
};
use tower_layer::Layer;

/// Runs hooks around gRPC servers, and keeps the deadlines that callers set.
///
/// It fits whatever answers gRPC over `http` messages: a generated server, or
/// `tonic::service::Routes`. See the [crate] for what it does.
///
/// ```
/// use kit_transport::{End, RequestIds};
/// use kit_transport_grpc::GrpcLayer;
/// use tonic::service::Routes;
/// use tower::Layer;
///
/// let layer = GrpcLayer::new()
///     .hook(RequestIds)
///     .finally(|end: &End| println!("{} in {:?}", end.outcome, end.duration));
/// let service = layer.layer(Routes::default());
/// # let _ = service;
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct GrpcLayer<H = ()> {
    hook: H,
}

// ===== impl GrpcLayer =====

impl GrpcLayer {
    /// Creates a layer without hooks: it keeps deadlines, and no more.
    #[must_use]
    pub const fn new() -> Self {
        Self { hook: () }
    }
}

impl<H> GrpcLayer<H> {
    /// Adds a hook. Hooks see requests in the order in which they were added,
    /// and replies the other way round.
    #[must_use]
    pub fn hook<G>(self, hook: G) -> GrpcLayer<(H, G)>
    where
        G: Hook,
    {
        GrpcLayer { hook: (self.hook, hook) }
    }

    /// Calls `f` with the head of each request.
    #[must_use]
    pub fn before<F>(self, f: F) -> GrpcLayer<(H, Before<F>)>
    where
        F: Fn(&Call<'_>, &mut Extensions) + Clone,
    {
        self.hook(Before(f))
    }

    /// Calls `f` with the headers of each reply, also of a failure. Those of a
    /// failure that was answered without a message are its trailers too.
    #[must_use]
    pub fn after<F>(self, f: F) -> GrpcLayer<(H, After<F>)>
    where
        F: Fn(&mut HeaderMap) + Clone,
    {
        self.hook(After(f))
    }

    /// Lets endpoints speak beside their replies: each request carries a
    /// [`ReplyMetadata`](super::ReplyMetadata). It is allocated for each call,
    /// and so not there unasked.
    #[must_use]
    pub fn reply_metadata(self) -> GrpcLayer<(H, GiveReplyMetadata)> {
        self.hook(GiveReplyMetadata)
    }

    /// Calls `f` once each request has ended, whatever the end.
    #[must_use]
    pub fn finally<F>(self, f: F) -> GrpcLayer<(H, Finally<F>)>
    where
        F: Fn(&End) + Clone,
    {
        self.hook(Finally(f))
    }
}

impl<S, H: Clone> Layer<S> for GrpcLayer<H> {
    type Service = Grpc<S, H>;

    fn layer(&self, inner: S) -> Self::Service {
        Grpc { inner, hook: self.hook.clone() }
    }
}
