//! A loopback line to a server that can be cut and mended: how demo and tests take an endpoint away. Not for lying:
//! what passes is not read.

use std::net::Ipv4Addr;

use anyhow::Context;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// Forwards a port of its own to another one on this machine.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    to: u16,
    serving: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Listens on a free port and forwards to `to`. Needs a tokio runtime.
    pub async fn start(to: u16) -> anyhow::Result<Proxy> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        Ok(Proxy { port, to, serving: Some(tokio::spawn(serve(listener, to))) })
    }

    /// JSON-RPC over HTTP through this line.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// JSON-RPC over WebSocket through this line.
    pub fn ws_url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends every connection and refuses new ones, until [`Proxy::mend`].
    pub async fn cut(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
            // Cancelled, as we asked: its sockets are closed now.
            let _ = serving.await;
        }
    }

    /// From the next [`Proxy::mend`] on it leads to another port: another server behind the same address.
    pub fn lead(&mut self, to: u16) {
        self.to = to;
    }

    /// Listens again on the same port.
    pub async fn mend(&mut self) -> anyhow::Result<()> {
        if self.serving.is_none() {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).await;
            let listener = listener.with_context(|| format!("port {} was taken meanwhile", self.port))?;
            self.serving = Some(tokio::spawn(serve(listener, self.to)));
        }
        Ok(())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(serving) = &self.serving {
            serving.abort();
        }
    }
}

/// Its connections live in its own set, so they end with it.
async fn serve(listener: TcpListener, to: u16) {
    let mut lines = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((caller, _)) = accepted {
                    lines.spawn(forward(caller, to));
                }
            }
            Some(_) = lines.join_next() => {}
        }
    }
}

async fn forward(mut caller: TcpStream, to: u16) {
    if let Ok(mut server) = TcpStream::connect((Ipv4Addr::LOCALHOST, to)).await {
        // Either side may hang up at any time.
        let _ = copy_bidirectional(&mut caller, &mut server).await;
    }
}
