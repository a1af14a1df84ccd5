use std::{error, fmt, str::FromStr};

/// How much a request matters, among its extensions: which of them to refuse
/// first when there is too much to do.
///
/// The classes are those of the Google SRE book, chapter 21, *Handling
/// Overload*. The greater is the more critical. A request that says nothing has
/// none; who sheds load decides what that means to it (the book's default is
/// `Critical`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Criticality {
    /// Partial or even full unavailability is expected now and then.
    Sheddable,
    /// Partial unavailability is expected: batch jobs, which can try again in
    /// minutes or hours.
    SheddablePlus,
    /// Users would see a failure, though a lesser one.
    Critical,
    /// Users would see a grave failure.
    CriticalPlus,
}

/// A text that names no [`Criticality`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadCriticality(());

// ===== impl Criticality =====

impl Criticality {
    /// All of them, the least critical first.
    pub const ALL: [Self; 4] =
        [Self::Sheddable, Self::SheddablePlus, Self::Critical, Self::CriticalPlus];

    /// Returns the name, as it stands in the header: `critical-plus`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sheddable => "sheddable",
            Self::SheddablePlus => "sheddable-plus",
            Self::Critical => "critical",
            Self::CriticalPlus => "critical-plus",
        }
    }
}

impl fmt::Display for Criticality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Criticality {
    type Err = BadCriticality;

    /// Reads a name, in either case, also in the book's spelling:
    /// `CRITICAL_PLUS`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let same = |name: &str| {
            let text = text.bytes().map(|byte| if byte == b'_' { b'-' } else { byte });
            text.map(|byte| byte.to_ascii_lowercase()).eq(name.bytes())
        };
        Self::ALL.into_iter().find(|class| same(class.name())).ok_or(BadCriticality(()))
    }
}

// ===== impl BadCriticality =====

impl fmt::Display for BadCriticality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a criticality is critical-plus, critical, sheddable-plus or sheddable")
    }
}

impl error::Error for BadCriticality {}
