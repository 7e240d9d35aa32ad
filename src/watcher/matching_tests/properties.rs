//! What holds for every small world: amounts, times and senders are few, so that everything collides.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;

use super::naive::judge;
use super::*;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

prop_compose! {
    fn any_session()(
        amount in select(vec![2u64, 2, 3, 5, 5, 300]),
        begins in 0i64..6,
        ahead in 0i64..3,
        lasts in -1i64..12,
        cancelled in prop::option::weighted(0.2, 0i64..8),
    ) -> Session {
        Session {
            begins_at: at(begins),
            accepted_at: at(begins - ahead),
            expires_at: at(begins + lasts),
            cancelled_at: cancelled.map(|after| at(begins + after)),
            ..session("", amount)
        }
    }
}

type Paid = (u64, u8, i64, i64, Option<&'static str>);

fn any_transfer() -> impl Strategy<Value = Paid> {
    let amount = select(vec![0u64, 1, 2, 2, 2, 3, 3, 5, 5, 5, 7, 295, 297, 298, 300, 301]);
    let from = select(vec![1u8, 1, 2, 2, 3, 4, TREASURY, DEPOSIT]);
    (amount, from, 0i64..4, 0i64..3, prop::option::weighted(0.15, select(NAMES.to_vec())))
}

prop_compose! {
    fn any_rules()(
        grace in 0i64..2,
        topup in 0i64..4,
        reuse in 0i64..4,
        never in prop::bool::weighted(0.2),
        oldest in prop::bool::weighted(0.2),
    ) -> Rules {
        Rules {
            clock_skew: TimeDelta::seconds(1),
            expiry_grace: TimeDelta::seconds(grace),
            topup_time: TimeDelta::seconds(topup),
            reuse_after: TimeDelta::seconds(reuse),
            partial_payments: if never { PartialPayments::Never } else { PartialPayments::Exclusive },
            ambiguous: if oldest { Ambiguous::Oldest } else { Ambiguous::Hold },
            ..World::new(&[], &[]).rules
        }
    }
}

prop_compose! {
    /// Transfers in the order of their times, all verified.
    fn any_world()(
        sessions in prop::collection::vec(any_session(), 1..=4),
        paid in prop::collection::vec(any_transfer(), 0..=6),
        rules in any_rules(),
        tolerance in select(vec![0u64, 2, 50]),
        least in select(vec![0u32, 10_000, 400_000]),
        other in prop::option::weighted(0.1, (0i64..9, -3i64..5)),
    ) -> World {
        let mut second = -2;
        let transfers: Vec<Entry> = paid.into_iter().map(|(amount, from, gap, lag, was)| {
            second += gap;
            let entry = Entry { had: was.map(id), ..pays_by(from, amount, second) };
            verified(Entry { seen_at: at(second + lag), ..entry })
        }).collect();
        let named = sessions.into_iter().zip(NAMES).map(|(s, name)| Session { id: id(name), ..s });
        let mut world = World::new(&named.collect::<Vec<_>>(), &transfers).tolerance(tolerance);
        world.rules = rules;
        world.token.min_partial = Percent(least);
        if let Some((begins, lasts)) = other { world.beside(begins, begins + lasts) } else { world }
    }
}

/// Twins: the same amount at much the same time, so that ties and their releases are the rule.
fn tied_world() -> impl Strategy<Value = World> {
    (any_world(), prop::collection::vec(2u8..5, 6)).prop_map(|(mut world, froms)| {
        for s in &mut world.sessions {
            s.amount = units(if s.amount == units(300) { 5 } else { 2 });
            s.tolerance = world.token.tolerance_for(s.amount);
        }
        for (t, from) in world.transfers.iter_mut().zip(froms) {
            t.from = sender(from);
            t.units = units(if t.units > units(200) { 5 } else { 2 });
        }
        world.rules.ambiguous = Ambiguous::Hold;
        world
    })
}

/// Some of it is not verified, some was held, stands or is settled, whatever the rules would say.
fn any_past() -> impl Strategy<Value = World> {
    let marks = prop::collection::vec((any::<bool>(), any::<bool>(), 0usize..9), 6);
    (prop_oneof![any_world(), tied_world()], marks).prop_map(|(mut world, marks)| {
        for (t, (verified, confirmed, past)) in world.transfers.iter_mut().zip(marks) {
            t.verified = verified;
            t.confirmed_at = (verified && confirmed).then(|| t.paid_at + TimeDelta::seconds(2));
            t.standing = match (NAMES.get(past), past) {
                (Some(name), _) => Standing::Pays(id(name)),
                (None, 4) => Standing::Settled(Some(Unmatched::Late)),
                (None, _) => Standing::Open,
            };
        }
        world
    })
}

/// Words of a whole derivation, by log index.
fn words(verdicts: &[Verdict]) -> BTreeMap<u64, String> {
    let word = |assignment: &Assignment| match assignment {
        Assignment::Session(id) => id.0.clone(),
        Assignment::None(reason) => reason.as_str().to_owned(),
    };
    verdicts.iter().map(|v| (v.id.log_index, word(&v.assignment))).collect()
}

/// Looks at ever longer beginnings, of which ever more is verified, writing down what each look confirms.
fn looked_at(world: &World, looks: &[(usize, usize)]) -> BTreeMap<u64, String> {
    let mut stored = world.clone();
    stored.transfers.iter_mut().for_each(|t| t.verified = false);
    let (mut seen, mut sure, mut last) = (0, 0, BTreeMap::new());
    let all = world.transfers.len();
    for &(more, surer) in looks.iter().chain(&[(all, 0), (0, all)]) {
        seen = all.min(seen + more);
        sure = seen.min(sure + surer);
        stored.transfers[..sure].iter_mut().for_each(|t| t.verified = true);
        let look = World { transfers: stored.transfers[..seen].to_vec(), ..stored.clone() };
        let verdicts = look.verdicts();
        last.extend(words(&verdicts));
        for verdict in verdicts {
            let t = stored.transfers.iter_mut().find(|t| t.id == verdict.id).unwrap();
            assert!(t.confirmed_at.is_none() || verdict.confirmed, "what was confirmed stays so");
            t.confirmed_at = verdict.confirmed.then_some(Time::MAX_UTC);
            t.standing = match verdict.assignment {
                Assignment::Session(id) if verdict.confirmed => Standing::Pays(id),
                Assignment::None(reason) if verdict.confirmed && reason != Unmatched::Ambiguous => {
                    Standing::Settled(Some(reason))
                }
                Assignment::None(_) | Assignment::Session(_) => Standing::Open,
            };
        }
    }
    assert!(stored.transfers.iter().all(|t| t.confirmed_at.is_some()), "all is confirmed once all is verified");
    last
}

fn check_money(world: &World) -> Result<(), TestCaseError> {
    let mut received: BTreeMap<SessionId, u64> = BTreeMap::new();
    let mut seen = std::collections::BTreeSet::new();
    for verdict in world.verdicts() {
        prop_assert!(seen.insert(verdict.id), "one verdict a transfer");
        let entry = world.transfers.iter().find(|t| t.id == verdict.id).unwrap();
        let Assignment::Session(paid) = verdict.assignment else { continue };
        let s = world.sessions.iter().find(|s| s.id == paid).unwrap();
        let sum = received.entry(paid).or_default();
        let least = s.amount.saturating_sub(world.token.tolerance_for(s.amount));
        prop_assert!(units(*sum) < least, "it had its amount already");
        let until = if *sum > 0 { s.expires_at + world.rules.topup_time } else { s.expires_at };
        prop_assert!(entry.paid_at >= s.begins_at - world.rules.clock_skew && entry.seen_at >= s.accepted_at);
        prop_assert!(entry.paid_at <= until + world.rules.expiry_grace);
        prop_assert!(s.cancelled_at.is_none_or(|cancelled| entry.paid_at <= cancelled));
        *sum += entry.units.0.to::<u64>();
    }
    let all: u64 = world.transfers.iter().map(|t| t.units.0.to::<u64>()).sum();
    prop_assert!(received.values().sum::<u64>() <= all);
    Ok(())
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(6000))]

    #[test]
    fn the_naive_matcher_agrees(world in prop_oneof![any_world(), tied_world()]) {
        prop_assert_eq!(words(&world.verdicts()).into_values().collect::<Vec<_>>(), judge(&world));
    }

    #[test]
    fn whoever_need_not_be_asked_would_say_the_same(world in prop_oneof![any_world(), tied_world(), any_past()]) {
        compare(&world.group(), &world.rules);
    }

    #[test]
    fn money_is_given_once_in_time_and_no_more_than_asked(world in prop_oneof![any_world(), tied_world()]) {
        check_money(&world)?;
    }

    #[test]
    fn history_leaves_no_mark(
        world in prop_oneof![any_world(), tied_world()],
        looks in prop::collection::vec((0usize..4, 0usize..4), 0..5),
    ) {
        prop_assert_eq!(looked_at(&world, &looks), words(&world.verdicts()));
    }

    #[test]
    fn the_order_of_sessions_says_nothing(world in any_world(), turn in 0usize..4) {
        let mut turned = world.clone();
        let turn = turn % world.sessions.len();
        turned.sessions.rotate_left(turn);
        prop_assert_eq!(turned.verdicts(), world.verdicts());
        turned.sessions.reverse();
        prop_assert_eq!(turned.verdicts(), world.verdicts());
    }

    #[test]
    fn unverified_is_never_confirmed(world in tied_world(), sure in prop::collection::vec(any::<bool>(), 6)) {
        let mut doubtful = world;
        for (t, sure) in doubtful.transfers.iter_mut().zip(sure) {
            t.verified = sure;
        }
        for verdict in doubtful.verdicts() {
            let entry = doubtful.transfers.iter().find(|t| t.id == verdict.id).unwrap();
            prop_assert!(entry.verified || !verdict.confirmed);
        }
    }
}
