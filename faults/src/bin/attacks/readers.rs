//! Backpressure: 200 peers ask for 64 MiB each, and read none of it, or a
//! little. They are looked at before the time-out of a reply ends them.

use crate::{
    floods::{END_HEADERS, END_STREAM, GET, HEADERS, SETTINGS, WINDOW_UPDATE, block, frame},
    serve::{megabytes, probe, start},
};
use kit_faults::{BoxError, server::Server, table::Table};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::sleep,
};

const READERS: usize = 200;
const READERS_F: f64 = 200.0;
/// The most that they may take more, the longer they stay, in MB. What each has
/// from the start is a part or some of the service's, which are of 64 KiB here.
const MOST: f64 = 1.0;

pub(crate) async fn run(table: &mut Table) -> Result<(), BoxError> {
    for (which, name) in [("kit", "kit_serve"), ("axum", "axum::serve")] {
        for http2 in [false, true] {
            let server = start(which)?;
            for _ in 0..20 {
                probe(server.address).await?;
            }
            let [idle, _] = server.memory()?;
            let mut readers = JoinSet::new();
            for _ in 0..READERS {
                let stream = connect(&server).await?;
                if http2 {
                    readers.spawn(over_http2(stream));
                } else {
                    readers.spawn(over_http1(stream));
                }
            }
            sleep(Duration::from_secs(2)).await;
            let [early, _] = server.memory()?;
            sleep(Duration::from_secs(6)).await;
            let [late, peak] = server.memory()?;
            drop(readers);
            let protocol = if http2 { "HTTP/2" } else { "HTTP/1.1" };
            let fault = format!("{READERS} slow readers of 64 MiB over {protocol}, {name}");
            let [early, late] = [early, late].map(|now| megabytes(now.saturating_sub(idle)));
            let peak = megabytes(peak - idle);
            let each = peak * 1e3 / READERS_F;
            let measured = format!("{peak:.1} MB, {each:.0} KB each");
            table.row(&fault, "peak of memory above idle", measured, "shown", true);
            let what = "memory that they take more after 8 s than after 2 s";
            if which == "kit" {
                table.most(&fault, what, late - early, MOST, "MB");
            } else {
                table.row(&fault, what, format!("{:.1} MB", late - early), "shown", true);
            }
        }
    }
    Ok(())
}

/// Connects with as small a buffer as there is.
async fn connect(server: &Server) -> Result<TcpStream, BoxError> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4096)?;
    Ok(socket.connect(server.address).await?)
}

/// Reads a kilobyte each second.
async fn over_http1(mut stream: TcpStream) -> Result<(), BoxError> {
    stream.write_all(b"GET /large HTTP/1.1\r\nhost: localhost\r\n\r\n").await?;
    let mut part = [0; 1024];
    loop {
        if stream.read(&mut part).await? == 0 {
            return Ok(());
        }
        sleep(Duration::from_secs(1)).await;
    }
}

/// With windows as large as they can be, so that only TCP's holds it back; it
/// reads nothing.
async fn over_http2(mut stream: TcpStream) -> Result<(), BoxError> {
    let windows = [&[0, 4][..], &0x7fff_ffff_u32.to_be_bytes()].concat();
    let ask = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(SETTINGS, 0, 0, &windows),
        frame(WINDOW_UPDATE, 0, 0, &0x7fff_0000_u32.to_be_bytes()),
        frame(HEADERS, END_STREAM | END_HEADERS, 1, &block(GET, "/large")),
    ];
    stream.write_all(&ask.concat()).await?;
    std::future::pending().await
}
