//! The service that W3C's public harness for Trace Context asks for: it is posted a list
//! of `{"url", "arguments"}`, and posts the arguments to each URL, on behalf of the
//! request.
//!
//! ```text
//! cargo run -p kit-trace --example w3c_service 127.0.0.1:5000
//! # and in https://github.com/w3c/trace-context, `test/`, with Python's aiohttp:
//! STRICT_LEVEL=2 SPEC_LEVEL=2 python test.py http://127.0.0.1:5000/test
//! ```

use axum::{Router, body::Bytes, extract::Extension, routing::post};
use http::{Request, StatusCode, header};
use http_body_util::Full;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use kit_trace::{
    ClientSpanLayer, ServerSpanLayer, TraceContext, propagation::W3c, span::ClientSpan,
};
use std::env;
use tokio::net::TcpListener;
use tower::{BoxError, Layer, ServiceExt};

type Callbacks = ClientSpan<Client<HttpConnector, Full<Bytes>>, W3c>;

async fn call_back(
    Extension(callbacks): Extension<Callbacks>,
    Extension(context): Extension<TraceContext>,
    body: Bytes,
) -> Result<&'static str, StatusCode> {
    let done = async {
        let actions: Vec<serde_json::Value> = serde_json::from_slice(&body)?;
        for action in actions {
            let url = action["url"].as_str().ok_or("an action has a URL")?;
            let arguments = Bytes::from(action["arguments"].to_string());
            let request = Request::post(url)
                .header(header::CONTENT_TYPE, "application/json")
                .extension(context.clone())
                .body(Full::new(arguments))?;
            callbacks.clone().oneshot(request).await?;
        }
        Ok::<_, BoxError>("done")
    };
    done.await.map_err(|_| StatusCode::BAD_REQUEST)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    // Spans are only opened where somebody listens.
    tracing::subscriber::set_global_default(tracing_subscriber::registry())?;
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:5000".to_owned());
    let client: Client<HttpConnector, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).build_http();
    let app = Router::new()
        .route("/test", post(call_back))
        .layer(Extension(ClientSpanLayer::new().layer(client)))
        .layer(ServerSpanLayer::new());
    kit_serve::serve(TcpListener::bind(address).await?, app).await?;
    Ok(())
}
