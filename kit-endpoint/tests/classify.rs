//! Four judges of a result, and of an end.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use http::{HeaderMap, HeaderValue, Response};
use kit_endpoint::{
    AnyError, AsGrpc, AsHttp, Classify, ClassifyEnd, Fault, GrpcStatus, HttpStatus, Judgement,
    Kind, ServerFaults,
};
use std::time::Duration;

#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
struct Failed {
    kind: Kind,
    refused: bool,
}

impl Fault for Failed {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn refused(&self) -> bool {
        self.refused
    }
}

const ENDED: Result<Option<&HeaderMap>, &Failed> = Ok(None);

fn trailers(status: &str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_str(status).unwrap());
    trailers
}

fn reply(http: u16, grpc: Option<&[u8]>) -> Response<()> {
    let mut reply = Response::new(());
    *reply.status_mut() = http.try_into().unwrap();
    if let Some(grpc) = grpc {
        reply.headers_mut().insert("grpc-status", HeaderValue::from_bytes(grpc).unwrap());
    }
    reply
}

#[test]
fn server_faults_count_the_services_alone() {
    for kind in Kind::ALL {
        let ran = Failed { kind, refused: false };
        assert_eq!(ServerFaults.is_failure(Err::<&(), _>(&ran)), kind.is_server(), "{kind}");
        assert_eq!(ServerFaults.is_failed_end(Err(&ran)), kind.is_server(), "{kind}");
        let refused = Failed { kind, refused: true };
        assert!(!ServerFaults.is_failure(Err::<&(), _>(&refused)), "nothing ran");
        assert!(!ServerFaults.is_failed_end(Err(&refused)), "nothing ran");
    }
    assert!(!ServerFaults.is_failure(Ok::<_, &Failed>(&())));
    assert!(!ServerFaults.is_failed_end(ENDED));
    assert!(!ServerFaults.is_failed_end(Ok::<_, &Failed>(Some(&trailers("13")))));
}

#[test]
fn any_error_counts_every_error() {
    assert!(AnyError.is_failure(Err::<&(), _>(&"wrong")));
    assert!(!AnyError.is_failure(Ok::<_, &&str>(&())));
    assert!(AnyError.is_failed_end(Err(&"wrong")));
    assert!(!AnyError.is_failed_end(Ok::<_, &&str>(None)));
}

#[test]
fn http_status_counts_errors_and_5xx() {
    for (status, failure) in [(200, false), (304, false), (404, false), (429, false), (499, false)]
        .into_iter()
        .chain([(500, true), (503, true), (599, true), (600, false)])
    {
        let judged = HttpStatus.is_failure(Ok::<_, &&str>(&reply(status, None)));
        assert_eq!(judged, failure, "{status}");
    }
    assert!(HttpStatus.is_failure(Err::<&Response<()>, _>(&"broken")));
    assert!(HttpStatus.is_failed_end(Err(&"broken")));
    assert!(!HttpStatus.is_failed_end(Ok::<_, &&str>(None)));
}

#[test]
fn grpc_status_counts_the_services_codes() {
    for code in 0..=17_u32 {
        let failure = Kind::from_grpc_code(code).is_some_and(Kind::is_server);
        let text = code.to_string();
        let headers = reply(200, Some(text.as_bytes()));
        assert_eq!(GrpcStatus.is_failure(Ok::<_, &&str>(&headers)), failure, "{code}");
        let trailers = trailers(&text);
        assert_eq!(GrpcStatus.is_failed_end(Ok::<_, &&str>(Some(&trailers))), failure, "{code}");
    }
    assert!(GrpcStatus.is_failure(Err::<&Response<()>, _>(&"broken")));
    assert!(GrpcStatus.is_failed_end(Err(&"broken")));
}

#[test]
fn a_grpc_status_that_cannot_be_read_is_a_failure() {
    for wrong in [&b""[..], b"ok", b"-1", b"1.0", b"99999999999", b"\xff"] {
        let headers = reply(200, Some(wrong));
        assert!(GrpcStatus.is_failure(Ok::<_, &&str>(&headers)), "{wrong:?}");
        assert!(GrpcStatus.is_failed_end(Ok::<_, &&str>(Some(headers.headers()))), "{wrong:?}");
    }
}

#[test]
fn a_reply_that_is_not_grpc_is_judged_by_its_http_status() {
    // 404 is UNIMPLEMENTED and 401 UNAUTHENTICATED: the caller's.
    for (status, failure) in
        [(200, false), (204, false), (401, false), (403, false), (404, false)].into_iter().chain([
            (302, true),
            (400, true),
            (418, true),
            (429, true),
            (500, true),
            (502, true),
            (503, true),
        ])
    {
        let judged = GrpcStatus.is_failure(Ok::<_, &&str>(&reply(status, None)));
        assert_eq!(judged, failure, "{status}");
    }
    // A status of gRPC's own holds, whatever HTTP says.
    assert!(!GrpcStatus.is_failure(Ok::<_, &&str>(&reply(503, Some(b"5")))));
}

#[test]
fn trailers_without_a_status_are_a_cut_reply() {
    assert!(GrpcStatus.is_failed_end(Ok::<_, &&str>(Some(&HeaderMap::new()))));
}

#[test]
fn an_end_without_trailers_was_judged_by_its_headers() {
    assert!(!GrpcStatus.is_failed_end(Ok::<_, &&str>(None)));
}

#[test]
fn a_function_is_a_judge() {
    let slow_is_bad = |result: Result<&u64, &&str>| result.is_ok_and(|millis| *millis > 100);
    assert!(slow_is_bad.is_failure(Ok(&101)));
    assert!(!slow_is_bad.is_failure(Ok(&100)));
    assert!(!slow_is_bad.is_failure(Err(&"wrong")));
}

const NOT_BEFORE: Option<Duration> = Some(Duration::from_secs(7));

#[test]
fn server_faults_judge_in_more_words() {
    for kind in Kind::ALL {
        let expected = match kind {
            Kind::Cancelled => Judgement::Nothing,
            Kind::ResourceExhausted => Judgement::Overloaded { retry_after: None },
            kind => Judgement::of(kind.is_server()),
        };
        let ran = Failed { kind, refused: false };
        assert_eq!(ServerFaults.judge(Err::<&(), _>(&ran)), expected, "{kind}");
        assert_eq!(ServerFaults.judge_end(Err(&ran)), expected, "{kind}");
        let refused = Failed { kind, refused: true };
        assert_eq!(ServerFaults.judge(Err::<&(), _>(&refused)), Judgement::Nothing, "{kind}");
        assert_eq!(Judgement::of_kind(kind, NOT_BEFORE).is_failure(), kind.is_server());
    }
    assert_eq!(ServerFaults.judge(Ok::<_, &Failed>(&())), Judgement::Success);
    assert_eq!(ServerFaults.judge_end(ENDED), Judgement::Success);
}

#[test]
fn http_status_reads_how_long_to_wait() {
    let judge = |status: u16, after: Option<&str>| {
        let mut reply = reply(status, None);
        if let Some(after) = after {
            reply.headers_mut().insert("retry-after", after.parse().unwrap());
        }
        HttpStatus.judge(Ok::<_, &&str>(&reply))
    };
    assert_eq!(judge(503, Some("7")), Judgement::Failure { retry_after: NOT_BEFORE });
    assert_eq!(judge(429, Some("7")), Judgement::Overloaded { retry_after: NOT_BEFORE });
    assert_eq!(judge(200, Some("7")), Judgement::Success);
    assert_eq!(judge(404, Some("7")).retry_after(), None);
    for nothing in ["", "+7", "-7", "7.5", "soon", "Sun, 06 Nov 1994 08:49:37 GMT"] {
        assert_eq!(judge(503, Some(nothing)), Judgement::of(true), "{nothing}");
    }
    let most = Some(Duration::from_secs(u64::MAX));
    assert_eq!(judge(503, Some("99999999999999999999")), Judgement::Failure { retry_after: most });
    assert_eq!(HttpStatus.judge(Err::<&Response<()>, _>(&"broken")), Judgement::of(true));
}

#[test]
fn grpc_status_reads_how_long_to_wait() {
    for (code, expected) in [
        ("0", Judgement::Success),
        ("1", Judgement::Nothing),
        ("5", Judgement::Success),
        ("8", Judgement::Overloaded { retry_after: NOT_BEFORE }),
        ("14", Judgement::Failure { retry_after: NOT_BEFORE }),
    ] {
        let mut headers = reply(200, Some(code.as_bytes()));
        headers.headers_mut().insert("grpc-retry-pushback-ms", HeaderValue::from_static("7000"));
        assert_eq!(GrpcStatus.judge(Ok::<_, &&str>(&headers)), expected, "{code}");
        let trailers = Some(headers.headers());
        assert_eq!(GrpcStatus.judge_end(Ok::<_, &&str>(trailers)), expected, "{code}");
    }
    for nothing in ["-1", "", "+7", "soon"] {
        let mut headers = reply(200, Some(b"14"));
        headers.headers_mut().insert("grpc-retry-pushback-ms", nothing.parse().unwrap());
        assert_eq!(GrpcStatus.judge(Ok::<_, &&str>(&headers)), Judgement::of(true), "{nothing}");
    }
    // What is no gRPC at all, as its HTTP status says.
    assert_eq!(GrpcStatus.judge(Ok::<_, &&str>(&reply(200, None))), Judgement::Success);
    assert_eq!(GrpcStatus.judge(Ok::<_, &&str>(&reply(404, None))), Judgement::Success);
    assert_eq!(GrpcStatus.judge(Ok::<_, &&str>(&reply(503, None))), Judgement::of(true));
    assert_eq!(GrpcStatus.judge_end(Ok::<_, &&str>(None)), Judgement::Success);
    assert_eq!(GrpcStatus.judge_end(Ok::<_, &&str>(Some(&HeaderMap::new()))), Judgement::of(true));
    assert_eq!(GrpcStatus.judge_end(Err(&"broken")), Judgement::of(true));
}

#[test]
fn who_says_only_failure_or_not_is_asked_no_more() {
    assert_eq!(AnyError.judge(Err::<&(), _>(&"wrong")), Judgement::of(true));
    assert_eq!(AnyError.judge_end(Ok::<_, &&str>(None)), Judgement::Success);
    let slow_is_bad = |result: Result<&u64, &&str>| result.is_ok_and(|millis| *millis > 100);
    assert_eq!(slow_is_bad.judge(Ok(&101)), Judgement::of(true));
}

#[test]
fn a_reply_by_which_a_layer_refused_shows_nothing() {
    let kind = Kind::Unavailable;
    for refused in [true, false] {
        let expected = if refused { Judgement::Nothing } else { Judgement::of(true) };
        let fault = Failed { kind, refused };
        let http = AsHttp::reply(&fault);
        assert_eq!(HttpStatus.judge(Ok::<_, &&str>(&http)), expected);
        assert_eq!(HttpStatus.is_failure(Ok::<_, &&str>(&http)), !refused);
        let grpc = AsGrpc::reply::<()>(&fault);
        assert_eq!(GrpcStatus.judge(Ok::<_, &&str>(&grpc)), expected);
        assert_eq!(GrpcStatus.is_failure(Ok::<_, &&str>(&grpc)), !refused);
    }
}
