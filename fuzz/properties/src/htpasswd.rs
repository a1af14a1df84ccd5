use base64::{
    Engine,
    alphabet::BCRYPT,
    engine::{
        GeneralPurpose,
        general_purpose::{NO_PAD, STANDARD_NO_PAD},
    },
};
use kit_auth::basic::{BadHash, Htpasswd, LoadError, PasswordHash};
use std::collections::HashMap;

/// The KiB up to which a hash is computed: a millisecond, as bcrypt of the least cost.
const CHEAP: u64 = 512;

/// Users and the hashes of their passwords: a file, or what came of one.
pub fn htpasswd(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (mut users, mut wrongs) = (HashMap::new(), Vec::new());
    let lines = text.strip_prefix('\u{feff}').unwrap_or(&text).split('\n');
    for (number, line) in (1..).zip(lines) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let fields: Vec<_> = line.split(':').collect();
        let wrong = match fields[..] {
            [] | [_] => "NoColon".to_owned(),
            ["", ..] => "NoName".to_owned(),
            [name, ..] if name.contains(char::is_control) => "Control".to_owned(),
            [name, hash, ..] => match (users.insert(name, number), read(hash)) {
                (Some(first), _) => {
                    users.insert(name, first);
                    format!("Twice {{ first: {first} }}")
                }
                (None, Err(bad)) => format!("Hash({bad:?})"),
                (None, Ok(())) => continue,
            },
        };
        wrongs.push((number, wrong));
    }
    match Htpasswd::text(&*text) {
        Ok(known) => {
            assert_eq!((known.len(), wrongs.len()), (users.len(), 0), "{wrongs:?}");
        }
        Err(error) => {
            let LoadError::Lines { lines, .. } = &error else { panic!("it is no file: {error}") };
            let lines: Vec<_> =
                lines.iter().map(|line| (line.number, format!("{:?}", line.wrong))).collect();
            assert_eq!(lines, wrongs);
            // Of what is there it says nothing: each line is one of few.
            let shown = error.to_string();
            assert_eq!(shown.lines().count(), 1 + wrongs.len(), "{shown}");
        }
    }
}

/// Reads a hash, and looks whether another reader takes it too.
fn read(text: &str) -> Result<(), BadHash> {
    let read = text.parse::<PasswordHash>();
    let cost = if text.starts_with("$argon2id$") { argon2id(text) } else { bcrypt(text) };
    assert_eq!(read.is_ok(), cost.is_some(), "{text}: {read:?}");
    if let (Ok(hash), Some(cost)) = (&read, cost)
        && cost <= CHEAP
    {
        assert!(!(hash.verify("password") && hash.verify("passwort")), "{text}");
        assert!(!format!("{hash:?}").contains(&text[10..]));
    }
    read.map(drop)
}

/// What bcrypt costs, in KiB of argon2id, for one that is taken.
fn bcrypt(text: &str) -> Option<u64> {
    let base64 = GeneralPurpose::new(&BCRYPT, NO_PAD);
    let rest = ["$2a$", "$2b$", "$2y$"].iter().find_map(|start| text.strip_prefix(start))?;
    let (cost, rest) = rest.split_once('$')?;
    let (salt, hash) = rest.split_at_checked(22)?;
    let (salt, hash) = (base64.decode(salt).ok()?, base64.decode(hash).ok()?);
    let is_number = cost.len() == 2 && cost.bytes().all(|digit| digit.is_ascii_digit());
    let cost: u32 = cost.parse().ok().filter(|_| is_number)?;
    let is_taken = (4..=17).contains(&cost) && salt.len() == 16 && hash.len() == 23;
    is_taken.then(|| CHEAP << (cost - 4))
}

/// The KiB that argon2id fills, for one that is taken: no more than 4 GiB, 1 GiB of
/// them at once.
fn argon2id(text: &str) -> Option<u64> {
    let ["", "argon2id", "v=19", params, salt, hash] = text.split('$').collect::<Vec<_>>()[..]
    else {
        return None;
    };
    let mut said = HashMap::new();
    for param in params.split(',') {
        let (name, value) = param.split_once('=')?;
        let number: u32 = value.parse().ok().filter(|number: &u32| number.to_string() == value)?;
        said.insert(name, u64::from(number));
    }
    let count = params.split(',').count();
    let (memory, passes, lanes) = (*said.get("m")?, *said.get("t")?, *said.get("p")?);
    let is_sane = count == 3 && passes > 0 && (1..1 << 24).contains(&lanes) && memory >= 8 * lanes;
    let (salt, hash) = (STANDARD_NO_PAD.decode(salt).ok()?, STANDARD_NO_PAD.decode(hash).ok()?);
    let is_whole = (8..=48).contains(&salt.len()) && (16..=64).contains(&hash.len());
    let is_affordable = memory <= 1 << 20 && memory * passes <= 1 << 22;
    (is_sane && is_whole && is_affordable).then_some(memory * passes)
}
