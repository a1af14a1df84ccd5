//! Who calls an axum router: a handler finds it among the extensions, and one
//! who is not known is answered by a reply. Health needs no key.

use axum::{
    Extension, Router,
    body::Body,
    http::{HeaderName, HeaderValue, Request},
    routing::get,
};
use kit_auth::{AsHttp, Auth, Authenticator, Denied, Presented, Reason, Verdict};
use std::collections::HashMap;
use tower::{BoxError, ServiceExt};

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

#[derive(Clone)]
struct User(&'static str);

/// Who has which key. What is kept secret is best kept as a hash.
struct Keys(HashMap<&'static str, User>);

impl Authenticator for Keys {
    type Identity = User;

    fn authenticate(&self, presented: &Presented<'_>) -> Verdict<User> {
        match presented.header(&API_KEY) {
            Ok(None) => Verdict::Absent,
            Ok(Some(key)) => match self.0.get(key) {
                Some(user) => Verdict::Known(Ok(user.clone())),
                None => Verdict::denied(Reason::Invalid),
            },
            Err(malformed) => Verdict::Known(Err(malformed.into())),
        }
    }

    fn challenge(&self, _: &Denied, challenges: &mut Vec<HeaderValue>) {
        challenges.push(HeaderValue::from_static("ApiKey"));
    }

    fn headers(&self) -> Vec<HeaderName> {
        vec![API_KEY]
    }
}

async fn whoami(Extension(User(name)): Extension<User>) -> String {
    format!("You are {name}.")
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let auth = Auth::new(Keys([("k-1234", User("ada"))].into()));
    let app = Router::new()
        .route("/whoami", get(whoami))
        .layer(auth.layer().refuse(AsHttp))
        .route("/health", get(|| async { "well" }));

    let asks = [
        ("/whoami", Some("k-1234"), 200),
        ("/whoami", Some("k-0000"), 401),
        ("/whoami", None, 401),
        ("/health", None, 200),
    ];
    for (path, key, status) in asks {
        let mut ask = Request::get(path);
        if let Some(key) = key {
            ask = ask.header(API_KEY, key);
        }
        let reply = app.clone().oneshot(ask.body(Body::empty())?).await?;
        assert_eq!(reply.status(), status, "{path} {key:?}");
        assert_eq!(reply.headers().contains_key("www-authenticate"), status == 401);
    }
    Ok(())
}

#[test]
fn shows_what_it_says() -> Result<(), BoxError> {
    main()
}
