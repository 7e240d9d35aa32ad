//! A pgBouncer in transaction mode between the binary and its database, where `DEPOSIT_WATCHER_PGBOUNCER` names one: the
//! same tests then say the same. It ends with this value.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use deposit_watcher::demo::guard::Guard;
use deposit_watcher::demo::postgres::{Postgres, other_user};

/// A running one.
pub(crate) struct Bouncer {
    _guard: Guard,
    port: u16,
}

/// The program that is named.
pub(crate) fn named() -> Option<PathBuf> {
    std::env::var_os("DEPOSIT_WATCHER_PGBOUNCER").map(PathBuf::from)
}

impl Bouncer {
    /// Starts it before the server at this port. It has fewer connections than it is asked for.
    pub(crate) fn start(program: &Path, to: u16) -> Bouncer {
        let user = other_user().unwrap();
        let parent = if user.is_some() { PathBuf::from("/tmp") } else { std::env::temp_dir() };
        let mut guard = Guard::new(&parent, user, "TERM").unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let ini = format!(
            "[databases]\n* = host=127.0.0.1 port={to}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = trust\nauth_file = users\npool_mode = transaction\ndefault_pool_size = 3\n\
             ignore_startup_parameters = extra_float_digits\n"
        );
        fs::write(guard.folder().join("pgbouncer.ini"), ini).unwrap();
        fs::write(guard.folder().join("users"), format!("\"{}\" \"\"\n", Postgres::USER)).unwrap();
        guard.start(&[program.to_str().unwrap(), "pgbouncer.ini"]).unwrap();
        guard.wait(|_| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()).unwrap();
        Bouncer { _guard: guard, port }
    }

    /// A URL of the server that goes this way.
    pub(crate) fn along(&self, url: &str) -> String {
        let mut url: url::Url = url.parse().unwrap();
        url.set_port(Some(self.port)).unwrap();
        url.to_string()
    }
}
