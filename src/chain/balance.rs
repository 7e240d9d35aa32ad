//! What accounts own of tokens at a block. Not for what they were sent: that is in the logs.

use alloy::primitives::{B256, Bytes, U256};
use alloy::sol;
use alloy::sol_types::SolCall;
use serde_json::json;

use super::call::{Call, parse};
use super::endpoint::{Endpoint, header_at, header_call};
use super::error::{Error, Fault};
use crate::domain::{Address, BlockNumber, BlockRef, Units};

sol! {
    /// <https://eips.ethereum.org/EIPS/eip-20#balanceof>
    function balanceOf(address owner) returns (uint256);
}

/// Answers to one question for balances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Balances {
    /// In the order asked, at this block.
    Are(BlockRef, Vec<Units>),
    /// It does not say: it keeps no state of that block, or the contract gives no number.
    Unknown(String),
}

impl Endpoint {
    /// What each owner has of a token at a height, and which block the endpoint has there, in one batch.
    pub async fn balances(&self, at: BlockNumber, asked: &[(Address, Address)]) -> Result<Balances, Error> {
        let balance = |(token, owner): &(Address, Address)| {
            let input = Bytes::from(balanceOfCall { owner: *owner }.abi_encode());
            let params = json!([{ "to": token, "data": input }, format!("{:#x}", at.0)]);
            Call { method: "eth_call", params, blocks: 0 }
        };
        let calls: Vec<Call> = std::iter::once(header_call(at)).chain(asked.iter().map(balance)).collect();
        let work = async {
            let mut answers = self.many(&calls).await?.into_iter();
            let Some(header) = header_at(at, answers.next())? else {
                return Ok(Balances::Unknown(format!("it has no block {at}")));
            };
            let mut owned = Vec::with_capacity(asked.len());
            for raw in answers {
                match parse::<Bytes>(Some(raw)).map(|answer| word(&answer)) {
                    Ok(Some(units)) => owned.push(units),
                    Ok(None) => return Ok(Balances::Unknown("the contract gives no number".to_owned())),
                    Err(Fault::Refused(why) | Fault::Missing(why) | Fault::Unsupported(why)) => {
                        return Ok(Balances::Unknown(self.clean(&why)));
                    }
                    Err(fault) => return Err(fault),
                }
            }
            Ok(Balances::Are(header.block, owned))
        };
        self.ask("batch", 0, work).await
    }
}

/// The number in an answer of just one word.
fn word(answer: &Bytes) -> Option<Units> {
    let word = <[u8; 32]>::try_from(answer.as_ref()).ok()?;
    Some(Units(U256::from_be_bytes(B256::from(word).0)))
}
