//! `lifeboat drill`: a saved cluster is brought up, found equal, and taken away; evidence that others can verify is left.

use crate::{
    drill_case::{check, drill, failed, nothing_left, write},
    saved::saved,
};
use anyhow::Result;
use lifeboat::{
    config::{DRILL_CHECKS, DRILL_PHASES},
    point::Phase,
};
use serde_json::Value;
use std::{fs, process::Command};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_saved_comes_back_and_signed_evidence_says_so() -> Result<()> {
    let saved = saved().await?;
    let checks = "objectives: {rpo: 30d, rto: 10m, phases: {restore: 5m}}\nchecks:\n\
        - {name: vault-is-there, object: {kind: secret, namespace: default, name: vault, path: /data/password, exists: true}}\n\
        - {name: many, count: {kind: configmaps, atLeast: 20}}\n\
        - {name: typed, cel: {kind: secrets, each: \"has(object.type) && object.metadata.name != ''\"}}\n\
        - {name: many-maps, cel: {kind: configmaps, list: \"objects.size() >= 20\"}}\n\
        - {name: none, count: {kind: pods, exactly: 0}, severity: warning}\n\
        - {name: asked, command: {argv: [kubectl, get, secret, vault], timeout: 30s}}\n";
    write(&saved.boat, "", checks)?;
    let ran = drill(&saved.boat, &["--approved-by", "the board"]).await.expect(0);
    let evidence = ran.json();
    assert_eq!(evidence["verdict"], "passed", "{evidence:#}");
    assert_eq!(failed(&evidence), Vec::<String>::new());
    let names: Vec<&str> =
        evidence["checks"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "signature",
            "digests",
            "revision",
            "kv-hash",
            "versions",
            "identity",
            "objects",
            "counts",
            "discovery",
            "references",
            "vault-is-there",
            "many",
            "typed",
            "many-maps",
            "none",
            "secrets",
            "asked"
        ]
    );
    let of_exports = ["restored", "agreement"];
    assert!(
        DRILL_CHECKS.iter().all(|name| names.contains(name) || of_exports.contains(name)),
        "one can be weighed that is never made"
    );
    assert_eq!(DRILL_PHASES.to_vec(), Phase::ALL.map(Phase::as_str));
    let manifest = saved.manifest()?;
    let objects = manifest.artifacts.iter().find_map(|a| a.resources.as_ref()).unwrap().objects;
    let equal: u64 =
        check(&evidence, "objects")["actual"].as_str().unwrap().split(' ').next().unwrap().parse()?;
    assert!(equal + 10 > objects && equal > 80, "{equal} of {objects} are equal to the byte");
    for phase in ["pick", "fetch", "open", "provision", "restore", "api-ready", "checks", "tear-down"] {
        assert!(evidence["phases"].to_string().contains(&format!("\"{phase}\"")), "{phase}");
    }
    assert!(evidence["rto"]["measuredMs"].as_u64().unwrap() > 100 && evidence["rpo"]["measuredMs"].is_u64());
    assert_eq!(evidence["staging"]["programs"].as_array().unwrap().len(), 2);
    assert!(evidence["cleanup"].as_array().unwrap().iter().all(|it| it["gone"] == true));
    // No name of a user's object is in what everybody can read.
    let stored = saved.boat.path("store/lab/drills").join(evidence["id"].as_str().unwrap());
    let text = fs::read_to_string(stored.join("evidence.json"))?;
    assert_eq!(serde_json::from_str::<Value>(&text)?, evidence);

    // Whoever has the public key needs nothing of Lifeboat.
    let key = fs::read_to_string(saved.boat.path("signing.pub"))?;
    let minisign = |file: &str| {
        let mut command = Command::new("minisign");
        command.args(["-Vm", file, "-P", key.lines().last().unwrap()]).current_dir(&stored).output()
    };
    let output = minisign("evidence.json")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success()
            && said.contains(&format!("lifeboat lab drills {}", evidence["id"].as_str().unwrap())),
        "{said}"
    );
    fs::write(stored.join("evidence.json"), text.replace("\"passed\"", "\"failed\""))?;
    assert!(!minisign("evidence.json")?.status.success());
    saved.run(&["drill", "verify", "latest"]).await.expect(4);
    saved.run(&["drill", "show", "latest"]).await.expect(4).says("is not to be trusted");
    fs::write(stored.join("evidence.json"), &text)?;
    let verified = saved.run(&["drill", "verify", "latest", "-i", "identity.txt"]).await.expect(0).stdout;
    assert!(verified.contains("they open"), "{verified}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_objective_that_is_missed_and_what_is_done_about_it_are_reported() -> Result<()> {
    let saved = saved().await?;
    write(&saved.boat, "", "objectives: {rto: 1ms, rpo: 100d, phases: {restore: 1ms}}")?;
    let evidence = drill(&saved.boat, &[]).await.expect(5).json();
    assert_eq!(evidence["verdict"], "objective-missed");
    let reasons = evidence["reasons"].to_string();
    assert!(reasons.contains("the RTO was") && reasons.contains("the phase restore took"), "{reasons}");
    let id = evidence["id"].as_str().unwrap();

    saved
        .run(&["drill", "note", id, "--action", "x", "--finding", "objects-99"])
        .await
        .expect(2)
        .says("no finding `objects-99`");
    let note = ["drill", "note", id, "--action", "faster disks", "--owner", "alice", "--due", "2026-12-31"];
    saved.run(&note).await.expect(0);
    write(&saved.boat, "", "")?;
    let again = drill(&saved.boat, &["--retest-of", id]).await.expect(0).json();
    assert_eq!(
        (&again["retestOf"], &again["earlier"][0]["verdict"]),
        (&id.into(), &"objective-missed".into())
    );
    let retested = again["id"].as_str().unwrap();
    saved.run(&["drill", "note", id, "--action", "mended", "--retested-by", retested]).await.expect(0);

    let listed = saved.run(&["drill", "list"]).await.expect(0).stdout;
    assert!(
        listed.contains("objective-missed") && listed.contains("(missed)") && listed.contains(retested),
        "{listed}"
    );
    let markdown = saved.run(&["drill", "report", id]).await.expect(0).stdout;
    for text in
        ["OBJECTIVE MISSED", "faster disks", "alice", "2026-12-31", "mended", retested, "minisign -Vm"]
    {
        assert!(markdown.contains(text), "{text} is not in\n{markdown}");
    }
    saved.run(&["drill", "report", retested, "--to", "drill.html"]).await.expect(0);
    let page = fs::read_to_string(saved.boat.path("drill.html"))?;
    assert!(
        page.starts_with("<!DOCTYPE html>") && page.contains("Earlier drills") && !page.contains("<script")
    );
    saved.run(&["drill", "report", retested, "--to", "drill.html"]).await.expect(6);
    nothing_left(&saved.boat);
    Ok(())
}
