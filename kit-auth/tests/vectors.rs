//! Wycheproof's vectors, as a whole: signatures, and the keys that they are by.
//!
//! They lie in a folder that is not of this project; where it is, `cargo xtask
//! test` runs them.

#![cfg(feature = "jwt")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::print_stdout, reason = "it says how many there were")]

use kit_auth::jwt::{BadKey, BadSet, KeySet};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use std::{collections::BTreeMap, env, fs, path::Path};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vectors {
    number_of_tests: usize,
    test_groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    /// Of a secret there is no other.
    private: Box<RawValue>,
    public: Option<Box<RawValue>>,
    tests: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    #[serde(rename = "tcId")]
    id: u32,
    comment: String,
    /// A text, or an object where the serialization is not the compact one.
    jws: Value,
    result: Verdict,
}

#[derive(Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Valid,
    Invalid,
}

fn vectors(name: &str) -> Vectors {
    let folder = env::var("KIT_WYCHEPROOF")
        .expect("set KIT_WYCHEPROOF to the folder of the vectors, or run cargo xtask test");
    let json = fs::read(Path::new(&folder).join(name)).expect("its files can be read");
    serde_json::from_slice(&json).expect("they are of the form that is known here")
}

impl Group {
    fn verifying(&self) -> &RawValue {
        self.public.as_ref().unwrap_or(&self.private)
    }
}

impl Vector {
    fn text(&self) -> String {
        self.jws.as_str().map_or_else(|| self.jws.to_string(), str::to_owned)
    }
}

/// What becomes of a JWS: it is taken, or not, and why.
type Outcome = Result<Vec<u8>, String>;

fn verdict(outcome: &Outcome) -> Verdict {
    if outcome.is_ok() { Verdict::Valid } else { Verdict::Invalid }
}

// ----- signatures

/// Where the vectors say otherwise than we do, and rightly so.
const EXCLUDED: [(u32, Verdict, &str); 8] = [
    (346, Verdict::Invalid, "a token of PS384, by a key that says PS256 of itself"),
    (350, Verdict::Invalid, "the same, where the key says what it is for"),
    (
        347,
        Verdict::Invalid,
        "a key of `ES521`, an algorithm that there is not; ES512, of P-521, is not known here",
    ),
    (351, Verdict::Invalid, "the same, where the key says what it is for"),
    (
        367,
        Verdict::Valid,
        "called a bad padding of the header; the text is that of 357, which is valid",
    ),
    (
        370,
        Verdict::Valid,
        "called a bad padding of the payload; the text is that of 357, which is valid",
    ),
    (
        372,
        Verdict::Invalid,
        "a `?` in the header, which is to be skipped: RFC 7515 (section 2) says that there is none",
    ),
    (373, Verdict::Invalid, "a `?` in the payload, which is to be skipped: as before"),
];

#[test]
#[ignore = "needs Wycheproof's vectors"]
fn each_signature_is_taken_or_refused_as_wycheproof_says() {
    let vectors = vectors("json_web_signature_test.json");
    let (mut seen, mut agreed, mut excluded, mut wrong) = (0, 0, Vec::new(), Vec::new());
    let (mut why, mut texts) = (BTreeMap::new(), BTreeMap::new());
    for group in &vectors.test_groups {
        let set = KeySet::jwks(format!(r#"{{"keys":[{}]}}"#, group.verifying()).as_bytes());
        for vector in &group.tests {
            seen += 1;
            let outcome: Outcome = match &set {
                Ok(set) => set.payload(&vector.text()).map_err(|error| format!("{error:?}")),
                Err(bad) => Err(format!("{:?}", bad.reasons())),
            };
            *why.entry(outcome.as_ref().map_or_else(String::clone, |_| "taken".to_owned()))
                .or_insert(0) += 1;
            texts.insert(vector.id, vector.text());
            let own = verdict(&outcome);
            match EXCLUDED.iter().find(|(id, ..)| *id == vector.id) {
                Some((id, expected, _)) => {
                    // It would be none if the vectors agreed.
                    assert_ne!(vector.result, *expected, "{id} is to be excluded no more");
                    assert_eq!(own, *expected, "{id}: {outcome:?}");
                    excluded.push(*id);
                }
                None if own == vector.result => agreed += 1,
                None => wrong.push(format!("{} {}: {outcome:?}", vector.id, vector.comment)),
            }
        }
    }
    assert_eq!((&texts[&367], &texts[&370]), (&texts[&357], &texts[&357]));
    println!("signatures: {seen} seen, {agreed} as they say, {} excluded", excluded.len());
    for (id, _, reason) in EXCLUDED {
        println!("  {id}: {reason}");
    }
    for (why, count) in why {
        println!("  {count:3} {why}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!((seen, vectors.number_of_tests), (401, 401));
    assert_eq!((agreed, excluded.len()), (393, 8));
}

// ----- keys

/// What is wrong with the set of keys of these, or with what is signed by it: for
/// all that are invalid, so that none is refused by chance.
const INVALID: [(u32, &str); 21] = [
    (1, "[Mixed]"),
    (3, "Signature"),
    // Its second secret is no base64url either.
    (4, "Duplicate(\"kid-aes-sign\")"),
    (6, "[Empty]"),
    (7, "Roca"),
    (8, "RsaBits(1024)"),
    (9, "RsaExponent"),
    (10, "ShortSecret"),
    (11, "ShortSecret"),
    (12, "ShortSecret"),
    (16, "ShortSecret { bytes: 0"),
    (17, "ShortSecret { bytes: 0"),
    (18, "ShortSecret { bytes: 0"),
    (19, "[Empty]"),
    (20, "[Empty]"),
    (21, "[Empty]"),
    (22, "Point"),
    (23, "Algorithm"),
    (24, "Algorithm"),
    (25, "[Empty]"),
    (26, "[Empty]"),
];

#[test]
#[ignore = "needs Wycheproof's vectors"]
fn each_set_of_keys_is_taken_or_refused_as_wycheproof_says() {
    let vectors = vectors("json_web_key_test.json");
    let (mut seen, mut agreed, mut wrong) = (0, 0, Vec::new());
    for group in &vectors.test_groups {
        let set = KeySet::jwks(group.verifying().get().as_bytes());
        for vector in &group.tests {
            seen += 1;
            let outcome: Outcome = match &set {
                Ok(set) => set.payload(&vector.text()).map_err(|error| format!("{error:?}")),
                Err(bad) => Err(format!("{:?}", bad.reasons())),
            };
            let reason = INVALID.iter().find(|(id, _)| *id == vector.id);
            let is_for_it = match (&outcome, reason) {
                (Err(why), Some((_, expected))) => why.contains(expected),
                (Ok(_), None) => true,
                _ => false,
            };
            println!("  {} {}: {outcome:?}", vector.id, vector.comment);
            if verdict(&outcome) == vector.result && is_for_it {
                agreed += 1;
            } else {
                wrong.push(format!("{} {}: {outcome:?}", vector.id, vector.comment));
            }
        }
    }
    println!("keys: {seen} seen, {agreed} as they say");
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!((seen, agreed, vectors.number_of_tests), (26, 26, 26));
}

#[test]
#[ignore = "needs Wycheproof's vectors"]
fn the_private_keys_of_wycheproof_are_refused() {
    let (mut private, mut others) = (0, 0);
    for group in vectors("json_web_signature_test.json").test_groups {
        if group.public.is_none() {
            continue;
        }
        let key: Value = serde_json::from_str(group.private.get()).unwrap();
        let set = KeySet::jwks(json!({ "keys": [key] }).to_string().as_bytes());
        match set.expect_err("it has a private key").reasons() {
            [BadSet::Key { bad: BadKey::Private, .. }] => private += 1,
            // For encrypting, or by an algorithm that we do not know.
            [BadSet::Empty] => others += 1,
            reasons => panic!("{reasons:?}"),
        }
    }
    println!("private keys: {private} refused as such, {others} left out");
    assert!(private >= 10, "{private}");
}
