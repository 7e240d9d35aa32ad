//! What a person decides about money without an owner.

use super::{SessionId, TxHash};

/// What is to become of a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// It pays this session.
    Assign(SessionId),
    /// It is nobody's, and nobody need look at it again.
    Ignore,
    /// It was sent back by this transaction.
    Refund(TxHash),
    /// What was decided before is undone: the rules say again whose it is.
    Release,
}

impl Deed {
    /// As the column `settlements.kind` and the command line have it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Deed::Assign(_) => "assign",
            Deed::Ignore => "ignore",
            Deed::Refund(_) => "refund",
            Deed::Release => "release",
        }
    }

    /// Reads the columns `kind`, `session_id` and `refund_tx`.
    pub fn read(kind: &str, session: Option<SessionId>, refund_tx: Option<TxHash>) -> Option<Deed> {
        match (kind, session, refund_tx) {
            ("assign", Some(session), None) => Some(Deed::Assign(session)),
            ("ignore", None, None) => Some(Deed::Ignore),
            ("refund", None, Some(tx)) => Some(Deed::Refund(tx)),
            ("release", None, None) => Some(Deed::Release),
            _ => None,
        }
    }

    /// The session that it is about.
    pub fn session(&self) -> Option<&SessionId> {
        match self {
            Deed::Assign(session) => Some(session),
            Deed::Ignore | Deed::Refund(_) | Deed::Release => None,
        }
    }

    /// The transaction that sent the money back.
    pub fn refund_tx(&self) -> Option<TxHash> {
        match self {
            Deed::Refund(tx) => Some(*tx),
            Deed::Assign(_) | Deed::Ignore | Deed::Release => None,
        }
    }
}

/// How a transfer that a person has settled stands: the column `transfers.settled`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It pays the session that a person said.
    Assigned,
    /// It is nobody's for good.
    Ignored,
    /// It was sent back.
    Refunded,
}

impl Settled {
    /// Every one, for documents and tests.
    pub const ALL: [Settled; 3] = [Settled::Assigned, Settled::Ignored, Settled::Refunded];

    /// As the column has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Settled::Assigned => "assigned",
            Settled::Ignored => "ignored",
            Settled::Refunded => "refunded",
        }
    }

    /// What a deed makes of a transfer; nothing of one that is released.
    pub fn by(deed: &Deed) -> Option<Settled> {
        match deed {
            Deed::Assign(_) => Some(Settled::Assigned),
            Deed::Ignore => Some(Settled::Ignored),
            Deed::Refund(_) => Some(Settled::Refunded),
            Deed::Release => None,
        }
    }
}
