//! Carrying out what persons decided: each in a unit of its own, under the fence, on the cursor that is committed. A
//! decision changes one row; who is paid follows from the derivation, as always.

use std::collections::BTreeSet;

use super::settlement::{Ruling, judge, said, whose};
use super::{Effects, Error, Watcher, derivation};
use crate::domain::{Deed, SessionId, Settled, TransferState};
use crate::store::{self, Cursor, Matter, NetworkRow, SettlementAsked, Unit};

/// At most so many a step: the chain waits meanwhile.
const AT_ONCE: i64 = 32;

impl Watcher {
    /// Answers what is asked for. What waits for a row that another transaction holds is asked again in the next step.
    pub(super) async fn settle(&self, row: &NetworkRow) -> Result<(), Error> {
        let Some(cursor) = row.cursor.filter(|_| row.settlements_asked && row.halted.is_none()) else { return Ok(()) };
        for asked in self.store.asked_settlements(&self.network.slug, AT_ONCE).await? {
            match self.carry_out(row, &cursor, &asked).await {
                // What the database will never take must not stop the network.
                Err(Error::Store(store::Error::Refused { rule, message })) => {
                    let network = self.network.slug.as_str();
                    tracing::error!(
                        network,
                        settlement = asked.id,
                        rule,
                        error = message,
                        "a decision was refused by the database"
                    );
                    let unit = self.store.unit().await?;
                    self.answer(unit, &cursor, &asked, "refused", &format!("the database refuses it ({rule})")).await?;
                }
                done => done?,
            }
        }
        Ok(())
    }

    async fn carry_out(&self, row: &NetworkRow, cursor: &Cursor, asked: &SettlementAsked) -> Result<(), Error> {
        let mut unit = self.store.unit().await?;
        if let Some(release) = asked.withdrawn_by {
            return self.answer(unit, cursor, asked, "nothing", &format!("withdrawn by settlement {release}")).await;
        }
        unit.announce(cursor.block.number).await?;
        let Some(matter) = unit.matter(&self.network.slug, asked.log).await? else {
            return self.answer(unit, cursor, asked, "refused", "there is no such transfer").await;
        };
        // What was judged or what stands there now was invented by an endpoint.
        if matter.money != asked.money {
            let tx = matter.money.tx_hash;
            let told = format!("another log stands in its place: `transfers show {tx:#x}` tells what is there");
            return self.answer(unit, cursor, asked, "refused", &told).await;
        }
        let payee = match asked.deed.session() {
            Some(session) => match unit.held_payee(session).await? {
                Some(payee) => Some(payee),
                None => return Ok(unit.abandon().await?),
            },
            None => None,
        };
        match judge(&asked.deed, &matter, payee.as_ref(), &self.network) {
            Ruling::Do(undoes) => self.decide(unit, row, cursor, asked, &matter, undoes).await,
            Ruling::Nothing(why) => self.answer(unit, cursor, asked, "nothing", &why).await,
            Ruling::Wait => Ok(unit.abandon().await?),
            Ruling::Refuse(why) => self.answer(unit, cursor, asked, "refused", &why.text()).await,
        }
    }

    async fn answer(
        &self,
        mut unit: Unit,
        cursor: &Cursor,
        asked: &SettlementAsked,
        outcome: &str,
        answer: &str,
    ) -> Result<(), Error> {
        unit.answer_settlement(asked.id, outcome, answer, None).await?;
        Ok(unit.commit_fenced(&self.fence, Some(cursor)).await?)
    }

    /// The decision, what follows from it, and the answer, in one transaction.
    async fn decide(
        &self,
        mut unit: Unit,
        row: &NetworkRow,
        cursor: &Cursor,
        asked: &SettlementAsked,
        matter: &Matter,
        undoes: Option<i64>,
    ) -> Result<(), Error> {
        let slug = &self.network.slug;
        let taken = match (Settled::by(&asked.deed), undoes) {
            (Some(how), _) => unit.settle(slug, asked, how).await?,
            (None, Some(settlement)) => unit.unsettle(slug, asked.log, settlement).await?,
            (None, None) => false,
        };
        if !taken {
            return Ok(unit.abandon().await?);
        }
        let mut effects = Effects::default();
        let also: Vec<SessionId> = asked.deed.session().into_iter().chain(&matter.session).cloned().collect();
        let setting = derivation::Setting { also: &also, ..self.setting(row, cursor.block.number, None) };
        let places = BTreeSet::from([matter.money.destination]);
        if !derivation::derive(&mut unit, setting, places, &mut effects).await?.is_empty() {
            // Another transaction holds a session there: in the next step.
            return Ok(unit.abandon().await?);
        }
        self.expire(&mut unit, cursor, &mut effects).await?;
        if let (Deed::Assign(_), TransferState::Confirmed) = (&asked.deed, matter.state) {
            // It was counted by nobody when it was confirmed.
            let token = self.network.tokens.iter().find(|token| token.address == matter.money.destination.token);
            effects.given(token, matter.money.units);
        }
        let answer = match asked.deed {
            // Whom the rules give it to may be news to whoever took it back.
            Deed::Release => {
                let now = unit.matter(slug, asked.log).await?;
                format!("{}; {}", said(&asked.deed), now.map_or_else(String::new, |now| whose(&now)))
            }
            Deed::Assign(_) | Deed::Ignore | Deed::Refund(_) => said(&asked.deed),
        };
        unit.answer_settlement(asked.id, "done", &answer, undoes).await?;
        unit.commit_fenced(&self.fence, Some(cursor)).await?;
        self.tally.add(effects.tell(slug));
        let (network, kind) = (slug.as_str(), asked.deed.as_str());
        tracing::info!(network, settlement = asked.id, kind, tx = %matter.money.tx_hash, "a decision is carried out");
        Ok(())
    }
}
