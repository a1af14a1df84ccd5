#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]
//! What is answered to each case of RFC 9112 (with 9110), 9113 and 7541, byte
//! by byte, and that no request hides in another: the cases are in the modules
//! by version, and what they share is here.
//!
//! Their tables are the list in `docs/src/conformance.md`, which a test compares;
//! with `KIT_BLESS=1` it is written anew. A case where the RFC asks for
//! something else has a [`Gap`], and is asserted as it is: it fails when that is
//! mended.

mod pipes;

#[path = "conformance/http1.rs"]
mod http1;
#[path = "conformance/http2.rs"]
mod http2;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use kit_serve::{Incoming, serve};
use pipes::{Net, settle, start};
use std::{
    convert::Infallible,
    fmt::{self, Write as _},
    future::pending,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    task::yield_now,
    time::timeout,
};

use self::After::{Closed, Open, Waits};

// ----- cases

/// How it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// Both ways, to the same effect.
    Any,
    AtOnce,
    ByteByByte,
}

/// What becomes of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// It serves one more request.
    Open,
    /// The server ends it.
    Closed,
    /// One more request is not taken for one, since something is owed yet.
    Waits,
}

/// Where the RFC asks for something else.
#[derive(Debug, Clone, Copy)]
enum Gap {
    /// hyper or h2 settle it before kit-serve sees the request.
    Parser(&'static str),
    /// kit-serve does it so on purpose.
    Choice(&'static str),
}

const HTTPS: Gap =
    Gap::Choice("MUST be refused unless a gateway in front ended TLS: that is not known");

impl Pace {
    /// Of how many bytes the pieces of so many are: of one, or more where there
    /// are so many that it would take long.
    fn pieces(self, length: usize) -> Vec<usize> {
        let small = 1 + length / 4_000;
        match self {
            Self::Any => vec![usize::MAX, small],
            Self::AtOnce => vec![usize::MAX],
            Self::ByteByByte => vec![small],
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Any => "",
            Self::AtOnce => ", at once",
            Self::ByteByByte => ", byte by byte",
        }
    }
}

// ----- the service

/// A request as the service saw it.
#[derive(Debug, Clone)]
struct Heard {
    head: String,
    body: Vec<u8>,
    trailers: String,
    end: &'static str,
}

type Log = Arc<Mutex<Vec<Heard>>>;

impl fmt::Display for Heard {
    /// The method, the target, the field `x`, the body, the trailers, and how it
    /// ended where that was not well.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.head)?;
        if !self.body.is_empty() {
            write!(f, " {}", self.body.escape_ascii())?;
        }
        f.write_str(&self.trailers)?;
        f.write_str(self.end)
    }
}

impl Heard {
    fn new(request: &Request<Incoming>) -> Self {
        let uri = request.uri();
        let target = match uri.path_and_query() {
            // HTTP/2 has the host in it.
            Some(path) if request.version() == Version::HTTP_2 => path.to_string(),
            _ => uri.to_string(),
        };
        let mut head = format!("{} {target}", request.method());
        if let Some(value) = request.headers().get("x") {
            write!(head, " x={}", value.as_bytes().escape_ascii()).unwrap();
        }
        Self { head, body: Vec::new(), trailers: String::new(), end: " <more>" }
    }
}

/// Notes the request; 400 is its answer to a body that is broken.
async fn answer(request: Request<Incoming>, log: Log) -> Result<Response<Full<Bytes>>, Infallible> {
    let at = {
        let mut log = log.lock().unwrap();
        log.push(Heard::new(&request));
        log.len() - 1
    };
    let change = |change: &dyn Fn(&mut Heard)| change(&mut log.lock().unwrap()[at]);
    let mut reply = Response::new(Full::from("ok"));
    match request.uri().path() {
        "/hold" => {
            change(&|heard| heard.end = " <held>");
            pending::<()>().await;
        }
        "/unread" => change(&|heard| heard.end = " <unread>"),
        _ => {
            let mut body = request.into_body();
            let mut end = "";
            while let Some(frame) = body.frame().await {
                let Ok(frame) = frame else {
                    end = " <broken>";
                    *reply.status_mut() = StatusCode::BAD_REQUEST;
                    break;
                };
                change(&|heard| {
                    if let Some(data) = frame.data_ref() {
                        heard.body.extend_from_slice(data);
                    }
                    for (name, value) in frame.trailers_ref().into_iter().flatten() {
                        let value = value.as_bytes().escape_ascii();
                        write!(heard.trailers, " +{name}={value}").unwrap();
                    }
                });
            }
            change(&|heard| heard.end = end);
        }
    }
    Ok(reply)
}

// ----- the client

/// How long is waited for an answer, by a clock that is paused: less than any
/// time-out of the server.
const PATIENCE: Duration = Duration::from_secs(2);

/// What came of what was sent.
struct Came {
    bytes: Vec<u8>,
    after: After,
    served: Vec<String>,
}

/// Reads until nothing comes any more, and says whether that is the end.
async fn read(pipe: &mut DuplexStream, bytes: &mut Vec<u8>) -> bool {
    loop {
        match timeout(PATIENCE, pipe.read_buf(bytes)).await {
            Ok(Ok(0) | Err(_)) => return true,
            Ok(Ok(_)) => {}
            Err(_) => return false,
        }
    }
}

/// A request whose target is too long to be listed, and how long it is.
const LONG: &str = "GET of 8,000 bytes";
const LONG_LENGTH: usize = 8_004;

/// Each request, where they are few and short.
fn listed(log: &Log) -> Vec<String> {
    let mut served: Vec<_> = log.lock().unwrap().iter().map(Heard::to_string).collect();
    if served.len() > 100 && served.iter().all(|request| *request == served[0]) {
        return vec![format!("{} times {}", served.len(), served[0])];
    }
    for request in &mut served {
        if request.len() == LONG_LENGTH {
            LONG.clone_into(request);
        }
    }
    served
}

/// Sends this in pieces of so many bytes, then a request, to a new server.
async fn talk(steps: &[Vec<u8>], piece: usize, probe: &[u8]) -> Came {
    let (net, pipes) = Net::new();
    let log = Log::default();
    let heard = Arc::clone(&log);
    let service = tower::service_fn(move |request| answer(request, Arc::clone(&heard)));
    let (_handle, running) = start(serve(pipes, service));
    // Wide enough that whoever writes never waits.
    let mut pipe = net.connect_through(2 << 20);
    for step in steps {
        for piece in step.chunks(piece) {
            // It may be closed already.
            _ = pipe.write_all(piece).await;
            yield_now().await;
        }
        settle().await;
    }
    let mut bytes = Vec::new();
    let is_end = read(&mut pipe, &mut bytes).await;
    let served = listed(&log);
    let before = log.lock().unwrap().len();
    _ = pipe.write_all(probe).await;
    let mut more = Vec::new();
    read(&mut pipe, &mut more).await;
    let is_served = {
        let log = log.lock().unwrap();
        assert!(log.iter().all(|heard| !heard.head.contains("/smuggled")), "{log:?}");
        log.len() == before + 1 && log[before].to_string() == "GET /probe"
    };
    // Nor is the rest of it taken for a request when nothing more can come.
    _ = pipe.shutdown().await;
    read(&mut pipe, &mut more).await;
    running.abort();
    let served_later = log.lock().unwrap().len() - before;
    assert_eq!(served_later, usize::from(is_served), "{:?}", listed(&log));
    let after = match (is_end, is_served) {
        (true, false) => Closed,
        (false, true) => Open,
        (false, false) => Waits,
        (true, true) => panic!("it is closed, and serves"),
    };
    Came { bytes, after, served }
}

/// The statuses of replies, whose bodies have none.
fn statuses(bytes: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(bytes);
    let replies = text.split("HTTP/1.").skip(1);
    replies.map(|reply| reply[2..5].parse().unwrap()).collect()
}

// ----- the book

const BEGIN: &str =
    "<!-- what follows is written by kit-transport/serve/tests/conformance.rs -->\n";

/// A line of a table.
struct Line {
    rfc: &'static str,
    what: String,
    result: String,
    /// Each request as the service saw it: see [`Heard`].
    served: &'static [&'static str],
    gap: Option<Gap>,
}

fn result(said: &[String], after: After) -> String {
    let said = if said.is_empty() { "nothing".to_owned() } else { said.join(", ") };
    let after = match after {
        Open => "open",
        Closed => "closed",
        Waits => "waits",
    };
    format!("{said}; {after}")
}

fn tables() -> Vec<(&'static str, Vec<Line>)> {
    http1::tables().chain(http2::tables()).collect()
}

const PARSER: &str = "\
hyper, h2 and the parsers under them settle these before kit-serve sees a request, so that they
can't be mended from outside. Most are the code of a GOAWAY. Where the end of a chunked body is
read otherwise than a lax proxy in front might read it, what follows is swallowed and not served.";
const CHOICE: &str = "Where kit-serve is stricter, or can't know.";

/// The lists as they are in the book.
fn lists() -> String {
    let tables = tables();
    let all = || tables.iter().flat_map(|(name, lines)| lines.iter().map(move |line| (name, line)));
    let gaps = all().filter(|(_, line)| line.gap.is_some()).count();
    let mut text =
        format!("\n{} cases, of which {gaps} differ from what the RFC asks for.\n", all().count());
    let kinds: [(&str, &str, fn(Gap) -> Option<&'static str>); 2] = [
        ("What hyper's own parser rules out", PARSER, |gap| match gap {
            Gap::Parser(why) => Some(why),
            Gap::Choice(_) => None,
        }),
        ("What kit-serve does on purpose", CHOICE, |gap| match gap {
            Gap::Choice(why) => Some(why),
            Gap::Parser(_) => None,
        }),
    ];
    for (title, intro, why) in kinds {
        let mut of_kind =
            all().filter_map(|(name, line)| Some((name, line, why(line.gap?)?))).peekable();
        if of_kind.peek().is_none() {
            continue;
        }
        write!(
            text,
            "\n## {title}\n\n{intro}\n\n| RFC | case | result | and the RFC |\n|---|---|---|---|\n"
        )
        .unwrap();
        for (name, Line { rfc, what, result, .. }, why) in of_kind {
            writeln!(text, "| {rfc} | {name}: {what} | {result} | {why} |").unwrap();
        }
    }
    for (name, lines) in &tables {
        write!(text, "\n## {name}\n\n| RFC | case | result |\n|---|---|---|\n").unwrap();
        for Line { rfc, what, result, gap, .. } in lines {
            let mark = if gap.is_some() { " (differs)" } else { "" };
            writeln!(text, "| {rfc} | {what} | {result}{mark} |").unwrap();
        }
    }
    text
}

#[test]
fn the_book_lists_each_case_and_each_gap() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/conformance.md");
    // The crate alone has no book.
    if !page.parent().is_some_and(Path::exists) {
        return;
    }
    let text = std::fs::read_to_string(&page).unwrap();
    let (intro, listed) = text.split_once(BEGIN).expect("the line before the lists");
    let lists = lists();
    if std::env::var_os("KIT_BLESS").is_some_and(|bless| bless == "1") {
        std::fs::write(&page, [intro, BEGIN, &lists].concat()).unwrap();
        return;
    }
    let wrong = listed.lines().zip(lists.lines()).find(|(listed, line)| listed != line);
    assert!(
        listed == lists,
        "KIT_BLESS=1 writes docs/src/conformance.md anew; the first: {wrong:?}"
    );
    let gaps =
        tables().iter().flat_map(|(_, lines)| lines).filter(|line| line.gap.is_some()).count();
    assert_eq!(listed.matches(" (differs) |").count(), gaps);
}

#[test]
fn no_request_that_is_hidden_in_another_is_a_gap() {
    let tables = tables();
    let served = tables.iter().flat_map(|(_, lines)| lines).flat_map(|line| line.served);
    for request in served {
        let target = request.split(' ').nth(1);
        assert!(target.is_none_or(|target| !target.contains("smuggled")), "{request}");
    }
}
