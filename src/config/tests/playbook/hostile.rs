//! Files that are meant to do harm: they are refused, in time, without much memory, and without a panic.

use super::super::super::PlaybookDirectory;
use super::{FULL, errors, parse, steps, with};
use proptest::prelude::*;
use std::time::{Duration, Instant};

/// Many `*name` of one list.
fn aliases(name: &str, count: usize) -> String {
    vec![format!("*{name}"); count].join(",")
}

#[test]
fn a_file_that_unfolds_to_a_billion_values_is_refused() {
    let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for level in 1..9 {
        bomb.push_str(&format!("a{level}: &a{level} [{}]\n", aliases(&format!("a{}", level - 1), 10)));
    }
    assert!(errors(&with(&bomb)).contains("too many values for this file"));
}

#[test]
fn a_text_that_is_named_many_times_is_counted_as_often() {
    let long = "x".repeat(400_000);
    let text = steps(&format!(
        "- {{id: a, action: resource.find, args: {{kinds: [&t {long}, {}]}}}}",
        aliases("t", 30_000)
    ));
    assert!(text.len() < 1_000_000);
    assert!(errors(&text).contains("too many values for this file"));
}

#[test]
fn steps_within_steps_have_an_end() {
    let nested = |depth: usize| {
        let mut text = "{id: z, action: cluster.look}".to_owned();
        for level in 0..depth {
            text = format!("{{id: s{level}, block: [{text}]}}");
        }
        steps(&format!("- {text}"))
    };
    assert!(parse(&nested(5)).is_ok());
    assert!(
        errors(&nested(6)).contains("is nested too deeply: at most 5 levels; make another playbook of it")
    );
    assert!(errors(&nested(200)).contains("values are nested too deeply"));
    assert!(errors(&"[".repeat(100_000)).contains("nested too deeply"));
}

#[test]
fn lists_have_an_end() {
    let many = |count: usize| {
        let all: Vec<String> = (0..count).map(|n| format!("- {{id: s{n}, action: cluster.look}}")).collect();
        steps(&all.join("\n"))
    };
    assert_eq!(parse(&many(500)).unwrap().playbook.steps.len(), 500);
    assert_eq!(
        errors(&many(502)),
        "p.yaml:510:5: spec.steps[500]: is one step too many: a playbook has at most 500; divide it"
    );
    let params: Vec<String> = (0..51).map(|n| format!("{{name: p{n}, type: int}}")).collect();
    let text = with(&format!("params: [{}]\nsteps: [{{id: a, action: cluster.look}}]", params.join(", ")));
    assert_eq!(errors(&text), "p.yaml:6:11: spec.params: has more than 50 parameters");
}

#[test]
fn long_texts_are_refused_where_they_stand() {
    let long = "a".repeat(900_000);
    for (lines, wanted) in [
        (
            format!("- {{id: a, when: {long}, action: cluster.look}}"),
            "spec.steps[0].when: it is longer than 4096 bytes",
        ),
        (format!("- {{id: a, action: {long}}}"), "spec.steps[0].action: there is no such action"),
        (format!("- {{id: {long}, action: cluster.look}}"), "spec.steps[0].id: `aaaa"),
        (
            format!("- {{id: a, manual: {{instructions: {long}}}}}"),
            "spec.steps[0].manual.instructions: is longer than 8192",
        ),
        (format!("- {{id: a, {}: 1}}", "a".repeat(1000)), "unknown field"),
        (format!("- {{id: a, {long}: 1}}"), "not valid YAML"),
        (
            format!("- {{id: a, action: resource.find, args: {{kinds: ['${{{long}}}']}}}}"),
            "it is longer than 4096 bytes",
        ),
    ] {
        let error = errors(&steps(&lines));
        assert!(error.contains(wanted), "{wanted}: {}", error.chars().take(400).collect::<String>());
        assert!(error.len() < 2_000, "{wanted}: {}", error.len());
    }
    assert!(
        errors(&steps(&"#".repeat(1_100_000))).ends_with("is larger than 1024 KiB: this is not a playbook")
    );
}

#[test]
fn expressions_that_are_deep_or_many_are_read_in_time() {
    let began = Instant::now();
    for odd in [
        "(".repeat(2000) + &")".repeat(2000),
        "!".repeat(4000) + "true",
        "-".repeat(4000) + "1",
        "[".repeat(2000) + &"]".repeat(2000),
        "run.id".to_owned() + &".a".repeat(2000),
        "run.id".to_owned() + &"[0]".repeat(1300),
        "1+".repeat(2000) + "1",
        "true?".repeat(600) + "1" + &":1".repeat(600),
        "[1].map(x,".repeat(300) + "1" + &")".repeat(300),
        "a{".repeat(2000),
    ] {
        let _ = parse(&steps(&format!("- {{id: a, when: \"{odd}\", action: cluster.look}}")));
    }
    let many = vec!["'${run.id}'"; 20_000].join(",");
    let text = steps(&format!("- {{id: a, action: resource.find, args: {{kinds: [{many}]}}}}"));
    assert!(parse(&text).is_ok());
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}

#[test]
fn a_directory_is_read_without_what_is_no_playbook() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let gate = "apiVersion: lifeboat.dev/v1\nkind: Playbook\nmetadata: {name: NAME}\nspec: {description: d, steps: [{id: a, approve: {prompt: Go?}}]}\n";
    put("b.yaml", &gate.replace("NAME", "b"));
    put("a/playbook.yaml", &gate.replace("NAME", "a"));
    put("a/README.md", "text");
    put("drills/d.yaml", "apiVersion: lifeboat.dev/v1\nkind: Drill\nname: d\n");
    put("values.yaml", "image: x\n");
    put("several.yaml", "a: 1\n---\nb: 2\n");
    put("deep/er/c.yaml", &gate.replace("NAME", "c"));
    put(".hidden/playbook.yaml", "kind: [");
    std::os::unix::fs::symlink(dir.path(), dir.path().join("loop")).unwrap();
    let found = PlaybookDirectory::load(dir.path()).unwrap();
    assert!(found.errors.len() == 1 && found.errors[0].to_string().contains("too"), "{:?}", found.errors);
    std::fs::remove_file(dir.path().join("loop")).unwrap();
    let found = PlaybookDirectory::load(dir.path()).unwrap();
    assert!(found.errors.is_empty(), "{:?}", found.errors);
    let names: Vec<&str> = found.files.iter().map(|file| file.playbook.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);

    put("broken.yaml", "kind: Playbook\n  x: [\n");
    put("typo.yaml", "kind: Playbok\n");
    put("c/playbook.yaml", "image: x\n");
    let errors: Vec<String> =
        PlaybookDirectory::load(dir.path()).unwrap().errors.iter().map(ToString::to_string).collect();
    assert!(errors.len() == 3, "{errors:#?}");
    let none = PlaybookDirectory::load(&dir.path().join("gone")).unwrap_err().to_string();
    assert!(
        none.contains("cannot read the playbooks in") && none.contains("there is no such directory"),
        "{none}"
    );
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,60}", at in 0usize..5000) {
        let at = FULL.char_indices().map(|(at, _)| at).rfind(|it| *it <= at).unwrap_or_default();
        let _ = parse(&format!("{}{text}{}", &FULL[..at], &FULL[at..]));
    }

    #[test]
    fn no_step_makes_it_panic(parts in proptest::collection::vec(
        proptest::sample::select(vec![
            "id", "action", "args", "when", "forEach", "register", "approve", "prompt", "parallel", "block", "rescue", "manual",
            "playbook", "undo", "retry", "limit", "target", "expect", "check", "kinds", ": ", ": ", ": ", "- ", "\n", "\n  ", "[", "]",
            "{", "}", ", ", "'", "\"", "a", "b-1", "7", "true", "~", "!t ", "&a ", "*a", "${", "}", "$${", "params.pod", "params.token",
            "vars.x", "item", "result", "has(", ")", "pod.isolate", "pod.delete", "resource.find", "assert", "token.review", "é",
        ]), 0..30)) {
        let text = parts.concat();
        let _ = parse(&steps(&text));
        let _ = parse(&steps(&format!("- {{id: a, action: pod.isolate, args: {{{text}}}}}")));
        let _ = parse(&with(&text));
    }
}
