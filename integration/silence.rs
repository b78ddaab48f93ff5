//! What no test may see the program say: keys, passwords and tokens. All that it prints in any test is looked at, and what it leaves in
//! its directory to be read by people.

use crate::{
    lab::s3,
    saved::{SECRET, SECRET_BASE64},
    traces,
};
use std::{fs, path::Path};

/// What every secret of a kind begins with, and what tests plant.
const NEVER: [(&str, &str); 9] = [
    ("AGE-SECRET-KEY-1", "an age identity"),
    ("RWRTY0Iy", "a minisign key under a password"),
    ("RWQAAEIy", "a minisign key without one"),
    ("PRIVATE KEY-----", "a private key"),
    ("eyJhbGciOi", "a token"),
    (SECRET, "the value of a Secret"),
    (s3::SECRET_KEY, "the key of the S3 server"),
    (SECRET_BASE64, "the value of a Secret, in base64"),
    (traces::KEY, "what a collector of traces wants to see"),
];
/// Files that are written for people or for monitors.
const TOLD: [&str; 5] = ["log", "jsonl", "html", "prom", "md"];

/// Which secret this shows, if it shows one: what kind it is, and what stands around it.
pub fn shown(text: &str) -> Option<String> {
    NEVER.iter().find_map(|(secret, what)| {
        let at = text.find(secret)?;
        let begin = text[..at].rfind('\n').map_or(0, |at| at + 1);
        Some(format!("{what} is shown in: {}", &text[begin..at + secret.len()]))
    })
}

/// Looks through what is told in a directory and those in it.
pub fn told_in(dir: &Path) -> Option<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.into_iter().find_map(|entry| {
        let path = entry.path();
        if entry.file_type().ok()?.is_dir() {
            return told_in(&path);
        }
        let told = path.extension().is_some_and(|it| TOLD.iter().any(|told| it == *told));
        let text = told.then(|| fs::read(&path).ok()).flatten()?;
        shown(&String::from_utf8_lossy(&text)).map(|what| format!("{}: {what}", path.display()))
    })
}

#[test]
fn secrets_are_seen() {
    assert_eq!(
        shown("a\nid: AGE-SECRET-KEY-1QQ\nb").as_deref(),
        Some("an age identity is shown in: id: AGE-SECRET-KEY-1")
    );
    for told in ["age1qqq", "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3", ""] {
        assert_eq!(shown(told), None);
    }
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("journal")).unwrap();
    fs::write(dir.path().join("identity.txt"), "AGE-SECRET-KEY-1QQ").unwrap();
    assert_eq!(told_in(dir.path()), None);
    fs::write(dir.path().join("journal/journal.jsonl"), SECRET).unwrap();
    assert!(told_in(dir.path()).unwrap().contains("journal.jsonl"));
}
