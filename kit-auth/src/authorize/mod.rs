//! What those may do who were let in.
//!
//! An [`AuthorizeLayer`] goes inside the [`AuthLayer`](crate::AuthLayer). It asks
//! an [`Authorizer`], and what that does not allow is refused: a function
//! ([`who`]), the scopes or roles that the caller needs ([`scopes`], [`roles`]), or
//! [`Rules`], a table that can be tested as data. One who is known and may not is
//! 403 ([`Forbidden`]), which says nothing of what would have been needed but the
//! scope; one who is not known is 401.

mod error;
mod future;
mod layer;
mod rules;

pub use self::{
    error::Forbidden,
    future::ResponseFuture,
    layer::{Authorize, AuthorizeLayer},
    rules::{Answer, Rule, Rules, RulesOn},
};

use crate::Anonymous;
use kit_endpoint::Carries;
use std::{fmt, marker::PhantomData};

/// Says whether a request may be served.
pub trait Authorizer<Req> {
    /// Looks at the request, among whose extensions is who sends it.
    ///
    /// # Errors
    ///
    /// When it may not.
    fn authorize(&self, request: &Req) -> Result<(), Forbidden>;
}

/// What a caller may do, as far as it says itself: by its token, most often.
pub trait Grants {
    /// Says whether it has this scope (RFC 6749, section 3.3).
    fn has_scope(&self, scope: &str) -> bool;

    /// Says whether it has this role: by default it has none.
    fn has_role(&self, role: &str) -> bool {
        let _ = role;
        false
    }
}

/// Asks a function about the caller and the request: [`who`].
pub struct Who<I, F> {
    f: F,
    identity: PhantomData<fn(&I)>,
}

/// Asks the caller's [`Grants`]: [`scopes`], [`roles`].
pub struct Holds<I> {
    all: Vec<Grant>,
    identity: PhantomData<fn(&I)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Grant {
    Scope(String),
    Role(String),
}

/// Allows what `f` allows, which gets the caller and the request.
///
/// ```
/// use kit_auth::authorize::{self, AuthorizeLayer};
/// use kit_endpoint::Request;
///
/// #[derive(Clone)]
/// struct User(String);
///
/// let own = |user: &User, request: &Request<String>| user.0 == *request.message();
/// let layer = AuthorizeLayer::new(authorize::who(own));
/// # let _ = layer;
/// ```
pub const fn who<I, Req, F: Fn(&I, &Req) -> bool>(f: F) -> Who<I, F> {
    Who { f, identity: PhantomData }
}

/// Allows those who have all of these scopes.
///
/// `I` is who they are: what the authenticator puts among the extensions.
pub fn scopes<I: Grants>(scopes: impl IntoIterator<Item = impl Into<String>>) -> Holds<I> {
    let all = scopes.into_iter().map(|scope| Grant::Scope(scope.into())).collect();
    Holds { all, identity: PhantomData }
}

/// Allows those who have all of these roles.
pub fn roles<I: Grants>(roles: impl IntoIterator<Item = impl Into<String>>) -> Holds<I> {
    let all = roles.into_iter().map(|role| Grant::Role(role.into())).collect();
    Holds { all, identity: PhantomData }
}

/// Who sends the request, or that nobody knows.
fn caller<I: Clone + Send + Sync + 'static, Req: Carries>(request: &Req) -> Result<&I, Forbidden> {
    request.extensions().get::<I>().ok_or_else(|| stranger(request))
}

fn stranger<Req: Carries>(request: &Req) -> Forbidden {
    let anonymous = request.extensions().get::<Anonymous>();
    Forbidden::unknown(anonymous.into_iter().flat_map(Anonymous::challenges))
}

// ===== impl Who =====

impl<I, F, Req> Authorizer<Req> for Who<I, F>
where
    I: Clone + Send + Sync + 'static,
    F: Fn(&I, &Req) -> bool,
    Req: Carries,
{
    fn authorize(&self, request: &Req) -> Result<(), Forbidden> {
        let caller = caller::<I, Req>(request)?;
        if (self.f)(caller, request) { Ok(()) } else { Err(Forbidden::new()) }
    }
}

impl<I, F: Clone> Clone for Who<I, F> {
    fn clone(&self) -> Self {
        Self { f: self.f.clone(), identity: PhantomData }
    }
}

impl<I, F> fmt::Debug for Who<I, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Who").finish_non_exhaustive()
    }
}

// ===== impl Holds =====

impl<I> Holds<I> {
    /// Asks for all of these scopes too.
    #[must_use]
    pub fn and_scopes(mut self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.all.extend(scopes.into_iter().map(|scope| Grant::Scope(scope.into())));
        self
    }

    /// Asks for all of these roles too.
    #[must_use]
    pub fn and_roles(mut self, roles: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.all.extend(roles.into_iter().map(|role| Grant::Role(role.into())));
        self
    }
}

impl<I, Req> Authorizer<Req> for Holds<I>
where
    I: Grants + Clone + Send + Sync + 'static,
    Req: Carries,
{
    fn authorize(&self, request: &Req) -> Result<(), Forbidden> {
        let caller = caller::<I, Req>(request)?;
        let mut missing = self.all.iter().filter(|grant| !grant.is_held(caller)).peekable();
        if missing.peek().is_none() {
            return Ok(());
        }
        // Scopes that the caller has would not help it.
        if missing.all(|grant| matches!(grant, Grant::Role(_))) {
            return Err(Forbidden::new());
        }
        let scopes = self.all.iter().filter_map(|grant| match grant {
            Grant::Scope(scope) => Some(scope),
            Grant::Role(_) => None,
        });
        Err(Forbidden::new().needs(scopes))
    }
}

impl<I> Clone for Holds<I> {
    fn clone(&self) -> Self {
        Self { all: self.all.clone(), identity: PhantomData }
    }
}

impl<I> fmt::Debug for Holds<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Holds").field("all", &self.all).finish()
    }
}

// ===== impl Grant =====

impl Grant {
    fn is_held(&self, caller: &impl Grants) -> bool {
        match self {
            Self::Scope(scope) => caller.has_scope(scope),
            Self::Role(role) => caller.has_role(role),
        }
    }
}
