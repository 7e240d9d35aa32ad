//! Which watcher works which network: a lease row by the database's clock, and the fencing number it hands out.

use std::time::Duration;

use super::{Error, Store};
use crate::domain::Slug;

/// How long a lease lives unless it is renewed. A dead holder is followed within 10 s.
const LEASE_SECONDS: f64 = 6.0;

/// The advisory lock, of a transaction, under which networks are spread: beside the one that numbers events.
const BALANCE: (i32, i32) = (0x6465_7077, 2);

/// Proof of having been given a network: every write carries it. A later lease has a greater number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// The network it is for.
    pub network: Slug,
    /// The lease's number.
    pub number: i64,
}

/// A lease that was taken.
#[derive(Debug, Clone)]
pub struct Lease {
    /// What writes must carry.
    pub fence: Fence,
    /// What keeps its holder from working, for people who ask elsewhere; told with the next renewal.
    pub trouble: Option<String>,
    holder: String,
}

/// What becomes of asking for a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToBeHad {
    /// It is free.
    Free,
    /// Its holder has two more than we: it is for whoever can work it.
    Spared,
    /// It stays where it is.
    Not,
}

impl Lease {
    /// How often the holder renews: three times a lease.
    pub const RENEW_EVERY: Duration = Duration::from_secs(2);
}

impl Store {
    /// Whether [`Store::take_lease`] would take it now. It locks nothing: who only stands by is in nobody's way, wherever
    /// he freezes.
    pub async fn is_to_be_had(&self, network: &Slug, holder: &str, digest: &str) -> Result<ToBeHad, Error> {
        let row = sqlx::query!(
            r#"WITH running AS (SELECT * FROM leases WHERE expires_at > clock_timestamp()),
                    its AS (SELECT holder FROM running WHERE network = $1)
               SELECT EXISTS (SELECT FROM running WHERE config_digest <> $3) AS "others!", NOT EXISTS (SELECT FROM its) AS "free!",
                      (SELECT count(*) FROM running WHERE holder = (SELECT holder FROM its))
                      >= 2 + (SELECT count(*) FROM running WHERE holder = $2) AS "spared!""#,
            network.as_str(),
            holder,
            digest,
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(match row.others {
            false if row.free => ToBeHad::Free,
            false if row.spared => ToBeHad::Spared,
            false | true => ToBeHad::Not,
        })
    }

    /// Takes the network if nobody works with other money-relevant configuration, and nobody holds it or, for who is
    /// `able` to work it, its holder has two more than we. So networks spread over the watchers, and where they are spread
    /// nobody takes another's: whoever loses one still has as many as who takes it. Its holder learns it as any other who
    /// lost a lease, by the fence.
    pub async fn take_lease(
        &self,
        network: &Slug,
        holder: &str,
        digest: &str,
        able: bool,
    ) -> Result<Option<Lease>, Error> {
        let mut unit = self.unit().await?;
        // One at a time counts and takes: two that count at once would take too many, and two of other configuration would
        // both find that nobody works yet.
        sqlx::query!("SELECT pg_advisory_xact_lock($1, $2)", BALANCE.0, BALANCE.1).fetch_one(unit.connection()).await?;
        let taken = sqlx::query!(
            r#"INSERT INTO leases AS l (network, holder, fence, config_digest, expires_at)
               SELECT $1, $2, 1, $3, clock_timestamp() + make_interval(secs => $4)
                WHERE NOT EXISTS (SELECT FROM leases o WHERE o.expires_at > clock_timestamp() AND o.config_digest <> $3)
               ON CONFLICT (network) DO UPDATE SET holder = EXCLUDED.holder, fence = l.fence + 1,
                      config_digest = EXCLUDED.config_digest, expires_at = EXCLUDED.expires_at, trouble = NULL
                WHERE l.expires_at <= clock_timestamp() OR $5 AND
                      (SELECT count(*) FROM leases a WHERE a.holder = l.holder AND a.expires_at > clock_timestamp())
                      >= 2 + (SELECT count(*) FROM leases a WHERE a.holder = $2 AND a.expires_at > clock_timestamp())
               RETURNING fence"#,
            network.as_str(),
            holder,
            digest,
            LEASE_SECONDS,
            able,
        )
        .fetch_optional(unit.connection())
        .await?;
        let Some(taken) = taken else {
            unit.abandon().await?;
            return Ok(None);
        };
        sqlx::query!("UPDATE networks SET fence = $2 WHERE slug = $1", network.as_str(), taken.fence)
            .execute(unit.connection())
            .await?;
        let fence = Fence { network: network.clone(), number: taken.fence };
        unit.commit_unfenced().await?;
        Ok(Some(Lease { fence, trouble: None, holder: holder.to_owned() }))
    }

    /// Lengthens a lease; false when it was lost.
    pub async fn renew_lease(&self, lease: &Lease) -> Result<bool, Error> {
        let renewed = sqlx::query!(
            "UPDATE leases SET expires_at = clock_timestamp() + make_interval(secs => $4), trouble = $5
             WHERE network = $1 AND holder = $2 AND fence = $3",
            lease.fence.network.as_str(),
            lease.holder,
            lease.fence.number,
            LEASE_SECONDS,
            lease.trouble,
        )
        .execute(&self.pool)
        .await?;
        Ok(renewed.rows_affected() == 1)
    }

    /// Hands the network over at once.
    pub async fn release_lease(&self, lease: &Lease) -> Result<(), Error> {
        sqlx::query!(
            "UPDATE leases SET expires_at = '-infinity' WHERE network = $1 AND holder = $2 AND fence = $3",
            lease.fence.network.as_str(),
            lease.holder,
            lease.fence.number,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
