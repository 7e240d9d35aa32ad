//! How many blocks to ask an endpoint for next, learned from what it sends and from what it refuses.
//!
//! Pure: no clock, no I/O. A range starts modestly, because a node without limits would send hundreds of megabytes; it
//! follows the logs per block seen, towards [`TARGET_LOGS`] an answer; and what a refusal taught is unlearned slowly,
//! unless the endpoint named a number. Not for which blocks those are.

/// Logs wanted in one answer: 5 % below the 10,000 that most providers allow; some 6 MB of JSON.
const TARGET_LOGS: u64 = 9_500;
/// An answer's target never falls below this by refusals without a number.
const LEAST_TARGET: u64 = 100;
/// The first range, in blocks: at 250 logs a block 4,000 logs, at Ethereum's busiest token some 3,000.
const FIRST: u64 = 16;
/// How much a range may grow from one answer to the next while nothing is known.
const GROWTH: u64 = 4;
/// What was learned without a number grows back by this part with every answer that reached it.
const REGROWTH: u64 = 32;

/// What a refusal says of the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Limit {
    /// At most so many blocks.
    pub(super) blocks: Option<u64>,
    /// At most so many logs.
    pub(super) results: Option<u64>,
    /// So many blocks would do here.
    pub(super) suggested: Option<u64>,
}

/// What has been learned of an endpoint's limits, for reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Learned {
    /// How many blocks are asked for next.
    pub next: u64,
    /// The most blocks it takes at once, where it said so or refused more.
    pub blocks: Option<u64>,
    /// The most logs it sends at once, where it said so.
    pub results: Option<u64>,
}

/// The learner of one endpoint.
#[derive(Debug)]
pub(super) struct Range {
    most: u64,
    next: u64,
    /// The most blocks it takes, by its own word.
    stated_blocks: Option<u64>,
    /// The most logs it sends, by its own word.
    stated_results: Option<u64>,
    /// The most blocks it took lately, by trial.
    tried_blocks: Option<u64>,
    /// Logs wanted in one answer.
    target: u64,
    /// Logs in 1,000 blocks: the denser of the last answer and the run of answers.
    density: u64,
}

impl Range {
    /// Never more than `most` blocks.
    pub(super) fn new(most: u64) -> Range {
        let most = most.max(1);
        Range {
            most,
            next: FIRST.min(most),
            stated_blocks: None,
            stated_results: None,
            tried_blocks: None,
            target: TARGET_LOGS,
            density: 0,
        }
    }

    /// How many blocks to ask for next, at least 1.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    pub(super) fn learned(&self) -> Learned {
        let blocks = [self.stated_blocks, self.tried_blocks].into_iter().flatten().min();
        Learned { next: self.next, blocks, results: self.stated_results }
    }

    /// `asked` blocks held `logs` logs.
    pub(super) fn answered(&mut self, asked: u64, logs: u64) {
        let asked = asked.max(1);
        let seen = logs.saturating_mul(1_000).div_ceil(asked);
        let run = self.density.saturating_mul(3).saturating_add(seen).checked_div(4).unwrap_or(seen);
        self.density = seen.max(run);
        if self.tried_blocks.is_some_and(|tried| asked >= tried) {
            self.tried_blocks = self.tried_blocks.map(grown).filter(|tried| *tried < self.most);
        }
        if logs.saturating_mul(10) >= self.target.saturating_mul(9) {
            self.target = grown(self.target).min(self.most_logs());
        }
        // A short range (the tip) says nothing about longer ones and must not shrink them.
        let reached = asked.max(self.next);
        self.next = self.bounded(reached.saturating_mul(GROWTH));
    }

    /// `asked` blocks were refused: what is asked for next is always less, down to one block.
    pub(super) fn refused(&mut self, asked: u64, limit: Limit) {
        let half = asked.checked_div(2).unwrap_or(1).max(1);
        if let Some(results) = limit.results {
            self.stated_results = Some(results);
            self.target = self.most_logs();
            self.density = self.density.max(results.saturating_mul(1_000).div_ceil(asked.max(1)));
        }
        match limit.blocks.filter(|blocks| *blocks < asked) {
            Some(blocks) => self.stated_blocks = Some(blocks),
            None if limit.results.is_none() && limit.suggested.is_none() => self.guess(asked, half),
            None => {}
        }
        let below = asked.saturating_sub(1).max(1);
        let told = limit.suggested.or(limit.blocks).filter(|blocks| (1..=below).contains(blocks));
        self.next = self.bounded(told.unwrap_or(half));
    }

    /// A refusal without a number is about blocks or about logs; where the logs expected were many it is about logs.
    fn guess(&mut self, asked: u64, half: u64) {
        let expected = self.density.saturating_mul(asked).checked_div(1_000).unwrap_or_default();
        if expected.saturating_mul(2) >= self.target {
            let less = expected.saturating_mul(3).checked_div(4).unwrap_or_default();
            self.target = less.clamp(LEAST_TARGET, self.target.max(LEAST_TARGET));
        } else {
            self.tried_blocks = Some(half);
        }
    }

    fn most_logs(&self) -> u64 {
        let stated = self.stated_results.unwrap_or(u64::MAX);
        let safe = stated.saturating_sub(stated.div_ceil(20)).max(1);
        safe.min(TARGET_LOGS)
    }

    fn bounded(&self, wanted: u64) -> u64 {
        let by_logs = self.target.saturating_mul(1_000).checked_div(self.density).unwrap_or(u64::MAX);
        let bounds = [self.stated_blocks, self.tried_blocks, Some(by_logs), Some(self.most)];
        bounds.into_iter().flatten().fold(wanted, u64::min).max(1)
    }
}

fn grown(value: u64) -> u64 {
    value.saturating_add(value.div_ceil(REGROWTH))
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use super::*;

    /// Reads `blocks` blocks of `density` logs each from a node that judges each ask; counts requests.
    fn read(range: &mut Range, blocks: u64, density: u64, refuse: impl Fn(u64, u64) -> Option<Limit>) -> u64 {
        let (mut left, mut requests) = (blocks, 0);
        while left > 0 {
            let ask = range.next().min(left);
            requests += 1;
            assert!(requests < 10_000, "stuck at {ask}");
            match refuse(ask, ask * density) {
                Some(limit) => range.refused(ask, limit),
                None => {
                    range.answered(ask, ask * density);
                    left -= ask;
                }
            }
        }
        requests
    }

    #[test]
    fn half_a_million_logs_in_at_most_sixty_requests() {
        let limit = Limit { results: Some(10_000), ..Limit::default() };
        let requests = read(&mut Range::new(2_000), 2_000, 250, |_, logs| (logs > 10_000).then_some(limit));
        assert!(requests <= 60, "{requests}");
    }

    #[test]
    fn a_node_without_limits_is_never_asked_for_much_more_than_the_target() {
        let mut range = Range::new(2_000);
        assert!(range.next() * 600 <= TARGET_LOGS * 2);
        read(&mut range, 10_000, 250, |_, logs| {
            assert!(logs <= TARGET_LOGS);
            None
        });
    }

    #[test]
    fn a_quiet_chain_is_read_in_the_widest_ranges() {
        let mut range = Range::new(2_000);
        assert!(read(&mut range, 20_000, 0, |_, _| None) <= 14);
        assert_eq!(range.next(), 2_000);
    }

    #[test]
    fn a_stated_limit_is_obeyed_at_once_and_for_good() {
        let limit = Limit { blocks: Some(500), ..Limit::default() };
        let mut range = Range::new(2_000);
        let requests = read(&mut range, 50_000, 0, |ask, _| (ask > 500).then_some(limit));
        assert!(requests <= 105, "{requests}");
        assert_eq!(range.learned(), Learned { next: 500, blocks: Some(500), results: None });
    }

    #[test]
    fn an_unstated_limit_on_blocks_costs_few_refusals() {
        let mut range = Range::new(2_000);
        let requests = read(&mut range, 100_000, 0, |ask, _| (ask > 700).then(Limit::default));
        assert!(requests <= 220, "{requests}");
    }

    #[test]
    fn an_unstated_limit_on_size_costs_few_refusals() {
        let mut range = Range::new(2_000);
        let requests = read(&mut range, 4_000, 250, |_, logs| (logs > 5_000).then(Limit::default));
        assert!(requests <= 280, "{requests}");
    }

    #[test]
    fn refusals_always_shrink_down_to_one_block() {
        for limit in [
            Limit::default(),
            Limit { blocks: Some(1_000_000), ..Limit::default() },
            Limit { suggested: Some(1_000_000), ..Limit::default() },
            Limit { results: Some(1), ..Limit::default() },
        ] {
            let mut range = Range::new(2_000);
            for _ in 0..20 {
                let asked = range.next();
                range.refused(asked, limit);
                assert!(range.next() < asked || asked == 1, "{limit:?}");
            }
            assert_eq!(range.next(), 1);
        }
    }

    #[test]
    fn what_was_tried_grows_back() {
        let mut range = Range::new(2_000);
        read(&mut range, 10_000, 0, |_, _| None);
        range.refused(2_000, Limit::default());
        assert_eq!(range.next(), 1_000);
        let asks = (0..40)
            .map(|_| {
                range.answered(range.next(), 0);
                range.next()
            })
            .collect::<Vec<_>>();
        assert!(asks[0] < 1_100 && asks.last() == Some(&2_000), "{asks:?}");
    }
}
