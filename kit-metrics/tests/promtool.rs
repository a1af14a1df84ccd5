//! The page, as Prometheus' own checker reads it.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod full;

use std::{
    env,
    io::Write,
    process::{Command, Output, Stdio},
};

/// Lets promtool check a page.
fn check(page: &str) -> Output {
    let program =
        env::var("KIT_PROMTOOL").expect("set KIT_PROMTOOL to promtool, or run cargo xtask test");
    let mut child = Command::new(program)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[tokio::test]
#[ignore = "needs promtool"]
async fn promtool_finds_nothing_to_say() {
    let page = full::recorder().await.render();
    let said = check(&page);
    assert!(said.status.success() && said.stderr.is_empty(), "{said:?}\n{page}");
}

#[test]
#[ignore = "needs promtool"]
fn promtool_says_so_of_a_page_that_is_wrong() {
    assert!(!check("# TYPE jobs counter\njobs{queue=\"a} 1\n").status.success());
}
