//! Floods of HTTP/2 frames (RFC 9113, section 10.5): each against a server that
//! was just started, over four connections at once, anew when one is closed.

use crate::serve::{megabytes, probe, probed, start};
use kit_faults::{BoxError, server::Server, table::Table};
use std::{collections::BTreeMap, net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinSet,
    time::{Instant, timeout},
};

/// How long each lasts.
const LASTS: Duration = Duration::from_secs(4);
/// The most memory that one may cost, in MB over an idle server's.
const MOST: f64 = 20.0;

const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// What the `n`th round of a flood sends.
type Round = fn(u32) -> Vec<u8>;

/// What it is called, what it sends, and whether the attacker reads.
struct Flood {
    name: &'static str,
    round: Round,
    reads: bool,
}

const fn flood(name: &'static str, round: Round) -> Flood {
    Flood { name, round, reads: true }
}

const FLOODS: [Flood; 14] = [
    flood("rapid reset", rapid_reset),
    flood("CONTINUATION flood", continuation),
    flood("MadeYouReset, WINDOW_UPDATE of 0", made_you_reset),
    flood("MadeYouReset, window over 2^31-1", window_overflow),
    flood("MadeYouReset, DATA after the end", data_after_end),
    flood("more streams than are allowed", streams),
    flood("header bomb: one entry 8,000 times", header_bomb),
    flood("a header list of 1 MB", large_list),
    flood("empty DATA frames", empty_data),
    flood("PING flood", ping),
    Flood { reads: false, ..flood("PING flood, answers not read", ping) },
    flood("SETTINGS flood", settings),
    Flood { reads: false, ..flood("SETTINGS flood, answers not read", settings) },
    flood("PRIORITY flood", priority),
];

pub(crate) async fn run(table: &mut Table) -> Result<(), BoxError> {
    for flood in &FLOODS {
        let server = start("kit")?;
        for _ in 0..20 {
            probe(server.address).await?;
        }
        let [idle, _] = server.memory()?;
        let (ends, longest) = probed(&server, attack(&server, flood)).await?;
        let ends = ends?;
        let [_, peak] = server.memory()?;
        // It has not outlived the attack by luck.
        probe(server.address).await?;
        let fault = format!("HTTP/2, {}", flood.name);
        let said: Vec<_> = ends.iter().map(|(end, times)| format!("{end} ({times})")).collect();
        let said = if said.is_empty() { "not at all".to_owned() } else { said.join(", ") };
        let what = "connections end by (times)";
        table.row(&fault, what, said, "GOAWAY or reset", !ends.is_empty());
        table.most(&fault, "peak of memory above idle", megabytes(peak - idle), MOST, "MB");
        let longest = format!("{:.1} ms", longest.as_secs_f64() * 1e3);
        table.row(&fault, "others are answered in, at most", longest, "shown", true);
    }
    Ok(())
}

type Ends = BTreeMap<String, u64>;

async fn attack(server: &Server, flood: &Flood) -> Result<Ends, BoxError> {
    let (address, round, reads) = (server.address, flood.round, flood.reads);
    let until = Instant::now() + LASTS;
    let mut attackers = JoinSet::new();
    for _ in 0..4 {
        attackers.spawn(async move {
            let mut ends = Ends::new();
            while Instant::now() < until {
                let end = connection(address, round, reads, until).await;
                *ends.entry(end?).or_default() += 1;
            }
            ends.remove("");
            Ok::<_, BoxError>(ends)
        });
    }
    let mut all = Ends::new();
    while let Some(ends) = attackers.join_next().await {
        for (end, times) in ends?? {
            *all.entry(end).or_default() += times;
        }
    }
    Ok(all)
}

/// One connection of the attacker's; returns how it ended, or nothing.
async fn connection(
    address: SocketAddr,
    round: Round,
    reads: bool,
    until: Instant,
) -> Result<String, BoxError> {
    let (read, mut write) = TcpStream::connect(address).await?.into_split();
    let settings = frame(SETTINGS, 0, 0, &[]);
    write.write_all(&[&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &settings].concat()).await?;
    let end = if reads {
        let reading = tokio::spawn(told(read));
        let sent = send(&mut write, round, until).await;
        let limit = if sent { Duration::ZERO } else { Duration::from_secs(1) };
        match timeout(limit.max(Duration::from_millis(50)), reading).await {
            Ok(told) => told?,
            Err(_) => String::new(),
        }
    } else if send(&mut write, round, until).await {
        String::new()
    } else {
        "reset".to_owned()
    };
    Ok(end)
}

/// Sends round after round; says whether it could until the end.
async fn send(write: &mut OwnedWriteHalf, round: Round, until: Instant) -> bool {
    for n in 0.. {
        match tokio::time::timeout_at(until, write.write_all(&round(n))).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return false,
            Err(_) => return true,
        }
    }
    true
}

/// Reads frames until one says that it is over.
async fn told(mut read: OwnedReadHalf) -> String {
    let mut resets = BTreeMap::<u32, u64>::new();
    loop {
        let mut head = [0; 9];
        if read.read_exact(&mut head).await.is_err() {
            let worst = resets.iter().max_by_key(|(_, times)| **times);
            return match worst {
                Some((code, _)) => format!("RST_STREAM {}", name(*code)),
                None => "reset".to_owned(),
            };
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap_or(0)];
        if read.read_exact(&mut payload).await.is_err() {
            return "reset".to_owned();
        }
        let code = |at: usize| {
            let code = payload.get(at..at + 4).and_then(|code| code.try_into().ok());
            code.map_or(0, u32::from_be_bytes)
        };
        match head[3] {
            GOAWAY => return format!("GOAWAY {}", name(code(4))),
            RST_STREAM => *resets.entry(code(0)).or_default() += 1,
            _ => {}
        }
    }
}

/// RFC 9113, section 7.
fn name(code: u32) -> String {
    let names = [
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
    ];
    let name = usize::try_from(code).ok().and_then(|code| names.get(code));
    name.map_or_else(|| code.to_string(), |name| (*name).to_owned())
}

// ===== frames =====

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// `GET`, or `POST`, of a path, over http, of localhost.
pub(crate) fn block(method: u8, path: &str) -> Vec<u8> {
    let mut block = vec![0x80 | method, 0x86, 0x01, 9];
    block.extend(b"localhost");
    block.extend([0x04, u8::try_from(path.len()).unwrap_or(0)]);
    block.extend(path.as_bytes());
    block
}

pub(crate) const GET: u8 = 2;
const POST: u8 = 3;

/// The client's stream of a round, while there are numbers.
const fn stream(n: u32) -> u32 {
    (n * 2 + 1) & 0x7fff_ffff
}

fn rapid_reset(n: u32) -> Vec<u8> {
    let begin = frame(HEADERS, END_STREAM | END_HEADERS, stream(n), &block(GET, "/slow"));
    [begin, frame(RST_STREAM, 0, stream(n), &8_u32.to_be_bytes())].concat()
}

fn continuation(n: u32) -> Vec<u8> {
    if n == 0 {
        return frame(HEADERS, END_STREAM, 1, &block(GET, "/"));
    }
    // Fields without end, none of which is kept in the table.
    let field = [&[0x00, 1, b'a', 100][..], &[b'b'; 100]].concat();
    frame(CONTINUATION, 0, 1, &field.repeat(100))
}

fn made_you_reset(n: u32) -> Vec<u8> {
    let begin = frame(HEADERS, END_STREAM | END_HEADERS, stream(n), &block(GET, "/slow"));
    [begin, frame(WINDOW_UPDATE, 0, stream(n), &[0; 4])].concat()
}

fn window_overflow(n: u32) -> Vec<u8> {
    let begin = frame(HEADERS, END_STREAM | END_HEADERS, stream(n), &block(GET, "/slow"));
    [begin, frame(WINDOW_UPDATE, 0, stream(n), &0x7fff_ffff_u32.to_be_bytes())].concat()
}

fn data_after_end(n: u32) -> Vec<u8> {
    let begin = frame(HEADERS, END_STREAM | END_HEADERS, stream(n), &block(GET, "/slow"));
    [begin, frame(DATA, 0, stream(n), b"more")].concat()
}

fn streams(n: u32) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream(n), &block(GET, "/slow"))
}

/// 4 KiB come into the dynamic table, and then come again for a byte each.
fn header_bomb(n: u32) -> Vec<u8> {
    let mut block = block(GET, "/");
    // With a length of 3,900, by a prefix of seven bits (RFC 7541, section 5.1).
    block.extend([0x40, 1, b'x', 0x7f, 0xbd, 0x1d]);
    block.extend([b'y'; 3900]);
    block.extend([0xbe; 8000]);
    frame(HEADERS, END_STREAM | END_HEADERS, stream(n), &block)
}

fn large_list(n: u32) -> Vec<u8> {
    let field = [&[0x00, 1, b'a', 100][..], &[b'b'; 100]].concat();
    let mut frames = frame(HEADERS, END_STREAM, stream(n), &block(GET, "/"));
    for at in 0..70 {
        let flags = if at == 69 { END_HEADERS } else { 0 };
        frames.extend(frame(CONTINUATION, flags, stream(n), &field.repeat(150)));
    }
    frames
}

fn empty_data(n: u32) -> Vec<u8> {
    if n == 0 {
        return frame(HEADERS, END_HEADERS, 1, &block(POST, "/"));
    }
    frame(DATA, 0, 1, &[]).repeat(1000)
}

fn ping(_: u32) -> Vec<u8> {
    frame(PING, 0, 0, &[1; 8]).repeat(1000)
}

fn settings(_: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]).repeat(1000)
}

fn priority(_: u32) -> Vec<u8> {
    frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 9]).repeat(1000)
}
