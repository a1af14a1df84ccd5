//! The certificates of the greeter, which change while it serves.

use crate::{debug::Shows, flags::Tls};
use kit_serve::tls::{Certificates, LoadError};
use kit_transport::Report;
use std::{
    future::{Ready, pending, ready},
    time::Duration,
};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(10);

/// Reads the files that the flags name.
///
/// # Errors
///
/// Fails if one cannot be read, or what it has is no good.
pub fn load(files: &Tls) -> Result<Certificates, LoadError> {
    let certificates = Certificates::load(&files.cert, &files.key)?;
    match &files.client_ca {
        Some(authorities) => certificates.client_ca(authorities),
        None => Ok(certificates),
    }
}

/// Shows when the certificates expire, and what became of reading them anew.
pub fn show(certificates: Option<&Certificates>, seen: &impl Shows) {
    if let Some(certificates) = certificates {
        seen.show("certificates", certificates.clone());
    }
}

/// Reads the files anew when they change, and logs it; it never ends.
pub async fn renewed(certificates: Option<Certificates>) {
    let Some(certificates) = certificates else { return pending().await };
    certificates
        .watch(LOOK, |read| match read {
            Ok(()) => tracing::info!("the certificates are new"),
            Err(error) => {
                tracing::warn!(error = %Report(&error), "the certificates stay as they are");
            }
        })
        .await;
}

/// Returns what reads the files anew at once, each time that it is called.
///
/// It fails if one cannot be read, or what it has is no good; then the greeter
/// goes on with what it has.
pub fn reload(
    certificates: Option<Certificates>,
) -> impl FnMut() -> Ready<Result<(), LoadError>> + Send + 'static {
    move || {
        let read = certificates.as_ref().map_or(Ok(false), Certificates::reload);
        ready(read.map(drop))
    }
}
