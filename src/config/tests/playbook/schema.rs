//! The schema says what the parser reads.

use super::super::super::playbook_file::playbook_schema;
use super::validator::valid;
use super::{FULL, actions, errors, parse, steps, with};
use serde_json::{Value, json};
use std::path::Path;

fn schema() -> Value {
    playbook_schema(&actions::all())
}

fn yaml(text: &str) -> Value {
    serde_yaml::from_str(text).unwrap()
}

/// What the schema has against a playbook.
fn refused(text: &str) -> Option<String> {
    let schema = schema();
    valid(&schema, &schema, &yaml(text), "").err()
}

#[test]
fn the_schema_has_the_fields_of_the_parser() {
    let schema = schema();
    let head = "apiVersion: lifeboat.dev/v1\nkind: Playbook\nmetadata: {name: p}\n";
    for (text, name) in [
        ("_".to_owned(), ""),
        (format!("{head}metadata: _").replace("metadata: {name: p}\n", ""), "Metadata"),
        (format!("{head}spec: _"), "Spec"),
        (with("references: [_]"), "Reference"),
        (with("params: [_]"), "Param"),
        (with("concurrency: _"), "Concurrency"),
        (with("guards: _"), "Guards"),
        (with("guards: {require: [_]}"), "Requirement"),
        (with("evidence: _"), "Keeping"),
        (steps("- _"), "Step"),
        (steps("- {retry: _}"), "Retry"),
        (steps("- {retry: {backoff: _}}"), "Backoff"),
        (steps("- {approve: _}"), "Approve"),
        (steps("- {manual: _}"), "Manual"),
    ] {
        let error = errors(&text.replace('_', "{qqqqqqqqqqqqqqqqqqqqqqqq: 1}"));
        let odd =
            error.lines().find(|line| line.contains("qqqq")).unwrap_or_else(|| panic!("{name}: {error}"));
        let list = odd.split_once("allowed here: ").unwrap_or_else(|| panic!("{name}: {odd}")).1;
        let mut known: Vec<_> = list.split(", ").map(|name| name.trim_matches('`').to_owned()).collect();
        known.sort();
        let section = if name.is_empty() { &schema } else { &schema["$defs"][name] };
        let fields = section["properties"].as_object().unwrap_or_else(|| panic!("{name}: {schema:#}"));
        let mut names: Vec<_> = fields.keys().cloned().collect();
        names.sort();
        assert_eq!(names, known, "{name}");
        assert_eq!(section["additionalProperties"], false, "{name}");
        assert!(section["description"].is_string(), "{name}");
        assert!(fields.values().all(|field| field["description"].is_string()), "{name}: {fields:#?}");
        // What the schema requires the parser misses.
        for required in section["required"].as_array().unwrap() {
            let missing = format!("{}: missing", required.as_str().unwrap());
            assert!(error.contains(&missing), "{name} lacks `{missing}`: {error}");
        }
    }
}

#[test]
fn the_schema_takes_what_the_parser_takes() {
    for text in [
        FULL.to_owned(),
        steps(
            "- {id: a, action: cluster.look, args: {}}\n- id: b\n  action: cluster.look\n  retry:\n  undo:\n  when:",
        ),
        steps(
            "- {id: a, action: pod.isolate, args: {target: {kind: Pod, name: '${params.pod.name}'}, seconds: '${1 + 1}'}}",
        ),
        steps(
            "- {id: a, action: pod.isolate, args: {target: '${params.pod}', allowEgress: {cidrs: ['${run.id}']}, relabel: null}}",
        ),
        with("runsOn: host\nsteps: [{id: a, action: etcd.restore, args: {host: a}}]"),
    ] {
        parse(&text).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(refused(&text), None, "{text}");
    }
}

#[test]
fn the_schema_refuses_what_a_schema_can() {
    for lines in [
        "- {id: a}",
        "- {id: A, action: cluster.look}",
        "- {id: a, action: cluster.lok}",
        "- {id: a, action: cluster.look, args: {x: 1}}",
        "- {id: a, action: resource.find}",
        "- {id: a, action: resource.find, args: {kinds: []}}",
        "- {id: a, action: resource.find, args: {kinds: pods}}",
        "- {id: a, action: pod.isolate, args: {target: web}}",
        "- {id: a, action: pod.isolate, args: {target: {name: web}}}",
        "- {id: a, action: pod.isolate, args: {target: '${params.pod}', method: magic}}",
        "- {id: a, action: pod.isolate, args: {target: '${params.pod}', seconds: 61}}",
        "- {id: a, action: pod.isolate, args: {target: '${params.pod}', allowEgress: {cidr: []}}}",
        "- {id: a, action: cluster.look, parallel: [{id: b, action: cluster.look}]}",
        "- {id: a, action: cluster.look, rescue: [{id: b, action: cluster.look}]}",
        "- {id: a, approve: {prompt: Go?, onTimeout: later}}",
        "- {id: a, action: cluster.look, retry: {limit: 0}}",
    ] {
        let text = steps(lines);
        assert!(refused(&text).is_some(), "{text}");
        assert!(parse(&text).is_err(), "{text}");
    }
}

#[test]
fn arguments_are_described_as_the_action_describes_them() {
    let schema = schema();
    let isolate = &schema["$defs"]["pod.isolate"]["properties"];
    assert_eq!(isolate["target"]["description"], "Whom.");
    assert_eq!(isolate["seconds"]["anyOf"][0]["maximum"], 60);
    assert_eq!(isolate["seconds"]["anyOf"][1], json!({"$ref": "#/$defs/Expression"}));
    let choices = schema["$defs"]["Step"]["allOf"].as_array().unwrap();
    assert_eq!(choices.len(), actions::all().len() + 1);
    assert_eq!(
        choices[0]["properties"]["action"]["oneOf"][1],
        json!({"const": "pod.delete", "description": "Does what its name says. It stays."})
    );
    assert!(valid(&schema, &json!({"$ref": "#/$defs/Expression"}), &json!("${a}"), "").is_ok());
    assert!(valid(&schema, &json!({"$ref": "#/$defs/Expression"}), &json!("a"), "").is_err());
}

#[test]
fn the_shipped_playbooks_fit_the_program_s_own_schema() {
    let schema = super::super::super::playbook_schema();
    let mut count = 0;
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks")).unwrap() {
        let file = entry.unwrap().path().join("playbook.yaml");
        if let Ok(text) = std::fs::read_to_string(&file) {
            assert_eq!(valid(&schema, &schema, &yaml(&text), ""), Ok(()), "{}", file.display());
            count += 1;
        }
    }
    assert!(count >= 11, "{count}");
}

#[test]
fn the_program_s_own_schema_has_every_action_once() {
    let schema = super::super::super::playbook_schema();
    let names: Vec<&str> = crate::playbook::actions::all().iter().map(|action| action.name()).collect();
    for name in &names {
        assert_eq!(schema["$defs"][*name]["type"], "object", "{name}");
        assert_eq!(names.iter().filter(|other| other == &name).count(), 1, "{name}");
    }
}
