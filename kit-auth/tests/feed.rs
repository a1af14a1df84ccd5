#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]
//! Keys that come from elsewhere: rotated, withdrawn, and not to be had. The
//! clock is paused.

use http::{HeaderMap, HeaderValue};
use kit_auth::{
    Authenticator, Presented, Reason, Verdict,
    jwt::{
        Algorithm, Claims, Fed, Feed, FetchError, Fetched, File, Key, KeySet, KeySource, Keys,
        SigningKey, Verified, Verifier,
    },
};
use serde_json::json;
use std::{
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);

/// A source that has what it is told to have.
#[derive(Clone)]
struct Source(Arc<State>);

struct State {
    has: Mutex<Has>,
    fetches: AtomicUsize,
}

#[derive(Clone)]
enum Has {
    Keys(KeySet, Option<Duration>),
    Nothing,
    Silence,
}

impl Source {
    fn new(has: Has) -> Self {
        Self(Arc::new(State { has: Mutex::new(has), fetches: AtomicUsize::new(0) }))
    }

    fn of(ids: &[&str]) -> Self {
        Self::new(Has::Keys(set(ids), None))
    }

    fn has(&self, has: Has) {
        *self.0.has.lock().unwrap() = has;
    }

    fn fetches(&self) -> usize {
        self.0.fetches.load(Ordering::Relaxed)
    }
}

impl KeySource for Source {
    async fn fetch(&self) -> Result<Fetched, FetchError> {
        self.0.fetches.fetch_add(1, Ordering::Relaxed);
        // As a server does, it takes a moment.
        sleep(Duration::from_millis(20)).await;
        let has = self.0.has.lock().unwrap().clone();
        match has {
            Has::Keys(keys, None) => Ok(Fetched::new(keys)),
            Has::Keys(keys, Some(fresh)) => Ok(Fetched::new(keys).fresh_for(fresh)),
            Has::Nothing => Err(FetchError::Status(500)),
            Has::Silence => pending().await,
        }
    }
}

fn secret(id: &str) -> [u8; 32] {
    let mut secret = [0; 32];
    secret[..id.len()].copy_from_slice(id.as_bytes());
    secret
}

fn set(ids: &[&str]) -> KeySet {
    let key = |id: &&str| Key::secret(Algorithm::HS256, &secret(id)).unwrap().id(*id);
    KeySet::new(ids.iter().map(key)).unwrap()
}

/// A token signed with the key of this id.
fn token(id: &str) -> String {
    let key = SigningKey::secret(Algorithm::HS256, &secret(id)).unwrap().id(id);
    let claims = json!({"iss": "i", "aud": "a", "exp": 4_000_000_000_u64, "sub": id});
    key.sign(&claims).unwrap()
}

fn verifier(keys: &Keys) -> Verifier {
    Verifier::new(keys.clone(), "i", "a")
}

/// Asks as a request does, and waits where it has to.
async fn ask(verifier: &Verifier, id: &str) -> Result<Verified<Claims>, Reason> {
    let mut headers = HeaderMap::new();
    let header = HeaderValue::try_from(format!("Bearer {}", token(id))).unwrap();
    headers.insert("authorization", header);
    let verdict = verifier.authenticate(&Presented::of(&headers));
    let known = match verdict {
        Verdict::Absent => panic!("it has a token"),
        Verdict::Known(known) => known,
        Verdict::Later(later) => later.await,
    };
    known.map_err(|denied| denied.reason())
}

/// Runs it, and writes down what it tells.
fn run(feed: Feed<Source>) -> (JoinHandle<()>, Arc<Mutex<Vec<String>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let hear = move |fed: Fed<'_>| {
        tell.lock().unwrap().push(match fed {
            Fed::Changed => "changed".to_owned(),
            Fed::Failed(error) => format!("failed: {error}"),
            Fed::GivenUp(error) => format!("given up: {error}"),
            _ => "?".to_owned(),
        });
    };
    (tokio::spawn(feed.run(hear)), told)
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_new_is_fetched_for_the_token_that_names_it() {
    let source = Source::of(&["old"]);
    let (keys, mut feed) = Keys::fed_by(source.clone());
    feed.first().await.unwrap();
    let (_running, told) = run(feed);
    let verifier = Arc::new(verifier(&keys));
    assert!(ask(&verifier, "old").await.is_ok());
    sleep(SECOND * 20).await;
    source.has(Has::Keys(set(&["old", "new"]), None));
    // All at once: they wait for one fetch, and each is let in.
    let begun = Instant::now();
    let calls: Vec<_> = (0..100)
        .map(|_| {
            let verifier = Arc::clone(&verifier);
            tokio::spawn(async move { ask(&verifier, "new").await.is_ok() })
        })
        .collect();
    for call in calls {
        assert!(call.await.unwrap());
    }
    assert!(begun.elapsed() < Duration::from_millis(30), "{:?}", begun.elapsed());
    assert_eq!(source.fetches(), 2);
    assert_eq!(*told.lock().unwrap(), ["changed"]);
    assert_eq!(ask(&verifier, "new").await.unwrap().subject.as_deref(), Some("new"));
}

#[tokio::test(start_paused = true)]
async fn strangers_cannot_have_the_source_asked() {
    let source = Source::of(&["old"]);
    let (keys, mut feed) = Keys::fed_by(source.clone());
    feed.first().await.unwrap();
    let _running = run(feed.every(HOUR));
    let verifier = verifier(&keys);
    for _ in 0..1000 {
        assert_eq!(ask(&verifier, "forged").await.unwrap_err(), Reason::Invalid);
        sleep(Duration::from_millis(10)).await;
    }
    // For the first, and perhaps once more after the 10 s that this took.
    assert!((2..=3).contains(&source.fetches()), "{}", source.fetches());
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_out_refuses_no_good_call() {
    let source = Source::of(&["old"]);
    let (keys, mut feed) = Keys::fed_by(source.clone());
    feed.first().await.unwrap();
    let (_running, told) = run(feed);
    let verifier = verifier(&keys);
    for has in [Has::Nothing, Has::Silence] {
        source.has(has);
        for _ in 0..3600 {
            assert!(ask(&verifier, "old").await.is_ok());
            sleep(SECOND * 2).await;
        }
        // It may be right, and nobody can tell.
        assert_eq!(ask(&verifier, "new").await.unwrap_err(), Reason::Unavailable);
        assert_eq!(ask(&verifier, "new").await.unwrap_err(), Reason::Unavailable);
    }
    source.has(Has::Keys(set(&["old", "new"]), None));
    sleep(SECOND * 70).await;
    assert!(ask(&verifier, "new").await.is_ok());
    let told = told.lock().unwrap();
    assert!(told.iter().any(|told| told.ends_with("answered with 500")), "{told:?}");
    assert!(told.iter().any(|told| told.ends_with("took too long")), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn keys_that_cannot_be_fetched_for_too_long_are_given_up() {
    let source = Source::of(&["old"]);
    let (keys, mut feed) = Keys::fed_by(source.clone());
    feed.first().await.unwrap();
    let begun = Instant::now();
    let (_running, told) = run(feed.max_stale(HOUR * 2));
    let verifier = verifier(&keys);
    source.has(Has::Nothing);
    while ask(&verifier, "old").await.is_ok() {
        sleep(SECOND).await;
        assert!(begun.elapsed() < HOUR * 3, "still there");
    }
    let took = begun.elapsed();
    assert!(took + SECOND >= HOUR * 2 && took < HOUR * 2 + SECOND * 2, "{took:?}");
    assert_eq!(ask(&verifier, "old").await.unwrap_err(), Reason::Unavailable);
    assert!(told.lock().unwrap().iter().any(|told| told.starts_with("given up: ")));
    source.has(Has::Keys(set(&["old"]), None));
    sleep(SECOND * 70).await;
    assert!(ask(&verifier, "old").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn keys_that_are_fresh_for_long_are_fetched_before_they_may_be_given_up() {
    let source = Source::new(Has::Keys(set(&["old"]), Some(HOUR * 1000)));
    let (keys, mut feed) = Keys::fed_by(source.clone());
    feed.first().await.unwrap();
    let _running = run(feed.max_stale(HOUR * 10));
    let verifier = verifier(&keys);
    // Out for 4 of each 10 hours.
    for _ in 0..20 {
        sleep(HOUR * 6).await;
        source.has(Has::Nothing);
        sleep(HOUR * 4).await;
        assert!(ask(&verifier, "old").await.is_ok());
        source.has(Has::Keys(set(&["old"]), Some(HOUR * 1000)));
    }
}

#[tokio::test(start_paused = true)]
async fn limits_may_be_none() {
    let source = Source::of(&["old"]);
    let (keys, mut feed) = Keys::fed_by(source.clone());
    feed.first().await.unwrap();
    let never = Duration::MAX;
    let feed = feed.every(never).between(never, never).max_stale(never);
    let _running = run(feed.unknown_key_interval(never).fetch_timeout(never));
    let verifier = verifier(&keys);
    for _ in 0..3 {
        assert_eq!(ask(&verifier, "new").await.unwrap_err(), Reason::Invalid);
        sleep(HOUR).await;
    }
    assert_eq!(source.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn where_nobody_ever_fetches_nobody_waits() {
    let (keys, mut feed) = Keys::fed_by(Source::of(&["old"]));
    feed.first().await.unwrap();
    drop(feed);
    let begun = Instant::now();
    let verifier = verifier(&keys);
    assert_eq!(ask(&verifier, "new").await.unwrap_err(), Reason::Invalid);
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn before_there_are_keys_each_token_is_unavailable() {
    let source = Source::new(Has::Nothing);
    let (keys, mut feed) = Keys::fed_by(source.clone());
    assert!(matches!(feed.first().await, Err(FetchError::Status(500))));
    let verifier = verifier(&keys);
    assert_eq!(ask(&verifier, "old").await.unwrap_err(), Reason::Unavailable);
    let _running = run(feed);
    source.has(Has::Keys(set(&["old"]), None));
    sleep(SECOND * 3).await;
    assert!(ask(&verifier, "old").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_withdrawn_is_refused_also_where_tokens_are_remembered() {
    let keys = Keys::from(set(&["a", "b"]));
    let verifier = verifier(&keys).cache(100);
    for _ in 0..3 {
        assert!(ask(&verifier, "a").await.is_ok() && ask(&verifier, "b").await.is_ok());
    }
    // One more is no reason to forget.
    keys.set(set(&["a", "b", "c"]));
    assert!(ask(&verifier, "a").await.is_ok() && ask(&verifier, "c").await.is_ok());
    keys.set(set(&["b", "c"]));
    for _ in 0..100 {
        assert_eq!(ask(&verifier, "a").await.unwrap_err(), Reason::Invalid);
        assert!(ask(&verifier, "b").await.is_ok());
    }
    keys.clear();
    assert_eq!(ask(&verifier, "b").await.unwrap_err(), Reason::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_as_often_as_the_source_says_within_bounds() {
    for (fresh, fetches) in [
        (None, 12..=14),
        (Some(Duration::ZERO), 120..=134),
        (Some(Duration::from_mins(10)), 6..=7),
        (Some(Duration::MAX), 0..=0),
    ] {
        let source = Source::new(Has::Keys(set(&["a"]), fresh));
        let (_keys, feed) = Keys::fed_by(source.clone());
        let (_running, told) = run(feed);
        sleep(HOUR).await;
        assert!(fetches.contains(&(source.fetches() - 1)), "{fresh:?}: {}", source.fetches());
        assert_eq!(*told.lock().unwrap(), ["changed"]);
    }
}

#[tokio::test(start_paused = true)]
async fn where_nobody_fetches_any_more_nobody_waits() {
    let (keys, mut feed) = Keys::fed_by(Source::of(&["old"]));
    feed.first().await.unwrap();
    let verifier = verifier(&keys);
    let (running, _) = run(feed);
    sleep(SECOND).await;
    running.abort();
    sleep(SECOND).await;
    let begun = Instant::now();
    assert_eq!(ask(&verifier, "new").await.unwrap_err(), Reason::Invalid);
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert!(ask(&verifier, "old").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_file_is_read_anew_and_a_bad_one_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    let jwk = json!({"keys": [{"kty": "oct", "alg": "HS256", "kid": "a",
        "k": "YQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]});
    std::fs::write(&path, jwk.to_string()).unwrap();
    let (keys, mut feed) = Keys::fed_by(File::new(&path));
    feed.first().await.unwrap();
    let verifier = verifier(&keys);
    assert!(ask(&verifier, "a").await.is_ok());
    let _running = tokio::spawn(feed.run(|_| {}));
    std::fs::write(&path, "{").unwrap();
    sleep(SECOND * 60).await;
    assert!(ask(&verifier, "a").await.is_ok());
    std::fs::write(&path, jwk.to_string().replace("\"a\"", "\"z\"")).unwrap();
    sleep(SECOND * 120).await;
    assert_eq!(ask(&verifier, "a").await.unwrap_err(), Reason::Invalid);
    let (_, mut missing) = Keys::fed_by(File::new(folder.path().join("none")));
    let said = missing.first().await.unwrap_err().to_string();
    assert!(said.starts_with("cannot read the keys in ") && said.ends_with("none"), "{said}");
}
