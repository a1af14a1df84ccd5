//! By Python's gRPC, its health checking and its reflection.

use crate::process::{Greeter, LIMIT, get, until, variable};
use std::{path::Path, process::Command};

/// Runs a script, which says "ok" at its end.
#[track_caller]
fn python(script: &str, greeter: &Greeter) {
    python_with(script, greeter, &[]);
}

/// As [`python`], with more arguments than where the greeter is.
#[track_caller]
pub(crate) fn python_with(script: &str, greeter: &Greeter, more: &[&str]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live").join(script);
    let done = Command::new(variable("KIT_PYTHON"))
        .arg("-B")
        .arg(path)
        .arg(&greeter.grpc)
        .args(more)
        .output()
        .unwrap();
    let (said, wrong) =
        (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && said.ends_with("ok\n"), "{said}{wrong}");
}

#[test]
#[ignore = "needs python"]
fn it_greets_under_both_names_and_says_what_is_wrong() {
    python("greeting.py", &Greeter::start(&[]));
}

#[test]
#[ignore = "needs python"]
fn it_greets_many_and_chats_until_either_side_ends_it() {
    let greeter = Greeter::start(&[]);
    python("streams.py", &greeter);
    // How each ended is told at the other port: the peer that gave up, too.
    for (kind, count) in
        [("OK", 1), ("INVALID_ARGUMENT", 1), ("CANCELLED", 1), ("DEADLINE_EXCEEDED", 1)]
    {
        let line =
            format!(r#"endpoint_duration_seconds_count{{endpoint="chat",kind="{kind}"}} {count}"#);
        until(LIMIT, &line, || get(&greeter.debug, "/metrics").filter(|page| page.contains(&line)));
    }
}

#[test]
#[ignore = "needs python"]
fn health_is_checked_and_watched() {
    python("health.py", &Greeter::start(&[]));
}

#[test]
#[ignore = "needs python"]
fn reflection_lists_and_describes() {
    python("reflection.py", &Greeter::start(&[]));
}
