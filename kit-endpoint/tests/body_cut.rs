//! What a limit around the service cut off, as a failure.

use kit_endpoint::{BodyCut, Fault, Kind};

#[test]
fn each_cut_has_its_kind_and_says_what_to_do() {
    for (cut, kind, to_do) in [
        (BodyCut::TooLarge, Kind::PayloadTooLarge, "send less"),
        (BodyCut::TooSlow, Kind::DeadlineExceeded, "send it faster"),
    ] {
        assert_eq!(cut.kind(), kind);
        assert!(cut.to_string().contains(to_do), "{cut}");
        assert!(!cut.refused(), "of a stream, some of it may have been worked on");
    }
}
