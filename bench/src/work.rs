//! The work.

use crate::slow_down;
use bytes::Bytes;
use kit_endpoint::{Fault, Kind};
use std::{
    pin::Pin,
    task::{Context, Poll},
};
use tokio_stream::Stream;

/// The largest body that either side takes, in bytes.
pub const LIMIT: usize = 2 << 20;

/// Asks for a greeting.
#[derive(Debug, serde::Deserialize, serde::Serialize)]
pub struct Hello {
    /// Whom to greet.
    pub name: String,
}

/// A greeting.
#[derive(Debug, serde::Deserialize, serde::Serialize)]
pub struct Greeting {
    /// What it says.
    pub greeting: String,
}

/// There is nobody to greet.
#[derive(Debug, thiserror::Error)]
#[error("the name is empty")]
pub struct EmptyName;

/// Greets the same name again and again.
#[derive(Debug)]
pub struct Many {
    name: String,
    left: u32,
}

impl Fault for EmptyName {
    fn kind(&self) -> Kind {
        Kind::InvalidArgument
    }
}

/// The work: the same function on both sides.
///
/// # Errors
///
/// Fails if the name is empty.
pub fn greeting(name: &str) -> Result<Greeting, EmptyName> {
    slow_down();
    if name.is_empty() {
        Err(EmptyName)
    } else {
        Ok(Greeting { greeting: format!("Hello, {name}!") })
    }
}

/// The same, as a handler.
///
/// # Errors
///
/// Fails if the name is empty.
pub async fn greet(hello: Hello) -> Result<Greeting, EmptyName> {
    greeting(&hello.name)
}

/// The work on a body: none, so that all there is to see is the transport.
pub async fn echo(body: Bytes) -> Bytes {
    slow_down();
    body
}

// ===== impl Many =====

impl Many {
    /// Greets `name` so many `times`.
    #[must_use]
    pub const fn new(name: String, times: u32) -> Self {
        Self { name, left: times }
    }
}

impl Stream for Many {
    type Item = Result<Greeting, EmptyName>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(left) = self.left.checked_sub(1) else { return Poll::Ready(None) };
        self.left = left;
        Poll::Ready(Some(greeting(&self.name)))
    }
}
