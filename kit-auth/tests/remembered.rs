#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]
//! Who was right is remembered, and no longer than may be.

use http::{HeaderMap, header::AUTHORIZATION};
use kit_auth::{
    Authenticator, Presented, Reason, Verdict,
    basic::{self, Basic, User, Users},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

const HOUR: Duration = Duration::from_hours(1);

/// One who may be there, asked so often.
#[derive(Clone, Default)]
struct Ada(Arc<State>);

#[derive(Default)]
struct State {
    asked: AtomicU64,
    generation: AtomicU64,
    is_slow: bool,
}

impl Users for Ada {
    type Identity = User;

    fn verify(&self, name: &str, password: &str) -> Verdict<User> {
        self.0.asked.fetch_add(1, Ordering::Relaxed);
        let is_gone = self.generation() > 1;
        let is_right = !is_gone && (name, password) == ("ada", "secret");
        match (is_right, self.0.is_slow) {
            (true, true) => Verdict::later(async { Ok(User::new("ada")) }),
            (true, false) => Verdict::Known(Ok(User::new("ada"))),
            (false, _) => Verdict::denied(Reason::Invalid),
        }
    }

    fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Relaxed)
    }
}

async fn is_let_in(basic: &Basic<Ada>, password: &str) -> bool {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, basic::header("ada", password).unwrap());
    match basic.authenticate(&Presented::of(&headers)) {
        Verdict::Absent => false,
        Verdict::Known(known) => known.is_ok_and(|user| user.name() == "ada"),
        Verdict::Later(later) => later.await.is_ok(),
    }
}

#[tokio::test]
async fn who_was_right_is_not_asked_for_again_and_who_was_wrong_is() {
    for is_slow in [false, true] {
        let ada = Ada(Arc::new(State { is_slow, ..State::default() }));
        let basic = Basic::new("r", ada.clone()).cache(10, HOUR);
        for _ in 0..5 {
            assert!(is_let_in(&basic, "secret").await);
        }
        assert_eq!(ada.0.asked.load(Ordering::Relaxed), 1, "{is_slow}");
        for _ in 0..5 {
            assert!(!is_let_in(&basic, "Secret").await);
        }
        assert_eq!(ada.0.asked.load(Ordering::Relaxed), 6, "{is_slow}");
        // Clones share it, and it shows nothing.
        assert!(is_let_in(&basic.clone(), "secret").await);
        assert_eq!(ada.0.asked.load(Ordering::Relaxed), 6);
    }
}

#[tokio::test]
async fn with_the_users_what_is_remembered_goes() {
    let ada = Ada::default();
    let basic = Basic::new("r", ada.clone()).cache(10, HOUR);
    assert!(is_let_in(&basic, "secret").await);
    ada.0.generation.store(1, Ordering::Relaxed);
    assert!(is_let_in(&basic, "secret").await);
    assert_eq!(ada.0.asked.load(Ordering::Relaxed), 2, "looked at anew");
    ada.0.generation.store(2, Ordering::Relaxed);
    for _ in 0..10 {
        assert!(!is_let_in(&basic, "secret").await);
    }
}

#[tokio::test]
async fn it_is_over_when_its_time_is() {
    let ada = Ada::default();
    let basic = Basic::new("r", ada.clone()).cache(10, Duration::ZERO);
    assert!(is_let_in(&basic, "secret").await && is_let_in(&basic, "secret").await);
    assert_eq!(ada.0.asked.load(Ordering::Relaxed), 2);
}
