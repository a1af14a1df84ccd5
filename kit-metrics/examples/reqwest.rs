//! Rate, errors and duration of what a reqwest client asks.

use kit_metrics::{Kind, Prometheus, RedLayer};
use reqwest::{Client, Error, Method, Request, Response};
use tower::{BoxError, ServiceBuilder, ServiceExt};

fn kind(result: Result<&Response, &Error>) -> Option<Kind> {
    match result {
        Ok(response) => Kind::from_http_status(response.status()),
        Err(error) if error.is_timeout() => Some(Kind::DeadlineExceeded),
        Err(_) => Some(Kind::Unavailable),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let metrics = Prometheus::new();
    let red = RedLayer::new(metrics.clone(), "http_call", &[("peer", "greeter")]);
    let client = Client::builder().no_proxy().build()?;
    let client = ServiceBuilder::new().layer(red.classify(kind)).service(client);

    // Nobody listens on the port of a listener that is closed again.
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let request = Request::new(Method::GET, format!("http://127.0.0.1:{port}/").parse()?);
    assert!(client.oneshot(request).await.is_err());

    let page = metrics.render();
    let line = r#"http_call_duration_seconds_count{kind="UNAVAILABLE",peer="greeter"} 1"#;
    assert!(page.contains(line), "{page}");
    Ok(())
}

#[test]
fn runs() -> Result<(), BoxError> {
    main()
}
