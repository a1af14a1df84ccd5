// A log names the same kinds, so it is not ours alone.
pub use kit_endpoint::{KindOf, KindOfEnd};
