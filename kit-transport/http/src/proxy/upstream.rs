use super::Unproxied;
use http::{
    HeaderValue, Uri,
    uri::{Authority, PathAndQuery, Scheme},
};
use percent_encoding::percent_decode_str;
use std::{error, fmt};

/// The URI is not that of an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadUpstream {
    uri: Uri,
}

/// Where requests go.
#[derive(Debug)]
pub(super) struct Upstream {
    scheme: Scheme,
    authority: Authority,
    pub(super) host: HeaderValue,
    /// Without a slash at its end.
    base: String,
    query: Option<String>,
}

// ===== impl Upstream =====

impl Upstream {
    pub(super) fn new(uri: Uri) -> Result<Self, BadUpstream> {
        let base = uri.path().trim_end_matches('/').to_owned();
        let query = uri.query().filter(|query| !query.is_empty()).map(str::to_owned);
        let (scheme, authority) = (uri.scheme().cloned(), uri.authority().cloned());
        let (Some(scheme), Some(authority)) = (scheme, authority) else {
            return Err(BadUpstream { uri });
        };
        let known = scheme == Scheme::HTTP || scheme == Scheme::HTTPS;
        match HeaderValue::from_str(authority.as_str()) {
            Ok(host) if known && !authority.as_str().contains('@') => {
                Ok(Self { scheme, authority, host, base, query })
            }
            _ => Err(BadUpstream { uri }),
        }
    }

    /// Returns where `asked` is there.
    pub(super) fn locate(&self, asked: &Uri) -> Result<Uri, Unproxied> {
        let (path, query) = (asked.path(), asked.query());
        if leaves(path) {
            return Err(Unproxied::Outside);
        }
        let target = match asked.path_and_query() {
            Some(same) if self.base.is_empty() && self.query.is_none() => same.clone(),
            _ => {
                let mut target = self.base.clone();
                // `OPTIONS *` asks of all there is.
                target.push_str(if path == "*" || path.is_empty() { "/" } else { path });
                for (index, query) in
                    [self.query.as_deref(), query].into_iter().flatten().enumerate()
                {
                    target.push(if index == 0 { '?' } else { '&' });
                    target.push_str(query);
                }
                // Of the parts of two URIs.
                PathAndQuery::try_from(target).map_err(|_| Unproxied::Outside)?
            }
        };
        let uri = Uri::builder().scheme(self.scheme.clone()).authority(self.authority.clone());
        uri.path_and_query(target).build().map_err(|_| Unproxied::Outside)
    }
}

/// Says whether a path would leave the base, for whoever decodes first and
/// looks at the segments then, with their parameters (`..;a=b`) or without.
fn leaves(path: &str) -> bool {
    if !path.contains("..") && !path.contains('%') {
        return false;
    }
    let bytes: Vec<u8> = percent_decode_str(path).collect();
    let mut segments = bytes.split(|byte| matches!(byte, b'/' | b'\\'));
    segments.any(|segment| segment == b".." || segment.starts_with(b"..;"))
}

// ===== impl BadUpstream =====

impl fmt::Display for BadUpstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an upstream: write http://HOST:PORT/BASE or https://, without a user")
    }
}

impl error::Error for BadUpstream {}
