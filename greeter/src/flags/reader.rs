//! Reads the command line and the environment, flag by flag.

use super::{
    table::{CALL, Flag, SERVE, TOKEN, WATCH},
    value::not_utf8,
};
use std::{collections::BTreeMap, ffi::OsString};

/// What is asked for in place of a command.
pub(super) enum Asked {
    Help,
    Version,
}

/// What is given, and what is wrong with it.
pub(super) struct Reader<'a> {
    flags: &'a [&'a Flag],
    env: &'a dyn Fn(&str) -> Option<OsString>,
    pub(super) given: BTreeMap<&'static str, String>,
    /// What each flag that was read had, by default too.
    pub(super) said: BTreeMap<&'static str, String>,
    pub(super) words: Vec<String>,
    pub(super) mistakes: Vec<String>,
}

// ===== impl Reader =====

impl<'a> Reader<'a> {
    pub(super) fn new(flags: &'a [&'a Flag], env: &'a dyn Fn(&str) -> Option<OsString>) -> Self {
        let (given, said, words, mistakes) = Default::default();
        Self { flags, env, given, said, words, mistakes }
    }

    /// Sorts the arguments into flags and words.
    pub(super) fn read(&mut self, args: impl Iterator<Item = String>) -> Option<Asked> {
        let mut args = args.peekable();
        while let Some(arg) = args.next() {
            if arg == "--" {
                self.words.extend(args);
                break;
            }
            let Some(flag) = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-')) else {
                self.words.push(arg);
                continue;
            };
            match flag {
                "h" | "help" => return Some(Asked::Help),
                "V" | "version" => return Some(Asked::Version),
                _ => {}
            }
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (flag, None),
            };
            let mut known = [SERVE, CALL, TOKEN, WATCH].into_iter().flatten();
            let Some(flag) = known.find(|flag| flag.name == name) else {
                self.mistakes.push(format!("there is no flag {arg}"));
                continue;
            };
            if !self.flags.iter().any(|flag| flag.name == name) {
                self.mistakes.push(format!("--{name} is a flag of another command"));
            }
            match value.or_else(|| args.next_if(|next| !next.starts_with('-'))) {
                Some(value) => {
                    if self.given.insert(flag.name, value).is_some() {
                        self.mistakes.push(format!("--{name} is given twice"));
                    }
                }
                None => self.mistakes.push(format!("--{name} needs a value: {}", flag.value)),
            }
        }
        None
    }

    /// Says whether a flag is given, on the command line or in the environment.
    pub(super) fn is_given(&self, flag: &Flag) -> bool {
        let variable = || (self.env)(flag.env?).filter(|value| !value.is_empty());
        self.given.contains_key(flag.name) || variable().is_some()
    }

    /// Reads one flag, from the command line or the environment, or its
    /// default; an empty variable is none.
    pub(super) fn value<T>(
        &mut self,
        flag: &Flag,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let (name, value) = match (self.given.get(flag.name), flag.env) {
            (Some(value), _) => (format!("--{}", flag.name), value.clone()),
            (None, Some(env)) => match (self.env)(env).filter(|value| !value.is_empty()) {
                Some(value) => match value.into_string() {
                    Ok(value) => (env.to_owned(), value),
                    Err(value) => {
                        self.mistakes.push(not_utf8(env, &value));
                        return None;
                    }
                },
                None => (format!("--{}", flag.name), flag.default.to_owned()),
            },
            (None, None) => (format!("--{}", flag.name), flag.default.to_owned()),
        };
        if value.is_empty() && flag.default.is_empty() && !self.given.contains_key(flag.name) {
            return None;
        }
        match parse(&value) {
            Ok(read) => {
                self.said.insert(flag.name, value);
                Some(read)
            }
            Err(why) => {
                self.mistakes.push(format!("{name} {value:?}: {why}"));
                None
            }
        }
    }
}
