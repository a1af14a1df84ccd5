#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]
//! Saying who one is: the layer, signed tokens, a file, and OAuth 2.0.

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use kit_auth::{
    client::{Credential, CredentialLayer, FileToken, Given, NoCredential, OAuth2, bearer},
    jwt::{Algorithm, Claims, Key, KeySet, Signer, SigningKey, Verifier},
};
use kit_endpoint::{Fault, Kind};
use serde_json::json;
use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};
use tokio::time::{Instant, sleep};
use tower::{BoxError, Layer, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);
const SECRET: [u8; 32] = [7; 32];

/// What a server would have read.
async fn sent<C: Credential>(layer: &CredentialLayer<C>, request: Request<()>) -> String {
    let server = service_fn(async |request: Request<()>| {
        let header = request.headers().get("authorization").unwrap().clone();
        assert!(header.is_sensitive() || request.headers().contains_key("own"));
        Ok::<_, BoxError>(header.to_str().unwrap().to_owned())
    });
    layer.layer(server).oneshot(request).await.unwrap()
}

async fn given(credential: &impl Credential) -> Result<HeaderValue, NoCredential> {
    match credential.give() {
        Given::Now(given) => given,
        Given::Later(later) => later.await,
    }
}

#[tokio::test]
async fn a_request_says_who_sends_it_and_one_that_does_keeps_what_it_says() {
    let layer = CredentialLayer::new(bearer("abc.def-1=").unwrap());
    assert_eq!(sent(&layer, Request::new(())).await, "Bearer abc.def-1=");
    let own = Request::builder().header("authorization", "Own").header("own", "1");
    assert_eq!(sent(&layer, own.body(()).unwrap()).await, "Own");
    let made = CredentialLayer::new(|| bearer("x"));
    assert_eq!(sent(&made, Request::new(())).await, "Bearer x");
}

#[tokio::test]
async fn without_a_credential_nothing_is_sent() {
    let none = CredentialLayer::new(|| Err(NoCredential::new("it is lost").because("why")));
    let never = service_fn(async |_: Request<()>| -> Result<Response<()>, BoxError> {
        panic!("it was sent")
    });
    let error = none.layer(never).oneshot(Request::new(())).await.unwrap_err();
    let error = error.downcast::<NoCredential>().unwrap();
    assert_eq!(error.to_string(), "there are no credentials to call with: it is lost");
    assert_eq!((error.kind(), error.refused()), (Kind::Unavailable, true));
    assert_eq!(std::error::Error::source(&*error).unwrap().to_string(), "why");
    let refuse = |_: NoCredential| Ok::<_, Infallible>(Response::new(503));
    let never = service_fn(async |_: Request<()>| -> Result<Response<u16>, Infallible> {
        panic!("it was sent")
    });
    let reply = none.refuse(refuse).layer(never).oneshot(Request::new(())).await.unwrap();
    assert_eq!(*reply.body(), 503);
}

#[test]
fn a_bearer_token_has_its_letters() {
    for wrong in ["", "a b", "a\n", "a\"", "\u{e9}", "a,b"] {
        assert!(bearer(wrong).is_err(), "{wrong:?}");
    }
    assert!(format!("{:?}", bearer("secret").unwrap()).contains("Sensitive"));
}

/// Seconds since 1970, which the tests move.
static NOW: AtomicU64 = AtomicU64::new(1_800_000_000);

fn clock() -> SystemTime {
    SystemTime::UNIX_EPOCH + SECOND * u32::try_from(NOW.load(Ordering::Relaxed)).unwrap()
}

#[tokio::test]
async fn signed_tokens_are_made_anew_before_they_are_over() {
    let made = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&made);
    let key = SigningKey::secret(Algorithm::HS256, &SECRET).unwrap().id("k");
    let signer = Signer::new(key, move || {
        let number = count.fetch_add(1, Ordering::Relaxed);
        json!({"iss": "i", "aud": "a", "sub": number.to_string(), "exp": 1})
    });
    let signer = signer.lifetime(SECOND * 100).clock(clock);
    let keys = KeySet::new([Key::secret(Algorithm::HS256, &SECRET).unwrap().id("k")]).unwrap();
    let verifier = Verifier::new(keys, "i", "a").clock(clock);
    let claims = async || {
        let header = given(&signer).await.unwrap();
        let token = header.to_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned();
        Claims::clone(&verifier.verify(&token).unwrap())
    };
    let first = claims().await;
    assert_eq!(first.subject.as_deref(), Some("0"));
    assert_eq!(first.expires.unwrap(), first.issued.unwrap() + SECOND * 100);
    NOW.fetch_add(79, Ordering::Relaxed);
    assert_eq!(claims().await, first);
    NOW.fetch_add(1, Ordering::Relaxed);
    let second = claims().await;
    assert_eq!(second.subject.as_deref(), Some("1"));
    assert_eq!(second.issued.unwrap(), first.issued.unwrap() + SECOND * 80);
    // After a long sleep there is none that holds.
    NOW.fetch_add(10_000, Ordering::Relaxed);
    assert_eq!(claims().await.subject.as_deref(), Some("2"));
    assert_eq!(made.load(Ordering::Relaxed), 3);
    let said = format!("{signer:?}");
    assert!(!said.contains("eyJ") && !said.contains("7, 7"), "{said}");
}

#[test]
fn each_algorithm_signs_what_its_key_verifies() {
    let pairs = [
        (Algorithm::RS256, "rsa"),
        (Algorithm::RS384, "rsa"),
        (Algorithm::RS512, "rsa"),
        (Algorithm::PS256, "rsa"),
        (Algorithm::PS384, "rsa"),
        (Algorithm::PS512, "rsa"),
        (Algorithm::ES256, "ec"),
        (Algorithm::ES384, "ec384"),
        (Algorithm::EdDSA, "ed"),
    ];
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keys");
    for (algorithm, name) in pairs {
        let private = std::fs::read(format!("{folder}/{name}.pem")).unwrap();
        let public = std::fs::read(format!("{folder}/{name}.pub.pem")).unwrap();
        let key = SigningKey::pem(algorithm, &private).unwrap();
        let signer = Signer::new(key, || json!({"iss": "i", "aud": "a"}));
        let keys = KeySet::new([Key::pem(algorithm, &public).unwrap()]).unwrap();
        Verifier::new(keys, "i", "a").verify(&signer.token().unwrap()).unwrap();
    }
    let ec = std::fs::read(format!("{folder}/ec.pem")).unwrap();
    for wrong in [Algorithm::ES384, Algorithm::RS256, Algorithm::HS256] {
        assert!(SigningKey::pem(wrong, &ec).is_err(), "{wrong:?}");
    }
    let key = SigningKey::pem(Algorithm::ES256, &ec).unwrap();
    assert!(Signer::new(key, || json!(["a list"])).token().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_token_in_a_file_is_read_anew_each_minute() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    assert!(FileToken::new(&path).is_err());
    std::fs::write(&path, "one\n").unwrap();
    let token = FileToken::new(&path).unwrap();
    std::fs::write(&path, "two").unwrap();
    assert_eq!(given(&token).await.unwrap(), "Bearer one");
    sleep(SECOND * 60).await;
    assert_eq!(given(&token).await.unwrap(), "Bearer two");
    std::fs::remove_file(&path).unwrap();
    sleep(SECOND * 60).await;
    assert_eq!(given(&token).await.unwrap(), "Bearer two");
    assert!(!format!("{token:?}").contains("two"));
}

#[test]
fn one_call_reads_the_file_and_no_other_waits_for_it() {
    // One thread for what blocks: while it is held nothing is read.
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).max_blocking_threads(1).build();
    runtime.unwrap().block_on(one_call_reads());
}

async fn one_call_reads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "one").unwrap();
    let token = FileToken::new(&path).unwrap();
    std::fs::write(&path, "two").unwrap();
    sleep(SECOND * 60).await;
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = tokio::task::spawn_blocking(move || held.recv());
    let Given::Later(reads) = token.give() else { panic!("it was read by who asked") };
    let Given::Now(meanwhile) = token.give() else { panic!("it is read twice") };
    assert_eq!(meanwhile.unwrap(), "Bearer one");
    drop(release);
    held.await.unwrap().unwrap_err();
    assert_eq!(reads.await.unwrap(), "Bearer two");
    assert!(matches!(token.give(), Given::Now(Ok(now)) if now == "Bearer two"));

    // Nor is it lost with the call that reads it.
    std::fs::write(&path, "three").unwrap();
    sleep(SECOND * 60).await;
    drop(token.give());
    while !matches!(token.give(), Given::Now(Ok(now)) if now == "Bearer three") {
        sleep(Duration::from_millis(1)).await;
    }
}

/// A server of tokens: each lives for 100 s.
#[derive(Clone, Default)]
struct Tokens(Arc<State>);

#[derive(Default)]
struct State {
    asked: AtomicUsize,
    is_out: Mutex<bool>,
    form: Mutex<String>,
}

impl Tokens {
    async fn answer(
        self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let number = self.0.asked.fetch_add(1, Ordering::Relaxed);
        sleep(Duration::from_millis(20)).await;
        let authorization = request.headers()["authorization"].to_str().unwrap().to_owned();
        let form = request.into_body().collect().await.unwrap().to_bytes();
        let form = format!("{authorization} {}", String::from_utf8_lossy(&form));
        *self.0.form.lock().unwrap() = form;
        let mut reply = Response::new(Full::from(
            json!({"access_token": format!("t{number}"), "token_type": "Bearer", "expires_in": 100})
                .to_string(),
        ));
        if *self.0.is_out.lock().unwrap() {
            *reply.status_mut() = StatusCode::BAD_GATEWAY;
        }
        Ok(reply)
    }
}

#[tokio::test(start_paused = true)]
async fn tokens_of_a_server_are_fetched_once_and_before_they_are_over() {
    let tokens = Tokens::default();
    let server = tokens.clone();
    let client = service_fn(move |request| server.clone().answer(request));
    let uri = "https://login.example/token".parse().unwrap();
    let source = OAuth2::new(uri, client, "front end", "s%cret", "a b").unwrap();
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let source = source.clone();
            tokio::spawn(async move { given(&source).await.unwrap() })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), "Bearer t0");
    }
    assert_eq!(tokens.0.asked.load(Ordering::Relaxed), 1);
    // "front+end:s%25cret"
    let form = "Basic ZnJvbnQrZW5kOnMlMjVjcmV0 grant_type=client_credentials&scope=a+b";
    assert_eq!(*tokens.0.form.lock().unwrap(), form);
    sleep(SECOND * 79).await;
    assert_eq!(given(&source).await.unwrap(), "Bearer t0");
    sleep(SECOND).await;
    assert_eq!(given(&source).await.unwrap(), "Bearer t1");
    // The old one serves while the server is out, until it is over.
    *tokens.0.is_out.lock().unwrap() = true;
    sleep(SECOND * 90).await;
    assert_eq!(given(&source).await.unwrap(), "Bearer t1");
    sleep(SECOND * 10).await;
    let error = given(&source).await.unwrap_err();
    assert!(error.to_string().ends_with("the server of tokens does not answer"), "{error}");
    assert!(!format!("{source:?} {error:?}").contains("cret"));
    *tokens.0.is_out.lock().unwrap() = false;
    // A server that did not answer is let alone for a moment.
    let asked = tokens.0.asked.load(Ordering::Relaxed);
    assert!(given(&source).await.is_err());
    assert_eq!(tokens.0.asked.load(Ordering::Relaxed), asked);
    sleep(SECOND).await;
    assert!(given(&source).await.unwrap().to_str().unwrap().starts_with("Bearer t"));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_silent_costs_all_who_wait_one_time_out() {
    let client = service_fn(|_: Request<Full<Bytes>>| async {
        std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>().await
    });
    let uri = "https://login.example/token".parse().unwrap();
    let source = OAuth2::new(uri, client, "a", "b", "").unwrap();
    let begun = Instant::now();
    let calls: Vec<_> = (0..100)
        .map(|_| {
            let source = source.clone();
            tokio::spawn(async move { given(&source).await.is_err() })
        })
        .collect();
    for call in calls {
        assert!(call.await.unwrap());
    }
    assert!(begun.elapsed() < SECOND * 6, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_token_may_live_for_ever_or_not_at_all() {
    for lifetime in [json!(0), json!(u64::MAX), json!("3599"), json!(i64::MAX), json!(-1)] {
        let asked = Arc::new(AtomicUsize::new(0));
        let (count, answer) = (Arc::clone(&asked), lifetime.clone());
        let client = service_fn(move |_: Request<Full<Bytes>>| {
            count.fetch_add(1, Ordering::Relaxed);
            let token = json!({"access_token": "t", "token_type": "bearer", "expires_in": answer});
            async move { Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(token.to_string()))) }
        });
        let uri = "https://login.example/token".parse().unwrap();
        let source = OAuth2::new(uri, client, "a", "b", "").unwrap();
        assert_eq!(given(&source).await.unwrap(), "Bearer t", "{lifetime}");
        let kept = source.clone();
        let keeping = tokio::spawn(async move { kept.keep().await });
        sleep(SECOND * 60).await;
        keeping.abort();
        assert!(asked.load(Ordering::Relaxed) <= 62, "{lifetime}: {asked:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn where_it_is_kept_no_call_waits() {
    let tokens = Tokens::default();
    let server = tokens.clone();
    let client = service_fn(move |request| server.clone().answer(request));
    let uri = "http://localhost:1/token".parse().unwrap();
    let source = OAuth2::new(uri, client, "a", "b", "").unwrap();
    let kept = source.clone();
    let _keeping = tokio::spawn(async move { kept.keep().await });
    sleep(SECOND).await;
    for _ in 0..1000 {
        let begun = Instant::now();
        given(&source).await.unwrap();
        assert_eq!(begun.elapsed(), Duration::ZERO);
        sleep(SECOND).await;
    }
    assert!((12..=14).contains(&tokens.0.asked.load(Ordering::Relaxed)));
}

#[test]
fn a_server_of_tokens_elsewhere_is_asked_over_https() {
    let client = service_fn(|_: Request<Full<Bytes>>| async {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let of = |uri: &str| OAuth2::new(uri.parse().unwrap(), client, "a", "b", "").is_ok();
    assert!(of("https://a.example/token") && of("http://127.0.0.1:1/token"));
    assert!(!of("http://a.example/token") && !of("/token"));
    assert!(!of("https://id:secret@a.example/token"));
}
