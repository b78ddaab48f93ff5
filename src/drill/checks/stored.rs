//! What the stored bytes show, before anything is brought up.

use super::{Check, Results};
use crate::catalogue::{Aspect, Finding, Level, Verdict};
use std::time::Duration;

/// Turns what a deep verification found into checks.
pub(in crate::drill) fn stored(verdict: &Verdict, has_snapshot: bool, took: Duration, results: &mut Results) {
    let of =
        |aspect| verdict.findings.iter().filter(move |finding| finding.aspect == aspect).collect::<Vec<_>>();
    let signature = of(Aspect::Signature);
    let expected = "the manifest is signed by the expected key";
    let mut check = Check::new("signature", expected);
    // A signature that nobody checked proves nothing.
    add(&mut check, &signature, Level::Warning);
    if signature.is_empty() {
        check.found("there is no manifest whose signature could be checked", 0);
    }
    let actual = told(&signature);
    results.end(check, actual, Duration::ZERO);

    let whole = of(Aspect::Whole);
    let mut check =
        Check::new("digests", "every byte and every object is the one that was saved, by its SHA-256");
    add(&mut check, &whole, Level::Error);
    let right = whole.iter().filter(|finding| finding.level == Level::Ok).count();
    let actual = match check.findings.len() {
        0 => format!("{right} comparisons, and all of them hold; {} bytes were read", verdict.bytes_read),
        wrong => format!("{wrong} do not hold, and {right} do"),
    };
    results.end(check, actual, took);

    for (name, aspect, expected) in [
        ("revision", Aspect::Revision, "the database's newest revision is the one that was saved"),
        (
            "kv-hash",
            Aspect::KvHash,
            "etcd's hash over all keys and values is the one that the live members had",
        ),
    ] {
        let findings = of(aspect);
        if !has_snapshot {
            results.skip(name, expected, "the recovery point holds no etcd snapshot");
            continue;
        }
        let mut check = Check::new(name, expected);
        add(&mut check, &findings, Level::Warning);
        if findings.is_empty() {
            check.found("it could not be looked at: the snapshot did not open", 0);
        }
        results.end(check, told(&findings), Duration::ZERO);
    }
}

fn add(check: &mut Check, findings: &[&Finding], from: Level) {
    for finding in findings.iter().filter(|finding| finding.level >= from) {
        let about = &finding.about;
        match finding.inside {
            false => check.found(format!("{about}: {}", finding.message), 0),
            true => {
                let message = format!("{about}: what is inside is not what it should be");
                check.group(message, 0, None, vec![(about.clone(), finding.message.clone())]);
            }
        }
    }
}

fn told(findings: &[&Finding]) -> String {
    let told: Vec<&str> = findings.iter().filter(|it| !it.inside).map(|it| it.message.as_str()).collect();
    if told.is_empty() { "nothing is known of it".to_owned() } else { told.join("; ") }
}
