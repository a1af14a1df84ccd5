//! Who may ask for a greeting: one who shows a token, or a name and a password.
//!
//! Without flags everybody may. Health, reflection and the debug port are open
//! to all: what asks there has no credentials. Who changes something at the debug
//! port is on this machine, or shows a token of its own.

use crate::{
    debug::Shows,
    flags::{Jwks, Jwt, Serve},
};
use bytes::Bytes;
use http::HeaderValue;
use http_body_util::Full;
use kit_auth::{
    Auth, AuthLayer, Authenticator, CredentialsHook, Denied, NoHook, Presented, Verdict,
    authorize::Grants,
    basic::{Basic, Htpasswd, LoadError, User, Workers},
    jwt::{
        BadUrl, Claims, Fed, FetchError, Fetched, File, KeySource, Keys, Url, Verified, Verifier,
    },
};
use kit_debug::guard::{Guard, InvalidToken, Token};
use kit_transport::Report;
use kit_transport_http::{Pool, PoolOptions, Tls};
use std::{error::Error, fmt, fs, io, path::Path, pin::Pin, time::Duration};

/// What callers are told that it is that they may come in to.
const REALM: &str = "greeter";
/// How often the file of users is looked at.
const LOOK: Duration = Duration::from_secs(10);
/// How long connecting to the server of keys may take.
const CONNECT: Duration = Duration::from_secs(3);
/// How many tokens that were verified are remembered, and passwords that were right.
const REMEMBERED: usize = 1000;
/// How long a password is, as long as the users are the same.
const PASSWORD: Duration = Duration::from_mins(1);

/// Who comes in, and what keeps that known. By default everybody does.
#[derive(Default)]
pub struct Gate {
    auth: Option<Auth<Callers>>,
    workers: Option<Workers>,
    users: Option<Htpasswd>,
    feed: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    guard: Guard,
}

/// Knows callers by what the flags say: by a token first, then by name and
/// password.
#[derive(Debug)]
pub struct Callers {
    tokens: Option<Verifier>,
    users: Option<Basic<Htpasswd>>,
}

/// Who calls: what an endpoint finds among the extensions of its request.
#[derive(Debug, Clone)]
pub enum Caller {
    /// One who has a token.
    Token(Verified<Claims>),
    /// One who has a password.
    User(User),
}

/// It cannot be known who calls: all that is wrong, with the flags that say it.
#[derive(Debug)]
pub struct NotOpen {
    keys: Option<FetchError>,
    users: Option<LoadError>,
    operator: Option<NoToken>,
}

/// There is no token of the debug port.
#[derive(Debug, thiserror::Error)]
enum NoToken {
    #[error(transparent)]
    Unreadable(#[from] io::Error),
    #[error(transparent)]
    Invalid(#[from] InvalidToken),
}

/// Where the keys of tokens are.
#[derive(Debug)]
pub enum Source {
    /// In a file.
    File(File),
    /// At a server.
    Url(Box<Url<Pool<Full<Bytes>>>>),
}

/// Fetches the keys and reads the users that the flags name.
///
/// A server of keys that is not to be had stops nothing: until it is, tokens
/// cannot be checked.
///
/// # Errors
///
/// Fails if a file cannot be read, or what it has is no good.
pub async fn open(flags: &Serve) -> Result<Gate, NotOpen> {
    open_by(flags, Source::of).await
}

/// As [`open`], but `source` is what makes the source of the keys.
///
/// # Errors
///
/// As [`open`].
pub async fn open_by<S: KeySource>(
    flags: &Serve,
    source: impl FnOnce(&Jwks) -> Result<S, BadUrl>,
) -> Result<Gate, NotOpen> {
    let users = flags.htpasswd.as_ref().map(Htpasswd::load).transpose();
    let tokens = match &flags.jwt {
        Some(jwt) => tokens(jwt, source).await.map(Some),
        None => Ok(None),
    };
    let guard = guard(flags.debug_token.as_deref());
    let (users, tokens, guard) = match (users, tokens, guard) {
        (Ok(users), Ok(tokens), Ok(guard)) => (users, tokens, guard),
        (users, tokens, guard) => {
            let (keys, users, operator) = (tokens.err(), users.err(), guard.err());
            return Err(NotOpen { keys, users, operator });
        }
    };
    let workers = Workers::default();
    let users = users.map(|users| users.workers(workers.clone()));
    let (tokens, feed) = tokens.unzip();
    if tokens.is_none() && users.is_none() {
        return Ok(Gate { guard, ..Gate::default() });
    }
    let workers = users.is_some().then_some(workers);
    let basic = |users| Basic::new(REALM, users).cache(REMEMBERED, PASSWORD);
    let basic = users.clone().map(basic);
    let auth = Some(Auth::new(Callers { tokens, users: basic }));
    Ok(Gate { auth, workers, users, feed, guard })
}

/// Returns who may change something at the debug port.
fn guard(token: Option<&Path>) -> Result<Guard, NoToken> {
    Ok(match token {
        Some(file) => Guard::new().token(Token::new(&fs::read_to_string(file)?)?),
        None => Guard::new(),
    })
}

/// Returns what verifies tokens, and what keeps its keys.
async fn tokens<S: KeySource>(
    jwt: &Jwt,
    source: impl FnOnce(&Jwks) -> Result<S, BadUrl>,
) -> Result<(Verifier, Pin<Box<dyn Future<Output = ()> + Send>>), FetchError> {
    let source = source(&jwt.jwks).map_err(|error| FetchError::Other(error.into()))?;
    let (keys, mut feed) = Keys::fed_by(source);
    match (feed.first().await, &jwt.jwks) {
        (Ok(()), _) => {}
        (Err(error), Jwks::File(_)) => return Err(error),
        (Err(error), Jwks::Url(url)) => {
            let error = Report(&error);
            tracing::warn!(%url, %error, "tokens cannot be checked: their keys are not there yet");
        }
    }
    let verifier = Verifier::new(keys, &*jwt.issuer, &*jwt.audience).realm(REALM).cache(REMEMBERED);
    Ok((verifier, Box::pin(feed.run(|fed| heard(&fed)))))
}

/// Logs what becomes of the keys.
fn heard(fed: &Fed<'_>) {
    match fed {
        Fed::Changed => tracing::info!("the keys of tokens are new"),
        Fed::Failed(error) => {
            let error = Report(error);
            tracing::warn!(%error, "the keys of tokens are not to be had, those of before stay");
        }
        Fed::GivenUp(error) => {
            tracing::error!(error = %Report(error), "the keys of tokens are too old, and given up");
        }
        _ => tracing::info!("{fed:?}"),
    }
}

// ===== impl Gate =====

impl Gate {
    /// Returns what asks who sends a request, if anything does.
    #[must_use]
    pub fn layer(&self) -> Option<AuthLayer<Callers>> {
        self.auth.as_ref().map(Auth::layer)
    }

    /// Returns what knows callers, if they are asked who they are.
    #[must_use]
    pub fn callers(&self) -> Option<&Callers> {
        self.auth.as_ref().map(Auth::authenticator)
    }

    /// Returns what reads the credentials of a request, if they are asked for.
    #[must_use]
    pub fn hook(&self) -> Option<CredentialsHook> {
        self.auth.as_ref().map(Auth::hook)
    }

    /// Returns who may change something at the debug port.
    #[must_use]
    pub const fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Shows who comes in.
    ///
    /// # Errors
    ///
    /// Fails if credentials are asked for, and nothing reads them.
    pub fn check(&self, seen: &impl Shows) -> Result<(), NoHook> {
        self.workers.iter().for_each(|workers| seen.show("auth", workers.clone()));
        let Some(auth) = &self.auth else { return Ok(()) };
        seen.show("auth", auth.clone());
        auth.check()
    }

    /// Keeps keys and users as their sources have them, and logs what changes;
    /// it ends if there are none.
    pub fn renewed(self) -> impl Future<Output = ()> + Send + use<> {
        let Self { users, feed, .. } = self;
        let users = async move {
            let Some(users) = users else { return };
            let hear = |read: Result<(), LoadError>| match read {
                Ok(()) => tracing::info!("the users are new"),
                Err(error) => {
                    tracing::warn!(error = %Report(&error), "the users stay as they are");
                }
            };
            users.watch(LOOK, hear).await;
        };
        async move {
            let feed = async move {
                if let Some(feed) = feed {
                    feed.await;
                }
            };
            tokio::join!(users, feed);
        }
    }

    /// Returns what reads the file of users anew at once, each time that it is
    /// called.
    ///
    /// It fails if it cannot be read, or what it has is no good; then those of
    /// before stay.
    pub fn reload(&self) -> impl FnMut() -> Result<(), LoadError> + Send + use<> {
        let users = self.users.clone();
        move || users.as_ref().map_or(Ok(false), Htpasswd::reload).map(drop)
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("auth", &self.auth).finish_non_exhaustive()
    }
}

// ===== impl Callers =====

impl Authenticator for Callers {
    type Identity = Caller;

    fn authenticate(&self, presented: &Presented<'_>) -> Verdict<Caller> {
        let verdict = match &self.tokens {
            Some(tokens) => known(tokens.authenticate(presented), Caller::Token),
            None => Verdict::Absent,
        };
        match (verdict, &self.users) {
            (Verdict::Absent, Some(users)) => known(users.authenticate(presented), Caller::User),
            (verdict, _) => verdict,
        }
    }

    fn challenge(&self, denied: &Denied, challenges: &mut Vec<HeaderValue>) {
        if let Some(tokens) = &self.tokens {
            tokens.challenge(denied, challenges);
        }
        if let Some(users) = &self.users {
            users.challenge(denied, challenges);
        }
    }
}

fn known<I: 'static>(verdict: Verdict<I>, caller: fn(I) -> Caller) -> Verdict<Caller> {
    match verdict {
        Verdict::Absent => Verdict::Absent,
        Verdict::Known(known) => Verdict::Known(known.map(caller)),
        Verdict::Later(later) => Verdict::later(async move { later.await.map(caller) }),
    }
}

// ===== impl Caller =====

impl Caller {
    /// Returns the name: whom a token is about, or the user's.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Token(claims) => claims.subject.as_deref(),
            Self::User(user) => Some(user.name()),
        }
    }
}

impl Grants for Caller {
    fn has_scope(&self, scope: &str) -> bool {
        match self {
            Self::Token(claims) => claims.has_scope(scope),
            Self::User(user) => user.has_scope(scope),
        }
    }

    fn has_role(&self, role: &str) -> bool {
        match self {
            Self::Token(claims) => claims.has_role(role),
            Self::User(user) => user.has_role(role),
        }
    }
}

// ===== impl Source =====

impl Source {
    /// Keys that are where a flag says.
    ///
    /// # Errors
    ///
    /// Fails if that is a URL from which they must not be fetched.
    pub fn of(jwks: &Jwks) -> Result<Self, BadUrl> {
        match jwks {
            Jwks::File(path) => Ok(Self::File(File::new(path))),
            Jwks::Url(url) => {
                let pool = Pool::new(PoolOptions::new().connect(CONNECT).tls(Tls::public()));
                Url::new(url.clone(), pool).map(Box::new).map(Self::Url)
            }
        }
    }
}

impl KeySource for Source {
    async fn fetch(&self) -> Result<Fetched, FetchError> {
        match self {
            Self::File(file) => file.fetch().await,
            Self::Url(url) => url.fetch().await,
        }
    }
}

// ===== impl NotOpen =====

/// On one line, each with its causes: there is no one source of them all.
impl fmt::Display for NotOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { keys, users, operator } = self;
        let causes: [(_, Option<&(dyn Error + 'static)>); 3] = [
            ("keys of --jwt-jwks are", keys.as_ref().map(|error| error as _)),
            ("users of --basic-htpasswd are", users.as_ref().map(|error| error as _)),
            ("token of --debug-token-file is", operator.as_ref().map(|error| error as _)),
        ];
        let causes = causes.into_iter().filter_map(|(what, error)| Some((what, error?)));
        for (number, (what, error)) in causes.enumerate() {
            let between = if number == 0 { "" } else { "; " };
            write!(f, "{between}the {what} not to be had: {}", Report(error))?;
        }
        Ok(())
    }
}

impl Error for NotOpen {}
