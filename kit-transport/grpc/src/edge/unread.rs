use http_body_util::LengthLimitError;
use kit_endpoint::{Fault, Kind};
use std::{error::Error, fmt, iter};
use tonic::{Code, Status};

/// A message that tonic could not read. It answers most of these as
/// `INTERNAL`, as though the service had failed.
#[derive(Debug)]
pub(crate) enum Unread {
    Missing,
    BrokenOff,
    Malformed(Box<str>),
    Unflagged,
    TooLarge(Box<str>),
}

/// A method that the server does not have.
#[derive(Debug)]
pub(super) struct UnknownMethod;

// ===== impl Unread =====

impl Unread {
    /// Recognizes what tonic says when it cannot read a request. Nothing but
    /// its words sets this apart from what a handler says.
    pub(crate) fn of(status: &Status) -> Option<Self> {
        // The same words about the reply of another service, which a handler
        // passed on: tonic's client adds the metadata of that reply.
        if !status.metadata().is_empty() {
            return None;
        }
        let text = status.message();
        match status.code() {
            Code::Internal => Self::of_internal(text),
            Code::OutOfRange => text
                .strip_prefix("Error, decoded message length too large: ")
                .map(|text| Self::TooLarge(text.into())),
            Code::ResourceExhausted => {
                text.strip_prefix("Error decompressing: ").map(|text| Self::TooLarge(text.into()))
            }
            // A limit on the whole body, around the server.
            Code::Unknown => iter::successors(status.source(), |error| (*error).source())
                .find(|error| error.is::<LengthLimitError>())
                .map(|error| Self::TooLarge(error.to_string().into())),
            _ => None,
        }
    }

    fn of_internal(text: &str) -> Option<Self> {
        match text {
            "Missing request message." => return Some(Self::Missing),
            "Unexpected EOF decoding stream." => return Some(Self::BrokenOff),
            _ => {}
        }
        if let Some(text) = text.strip_prefix("protocol error: ") {
            if text.contains("compressed-flag but no grpc-encoding") {
                return Some(Self::Unflagged);
            }
            let ours = text.starts_with("received message with invalid compression flag");
            return ours.then(|| Self::Malformed(text.into()));
        }
        text.strip_prefix("failed to decode Protobuf message: ")
            .or_else(|| text.strip_prefix("Error decompressing: "))
            .map(|text| Self::Malformed(text.into()))
    }

    /// Says whether the code on the wire has to be another than tonic's. For
    /// a flag without an encoding gRPC's `compression.md` asks for `INTERNAL`.
    pub(super) const fn is_misnamed(&self) -> bool {
        !matches!(self, Self::Unflagged)
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("the request has no message: send one"),
            Self::BrokenOff => {
                f.write_str("the message breaks off: send as many bytes as its frame says")
            }
            Self::Malformed(text) => write!(f, "cannot read the message: {text}"),
            Self::Unflagged => {
                f.write_str("the message is flagged as compressed: name its grpc-encoding")
            }
            Self::TooLarge(text) => write!(f, "the message is too large: {text}"),
        }
    }
}

impl Error for Unread {}

impl Fault for Unread {
    fn kind(&self) -> Kind {
        match self {
            Self::TooLarge(_) => Kind::PayloadTooLarge,
            _ => Kind::InvalidArgument,
        }
    }
}

// ===== impl UnknownMethod =====

impl fmt::Display for UnknownMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such method: list them by reflection")
    }
}

impl Error for UnknownMethod {}

impl Fault for UnknownMethod {
    fn kind(&self) -> Kind {
        Kind::Unimplemented
    }

    fn refused(&self) -> bool {
        true
    }
}
