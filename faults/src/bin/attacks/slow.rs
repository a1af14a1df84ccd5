//! `slowhttptest` (Debian's package) with 200 connections: heads, bodies and
//! reads that drip.

use crate::serve::{probed, start};
use kit_faults::{BoxError, server::Server, table::Table};
use std::{fs, process::Stdio};
use tempfile::TempDir;
use tokio::process::Command;

/// How long it goes on, in seconds: longer than any time-out that it meets.
const LASTS: u32 = 25;
/// Our time-outs for what it does, and a second.
const BAR: u32 = 11;

/// What it does, and by which arguments.
const MODES: [(&str, &[&str]); 3] = [
    ("heads (-H)", &["-H", "-i", "2", "-t", "GET", "-x", "24"]),
    ("bodies (-B)", &["-B", "-i", "2", "-s", "8192", "-t", "POST", "-x", "10"]),
    ("reads (-X)", &["-X", "-w", "10", "-y", "20", "-n", "2", "-z", "32", "-k", "1"]),
];

pub(crate) async fn run(table: &mut Table) -> Result<(), BoxError> {
    for (which, name) in [("kit", "kit_serve"), ("axum", "axum::serve")] {
        for (mode, arguments) in MODES {
            let server = start(which)?;
            let attack = slowhttptest(&server, arguments);
            let (gone, longest) = probed(&server, attack).await?;
            let gone = gone?;
            let fault = format!("slowhttptest, 200 slow {mode}, {name}");
            let measured = match gone {
                Some(seconds) => format!("{seconds} s"),
                None => format!("not in {LASTS} s"),
            };
            let is_ours = which == "kit";
            let bar = if is_ours { format!("{BAR} s") } else { "shown".to_owned() };
            let is_met = !is_ours || gone.is_some_and(|seconds| seconds <= BAR);
            table.row(&fault, "all connections are gone after", measured, bar, is_met);
            let longest = longest.as_secs_f64() * 1e3;
            let what = "others are answered in, at most";
            if is_ours {
                table.most(&fault, what, longest, 100.0, "ms");
            } else {
                table.row(&fault, what, format!("{longest:.1} ms"), "shown", true);
            }
        }
    }
    Ok(())
}

/// Returns after how many seconds none of its connections was left.
async fn slowhttptest(server: &Server, arguments: &[&str]) -> Result<Option<u32>, BoxError> {
    let folder = TempDir::new()?;
    let prefix = folder.path().join("out");
    let path = if arguments[0] == "-X" { "large" } else { "" };
    let mut command = Command::new("slowhttptest");
    command.args(arguments).args(["-c", "200", "-r", "400", "-p", "5", "-g", "-o"]).arg(&prefix);
    command.args(["-l", &LASTS.to_string(), "-u", &format!("http://{}/{path}", server.address)]);
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await?;
    let csv = fs::read_to_string(prefix.with_extension("csv"))?;
    if !csv.lines().any(|line| line.split(',').nth(3) == Some("200")) {
        return Err(format!("it did not make its 200 connections:\n{csv}").into());
    }
    gone(&String::from_utf8_lossy(&output.stdout))
}

/// Reads the end of what it says.
fn gone(said: &str) -> Result<Option<u32>, BoxError> {
    let ended = said.rsplit_once("Test ended on ").ok_or("it did not end")?.1;
    if !ended.contains("No open connections left") {
        return Ok(None);
    }
    let digits: String = ended.chars().take_while(char::is_ascii_digit).collect();
    Ok(Some(digits.parse()?))
}
