//! A customer of the demo's shop: opens the link that the shop sent, and reads off the payment page what a wallet is
//! asked for there. Not for sending it: see [`super::script`].

use std::time::Duration;

use anyhow::{Context, ensure};

use super::Anvil;
use crate::domain::{Address, Units, parse_address};

/// What a wallet is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The token's contract.
    pub(super) token: Address,
    /// Where it goes.
    pub(super) to: Address,
    /// How much.
    pub(super) units: Units,
}

/// Opens a payment page and reads what it asks for.
pub(super) async fn visit(link: &str) -> anyhow::Result<Wanted> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).no_proxy().build()?;
    let answer = client.get(link).send().await.context("the payment page does not answer")?;
    let (status, page) = (answer.status(), answer.text().await?);
    ensure!(status.is_success(), "the payment page answered {status}");
    wanted(&page).context("the payment page asks no wallet for anything")
}

/// The page's link for wallets, `ethereum:TOKEN@CHAIN/transfer?address=TO&uint256=UNITS` (EIP-681).
fn wanted(page: &str) -> Option<Wanted> {
    let link = page.split_once("\"ethereum:")?.1.split('"').next()?;
    let link = link.replace("&#38;", "&").replace("&amp;", "&");
    let (token, rest) = link.split_once('@')?;
    let (chain, query) = rest.split_once("/transfer?")?;
    let field = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let here = chain.parse() == Ok(Anvil::CHAIN_ID);
    let (token, to) = (parse_address(token).ok()?, parse_address(field("address")?).ok()?);
    here.then_some(Wanted { token, to, units: Units::parse_base(field("uint256")?).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: &str = "ethereum:0x5FbDB2315678afecb367f032d93F642f64180aa3@31337/transfer?address=0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

    #[test]
    fn a_wallet_reads_token_address_and_amount() {
        for and in ["&", "&amp;", "&#38;"] {
            let page = format!("<p>Pay</p><a href=\"{LINK}{and}uint256=65000000\">Wallet</a>");
            let wanted = wanted(&page).unwrap();
            assert_eq!(wanted.to, parse_address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8").unwrap());
            assert_eq!(wanted.units, Units::parse("65", 6).unwrap());
        }
    }

    #[test]
    fn nothing_is_read_from_another_chain_or_a_page_that_is_over() {
        let elsewhere = LINK.replace("31337", "1");
        assert_eq!(wanted(&format!("<a href=\"{elsewhere}&uint256=65\">")), None);
        assert_eq!(wanted(&format!("<a href=\"{LINK}\">")), None);
        assert_eq!(wanted("<p>Expired</p>"), None);
    }
}
