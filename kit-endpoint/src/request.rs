use http::Extensions;
use tokio::time::Instant;

/// A message, and what travels with it: a deadline and typed extensions.
///
/// The deadline is a field because every layer may read it. Everything else
/// (peer, claims, trace) is an entry in the extensions, put in where the
/// request enters and read by its type.
#[derive(Debug, Clone, Default)]
pub struct Request<T> {
    message: T,
    deadline: Option<Instant>,
    extensions: Extensions,
}

/// What a layer may ask of any request: its deadline and its extensions.
///
/// A layer is for any `Req` where it can be, and asks for `Req: Carries` only
/// where it must. It is implemented for [`Request`], and for `http::Request`,
/// whose deadline is an [`Expires`] among its extensions.
pub trait Carries {
    /// Returns the instant after which nobody waits for the reply.
    fn deadline(&self) -> Option<Instant>;

    /// Brings the deadline forward to `deadline`; a sooner one stays.
    fn bring_forward(&mut self, deadline: Instant);

    /// Returns the extensions.
    fn extensions(&self) -> &Extensions;

    /// Returns the extensions, to be changed in place.
    fn extensions_mut(&mut self) -> &mut Extensions;
}

/// The deadline of an `http::Request`, among its extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expires(pub Instant);

// ===== impl Request =====

impl<T> Request<T> {
    /// Creates a request with nothing but a message.
    pub fn new(message: T) -> Self {
        Self::from_parts(message, Extensions::new())
    }

    /// Creates a request that takes over the extensions of a transport.
    pub const fn from_parts(message: T, extensions: Extensions) -> Self {
        Self { message, deadline: None, extensions }
    }

    /// Creates a request that travels with the same deadline and extensions:
    /// the request an endpoint makes on behalf of this one.
    pub fn with<U>(&self, message: U) -> Request<U> {
        Request { message, deadline: self.deadline, extensions: self.extensions.clone() }
    }

    /// Turns the message into another; the rest stays.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Request<U> {
        Request { message: f(self.message), deadline: self.deadline, extensions: self.extensions }
    }

    /// Returns the message.
    pub const fn message(&self) -> &T {
        &self.message
    }

    /// Returns the message, to be changed in place.
    pub const fn message_mut(&mut self) -> &mut T {
        &mut self.message
    }

    /// Keeps the message and drops the rest.
    pub fn into_message(self) -> T {
        self.message
    }

    /// Takes the request apart: the message, the deadline, the extensions.
    pub fn into_parts(self) -> (T, Option<Instant>, Extensions) {
        (self.message, self.deadline, self.extensions)
    }

    /// Returns the instant after which nobody waits for the reply.
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Brings the deadline forward to `deadline`; a sooner one stays.
    #[must_use]
    pub fn within(mut self, deadline: Instant) -> Self {
        self.bring_forward(deadline);
        self
    }

    /// Returns the extensions.
    pub const fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// Returns the extensions, to be changed in place.
    pub const fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.extensions
    }
}

impl<T> Carries for Request<T> {
    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn bring_forward(&mut self, deadline: Instant) {
        self.deadline = Some(self.deadline.map_or(deadline, |old| old.min(deadline)));
    }

    fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.extensions
    }
}

impl<B> Carries for http::Request<B> {
    fn deadline(&self) -> Option<Instant> {
        self.extensions().get::<Expires>().map(|expires| expires.0)
    }

    fn bring_forward(&mut self, deadline: Instant) {
        match self.extensions_mut().get_mut::<Expires>() {
            Some(expires) => expires.0 = expires.0.min(deadline),
            None => drop(self.extensions_mut().insert(Expires(deadline))),
        }
    }

    fn extensions(&self) -> &Extensions {
        self.extensions()
    }

    fn extensions_mut(&mut self) -> &mut Extensions {
        self.extensions_mut()
    }
}
