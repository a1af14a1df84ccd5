//! A filter that changes for the whole process: what each place in the code keeps of it.
//! One test, since there is one such place for all.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]
#![allow(dead_code, reason = "shared")]

#[path = "support/written.rs"]
mod written;

use kit_trace::log::{Filter, Format, Lines};
use tracing_subscriber::prelude::*;
use written::Written;

#[test]
fn places_that_were_silent_speak_when_the_filter_says_so_and_are_silent_again() {
    let written = Written::default();
    let filter = Filter::new("off").unwrap();
    let lines = Lines::new(Format::Logfmt, written.clone());
    tracing_subscriber::registry().with(filter.clone()).with(lines).init();
    let log = || tracing::debug!("heard");
    log();
    assert!(!tracing::enabled!(tracing::Level::ERROR));
    assert_eq!(written.text(), "");
    filter.set("debug").unwrap();
    assert!(tracing::enabled!(tracing::Level::ERROR));
    log();
    assert_eq!(written.logfmt().len(), 1);
    filter.set("info").unwrap();
    log();
    assert_eq!(written.logfmt().len(), 1);
}
