//! Finance closes from reports: periods of payments and reorganisations, each closed while the next goes on, come to what
//! the chain holds in the end, to the base unit, and say the same when they are asked again.

use std::collections::BTreeMap;
use std::process::Command;

use alloy::primitives::{Address, I256, U256};
use deposit_watcher::domain::{Deed, LogId};

use crate::rig::{Rig, Rules};
use crate::scripted::{Lie, Log, OTHER_TOKEN, PAYER, TOKEN, account};

/// By token.
type Sums = BTreeMap<String, I256>;

/// What the binary prints.
fn report(rig: &Rig, report: &str, from: &str, to: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("networks.toml"), "").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_deposit-watcher"));
    command.env_clear().env("DATABASE_URL", rig.url()).current_dir(folder.path());
    command.args(["report", report, "--from", from, "--to", to, "--format", "json", "--tz", "Asia/Kathmandu"]);
    let ended = command.output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    String::from_utf8(ended.stdout).unwrap()
}

/// What an amount of its lines comes to.
fn sums(lines: &str, name: &str) -> Sums {
    let lines: Vec<serde_json::Value> = serde_json::from_str(lines).unwrap();
    let mut sums = Sums::new();
    for line in lines {
        let sum = sums.entry(line["token_address"].as_str().unwrap().to_owned()).or_default();
        *sum += I256::from_dec_str(line[name].as_str().unwrap()).unwrap();
    }
    sums.retain(|_, sum| !sum.is_zero());
    sums
}

fn together(all: impl IntoIterator<Item = Sums>) -> Sums {
    let mut sums = Sums::new();
    for (token, sum) in all.into_iter().flatten() {
        *sums.entry(token).or_default() += sum;
    }
    sums.retain(|_, sum| !sum.is_zero());
    sums
}

/// The database's clock: what was booked is before, what will be is not.
async fn clock(rig: &Rig) -> String {
    sqlx::query_scalar("SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
        .fetch_one(&rig.outside)
        .await
        .unwrap()
}

/// What stands on the chain of what was sent to accounts of ours.
fn on_the_chain(rig: &Rig) -> Sums {
    let ours: Vec<Address> = (1..=4).map(account).collect();
    let mut sums = Sums::new();
    for block in rig.world.canonical() {
        for (_, log) in block.logs().filter(|(_, log)| ours.contains(&Address::from_word(log.topics[2]))) {
            let units = I256::from_raw(U256::from_be_slice(&log.data));
            *sums.entry(format!("{:#x}", log.address)).or_default() += units;
        }
    }
    sums
}

#[tokio::test]
async fn periods_with_reorganisations_close_to_what_the_chain_holds() {
    let mut rig = Rig::new().await;
    for number in 1..=4 {
        let (token, symbol, amount) =
            if number == 4 { (OTHER_TOKEN, "EUR", "0.000000001") } else { (TOKEN, "USD", "1000") };
        rig.open_for(&format!("dep_{number}"), token, symbol, account(number), amount, 1_000_000).await;
    }
    rig.deeper(2).await;
    let mut cuts = vec![clock(&rig).await];
    let mut closed: Vec<(usize, &str, String)> = Vec::new();
    for period in 0..5u64 {
        for turn in 0..6u64 {
            let number = (period * 5 + turn * 3) % 4 + 1;
            let units = U256::from((period * 100 + turn * 7 + 1) * 1_234_567);
            let token = if number == 4 { OTHER_TOKEN } else { TOKEN };
            let mut txs = vec![rig.world.pay(token, PAYER, account(number), units)];
            // Money that belongs to nobody: of a token that no session there asks for.
            if turn == 2 {
                txs.push(rig.world.pay(OTHER_TOKEN, PAYER, account(1), units));
            }
            rig.mined(txs).await;
        }
        rig.deeper(4).await;
        // What was confirmed is taken back: some of it is mined again, some later than other blocks, some never.
        if period > 0 {
            let mut blocks = rig.world.recent_txs(8);
            blocks.remove(usize::try_from(period % 4).unwrap());
            blocks.reverse();
            blocks.push(vec![]);
            rig.world.reorg(8, blocks);
            rig.settle().await;
            rig.deeper(if period % 2 == 0 { 4 } else { 1 }).await;
        }
        let now = clock(&rig).await;
        for name in ["ledger", "deposits", "daily", "sessions", "unmatched"] {
            let text = report(&rig, name, &cuts[cuts.len() - 1], &now);
            closed.push((cuts.len() - 1, name, text));
        }
        cuts.push(now);
    }
    rig.conclude().await;
    rig.assert_books().await;
    cuts.push(clock(&rig).await);
    let (begin, end) = (cuts[0].as_str(), cuts[cuts.len() - 1].as_str());
    let reverts = report(&rig, "ledger", begin, end).matches("\"revert\"").count();
    assert!(reverts > 5, "{reverts} reversals");

    let of = |name: &str, amount: &str| {
        let whole = sums(&report(&rig, name, begin, end), amount);
        let parts = cuts.windows(2).map(|cut| sums(&report(&rig, name, &cut[0], &cut[1]), amount));
        assert_eq!(together(parts), whole, "{name}");
        whole
    };
    let ledger = of("ledger", "amount_units");
    assert_eq!(ledger, on_the_chain(&rig));
    assert_eq!(of("daily", "net_units"), ledger);
    let (paid, unmatched) = (of("deposits", "amount_units"), of("unmatched", "unmatched_in_period_units"));
    assert!(paid.len() == 2 && !unmatched.is_empty(), "{paid:?} {unmatched:?}");
    assert_eq!(together([paid.clone(), unmatched]), ledger);
    assert_eq!(of("sessions", "confirmed_in_period_units"), paid);
    assert_eq!(sums(&report(&rig, "sessions", begin, end), "confirmed_at_end_units"), paid);
    for (period, name, text) in &closed {
        assert_eq!(*text, report(&rig, name, &cuts[*period], &cuts[period + 1]), "{name} of period {period}");
    }
    rig.remove().await;
}

/// The only operator tells of other money at the place of a payment, and it is confirmed; a person may even send it back.
/// What is put right in the next period leaves this one as it was, and the books in order.
#[tokio::test]
async fn a_lie_that_is_put_right_later_stays_in_its_period() {
    for sent_back in [false, true] {
        let mut rig = Rig::with_one_endpoint(Rules::default()).await;
        rig.open("dep_a", account(1), "10", 1_000_000).await;
        rig.settle().await;
        let begin = clock(&rig).await;
        let block = rig.world.mine(vec![rig.pay(account(1), 10_000_000)]).block;
        let told = Log::transfer(OTHER_TOKEN, account(8), account(1), U256::from(1_000));
        rig.one.set(|is| is.lies = vec![Lie::Alter(block.hash, 0, told)]);
        rig.conclude().await;
        assert_eq!(rig.owners().await, ["wrong_token CONFIRMED"]);
        if sent_back {
            let log = LogId { block_hash: block.hash, log_index: 0 };
            let slug = &rig.rules.network.slug;
            let (matter, refund) = (rig.matter(log).await, Deed::Refund([7; 32].into()));
            rig.store.ask_settlement(slug, &matter, &refund, "sent back", "anna").await.unwrap();
            rig.settle().await;
        }
        let end = clock(&rig).await;
        let names = ["ledger", "deposits", "daily", "sessions", "unmatched"];
        let closed = names.map(|name| report(&rig, name, &begin, &end));
        let lie = format!("{OTHER_TOKEN:#x}");
        assert!(closed[0].contains(&lie) && closed[4].contains(&lie), "{closed:?}");

        rig.one.heal();
        rig.store.request_rescan(&rig.rules.network.slug, block.number, block.number).await.unwrap();
        rig.settle().await;
        rig.conclude().await;
        assert_eq!(
            (rig.owners().await, rig.session("dep_a").await),
            (vec!["dep_a CONFIRMED".to_owned()], "CONFIRMED 10 10".to_owned())
        );
        for (name, text) in names.iter().zip(&closed) {
            assert_eq!(*text, report(&rig, name, &begin, &end), "{name}, sent back: {sent_back}");
        }
        rig.assert_books().await;
        let (later, now) = (end, clock(&rig).await);
        let taken = sums(&report(&rig, "unmatched", &later, &now), "unmatched_in_period_units");
        assert_eq!(taken, Sums::from([(lie, I256::try_from(-1_000).unwrap())]));
        let paid = sums(&report(&rig, "deposits", &later, &now), "amount_units");
        assert_eq!(paid, Sums::from([(format!("{TOKEN:#x}"), I256::try_from(10_000_000).unwrap())]));
        rig.remove().await;
    }
}
