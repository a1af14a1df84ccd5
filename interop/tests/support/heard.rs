//! What hooks and layers are to hear of the calls of each case.

use kit_endpoint::Kind::{self, Cancelled, DeadlineExceeded, Unimplemented, Unknown};
use kit_interop::Counts;
use std::ops::RangeInclusive;

/// How each call of a case ends, as the hooks are told, and as the layer of the
/// endpoint is; and how many replies have a head.
#[derive(Debug)]
pub struct Heard {
    hook: &'static [Option<Kind>],
    layer: &'static [Option<Kind>],
    after: RangeInclusive<usize>,
}

const REPLIED: Option<Kind> = None;

impl Heard {
    /// What is to be heard of `case`.
    #[track_caller]
    pub fn of(case: &str) -> Self {
        match case {
            "empty_unary" | "large_unary" | "client_streaming" | "server_streaming"
            | "ping_pong" | "empty_stream" => Self::both(&[REPLIED]),
            "custom_metadata" => Self::both(&[REPLIED, REPLIED]),
            "status_code_and_message" => Self::both(&[Some(Unknown), Some(Unknown)]),
            "special_status_message" => Self::both(&[Some(Unknown)]),
            "timeout_on_sleeping_server" => Self::both(&[Some(DeadlineExceeded)]),
            "cancel_after_first_response" => Self::both(&[Some(Cancelled)]),
            // Nobody waits for the head, so that it may not be made.
            "cancel_after_begin" => Self { after: 0..=1, ..Self::both(&[Some(Cancelled)]) },
            // No endpoint is called.
            "unimplemented_method" | "unimplemented_service" => {
                Self { layer: &[], ..Self::both(&[Some(Unimplemented)]) }
            }
            other => panic!("there is no case {other}"),
        }
    }

    const fn both(ends: &'static [Option<Kind>]) -> Self {
        Self { hook: ends, layer: ends, after: ends.len()..=ends.len() }
    }

    /// The same of a server that may make no head before its first message.
    pub const fn by_a_late_head(self) -> Self {
        Self { after: 0..=self.hook.len(), hook: self.hook, layer: self.layer }
    }

    /// How many calls it is of.
    pub const fn calls(&self) -> usize {
        self.hook.len()
    }

    /// Says whether all has been heard.
    pub fn is_over(&self, counts: &Counts) -> bool {
        counts.ends.len() >= self.hook.len() && counts.calls.len() >= self.layer.len()
    }

    /// Asserts that the hook of a client and the layer around it heard of each
    /// call and of its end, and the hook of each head of a reply.
    #[track_caller]
    pub fn check_caller(&self, counts: &Counts) {
        let calls = self.calls();
        assert_eq!((counts.before, counts.begun.len()), (calls, calls), "{counts:?}");
        assert!(self.after.contains(&counts.after), "{counts:?}");
        let (ends, calls) = ends(counts);
        // A layer around a client sees the calls of no endpoint, too.
        assert_eq!((&*ends, &*calls), (self.hook, self.hook));
    }

    /// Asserts that this was heard at a server, and nothing else.
    #[track_caller]
    pub fn check(&self, counts: &Counts) {
        let Self { hook, layer, after } = self;
        assert_eq!((counts.before, counts.begun.len()), (hook.len(), layer.len()), "{counts:?}");
        assert!(after.contains(&counts.after), "{counts:?}");
        let (ends, calls) = ends(counts);
        assert_eq!((&*ends, &*calls), (*hook, *layer));
    }
}

/// How calls ended, to the hook and to the layer.
pub fn ends(counts: &Counts) -> (Vec<Option<Kind>>, Vec<Option<Kind>>) {
    let kinds = |ends: &[kit_transport::Outcome]| ends.iter().map(|end| end.kind()).collect();
    (kinds(&counts.ends), kinds(&counts.calls))
}
