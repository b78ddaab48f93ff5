use super::{Candidate, Fall, Group, Judgement, Lasting, Policy, Reason};
use crate::point::PointId;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Judges every candidate, in the order given. The same id may not come twice.
pub fn judge(policy: &Policy, candidates: &[Candidate], now: Timestamp) -> Vec<Judgement> {
    let mut groups: BTreeMap<&Group, Vec<&Candidate>> = BTreeMap::new();
    for candidate in candidates.iter().filter(|c| c.not_understood.is_none() && c.created_at <= now) {
        groups.entry(&candidate.group).or_default().push(candidate);
    }
    let mut judged: BTreeMap<&PointId, Judgement> = BTreeMap::new();
    for mut group in groups.into_values() {
        group.sort_by_key(|c| std::cmp::Reverse((c.created_at, &c.id)));
        judged.extend(of_group(policy, &group));
    }
    let each = candidates.iter().map(|candidate| {
        let fresh = || Judgement { id: candidate.id.clone(), kept: Vec::new(), fell: Vec::new() };
        let mut judgement = judged.remove(&candidate.id).unwrap_or_else(fresh);
        judgement.kept.extend(for_itself(policy, candidate, now));
        if judgement.stays() {
            judgement.fell.clear();
        }
        judgement
    });
    each.collect()
}

/// The ids of those that are not kept.
pub fn dropped(judgements: &[Judgement]) -> BTreeSet<PointId> {
    judgements.iter().filter(|j| !j.stays()).map(|j| j.id.clone()).collect()
}

/// Reasons that have nothing to do with other points.
fn for_itself(policy: &Policy, candidate: &Candidate, now: Timestamp) -> Vec<Reason> {
    let mut reasons = Vec::new();
    reasons.extend(candidate.not_understood.clone().map(|reason| Reason::NotUnderstood { reason }));
    if candidate.not_understood.is_none() && candidate.created_at > now {
        reasons.push(Reason::NotUnderstood { reason: "it was begun in the future".to_owned() });
    }
    reasons.extend(candidate.held.clone().map(|reason| Reason::Held { reason }));
    let tags = candidate.tags.intersection(&policy.tags);
    reasons.extend(tags.map(|tag| Reason::Tagged { tag: tag.clone() }));
    reasons.extend(match candidate.lock {
        Some(Lasting::Until(until)) if until > now => Some(Reason::Locked { until: Some(until) }),
        Some(Lasting::LegalHold) => Some(Reason::Locked { until: None }),
        _ => None,
    });
    reasons
}

/// Judges points that are counted together, the newest first.
fn of_group<'a>(policy: &Policy, group: &[&'a Candidate]) -> BTreeMap<&'a PointId, Judgement> {
    let fresh =
        |c: &&'a Candidate| (&c.id, Judgement { id: c.id.clone(), kept: Vec::new(), fell: Vec::new() });
    let mut judged: BTreeMap<&PointId, Judgement> = group.iter().map(fresh).collect();
    let complete: Vec<&Candidate> = group.iter().copied().filter(|c| c.complete).collect();
    let whole: Vec<&Candidate> = complete.iter().copied().filter(|c| !c.failed).collect();
    count(policy, &complete, &mut judged, true);
    if whole.len() < complete.len() {
        // What failed its verification takes nobody's place, and loses none by it: a wrong key fails too.
        count(policy, &whole, &mut judged, false);
    }
    let mut keep = |candidate: Option<&&Candidate>, reason: Reason| {
        if let Some(judgement) = candidate.and_then(|c| judged.get_mut(&c.id))
            && !judgement.kept.contains(&reason)
        {
            judgement.kept.push(reason);
        }
    };
    keep(complete.first(), Reason::NewestComplete);
    keep(whole.first(), Reason::NewestComplete);
    if let Some((candidate, at)) = group.iter().find_map(|c| Some((c, c.verified?))) {
        keep(Some(candidate), Reason::NewestVerified { at });
    }
    // A look at the stored bytes since then does not make it less.
    if let Some((candidate, at)) = group.iter().find_map(|c| Some((c, c.verified_deep?))) {
        keep(Some(candidate), Reason::NewestVerifiedDeep { at });
    }
    for candidate in group.iter().filter(|c| !c.complete) {
        let since =
            complete.first().filter(|c| (c.created_at, &c.id) > (candidate.created_at, &candidate.id));
        if let Some(judgement) = judged.get_mut(&candidate.id) {
            match since {
                None => judgement.kept.push(Reason::NoneCompleteSince),
                Some(since) => judgement.fell.push(Fall::Incomplete { since: since.id.clone() }),
            }
        }
    }
    if let (Some(within), Some(newest)) = (policy.within, complete.first().or(group.first())) {
        let length = words(within);
        for candidate in group {
            let Some(judgement) = judged.get_mut(&candidate.id) else { continue };
            if newest.created_at.duration_since(candidate.created_at) <= within {
                judgement.kept.push(Reason::Within { length: length.clone() });
            } else {
                judgement.fell.push(Fall::Older { length: length.clone() });
            }
        }
    }
    judged
}

/// The counting rules over points, the newest first.
fn count(
    policy: &Policy,
    points: &[&Candidate],
    judged: &mut BTreeMap<&PointId, Judgement>,
    tell_falls: bool,
) {
    for (every, of) in policy.counts().filter(|(_, of)| *of > 0) {
        let mut place = 0;
        let mut standing: BTreeMap<String, &PointId> = BTreeMap::new();
        for (nth, point) in points.iter().enumerate() {
            let Some(judgement) = judged.get_mut(&point.id) else { continue };
            let period = every.of(point.created_at, &policy.zone).unwrap_or_else(|| point.id.to_string());
            let by = standing.get(&period).copied();
            if by.is_none() && place < of {
                place += 1;
                standing.insert(period.clone(), &point.id);
                let reason = Reason::Counted { every, place, of, period };
                let known = |r: &Reason| matches!(r, Reason::Counted { every: e, .. } if *e == every);
                if !judgement.kept.iter().any(known) {
                    judgement.kept.push(reason);
                }
            } else if nth + 1 == points.len() && place < of {
                let reason = Reason::Oldest { every };
                if !judgement.kept.contains(&reason) {
                    judgement.kept.push(reason);
                }
            } else if tell_falls {
                judgement.fell.push(match by {
                    Some(by) => Fall::Represented { every, by: by.clone() },
                    None => Fall::Beyond { every, of },
                });
            }
        }
    }
}

/// A length of time as the configuration writes it.
fn words(length: SignedDuration) -> String {
    let minutes = length.as_mins();
    match (minutes / 1440, minutes % 1440 / 60, minutes % 60) {
        (days, 0, 0) => format!("{days}d"),
        (0, hours, 0) => format!("{hours}h"),
        (days, hours, 0) => format!("{days}d{hours}h"),
        (0, 0, minutes) => format!("{minutes}m"),
        (0, hours, minutes) => format!("{hours}h{minutes}m"),
        (days, hours, minutes) => format!("{days}d{hours}h{minutes}m"),
    }
}
