use crate::{IntoVerdict, Verdict, authorize::Grants};
use std::{borrow::Borrow, fmt, sync::Arc};

/// Some who have a name and a password.
///
/// It is implemented for functions of the two, which may return what
/// [`IntoVerdict`] is implemented for. One that has to wait copies what it needs:
///
/// ```
/// use kit_auth::{Denied, Verdict, basic::{Basic, User}};
///
/// async fn ask_database(name: String, password: String) -> Result<User, Denied> {
///     # let _ = password;
///     Ok(User::new(name))
/// }
///
/// let basic = Basic::new("orders", |name: &str, password: &str| {
///     Verdict::later(ask_database(name.to_owned(), password.to_owned()))
/// });
/// # fn check<A: kit_auth::Authenticator<Identity = User>>(_: A) {}
/// # check(basic);
/// ```
pub trait Users: Send + Sync + 'static {
    /// Who one is: what the endpoint finds among the extensions.
    type Identity: Clone + Send + Sync + 'static;

    /// Says who has this name and this password.
    ///
    /// [`Verdict::Absent`], as nobody has the name, and
    /// [`Reason::Invalid`](crate::Reason::Invalid), as the password is wrong, are
    /// one to the caller; that they take the same time is for the implementation to
    /// see to. It is called for each request and must not block.
    fn verify(&self, name: &str, password: &str) -> Verdict<Self::Identity>;

    /// Returns a number that changes when one who was let in might not be any more:
    /// what was remembered under another is over. By default it never changes.
    fn generation(&self) -> u64 {
        0
    }
}

/// One who is known by name: [`StaticUsers`](super::StaticUsers)' and `Htpasswd`'s.
///
/// It has no scopes and no roles. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct User(Arc<str>);

// ===== impl Users =====

impl<F, V> Users for F
where
    F: Fn(&str, &str) -> V + Send + Sync + 'static,
    V: IntoVerdict<Identity: Clone + Send + Sync + 'static>,
{
    type Identity = V::Identity;

    fn verify(&self, name: &str, password: &str) -> Verdict<V::Identity> {
        self(name, password).into_verdict()
    }
}

impl<U: Users + ?Sized> Users for Arc<U> {
    type Identity = U::Identity;

    fn verify(&self, name: &str, password: &str) -> Verdict<U::Identity> {
        (**self).verify(name, password)
    }

    fn generation(&self) -> u64 {
        (**self).generation()
    }
}

// ===== impl User =====

impl User {
    /// One who has this name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl Grants for User {
    fn has_scope(&self, _: &str) -> bool {
        false
    }
}

/// So that a map from users can be asked by name.
impl Borrow<str> for User {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("User").field(&self.0).finish()
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
