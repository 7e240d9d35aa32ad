//! What is too much for one answer: of a range fewer blocks, of a block its receipts, which hold its logs as well, all at
//! once or transaction by transaction. Not for how wide to ask next time: that is `range`.

use alloy::primitives::B256;
use serde_json::json;

use super::ask::{Logs, RangeAnswer, RangeAsk};
use super::call::{Call, parse};
use super::check;
use super::decode::TRANSFER;
use super::endpoint::{Endpoint, header_at, header_call};
use super::error::{Error, Fault};
use super::json::{ReceiptJson, TransactionsJson};
use super::range::Limit;
use crate::domain::{Address, BlockNumber, BlockRef};

pub(super) const RECEIPTS: &str = "eth_getBlockReceipts";
/// Receipts of transactions that are asked for at once, at first; fewer where that is too much.
const AT_ONCE: usize = 64;

/// What a refusal of one block's logs means: in whatever words, there may be too many of them, and another way may do.
pub(super) fn of_one_block(fault: Fault) -> Fault {
    match fault {
        Fault::Refused(reason) => Fault::TooWide { reason, limit: Limit::default() },
        fault @ (Fault::Timeout
        | Fault::Outage(_)
        | Fault::RateLimited { .. }
        | Fault::TooWide { .. }
        | Fault::Unsupported(_)
        | Fault::Missing(_)
        | Fault::Misbehaving(_)
        | Fault::Batch { .. }) => fault,
    }
}

/// Why receipts are not given, where that says nothing against the endpoint.
fn declined(fault: Fault) -> Result<String, Fault> {
    match fault {
        Fault::TooWide { reason, .. }
        | Fault::Refused(reason)
        | Fault::Missing(reason)
        | Fault::Unsupported(reason) => Ok(reason),
        fault @ (Fault::Timeout
        | Fault::Outage(_)
        | Fault::RateLimited { .. }
        | Fault::Misbehaving(_)
        | Fault::Batch { .. }) => Err(fault),
    }
}

impl Endpoint {
    /// [`Endpoint::range_logs`] of as many of the blocks as it gives at once, and how far that is. What it refuses is asked for
    /// shorter right away: answers to others' short questions would let it be asked for more again.
    pub async fn range_logs_upto(&self, ask: &RangeAsk) -> Result<(RangeAnswer, BlockNumber), Error> {
        let mut ask = ask.clone();
        loop {
            match self.range_logs(&ask).await {
                Err(Error::TooWide { .. }) if ask.from < ask.to => {
                    ask.to = ask.to.minus(1).min(ask.from.plus(self.range().saturating_sub(1)));
                }
                answer => return Ok((answer?, ask.to)),
            }
        }
    }

    /// The transfers in the receipts of a block, each of a transaction that succeeded; `None` where it lacks the block
    /// or does not give them.
    pub async fn receipts(&self, block: BlockRef, tokens: &[Address]) -> Result<Option<Logs>, Error> {
        let work = async {
            match self.of_block(block).await {
                Ok(Some(receipts)) => check::receipts(receipts, tokens, block).map(Some),
                // Not to give them is no reason to pause: it may be asked for other things.
                Ok(None) | Err(Fault::Missing(_) | Fault::Refused(_) | Fault::TooWide { .. }) => Ok(None),
                Err(fault) => Err(fault),
            }
        };
        self.ask(RECEIPTS, 0, work).await
    }

    /// The transfers of a block whose logs it does not give at once, for the reason `why`.
    pub(super) async fn block_in_pieces(&self, block: BlockRef, tokens: &[Address], why: &str) -> Result<Logs, Error> {
        self.ask(RECEIPTS, 0, self.in_pieces(block, tokens, why)).await
    }

    /// The same for a range of one block, which is found by its number, with the headers asked for.
    pub(super) async fn range_in_pieces(&self, ask: &RangeAsk, why: &str) -> Result<RangeAnswer, Error> {
        let headers: Vec<BlockNumber> = ask.headers.iter().copied().chain([ask.from]).collect();
        let ask = RangeAsk { headers, ..ask.clone() };
        let calls: Vec<Call> = ask.headers.iter().copied().map(header_call).collect();
        let work = async {
            let answers = self.many(&calls).await?;
            let headers = ask.headers.iter().zip(answers).map(|(number, raw)| header_at(*number, Some(raw)));
            let mut headers = headers.collect::<Result<Vec<_>, Fault>>()?;
            let Some(block) = headers.last().copied().flatten() else {
                return Err(Fault::Refused(format!("refuses the logs of block {} and does not have it", ask.from)));
            };
            let logs = self.in_pieces(block.block, &ask.tokens, why).await?;
            check::one_branch(&ask, &headers, &logs)?;
            headers.pop();
            Ok(RangeAnswer { headers, logs })
        };
        self.ask(RECEIPTS, 0, work).await
    }

    /// Where it gives no receipts either nothing is known of the block: whom it pays may be anybody.
    async fn in_pieces(&self, block: BlockRef, tokens: &[Address], why: &str) -> Result<Logs, Fault> {
        let (network, endpoint) = (self.observer.network(), self.key());
        tracing::info!(network, %endpoint, block = block.number.0, why, "a block's logs are too many at once: its receipts are read");
        let whole = match self.of_block(block).await {
            // Logs were refused: it cannot have none.
            Ok(Some(receipts)) if !receipts.is_empty() => return check::receipts(receipts, tokens, block),
            Ok(_) => "it gives none".to_owned(),
            Err(fault) => declined(fault)?,
        };
        let each = match self.of_transactions(block, tokens).await {
            Ok(receipts) => return check::receipts(receipts, tokens, block),
            Err(fault) => declined(fault)?,
        };
        Err(Fault::Refused(format!(
            "block {} cannot be read there, neither its logs ({why}) nor its receipts ({whole}), nor one by one ({each})",
            block.number
        )))
    }

    async fn of_block(&self, block: BlockRef) -> Result<Option<Vec<ReceiptJson>>, Fault> {
        // That it spans a block makes an answer that is too long one that is too wide, and no lie.
        let call = Call { method: RECEIPTS, params: json!([block.hash]), blocks: 1 };
        parse(self.many(&[call]).await?.pop())
    }

    /// The receipts of all transactions that the block names, without the logs that are not ours: of those there may be
    /// more than fit in memory.
    async fn of_transactions(&self, block: BlockRef, tokens: &[Address]) -> Result<Vec<ReceiptJson>, Fault> {
        let call = Call { method: "eth_getBlockByHash", params: json!([block.hash, false]), blocks: 1 };
        let told: Option<TransactionsJson> = parse(self.many(&[call]).await?.pop())?;
        let told = told.ok_or_else(|| Fault::Missing("it lacks the block".to_owned()))?;
        if told.hash != Some(block.hash) {
            return Err(Fault::Misbehaving("gave another block when asked for one by its hash".to_owned()));
        }
        if told.transactions.is_empty() {
            return Err(Fault::Refused("it names no transactions".to_owned()));
        }
        let (mut receipts, mut most) = (Vec::with_capacity(told.transactions.len()), AT_ONCE);
        while let Some(rest) = told.transactions.get(receipts.len()..).filter(|rest| !rest.is_empty()) {
            let some = rest.get(..most).unwrap_or(rest);
            match self.of_these(some).await {
                Err(Fault::TooWide { .. }) if some.len() > 1 => most = some.len().div_ceil(2),
                Err(fault) => return Err(fault),
                Ok(given) => receipts.extend(given.into_iter().map(|mut receipt| {
                    receipt.logs.retain(|log| tokens.contains(&log.address) && log.topics.first() == Some(&TRANSFER));
                    receipt
                })),
            }
        }
        Ok(receipts)
    }

    async fn of_these(&self, transactions: &[B256]) -> Result<Vec<ReceiptJson>, Fault> {
        let receipt = |hash| Call { method: "eth_getTransactionReceipt", params: json!([hash]), blocks: 1 };
        let calls: Vec<Call> = transactions.iter().map(receipt).collect();
        let mut receipts = Vec::with_capacity(calls.len());
        for (hash, raw) in transactions.iter().zip(self.many(&calls).await?) {
            match parse::<Option<ReceiptJson>>(Some(raw))? {
                Some(receipt) if receipt.transaction_hash == *hash => receipts.push(receipt),
                Some(_) => return Err(Fault::Misbehaving("gave another transaction's receipt".to_owned())),
                None => return Err(Fault::Missing("it lacks a transaction's".to_owned())),
            }
        }
        Ok(receipts)
    }
}
