//! Playbooks that call others.

use super::super::super::{PlaybookFile, check_calls};
use super::actions;
use std::path::Path;

/// A playbook of this name; its specification begins at line 3.
fn file(name: &str, spec: &str) -> PlaybookFile {
    let text =
        format!("apiVersion: lifeboat.dev/v1\nkind: Playbook\nspec: {spec}\nmetadata: {{name: {name}}}\n");
    let path = format!("{name}.yaml");
    PlaybookFile::parse_with(&text, Path::new(&path), &actions::all()).unwrap_or_else(|e| panic!("{e}"))
}

/// A playbook that has these parameters and calls with these arguments.
fn calling(name: &str, calls: &[&str]) -> PlaybookFile {
    let steps: Vec<String> =
        calls.iter().enumerate().map(|(at, call)| format!("{{id: s{at}, {call}}}")).collect();
    let params = "params: [{name: secret, type: secretRef}, {name: text, type: string}]";
    file(name, &format!("{{description: d, {params}, steps: [{}]}}", steps.join(", ")))
}

fn leaf() -> PlaybookFile {
    let params = "params: [{name: pod, type: objectRef, kind: Pod, required: true}, {name: count, type: int}, {name: token, type: secretRef}]";
    file("leaf", &format!("{{description: d, {params}, steps: [{{id: a, action: cluster.look}}]}}"))
}

fn said(files: &[PlaybookFile]) -> String {
    let errors = check_calls(files).err().unwrap_or_default();
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Where the first call of a playbook stands, and where its arguments begin.
fn column(text: &str, calls: &[&str]) -> usize {
    calling("a", calls).text.lines().nth(2).unwrap().find(text).unwrap() + 1
}

#[test]
fn calls_that_fit_are_fine() {
    let call = "playbook: leaf, args: {pod: shop/web, count: 3, token: '${params.secret}'}";
    let later = "playbook: leaf, args: {pod: '${params.text}', count: '${size(params.text)}'}";
    let place = "playbook: leaf, args: {pod: shop/web, token: 'file:token'}";
    assert_eq!(said(&[leaf(), calling("a", &[call, later, place]), calling("b", &["playbook: a"])]), "");
    let names: Vec<String> = calling("a", &[call]).called().map(str::to_owned).collect();
    assert_eq!(names, ["leaf"]);
}

#[test]
fn calls_that_do_not_fit_are_told_where_they_stand() {
    for (call, mark, wanted) in [
        (
            "playbook: leav, args: {pod: a}",
            "leav",
            "spec.steps[0].playbook: there is no playbook of this name; did you mean `leaf`?",
        ),
        (
            "playbook: other",
            "other",
            "spec.steps[0].playbook: there is no playbook of this name in the directory",
        ),
        ("playbook: leaf", "leaf", "spec.steps[0].playbook: needs to be told `pod`, under `args`"),
        (
            "playbook: leaf, args: {pod: a, cuont: 3}",
            "3}",
            "spec.steps[0].args.cuont: `leaf` has no such parameter; did you mean `count`?",
        ),
        (
            "playbook: leaf, args: {pod: a, count: many}",
            "many",
            "spec.steps[0].args.count: a whole number is needed, such as 3",
        ),
        (
            "playbook: leaf, args: {pod: a, token: hunter2}",
            "hunter2",
            "spec.steps[0].args.token: where the secret is is needed, not the secret: `file:PATH` or `env:NAME`",
        ),
        (
            "playbook: leaf, args: {pod: '${params.secret}'}",
            "'${params.secret}'",
            "spec.steps[0].args.pod: is a secret, and `pod` of `leaf` is none: it would be shown",
        ),
        (
            "playbook: leaf, args: {pod: a, token: '${params.text}'}",
            "'${params.text}'",
            "spec.steps[0].args.token: must be a secret of this playbook, as `${params.NAME}`",
        ),
    ] {
        let at = column(mark, &[call]);
        assert_eq!(said(&[leaf(), calling("a", &[call])]), format!("a.yaml:3:{at}: {wanted}"), "{call}");
    }
    let host = file(
        "host",
        "{description: d, runsOn: host, steps: [{id: a, action: etcd.restore, args: {host: a}}]}",
    );
    assert!(
        said(&[host.clone(), calling("a", &["playbook: host"])])
            .contains("runs on a host, and this one does not")
    );
    let other =
        file("other", "{description: d, runsOn: host, steps: [{id: a, playbook: leaf, args: {pod: a}}]}");
    assert!(said(&[leaf(), other]).contains("needs an API server, and this one runs without"));
    let twice = said(&[leaf(), leaf()]);
    assert_eq!(twice, "leaf.yaml:1:1: metadata.name: leaf.yaml has a playbook of this name, too");
}

#[test]
fn circles_and_avalanches_are_found() {
    let a = calling("a", &["playbook: b"]);
    let b = calling("b", &["playbook: c"]);
    let c = calling("c", &["playbook: a"]);
    let errors = said(&[a, b, c]);
    let lines: Vec<&str> = errors.lines().map(|line| line.split_once(": ").unwrap().1).collect();
    assert_eq!(
        lines,
        [
            "spec.steps[0].playbook: never comes to an end: a → b → c → a",
            "spec.steps[0].playbook: never comes to an end: b → c → a → b",
            "spec.steps[0].playbook: never comes to an end: c → a → b → c",
        ]
    );
    assert!(said(&[calling("a", &["playbook: a"])]).ends_with("never comes to an end: a → a"));
    let mut files = vec![calling("p0", &["approve: {prompt: Go?}"])];
    for level in 1..12 {
        let call = format!("playbook: p{}", level - 1);
        files.push(calling(&format!("p{level}"), &[&call, &call, &call]));
    }
    let errors = said(&files);
    assert!(
        errors.starts_with("p7.yaml:1:1: spec: has more than 2000 steps") && errors.lines().count() == 5,
        "{errors}"
    );
}
