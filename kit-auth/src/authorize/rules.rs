use super::{Authorizer, Forbidden, Grant, Grants, stranger};
use kit_endpoint::Carries;
use std::{fmt, marker::PhantomData, sync::Arc};

/// Who may ask for what: a table of [`Rule`]s, of which the first that fits
/// decides, in the order of their priority, then in that in which they were
/// added. What no rule fits is refused (Go Micro's `auth.Rules`).
///
/// It is data, and can be tested as such:
///
/// ```
/// use kit_auth::authorize::{Answer, Grants, Rule, Rules};
///
/// struct Clerk;
///
/// impl Grants for Clerk {
///     fn has_scope(&self, scope: &str) -> bool {
///         scope == "orders:read"
///     }
/// }
///
/// let rules = Rules::new()
///     .rule(Rule::allow("/health").anyone())
///     .rule(Rule::allow("/orders/*").scope("orders:read"))
///     .rule(Rule::deny("/orders/secret").anyone().priority(1));
/// assert_eq!(rules.ask("/orders/7", Some(&Clerk)), Answer::Allowed);
/// assert_eq!(rules.ask("/orders/secret", Some(&Clerk)), Answer::Forbidden);
/// assert_eq!(rules.ask("/orders/7", None::<&Clerk>), Answer::Unknown);
/// assert_eq!(rules.ask("/health", None::<&Clerk>), Answer::Allowed);
/// assert_eq!(rules.ask("/elsewhere", Some(&Clerk)), Answer::Forbidden);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Rules(Vec<Rule>);

/// One line of [`Rules`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    resource: String,
    allows: bool,
    whom: Whom,
    priority: i32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Whom {
    Anyone,
    Known,
    Holder(Grant),
}

/// What [`Rules`] say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// The request may be served.
    Allowed,
    /// Its sender may not ask for that.
    Forbidden,
    /// It may not as it is, and its sender is not known.
    Unknown,
}

/// [`Rules`] about what a function says that a request is for:
/// [`Rules::on`].
pub struct RulesOn<I, F> {
    rules: Arc<Rules>,
    resource: F,
    identity: PhantomData<fn(&I)>,
}

// ===== impl Rule =====

impl Rule {
    const fn new(resource: String, allows: bool) -> Self {
        Self { resource, allows, whom: Whom::Known, priority: 0 }
    }

    /// Allows a resource, to those who are known unless it is said otherwise.
    ///
    /// A `*` at the end stands for anything that follows; alone for everything.
    /// Resources are compared letter by letter: nothing makes `/a//b`, `/a/../b` or
    /// `%61` the same, so allow what is narrow rather than deny it.
    pub fn allow(resource: impl Into<String>) -> Self {
        Self::new(resource.into(), true)
    }

    /// Denies a resource, to anyone unless it is said otherwise.
    pub fn deny(resource: impl Into<String>) -> Self {
        Self::new(resource.into(), false).anyone()
    }

    /// Fits whoever asks, known or not.
    #[must_use]
    pub fn anyone(mut self) -> Self {
        self.whom = Whom::Anyone;
        self
    }

    /// Fits those who have this scope.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.whom = Whom::Holder(Grant::Scope(scope.into()));
        self
    }

    /// Fits those who have this role.
    #[must_use]
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.whom = Whom::Holder(Grant::Role(role.into()));
        self
    }

    /// Is looked at before those of a lower priority: 0 by default.
    #[must_use]
    pub const fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    fn is_about(&self, resource: &str) -> bool {
        match self.resource.strip_suffix('*') {
            Some(start) => resource.starts_with(start),
            None => resource == self.resource,
        }
    }

    fn fits(&self, caller: Option<&impl Grants>) -> bool {
        match (&self.whom, caller) {
            (Whom::Anyone, _) | (Whom::Known, Some(_)) => true,
            (Whom::Holder(grant), Some(caller)) => grant.is_held(caller),
            (_, None) => false,
        }
    }
}

// ===== impl Rules =====

impl Rules {
    /// Makes a table without a rule, which allows nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a rule.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        let at = self.0.partition_point(|known| known.priority >= rule.priority);
        self.0.insert(at, rule);
        self
    }

    /// Asks whether `caller` may have `resource`.
    #[must_use]
    pub fn ask(&self, resource: &str, caller: Option<&impl Grants>) -> Answer {
        let rule = self.0.iter().find(|rule| rule.is_about(resource) && rule.fits(caller));
        match (rule, caller) {
            (Some(Rule { allows: true, .. }), _) => Answer::Allowed,
            // Credentials would not help.
            (Some(Rule { whom: Whom::Anyone, .. }), _) | (_, Some(_)) => Answer::Forbidden,
            (_, None) => Answer::Unknown,
        }
    }

    /// Asks about what `resource` says that a request is for: a constant for the
    /// one endpoint, the path of an `http::Request`.
    ///
    /// `I` is who the callers are: what the authenticator puts among the
    /// extensions.
    pub fn on<I, Req, F>(self, resource: F) -> RulesOn<I, F>
    where
        I: Grants,
        F: Fn(&Req) -> &str,
    {
        RulesOn { rules: Arc::new(self), resource, identity: PhantomData }
    }
}

impl Extend<Rule> for Rules {
    fn extend<T: IntoIterator<Item = Rule>>(&mut self, rules: T) {
        for rule in rules {
            *self = std::mem::take(self).rule(rule);
        }
    }
}

impl FromIterator<Rule> for Rules {
    fn from_iter<T: IntoIterator<Item = Rule>>(rules: T) -> Self {
        let mut all = Self::new();
        all.extend(rules);
        all
    }
}

// ===== impl RulesOn =====

impl<I, F, Req> Authorizer<Req> for RulesOn<I, F>
where
    I: Grants + Clone + Send + Sync + 'static,
    F: Fn(&Req) -> &str,
    Req: Carries,
{
    fn authorize(&self, request: &Req) -> Result<(), Forbidden> {
        let caller = request.extensions().get::<I>();
        match self.rules.ask((self.resource)(request), caller) {
            Answer::Allowed => Ok(()),
            Answer::Forbidden => Err(Forbidden::new()),
            Answer::Unknown => Err(stranger(request)),
        }
    }
}

impl<I, F: Clone> Clone for RulesOn<I, F> {
    fn clone(&self) -> Self {
        let rules = Arc::clone(&self.rules);
        Self { rules, resource: self.resource.clone(), identity: PhantomData }
    }
}

impl<I, F> fmt::Debug for RulesOn<I, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RulesOn").field("rules", &self.rules).finish_non_exhaustive()
    }
}
