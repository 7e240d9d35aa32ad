//! Which settings two watchers must agree on.

use super::{POLYGON, load_texts};

#[test]
fn the_digest_covers_what_decides_about_money_and_nothing_else() {
    let digest = |flags: &[(&str, &str)]| load_texts(&[POLYGON], &[], flags).unwrap().digest();
    let plain = digest(&[]);
    assert_eq!(plain.len(), 64);
    for (key, value) in [
        ("chain_id", "138"),
        ("finality", "safe"),
        ("confirmations", "5"),
        ("min_age", "1s"),
        ("reorg_grace", "1s"),
        ("partial_payments", "never"),
        ("ambiguous", "oldest"),
        ("tokens.usdc.symbol", "USD"),
        ("tokens.usdc.address", "0xc2132D05D31c914a87C6611C10748AEb04B58e8F"),
        ("tokens.usdc.decimals", "18"),
        ("tokens.usdc.tolerance", "1"),
        ("tokens.usdc.min_partial", "2%"),
        ("enabled", "false"),
    ] {
        assert_ne!(digest(&[(&format!("networks.polygon.{key}"), value)]), plain, "{key}");
    }
    assert_ne!(digest(&[("sessions.expiry_grace", "1s")]), plain);
    let ethereum = ("networks.polygon.chain_id", "1");
    assert_ne!(digest(&[ethereum, ("networks.polygon.verify", "receipts")]), digest(&[ethereum]), "verify");
    for (key, value) in [
        ("database.url", "postgres://other/db"),
        ("http.listen", "127.0.0.1:1"),
        ("networks.polygon.poll_interval", "9s"),
        ("networks.polygon.max_block_range", "9"),
        ("networks.polygon.rpc.primary.url", "http://other.example"),
        ("networks.polygon.rpc.primary.operator", "other"),
        ("networks.polygon.max_lag", "9s"),
    ] {
        assert_eq!(digest(&[(key, value)]), plain, "{key}");
    }
}

#[test]
fn order_and_spelling_play_no_part() {
    let second = "[networks.a]\nchain_id = 1\nquorum = 1\n[networks.a.rpc.x]\nurl = \"http://localhost\"";
    let [one, other] = [format!("{POLYGON}{second}"), format!("{second}{POLYGON}")];
    let spelled =
        one.replace("0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359", "0x3c499c542cef5e3811e1192ce70d8cc03d5c3359");
    let own = |text: &str| format!("[sessions]\nown_addresses = [{text}]\n{other}");
    let (a, b) = (format!("\"0x{:040x}\"", 1), format!("\"0x{:040x}\"", 2));
    let digest = |text: &str| load_texts(&[text], &[], &[]).unwrap().digest();
    assert_eq!(digest(&one), digest(&other));
    assert_eq!(digest(&one), digest(&spelled));
    assert_eq!(digest(&own(&format!("{a},{b}"))), digest(&own(&format!("{b},{a},{b}"))));
    assert_ne!(digest(&own(&a)), digest(&own(&b)));
}
