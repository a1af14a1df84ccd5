//! What an enum of a user says of the facts that it wraps.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use http::{HeaderValue, header};
use kit_endpoint::{Details, Fault, Kind};
use std::time::Duration;

/// A layer's fact that has something to say for each question.
#[derive(Debug, thiserror::Error)]
#[error("the share is used up")]
struct Exhausted;

impl Fault for Exhausted {
    fn kind(&self) -> Kind {
        Kind::ResourceExhausted
    }

    fn retry_after(&self) -> Option<Duration> {
        Some(Duration::from_secs(7))
    }

    fn refused(&self) -> bool {
        true
    }

    fn describe(&self, details: &mut Details) {
        details
            .reason("SHARE_USED_UP")
            .domain("limit.example")
            .metadata("share", "10")
            .violation("name", "asks for too much")
            .header(header::SERVER, HeaderValue::from_static("limit"));
    }
}

/// A fact that says nothing.
#[derive(Debug, thiserror::Error)]
#[error("silent")]
struct Silent;

impl Fault for Silent {}

#[derive(Debug, thiserror::Error)]
enum Endpoint {
    #[error("the name is empty")]
    EmptyName,
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
    #[error(transparent)]
    Silent(#[from] Silent),
}

impl Fault for Endpoint {
    fn inner(&self) -> Option<&dyn Fault> {
        match self {
            Self::EmptyName => None,
            Self::Exhausted(fact) => Some(fact),
            Self::Silent(fact) => Some(fact),
        }
    }

    fn kind(&self) -> Kind {
        self.inner().map_or(Kind::InvalidArgument, Fault::kind)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the program: {0}")]
struct Program(#[from] Endpoint);

impl Fault for Program {
    fn inner(&self) -> Option<&dyn Fault> {
        Some(&self.0)
    }
}

fn described(fault: &dyn Fault) -> Details {
    let mut details = Details::default();
    fault.describe(&mut details);
    details
}

#[test]
fn a_fact_speaks_through_two_levels() {
    let once = Endpoint::from(Exhausted);
    let twice = Program(Exhausted.into());
    for fault in [&once as &dyn Fault, &twice] {
        assert_eq!(fault.kind(), Kind::ResourceExhausted);
        assert_eq!(fault.retry_after(), Some(Duration::from_secs(7)));
        assert!(fault.refused());
        let details = described(fault);
        assert_eq!(details.get_reason(), Some("SHARE_USED_UP"));
        assert_eq!(details.get_domain(), Some("limit.example"));
        assert_eq!(details.get_metadata(), [("share".into(), "10".to_owned())]);
        assert_eq!(details.violations()[0].field, "name");
        assert_eq!(details.violations()[0].description, "asks for too much");
        assert_eq!(details.headers()["server"], "limit");
    }
}

#[test]
fn what_says_nothing_is_unknown_and_ran() {
    let inside = Program(Silent.into());
    for fault in [&Silent as &dyn Fault, &inside] {
        assert_eq!(fault.kind(), Kind::Unknown);
        assert_eq!(fault.retry_after(), None);
        assert!(!fault.refused());
        let details = described(fault);
        assert_eq!(details.get_reason(), None);
        assert!(details.headers().is_empty() && details.violations().is_empty());
    }
}

#[test]
fn what_an_enum_says_itself_holds() {
    let fault = Program(Endpoint::EmptyName);
    assert_eq!(fault.kind(), Kind::InvalidArgument);
    assert!(!fault.refused());
}

#[test]
fn of_two_facts_with_one_key_the_last_holds() {
    let mut details = Details::default();
    details.metadata("tries", "1").metadata("peer", "a").metadata("tries", "2");
    let expected = [("tries".into(), "2".to_owned()), ("peer".into(), "a".to_owned())];
    assert_eq!(details.get_metadata(), expected);
}

#[test]
fn headers_of_one_name_stand_side_by_side() {
    let mut details = Details::default();
    for scheme in ["Basic", "Bearer"] {
        details.header(header::WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
    }
    let all: Vec<_> = details.headers().get_all(header::WWW_AUTHENTICATE).iter().collect();
    assert_eq!(all, ["Basic", "Bearer"]);
}
