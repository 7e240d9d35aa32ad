//! Each kind of difference, and what is none.

use alloy::primitives::{B256, U256};

use super::*;
use crate::domain::{BlockNumber, BlockRef, Percent, SessionId, TokenKey, time_from_unix};

fn units(n: u64) -> Units {
    Units(U256::from(n))
}

fn transfer(block: u8, log_index: u64, amount: u64) -> Transfer {
    Transfer {
        block: BlockRef { number: BlockNumber(u64::from(block)), hash: B256::repeat_byte(block) },
        time: time_from_unix(1_700_000_000),
        tx_hash: B256::repeat_byte(0xd0),
        log_index,
        token: Address::repeat_byte(0xcc),
        from: Address::repeat_byte(0xee),
        to: Address::repeat_byte(0xaa),
        units: units(amount),
    }
}

fn booked(transfer: Transfer, state: TransferState, ledger: &str) -> BookedTransfer {
    BookedTransfer { transfer, state, session: Some(SessionId("dep_1".to_owned())), ledger: ledger.to_owned() }
}

fn tokens() -> Vec<Token> {
    vec![Token {
        key: TokenKey::parse("usd").unwrap(),
        symbol: "USD".to_owned(),
        address: Address::repeat_byte(0xcc),
        decimals: 6,
        tolerance: Units::ZERO,
        min_partial: Percent(0),
    }]
}

fn kinds(compared: &Compared) -> Vec<Kind> {
    compared.lines.iter().map(|(line, _)| line.kind).collect()
}

use TransferState::{Confirmed, Orphaned, Seen};

#[test]
fn what_agrees_is_no_line_and_is_summed() {
    let chain = [transfer(1, 0, 5), transfer(1, 1, 7), transfer(2, 0, 9)];
    let here = [booked(chain[0], Confirmed, "5"), booked(chain[1], Seen, "0"), booked(chain[2], Confirmed, "9")];
    let compared = compare(&chain, &here, &tokens());
    assert_eq!((kinds(&compared), compared.untold), (vec![], vec![]));
    let sums = Sums { transfers: 3, chain: units(21), here: units(21), confirmed: units(14), waiting: 1 };
    assert_eq!(compared.sums[&Address::repeat_byte(0xcc)], sums);
}

#[test]
fn each_difference_has_its_name() {
    let one = transfer(1, 0, 5);
    let of = |chain: &[Transfer], here: BookedTransfer| kinds(&compare(chain, &[here], &tokens()));
    assert_eq!(of(&[], booked(one, Confirmed, "5")), [Kind::NotOnTheChain]);
    assert_eq!(of(&[transfer(1, 0, 6)], booked(one, Confirmed, "5")), [Kind::OtherAmount]);
    assert_eq!(of(&[one], booked(one, Confirmed, "0")), [Kind::OtherLedger]);
    assert_eq!(of(&[one], booked(one, Confirmed, "10")), [Kind::OtherLedger]);
    assert_eq!(of(&[one], booked(one, Seen, "5")), [Kind::OtherLedger]);
    // Its block left the chain: the ledger must hold nothing of it any more.
    assert_eq!(of(&[], booked(one, Orphaned, "5")), [Kind::OtherLedger]);
    assert_eq!(of(&[], booked(one, Orphaned, "-5")), [Kind::OtherLedger]);
    assert_eq!(of(&[], booked(one, Confirmed, "0")), [Kind::NotOnTheChain, Kind::OtherLedger]);
}

#[test]
fn a_log_that_says_something_else_is_another_transfer() {
    let one = transfer(1, 0, 5);
    let to = Transfer { to: Address::repeat_byte(0xab), ..one };
    let from = Transfer { from: Address::repeat_byte(0xef), ..one };
    let tx = Transfer { tx_hash: B256::repeat_byte(0xd1), ..one };
    for other in [to, from, tx] {
        let compared = compare(&[other], &[booked(one, Confirmed, "5")], &tokens());
        assert_eq!((kinds(&compared), compared.untold), (vec![Kind::NotOnTheChain], vec![other]));
    }
}

#[test]
fn what_is_not_stored_is_told_apart_and_an_orphan_stores_nothing() {
    let one = transfer(1, 0, 5);
    let mut compared = compare(&[one], &[booked(one, Orphaned, "0")], &tokens());
    assert_eq!((kinds(&compared), compared.untold.clone()), (vec![], vec![one]));
    compared.miss(&one, &tokens());
    let (line, _) = &compared.lines[0];
    assert_eq!(
        (line.kind, line.token.as_deref(), line.chain_units.as_deref()),
        (Kind::MissingHere, Some("usd"), Some("5"))
    );
    assert_eq!(compared.sums[&one.token].chain, units(5));
}

#[test]
fn a_balance_is_judged_by_what_came_and_by_what_the_logs_leave() {
    let of = |owned, came, received, sent| {
        let [owned, came, received, sent] = [owned, came, received, sent].map(units);
        holding(&Holding { owned, came, received, sent }).0
    };
    assert_eq!(of(5, 5, 5, 0), Kind::AsItCame);
    assert_eq!(of(0, 5, 5, 5), Kind::MovedOut);
    assert_eq!(of(2, 5, 0, 3), Kind::MovedOut);
    assert_eq!(of(8, 5, 5, 0), Kind::NeverSeen);
    assert_eq!(of(4, 5, 5, 0), Kind::ImpossibleBalance);
    assert_eq!(of(0, 9, 5, 4), Kind::ImpossibleBalance);
    // What it sent it may have had before.
    assert_eq!(of(0, 0, 0, 7), Kind::AsItCame);
}
