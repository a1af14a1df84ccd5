//! Text as a protocol takes it.

/// Writes `text` with an underscore for each character that does not fit.
pub(super) fn write(to: &mut String, text: &str, fits: impl Fn(char) -> bool) {
    to.extend(text.chars().map(|letter| if fits(letter) { letter } else { '_' }));
}

/// Letters and digits of ASCII, and what most take beside them.
#[cfg(any(feature = "statsd", feature = "graphite"))]
pub(super) const fn is_plain(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-')
}

#[cfg(test)]
mod tests {
    use super::write;

    #[test]
    fn what_does_not_fit_is_an_underscore() {
        let mut text = "a.".to_owned();
        write(&mut text, "b-c d\n\u{e9}", |letter| letter.is_ascii_alphabetic());
        assert_eq!(text, "a.b_c_d__");
    }
}
