//! A server that echoes lines, and stops without losing one.
//!
//! `cargo run -p kit-run --example drain`, `nc localhost 7000`, then ctrl-c
//! here: who is connected may finish, for 10 s.

use kit_run::Group;
use std::{io, time::Duration};
use tokio::{
    io::copy,
    net::TcpListener,
    sync::{mpsc, watch},
};

/// Accepts until it is told to stop, then waits until all who came have left.
async fn serve(listener: TcpListener, mut stop: watch::Receiver<bool>) -> io::Result<()> {
    let (guest, mut gone) = mpsc::channel::<()>(1);
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (mut stream, _) = accepted?;
                let guest = guest.clone();
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    let _ = copy(&mut read, &mut write).await;
                    drop(guest);
                });
            }
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
    drop((listener, guest));
    gone.recv().await;
    Ok(())
}

fn group(listener: TcpListener) -> Group {
    let (stop, stopped) = watch::channel(false);
    Group::new()
        .actor("echo", serve(listener, stopped))
        .on_shutdown("drain", Duration::from_secs(1), async move {
            stop.send_replace(true);
        })
        .limit(Duration::from_secs(10))
        .on_event(|event| eprintln!("{event}"))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:7000").await?;
    group(listener).signals(kit_run::signals()?).run().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
        sync::oneshot,
    };

    #[tokio::test]
    async fn who_is_connected_may_finish() -> Result<(), Box<dyn std::error::Error>> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let asked = async { drop(stopped.await) };
        let running = tokio::spawn(group(listener).until(asked).run());

        let mut stream = TcpStream::connect(address).await?;
        let mut echoed = [0; 3];
        stream.write_all(b"one").await?;
        stream.read_exact(&mut echoed).await?;
        drop(stop);
        stream.write_all(b"two").await?;
        stream.read_exact(&mut echoed).await?;
        assert_eq!(&echoed, b"two");
        assert!(!running.is_finished());
        drop(stream);
        Ok(running.await??)
    }
}
