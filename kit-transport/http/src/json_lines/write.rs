use super::FAULT;
use crate::{
    EncodeError,
    stream::{
        WriteItems,
        fault::{millis_rounded_up, on_one_line, problem, unbuffered},
    },
};
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Response, header};
use serde::Serialize;
use std::time::Duration;

const JSON_LINES: HeaderValue = HeaderValue::from_static("application/jsonl");

/// Writes a stream of replies as JSON lines.
///
/// See the [module](super) for the format.
#[derive(Debug, Clone, Copy, Default)]
pub struct Writer(());

// ===== impl Writer =====

impl Writer {
    /// Writes each item as a line.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl<T: Serialize> WriteItems<T> for Writer {
    type Error = EncodeError;

    fn head(&self, headers: &mut HeaderMap) {
        headers.insert(header::CONTENT_TYPE, JSON_LINES);
        unbuffered(headers);
    }

    fn item(&self, item: T, out: &mut BytesMut) -> Result<(), EncodeError> {
        serde_json::to_writer(out.writer(), &item).map_err(EncodeError::new)?;
        // JSON that is written already, a `RawValue`, may have line breaks.
        on_one_line(out);
        if out.starts_with(FAULT) {
            // An item that looks like a fault: the space says that it is none.
            let line = out.split();
            out.put_u8(b' ');
            out.extend_from_slice(&line);
        }
        out.put_u8(b'\n');
        Ok(())
    }

    fn fault(&self, failure: &Response<Bytes>, wait: Option<Duration>, out: &mut BytesMut) {
        out.extend_from_slice(FAULT);
        problem(failure, out);
        if let Some(wait) = wait {
            let millis = millis_rounded_up(wait);
            out.extend_from_slice(format!(r#","retryAfterMs":{millis}"#).as_bytes());
        }
        out.extend_from_slice(b"}\n");
    }
}
