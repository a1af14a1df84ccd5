use super::{gate::Gate, share::Share};
use crate::sync::{AtomicU64, Ordering};
use std::{borrow::Cow, error, fmt};

/// Who is guaranteed which share of a limit.
///
/// A partition may use more than its share as long as the whole is below its
/// limit. When the whole is full, a partition is let in up to its share and
/// refused beyond it, so one caller's flood does not starve another. All calls
/// for which there is no partition are the `rest`, whose share is what the others
/// leave.
///
/// A guarantee holds even when others fill the whole: then there are more calls
/// in flight than the limit, at most by what the partitions are guaranteed.
/// (Netflix, concurrency-limits, `AbstractPartitionedLimiter`. There the rest has
/// no share.)
///
/// ```
/// use kit_limit::concurrency::Partitions;
///
/// let partitions = Partitions::new([("live", 0.7), ("batch", 0.2)])?;
/// let error = Partitions::new([("live", 0.7), ("batch", 0.7)]).unwrap_err();
/// assert_eq!(error.to_string(), "the shares add up to 1.4: make them 1 or less in all");
/// # Ok::<_, kit_limit::concurrency::BadPartitions>(())
/// ```
#[derive(Debug)]
pub struct Partitions {
    /// The named ones; the last is the rest.
    all: Box<[Partition]>,
}

/// Partitions that cannot be.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum BadPartitions {
    /// A share is not between 0 and 1.
    Share(Cow<'static, str>, f64),
    /// The shares add up to more than the whole.
    Sum(f64),
    /// Two have the same name, or one that of the rest.
    Name(Cow<'static, str>),
    /// There are more than [`Partitions::MOST`].
    TooMany(usize),
}

/// One of them: who is in it.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) name: Cow<'static, str>,
    pub(super) share: Share,
    pub(super) gate: Gate,
    pub(super) refused: AtomicU64,
}

const REST: &str = "rest";
/// Shares that add up to 1 need not do so in binary.
const ROUNDING: f64 = 1e-9;

// ===== impl Partitions =====

impl Partitions {
    /// There are no more: each is a label of metrics, and is searched for by name.
    pub const MOST: usize = 64;

    /// Creates partitions, of their names and shares: 0.25 is a quarter. A share of
    /// 0 guarantees nothing, any other at least one call.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with them: a share below 0 or above 1, a sum above
    /// 1, a name twice, or too many.
    pub fn new<N>(shares: impl IntoIterator<Item = (N, f64)>) -> Result<Self, BadPartitions>
    where
        N: Into<Cow<'static, str>>,
    {
        let mut all = Vec::<Partition>::new();
        let mut sum = 0.0;
        for (name, share) in shares {
            let name = name.into();
            if name == REST || all.iter().any(|known| known.name == name) {
                return Err(BadPartitions::Name(name));
            }
            if !(0.0..=1.0).contains(&share) {
                return Err(BadPartitions::Share(name, share));
            }
            sum += share;
            all.push(Partition::new(name, share));
        }
        if sum > 1.0 + ROUNDING {
            return Err(BadPartitions::Sum(sum));
        }
        if all.len() > Self::MOST {
            return Err(BadPartitions::TooMany(all.len()));
        }
        let rest = if sum > 1.0 - ROUNDING { 0.0 } else { 1.0 - sum };
        all.push(Partition::new(REST.into(), rest));
        Ok(Self { all: all.into() })
    }

    /// Makes no difference between calls.
    pub(super) fn none() -> Self {
        Self { all: Box::default() }
    }

    pub(super) const fn all(&self) -> &[Partition] {
        &self.all
    }

    /// Returns the place of the one with this name, or of the rest; none if there
    /// are no partitions.
    #[inline]
    pub(super) fn find(&self, name: Option<&str>) -> Option<usize> {
        let rest = self.all.len().checked_sub(1)?;
        let named = |name| self.all.iter().position(|partition| partition.name == name);
        Some(name.and_then(named).unwrap_or(rest))
    }

    pub(super) fn named(&self, name: &str) -> Option<&Partition> {
        self.all.iter().find(|partition| partition.name == name)
    }
}

// ===== impl Partition =====

impl Partition {
    fn new(name: Cow<'static, str>, share: f64) -> Self {
        let (gate, refused) = (Gate::new(), AtomicU64::new(0));
        Self { name, share: Share::new(share), gate, refused }
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

// ===== impl BadPartitions =====

impl fmt::Display for BadPartitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share(name, share) => {
                write!(f, "the share of {name:?} is {share}: make it a number from 0 to 1")
            }
            Self::Sum(sum) => {
                // Without the dust of binary fractions.
                let sum = (sum * 1e6).round() / 1e6;
                write!(f, "the shares add up to {sum}: make them 1 or less in all")
            }
            Self::Name(name) if name == REST => {
                write!(f, "{name:?} is what all other calls are called: choose another name")
            }
            Self::Name(name) => write!(f, "there are two partitions {name:?}: make them one"),
            Self::TooMany(many) => {
                let most = Partitions::MOST;
                write!(f, "there are {many} partitions: make them {most} or fewer")
            }
        }
    }
}

impl error::Error for BadPartitions {}
