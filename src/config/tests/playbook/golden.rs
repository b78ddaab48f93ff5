//! One table: what is written, and what is said of it.

use super::{errors, steps, with};

/// The errors without the name of the file, which is the same everywhere.
fn said(text: &str) -> String {
    let lines: Vec<String> =
        errors(text).lines().map(|line| line.strip_prefix("p.yaml:").unwrap().to_owned()).collect();
    lines.join("\n")
}

#[test]
fn mistakes_are_told_where_they_stand() {
    for (text, expected) in ENVELOPE {
        assert_eq!(said(&with(text)), *expected, "\n{text}");
    }
    for (text, expected) in STEPS {
        assert_eq!(said(&steps(text)), *expected, "\n{text}");
    }
    assert_eq!(
        errors(""),
        "p.yaml:1:1: the file is empty; `lifeboat schema playbook` describes what belongs in it"
    );
}

/// What belongs to the playbook as a whole; it begins at line 6.
const ENVELOPE: &[(&str, &str)] = &[
    (
        "stepps: []",
        "6:3: spec.stepps: unknown field; did you mean `steps`?",
    ),
    (
        "steps: []",
        "6:10: spec.steps: has no steps in it",
    ),
    (
        "steps: [{id: a, action: cluster.look}]
onFailure: stop
runsOn: cluter
timeout: 30",
        "7:14: spec.onFailure: `stop` is unknown: write `abort`, `continue` or `rollback`
8:11: spec.runsOn: `cluter` is unknown; did you mean `cluster`?
9:12: spec.timeout: 30 has no unit: write `30s` for seconds, or use m, h or ms",
    ),
    (
        "steps: [{id: a, action: cluster.look}]
params: [{name: pod-name, type: objectRef}, {name: in, type: strnig}, {name: a, type: enum, values: []}, {name: a, type: string, kind: Pod}]",
        "7:19: spec.params[0].name: `pod-name` cannot be a name in expressions: letters, digits and `_`, no digit first, at most 63, and no word of CEL; did you mean `podName`?
7:35: spec.params[0].type: needs the `kind` of the object, such as `kind: Pod`
7:54: spec.params[1].name: `in` cannot be a name in expressions: letters, digits and `_`, no digit first, at most 63, and no word of CEL
7:64: spec.params[1].type: `strnig` is unknown; did you mean `string`?
7:103: spec.params[2].values: has no words in it
7:115: spec.params[3].name: another parameter has this name
7:138: spec.params[3].kind: belongs to `type: objectRef`",
    ),
    (
        "steps: [{id: a, action: cluster.look}]
params: [{name: a, type: int, default: many}, {name: b, type: duration, default: 5}, {name: c, type: enum, values: [x, y], default: z}, {name: d, type: string, pattern: '^a$', default: b}, {name: e, type: string, required: true, default: x}]",
        "7:42: spec.params[0].default: a whole number is needed, such as 3
7:84: spec.params[1].default: 5 has no unit: write `5s` for seconds, or use d, h, m or ms
7:135: spec.params[2].default: one of these is needed: x, y
7:188: spec.params[3].default: `b` does not fit the pattern `^a$`
7:241: spec.params[4].default: a parameter that must be given needs no default: remove one of the two",
    ),
    (
        "steps: [{id: a, action: cluster.look}]
params: [{name: a, type: string, pattern: '[a-'}, {name: b, type: int, pattern: a}, {name: c, type: secretRef, default: hunter2}, {name: d, type: cidrList, default: [10.0.0.1]}, {name: e, type: imageDigest, default: latest}, {name: f, type: pointRef, default: lastKnownGood}]",
        "7:45: spec.params[0].pattern: is no regular expression: unclosed character class
7:83: spec.params[1].pattern: belongs to `type: string`
7:123: spec.params[2].default: where the secret is is needed, not the secret: `file:PATH` or `env:NAME`
7:168: spec.params[3].default: `10.0.0.1` is no range of addresses, such as 10.0.0.0/8
7:219: spec.params[4].default: the digest of an image is needed, such as sha256:4b8…, with 64 hexadecimal digits
7:263: spec.params[5].default: is no recovery point: write `latest`, `newest-verified`, or the beginning of an id",
    ),
    (
        "steps: [{id: a, action: cluster.look}]
params: [{name: pod, type: objectRef, kind: Pod}, {name: t, type: secretRef}]
concurrency: {key: 'a/${run.id}/${params.pood.uid}/${params.t}', policy: Replace}",
        "8:22: spec.concurrency.key: `run.id` is unknown: write `run.playbook`
8:22: spec.concurrency.key: `params.pood` is not declared; did you mean `params.pod`?
8:22: spec.concurrency.key: `params.t` is a secret: it may only stand alone in an argument, as `${params.t}`; elsewhere `has(params.t)` tells whether it was given
8:76: spec.concurrency.policy: `Replace` is unknown: write `Forbid`",
    ),
    (
        r#"steps: [{id: a, action: cluster.look}]
guards: {protectedNamespaces: [Kube], limits: {Pods: 1, pods: many}, require: [{expr: 'cluster.size > 2', message: m}, {expr: "vars.x == 1", message: m}, {message: m}]}"#,
        "7:34: spec.guards.protectedNamespaces[0]: `Kube` is not the name of a namespace: lower-case letters, digits and `-`, at most 63, and no pattern
7:50: spec.guards.limits.Pods: `Pods` is no type: write the plural name of a type, such as `pods` or `deployments.apps`, or `minHealthyReplicas`
7:65: spec.guards.limits.pods: expected a whole number from 0 to 1000000, found text
7:89: spec.guards.require[0].expr: `cluster.size` is unknown; did you mean `cluster.uid`?
7:129: spec.guards.require[1].expr: no step registers `vars.x`
7:157: spec.guards.require[2].expr: missing; write what must be true, in CEL",
    ),
    (
        "steps: [{id: a, action: cluster.look}]
evidence: {sink: vault, encryptTo: [bob]}
references: [{name: NIST}]",
        "7:14: spec.evidence.sink: unknown field; allowed here: `encryptTo`, `required`
7:39: spec.evidence.encryptTo[0]: `bob` is not an age recipient: it begins with `age1`, in lower case
8:16: spec.references[0].id: missing; write what it is called there, such as `id: T1611`",
    ),
    (
        "runsOn: host
steps: [{id: a, action: etcd.restore, when: cluster.nodes > 1, args: {host: a}}]",
        "7:47: spec.steps[0].when: `cluster` is not known on a host: there is no API server to ask",
    ),
];

/// Steps; they begin at line 10.
const STEPS: &[(&str, &str)] = &[
    (
        "- {id: a_b, action: cluster.look}
- {action: cluster.look, phase: evidense}",
        "10:10: spec.steps[0].id: `a_b` cannot be a name here: lower-case letters, digits and `-`, a letter or digit first and last, at most 63
11:5: spec.steps[1].id: missing; write the step's name, such as `id: isolate`
11:35: spec.steps[1].phase: `evidense` is unknown; did you mean `evidence`?",
    ),
    (
        "- {id: a, action: cluster.look}
- {id: a, action: cluster.lock, args: {x: '${params.pdo}'}}
- {id: b, action: etcd.restore, args: {host: a}}",
        "11:10: spec.steps[1].id: another step has this name
11:21: spec.steps[1].action: there is no such action; did you mean `cluster.look`?
11:45: spec.steps[1].args.x: `params.pdo` is not declared; did you mean `params.pod`?
12:21: spec.steps[2].action: acts on a host: write `runsOn: host` in `spec`",
    ),
    (
        "- {id: a}
- {id: b, action: cluster.look, manual: {instructions: x}}
- {id: c, args: {}, rescue: [], approve: {prompt: Go?}}
- {id: d, parallel: [], undo: auto}
- {id: e, block: {id: f}}",
        "10:5: spec.steps[0]: does nothing: write `action`, `parallel`, `block`, `manual` or `playbook`, or `approve` alone
11:5: spec.steps[1]: does several things at once: keep one of `action` or `manual`
12:19: spec.steps[2].args: belongs to `action` or `playbook`
12:31: spec.steps[2].rescue: belongs to `block`
13:23: spec.steps[3].parallel: has no steps in it
13:33: spec.steps[3].undo: belongs to `action` or `playbook`: there is nothing else to take back
14:20: spec.steps[4].block: expected a list of steps, each with `- ` before it, found a mapping",
    ),
    (
        "- {id: a, action: pod.isolate, args: {taregt: '${params.pod}', seconds: 90}}
- {id: b, action: pod.isolate, args: {target: {kind: Pod, nam: web}, relabel: sure, method: cillium}}
- {id: c, action: resource.find, args: {kinds: pods, labelSelector: 3, more: 1}}
- {id: d, action: resource.find}
- {id: e, action: resource.find, args: [pods]}
- {id: f, action: cluster.look, args: {deep: 1}}",
        "10:41: spec.steps[0].args.taregt: unknown argument; did you mean `target`?
10:75: spec.steps[0].args.seconds: expected 60 or less, found 90
11:49: spec.steps[1].args.target.name: missing
11:81: spec.steps[1].args.relabel: expected true or false, found text
11:95: spec.steps[1].args.method: `cillium` is unknown: write `auto` or `networkPolicy`
12:50: spec.steps[2].args.kinds: expected a list, found text
12:71: spec.steps[2].args.labelSelector: expected text, found a number: put it in quotes if it is meant as text
12:74: spec.steps[2].args.more: unknown argument; `resource.find` takes `kinds`, `labelSelector`
13:5: spec.steps[3].args: missing; `resource.find` needs `kinds`
14:42: spec.steps[4].args: expected arguments, such as `{target: '${params.pod}'}`, found a list
15:42: spec.steps[5].args.deep: unknown argument: `cluster.look` takes none",
    ),
    (
        "- {id: a, action: pod.isolate, args: {target: {kind: Pod, name: dns, namespace: kube-system}}}
- {id: b, action: pod.isolate, args: {target: 'pod/${params.pod.name}', seconds: 'in ${run.id}', allowEgress: {cidrs: [7]}}}
- {id: c, action: resource.find, args: {kinds: []}}",
        "10:40: spec.steps[0].args: kube-system is left alone
11:49: spec.steps[1].args.target: expected a mapping, found text
11:84: spec.steps[1].args.seconds: expected a whole number, found text
11:122: spec.steps[1].args.allowEgress.cidrs[0]: expected text, found a number: put it in quotes if it is meant as text
12:50: spec.steps[2].args.kinds: must not be empty",
    ),
    (
        r#"- {id: a, action: cluster.look, when: 'params.pod.name = "x"'}
- id: b
  action: cluster.look
  when: !params.pod.x
- {id: c, action: cluster.look, when: true}
- {id: d, action: cluster.look, when: '${params.pod.x}'}
- {id: e, action: resource.find, args: {kinds: ['${', '${a b}']}}
- {id: f, action: cluster.look, when: "sise(params.pod.x) > 1 && pod.x && now() > 3"}"#,
        r#"10:41: spec.steps[0].when: it is no CEL: ERROR: <input>:1:17: Syntax error: token recognition error at: '= ' | params.pod.name = "x" | ................^ ERROR: <input>:1:19: Syntax error: extraneous input '"x"' expecting <EOF> | params.pod.name = "x" | ..................^
13:11: spec.steps[1].when: begins with `!`, which marks a tag in YAML: put the expression in quotes
14:41: spec.steps[2].when: expected an expression in CEL, found true or false
15:41: spec.steps[3].when: is an expression already: write it without `${…}`
16:51: spec.steps[4].args.kinds[0]: `${` has no `}`; write `$${` for the two characters themselves
16:57: spec.steps[4].args.kinds[1]: `${a b}`: it is no CEL: ERROR: <input>:1:3: Syntax error: extraneous input 'b' expecting <EOF> | a b | ..^
17:41: spec.steps[5].when: `pod` is not known here; did you mean `params.pod`?
17:41: spec.steps[5].when: there is no function `now` in CEL
17:41: spec.steps[5].when: there is no function `sise`; did you mean `size`?"#,
    ),
    (
        "- {id: a, action: cluster.look, when: params.pob.uid == run.uid}
- {id: b, action: cluster.look, when: vars.later.x}
- {id: c, action: cluster.look, register: later, when: vars.later.x}
- {id: d, action: cluster.look, when: vars.latter.x && later.y}
- {id: e, action: cluster.look, when: params && vars && item && result}
- {id: f, action: cluster.look, when: cluster.versoin != backup.version}",
        "10:41: spec.steps[0].when: `params.pob` is not declared; did you mean `params.pod`?
10:41: spec.steps[0].when: `run.uid` is unknown; did you mean `run.id`?
11:41: spec.steps[1].when: `vars.later` is registered by the step `c`, which does not come before this place
12:58: spec.steps[2].when: `vars.later` is registered by the step `c`, which does not come before this place
13:41: spec.steps[3].when: `later` is not known here; did you mean `vars.later`?
13:41: spec.steps[3].when: no step registers `vars.latter`; did you mean `vars.later`?
14:41: spec.steps[4].when: `item` is only known in a step with `forEach`
14:41: spec.steps[4].when: `params` alone is no value: name one of them, as in `params.NAME`
14:41: spec.steps[4].when: `result` is only known in `expect`, an argument of `assert`
14:41: spec.steps[4].when: `vars` alone is no value: name one of them, as in `vars.NAME`
15:41: spec.steps[5].when: `backup` is not known here: write `params`, `vars`, `run` or `cluster`
15:41: spec.steps[5].when: `cluster.versoin` is unknown; did you mean `cluster.version`?",
    ),
    (
        "- id: a
  parallel:
  - {id: b, action: cluster.look, register: x}
  - {id: c, action: cluster.look, when: vars.x.y}
- {id: d, action: cluster.look, when: vars.x.y}
- id: e
  block: [{id: f, action: cluster.look, register: z}, {id: g, action: cluster.look, when: vars.z.y}]
  rescue: [{id: h, action: cluster.look, register: r, when: vars.z.y}]
- {id: i, action: cluster.look, register: x, when: vars.r.y}
- {id: j, action: cluster.look, register: two-words}",
        "13:43: spec.steps[0].parallel[1].when: `vars.x` is registered by the step `b`, which does not come before this place
18:45: spec.steps[3].register: another step registers this name
19:45: spec.steps[4].register: `two-words` cannot be a name in expressions: letters, digits and `_`, no digit first, at most 63, and no word of CEL; did you mean `twoWords`?",
    ),
    (
        "- {id: a, forEach: item.x, when: item.x, action: cluster.look}
- {id: b, forEach: params.pod.list, block: [{id: c, action: cluster.look}], register: b, retry: {limit: 0}}
- {id: d, approve: {prompt: 'Go, ${item}?'}, timeout: 5m, undo: none}
- {id: e, manual: {instructions: 'Look at ${result.x}'}, retry: {backoff: {factor: 20}}}",
        "10:22: spec.steps[0].forEach: `item` is only known in a step with `forEach`
11:22: spec.steps[1].forEach: belongs to `action` or `playbook`; to do several steps for every entry, make a playbook of them
11:89: spec.steps[1].register: belongs to the steps inside: this one brings nothing itself
11:99: spec.steps[1].retry: belongs to `action`: only a single action is tried again
11:107: spec.steps[1].retry.limit: expected a whole number from 1 to 1000, found 0
12:31: spec.steps[2].approve.prompt: `item` is only known in a step with `forEach`
12:57: spec.steps[2].timeout: belongs into `approve`: that is how long is waited
12:67: spec.steps[2].undo: belongs to `action` or `playbook`: there is nothing else to take back
13:36: spec.steps[3].manual.instructions: `result` is only known in `expect`, an argument of `assert`
13:67: spec.steps[3].retry.limit: missing; write how often it is tried again, such as `limit: 3`
13:67: spec.steps[3].retry: belongs to `action`: only a single action is tried again
13:86: spec.steps[3].retry.backoff.factor: expected a whole number from 1 to 10, found 20",
    ),
    (
        "- {id: a, action: pod.delete, undo: auto, args: {target: '${params.pod}'}}
- {id: b, approve: {prompt: Go?, onTimeout: skip, minApprovals: 0, groups: [a, a]}}
- {id: c, approve: {}}
- {id: d, approve: {prompt: Go?, onTimeout: skip}}",
        "10:39: spec.steps[0].undo: cannot be: what this action does stays; write `undo: none`, or leave it out
11:67: spec.steps[1].approve.minApprovals: expected a whole number from 1 to 20, found 0
11:82: spec.steps[1].approve.groups[1]: given twice; keep one
12:22: spec.steps[2].approve.prompt: missing; write what is asked
13:47: spec.steps[3].approve.onTimeout: lets the run go on as if it were approved: `register` the answer and ask for it in a later `when`, or write `abort`",
    ),
    (
        "- {id: a, action: cluster.look, when: !params.pod.x}",
        "10:54: not valid YAML: did not find expected whitespace or line break; text that begins with `!` must be in quotes",
    ),
    (
        "- {id: gate, approve: {prompt: Go?}, register: gate}
- {id: hand, manual: {instructions: x, evidence: [pod]}, register: hand}
- {id: find, when: vars.gate.approved, action: resource.find, args: {kinds: [pods]}, register: found}
- {id: iso, action: pod.isolate, args: {target: '${params.pod}'}, register: iso}
- {id: a, action: pod.delete, args: {target: '${vars.hand.pod}'}}
- {id: b, forEach: vars.found.items, action: pod.delete, args: {target: '${item}'}}
- {id: c, forEach: vars.iso.items, playbook: other, args: {pod: '${item}'}}
- {id: d, when: vars.gate.approved, action: pod.delete, args: {target: '${params.pod}'}}
- {id: e, forEach: vars.found.items, approve: {prompt: All?}, action: pod.delete, args: {target: '${item}'}}
- {id: f, forEach: vars.iso.items, action: evidence.logs, args: {target: '${item}'}}
- {id: cut, action: rbac.detach, args: {target: '${params.pod}'}, register: cut}
- {id: g, forEach: vars.cut.bindings, action: pod.isolate, args: {target: '${item}'}}
- {id: h, action: rbac.detach, approve: {prompt: Go?}, args: {target: '${params.pod}'}, register: asked}
- {id: i, action: pod.isolate, args: {target: '${vars.asked.bindings}'}}",
        "14:39: spec.steps[4].args: asks for `vars.hand`, which is only known in the run, so nobody could plan what is changed: give the step an `approve` of its own
16:22: spec.steps[6].forEach: asks for `vars.iso`, which is only known in the run, so nobody could plan what is done for its entries
19:22: spec.steps[9].forEach: asks for `vars.iso`, which is only known in the run, so nobody could plan what is done for its entries
23:40: spec.steps[13].args: asks for `vars.asked`, which is only known in the run, so nobody could plan what is changed: give the step an `approve` of its own",
    ),
    (
        r#"- {id: a, action: token.review, args: {token: 'Bearer ${params.token}'}}
- {id: b, action: token.review, args: {token: "${params.token + ''}"}}
- {id: c, action: token.review, args: {token: '${params.token}'}, when: params.token != ''}
- {id: d, manual: {instructions: 'It is ${params.token}'}}
- {id: e, approve: {prompt: '${params.token}'}, action: token.review, args: {token: ' ${params.token}'}}
- {id: f, forEach: '[params.token]', action: cluster.look, when: has(params.token) && has(params.token.x)}
- {id: g, action: token.review, args: {token: "${params['token']}"}}"#,
        "10:49: spec.steps[0].args.token: `params.token` is a secret: it may only stand alone in an argument, as `${params.token}`; elsewhere `has(params.token)` tells whether it was given
11:49: spec.steps[1].args.token: `params.token` is a secret: it may only stand alone in an argument, as `${params.token}`; elsewhere `has(params.token)` tells whether it was given
12:75: spec.steps[2].when: `params.token` is a secret: it may only stand alone in an argument, as `${params.token}`; elsewhere `has(params.token)` tells whether it was given
13:36: spec.steps[3].manual.instructions: `params.token` is a secret: it may only stand alone in an argument, as `${params.token}`; elsewhere `has(params.token)` tells whether it was given
14:31: spec.steps[4].approve.prompt: `params.token` is a secret: it may only stand alone in an argument, as `${params.token}`; elsewhere `has(params.token)` tells whether it was given
14:87: spec.steps[4].args.token: `params.token` is a secret: it may only stand alone in an argument, as `${params.token}`; elsewhere `has(params.token)` tells whether it was given
15:22: spec.steps[5].forEach: `params.token` is a secret: it may only stand alone in an argument, as `${params.token}`; elsewhere `has(params.token)` tells whether it was given
15:68: spec.steps[5].when: `params.token` is a secret: it may only stand alone in an argument, as `${params.token}`; elsewhere `has(params.token)` tells whether it was given
16:49: spec.steps[6].args.token: `params` alone is no value: name one of them, as in `params.NAME`",
    ),
    (
        r#"- {id: a, action: assert, args: {check: token.review, token: '${params.token}', expect: 'result.authenticated && resutl.x'}}
- {id: b, action: assert, args: {check: token.review, tokne: x, expect: result.ok}}
- {id: c, action: assert, args: {check: pod.delete, target: '${params.pod}', expect: 'params.pod.name == "${run.id}"'}}
- {id: d, action: assert, args: {check: token.review, token: x, expect: [1]}}
- {id: e, action: assert, args: {check: token.review, token: x, expect: 'result.x == params.token'}}
- {id: f, action: assert, args: {expect: result.x}}"#,
        "10:91: spec.steps[0].args.expect: `resutl` is not known here; did you mean `result`?
11:57: spec.steps[1].args.tokne: unknown argument; did you mean `token`?
12:43: spec.steps[2].args.check: `pod.delete` changes something: `assert` only looks
12:88: spec.steps[2].args.expect: is an expression already: write it without `${…}`
13:75: spec.steps[3].args.expect: expected an expression in CEL, found a list
14:75: spec.steps[4].args.expect: `params.token` is a secret: it may only stand alone in an argument, as `${params.token}`; elsewhere `has(params.token)` tells whether it was given
15:35: spec.steps[5].args.check: missing; `assert` needs it",
    ),
    (
        "- {id: a, playbook: Other, args: x}
- {id: b, playbook: other, args: {a: '${vars.no}'}}
- {id: c, action: cluster.look, onFailure: rollbak, undo: sometimes, retry: {limit: 2, bakoff: {}}}
- {id: d, action: cluster.look, args: {a: 1, a: 2}}",
        "10:23: spec.steps[0].playbook: `Other` cannot be a name here: lower-case letters, digits and `-`, a letter or digit first and last, at most 63
10:36: spec.steps[0].args: expected arguments, such as `{target: '${params.pod}'}`, found text
11:40: spec.steps[1].args.a: no step registers `vars.no`
12:46: spec.steps[2].onFailure: `rollbak` is unknown; did you mean `rollback`?
12:61: spec.steps[2].undo: `sometimes` is unknown: write `auto` or `none`
12:90: spec.steps[2].retry.bakoff: unknown field; did you mean `backoff`?
13:48: spec.steps[3].args.a: given twice; keep one",
    ),
    (
        "- {id: a, action: cluster.look}
always: [{id: a, action: cluster.look, onFailure: rollback}, {id: z, action: cluster.look, when: vars.nothing.x}]",
        "11:17: spec.always[0].id: another step has this name
11:53: spec.always[0].onFailure: comes too late: what stands in `always` is done after everything else
11:100: spec.always[1].when: no step registers `vars.nothing`",
    ),
];
