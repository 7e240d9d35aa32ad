//! `reconcile`: the chain's own transfers to addresses that sessions name, asked anew, against what is stored and the
//! ledger, over blocks that were looked at twice. Each difference is a line; the run is kept as a row. Shares nothing with
//! the two looks but the room that asks endpoints. Not for repairing anything, and not for what the books say of
//! themselves (`check --books`).

mod compare;
mod reading;
mod report;
mod span;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::args_reconcile::Reconcile;
use super::exit::{Exit, Failure};
use super::output::Output;
use super::{connect, names};
use crate::domain::{Address, BlockRef, EndpointKey, LogId, Slug, Time, Token, Transfer, Units};
use crate::settings::{Network, Settings};
use crate::store::{Came, Cursor, Duty, Reconciliation, Store, Untold};
use compare::{Compared, Holding, Kind, Line, Sums, compare, holding};
use reading::{Piece, Reader, Trouble, unavailable};
use report::{Left, Report, TokenLine};
use span::{Before, Span, There};

/// An address whose last session ended so long before `late_window` was over is surely still watched: the first look counts
/// from the block it stood at, which lay further back while it caught up.
const MARGIN: Duration = Duration::from_secs(24 * 60 * 60);
/// More lines than that are not kept with the run; they are printed.
const KEPT: usize = 1_000;
/// Blocks with differences that other endpoints are asked about.
const ASKED_TWICE: usize = 100;

/// What came to and went from an address, by the logs of the range.
type Flows = BTreeMap<(Address, Address), (Units, Units)>;

pub(super) async fn run(settings: &Settings, asked: &Reconcile) -> Result<(), Failure> {
    let network = names::network(settings, &asked.network)?;
    let tokens = match &asked.token {
        Some(key) => vec![names::token(network, key)?.clone()],
        None => network.tokens.clone(),
    };
    let only = asked.endpoint.as_deref().map(|key| reading::endpoint(network, key)).transpose()?;
    let store = connect::ready(&settings.database).await?;
    let never =
        || Failure::failed(format!("network {} was never worked: start `deposit-watcher run` first", network.slug));
    let slug = &network.slug;
    // Before anything is read: what is read again from here on is due again.
    let rereads = store.rereads(slug).await?;
    let row = store.network(slug).await?.ok_or_else(never)?;
    let cursor = row.cursor.ok_or_else(never)?;
    let addresses: Vec<Address> = tokens.iter().map(|token| token.address).collect();
    let there = There::new(&store.read_ranges(slug, &addresses).await?, cursor.confirmed);
    let runs = store.past_runs(slug).await?;
    let before = Before { tokens: &addresses, balances: asked.balances, runs: &runs, rereads: &rereads };
    let Some(span) = there.choose(asked.from, asked.to, &before)? else {
        return end(&store, asked, slug, &Report::empty(slug.as_str())).await;
    };
    let anchor = store.recorded_from(slug, span.to).await?.unwrap_or(cursor.block);
    let reader = Reader::connect(network, row.pinned.genesis, only, asked.timeout, anchor).await?;
    let late = settings.sessions.late_window.saturating_sub(MARGIN);
    let skew = settings.sessions.clock_skew;
    let run = Run { network, tokens, store: &store, reader, span, parts: there.within(span), anchor, skew, late };
    let report = run.report(asked.balances).await?;
    let seen = rereads.iter().filter_map(|reread| reread.id).max().unwrap_or_default();
    run.keep(asked, row.now, seen, &report).await?;
    end(&store, asked, slug, &report).await
}

/// Prints it. What earlier runs found and nobody has seen gone is no agreement, even where this one found nothing.
async fn end(store: &Store, asked: &Reconcile, slug: &Slug, report: &Report) -> Result<(), Failure> {
    report.print(asked.shape.output)?;
    let blocks = report.blocks().unwrap_or_default();
    match report.differences.len() {
        0 => {}
        1 => return Err(Failure::new(Exit::Found, format!("one difference on {slug}, {blocks}"))),
        many => return Err(Failure::new(Exit::Found, format!("{many} differences on {slug}, {blocks}"))),
    }
    let figures = store.reconcile_figures().await?;
    let standing = figures.iter().find(|figures| figures.network == slug.as_str()).map_or(0, |of| of.differences);
    // The lines alone do not say of what there is none.
    let details = if asked.shape.output == Output::Csv { vec![report.headline()] } else { Vec::new() };
    let whole = asked.from.is_none() && asked.to.is_none() && asked.token.is_none();
    let (exit, reason) = match standing {
        0 if details.is_empty() => return Ok(()),
        0 => (Exit::Done, String::new()),
        standing => (
            if whole { Exit::Found } else { Exit::Done },
            format!(
                "differences that earlier runs found on {slug} still stand ({standing}): of blocks, tokens or balances that \
                 this one did not compare"
            ),
        ),
    };
    Err(Failure { exit, details, reason })
}

/// One run.
struct Run<'a> {
    network: &'a Network,
    tokens: Vec<Token>,
    store: &'a Store,
    reader: Reader,
    span: Span,
    /// What was read of it.
    parts: Vec<Span>,
    anchor: BlockRef,
    skew: Duration,
    late: Duration,
}

/// What was read so far.
#[derive(Default)]
struct Found {
    endpoint: Option<EndpointKey>,
    sums: BTreeMap<Address, Sums>,
    lines: Vec<(Line, LogId)>,
    left: Left,
    flows: Flows,
}

impl Run<'_> {
    fn addresses(&self) -> Vec<Address> {
        self.tokens.iter().map(|token| token.address).collect()
    }

    /// Reads and compares all of it.
    async fn report(&self, balances: bool) -> Result<Report, Failure> {
        let slug = self.network.slug.as_str();
        let holders = match balances {
            true => self.store.came_to(&self.network.slug, self.span.to, &self.addresses()).await?,
            false => Vec::new(),
        };
        let nothing = (Units::ZERO, Units::ZERO);
        let flows: Flows = holders.iter().map(|came| ((came.token, came.to), nothing)).collect();
        let mut found = Found { flows, ..Found::default() };
        match self.read(&mut found).await {
            Ok(()) => {}
            Err(Trouble::Failure(failure)) => return Err(failure),
            Err(Trouble::OtherBlock(block, key)) => {
                let mut report = Report::of(slug, self.span, key.as_str());
                report.differences = vec![self.other_block(block, &key)];
                return Ok(report);
            }
        }
        let endpoint = found.endpoint.clone().ok_or_else(|| unavailable("no block was read"))?;
        let mut report = Report::of(slug, self.span, endpoint.as_str());
        let balances = self.balances(&holders, &found.flows).await?;
        self.stands_still().await?;
        self.ask_others(&endpoint, &mut found.lines).await;
        let ledger =
            self.store.ledger_between(&self.network.slug, self.span.from, self.span.to, &self.addresses()).await?;
        let ledger_of = |token: &Token| ledger.iter().find(|(address, _)| *address == token.address);
        let sums_of = |token: &Token| found.sums.get(&token.address).cloned().unwrap_or_default();
        let line =
            |token: &Token| TokenLine::new(token, &sums_of(token), ledger_of(token).map_or("0", |(_, units)| units));
        report.tokens = self.tokens.iter().map(line).collect();
        report.left = found.left;
        let (impossible, balances): (Vec<Line>, Vec<Line>) =
            balances.into_iter().partition(|line| line.kind.is_difference());
        report.differences = found.lines.into_iter().map(|(line, _)| line).chain(impossible).collect();
        report.balances = balances;
        Ok(report)
    }

    async fn read(&self, found: &mut Found) -> Result<(), Trouble> {
        for part in &self.parts {
            // What moved in blocks that nobody read is not known: who owns too little is judged by the last part alone.
            found.flows.values_mut().for_each(|flow| *flow = (Units::ZERO, Units::ZERO));
            let mut next = part.from;
            while next <= part.to {
                let piece = self.reader.piece(next, part.to, &self.addresses()).await?;
                let upto = Span { from: next, to: piece.to };
                self.compare(upto, &piece, found).await?;
                next = piece.to.plus(1);
                found.endpoint = Some(piece.endpoint.key().clone());
            }
        }
        Ok(())
    }

    async fn compare(&self, span: Span, piece: &Piece, found: &mut Found) -> Result<(), Failure> {
        for transfer in &piece.logs.transfers {
            let mut add = |who: Address, received: Units, sent: Units| {
                if let Some(flow) = found.flows.get_mut(&(transfer.token, who)) {
                    *flow = (flow.0.saturating_add(received), flow.1.saturating_add(sent));
                }
            };
            add(transfer.to, transfer.units, Units::ZERO);
            add(transfer.from, Units::ZERO, transfer.units);
        }
        let recipients: BTreeSet<Address> = piece.logs.transfers.iter().map(|transfer| transfer.to).collect();
        let recipients: Vec<Address> = recipients.into_iter().collect();
        let named = self.store.watched(&recipients, Time::UNIX_EPOCH).await?;
        let named: BTreeSet<Address> = named.into_iter().collect();
        let ours: Vec<Transfer> =
            piece.logs.transfers.iter().filter(|transfer| named.contains(&transfer.to)).copied().collect();
        let here = self.store.booked_between(&self.network.slug, span.from, span.to, &self.addresses()).await?;
        let mut compared = compare(&ours, &here, &self.tokens);
        for (transfer, duty) in self.duties(piece, &compared).await? {
            match duty {
                Some(Duty::Stored) => compared.miss(&transfer, &self.tokens),
                Some(Duty::NotYet) => found.left.not_yet = found.left.not_yet.saturating_add(1),
                Some(Duty::NotRead) => found.left.not_read = found.left.not_read.saturating_add(1),
                None => found.left.left_out = found.left.left_out.saturating_add(1),
            }
        }
        compared.lines.sort_by_key(|(line, _)| (line.block_number, line.log_index));
        found.lines.extend(compared.lines);
        for (token, sums) in compared.sums {
            let all = found.sums.entry(token).or_default();
            all.transfers = all.transfers.saturating_add(sums.transfers);
            all.waiting = all.waiting.saturating_add(sums.waiting);
            all.chain = all.chain.saturating_add(sums.chain);
            all.here = all.here.saturating_add(sums.here);
            all.confirmed = all.confirmed.saturating_add(sums.confirmed);
        }
        Ok(())
    }

    /// Of what is on the chain and not stored, whether it should be; nothing where no session was waiting for it.
    async fn duties(&self, piece: &Piece, compared: &Compared) -> Result<Vec<(Transfer, Option<Duty>)>, Failure> {
        if compared.untold.is_empty() {
            return Ok(Vec::new());
        }
        let blocks: BTreeSet<_> = compared.untold.iter().map(|t| (t.block.number.0, t.block.hash)).collect();
        let times = self.reader.times(&piece.endpoint, &blocks).await?;
        let times: BTreeMap<_, Time> = blocks.iter().map(|(_, hash)| *hash).zip(times).collect();
        let untold = compared.untold.iter().filter_map(|t| {
            let time = *times.get(&t.block.hash)?;
            Some(Untold { number: t.block.number, time, token: t.token, to: t.to })
        });
        let untold: Vec<Untold> = untold.collect();
        let duties = self.store.must_be_here(&self.network.slug, &untold, self.skew, self.late).await?;
        let duties: BTreeMap<usize, Duty> = duties.into_iter().collect();
        Ok(compared.untold.iter().enumerate().map(|(at, transfer)| (*transfer, duties.get(&at).copied())).collect())
    }

    /// Who else says so: of each difference about a transfer, what the other endpoints have in its block.
    async fn ask_others(&self, told_by: &EndpointKey, lines: &mut [(Line, LogId)]) {
        let mut said = BTreeMap::new();
        for (line, id) in lines.iter_mut() {
            line.told_by.push(told_by.to_string());
            if !said.contains_key(&id.block_hash) && said.len() < ASKED_TWICE {
                let block = BlockRef { number: crate::domain::BlockNumber(line.block_number), hash: id.block_hash };
                said.insert(id.block_hash, self.reader.others(told_by, block, &self.addresses()).await);
            }
            for (key, logs) in said.get(&id.block_hash).into_iter().flatten() {
                let theirs = logs.transfers.iter().find(|transfer| transfer.id() == *id);
                let theirs = theirs.map(|transfer| transfer.units.to_string());
                if theirs == line.chain_units {
                    line.told_by.push(key.to_string());
                } else if theirs == line.here_units {
                    line.denied_by.push(key.to_string());
                }
            }
        }
    }

    async fn balances(&self, holders: &[Came], flows: &Flows) -> Result<Vec<Line>, Failure> {
        if holders.is_empty() {
            return Ok(Vec::new());
        }
        let asked: Vec<(Address, Address)> = holders.iter().map(|came| (came.token, came.to)).collect();
        let (block, owned) = self.reader.owned(self.span.to, &asked).await?;
        let mut lines = Vec::new();
        for (came, owned) in holders.iter().zip(owned) {
            let (received, sent) = flows.get(&(came.token, came.to)).copied().unwrap_or_default();
            let (kind, what) = holding(&Holding { owned, came: came.units, received, sent });
            if !(kind == Kind::AsItCame && owned.is_zero()) {
                lines.push(self.balance(kind, block, came, owned, what));
            }
        }
        Ok(lines)
    }

    fn balance(&self, kind: Kind, block: BlockRef, came: &Came, owned: Units, what: String) -> Line {
        let token = self.tokens.iter().find(|token| token.address == came.token);
        Line {
            token: token.map(|token| token.key.to_string()),
            to_address: Some(format!("{:#x}", came.to)),
            chain_units: Some(owned.to_string()),
            here_units: Some(came.units.to_string()),
            ..Line::bare(kind, block, what)
        }
    }

    fn other_block(&self, there: BlockRef, key: &EndpointKey) -> Line {
        let what =
            format!("is {} on the chain of endpoint {key}, and recorded here as {}", there.hash, self.anchor.hash);
        Line { told_by: vec![key.to_string()], ..Line::bare(Kind::OtherBlock, self.anchor, what) }
    }

    /// A reorganisation while it was read would make differences that are none.
    async fn stands_still(&self) -> Result<(), Failure> {
        let slug = &self.network.slug;
        let cursor = self.store.network(slug).await?.and_then(|row| row.cursor);
        let covers = |cursor: Cursor| cursor.confirmed >= self.span.to;
        let recorded = self.store.recorded_at(slug, self.anchor.number).await?;
        match cursor.is_some_and(covers) && recorded == Some(self.anchor) {
            true => Ok(()),
            false => Err(unavailable(format!("network {slug} went back while it was compared: try again"))),
        }
    }

    async fn keep(&self, asked: &Reconcile, started_at: Time, rereads: i64, report: &Report) -> Result<(), Failure> {
        let count = |items: usize| u64::try_from(items).unwrap_or(u64::MAX);
        let kept: Vec<&Line> = report.differences.iter().take(KEPT).collect();
        let differs =
            |token: &&Token| report.differences.iter().any(|line| line.token.as_deref() == Some(token.key.as_str()));
        let other_block = report.differences.iter().any(|line| line.kind == Kind::OtherBlock);
        let run = Reconciliation {
            from: self.span.from,
            to: self.span.to,
            token: asked.token.as_ref().and(self.tokens.first()).map(|token| token.address),
            tokens: if other_block { Vec::new() } else { self.addresses() },
            differing: self.tokens.iter().filter(differs).map(|token| token.address).collect(),
            balances: asked.balances,
            endpoint: report.endpoint.clone().unwrap_or_default(),
            transfers: report.transfers(),
            differences: count(report.differences.len()),
            found: serde_json::to_value(kept).map_err(Failure::failed)?,
            started_at,
            rereads,
        };
        self.store.keep_reconciliation(&self.network.slug, &run).await?;
        Ok(())
    }
}
