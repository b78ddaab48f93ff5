use super::{super::ActionError, Class, Plain, Planned, Planning, instant, refused};
use crate::{
    compare::{Find, FoundObject, Run, find},
    object::Expression,
    playbook::Equipment,
    point::PointId,
};
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// Tells since which recovery point an object is there, or is as it is.
pub(in crate::playbook::actions) struct Bisect;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::playbook::actions) struct BisectArgs {
    /// Its type, as kubectl takes it.
    kind: String,
    /// Its namespace; without it it has none, or only one has such an object.
    #[serde(default)]
    namespace: Option<String>,
    /// Its name.
    name: String,
    /// What is true of it: CEL over `object`. Without it, that it is there.
    #[serde(default)]
    expr: Option<String>,
    /// Only recovery points that are not older: an instant, or a length of time before the plan.
    #[serde(default)]
    since: Option<String>,
}

#[async_trait]
impl Plain for Bisect {
    type Args = BisectArgs;
    const NAME: &'static str = "backup.bisect";
    const CLASS: Class = Class::Read;
    const ABOUT: &'static str = "Tells since which recovery point an object is there, or something is true of it, up to the newest one.";

    async fn plan(with: &Planning<'_>, args: BisectArgs) -> Result<Planned, ActionError> {
        let expr = args.expr.as_deref().map(Expression::parse).transpose();
        let expr = expr.map_err(|e| ActionError::Arguments(format!("expr: {e}")))?;
        if args.name.contains(['*', '?']) {
            return Err(ActionError::Arguments("name: one object is meant, and no wildcard".into()));
        }
        let equipment = with.equipment()?;
        let identities = equipment.opening().map_err(ActionError::Refused)?;
        let what = Find {
            kind: args.kind,
            name: args.name.clone(),
            namespace: args.namespace,
            since: args.since.as_deref().map(|text| instant(text, with.now)).transpose()?,
        };
        let found = find(&equipment.catalogue, identities, &what).await.map_err(refused)?;
        let mut remarks: Vec<String> = found
            .not_searched
            .iter()
            .map(|it| format!("{} was not searched: {}", it.id, it.reason))
            .collect();
        let object = match found.objects.as_slice() {
            [] => None,
            [only] => Some(only),
            several => {
                let places: Vec<&str> = several.iter().filter_map(|it| it.namespace.as_deref()).collect();
                let text = format!(
                    "{} of this name are in {}: name the namespace",
                    several.len(),
                    places.join(", ")
                );
                return Err(ActionError::Arguments(text));
            }
        };
        let mut holds = Vec::new();
        if let Some(object) = object {
            holds = stretch(equipment, object, expr.as_ref()).await?;
        }
        let result = told(&found.searched, object, &holds);
        if result["holds"] == false {
            remarks.push(format!(
                "it does not hold in the newest recovery point that was searched ({})",
                what.name
            ));
        }
        let mut result = result;
        result["object"] = json!({"kind": found.kind.to_string(), "name": args.name});
        if let Some(namespace) = object.and_then(|it| it.namespace.as_ref()) {
            result["object"]["namespace"] = namespace.as_str().into();
        }
        Ok(Planned { result: Some(result.into()), remarks, ops: Vec::new() })
    }
}

/// For each run of an object's recovery points: does it hold in them? The newest is looked at first, and what is older than the first in
/// which it does not hold is not opened.
async fn stretch(
    equipment: &Equipment,
    object: &FoundObject,
    expr: Option<&Expression>,
) -> Result<Vec<bool>, ActionError> {
    let mut holds = vec![false; object.runs.len()];
    for (run, holds) in object.runs.iter().zip(&mut holds).rev() {
        *holds = match (run.uid.is_some(), expr) {
            (false, _) => false,
            (true, None) => true,
            (true, Some(expr)) => is_true(equipment, run, expr).await?,
        };
        if !*holds {
            break;
        }
    }
    Ok(holds)
}

async fn is_true(equipment: &Equipment, run: &Run, expr: &Expression) -> Result<bool, ActionError> {
    let (Some(first), Some(path)) = (run.points.first(), &run.path) else { return Ok(false) };
    let manifest = equipment.catalogue.load(first).await.map_err(refused)?.manifest;
    let identities = equipment.opening().map_err(ActionError::Refused)?;
    let json = equipment.catalogue.object(&manifest, identities, path).await.map_err(refused)?;
    let json = json.ok_or_else(|| refused(format!("{path} is in the index of {first} and not in it")))?;
    let object: Value =
        serde_json::from_slice(&json).map_err(|_| refused(format!("{path} of {first} is no JSON")))?;
    // What has no answer is not true of it.
    Ok(expr.holds("object", &object).unwrap_or(false))
}

/// Since when it holds, from the newest recovery point backwards; they were searched in the order in which they were begun.
fn told(searched: &[PointId], object: Option<&FoundObject>, holds: &[bool]) -> Value {
    let runs = object.map(|it| it.runs.as_slice()).unwrap_or_default();
    let trailing = holds.iter().rev().take_while(|holds| **holds).count();
    let stretch = &runs[runs.len() - trailing.min(runs.len())..];
    let first = stretch.first().and_then(|run| run.points.first());
    let before = first.and_then(|first| searched.iter().take_while(|id| *id != first).last());
    // Nobody can tell what was there in a point that does not hold its type.
    let sure = before.is_none_or(|before| {
        let of_before = runs.iter().find(|run| run.points.contains(before));
        of_before.is_none_or(|run| run.state != crate::compare::State::Unknown)
    });
    let time = |id: Option<&PointId>| id.and_then(PointId::time).map(|at| at.to_string());
    let newest = stretch.last();
    json!({
        "holds": first.is_some(), "since": first, "at": time(first), "before": before, "beforeAt": time(before),
        "sure": sure, "uid": newest.and_then(|run| run.uid.clone()), "searched": searched.len(),
        "versions": stretch.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::State;

    fn id(day: usize) -> PointId {
        format!("202611{day:02}T000000Z-aaaa").parse().unwrap()
    }

    /// Runs of an object, each with the days of its points; one without a UID is one in which it is not there.
    fn object(runs: &[(State, Option<&str>, &[usize])]) -> FoundObject {
        let run = |(state, uid, days): &(State, Option<&str>, &[usize])| {
            let points = days.iter().map(|day| id(*day)).collect();
            let mut run = Run::nothing(*state, points);
            run.uid = uid.map(str::to_owned);
            run
        };
        FoundObject { namespace: None, name: "a".into(), runs: runs.iter().map(run).collect() }
    }

    #[test]
    fn the_newest_stretch_counts_and_what_was_before_it_is_told() {
        let searched: Vec<PointId> = (1..=5).map(id).collect();
        let there = object(&[
            (State::Present, Some("u"), &[1]),
            (State::Removed, None, &[2]),
            (State::Present, Some("v"), &[3]),
            (State::Changed, Some("v"), &[4, 5]),
        ]);
        let all = told(&searched, Some(&there), &[false, false, true, true]);
        assert_eq!((&all["since"], &all["before"], &all["uid"]), (&json!(id(3)), &json!(id(2)), &json!("v")));
        let newest = told(&searched, Some(&there), &[false, false, false, true]);
        assert_eq!((&newest["since"], &newest["before"]), (&json!(id(4)), &json!(id(3))));
        let never = told(&searched, Some(&there), &[true, false, true, false]);
        assert_eq!((&never["holds"], &never["since"]), (&json!(false), &Value::Null));
        assert_eq!(told(&searched, None, &[])["holds"], false);
        let unknown = object(&[(State::Unknown, None, &[1, 2]), (State::Present, Some("u"), &[3, 4, 5])]);
        let unsure = told(&searched, Some(&unknown), &[false, true]);
        assert_eq!((&unsure["since"], &unsure["sure"]), (&json!(id(3)), &json!(false)));
        // Of one second, in which the ids are no order.
        let one_second = ["b", "c", "a"].map(|tail| format!("20261101T000000Z-{tail:a<4}").parse().unwrap());
        let mut there = object(&[(State::Absent, None, &[]), (State::Present, Some("u"), &[])]);
        (there.runs[0].points, there.runs[1].points) = (one_second[..2].to_vec(), one_second[2..].to_vec());
        let since = told(&one_second, Some(&there), &[false, true]);
        assert_eq!((&since["since"], &since["before"]), (&json!(one_second[2]), &json!(one_second[1])));
        let always = object(&[(State::Present, Some("u"), &[1, 2, 3, 4, 5])]);
        assert_eq!(told(&searched, Some(&always), &[true])["before"], Value::Null);
    }
}
