//! What a derivation leaves for others: amounts that are due, claimed against new sessions, and destinations put aside
//! because one of their sessions is held.

use super::sessions::Destination;
use super::{Error, Unit};
use crate::domain::{SessionId, Slug};

impl Unit {
    /// Claims what is now due of part-paid sessions, so that no new session asks for the same amount. What a session that
    /// is closed left behind is taken over: it stays taken for longer by one that is open. A claim that stands is not
    /// touched, or whoever asks for that amount would wait for this unit.
    ///
    /// An amount that an open transaction is just claiming is left to it: whoever waits for others holds up the network. The
    /// other amounts are claimed all the same.
    pub async fn claim_due(&mut self, due: &[(SessionId, String)]) -> Result<(), Error> {
        if self.claim(due).await? || due.len() == 1 {
            return Ok(());
        }
        for one in due.chunks(1) {
            self.claim(one).await?;
        }
        Ok(())
    }

    /// Claims all of these or none; none where one of them is just being claimed.
    async fn claim(&mut self, due: &[(SessionId, String)]) -> Result<bool, Error> {
        let (ids, amounts): (Vec<String>, Vec<String>) =
            due.iter().map(|(id, amount)| (id.0.clone(), amount.clone())).unzip();
        self.say("SAVEPOINT claim; SET LOCAL lock_timeout = '50ms'").await?;
        let claimed = sqlx::query!(
            "INSERT INTO amount_claims AS c (network, token_address, to_address, amount, session_id)
             SELECT DISTINCT ON (s.network, s.token_address, s.to_address, n.amount::numeric)
                    s.network, s.token_address, s.to_address, n.amount::numeric, s.id
               FROM unnest($1::text[], $2::text[]) AS n (id, amount) JOIN deposit_sessions s ON s.id = n.id
              WHERE NOT EXISTS (SELECT FROM amount_claims c
                                 WHERE c.network = s.network AND c.token_address = s.token_address AND c.to_address = s.to_address
                                   AND c.amount = n.amount::numeric AND deposit_watcher_claim_holds(c, interval '0'))
             ON CONFLICT ON CONSTRAINT amount_claims_pkey DO UPDATE SET session_id = EXCLUDED.session_id, claimed_at = clock_timestamp()
                   WHERE NOT deposit_watcher_claim_still_holds(c, interval '0')",
            &ids,
            &amounts,
        )
        .execute(self.connection())
        .await;
        match claimed {
            Ok(_) => self.say("SET LOCAL lock_timeout = '1s'; RELEASE SAVEPOINT claim").await.map(|()| true),
            Err(error) if error.as_database_error().is_some_and(|e| e.code().as_deref() == Some("55P03")) => {
                self.say("ROLLBACK TO SAVEPOINT claim; RELEASE SAVEPOINT claim").await.map(|()| false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Puts destinations aside until the transaction that holds one of their sessions has ended.
    pub async fn defer(&mut self, slug: &Slug, destinations: &[Destination]) -> Result<(), Error> {
        let (tokens, recipients) = Destination::columns(destinations);
        sqlx::query!(
            "INSERT INTO pending_derivations (network, token_address, to_address)
             SELECT $1, g.token, g.recipient FROM unnest($2::text[], $3::text[]) AS g (token, recipient) ON CONFLICT DO NOTHING",
            slug.as_str(),
            &tokens,
            &recipients,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Takes up to 1,000 destinations that were put aside.
    pub async fn take_deferred(&mut self, slug: &Slug) -> Result<Vec<Destination>, Error> {
        let rows = sqlx::query!(
            "DELETE FROM pending_derivations WHERE ctid = ANY(ARRAY(SELECT ctid FROM pending_derivations WHERE network = $1 LIMIT 1000))
             RETURNING token_address, to_address",
            slug.as_str(),
        )
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(|row| Destination::read(&row.token_address, &row.to_address)).collect()
    }
}
