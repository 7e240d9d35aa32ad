//! What documents tell to type and Rust and Node.js do not bring: PostgreSQL's own programs, OpenSSL, Prometheus' and
//! Alertmanager's. `tests/debian/commands.sh` runs it, in `make test-all`.

use std::collections::BTreeSet;
use std::fs;
use std::net::{SocketAddr, TcpListener};

use deposit_watcher::demo::guard::Guard;

use super::commands::{meant, needs_debian};
use super::documents::{told, top};
use super::rig::{get, until};
use super::system::{Stand, System};
use super::{SECTION, exceptions};

/// A server that ends with this value, at the address that stands for `printed`.
async fn start(words: &[&str], config: &str, printed: &'static str) -> (Guard, Stand) {
    let at: SocketAddr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut guard = Guard::new(&std::env::temp_dir(), None, "TERM").unwrap();
    fs::write(guard.folder().join("config.yml"), config).unwrap();
    let listen = format!("--web.listen-address={at}");
    guard.start(&[words, &["--config.file=config.yml", &listen]].concat()).unwrap();
    until(&format!("{} is ready", words[0]), async || {
        assert!(!guard.exited(), "{}", guard.log());
        get(at, "/-/ready").await.filter(|(status, _)| *status == 200)
    })
    .await;
    (guard, Stand { begins: "", printed, means: at.to_string() })
}

#[tokio::test]
#[ignore = "needs PostgreSQL's, OpenSSL's and Prometheus' programs: tests/debian/commands.sh"]
async fn every_command_that_needs_programs_of_debian_can_be_run() {
    let mut system = System::start().await;
    let scraped = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs:\n  - job_name: deposit-watcher\n    static_configs: [{{targets: ['{}']}}]\n",
        system.admin
    );
    let prometheus = start(&["prometheus", "--storage.tsdb.path=data"], &scraped, "localhost:9090").await;
    let routes = fs::read_to_string(top().join("deploy/prometheus/alertmanager.yml")).unwrap();
    let words = ["prometheus-alertmanager", "--storage.path=data", "--cluster.listen-address="];
    let alertmanager = start(&words, &routes, "localhost:9093").await;
    let (_servers, stands): (Vec<_>, Vec<_>) = [prometheus, alertmanager].into_iter().unzip();
    system.stands.extend(stands);
    // Each goes on where the one before it ended: a dump is restored.
    let folder = system.folder("commands");
    let (mut faults, mut used, mut programs) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    let commands = told(SECTION).into_iter();
    for told in commands.filter(|told| exceptions::reason(&told.text).is_none() && needs_debian(&told.text)) {
        programs.insert(told.text.split(' ').next().unwrap_or_default().to_owned());
        match meant(&told.text, &system.stands, &mut used) {
            Ok(command) => faults.extend(system.try_out(&told, &command, &folder).await),
            Err(fault) => faults.push(format!("{}: {}: {fault}", told.whence, told.text)),
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(programs.len() >= 8, "{programs:?}");
    system.end().await;
}
