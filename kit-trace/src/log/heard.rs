//! Whether anybody listens.

/// Makes a function that says whether anybody may hear of a target: one atomic read, once
/// `tracing` knows the place.
///
/// `tracing::enabled!` asks the subscriber each time where filters of single layers
/// differ, and leaves behind in these what they answered, which then holds for the next
/// event of the thread, whatever that is (tokio-rs/tracing, `FilterState`). This asks
/// nobody, and an event that nobody wants is stopped where it is made.
macro_rules! heard {
    ($target:expr) => {
        fn heard() -> bool {
            use tracing::{
                Level, Metadata,
                callsite::{DefaultCallsite, Identifier},
                field::FieldSet,
                metadata::Kind,
            };

            static CALLSITE: DefaultCallsite = DefaultCallsite::new(&METADATA);
            static METADATA: Metadata<'static> = Metadata::new(
                "heard",
                $target,
                Level::ERROR,
                Some(file!()),
                Some(line!()),
                Some(module_path!()),
                FieldSet::new(&[], Identifier(&CALLSITE)),
                Kind::HINT,
            );
            !CALLSITE.interest().is_never()
        }
    };
}

pub(super) use heard;
