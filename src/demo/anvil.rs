//! An anvil of our own: a fresh chain 31337 on a free loopback port, gone when dropped or when we die. Not for talking to
//! it: see [`super::evm`].

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;

use super::guard::Guard;
use super::tools::Tools;

/// A request that waits this long for its first byte waits for a suspended anvil.
const SILENCE: Duration = Duration::from_millis(100);

/// A running chain, mined by transaction unless its arguments say otherwise.
#[derive(Debug)]
pub struct Anvil {
    guard: Guard,
    port: u16,
}

impl Anvil {
    /// EIP-155 id of the chain, unless the arguments give another: unlocked accounts sign for the id it began with, so
    /// `anvil_setChainId` leaves nobody who can pay.
    pub const CHAIN_ID: u64 = 31_337;

    /// Starts it with further arguments (`--no-mining`, `--block-time 1`, `--slots-in-an-epoch 4`, `--chain-id 31338`; one
    /// word each, no blanks within); blocks until it listens. The kernel picks the port, so there is no clash.
    pub fn start(tools: &Tools, args: &[&str]) -> anyhow::Result<Anvil> {
        let binary = tools.anvil()?;
        let mut guard = Guard::new(&std::env::temp_dir(), None, "KILL")?;
        std::os::unix::fs::symlink(binary, guard.folder().join("anvil"))?;
        let mut words = vec!["./anvil", "--host", "127.0.0.1", "--port", "0"];
        words.extend(args);
        // Given twice it is refused.
        if !args.contains(&"--chain-id") {
            words.extend(["--chain-id", "31337"]);
        }
        guard.start(&words)?;
        let port = guard.wait(|guard| port_in(&fs::read_to_string(guard.folder().join("log")).ok()?));
        Ok(Anvil { port: port.context("cannot start anvil")?, guard })
    }

    /// JSON-RPC over HTTP.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// JSON-RPC over WebSocket.
    pub fn ws_url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// The temporary folder, with the server's `log` and its process id in `pid`.
    pub fn folder(&self) -> &Path {
        self.guard.folder()
    }

    /// The loopback port, for a [`super::proxy::Proxy`] in front of it.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on it accepts connections and answers nothing; the chain stands still. A stopped process may answer for
    /// some milliseconds more on a busy machine, so this returns when it is seen not to.
    pub fn suspend(&mut self) -> anyhow::Result<()> {
        self.guard.signal("STOP")?;
        while self.answers()? {}
        Ok(())
    }

    /// It goes on where it was suspended.
    pub fn resume(&mut self) -> anyhow::Result<()> {
        self.guard.signal("CONT")
    }

    /// Kills it for good: the chain is gone. For an endpoint that is gone for a while see [`super::proxy::Proxy`].
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.guard.stop("KILL")
    }

    fn answers(&self) -> anyhow::Result<bool> {
        let mut line = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        line.set_read_timeout(Some(SILENCE))?;
        line.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        Ok(line.read(&mut [0]).is_ok())
    }
}

fn port_in(log: &str) -> Option<u16> {
    let line = log.lines().find_map(|line| line.strip_prefix("Listening on "))?;
    line.rsplit_once(':')?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_port() {
        assert_eq!(port_in("Genesis\nListening on 127.0.0.1:40185\neth_blockNumber\n"), Some(40_185));
        assert_eq!(port_in("Listening soon\n"), None);
    }
}
