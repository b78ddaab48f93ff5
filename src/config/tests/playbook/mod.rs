//! A playbook's file: good files, bad files, hostile files, calls, the schema.

mod actions;
mod calls;
mod golden;
mod hostile;
mod schema;
mod validator;

use super::super::{ConfigError, PlaybookFile};
use crate::playbook::model::{
    ApprovalTimeout, OnFailure, ParamKind, Phase, Playbook, RunsOn, Step, Template, What,
};
use serde_json::json;
use std::{path::Path, time::Duration};

const FULL: &str = r#"
apiVersion: lifeboat.dev/v1
kind: Playbook
metadata: {name: compromised-pod, labels: {incident.example.com/class: workload}}
spec:
  description: Keeps the evidence of one pod, and holds it.
  references: [{name: MITRE ATT&CK, id: T1611}]
  timeout: 2h
  params:
    - {name: incident, type: string, required: true, pattern: '^INC-[0-9]+$', description: the ticket}
    - {name: pod, type: objectRef, kind: Pod, required: true}
    - {name: keepAlive, type: bool, default: true}
    - {name: egressTo, type: cidrList, default: []}
    - {name: speed, type: enum, values: [fast, safe], default: safe}
    - {name: wait, type: duration, default: 30s}
    - {name: token, type: secretRef}
    - {name: tries, type: int, default: 3}
  concurrency: {key: 'pod/${params.pod.uid}', policy: Forbid}
  guards:
    protectedNamespaces: [kube-system]
    limits: {pods: 1, deployments.apps: 2, minHealthyReplicas: 1}
    require:
      - {expr: '!params.pod.spec.hostNetwork && run.by != ""', message: no policy can hold a pod of the host's network}
      - {expr: cluster.networkPolicyEnforced, message: nothing enforces a policy here}
  evidence: {encryptTo: [age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p], required: true}
  onFailure: abort
  steps:
    - id: quick
      phase: evidence
      parallel:
        - {id: logs, action: evidence.logs, args: {target: '${params.pod}', gracePeriodSeconds: '${params.tries}'}, register: logs}
        - {id: look, action: cluster.look}
    - {id: reach, action: resource.find, args: {kinds: [pods], labelSelector: 'app=${params.pod.metadata.name}'}, register: reach}
    - id: isolate
      phase: containment
      when: size(vars.reach.items) > 0 && has(vars.logs.lines)
      action: pod.isolate
      args: {target: '${params.pod}', relabel: true, method: networkPolicy, allowEgress: {cidrs: '${params.egressTo}'}}
      timeout: 60s
      retry: {limit: 2, backoff: {duration: 2s, factor: 2}}
      undo: auto
      onFailure: rollback
    - id: others
      forEach: vars.reach.items
      when: item.kind == 'Pod'
      action: pod.isolate
      args: {target: '${item}', seconds: 5}
      undo: none
    - id: gate
      approve: {prompt: 'Delete ${params.pod.metadata.name}?', minApprovals: 2, groups: [ir-leads], notInitiator: true, timeout: 30m, onTimeout: skip}
      register: gate
    - id: volatile
      block:
        - {id: dead-token, when: has(params.token), action: assert, args: {check: token.review, token: '${params.token}', expect: '!result.authenticated'}}
      rescue:
        - id: by-hand
          manual:
            instructions: |
              Look at ${params.pod.metadata.name}.
              Then write down what you saw.
            evidence: [ticket]
          register: seen
    - id: kill
      phase: eradication
      when: vars.gate.approved && !params.keepAlive
      approve: {prompt: 'It stays.'}
      action: pod.delete
      args: {target: '${vars.seen.pod}', gracePeriodSeconds: 0}
    - {id: each, forEach: vars.reach.items, approve: {prompt: 'Delete ${item.name}?'}, action: pod.delete, args: {target: '${item}'}}
  always:
    - {id: token, playbook: leaked-token, args: {token: '${params.token}', reason: 'of ${params.incident}'}, onFailure: continue}
"#;

fn parse(text: &str) -> Result<PlaybookFile, ConfigError> {
    PlaybookFile::parse_with(text, Path::new("p.yaml"), &actions::all())
}

fn errors(text: &str) -> String {
    parse(text).expect_err("must not be accepted").to_string()
}

/// A playbook of these lines of its specification, which begin at line 6.
fn with(lines: &str) -> String {
    let mut text =
        "apiVersion: lifeboat.dev/v1\nkind: Playbook\nmetadata: {name: p}\nspec:\n  description: d\n"
            .to_owned();
    lines.lines().for_each(|line| text.push_str(&format!("  {line}\n")));
    text
}

/// A playbook of these steps, which begin at line 10.
fn steps(lines: &str) -> String {
    let params =
        "params:\n- {name: pod, type: objectRef, kind: Pod}\n- {name: token, type: secretRef}\nsteps:\n";
    with(&format!("{params}{lines}"))
}

fn step<'a>(playbook: &'a Playbook, id: &str) -> &'a Step {
    playbook.every_step().into_iter().find(|step| step.id == id).unwrap()
}

#[test]
fn every_field_is_read() {
    let playbook = parse(FULL).unwrap().playbook;
    assert_eq!((playbook.name.as_str(), playbook.runs_on), ("compromised-pod", RunsOn::Cluster));
    assert_eq!(playbook.labels["incident.example.com/class"], "workload");
    assert_eq!(playbook.timeout, Some(Duration::from_secs(7200)));
    let kinds: Vec<&ParamKind> = playbook.params.iter().map(|param| &param.kind).collect();
    assert_eq!(kinds[1], &ParamKind::ObjectRef { kind: "Pod".into() });
    assert_eq!(kinds[4], &ParamKind::Enum(vec!["fast".into(), "safe".into()]));
    assert!(playbook.params[0].required && playbook.params[0].pattern.as_ref().unwrap().is_match("INC-7"));
    assert_eq!(playbook.params[5].default, Some(json!("30s")));
    assert_eq!(playbook.guards.min_healthy_replicas, Some(1));
    let limits: Vec<_> = playbook.guards.limits.iter().map(|it| (it.resource.as_str(), it.most)).collect();
    assert_eq!(limits, [("pods", 1), ("deployments.apps", 2)]);
    assert_eq!(playbook.guards.require.len(), 2);
    assert!(playbook.evidence.required && playbook.evidence.encrypt_to.len() == 1);
    assert!(matches!(&playbook.concurrency, Some(Template::Text(pieces)) if pieces.len() == 2));

    let isolate = step(&playbook, "isolate");
    assert_eq!((isolate.phase, isolate.on_failure), (Some(Phase::Containment), Some(OnFailure::Rollback)));
    let retry = isolate.retry.unwrap();
    assert_eq!((retry.limit, retry.backoff.duration, retry.backoff.factor), (2, Duration::from_secs(2), 2));
    assert!(isolate.undo && !step(&playbook, "others").undo);
    assert!(step(&playbook, "others").for_each.is_some());
    let Some(What::Action { name, args }) = &isolate.what else { panic!("{isolate:?}") };
    assert_eq!(name, "pod.isolate");
    assert_eq!(args.fields()[1], ("relabel", Template::Value(json!(true))));
    assert!(matches!(args.fields()[0].1, Template::Expression(_)));

    let gate = step(&playbook, "gate");
    let approve = gate.approve.as_ref().unwrap();
    assert!(gate.what.is_none() && approve.not_initiator && approve.groups == ["ir-leads"]);
    assert_eq!((approve.min_approvals, approve.on_timeout), (2, ApprovalTimeout::Skip));
    assert!(matches!(&step(&playbook, "quick").what, Some(What::Parallel(steps)) if steps.len() == 2));
    assert!(
        matches!(&step(&playbook, "volatile").what, Some(What::Block { rescue, .. }) if rescue.len() == 1)
    );
    assert!(
        matches!(&step(&playbook, "by-hand").what, Some(What::Manual { evidence, .. }) if evidence == &["ticket"])
    );
    assert!(
        matches!(&step(&playbook, "token").what, Some(What::Playbook { name, .. }) if name == "leaked-token")
    );
    assert_eq!(playbook.always.len(), 1);
}

#[test]
fn what_is_not_said_is_usual() {
    let file = parse(&steps(
        "- {id: look, action: cluster.look, retry: {limit: 1}}\n- {id: gate, approve: {prompt: Go?}}",
    ));
    let playbook = file.unwrap().playbook;
    assert_eq!((playbook.on_failure, playbook.timeout), (OnFailure::Abort, None));
    assert!(playbook.always.is_empty() && playbook.concurrency.is_none() && !playbook.evidence.required);
    let look = step(&playbook, "look");
    assert!(look.undo && look.on_failure.is_none() && look.phase.is_none());
    let pause = look.retry.unwrap().backoff;
    assert_eq!((pause.duration, pause.factor), (Duration::from_secs(5), 1));
    let approve = step(&playbook, "gate").approve.as_ref().unwrap();
    assert_eq!((approve.min_approvals, approve.timeout), (1, Duration::from_secs(3600)));
    assert_eq!(approve.on_timeout, ApprovalTimeout::Abort);
}
