//! What a customer, and the chain, may do to a session, done on purpose: paid exactly, too little, too much, twice, late;
//! blocks mined, blocks replaced. Only on networks marked `testnet = true`, and only while the node says that it serves
//! that chain. Writes nothing: what happens on the chain the watcher finds, as it finds everything.

mod deeds;
mod sums;

use std::time::Duration;

use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::{Office, Refusal};
use crate::chain::NodeError;
use crate::domain::{Fault, SessionId};
use crate::store;
use deeds::Stage;

/// The most blocks that are mined at once.
pub const MOST_BLOCKS: u32 = 1_000;
/// The most blocks that are replaced at once.
pub const MOST_DEPTH: u32 = 64;
/// How long a deed may take, its turn included.
const PATIENCE: Duration = Duration::from_secs(8);
/// A chain that is paid on and reorganised at the same time tells nobody anything.
static TURN: Semaphore = Semaphore::const_new(1);

/// What is to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// A payment.
    Pay(Sum),
    /// What is missing, and the same once more; where nothing is missing, the session's amount once more.
    Twice,
    /// A payment after the session's time: the chain's time is put forward, which cannot be undone.
    Late,
    /// So many blocks, 1 to [`MOST_BLOCKS`].
    Mine(u32),
    /// So many blocks replaced by others without the payments in them, 1 to [`MOST_DEPTH`]; as many as it takes to undo
    /// the session's newest payment where none is said.
    Reorganise(Option<u32>),
}

/// How much is paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sum {
    /// What is missing.
    Exact,
    /// Half of what is missing, though at least the token's smallest unit.
    Less,
    /// A tenth more than is missing.
    More,
    /// So many whole tokens.
    Of(String),
}

/// What happened, in words and as data. The watcher may not have seen it yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Done {
    /// Which session it was for.
    pub session: String,
    /// On which network.
    pub network: String,
    /// [`Deed::name`]
    pub deed: &'static str,
    /// In English.
    pub told: String,
    /// The transfers that were sent, in order.
    pub paid: Vec<Paid>,
    /// How many blocks were replaced.
    pub replaced: u64,
    /// The payment that was undone.
    pub undone: Option<String>,
    /// How far the chain's time was put forward.
    pub advanced_seconds: u64,
    /// The chain's newest block after it.
    pub block: u64,
}

/// A transfer that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Paid {
    /// Its transaction.
    pub tx_hash: String,
    /// The account it was sent from.
    pub from: String,
    /// Whole tokens.
    pub amount: String,
    /// Symbol.
    pub currency: String,
    /// The block it was mined in; `None` while it is not.
    pub block: Option<u64>,
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum NotSimulated {
    /// There is no such session.
    #[error("there is no such session")]
    NotFound,
    /// Its network is not marked `testnet = true`, or not worked here at all.
    #[error("{0}")]
    NotATestnet(String),
    /// What was asked makes no sense.
    #[error("{} faults", .0.len())]
    Faults(Vec<Fault>),
    /// As the session, or the node, is, it cannot be done.
    #[error("{0}")]
    Impossible(String),
    /// The node did not answer in time: trying again later makes sense.
    #[error("{0}")]
    Unavailable(String),
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Deed {
    /// Reads a deed by its name, as a form has it, with the amount, the number of blocks or the depth where one was given.
    pub fn read(name: &str, value: Option<&str>) -> Result<Deed, Fault> {
        let value = value.map(str::trim).filter(|value| !value.is_empty());
        match name {
            "exact" => Ok(Deed::Pay(Sum::Exact)),
            "less" => Ok(Deed::Pay(Sum::Less)),
            "more" => Ok(Deed::Pay(Sum::More)),
            "amount" => value
                .map(|text| Deed::Pay(Sum::Of(text.to_owned())))
                .ok_or_else(|| Fault::new("amount", "is missing; write whole tokens, as in 12.50")),
            "twice" => Ok(Deed::Twice),
            "late" => Ok(Deed::Late),
            "mine" => Ok(Deed::Mine(value.map_or(Ok(1), |text| number(name, text, MOST_BLOCKS))?)),
            "reorganise" => Ok(Deed::Reorganise(value.map(|text| number(name, text, MOST_DEPTH)).transpose()?)),
            _ => Err(Fault::new("deed", "must be exact, less, more, amount, twice, late, mine or reorganise")),
        }
    }

    /// As [`Deed::read`] takes it.
    pub fn name(&self) -> &'static str {
        match self {
            Deed::Pay(Sum::Exact) => "exact",
            Deed::Pay(Sum::Less) => "less",
            Deed::Pay(Sum::More) => "more",
            Deed::Pay(Sum::Of(_)) => "amount",
            Deed::Twice => "twice",
            Deed::Late => "late",
            Deed::Mine(_) => "mine",
            Deed::Reorganise(_) => "reorganise",
        }
    }

    fn bounded(&self) -> Result<(), NotSimulated> {
        let (most, given) = match self {
            Deed::Mine(blocks) => (MOST_BLOCKS, *blocks),
            Deed::Reorganise(depth) => (MOST_DEPTH, depth.unwrap_or(1)),
            Deed::Pay(_) | Deed::Twice | Deed::Late => return Ok(()),
        };
        let within = (1..=most).contains(&given);
        if within { Ok(()) } else { Err(NotSimulated::Faults(vec![out_of_bounds(self.name(), most)])) }
    }
}

fn number(field: &str, text: &str, most: u32) -> Result<u32, Fault> {
    text.parse().ok().filter(|number| (1..=most).contains(number)).ok_or_else(|| out_of_bounds(field, most))
}

fn out_of_bounds(field: &str, most: u32) -> Fault {
    Fault::new(field, format!("must be a whole number of blocks from 1 to {most}"))
}

impl From<Refusal> for NotSimulated {
    /// Of reading a session.
    fn from(refusal: Refusal) -> NotSimulated {
        match refusal {
            Refusal::Store(error) => NotSimulated::Store(error),
            Refusal::NotFound => NotSimulated::NotFound,
            Refusal::Faults(faults) => NotSimulated::Faults(faults),
            other @ (Refusal::AmountClash
            | Refusal::CannotCancel
            | Refusal::KeyReused
            | Refusal::KeyBusy
            | Refusal::TooManyWidgets(_)
            | Refusal::Gone
            | Refusal::DepositIdReused
            | Refusal::NotBound(_)) => NotSimulated::Impossible(other.to_string()),
        }
    }
}

impl From<NodeError> for NotSimulated {
    fn from(error: NodeError) -> NotSimulated {
        match error {
            NodeError::Unavailable(why) => NotSimulated::Unavailable(why),
            NodeError::Unsupported(why) | NodeError::Refused(why) => NotSimulated::Impossible(why),
        }
    }
}

impl Office {
    /// Does a deed to a session on a test network, within ten seconds.
    pub async fn simulate(&self, id: &SessionId, deed: &Deed) -> Result<Done, NotSimulated> {
        deed.bounded()?;
        let view = self.read(id).await?;
        let stage = Stage::of(&self.settings, &view, deed)?;
        let work = async {
            // Never closed.
            let _turn = TURN.acquire().await.ok();
            stage.act(deed).await
        };
        let late = "is not done after 10 s; what was sent may still be mined";
        let outcome = timeout(PATIENCE, work).await;
        let done =
            outcome.unwrap_or_else(|_| Err(NotSimulated::Unavailable(format!("network {}: {late}", view.network))))?;
        tracing::info!(session = %id, network = view.network, deed = deed.name(), block = done.block, "simulated");
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deed_is_read_by_its_name_and_value() {
        for (name, value, deed) in [
            ("exact", None, Deed::Pay(Sum::Exact)),
            ("less", Some("7"), Deed::Pay(Sum::Less)),
            ("more", None, Deed::Pay(Sum::More)),
            ("amount", Some(" 12.50 "), Deed::Pay(Sum::Of("12.50".to_owned()))),
            ("twice", None, Deed::Twice),
            ("late", None, Deed::Late),
            ("mine", None, Deed::Mine(1)),
            ("mine", Some(""), Deed::Mine(1)),
            ("mine", Some("1000"), Deed::Mine(1_000)),
            ("reorganise", None, Deed::Reorganise(None)),
            ("reorganise", Some("64"), Deed::Reorganise(Some(64))),
        ] {
            assert_eq!(Deed::read(name, value), Ok(deed.clone()), "{name}");
            assert_eq!(deed.name(), name);
        }
    }

    #[test]
    fn what_is_no_deed_is_refused_by_its_field() {
        for (name, value, field) in [
            ("", None, "deed"),
            ("steal", None, "deed"),
            ("Exact", None, "deed"),
            ("amount", None, "amount"),
            ("amount", Some("  "), "amount"),
            ("mine", Some("0"), "mine"),
            ("mine", Some("1001"), "mine"),
            ("mine", Some("-1"), "mine"),
            ("reorganise", Some("65"), "reorganise"),
            ("reorganise", Some("deep"), "reorganise"),
        ] {
            assert_eq!(Deed::read(name, value).map_err(|fault| fault.field), Err(field.to_owned()), "{name} {value:?}");
        }
        for deed in [Deed::Mine(0), Deed::Mine(1_001), Deed::Reorganise(Some(0)), Deed::Reorganise(Some(65))] {
            assert!(matches!(deed.bounded(), Err(NotSimulated::Faults(_))), "{deed:?}");
        }
    }
}
