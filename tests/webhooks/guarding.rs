//! Nothing is sent where nobody but us should reach, whatever a name says and whenever it says it.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use deposit_watcher::webhooks::client::{Lookup, System};
use deposit_watcher::webhooks::{DeliveryLine, NewEndpoint, Refusal};

use super::receiver::{Manner, Receiver};
use super::rig::{LOCAL, Names, PACE, Rig, shop, until};

/// One attempt at an endpoint with this URL and resolver; the URL is written past the desk.
async fn attempted(rules: &str, url: &str, lookup: Arc<dyn Lookup>) -> DeliveryLine {
    let rig = Rig::new(rules).await;
    let (id, _) = rig.endpoint("https://shop.example/", &[]).await;
    sqlx::query("UPDATE webhook_endpoints SET url = $1 WHERE id = $2")
        .bind(url)
        .bind(&id.0)
        .execute(&rig.pool)
        .await
        .unwrap();
    let courier = rig.courier_with(lookup, PACE);
    rig.open("dep_1").await;
    let line = until("an attempt", || async {
        rig.deliveries().await.pop().filter(|line| line.last_error.is_some() || line.last_status.is_some())
    })
    .await;
    courier.end().await;
    line
}

const CLOSED: &str = "allow_http = true\nretry_after = [\"1h\"]";

#[tokio::test]
async fn names_that_lead_inside_are_not_dialled() {
    let receiver = Receiver::new(Manner::Says(200, "")).await;
    for inside in
        ["127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "10.0.0.1", "169.254.169.254", "fd00::1", "64:ff9b::7f00:1"]
    {
        let address: IpAddr = inside.parse().unwrap();
        let url = format!("http://inside.example:{}/", receiver.at.port());
        let line = attempted(CLOSED, &url, Arc::new(Names(move |_: &str| vec![address]))).await;
        let error = line.last_error.unwrap();
        assert!(error.contains("no address on the public internet"), "{inside}: {error}");
        assert_eq!(line.last_status, None);
    }
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn addresses_in_the_url_are_judged_at_every_attempt() {
    let receiver = Receiver::new(Manner::Says(200, "")).await;
    let port = receiver.at.port();
    for host in [
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "017700000001",
        "0x7f.1",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
    ] {
        let line = attempted(CLOSED, &format!("http://{host}:{port}/"), Arc::new(System)).await;
        assert!(line.last_error.as_deref().unwrap().contains("not on the public internet"), "{host}: {line:?}");
    }
    assert_eq!(receiver.connections(), 0);
    let reached = attempted(LOCAL, &format!("http://0x7f.1:{port}/"), Arc::new(System)).await;
    assert_eq!(reached.last_status, Some(200), "the same forms do arrive where that network is allowed");
    let system = attempted(CLOSED, &format!("http://localhost:{port}/"), Arc::new(System)).await;
    assert!(system.last_error.unwrap().contains("no address on the public internet"));
}

#[tokio::test]
async fn a_name_that_changes_its_mind_is_judged_when_it_is_dialled() {
    // 127.0.0.2 stands for a public address, 127.0.0.1 for an inner one; both listen on one port.
    let rules = "allow_http = true\nallowed_networks = [\"127.0.0.2\"]\nretry_after = [\"200ms\", \"1h\"]";
    let public = Receiver::at("127.0.0.2", Manner::Says(500, "connection: close\r\n")).await;
    let inner = tokio::net::TcpListener::bind(("127.0.0.1", public.at.port())).await.unwrap();
    let inner = Receiver::listening(inner, Manner::Says(200, ""));
    let rig = Rig::new(rules).await;
    rig.endpoint(&format!("http://turncoat.example:{}/", public.at.port()), &[]).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let counting = asked.clone();
    let turncoat = move |_: &str| match counting.fetch_add(1, Ordering::SeqCst) {
        0 => vec!["127.0.0.2".parse().unwrap()],
        _ => vec!["127.0.0.1".parse().unwrap()],
    };
    let courier = rig.courier_with(Arc::new(Names(turncoat)), PACE);
    rig.open("dep_1").await;
    let line = until("two attempts", || async {
        rig.deliveries().await.pop().filter(|line| {
            line.attempts == 2
                && line.last_status.is_none()
                && line.last_error.as_deref().is_some_and(|why| why.contains("public"))
        })
    })
    .await;
    courier.end().await;
    assert_eq!((public.connections(), inner.connections(), line.state.as_str()), (1, 0, "WAITING"));
    assert_eq!(asked.load(Ordering::SeqCst), 2, "asked once an attempt: what was judged is what is dialled");
}

#[tokio::test]
async fn of_several_addresses_only_the_open_ones_are_dialled() {
    let rules = "allow_http = true\nallowed_networks = [\"127.0.0.2\"]\nretry_after = [\"1h\"]";
    let public = Receiver::at("127.0.0.2", Manner::Says(200, "")).await;
    let inner = tokio::net::TcpListener::bind(("127.0.0.1", public.at.port())).await.unwrap();
    let inner = Receiver::listening(inner, Manner::Says(200, ""));
    let both = |_: &str| vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap(), "127.0.0.2".parse().unwrap()];
    let line = attempted(rules, &format!("http://both.example:{}/", public.at.port()), Arc::new(Names(both))).await;
    assert_eq!((line.last_status, public.connections(), inner.connections()), (Some(200), 1, 0));
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    let inner = Receiver::new(Manner::Says(200, "")).await;
    for status in [301, 302, 303, 307, 308] {
        let rig = Rig::new(LOCAL).await;
        let lines = Box::leak(format!("location: {}\r\n", inner.url()).into_boxed_str());
        let receiver = Receiver::new(Manner::Says(status, lines)).await;
        rig.endpoint(&receiver.url(), &[]).await;
        let courier = rig.courier();
        rig.open("dep_1").await;
        let ended = rig.finished().await;
        courier.end().await;
        assert_eq!((ended[0].state.as_str(), ended[0].attempts), ("DEAD", 3), "{status}");
    }
    assert_eq!(inner.connections(), 0);
}

#[tokio::test]
async fn an_endpoint_from_freer_days_is_not_dialled_once_the_rules_are_stricter() {
    let receiver = Receiver::new(Manner::Says(200, "")).await;
    let line =
        attempted("allowed_networks = [\"127.0.0.0/8\"]\nretry_after = [\"1h\"]", &receiver.url(), Arc::new(System))
            .await;
    assert!(line.last_error.unwrap().contains("only https"));
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn bad_endpoints_are_refused_with_every_fault_at_once() {
    let rig = Rig::new("").await;
    let new = NewEndpoint { url: "http://127.0.0.1/".to_owned(), events: vec!["deposit.paid".to_owned()] };
    let Err(Refusal::Faults(faults)) = rig.desk.create(&shop(), &new).await else { panic!("was made") };
    assert_eq!(faults.iter().map(|fault| fault.field.as_str()).collect::<Vec<_>>(), ["url", "events"]);
    assert_eq!(rig.desk.list(&shop()).await.unwrap(), []);
}
