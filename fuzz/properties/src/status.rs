use crate::fault::Given;
use bytes::Bytes;
use kit_endpoint::{Details, Fault, Kind};
use kit_transport_grpc::{KIND_DOMAIN, KIND_KEY, code, kind};
use std::time::Duration;
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// Failures over gRPC: what a server makes of a fault of these bytes, and what
/// a client makes of them as the details of a status, after a byte of code.
pub fn status(data: &[u8]) {
    writes(&Given::new(data));
    let Some((byte, details)) = data.split_first() else { return };
    let said = Code::from_i32(i32::from(*byte % 18));
    let status = Status::with_details(said, "", Bytes::copy_from_slice(details));
    drop(kit_transport_grpc::details(&status));
    match kind(&status) {
        Some(kind) => assert_eq!(i32::from(kind.grpc_code()), i32::from(said)),
        None => assert_eq!(said, Code::Ok),
    }
}

fn writes(given: &Given) {
    let response = kit_transport_grpc::status(given).into_http::<()>();
    let read = Status::from_header_map(response.headers()).expect("a reply has a status");
    assert_eq!(read.code(), code(given.kind));
    let message = if given.kind.is_server() { given.kind.phrase() } else { given.detail.as_str() };
    assert_eq!(read.message(), message);
    // A fault that says to be another kind is believed, where the code allows it.
    if given.domain != KIND_DOMAIN && given.key != KIND_KEY {
        assert_eq!(kind(&read), Some(given.kind));
    }

    // A client of the kit reads what the server described.
    if given.domain != KIND_DOMAIN && given.key != KIND_KEY {
        let told = kit_transport_grpc::details(&read);
        let mut meant = Details::default();
        given.describe(&mut meant);
        assert_eq!(told.get_reason(), meant.get_reason());
        assert_eq!(told.get_domain(), meant.get_domain());
        assert_eq!(told.get_metadata(), meant.get_metadata());
        assert_eq!(told.violations(), meant.violations());
        assert_eq!(told.quotas(), meant.quotas());
    }

    let details = read.get_error_details();
    if let Some(after) = given.retry_after {
        let said = details.retry_info().and_then(|info| info.retry_delay);
        // The most that a `google.protobuf.Duration` holds.
        let most = Duration::new(315_576_000_000, 999_999_999);
        assert_eq!(said, Some(after.min(most)));
    }
    if !given.reason.is_empty() || !given.domain.is_empty() || !given.key.is_empty() {
        let info = details.error_info().expect("a reason is told");
        assert_eq!((&info.reason, &info.domain), (&given.reason, &given.domain));
        if !given.key.is_empty() && given.key != KIND_KEY {
            assert_eq!(info.metadata.get(&given.key), Some(&given.value));
        }
    }
    let field = details.bad_request().map(|bad| bad.field_violations[0].field.clone());
    assert_eq!(field.unwrap_or_default(), given.field);
    assert!(given.kind != Kind::Unknown || read.code() == Code::Unknown);
}
