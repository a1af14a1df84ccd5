//! What is written in the file.

use crate::{Instance, document::Document, error::chain};
use serde::Deserialize as _;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// How the file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Toml,
}

/// The key of the list.
const LIST: &str = "instances";

/// Reads the instances of `service`.
///
/// # Errors
///
/// All mistakes, each with its place.
pub(super) fn read(
    text: &[u8],
    format: Format,
    service: &str,
) -> Result<Vec<Instance>, Vec<String>> {
    let Value::Object(mut file) = parse(text, format).map_err(|mistake| vec![mistake])? else {
        return Err(vec![format!("it must be an object with the key `{LIST}`")]);
    };
    let mut mistakes = Vec::new();
    let list = list(&mut file, &mut mistakes);
    mistakes.extend(file.keys().map(|key| format!("the key `{key}` is not known")));
    let mut seen = BTreeSet::new();
    let mut instances = Vec::new();
    for (at, value) in list.into_iter().enumerate() {
        let mut mistake = |what: String| mistakes.push(format!("{LIST}[{at}]: {what}"));
        let document = match Document::deserialize(value) {
            Ok(document) => document,
            Err(error) => {
                mistake(error.to_string());
                continue;
            }
        };
        for key in document.others.keys() {
            mistake(format!("the key `{key}` is not known"));
        }
        for invalid in document.mistakes() {
            mistake(chain(&invalid));
        }
        // What is wrong with it has been said.
        let Ok(instance) = document.into_instance(service) else { continue };
        let (id, address) = (instance.id.clone(), instance.address.clone());
        if !seen.insert((instance.service.clone(), id, address)) {
            let (id, address) = (&instance.id, &instance.address);
            mistake(format!("{id:?} at {address} is there already"));
        }
        instances.push(instance);
    }
    instances.retain(|instance| instance.service == service);
    if mistakes.is_empty() { Ok(instances) } else { Err(mistakes) }
}

fn list(file: &mut Map<String, Value>, mistakes: &mut Vec<String>) -> Vec<Value> {
    match file.remove(LIST) {
        Some(Value::Array(list)) => return list,
        Some(_) => mistakes.push(format!("`{LIST}` must be a list")),
        None => mistakes.push(format!("the key `{LIST}` is missing")),
    }
    Vec::new()
}

/// Both formats become the same, so that what follows is one.
fn parse(text: &[u8], format: Format) -> Result<Value, String> {
    match format {
        Format::Json => serde_json::from_slice(text).map_err(|error| error.to_string()),
        Format::Toml => {
            let text = str::from_utf8(text).map_err(|error| error.to_string())?;
            toml::from_str(text).map_err(|error| {
                // Its own text has several lines, and quotes the file.
                let before = error.span().and_then(|span| text.get(..span.start));
                let line = before.map_or(1, |before| before.matches('\n').count() + 1);
                format!("{} at line {line}", error.message().replace('\n', ", "))
            })
        }
    }
}
