//! Tickets to event streams, for browsers, whose `EventSource` sends no headers: asked for with a credential, used in a
//! URL. A URL ends up in logs; that is why a ticket is good once and for a minute.

use super::{Office, Refusal};
use crate::domain::{Secret, SessionId, Time};
use crate::keys::{digest, random_secret};

/// How a ticket begins.
const PREFIX: &str = "et_";
/// Seconds for which it is good.
const LIVES: f64 = 60.0;

/// A ticket to one session's stream.
#[derive(Debug, Clone)]
pub struct Ticket {
    /// What the URL carries.
    pub ticket: Secret<String>,
    /// Until when it is good.
    pub expires_at: Time,
}

impl Office {
    /// A ticket to this session, which must exist.
    pub async fn issue_ticket(&self, session: &SessionId) -> Result<Ticket, Refusal> {
        let ticket = random_secret(PREFIX);
        let kept = self.store.keep_ticket(session, &digest(ticket.expose().as_bytes()), LIVES).await;
        Ok(Ticket { expires_at: kept?, ticket })
    }

    /// The session that a ticket leads to; the ticket is used up. `None` for any that is not good.
    pub async fn redeem_ticket(&self, offered: &str) -> Result<Option<SessionId>, Refusal> {
        Ok(self.store.take_ticket(&digest(offered.as_bytes())).await?)
    }
}
