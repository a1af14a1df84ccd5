use super::Error;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use std::sync::Arc;

/// Makes a configuration of what PEM files hold: the authorities whom to trust
/// (those of the public web unless given) and, for mutual TLS, our own
/// certificates and key. The cryptography is aws-lc's, given here, not
/// installed.
///
/// # Errors
///
/// [`Error::Other`] when they hold no certificate, or no key, or the two do not
/// belong together.
pub fn tls_config(
    authorities: Option<&[u8]>,
    identity: Option<(&[u8], &[u8])>,
) -> Result<Arc<ClientConfig>, Error> {
    fn wrong(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error::Other(error.into())
    }
    let certificates = |pem: &[u8]| -> Result<Vec<CertificateDer<'static>>, Error> {
        let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
        let found = found.map_err(wrong)?;
        if found.is_empty() { Err(wrong("there is no certificate in the PEM")) } else { Ok(found) }
    };
    let mut roots = RootCertStore::empty();
    match authorities {
        Some(pem) => {
            for authority in certificates(pem)? {
                roots.add(authority).map_err(wrong)?;
            }
        }
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(wrong)?
        .with_root_certificates(roots);
    let config = match identity {
        Some((chain, key)) => {
            let key = PrivateKeyDer::from_pem_slice(key).map_err(wrong)?;
            config.with_client_auth_cert(certificates(chain)?, key).map_err(wrong)?
        }
        None => config.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}
