//! Drills that must fail, and say precisely why.

use crate::{
    drill_case::{check, drill, failed, nothing_left, write},
    saved::{Saved, saved},
};
use anyhow::Result;
use lifeboat::pipeline::generate_signing_key;
use serde_json::{Value, json};
use std::fs;

/// A drill that fails over a check before anything is brought up.
async fn unsound(saved: &Saved, name: &str, words: &str) -> Result<()> {
    let evidence = drill(&saved.boat, &[]).await.expect(4).json();
    assert_eq!(evidence["verdict"], "checks-failed", "{evidence:#}");
    assert!(failed(&evidence).contains(&name.to_owned()), "{:?}", failed(&evidence));
    let found = check(&evidence, name)["findings"].to_string();
    assert!(found.contains(words), "{words:?} is not in {found}");
    assert!(evidence["reasons"].to_string().contains("nothing was brought up"), "{}", evidence["reasons"]);
    assert!(evidence["staging"].is_null());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_stored_and_is_not_what_was_saved_is_not_brought_up() -> Result<()> {
    let saved = saved().await?;
    write(&saved.boat, "", "")?;
    let payload = saved.object("etcd.db.zst.age");
    let good = fs::read(&payload)?;
    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    fs::write(&payload, &flipped)?;
    unsound(&saved, "digests", "the SHA-256 of the stored bytes differs").await?;
    fs::write(&payload, &good[..good.len() - 1])?;
    unsound(&saved, "digests", "bytes are stored, the manifest says").await?;
    fs::remove_file(&payload)?;
    unsound(&saved, "digests", "it is missing").await?;
    fs::write(&payload, &good)?;

    let manifest = fs::read(saved.object("manifest.json"))?;
    saved.forge(|m| m["artifacts"][0]["etcd"]["kvHash"]["hash"] = json!(1))?;
    unsound(&saved, "kv-hash", "the live members had 00000001").await?;
    saved.forge(|m| m["artifacts"][0]["etcd"]["revision"] = json!(1))?;
    unsound(&saved, "revision", "the manifest says 1").await?;
    saved.forge(|m| m["artifacts"][1]["resources"]["objects"] = json!(7))?;
    unsound(&saved, "digests", "objects in all").await?;

    // Altered, and signed again with a key that is not the expected one.
    let right = fs::read(saved.boat.path("signing.key"))?;
    let (other, _) = generate_signing_key()?;
    fs::write(saved.boat.path("signing.key"), secrecy::ExposeSecret::expose_secret(&other))?;
    saved.forge(|m| m["job"] = json!("other"))?;
    fs::write(saved.boat.path("signing.key"), &right)?;
    unsound(&saved, "signature", "another key than the expected one").await?;
    saved.sign(&manifest)?;

    let listed = saved.run(&["drill", "list", "-o", "json"]).await.expect(0).json();
    assert_eq!(listed["drills"].as_array().unwrap().len(), 7, "failed drills are kept");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_right_identity_nothing_is_brought_up() -> Result<()> {
    let saved = saved().await?;
    write(&saved.boat, "", "")?;
    saved.run(&["drill", "run", "drill.yaml"]).await.expect(2).says("identity");
    let (identity, _) = lifeboat::pipeline::generate_identity();
    let other = saved.boat.path("other.txt");
    fs::write(&other, secrecy::ExposeSecret::expose_secret(&identity))?;
    std::fs::set_permissions(&other, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    let evidence =
        saved.run(&["drill", "run", "drill.yaml", "-i", "other.txt", "-o", "json"]).await.expect(4).json();
    let found = check(&evidence, "digests")["findings"].to_string();
    assert!(found.contains("none of the identities"), "{found}");
    nothing_left(&saved.boat);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn staging_that_does_not_come_up_is_told_with_its_last_words() -> Result<()> {
    let saved = saved().await?;
    let broken = async |staging: &str, more: &str, phase: &str, words: &str| -> Result<Value> {
        write(&saved.boat, staging, more)?;
        let evidence = drill(&saved.boat, &[]).await.expect(1).json();
        assert_eq!(evidence["verdict"], "failed", "{evidence:#}");
        let reasons = evidence["reasons"].to_string();
        assert!(reasons.contains(words) && reasons.contains(phase), "{words:?}, {phase:?}: {reasons}");
        Ok(evidence)
    };
    let evidence = broken("args: [--no-such-flag]", "", "api-ready", "unknown flag: --no-such-flag").await?;
    assert!(evidence["rto"]["measuredMs"].is_null());
    broken("readyWithin: 400ms", "", "api-ready", "is not ready after").await?;
    broken("kubeApiserver: ./nowhere", "", "provision", "kube-apiserver: ").await?;
    broken("etcd: /bin/true", "", "provision", "does not tell its version").await?;
    broken("encryptionConfig: nowhere.yaml", "", "provision", "nowhere.yaml").await?;
    broken("", "within: 600ms", "", "it was given up after").await?;
    // A directory into which others may look is none for Secrets.
    fs::create_dir_all(saved.boat.path("staging"))?;
    fs::set_permissions(saved.boat.path("staging"), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    broken("", "", "provision", "mode 0700").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_drill_s_file_asks_for_and_is_not_so_fails_it() -> Result<()> {
    let saved = saved().await?;
    let checks = "checks:\n\
        - {name: too-many, count: {kind: secrets, namespace: default, atLeast: 1000}}\n\
        - {name: other-value, object: {kind: secret, namespace: default, name: vault, path: /type, equals: kubernetes.io/tls}}\n\
        - {name: gone, object: {kind: secret, namespace: default, name: nobody, path: /type, exists: true}}\n\
        - {name: wrong, cel: {kind: secrets, each: \"object.type == 'none'\"}}\n\
        - {name: nobody, cel: {kind: pods, each: \"true == true\"}}\n\
        - {name: no-answer, cel: {kind: secrets, list: \"objects[0].gone == 1\"}}\n\
        - {name: smoke, command: {argv: [sh, -c, \"echo told; exit 3\"]}, severity: warning}\n";
    write(&saved.boat, "", checks)?;
    let evidence = drill(&saved.boat, &[]).await.expect(4).json();
    assert_eq!(
        failed(&evidence),
        ["too-many", "other-value", "gone", "wrong", "nobody", "no-answer", "smoke"]
    );
    let reasons = evidence["reasons"].as_array().unwrap();
    assert_eq!(reasons.len(), 6, "a warning is no reason: {reasons:?}");
    let text = saved.run(&["drill", "show", "latest"]).await.expect(0).stdout;
    assert!(text.contains("FAILED: what came back is not what was saved"), "{text}");
    Ok(())
}
