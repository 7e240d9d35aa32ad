//! A line to PostgreSQL that breaks where it hurts: when a commit's answer is on its way, or before a COMMIT arrives; that
//! falls silent without a word, is slow, or leads to another server. It reads as much of the protocol as it takes to know
//! a commit: <https://www.postgresql.org/docs/15/protocol-message-formats.html>. Not for RPC: that is `demo::Proxy`.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU16, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A forwarded port of our own; its connections end with it.
pub(crate) struct Line {
    port: u16,
    state: Arc<State>,
    serving: JoinHandle<()>,
}

/// Where to cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// A COMMIT that the server never gets.
    Before,
    /// A commit, be it of a transaction or of a single statement that wrote, whose answer nobody gets.
    After,
}

struct State {
    to: AtomicU16,
    millis: AtomicU64,
    /// Commits to let pass until the cut; negative: none is cut.
    before: AtomicI64,
    after: AtomicI64,
    cuts: AtomicU64,
    commits: AtomicU64,
    /// Connections so far; each has its number.
    count: AtomicU64,
    /// Those numbered up to the first are silent, those up to the second are closed.
    fate: watch::Sender<(u64, u64)>,
}

impl Line {
    /// To this port on this machine.
    pub(crate) async fn to(port: u16) -> Line {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let state = Arc::new(State {
            to: AtomicU16::new(port),
            millis: AtomicU64::new(0),
            before: AtomicI64::new(-1),
            after: AtomicI64::new(-1),
            cuts: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            count: AtomicU64::new(0),
            fate: watch::Sender::new((0, 0)),
        });
        let port = listener.local_addr().unwrap().port();
        let serving = tokio::spawn(serve(listener, state.clone()));
        Line { port, state, serving }
    }

    /// Where it begins.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// A URL of the server that goes this way.
    pub(crate) fn along(&self, url: &str) -> String {
        let mut url: url::Url = url.parse().unwrap();
        url.set_port(Some(self.port)).unwrap();
        url.to_string()
    }

    /// New connections lead to this port.
    pub(crate) fn leads_to(&self, port: u16) {
        self.state.to.store(port, SeqCst);
    }

    /// Every piece is this long on its way.
    pub(crate) fn slow(&self, by: Duration) {
        self.state.millis.store(by.as_millis().try_into().unwrap(), SeqCst);
    }

    /// Cuts the connection of the commit after so many others.
    pub(crate) fn cut(&self, cut: Cut, after: u32) {
        self.armed(cut).store(after.into(), SeqCst);
    }

    /// Cuts none.
    pub(crate) fn spare(&self) {
        self.armed(Cut::Before).store(-1, SeqCst);
        self.armed(Cut::After).store(-1, SeqCst);
    }

    /// How many were cut so far.
    pub(crate) fn cuts(&self) -> u64 {
        self.state.cuts.load(SeqCst)
    }

    /// How many commits were answered or would have been.
    pub(crate) fn commits(&self) -> u64 {
        self.state.commits.load(SeqCst)
    }

    /// From now on nothing passes, and nothing is closed; new connections are taken and as silent.
    pub(crate) fn freeze(&self) {
        self.state.fate.send_modify(|fate| fate.0 = u64::MAX);
    }

    /// The connections of now are silent for ever; new ones are well.
    pub(crate) fn forget(&self) {
        let count = self.state.count.load(SeqCst);
        self.state.fate.send_modify(|fate| fate.0 = count);
    }

    /// What was held back passes.
    pub(crate) fn thaw(&self) {
        self.state.fate.send_modify(|fate| fate.0 = 0);
    }

    /// Closes every connection.
    pub(crate) fn close(&self) {
        let count = self.state.count.load(SeqCst);
        self.state.fate.send_modify(|fate| fate.1 = count);
    }

    fn armed(&self, cut: Cut) -> &AtomicI64 {
        match cut {
            Cut::Before => &self.state.before,
            Cut::After => &self.state.after,
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.serving.abort();
        self.state.fate.send_modify(|fate| fate.1 = u64::MAX);
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    while let Ok((near, _)) = listener.accept().await {
        let number = state.count.fetch_add(1, SeqCst) + 1;
        let wire = Wire { number, state: state.clone(), fate: state.fate.subscribe() };
        tokio::spawn(async move {
            let mut fate = wire.fate.clone();
            tokio::select! {
                _ = wire.carry(near) => {}
                _ = fate.wait_for(|(_, closed)| number <= *closed) => {}
            }
        });
    }
}

/// One connection.
#[derive(Clone)]
struct Wire {
    number: u64,
    state: Arc<State>,
    fate: watch::Receiver<(u64, u64)>,
}

impl Wire {
    /// Until either side hangs up, or the line is cut.
    async fn carry(mut self, mut near: TcpStream) -> Option<()> {
        self.may_pass().await;
        let to = self.state.to.load(SeqCst);
        let mut far = TcpStream::connect((Ipv4Addr::LOCALHOST, to)).await.ok()?;
        near.set_nodelay(true).ok()?;
        far.set_nodelay(true).ok()?;
        // What comes first has no tag: requests for encryption, each answered by a byte, then the start.
        loop {
            let message = rest(&mut near, Vec::new()).await?;
            self.may_pass().await;
            far.write_all(&message).await.ok()?;
            if message.get(4..8)? != 80_877_103_u32.to_be_bytes() {
                break;
            }
            let answer = far.read_u8().await.ok()?;
            near.write_u8(answer).await.ok()?;
        }
        let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
        tokio::select! {
            ended = self.clone().up(BufReader::new(near_in), far_out) => ended,
            ended = self.clone().down(BufReader::new(far_in), near_out) => ended,
        }
    }

    async fn up(mut self, mut near: BufReader<OwnedReadHalf>, mut far: OwnedWriteHalf) -> Option<()> {
        loop {
            let message = message(&mut near).await?;
            self.may_pass().await;
            if message.get(5..)?.eq_ignore_ascii_case(b"COMMIT\0") && message[0] == b'Q' && self.is_cut(Cut::Before) {
                return None;
            }
            far.write_all(&message).await.ok()?;
        }
    }

    async fn down(mut self, mut far: BufReader<OwnedReadHalf>, mut near: OwnedWriteHalf) -> Option<()> {
        // Held back until it is known whether what was written is committed.
        let mut held = Vec::new();
        let mut wrote = false;
        loop {
            let message = message(&mut far).await?;
            let (tag, said) = (message[0], message.get(5..)?.to_owned());
            held.extend(message);
            if tag == b'C' {
                let words = [&b"COMMIT"[..], b"INSERT", b"UPDATE", b"DELETE"];
                wrote |= words.iter().any(|word| said.starts_with(word)) && !said.ends_with(b" 0\0");
            }
            if tag == b'Z' {
                // Idle: not within a transaction.
                let committed = wrote && said == b"I";
                wrote = false;
                if committed {
                    self.state.commits.fetch_add(1, SeqCst);
                    if self.is_cut(Cut::After) {
                        return None;
                    }
                }
            }
            if !wrote {
                self.may_pass().await;
                near.write_all(&held).await.ok()?;
                held.clear();
            }
        }
    }

    /// Waits as long as the line is slow or silent.
    async fn may_pass(&mut self) {
        tokio::time::sleep(Duration::from_millis(self.state.millis.load(SeqCst))).await;
        let number = self.number;
        let _ = self.fate.wait_for(|(silent, _)| number > *silent).await;
    }

    /// Counts a commit; true when it is the one.
    fn is_cut(&self, cut: Cut) -> bool {
        let armed = match cut {
            Cut::Before => &self.state.before,
            Cut::After => &self.state.after,
        };
        let count = |left: i64| (left >= 0).then(|| left - 1);
        let cut = armed.fetch_update(SeqCst, SeqCst, count) == Ok(0);
        if cut {
            self.state.cuts.fetch_add(1, SeqCst);
        }
        cut
    }
}

/// A tag, a length, and so many bytes less four.
async fn message(from: &mut (impl AsyncReadExt + Unpin)) -> Option<Vec<u8>> {
    let tag = from.read_u8().await.ok()?;
    rest(from, vec![tag]).await
}

async fn rest(from: &mut (impl AsyncReadExt + Unpin), mut begun: Vec<u8>) -> Option<Vec<u8>> {
    let length = from.read_u32().await.ok()?;
    begun.extend(length.to_be_bytes());
    let at = begun.len();
    begun.resize(at + usize::try_from(length).unwrap() - 4, 0);
    from.read_exact(&mut begun[at..]).await.ok()?;
    Some(begun)
}
