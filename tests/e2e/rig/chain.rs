//! An anvil with a token of 6 decimals and payers who own some.

use alloy::primitives::U256;
use deposit_watcher::demo::{Anvil, Call, Contract, Evm, Receipt};
use deposit_watcher::domain::{Address, Units};

use super::{Section, Token};
use crate::support;

/// How much each payer owns, in whole tokens.
const WEALTH: u64 = 1_000_000;

/// Base units of a token with 6 decimals.
pub(crate) fn units(whole: u64) -> Units {
    Units(U256::from(whole) * U256::from(1_000_000))
}

/// A chain of its own, mined by transaction.
pub(crate) struct Chain {
    pub(crate) anvil: Anvil,
    pub(crate) evm: Evm,
    pub(crate) payers: Vec<Address>,
    /// USDC: [`Contract::Many`], a plain token that can also pay many at once.
    pub(crate) usdc: Token,
}

impl Chain {
    /// Starts it, creates the token and gives each payer some.
    pub(crate) async fn start() -> Chain {
        Chain::start_with(&[]).await
    }

    /// The same with arguments of anvil's.
    pub(crate) async fn start_with(args: &[&str]) -> Chain {
        let anvil = support::anvil(args);
        let evm = Evm::new(anvil.url()).unwrap();
        let payers = evm.accounts().await.unwrap();
        let address = evm.deploy(payers[0], Contract::Many).await.unwrap();
        let chain = Chain { anvil, evm, payers, usdc: Token::new("USDC", address, 6) };
        chain.evm.pay(chain.payers[0], address, &Call::Mint(chain.payers[0], units(WEALTH * 10))).await.unwrap();
        let shares = chain.payers.iter().map(|payer| (*payer, units(WEALTH))).collect();
        chain.evm.pay(chain.payers[0], address, &Call::Many(shares)).await.unwrap();
        chain
    }

    /// The network `anvil` with this token.
    pub(crate) fn section(&self) -> Section {
        Section::new(self.anvil.url(), std::slice::from_ref(&self.usdc))
    }

    /// An address that nobody has used.
    pub(crate) fn address(&self) -> Address {
        Address::from(rand::random::<[u8; 20]>())
    }

    /// Pays whole tokens in a block of its own.
    pub(crate) async fn pay(&self, payer: usize, to: Address, whole: u64) -> Receipt {
        let call = Call::Transfer(to, units(whole));
        self.evm.pay(self.payers[payer], self.usdc.address, &call).await.unwrap()
    }

    /// Mines what three confirmations need on top of a payment.
    pub(crate) async fn bury(&self) {
        self.evm.mine(2).await.unwrap();
    }
}
