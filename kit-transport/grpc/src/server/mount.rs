use super::{Bidi, ClientStreaming, ServerStreaming, Unary};
use crate::shape;
use http::{Request, Response};
use http_body::Body as HttpBody;
use prost::Message;
use tonic::{body::Body, codegen::StdError, server::Grpc};
use tonic_prost::ProstCodec;

/// A shape whose methods are served over `http` messages: that of `S`, from
/// `M` to `R`.
///
/// It is implemented for the four [shapes](crate::shape), and for no others.
#[diagnostic::on_unimplemented(
    message = "`{S}` does not serve a method from `{M}` to `{R}`",
    note = "its endpoint has to be `Clone + Send + Sync + 'static`, its future and the types of \
            the messages `Send`, and so have its codecs"
)]
pub trait Mount<S, M, R>: Sealed {
    /// Serves one request by `method`.
    fn mount<B>(
        grpc: Grpc<ProstCodec<R, M>>,
        method: S,
        request: Request<B>,
    ) -> impl Future<Output = Response<Body>> + Send + 'static
    where
        B: HttpBody<Error: Into<StdError> + Send + 'static> + Send + 'static;
}

mod sealed {
    pub trait Sealed {}
}

use sealed::Sealed;

macro_rules! mount {
    ($shape:ident, $serve:ident) => {
        impl Sealed for shape::$shape {}

        impl<S, M, R> Mount<S, M, R> for shape::$shape
        where
            S: $shape<M, R>,
            M: Message + Default + 'static,
            R: Message + 'static,
        {
            async fn mount<B>(
                mut grpc: Grpc<ProstCodec<R, M>>,
                method: S,
                request: Request<B>,
            ) -> Response<Body>
            where
                B: HttpBody<Error: Into<StdError> + Send + 'static> + Send + 'static,
            {
                grpc.$serve(method, request).await
            }
        }
    };
}

mount!(Unary, unary);
mount!(ServerStreaming, server_streaming);
mount!(ClientStreaming, client_streaming);
mount!(Bidi, streaming);
