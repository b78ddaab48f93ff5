use super::errors;

#[test]
fn golden() {
    for (text, expected) in CASES {
        assert_eq!(errors(text), *expected, "\n{text}");
    }
}

const CASES: &[(&str, &str)] = &[
    ("", "r.yaml:1:1: the file is empty; write `{}` to put back everything that can be"),
    ("- a", "r.yaml:1:1: expected fields, such as `name: value`, found a list"),
    ("selct: {}", "r.yaml:1:1: selct: unknown field; did you mean `select`?"),
    ("select:\n  kind: [pods]", "r.yaml:2:3: select.kind: unknown field; did you mean `kinds`?"),
    (
        "keep: {clusterIP: true, podIPs: true}",
        "r.yaml:1:8: keep.clusterIP: unknown field; did you mean `clusterIPs`?\n\
         r.yaml:1:25: keep.podIPs: unknown field; allowed here: `status`, `clusterIPs`, `nodePorts`",
    ),
    (
        "quiesce: yes",
        "r.yaml:1:10: quiesce: expected true or false, found text: write `true`, without quotes",
    ),
    (
        "select: {kinds: pods}",
        "r.yaml:1:17: select.kinds: expected a list, written `[a, b]` or with `- ` before each entry, found text",
    ),
    (
        "select: {kinds: [apps/deployments]}",
        "r.yaml:1:18: select.kinds[0]: the group follows the type; did you mean `deployments.apps`?",
    ),
    (
        "select: {excludeKinds: [pods, \"my pods\"]}",
        "r.yaml:1:31: select.excludeKinds[1]: `my pods` is not a type: write it as kubectl takes it, such as `deployments` or \
         `deploy.apps`, or as a pattern, such as `*.apps`",
    ),
    (
        "select: {namespaces: [Shop]}",
        "r.yaml:1:23: select.namespaces[0]: `Shop` is not a namespace or a pattern such as `team-*`",
    ),
    (
        "select: {labels: \"a in (b\"}",
        "r.yaml:1:18: select.labels: `a in (b` is not a label selector: there is a `(` without its `)`; write it as for \
         `kubectl get -l`, such as app=web",
    ),
    (
        "select: {names: [cm/a]}",
        "r.yaml:1:18: select.names[0]: `cm/a` is not the name of an object: types and namespaces have fields of their own",
    ),
    (
        "select: {deletedSince: -1}",
        "r.yaml:1:24: select.deletedSince: expected text, found a number: put it in quotes if it is meant as text",
    ),
    (
        "rename:\n  namespaces:\n    shop: x\n    shop: y",
        "r.yaml:4:5: rename.namespaces.shop: given twice; keep one",
    ),
    (
        "rename: {namespaces: {a: c, b: c}}",
        "r.yaml:1:32: rename.namespaces.b: another namespace becomes this one too: objects of one name would meet there",
    ),
    (
        "rename: {namespaces: {\"team-*\": x, y: Z}}",
        "r.yaml:1:23: rename.namespaces.team-*: `team-*` is not the name of a namespace: lower-case letters, digits and `-`, at \
         most 63, and no pattern\n\
         r.yaml:1:39: rename.namespaces.y: `Z` is not the name of a namespace: lower-case letters, digits and `-`, at most 63, \
         and no pattern",
    ),
    (
        "rename: {namespaces: [a]}",
        "r.yaml:1:22: rename.namespaces: expected names, such as `old: new`, found a list",
    ),
    (
        "rename: {storageClasses: {gp2: }}",
        "r.yaml:1:32: rename.storageClasses.gp2: expected text, found nothing",
    ),
    (
        "rename: {storageClasses: {gp2: GP3}}",
        "r.yaml:1:32: rename.storageClasses.gp2: `GP3` is not the name of a storage class, and no pattern",
    ),
    (
        "rename: {images: {1: a}}",
        "r.yaml:1:19: rename.images.?: a name must be text, found a number: put it in quotes",
    ),
    (
        "rename: {images: {docker.io: \"https://r.example\"}}",
        "r.yaml:1:30: rename.images.docker.io: `https://r.example` is a URL: write it as images have it, without `https://`",
    ),
    (
        "modifiers: {kinds: [pods]}",
        "r.yaml:1:12: modifiers: expected a list, written `[a, b]` or with `- ` before each entry, found a mapping",
    ),
    (
        "modifiers:\n  - kinds: [pods]",
        "r.yaml:2:5: modifiers[0]: changes nothing: write a `jsonPatch` or a `mergePatch`",
    ),
    (
        "modifiers:\n  - jsonPatch:\n    - {op: replace, path: spec.replicas, value: 1}\n    - {op: replce, path: /a}\n",
        "r.yaml:3:27: modifiers[0].jsonPatch[0].path: begins with `/`; did you mean `/spec/replicas`?\n\
         r.yaml:4:12: modifiers[0].jsonPatch[1].op: `replce` is no operation: write `add`, `remove`, `replace`, `move`, `copy` \
         or `test`",
    ),
    (
        "modifiers: [{jsonPatch: [{op: add, path: /a}, {op: remove, path: /a, value: null}, {op: copy, path: /a}, {op: test, \
         path: /a, from: /b, value: 1}, {path: /a~b, value: hunter2}]}]",
        "r.yaml:1:26: modifiers[0].jsonPatch[0]: needs a `value`\n\
         r.yaml:1:77: modifiers[0].jsonPatch[1].value: belongs to `add`, `replace` and `test`\n\
         r.yaml:1:84: modifiers[0].jsonPatch[2]: needs a `from`: what is moved or copied\n\
         r.yaml:1:133: modifiers[0].jsonPatch[3].from: belongs to `move` and `copy`\n\
         r.yaml:1:148: modifiers[0].jsonPatch[4].op: missing; write what is done, such as `op: replace`\n\
         r.yaml:1:155: modifiers[0].jsonPatch[4].path: `/a~b` has a `~` in it: write it as `~0`, and a `/` in a name as `~1`",
    ),
    (
        "modifiers: [{mergePatch: [a]}]",
        "r.yaml:1:26: modifiers[0].mergePatch: expected fields of the object, such as `metadata: {labels: {a: b}}`, found a list",
    ),
    (
        "modifiers: [{mergePatch: {a: .inf, b: {c: 1, c: 2}, d: 99999999999999999999}}]",
        "r.yaml:1:30: modifiers[0].mergePatch.a: is a number that JSON does not have\n\
         r.yaml:1:46: modifiers[0].mergePatch.b.c: given twice; keep one\n\
         r.yaml:1:56: modifiers[0].mergePatch.d: is a number that is too large",
    ),
    (
        "onConflict: overwrite",
        "r.yaml:1:13: onConflict: `overwrite` is unknown: write `skip`, `update`, `recreate` or `fail`",
    ),
    (
        "onConflict: {core/secrets: skip, pods: replace}",
        "r.yaml:1:14: onConflict.core/secrets: the group follows the type; did you mean `secrets.core`?\n\
         r.yaml:1:40: onConflict.pods: `replace` is unknown: write `skip`, `update`, `recreate` or `fail`",
    ),
    (
        "onConflict: [skip]",
        "r.yaml:1:13: onConflict: expected `update`, or types and what becomes of each, such as `secrets: recreate`, found a list",
    ),
    ("fieldManager: \"\"", "r.yaml:1:15: fieldManager: must not be empty"),
];
