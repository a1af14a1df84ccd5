//! Lines that tell what was added, in datagrams.

use super::{
    Error,
    datagram::{Place, Socket},
    delta::{Deltas, Grown, Part},
};

/// Lines on their way into datagrams, none of them split.
pub(super) struct Lines<'a> {
    place: &'a Place,
    socket: Socket,
    most: usize,
    deltas: &'a mut Deltas,
    /// Lines that no datagram takes.
    dropped: &'a mut u64,
    datagram: String,
    /// What the datagram tells.
    tells: Vec<(&'a Grown<'a>, Part)>,
}

// ===== impl Lines =====

impl<'a> Lines<'a> {
    pub(super) async fn open(
        place: &'a Place,
        most: usize,
        deltas: &'a mut Deltas,
        dropped: &'a mut u64,
    ) -> Result<Self, Error> {
        let socket = place.open().await.map_err(Error::io(&place.to_string()))?;
        let (datagram, tells) = (String::with_capacity(most), Vec::new());
        Ok(Self { place, socket, most, deltas, dropped, datagram, tells })
    }

    /// Adds a line, and sends those before it if there is no room.
    pub(super) async fn add(
        &mut self,
        line: &str,
        grown: &'a Grown<'a>,
        part: Part,
    ) -> Result<(), Error> {
        if line.len() > self.most {
            // It will not be shorter the next time.
            *self.dropped += 1;
            self.deltas.told(grown, part);
            return Ok(());
        }
        if self.datagram.len() + 1 + line.len() > self.most {
            self.send().await?;
        }
        if !self.datagram.is_empty() {
            self.datagram.push('\n');
        }
        self.datagram.push_str(line);
        self.tells.push((grown, part));
        Ok(())
    }

    /// Sends what is left.
    pub(super) async fn send(&mut self) -> Result<(), Error> {
        if self.datagram.is_empty() {
            return Ok(());
        }
        let sent = self.socket.send(self.datagram.as_bytes()).await;
        sent.map_err(Error::io(&self.place.to_string()))?;
        self.datagram.clear();
        for (grown, part) in self.tells.drain(..) {
            self.deltas.told(grown, part);
        }
        Ok(())
    }
}
