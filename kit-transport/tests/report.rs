//! An error and its sources, on one line.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use kit_transport::Report;
use std::{error::Error, fmt};

#[derive(Debug)]
struct Chain(&'static str, Option<Box<Self>>);

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Chain {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.1.as_deref().map(|source| source as &dyn Error)
    }
}

/// Reports a chain, from the outermost error to the innermost.
fn report(texts: &[&'static str]) -> String {
    let chain = texts
        .iter()
        .rev()
        .fold(None, |source, text| Some(Box::new(Chain(text, source))))
        .expect("not empty");
    Report(&*chain).to_string()
}

#[test]
fn the_whole_chain_is_on_one_line() {
    assert_eq!(report(&["cannot greet"]), "cannot greet");
    assert_eq!(
        report(&["cannot greet", "connection refused", "os error 111"]),
        "cannot greet: connection refused: os error 111"
    );
}

#[test]
fn a_source_that_its_wrapper_repeats_is_written_once() {
    assert_eq!(report(&["refused", "refused"]), "refused");
    assert_eq!(report(&["cannot greet: refused", "refused"]), "cannot greet: refused");
    assert_eq!(report(&["a: b: c", "b: c", "c"]), "a: b: c");
    assert_eq!(report(&["a", "a", "b"]), "a: b");
    assert_eq!(report(&["a", "b: c", "c"]), "a: b: c");
    assert_eq!(report(&["refused by peer", "refused"]), "refused by peer: refused");
}

#[test]
fn what_an_error_says_cannot_forge_a_line() {
    assert_eq!(
        report(&["bad name \"a\nlevel=error\"", "line 1\r\nline 2\t\u{1b}[31m"]),
        "bad name \"a level=error\": line 1  line 2  [31m"
    );
}

#[test]
fn an_empty_source_adds_nothing() {
    assert_eq!(report(&["cannot greet", "", "refused"]), "cannot greet: refused");
}
