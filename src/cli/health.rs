//! `health`: the question of a container's health check, asked by the binary itself, so that an image needs no curl. Not
//! for what the answer is made of: that is the running process' to know.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::args::Health;
use super::exit::Failure;
use super::output;
use crate::settings::Settings;

/// The process gives its parts 3 s.
const PATIENCE: Duration = Duration::from_secs(4);
/// An answer has a line per network.
const LONGEST: u64 = 65_536;

pub(super) async fn run(settings: &Settings, asked: Health) -> Result<(), Failure> {
    let admin = &settings.admin;
    let (key, listen) = if asked.api { ("admin.api_listen", admin.api_listen) } else { ("admin.listen", admin.listen) };
    let (at, path) = (reachable(listen), if asked.ready { "/readyz?verbose" } else { "/livez" });
    let answer = timeout(PATIENCE, ask(at, path)).await.map_err(|_| {
        let waited = PATIENCE.as_secs();
        Failure::failed(format!("the process at {key} {at} has not answered for {waited} s"))
    })?;
    let answer = answer.map_err(|error| {
        Failure::failed(format!("nothing answers at {key} {at}: {error}; does it run, and with this configuration?"))
    })?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    if answer.starts_with("HTTP/1.1 200 ") {
        return output::print(body);
    }
    let details = body.lines().map(str::to_owned).collect();
    let what = if asked.ready { "ready" } else { "well" };
    Err(Failure { details, ..Failure::failed(format!("the process at {key} {at} is not {what}")) })
}

/// Where a listener on every address of this machine is reached from it.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, listen.port())
}

async fn ask(at: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(at).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
