//! What an object is over many recovery points, those folded in which it is the same.

use crate::{
    object::Identity,
    point::{Digest, PointId},
};
use serde::Serialize;
use std::collections::BTreeMap;

/// What an object is in a recovery point, seen from the point before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// It is not there.
    Absent,
    /// It is there, and was not, or nothing is known of before.
    Present,
    /// It is there, with another content.
    Changed,
    /// Another object is there under its name.
    Recreated,
    /// It was there, and is not.
    Removed,
    /// Nobody can tell: the point does not hold its type, or not all of it.
    Unknown,
}

/// Recovery points, one after another, in which an object is the same.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// What it is in the first of them.
    pub state: State,
    /// Its UID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Its resourceVersion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
    /// Bytes of its JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Its place in their archives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The recovery points, oldest first.
    pub points: Vec<PointId>,
    #[serde(skip)]
    sha256: Option<Digest>,
}

/// An object in one index.
pub(super) struct Hit {
    pub(super) path: String,
    pub(super) uid: String,
    pub(super) resource_version: String,
    pub(super) size: u64,
    pub(super) sha256: Digest,
}

pub(super) type Hits = BTreeMap<Identity, Hit>;

/// Enters what a point holds behind what those before it hold.
pub(super) fn add(
    objects: &mut BTreeMap<Identity, Vec<Run>>,
    before: &[(PointId, State)],
    id: &PointId,
    mut hits: Hits,
    nothing: State,
) {
    for (object, runs) in &mut *objects {
        match hits.remove(object) {
            Some(hit) => enter(runs, id, hit),
            None => enter_nothing(runs, id, nothing),
        }
    }
    for (object, hit) in hits {
        let mut runs = Vec::new();
        for (id, nothing) in before {
            enter_nothing(&mut runs, id, *nothing);
        }
        enter(&mut runs, id, hit);
        objects.insert(object, runs);
    }
}

fn enter_nothing(runs: &mut Vec<Run>, id: &PointId, nothing: State) {
    let state = match runs.last() {
        Some(last) if nothing == State::Absent && last.sha256.is_some() => State::Removed,
        _ => nothing,
    };
    match runs.last_mut() {
        Some(last)
            if last.sha256.is_none()
                && (last.state == state || last.state == State::Removed && state == State::Absent) =>
        {
            last.points.push(id.clone());
        }
        _ => runs.push(Run::nothing(state, vec![id.clone()])),
    }
}

fn enter(runs: &mut Vec<Run>, id: &PointId, hit: Hit) {
    if let Some(last) = runs.last_mut()
        && last.sha256 == Some(hit.sha256)
        && last.path.as_ref() == Some(&hit.path)
    {
        last.points.push(id.clone());
        return;
    }
    let known = runs.iter().rev().find(|run| run.sha256.is_some());
    let state = match known {
        Some(known) if known.uid.as_ref() != Some(&hit.uid) => State::Recreated,
        Some(known) if known.sha256 != Some(hit.sha256) => State::Changed,
        _ => State::Present,
    };
    runs.push(Run {
        state,
        uid: Some(hit.uid),
        resource_version: Some(hit.resource_version),
        size: Some(hit.size),
        path: Some(hit.path),
        points: vec![id.clone()],
        sha256: Some(hit.sha256),
    });
}

impl Run {
    /// Recovery points in which nothing of it is known but this.
    pub fn nothing(state: State, points: Vec<PointId>) -> Self {
        Run { state, uid: None, resource_version: None, size: None, path: None, points, sha256: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest as _, Sha256};

    fn id(n: usize) -> PointId {
        format!("202611{:02}T000000Z-aaaa", n + 1).parse().unwrap()
    }

    /// Each letter is a point: `-` without the object, `?` without its type, else the object with a UID and a content.
    fn runs(points: &[&str]) -> Vec<String> {
        let object = Identity::of_path("core/v1/pods/a/b.json").unwrap().0;
        let (mut objects, mut silence) = (BTreeMap::new(), Vec::new());
        for (at, point) in points.iter().enumerate() {
            let hit = || Hit {
                path: "core/v1/pods/a/b.json".into(),
                uid: point[..1].into(),
                resource_version: String::new(),
                size: 0,
                sha256: Sha256::digest(point).into(),
            };
            let nothing = if *point == "?" { State::Unknown } else { State::Absent };
            let hits =
                if matches!(*point, "-" | "?") { Hits::new() } else { [(object.clone(), hit())].into() };
            add(&mut objects, &silence, &id(at), hits, nothing);
            silence.push((id(at), nothing));
        }
        let runs = objects.remove(&object).unwrap_or_default();
        runs.iter().map(|run| format!("{:?} {}", run.state, run.points.len())).collect()
    }

    #[test]
    fn points_in_which_nothing_changed_are_one_run() {
        assert_eq!(runs(&["a1", "a1", "a1"]), ["Present 3"]);
        let all = ["-", "-", "a1", "a2", "a2", "-", "-", "b1", "?", "b1", "-"];
        let wanted = [
            "Absent 2",
            "Present 1",
            "Changed 2",
            "Removed 2",
            "Recreated 1",
            "Unknown 1",
            "Present 1",
            "Removed 1",
        ];
        assert_eq!(runs(&all), wanted);
        assert_eq!(runs(&["?", "-", "a1"]), ["Unknown 1", "Absent 1", "Present 1"]);
        assert!(runs(&["-", "?"]).is_empty());
    }
}
