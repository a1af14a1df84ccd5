//! When certificates expire.

use rustls::pki_types::{CertificateDer, UnixTime};
use std::time::Duration;
use webpki::{EndEntityCert, Error, KeyUsage};

/// Returns when the first of these expires, since the epoch; those whose time
/// can't be read are left out.
pub(super) fn first(chain: &[CertificateDer<'_>]) -> Option<Duration> {
    chain.iter().filter_map(not_after).min()
}

/// webpki, which rustls has for handshakes anyway, tells `notAfter` of what has
/// expired, and that before it looks at issuer, signature and purpose. At the
/// end of time everything has.
fn not_after(certificate: &CertificateDer<'_>) -> Option<Duration> {
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    let end = UnixTime::since_unix_epoch(Duration::from_secs(u64::MAX));
    let usage = KeyUsage::server_auth();
    match certificate.verify_for_usage(&[], &[], &[], end, usage, None, None) {
        Err(Error::CertExpired { not_after, .. }) => Some(Duration::from_secs(not_after.as_secs())),
        _ => None,
    }
}
