//! An agent as the environment names it.

use super::{Agent, Error};
use std::{env, error::Error as _, fmt};

/// What is wrong with the environment, all of it.
#[derive(Debug)]
pub struct InvalidEnvironment(Vec<String>);

impl Agent {
    /// Names the agent that Consul's own tools would ask, by their variables:
    /// `CONSUL_HTTP_ADDR` (127.0.0.1:8500 unless set), `CONSUL_HTTP_TOKEN`,
    /// `CONSUL_HTTP_TOKEN_FILE`, `CONSUL_HTTP_AUTH`, `CONSUL_NAMESPACE`,
    /// `CONSUL_PARTITION`, and, with the feature `consul-tls`,
    /// `CONSUL_HTTP_SSL`, `CONSUL_CACERT`, `CONSUL_CLIENT_CERT`,
    /// `CONSUL_CLIENT_KEY` and `CONSUL_TLS_SERVER_NAME`. Files that they name
    /// are read at once.
    ///
    /// # Errors
    ///
    /// Names every variable whose value cannot be used. One that would turn
    /// the verification of certificates off (`CONSUL_HTTP_SSL_VERIFY`) is such
    /// a one.
    pub fn from_env() -> Result<Self, InvalidEnvironment> {
        Self::from_vars(|name| env::var(name).ok())
    }

    /// The same, of variables that are looked up by `var`.
    ///
    /// # Errors
    ///
    /// As [`from_env`](Self::from_env).
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidEnvironment> {
        let var = |name: &str| var(name).filter(|value| !value.is_empty());
        let mut wrong = Vec::new();
        let is_ssl = var("CONSUL_HTTP_SSL").is_some_and(|value| is_true(&value));
        let mut address = var("CONSUL_HTTP_ADDR").unwrap_or_else(|| "127.0.0.1:8500".to_owned());
        if is_ssl && !address.contains("://") {
            address.insert_str(0, "https://");
        }
        let mut agent = match Self::new(&address) {
            Ok(agent) => Some(agent),
            Err(error) => {
                wrong.push(said("CONSUL_HTTP_ADDR", &error));
                None
            }
        };
        let mut set = |name: &str, change: &mut dyn FnMut(Self) -> Result<Self, Error>| {
            if let Some(before) = agent.take() {
                match change(before.clone()) {
                    Ok(after) => agent = Some(after),
                    Err(error) => {
                        wrong.push(said(name, &error));
                        agent = Some(before);
                    }
                }
            }
        };
        if let Some(token) = var("CONSUL_HTTP_TOKEN") {
            set("CONSUL_HTTP_TOKEN", &mut |agent| agent.token(&token));
        } else if let Some(path) = var("CONSUL_HTTP_TOKEN_FILE") {
            set("CONSUL_HTTP_TOKEN_FILE", &mut |agent| {
                let token = std::fs::read_to_string(&path).map_err(|e| Error::Other(e.into()))?;
                agent.token(token.trim())
            });
        }
        if let Some(auth) = var("CONSUL_HTTP_AUTH") {
            let (user, password) = auth.split_once(':').unwrap_or((&auth, ""));
            set("CONSUL_HTTP_AUTH", &mut |agent| agent.basic(user, password));
        }
        if let Some(namespace) = var("CONSUL_NAMESPACE") {
            set("CONSUL_NAMESPACE", &mut |agent| Ok(agent.namespace(&*namespace)));
        }
        if let Some(partition) = var("CONSUL_PARTITION") {
            set("CONSUL_PARTITION", &mut |agent| Ok(agent.partition(&*partition)));
        }
        #[cfg(feature = "consul-tls")]
        if address.starts_with("https://") {
            set("CONSUL_CACERT, CONSUL_CLIENT_CERT, CONSUL_CLIENT_KEY", &mut |agent| {
                let read = |name: &str| {
                    let read = |path| std::fs::read(path).map_err(|e| Error::Other(e.into()));
                    var(name).map(read).transpose()
                };
                let authorities = read("CONSUL_CACERT")?;
                let identity = read("CONSUL_CLIENT_CERT")?.zip(read("CONSUL_CLIENT_KEY")?);
                let identity = identity.as_ref().map(|(chain, key)| (&chain[..], &key[..]));
                let config = super::tls_config(authorities.as_deref(), identity)?;
                agent.tls(config, var("CONSUL_TLS_SERVER_NAME").as_deref())
            });
        }
        if var("CONSUL_HTTP_SSL_VERIFY").is_some_and(|value| !is_true(&value)) {
            wrong.push(
                "CONSUL_HTTP_SSL_VERIFY: certificates are always verified: name who signed them \
                 by CONSUL_CACERT"
                    .to_owned(),
            );
        }
        if var("CONSUL_CAPATH").is_some() {
            wrong.push(
                "CONSUL_CAPATH: a folder is not read: name one file by CONSUL_CACERT".to_owned(),
            );
        }
        match agent {
            Some(agent) if wrong.is_empty() => Ok(agent),
            _ => Err(InvalidEnvironment(wrong)),
        }
    }
}

fn said(name: &str, error: &Error) -> String {
    match error.source() {
        Some(source) => format!("{name}: {error}: {source}"),
        None => format!("{name}: {error}"),
    }
}

/// What Go's `strconv.ParseBool` takes for true.
fn is_true(value: &str) -> bool {
    matches!(value, "1" | "t" | "T" | "true" | "TRUE" | "True")
}

// ===== impl InvalidEnvironment =====

impl InvalidEnvironment {
    /// Returns what is wrong, one sentence for each variable.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for InvalidEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl std::error::Error for InvalidEnvironment {}
