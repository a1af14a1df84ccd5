//! Rate, errors and duration of a plain tower service.

use kit_metrics::{AnyError, Prometheus, RedLayer};
use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let metrics = Prometheus::new();
    let red = RedLayer::new(metrics.clone(), "parser_call", &[("method", "number")]);
    let parser = ServiceBuilder::new()
        .layer(red.classify(AnyError))
        .service(service_fn(|text: &'static str| async { text.parse::<u16>() }));

    assert_eq!(parser.clone().oneshot("12").await?, 12);
    assert!(parser.oneshot("twelve").await.is_err());

    let page = metrics.render();
    for (kind, count) in [("OK", 1), ("UNKNOWN", 1)] {
        let line = format!(
            "parser_call_duration_seconds_count{{kind=\"{kind}\",method=\"number\"}} {count}"
        );
        assert!(page.contains(&line), "{page}");
    }
    Ok(())
}

#[test]
fn runs() -> Result<(), BoxError> {
    main()
}
