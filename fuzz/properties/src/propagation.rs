use http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use kit_transport::{
    Call, Criticality, Hook, Metadata, Propagation, Protocol,
    deadline::REQUEST_TIMEOUT_MS,
    propagate,
    propagation::{CRITICALITY, GLOBAL_METADATA},
};

/// What goes on from hop to hop: lines of `name:value`, the headers of a
/// request.
pub fn propagation(data: &[u8]) {
    let headers = crate::headers(data);
    let default = [64, 128, 1024, 4096];
    goes_on(&headers, Propagation::new(), default);
    let [entries, name, value, total] = [3, 16, 6, 48];
    let small =
        Propagation::new().entries(entries).name_bytes(name).value_bytes(value).total_bytes(total);
    goes_on(&headers, small, [entries, name, value, total]);
}

fn goes_on(headers: &HeaderMap, hook: Propagation, limits: [usize; 4]) {
    let read = |headers: &HeaderMap| {
        let mut extensions = Extensions::new();
        hook.before(&Call::new(Protocol::Http, "GET", headers), &mut extensions);
        extensions
    };
    let came = read(headers);
    let class = came.get::<Criticality>().copied();
    assert_eq!(class, criticality(headers));
    let metadata = came.get::<Metadata>().cloned();
    assert_eq!(metadata.is_some(), headers.keys().any(is_global));
    let metadata = metadata.unwrap_or_default();
    let (kept, dropped) = sorted_out(headers, limits);
    assert!(metadata.iter().eq(kept));
    assert_eq!(metadata.dropped(), dropped);

    // What goes out is what came in, and reads the same at the next hop.
    let mut out = HeaderMap::new();
    propagate(&came, None, &REQUEST_TIMEOUT_MS, &mut out);
    assert!(out.keys().all(|name| is_global(name) || *name == CRITICALITY));
    let next = read(&out);
    assert_eq!(next.get::<Criticality>().copied(), class);
    let arrived = next.get::<Metadata>().cloned().unwrap_or_default();
    assert!(arrived.iter().eq(metadata.iter()));
    assert_eq!(arrived.dropped(), 0);

    // What a call has already stays as it is.
    let mut merged = headers.clone();
    propagate(&came, None, &REQUEST_TIMEOUT_MS, &mut merged);
    assert_eq!(&merged, headers);
}

/// Returns what there is room for, and the number of the others.
fn sorted_out(
    headers: &HeaderMap,
    [entries, name_bytes, value_bytes, total_bytes]: [usize; 4],
) -> (Vec<(&HeaderName, &HeaderValue)>, usize) {
    let mut kept: Vec<(&HeaderName, &HeaderValue)> = Vec::new();
    let mut dropped = 0;
    for (name, value) in headers {
        if !is_global(name) {
            continue;
        }
        let used: usize = kept.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        let size = name.as_str().len() + value.len();
        let too_many = kept.len() == entries || used + size > total_bytes;
        let too_long = name.as_str().len() > name_bytes || value.len() > value_bytes;
        let printable = std::str::from_utf8(value.as_bytes())
            .is_ok_and(|text| text.chars().all(|letter| (' '..='~').contains(&letter)));
        if too_many || too_long || !printable {
            dropped += 1;
        } else {
            kept.push((name, value));
        }
    }
    (kept, dropped)
}

fn is_global(name: &HeaderName) -> bool {
    name.as_str().strip_prefix(GLOBAL_METADATA).is_some()
}

fn criticality(headers: &HeaderMap) -> Option<Criticality> {
    let text = std::str::from_utf8(headers.get(CRITICALITY)?.as_bytes()).ok()?;
    let class = match text.to_ascii_lowercase().replace('_', "-").as_str() {
        "sheddable" => Criticality::Sheddable,
        "sheddable-plus" => Criticality::SheddablePlus,
        "critical" => Criticality::Critical,
        "critical-plus" => Criticality::CriticalPlus,
        _ => return None,
    };
    assert_eq!(class.to_string().parse(), Ok(class));
    Some(class)
}
