//! Looking at what is live: by single requests where few objects are wanted of a type, else by lists.

use super::{
    Options, ResourcesError,
    bind::Bound,
    decide::{Verdict, decide},
    gather::Gathered,
};
use crate::{
    object::Veil,
    source::kube::{Cluster, LiveObject, Refusal, ResourceType},
};
use futures_util::{StreamExt, future::BoxFuture, stream};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// So many objects of a type are asked for one by one.
const ALONE: usize = 8;
/// So many namespaces are listed one by one.
const APART: usize = 4;

/// An object that is read, for something that waits for it.
pub(super) type Reading<'a, For> = BoxFuture<'a, (For, Result<Option<LiveObject>, Refusal>)>;

/// An object to look for.
#[derive(Debug, Clone)]
pub(super) struct Sought {
    /// Its place among the gathered ones.
    pub(super) saved: usize,
    pub(super) kind: Arc<ResourceType>,
    pub(super) namespace: Option<Arc<str>>,
    pub(super) name: Box<str>,
    /// Its owners, of whom those that are gone do not count.
    pub(super) owners: Vec<Bound>,
}

/// What was found in an object's place.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) verdict: Verdict,
    pub(super) uid: String,
    pub(super) resource_version: String,
}

/// What a comparison needs.
#[derive(Clone)]
pub(super) struct Judge {
    pub(super) gathered: Arc<Gathered>,
    pub(super) options: Arc<Options>,
    pub(super) veil: Veil,
}

type Place = (Option<String>, String);
/// The objects sought in one list, or one by one.
struct Lookup {
    kind: Arc<ResourceType>,
    namespace: Option<Arc<str>>,
    sought: HashMap<Place, Sought>,
}

impl Judge {
    fn judge(&self, sought: &Sought, live: &LiveObject) -> Result<Seen, ResourcesError> {
        let saved = &self.gathered.objects[sought.saved];
        let seen = |verdict| Seen {
            verdict,
            uid: live.uid.clone(),
            resource_version: live.resource_version.clone(),
        };
        // Most of what was saved is still as it was, to the byte.
        let as_saved = self.options.rewrite.is_nothing() && self.options.terms.is_none();
        if as_saved && self.gathered.spool.get(saved.place)? == live.json {
            return Ok(seen(Verdict::same()));
        }
        let mut wanted = self.gathered.prepare(saved, &sought.kind, &self.options)?;
        // Which UIDs the owners have is no matter here, but whether there are any is.
        let _ = super::bind::bind(&mut wanted, &sought.owners, |_| Some(String::new()));
        let verdict = decide(&saved.identity.kind, wanted, live, &self.options, &self.veil);
        Ok(seen(verdict))
    }

    /// Looks for every object, and judges those that are there, by their place among the gathered ones.
    pub(super) async fn look(
        &self,
        cluster: &Cluster,
        sought: Vec<Sought>,
    ) -> Result<HashMap<usize, Seen>, ResourcesError> {
        let at_once = self.options.concurrency;
        let lookups = lookups(sought);
        let mut work: Vec<BoxFuture<'static, Result<HashMap<usize, Seen>, ResourcesError>>> = Vec::new();
        for lookup in lookups {
            work.push(Box::pin(self.clone().lookup(cluster.clone(), lookup, at_once)));
        }
        let mut work = stream::iter(work).buffer_unordered(at_once.clamp(1, 8));
        let mut all = HashMap::new();
        while let Some(found) = work.next().await {
            all.extend(found?);
        }
        Ok(all)
    }

    async fn lookup(
        self,
        cluster: Cluster,
        lookup: Lookup,
        at_once: usize,
    ) -> Result<HashMap<usize, Seen>, ResourcesError> {
        let Lookup { kind, namespace, sought } = lookup;
        let failed = |refusal: Refusal| ResourcesError::Live { what: kind.label(), reason: refusal.message };
        let mut all = HashMap::new();
        if sought.len() <= ALONE {
            let mut reads: Vec<Reading<'_, &Sought>> = Vec::new();
            for one in sought.values() {
                let read = cluster.read(&one.kind, one.namespace.as_deref(), &one.name);
                reads.push(Box::pin(async move { (one, read.await) }));
            }
            let mut reads = stream::iter(reads).buffer_unordered(at_once);
            while let Some((one, live)) = reads.next().await {
                if let Some(live) = live.map_err(failed)? {
                    all.insert(one.saved, self.judge(one, &live)?);
                }
            }
            return Ok(all);
        }
        let sought = Arc::new(sought);
        let mut list = cluster.live(&kind, namespace.as_deref());
        while let Some(page) = list.next().await.map_err(failed)? {
            let (judge, sought) = (self.clone(), sought.clone());
            let judged = tokio::task::spawn_blocking(move || {
                let wanted = page.into_iter().filter_map(|mut live| {
                    let place = (live.namespace.take(), std::mem::take(&mut live.name));
                    let one = sought.get(&place)?;
                    Some(judge.judge(one, &live).map(|seen| (one.saved, seen)))
                });
                wanted.collect::<Result<Vec<_>, _>>()
            });
            let judged = judged.await.map_err(std::io::Error::other)?;
            all.extend(judged?);
        }
        Ok(all)
    }
}

/// By type, and by namespace where there are few.
fn lookups(sought: Vec<Sought>) -> Vec<Lookup> {
    let mut types: BTreeMap<Arc<ResourceType>, Vec<Sought>> = BTreeMap::new();
    for one in sought {
        types.entry(one.kind.clone()).or_default().push(one);
    }
    let mut all = Vec::new();
    for (kind, sought) in types {
        let mut namespaces: BTreeMap<Option<Arc<str>>, HashMap<Place, Sought>> = BTreeMap::new();
        let whole = sought.len() <= ALONE;
        for one in sought {
            let scope = one.namespace.clone().filter(|_| !whole);
            let place = (one.namespace.as_deref().map(str::to_owned), one.name.to_string());
            namespaces.entry(scope).or_default().insert(place, one);
        }
        if namespaces.len() > APART {
            let sought = namespaces.into_values().flatten().collect();
            all.push(Lookup { kind, namespace: None, sought });
        } else {
            let scoped = namespaces.into_iter();
            all.extend(scoped.map(|(namespace, sought)| Lookup { kind: kind.clone(), namespace, sought }));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::kube::Filter;

    fn sought(objects: usize, namespaces: usize) -> Vec<(bool, usize)> {
        let kind = Arc::new(ResourceType {
            group: String::new(),
            version: "v1".into(),
            resource: "pods".into(),
            kind: "Pod".into(),
            namespaced: true,
            versions: vec!["v1".into()],
        });
        assert!(Filter::default().wants_type(&kind));
        let one = |n: usize| Sought {
            saved: n,
            kind: kind.clone(),
            namespace: Some(format!("ns{}", n % namespaces).into()),
            name: format!("p{n}").into(),
            owners: Vec::new(),
        };
        let mut found: Vec<(bool, usize)> = lookups((0..objects).map(one).collect())
            .iter()
            .map(|it| (it.namespace.is_some(), it.sought.len()))
            .collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn few_objects_are_asked_for_and_many_are_listed() {
        assert_eq!(sought(8, 3), [(false, 8)]);
        assert_eq!(sought(30, 2), [(true, 15), (true, 15)]);
        assert_eq!(sought(30, 5), [(false, 30)]);
    }
}
