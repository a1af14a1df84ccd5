//! Points that are not written yet.

use std::collections::VecDeque;

/// How many points are kept unless told otherwise: some 10 MB.
pub(super) const KEEP: usize = 100_000;

/// Points in the order of their time, at most so many.
#[derive(Debug)]
pub(super) struct Backlog {
    batches: VecDeque<Batch>,
    points: usize,
    pub(super) keep: usize,
    dropped: u64,
}

/// Lines that are written at once.
#[derive(Debug, Clone, Default)]
pub(super) struct Batch {
    pub(super) text: String,
    pub(super) points: usize,
}

// ===== impl Backlog =====

impl Backlog {
    pub(super) const fn new() -> Self {
        Self { batches: VecDeque::new(), points: 0, keep: KEEP, dropped: 0 }
    }

    /// Adds lines, in batches of at most `most`. The oldest batches are given
    /// up where there are too many points; the newest stays in any case, which
    /// the registry bounds.
    pub(super) fn add(&mut self, lines: impl Iterator<Item = String>, most: usize) {
        let mut added = 0;
        let mut batch = Batch::default();
        for line in lines {
            if batch.points == most {
                added += self.push(std::mem::take(&mut batch));
            }
            batch.text.push_str(&line);
            batch.points += 1;
        }
        if batch.points > 0 {
            added += self.push(batch);
        }
        while self.batches.len() > added && self.points > self.keep {
            self.give_up();
        }
    }

    fn push(&mut self, batch: Batch) -> usize {
        self.points += batch.points;
        self.batches.push_back(batch);
        1
    }

    pub(super) fn first(&self) -> Option<&Batch> {
        self.batches.front()
    }

    /// Returns how many of the first batches have at most `points` together;
    /// one at least, if there is one.
    #[cfg(feature = "graphite")]
    pub(super) fn within(&self, points: usize) -> usize {
        let mut sum = 0;
        let fits = |batch: &&Batch| {
            sum += batch.points;
            sum <= points
        };
        self.batches.iter().take_while(fits).count().max(1).min(self.batches.len())
    }

    #[cfg(feature = "graphite")]
    pub(super) fn batches(&self) -> impl Iterator<Item = &Batch> {
        self.batches.iter()
    }

    /// The first batch was written.
    pub(super) fn written(&mut self) {
        if let Some(batch) = self.batches.pop_front() {
            self.points -= batch.points;
        }
    }

    /// The first batch is given up.
    pub(super) fn give_up(&mut self) {
        if let Some(batch) = self.batches.pop_front() {
            self.points -= batch.points;
            self.dropped += batch.points as u64;
        }
    }

    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::Backlog;

    fn lines(number: usize) -> impl Iterator<Item = String> {
        (0..number).map(|line| format!("{line}\n"))
    }

    #[test]
    fn the_oldest_are_given_up() {
        let mut backlog = Backlog::new();
        backlog.keep = 5;
        backlog.add(lines(2), 10);
        backlog.add(lines(3), 10);
        assert_eq!((backlog.points, backlog.dropped()), (5, 0));
        backlog.add(lines(1), 10);
        assert_eq!((backlog.points, backlog.dropped()), (4, 2));
        assert_eq!(backlog.first().unwrap().text, "0\n1\n2\n");
        // More than may be kept, and all of it new.
        backlog.add(lines(7), 3);
        assert_eq!((backlog.points, backlog.dropped()), (7, 6));
        assert_eq!(backlog.batches.len(), 3);
    }

    #[test]
    fn what_is_written_is_gone_and_not_counted() {
        let mut backlog = Backlog::new();
        backlog.add(lines(3), 2);
        backlog.written();
        assert_eq!((backlog.points, backlog.dropped()), (1, 0));
        backlog.give_up();
        assert_eq!((backlog.points, backlog.dropped()), (0, 1));
        assert!(backlog.first().is_none());
        backlog.written();
    }
}
