use std::{error::Error, fmt};

/// An error with all its sources, on one line: `cannot greet: connection
/// refused: os error 111`.
///
/// A source that its wrapper repeats word for word is written once, and line
/// breaks, as all control characters, become spaces.
#[derive(Debug)]
pub struct Report<'a>(pub &'a dyn Error);

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = on_one_line(self.0);
        f.write_str(&last)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            let text = on_one_line(error);
            if !last.ends_with(&text) {
                write!(f, ": {text}")?;
            }
            last = text;
            source = error.source();
        }
        Ok(())
    }
}

/// What an error says may come from outside, and must not forge a log line.
fn on_one_line(error: &dyn Error) -> String {
    error.to_string().replace(char::is_control, " ")
}
