//! Businesses, widgets and API keys from the command line: made, listed, ended; secrets shown once and nowhere else.

use serde_json::Value;

use super::program::{Ended, MIGRATIONS, Program};
use super::support::Database;

const KEY: &str = "api.sealing_key=0707070707070707070707070707070707070707070707070707070707070707";
const PEM: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
const TO: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

async fn ready() -> (Database, Program) {
    let database = Database::create(&MIGRATIONS).await;
    let program = Program::at(&database.url());
    (database, program)
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}")).to_owned()
}

#[tokio::test]
async fn a_business_is_made_listed_closed_and_opened_again() {
    let (_database, program) = ready().await;
    let made = program.json(&["businesses", "create", "shop", "--name", "The shop"]);
    assert_eq!((&made["id"], &made["name"], &made["disabled_at"]), (&"shop".into(), &"The shop".into(), &Value::Null));
    let random = program.json(&words("businesses create --name two"));
    assert!(text(&random, "id").starts_with("biz_") && text(&random, "id").len() == 36);
    assert_eq!(program.json(&words("businesses create third --name three"))["id"], "third");
    let listed = program.json(&words("businesses list"));
    let ids: Vec<&str> = listed.as_array().unwrap().iter().map(|line| line["id"].as_str().unwrap()).collect();
    assert_eq!((ids.len(), ids[0]), (4, "default"));
    assert!(program.json(&words("businesses disable shop"))["disabled_at"].is_string());
    assert!(program.json(&words("businesses enable shop"))["disabled_at"].is_null());
    assert!(program.ok(&words("businesses list --output csv")).starts_with("id,name,created_at,disabled_at\r\n"));
    assert!(program.run(&words("businesses create shop --name x")).reason(2).contains("ID: is another business's"));
    assert!(program.run(&words("businesses create Shop --name x")).reason(2).contains("ID: must be 1 to 64"));
    assert!(program.run(&["businesses", "create", "--name", "a\nb"]).reason(2).contains("--name: must not hold"));
    assert!(program.run(&words("businesses disable shp")).reason(2).contains("did you mean shop?"));
}

#[tokio::test]
async fn a_widget_takes_every_flag_and_tells_every_fault() {
    let (_database, program) = ready().await;
    program.ok(&words("businesses create shop --name shop"));
    program.file("schema.json", r#"{ "type": "object", "required": ["order"] }"#);
    let flags = format!(
        "widgets create --business shop --name checkout --min 1.50 --max 500 --network anvil --currency USDC --address {TO} \
         --address 0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC --domain shop.example.com --domain b.example \
         --success-url https://shop.example.com/thanks --cancel-url https://shop.example.com/back --default-currency USDC \
         --default-currency-address 0x5FbDB2315678afecb367f032d93F642f64180aa3 --default-network anvil \
         --default-address {TO} --metadata-schema schema.json"
    );
    let made = program.json(&words(&flags));
    assert_eq!((&made["business_id"], &made["mode"]), (&"shop".into(), &"CUSTOMER_AMOUNT".into()));
    assert_eq!((&made["min_amount"], &made["max_amount"]), (&"1.5".into(), &"500".into()));
    assert_eq!(made["allowed_deposit_addresses"].as_array().unwrap().len(), 2);
    assert_eq!(made["metadata_schema"]["required"][0], "order");
    let id = text(&made, "id");
    assert!(text(&made, "secret").starts_with("ws_"));
    let mut shown = made.clone();
    shown.as_object_mut().unwrap().remove("secret");
    assert_eq!(program.json(&["widgets", "show", &id]), shown);
    assert_eq!(program.json(&words("widgets list --business shop"))[0], shown);
    assert_eq!(program.json(&words("widgets list --business default")), Value::Array(vec![]));
    let wrong = words(
        "widgets create --business shop --name checkout --mode FIXED_AMOUNT --min 1 --max x --network anvl --network anvil --address 0x12 \
         --domain https://x --success-url ftp://x --default-network polygon",
    );
    let ended = program.run(&wrong);
    ended.reason(2);
    let flags = ["--max: ", "--min: ", "--network (1.): ", "--address (1.): ", "--domain (1.): ", "--success-url: "];
    for flag in flags.iter().chain(&["--default-network: "]) {
        assert!(ended.stderr.contains(flag), "{flag} {ended:?}");
    }
    assert_eq!((ended.stderr.lines().count(), ended.stdout.as_str()), (7, ""), "{ended:?}");
    assert!(program.run(&words("widgets create --business shp --name x")).reason(2).contains("did you mean shop?"));
    let no_file = program.run(&words("widgets create --business shop --name x --metadata-schema none.json")).reason(2);
    assert!(no_file.starts_with("--metadata-schema: none.json cannot be read"), "{no_file}");
    program.file("bad.json", "{");
    assert!(
        program
            .run(&words("widgets create --business shop --name x --metadata-schema bad.json"))
            .reason(2)
            .contains("no JSON")
    );
    assert!(program.run(&words("widgets show wid_none")).reason(1).contains("`deposit-watcher widgets list`"));
    assert!(
        program.run(&words("widgets list --business nobody")).reason(2).contains("there is no business \"nobody\"")
    );
}

#[tokio::test]
async fn a_widget_is_closed_opened_and_given_another_secret() {
    let (_database, program) = ready().await;
    let made = program.json(&words("widgets create --name w"));
    assert_eq!(made["business_id"], "default");
    let id = text(&made, "id");
    assert!(program.json(&["widgets", "disable", &id])["disabled_at"].is_string());
    assert!(program.json(&["widgets", "enable", &id])["disabled_at"].is_null());
    let rotated = program.json(&["widgets", "rotate", &id]);
    assert!(rotated["id"] == id.as_str() && rotated["secret"] != made["secret"]);
    for _ in 1..10 {
        program.ok(&words("widgets create --name w"));
    }
    let eleventh = program.run(&words("widgets create --name w")).reason(1);
    assert!(eleventh.contains("10 active widgets") && eleventh.contains("widgets disable"), "{eleventh}");
}

#[tokio::test]
async fn a_key_is_made_rotated_and_ended() {
    let (_database, program) = ready().await;
    program.file("public.pem", PEM);
    program.file("private.pem", "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----\n");
    let made = program.json(&["api-keys", "create", "--business", "default", "--name", "server", "--set", KEY]);
    let id = text(&made, "id");
    assert!(id.starts_with("key_") && text(&made, "secret").starts_with("sk_"), "{made}");
    assert_eq!((&made["algorithm"], &made["expires_at"]), (&"HS256".into(), &Value::Null));
    // A public key needs no sealing key, for there is nothing to keep.
    let public = program.json(&words("api-keys create --business default --name eddsa --public-key public.pem"));
    assert_eq!((&public["algorithm"], public.get("secret")), (&"EdDSA".into(), None));
    let rotated = program.json(&["api-keys", "rotate", &id, "--set", KEY]);
    assert!(rotated["name"] == "server" && rotated["id"] != made["id"] && rotated["secret"] != made["secret"]);
    let listed = program.json(&words("api-keys list --business default"));
    let of = |id: &str| listed.as_array().unwrap().iter().find(|line| line["id"] == id).unwrap().clone();
    assert!(of(&id)["expires_at"].is_string() && of(&text(&rotated, "id"))["expires_at"].is_null());
    let eddsa = text(&public, "id");
    assert!(program.run(&["api-keys", "rotate", &eddsa]).reason(2).starts_with("--public-key: must be given"));
    assert_eq!(program.json(&["api-keys", "rotate", &eddsa, "--public-key", "public.pem"])["algorithm"], "EdDSA");
    let mixed = program.run(&["api-keys", "rotate", &id, "--public-key", "public.pem"]).reason(2);
    assert!(mixed.starts_with("--public-key: does not fit"), "{mixed}");
    let widget = text(&program.json(&words("widgets create --name pay")), "id");
    let bound = program.json(&["api-keys", "create", "--name", "pay", "--widget", &widget, "--set", KEY]);
    assert_eq!((&bound["widget_id"], &made["widget_id"]), (&widget.as_str().into(), &Value::Null));
    let again = program.json(&["api-keys", "rotate", &text(&bound, "id"), "--set", KEY]);
    assert_eq!(again["widget_id"], widget.as_str());
    assert!(program.ok(&words("api-keys list")).contains(&widget));
    program.ok(&words("businesses create rival --name rival"));
    for (business, id) in [("rival", widget.as_str()), ("default", "wid_none")] {
        let command = ["api-keys", "create", "--business", business, "--name", "x", "--widget", id, "--set", KEY];
        assert_eq!(program.run(&command).reason(2), "--widget: is no widget of this business");
    }
    assert!(program.json(&["api-keys", "disable", &id])["disabled_at"].is_string());
    assert!(program.run(&["api-keys", "rotate", &id, "--set", KEY]).reason(2).contains("disabled or expired"));
    let private = program.run(&words("api-keys create --name x --public-key private.pem")).reason(2);
    assert!(private.contains("private key"), "{private}");
    assert!(
        program
            .run(&["api-keys", "create", "--business", "nobody", "--name", "x", "--set", KEY])
            .reason(2)
            .contains("no business")
    );
    assert!(program.run(&words("api-keys disable key_none")).reason(1).contains("`deposit-watcher api-keys list`"));
}

#[tokio::test]
async fn without_a_sealing_key_no_secret_is_made_and_the_cure_is_told() {
    let (_database, program) = ready().await;
    let ended = program.run(&words("api-keys create --name x"));
    let reason = ended.reason(78);
    assert!(
        reason.contains("openssl rand -hex 32") && reason.contains("DEPOSIT_WATCHER__API__SEALING_KEY"),
        "{reason}"
    );
    assert_eq!(ended.stdout, "");
    let same = program.run(&words("webhooks create --url https://shop.example/hooks")).reason(78);
    assert_eq!(same, reason);
    assert_eq!(program.json(&words("api-keys list")), Value::Array(vec![]));
}

/// Shown when it is made, on stdout, in each output; never again, and never in a log.
#[tokio::test]
async fn a_secret_is_shown_once() {
    let (_database, program) = ready().await;
    let mut secrets = Vec::new();
    let mut rest = String::new();
    let log = ["--set", KEY];
    let mut make = |line: &str, begins: &str, shape: &str| {
        let command = [&words(line)[..], &log, &["--output", shape]].concat();
        let ended = Ended::from(program.command(&command).env("RUST_LOG", "trace").output().unwrap());
        assert_eq!(ended.code, 0, "{ended:?}");
        let at = ended.stdout.find(begins).unwrap_or_else(|| panic!("{line}: {ended:?}"));
        let secret: String =
            ended.stdout[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || "_-".contains(*c)).collect();
        assert!(secret.len() == 46 && ended.stdout.matches(&secret).count() == 1, "{ended:?}");
        rest += &ended.stderr;
        secrets.push(secret);
    };
    for shape in ["text", "json", "csv"] {
        make("widgets create --name w", "ws_", shape);
        make("api-keys create --name k", "sk_", shape);
    }
    let listed = program.json(&words("widgets list"));
    make(&format!("widgets rotate {}", text(&listed[0], "id")), "ws_", "text");
    let keys = program.json(&words("api-keys list"));
    make(&format!("api-keys rotate {}", text(&keys[0], "id")), "sk_", "text");
    for shape in ["text", "json", "csv"] {
        for list in ["widgets list", "api-keys list", "businesses list"] {
            rest += &program.ok(&[&words(list)[..], &["--output", shape]].concat());
        }
        rest += &program.ok(&["widgets", "show", &text(&listed[0], "id"), "--output", shape]);
    }
    for secret in secrets.iter().map(String::as_str).chain([&KEY[16..]]) {
        assert!(!rest.contains(secret), "{secret} was shown again");
    }
}

#[test]
fn every_command_has_its_example() {
    let program = Program::at("postgres://nobody@127.0.0.1:1/none");
    for line in [
        "businesses create",
        "businesses list",
        "businesses disable",
        "businesses enable",
        "widgets create",
        "widgets list",
        "widgets show",
        "widgets disable",
        "widgets enable",
        "widgets rotate",
        "api-keys create",
        "api-keys list",
        "api-keys disable",
        "api-keys rotate",
    ] {
        let help = program.ok(&[&words(line)[..], &["--help"]].concat());
        assert!(
            help.contains(&format!("Example:\n  deposit-watcher {line}")) || help.contains("Example:\n  "),
            "{help}"
        );
    }
    program.run(&words("widgets create a --business b --name x")).stdout.is_empty().then_some(()).unwrap();
    assert_eq!(program.run(&words("widgets create a --business b --name x")).code, 2);
}
