//! How many deliveries of which endpoint are sent next, so that no receiver delays another. Pure.

use std::collections::BTreeMap;

use crate::store::DueEndpoint;

/// At once in this process.
pub(super) const ALL: usize = 512;
/// Of those, at once to endpoints that are failing: most of them will hang until their time is over.
pub(super) const FAILING: usize = 256;
/// At once to one endpoint.
const EACH: i64 = 8;
/// At once to one that is failing: enough to see when it is well again.
const EACH_FAILING: i64 = 1;

/// What is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    /// For anybody.
    pub(super) all: usize,
    /// For those that are failing.
    pub(super) failing: usize,
}

/// How many of each, in the order given: one for everybody before a second for anybody.
pub(super) fn allot(due: &[DueEndpoint], room: Room) -> Vec<(String, i64)> {
    let mut room = room;
    let mut given: BTreeMap<usize, i64> = BTreeMap::new();
    for turn in 1..=EACH {
        for (index, endpoint) in due.iter().enumerate() {
            let most = if endpoint.failing { EACH_FAILING } else { EACH };
            let fits = endpoint.sending.saturating_add(turn) <= most;
            let free = room.all > 0 && (!endpoint.failing || room.failing > 0);
            if fits && free {
                room.all = room.all.saturating_sub(1);
                room.failing = room.failing.saturating_sub(usize::from(endpoint.failing));
                given.insert(index, turn);
            }
        }
    }
    given.into_iter().filter_map(|(index, count)| Some((due.get(index)?.id.clone(), count))).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn endpoint(id: &str, failing: bool, sending: i64) -> DueEndpoint {
        DueEndpoint { id: id.to_owned(), failing, sending }
    }

    fn given(due: &[DueEndpoint], all: usize, failing: usize) -> Vec<(String, i64)> {
        allot(due, Room { all, failing })
    }

    #[test]
    fn everybody_gets_one_before_anybody_gets_two() {
        let due = [endpoint("a", false, 0), endpoint("b", false, 0), endpoint("c", true, 0)];
        let counts = |all, failing| given(&due, all, failing).into_iter().map(|(_, count)| count).collect::<Vec<_>>();
        assert_eq!(counts(100, 100), [8, 8, 1]);
        assert_eq!(counts(4, 4), [2, 1, 1]);
        assert_eq!(counts(2, 2), [1, 1]);
        assert_eq!(counts(100, 0), [8, 8]);
        assert_eq!(counts(0, 0), [0_i64; 0]);
    }

    #[test]
    fn what_is_on_its_way_counts() {
        let due = [endpoint("a", false, 7), endpoint("b", false, 8), endpoint("c", true, 1), endpoint("d", false, 99)];
        assert_eq!(given(&due, 100, 100), [("a".to_owned(), 1)]);
    }

    proptest! {
        #[test]
        fn no_bound_is_passed(
            due in prop::collection::vec((any::<bool>(), 0_i64..12), 0..60), all in 0_u16..600, failing in 0_u16..300
        ) {
            let due: Vec<_> =
                due.into_iter().enumerate().map(|(n, (failing, sending))| endpoint(&n.to_string(), failing, sending)).collect();
            let given = given(&due, all.into(), failing.into());
            let of = |id: &str| due.iter().find(|endpoint| endpoint.id == id).unwrap();
            let sum = |wanted: bool| given.iter().filter(|(id, _)| !wanted || of(id).failing).map(|(_, count)| count).sum::<i64>();
            prop_assert!(sum(false) <= i64::from(all) && sum(true) <= i64::from(failing));
            for (id, count) in &given {
                let most = if of(id).failing { EACH_FAILING } else { EACH };
                prop_assert!(*count >= 1 && of(id).sending.saturating_add(*count) <= most);
            }
        }
    }
}
