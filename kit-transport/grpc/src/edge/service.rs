use super::{
    ReplyMetadata, RequestBody, ResponseBody,
    future::ResponseFuture,
    refusal::{NotGrpc, Refusal},
    slot::{Slot, Told},
};
use http_body::Body;
use kit_endpoint::{Carries, Expired, Peer};
use kit_transport::{
    Call, Hook, Observer, Protocol, Watch,
    deadline::{REQUEST_TIMEOUT_MS, timeout},
};
use std::{
    fmt,
    task::{Context, Poll},
};
use tokio::time::Instant;
use tonic::server::NamedService;
use tower_service::Service;

/// Runs hooks around a gRPC server, and keeps the deadlines that callers set.
///
/// A [`GrpcLayer`](super::GrpcLayer) makes it. Its readiness is the inner
/// service's.
#[derive(Debug, Clone)]
pub struct Grpc<S, H = ()> {
    pub(super) inner: S,
    pub(super) hook: H,
}

// ===== impl Grpc =====

impl<S, H> Grpc<S, H> {
    /// Returns the inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, H, B, C> Service<http::Request<B>> for Grpc<S, H>
where
    S: Service<http::Request<RequestBody<B>>, Response = http::Response<C>, Error: fmt::Display>,
    C: Body<Error: fmt::Display>,
    H: Hook,
{
    type Response = http::Response<ResponseBody<C, H::Observer>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, H::Observer>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<B>) -> Self::Future {
        let allowed = timeout(request.headers(), &REQUEST_TIMEOUT_MS);
        let now = match allowed {
            Ok(Some(allowed)) => {
                let now = Instant::now();
                // A limit past the end of time is no limit.
                if let Some(deadline) = now.checked_add(allowed) {
                    request.bring_forward(deadline);
                }
                Some(now)
            }
            _ => None,
        };
        let deadline = request.deadline();

        let mut extensions = std::mem::take(request.extensions_mut());
        let path = request.uri().path();
        let call =
            Call::new(Protocol::Grpc, path.strip_prefix('/').unwrap_or(path), request.headers())
                .peer(extensions.get::<Peer>().copied());
        let observer = self.hook.before(&call, &mut extensions);
        let metadata = extensions.get::<ReplyMetadata>().cloned();
        let slot = if H::Observer::SILENT { None } else { Some(Slot::default()) };
        if let Some(slot) = &slot {
            extensions.insert(slot.clone());
        }
        *request.extensions_mut() = extensions;
        let watch = Watch::new(Told::new(observer, slot.clone()));

        let refusal = match (NotGrpc::check(&request), allowed, deadline) {
            (Err(not), ..) => Some(Refusal::NotGrpc(not)),
            (_, Err(bad), _) => Some(Refusal::BadTimeout(bad)),
            (.., Some(deadline)) if deadline <= now.unwrap_or_else(Instant::now) => {
                Some(Refusal::Expired(Expired::new(false)))
            }
            _ => None,
        };
        if let Some(refusal) = refusal {
            return ResponseFuture::refused(refusal, metadata, watch);
        }
        let request = request.map(|body| RequestBody::new(body, slot.clone()));
        ResponseFuture::called(self.inner.call(request), deadline, metadata, slot, watch)
    }
}

impl<S: NamedService, H> NamedService for Grpc<S, H> {
    const NAME: &'static str = S::NAME;
}
