//! The guard alone, around a service that has nothing to do with axum.

use http::{Request, Response};
use kit_debug::guard::{Guard, GuardLayer, Token};
use kit_endpoint::{AsHttp, Inspect, Inspector, Peer};
use std::net::{Ipv4Addr, SocketAddr};
use tower::{BoxError, ServiceBuilder, ServiceExt};

struct Print;

impl Inspector for Print {
    fn counter(&mut self, name: &str, _: &str, labels: &[(&str, &str)], value: u64) {
        assert_eq!(name, "debug_refusals_total");
        assert_eq!(value, u64::from(labels == [("reason", "no_token")]));
    }

    fn gauge(&mut self, _: &str, _: &str, _: &[(&str, &str)], _: f64) {}
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let guard = Guard::new().token(Token::new("of-chance-and-long-enough")?);
    let switch = ServiceBuilder::new()
        .layer(GuardLayer::changes(guard.clone()).refuse(AsHttp))
        .service_fn(|request: Request<()>| async move {
            Ok::<_, BoxError>(Response::new(format!("{} done", request.method())))
        });

    let ask = |method, ip| {
        let peer = Peer::from(SocketAddr::from((ip, 4000)));
        let request = Request::builder().method(method).header("host", "10.0.0.1");
        request.extension(peer).body(())
    };
    let near = Ipv4Addr::LOCALHOST;
    let far = Ipv4Addr::new(10, 0, 0, 7);
    assert_eq!(switch.clone().oneshot(ask("GET", far)?).await?.body(), "GET done");
    assert_eq!(switch.clone().oneshot(ask("PUT", near)?).await?.body(), "PUT done");
    let refused = switch.oneshot(ask("PUT", far)?).await?;
    assert_eq!(refused.status(), 401);
    guard.inspect(&mut Print);
    Ok(())
}

#[test]
fn shows_what_it_says() -> Result<(), BoxError> {
    main()
}
