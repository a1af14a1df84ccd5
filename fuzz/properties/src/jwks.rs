use kit_auth::jwt::{Algorithm, BadKeySet, Key, KeySet};
use serde_json::Value;
use std::collections::BTreeSet;

/// Sets of keys, and single ones, as JSON.
pub fn jwks(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(key) = Key::jwk(text)
    {
        let json: Value = serde_json::from_str(text).expect("a key is JSON");
        assert_eq!(key.get_id(), json["kid"].as_str());
    }
    match KeySet::jwks(data) {
        Ok(keys) => sound(&keys, &serde_json::from_slice(data).expect("a set is JSON")),
        Err(bad) => quiet(&bad),
    }
}

fn sound(keys: &KeySet, json: &Value) {
    let all = json["keys"].as_array().expect("a set has keys");
    assert_eq!(all.len(), keys.keys().len() + keys.left_out());
    assert!(!keys.keys().is_empty());
    let ids: Vec<_> = keys.keys().iter().filter_map(Key::get_id).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
    let is_secret = |key: &&Key| {
        matches!(key.algorithm(), Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512)
    };
    let secrets = keys.keys().iter().filter(is_secret).count();
    assert!(secrets == 0 || secrets == keys.keys().len());
    for key in all {
        // None that is taken shows what it is.
        let Some(secret) = key["k"].as_str().filter(|secret| secret.len() > 40) else { continue };
        assert!(!format!("{keys:?}").contains(secret));
    }
}

fn quiet(bad: &BadKeySet) {
    assert!(!bad.reasons().is_empty());
    assert!(bad.to_string().starts_with("the set of keys is not taken: "));
}
