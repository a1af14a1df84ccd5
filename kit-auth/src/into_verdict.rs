use crate::{Denied, Reason, Verdict};

/// What a function that knows callers may return: `Some` of who it is, or `None`
/// ([`Reason::Invalid`]); a `Result` that says why not; or a [`Verdict`], which may
/// have to wait.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say who a caller is",
    note = "return `Option<Identity>`, `Result<Identity, Denied>` or `Verdict<Identity>`"
)]
pub trait IntoVerdict {
    /// Who it is.
    type Identity;

    /// Makes the verdict of it.
    fn into_verdict(self) -> Verdict<Self::Identity>;
}

impl<I> IntoVerdict for Option<I> {
    type Identity = I;

    fn into_verdict(self) -> Verdict<I> {
        Verdict::Known(self.ok_or_else(|| Denied::new(Reason::Invalid)))
    }
}

impl<I> IntoVerdict for Result<I, Denied> {
    type Identity = I;

    fn into_verdict(self) -> Verdict<I> {
        Verdict::Known(self)
    }
}

impl<I> IntoVerdict for Verdict<I> {
    type Identity = I;

    fn into_verdict(self) -> Self {
        self
    }
}
