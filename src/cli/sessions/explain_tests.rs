//! What people are told, case by case.

use std::time::Duration;

use super::*;
use crate::domain::{ChainId, Slug};
use crate::settings::{Ambiguous, PartialPayments, Verify};

const TOKEN: &str = "0x5fbdb2315678afecb367f032d93f642f64180aa3";
const PAYEE: &str = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8";

fn at(seconds: i64) -> Time {
    Time::from_timestamp(1_700_000_000_i64.saturating_add(seconds), 0).unwrap()
}

fn session(status: &str, received: &str, confirmed: &str) -> SessionLine {
    SessionLine {
        id: "dep_1".to_owned(),
        status: status.to_owned(),
        amount: "100".to_owned(),
        received: received.to_owned(),
        confirmed: confirmed.to_owned(),
        currency: "USDC".to_owned(),
        network: "anvil".to_owned(),
        currency_address: TOKEN.to_uppercase().replace("0X", "0x"),
        deposit_address: PAYEE.to_owned(),
        tx_id: None,
        created_at: at(0),
        accepted_at: at(0),
        expires_at: at(1_800),
        cancelled_at: None,
        confirmed_at: None,
        closed_at: None,
        unusable: None,
    }
}

fn transfer(amount: &str, state: &str, session: Option<&str>, reason: Option<&str>) -> TransferLine {
    TransferLine {
        network: "anvil".to_owned(),
        block_number: 95,
        block_hash: "0x01".to_owned(),
        block_time: at(60),
        tx_hash: "0xabc".to_owned(),
        log_index: 0,
        token_address: TOKEN.to_owned(),
        from_address: PAYEE.to_owned(),
        to_address: PAYEE.to_owned(),
        amount_units: "1".to_owned(),
        amount: amount.to_owned(),
        state: state.to_owned(),
        session_id: session.map(str::to_owned),
        reason: reason.map(str::to_owned),
        seen_at: at(61),
        confirmed_at: None,
        settled: None,
        settlement: None,
        asked: None,
    }
}

fn network(finality: Finality, min_age: u64) -> Network {
    Network {
        slug: Slug::parse("anvil").unwrap(),
        chain_id: ChainId(31_337),
        enabled: true,
        testnet: true,
        finality,
        min_age: Duration::from_secs(min_age),
        poll_interval: Duration::from_secs(1),
        step_interval: Duration::ZERO,
        second_look_delay: Duration::ZERO,
        max_block_range: 2_000,
        reorg_window: 64,
        reorg_grace: Duration::ZERO,
        revert_after: Duration::ZERO,
        max_clock_drift: None,
        max_lag: Duration::from_secs(300),
        start_block: None,
        max_backfill: Duration::ZERO,
        quorum: 1,
        verify: Verify::Logs,
        partial_payments: PartialPayments::Exclusive,
        ambiguous: Ambiguous::Hold,
        endpoints: Vec::new(),
        tokens: Vec::new(),
    }
}

fn status() -> NetworkStatus {
    NetworkStatus {
        network: "anvil".to_owned(),
        head: Some(100),
        head_time: Some(at(100)),
        head_seen_at: Some(at(100)),
        scanned: Some(100),
        scanned_time: Some(at(100)),
        confirmed: Some(90),
        holder: Some("host-1".to_owned()),
        halted: None,
        why: None,
        now: at(101),
    }
}

/// What is told with 10 confirmations on a network that is well.
fn told(session: &SessionLine, transfers: &[TransferLine]) -> Vec<String> {
    let (network, status) = (network(Finality::Confirmations(10), 0), status());
    let (network, status) = (Some(&network), Some(&status));
    explain(&Case { session, transfers, reverted: false, network, status, now: at(101) })
}

fn telling(session: &SessionLine, network: Option<&Network>, status: Option<&NetworkStatus>) -> String {
    explain(&Case { session, transfers: &[], reverted: false, network, status, now: at(101) }).join("\n")
}

#[test]
fn nothing_came_yet() {
    let lines = told(&session("CREATED", "0", "0"), &[]);
    let expected = format!(
        "Not paid: no transfer of 100 USDC to {PAYEE} has been seen; it takes money until 2023-11-14 22:43:20 UTC."
    );
    assert_eq!(lines, [expected]);
}

#[test]
fn a_row_that_cannot_be_used_says_why_and_the_cure() {
    let row = SessionLine { unusable: Some("checksum".to_owned()), ..session("CREATED", "0", "0") };
    let lines = told(&row, &[transfer("100", "SEEN", None, Some("invalid_session"))]);
    assert!(lines[0].starts_with("It can never be paid: an address is mistyped"), "{lines:?}");
    assert!(lines[0].contains("cancel it and open one that is right"), "{lines:?}");
    assert!(lines[1].contains("the sessions that name this address cannot be used"), "{lines:?}");
}

#[test]
fn a_seen_transfer_counts_its_confirmations() {
    let lines = told(&session("PENDING", "100", "0"), &[transfer("100", "SEEN", Some("dep_1"), None)]);
    assert_eq!(lines[0], "Not paid yet: 100 of 100 USDC has been seen, 0 of it is confirmed.");
    assert_eq!(lines[1], "100 in block 95 (transaction 0xabc) is seen: it has 6 of 10 confirmations.");
}

#[test]
fn a_seen_transfer_waits_for_the_tag_and_for_its_age() {
    let (network, status) = (network(Finality::Finalized, 60), status());
    let transfers = [transfer("100", "SEEN", Some("dep_1"), None)];
    let session = session("PENDING", "100", "0");
    let (network, status) = (Some(&network), Some(&status));
    let lines =
        explain(&Case { session: &session, transfers: &transfers, reverted: false, network, status, now: at(101) });
    let awaited = "it waits until the chain calls its block `finalized`, and until the block is 1m old.";
    assert!(lines[1].ends_with(awaited), "{lines:?}");
}

#[test]
fn an_underpaid_session_says_what_is_missing_and_until_when() {
    let paid = transfer("99.5", "CONFIRMED", Some("dep_1"), None);
    let open = told(&session("UNDERPAID", "99.5", "99.5"), std::slice::from_ref(&paid));
    assert_eq!(
        open[0],
        "Underpaid: 99.5 of 100 USDC is confirmed; 0.5 USDC is missing and is taken until 2023-11-14 22:43:20 UTC."
    );
    assert_eq!(open[1], "99.5 in block 95 (transaction 0xabc) is confirmed.");
    let closed = SessionLine { closed_at: Some(at(1_801)), ..session("UNDERPAID", "99.5", "99.5") };
    assert!(
        told(&closed, &[paid])[0].starts_with("Underpaid for good: 99.5 of 100 USDC is confirmed, 0.5 USDC is missing")
    );
}

#[test]
fn paid_sessions_say_so() {
    let closed = |line: SessionLine| SessionLine { closed_at: Some(at(90)), ..line };
    assert_eq!(told(&closed(session("CONFIRMED", "100", "100")), &[]), ["Paid in full: 100 of 100 USDC is confirmed."]);
    let over = told(&closed(session("OVERPAID", "100.25", "100.25")), &[]);
    assert_eq!(over, ["Paid, with 0.25 USDC more than asked: 100.25 of 100 USDC is confirmed."]);
}

#[test]
fn money_that_pays_nobody_is_listed_with_its_reason() {
    let expired = SessionLine { closed_at: Some(at(1_801)), ..session("EXPIRED", "0", "0") };
    let mut elsewhere = transfer("7", "SEEN", None, Some("wrong_network"));
    elsewhere.network = "base".to_owned();
    let mut other = transfer("8", "SEEN", None, Some("wrong_token"));
    other.token_address = PAYEE.to_owned();
    let gone = transfer("9", "ORPHANED", None, Some("late"));
    let lines = told(&expired, &[transfer("100", "CONFIRMED", None, Some("late")), elsewhere, other, gone]);
    assert!(lines[0].starts_with("Not paid: it expired at 2023-11-14 22:43:20 UTC without 100 USDC"), "{lines:?}");
    assert_eq!(
        lines[1],
        "100 USDC arrived at its address at 2023-11-14 22:14:20 UTC and pays no session: it was mined after the session expired (transaction 0xabc)."
    );
    assert!(lines[2].contains("7 USDC arrived at its address on base"), "{lines:?}");
    assert!(lines[3].starts_with(&format!("8 of token {PAYEE} arrived")), "{lines:?}");
    assert_eq!(lines.len(), 4);
}

#[test]
fn a_reorganisation_is_told() {
    let lines = told(&session("PENDING", "0", "0"), &[transfer("100", "ORPHANED", Some("dep_1"), None)]);
    assert!(lines[0].starts_with("Not paid: no transfer"), "{lines:?}");
    assert!(lines[1].contains("left the chain in a reorganisation; mined again it is looked at again"), "{lines:?}");
    let session = session("PENDING", "0", "0");
    let (network, status) = (network(Finality::Safe, 0), status());
    let (network, status) = (Some(&network), Some(&status));
    let lines = explain(&Case { session: &session, transfers: &[], reverted: true, network, status, now: at(101) });
    assert!(lines[1].starts_with("It was reverted: ") && lines[1].contains("deliver nothing"), "{lines:?}");
    let paid = SessionLine { confirmed_at: Some(at(100)), ..session.clone() };
    let lines = explain(&Case { session: &paid, transfers: &[], reverted: true, network, status, now: at(101) });
    assert!(lines[1].contains("paid again since") && !lines[1].contains("deliver nothing"), "{lines:?}");
}

#[test]
fn a_cancelled_session_says_when() {
    let cancelled = SessionLine { cancelled_at: Some(at(30)), ..session("PENDING", "0", "0") };
    assert!(told(&cancelled, &[])[0].contains("it was cancelled at 2023-11-14 22:13:50 UTC and waits only"));
    let closed = SessionLine { cancelled_at: Some(at(30)), closed_at: Some(at(31)), ..session("EXPIRED", "0", "0") };
    assert_eq!(told(&closed, &[]), ["Not paid: it was cancelled at 2023-11-14 22:13:50 UTC without money."]);
}

#[test]
fn the_networks_trouble_is_told_while_it_matters() {
    let open = session("CREATED", "0", "0");
    let well = network(Finality::Safe, 0);
    let halted = NetworkStatus { halted: Some("other genesis".to_owned()), holder: None, ..status() };
    let text = telling(&open, Some(&well), Some(&halted));
    assert!(
        text.contains("Network anvil is halted: other genesis; `deposit-watcher rescan --network anvil --resume`"),
        "{text}"
    );
    assert!(text.contains("No watcher works anvil now"), "{text}");
    let behind = NetworkStatus { head: Some(150), scanned_time: Some(at(41)), ..status() };
    let text = telling(&open, Some(&well), Some(&behind));
    assert!(text.contains("Scanning of anvil lags by 60 s and 50 known blocks"), "{text}");
    assert!(telling(&open, Some(&well), None).contains("was never worked"));
    assert!(telling(&open, None, Some(&status())).contains("not configured and enabled here"));
    let paid = SessionLine { closed_at: Some(at(90)), ..session("CONFIRMED", "100", "100") };
    assert_eq!(telling(&paid, None, None).lines().count(), 1);
}

#[test]
fn differences_are_exact() {
    assert_eq!(difference("100", "99.999999999999999999"), "0.000000000000000001");
    assert_eq!(difference("1", "2"), "0");
}

#[test]
fn what_a_person_decided_is_told_as_such() {
    let person =
        |how: &str, one: TransferLine| TransferLine { settled: Some(how.to_owned()), settlement: Some(7), ..one };
    let given = person("assigned", transfer("100", "CONFIRMED", Some("dep_1"), None));
    let ignored = person("ignored", transfer("100", "CONFIRMED", None, Some("late")));
    let lines = told(&session("CONFIRMED", "100", "100"), &[given, ignored]);
    assert!(lines.iter().any(|line| line.contains("given to it by a person, is confirmed")), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("was ignored by a person")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("pays no session")), "{lines:?}");
}
