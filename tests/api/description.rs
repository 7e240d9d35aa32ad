//! `/openapi.json` says what is: the version, the shapes of answers, and no answer that it does not tell of. The whole of
//! it is tried by schemathesis in `tests/debian`.

use serde_json::Value;

use crate::asking::Ask;
use crate::credentials::{Owner, deposit_id, payment};
use crate::server::{Server, wish};

#[tokio::test]
async fn it_is_openapi_3_1_and_refers_to_what_there_is() {
    let server = Server::start().await;
    let answer = Ask::get("/openapi.json").at(server.at).await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let document = answer.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    for reference in references(&document) {
        let path = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(path).is_some(), "{reference} leads nowhere");
    }
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let responses = operation["responses"].as_object().unwrap();
            let told = |status: &str| responses.contains_key(status);
            let common = ["400", "401", "429", "500", "503"];
            assert!(common.iter().all(|status| told(status)), "{method} {path} {:?}", responses.keys());
            // Below /v1 nothing is asked for that could be missing: a list is empty then.
            assert_eq!(told("404"), !path.starts_with("/v1/"), "{method} {path}");
            let body = operation.get("requestBody").is_some();
            for status in ["408", "413", "415"] {
                assert_eq!(told(status), body, "{method} {path} {status}");
            }
        }
    }
}

fn references(value: &Value) -> Vec<String> {
    match value {
        Value::Object(object) => {
            let own = object.get("$ref").and_then(Value::as_str).map(str::to_owned);
            own.into_iter().chain(object.values().flat_map(references)).collect()
        }
        Value::Array(list) => list.iter().flat_map(references).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// The properties of a component, those of its parts included, and which of them always are there.
fn properties(document: &Value, name: &str) -> (Vec<String>, Vec<String>) {
    let schema = &document["components"]["schemas"][name];
    let mut parts = vec![schema.clone()];
    parts.extend(schema["allOf"].as_array().cloned().unwrap_or_default());
    let (mut all, mut required) = (Vec::new(), Vec::new());
    for part in parts {
        let part = match part["$ref"].as_str() {
            Some(reference) => document.pointer(reference.strip_prefix('#').unwrap()).unwrap().clone(),
            None => part,
        };
        all.extend(part["properties"].as_object().into_iter().flat_map(|object| object.keys().cloned()));
        let names = part["required"].as_array().cloned().unwrap_or_default();
        required.extend(names.iter().map(|name| name.as_str().unwrap().to_owned()));
    }
    all.sort_unstable();
    required.sort_unstable();
    (all, required)
}

#[tokio::test]
async fn answers_hold_the_fields_it_tells_of_and_no_others() {
    let server = Server::start().await;
    let shop = Owner::settle(&server, "shop", "0x70997970C51812dc3A010C7d01b50e0d17dc79C8").await;
    let document = Ask::get("/openapi.json").at(server.at).await.json();
    for (method, path, status) in [
        ("get", "/api/v1/widgets/deposit-sessions/{sessionId}", "200"),
        ("get", "/api/v1/widgets/{widgetId}/config", "200"),
        ("post", "/api/v1/widgets/{widgetId}/create-session", "201"),
        ("post", "/api/v1/widgets/deposit-sessions/{sessionId}/events-ticket", "201"),
        ("get", "/api/v1/webhook-endpoints/{endpointId}", "200"),
        ("post", "/api/v1/webhook-endpoints/{endpointId}/rotate-secret", "200"),
        ("get", "/api/v1/webhook-deliveries/{deliveryId}", "200"),
        ("get", "/api/v1/widgets/{widgetId}/deposit-sessions", "200"),
        ("post", "/v1/widget/sessions", "200"),
    ] {
        let schema = &document["paths"][path][method]["responses"][status]["content"]["application/json"]["schema"];
        let name = schema["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
        let real = path
            .replace("{sessionId}", &shop.session)
            .replace("{widgetId}", &shop.widget)
            .replace("{endpointId}", &shop.endpoint)
            .replace("{deliveryId}", &shop.delivery);
        let ask = Ask::new(&method.to_uppercase(), &real).with("Authorization", &shop.bearer());
        let ask = if path.ends_with("create-session") { ask.json(&wish("4")) } else { ask };
        let ask = if path.starts_with("/v1/") { ask.json(&payment(&deposit_id())) } else { ask };
        let answer = ask.at(server.at).await;
        assert_eq!(answer.status.to_string(), status, "{answer:?}");
        let mut shown: Vec<String> = answer.json().as_object().unwrap().keys().cloned().collect();
        shown.sort_unstable();
        let (all, required) = properties(&document, name);
        assert_eq!(shown, all, "{method} {path}");
        assert_eq!(required, all, "{method} {path}: what is always there is required");
    }
}
