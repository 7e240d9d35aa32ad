//! What a step did, in numbers, for its span: whatever it commits adds to them. Not for metrics and log, which are told by
//! [`Effects`](super::Effects), and not for deciding anything.

use std::sync::{Mutex, PoisonError};

use tracing::Span;

use super::{Error, Step};
use crate::store::Cursor;
use crate::telemetry::spans::{self, Told};

/// What this step has committed so far, and where it began.
#[derive(Debug, Default)]
pub(super) struct Tally {
    began: Option<Cursor>,
    told: Mutex<Told>,
}

impl Tally {
    /// A step that begins at this cursor.
    pub(super) fn begin(cursor: Option<Cursor>) -> Tally {
        Tally { began: cursor, told: Mutex::default() }
    }

    /// Something was committed.
    pub(super) fn add(&self, committed: Told) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.matched = told.matched.saturating_add(committed.matched);
        told.unmatched = told.unmatched.saturating_add(committed.unmatched);
        told.settled = told.settled.saturating_add(committed.settled);
        told.reverted = told.reverted.saturating_add(committed.reverted);
        told.sessions = told.sessions.saturating_add(committed.sessions);
    }

    /// Writes on a step's span what came of it; the cursor is the one that is committed now.
    pub(super) fn close(&self, span: &Span, cursor: Option<Cursor>, outcome: &Result<Step, Error>) {
        let mut told = *self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(from), Some(to)) = (self.began, cursor) {
            told.scanned = Some((from.block.number.0, to.block.number.0));
            told.confirmed = Some((from.confirmed.0, to.confirmed.0));
        }
        spans::stepped(span, &told);
        let trouble = match outcome {
            Ok(step) => {
                spans::kind(span, step.kind, step.halted.is_some());
                step.trouble.as_ref()
            }
            Err(error) => Some(error),
        };
        if let Some(error) = trouble {
            spans::failed(span, kind(error));
            spans::because(span, error);
        }
    }
}

fn kind(error: &Error) -> &'static str {
    match error {
        Error::Chain(_) => "chain",
        Error::Store(_) => "store",
        Error::Doubt(_) => "doubt",
    }
}
