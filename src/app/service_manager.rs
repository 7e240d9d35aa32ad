//! Tells the service manager how it goes, over the socket that `NOTIFY_SOCKET` names as systemd sets it: ready, still
//! there, stopping. Nothing where nobody asked. Not for health as others see it: that is the admin listener's.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use tokio::task::AbortHandle;

/// Who started us, if it listens.
pub(super) struct Manager {
    socket: Option<UnixDatagram>,
    /// How often it wants to hear that we are there.
    every: Option<Duration>,
}

impl Manager {
    /// Read from the environment; what of it cannot be used is told and left.
    pub(super) fn of(environment: impl Iterator<Item = (String, String)>) -> Manager {
        let (mut path, mut patience, mut meant) = (None, None, None);
        for (name, value) in environment.filter(|(_, value)| !value.is_empty()) {
            match name.as_str() {
                "NOTIFY_SOCKET" => path = Some(value),
                "WATCHDOG_USEC" => patience = value.parse::<u64>().ok(),
                "WATCHDOG_PID" => meant = Some(value),
                _ => {}
            }
        }
        let socket = path.and_then(|path| match connect(&path) {
            Ok(socket) => Some(socket),
            Err(error) => {
                tracing::warn!(%error, "the service manager cannot be told how it goes");
                None
            }
        });
        // Inherited from a parent, it is the parent's.
        let ours = meant.is_none_or(|meant| meant == std::process::id().to_string());
        // Twice as often as it must be.
        let every =
            patience.filter(|patience| ours && *patience > 1).map(|patience| Duration::from_micros(patience / 2));
        Manager { socket, every }
    }

    /// All is started.
    pub(super) fn ready(&self) {
        self.tell("READY=1");
    }

    /// What runs is being ended.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// Says as often as it is wanted, from a task among all others, that tasks come to their turn.
    pub(super) fn reassure(&self) -> Option<AbortHandle> {
        let (socket, every) = (self.socket.as_ref()?.try_clone().ok()?, self.every?);
        let mut rounds = tokio::time::interval(every);
        let task = tokio::spawn(async move {
            loop {
                rounds.tick().await;
                send(&socket, "WATCHDOG=1");
            }
        });
        Some(task.abort_handle())
    }

    fn tell(&self, what: &str) {
        if let Some(socket) = &self.socket {
            send(socket, what);
        }
    }
}

/// Never waits: a full queue costs a message, not the work.
fn connect(path: &str) -> std::io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect(path)?;
    Ok(socket)
}

fn send(socket: &UnixDatagram, what: &str) {
    if let Err(error) = socket.send(what.as_bytes()) {
        tracing::debug!(%error, what, "the service manager was not told");
    }
}
