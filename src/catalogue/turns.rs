//! The runs of schedules, beside the recovery points: `<cluster>/schedules/<schedule>/<run>.<part>.json`.
//!
//! That nothing in a store is overwritten makes it the place where daemons agree, whether or not they see one another: of several
//! that claim a run one succeeds (`claim`), either the run or who gives it up gets to say whether it may become a recovery point
//! (`fence`), and it ends once (`end`). A run's daemon shows that it lives by `alive` objects, one after another. All of this is
//! about what is to be run: nothing is proved by it, and it is not signed.

use super::{Catalogue, CatalogueError};
use crate::{
    point::{Claim, End, Fence, Key, PointId, Turn, TurnOutcome, TurnPart},
    store::{self, Store, StoreError, read_all},
};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// What is said of a run is a few lines.
const LIMIT: u64 = 1 << 16;
/// How a sign of life is called, before its number.
const ALIVE: &str = "alive";

/// What the store shows of a run, by the names of its objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// Somebody began it.
    pub claimed: bool,
    /// Somebody said who may make a recovery point of it.
    pub fenced: bool,
    /// It ended.
    pub ended: bool,
    /// The number of its newest sign of life.
    pub alive: u64,
    /// All of its objects.
    keys: Vec<Key>,
}

impl Catalogue {
    /// The runs of a schedule that the store knows, oldest first. One listing.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn turns(&self, schedule: &str) -> Result<BTreeMap<Turn, Shown>, CatalogueError> {
        let mut found: BTreeMap<Turn, Shown> = BTreeMap::new();
        for object in self.store.list(&Key::schedule(&self.cluster, schedule)?).await? {
            let Some((turn, part)) = parse(schedule, &object.key) else { continue };
            let shown = found.entry(turn).or_default();
            match (part, part.split_once('-')) {
                (Claim::NAME, _) => shown.claimed = true,
                (Fence::NAME, _) => shown.fenced = true,
                (End::NAME, _) => shown.ended = true,
                (_, Some((ALIVE, number))) => {
                    shown.alive = shown.alive.max(number.parse().unwrap_or_default());
                }
                _ => continue,
            }
            shown.keys.push(object.key);
        }
        found.retain(|_, shown| shown.claimed);
        Ok(found)
    }

    /// The schedules that the store knows runs of.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn schedules(&self) -> Result<Vec<String>, CatalogueError> {
        Ok(self.store.children(Some(&Key::schedules(&self.cluster)?)).await?)
    }

    /// Says something of a run. `false` when that was said already.
    ///
    /// # Errors
    /// When the store does not take it.
    pub async fn say<T: TurnPart>(&self, turn: &Turn, part: &T) -> Result<bool, CatalogueError> {
        say(self.store.as_ref(), &self.cluster, turn, part).await
    }

    /// What was said of a run; none where nothing was.
    ///
    /// # Errors
    /// When the store does not answer, or it cannot be read.
    pub async fn said<T: TurnPart>(&self, turn: &Turn) -> Result<Option<T>, CatalogueError> {
        said(self.store.as_ref(), &self.cluster, turn).await
    }

    /// The same, where one that cannot be read is as good as none.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn legible<T: TurnPart>(&self, turn: &Turn) -> Result<Option<T>, CatalogueError> {
        match self.said(turn).await {
            Err(CatalogueError::Point(e)) => {
                tracing::warn!("{turn}: what is said of its {} cannot be read: {e}", T::NAME);
                Ok(None)
            }
            said => said,
        }
    }

    /// The end of a run that ended. One that cannot be read is that of a run that failed.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn end_of(&self, turn: &Turn) -> Result<End, CatalogueError> {
        let unreadable = || {
            End::new(TurnOutcome::Failed, turn.due, turn.due).saying("what is said of its end cannot be read")
        };
        Ok(self.legible(turn).await?.unwrap_or_else(unreadable))
    }

    /// When something of a run was stored, by the store's clock, if it tells.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn said_at<T: TurnPart>(&self, turn: &Turn) -> Result<Option<Timestamp>, CatalogueError> {
        let meta = self.store.head(&key(&self.cluster, turn, T::NAME)?).await?;
        Ok(meta.and_then(|meta| meta.modified))
    }

    /// Stores a run's sign of life of this number, and takes the one before away.
    ///
    /// # Errors
    /// When the store does not take it.
    pub async fn keep_alive(&self, turn: &Turn, number: u64) -> Result<(), CatalogueError> {
        let at = |number: u64| key(&self.cluster, turn, &format!("{ALIVE}-{number}"));
        match self.store.put(&at(number)?, store::body(&b"{}\n"[..])).await {
            Ok(_) | Err(StoreError::Exists { .. }) => {}
            Err(e) => return Err(e.into()),
        }
        if let Some(before) = number.checked_sub(1).filter(|before| *before > 0) {
            self.store.delete(&at(before)?).await?;
        }
        Ok(())
    }

    /// Deletes everything that is said of these runs. What could not be deleted is tried again the next time.
    pub async fn forget(&self, turns: impl IntoIterator<Item = Shown>) {
        // The claim last: what has none is not shown any more.
        let mut keys: Vec<Key> = turns.into_iter().flat_map(|shown| shown.keys).collect();
        keys.sort_by_key(|key| key.as_str().ends_with(".claim.json"));
        for (key, e) in self.store.delete_many(&keys).await {
            tracing::warn!("{key} could not be deleted: {e}");
        }
    }
}

/// May a run commit this recovery point? Once it may, nobody can take that away; once others have given the run up, it may not. To be
/// asked when everything but the manifest is stored, with nothing between the answer and the manifest.
///
/// # Errors
/// When the store does not answer. The recovery point must not be committed then.
pub async fn may_commit(
    store: &dyn Store,
    cluster: &str,
    turn: &Turn,
    point: &PointId,
) -> Result<bool, CatalogueError> {
    let fence = Fence::new(Some(point.clone()), "the run itself");
    if say(store, cluster, turn, &fence).await? {
        return Ok(true);
    }
    let standing: Option<Fence> = said(store, cluster, turn).await?;
    Ok(standing.is_some_and(|standing| standing.point.as_ref() == Some(point)))
}

async fn say<T: TurnPart>(
    store: &dyn Store,
    cluster: &str,
    turn: &Turn,
    part: &T,
) -> Result<bool, CatalogueError> {
    match store.put(&key(cluster, turn, T::NAME)?, store::body(part.to_bytes()?)).await {
        Ok(_) => Ok(true),
        Err(StoreError::Exists { .. }) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

async fn said<T: TurnPart>(
    store: &dyn Store,
    cluster: &str,
    turn: &Turn,
) -> Result<Option<T>, CatalogueError> {
    match read_all(store, &key(cluster, turn, T::NAME)?, LIMIT).await {
        Ok(bytes) => Ok(Some(T::parse(&bytes)?)),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

fn key(cluster: &str, turn: &Turn, part: &str) -> Result<Key, CatalogueError> {
    Ok(Key::schedule(cluster, &turn.schedule)?.join(&format!("{}.{part}.json", turn.name()))?)
}

/// The run and the part that a key names. What has another form of name was not put there by Lifeboat.
fn parse<'k>(schedule: &str, key: &'k Key) -> Option<(Turn, &'k str)> {
    let (turn, part) = key.segments().nth(3)?.strip_suffix(".json")?.split_once('.')?;
    Some((Turn::parse(schedule, turn)?, part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::FileStore;
    use std::sync::Arc;

    fn turn(text: &str) -> Turn {
        text.parse().unwrap()
    }

    fn claim(holder: &str) -> Claim {
        Claim::new(holder, Timestamp::UNIX_EPOCH, 0)
    }

    #[tokio::test]
    async fn of_several_one_begins_it_and_it_ends_once() {
        let dir = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(FileStore::new(dir.path().to_owned(), "file:///store"));
        let catalogue = Catalogue::new(store.clone(), "c", None);
        let (first, second) = (turn("hourly/20261129T150000Z-1"), turn("hourly/20261129T160000Z-1"));
        assert!(catalogue.turns("hourly").await.unwrap().is_empty());
        let all = (0..20).map(|n| {
            let (catalogue, first) = (catalogue.clone(), first.clone());
            tokio::spawn(async move { catalogue.say(&first, &claim(&n.to_string())).await.unwrap() })
        });
        let won = futures_util::future::join_all(all).await;
        assert_eq!(won.into_iter().filter(|it| *it.as_ref().unwrap()).count(), 1);

        assert!(catalogue.say(&second, &claim("b")).await.unwrap());
        for number in 1..4 {
            catalogue.keep_alive(&second, number).await.unwrap();
        }
        let end = |outcome| End::new(outcome, Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
        assert!(catalogue.say(&first, &end(TurnOutcome::Completed)).await.unwrap());
        assert!(!catalogue.say(&first, &end(TurnOutcome::Lost)).await.unwrap());
        assert_eq!(catalogue.said::<End>(&first).await.unwrap().unwrap().outcome, TurnOutcome::Completed);
        assert_eq!(catalogue.said::<End>(&second).await.unwrap(), None);
        assert!(catalogue.said_at::<Claim>(&second).await.unwrap().is_some());

        let mut turns = catalogue.turns("hourly").await.unwrap();
        let shown = |turn: &Turn| {
            let it = &turns[turn];
            (it.claimed, it.fenced, it.ended, it.alive, it.keys.len())
        };
        assert_eq!(
            (turns.len(), shown(&first), shown(&second)),
            (2, (true, false, true, 0, 2), (true, false, false, 3, 2))
        );
        assert_eq!(catalogue.schedules().await.unwrap(), ["hourly"]);
        catalogue.forget(turns.remove(&second)).await;
        assert_eq!(catalogue.turns("hourly").await.unwrap().into_keys().collect::<Vec<_>>(), [first]);
    }

    #[tokio::test]
    async fn a_run_that_was_given_up_may_not_commit_and_one_that_may_cannot_be_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(FileStore::new(dir.path().to_owned(), "file:///store"));
        let catalogue = Catalogue::new(store.clone(), "c", None);
        let (point, other) = (PointId::new(Timestamp::UNIX_EPOCH, 1), PointId::new(Timestamp::UNIX_EPOCH, 2));
        let given_up = Fence::new(None, "b");

        let first = turn("hourly/20261129T150000Z-1");
        assert!(catalogue.say(&first, &given_up).await.unwrap());
        assert!(!may_commit(store.as_ref(), "c", &first, &point).await.unwrap());

        let second = turn("hourly/20261129T150000Z-2");
        assert!(may_commit(store.as_ref(), "c", &second, &point).await.unwrap());
        assert!(may_commit(store.as_ref(), "c", &second, &point).await.unwrap());
        assert!(!may_commit(store.as_ref(), "c", &second, &other).await.unwrap());
        assert!(!catalogue.say(&second, &given_up).await.unwrap());
    }
}
