use super::{Algorithm, Sample, Sampling};

/// The limit that was given: for what is known, like the connections of a pool.
#[derive(Debug, Clone, Copy)]
pub struct Fixed(usize);

// ===== impl Fixed =====

impl Fixed {
    /// Creates the limit `limit`.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self(limit)
    }
}

impl Algorithm for Fixed {
    fn limit(&self) -> usize {
        self.0
    }

    fn update(&mut self, _: &Sample) -> usize {
        self.0
    }

    fn sampling(&self) -> Sampling {
        Sampling::Nothing
    }
}
