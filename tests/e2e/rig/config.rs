//! The configuration file of a test, as an operator would write it.

use std::fmt::Write;

use deposit_watcher::domain::Address;

use super::CANARY;

/// A token and the network it is configured on.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) network: String,
    pub(crate) key: String,
    pub(crate) symbol: String,
    pub(crate) address: Address,
    pub(crate) decimals: u8,
}

impl Token {
    /// Of the network `anvil`; its key is its symbol in lower case.
    pub(crate) fn new(symbol: &str, address: Address, decimals: u8) -> Token {
        let (network, key) = ("anvil".to_owned(), symbol.to_lowercase());
        Token { network, key, symbol: symbol.to_owned(), address, decimals }
    }

    /// The same on another network.
    pub(crate) fn of(self, network: &str) -> Token {
        Token { network: network.to_owned(), ..self }
    }
}

/// One network's section: three confirmations, looked at every 50 ms.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    pub(crate) slug: String,
    pub(crate) chain_id: u64,
    pub(crate) url: String,
    /// A second endpoint, `spare`, to be asked when the first, `local`, is away.
    pub(crate) spare: Option<String>,
    pub(crate) finality: &'static str,
    pub(crate) poll_interval: &'static str,
    pub(crate) tokens: Vec<Token>,
    /// Further lines.
    pub(crate) more: String,
}

impl Section {
    /// The network `anvil` at this URL.
    pub(crate) fn new(url: impl Into<String>, tokens: &[Token]) -> Section {
        Section {
            slug: tokens.first().map_or("anvil", |token| &token.network).to_owned(),
            chain_id: 31_337,
            url: url.into(),
            spare: None,
            finality: "\"confirmations\"\nconfirmations = 3",
            poll_interval: "50ms",
            tokens: tokens.to_vec(),
            more: String::new(),
        }
    }

    /// With another line.
    pub(crate) fn with(mut self, line: &str) -> Section {
        writeln!(self.more, "{line}").unwrap();
        self
    }

    fn text(&self) -> String {
        let Section { slug, chain_id, finality, poll_interval, more, .. } = self;
        let mut text = format!(
            "[networks.{slug}]\nchain_id = {chain_id}\nfinality = {finality}\npoll_interval = \"{poll_interval}\"\n{more}"
        );
        for (priority, (key, url)) in
            [("local", Some(&self.url)), ("spare", self.spare.as_ref())].into_iter().enumerate()
        {
            let Some(url) = url else { continue };
            // A provider's key, wherever a URL can hold one. anvil minds neither.
            let url = url.replacen("://", &format!("://{CANARY}-user:{CANARY}-password@"), 1);
            let lines = format!("url = \"{url}/?apikey={CANARY}-key\"\npriority = {priority}\noperator = \"{key}\"");
            writeln!(text, "[networks.{slug}.rpc.{key}]\n{lines}").unwrap();
        }
        for Token { key, symbol, address, decimals, .. } in &self.tokens {
            let lines = format!("symbol = \"{symbol}\"\naddress = \"{address}\"\ndecimals = {decimals}");
            writeln!(text, "[networks.{slug}.tokens.{key}]\n{lines}").unwrap();
        }
        text
    }
}

/// What secrets are sealed with.
pub(super) fn sealing_key() -> String {
    "5e".repeat(32)
}

/// A whole file. Both listeners take a free port and say in the log which.
pub(super) fn text(database: &str, sections: &[Section]) -> String {
    let networks: String = sections.iter().map(Section::text).collect();
    let key = sealing_key();
    format!(
        "[database]\nurl = \"{database}\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
         [api]\nsealing_key = \"{key}\"\n[webhooks]\nallow_http = true\nallowed_networks = [\"127.0.0.0/8\"]\n{networks}"
    )
}
