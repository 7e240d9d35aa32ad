//! JSON-RPC over one WebSocket: one task owns the socket, requests are matched by id.
//!
//! Any violation of the protocol, a frame that is no JSON-RPC, or a peer that is silent past a request's deadline drops
//! the socket and fails what is pending; nothing is ever sent twice (a poison request would kill each new socket as
//! well). The next request dials again, in its turn (`dial`). Not for subscriptions: those have a socket of their own
//! (`heads`), so that requests cannot hide its silence.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use alloy::rpc::json_rpc::{ErrorPayload, Id, RequestPacket, ResponsePacket};
use alloy::transports::{TransportError, TransportFut};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;
use tower::Service;

use super::dial::{Dialler, Stream, Turns, broken, read};
use super::wire::{self, Limits, Wire};

type Answer = Result<ResponsePacket, TransportError>;

/// More requests than this at once are the caller's mistake.
const QUEUE: usize = 64;

/// One endpoint's WebSocket transport; clones share the socket.
#[derive(Debug, Clone)]
pub(super) struct Socket {
    dialler: Dialler,
    line: Arc<Mutex<Line>>,
}

/// The way to the task that owns the socket, and when the next one may be dialled.
#[derive(Debug)]
struct Line {
    jobs: Option<mpsc::Sender<Job>>,
    turns: Turns,
}

#[derive(Debug)]
struct Job {
    text: String,
    ids: Vec<Id>,
    batch: bool,
    deadline: Instant,
    reply: oneshot::Sender<Answer>,
}

impl Socket {
    /// Dials nothing yet.
    ///
    /// Half of a request's time is the longest pause between two sockets: who asks meanwhile still gets an answer.
    pub(super) fn new(dialler: &Dialler) -> Socket {
        let longest = dialler.limits.total.checked_div(2).unwrap_or_default();
        let line = Line { jobs: None, turns: dialler.turns(longest) };
        Socket { dialler: dialler.clone(), line: Arc::new(Mutex::new(line)) }
    }

    async fn send(self, packet: RequestPacket) -> Answer {
        let ids = packet.requests().iter().map(|request| request.id().clone()).collect();
        let text = serde_json::to_string(&packet).map_err(TransportError::ser_err)?;
        let now = Instant::now();
        let deadline = now.checked_add(self.dialler.limits.total).unwrap_or(now);
        let (reply, answer) = oneshot::channel();
        let job = Job { text, ids, batch: wire::is_batch(&packet), deadline, reply };
        self.line().send(job).await.map_err(|_| Wire::broken("closed the socket"))?;
        answer.await.map_err(|_| Wire::broken("closed the socket"))?
    }

    /// The way to the living task, or to a new one.
    fn line(&self) -> mpsc::Sender<Job> {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(jobs) = line.jobs.as_ref().filter(|jobs| !jobs.is_closed()) {
            return jobs.clone();
        }
        let (jobs, queue) = mpsc::channel(QUEUE);
        let turn = line.turns.next(Instant::now());
        line.jobs = Some(jobs.clone());
        tokio::spawn(self.clone().own(turn, queue));
        jobs
    }

    /// Dials, then carries requests and answers until something breaks or nobody asks any more.
    async fn own(self, turn: Instant, mut queue: mpsc::Receiver<Job>) {
        sleep_until(turn).await;
        let mut pending = Pending::default();
        let end = match self.dialler.dial().await {
            Ok(stream) => carry(stream, self.dialler.limits, &mut queue, &mut pending).await,
            Err(wire) => wire,
        };
        if pending.answered {
            self.line.lock().unwrap_or_else(PoisonError::into_inner).turns.was_of_use(Instant::now());
        }
        queue.close();
        while let Ok(job) = queue.try_recv() {
            pending.jobs.push(job);
        }
        pending.fail(&end);
    }
}

impl Service<RequestPacket> for Socket {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, packet: RequestPacket) -> Self::Future {
        Box::pin(self.clone().send(packet))
    }
}

async fn carry(mut stream: Stream, limits: Limits, queue: &mut mpsc::Receiver<Job>, pending: &mut Pending) -> Wire {
    loop {
        let oldest = pending.jobs.iter().map(|job| job.deadline).min();
        let never = Instant::now().checked_add(limits.total).unwrap_or_else(Instant::now);
        tokio::select! {
            job = queue.recv() => {
                let Some(mut job) = job else { return Wire::broken("is no longer asked") };
                let text = std::mem::take(&mut job.text);
                pending.jobs.push(job);
                match timeout(limits.total, stream.send(Message::text(text))).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => return broken(&error, limits),
                    Err(_) => return Wire::Timeout,
                }
            }
            message = stream.next() => match read(message, limits) {
                Ok(None) => {}
                Ok(Some(text)) => if let Err(wire) = pending.answer(text.as_bytes()) { return wire },
                Err(wire) => return wire,
            },
            () = sleep_until(oldest.unwrap_or(never)), if oldest.is_some() => return Wire::Timeout,
        }
    }
}

/// Requests sent and not answered. Few at a time: a list is enough.
#[derive(Default)]
struct Pending {
    jobs: Vec<Job>,
    /// True once one was.
    answered: bool,
}

impl Pending {
    /// Hands an answer to the request it belongs to; an answer to nothing is a violation, a nameless error is everyone's.
    fn answer(&mut self, body: &[u8]) -> Result<(), Wire> {
        let packet: ResponsePacket =
            serde_json::from_slice(body).map_err(|_| Wire::broken("sent something that is not JSON-RPC"))?;
        let ids: Vec<&Id> = match &packet {
            ResponsePacket::Single(response) => vec![&response.id],
            ResponsePacket::Batch(responses) => responses.iter().map(|response| &response.id).collect(),
        };
        if let Some(at) = self.jobs.iter().position(|job| ids.iter().any(|id| job.ids.contains(id))) {
            let job = self.jobs.swap_remove(at);
            self.answered = true;
            // The asker may have left; that is no trouble.
            let _ = job.reply.send(wire::read(body, job.batch));
            return Ok(());
        }
        match wire::lone_error(&packet).filter(|_| ids.iter().all(|id| **id == Id::None)) {
            Some(error) => {
                self.refuse(error);
                Ok(())
            }
            None => Err(Wire::broken("answered a request that was not made")),
        }
    }

    fn refuse(&mut self, error: &ErrorPayload) {
        for job in self.jobs.drain(..) {
            let _ = job.reply.send(Err(TransportError::ErrorResp(error.clone())));
        }
    }

    fn fail(&mut self, wire: &Wire) {
        for job in self.jobs.drain(..) {
            let _ = job.reply.send(Err(wire.clone().into()));
        }
    }
}
