use http::{HeaderMap, HeaderName, StatusCode};
use std::{fmt, str::FromStr};

/// The kinds of failure, the same over every transport.
///
/// The first sixteen are gRPC's codes, with gRPC's meaning; the last five are
/// told apart only by HTTP. Whoever answers a failure asks its kind and
/// nothing else: the HTTP status, the gRPC code, the label of a metric and the
/// judgement of a breaker all come from here.
///
/// | kind | HTTP | gRPC |
/// |---|---|---|
/// | `Cancelled` | 499 | 1 `CANCELLED` |
/// | `Unknown` | 500 | 2 `UNKNOWN` |
/// | `InvalidArgument` | 400 | 3 `INVALID_ARGUMENT` |
/// | `DeadlineExceeded` | 504 | 4 `DEADLINE_EXCEEDED` |
/// | `NotFound` | 404 | 5 `NOT_FOUND` |
/// | `AlreadyExists` | 409 | 6 `ALREADY_EXISTS` |
/// | `PermissionDenied` | 403 | 7 `PERMISSION_DENIED` |
/// | `ResourceExhausted` | 429 | 8 `RESOURCE_EXHAUSTED` |
/// | `FailedPrecondition` | 400 | 9 `FAILED_PRECONDITION` |
/// | `Aborted` | 409 | 10 `ABORTED` |
/// | `OutOfRange` | 400 | 11 `OUT_OF_RANGE` |
/// | `Unimplemented` | 501 | 12 `UNIMPLEMENTED` |
/// | `Internal` | 500 | 13 `INTERNAL` |
/// | `Unavailable` | 503 | 14 `UNAVAILABLE` |
/// | `DataLoss` | 500 | 15 `DATA_LOSS` |
/// | `Unauthenticated` | 401 | 16 `UNAUTHENTICATED` |
/// | `MethodNotAllowed` | 405 | 12 `UNIMPLEMENTED` |
/// | `NotAcceptable` | 406 | 3 `INVALID_ARGUMENT` |
/// | `UnsupportedMediaType` | 415 | 3 `INVALID_ARGUMENT` |
/// | `PreconditionFailed` | 412 | 9 `FAILED_PRECONDITION` |
/// | `PayloadTooLarge` | 413 | 8 `RESOURCE_EXHAUSTED` |
///
/// The statuses of gRPC's codes are those that google.rpc publishes
/// (`google/rpc/code.proto`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The caller took its request back.
    Cancelled,
    /// A failure about which nothing is known.
    Unknown,
    /// The request is wrong, whatever the state of the system.
    InvalidArgument,
    /// The deadline passed first.
    DeadlineExceeded,
    /// The thing asked for does not exist.
    NotFound,
    /// The thing to be made exists already.
    AlreadyExists,
    /// The caller is known and may not do this.
    PermissionDenied,
    /// The caller has used up its share.
    ResourceExhausted,
    /// The system is not in the state that the request needs.
    FailedPrecondition,
    /// The request lost against another; it may be tried again from the start.
    Aborted,
    /// The request goes past the end of what there is.
    OutOfRange,
    /// The service does not do this.
    Unimplemented,
    /// A bug, or a fault of the service that is nobody else's business.
    Internal,
    /// The service cannot answer now; another try may succeed.
    Unavailable,
    /// Data is lost or damaged beyond repair.
    DataLoss,
    /// The caller is not known.
    Unauthenticated,
    /// The resource exists and does not take this HTTP method.
    MethodNotAllowed,
    /// There is no representation that the caller accepts.
    NotAcceptable,
    /// The body is of a type that is not read here.
    UnsupportedMediaType,
    /// A condition that the caller set does not hold.
    PreconditionFailed,
    /// The body is larger than what is taken.
    PayloadTooLarge,
}

/// The name is not that of a [`Kind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownKind(());

// ===== impl Kind =====

impl Kind {
    /// Every kind, in the order of its declaration.
    pub const ALL: [Self; 21] = [
        Self::Cancelled,
        Self::Unknown,
        Self::InvalidArgument,
        Self::DeadlineExceeded,
        Self::NotFound,
        Self::AlreadyExists,
        Self::PermissionDenied,
        Self::ResourceExhausted,
        Self::FailedPrecondition,
        Self::Aborted,
        Self::OutOfRange,
        Self::Unimplemented,
        Self::Internal,
        Self::Unavailable,
        Self::DataLoss,
        Self::Unauthenticated,
        Self::MethodNotAllowed,
        Self::NotAcceptable,
        Self::UnsupportedMediaType,
        Self::PreconditionFailed,
        Self::PayloadTooLarge,
    ];

    /// Says whether the service, not the caller, is at fault.
    ///
    /// Faults of the service count for a breaker, are logged as errors, and
    /// do not show the caller what they say. `Unimplemented` is the caller's:
    /// who asks for what is not there must not open a circuit for others.
    #[must_use]
    pub const fn is_server(self) -> bool {
        matches!(
            self,
            Self::Unknown
                | Self::DeadlineExceeded
                | Self::Internal
                | Self::Unavailable
                | Self::DataLoss
        )
    }

    /// Returns the name: gRPC's for gRPC's codes, and in the same spelling
    /// for the others (`"NOT_FOUND"`, `"PAYLOAD_TOO_LARGE"`).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cancelled => "CANCELLED",
            Self::Unknown => "UNKNOWN",
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::NotFound => "NOT_FOUND",
            Self::AlreadyExists => "ALREADY_EXISTS",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::FailedPrecondition => "FAILED_PRECONDITION",
            Self::Aborted => "ABORTED",
            Self::OutOfRange => "OUT_OF_RANGE",
            Self::Unimplemented => "UNIMPLEMENTED",
            Self::Internal => "INTERNAL",
            Self::Unavailable => "UNAVAILABLE",
            Self::DataLoss => "DATA_LOSS",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::MethodNotAllowed => "METHOD_NOT_ALLOWED",
            Self::NotAcceptable => "NOT_ACCEPTABLE",
            Self::UnsupportedMediaType => "UNSUPPORTED_MEDIA_TYPE",
            Self::PreconditionFailed => "PRECONDITION_FAILED",
            Self::PayloadTooLarge => "PAYLOAD_TOO_LARGE",
        }
    }

    /// Returns what a caller may be told of a failure of which nothing else
    /// may be said.
    #[must_use]
    pub const fn phrase(self) -> &'static str {
        match self {
            Self::Cancelled => "the request was cancelled",
            Self::Unknown | Self::Internal => "internal error",
            Self::InvalidArgument => "invalid request",
            Self::DeadlineExceeded => "deadline exceeded",
            Self::NotFound => "not found",
            Self::AlreadyExists => "already exists",
            Self::PermissionDenied => "permission denied",
            Self::ResourceExhausted => "too many requests",
            Self::FailedPrecondition => "failed precondition",
            Self::Aborted => "aborted by a concurrent request",
            Self::OutOfRange => "out of range",
            Self::Unimplemented => "not implemented",
            Self::Unavailable => "service unavailable",
            Self::DataLoss => "data loss",
            Self::Unauthenticated => "not authenticated",
            Self::MethodNotAllowed => "method not allowed",
            Self::NotAcceptable => "no acceptable representation",
            Self::UnsupportedMediaType => "unsupported media type",
            Self::PreconditionFailed => "precondition failed",
            Self::PayloadTooLarge => "payload too large",
        }
    }

    /// Returns the HTTP status that answers a failure of this kind.
    ///
    /// # Panics
    ///
    /// Never: 499, the only status without a name, is a valid one.
    #[must_use]
    pub fn http_status(self) -> StatusCode {
        match self {
            // nginx's "client closed request": google.rpc maps CANCELLED to it.
            Self::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
            Self::InvalidArgument | Self::FailedPrecondition | Self::OutOfRange => {
                StatusCode::BAD_REQUEST
            }
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::PermissionDenied => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::AlreadyExists | Self::Aborted => StatusCode::CONFLICT,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            Self::Unknown | Self::Internal | Self::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unimplemented => StatusCode::NOT_IMPLEMENTED,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// Returns the gRPC code, 1 to 16, that answers a failure of this kind.
    #[must_use]
    pub const fn grpc_code(self) -> u8 {
        match self {
            Self::Cancelled => 1,
            Self::Unknown => 2,
            Self::InvalidArgument | Self::NotAcceptable | Self::UnsupportedMediaType => 3,
            Self::DeadlineExceeded => 4,
            Self::NotFound => 5,
            Self::AlreadyExists => 6,
            Self::PermissionDenied => 7,
            Self::ResourceExhausted | Self::PayloadTooLarge => 8,
            Self::FailedPrecondition | Self::PreconditionFailed => 9,
            Self::Aborted => 10,
            Self::OutOfRange => 11,
            Self::Unimplemented | Self::MethodNotAllowed => 12,
            Self::Internal => 13,
            Self::Unavailable => 14,
            Self::DataLoss => 15,
            Self::Unauthenticated => 16,
        }
    }

    /// Returns the kind of a gRPC code; of 0, OK, there is none.
    ///
    /// A code above 16 is [`Unknown`](Self::Unknown), as gRPC says.
    #[must_use]
    pub const fn from_grpc_code(code: u32) -> Option<Self> {
        Some(match code {
            0 => return None,
            1 => Self::Cancelled,
            3 => Self::InvalidArgument,
            4 => Self::DeadlineExceeded,
            5 => Self::NotFound,
            6 => Self::AlreadyExists,
            7 => Self::PermissionDenied,
            8 => Self::ResourceExhausted,
            9 => Self::FailedPrecondition,
            10 => Self::Aborted,
            11 => Self::OutOfRange,
            12 => Self::Unimplemented,
            13 => Self::Internal,
            14 => Self::Unavailable,
            15 => Self::DataLoss,
            16 => Self::Unauthenticated,
            _ => Self::Unknown,
        })
    }

    /// Reads the `grpc-status` of trailers, or of a head that has none to come:
    /// nothing if it is not there, `Ok` of OK. What is no code is
    /// [`Unknown`](Self::Unknown).
    ///
    /// ```
    /// use http::HeaderMap;
    /// use kit_endpoint::Kind;
    ///
    /// let mut trailers = HeaderMap::new();
    /// assert_eq!(Kind::from_grpc_status(&trailers), None);
    /// trailers.insert("grpc-status", "5".parse().unwrap());
    /// assert_eq!(Kind::from_grpc_status(&trailers), Some(Err(Kind::NotFound)));
    /// ```
    #[must_use]
    pub fn from_grpc_status(headers: &HeaderMap) -> Option<Result<(), Self>> {
        // Made once: it is looked up at the end of each call.
        static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

        let code = headers.get(&GRPC_STATUS)?;
        let code = code.to_str().ok().and_then(|code| code.parse().ok()).unwrap_or(u32::MAX);
        Some(Self::from_grpc_code(code).map_or(Ok(()), Err))
    }

    /// Returns the kind of an HTTP reply; of one below 400 there is none.
    ///
    /// This is for replies of strangers. A peer of ours names the exact kind
    /// in its problem details ([`Kind::from_str`]).
    #[must_use]
    pub fn from_http_status(status: StatusCode) -> Option<Self> {
        Some(match status.as_u16() {
            ..400 => return None,
            401 => Self::Unauthenticated,
            403 => Self::PermissionDenied,
            404 | 410 => Self::NotFound,
            405 => Self::MethodNotAllowed,
            406 => Self::NotAcceptable,
            408 | 504 => Self::DeadlineExceeded,
            409 => Self::Aborted,
            412 => Self::PreconditionFailed,
            413 => Self::PayloadTooLarge,
            415 => Self::UnsupportedMediaType,
            416 => Self::OutOfRange,
            423 | 424 | 428 => Self::FailedPrecondition,
            429 => Self::ResourceExhausted,
            499 => Self::Cancelled,
            400..500 => Self::InvalidArgument,
            501 => Self::Unimplemented,
            502 | 503 => Self::Unavailable,
            500..600 => Self::Internal,
            _ => Self::Unknown,
        })
    }

    /// Returns the kind of an HTTP reply to a gRPC call that is not gRPC: a
    /// proxy's, most often. gRPC's `http-grpc-status-mapping` says which.
    #[must_use]
    pub fn from_http_status_of_grpc(status: StatusCode) -> Self {
        match status.as_u16() {
            400 => Self::Internal,
            401 => Self::Unauthenticated,
            403 => Self::PermissionDenied,
            404 => Self::Unimplemented,
            429 | 502 | 503 | 504 => Self::Unavailable,
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    /// Reads a [name](Kind::name).
    fn from_str(name: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or(UnknownKind(()))
    }
}

// ===== impl UnknownKind =====

impl fmt::Display for UnknownKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the name of a kind of failure")
    }
}

impl std::error::Error for UnknownKind {}
