//! `lifeboat playbook lint`, `list` and `show`, and the schema: what people and scripts read of playbooks before anything is done.

use crate::boat::Lifeboat;
use anyhow::Result;
use serde_json::{Value, json};
use std::{fs, path::Path};

const GATE: &str = "\
apiVersion: lifeboat.dev/v1
kind: Playbook
metadata: {name: gate, labels: {example.com/class: test}}
spec:
  description: Asks, and waits.
  params:
    - {name: ticket, type: string, required: true, pattern: '^INC-'}
    - {name: speed, type: enum, values: [fast, safe], default: safe, description: how}
    - {name: token, type: secretRef}
  guards: {limits: {pods: 1, minHealthyReplicas: 2}, require: [{expr: run.by != '', message: who is it?}]}
  steps:
    - {id: ask, phase: containment, approve: {prompt: 'Go on with ${params.ticket}?', minApprovals: 2, groups: [leads], notInitiator: true}}
    - id: both
      block: [{id: by-hand, manual: {instructions: 'Pull the plug.', evidence: [ticket]}}]
      rescue: [{id: plan-b, manual: {instructions: 'Pull harder.'}}]
  always:
    - {id: next, playbook: other, onFailure: continue}
";

fn put(dir: &Path, name: &str, text: &str) -> Result<()> {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap_or(dir))?;
    Ok(fs::write(path, text)?)
}

/// A directory of playbooks, of which the configuration knows.
async fn ship() -> Result<(tempfile::TempDir, Lifeboat)> {
    let dir = tempfile::tempdir()?;
    put(dir.path(), "runbooks/gate/playbook.yaml", GATE)?;
    let other = "apiVersion: lifeboat.dev/v1\nkind: Playbook\nmetadata: {name: other}\nspec: {description: Asks., steps: [{id: a, approve: {prompt: Go?}}]}\n";
    put(dir.path(), "runbooks/other.yaml", other)?;
    put(dir.path(), "runbooks/drills/d.yaml", "apiVersion: lifeboat.dev/v1\nkind: Drill\nname: d\n")?;
    let boat = Lifeboat::at(dir.path().to_owned()).await?;
    Ok((dir, boat))
}

#[tokio::test]
async fn lint_tells_every_mistake_with_its_place() -> Result<()> {
    let (dir, boat) = ship().await?;
    let good = boat.run(&["playbook", "lint"]).await.expect(0);
    assert_eq!(good.stdout, "2 playbooks are in order\n");
    let file = boat.run(&["playbook", "lint", "runbooks/gate/playbook.yaml"]).await.expect(0).stdout;
    assert!(file.contains("it calls other: only with its directory this is checked"), "{file}");

    put(
        dir.path(),
        "runbooks/gate/playbook.yaml",
        &GATE.replace("params.ticket", "params.tickt").replace("playbook: other", "playbook: othr"),
    )?;
    let bad = boat.run(&["playbook", "lint"]).await.expect(2).stdout;
    let wanted = "runbooks/gate/playbook.yaml:12:55: spec.steps[0].approve.prompt: `params.tickt` is not declared; did you mean \
                  `params.ticket`?";
    assert!(bad.contains(wanted) && bad.ends_with("1 in order, 1 with mistakes\n"), "{bad}");
    let json = boat.run(&["playbook", "lint", "-o", "json"]).await.expect(2).json();
    assert_eq!(json["problems"][0]["line"], 12);
    assert_eq!(json["problems"][0]["path"], "spec.steps[0].approve.prompt");
    assert_eq!(json["playbooks"], json!([{"name": "other", "file": "runbooks/other.yaml"}]));
    // What is called is looked for when everything else is in order.
    put(dir.path(), "runbooks/gate/playbook.yaml", &GATE.replace("playbook: other", "playbook: othr"))?;
    let bad = boat.run(&["playbook", "lint", "runbooks"]).await.expect(2).stdout;
    assert!(
        bad.contains("spec.always[0].playbook: there is no playbook of this name; did you mean `other`?"),
        "{bad}"
    );

    boat.run(&["playbook", "lint", "nowhere.yaml"]).await.expect(2).says("there is no such file");
    let error = boat.run(&["playbook", "lint", "nowhere.yaml", "-o", "json"]).await.expect(2).json();
    assert_eq!(error["error"]["code"], "usage");
    Ok(())
}

#[tokio::test]
async fn playbooks_are_listed_and_shown_for_people_and_for_scripts() -> Result<()> {
    let (dir, boat) = ship().await?;
    let table = boat.run(&["playbook", "list"]).await.expect(0).stdout;
    assert!(table.contains("Asks, and waits.") && table.lines().count() == 3, "{table}");
    let json = boat.run(&["playbook", "list", "-o", "json"]).await.expect(0).json();
    let names: Vec<&Value> = json["playbooks"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["gate", "other"]);

    let shown = boat.run(&["playbook", "show", "gate"]).await.expect(0).stdout;
    for text in [
        "gate: Asks, and waits.",
        "at most             1 pods",
        "at least            2 ready replicas",
        "only if             run.by != '' (else: who is it?)",
        "2 of leads within 1 h 0 min, not by who started it",
        "rescue",
        "playbook other",
    ] {
        assert!(shown.contains(text), "{text:?} is not in\n{shown}");
    }
    let json =
        boat.run(&["playbook", "show", "runbooks/gate/playbook.yaml", "-o", "json"]).await.expect(0).json();
    assert_eq!(json["params"][1]["values"], json!(["fast", "safe"]));
    assert_eq!(json["steps"][0]["approve"]["prompt"], "Go on with ${params.ticket}?");
    assert_eq!(json["steps"][1]["rescue"][0]["manual"]["instructions"], "Pull harder.");
    assert_eq!(json["always"][0]["playbook"], "other");

    let unknown = boat.run(&["playbook", "show", "gates"]).await.expect(2);
    unknown.says("there is no playbook `gates` in runbooks").says("these are there: gate, other");
    put(dir.path(), "runbooks/broken/playbook.yaml", "kind: Playbook\n")?;
    let list = boat.run(&["playbook", "list", "-o", "json"]).await.expect(0).says("have mistakes").json();
    assert_eq!(list["withMistakes"], json!(["runbooks/broken/playbook.yaml"]));
    boat.run(&["playbook", "show", "broken"])
        .await
        .expect(2)
        .says("others have mistakes: `lifeboat playbook lint`");
    Ok(())
}

#[tokio::test]
async fn the_configuration_names_the_directory_and_who_approves() -> Result<()> {
    let (dir, _) = ship().await?;
    let boat = Lifeboat::init(dir.path(), None, None).await?;
    let lack = boat.run(&["playbook", "lint", "../runbooks"]).await.expect(0).stdout;
    assert!(lack.contains("step `ask` needs 2 approvers of leads, and the configuration has 0"), "{lack}");
    let key = fs::read_to_string(boat.path("signing.pub"))?;
    let key = key.lines().last().unwrap_or_default();
    let other = format!("RWQ{}", "b".repeat(53));
    boat.edit(|text| {
        format!(
            "{text}\nplaybooks:\n  directory: ../runbooks\n  approvers:\n  - {{name: alice, publicKey: {key}, groups: [leads]}}\n  \
             - {{name: bob, publicKey: {other}, groups: [leads, ops]}}\n"
        )
    })?;
    let lint = boat.run(&["playbook", "lint"]).await.expect(0).stdout;
    assert_eq!(lint, "2 playbooks are in order\n");
    let list = boat.run(&["playbook", "list", "-o", "json"]).await.expect(0).json();
    assert_eq!(list["playbooks"].as_array().map(Vec::len), Some(2));
    Ok(())
}

#[tokio::test]
async fn the_schema_of_playbooks_is_printed() -> Result<()> {
    let (_dir, boat) = ship().await?;
    let schema = boat.run(&["schema", "playbook"]).await.expect(0).json();
    assert_eq!(schema["title"], "Lifeboat playbook");
    assert_eq!(schema["$defs"]["Step"]["properties"]["approve"]["anyOf"][0]["$ref"], "#/$defs/Approve");
    Ok(())
}
