//! What a token looks like: its parts, its header, its length.

use super::{
    base64url, claiming, good, headed, key, knowing, private, refusal, sealed, signed, token,
    verified, verifier,
};
use kit_auth::jwt::{Algorithm, TokenError, Verifier};
use serde_json::{Value, json};

/// Signs a header and claims that are base64url already, or should be.
fn raw(header: &str, claims: &str) -> String {
    sealed(&private(Algorithm::EdDSA), Algorithm::EdDSA, &format!("{header}.{claims}"))
}

fn header() -> String {
    super::header(Algorithm::EdDSA).to_string()
}

// ----- parts

#[test]
fn a_token_has_three_parts() {
    let token = token();
    let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else {
        panic!("it has three")
    };
    for other in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        "....".to_owned(),
        header.to_owned(),
        format!("{header}."),
        format!(".{header}"),
        format!("{header}.{claims}"),
        format!("{claims}.{signature}"),
        format!("{header}.{claims}."),
        format!("{header}..{claims}.{signature}"),
        format!("{header}.{claims}..{signature}"),
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.{signature}"),
        format!("{header}.{token}"),
        format!("{token}.."),
        format!("{token}.{signature}.{signature}"),
        // As what is encrypted has five (RFC 7516, appendix A.1).
        "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.OKOawDo13gRp2ojaHV7L\
         .48V1_ALb6US04U3b.5eym8TW_c8SuK0ltJ3rpYIzOeDQz7TALvtu6UG9oMo4vpzs9tX_E\
         .XFBoMYUZodetZdvTiFvSkQ"
            .to_owned(),
        // As JSON (RFC 7515, section 7.2).
        json!({ "protected": header, "payload": claims, "signature": signature }).to_string(),
        json!({
            "payload": claims, "signatures": [{ "protected": header, "signature": signature }],
        })
        .to_string(),
    ] {
        assert_eq!(refusal(&other), TokenError::Parts, "{other}");
    }
}

#[test]
fn no_part_may_be_empty() {
    let claims = base64url(good().to_string());
    assert_eq!(refusal(&raw("", &claims)), TokenError::Header);
    assert_eq!(refusal(&raw(&base64url(header()), "")), TokenError::Claims);
    assert_eq!(refusal(&raw("", "")), TokenError::Header);
    let token = token();
    let (message, _) = token.rsplit_once('.').unwrap();
    assert_eq!(refusal(&format!("{message}.")), TokenError::Parts);
}

/// The alphabet of base64url, by its values.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Says the same in base64url by another last character, where there is one: bits
/// that say nothing are not zero.
fn otherwise(part: &str) -> Vec<String> {
    let free = [0, 0, 4, 2][part.len() % 4];
    let (last, rest) = part.as_bytes().split_last().unwrap();
    let value = ALPHABET.iter().position(|char| char == last).unwrap();
    let other = |more: usize| {
        let last = char::from(ALPHABET[value | more]);
        format!("{}{last}", std::str::from_utf8(rest).unwrap())
    };
    (1..1 << free).map(other).collect()
}

#[test]
fn base64url_is_said_in_one_way() {
    let mut seen = 0;
    // Spaces in the JSON, so that there is something to be said otherwise.
    for spaces in 0..3 {
        let json = |json: String| base64url(json + &" ".repeat(spaces));
        let (header, claims) = (json(header()), json(good().to_string()));
        let token = raw(&header, &claims);
        verified(&token);
        let (message, signature) = token.rsplit_once('.').unwrap();
        for other in otherwise(&header) {
            assert_eq!(refusal(&raw(&other, &claims)), TokenError::Parts, "{other}");
            seen += 1;
        }
        for other in otherwise(&claims) {
            assert_eq!(refusal(&raw(&header, &other)), TokenError::Parts, "{other}");
            seen += 1;
        }
        for other in otherwise(signature) {
            assert_eq!(refusal(&format!("{message}.{other}")), TokenError::Parts, "{other}");
            seen += 1;
        }
    }
    assert_eq!(seen, 3 * 15 + 2 * (15 + 3), "each form was there");
}

#[test]
fn padding_and_what_is_no_base64url_are_refused() {
    let (header, claims) = (base64url(header()), base64url(good().to_string()));
    let signature = token().rsplit_once('.').unwrap().1.to_owned();
    for (at, part) in [&header, &claims, &signature].into_iter().enumerate() {
        let (start, end) = part.split_at(part.len() / 2);
        let mut others: Vec<String> = ["=", "==", "===", "%3D", "A=", "\0", "\n", "\r\n", " "]
            .iter()
            .map(|end| format!("{part}{end}"))
            .collect();
        others.extend(["=", " ", "\n", "\t", "\0", "?", "+", "/", "*", "ä", "\u{200b}", ","].map(
            // As many characters, so that it is not by its length.
            |middle| format!("{start}{middle}{}", &end[1..]),
        ));
        others.push(format!(" {part}"));
        // A length that no bytes have.
        others.push(part[..part.len() - (part.len() - 1) % 4].to_owned());
        for other in others {
            let token = match at {
                0 => raw(&other, &claims),
                1 => raw(&header, &other),
                _ => format!("{header}.{claims}.{other}"),
            };
            assert_eq!(refusal(&token), TokenError::Parts, "part {at}: {other:?}");
        }
    }
}

// ----- the header

#[test]
fn a_header_is_a_json_object() {
    verified(&headed(r#"{"alg":"EdDSA"}"#));
    verified(&headed(" \n{ \"alg\" : \"EdDSA\" , \"x\" : [ 1, {\"y\" : null} ] }\r\n "));
    for header in [
        "",
        " ",
        "null",
        "true",
        "7",
        r#""EdDSA""#,
        "[]",
        r#"["EdDSA"]"#,
        r#"["EdDSA",null,null]"#,
        r#"["EdDSA",null,null,false,false]"#,
        r#"[{"alg":"EdDSA"}]"#,
        "{}",
        "{",
        r#"{"alg":"EdDSA""#,
        r#"{"alg":"EdDSA",}"#,
        r#"{"alg":"EdDSA"}x"#,
        r#"{"alg":"EdDSA"}{}"#,
        "{\"alg\":\"EdDSA\"}\0",
        "\u{feff}{\"alg\":\"EdDSA\"}",
        "{'alg':'EdDSA'}",
        r#"{alg:"EdDSA"}"#,
        r#"{"alg":"EdDSA"/**/}"#,
        r#"{"Alg":"EdDSA"}"#,
        r#"{"ALG":"EdDSA"}"#,
        r#"{"alg ":"EdDSA"}"#,
        "{\"alg\":\"Ed\u{1}DSA\"}",
        r#"{"alg":"\ud800"}"#,
        r#"{"alg":"EdDSA","x":NaN}"#,
        r#"{"alg":"EdDSA","x":01}"#,
    ] {
        assert_eq!(refusal(&headed(header)), TokenError::Header, "{header:.60}");
    }
    for header in
        [&b"\xff"[..], b"{\"alg\":\"EdDSA\xff\"}", b"{\"alg\":\"EdDSA\",\"kid\":\"\xc0\xaf\"}"]
    {
        assert_eq!(refusal(&headed(header)), TokenError::Header, "{header:?}");
    }
    let utf16: Vec<u8> = r#"{"alg":"EdDSA"}"#.encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!(refusal(&headed(utf16)), TokenError::Header);
}

#[test]
fn no_member_of_a_header_that_matters_is_there_twice() {
    for header in [
        r#"{"alg":"EdDSA","alg":"EdDSA"}"#,
        r#"{"alg":"EdDSA","alg":"none"}"#,
        r#"{"alg":"none","alg":"EdDSA"}"#,
        r#"{"alg":"HS256","alg":"EdDSA"}"#,
        r#"{"alg":"EdDSA","\u0061lg":"HS256"}"#,
        r#"{"alg":"EdDSA","kid":"EdDSA","kid":"EdDSA"}"#,
        r#"{"alg":"EdDSA","kid":"a","kid":"EdDSA"}"#,
        r#"{"alg":"EdDSA","kid":"EdDSA","\u006bid":"a"}"#,
        r#"{"alg":"EdDSA","kid":null,"kid":"EdDSA"}"#,
        r#"{"alg":"EdDSA","typ":"JWT","typ":"other"}"#,
        r#"{"alg":"EdDSA","typ":"other","typ":"JWT"}"#,
        r#"{"alg":"EdDSA","crit":[],"crit":["exp"]}"#,
        r#"{"alg":"EdDSA","b64":true,"b64":false}"#,
    ] {
        assert_eq!(refusal(&headed(header)), TokenError::Header, "{header}");
    }
}

#[test]
fn what_must_be_understood_and_is_not_is_refused() {
    for value in [
        json!(["exp"]),
        json!(["b64"]),
        json!(["alg"]),
        json!(["http://example.com/unknown"]),
        json!(["exp", "exp"]),
        json!([]),
        json!([""]),
        json!([null]),
        json!(null),
        json!("exp"),
        json!(""),
        json!(0),
        json!(false),
        json!({}),
        json!({ "exp": true }),
    ] {
        let header = json!({ "alg": "EdDSA", "crit": value, "exp": 1, "b64x": true }).to_string();
        assert_eq!(refusal(&headed(header)), TokenError::Critical, "{value}");
    }
    // A name in another case is another name, and ignored.
    verified(&headed(r#"{"alg":"EdDSA","Crit":["exp"],"CRIT":["exp"]}"#));
}

#[test]
fn a_payload_that_is_not_encoded_is_refused() {
    let plain = good().to_string();
    for header in [
        r#"{"alg":"EdDSA","b64":false,"crit":["b64"]}"#,
        r#"{"alg":"EdDSA","b64":false}"#,
        r#"{"alg":"EdDSA","b64":true,"crit":["b64"]}"#,
        r#"{"alg":"EdDSA","b64":true}"#,
        r#"{"alg":"EdDSA","b64":null}"#,
        r#"{"alg":"EdDSA","b64":"false"}"#,
    ] {
        assert_eq!(refusal(&headed(header)), TokenError::Critical, "{header}");
        // RFC 7797: the payload as it is; or detached.
        for payload in [plain.replace('.', "").as_str(), ""] {
            let token = raw(&base64url(header), payload);
            assert_eq!(refusal(&token), TokenError::Critical, "{header}");
        }
    }
}

#[test]
fn what_is_nested_deep_costs_no_stack() {
    let deep = format!("{}1{}", "[".repeat(2500), "]".repeat(2500));
    verified(&headed(format!(r#"{{"alg":"EdDSA","x":{deep}}}"#)));
    for name in ["alg", "kid", "typ"] {
        let header = format!(r#"{{"alg":"EdDSA","{name}":{deep}}}"#);
        assert_eq!(refusal(&headed(header)), TokenError::Header, "{name}");
    }
    let claims = format!(r#"{{"x":{deep},{}"#, &good().to_string()[1..]);
    verified(&claiming(&claims));
    // Where it is asked for, it is too deep.
    let any = verifier().claims::<Value>().verify(&claiming(claims));
    assert_eq!(any.unwrap_err(), TokenError::Claims);
    for claim in ["exp", "aud", "iss", "sub"] {
        let claims = super::with(claim, "@").to_string().replace("\"@\"", &deep);
        assert_eq!(refusal(&claiming(claims)), TokenError::Claims, "{claim}");
    }
}

// ----- typ

fn typed(kind: &Value) -> String {
    headed(json!({ "alg": "EdDSA", "typ": kind }).to_string())
}

fn takes(verifier: &Verifier, kind: &Value) -> bool {
    match verifier.verify(&typed(kind)) {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error, TokenError::Type, "{kind}");
            false
        }
    }
}

#[test]
fn a_token_is_of_a_type_that_is_taken() {
    let verifier = verifier();
    for kind in ["JWT", "jwt", "Jwt", "at+jwt", "AT+JWT", "application/at+jwt", "application/jwt"] {
        assert!(takes(&verifier, &json!(kind)), "{kind}");
        assert!(takes(&verifier, &json!(kind.to_ascii_uppercase())), "{kind}");
    }
    assert!(takes(&verifier, &Value::Null));
    verified(&headed(r#"{"alg":"EdDSA"}"#));
    for kind in [
        "",
        "JOSE",
        "JWS",
        "id+jwt",
        "logout+jwt",
        "secevent+jwt",
        "dpop+jwt",
        "at+jwtx",
        "xat+jwt",
        " JWT",
        "JWT ",
        "application/",
        "application/application/jwt",
        "application/x/jwt",
        "text/jwt",
        "applicationxjwt",
        "ＪＷＴ",
        "äpplicatiön/jwt",
        // A character across the place where `application/` ends.
        "applicationä",
    ] {
        assert!(!takes(&verifier, &json!(kind)), "{kind}");
    }
    for kind in [json!(7), json!(["JWT"]), json!({}), json!(true)] {
        assert_eq!(refusal(&typed(&kind)), TokenError::Header, "{kind}");
    }
}

#[test]
fn of_other_types_each_must_be_said() {
    let events = verifier().types(["secevent+jwt"]);
    assert!(takes(&events, &json!("secevent+jwt")));
    assert!(takes(&events, &json!("application/SecEvent+JWT")));
    assert!(!takes(&events, &json!("JWT")));
    assert!(!takes(&events, &json!("at+jwt")));
    assert_eq!(events.verify(&headed(r#"{"alg":"EdDSA"}"#)).unwrap_err(), TokenError::Type);
    // An access token alone (RFC 9068, section 4).
    let access = verifier().types(["at+jwt"]);
    assert!(takes(&access, &json!("at+jwt")) && takes(&access, &json!("application/at+jwt")));
    assert!(!takes(&access, &json!("JWT")) && !takes(&access, &Value::Null));
    let both = verifier().types(["secevent+jwt".to_owned(), "jwt".to_owned()]);
    assert!(takes(&both, &json!("JWT")) && takes(&both, &Value::Null));
    // However it is said.
    let long = verifier().types(["application/secevent+jwt"]);
    assert!(takes(&long, &json!("application/secevent+jwt")));
    assert!(takes(&long, &json!("secevent+jwt")));
    let none = verifier().types([""; 0]);
    assert!(!takes(&none, &json!("JWT")) && !takes(&none, &Value::Null));
}

// ----- length

/// A token of so many bytes.
fn long(bytes: usize) -> String {
    let header = header();
    let encoded = |bytes: usize| (bytes * 4).div_ceil(3);
    // The length of a part is never 1 more than a multiple of 4: spaces in the header
    // make up for that.
    for spaces in 0..3 {
        let header = format!("{header}{}", " ".repeat(spaces));
        let rest = bytes - encoded(header.len()) - encoded(64) - 2;
        let claims = good().to_string();
        let pad = rest * 3 / 4 - claims.len();
        if encoded(claims.len() + pad) == rest {
            return signed(Algorithm::EdDSA, header, claims + &" ".repeat(pad));
        }
    }
    panic!("there is one of each length")
}

#[test]
fn a_token_has_8_kib_at_most() {
    let (most, more) = (long(8192), long(8193));
    assert_eq!((most.len(), more.len()), (8192, 8193));
    verified(&most);
    assert_eq!(refusal(&more), TokenError::TooLong);
    // It is not looked at.
    assert_eq!(refusal(&"x".repeat(8193)), TokenError::TooLong);
    assert_eq!(refusal(&"x".repeat(8192)), TokenError::Parts);
    assert_eq!(refusal(&".".repeat(1 << 20)), TokenError::TooLong);
}

#[test]
fn the_most_that_a_token_has_can_be_said() {
    let token = token();
    verifier().max_token(token.len()).verify(&token).unwrap();
    let error = verifier().max_token(token.len() - 1).verify(&token).unwrap_err();
    assert_eq!(error, TokenError::TooLong);
    assert_eq!(verifier().max_token(0).verify("").unwrap_err(), TokenError::Parts);
    let knows = knowing([key(Algorithm::EdDSA)]).max_token(20_000);
    knows.verify(&long(9000)).unwrap();
}

#[test]
fn claims_are_a_json_object() {
    verified(&claiming(format!(" \t\r\n{} ", good())));
    let registered = json!([super::NOW + 60, null, null, super::ISSUER, super::AUDIENCE]);
    for claims in [
        "",
        "null",
        "7",
        r#""text""#,
        "[]",
        &registered.to_string(),
        &json!([good()]).to_string(),
        &good().to_string()[1..],
        &format!("{}x", good()),
        &format!("{}{}", good(), good()),
        &format!("\u{feff}{}", good()),
    ] {
        assert_eq!(refusal(&claiming(claims)), TokenError::Claims, "{claims:.60}");
        // Whatever type they are read as.
        let any = verifier().claims::<Value>().verify(&claiming(claims));
        assert_eq!(any.unwrap_err(), TokenError::Claims, "{claims:.60}");
    }
    let mut bytes = good().to_string().into_bytes();
    bytes[9] = 0xff;
    let token = signed(Algorithm::EdDSA, header(), bytes);
    assert_eq!(refusal(&token), TokenError::Claims);
}
