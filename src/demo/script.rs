//! What happens in the demo: who pays what and when, which blocks leave the chain, how time passes. Every step waits until
//! the watcher has seen the one before, so the story is the same on any machine. Not for judging the end.

use std::time::Duration;

use alloy::primitives::U256;
use anyhow::{Context, anyhow, ensure};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::time::sleep;

use super::cast::{Coin, Part, Role};
use super::customer;
use super::evm::Remined;
use super::scene::{Row, Scene};
use super::stage::{CONFIRMATIONS, Stage};
use super::tokens::Call;
use crate::domain::SessionStatus::{Confirmed, Created, Expired, Overpaid, Pending, Underpaid};
use crate::domain::{Address, TxHash, Units};
use crate::store::PlainSession;

/// Who makes it happen.
#[derive(Debug)]
pub(super) struct Director<'a> {
    stage: &'a Stage,
    scenes: watch::Receiver<Scene>,
    news: UnboundedSender<String>,
    payers: std::slice::Iter<'a, Address>,
    beat: Duration,
    /// The payment link that a customer was sent.
    link: String,
}

impl<'a> Director<'a> {
    /// Sees how things stand in `scenes` and tells what it does to `news`; `beat` is the time from block to block.
    pub(super) fn new(
        stage: &'a Stage,
        scenes: watch::Receiver<Scene>,
        news: UnboundedSender<String>,
        beat: Duration,
    ) -> Director<'a> {
        Director { stage, scenes, news, payers: stage.payers.iter(), beat, link: String::new() }
    }

    /// The whole story; then blocks go by until every session has its end.
    pub(super) async fn play(mut self) -> anyhow::Result<()> {
        self.open().await?;
        self.payments().await?;
        self.remined().await?;
        self.dropped().await?;
        self.reverted().await?;
        self.too_late().await?;
        self.final_underpayment().await?;
        while !self.scenes.borrow_and_update().ended() {
            self.blocks(1).await?;
        }
        Ok(())
    }

    async fn open(&mut self) -> anyhow::Result<()> {
        self.tell(format!(
            "{} sessions are opened: one by six columns of SQL, one by a payment link, the others over HTTP",
            Role::ALL.len()
        ));
        for role in Role::ALL {
            let Part { amount, coin, life, .. } = role.part();
            let token = self.stage.token(coin)?;
            if role == Role::Linked {
                self.link = self.stage.shop.ask(role).await?;
                continue;
            }
            let id = match role.plain_id() {
                None => self.stage.shop.open(role, token).await?,
                Some(id) => {
                    let (amount, currency) = (amount.to_owned(), coin.symbol().to_owned());
                    let (network, to) = (self.stage.slug.clone(), role.address());
                    let new = PlainSession { id: id.clone(), amount, currency, network, token, to };
                    self.stage.store.open_plainly(&new).await?;
                    id
                }
            };
            if let Some(life) = life {
                self.stage.store.set_life(&id, life).await?;
            }
        }
        self.until(|scene| Role::ALL.into_iter().all(|role| scene.is(role, Created))).await?;
        self.blocks(1).await?;
        self.stage.shop.cancel(Role::Cancelled).await?;
        self.tell("one is cancelled by its opener".to_owned());
        self.until(|scene| scene.is(Role::Cancelled, Expired)).await
    }

    async fn payments(&mut self) -> anyhow::Result<()> {
        self.tell("customers pay: exactly, too little, too much".to_owned());
        for (role, amount) in [(Role::Exact, 100), (Role::ToppedUp, 30), (Role::Over, 60), (Role::Under, 45)] {
            self.pay(role, amount).await?;
        }
        self.tell("one opens the payment page and pays what is asked for there".to_owned());
        let wanted = customer::visit(&self.link).await?;
        ensure!(wanted.token == self.stage.token(Coin::Dollar)?, "the payment page asks for another token");
        self.send(Coin::Dollar, &Call::Transfer(wanted.to, wanted.units)).await?;
        self.blocks(1).await?;
        self.tell("two share an address, told apart by their amounts; two are paid by one transaction".to_owned());
        self.pay(Role::SharedSecond, 25).await?;
        self.pay(Role::SharedFirst, 20).await?;
        let both = [(Role::BatchFirst, 40), (Role::BatchSecond, 60)];
        let both = both.map(|(role, amount)| (role.address(), whole(amount)));
        self.send(Coin::Payroll, &Call::Many(both.to_vec())).await?;
        self.blocks(CONFIRMATIONS).await?;
        self.until(|scene| scene.is(Role::ToppedUp, Underpaid) && scene.is(Role::Over, Overpaid)).await?;
        self.tell("who paid too little pays the rest".to_owned());
        self.pay(Role::ToppedUp, 50).await?;
        self.blocks(1).await
    }

    async fn remined(&mut self) -> anyhow::Result<()> {
        let hash = self.pay(Role::Remined, 70).await?;
        self.blocks(2).await?;
        self.scanned().await?;
        let raw = self.stage.evm.raw(hash).await?;
        self.stage.evm.reorganise(2, &[(Remined::Again(raw), 1)]).await?;
        self.tell("reorganisation of 2 blocks: the payment of 70 dropped, and mined again a block higher".to_owned());
        self.until(|scene| scene.row(Role::Remined).is_some_and(|row| row.orphaned == 1 && row.transfers == 1)).await?;
        self.blocks(CONFIRMATIONS.saturating_sub(1)).await?;
        self.until(|scene| scene.is(Role::Remined, Confirmed)).await
    }

    async fn dropped(&mut self) -> anyhow::Result<()> {
        self.pay(Role::Dropped, 90).await?;
        self.blocks(2).await?;
        self.scanned().await?;
        self.stage.evm.reorganise(2, &[]).await?;
        self.tell("reorganisation of 2 blocks: the payment of 90 dropped for good".to_owned());
        self.until(|scene| scene.row(Role::Dropped).is_some_and(|row| row.transfers == 0)).await
    }

    async fn reverted(&mut self) -> anyhow::Result<()> {
        self.pay(Role::Reverted, 110).await?;
        self.blocks(CONFIRMATIONS).await?;
        self.scanned().await?;
        self.until(|scene| scene.is(Role::Reverted, Confirmed)).await?;
        self.stage.evm.reorganise(CONFIRMATIONS, &[]).await?;
        self.tell(format!("reorganisation of {CONFIRMATIONS} blocks: the confirmed payment of 110 is undone"));
        self.until(|scene| scene.is(Role::Reverted, Pending)).await?;
        self.pay(Role::Reverted, 110).await?;
        self.tell("who paid the 110 pays again".to_owned());
        self.blocks(CONFIRMATIONS).await?;
        self.until(|scene| scene.is(Role::Reverted, Confirmed)).await
    }

    async fn too_late(&mut self) -> anyhow::Result<()> {
        let expiring = [Role::Never, Role::Late, Role::Dropped];
        self.pass(&expiring).await?;
        self.tell("five minutes of chain time pass: what is not paid expires".to_owned());
        self.until(|scene| expiring.into_iter().all(|role| scene.is(role, Expired))).await?;
        self.pay(Role::Late, 15).await?;
        self.pay(Role::Cancelled, 35).await?;
        self.tell("money comes for an expired session and for a cancelled one".to_owned());
        self.blocks(CONFIRMATIONS).await
    }

    async fn final_underpayment(&mut self) -> anyhow::Result<()> {
        self.pass(&[Role::Under]).await?;
        self.tell("two more minutes pass: an underpayment becomes final".to_owned());
        self.until(|scene| scene.row(Role::Under).is_some_and(|row| row.closed)).await
    }

    async fn pay(&mut self, role: Role, amount: u64) -> anyhow::Result<TxHash> {
        self.send(role.part().coin, &Call::Transfer(role.address(), whole(amount))).await
    }

    /// From an account that has sent nothing yet, or it could not be mined again alone.
    async fn send(&mut self, coin: Coin, call: &Call) -> anyhow::Result<TxHash> {
        let payer = self.payers.next().context("nobody is left to pay")?;
        self.stage.evm.send(*payer, self.stage.token(coin)?, call).await
    }

    async fn blocks(&self, count: u64) -> anyhow::Result<()> {
        for _ in 0..count {
            sleep(self.beat).await;
            self.stage.evm.mine(1).await?;
        }
        Ok(())
    }

    /// Mines a block dated after the end of these sessions.
    async fn pass(&mut self, roles: &[Role]) -> anyhow::Result<()> {
        let ends = {
            let scene = self.scenes.borrow();
            roles.iter().filter_map(|role| scene.row(*role).map(|row: &Row| row.expires_at)).max()
        };
        let after = ends.context("nothing is open")?.timestamp().saturating_add(1);
        self.stage.evm.set_next_time(u64::try_from(after)?).await?;
        self.blocks(1).await
    }

    /// Every block is seen, so that the watcher has what it is to lose.
    async fn scanned(&mut self) -> anyhow::Result<()> {
        let head = i64::try_from(self.stage.evm.head().await?.block.number.0)?;
        self.until(|scene| scene.scanned.is_some_and(|scanned| scanned >= head)).await
    }

    async fn until(&mut self, so: impl FnMut(&Scene) -> bool) -> anyhow::Result<()> {
        self.scenes.wait_for(so).await.map(drop).map_err(|_| anyhow!("nobody looks any more"))
    }

    /// Nobody may listen any more: then it is over anyway.
    fn tell(&self, what: String) {
        let _ = self.news.send(what);
    }
}

fn whole(amount: u64) -> Units {
    Units(U256::from(amount).saturating_mul(U256::from(1_000_000)))
}
