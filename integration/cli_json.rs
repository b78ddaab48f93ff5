//! With `-o json` standard output is one JSON document, whatever happens.

use crate::saved::saved;
use anyhow::{Context, Result, anyhow};
use serde_json::{Value, json};
use std::fs;

#[tokio::test]
async fn every_command_prints_one_document() -> Result<()> {
    let saved = saved().await?;
    for (line, code, field) in [
        ("list", 0, "/points/0/artifacts/0/storedSha256"),
        ("status", 0, "/clusters/0/points/newestCompleted/id"),
        ("show latest", 0, "/artifacts/0/etcd/kvHash/hash"),
        ("verify", 0, "/points/0/findings/0/about"),
        ("verify --all --deep -i identity.txt", 0, "/worst"),
        ("extract latest etcd --to x.db -i identity.txt", 0, "/bytes"),
        ("diff latest latest -i identity.txt", 0, "/summary/unchanged"),
        ("diff latest latest --access -i identity.txt", 0, "/steps/0/summary/added"),
        ("find cm/filled-11-0 -i identity.txt", 0, "/objects/0/runs/0/points/0"),
        ("get latest secret vault -i identity.txt", 0, "/data/password"),
        ("get latest secret/vault -i identity.txt --to vault.json", 0, "/object"),
        ("inspect x.db", 0, "/kvHash/hash"),
        ("inspect latest -i identity.txt --key /registry/names", 0, "/keys/0/key"),
        ("inspect x.db --key /registry/namespaces/default", 0, "/value"),
        ("restore etcd latest --data-dir d --dry-run", 0, "/plan/restoredRevision"),
        ("restore etcd latest --data-dir d -i identity.txt", 0, "/next/0"),
        ("init new", 0, "/signingKey"),
        ("hold latest --reason audit", 0, "/record/id"),
        ("tag latest keep", 0, "/tags/0"),
        ("list --held --tag keep", 0, "/points/0/held/reason"),
        ("verify --sample 1", 0, "/sample/seed"),
        ("release latest --reason closed", 0, "/record/releases/0"),
        ("schema record", 0, "/anyOf/0"),
        ("schema manifest", 0, "/properties/artifacts"),
        ("schema config", 0, "/properties/stores"),
        ("schema restore", 0, "/properties/select"),
        // The cluster is gone, which is just what doctor is for.
        ("doctor", 1, "/checks/0/level"),
    ] {
        let args: Vec<&str> = line.split(' ').chain(["-o", "json", "-vvv", "--log-format", "json"]).collect();
        let json = saved.run(&args).await.expect(code).json();
        assert!(json.pointer(field).is_some(), "{line}: {field} is not in {json:#}");
    }
    Ok(())
}

#[tokio::test]
async fn every_failure_is_a_document_with_code_message_and_help() -> Result<()> {
    let saved = saved().await?;
    fs::write(saved.boat.path("there"), "")?;
    fs::write(saved.boat.path("junk.db"), "junk")?;
    fs::write(saved.boat.path("broken.yaml"), "kind: [")?;
    for (line, code, name) in [
        ("backup", 1, "failed"),
        ("backup --etcd-only", 1, "failed"),
        ("backup --resources-only", 1, "failed"),
        ("backup --etcd-only --resources-only", 2, "usage"),
        ("show 1999", 1, "failed"),
        ("show latest --cluster quay", 1, "failed"),
        ("list --store nowhere", 2, "usage"),
        ("list -c absent.yaml", 2, "usage"),
        ("status --store nowhere", 2, "usage"),
        ("status --rpo never", 2, "usage"),
        ("list -c broken.yaml", 2, "usage"),
        ("verify 1999", 1, "failed"),
        ("verify --deep", 2, "usage"),
        ("verify --all latest", 2, "usage"),
        ("verify --sample 1 --budget 1B", 2, "usage"),
        ("hold latest", 2, "usage"),
        ("tag latest UPPER", 2, "usage"),
        ("extract latest etcd --to there -i identity.txt", 6, "conflict"),
        ("extract latest etcd -i absent", 2, "usage"),
        ("extract latest nothing", 2, "usage"),
        ("extract latest etcd -i identity.txt --object core/v1/pods/a/b.json", 2, "usage"),
        ("diff latest -i identity.txt", 2, "usage"),
        ("diff latest 1999 -i identity.txt", 1, "failed"),
        ("diff latest latest", 2, "usage"),
        ("diff latest latest --since 7d -i identity.txt", 2, "usage"),
        ("diff latest live -i identity.txt", 1, "failed"),
        ("find boats/one -i identity.txt", 2, "usage"),
        ("find one -i identity.txt", 2, "usage"),
        ("get latest boats/one -i identity.txt", 2, "usage"),
        ("get latest cm lost -i identity.txt", 1, "failed"),
        ("get latest secret/vault -i identity.txt --to there", 6, "conflict"),
        ("inspect junk.db", 1, "failed"),
        ("restore etcd latest --data-dir . -i identity.txt", 6, "conflict"),
        ("restore etcd latest -i identity.txt", 2, "usage"),
        ("restore etcd latest --data-dir d --bump-revision 0", 2, "usage"),
        ("restore resources latest -i identity.txt", 1, "failed"),
        ("restore resources", 2, "usage"),
        ("restore resources --apply-plan junk.db", 2, "usage"),
        ("restore resources latest -i identity.txt --plan there", 6, "conflict"),
        ("restore resources latest -i identity.txt -f broken.yaml", 2, "usage"),
        ("init .", 6, "conflict"),
        ("man nothing", 2, "usage"),
        ("schema nothing", 2, "usage"),
        ("completions nothing", 2, "usage"),
        ("sail", 2, "usage"),
        ("list --no-such-flag", 2, "usage"),
    ] {
        let json = async |more: &[&str]| {
            let args: Vec<&str> = line.split(' ').chain(more.iter().copied()).collect();
            saved.run(&args).await.expect(code)
        };
        let ran = json(&["-o", "json", "-v"]).await;
        let error = &ran.json()["error"];
        assert_eq!(error["code"], name, "{line}: {error:#}");
        assert!(error["message"].as_str().is_some_and(|m| m.len() > 10), "{line}: {error:#}");
        assert!(error["help"].is_string() || error["help"].is_null(), "{line}: {error:#}");
        // People find the same on standard error, and nothing on standard output.
        let ran = json(&[]).await;
        assert_eq!(ran.stdout, "", "{line}");
        let first = error["message"].as_str().unwrap().lines().next().unwrap();
        assert!(ran.stderr.contains(first), "{line}: {first} is not in {}", ran.stderr);
        // Who has the log in JSON finds nothing else there. (How a log is wanted is not known where arguments are wrong.)
        if name != "usage" {
            let ran = json(&["--log-format", "json"]).await;
            let logged: Result<Vec<Value>, _> = ran.stderr.lines().map(serde_json::from_str).collect();
            let last = logged.map_err(|e| anyhow!("{line}: {e}: {ran:?}"))?.pop().context("no log")?;
            let told = (&last["level"], &last["fields"]["code"], &last["fields"]["message"]);
            assert_eq!(told, (&json!("ERROR"), &error["code"], &error["message"]), "{line}: {last}");
        }
    }
    Ok(())
}
