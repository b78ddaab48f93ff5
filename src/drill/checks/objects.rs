//! Every object of the export, field by field, against the one that staging serves; and how many there are of each type.

use super::{
    Check, Results, counted,
    expected::{Situation, expected, is_anew},
    references::{self, References},
    served,
    versions::same_minor,
};
use crate::{
    catalogue::Catalogue,
    compare::{self, Asked, Became, Change, CompareError, Comparison, Live, Observer, Selection, Summary},
    drill::{checks::asked, resources::Restored},
    object::{Step, TypeName, is_restless},
    pipeline::Identities,
    point::{ArtifactKind, DrillFinding, Manifest, ResourceFacts},
    source::kube::{Connection, ExportedObject, Filter},
};
use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

/// What is compared with what.
pub(in crate::drill) struct Compared<'a> {
    pub(in crate::drill) catalogue: &'a Catalogue,
    pub(in crate::drill) manifest: &'a Manifest,
    pub(in crate::drill) identities: Arc<Identities>,
    /// How staging is reached.
    pub(in crate::drill) connection: Connection,
    /// What the export was narrowed to.
    pub(in crate::drill) filter: Filter,
    /// Only what carries this label is compared, where the cluster is not the drill's own.
    pub(in crate::drill) label: Option<String>,
    /// What the drill's file asks of the objects.
    pub(in crate::drill) asks: &'a [super::Ask],
    /// What is there was restored from the export.
    pub(in crate::drill) restored: Option<&'a Restored>,
}

/// Sees every object as it is read, for all checks that need to.
struct Watch {
    references: References,
    asked: asked::Watch,
    aggregated: served::Aggregated,
}

impl Observer for Watch {
    fn object(&mut self, object: &ExportedObject) {
        self.references.see(object);
        self.asked.see(object);
        self.aggregated.see(object);
    }

    fn restart(&mut self) {
        self.references.clear();
        self.asked.clear();
        self.aggregated.clear();
    }
}

/// Why Secrets were not served, if they were not.
pub(in crate::drill) type Unread = Option<String>;

/// Reads every object of staging once, and ends all checks that need no more.
///
/// # Errors
/// When a side cannot be read at all.
pub(in crate::drill) async fn compare(
    what: Compared<'_>,
    results: &mut Results,
) -> Result<Unread, CompareError> {
    let began = Instant::now();
    let watch = Arc::new(Mutex::new(Watch {
        references: References::default(),
        asked: asked::Watch::new(what.asks),
        aggregated: served::Aggregated::default(),
    }));
    let (came_back, all_seen) = (what.restored, what.label.is_none());
    let same_scope = what.is_as_narrow();
    let found = with_export(what, Some(watch.clone())).await?;
    let mut watch = watch.lock().unwrap_or_else(PoisonError::into_inner);
    let Some([saved, restored]) = facts(&found) else { return Ok(None) };
    let shifts = objects("objects", &found, came_back, (began, same_scope), results)?;
    counts([&saved, &restored], &shifts, results);
    let unread = served::served(&found.notes(0), [&saved, &restored], &watch.aggregated, results);
    match all_seen {
        true => watch.references.end(results),
        false => results.skip(
            references::NAME,
            "what objects refer to is there",
            "the cluster is not the drill's own: what refers to objects that it has, or to what is not made there, leads nowhere here",
        ),
    }
    watch.asked.end(results);
    Ok(unread)
}

/// Compares what was restored from the export with it, and ends the check `agreement`: what comes out of etcd is compared with the
/// same export.
///
/// # Errors
/// When a side cannot be read at all.
pub(in crate::drill) async fn agree(what: Compared<'_>, results: &mut Results) -> Result<(), CompareError> {
    let (began, restored, same_scope) = (Instant::now(), what.restored, what.is_as_narrow());
    let found = with_export(what, None).await?;
    objects("agreement", &found, restored, (began, same_scope), results).map(drop)
}

/// The export, and what staging serves. What controllers observed is not restored from an export.
async fn with_export(
    what: Compared<'_>,
    observer: Option<Arc<Mutex<Watch>>>,
) -> Result<Comparison, CompareError> {
    let observer = observer.map(|watch| watch as Arc<Mutex<dyn Observer>>);
    let mut filter = what.filter;
    if let Some(label) = what.label {
        filter.labels = Some(filter.labels.map_or(label.clone(), |labels| format!("{labels},{label}")));
    }
    let live = Live { connection: what.connection, filter, observer };
    let asked = [Asked::Point(Box::new(what.manifest.clone())), Asked::Live(Box::new(live))];
    let mut selection = Selection::default();
    selection.status = what.restored.is_none();
    compare::compare(what.catalogue, &asked, what.identities, selection, &[], rand::random()).await
}

impl Compared<'_> {
    /// Was the export narrowed just as the configuration narrows now?
    fn is_as_narrow(&self) -> bool {
        let export = self.manifest.artifact(&ArtifactKind::Resources).and_then(|it| it.resources.as_ref());
        export.is_none_or(|facts| facts.narrowed == self.filter.narrowed())
    }
}

/// What is known of the export, and of staging.
fn facts(found: &Comparison) -> Option<[ResourceFacts; 2]> {
    let of = |at: usize| found.sides.get(at).map(|side| side.resources.clone());
    Some([of(0)?, of(1)?])
}

/// By how many objects a type may differ.
type Shifts = BTreeMap<TypeName, i64>;

/// What objects of one type have in common that differ alike.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Alike {
    reason: Option<Cow<'static, str>>,
    /// None where all types differ alike.
    kind: Option<TypeName>,
    how: String,
}

fn objects(
    name: &str,
    found: &Comparison,
    restored: Option<&Restored>,
    (began, same_scope): (Instant, bool),
    results: &mut Results,
) -> Result<Shifts, CompareError> {
    let same_version = facts(found).is_some_and(|[a, b]| same_minor(&a.version, &b.version));
    let situation = Situation { same_version, restored };
    let text = "every object of the export is served by staging, equal in every field that people and controllers write; \
                what the server writes for itself and objects that change by themselves (events, leases) are not compared";
    let mut check = Check::new(name, text);
    let mut groups: BTreeMap<Alike, Vec<(String, String)>> = BTreeMap::new();
    let mut shifts = Shifts::new();
    let summary: Summary = found.each_change(0, |change| {
        let reason = expected(&change, situation);
        if reason.is_some() {
            let shift =
                i64::from(change.became == Became::Added) - i64::from(change.became == Became::Removed);
            *shifts.entry(change.kind.clone()).or_default() += shift;
        }
        let name = match &change.namespace {
            Some(namespace) => format!("{} {namespace}/{}", change.kind, change.name),
            None => format!("{} {}", change.kind, change.name),
        };
        let anew = reason.as_deref().is_some_and(is_anew);
        let kind = (!anew).then(|| change.kind.clone());
        let how_it_differs = if anew { "made anew".to_owned() } else { how(&change) };
        let alike = Alike { reason, kind, how: how_it_differs };
        groups.entry(alike).or_default().push((name, what(&change)));
        Ok::<_, CompareError>(())
    })?;
    for (Alike { reason, kind, how }, names) in groups {
        let n = names.len() as u64;
        let kind = kind.map_or_else(|| "objects of all types".to_owned(), |kind| kind.to_string());
        check.group(format!("{n} {kind}: {how}"), n, reason.as_deref(), names);
    }
    if !same_scope {
        check.found("the export was narrowed to other namespaces or labels than this configuration names", 0);
    }
    let differing = summary.added + summary.removed + summary.changed + summary.recreated;
    let expected: u64 =
        check.findings.iter().filter(|it| it.expected_because.is_some()).map(|it| it.objects).sum();
    let wrong = format!("{} differ and should not", differing - expected);
    let same = format!("{} are equal to the byte", counted(summary.unchanged, "object"));
    let noise = format!("{} differ only in what the server writes", summary.only_noise);
    let actual = match restored {
        None => format!("{same}, {noise}, {expected} differ as they have to, {wrong}"),
        Some(_) => {
            let of_anew = |it: &&DrillFinding| it.expected_because.as_deref().is_some_and(is_anew);
            let anew: u64 = check.findings.iter().filter(of_anew).map(|it| it.objects).sum();
            let back = counted(anew + summary.unchanged + summary.only_noise, "object");
            format!("{back} came back equal, {} are the cluster's own, {wrong}", expected - anew)
        }
    };
    results.end(check, actual, began.elapsed());
    Ok(shifts)
}

/// How an object differs, without anybody's names: in which of the fields that every object has.
fn how(change: &Change) -> String {
    match change.became {
        Became::Added => "it is in staging and not in the export".to_owned(),
        Became::Removed => "it is in the export and not in staging".to_owned(),
        Became::Recreated => "it has another UID than in the export".to_owned(),
        Became::Changed => {
            let mut fields: Vec<&str> = change
                .fields
                .iter()
                .filter_map(|field| match field.path.0.first() {
                    Some(Step::Field(name)) => Some(name.as_str()),
                    _ => None,
                })
                .collect();
            fields.sort_unstable();
            fields.dedup();
            // Whoever wrote a custom resource may have named the fields at its top.
            let known = [
                "metadata",
                "spec",
                "status",
                "data",
                "stringData",
                "rules",
                "subjects",
                "roleRef",
                "webhooks",
            ];
            let (known, other): (Vec<&str>, Vec<&str>) =
                fields.into_iter().partition(|name| known.contains(name));
            let other = if other.is_empty() { "" } else { " and in other fields" };
            format!(
                "it differs in {}{other}",
                if known.is_empty() { "fields".into() } else { known.join(", ") }
            )
        }
    }
}

fn what(change: &Change) -> String {
    if change.became != Became::Changed {
        return how(change);
    }
    let value = |value: &Option<serde_json::Value>| match value {
        Some(value) => value.to_string().chars().take(200).collect(),
        None => "nothing".to_owned(),
    };
    let fields = change.fields.iter().take(20);
    let told: Vec<String> = fields
        .map(|field| format!("{}: {} -> {}", field.path, value(&field.old), value(&field.new)))
        .collect();
    told.join("; ")
}

fn counts([saved, restored]: [&ResourceFacts; 2], shifts: &Shifts, results: &mut Results) {
    let mut check = Check::new("counts", "staging serves as many objects of each type as were exported");
    let by_type = |facts: &ResourceFacts| {
        let mut all: BTreeMap<TypeName, u64> = BTreeMap::new();
        for (label, count) in &facts.counts {
            if let Some((kind, _)) = TypeName::of_label(label) {
                *all.entry(kind).or_default() += count.objects;
            }
        }
        all
    };
    let (saved, found) = (by_type(saved), by_type(restored));
    let mut equal = 0;
    for (kind, wanted) in saved.iter().filter(|(kind, _)| !is_restless(kind)) {
        // A type that is not served at all is told by the check of that.
        let Some(there) = found.get(kind) else { continue };
        let shift = shifts.get(kind).copied().unwrap_or_default();
        if i64::try_from(*there).ok() == i64::try_from(*wanted).ok().map(|wanted| wanted + shift) {
            equal += 1;
        } else {
            check.found(
                format!("{kind}: {wanted} were exported, {there} are served"),
                there.abs_diff(*wanted),
            );
        }
    }
    let all: u64 = found.values().sum();
    results.end(check, format!("{equal} types agree; {all} objects are served"), std::time::Duration::ZERO);
}
