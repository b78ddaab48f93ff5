use super::{super::ActionError, Class, Plain, Planned, Planning, PointRef, refused};
use crate::compare::{Asked, Became, Change, CompareError, Live, Selection, compare};
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// So many changes are told; how many there are is told as well.
const TOLD: usize = 1000;
/// So many fields of each.
const FIELDS: usize = 20;

/// Compares a recovery point with another one, or with the cluster.
pub(in crate::playbook::actions) struct Diff;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::playbook::actions) struct DiffArgs {
    /// The older recovery point.
    from: PointRef,
    /// The newer one; without it the cluster as it is.
    #[serde(default)]
    to: Option<PointRef>,
    /// Only in these namespaces; wildcards are allowed.
    #[serde(default)]
    namespaces: Vec<String>,
    /// Only these types, as kubectl takes them, or patterns such as `*.apps`.
    #[serde(default)]
    kinds: Vec<String>,
    /// Only what changes who may do what.
    #[serde(default)]
    access: bool,
}

#[async_trait]
impl Plain for Diff {
    type Args = DiffArgs;
    const NAME: &'static str = "backup.diff";
    const CLASS: Class = Class::Read;
    const ABOUT: &'static str =
        "Tells what changed since a recovery point, in another one or in the cluster.";

    async fn plan(with: &Planning<'_>, args: DiffArgs) -> Result<Planned, ActionError> {
        let equipment = with.equipment()?;
        let identities = equipment.opening().map_err(ActionError::Refused)?;
        let point = async |wanted: &PointRef| {
            let id = with.point(wanted).await?;
            let loaded = equipment.catalogue.load(&id).await.map_err(refused)?;
            Ok::<_, ActionError>(Asked::Point(Box::new(loaded.manifest)))
        };
        let from = point(&args.from).await?;
        let to = match &args.to {
            Some(to) => point(to).await?,
            None => {
                let job = equipment.job.as_ref().map_err(|why| ActionError::Refused(why.clone()))?;
                let resources = job.resources.clone();
                let none =
                    || ActionError::Refused("the configuration does not tell how the cluster is read".into());
                Asked::Live(Box::new(Live::new(resources.ok_or_else(none)?)))
            }
        };
        let mut selection = Selection::default().in_namespaces(&args.namespaces).map_err(refused)?;
        selection.access = args.access;
        // Values are left out below, and so it is no matter what they are digested with.
        let asked = [from, to];
        let found = compare(&equipment.catalogue, &asked, identities, selection, &args.kinds, [0; 32]).await;
        let found = found.map_err(refused)?;
        let (mut changes, mut dangers) = (Vec::new(), Vec::new());
        let mut counts = [0u64; 4];
        let summed = found.each_change(0, |change| {
            counts[match change.became {
                Became::Added => 0,
                Became::Removed => 1,
                Became::Changed => 2,
                Became::Recreated => 3,
            }] += 1;
            if changes.len() < TOLD {
                let says = change.says.iter().filter(|it| !it.danger.is_empty());
                dangers.extend(says.map(|it| it.text.clone()));
                changes.push(told(&change));
            }
            Ok::<(), CompareError>(())
        });
        summed.map_err(refused)?;
        let notes = found.notes(0);
        let mut remarks = Vec::new();
        remarks.extend((!notes.same_cluster).then(|| "the two sides are of different clusters".to_owned()));
        if !notes.not_compared.is_empty() {
            remarks.push(format!(
                "{} types could not be compared: nothing is told of them",
                notes.not_compared.len()
            ));
        }
        let [added, removed, changed, recreated] = counts;
        let result = json!({
            "added": added, "removed": removed, "changed": changed, "recreated": recreated,
            "changes": changes, "cut": added + removed + changed + recreated > TOLD as u64, "dangers": dangers,
        });
        Ok(Planned { result: Some(result.into()), remarks, ops: Vec::new() })
    }
}

/// A change, in a form that names the object as other actions take it. Values are left out: they may be secret, whatever holds them.
fn told(change: &Change) -> Value {
    let mut value = json!({
        "change": change.became, "kind": change.kind.to_string(), "name": change.name,
        "fields": change.fields.iter().take(FIELDS).map(|it| it.path.to_string()).collect::<Vec<_>>(),
        "says": change.says.iter().map(|it| it.text.as_str()).collect::<Vec<_>>(),
    });
    if let Some(namespace) = &change.namespace {
        value["namespace"] = namespace.as_str().into();
    }
    if let Some(by) = &change.by {
        value["by"] = json!(by);
    }
    value
}
