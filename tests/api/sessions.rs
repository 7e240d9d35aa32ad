//! Sessions over the wire: what is answered, what a key makes of a second request, whose word it is, lists in parts.

use serde_json::{Value, json};

use crate::asking::{Answer, Ask};
use crate::credentials::Owner;
use crate::server::{Server, wish};

const TO: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

async fn scene() -> (Server, Owner) {
    let server = Server::start().await;
    let shop = Owner::settle(&server, "shop", TO).await;
    (server, shop)
}

fn create(shop: &Owner) -> Ask {
    Ask::post(&format!("/api/v1/widgets/{}/create-session", shop.widget))
}

#[tokio::test]
async fn what_was_opened_can_be_read_by_who_holds_its_secret() {
    let (server, shop) = scene().await;
    let by_page = create(&shop).with("X-Client-Secret", &shop.widget_secret).json(&wish("12.50")).at(server.at).await;
    assert_eq!(by_page.status, 201, "{by_page:?}");
    let opened = by_page.json();
    let mut keys: Vec<&str> = opened.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    let expected = [
        "amount",
        "clientSecret",
        "currency",
        "currencyAddress",
        "depositAddress",
        "expiresAt",
        "id",
        "livemode",
        "network",
        "paymentStatus",
        "requestedAmount",
    ];
    assert_eq!(keys, expected);
    assert_eq!((&opened["requestedAmount"], &opened["paymentStatus"]), (&json!("12.5"), &json!("CREATED")));
    let path = format!("/api/v1/widgets/deposit-sessions/{}", opened["id"].as_str().unwrap());
    let read =
        Ask::get(&path).with("X-Client-Secret", opened["clientSecret"].as_str().unwrap()).at(server.at).await.json();
    assert_eq!(read["openedBy"], "widget");
    for key in ["id", "amount", "requestedAmount", "expiresAt", "depositAddress", "livemode"] {
        assert_eq!(read[key], opened[key], "{key}");
    }
    assert!(read.get("clientSecret").is_none() && read["txId"].is_null() && read["missingAmount"] == opened["amount"]);
    let by_server = create(&shop).with("Authorization", &shop.bearer()).json(&wish("1")).at(server.at).await.json();
    let path = format!("/api/v1/widgets/deposit-sessions/{}", by_server["id"].as_str().unwrap());
    assert_eq!(Ask::get(&path).with("Authorization", &shop.bearer()).at(server.at).await.json()["openedBy"], "server");
}

#[tokio::test]
async fn the_same_key_opens_one_session() {
    let (server, shop) = scene().await;
    let ask = |key: &str, amount: &str| create(&shop).with("Idempotency-Key", key).json(&wish(amount));
    let token = |ask: Ask| ask.with("Authorization", &shop.bearer());
    let secret = |ask: Ask| ask.with("X-Client-Secret", &shop.widget_secret);
    let id = |answer: &Answer| answer.json()["id"].as_str().unwrap().to_owned();
    let first = token(ask("order-7", "5")).at(server.at).await;
    let again = token(ask("order-7", "5")).at(server.at).await;
    assert_eq!((again.status, again.json()), (201, first.json()), "the secret included");
    let other = token(ask("order-7", "6")).at(server.at).await;
    assert_eq!((other.status, other.problem().as_str()), (422, "idempotency_key_reused"));
    assert_ne!(id(&secret(ask("order-7", "5")).at(server.at).await), id(&first), "another credential, another key");
    assert_ne!(id(&token(ask("order-8", "5")).at(server.at).await), id(&first));
    // A request that was refused used no key up.
    assert_eq!(token(ask("order-9", "x")).at(server.at).await.status, 400);
    assert_eq!(token(ask("order-9", "5")).at(server.at).await.status, 201);
    let crowd: Vec<_> = (0..20)
        .map(|_| {
            let (at, ask) = (server.at, token(ask("order-10", "5")));
            tokio::spawn(async move { ask.at(at).await })
        })
        .collect();
    let (mut ids, mut busy) = (Vec::new(), 0);
    for one in crowd {
        let answer = one.await.unwrap();
        match answer.status {
            201 => ids.push(id(&answer)),
            409 => {
                assert_eq!(answer.problem(), "idempotency_key_in_use");
                busy += 1;
            }
            _ => panic!("{answer:?}"),
        }
    }
    ids.dedup();
    assert!(ids.len() == 1 && busy < 20, "{ids:?}");
    server.is_content();
}

#[tokio::test]
async fn a_list_comes_in_parts_and_holds_one_s_own() {
    let (server, shop) = scene().await;
    let rival = Owner::settle(&server, "rival", "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC").await;
    for number in 0..6 {
        let mut body = wish("3");
        body["customerReference"] = json!(format!("order {}", number % 2));
        assert_eq!(create(&shop).with("Authorization", &shop.bearer()).json(&body).at(server.at).await.status, 201);
    }
    let list = async |query: &str| {
        let ask = Ask::get(&format!("/api/v1/widgets/{}/deposit-sessions{query}", shop.widget));
        ask.with("Authorization", &shop.bearer()).at(server.at).await.json()
    };
    let mut seen: Vec<Value> = Vec::new();
    let mut query = "?limit=3".to_owned();
    loop {
        let page = list(&query).await;
        let items = page["items"].as_array().unwrap();
        assert!((1..=3).contains(&items.len()), "{page}");
        seen.extend(items.iter().map(|item| item["id"].clone()));
        match page["nextCursor"].as_str() {
            Some(cursor) => query = format!("?limit=3&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 7);
    assert!(seen.iter().all(|id| *id != json!(rival.session)));
    seen.sort_by_key(ToString::to_string);
    seen.dedup();
    assert_eq!(seen.len(), 7, "one came twice");
    assert_eq!(list("?customerReference=order%201").await["items"].as_array().unwrap().len(), 3);
    assert_eq!(list("?status=CONFIRMED").await, json!({ "items": [], "nextCursor": null }));
}

#[tokio::test]
async fn a_business_makes_a_widget_and_uses_it() {
    let (server, shop) = scene().await;
    let body = json!({ "name": "fixed", "mode": "FIXED_AMOUNT", "minAmount": "5", "maxAmount": "5", "allowedDepositAddresses": [TO],
        "allowedDomains": ["shop.example.com"] });
    let path = "/api/v1/businesses/shop/widgets/create-widget";
    let made = Ask::post(path).with("Authorization", &shop.bearer()).json(&body).at(server.at).await;
    assert_eq!(made.status, 201, "{made:?}");
    let (id, secret) =
        (made.json()["id"].as_str().unwrap().to_owned(), made.json()["clientSecret"].as_str().unwrap().to_owned());
    let config = Ask::get(&format!("/api/v1/widgets/{id}/config")).with("X-Client-Secret", &secret).at(server.at).await;
    assert!(config.json().get("clientSecret").is_none() && config.json()["minAmount"] == "5", "{config:?}");
    let open = |amount: &str, origin: &str| {
        let ask = Ask::post(&format!("/api/v1/widgets/{id}/create-session")).with("X-Client-Secret", &secret);
        ask.with("Origin", origin).json(&wish(amount))
    };
    assert_eq!(open("5", "https://shop.example.com").at(server.at).await.status, 201);
    assert_eq!(open("4", "https://shop.example.com").at(server.at).await.fields(), ["amount"]);
    assert_eq!(open("5", "https://evil.example").at(server.at).await.fields(), ["origin"]);
    for _ in 0..8 {
        Ask::post(path).with("Authorization", &shop.bearer()).json(&body).at(server.at).await;
    }
    let eleventh = Ask::post(path).with("Authorization", &shop.bearer()).json(&body).at(server.at).await;
    assert_eq!((eleventh.status, eleventh.problem().as_str()), (400, "too_many_widgets"));
    server.office.set_widget_disabled(&shop.widget_id(), true).await.unwrap();
    let shut = create(&shop).with("X-Client-Secret", &shop.widget_secret).json(&wish("5")).at(server.at).await;
    assert_eq!((shut.status, shut.problem().as_str()), (400, "validation_failed"), "{shut:?}");
}
