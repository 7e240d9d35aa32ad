//! What keeps a process running hears of it: a container's health check (`health`), and a service manager's socket. Not
//! for what they do then.

use std::os::unix::net::UnixDatagram;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::program::{MIGRATIONS, Program};
use super::support::Database;
use super::watching::{KEY, Watcher};

/// A free port, for who must know it beforehand.
fn free() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn health_asks_who_runs_with_the_same_configuration() {
    let database = Database::create(&MIGRATIONS).await;
    let program = Program::at(&database.url());
    let (all, api) = (free(), free());
    let file = format!("[admin]\nlisten = \"0.0.0.0:{all}\"\napi_listen = \"127.0.0.1:{api}\"\n");
    let file = program.file("listen.toml", &file);
    let given = ["--config", "networks.toml", "--config", file.to_str().unwrap()];
    let asking = |asked: &[&str]| program.run(&[&given[..], asked].concat());
    let nothing = asking(&["health"]).reason(1);
    assert!(nothing.starts_with(&format!("nothing answers at admin.listen 127.0.0.1:{all}: ")), "{nothing}");

    let mut watcher = Watcher::start(&program, &[&given[..], &["watch"]].concat());
    watcher.until("watching");
    assert_eq!(asking(&["health"]).stdout, "alive\n");
    // Its only endpoint is down.
    let unready = asking(&["health", "--ready"]);
    assert_eq!(unready.reason(1), format!("the process at admin.listen 127.0.0.1:{all} is not ready"));
    assert!(unready.stderr.contains("ok database\nfail network anvil: "), "{unready:?}");
    assert!(asking(&["health", "--api"]).reason(1).contains(&format!("admin.api_listen 127.0.0.1:{api}")));

    let serving = ["api", "--set", "http.listen=127.0.0.1:0", "--set", KEY];
    let mut server = Watcher::start(&program, &[&given[..], &serving].concat());
    server.until("serving the API");
    assert_eq!(asking(&["health", "--api", "--ready"]).stdout, "ok database\n");

    // Whoever listens and says nothing is not well.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = format!("admin.listen={}", silent.local_addr().unwrap());
    let (asked, hung) = (Instant::now(), program.run(&["health", "--set", &at]).reason(1));
    assert!(hung.ends_with("has not answered for 4 s"), "{hung}");
    assert!(asked.elapsed() < Duration::from_secs(30), "{:?}", asked.elapsed());
}

/// A child that is not left behind.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn the_service_manager_hears_ready_still_there_and_stopping() {
    let database = Database::create(&MIGRATIONS).await;
    let program = Program::at(&database.url());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let heard = || {
        let mut buffer = [0; 256];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    let start = |watchdog: &[(&str, &str)]| {
        let mut command = program.command(&["watch"]);
        command.env("NOTIFY_SOCKET", &path).envs(watchdog.iter().copied()).stderr(Stdio::null());
        Service(command.spawn().unwrap())
    };
    let stop = |service: &mut Service| {
        let pid = service.0.id().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        service.0.wait().unwrap().code()
    };

    let mut service = start(&[("WATCHDOG_USEC", "200000")]);
    assert_eq!(heard(), "READY=1");
    let first = Instant::now();
    assert_eq!([heard(), heard(), heard()], ["WATCHDOG=1"; 3].map(str::to_owned));
    // At once, then every tenth of a second.
    assert!(first.elapsed() >= Duration::from_millis(150), "{:?}", first.elapsed());
    assert_eq!(stop(&mut service), Some(0));
    let said: Vec<String> = std::iter::repeat_with(heard).take_while(|said| said != "STOPPING=1").collect();
    assert!(said.iter().all(|said| said == "WATCHDOG=1"), "{said:?}");
    socket.set_nonblocking(true).unwrap();
    let mut rest = [0; 256];
    while socket.recv(&mut rest).is_ok() {}
    socket.set_nonblocking(false).unwrap();

    // A watchdog that is meant for another process is left to it.
    let mut service = start(&[("WATCHDOG_USEC", "200000"), ("WATCHDOG_PID", "1")]);
    assert_eq!(heard(), "READY=1");
    assert_eq!(stop(&mut service), Some(0));
    assert_eq!(heard(), "STOPPING=1");
}
