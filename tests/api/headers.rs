//! What every answer carries, whatever it answers: a name, no store, no sniffing; and what pages of others may do.

use serde_json::json;

use crate::asking::Ask;
use crate::credentials::Owner;
use crate::server::Server;

#[tokio::test]
async fn every_answer_is_named_not_stored_and_not_sniffed() {
    let server = Server::start().await;
    for (ask, status) in [
        (Ask::get("/livez"), 200),
        (Ask::get("/readyz"), 200),
        (Ask::get("/openapi.json"), 200),
        (Ask::get("/"), 404),
        (Ask::get("/api/v1/nothing"), 404),
        (Ask::get("/v1/nothing"), 404),
        (Ask::get("/v1/deposits/x"), 401),
        (Ask::new("DELETE", "/v1/deposits/x"), 405),
        (Ask::get("/api/v1/widgets//config"), 401),
        (Ask::get("/api/v1/widgets/x/config/"), 404),
        (Ask::post("/livez"), 405),
        (Ask::new("DELETE", "/api/v1/widgets/x/config"), 405),
        (Ask::new("PUT", "/api/v1/businesses/x/webhook-endpoints"), 405),
        (Ask::new("TRACE", "/openapi.json"), 405),
        (Ask::new("QUERY", "/openapi.json"), 405),
        (Ask::new("OPTIONS", "/api/v1/webhook-endpoints/x"), 405),
        (Ask::get("/api/v1/widgets/x/config"), 401),
        (Ask::new("HEAD", "/api/v1/widgets/x/config"), 401),
        (Ask::new("HEAD", "/openapi.json"), 200),
    ] {
        let what = format!("{} {}", ask.method, ask.path);
        let answer = ask.clone().with("X-Request-Id", "my.name_1-").at(server.at).await;
        assert_eq!(answer.status, status, "{what} {answer:?}");
        assert_eq!(answer.header("x-request-id"), Some("my.name_1-"), "{what}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{what}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{what}");
        if status >= 400 && ask.method != "HEAD" {
            answer.problem();
        }
        if status == 405 {
            assert!(answer.header("allow").is_some_and(|allow| allow.contains("GET")), "{what} {answer:?}");
        }
        let unnamed = ask.at(server.at).await;
        assert!(unnamed.header("x-request-id").unwrap().starts_with("req_"), "{unnamed:?}");
    }
    for name in ["a b", "é", "<script>", &"x".repeat(65), ""] {
        let answer = Ask::get("/livez").with("X-Request-Id", name).at(server.at).await;
        assert!(answer.header("x-request-id").unwrap().starts_with("req_"), "{name} {answer:?}");
    }
    server.is_content();
}

#[tokio::test]
async fn pages_of_others_reach_what_a_customer_needs_and_no_more() {
    let server = Server::start().await;
    let shop = Owner::settle(&server, "shop", "0x70997970C51812dc3A010C7d01b50e0d17dc79C8").await;
    let session = format!("/api/v1/widgets/deposit-sessions/{}", shop.session);
    for (method, path, open) in [
        ("GET", format!("/api/v1/widgets/{}/config", shop.widget), true),
        ("POST", format!("/api/v1/widgets/{}/create-session", shop.widget), true),
        ("GET", session.clone(), true),
        ("POST", format!("{session}/cancel-session"), true),
        ("POST", format!("{session}/events-ticket"), true),
        ("GET", format!("{session}/events"), true),
        ("POST", "/api/v1/businesses/shop/widgets/create-widget".to_owned(), false),
        ("GET", "/api/v1/businesses/shop/webhook-endpoints".to_owned(), false),
        ("GET", format!("/api/v1/webhook-endpoints/{}", shop.endpoint), false),
        ("POST", format!("/api/v1/webhook-deliveries/{}/retry", shop.delivery), false),
    ] {
        let origin = |ask: Ask| ask.with("Origin", "https://evil.example");
        let preflight = origin(Ask::new("OPTIONS", &path)).with("Access-Control-Request-Method", method);
        let preflight =
            preflight.with("Access-Control-Request-Headers", "x-client-secret, content-type").at(server.at).await;
        let answer = origin(Ask::new(method, &path)).at(server.at).await;
        assert_eq!(answer.status, 401, "{path}");
        let allowed = open.then_some("*");
        assert_eq!(preflight.header("access-control-allow-origin"), allowed, "{path} {preflight:?}");
        assert_eq!(answer.header("access-control-allow-origin"), allowed, "{path}");
        assert_eq!(answer.header("access-control-allow-credentials"), None, "{path}");
        if open {
            assert_eq!(preflight.status, 204, "{path}");
            assert!(preflight.header("access-control-allow-methods").unwrap().contains(method), "{path}");
            let headers = preflight.header("access-control-allow-headers").unwrap().to_lowercase();
            assert!(["x-client-secret", "content-type", "idempotency-key"].iter().all(|name| headers.contains(name)));
        }
    }
}

#[tokio::test]
async fn no_secret_and_no_path_reaches_the_log_and_requests_are_counted() {
    let server = Server::start().await;
    let shop = Owner::settle(&server, "shop", "0x70997970C51812dc3A010C7d01b50e0d17dc79C8").await;
    let config = format!("/api/v1/widgets/{}/config", shop.widget);
    Ask::get(&config).with("X-Client-Secret", "ws_canary").at(server.at).await;
    Ask::get(&config).with("Authorization", "Bearer canary.canary.canary").at(server.at).await;
    Ask::get(&config).with("Authorization", &shop.bearer()).at(server.at).await;
    Ask::get(&config).with("X-Client-Secret", &shop.widget_secret).at(server.at).await;
    let events = format!("/api/v1/widgets/deposit-sessions/{}/events?ticket=et_canary", shop.session);
    Ask::get(&events).at(server.at).await;
    Ask::get("/canary/path?canary=1").with("X-Request-Id", "named").at(server.at).await;
    Ask::new("CANARY", "/livez").at(server.at).await;
    let mut bad = shop.bearer();
    bad.truncate(bad.len() - 3);
    Ask::get(&config).with("Authorization", &bad).at(server.at).await;
    let log = server.log();
    let token = shop.bearer();
    let signature = token.rsplit('.').next().unwrap();
    for secret in ["canary", "CANARY", &shop.widget_secret, &shop.session_secret, &shop.key.1, signature] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    let named = server.lines().into_iter().find(|line| line["request"] == "named").unwrap();
    assert_eq!(named["status"], json!(404), "{named}");
    let routes: Vec<String> =
        server.lines().iter().filter_map(|line| line["route"].as_str().map(str::to_owned)).collect();
    assert!(routes.iter().any(|route| route.contains("/api/v1/widgets/{widgetId}/config")), "{routes:?}");
    let metrics = Ask::get("/metrics").at(server.admin).await.body;
    for line in
        ["deposit_watcher_http_requests_total{method=\"other\",status=\"405\"} 1", "deposit_watcher_event_streams 0"]
    {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    assert!(metrics.contains("deposit_watcher_http_request_duration_seconds_bucket{method=\"GET\""), "{metrics}");
    assert!(!metrics.to_lowercase().contains("canary"));
}
