//! Where the looks differ, and who is right: receipts in which the endpoints agree, or receipts that the block's header
//! proves. Not for who is asked ([`super::witnesses`]), and not for writing what follows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::second_look::{Span, count};
use super::{Error, Watcher};
use crate::chain::{self, Endpoint, Logs, Proof};
use crate::domain::{Address, BlockHash, BlockNumber, BlockRef, Header, LogId, Transfer};
use crate::settings::Verify;
use crate::store::{BlockTime, Cursor};

/// Blocks proven in one step: each is some hundred kilobytes of receipts, and the next first look waits.
const PROVEN_AT_ONCE: usize = 16;

/// What witnesses tell otherwise than it is stored, by block.
#[derive(Debug, Default)]
pub(super) struct Differences(BTreeMap<BlockKey, Difference>);

#[derive(Debug)]
struct Difference {
    block: BlockRef,
    missed: Vec<Transfer>,
    invented: Vec<Transfer>,
}

/// A block as a key of a map.
type BlockKey = (BlockNumber, BlockHash);

/// What follows from the differences.
#[derive(Debug, Default)]
pub(super) struct Ruling {
    pub(super) missed: Vec<Transfer>,
    pub(super) invented: Vec<Transfer>,
    /// Blocks that are stored with another time than they have.
    pub(super) misdated: Vec<BlockTime>,
    /// Headers that were proven on the way, or are told alike.
    pub(super) headers: Vec<Header>,
    /// The lowest block about which nothing can be said, and why.
    pub(super) disputed: Option<(BlockNumber, String)>,
    /// How far it goes where it could not go further at once.
    pub(super) upto: Option<BlockNumber>,
    /// Transfers about which nothing can be said.
    pub(super) disputes: u64,
}

impl Differences {
    /// Adds what one witness tells otherwise.
    pub(super) fn add(&mut self, stored: &[Transfer], logs: &Logs, watched: &BTreeSet<Address>) {
        let ours: BTreeMap<LogId, &Transfer> = stored.iter().map(|t| (t.id(), t)).collect();
        let theirs: BTreeMap<LogId, &Transfer> = logs.transfers.iter().map(|t| (t.id(), t)).collect();
        let told = logs.transfers.iter().filter(|t| watched.contains(&t.to));
        for transfer in told.filter(|t| !ours.get(&t.id()).is_some_and(|o| alike(o, t))) {
            once(&mut self.at(transfer.block).missed, transfer);
        }
        for transfer in stored.iter().filter(|t| !theirs.get(&t.id()).is_some_and(|o| alike(o, t))) {
            once(&mut self.at(transfer.block).invented, transfer);
        }
    }

    fn at(&mut self, block: BlockRef) -> &mut Difference {
        let vacant = || Difference { block, missed: Vec::new(), invented: Vec::new() };
        self.0.entry((block.number, block.hash)).or_insert_with(vacant)
    }
}

impl Ruling {
    /// Forgets what lies above `reached`: it is looked at another time.
    pub(super) fn keep(&mut self, reached: BlockNumber) {
        self.missed.retain(|transfer| transfer.block.number <= reached);
        self.invented.retain(|transfer| transfer.block.number <= reached);
        self.misdated.retain(|misdated| misdated.block.number <= reached);
        self.headers.retain(|header| header.block.number <= reached);
    }

    pub(super) fn dispute(&mut self, block: BlockNumber, transfers: usize, why: &str) {
        self.disputes = self.disputes.saturating_add(count(transfers));
        if self.disputed.as_ref().is_none_or(|(lowest, _)| block < *lowest) {
            self.disputed = Some((block, why.to_owned()));
        }
    }
}

impl Watcher {
    /// Rules on all blocks up to `reached`.
    pub(super) async fn judge(
        &mut self,
        witnesses: &[Arc<Endpoint>],
        stored: &[Transfer],
        differences: Differences,
        span: &Span,
        reached: BlockNumber,
        cursor: &Cursor,
    ) -> Result<Ruling, Error> {
        let differences: Vec<Difference> =
            differences.0.into_values().filter(|difference| difference.block.number <= reached).collect();
        match self.network.verify {
            Verify::Logs => Ok(self.judge_by_agreement(witnesses, differences, &span.tokens, cursor).await),
            Verify::Receipts => self.judge_by_proof(witnesses, stored, &differences, &span.tokens, cursor).await,
        }
    }

    /// Where the witnesses tell otherwise, the receipts of the block decide, if all who can be asked agree on them.
    async fn judge_by_agreement(
        &mut self,
        witnesses: &[Arc<Endpoint>],
        differences: Vec<Difference>,
        tokens: &[Address],
        cursor: &Cursor,
    ) -> Ruling {
        let mut ruling = Ruling::default();
        for Difference { block, missed, invented } in differences {
            let transfers = missed.len().saturating_add(invented.len());
            let Some(receipts) = self.receipts_of(witnesses, block, tokens).await else {
                ruling.dispute(block.number, transfers, "endpoints disagree about its receipts, or too few give them");
                continue;
            };
            let there = |transfer: &Transfer| receipts.transfers.iter().any(|other| alike(other, transfer));
            let invented: Vec<Transfer> = invented.into_iter().filter(|transfer| !there(transfer)).collect();
            // What was looked at twice goes only as it would in a reorganisation, and a node that has forgotten says `[]`.
            if !invented.is_empty() && block.number <= cursor.confirmed {
                if count(receipts.sure.len()) < self.words_needed() {
                    ruling.dispute(
                        block.number,
                        transfers,
                        "nobody else gives receipts that take back what both looks found",
                    );
                    continue;
                }
                // Above the first that waits nothing is taken from this look.
                if !self.several_operators() && (ruling.disputed.is_some() || !self.said_for_long(block)) {
                    ruling.dispute(
                        block.number,
                        transfers,
                        "the only operator takes back what it told twice: asked again",
                    );
                    continue;
                }
            }
            // Who gives the receipts of a block in whose place it has another may be two nodes behind one address, of which
            // one is on a branch that was left: that has to last as a reorganisation has.
            if receipts.aside && (ruling.disputed.is_some() || !self.said_for_long(block)) {
                let why = "another block is told where its receipts are given: asked again";
                ruling.dispute(block.number, transfers, why);
                continue;
            }
            ruling.missed.extend(missed.into_iter().filter(|transfer| there(transfer)));
            ruling.invented.extend(invented);
        }
        ruling
    }

    /// Every block that pays is proven, whether the witnesses tell otherwise or not: all of them may tell the same lie.
    ///
    /// What is not proven is in dispute. What is proven is the truth of its height: it adds what it holds and takes away
    /// what else is stored there.
    async fn judge_by_proof(
        &mut self,
        witnesses: &[Arc<Endpoint>],
        stored: &[Transfer],
        differences: &[Difference],
        tokens: &[Address],
        cursor: &Cursor,
    ) -> Result<Ruling, Error> {
        let mut paying: BTreeMap<BlockNumber, usize> = BTreeMap::new();
        let told = differences.iter().flat_map(|difference| &difference.missed);
        for transfer in stored.iter().chain(told) {
            let transfers = paying.entry(transfer.block.number).or_default();
            *transfers = transfers.saturating_add(1);
        }
        let rest = paying.keys().nth(PROVEN_AT_ONCE).copied();
        if let Some(rest) = rest {
            paying.split_off(&rest);
        }
        let mut ruling = Ruling { upto: rest.map(|rest| rest.minus(1)), ..Ruling::default() };
        let heights: Vec<BlockNumber> = paying.keys().copied().collect();
        let agreed = self.agreed_hashes(witnesses, &heights).await?;
        for ((height, transfers), agreed) in paying.into_iter().zip(agreed) {
            let agreed = match agreed {
                Ok(block) => self.displaces(witnesses, block, stored, tokens, cursor).await.map(|()| block),
                Err(why) => Err(why),
            };
            let proof = match agreed {
                Ok(block) => self.proof_of(witnesses, block, tokens).await,
                Err(why) => Err(why),
            };
            match proof {
                Ok(proof) => self.apply(&mut ruling, proof, stored, cursor).await?,
                // What lies above waits with it: it is asked for when this is over.
                Err(why) => {
                    ruling.dispute(height, transfers, &why);
                    break;
                }
            }
        }
        Ok(ruling)
    }

    /// The block at each height: the same by every witness's word, and the one whose header we committed, if we did.
    async fn agreed_hashes(
        &self,
        witnesses: &[Arc<Endpoint>],
        heights: &[BlockNumber],
    ) -> Result<Vec<Result<BlockRef, String>>, Error> {
        let ours: BTreeMap<BlockNumber, BlockHash> = match heights.is_empty() {
            true => BTreeMap::new(),
            false => self.store.headed_among(&self.network.slug, heights).await?.into_iter().map(pair).collect(),
        };
        let mut agreed: Vec<Result<Option<BlockRef>, String>> = heights.iter().map(|_| Ok(None)).collect();
        for witness in witnesses.iter().filter(|_| !heights.is_empty()) {
            let headers = witness.headers(heights).await?;
            for (height, (word, header)) in heights.iter().zip(agreed.iter_mut().zip(headers)) {
                let ours = ours.get(height).map(|hash| BlockRef { number: *height, hash: *hash });
                let Ok(before) = word else { continue };
                let key = witness.key();
                *word = match (header.map(|header| header.block), before.or(ours)) {
                    (None, _) => Err(format!("endpoint {key} does not have the block")),
                    (Some(said), Some(known)) if said != known => {
                        Err(format!("endpoint {key} has block {said} where {known} is known"))
                    }
                    (Some(said), _) => Ok(Some(said)),
                };
            }
        }
        self.contradicted(witnesses, heights, &ours, &mut agreed).await;
        Ok(agreed
            .into_iter()
            .map(|word| word.and_then(|block| block.ok_or_else(|| "nobody was asked".into())))
            .collect())
    }

    /// Where we committed no header ourselves, whoever else can be asked may contradict: a block can be made up whole, with
    /// a proof of its own.
    async fn contradicted(
        &self,
        witnesses: &[Arc<Endpoint>],
        heights: &[BlockNumber],
        ours: &BTreeMap<BlockNumber, BlockHash>,
        agreed: &mut [Result<Option<BlockRef>, String>],
    ) {
        let unknown: Vec<BlockNumber> = heights.iter().copied().filter(|height| !ours.contains_key(height)).collect();
        let others = self.pool.healthy().into_iter().chain(self.pool.lagging());
        for other in others.filter(|other| !unknown.is_empty() && !is_among(witnesses, other)) {
            let Ok(headers) = other.headers(&unknown).await else { continue };
            for block in headers.into_iter().flatten().map(|header| header.block) {
                let word = heights.iter().zip(agreed.iter_mut()).find(|(height, _)| **height == block.number);
                if let Some((_, word @ Ok(Some(_)))) = word
                    && *word != Ok(Some(block))
                {
                    *word = Err(format!("endpoint {} has block {block} there", other.key()));
                }
            }
        }
    }

    /// Whether a block may take the place of another that is stored at its height. A proof does not say which of them is on
    /// the chain: all who can be asked must say that the other is not there, as where the looks differ.
    async fn displaces(
        &mut self,
        witnesses: &[Arc<Endpoint>],
        block: BlockRef,
        stored: &[Transfer],
        tokens: &[Address],
        cursor: &Cursor,
    ) -> Result<(), String> {
        let elsewhere = |other: &BlockRef| other.number == block.number && other.hash != block.hash;
        let Some(other) = stored.iter().map(|transfer| transfer.block).find(elsewhere) else { return Ok(()) };
        match self.receipts_of(witnesses, other, tokens).await {
            Some(said) if said.transfers.is_empty() => {
                let alone = !self.several_operators() && other.number <= cursor.confirmed;
                match !(said.aside || alone) || self.said_for_long(other) {
                    true => Ok(()),
                    false => {
                        Err(format!("block {other} is stored there, and not for long enough was it said not to be"))
                    }
                }
            }
            Some(_) | None => Err(format!("block {other} is stored there, and too few say that it is not")),
        }
    }

    /// A proof by whoever gives one: it needs nobody's word. Else what each of them lacks.
    async fn proof_of(
        &self,
        witnesses: &[Arc<Endpoint>],
        block: BlockRef,
        tokens: &[Address],
    ) -> Result<Proof, String> {
        let mut lacking = Vec::new();
        let others = self.pool.healthy();
        for endpoint in witnesses.iter().chain(others.iter().filter(|other| !is_among(witnesses, other))) {
            match endpoint.proof(block, tokens).await {
                Ok(Ok(proof)) => return Ok(proof),
                Ok(Err(why)) => lacking.push(format!("endpoint {}: {why}", endpoint.key())),
                Err(error) => lacking.push(error.to_string()),
            }
        }
        Err(format!("it is not proven; {}", lacking.join("; ")))
    }

    async fn apply(
        &self,
        ruling: &mut Ruling,
        proof: Proof,
        stored: &[Transfer],
        cursor: &Cursor,
    ) -> Result<(), Error> {
        let watched = self.watched(&proof.logs.transfers, cursor.time).await?;
        let here = |transfer: &&Transfer| transfer.block.number == proof.header.block.number;
        let stored: Vec<&Transfer> = stored.iter().filter(here).collect();
        let truth = &proof.logs.transfers;
        let missed = truth.iter().filter(|t| watched.contains(&t.to) && !stored.iter().any(|o| alike(o, t)));
        ruling.missed.extend(missed);
        ruling.invented.extend(stored.iter().filter(|t| !truth.iter().any(|o| alike(o, t))).copied());
        ruling.headers.push(proof.header);
        Ok(())
    }

    /// How many operators have to speak where the looks differ: one of them is wrong, and is not to decide that alone.
    pub(super) fn words_needed(&self) -> u64 {
        let least = if self.several_operators() { 2 } else { 1 };
        u64::from(self.network.quorum).max(least)
    }

    /// The transfers of a block by its receipts, where every endpoint that can be asked says the same, and as many
    /// operators answer as must agree. Who lags is asked too: it may be the one that told otherwise.
    async fn receipts_of(&self, witnesses: &[Arc<Endpoint>], block: BlockRef, tokens: &[Address]) -> Option<Receipts> {
        let mut agreed: Option<Vec<Transfer>> = None;
        let (mut operators, mut sure, mut aside) = (BTreeSet::new(), BTreeSet::new(), false);
        let others = self.pool.healthy().into_iter().chain(self.pool.lagging());
        let others: Vec<_> = others.filter(|other| !is_among(witnesses, other)).collect();
        for endpoint in witnesses.iter().chain(&others) {
            let operator = endpoint.operator().to_owned();
            let given = endpoint.receipts(block, tokens).await.ok().flatten();
            let said = match (given, endpoint.header(block.number).await) {
                // Nodes give receipts of blocks that left, too: what stands at the height says whether this one is there.
                (given, Ok(Some(header))) if header.block.hash != block.hash => {
                    aside |= given.is_some();
                    sure.insert(operator.clone());
                    Vec::new()
                }
                (Some(logs), Ok(_)) => {
                    sure.insert(operator.clone());
                    logs.transfers
                }
                // Who gives no receipts has a word all the same: another block at that height, or its logs of this one.
                // To leave it out would let a liar decide alone.
                (None, Ok(Some(header))) => match endpoint.block_logs(&header, tokens).await {
                    Ok(logs) => logs.transfers,
                    // It has dropped what is old, and has no word.
                    Err(chain::Error::Refuses { .. }) if !is_among(witnesses, endpoint) => continue,
                    Err(_) => return None,
                },
                (None, Ok(None) | Err(chain::Error::Refuses { .. })) if !is_among(witnesses, endpoint) => continue,
                (None, Ok(None)) | (_, Err(_)) => return None,
            };
            operators.insert(operator);
            let same =
                |other: &Vec<Transfer>| other.len() == said.len() && other.iter().zip(&said).all(|(a, b)| alike(a, b));
            match &agreed {
                Some(other) if !same(other) => return None,
                Some(_) => {}
                None => agreed = Some(said),
            }
        }
        let transfers = agreed.filter(|_| count(operators.len()) >= self.words_needed())?;
        Some(Receipts { transfers, sure, aside })
    }
}

/// What all say of a block.
struct Receipts {
    transfers: Vec<Transfer>,
    /// The operators that gave receipts or have another block there: one that has forgotten a block says `[]` of its logs.
    sure: BTreeSet<String>,
    /// Somebody gave them and has another block at that height: then it holds nothing, by the word of all.
    aside: bool,
}

pub(super) fn is_among(endpoints: &[Arc<Endpoint>], one: &Endpoint) -> bool {
    endpoints.iter().any(|endpoint| endpoint.key() == one.key())
}

fn pair(block: BlockRef) -> (BlockNumber, BlockHash) {
    (block.number, block.hash)
}

/// The same log, whatever the answers said of its block's time.
fn alike(a: &Transfer, b: &Transfer) -> bool {
    Transfer { time: None, ..*a } == Transfer { time: None, ..*b }
}

/// Adds what no other witness has told yet.
fn once(told: &mut Vec<Transfer>, transfer: &Transfer) {
    if !told.iter().any(|other| alike(other, transfer)) {
        told.push(*transfer);
    }
}
