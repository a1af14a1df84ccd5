//! Who sent a request that a proxy of ours passed on (RFC 7239, and the
//! `X-Forwarded-For` that came before it).

use http::{HeaderMap, HeaderName, HeaderValue, header};
use ipnet::IpNet;
use kit_endpoint::Peer;
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The networks whose word on others is believed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Proxies(Arc<[IpNet]>);

// ===== impl Proxies =====

impl Proxies {
    pub(crate) fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self(networks.into_iter().collect())
    }

    fn trust(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Returns who sent the request that came from `peer`: the nearest that is
    /// no proxy of ours, since only what ours wrote is true. Where `Forwarded`
    /// is, `X-Forwarded-For` counts for nothing.
    pub(crate) fn peer(&self, peer: Peer, headers: &HeaderMap) -> Peer {
        if self.0.is_empty() {
            return peer;
        }
        let Some(nearest) = peer.addr().filter(|addr| self.trust(addr.ip())) else { return peer };
        let hops = if headers.contains_key(header::FORWARDED) {
            self.last(
                nearest,
                lines(headers, &header::FORWARDED, elements).filter_map(of_element).map(node),
            )
        } else {
            self.last(nearest, lines(headers, &X_FORWARDED_FOR, split).map(node))
        };
        hops.into()
    }

    /// Follows the hops from the nearest on, as long as each is one of ours.
    fn last(
        &self,
        nearest: SocketAddr,
        hops: impl Iterator<Item = Option<SocketAddr>>,
    ) -> SocketAddr {
        let mut last = nearest;
        for hop in hops {
            // Who is hidden or unreadable is vouched for by the one before alone.
            let Some(hop) = hop else { break };
            last = hop;
            if !self.trust(hop.ip()) {
                break;
            }
        }
        last
    }
}

/// The parts of all headers of this name, the last first.
fn lines<'a, I: DoubleEndedIterator<Item = &'a str>>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    parts: impl Fn(&'a str) -> I,
) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter().collect::<Vec<&HeaderValue>>();
    // What is not text is one hop that cannot be read.
    values.into_iter().rev().flat_map(move |value| parts(value.to_str().unwrap_or("?")).rev())
}

fn split(value: &str) -> std::str::Split<'_, char> {
    value.split(',')
}

/// The elements of a `Forwarded` header; a comma in quotes is none between two.
fn elements(value: &str) -> std::vec::IntoIter<&str> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, byte) in value.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                parts.push(&value[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&value[start..]);
    parts.into_iter()
}

/// The `for` of an element; one that has none says nothing of a hop.
fn of_element(element: &str) -> Option<&str> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    let value = value.trim();
    let bare = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    Some(bare.unwrap_or(value))
}

/// An address with or without a port; 0 stands for none.
fn node(node: &str) -> Option<SocketAddr> {
    let node = node.trim();
    if let Ok(address) = node.parse::<IpAddr>() {
        return Some((address, 0).into());
    }
    if let Ok(address) = node.parse::<SocketAddr>() {
        return Some(address);
    }
    let bare = node.strip_prefix('[')?.strip_suffix(']')?;
    Some((IpAddr::V6(bare.parse().ok()?), 0).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, headers: &[(HeaderName, &str)]) -> String {
        let proxies = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap());
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let peer = Peer::Ip(peer.parse().unwrap());
        Proxies::new(proxies).peer(peer, &map).to_string()
    }

    fn for_x(value: &str) -> (HeaderName, &str) {
        (X_FORWARDED_FOR, value)
    }

    fn forwarded(value: &str) -> (HeaderName, &str) {
        (header::FORWARDED, value)
    }

    #[test]
    fn only_a_proxy_of_ours_is_believed() {
        assert_eq!(seen("192.0.2.1:9", &[for_x("203.0.113.7")]), "192.0.2.1:9");
        assert_eq!(seen("10.0.0.1:9", &[for_x("203.0.113.7")]), "203.0.113.7:0");
        assert_eq!(seen("[::ffff:10.0.0.1]:9", &[for_x("203.0.113.7")]), "203.0.113.7:0");
        assert_eq!(seen("10.0.0.1:9", &[]), "10.0.0.1:9");
        let nobody = Proxies::default().peer(Peer::Unix, &HeaderMap::new());
        assert_eq!(nobody, Peer::Unix);
    }

    #[test]
    fn what_a_client_wrote_before_the_first_proxy_counts_for_nothing() {
        let claimed = [for_x("127.0.0.1, 203.0.113.7"), for_x("10.0.0.2")];
        assert_eq!(seen("10.0.0.1:9", &claimed), "203.0.113.7:0");
        assert_eq!(seen("10.0.0.1:9", &[for_x("10.9.9.9")]), "10.9.9.9:0");
        assert_eq!(seen("10.0.0.1:9", &[for_x("203.0.113.7, nonsense")]), "10.0.0.1:9");
        assert_eq!(seen("10.0.0.1:9", &[for_x("\u{e4}")]), "10.0.0.1:9");
    }

    #[test]
    fn forwarded_is_read_as_rfc_7239_says() {
        let of = |value| seen("10.0.0.1:9", &[forwarded(value), for_x("198.51.100.1")]);
        assert_eq!(of("for=192.0.2.43"), "192.0.2.43:0");
        assert_eq!(of("For=\"[2001:db8:cafe::17]:4711\";proto=http"), "[2001:db8:cafe::17]:4711");
        assert_eq!(of("for=\"[2001:db8::1]\""), "[2001:db8::1]:0");
        assert_eq!(of("proto=http;by=\"a,b\"; for=192.0.2.43, for=10.0.0.7"), "192.0.2.43:0");
        assert_eq!(of("for=unknown, for=10.0.0.7"), "10.0.0.7:0");
        assert_eq!(of("for=_hidden"), "10.0.0.1:9");
        assert_eq!(of("by=203.0.113.43"), "10.0.0.1:9");
        assert_eq!(of("for=192.0.2.43, by=10.0.0.7"), "192.0.2.43:0");
    }
}
