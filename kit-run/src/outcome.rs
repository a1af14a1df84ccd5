use std::error::Error;

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// What an actor or a phase may end with: nothing, or a result.
#[diagnostic::on_unimplemented(
    message = "an actor or a phase can't end with `{Self}`",
    note = "it ends with `()`, or with a `Result<(), E>` whose error fits `Box<dyn Error + Send + Sync>`",
    note = "a loop that never ends, written as an `async` block, ends with `!`: write it as an `async fn`"
)]
pub trait Outcome: sealed::Sealed {}

impl Outcome for () {}
impl<E: Into<BoxError> + Send + 'static> Outcome for Result<(), E> {}

pub(crate) mod sealed {
    use super::BoxError;

    pub trait Sealed: Send + 'static {
        fn into_result(self) -> Result<(), BoxError>;
    }

    impl Sealed for () {
        fn into_result(self) -> Result<(), BoxError> {
            Ok(self)
        }
    }

    impl<E: Into<BoxError> + Send + 'static> Sealed for Result<(), E> {
        fn into_result(self) -> Result<(), BoxError> {
            self.map_err(Into::into)
        }
    }
}
