use std::{error, fmt};

/// What is no template: see [`Template::parse`](super::Template::parse).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Malformed<'a> {
    /// It does not begin with `/`.
    Relative,
    /// Braces are not around a whole segment, or around no name.
    Braces,
    /// `{*rest}` is not the last segment.
    RestNotLast,
    /// It goes on after the path, with `?` or `#`.
    BeyondPath,
    /// It has what a path has only percent-encoded: a blank, for one.
    NotEncoded,
    /// Two parameters have the same name, so that no message could fill both.
    Repeated {
        /// Their name.
        name: &'a str,
    },
}

// ===== impl Malformed =====

impl Malformed<'_> {
    /// Says what is wrong, where nothing can be formatted.
    pub(super) const fn as_str(&self) -> &'static str {
        match self {
            Self::Relative => "a template begins with /",
            Self::Braces => "a parameter is a whole segment: /{name}, or /{*name}",
            Self::RestNotLast => "/{*name} takes all that is left: write it last",
            Self::BeyondPath => "a template is a path: it ends before ? and #",
            Self::NotEncoded => "a template is percent-encoded, as paths are: %20 for a blank",
            Self::Repeated { .. } => "each parameter has a name of its own",
        }
    }
}

impl fmt::Display for Malformed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())?;
        match self {
            Self::Repeated { name } => write!(f, ": {name} is there twice"),
            _ => Ok(()),
        }
    }
}

impl error::Error for Malformed<'_> {}
