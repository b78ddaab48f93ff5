//! How a backup of etcd may end: all of it is there and verifies, or nothing is and the user knows why. Whichever, no
//! secret is told, however loudly the program was asked to talk.

use crate::boat::{Lifeboat, Ran};
use anyhow::Result;
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Runs the program at its most talkative, which must not make it tell secrets.
pub async fn run(boat: &Lifeboat, args: &[&str]) -> Ran {
    let mut ran = boat.run(&[&["-vvv"], args].concat()).await;
    for secret in secrets(boat) {
        assert!(!ran.stdout.contains(&secret), "a secret is in the output of {args:?}");
        assert!(!ran.stderr.contains(&secret), "a secret is in the log of {args:?}");
    }
    let shown = ran.stderr.lines().filter(|line| !line.contains(" DEBUG ")).map(|line| format!("{line}\n"));
    ran.stderr = shown.collect();
    ran
}

/// What nobody may see: passwords, and each line of each private key that the configuration leads to.
fn secrets(boat: &Lifeboat) -> Vec<String> {
    let config = fs::read_to_string(boat.path("lifeboat.yaml")).unwrap();
    let named =
        config.split(|c: char| c.is_whitespace() || "{},\"".contains(c)).filter(|w| w.ends_with(".key"));
    let mut files: Vec<PathBuf> = named.map(|name| boat.path(name)).collect();
    files.extend(
        ["identity.txt", "etcd-password"].map(|name| boat.path(name)).into_iter().filter(|f| f.exists()),
    );
    assert!(files.len() >= 2, "the signing key and the identity at least");
    let lines = files.iter().flat_map(|file| {
        let text = fs::read_to_string(file).unwrap_or_default();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    });
    let public = |line: &String| line.starts_with(['#', '-']) || line.starts_with("untrusted comment");
    lines.filter(|line| !public(line) && line.len() >= 8).collect()
}

/// Takes a recovery point that must be complete and, looked at in depth, beyond all doubt.
pub async fn saved(boat: &Lifeboat) -> Value {
    let manifest = run(boat, &["backup", "--etcd-only", "-o", "json"]).await.expect(0).json();
    sound(boat, &manifest).await;
    manifest
}

/// Expects that a recovery point is complete and verifies without as much as a warning.
pub async fn sound(boat: &Lifeboat, manifest: &Value) {
    assert_eq!(manifest["status"], "Completed", "{manifest:#}");
    let id = manifest["id"].as_str().unwrap();
    let verify = ["verify", id, "--deep", "-i", "identity.txt", "-o", "json"];
    let verdict = run(boat, &verify).await.expect(0).json();
    let text = verdict.to_string();
    assert!(text.contains("is the live members'"), "no KV hash was compared: {verdict:#}");
    assert!(!text.contains("warning") && !text.contains("error"), "{verdict:#}");
    assert_eq!(files(boat).len(), 3, "{:?}", files(boat));
}

/// Tries to take a recovery point, which must fail in these words and leave nothing.
pub async fn refused(boat: &Lifeboat, words: &[&str]) -> Result<()> {
    refused_with(boat, 1, words).await
}

/// The same, with another exit code.
pub async fn refused_with(boat: &Lifeboat, code: i32, words: &[&str]) -> Result<()> {
    complains(boat, code, words).await;
    nothing_kept(boat).await;
    Ok(())
}

/// Expects an empty catalogue, and not one file where recovery points are.
pub async fn nothing_kept(boat: &Lifeboat) {
    let list = run(boat, &["list", "-o", "json"]).await.expect(0).json();
    assert_eq!(list["points"], serde_json::json!([]));
    assert_eq!(files(boat), Vec::<PathBuf>::new());
}

/// Expects that a backup fails in these words and leaves not one file where recovery points are.
pub async fn complains(boat: &Lifeboat, code: i32, words: &[&str]) {
    let ran = run(boat, &["backup", "--etcd-only", "-o", "json"]).await.expect(code);
    let said = ran.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
    for word in words {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
    assert_eq!(files(boat), Vec::<PathBuf>::new());
}

/// Everything where recovery points are.
pub fn files(boat: &Lifeboat) -> Vec<PathBuf> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let mut found = Vec::new();
    walk(&boat.path("store/lab/points"), &mut found);
    found
}

/// What the manifest complains of, one problem a line.
pub fn problems(manifest: &Value) -> String {
    let problems = manifest["problems"].as_array().unwrap().iter();
    problems
        .map(|p| format!("{}: {}\n", p["about"].as_str().unwrap(), p["message"].as_str().unwrap()))
        .collect()
}

/// The etcd half of a manifest.
pub fn facts(manifest: &Value) -> &Value {
    &manifest["artifacts"][0]["etcd"]
}

/// The names of the members that agree, and of those that do not.
pub fn agreement(manifest: &Value) -> (Vec<&str>, Vec<&str>) {
    let members = facts(manifest)["members"].as_array().unwrap();
    let named = |agrees: bool| {
        members.iter().filter(move |m| m["agrees"] == agrees).map(|m| m["name"].as_str().unwrap()).collect()
    };
    (named(true), named(false))
}
