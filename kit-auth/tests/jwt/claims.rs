//! What a token says: by whom and for whom it is, and all else.

use super::{
    AUDIENCE, ISSUER, NOW, claiming, good, refusal, token, verified, verifier, with, without,
};
use kit_auth::{
    authorize::Grants,
    jwt::{Claims, TokenError, Verified},
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

// ----- iss

#[test]
fn a_token_must_be_of_the_issuer() {
    for issuer in [
        "",
        "https://login.example/",
        "https://login.example ",
        "https://LOGIN.example",
        "http://login.example",
        "https://login.example.evil",
        "https://login.example\0",
        "https://login.exampl",
        "*",
        "greeter",
    ] {
        assert_eq!(refusal(&claiming(with("iss", issuer))), TokenError::Issuer, "{issuer:?}");
    }
    for issuer in [
        json!([ISSUER]),
        json!([]),
        json!([ISSUER, "https://evil.example"]),
        json!({ "iss": ISSUER }),
        json!(7),
        json!(true),
    ] {
        assert_eq!(refusal(&claiming(with("iss", issuer.clone()))), TokenError::Claims, "{issuer}");
    }
    for claims in [without("iss"), with("iss", Value::Null)] {
        assert_eq!(refusal(&claiming(claims)), TokenError::Missing("iss"));
    }
    // By what it says, not by how it is written.
    verified(&claiming(good().to_string().replace("https://", r"\u0068ttps:\/\/")));
}

#[test]
fn a_token_may_be_of_any_of_several_issuers() {
    let two = verifier().issuer("https://other.example");
    two.verify(&token()).unwrap();
    two.verify(&claiming(with("iss", "https://other.example"))).unwrap();
    let error = two.verify(&claiming(with("iss", "https://third.example"))).unwrap_err();
    assert_eq!(error, TokenError::Issuer);
    let both = "https://login.example,https://other.example";
    assert_eq!(two.verify(&claiming(with("iss", both))).unwrap_err(), TokenError::Issuer);
}

// ----- aud

#[test]
fn a_token_must_be_for_the_audience() {
    for audience in [
        json!(AUDIENCE),
        json!([AUDIENCE]),
        json!([AUDIENCE, "other"]),
        json!(["other", AUDIENCE]),
        json!(["", AUDIENCE, AUDIENCE]),
    ] {
        verified(&claiming(with("aud", audience)));
    }
    for audience in [
        json!("other"),
        json!(""),
        json!("Greeter"),
        json!("greeter "),
        json!("greeter/"),
        json!("greete"),
        json!("greeter2"),
        json!("greeter\0"),
        json!("greeter other"),
        json!("greeter,other"),
        json!("[\"greeter\"]"),
        json!("*"),
        json!([]),
        json!([""]),
        json!(["other"]),
        json!(["other", "Greeter"]),
        json!(["gree", "ter"]),
    ] {
        let error = refusal(&claiming(with("aud", audience.clone())));
        assert_eq!(error, TokenError::Audience, "{audience}");
    }
    for audience in [
        json!(7),
        json!(true),
        json!({}),
        json!({ "greeter": true }),
        json!([7]),
        json!([null]),
        json!([AUDIENCE, 7]),
        json!([AUDIENCE, null]),
        json!([[AUDIENCE]]),
        json!([[AUDIENCE], AUDIENCE]),
        json!([{ "aud": AUDIENCE }]),
    ] {
        let error = refusal(&claiming(with("aud", audience.clone())));
        assert_eq!(error, TokenError::Claims, "{audience}");
    }
    for claims in [without("aud"), with("aud", Value::Null)] {
        assert_eq!(refusal(&claiming(claims)), TokenError::Missing("aud"));
    }
}

#[test]
fn a_token_may_be_for_any_of_several_audiences() {
    let two = verifier().audience("admin");
    for audience in [json!(AUDIENCE), json!("admin"), json!(["x", "admin"])] {
        two.verify(&claiming(with("aud", audience))).unwrap();
    }
    let error = two.verify(&claiming(with("aud", json!(["greeteradmin", "x"])))).unwrap_err();
    assert_eq!(error, TokenError::Audience);
}

// ----- twice

#[test]
fn no_claim_that_matters_is_there_twice() {
    let exp = NOW + 60;
    for (claim, twice) in [
        ("exp", format!(r#""exp":{exp},"exp":{exp}"#)),
        ("exp", format!(r#""exp":1,"exp":{exp}"#)),
        ("exp", format!(r#""exp":{exp},"exp":1"#)),
        ("exp", format!(r#""exp":null,"exp":{exp}"#)),
        ("exp", format!(r#""exp":{exp},"\u0065xp":1"#)),
        ("iss", format!(r#""iss":"{ISSUER}","iss":"https://evil.example""#)),
        ("iss", format!(r#""iss":"https://evil.example","iss":"{ISSUER}""#)),
        ("aud", format!(r#""aud":"{AUDIENCE}","aud":"other""#)),
        ("aud", format!(r#""aud":["other"],"aud":["{AUDIENCE}"]"#)),
        ("sub", r#""sub":"ada","sub":"eve""#.to_owned()),
        ("nbf", r#""nbf":1,"nbf":1"#.to_owned()),
        ("iat", r#""iat":1,"iat":1"#.to_owned()),
        ("scope", r#""scope":"read","scope":"write""#.to_owned()),
        ("roles", r#""roles":"user","roles":["admin"]"#.to_owned()),
        ("jti", r#""jti":"1","jti":"2""#.to_owned()),
        ("client_id", r#""client_id":"a","client_id":"b""#.to_owned()),
    ] {
        let mut rest = good();
        rest.as_object_mut().unwrap().remove(claim);
        let claims = format!("{{{twice},{}", &rest.to_string()[1..]);
        assert_eq!(refusal(&claiming(&claims)), TokenError::Claims, "{claims}");
    }
    // Of what nobody asks for, nobody says how often.
    verified(&claiming(format!(r#"{{"x":1,"x":2,{}"#, &good().to_string()[1..])));
}

// ----- claims of one's own

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Own {
    iss: String,
    aud: String,
    exp: u64,
    sub: String,
    tenant: Tenant,
    level: u8,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Tenant {
    Blue,
    Green,
}

fn own(token: &str) -> Result<Verified<Own>, TokenError> {
    verifier().claims().verify(token)
}

#[test]
fn claims_are_read_as_a_type_of_ones_own() {
    let mut claims = with("tenant", "blue");
    claims["level"] = json!(3);
    let expected = Own {
        iss: ISSUER.to_owned(),
        aud: AUDIENCE.to_owned(),
        exp: NOW + 60,
        sub: "ada".to_owned(),
        tenant: Tenant::Blue,
        level: 3,
        tags: Vec::new(),
    };
    let verified = own(&claiming(&claims)).unwrap();
    assert_eq!(*verified, expected);
    // Clones are one.
    assert!(std::ptr::eq(&raw const *verified, &raw const *verified.clone()));
    claims["tenant"] = json!("green");
    claims["tags"] = json!(["a", "b"]);
    assert_eq!(own(&claiming(&claims)).unwrap().tenant, Tenant::Green);
}

#[test]
fn what_a_type_of_ones_own_asks_for_must_be_there_and_fit() {
    let right = {
        let mut claims = with("tenant", "blue");
        claims["level"] = json!(3);
        claims
    };
    own(&claiming(&right)).unwrap();
    for claim in ["sub", "tenant", "level"] {
        let mut claims = right.clone();
        claims.as_object_mut().unwrap().remove(claim);
        assert_eq!(own(&claiming(claims)).unwrap_err(), TokenError::Claims, "{claim}");
    }
    for (claim, value) in [
        ("sub", json!(7)),
        ("sub", json!(null)),
        ("tenant", json!("red")),
        ("tenant", json!("Blue")),
        ("tenant", json!(0)),
        ("level", json!("3")),
        ("level", json!(-1)),
        ("level", json!(256)),
        ("level", json!(3.5)),
        ("tags", json!("a")),
        ("tags", json!([1])),
        ("unknown", json!(1)),
    ] {
        let mut claims = right.clone();
        claims[claim] = value.clone();
        let error = own(&claiming(claims)).unwrap_err();
        assert_eq!(error, TokenError::Claims, "{claim}: {value}");
    }
    // What it does not ask for is checked all the same.
    let nothing = verifier().claims::<serde::de::IgnoredAny>();
    nothing.verify(&token()).unwrap();
    let error = nothing.verify(&claiming(with("aud", "other"))).unwrap_err();
    assert_eq!(error, TokenError::Audience);
}

#[test]
fn what_is_not_taken_is_said_before_what_does_not_fit() {
    // A forged or expired token says nothing of the type.
    let mut claims = with("level", "not a number");
    claims["exp"] = json!(1);
    let error = own(&claiming(&claims)).unwrap_err();
    assert_eq!(error, TokenError::Expired(Duration::from_secs(NOW - 1)));
    let token = claiming(claims);
    let forged = format!("{}A", &token[..token.len() - 1]);
    let forged = if forged == token { format!("{}Q", &token[..token.len() - 1]) } else { forged };
    assert_eq!(own(&forged).unwrap_err(), TokenError::Signature);
}

// ----- the claims that are registered

fn all() -> Value {
    json!({
        "iss": ISSUER,
        "sub": "ada",
        "aud": ["greeter", "other"],
        "exp": NOW + 60,
        "nbf": NOW - 1,
        "iat": NOW - 2,
        "jti": "7",
        "client_id": "curl",
        "scope": "read write",
        "roles": ["user", "admin"],
    })
}

#[test]
fn registered_claims_are_read() {
    let claims = verified(&claiming(all()));
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    let text = |text: &Option<String>| text.clone().unwrap();
    assert_eq!(text(&claims.issuer), ISSUER);
    assert_eq!(text(&claims.subject), "ada");
    assert_eq!(claims.audience.0, ["greeter", "other"]);
    assert_eq!(claims.expires, seconds(NOW + 60));
    assert_eq!(claims.not_before, seconds(NOW - 1));
    assert_eq!(claims.issued, seconds(NOW - 2));
    assert_eq!(text(&claims.id), "7");
    assert_eq!(text(&claims.client_id), "curl");
    assert_eq!(text(&claims.scope), "read write");
    assert_eq!(claims.roles.0, ["user", "admin"]);

    let claims = verified(&claiming(with("roles", "user")));
    assert_eq!(
        (&*claims.audience.0, &*claims.roles.0),
        (&["greeter".into()][..], &["user".into()][..])
    );
    assert_eq!((&claims.scope, &claims.id, &claims.client_id), (&None, &None, &None));
    assert_eq!((claims.not_before, claims.issued), (None, None));
    assert!(verified(&token()).roles.is_empty());
    assert!(verified(&claiming(with("roles", Value::Null))).roles.is_empty());
    assert_eq!(
        verified(&claiming(with("exp", 1.75e9 + 0.5))).expires,
        Some(Duration::from_millis(1_750_000_000_500))
    );
}

#[test]
fn registered_claims_of_another_type_are_refused() {
    for (claim, value) in [
        ("sub", json!(7)),
        ("sub", json!(["ada"])),
        ("jti", json!(7)),
        ("client_id", json!({})),
        ("scope", json!(["read", "write"])),
        ("scope", json!(1)),
        ("roles", json!({ "admin": true })),
        ("roles", json!([1])),
        ("roles", json!(true)),
    ] {
        let error = refusal(&claiming(with(claim, value.clone())));
        assert_eq!(error, TokenError::Claims, "{claim}: {value}");
    }
}

#[test]
fn registered_claims_are_written_as_they_are_read() {
    let claims = verified(&claiming(all()));
    assert_eq!(serde_json::to_value(&*claims).unwrap(), all());
    let mut made = Claims::default();
    assert_eq!(serde_json::to_value(&made).unwrap(), json!({}));
    made.subject = Some("ada".to_owned());
    made.audience.0.push("greeter".to_owned());
    made.expires = Some(Duration::from_secs(7));
    let json = serde_json::to_value(&made).unwrap();
    assert_eq!(json, json!({ "sub": "ada", "aud": "greeter", "exp": 7 }));
    assert_eq!(serde_json::from_value::<Claims>(json).unwrap(), made);
}

#[test]
fn registered_claims_can_be_a_part_of_a_type_of_ones_own() {
    #[derive(Debug, Deserialize)]
    struct More {
        #[serde(flatten)]
        registered: Claims,
        tenant: String,
    }
    let mut claims = all();
    claims["tenant"] = json!("blue");
    claims["iat"] = json!(1_600_000_000.5);
    let more: Verified<More> = verifier().claims().verify(&claiming(&claims)).unwrap();
    assert_eq!((&*more.tenant, more.registered.subject.as_deref()), ("blue", Some("ada")));
    assert_eq!(more.registered.issued, Some(Duration::from_millis(1_600_000_000_500)));
}

#[test]
fn scopes_and_roles_are_granted_by_their_whole_names() {
    let claims = verified(&claiming(with("scope", " read  write:all\tx ")));
    for scope in ["read", "write:all\tx"] {
        assert!(claims.has_scope(scope), "{scope:?}");
    }
    for scope in ["", " ", "rea", "reads", "READ", "write", "read write:all\tx", "read ", "admin"] {
        assert!(!claims.has_scope(scope), "{scope:?}");
    }
    assert!(!claims.has_role("read"));
    for roles in [json!("admin"), json!(["user", "admin"])] {
        let claims = verified(&claiming(with("roles", roles)));
        assert!(claims.has_role("admin") && !claims.has_scope("admin"));
        for role in ["", "adm", "Admin", "admin ", "root"] {
            assert!(!claims.has_role(role), "{role:?}");
        }
    }
    let claims = verified(&claiming(with("roles", "user admin")));
    assert!(!claims.has_role("user") && claims.has_role("user admin"), "it is one");
    let none = verified(&token());
    assert!(!none.has_scope("") && !none.has_role(""));
}
