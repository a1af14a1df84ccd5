//! The maps of kinds, written out: whoever changes one sees it here.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use http::StatusCode;
use kit_endpoint::Kind;
use std::collections::HashSet;

/// Kind, name, HTTP status, gRPC code.
const OUT: [(Kind, &str, u16, u8); 21] = [
    (Kind::Cancelled, "CANCELLED", 499, 1),
    (Kind::Unknown, "UNKNOWN", 500, 2),
    (Kind::InvalidArgument, "INVALID_ARGUMENT", 400, 3),
    (Kind::DeadlineExceeded, "DEADLINE_EXCEEDED", 504, 4),
    (Kind::NotFound, "NOT_FOUND", 404, 5),
    (Kind::AlreadyExists, "ALREADY_EXISTS", 409, 6),
    (Kind::PermissionDenied, "PERMISSION_DENIED", 403, 7),
    (Kind::ResourceExhausted, "RESOURCE_EXHAUSTED", 429, 8),
    (Kind::FailedPrecondition, "FAILED_PRECONDITION", 400, 9),
    (Kind::Aborted, "ABORTED", 409, 10),
    (Kind::OutOfRange, "OUT_OF_RANGE", 400, 11),
    (Kind::Unimplemented, "UNIMPLEMENTED", 501, 12),
    (Kind::Internal, "INTERNAL", 500, 13),
    (Kind::Unavailable, "UNAVAILABLE", 503, 14),
    (Kind::DataLoss, "DATA_LOSS", 500, 15),
    (Kind::Unauthenticated, "UNAUTHENTICATED", 401, 16),
    (Kind::MethodNotAllowed, "METHOD_NOT_ALLOWED", 405, 12),
    (Kind::NotAcceptable, "NOT_ACCEPTABLE", 406, 3),
    (Kind::UnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", 415, 3),
    (Kind::PreconditionFailed, "PRECONDITION_FAILED", 412, 9),
    (Kind::PayloadTooLarge, "PAYLOAD_TOO_LARGE", 413, 8),
];

#[test]
fn every_kind_goes_out_as_the_table_says() {
    assert_eq!(Kind::ALL.to_vec(), OUT.map(|(kind, ..)| kind).to_vec());
    for (kind, name, status, code) in OUT {
        assert_eq!(kind.name(), name);
        assert_eq!(kind.to_string(), name);
        assert_eq!(kind.http_status().as_u16(), status, "{kind}");
        assert_eq!(kind.grpc_code(), code, "{kind}");
    }
}

#[test]
fn display_pads() {
    assert_eq!(format!("[{:>10}]", Kind::Aborted), "[   ABORTED]");
}

#[test]
fn between_kit_peers_the_name_keeps_the_kind() {
    let mut names = HashSet::new();
    for kind in Kind::ALL {
        assert_eq!(kind.name().parse(), Ok(kind));
        assert!(names.insert(kind.name()), "{kind} is there twice");
    }
    for wrong in ["", "OK", "cancelled", "CANCELED", " INTERNAL", "INTERNAL ", "Internal"] {
        let error = wrong.parse::<Kind>().expect_err(wrong);
        assert_eq!(error.to_string(), "not the name of a kind of failure");
    }
}

#[test]
fn grpc_codes_come_in_one_to_one() {
    assert_eq!(Kind::from_grpc_code(0), None);
    for (code, (kind, ..)) in (1..=16).zip(OUT) {
        assert_eq!(Kind::from_grpc_code(code), Some(kind));
        assert_eq!(u32::from(kind.grpc_code()), code);
    }
    for code in [17, 99, u32::MAX] {
        assert_eq!(Kind::from_grpc_code(code), Some(Kind::Unknown));
    }
}

/// What a stranger's status means, where it is not that of its class.
const IN: [(u16, Kind); 22] = [
    (401, Kind::Unauthenticated),
    (403, Kind::PermissionDenied),
    (404, Kind::NotFound),
    (405, Kind::MethodNotAllowed),
    (406, Kind::NotAcceptable),
    (408, Kind::DeadlineExceeded),
    (409, Kind::Aborted),
    (410, Kind::NotFound),
    (412, Kind::PreconditionFailed),
    (413, Kind::PayloadTooLarge),
    (415, Kind::UnsupportedMediaType),
    (416, Kind::OutOfRange),
    (423, Kind::FailedPrecondition),
    (424, Kind::FailedPrecondition),
    (428, Kind::FailedPrecondition),
    (429, Kind::ResourceExhausted),
    (499, Kind::Cancelled),
    (501, Kind::Unimplemented),
    (502, Kind::Unavailable),
    (503, Kind::Unavailable),
    (504, Kind::DeadlineExceeded),
    (500, Kind::Internal),
];

#[test]
fn every_http_status_comes_in_as_the_table_says() {
    for code in 100..=999 {
        let expected = match IN.iter().find(|(status, _)| *status == code) {
            Some((_, kind)) => Some(*kind),
            None => match code {
                ..400 => None,
                400..500 => Some(Kind::InvalidArgument),
                500..600 => Some(Kind::Internal),
                600.. => Some(Kind::Unknown),
            },
        };
        let status = StatusCode::from_u16(code).unwrap();
        assert_eq!(Kind::from_http_status(status), expected, "{code}");
    }
}

#[test]
fn whose_fault_it_is_survives_http() {
    for kind in Kind::ALL {
        let back = Kind::from_http_status(kind.http_status()).expect("a failure");
        assert_eq!(back.is_server(), kind.is_server(), "{kind} came back as {back}");
    }
}

/// gRPC's `http-grpc-status-mapping.md`.
#[test]
fn a_reply_that_is_not_grpc_is_read_as_grpc_says() {
    for code in 100..=999 {
        let expected = match code {
            400 => Kind::Internal,
            401 => Kind::Unauthenticated,
            403 => Kind::PermissionDenied,
            404 => Kind::Unimplemented,
            429 | 502 | 503 | 504 => Kind::Unavailable,
            _ => Kind::Unknown,
        };
        let status = StatusCode::from_u16(code).unwrap();
        assert_eq!(Kind::from_http_status_of_grpc(status), expected, "{code}");
    }
}

#[test]
fn the_faults_of_the_service_are_these() {
    let server: Vec<_> = Kind::ALL.into_iter().filter(|kind| kind.is_server()).collect();
    assert_eq!(
        server,
        [Kind::Unknown, Kind::DeadlineExceeded, Kind::Internal, Kind::Unavailable, Kind::DataLoss]
    );
}

#[test]
fn a_phrase_tells_nothing_of_the_inside() {
    assert_eq!(Kind::Unknown.phrase(), Kind::Internal.phrase());
    for kind in Kind::ALL {
        let phrase = kind.phrase();
        assert!(!phrase.is_empty() && phrase.is_ascii(), "{kind}");
        assert_eq!(phrase, phrase.to_lowercase(), "{kind}");
    }
}
