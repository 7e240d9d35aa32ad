//! Asks the admin listener, and reads what `/metrics` says.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{PATIENCE, discreet};

/// Status and body; `None` when nobody answers.
pub(crate) async fn get(at: SocketAddr, path: &str) -> Option<(u16, String)> {
    let asking = async {
        let mut stream = TcpStream::connect(at).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.get(9..12)?.parse().ok()?, body.to_owned()))
    };
    let answer = timeout(PATIENCE, asking).await.ok().flatten();
    answer.inspect(|(_, body)| discreet(body))
}

/// One reading of `/metrics`.
#[derive(Debug, Clone)]
pub(crate) struct Metrics(pub(crate) String);

impl Metrics {
    /// The sum of the series of this name whose labels hold all of these (`network="anvil"`); `None` without any.
    pub(crate) fn sum(&self, name: &str, labels: &[&str]) -> Option<f64> {
        let name = format!("deposit_watcher_{name}");
        let values = self.0.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let (found, set) = series.split_once('{').unwrap_or((series, ""));
            let chosen = found == name && labels.iter().all(|label| set.contains(label));
            if chosen { value.parse::<f64>().ok() } else { None }
        });
        let values: Vec<f64> = values.collect();
        if values.is_empty() { None } else { Some(values.iter().sum()) }
    }

    /// The same, rounded; panics without any.
    pub(crate) fn count(&self, name: &str, labels: &[&str]) -> i64 {
        let sum = self.sum(name, labels).unwrap_or_else(|| panic!("no series {name} {labels:?}"));
        format!("{sum:.0}").parse().unwrap()
    }
}
