//! A script that runs, and is told and tells lines.

use crate::support::in_time;
use std::{env, path::Path, process::Stdio};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

/// Killed when it is dropped.
pub(crate) struct Python {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Python {
    pub(crate) fn start(script: &str, args: &[&str]) -> Self {
        let python = env::var("KIT_PYTHON").expect("set KIT_PYTHON, or run cargo xtask test");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live");
        let mut child = Command::new(python)
            // No cache of its bytes beside the sources.
            .arg("-B")
            .arg(folder.join(script))
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, stdin, lines }
    }

    /// The next line, which comes soon.
    pub(crate) async fn line(&mut self) -> String {
        in_time(self.lines.next_line()).await.unwrap().expect("the script has ended")
    }

    /// What the next line says behind `head`.
    pub(crate) async fn hear(&mut self, head: &str) -> String {
        let line = self.line().await;
        let tail = line.strip_prefix(head);
        tail.unwrap_or_else(|| panic!("{line:?} does not begin with {head:?}")).trim().to_owned()
    }

    pub(crate) async fn say(&mut self, line: &str) {
        self.stdin.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// Waits for its end, which is a good one.
    pub(crate) async fn end(mut self) {
        drop(self.stdin);
        let status = in_time(self.child.wait()).await.unwrap();
        assert!(status.success(), "{status}");
    }
}
