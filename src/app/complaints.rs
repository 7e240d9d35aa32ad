//! Trouble that repeats is logged when it is new and then now and then, not each time.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// How often the same trouble is told.
const AGAIN_AFTER: Duration = Duration::from_secs(60);
/// Texts that differ in a number each time must not fill memory.
const MANY: usize = 32;

/// What was told lately.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    told: BTreeMap<String, Instant>,
}

impl Complaints {
    /// True when this trouble is to be told now.
    pub(super) fn is_news(&mut self, trouble: &str) -> bool {
        let now = Instant::now();
        self.told.retain(|_, told| now.saturating_duration_since(*told) < AGAIN_AFTER);
        if self.told.contains_key(trouble) || self.told.len() >= MANY {
            return false;
        }
        self.told.insert(trouble.to_owned(), now);
        true
    }

    /// Trouble is over; true when any was told.
    pub(super) fn end(&mut self) -> bool {
        let any = !self.told.is_empty();
        self.told.clear();
        any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_same_trouble_is_news_once_a_minute() {
        let mut complaints = Complaints::default();
        assert!(complaints.is_news("a") && complaints.is_news("b"));
        assert!(!complaints.is_news("a") && !complaints.is_news("b"));
        tokio::time::advance(AGAIN_AFTER).await;
        assert!(complaints.is_news("a"));
        assert!(complaints.end() && !complaints.end());
        assert!(complaints.is_news("a"));
    }
}
