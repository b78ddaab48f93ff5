//! Owner references hold UIDs, and what is restored has new ones: an object whose owner's UID is nobody's is deleted by the
//! garbage collector at once.

use serde_json::Value;

/// Where an owner is found now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Owner {
    /// It is restored as well: its place among the gathered objects.
    Planned(usize),
    /// It is there, with this UID.
    Live(String),
    /// It is nowhere: the reference is left out.
    Gone,
}

/// An owner by the UID that it had.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    pub(super) old: String,
    pub(super) now: Owner,
}

fn references(object: &mut Value) -> Option<&mut Vec<Value>> {
    object.get_mut("metadata")?.get_mut("ownerReferences")?.as_array_mut()
}

/// Has an object's references name the owners of now. `uid` tells the UIDs of what is planned.
///
/// # Errors
/// The place of an owner that should be there by now, and is not.
pub(super) fn bind(
    object: &mut Value,
    bound: &[Bound],
    uid: impl Fn(usize) -> Option<String>,
) -> Result<(), usize> {
    let Some(list) = references(object) else { return Ok(()) };
    let mut lacking = None;
    list.retain_mut(|reference| {
        let old = reference.get("uid").and_then(Value::as_str).unwrap_or_default();
        let found = bound.iter().find(|it| it.old == old).map(|it| &it.now);
        let new = match found {
            Some(Owner::Planned(at)) => uid(*at).or_else(|| {
                lacking = Some(*at);
                None
            }),
            Some(Owner::Live(uid)) => Some(uid.clone()),
            Some(Owner::Gone) | None => None,
        };
        match new {
            Some(new) => {
                reference["uid"] = new.into();
                true
            }
            None => false,
        }
    });
    if list.is_empty()
        && let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut)
    {
        metadata.shift_remove("ownerReferences");
    }
    lacking.map_or(Ok(()), Err)
}

/// Takes the UIDs out of an object's references, for a comparison.
pub(super) fn blank(object: &mut Value) {
    for reference in references(object).into_iter().flatten().filter_map(Value::as_object_mut) {
        reference.shift_remove("uid");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_owner_that_is_nowhere_is_no_owner() {
        let object = json!({"metadata": {"ownerReferences": [{"uid": "a"}, {"uid": "b"}, {"uid": "c"}, {"uid": "d"}]}});
        let bound = [("a", Owner::Planned(3)), ("b", Owner::Live("x".into())), ("c", Owner::Gone)]
            .map(|(old, now)| Bound { old: old.into(), now });
        let mut whole = object.clone();
        assert_eq!(bind(&mut whole, &bound, |at| Some(format!("new {at}"))), Ok(()));
        assert_eq!(whole, json!({"metadata": {"ownerReferences": [{"uid": "new 3"}, {"uid": "x"}]}}));
        let mut early = object.clone();
        assert_eq!(bind(&mut early, &bound, |_| None), Err(3));
        let mut alone = object.clone();
        assert_eq!(bind(&mut alone, &[], |_| None), Ok(()));
        assert_eq!(alone, json!({"metadata": {}}));
        let mut blanked = object;
        blank(&mut blanked);
        assert_eq!(blanked, json!({"metadata": {"ownerReferences": [{}, {}, {}, {}]}}));
    }
}
