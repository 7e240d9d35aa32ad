//! `status`, `/metrics` and SQL tell the same story while it runs; what is exposed is there from the start.

use deposit_watcher::telemetry::TABLE;

use crate::rig::{Chain, Rig, get, until};

const STATUSES: [(&str, &str); 6] = [
    ("CREATED", "created"),
    ("PENDING", "pending"),
    ("CONFIRMED", "paid"),
    ("EXPIRED", "expired"),
    ("UNDERPAID", "underpaid"),
    ("OVERPAID", "overpaid"),
];

#[tokio::test]
async fn every_series_is_there_before_anything_happens() {
    let chain = Chain::start().await;
    let rig = Rig::new(&[chain.section()]).await;
    let mut process = rig.run().await;
    process.is_ready().await;
    let metrics = process.metrics().await;
    for metric in TABLE {
        let name = metric.name.strip_prefix("deposit_watcher_").unwrap();
        let counted = [name.to_owned(), format!("{name}_count")].iter().any(|name| metrics.sum(name, &[]).is_some());
        assert!(counted, "{name} is not exposed");
    }
    for (name, labels, value) in [
        ("reverted_total", &["network=\"anvil\""][..], 0),
        ("reorgs_total", &["network=\"anvil\""], 0),
        ("sessions", &["network=\"anvil\"", "status=\"UNDERPAID\""], 0),
        ("sessions", &["network=\"other\"", "status=\"CREATED\""], 0),
        ("transfers_total", &["token=\"usdc\"", "outcome=\"invalid\""], 0),
        ("unmatched_transfers", &["reason=\"ambiguous\""], 0),
        ("sessions_invalid", &["reason=\"checksum\""], 0),
        ("session_transitions_total", &["from=\"PENDING\"", "to=\"CONFIRMED\""], 0),
        ("second_look_corrections_total", &["kind=\"missed\""], 0),
        ("rpc_requests_total", &["endpoint=\"local\"", "outcome=\"timeout\""], 0),
        ("confirmed_sessions_total", &["token=\"usdc\""], 0),
        ("halted", &["network=\"anvil\""], 0),
        ("lock_held", &["network=\"anvil\""], 1),
        ("rpc_endpoint_up", &["endpoint=\"local\""], 1),
        ("single_operator", &["network=\"anvil\""], 1),
        ("build_info", &["version="], 1),
    ] {
        assert_eq!(metrics.count(name, labels), value, "{name} {labels:?}");
    }
    // `other` is for what session rows name: a network without endpoints, which none can be down of.
    let strange = metrics.0.lines().filter(|line| line.contains("network=\"other\""));
    let strange: Vec<&str> = strange.filter(|line| !line.starts_with("deposit_watcher_session")).collect();
    assert!(strange.is_empty(), "{strange:?}");
    process.terminate().await;
}

#[tokio::test]
async fn status_metrics_and_sql_tell_the_same_story() {
    let chain = Chain::start().await;
    let rig = Rig::new(&[chain.section()]).await;
    let shops: Vec<_> = (0..6).map(|_| chain.address()).collect();
    for (number, shop) in shops.iter().enumerate() {
        rig.open(&format!("dep_{number}"), "5", &chain.usdc, *shop).await;
        rig.expires_in(&format!("dep_{number}"), if number == 5 { 1_200.0 } else { 86_400.0 }).await;
    }
    let mut process = rig.run().await;
    rig.scanned("anvil", &chain).await;
    chain.evm.increase_time(1_800).await.unwrap();
    for (number, amount) in [(0, 5), (1, 6), (2, 4)] {
        chain.pay(number, shops[number], amount).await;
    }
    chain.bury().await;
    chain.pay(3, shops[3], 5).await;
    for (id, status) in ["CONFIRMED", "OVERPAID", "UNDERPAID", "PENDING", "CREATED", "EXPIRED"].iter().enumerate() {
        rig.becomes(&format!("dep_{id}"), status).await;
    }

    let head = i64::try_from(chain.evm.head().await.unwrap().block.number.0).unwrap();
    let metrics = until("the gauges follow", async || {
        let metrics = process.metrics().await;
        let one_each = STATUSES
            .iter()
            .all(|(status, _)| metrics.count("sessions", &["network=\"anvil\"", &format!("status=\"{status}\"")]) == 1);
        one_each.then_some(metrics)
    })
    .await;
    let status = rig.status("anvil").await;
    assert_eq!(status["state"], "working");
    for (name, field) in STATUSES {
        assert_eq!(status[field], 1, "{name}");
    }
    assert_eq!(metrics.count("lag_blocks", &[]), 0);
    assert_eq!(metrics.count("scanned_block", &[]), head);
    assert_eq!(status["scanned"], head);
    assert_eq!(rig.number("SELECT scanned_number FROM networks").await, head);
    let confirmed = rig.number("SELECT confirmed_number FROM networks").await;
    assert_eq!((metrics.count("confirmed_block", &[]), &status["confirmed"]), (confirmed, &confirmed.into()));
    assert_eq!(metrics.count("confirmed_sessions_total", &["token=\"usdc\""]), 3);
    assert_eq!(metrics.count("confirmed_amount_total", &["token=\"usdc\""]), 15);
    assert_eq!(metrics.count("session_transitions_total", &["from=\"PENDING\"", "to=\"CONFIRMED\""]), 1);

    let admin = process.admin().await;
    assert_eq!(get(admin, "/livez").await, Some((200, "alive\n".to_owned())));
    assert_eq!(get(admin, "/readyz").await, Some((200, "ready\n".to_owned())));
    assert_eq!(process.readyz().await, (true, "ok database\nok network anvil\n".to_owned()));
    let shown = rig.command(&["sessions", "show", "dep_2"]).await;
    assert!(shown.code == 0 && shown.stdout.contains("UNDERPAID"), "{shown:?}");
    rig.books_are_right().await;
    process.terminate().await;
}
