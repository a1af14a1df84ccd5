use super::InvalidEntry;
use crate::{Address, Health, Instance, document::Document};
use std::fmt::Write;

/// Where in etcd instances are, and how they are written there.
///
/// The default is this crate's own, under `/kit/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// `/<prefix>/<service>/<id>`, and JSON.
    Kit { prefix: String },
    /// `<prefix><address>`, and the address.
    GoKit { prefix: String, scheme: String },
}

// ===== impl Layout =====

impl Layout {
    /// This crate's own: the key is `/<prefix>/<service>/<id>`, the value JSON.
    /// The [module](super) has the schema. Slashes around the prefix are no
    /// part of it.
    #[must_use]
    pub fn kit(prefix: &str) -> Self {
        Self(Kind::Kit { prefix: prefix.trim_matches('/').to_owned() })
    }

    /// The one of Go kit's `sd/etcdv3`: the value is the address alone, the key
    /// this prefix and the address, and whatever begins with the prefix is an
    /// instance of the service. Let it end with a slash, as in
    /// `/services/hello/`: else it is also the beginning of other services'.
    ///
    /// A value may be a URL, as `http://10.0.0.1:9110`, of which the host and
    /// the port are read. Of health, tags and all else nothing can be said.
    #[must_use]
    pub fn go_kit(prefix: &str) -> Self {
        Self(Kind::GoKit { prefix: prefix.to_owned(), scheme: String::new() })
    }

    /// Writes addresses as URLs of a scheme, `http` say, for readers in Go that
    /// expect one. Of this crate's own layout it changes nothing.
    #[must_use]
    pub fn scheme(mut self, name: &str) -> Self {
        if let Kind::GoKit { scheme, .. } = &mut self.0 {
            name.clone_into(scheme);
        }
        self
    }

    /// Returns what all keys of a service begin with, and no others.
    pub(super) fn folder(&self, service: &str) -> String {
        match &self.0 {
            Kind::Kit { prefix } if prefix.is_empty() => format!("/{}/", escape(service)),
            Kind::Kit { prefix } => format!("/{prefix}/{}/", escape(service)),
            Kind::GoKit { prefix, .. } => prefix.clone(),
        }
    }

    pub(super) fn key(&self, instance: &Instance) -> String {
        let folder = self.folder(&instance.service);
        match &self.0 {
            Kind::Kit { .. } => folder + &escape(&instance.id),
            Kind::GoKit { .. } => format!("{folder}{}", instance.address),
        }
    }

    pub(super) fn write(&self, instance: &Instance) -> Result<String, serde_json::Error> {
        match &self.0 {
            Kind::Kit { .. } => serde_json::to_string(&Document::from(instance)),
            Kind::GoKit { scheme, .. } if scheme.is_empty() => Ok(instance.address.to_string()),
            Kind::GoKit { scheme, .. } => Ok(format!("{scheme}://{}", instance.address)),
        }
    }

    /// Reads an instance of `service` from what is under `rest` of its folder.
    pub(super) fn read(
        &self,
        service: &str,
        rest: &[u8],
        value: &[u8],
    ) -> Result<Instance, InvalidEntry> {
        match &self.0 {
            Kind::Kit { .. } => {
                let id = unescape(rest).ok_or(InvalidEntry::Key)?;
                let document: Document =
                    serde_json::from_slice(value).map_err(|e| InvalidEntry::Json(e.into()))?;
                let has_id = document.id.is_some();
                let instance = document.into_instance(service)?;
                Ok(if has_id { instance } else { instance.id(id) })
            }
            Kind::GoKit { .. } => {
                let value = String::from_utf8_lossy(value);
                let address = address(&value)
                    .map_err(|error| InvalidEntry::Address(value.into_owned(), error))?;
                Ok(Instance::new(service, address).id(String::from_utf8_lossy(rest)))
            }
        }
    }

    pub(super) fn can_say(&self, health: Health) -> bool {
        matches!(self.0, Kind::Kit { .. }) || health == Health::Passing
    }
}

impl Default for Layout {
    fn default() -> Self {
        Self::kit("kit")
    }
}

/// Reads `host:port`, or that of a URL.
fn address(value: &str) -> Result<Address, crate::InvalidAddress> {
    let Some((scheme, rest)) = value.trim().split_once("://") else {
        return value.trim().parse();
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let port = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return authority.parse(),
    };
    // Behind the bracket of an IPv6 address, if it is one.
    let has_port = authority.rsplit(']').next().is_some_and(|end| end.contains(':'));
    if has_port { authority.parse() } else { Address::new(authority, port) }
}

/// Writes a name as one part of a key: what is no letter, digit or one of
/// `-._~:` of ASCII, a slash above all, as `%` and two digits for each byte.
fn escape(name: &str) -> String {
    let mut part = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'-' | b'.' | b'_' | b'~' | b':' => part.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => part.push(char::from(byte)),
            _ => _ = write!(part, "%{byte:02X}"),
        }
    }
    part
}

/// Reads what [`escape`] wrote, or a hand that was less strict.
fn unescape(part: &[u8]) -> Option<String> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut name = Vec::with_capacity(part.len());
    let mut rest = part;
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, rest) {
            (b'%', [high, low, after @ ..]) => {
                name.push(digit(*high)? << 4 | digit(*low)?);
                rest = after;
            }
            (b'%' | b'/', _) => return None,
            (byte, _) => name.push(*byte),
        }
    }
    String::from_utf8(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(service: &str, id: &str) -> Instance {
        Instance::new(service, "10.0.0.1:80".parse().unwrap()).id(id)
    }

    #[test]
    fn a_key_is_prefix_service_and_id() {
        let layout = Layout::default();
        assert_eq!(layout.key(&instance("hello", "one-1")), "/kit/hello/one-1");
        assert_eq!(Layout::kit("/a/b/").key(&instance("hello", "1")), "/a/b/hello/1");
        assert_eq!(Layout::kit("").key(&instance("hello", "1")), "/hello/1");
    }

    #[test]
    fn no_name_reaches_into_another() {
        let layout = Layout::default();
        let names = ["hello", "hello/", "hello%2F", "hell", "hello-more", "", "héllo", "a b", "/"];
        for service in names {
            for other in names.into_iter().filter(|other| *other != service) {
                for id in names {
                    let (folder, key) = (layout.folder(service), layout.key(&instance(other, id)));
                    assert!(!key.starts_with(&folder), "{key} is in {folder}");
                }
            }
        }
    }

    #[test]
    fn what_was_escaped_is_read_back() {
        for name in ["hello-10.0.0.1-80", "a/b", "100%", "é\0\n", "%2F", "2001:db8::1", ""] {
            let part = escape(name);
            assert!(part.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/'), "{part}");
            assert_eq!(unescape(part.as_bytes()).as_deref(), Some(name));
        }
        assert_eq!(escape("a/b c"), "a%2Fb%20c");
        assert_eq!(unescape(b"a%2fb c").as_deref(), Some("a/b c"));
        for wrong in [&b"a/b"[..], b"%", b"%2", b"%zz", b"%ff", b"\xff"] {
            assert_eq!(unescape(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn an_instance_is_read_back_from_its_json() {
        let layout = Layout::default();
        let one = instance("hello", "a/b")
            .tag("v1")
            .metadata("team", "a")
            .version("1.2.3")
            .zone("eu-1a")
            .weight(3)
            .health(Health::Draining);
        let json = layout.write(&one).unwrap();
        let fields: serde_json::Value = serde_json::from_str(&json).unwrap();
        let expected = serde_json::json!({
            "id": "a/b", "service": "hello", "address": "10.0.0.1:80", "tags": ["v1"],
            "metadata": {"team": "a"}, "version": "1.2.3", "zone": "eu-1a", "weight": 3,
            "health": "draining",
        });
        assert_eq!(fields, expected);
        assert_eq!(layout.read("hello", b"a%2Fb", json.as_bytes()).unwrap(), one);
        let passing = layout.write(&instance("hello", "1")).unwrap();
        assert_eq!(passing, r#"{"id":"1","service":"hello","address":"10.0.0.1:80"}"#);
    }

    #[test]
    fn an_address_is_all_that_a_hand_must_write() {
        let layout = Layout::default();
        let read = layout.read("hello", b"by%20hand", br#"{"address":"10.0.0.1:80"}"#);
        assert_eq!(read.unwrap(), instance("hello", "by hand"));
    }

    #[test]
    fn what_is_no_instance_says_why() {
        let layout = Layout::default();
        let why = |rest: &[u8], value: &[u8]| {
            crate::error::chain(&layout.read("hello", rest, value).unwrap_err())
        };
        assert_eq!(why(b"a/b", b"{}"), "the key is none that an instance has");
        assert!(why(b"a", b"10.0.0.1:80").starts_with("the value is not JSON"));
        assert!(why(b"a", b"{}").contains("address"));
        assert!(why(b"a", br#"{"address":"10.0.0.1:0"}"#).contains("cannot be dialled"));
        let ill = br#"{"address":"10.0.0.1:80","health":"ill"}"#;
        assert!(why(b"a", ill).contains("the health \"ill\" is none"));
    }

    #[test]
    fn go_kits_is_prefix_and_address() {
        let layout = Layout::go_kit("/services/hello/");
        let one = instance("hello", "one");
        assert_eq!(layout.folder("hello"), "/services/hello/");
        assert_eq!(layout.key(&one), "/services/hello/10.0.0.1:80");
        assert_eq!(layout.write(&one).unwrap(), "10.0.0.1:80");
        assert_eq!(layout.clone().scheme("http").write(&one).unwrap(), "http://10.0.0.1:80");
        let read = |value: &str| {
            let read = layout.read("hello", b"one", value.as_bytes());
            read.map(|instance| instance.address.to_string())
        };
        for (value, address) in [
            ("10.0.0.1:80", "10.0.0.1:80"),
            ("http://10.0.0.1:9110/greeting?name=a", "10.0.0.1:9110"),
            ("http://example.com", "example.com:80"),
            ("https://[2001:db8::1]", "[2001:db8::1]:443"),
        ] {
            assert_eq!(read(value).unwrap(), address);
        }
        for wrong in ["", "10.0.0.1", "grpc://10.0.0.1", "http://", "0.0.0.0:80"] {
            assert!(matches!(read(wrong), Err(InvalidEntry::Address(..))), "{wrong:?}");
        }
        assert_eq!(layout.read("hello", b"one", b"10.0.0.1:80").unwrap(), one);
        assert!(layout.can_say(Health::Passing) && !layout.can_say(Health::Draining));
    }
}
