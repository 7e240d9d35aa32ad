//! What a request names is looked up before anything is done: the key of its token, a widget, a session. One or two
//! connections for all who ask at the same time, one query for each kind. Not for lists, nor for the live view.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use sqlx::PgConnection;
use tokio::time::{Instant, timeout};

use super::businesses::SigningKey;
use super::lines::{Line, Lines};
use super::together::Clerk;
use super::{Error, Store, ViewedSession, WidgetRow};
use crate::domain::{ApiKeyId, SessionId, WidgetId};

/// What one look may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a connection is kept though somebody always asks; the pool renews them.
const KEPT: Duration = Duration::from_secs(60);

/// What a request names.
#[derive(Debug, Clone, Default)]
pub struct Named {
    /// Which key its token says it is signed with.
    pub key: Option<ApiKeyId>,
    /// A widget.
    pub widget: Option<WidgetId>,
    /// A session.
    pub session: Option<SessionId>,
}

/// What there is of it.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Whose key it is and what verifies its tokens; nothing where key or business is unknown, disabled or expired.
    pub key: Option<SigningKey>,
    /// The widget, active or not.
    pub widget: Option<WidgetRow>,
    /// The session as it stands.
    pub session: Option<ViewedSession>,
}

impl Store {
    /// Looks up what is named, in a look that begins now or later, never in one under way.
    pub async fn look_up(&self, named: Named) -> Result<Found, Error> {
        self.lookup.ask(named).await
    }
}

/// Looks things up on one connection, which it keeps while somebody asks.
pub(super) struct Looker {
    pool: Lines,
    kept: Option<(Line, Instant)>,
}

impl Looker {
    pub(super) fn new(pool: Lines) -> Looker {
        Looker { pool, kept: None }
    }
}

impl Clerk for Looker {
    type Question = Named;
    type Answer = Found;

    async fn answer(&mut self, named: &[Named]) -> Result<Vec<Found>, Error> {
        let kept = self.kept.take().filter(|(_, since)| since.elapsed() < KEPT);
        let (mut connection, since) = match kept {
            Some(kept) => kept,
            None => (self.pool.lend().await?, Instant::now()),
        };
        let late = |_| Err(Error::Unavailable(format!("no answer within {} s", PATIENCE.as_secs())));
        let found = timeout(PATIENCE, look(&mut connection, named)).await.unwrap_or_else(late);
        match found.is_ok() {
            true => self.kept = Some((connection, since)),
            // Whatever it still does, nobody waits for it.
            false => connection.close(),
        }
        found
    }
}

/// What there is of each. A kind that nobody names is not asked for.
async fn look(line: &mut Line, named: &[Named]) -> Result<Vec<Found>, Error> {
    line.enter().await?;
    let found = find(line, named).await?;
    line.leave().await?;
    Ok(found)
}

async fn find(connection: &mut PgConnection, named: &[Named]) -> Result<Vec<Found>, Error> {
    let keys = each(named, |one| one.key.as_ref());
    let keys: HashMap<ApiKeyId, SigningKey> = match keys.is_empty() {
        true => HashMap::new(),
        false => Store::signing_keys(connection, &keys).await?,
    };
    let widgets = each(named, |one| one.widget.as_ref());
    let widgets: HashMap<WidgetId, WidgetRow> = match widgets.is_empty() {
        true => HashMap::new(),
        false => by_id(Store::widgets_of(&mut *connection, &widgets).await?, |widget| &widget.id),
    };
    let sessions = each(named, |one| one.session.as_ref());
    let sessions: HashMap<SessionId, ViewedSession> = match sessions.is_empty() {
        true => HashMap::new(),
        false => by_id(Store::view(connection, &sessions).await?, |session| &session.id),
    };
    let found = named.iter().map(|one| Found {
        key: one.key.as_ref().and_then(|id| keys.get(id)).cloned(),
        widget: one.widget.as_ref().and_then(|id| widgets.get(id)).cloned(),
        session: one.session.as_ref().and_then(|id| sessions.get(id)).cloned(),
    });
    Ok(found.collect())
}

/// Those of a kind that are named, each once.
fn each<I: Ord + Clone>(named: &[Named], id: impl Fn(&Named) -> Option<&I>) -> Vec<I> {
    let mut ids: Vec<I> = named.iter().filter_map(id).cloned().collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn by_id<I: Clone + Eq + Hash, R>(rows: Vec<R>, id: impl Fn(&R) -> &I) -> HashMap<I, R> {
    rows.into_iter().map(|row| (id(&row).clone(), row)).collect()
}
