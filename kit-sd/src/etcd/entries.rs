//! What is known of a service's keys: a map, without I/O.

use super::{Change, Entry, InvalidEntry, Layout};
use crate::Instance;
use std::{collections::BTreeMap, fmt, sync::Arc};

/// A key that is no instance, and why.
#[derive(Debug)]
#[non_exhaustive]
pub struct LeftOut {
    /// The key; what is not UTF-8 in it is replaced.
    pub key: String,
    /// What is wrong with it.
    pub why: InvalidEntry,
}

/// The instances by their keys.
#[derive(Debug)]
pub(super) struct Entries {
    layout: Layout,
    service: String,
    folder: String,
    known: Known,
}

type Known = BTreeMap<Vec<u8>, Arc<Instance>>;

// ===== impl Entries =====

impl Entries {
    pub(super) fn new(layout: Layout, service: &str) -> Self {
        let folder = layout.folder(service);
        Self { layout, service: service.to_owned(), folder, known: BTreeMap::new() }
    }

    pub(super) fn folder(&self) -> &str {
        &self.folder
    }

    pub(super) fn instances(&self) -> impl Iterator<Item = Arc<Instance>> + use<'_> {
        self.known.values().cloned()
    }

    /// Takes these for all there are, and returns what is left out of them.
    pub(super) fn replace(&mut self, entries: Vec<Entry>) -> Vec<LeftOut> {
        let before = std::mem::take(&mut self.known);
        entries.into_iter().filter_map(|entry| self.put(entry, &before)).collect()
    }

    /// Takes a change, and returns it if it is left out. What was there before
    /// it is gone all the same.
    pub(super) fn apply(&mut self, change: Change) -> Option<LeftOut> {
        match change {
            Change::Put(entry) => self.put(entry, &BTreeMap::new()),
            Change::Deleted(key) => {
                self.known.remove(&key);
                None
            }
        }
    }

    /// One that is as `before` is shared with it.
    fn put(&mut self, entry: Entry, before: &Known) -> Option<LeftOut> {
        let Entry { key, value } = entry;
        let rest = key.strip_prefix(self.folder.as_bytes()).ok_or(InvalidEntry::Key);
        let read = rest.and_then(|rest| self.layout.read(&self.service, rest, &value));
        match read {
            Ok(instance) => {
                let same = before.get(&key).filter(|before| ***before == instance);
                let instance = same.map_or_else(|| Arc::new(instance), Arc::clone);
                self.known.insert(key, instance);
                None
            }
            Err(why) => {
                self.known.remove(&key);
                Some(LeftOut { key: String::from_utf8_lossy(&key).into_owned(), why })
            }
        }
    }
}

// ===== impl LeftOut =====

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is left out: {}", self.key, crate::error::chain(&self.why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(id: &str, value: &str) -> Entry {
        Entry { key: format!("/kit/hello/{id}").into(), value: value.into() }
    }

    fn good(id: &str, port: u16) -> Entry {
        put(id, &format!(r#"{{"address":"10.0.0.1:{port}"}}"#))
    }

    fn entries() -> Entries {
        Entries::new(Layout::default(), "hello")
    }

    fn shows(entries: &Entries) -> Vec<(String, u16)> {
        entries.instances().map(|one| (one.id.clone(), one.address.port())).collect()
    }

    #[test]
    fn changes_come_one_by_one_in_their_order() {
        let mut entries = entries();
        assert!(entries.replace(vec![good("a", 1), good("b", 2)]).is_empty());
        for change in [
            Change::Put(good("c", 3)),
            Change::Deleted(b"/kit/hello/a".to_vec()),
            Change::Put(good("b", 4)),
            Change::Deleted(b"/kit/hello/never".to_vec()),
            Change::Put(good("a", 5)),
        ] {
            assert!(entries.apply(change).is_none());
        }
        let expected = [("a", 5), ("b", 4), ("c", 3)].map(|(id, port)| (id.to_owned(), port));
        assert_eq!(shows(&entries), expected);
    }

    #[test]
    fn a_list_is_all_there_is() {
        let mut entries = entries();
        entries.replace(vec![good("a", 1), good("b", 2)]);
        let before: Vec<_> = entries.instances().collect();
        entries.replace(vec![good("b", 2)]);
        let after: Vec<_> = entries.instances().collect();
        assert_eq!(shows(&entries), [("b".to_owned(), 2)]);
        assert!(Arc::ptr_eq(&before[1], &after[0]), "what is the same is shared");
    }

    #[test]
    fn what_cannot_be_read_is_left_out_and_said() {
        let mut entries = entries();
        let left = entries.replace(vec![good("a", 1), put("b", "?"), put("c/d", "{}")]);
        assert_eq!(shows(&entries), [("a".to_owned(), 1)]);
        let left: Vec<_> = left.iter().map(ToString::to_string).collect();
        assert!(left[0].starts_with("/kit/hello/b is left out: the value is not JSON"), "{left:?}");
        assert_eq!(left[1], "/kit/hello/c/d is left out: the key is none that an instance has");
        let left = entries.apply(Change::Put(put("a", "?"))).unwrap();
        assert_eq!(left.key, "/kit/hello/a");
        assert!(shows(&entries).is_empty());
        let elsewhere = Entry { key: b"/kit/hello-more/a".to_vec(), value: b"{}".to_vec() };
        assert!(entries.apply(Change::Put(elsewhere)).is_some());
    }
}
