//! Every route with every credential, for one's own, another's and what does not exist. The routes are those of
//! `/openapi.json`: a new one has no line here and fails the walk.

use serde_json::{Value, json};

use crate::asking::{Answer, Ask};
use crate::credentials::{Owner, deposit_id, payment};
use crate::server::{Server, wish};

/// What a route is about, and so whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thing {
    Business,
    Widget,
    Session,
    Endpoint,
    Delivery,
    Deposit,
    /// Whoever asks, and nothing besides.
    Caller,
}

/// A route, and what is good for it besides the business's token.
struct Row {
    method: &'static str,
    path: &'static str,
    thing: Thing,
    widget_secret: bool,
    session_secret: bool,
    ticket: bool,
}

const fn row(method: &'static str, path: &'static str, thing: Thing) -> Row {
    Row { method, path, thing, widget_secret: false, session_secret: false, ticket: false }
}

/// In how many ways the same refusal is told.
const DIALECTS: usize = 2;

const ROWS: &[Row] = &[
    Row { widget_secret: true, ..row("post", "/api/v1/widgets/{widgetId}/create-session", Thing::Widget) },
    row("get", "/api/v1/widgets/{widgetId}/deposit-sessions", Thing::Widget),
    Row { widget_secret: true, ..row("get", "/api/v1/widgets/{widgetId}/config", Thing::Widget) },
    Row { session_secret: true, ..row("get", "/api/v1/widgets/deposit-sessions/{sessionId}", Thing::Session) },
    Row {
        session_secret: true,
        ..row("post", "/api/v1/widgets/deposit-sessions/{sessionId}/cancel-session", Thing::Session)
    },
    Row {
        session_secret: true,
        ..row("post", "/api/v1/widgets/deposit-sessions/{sessionId}/events-ticket", Thing::Session)
    },
    Row {
        session_secret: true,
        ticket: true,
        ..row("get", "/api/v1/widgets/deposit-sessions/{sessionId}/events", Thing::Session)
    },
    row("post", "/api/v1/businesses/{businessId}/widgets/create-widget", Thing::Business),
    row("get", "/api/v1/businesses/{businessId}/webhook-endpoints", Thing::Business),
    row("post", "/api/v1/businesses/{businessId}/webhook-endpoints", Thing::Business),
    row("get", "/api/v1/webhook-endpoints/{endpointId}", Thing::Endpoint),
    row("post", "/api/v1/webhook-endpoints/{endpointId}/disable", Thing::Endpoint),
    row("post", "/api/v1/webhook-endpoints/{endpointId}/enable", Thing::Endpoint),
    row("post", "/api/v1/webhook-endpoints/{endpointId}/rotate-secret", Thing::Endpoint),
    row("get", "/api/v1/businesses/{businessId}/webhook-deliveries", Thing::Business),
    row("get", "/api/v1/webhook-deliveries/{deliveryId}", Thing::Delivery),
    row("post", "/api/v1/webhook-deliveries/{deliveryId}/retry", Thing::Delivery),
    row("post", "/v1/widget/sessions", Thing::Caller),
    row("get", "/v1/deposits/{depositId}", Thing::Deposit),
];

impl Thing {
    fn of(self, owner: &Owner) -> &str {
        match self {
            Thing::Business => &owner.business,
            Thing::Widget => &owner.widget,
            Thing::Session => &owner.session,
            Thing::Endpoint => &owner.endpoint,
            Thing::Delivery => &owner.delivery,
            Thing::Deposit => &owner.deposit,
            Thing::Caller => "",
        }
    }

    /// Ids that look like some and belong to nobody, and what is no id at all.
    fn strange(self) -> Vec<String> {
        let prefix = match self {
            Thing::Business => "biz_",
            Thing::Widget => "wid_",
            Thing::Session => "dep_",
            Thing::Endpoint => "we_",
            Thing::Delivery => "whd_",
            Thing::Deposit => "00000000-0000-4000-8000-",
            Thing::Caller => "",
        };
        let none = ["%00", "%ff", "..%2f..", "'%20OR%20'1'='1", "%0d%0aX-Evil:1", "%F0%9F%92%A9", "null", "*"];
        let long = "x".repeat(4_000);
        let ids = none.into_iter().chain([long.as_str()]).map(str::to_owned);
        [format!("{prefix}{:032x}", 7)].into_iter().chain(ids).collect()
    }
}

impl Row {
    fn ask(&self, id: &str) -> Ask {
        let path = match self.path.split_once('{') {
            Some((before, rest)) => format!("{before}{id}{}", rest.split_once('}').unwrap().1),
            None => self.path.to_owned(),
        };
        let ask = Ask::new(&self.method.to_uppercase(), &path).with("X-Request-Id", "walk");
        match self.path.rsplit('/').next().unwrap() {
            "sessions" => ask.json(&payment(&deposit_id())),
            "create-session" => ask.json(&wish("10")),
            "create-widget" => ask.json(&json!({ "name": "x", "mode": "CUSTOMER_AMOUNT" })),
            "webhook-endpoints" if self.method == "post" => ask.json(&json!({ "url": "https://shop.example.com/x" })),
            _ => ask,
        }
    }
}

/// The documented statuses of a route.
fn documented(description: &Value, row: &Row) -> Vec<u16> {
    let responses = description["paths"][row.path][row.method]["responses"].as_object().unwrap();
    responses.keys().map(|status| status.parse().unwrap()).collect()
}

/// The credential was good and the thing the caller's own; what was asked may still be impossible by now.
fn is_let_in(answer: &Answer, documented: &[u16], what: &str) {
    assert!(![401, 404].contains(&answer.status) && answer.status < 500, "{what}: {answer:?}");
    assert!(documented.contains(&answer.status), "{what}: {} is not documented", answer.status);
}

struct Scene {
    server: Server,
    shop: Owner,
    rival: Owner,
    closed: Owner,
    description: Value,
}

async fn scene() -> Scene {
    let server = Server::start().await;
    let shop = Owner::settle(&server, "shop", "0x70997970C51812dc3A010C7d01b50e0d17dc79C8").await;
    let rival = Owner::settle(&server, "rival", "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC").await;
    let closed = Owner::settle(&server, "closed", "0x90F79bf6EB2c4f870365E785982E1f101E93b906").await;
    let id = deposit_watcher::domain::BusinessId("closed".to_owned());
    server.office.set_business_disabled(&id, true).await.unwrap();
    let description = Ask::get("/openapi.json").at(server.at).await.json();
    Scene { server, shop, rival, closed, description }
}

#[tokio::test]
async fn the_walk_knows_every_route() {
    let Scene { description, .. } = scene().await;
    let mut there = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        there.extend(item.as_object().unwrap().keys().map(|method| format!("{method} {path}")));
    }
    let mut known: Vec<String> = ROWS.iter().map(|row| format!("{} {}", row.method, row.path)).collect();
    there.sort_unstable();
    known.sort_unstable();
    assert_eq!(there, known, "a route is not walked");
    for row in ROWS {
        // What the description promises is what is tested here.
        let schemes = description["paths"][row.path][row.method]["security"].as_array().unwrap();
        let named = |name: &str| schemes.iter().any(|scheme| scheme.get(name).is_some());
        let told = [named("token"), named("widgetSecret"), named("sessionSecret"), named("ticket")];
        assert_eq!(told, [true, row.widget_secret, row.session_secret, row.ticket], "{} {}", row.method, row.path);
    }
}

#[tokio::test]
async fn what_proves_nothing_is_401_and_never_says_why() {
    let Scene { server, shop, rival, closed, .. } = scene().await;
    let mut bad: Vec<(String, Vec<(&str, String)>)> = vec![("nothing".to_owned(), vec![])];
    let bearer = |token: String| vec![("Authorization", token)];
    let secret = |secret: String| vec![("X-Client-Secret", secret)];
    bad.extend(shop.bad_tokens().into_iter().map(|(name, token)| (name.to_owned(), bearer(token))));
    bad.push(("disabled key".to_owned(), bearer(shop.disabled_key(&server).await)));
    bad.push(("disabled business".to_owned(), bearer(closed.bearer())));
    bad.push(("disabled business, EdDSA".to_owned(), bearer(closed.bearer_ed())));
    bad.push(("two tokens".to_owned(), [bearer(shop.bearer()), bearer(shop.bearer())].concat()));
    bad.push(("expired secret".to_owned(), secret(shop.old_widget_secret.clone())));
    bad.push(("another widget's secret".to_owned(), secret(rival.widget_secret.clone())));
    bad.push(("another session's secret".to_owned(), secret(rival.session_secret.clone())));
    bad.push(("no secret".to_owned(), secret("ws_x".to_owned())));
    bad.push(("empty secret".to_owned(), secret(String::new())));
    let two = [secret(shop.widget_secret.clone()), secret(shop.session_secret.clone())].concat();
    bad.push(("two secrets".to_owned(), two));
    let shadowed = [bearer("Bearer x".to_owned()), secret(shop.session_secret.clone())].concat();
    bad.push(("a bad token before a good secret".to_owned(), shadowed));
    let mut bodies = std::collections::BTreeSet::new();
    for row in ROWS {
        let mut ids = vec![row.thing.of(&shop).to_owned(), row.thing.of(&closed).to_owned()];
        ids.extend(row.thing.strange());
        for (name, headers) in &bad {
            // What is no id is asked for by nobody and by a forger: the rest would only take time.
            let ids = if ["nothing", "tampered"].contains(&name.as_str()) { &ids[..] } else { &ids[..3] };
            for id in ids {
                let ask = headers.iter().fold(row.ask(id), |ask, (header, value)| ask.with(header, value));
                let answer = ask.at(server.at).await;
                let what = format!("{name}: {} {id:.60}", row.path);
                assert_eq!((answer.status, answer.problem().as_str()), (401, "unauthorized"), "{what} {answer:?}");
                assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{what}");
                bodies.insert(answer.body);
            }
        }
    }
    assert_eq!(bodies.len(), DIALECTS, "401 says more to some than to others: {bodies:#?}");
    server.is_content();
}

#[tokio::test]
async fn a_token_opens_what_is_its_business_s_own_and_all_else_does_not_exist() {
    let Scene { server, shop, rival, closed, description } = scene().await;
    let mut bodies = std::collections::BTreeSet::new();
    for row in ROWS {
        let documented = documented(&description, row);
        for bearer in [shop.bearer(), shop.bearer_ed()] {
            let what = format!("{} {}", row.method, row.path);
            let own = row.ask(row.thing.of(&shop)).with("Authorization", &bearer).at(server.at).await;
            is_let_in(&own, &documented, &what);
            let mut others = vec![row.thing.of(&rival).to_owned(), row.thing.of(&closed).to_owned()];
            others.extend(row.thing.strange());
            if row.thing == Thing::Caller {
                continue;
            }
            for id in others {
                let answer = row.ask(&id).with("Authorization", &bearer).at(server.at).await;
                if row.thing == Thing::Deposit {
                    assert_eq!((answer.status, answer.body.as_str()), (200, "[]"), "{what} {id:.60} {answer:?}");
                    continue;
                }
                assert_eq!(
                    (answer.status, answer.problem().as_str()),
                    (404, "not_found"),
                    "{what} {id:.60} {answer:?}"
                );
                // Which routes pages may reach is no secret.
                let told = |line: &&str| !line.starts_with("date: ") && !line.starts_with("access-control-");
                bodies.insert((answer.head.lines().filter(told).collect::<Vec<_>>().join("\n"), answer.body));
            }
        }
    }
    assert_eq!(bodies.len(), 1, "404 tells what exists from what does not: {bodies:#?}");
    let state = "SELECT payment_status FROM deposit_sessions WHERE id = $1";
    let untouched: String = sqlx::query_scalar(state).bind(&rival.session).fetch_one(&server.pool).await.unwrap();
    assert_eq!(untouched, "CREATED");
    server.is_content();
}

#[tokio::test]
async fn a_secret_opens_its_own_thing_and_what_was_told_to_take_it() {
    let Scene { server, shop, rival, closed, description } = scene().await;
    for row in ROWS {
        let documented = documented(&description, row);
        let what = format!("{} {}", row.method, row.path);
        let own = row.thing.of(&shop);
        let ask = |id: &str, secret: &str| row.ask(id).with("X-Client-Secret", secret);
        for (secret, good) in [(&shop.widget_secret, row.widget_secret), (&shop.session_secret, row.session_secret)] {
            let answer = ask(own, secret).at(server.at).await;
            match good {
                true => is_let_in(&answer, &documented, &what),
                false => assert_eq!(answer.status, 401, "{what} {answer:?}"),
            }
            for id in
                [row.thing.of(&rival), row.thing.of(&closed)].map(str::to_owned).into_iter().chain(row.thing.strange())
            {
                assert_eq!(ask(&id, secret).at(server.at).await.status, 401, "{what} {id:.60}");
            }
        }
        for secret in [&closed.widget_secret, &closed.session_secret] {
            let answer = ask(row.thing.of(&closed), secret).at(server.at).await;
            assert_eq!((answer.status, answer.problem().as_str()), (401, "unauthorized"), "closed: {what} {answer:?}");
        }
        let with_ticket = async |id: &str, ticket: String| {
            let mut ask = row.ask(id);
            ask.path = format!("{}?ticket={ticket}", ask.path);
            ask.at(server.at).await
        };
        let answer = with_ticket(own, shop.ticket(&server).await).await;
        match row.ticket {
            true => is_let_in(&answer, &documented, &what),
            false => assert_eq!(answer.status, 401, "{what} {answer:?}"),
        }
        for id in [row.thing.of(&rival), row.thing.of(&closed), "dep_none", "%00"] {
            assert_eq!(with_ticket(id, shop.ticket(&server).await).await.status, 401, "{what} {id}");
        }
        assert_eq!(with_ticket(row.thing.of(&closed), closed.ticket(&server).await).await.status, 401, "{what}");
    }
    server.is_content();
}
