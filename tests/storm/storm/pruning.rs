//! Somebody prunes all the time, as hard as can be: whatever is older than now. Nothing that is done afterwards may notice.

use std::time::Duration;

use deposit_watcher::store::Old;

use super::seed::Seed;

/// In every so many turns. It throws no dice, so that a seed's story is the same without it.
const EVERY: u64 = 13;

impl Seed {
    /// Blocks, in the midst of the storm.
    pub(crate) async fn prune_blocks(&mut self) {
        if !self.turn.is_multiple_of(EVERY) {
            return;
        }
        let network = &self.rig.rules.network;
        let old = Old::Blocks(network.slug.clone(), network.reorg_window, Duration::ZERO);
        // The database may be away.
        let gone = self.rig.store.prune(&old).await.map_or(0, |pruned| pruned.rows);
        if gone > 0 {
            self.say(format!("{gone} blocks pruned"));
            self.hit("pruned: blocks");
        }
    }

    /// Events, when the history has been judged: the books still hold without them.
    pub(crate) async fn prune_events(&mut self) {
        while self.rig.store.sequence_events(1_000).await.unwrap() > 0 {}
        let old = Old::Events(Duration::ZERO);
        let promised = self.rig.store.prunable(std::slice::from_ref(&old)).await.unwrap()[0];
        let mut gone = 0;
        loop {
            let piece = self.rig.store.prune(&old).await.unwrap();
            gone += piece.rows;
            if !piece.more {
                break;
            }
        }
        assert_eq!(gone, promised, "a dry run counts what goes");
        if gone > 0 {
            self.hit("pruned: events");
        }
        self.rig.assert_books().await;
        let lost: Vec<String> = sqlx::query_scalar(
            "SELECT s.id FROM deposit_sessions s WHERE NOT EXISTS (SELECT FROM events e WHERE e.session_id = s.id)",
        )
        .fetch_all(&self.rig.outside)
        .await
        .unwrap();
        assert!(lost.is_empty(), "sessions without a word about them: {lost:?}");
    }
}
