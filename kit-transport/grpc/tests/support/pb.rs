// What `tonic-prost-build` makes of a service with one unary method, and no
// more of it than the tests use.

/// Who is to be greeted.
#[derive(Clone, PartialEq, Eq, ::prost::Message)]
pub struct GreetingRequest {
    /// The name.
    #[prost(string, tag = "1")]
    pub name: ::prost::alloc::string::String,
}

/// The greeting.
#[derive(Clone, PartialEq, Eq, ::prost::Message)]
pub struct GreetingResponse {
    /// For the name `Ada`: `Hello, Ada!`.
    #[prost(string, tag = "2")]
    pub greeting: ::prost::alloc::string::String,
}

/// The server.
pub mod greeter_server {
    use std::{
        convert::Infallible,
        sync::Arc,
        task::{Context, Poll},
    };
    use tonic::codegen::{Body, BoxFuture, Service, StdError, http};

    /// What is generated from the service.
    #[tonic::async_trait]
    pub trait Greeter: Send + Sync + 'static {
        /// Answers with a greeting.
        async fn greeting(
            &self,
            request: tonic::Request<super::GreetingRequest>,
        ) -> Result<tonic::Response<super::GreetingResponse>, tonic::Status>;
    }

    /// Serves a [`Greeter`].
    #[derive(Debug)]
    pub struct GreeterServer<T>(Arc<T>);

    impl<T> GreeterServer<T> {
        /// Serves `inner`.
        pub fn new(inner: T) -> Self {
            Self(Arc::new(inner))
        }
    }

    struct GreetingMethod<T>(Arc<T>);

    impl<T: Greeter> tonic::server::UnaryService<super::GreetingRequest> for GreetingMethod<T> {
        type Response = super::GreetingResponse;
        type Future = BoxFuture<tonic::Response<Self::Response>, tonic::Status>;

        fn call(&mut self, request: tonic::Request<super::GreetingRequest>) -> Self::Future {
            let inner = Arc::clone(&self.0);
            Box::pin(async move { inner.greeting(request).await })
        }
    }

    impl<T, B> Service<http::Request<B>> for GreeterServer<T>
    where
        T: Greeter,
        B: Body + Send + 'static,
        B::Error: Into<StdError> + Send + 'static,
    {
        type Response = http::Response<tonic::body::Body>;
        type Error = Infallible;
        type Future = BoxFuture<Self::Response, Self::Error>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: http::Request<B>) -> Self::Future {
            let method = GreetingMethod(Arc::clone(&self.0));
            Box::pin(async move {
                if request.uri().path() != "/greeter.v1.Greeter/Greeting" {
                    return Ok(tonic::Status::unimplemented("").into_http());
                }
                let codec = tonic_prost::ProstCodec::default();
                Ok(tonic::server::Grpc::new(codec).unary(method, request).await)
            })
        }
    }

    impl<T> Clone for GreeterServer<T> {
        fn clone(&self) -> Self {
            Self(Arc::clone(&self.0))
        }
    }

    impl<T> tonic::server::NamedService for GreeterServer<T> {
        const NAME: &'static str = "greeter.v1.Greeter";
    }
}
