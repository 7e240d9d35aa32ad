//! Who keeps up, by tables of heads.

#![allow(clippy::arithmetic_side_effects)]

use super::*;
use crate::domain::{BlockHash, BlockNumber, BlockRef, time_from_unix};

/// A block every ten seconds; the clock stands at block 1,000.
fn header(number: u64) -> Header {
    let hash = |number: u64| BlockHash::left_padding_from(&number.to_be_bytes());
    let block = BlockRef { number: BlockNumber(number), hash: hash(number) };
    Header { block, parent: hash(number.wrapping_sub(1)), time: time_from_unix(10 * number).unwrap() }
}

fn seen(operator: &str, number: u64, still: u64) -> Seen<'_> {
    let block_time = Some(Duration::from_secs(10));
    Seen { operator, head: header(number), still: Duration::from_secs(still), block_time }
}

fn verdict(heads: &[Seen<'_>]) -> Verdict {
    judge(heads, 0, header(1_000).time)
}

const ABREAST: Verdict = Verdict::Stands(Standing::Abreast);
const BEHIND: Verdict = Verdict::Stands(Standing::Behind);
const STALLED: Verdict = Verdict::Stands(Standing::Stalled);
const STILL: Verdict = Verdict::Stands(Standing::Still);

#[test]
fn behind_is_more_than_three_blocks_and_half_a_minute() {
    let others = |number| [seen("me", 900, 0), seen("a", number, 0), seen("b", number, 0)];
    assert_eq!(verdict(&others(903)), ABREAST);
    assert_eq!(verdict(&others(904)), BEHIND);
    let mut fast = others(904);
    fast[1].head.time = fast[0].head.time;
    fast[2].head.time = fast[0].head.time + chrono::TimeDelta::seconds(30);
    assert_eq!(verdict(&fast), ABREAST, "many blocks in little time are no lag");
}

#[test]
fn two_operators_are_believed_and_one_must_show_its_head() {
    assert_eq!(verdict(&[seen("me", 900, 0), seen("me", 950, 0), seen("a", 940, 0)]), BEHIND);
    let claimed = |by, counts| Verdict::Claimed { by, counts, lags: Standing::Behind };
    assert_eq!(verdict(&[seen("me", 900, 0), seen("a", 950, 0)]), claimed(1, true));
    assert_eq!(verdict(&[seen("me", 900, 0), seen("me", 950, 0)]), claimed(1, true));
    assert_eq!(verdict(&[seen("me", 900, 0), seen("a", 950, 0), seen("a", 960, 0)]), claimed(2, true));
    let outvoted = [seen("me", 900, 0), seen("a", 990, 0), seen("b", 901, 0)];
    assert_eq!(verdict(&outvoted), claimed(1, false), "a third stands where it stands");
    let early = [seen("me", 990, 0), seen("a", 1_001, 0)];
    assert_eq!(verdict(&early), claimed(1, false), "dated ahead of our clock");
}

#[test]
fn who_is_ahead_is_never_judged_by_who_is_not() {
    assert_eq!(verdict(&[seen("me", 950, 0), seen("a", 900, 0), seen("b", 900, 0)]), ABREAST);
}

#[test]
fn stalled_is_ten_blocks_of_its_own_pace_without_one_while_others_have_them() {
    let stood = |seconds| [seen("me", 900, seconds), seen("a", 950, 0)];
    let claimed = |lags| Verdict::Claimed { by: 1, counts: true, lags };
    assert_eq!(verdict(&stood(99)), claimed(Standing::Behind));
    assert_eq!(verdict(&stood(100)), claimed(Standing::Stalled), "one operator's word has to be shown");
    let mut quick = stood(59);
    quick[0].block_time = Some(Duration::from_millis(250));
    assert_eq!(verdict(&quick), claimed(Standing::Behind));
    quick[0].still = Duration::from_secs(60);
    assert_eq!(verdict(&quick), claimed(Standing::Stalled));
    let mut unknown = stood(119);
    unknown[0].block_time = None;
    assert_eq!(verdict(&unknown), claimed(Standing::Behind));
    let two = [seen("me", 900, 100), seen("a", 950, 0), seen("b", 950, 0)];
    assert_eq!(verdict(&two), STALLED, "two operators are believed");
    let paused = [seen("me", 900, 100), seen("a", 950, 0), seen("b", 900, 100)];
    let outvoted = Verdict::Claimed { by: 1, counts: false, lags: Standing::Stalled };
    assert_eq!(verdict(&paused), outvoted, "while the chain pauses one liar goes on alone");
    let all = [seen("me", 900, 200), seen("a", 950, 200), seen("b", 950, 300)];
    assert_eq!(verdict(&all), BEHIND, "nobody moves");
}

#[test]
fn where_no_head_moves_it_is_still_and_nothing_worse() {
    assert_eq!(verdict(&[seen("me", 900, 299)]), ABREAST);
    assert_eq!(verdict(&[seen("me", 900, 300)]), STILL);
    assert_eq!(verdict(&[seen("me", 900, 400), seen("a", 902, 500)]), STILL);
    assert_eq!(verdict(&[seen("me", 900, 400), seen("a", 902, 0)]), ABREAST, "three blocks are no lag");
    let mut slow = [seen("me", 900, 300)];
    slow[0].block_time = Some(Duration::from_secs(60));
    assert_eq!(verdict(&slow), ABREAST);
}

#[test]
fn a_claimed_head_is_shown_by_what_lies_between() {
    let (mine, other) =
        (header(10), Header { block: BlockRef { hash: BlockHash::ZERO, ..header(10).block }, ..header(10) });
    let orphan = Header { parent: BlockHash::ZERO, ..header(11) };
    for (answer, expected) in [
        ([Some(mine), Some(header(11)), Some(header(40))], Shown::Further),
        ([Some(other), Some(header(11)), Some(header(40))], Shown::Fork),
        ([Some(mine), Some(orphan), Some(header(40))], Shown::Fork),
        ([Some(mine), Some(header(11)), None], Shown::Nothing),
        ([Some(mine), None, Some(header(40))], Shown::Nothing),
        ([None, None, None], Shown::Nothing),
    ] {
        assert_eq!(shown(mine, &answer), expected, "{answer:?}");
    }
    assert_eq!(shown(mine, &[]), Shown::Nothing);
}
