//! The layers on an axum router, which cannot fail: they answer with problem
//! details.

use axum::{Router, body::Body, extract::Path, http::Request, routing::get};
use kit_endpoint::{AsHttp, CatchPanicLayer, DeadlineLayer};
use std::{future::pending, time::Duration};
use tower::{BoxError, ServiceBuilder, ServiceExt};

async fn divide(Path(divisor): Path<u32>) -> String {
    (100 / divisor).to_string()
}

fn app() -> Router {
    let layers = ServiceBuilder::new()
        .layer(DeadlineLayer::new(Duration::from_secs(1)).refuse(AsHttp))
        .layer(CatchPanicLayer::new().refuse(AsHttp));
    Router::new()
        .route("/slow", get(pending::<()>))
        .route("/divide/{divisor}", get(divide))
        .layer(layers)
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), BoxError> {
    for (path, status) in [("/slow", 504), ("/divide/4", 200), ("/divide/0", 500)] {
        let reply = app().oneshot(Request::get(path).body(Body::empty())?).await?;
        assert_eq!(reply.status(), status, "{path}");
    }
    Ok(())
}

#[test]
fn runs() -> Result<(), BoxError> {
    main()
}
