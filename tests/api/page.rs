//! The payment page as browsers meet it: links and their lives, forms, the stream, headers, weight. What each screen holds
//! is tested beside the code; how it looks and works in a browser, in a browser.

use serde_json::{Value, json};

use crate::asking::{Answer, Ask, Line};
use crate::credentials::{Owner, deposit_id, payment};
use crate::server::Server;

const TO: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
const CHOICE: &str = "polygon%3A0x3c499c542cef5e3811e1192ce70d8cc03d5c3359";

async fn scene() -> (Server, Owner) {
    let server = Server::start().await;
    let shop = Owner::settle(&server, "shop", TO).await;
    (server, shop)
}

/// The path of a payment's page.
async fn link(server: &Server, shop: &Owner, change: impl FnOnce(&mut Value)) -> String {
    let mut body = payment(&deposit_id());
    change(&mut body);
    let made = Ask::post("/v1/widget/sessions").with("Authorization", &shop.bearer()).json(&body).at(server.at).await;
    assert_eq!(made.status, 200, "{made:?}");
    let url = made.json()["redirectUrl"].as_str().unwrap().to_owned();
    format!("/pay/{}", url.split("/pay/").nth(1).unwrap())
}

fn unsaid(body: &mut Value) {
    body.as_object_mut().unwrap().remove("amount");
}

async fn get(server: &Server, path: &str) -> Answer {
    Ask::get(path).at(server.at).await
}

fn form(path: &str, fields: &str) -> Ask {
    Ask::post(path).body("application/x-www-form-urlencoded", fields)
}

/// Which screen a page, or the `<main>` of one, shows.
fn screen(html: &str) -> &str {
    html.split("data-screen=\"").nth(1).unwrap_or_else(|| panic!("{html}")).split('"').next().unwrap()
}

#[track_caller]
fn shows(answer: &Answer, status: u16, expected: &str) {
    assert_eq!((answer.status, screen(&answer.body)), (status, expected), "{answer:?}");
}

async fn run(server: &Server, sql: &'static str) {
    sqlx::raw_sql(sql).execute(&server.pool).await.unwrap();
}

async fn opened(server: &Server) -> i64 {
    let count = "SELECT count(*) FROM payments WHERE opened_at IS NOT NULL";
    sqlx::query_scalar(count).fetch_one(&server.pool).await.unwrap()
}

#[tokio::test]
async fn a_link_opened_in_time_lives_and_one_that_was_not_is_gone() {
    let (server, shop) = scene().await;
    let (first, second) = (link(&server, &shop, |_| ()).await, link(&server, &shop, |_| ()).await);
    // Who looks ahead has not opened it.
    let head = Ask::new("HEAD", &first).at(server.at).await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    let ahead = Ask::get(&first).with("Sec-Purpose", "prefetch;prerender").at(server.at).await;
    shows(&ahead, 200, "waiting");
    assert_eq!(opened(&server).await, 0);
    shows(&get(&server, &first).await, 200, "waiting");
    assert_eq!(opened(&server).await, 1);
    run(&server, "UPDATE payments SET opens_until = now() - interval '1 second'").await;
    shows(&get(&server, &first).await, 200, "waiting");
    let gone = Ask::get(&second).with("Accept-Language", "fr-FR,fr;q=0.9").at(server.at).await;
    shows(&gone, 410, "gone");
    assert!(gone.body.contains("<html lang=\"fr\">") && gone.body.contains("a expiré"), "{gone:?}");
    assert_eq!(gone.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(gone.header("content-security-policy").is_some_and(|policy| policy.contains("frame-ancestors 'none'")));
    server.is_content();
}

#[tokio::test]
async fn a_link_that_is_not_known_is_told_so_and_counts_against_its_address() {
    let server = Server::with("[limits]\nfailures_per_address = 3\n").await;
    let shop = Owner::settle(&server, "shop", TO).await;
    let path = link(&server, &shop, |_| ()).await;
    let from = |path: &str, address: &str| Ask::get(path).with("X-Forwarded-For", address);
    for wrong in ["/pay/AAAAAAAAAAAAAAAAAAAAAA", "/pay/x", "/pay/%00"] {
        shows(&from(wrong, "192.0.2.1").at(server.at).await, 404, "unknown");
    }
    let limited = from(&path, "192.0.2.1").at(server.at).await;
    shows(&limited, 429, "limited");
    assert!(limited.header("retry-after").is_some(), "{limited:?}");
    shows(&from(&path, "192.0.2.2").at(server.at).await, 200, "waiting");
    // A token is on no line of the log.
    assert!(!server.log().contains(path.trim_start_matches("/pay/")), "{}", server.log());
    shows(&from("/pay/x/choose", "192.0.2.3").at(server.at).await, 404, "unknown");
    shows(&from("/pay/assets/page-0.css", "192.0.2.3").at(server.at).await, 404, "unknown");
}

#[tokio::test]
async fn the_customer_chooses_waits_and_gives_up() {
    let (server, shop) = scene().await;
    let path = link(&server, &shop, unsaid).await;
    let page = get(&server, &path).await;
    shows(&page, 200, "choose");
    assert!(page.body.contains("name=\"amount\"") && !page.body.contains(TO), "{page:?}");
    assert_eq!(get(&server, &format!("{path}/events")).await.status, 204);
    let choose = format!("{path}/choose?lang=fr");
    for fields in [
        "",
        "choice=polygon%3A0x00&amount=5",
        &format!("choice={CHOICE}&amount=5%2C5555555"),
        &format!("choice={CHOICE}"),
    ] {
        let refused = form(&choose, fields).at(server.at).await;
        shows(&refused, 400, "choose");
        assert!(refused.body.contains("id=\"faults\"") && refused.body.contains("lang=\"fr\""), "{refused:?}");
    }
    let chosen = form(&choose, &format!("choice={CHOICE}&amount=1%20234%2C5")).at(server.at).await;
    assert_eq!((chosen.status, chosen.header("location")), (303, Some(format!("{path}?lang=fr").as_str())));
    let page = get(&server, &format!("{path}?lang=fr")).await;
    shows(&page, 200, "waiting");
    assert!(page.body.contains("1\u{202f}234,50\u{a0}USDC") && page.body.contains("data-copy=\"1234.5\""), "{page:?}");
    // Another tab that chooses is led to what was chosen.
    let again = form(&choose, &format!("choice={CHOICE}&amount=7")).at(server.at).await;
    assert_eq!(again.status, 303);
    assert_eq!(get(&server, &format!("{path}/cancel?lang=fr")).await.status, 303);
    shows(&get(&server, &path).await, 200, "waiting");
    assert_eq!(form(&format!("{path}/cancel"), "").at(server.at).await.status, 303);
    let page = get(&server, &path).await;
    shows(&page, 200, "cancelled");
    assert!(!page.body.contains(TO), "{page:?}");
    assert_eq!(
        form(&format!("{path}/cancel"), "").at(server.at).await.status,
        303,
        "it is too late, and the page says so"
    );
    server.is_content();
}

#[tokio::test]
async fn forms_of_other_sites_and_strange_bodies_do_nothing() {
    let (server, shop) = scene().await;
    let path = link(&server, &shop, |_| ()).await;
    let cancel = format!("{path}/cancel");
    for (name, value) in
        [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Site", "same-site"), ("Origin", "https://evil.example")]
    {
        shows(&form(&cancel, "").with(name, value).at(server.at).await, 400, "wrong");
    }
    shows(&Ask::post(&cancel).json(&json!({})).at(server.at).await, 415, "wrong");
    shows(&form(&cancel, &"x".repeat(9_000)).at(server.at).await, 413, "wrong");
    shows(&Ask::new("DELETE", &path).at(server.at).await, 405, "wrong");
    shows(&form(&format!("{path}/simulate"), "deed=exact").at(server.at).await, 404, "unknown");
    shows(&get(&server, &path).await, 200, "waiting");
    let kept = form(&cancel, "").with("Sec-Fetch-Site", "same-origin").with("Origin", "null").at(server.at).await;
    assert_eq!(kept.status, 303);
}

#[tokio::test]
async fn a_change_is_sent_as_the_main_that_shows_it() {
    let (server, shop) = scene().await;
    let path = link(&server, &shop, |_| ()).await;
    let page = get(&server, &path).await.body;
    let state = page.split("data-state=\"").nth(1).unwrap().split('"').next().unwrap();
    let mut line = Line::open(server.at).await;
    let head = line.ask(&Ask::get(&format!("{path}/events?lang=fr&seen={state}"))).await;
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    let begun = std::time::Instant::now();
    run(&server, "UPDATE deposit_sessions SET payment_status = 'PENDING' WHERE id = (SELECT session_id FROM payments WHERE amount = 7.5)").await;
    // What the page showed already is not sent: the first event is the change.
    let event = line.until(b"\n\n").await;
    assert!(
        event.contains("data: <main id=\"payment\" data-screen=\"waiting\"")
            && event.contains("En attente de votre paiement"),
        "{event}"
    );
    assert!(event.contains("</main>") && event.lines().any(|line| line.starts_with("id: ")), "{event}");
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
    assert_eq!(form(&format!("{path}/cancel"), "").at(server.at).await.status, 303);
    let last = line.until(b"\n\n").await;
    assert!(last.contains("data-screen=\"cancelled\""), "{last}");
    // It goes on: a state that is over for API and customer may still change, and the page shows that, too.
    let reopened = "BEGIN; SET LOCAL deposit_watcher.writer = 'on'; \
        UPDATE deposit_sessions SET payment_status = 'PENDING', closed_at = NULL WHERE id = (SELECT session_id FROM payments WHERE amount = 7.5); \
        COMMIT";
    run(&server, reopened).await;
    let again = line.until(b"\n\n").await;
    assert!(again.contains("data: <main id=\"payment\""), "{again}");
    server.is_content();
}

#[tokio::test]
async fn a_page_keeps_to_itself_and_weighs_little() {
    let (server, shop) = scene().await;
    let path = link(&server, &shop, |body| {
        body["reason"] = json!("<script>alert(1)</script>");
        body["metadata"] = json!([{ "fieldName": "who", "fieldValue": "Ada Canary", "isPII": true }, { "fieldName": "<i>", "fieldValue": "😀" }]);
        body["msisdn"] = json!("33612345678");
    }).await;
    let page = get(&server, &path).await;
    shows(&page, 200, "waiting");
    for secret in ["Ada Canary", "33612345678", "<script>alert", "<i>"] {
        assert!(!page.body.contains(secret), "{secret}");
    }
    for (name, value) in [
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert_eq!(page.header(name), Some(value), "{page:?}");
    }
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'self'; script-src 'self';")
            && policy.contains("frame-ancestors"),
        "{policy}"
    );
    assert_eq!(page.header("strict-transport-security"), None, "nobody comes here by https");
    let mut weight = page.body.len();
    for kind in ["css", "js", "svg"] {
        let name = page
            .body
            .split("/pay/assets/")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap())
            .find(|name| name.ends_with(kind));
        let asset = get(&server, &format!("/pay/assets/{}", name.unwrap())).await;
        assert_eq!(
            (asset.status, asset.header("cache-control")),
            (200, Some("public, max-age=31536000, immutable")),
            "{kind}"
        );
        assert!(asset.header("content-type").is_some_and(|found| found.contains(kind) || kind == "js"), "{asset:?}");
        weight += asset.body.len();
    }
    assert!(weight <= 60_000, "{weight} bytes");
    let document = get(&server, "/openapi.json").await;
    assert!(!document.body.contains("\"/pay/"), "it is no part of the API");
}

#[tokio::test]
async fn a_database_that_does_not_do_it_is_told_to_people() {
    let (server, shop) = scene().await;
    let path = link(&server, &shop, |_| ()).await;
    run(&server, "ALTER TABLE payments RENAME TO elsewhere").await;
    let broken = Ask::get(&path).with("Accept-Language", "fr").at(server.at).await;
    shows(&broken, 500, "away");
    assert!(broken.body.contains("<html lang=\"fr\">") && !broken.body.contains("payments"), "{broken:?}");
    run(&server, "ALTER TABLE elsewhere RENAME TO payments").await;
    shows(&get(&server, &path).await, 200, "waiting");
}
