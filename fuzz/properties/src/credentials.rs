use http::{HeaderMap, HeaderValue, Request as HttpRequest, header::AUTHORIZATION};
use kit_auth::{Credentials, MAX_CREDENTIALS, Malformed, Presented, Presents};
use kit_endpoint::Request;

/// Credentials: the values of `authorization`, one a line.
pub fn credentials(data: &[u8]) {
    let mut headers = HeaderMap::new();
    let values: Vec<_> = data
        .split(|byte| *byte == b'\n')
        .filter_map(|line| HeaderValue::from_bytes(line).ok())
        .collect();
    for value in &values {
        headers.append(AUTHORIZATION, value.clone());
    }
    let expected = expected(&values);
    let bearer = |presented: Presented<'_>| {
        presented.authorization("Bearer").map(|token| token.map(str::to_owned))
    };
    assert_eq!(bearer(Presented::of(&headers)), expected);

    // However they travel, they are the same.
    let mut kept = Request::new(());
    assert!(kept.presented().is_none());
    let credentials = Credentials::of(&headers, &[]);
    // How many there are is all that it shows of them, whatever stands there.
    let many = ["none", "one", "several"][values.len().min(2)];
    assert_eq!(format!("{credentials:?}"), format!("Credentials {{ authorization: {many} }}"));
    kept.extensions_mut().insert(credentials);
    assert_eq!(bearer(kept.presented().expect("they are there")), expected);
    let mut request = HttpRequest::new(());
    *request.headers_mut() = headers;
    assert_eq!(bearer(request.presented().expect("it has headers")), expected);
}

fn expected(values: &[HeaderValue]) -> Result<Option<String>, Malformed> {
    let value = match values {
        [] => return Ok(None),
        [value] => value.as_bytes(),
        _ => return Err(Malformed::Several),
    };
    if value.len() > MAX_CREDENTIALS {
        return Err(Malformed::TooLong);
    }
    let text: Option<String> = value
        .iter()
        .map(|byte| (b' '..=b'~').contains(byte).then_some(char::from(*byte)))
        .collect();
    let text = text.ok_or(Malformed::NotText)?;
    let words: Vec<_> = text.trim_matches(' ').splitn(2, ' ').collect();
    if !words[0].eq_ignore_ascii_case("bearer") {
        return Ok(None);
    }
    match words.get(1).map(|rest| rest.trim_start_matches(' ')) {
        None | Some("") => Err(Malformed::Syntax),
        Some(token) => Ok(Some(token.to_owned())),
    }
}
