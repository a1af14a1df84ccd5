//! Who calls a tonic server that knows nothing of it, and what they may.

#![allow(clippy::expect_used, reason = "it checks what it shows")]

use http::{HeaderValue, Request};
use kit_auth::{
    AsGrpc, Auth, Authenticator, AuthorizeLayer, Denied, Presented, Reason, Verdict,
    authorize::{Grants, Rule, Rules},
};
use tonic::{Code, body::Body, service::Routes};
use tonic_health::pb::{
    HealthCheckRequest, health_client::HealthClient, health_server::SERVICE_NAME,
};
use tower::{BoxError, ServiceBuilder};

#[derive(Clone)]
struct Caller {
    is_operator: bool,
}

impl Grants for Caller {
    fn has_scope(&self, _: &str) -> bool {
        false
    }

    fn has_role(&self, role: &str) -> bool {
        role == "operator" && self.is_operator
    }
}

/// Two tokens, and whose they are.
struct Tokens;

impl Authenticator for Tokens {
    type Identity = Caller;

    fn authenticate(&self, presented: &Presented<'_>) -> Verdict<Caller> {
        match presented.authorization("Bearer") {
            Ok(None) => Verdict::Absent,
            Ok(Some("t-operator")) => Verdict::Known(Ok(Caller { is_operator: true })),
            Ok(Some("t-reader")) => Verdict::Known(Ok(Caller { is_operator: false })),
            Ok(Some(_)) => Verdict::denied(Reason::Invalid),
            Err(malformed) => Verdict::Known(Err(malformed.into())),
        }
    }

    fn challenge(&self, _: &Denied, challenges: &mut Vec<HeaderValue>) {
        challenges.push(HeaderValue::from_static("Bearer"));
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let (_, health) = tonic_health::server::health_reporter();
    let rules = Rules::new().rule(Rule::allow(format!("/{SERVICE_NAME}/*")).role("operator"));
    let rules = rules.on::<Caller, _, _>(|request: &Request<Body>| request.uri().path());
    let server = ServiceBuilder::new()
        .layer(Auth::new(Tokens).layer().refuse(AsGrpc))
        .layer(AuthorizeLayer::new(rules).refuse(AsGrpc))
        .service(Routes::new(health));

    // Called in process: a tonic client takes a server for a channel.
    let mut client = HealthClient::new(server);
    let asks = [
        (Some("Bearer t-operator"), Code::Ok),
        (Some("Bearer t-reader"), Code::PermissionDenied),
        (Some("Bearer t-0000"), Code::Unauthenticated),
        (None, Code::Unauthenticated),
    ];
    for (authorization, code) in asks {
        let mut ask = tonic::Request::new(HealthCheckRequest::default());
        if let Some(authorization) = authorization {
            ask.metadata_mut().insert("authorization", authorization.parse()?);
        }
        let reply = client.check(ask).await;
        assert_eq!(reply.map_or_else(|status| status.code(), |_| Code::Ok), code);
    }

    let status = client.check(HealthCheckRequest::default()).await.expect_err("nobody asks");
    assert_eq!(status.message(), "credentials are needed");
    assert_eq!(status.metadata().get("www-authenticate").expect("it says how"), "Bearer");
    Ok(())
}

#[test]
fn shows_what_it_says() -> Result<(), BoxError> {
    main()
}
