//! What is deployed for Prometheus and Grafana, against the real thing: every rule and every panel gives data, alerts fire
//! when there is reason and clear when it is gone. Needs Debian's Prometheus, so `tests/debian/prometheus.sh` runs it.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use chrono::Utc;
use deposit_watcher::demo::Proxy;
use deposit_watcher::demo::guard::Guard;
use serde_json::Value;
use url::Url;

use crate::rig::{Chain, Rig, Shop, keep_secret, until};

const RULES: &str = "deploy/prometheus/rules/deposit-watcher.yml";
const DASHBOARDS: &str = "deploy/grafana/dashboards";
/// What rules look back over, and how long an alert waits, in a test that cannot wait an hour.
const WINDOW: &str = "20s";
const PATIENCE: &str = "2s";
/// Within what everything that is counted now and then was counted.
const DATA_WITHIN: Duration = Duration::from_secs(40);
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How old the chain is at first.
const OLD: u64 = 3_600;

fn texts(folder: &str) -> Vec<(String, String)> {
    let below = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let paths = fs::read_dir(below).unwrap().map(|entry| entry.unwrap().path());
    paths.map(|path| (path.display().to_string(), fs::read_to_string(path).unwrap())).collect()
}

/// The rules as deployed, but that a second is a minute: `for` and the ranges of counters shortened.
fn hurried() -> String {
    let rules = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(RULES)).unwrap();
    let line = |line: &str| match line.split_once("for: ") {
        Some((indent, _)) if indent.trim().is_empty() => format!("{indent}for: {PATIENCE}\n"),
        _ => {
            ["[5m]", "[1h]", "[3h]"]
                .iter()
                .fold(line.to_owned(), |line, range| line.replace(range, &format!("[{WINDOW}]")))
                + "\n"
        }
    };
    rules.lines().map(line).collect()
}

/// A Prometheus that scrapes one process and ends with this value.
struct Prometheus {
    guard: Guard,
    at: SocketAddr,
    client: reqwest::Client,
}

impl Prometheus {
    async fn start(target: SocketAddr) -> Prometheus {
        let mut guard = Guard::new(&std::env::temp_dir(), None, "TERM").unwrap();
        let config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\nrule_files: [rules.yml]\n\
             scrape_configs:\n  - job_name: deposit-watcher\n    static_configs: [{{targets: ['{target}']}}]\n"
        );
        fs::write(guard.folder().join("prometheus.yml"), config).unwrap();
        fs::write(guard.folder().join("rules.yml"), hurried()).unwrap();
        let at = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let listen = format!("--web.listen-address={at}");
        let words = ["prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data", &listen];
        guard.start(&words).unwrap();
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap();
        let prometheus = Prometheus { guard, at, client };
        until("Prometheus scrapes", async || {
            assert!(!prometheus.guard.exited(), "{}", prometheus.guard.log());
            (prometheus.values("up == 1").await.len() == 1).then_some(())
        })
        .await;
        prometheus
    }

    /// `data` of its answer; null while it does not answer yet.
    async fn ask(&self, path: &str, parameters: &[(&str, &str)]) -> Value {
        let url = Url::parse_with_params(&format!("http://{}/api/v1/{path}", self.at), parameters).unwrap();
        let Ok(answer) = self.client.get(url).send().await else { return Value::Null };
        // Before it is ready it says so in plain words.
        let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default();
        assert_ne!(answer["status"], "error", "{parameters:?}: {answer}");
        answer["data"].clone()
    }

    /// What an expression gives now.
    async fn values(&self, expr: &str) -> Vec<String> {
        let data = self.ask("query", &[("query", expr)]).await;
        let samples = data["result"].as_array().cloned().unwrap_or_default();
        samples.iter().map(|sample| sample["value"][1].as_str().unwrap().to_owned()).collect()
    }

    async fn is_firing(&self, alert: &str) -> bool {
        !self.values(&format!("ALERTS{{alertname=\"{alert}\",alertstate=\"firing\"}}")).await.is_empty()
    }

    async fn fire(&self, alerts: &[&str]) {
        for alert in alerts {
            let alert = format!("DepositWatcher{alert}");
            until(&format!("{alert} fires"), async || self.is_firing(&alert).await.then_some(())).await;
        }
    }

    async fn clear(&self, alerts: &[&str]) {
        for alert in alerts {
            let alert = format!("DepositWatcher{alert}");
            until(&format!("{alert} clears"), async || (!self.is_firing(&alert).await).then_some(())).await;
        }
    }
}

impl Prometheus {
    /// Waits until every rule and every panel gives data: sessions and deliveries are counted every ten seconds.
    async fn has_data(&self) {
        let begun = Instant::now();
        loop {
            let faults = [faults_of_rules(self).await, faults_of_dashboards(self).await].concat();
            if faults.is_empty() {
                return;
            }
            assert!(begun.elapsed() < DATA_WITHIN, "{faults:#?}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// The series that an expression reads: names of ours, each with its matchers.
fn selectors(expr: &str) -> Vec<String> {
    let name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let mut found = Vec::new();
    let mut rest = expr;
    while let Some(at) = rest.find("deposit_watcher_") {
        let begin = rest[..at].rfind(|c| !name(c)).map_or(0, |before| before + 1);
        let from = &rest[begin..];
        let end = from.find(|c| !name(c)).unwrap_or(from.len());
        let matchers = from[end..].strip_prefix('{').map_or(0, |inside| inside.find('}').unwrap() + 2);
        found.push(from[..end + matchers].to_owned());
        rest = &from[end + matchers..];
    }
    found
}

/// Why an expression of a rule is worth nothing, if so: an alert that does not fire gives nothing, but what it reads must
/// be there.
async fn faults_of_rules(prometheus: &Prometheus) -> Vec<String> {
    let mut faults = Vec::new();
    let rules = prometheus.ask("rules", &[]).await;
    let rules: Vec<&Value> =
        rules["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap()).collect();
    assert!(rules.len() > 40, "{rules:?}");
    for rule in rules {
        let (name, expr) = (rule["name"].as_str().unwrap(), rule["query"].as_str().unwrap());
        if rule["health"] != "ok" {
            faults.push(format!("{name} is {}: {}", rule["health"], rule["lastError"]));
        }
        if rule["type"] == "recording" && prometheus.values(name).await.is_empty() {
            faults.push(format!("{name} is recorded without data"));
        }
        for selector in selectors(expr) {
            if prometheus.values(&format!("count({selector})")).await.is_empty() {
                faults.push(format!("{name} reads {selector}, which is not there"));
            }
        }
    }
    faults
}

/// Every expression of a dashboard, variables included, as Grafana would ask it with everything chosen.
fn expressions(board: &Value) -> Vec<(String, String)> {
    let chosen = |expr: &str| {
        let all = [("$job", ".*"), ("$network", ".*"), ("$__rate_interval", "2m"), ("$__range", "5m")];
        all.iter().fold(expr.to_owned(), |expr, (variable, value)| expr.replace(variable, value))
    };
    let panels = board["panels"].as_array().unwrap().iter().flat_map(|panel| {
        let title = panel["title"].as_str().unwrap().to_owned();
        let targets = panel["targets"].as_array().cloned().unwrap_or_default();
        targets.into_iter().map(move |target| (title.clone(), chosen(target["expr"].as_str().unwrap())))
    });
    let variables = board["templating"]["list"].as_array().unwrap().iter().filter_map(|variable| {
        let (series, label) =
            variable["query"]["query"].as_str()?.strip_prefix("label_values(")?.strip_suffix(')')?.rsplit_once(", ")?;
        Some((variable["name"].as_str()?.to_owned(), chosen(&format!("count by ({label}) ({series})"))))
    });
    panels.chain(variables).collect()
}

/// Panels that show nothing, or nothing but NaN.
async fn faults_of_dashboards(prometheus: &Prometheus) -> Vec<String> {
    let (mut faults, mut count) = (Vec::new(), 0);
    for (board, text) in texts(DASHBOARDS) {
        for (title, expr) in expressions(&serde_json::from_str(&text).unwrap()) {
            let values = prometheus.values(&expr).await;
            if values.iter().all(|value| value == "NaN") {
                faults.push(format!("{board}: {title}: {expr} gives {values:?}"));
            }
            count += 1;
        }
    }
    assert!(count > 40, "{count}");
    faults
}

#[tokio::test]
#[ignore = "needs Debian's Prometheus: tests/debian/prometheus.sh runs it"]
async fn prometheus_has_data_for_all_of_it_and_alerts_come_and_go() {
    let begun = (u64::try_from(Utc::now().timestamp()).unwrap() - OLD).to_string();
    let (chain, shop) = (Chain::start_with(&["--timestamp", &begun]).await, Shop::open().await);
    let mut first = Proxy::start(chain.anvil.port()).await.unwrap();
    let mut second = Proxy::start(chain.anvil.port()).await.unwrap();
    let mut section = chain.section();
    (section.url, section.spare) = (first.url(), Some(second.url()));
    let rig = Rig::new(&[section]).await;
    let endpoint = rig.command(&["webhooks", "create", "--url", &shop.url(), "--output", "json"]).await;
    let endpoint: Value = serde_json::from_str(&endpoint.stdout).unwrap();
    let secret = endpoint["secret"].as_str().unwrap();
    shop.trust(secret);
    keep_secret(secret);
    let mut process = rig.run().await;
    process.is_ready().await;
    let prometheus = Prometheus::start(process.admin().await).await;

    // The chain's newest block is an hour old: either nobody makes blocks, or nobody tells.
    prometheus.fire(&["Watchdog", "HeadStale"]).await;
    prometheus.clear(&["Down", "LagHigh", "EndpointDown", "EveryEndpointDown", "NetworkUnworked"]).await;
    second.cut().await;
    first.cut().await;
    prometheus.fire(&["LagHigh", "EveryEndpointDown", "EndpointDown"]).await;
    first.mend().await.unwrap();
    prometheus.clear(&["EveryEndpointDown", "LagHigh"]).await;
    second.mend().await.unwrap();
    chain.evm.increase_time(OLD).await.unwrap();
    chain.evm.mine(1).await.unwrap();
    prometheus.clear(&["HeadStale"]).await;

    let [paid, reverted, waiting, nobodys] = [(); 4].map(|()| chain.address());
    for (id, to) in [("dep_paid", paid), ("dep_reverted", reverted), ("dep_waiting", waiting), ("dep_other", nobodys)] {
        rig.open(id, "5", &chain.usdc, to).await;
    }
    chain.pay(1, paid, 5).await;
    chain.pay(2, nobodys, 6).await;
    chain.evm.mine(8).await.unwrap();
    rig.becomes("dep_paid", "CONFIRMED").await;
    chain.pay(1, reverted, 5).await;
    chain.evm.mine(4).await.unwrap();
    rig.becomes("dep_reverted", "CONFIRMED").await;
    rig.scanned("anvil", &chain).await;
    prometheus.clear(&["ConfirmedDepositReverted", "EndpointDown"]).await;
    chain.evm.reorganise(5, &[]).await.unwrap();
    rig.becomes("dep_reverted", "PENDING").await;
    prometheus.fire(&["ConfirmedDepositReverted"]).await;
    shop.hears("deposit.reverted").await;

    let api = format!("http://{}/openapi.json", process.api().await);
    for _ in 0..5 {
        assert_eq!(prometheus.client.get(&api).send().await.unwrap().status(), 200);
    }
    prometheus.has_data().await;
    prometheus.clear(&["ConfirmedDepositReverted"]).await;

    process.terminate().await;
    prometheus.fire(&["Down"]).await;
}

#[test]
fn selectors_are_read_with_their_matchers() {
    let expr = "max by (x) (a:deposit_watcher_b:max{c=~\"d|e\"}) > 0 and rate(deposit_watcher_f_total[5m]) / up{}";
    assert_eq!(selectors(expr), ["a:deposit_watcher_b:max{c=~\"d|e\"}", "deposit_watcher_f_total"]);
}
