//! `slowhttptest` (Debian's package) with 200 connections: heads, bodies and
//! reads that drip.

use crate::serve::{probed, start};
use kit_faults::{BoxError, server::Server, table::Table};
use std::{fs, process::Stdio, time::Duration};
use tokio::{
    process::Command,
    task::block_in_place,
    time::{Instant, sleep},
};

const CONNECTIONS: usize = 200;
/// How long it goes on: longer than any time-out that it meets.
const LASTS: Duration = Duration::from_secs(25);
/// Our time-outs for what it does, and a second.
const BAR: f64 = 11.0;

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
                Some(seconds) => format!("{seconds:.1} s"),
                None => format!("not in {} s", LASTS.as_secs()),
            };
            let is_ours = which == "kit";
            let bar = if is_ours { format!("{BAR:.1} s") } else { "shown".to_owned() };
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

/// Returns after how many seconds none of its connections was left, as the
/// system counts them: of those that it reads slowly it does not learn itself.
async fn slowhttptest(server: &Server, arguments: &[&str]) -> Result<Option<f64>, BoxError> {
    let path = if arguments[0] == "-X" { "large" } else { "" };
    let mut command = Command::new("slowhttptest");
    command.args(arguments).args(["-c", "200", "-r", "1000", "-p", "5"]);
    command.args([
        "-l",
        &LASTS.as_secs().to_string(),
        "-u",
        &format!("http://{}/{path}", server.address),
    ]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    let _attack = command.spawn()?;
    let (mut begun, mut most) = (Instant::now(), 0);
    while most < CONNECTIONS && begun.elapsed() < Duration::from_secs(5) {
        most = most.max(connections(server)?);
        sleep(Duration::from_millis(10)).await;
    }
    if most < CONNECTIONS {
        return Err(format!("it made {most} connections only").into());
    }
    begun = Instant::now();
    while begun.elapsed() < LASTS {
        // Those who ask meanwhile may have one.
        if connections(server)? <= 1 {
            return Ok(Some(begun.elapsed().as_secs_f64()));
        }
        sleep(Duration::from_millis(50)).await;
    }
    Ok(None)
}

/// How many connections to its port are open, by its side of them.
fn connections(server: &Server) -> Result<usize, BoxError> {
    // The address and its port, and ESTABLISHED: proc_net_tcp.rst.
    let own = format!("0100007F:{:04X}", server.address.port());
    // Long, after 20,000 connections, and the runtime has others to serve.
    let all = block_in_place(|| fs::read_to_string("/proc/net/tcp"))?;
    let is_open = |line: &&str| {
        let mut fields = line.split_whitespace().skip(1);
        fields.next() == Some(&*own) && fields.nth(1) == Some("01")
    };
    Ok(all.lines().filter(is_open).count())
}
