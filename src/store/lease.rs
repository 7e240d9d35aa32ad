//! Which watcher works which network: a lease row by the database's clock, and the fencing number it hands out.

use std::time::Duration;

use super::{Error, Store};
use crate::domain::Slug;

/// How long a lease lives unless it is renewed. A dead holder is followed within 10 s.
const LEASE_SECONDS: f64 = 6.0;

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
    holder: String,
}

impl Lease {
    /// How often the holder renews: three times a lease.
    pub const RENEW_EVERY: Duration = Duration::from_secs(2);
}

impl Store {
    /// Takes the network if nobody holds it and nobody works with other money-relevant configuration.
    pub async fn take_lease(&self, network: &Slug, holder: &str, digest: &str) -> Result<Option<Lease>, Error> {
        let mut unit = self.unit().await?;
        let taken = sqlx::query!(
            r#"INSERT INTO leases AS l (network, holder, fence, config_digest, expires_at)
               SELECT $1, $2, 1, $3, clock_timestamp() + make_interval(secs => $4)
                WHERE NOT EXISTS (SELECT FROM leases o WHERE o.expires_at > clock_timestamp() AND o.config_digest <> $3)
               ON CONFLICT (network) DO UPDATE SET holder = EXCLUDED.holder, fence = l.fence + 1,
                      config_digest = EXCLUDED.config_digest, expires_at = EXCLUDED.expires_at
                WHERE l.expires_at <= clock_timestamp()
               RETURNING fence"#,
            network.as_str(),
            holder,
            digest,
            LEASE_SECONDS,
        )
        .fetch_optional(unit.connection())
        .await?;
        let Some(taken) = taken else {
            return Ok(None);
        };
        sqlx::query!("UPDATE networks SET fence = $2 WHERE slug = $1", network.as_str(), taken.fence)
            .execute(unit.connection())
            .await?;
        let fence = Fence { network: network.clone(), number: taken.fence };
        unit.commit_unfenced().await?;
        Ok(Some(Lease { fence, holder: holder.to_owned() }))
    }

    /// Lengthens a lease; false when it was lost.
    pub async fn renew_lease(&self, lease: &Lease) -> Result<bool, Error> {
        let renewed = sqlx::query!(
            "UPDATE leases SET expires_at = clock_timestamp() + make_interval(secs => $4)
             WHERE network = $1 AND holder = $2 AND fence = $3",
            lease.fence.network.as_str(),
            lease.holder,
            lease.fence.number,
            LEASE_SECONDS,
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
