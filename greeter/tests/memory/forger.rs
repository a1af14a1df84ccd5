//! Who makes tokens, as `greeter token` does, and who forges them.

use aws_lc_rs::{
    hmac,
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use greeter::{
    flags::{Command, parse},
    token::{self, JWKS, KEY},
};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};
use tempfile::TempDir;

/// Whose tokens are taken.
pub(crate) const ISSUER: &str = "https://login.example";
/// Whom they are for.
pub(crate) const AUDIENCE: &str = "hello";
/// The password of Aladdin, by bcrypt in the file of users.
pub(crate) const PASSWORD: &str = "open sesame";

const USERS: &str = "# of the tests
Aladdin:$2b$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy
";

/// A folder of keys and users, and the right token.
pub(crate) struct Forger {
    folder: TempDir,
    pair: Ed25519KeyPair,
    id: String,
    x: String,
    token: String,
}

/// An `authorization` that must not be let in.
pub(crate) struct Attack {
    pub(crate) what: String,
    pub(crate) authorization: String,
}

fn base64(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

pub(crate) fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

/// Makes a token by the command's own function.
pub(crate) fn made(folder: &Path, issuer: &str, audience: &str, lifetime: &str) -> String {
    let folder = folder.to_str().unwrap();
    let args = [
        "token",
        "--out",
        folder,
        "--jwt-issuer",
        issuer,
        "--jwt-audience",
        audience,
        "--lifetime",
        lifetime,
    ];
    match parse(args, |_| None) {
        Ok(Command::Token(flags)) => token::make(&flags).unwrap().token,
        other => panic!("{other:?}"),
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

impl Forger {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let token = made(folder.path(), ISSUER, AUDIENCE, "60m");
        Self::of(folder, token)
    }

    /// Knows the keys of a folder, and puts users beside them.
    pub(crate) fn of(folder: TempDir, token: String) -> Self {
        fs::write(folder.path().join("users"), USERS).unwrap();
        let pem = fs::read_to_string(folder.path().join(KEY)).unwrap();
        let key: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let pair = Ed25519KeyPair::from_pkcs8(&STANDARD.decode(key).unwrap()).unwrap();
        let set: Value =
            serde_json::from_slice(&fs::read(folder.path().join(JWKS)).unwrap()).unwrap();
        let text = |name: &str| set["keys"][0][name].as_str().unwrap().to_owned();
        let (id, x) = (text("kid"), text("x"));
        assert_eq!(x, base64(pair.public_key()));
        Self { folder, pair, id, x, token }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The flags that ask for its tokens and its users.
    pub(crate) fn flags(&self) -> Vec<String> {
        let path = |name: &str| self.path(name).into_os_string().into_string().unwrap();
        [
            ("--jwt-jwks", path(JWKS)),
            ("--jwt-issuer", ISSUER.to_owned()),
            ("--jwt-audience", AUDIENCE.to_owned()),
            ("--basic-htpasswd", path("users")),
        ]
        .map(|(flag, value)| format!("{flag}={value}"))
        .into()
    }

    /// What shows the right token.
    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// What must be neither answered nor logged.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let mut secrets: Vec<_> = self.token.split('.').skip(1).map(str::to_owned).collect();
        secrets.extend([PASSWORD.to_owned(), STANDARD.encode(format!("Aladdin:{PASSWORD}"))]);
        secrets
    }

    /// Signs whatever this is.
    pub(crate) fn signed(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", base64(header), base64(claims));
        let signature = base64(self.pair.sign(message.as_bytes()));
        format!("{message}.{signature}")
    }

    /// The header of its tokens.
    pub(crate) fn header(&self) -> String {
        format!(r#"{{"typ":"JWT","alg":"EdDSA","kid":"{}"}}"#, self.id)
    }

    /// Signs claims as its tokens are signed.
    pub(crate) fn claiming(&self, claims: &str) -> String {
        self.signed(&self.header(), claims)
    }

    /// Every attack of the list, by what it tries.
    #[allow(clippy::too_many_lines, reason = "a list")]
    pub(crate) fn attacks(&self) -> Vec<Attack> {
        let (id, x, now) = (&self.id, &self.x, now());
        let (soon, iss, aud) = (now + 600, ISSUER, AUDIENCE);
        let good = format!(r#"{{"iss":"{iss}","aud":"{aud}","sub":"Eve","exp":{soon}}}"#);
        let [head, body, signature] = {
            let mut parts = self.token.split('.');
            [(); 3].map(|()| parts.next().unwrap())
        };
        let mut all: Vec<(String, String)> = Vec::new();
        let mut add =
            |what: &str, token: String| all.push((what.to_owned(), format!("Bearer {token}")));

        for alg in [r#""none""#, r#""None""#, r#""nOnE""#, r#""NONE""#, r#""""#, "null", "0"] {
            let header = base64(format!(r#"{{"typ":"JWT","alg":{alg},"kid":"{id}"}}"#));
            add(&format!("alg {alg}, no signature"), format!("{header}.{}.", base64(&good)));
            add(&format!("alg {alg}"), format!("{header}.{}.{signature}", base64(&good)));
        }
        let header = base64(format!(r#"{{"typ":"JWT","kid":"{id}"}}"#));
        add("no alg", format!("{header}.{}.{signature}", base64(&good)));

        // The public key as a secret, in each form that a library might have it.
        let der: Vec<u8> = [
            &b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00"[..],
            self.pair.public_key().as_ref(),
        ]
        .concat();
        let pem = format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            STANDARD.encode(&der)
        );
        let jwks = fs::read(self.path(JWKS)).unwrap();
        for secret in [self.pair.public_key().as_ref(), &der, pem.as_bytes(), x.as_bytes(), &jwks] {
            for (alg, digest) in [
                ("HS256", hmac::HMAC_SHA256),
                ("HS384", hmac::HMAC_SHA384),
                ("HS512", hmac::HMAC_SHA512),
            ] {
                let header = format!(r#"{{"typ":"JWT","alg":"{alg}","kid":"{id}"}}"#);
                let message = format!("{}.{}", base64(header), base64(&good));
                let key = hmac::Key::new(digest, secret);
                let tag = base64(hmac::sign(&key, message.as_bytes()));
                add(&format!("the public key as the secret of {alg}"), format!("{message}.{tag}"));
            }
        }
        for alg in ["RS256", "PS256", "ES256", "ES384", "Ed25519", "eddsa"] {
            let header = format!(r#"{{"typ":"JWT","alg":"{alg}","kid":"{id}"}}"#);
            add(&format!("the signature of EdDSA under {alg}"), self.signed(&header, &good));
        }

        // A key of its own, in the token or named by it.
        let other = Ed25519KeyPair::generate().unwrap();
        let by_other = |header: &str, claims: &str| {
            let message = format!("{}.{}", base64(header), base64(claims));
            let signature = base64(other.sign(message.as_bytes()));
            format!("{message}.{signature}")
        };
        let own = base64(other.public_key());
        add("another key of the same id", by_other(&self.header(), &good));
        add("another key without an id", by_other(r#"{"typ":"JWT","alg":"EdDSA"}"#, &good));
        let jwk = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{own}"}}"#);
        for (member, value) in [
            ("jwk", jwk),
            ("jku", r#""http://127.0.0.1:9/jwks""#.to_owned()),
            ("x5u", r#""http://127.0.0.1:9/x5u""#.to_owned()),
            ("x5c", format!(r#"["{own}"]"#)),
        ] {
            let header =
                format!(r#"{{"typ":"JWT","alg":"EdDSA","kid":"{id}","{member}":{value}}}"#);
            add(&format!("a key of its own in {member}"), by_other(&header, &good));
        }
        for kid in [
            "../../../../dev/null",
            r"\u0000",
            &format!(r"{id}\u0000"),
            "' OR '1'='1",
            "'; DROP TABLE keys; --",
            "",
            "file:///etc/passwd",
            "http://127.0.0.1:9/key",
        ] {
            let header = format!(r#"{{"typ":"JWT","alg":"EdDSA","kid":"{kid}"}}"#);
            add(&format!("kid {kid:?}, by another key"), by_other(&header, &good));
            add(&format!("kid {kid:?}, by the empty secret"), {
                let header = header.replace("EdDSA", "HS256");
                let message = format!("{}.{}", base64(header), base64(&good));
                let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b""), message.as_bytes());
                format!("{message}.{}", base64(tag))
            });
        }
        for more in [
            r#""crit":["exp"]"#,
            r#""crit":["x"],"x":1"#,
            r#""crit":[]"#,
            r#""b64":false"#,
            r#""b64":false,"crit":["b64"]"#,
        ] {
            let header = format!(r#"{{"typ":"JWT","alg":"EdDSA","kid":"{id}",{more}}}"#);
            add(&format!("rightly signed, with {more}"), self.signed(&header, &good));
        }
        for typ in [r#""dpop+jwt""#, r#""logout+jwt""#, r#""JWE""#, "1"] {
            let header = format!(r#"{{"typ":{typ},"alg":"EdDSA","kid":"{id}"}}"#);
            add(&format!("rightly signed, of the type {typ}"), self.signed(&header, &good));
        }
        for header in ["", "x", "[]", "null", r#"{"alg":"EdDSA""#] {
            add(
                &format!("rightly signed, under the header {header:?}"),
                self.signed(header, &good),
            );
        }
        let twice = format!(r#"{{"alg":"none","typ":"JWT","alg":"EdDSA","kid":"{id}"}}"#);
        add("rightly signed, with alg twice", self.signed(&twice, &good));

        // The form.
        for (what, token) in [
            ("no parts", String::new()),
            ("one part", head.to_owned()),
            ("two parts", format!("{head}.{body}")),
            ("no signature", format!("{head}.{body}.")),
            ("four parts", format!("{head}.{body}.{signature}.")),
            ("four parts", format!("{head}.{body}.{signature}.{signature}")),
            ("five parts", format!("{head}.{body}.{signature}.{signature}.{signature}")),
            ("no claims", format!("{head}..{signature}")),
            ("no header", format!(".{body}.{signature}")),
            ("padding", format!("{head}.{body}.{signature}=")),
            ("padding twice", format!("{head}.{body}.{signature}==")),
            ("another alphabet", format!("{head}.{body}.{}", signature.replace(['-', '_'], "+"))),
            ("a space", format!("{head}. {body}.{signature}")),
            ("two tokens", format!("{} {}", self.token, self.token)),
            ("a comma", format!("{}, Bearer {}", self.token, self.token)),
            ("quotes", format!("\"{}\"", self.token)),
            ("another signature", format!("{head}.{body}.{}", base64([0; 64]))),
            ("half a signature", format!("{head}.{body}.{}", &signature[..43])),
            ("other claims", format!("{head}.{}.{signature}", base64(&good))),
            ("another header", format!("{}.{body}.{signature}", base64(r#"{"alg":"EdDSA"}"#))),
        ] {
            // What has no "-" or "_" is as it was.
            if what != "another alphabet" || token != self.token {
                add(what, token);
            }
        }
        let long =
            format!(r#"{{"iss":"{iss}","aud":"{aud}","exp":{soon},"x":"{}"}}"#, "x".repeat(6200));
        let long = self.claiming(&long);
        assert!((8193..12_000).contains(&long.len()), "{}", long.len());
        add("rightly signed, and longer than 8 KiB", long);

        // The claims.
        for claims in [
            "",
            "null",
            "[]",
            "1",
            r#""x""#,
            "{}",
            &format!(r#"{{"aud":"{aud}","exp":{soon}}}"#),
            &format!(r#"{{"iss":"{iss}","exp":{soon}}}"#),
            &format!(r#"{{"iss":"{iss}","aud":"{aud}"}}"#),
            &format!(r#"{{"iss":"{iss}/","aud":"{aud}","exp":{soon}}}"#),
            &format!(r#"{{"iss":"HTTPS://LOGIN.EXAMPLE","aud":"{aud}","exp":{soon}}}"#),
            &format!(r#"{{"iss":["{iss}"],"aud":"{aud}","exp":{soon}}}"#),
            &format!(r#"{{"iss":"{iss}","aud":"other","exp":{soon}}}"#),
            &format!(r#"{{"iss":"{iss}","aud":["other","Hello"],"exp":{soon}}}"#),
            &format!(r#"{{"iss":"{iss}","aud":[],"exp":{soon}}}"#),
            &format!(r#"{{"iss":"{iss}","aud":null,"exp":{soon}}}"#),
            &format!(r#"{{"iss":"{iss}","aud":{{"a":"{aud}"}},"exp":{soon}}}"#),
            &format!(r#"{{"iss":"{iss}","aud":["{aud}",1],"exp":{soon}}}"#),
            &format!(r#"{{"iss":"{iss}","aud":"{aud}","exp":{}}}"#, now - 6),
            &format!(r#"{{"iss":"{iss}","aud":"{aud}","exp":{}}}"#, now - 86_400),
            &format!(r#"{{"iss":"{iss}","aud":"{aud}","exp":0}}"#),
            &format!(r#"{{"iss":"{iss}","aud":"{aud}","exp":-1}}"#),
            &format!(r#"{{"iss":"{iss}","aud":"{aud}","exp":1e400}}"#),
            &format!(r#"{{"iss":"{iss}","aud":"{aud}","exp":-1e400}}"#),
            &format!(r#"{{"iss":"{iss}","aud":"{aud}","exp":1e300}}"#),
            &format!(r#"{{"iss":"{iss}","aud":"{aud}","exp":"{soon}"}}"#),
            &format!(r#"{{"iss":"{iss}","aud":"{aud}","exp":[{soon}]}}"#),
            &format!(r#"{{"iss":"{iss}","aud":"{aud}","exp":true}}"#),
            &format!(r#"{{"iss":"{iss}","aud":"{aud}","exp":null}}"#),
            &format!(r#"{{"iss":"{iss}","aud":"{aud}","exp":{}.5}}"#, now - 10),
            &format!(r#"{{"iss":"{iss}","aud":"{aud}","exp":{soon},"nbf":{}}}"#, now + 60),
            &format!(r#"{{"iss":"{iss}","aud":"{aud}","exp":{soon},"nbf":"{}"}}"#, now - 60),
            &format!(r#"{{"iss":"{iss}","aud":"{aud}","exp":{soon},"nbf":-1}}"#),
            &format!(r#"{{"iss":"{iss}","aud":"{aud}","exp":{soon},"nbf":1e400}}"#),
            &format!(r#"{{"iss":"{iss}","aud":"{aud}","exp":{soon},"iat":{}}}"#, now + 60),
            &format!(r#"{{"iss":"{iss}","aud":"{aud}","exp":{soon},"iat":"x"}}"#),
            &format!(r#"{{"iss":"{iss}","aud":"{aud}","exp":{soon},"iat":-1e400}}"#),
            &format!(r#"{{"iss":"{iss}","aud":"other","exp":{soon},"aud":"{aud}"}}"#),
            &format!(r#"{{"iss":"{iss}","aud":"{aud}","exp":1,"exp":{soon}}}"#),
            &format!(r#"{{"iss":"x","aud":"{aud}","exp":{soon},"iss":"{iss}"}}"#),
            &format!(r#"{{"iss":"{iss}","aud":"{aud}","exp":{soon}}} x"#),
        ] {
            add(&format!("rightly signed, claiming {claims}"), self.claiming(claims));
        }

        // Names and passwords.
        let mut basics = vec![
            basic("Aladdin", "open Sesame"),
            basic("Aladdin", "open sesame "),
            basic("Aladdin", ""),
            basic("aladdin", PASSWORD),
            basic("nobody", PASSWORD),
            basic("", ""),
            basic("", PASSWORD),
            basic("Aladdin", "open sesame\0"),
            basic("Aladdin\n", PASSWORD),
            basic("# of the tests", ""),
            basic("Aladdin", &"x".repeat(6200)),
            basic("Aladdin", "$2b$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy"),
            format!("Basic {}", STANDARD.encode("Aladdin")),
            format!("Basic {}", STANDARD.encode(b"Aladdin:\xff")),
            format!(
                "Basic {}",
                STANDARD.encode(format!("Aladdin:{PASSWORD}")).trim_end_matches('=')
            ),
            format!("Basic Aladdin:{PASSWORD}"),
            format!("Basic {}, {}", STANDARD.encode("a:b"), self.bearer()),
        ];
        for other in ["", " ", "Basic", "Basic ", "Bearer", "Bearer ", "Negotiate x", "Digest a=b"]
        {
            basics.push(other.to_owned());
        }
        basics.push(self.token.clone());
        basics.push(format!("Token {}", self.token));
        basics.push(format!("Bearer{}", self.token));
        basics.push(format!("Basic {}", self.token));
        basics.push(format!("Bearer {}", &basic("Aladdin", PASSWORD)["Basic ".len()..]));
        all.extend(basics.into_iter().map(|value| (format!("authorization {value:.40}"), value)));
        all.into_iter().map(|(what, authorization)| Attack { what, authorization }).collect()
    }

    /// What must be let in, by what it is.
    pub(crate) fn rights(&self) -> Vec<(String, String)> {
        let (now, iss, aud) = (now(), ISSUER, AUDIENCE);
        let soon = now + 600;
        let mut all = vec![
            ("the token".to_owned(), self.bearer()),
            ("the token, under bearer".to_owned(), format!("bearer {}", self.token)),
            ("the token, after spaces".to_owned(), format!("BEARER   {}", self.token)),
            ("the password".to_owned(), basic("Aladdin", PASSWORD)),
            (
                "the password, under BASIC".to_owned(),
                basic("Aladdin", PASSWORD).replace("Basic", "BASIC"),
            ),
        ];
        for claims in [
            format!(r#"{{"iss":"{iss}","aud":["other","{aud}"],"exp":{soon}}}"#),
            format!(r#"{{"iss":"{iss}","aud":"{aud}","exp":{soon}.5,"iat":{now}.25,"nbf":0}}"#),
            // Within the leeway of 5 s.
            format!(r#"{{"iss":"{iss}","aud":"{aud}","exp":{soon},"nbf":{}}}"#, now + 4),
        ] {
            all.push((format!("claiming {claims}"), format!("Bearer {}", self.claiming(&claims))));
        }
        let header = self.header().replace("JWT", "at+jwt");
        let claims = format!(r#"{{"iss":"{iss}","aud":"{aud}","exp":{soon}}}"#);
        all.push(("at+jwt".to_owned(), format!("Bearer {}", self.signed(&header, &claims))));
        all
    }
}
