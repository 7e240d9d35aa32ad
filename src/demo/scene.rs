//! How things stand: every session of the demo with its transfers as committed, and how far the watcher has come. Not for
//! showing it: see [`super::screen`].

use super::cast::{End, Part, Role};
use super::stage::{CONFIRMATIONS, Stage};
use crate::domain::{SessionStatus, Time};
use crate::store::{NetworkStatus, SessionLine, TransferLine};

/// More than the demo ever makes.
const ALL: i64 = 1_000;

/// One look at everything.
#[derive(Debug, Clone, Default)]
pub(super) struct Scene {
    /// The open sessions and those that were, in the order of [`Role::ALL`].
    pub(super) rows: Vec<Row>,
    /// The chain's newest block.
    pub(super) head: u64,
    /// The newest block scanned and committed.
    pub(super) scanned: Option<i64>,
    /// Every block up to this one has been looked at twice.
    pub(super) confirmed: Option<i64>,
    /// Why the network is halted.
    pub(super) halted: Option<String>,
}

/// One session.
#[derive(Debug, Clone)]
pub(super) struct Row {
    /// Which one.
    pub(super) role: Role,
    /// Its id.
    pub(super) id: String,
    /// As committed.
    pub(super) status: String,
    /// Whole tokens.
    pub(super) received: String,
    /// It waits no more.
    pub(super) closed: bool,
    /// Until when it takes money.
    pub(super) expires_at: Time,
    /// Canonical transfers that pay it.
    pub(super) transfers: usize,
    /// Transfers of it whose block left the chain.
    pub(super) orphaned: usize,
    /// Why money at its address belongs to nobody.
    pub(super) unmatched: Option<String>,
    /// The least among its transfers.
    pub(super) confirmations: Option<u64>,
}

impl Scene {
    /// Looks at database and chain.
    pub(super) async fn look(stage: &Stage) -> anyhow::Result<Scene> {
        let network = stage.slug.as_str();
        let sessions = stage.store.session_lines(None, Some(network), None, ALL).await?;
        let transfers = stage.store.transfer_lines(Some(network), None, None, None, false, ALL).await?;
        let statuses = stage.store.network_statuses().await?;
        let status = statuses.into_iter().find(|status| status.network == network);
        let head = stage.evm.head().await?.block.number.0;
        // No two roles ask the same amount at the same address.
        let own = |role: Role, line: &SessionLine| {
            line.amount == role.part().amount && line.deposit_address.eq_ignore_ascii_case(&role.address().to_string())
        };
        let line = |role: Role| sessions.iter().find(|line| own(role, line)).map(|line| (role, line));
        let rows = Role::ALL.into_iter().filter_map(line);
        let rows = rows.map(|(role, line)| row(role, line, &transfers, status.as_ref())).collect();
        let (scanned, confirmed) = status.as_ref().map_or((None, None), |s| (s.scanned, s.confirmed));
        Ok(Scene { rows, head, scanned, confirmed, halted: status.and_then(|status| status.halted) })
    }

    /// The session of a role, once it is open.
    pub(super) fn row(&self, role: Role) -> Option<&Row> {
        self.rows.iter().find(|row| row.role == role)
    }

    /// True when the session has this status.
    pub(super) fn is(&self, role: Role, status: SessionStatus) -> bool {
        self.row(role).is_some_and(|row| row.status == status.as_str())
    }

    /// True when every session is there and has its end.
    pub(super) fn ended(&self) -> bool {
        Role::ALL.into_iter().all(|role| self.row(role).is_some_and(Row::ended))
    }
}

impl Row {
    /// True when it waits no more and is what it must be.
    pub(super) fn ended(&self) -> bool {
        let End { status, received, transfers, orphaned, unmatched } = self.role.part().end;
        self.closed
            && self.status == status.as_str()
            && self.received == received
            && (self.transfers, self.orphaned) == (transfers, orphaned)
            && self.unmatched.as_deref() == unmatched
    }

    /// `2/3`, or nothing where there is no money.
    pub(super) fn depth(&self) -> String {
        let shown = self.confirmations.map(|blocks| blocks.min(CONFIRMATIONS));
        shown.map(|blocks| format!("{blocks}/{CONFIRMATIONS}")).unwrap_or_default()
    }

    /// What the other columns do not say.
    pub(super) fn note(&self) -> String {
        let gone = (self.orphaned > 0).then(|| format!("{} orphaned", self.orphaned));
        let nobodys = self.unmatched.as_ref().map(|reason| format!("kept: {reason}"));
        let several = (self.transfers > 1).then(|| format!("{} transfers", self.transfers));
        let last = (self.closed && self.status == SessionStatus::Underpaid.as_str()).then(|| "final".to_owned());
        [several, gone, nobodys, last].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// `110 DUSD`
    pub(super) fn asked(&self) -> String {
        let Part { amount, coin, .. } = self.role.part();
        format!("{amount} {}", coin.symbol())
    }
}

fn row(role: Role, line: &SessionLine, transfers: &[TransferLine], status: Option<&NetworkStatus>) -> Row {
    let own = |transfer: &&TransferLine| transfer.session_id.as_ref() == Some(&line.id);
    let stands = |transfer: &&TransferLine| transfer.state != "ORPHANED";
    let address = format!("{:#x}", role.address());
    let nobodys = transfers.iter().filter(stands).find(|t| t.session_id.is_none() && t.to_address == address);
    let newest = transfers.iter().filter(own).filter(stands).map(|transfer| transfer.block_number).max();
    let scanned = status.and_then(|status| status.scanned);
    let depth = |block: i64| scanned.and_then(|scanned| scanned.checked_sub(block)?.checked_add(1));
    Row {
        role,
        id: line.id.clone(),
        status: line.status.clone(),
        received: line.received.clone(),
        closed: line.closed_at.is_some(),
        expires_at: line.expires_at,
        transfers: transfers.iter().filter(own).filter(stands).count(),
        orphaned: transfers.iter().filter(own).filter(|transfer| !stands(transfer)).count(),
        unmatched: nobodys.and_then(|transfer| transfer.reason.clone()),
        confirmations: newest.and_then(depth).map(|blocks| u64::try_from(blocks).unwrap_or_default()),
    }
}
