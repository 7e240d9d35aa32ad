//! Where a run begins: what covers a block, what no longer does, and what cannot be compared.

use super::*;

const A: Address = Address::repeat_byte(0xaa);
const B: Address = Address::repeat_byte(0xbb);

fn block(number: u64) -> BlockNumber {
    BlockNumber(number)
}

/// A run over A and B that found nothing and had seen one reread.
fn clean(from: u64, to: u64) -> PastRun {
    let (tokens, differing) = (vec![A, B], Vec::new());
    PastRun { from: block(from), to: block(to), tokens, differing, balances: false, open: false, rereads: Some(1) }
}

/// The same that found something of A, which stands.
fn open(from: u64, to: u64) -> PastRun {
    PastRun { differing: vec![A], open: true, ..clean(from, to) }
}

/// The same that was seen gone.
fn mended(from: u64, to: u64) -> PastRun {
    PastRun { open: false, ..open(from, to) }
}

fn reread(id: Option<i64>, from: u64, to: Option<u64>, token: Option<Address>) -> Reread {
    Reread { id, from: block(from), to: to.map(block), token }
}

/// Where a run over these tokens begins, blocks 10 to 90 being there.
fn due(tokens: &[Address], balances: bool, runs: &[PastRun], rereads: &[Reread]) -> u64 {
    let there = There::new(&[(block(10), block(95))], block(90));
    there.due(block(10), &Before { tokens, balances, runs, rereads }).0
}

#[test]
fn it_begins_where_clean_runs_end_or_a_difference_stands() {
    for (runs, expected) in [
        (vec![], 10),
        (vec![clean(10, 20)], 21),
        (vec![clean(21, 30), clean(10, 20)], 31),
        (vec![clean(10, 20), clean(22, 30)], 21),
        (vec![clean(10, 30), clean(15, 20)], 31),
        (vec![clean(10, 20), open(21, 30)], 21),
        (vec![clean(10, 30), open(12, 13)], 12),
        (vec![open(10, 20)], 10),
        (vec![mended(10, 20), clean(10, 25)], 26),
        (vec![mended(10, 20)], 10),
    ] {
        assert_eq!(due(&[A, B], false, &runs, &[]), expected, "{runs:?}");
    }
}

#[test]
fn only_what_a_run_compared_covers() {
    let of = |tokens: &[Address], run: PastRun| PastRun { tokens: tokens.to_vec(), ..run };
    // A token that was not among them is due from the first block, whatever else was.
    assert_eq!(due(&[A, B], false, &[of(&[A], clean(10, 30))], &[]), 10);
    assert_eq!(due(&[A], false, &[of(&[A], clean(10, 30))], &[]), 31);
    assert_eq!(due(&[A, B], false, &[of(&[A], clean(10, 30)), of(&[B], clean(10, 20))], &[]), 21);
    // A difference of another token does not keep this one.
    assert_eq!(due(&[B], false, &[open(10, 30)], &[]), 31);
    assert_eq!(due(&[B], false, &[clean(10, 30), open(12, 13)], &[]), 31);
    // Of no token, it keeps all.
    let other_block = PastRun { tokens: vec![], differing: vec![], ..open(12, 13) };
    assert_eq!(due(&[B], false, &[clean(10, 30), other_block], &[]), 12);
    // Balances were not asked.
    assert_eq!(due(&[A], true, &[clean(10, 30)], &[]), 10);
    assert_eq!(due(&[A], true, &[PastRun { balances: true, ..clean(10, 30) }], &[]), 31);
    assert_eq!(due(&[A], false, &[PastRun { balances: true, ..clean(10, 30) }], &[]), 31);
    // Of the oldest runs nothing is known.
    assert_eq!(due(&[A], false, &[PastRun { rereads: None, ..clean(10, 30) }], &[]), 10);
}

#[test]
fn what_was_read_again_is_due_again() {
    for (rereads, expected) in [
        (vec![reread(Some(1), 12, None, None)], 31),
        (vec![reread(Some(2), 12, None, None)], 12),
        (vec![reread(Some(2), 31, None, None)], 31),
        (vec![reread(Some(2), 5, None, None)], 10),
        (vec![reread(Some(2), 15, Some(20), None)], 15),
        (vec![reread(Some(2), 10, Some(20), None)], 10),
        (vec![reread(Some(2), 30, Some(40), None)], 30),
        (vec![reread(Some(2), 15, Some(20), Some(B))], 31),
        (vec![reread(Some(2), 15, Some(20), Some(A))], 15),
        // Still being read.
        (vec![reread(None, 15, Some(20), Some(A))], 15),
        (vec![reread(Some(2), 25, Some(26), None), reread(Some(3), 15, Some(20), None)], 15),
    ] {
        assert_eq!(due(&[A], false, &[clean(10, 30)], &rereads), expected, "{rereads:?}");
    }
    // A run over just these blocks closes the gap: what is above still counts.
    let again = PastRun { rereads: Some(2), ..clean(15, 20) };
    assert_eq!(due(&[A], false, &[clean(10, 30), again], &[reread(Some(2), 15, Some(20), None)]), 31);
}

#[test]
fn blocks_that_nobody_read_are_left_out() {
    let there = There::new(&[(block(50), block(99)), (block(10), block(12)), (block(13), block(20))], block(90));
    let spans = |from, to| -> Vec<(u64, u64)> {
        there.within(Span { from: block(from), to: block(to) }).iter().map(|span| (span.from.0, span.to.0)).collect()
    };
    assert_eq!(spans(10, 90), [(10, 20), (50, 90)]);
    assert_eq!(spans(15, 60), [(15, 20), (50, 60)]);
    assert_eq!(spans(21, 49), []);
    let due = |runs: &[PastRun]| there.due(block(10), &Before { tokens: &[A], balances: false, runs, rereads: &[] }).0;
    assert_eq!(due(&[clean(50, 60)]), 10);
    assert_eq!(due(&[clean(10, 20)]), 50);
    assert_eq!(due(&[clean(10, 20), clean(50, 60)]), 61);
    let before = Before { tokens: &[A], balances: false, runs: &[], rereads: &[] };
    let refused = there.choose(Some(block(30)), Some(block(40)), &before).unwrap_err();
    assert!(refused.reason.contains("nobody has read any of the blocks 30 to 40"), "{}", refused.reason);
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let there = There::new(&[(block(10), block(25))], block(20));
    let ask = |from: Option<u64>, to: Option<u64>, runs: &[PastRun]| {
        let before = Before { tokens: &[A, B], balances: false, runs, rereads: &[] };
        there
            .choose(from.map(BlockNumber), to.map(BlockNumber), &before)
            .map(|span| span.map(|span| (span.from.0, span.to.0)))
            .map_err(|failure| failure.reason)
    };
    assert_eq!(ask(None, None, &[]), Ok(Some((10, 20))));
    assert_eq!(ask(Some(12), Some(12), &[]), Ok(Some((12, 12))));
    assert_eq!(ask(None, None, &[clean(10, 20)]), Ok(None));
    assert_eq!(ask(Some(10), None, &[clean(10, 20)]), Ok(Some((10, 20))));
    assert!(ask(Some(9), None, &[]).unwrap_err().contains("lies below block 10"));
    assert!(ask(None, Some(21), &[]).unwrap_err().contains("lies above block 20"));
    assert!(ask(Some(15), Some(14), &[]).unwrap_err().contains("lies above block 14"));
}
