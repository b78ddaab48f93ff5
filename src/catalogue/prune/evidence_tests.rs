use super::*;
use crate::{catalogue::Signature, point::Evidence};
use serde_json::json;

fn drill(day: u32, name: &str, retain: serde_json::Value) -> Drill {
    let began = format!("2026-11-{day:02}T08:00:00Z");
    let id = PointId::new(began.parse().unwrap(), day);
    let mut evidence = json!({
        "format": "1.0", "id": id, "cluster": "c",
        "plan": {"name": name, "restores": ["etcd"]},
        "by": "me", "tool": {"name": "lifeboat", "version": "1"},
        "began": began, "ended": began, "verdict": "passed",
        "pick": {"rule": "latest", "among": 1},
        "phases": [], "rpo": {}, "rto": {}, "checks": [], "cleanup": [],
    });
    if !retain.is_null() {
        evidence["retain"] = retain;
    }
    let evidence: Evidence = serde_json::from_value(evidence).unwrap();
    Drill { id, evidence: Ok(evidence), signature: Signature::Holds }
}

fn kept(drills: &[Drill], now: &str) -> Vec<Vec<DrillKept>> {
    let judged = judge(drills, now.parse().unwrap());
    drills.iter().map(|drill| judged[&drill.id].clone()).collect()
}

#[test]
fn what_is_over_goes_but_for_the_newest_and_the_last_of_a_name() {
    let over = || json!({"until": "2026-11-20T00:00:00Z"});
    let drills = [
        drill(1, "a", over()),
        drill(2, "a", over()),
        drill(3, "b", over()),
        drill(4, "a", serde_json::Value::Null),
    ];
    let now = "2026-12-01T00:00:00Z";
    let both = vec![DrillKept::Newest, DrillKept::NothingSaid];
    assert_eq!(kept(&drills, now), [vec![], vec![], vec![DrillKept::Newest], both]);
    let until = DrillKept::Until { at: "2026-11-20T00:00:00Z".parse().unwrap() };
    assert_eq!(
        kept(&drills[..2], "2026-11-19T00:00:00Z"),
        [vec![until.clone()], vec![DrillKept::Newest, until]]
    );
    let last = |of: u32| json!({"last": of});
    let drills = [drill(1, "a", last(2)), drill(2, "a", last(2)), drill(3, "a", last(2))];
    let of = |place| DrillKept::Last { place, of: 2 };
    assert_eq!(kept(&drills, now), [vec![], vec![of(2)], vec![DrillKept::Newest, of(1)]]);
}

#[test]
fn what_is_not_to_be_trusted_stays_and_is_not_the_newest() {
    let over = || json!({"until": "2026-11-20T00:00:00Z"});
    let mut drills = [drill(1, "a", over()), drill(2, "a", over()), drill(3, "a", over())];
    drills[2].signature = Signature::Bad("it is forged".into());
    drills[0].signature = Signature::Bad("it is forged".into());
    let kept = kept(&drills, "2026-12-01T00:00:00Z");
    assert!(matches!(&kept[0][..], [DrillKept::NotUnderstood { why }] if why.contains("forged")));
    assert_eq!(kept[1], [DrillKept::Newest]);
    assert!(matches!(&kept[2][..], [DrillKept::NotUnderstood { .. }]));
}
