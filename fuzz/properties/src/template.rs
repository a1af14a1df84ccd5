use bytes::Bytes;
use http::{Request, Uri};
use kit_transport_http::{
    path::{Template, Unfilled},
    query,
};
use std::collections::{BTreeMap, BTreeSet};

/// Path templates: a line of template, one of path, and lines of `name=value`,
/// which a client writes into it.
pub fn template(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.split('\n');
    let (template, path) = (lines.next().unwrap_or_default(), lines.next().unwrap_or("/"));
    match Template::parse(template) {
        Ok(parsed) => {
            assert!(is_template(template), "{template:?}");
            assert_eq!(parsed.as_str(), template);
            there_is_a_path(parsed);
            read(parsed, path);
            write(parsed, &text.lines().filter_map(|line| line.split_once('=')).collect());
        }
        Err(why) => assert!(!is_template(template), "{template:?}: {why}"),
    }
}

/// Some path is read by every template: its own, with something in its places.
fn there_is_a_path(template: Template<'_>) {
    let own: Vec<_> = template
        .as_str()
        .split('/')
        .map(|segment| if segment.starts_with('{') { "x" } else { segment })
        .collect();
    let request = get(&own.join("/")).expect("a template is a path");
    let found: Vec<String> = template.decode(&request).expect("a template reads its own path");
    assert!(found.iter().all(|value| value == "x"));
}

fn read(template: Template<'_>, path: &str) {
    // What stands after these is no path.
    let Some(request) = get(path).filter(|_| !path.contains(['?', '#'])) else { return };
    assert_eq!(request.uri().path(), path);
    let found = find(template.as_str(), path).and_then(|found| {
        found
            .into_iter()
            .map(|(name, value)| {
                let value = crate::percent_decoded(value.as_bytes());
                Some((name, String::from_utf8(value).ok()?))
            })
            .collect::<Option<Vec<_>>>()
    });
    let values: Option<Vec<String>> = template.decode(&request).ok();
    let named: Option<BTreeMap<String, String>> = template.decode(&request).ok();
    let only: Option<String> = template.decode(&request).ok();
    let number: Option<u8> = template.decode(&request).ok();
    let Some(found) = found else {
        assert_eq!((values, named, only, number), (None, None, None, None));
        return;
    };
    let (keys, found): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    let one = (found.len() == 1).then(|| found[0].clone());
    assert_eq!(number, one.as_ref().and_then(|one| one.parse().ok()));
    assert_eq!(only, one);
    assert_eq!(named, Some(keys.into_iter().map(str::to_owned).zip(found.clone()).collect()));
    assert_eq!(values, Some(found));
}

/// What a client writes, a server reads; and what cannot be read as it was
/// meant, it does not write.
fn write(template: Template<'_>, values: &BTreeMap<&str, &str>) {
    let base = Uri::from_static("http://example.com/api/?fixed=1");
    let names: Vec<_> = template
        .as_str()
        .split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
        .collect();
    let sound = names.iter().all(|name| {
        let (name, rest) = name.strip_prefix('*').map_or((*name, false), |name| (name, true));
        values.get(name).is_some_and(|value| {
            let mut segments = value.split(|letter| rest && letter == '/');
            segments.all(|segment| !matches!(segment, "" | "." | ".."))
        })
    });
    let uri = match template.uri(&base, values) {
        Ok(uri) => uri,
        Err(Unfilled::Encode(error)) => panic!("{error}"),
        Err(why) => return assert!(!sound, "{template:?} {values:?}: {why}"),
    };
    assert!(sound, "{template:?} {values:?} {uri}");
    assert_eq!((uri.scheme(), uri.authority()), (base.scheme(), base.authority()));
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = uri;
    let route = format!("/api{}", template.as_str());
    let mut read: BTreeMap<String, String> =
        Template::parse(&route).expect("a template").decode(&request).expect("its own path");
    assert_eq!(read.len(), names.len());
    let mut others: Vec<(String, String)> = query::decode(&request).expect("a query");
    assert_eq!(others.remove(0), ("fixed".to_owned(), "1".to_owned()));
    read.extend(others);
    assert!(read.iter().map(|(name, value)| (&**name, &**value)).eq(values.clone()));
}

fn get(path: &str) -> Option<Request<Bytes>> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = path.parse().ok().filter(|uri: &Uri| uri.authority().is_none())?;
    Some(request)
}

fn is_template(text: &str) -> bool {
    let Some(text) = text.strip_prefix('/') else { return false };
    let segments: Vec<_> = text.split('/').collect();
    let mut names = BTreeSet::new();
    segments.iter().enumerate().all(|(index, segment)| {
        let last = index + 1 == segments.len();
        match segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}')) {
            Some(name) => {
                let name = name.strip_prefix('*').filter(|_| last).unwrap_or(name);
                !name.is_empty() && !name.contains(['{', '}', '*']) && names.insert(name)
            }
            None => segment.chars().all(in_a_path),
        }
    })
}

/// Says whether a path may have it, as `http::Uri` sees it.
fn in_a_path(letter: char) -> bool {
    !letter.is_ascii_control() && !" #<>?`{}".contains(letter)
}

/// Returns what `path` has in the places of `template`.
fn find<'a>(template: &'a str, path: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
    let mut found = Vec::new();
    let mut rest = path.strip_prefix('/')?.split('/').peekable();
    let mut at = 1;
    for segment in template[1..].split('/') {
        let this = rest.next()?;
        match segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}')) {
            None if segment == this => {}
            Some(name) => match name.strip_prefix('*') {
                Some(name) if !path[at..].is_empty() => {
                    found.push((name, &path[at..]));
                    return Some(found);
                }
                None if !this.is_empty() => found.push((name, this)),
                _ => return None,
            },
            None => return None,
        }
        at += this.len() + 1;
    }
    rest.peek().is_none().then_some(found)
}
