use super::{
    CallError, ReceivedMetadata, Rejection,
    body::{Checked, drop_bad_details},
    watching::{Traffic, Watching},
};
use crate::too_large::TooLarge;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use http_body::Body;
use kit_transport::Observer;
use prost::Message;
use std::error::Error;
use tonic::{
    Code, Status, Streaming,
    codec::{Codec, CompressionEncoding, EnabledCompressionEncodings},
};
use tonic_prost::ProstCodec;

const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// What is the same for all calls of a client.
#[derive(Debug, Clone, Default)]
pub(super) struct Options {
    pub(super) send: Option<CompressionEncoding>,
    pub(super) accept: EnabledCompressionEncodings,
    /// The value of the header, made once.
    accept_header: Option<HeaderValue>,
    pub(super) max_encoding: Option<usize>,
    pub(super) max_decoding: Option<usize>,
}

/// How the reply of one call is to be opened.
#[derive(Debug)]
pub(super) struct Opening {
    accept: EnabledCompressionEncodings,
    max_decoding: Option<usize>,
    received: Option<ReceivedMetadata>,
    traffic: Option<Traffic>,
}

// ===== impl Options =====

impl Options {
    pub(super) fn accept(&mut self, encoding: CompressionEncoding) {
        self.accept.enable(encoding);
        let mut left = self.accept;
        let mut names = String::new();
        while let Some(encoding) = left.pop() {
            names += &encoding.to_string();
            names.push(',');
        }
        self.accept_header = HeaderValue::try_from(names + "identity").ok();
    }

    /// Writes which encodings are used.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        if let Some(Ok(name)) = self.send.map(|encoding| encoding.to_string().try_into()) {
            headers.insert(ENCODING, name);
        }
        if let Some(accept) = &self.accept_header {
            headers.insert(ACCEPT_ENCODING, accept.clone());
        }
    }

    pub(super) fn check(&self, message: &impl Message) -> Result<(), TooLarge> {
        match self.max_encoding {
            Some(limit) => TooLarge::request(message.encoded_len(), limit),
            None => Ok(()),
        }
    }

    pub(super) const fn opening(
        &self,
        received: Option<ReceivedMetadata>,
        traffic: Option<Traffic>,
    ) -> Opening {
        Opening { accept: self.accept, max_decoding: self.max_decoding, received, traffic }
    }
}

// ===== impl Opening =====

impl Opening {
    /// Opens the messages of a reply. A head that is also its end has none:
    /// where there may be any number, that is a success like another.
    pub(super) fn open<B, R, O>(
        self,
        response: Response<B>,
        watch: &mut Watching<O>,
    ) -> Result<Option<Streaming<R>>, CallError>
    where
        O: Observer,
        B: Body<Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
        R: Message + Default + 'static,
    {
        let (mut parts, body) = response.into_parts();
        drop_bad_details(&mut parts.headers);
        let status = Status::from_header_map(&parts.headers);
        if let Some(received) = &self.received {
            match &status {
                Some(_) => received.tail(&parts.headers),
                None => received.head(&parts.headers),
            }
        }
        watch.after(parts.status, &mut parts.headers);
        if let Some(status) = status {
            return match status.code() {
                Code::Ok => Ok(None),
                _ => Err(Rejection::answered(status).into()),
            };
        }
        if parts.status != StatusCode::OK {
            return Err(Rejection::not_grpc(parts.status).into());
        }
        let content_type = parts.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        if !content_type.is_some_and(|value| value.starts_with(b"application/grpc")) {
            return Err(Rejection::not_grpc(parts.status).into());
        }
        let encoding = self.encoding(&parts.headers)?;
        let body = Checked::new(body, self.received, self.traffic);
        let decoder = ProstCodec::<R, R>::default().decoder();
        let limit = self.max_decoding;
        Ok(Some(Streaming::new_response(decoder, body, parts.status, encoding, limit)))
    }

    /// Reads how the messages are compressed. An encoding that was not asked
    /// for is the other side's fault (gRPC's `compression.md`).
    fn encoding(&self, headers: &HeaderMap) -> Result<Option<CompressionEncoding>, CallError> {
        let Some(name) = headers.get(ENCODING) else { return Ok(None) };
        if name == "identity" {
            return Ok(None);
        }
        let mut left = self.accept;
        while let Some(encoding) = left.pop() {
            if *name == *encoding.to_string() {
                return Ok(Some(encoding));
            }
        }
        Err(CallError::protocol(Code::Internal, "the reply is compressed, which was not asked for"))
    }
}

pub(super) fn no_message() -> CallError {
    CallError::protocol(Code::Internal, "the reply has no message")
}
