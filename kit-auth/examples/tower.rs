//! Who calls a plain tower service, and what they may: its error is a box.

#![allow(clippy::expect_used, reason = "it checks what it shows")]

use http::HeaderValue;
use kit_auth::{
    Auth, Authenticator, AuthorizeLayer, Denied, Presented, Reason, Verdict,
    authorize::{self, Forbidden},
};
use std::collections::HashMap;
use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};

type Request = http::Request<&'static str>;

#[derive(Clone, PartialEq, Eq)]
struct User(&'static str);

/// Whose token it is.
struct Tokens(HashMap<&'static str, User>);

impl Authenticator for Tokens {
    type Identity = User;

    fn authenticate(&self, presented: &Presented<'_>) -> Verdict<User> {
        match presented.authorization("Bearer") {
            Ok(None) => Verdict::Absent,
            Ok(Some(token)) => match self.0.get(token) {
                Some(user) => Verdict::Known(Ok(user.clone())),
                None => Verdict::denied(Reason::Invalid),
            },
            Err(malformed) => Verdict::Known(Err(malformed.into())),
        }
    }

    fn challenge(&self, _: &Denied, challenges: &mut Vec<HeaderValue>) {
        challenges.push(HeaderValue::from_static("Bearer"));
    }
}

async fn read(request: Request) -> Result<String, BoxError> {
    Ok(format!("Dear {},", request.body()))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let known = Tokens([("t-ada", User("ada")), ("t-bob", User("bob"))].into());
    let own = |user: &User, request: &Request| user.0 == *request.body();
    let letters = ServiceBuilder::new()
        .layer(Auth::new(known).layer())
        .layer(AuthorizeLayer::new(authorize::who(own)))
        .service(service_fn(read));

    let ask = |letter, authorization| {
        http::Request::get("/").header("authorization", authorization).body(letter)
    };
    assert_eq!(letters.clone().oneshot(ask("ada", "Bearer t-ada")?).await?, "Dear ada,");
    let error = letters.clone().oneshot(ask("ada", "Bearer t-bob")?).await.expect_err("not his");
    assert!(error.is::<Forbidden>(), "{error}");
    let error = letters.oneshot(ask("ada", "Bearer t-eve")?).await.expect_err("not known");
    assert!(error.is::<Denied>(), "{error}");
    Ok(())
}

#[test]
fn shows_what_it_says() -> Result<(), BoxError> {
    main()
}
