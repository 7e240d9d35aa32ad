//! Why a session is or is not paid, in words. Pure: what it needs is read by `show`. Not for deciding anything: it only
//! tells what the watcher decided and what it waits for.

use crate::cli::reasons;
use crate::domain::{Finality, SessionStatus, Time, Units};
use crate::settings::Network;
use crate::store::{NetworkStatus, SessionLine, TransferLine};

/// Everything that is known about a session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case<'a> {
    /// Its row.
    pub(super) session: &'a SessionLine,
    /// Transfers to its address on any network, and those that once paid it.
    pub(super) transfers: &'a [TransferLine],
    /// True when a confirmed transfer of it ever left the chain.
    pub(super) reverted: bool,
    /// Its network as configured here.
    pub(super) network: Option<&'a Network>,
    /// Its network as the database has it.
    pub(super) status: Option<&'a NetworkStatus>,
    /// The database's clock.
    pub(super) now: Time,
}

/// One sentence a line: first what it is, then what it waits for, then what else arrived at its address.
pub(super) fn explain(case: &Case<'_>) -> Vec<String> {
    if let Some(reason) = &case.session.unusable {
        let verdict = format!("It can never be paid: {}.", reasons::unusable(reason));
        return [vec![verdict], case.strangers()].concat();
    }
    let mut lines = vec![case.verdict()];
    lines.extend(case.own());
    if case.reverted {
        let gone = "a payment that was confirmed left it, by a reorganisation or a person's release";
        let hint = if case.session.confirmed_at.is_some() {
            "it was paid again since"
        } else {
            "deliver nothing on what was told before"
        };
        lines.push(format!("It was reverted: {gone}; {hint}."));
    }
    if case.waits() {
        lines.extend(case.network_trouble());
    }
    lines.extend(case.strangers());
    lines
}

impl Case<'_> {
    fn verdict(&self) -> String {
        let session = self.session;
        let until = format!("until {}", shown(session.expires_at));
        let asked = format!("{} {}", session.amount, session.currency);
        match SessionStatus::parse(&session.status) {
            Some(SessionStatus::Created | SessionStatus::Pending) if self.own_canonical().next().is_some() => {
                format!(
                    "Not paid yet: {} of {asked} has been seen, {} of it is confirmed.",
                    session.received, session.confirmed
                )
            }
            Some(SessionStatus::Created | SessionStatus::Pending) => self.unpaid(&asked, &until),
            Some(SessionStatus::Confirmed) => format!("Paid in full: {} of {asked} is confirmed.", session.confirmed),
            Some(SessionStatus::Overpaid) => {
                let more = difference(&session.confirmed, &session.amount);
                format!(
                    "Paid, with {more} {} more than asked: {} of {asked} is confirmed.",
                    session.currency, session.confirmed
                )
            }
            Some(SessionStatus::Underpaid) => self.underpaid(&asked, &until),
            Some(SessionStatus::Expired) => self.expired(&asked),
            None => format!("Its status {} is one that this version does not know.", session.status),
        }
    }

    fn unpaid(&self, asked: &str, until: &str) -> String {
        let session = self.session;
        if let Some(at) = session.cancelled_at {
            return format!("Not paid: it was cancelled at {} and waits only for what was mined by then.", shown(at));
        }
        let over = self.now > session.expires_at;
        let time = if over {
            format!("its time ran out at {}, but the chain's time has not come so far", shown(session.expires_at))
        } else {
            format!("it takes money {until}")
        };
        format!("Not paid: no transfer of {asked} to {} has been seen; {time}.", session.deposit_address)
    }

    fn underpaid(&self, asked: &str, until: &str) -> String {
        let session = self.session;
        let missing = format!("{} {}", difference(&session.amount, &session.received), session.currency);
        if session.closed_at.is_some() {
            return format!(
                "Underpaid for good: {} of {asked} is confirmed, {missing} is missing and its time is over.",
                session.confirmed
            );
        }
        format!("Underpaid: {} of {asked} is confirmed; {missing} is missing and is taken {until}.", session.confirmed)
    }

    fn expired(&self, asked: &str) -> String {
        let session = self.session;
        if let Some(at) = session.cancelled_at {
            return format!("Not paid: it was cancelled at {} without money.", shown(at));
        }
        let hint = "a transfer mined in time still brings it back, however late it is seen";
        format!("Not paid: it expired at {} without {asked}; {hint}.", shown(session.expires_at))
    }

    /// A sentence for each transfer that pays it, or paid it until its block left the chain.
    fn own(&self) -> Vec<String> {
        let own = self.transfers.iter().filter(|one| one.session_id.as_ref() == Some(&self.session.id));
        let sentence = |one: &TransferLine| {
            let given = if one.settlement.is_some() { ", given to it by a person," } else { "" };
            let what = format!("{} in block {} (transaction {}){given}", one.amount, one.block_number, one.tx_hash);
            match one.state.as_str() {
                "CONFIRMED" => format!("{what} is confirmed."),
                "SEEN" => format!("{what} is seen: {}.", self.awaited(one)),
                _ => format!("{what} left the chain in a reorganisation; mined again it is looked at again."),
            }
        };
        own.map(sentence).collect()
    }

    fn own_canonical(&self) -> impl Iterator<Item = &TransferLine> {
        self.transfers.iter().filter(|one| one.session_id.as_ref() == Some(&self.session.id) && one.state != "ORPHANED")
    }

    /// What a seen transfer still waits for.
    fn awaited(&self, transfer: &TransferLine) -> String {
        let Some(network) = self.network else { return "the second look has not confirmed it".to_owned() };
        let scanned = self.status.and_then(|status| status.scanned).unwrap_or_default();
        let above = u64::try_from(scanned.saturating_sub(transfer.block_number).saturating_add(1)).unwrap_or_default();
        let depth = match network.finality {
            Finality::Confirmations(needed) if above < needed => format!("it has {above} of {needed} confirmations"),
            Finality::Confirmations(needed) => {
                format!("it has its {needed} confirmations and waits for the second look")
            }
            Finality::Safe => "it waits until the chain calls its block `safe`".to_owned(),
            Finality::Finalized => "it waits until the chain calls its block `finalized`".to_owned(),
        };
        let age = self.now.signed_duration_since(transfer.block_time).to_std().unwrap_or_default();
        if age >= network.min_age {
            return depth;
        }
        format!("{depth}, and until the block is {} old", humantime::format_duration(network.min_age))
    }

    /// True while something may still happen to it.
    fn waits(&self) -> bool {
        self.session.closed_at.is_none() || self.own_canonical().any(|one| one.state == "SEEN")
    }

    /// What of its network keeps it waiting.
    fn network_trouble(&self) -> Vec<String> {
        let slug = &self.session.network;
        let Some(network) = self.network.filter(|network| network.enabled) else {
            let cure = format!("set networks.{slug}.enabled = true where the watchers run");
            return vec![format!("Network {slug} is not configured and enabled here; {cure}.")];
        };
        let Some(status) = self.status else {
            return vec![format!("Network {slug} was never worked: no watcher with it has started.")];
        };
        let mut lines = Vec::new();
        if let Some(why) = &status.halted {
            lines.push(format!(
                "Network {slug} is halted: {why}; `deposit-watcher rescan --network {slug} --resume` says what to do."
            ));
        }
        if status.holder.is_none() {
            lines.push(format!("No watcher works {slug} now: nothing is seen or confirmed until one runs."));
        }
        match crate::cli::status::lag(status, Some(network)) {
            Some((_, time)) if time.is_zero() => {}
            Some((blocks, time)) => {
                let seconds = time.as_secs();
                lines.push(format!("Scanning of {slug} lags by {seconds} s and {blocks} known blocks: newer transfers are not seen yet."));
            }
            None => lines.push(format!("No block of {slug} has been scanned yet.")),
        }
        lines
    }

    /// What else arrived at its address and pays nobody.
    fn strangers(&self) -> Vec<String> {
        let session = self.session;
        let unmatched = self.transfers.iter().filter_map(|one| Some((one, one.reason.as_deref()?)));
        let canonical = unmatched.filter(|(one, _)| one.state != "ORPHANED");
        let sentence = |(one, reason): (&TransferLine, &str)| {
            let place = if one.network == session.network { String::new() } else { format!(" on {}", one.network) };
            let same = one.token_address == session.currency_address.to_lowercase();
            let what = if same {
                format!("{} {}", one.amount, session.currency)
            } else {
                format!("{} of token {}", one.amount, one.token_address)
            };
            let time = shown(one.block_time);
            if let (Some(how), Some(_)) = (&one.settled, one.settlement) {
                return format!(
                    "{what} arrived at its address{place} at {time} and was {how} by a person (transaction {}).",
                    one.tx_hash
                );
            }
            format!(
                "{what} arrived at its address{place} at {time} and pays no session: {} (transaction {}).",
                reasons::unmatched_text(reason),
                one.tx_hash
            )
        };
        canonical.map(sentence).collect()
    }
}

fn shown(time: Time) -> String {
    time.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// `more` − `less` of two plain decimals, exactly; never negative.
fn difference(more: &str, less: &str) -> String {
    let places = |text: &str| text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let decimals = u8::try_from(places(more).max(places(less))).unwrap_or(u8::MAX);
    let read = |text: &str| Units::parse(text, decimals).unwrap_or_default();
    read(more).saturating_sub(read(less)).to_decimal(decimals)
}

#[cfg(test)]
#[path = "explain_tests.rs"]
mod tests;
