use super::{errors, with};

/// Lines after the least that is needed (so they begin in line 5), and the whole error.
#[test]
fn golden() {
    for (lines, expected) in CASES {
        assert_eq!(errors(&with(lines)), *expected, "\n{lines}");
    }
}

const CASES: &[(&str, &str)] = &[
    // Fields.
    (
        "etcd:\n  endpoint: [\"https://a:1\"]\n",
        "f.yaml:6:3: etcd.endpoint: unknown field; did you mean `endpoints`?",
    ),
    (
        "kubernetes: {in_cluster: true}",
        "f.yaml:5:14: kubernetes.in_cluster: unknown field; did you mean `inCluster`?",
    ),
    ("restore: {wings: 2}", "f.yaml:5:11: restore.wings: unknown field; allowed here: `etcdutl`"),
    (
        "etcd:\n  connectTimeout: 1s\n  hosts: []\n",
        "f.yaml:6:3: etcd.endpoints: missing; write the members' URLs, such as `endpoints: \
         [\"https://10.0.0.11:2379\"]`\nf.yaml:7:3: etcd.hosts: unknown field; allowed here: `endpoints`, `tls`, \
         `auth`, `idleTimeout`, `connectTimeout`, `requestTimeout`",
    ),
    ("kind: Config", "f.yaml:5:1: kind: given twice; keep one"),
    ("1: x", "f.yaml:5:1: ?: a field's name must be text, found a number"),
    ("<<: {}", "f.yaml:5:1: <<: YAML merge keys are not supported; write the fields out"),
    // Schedules.
    (
        "daemon: {listen: \"localhost:9797\"}",
        "f.yaml:5:18: daemon.listen: `localhost:9797` is no place to listen: write an IP address and a port, such as 127.0.0.1:9797, or 0.0.0.0:9797 for all addresses",
    ),
    (
        "notifications:\n- {name: a}\n- {name: b, slack: {url: {env: A}}, webhook: {url: {env: A}}}\n- {name: c, pagerDuty: {url: x}}\n- {name: d, alertmanager: {url: \"http://me@host\"}}\n- {name: e, webhook: {url: {env: A}, template: {t: \"${sumary}\"}}}",
        "f.yaml:6:3: notifications[0]: leads nowhere: write one of `webhook`, `slack`, `pagerDuty` and `alertmanager`, such as `webhook: {url: {env: NAME}}`\n\
         f.yaml:7:3: notifications[1]: leads to several places: make a channel of each\n\
         f.yaml:8:24: notifications[2].pagerDuty.routingKey: missing; write `routingKey: {file: PATH}` or `routingKey: {env: NAME}`\n\
         f.yaml:8:30: notifications[2].pagerDuty.url: `x` is not a URL, such as https://alerts.example.org: relative URL without a base\n\
         f.yaml:9:33: notifications[3].alertmanager.url: an address has no user in it: give a header `Authorization` instead\n\
         f.yaml:10:48: notifications[4].webhook.template: cannot be filled: no message has `sumary`: there are version, event, key, at, cluster, topic, ok, summary, details",
    ),
    (
        "notifications: [{name: ops, slack: {url: {env: A}}}]\nschedules: [{name: a, cron: \"@daily\", run: {status: {}}, notify: [{channel: opps}, {channel: ops, on: []}, {channel: ops, on: [always], again: 1s}], ping: {}}]",
        "f.yaml:6:77: schedules[0].notify[0].channel: no channel of `notifications` has this name\n\
         f.yaml:6:103: schedules[0].notify[1].on: must not be empty: nobody would ever be told\n\
         f.yaml:6:128: schedules[0].notify[2].on[0]: `always` is unknown: write `failed`, `recovered` or `succeeded`\n\
         f.yaml:6:144: schedules[0].notify[2].again: `1s` is not an age: write whole numbers with units (w, d, h, m for minutes), the largest first, such as 30d or 1d12h; a month and a year have no fixed length\n\
         f.yaml:6:156: schedules[0].ping: asks nobody: write where the address is, such as `succeeded: {file: ping-url}`",
    ),
    (
        "schedules: [{cron: \"0 * * * *\", run: {backup: {}}}]",
        "f.yaml:5:13: schedules[0].name: missing; write the job's name, such as `name: hourly`",
    ),
    (
        "schedules: [{name: a, cron: \"0 25 * * *\", run: {}}, {name: a, cron: 5, run: {backup: {}, prune: {}}}]",
        "f.yaml:5:29: schedules[0].cron: `0 25 * * *` says not when: hour `25`: `25` is none of 0 to 23\n\
         f.yaml:5:48: schedules[0].run: runs nothing: write one of `backup`, `prune`, `verify`, `copy`, `drill`, `playbook` and `status`, such as `{backup: {}}`\n\
         f.yaml:5:60: schedules[1].name: another schedule has this name\n\
         f.yaml:5:69: schedules[1].cron: expected text, found a number: put it in quotes if it is meant as text\n\
         f.yaml:5:77: schedules[1].run: runs several things: make a schedule of each",
    ),
    (
        "schedules:\n- {name: a, cron: \"@often\", run: {backups: {}}, timeZone: Mars, concurrency: forbid, retries: 11}",
        "f.yaml:6:19: schedules[0].cron: `@often` says not when: `@often` is unknown: there are @hourly, @daily (@midnight), @weekly, @monthly and @yearly (@annually)\n\
         f.yaml:6:35: schedules[0].run.backups: unknown field; did you mean `backup`?\n\
         f.yaml:6:59: schedules[0].timeZone: `Mars` is not a time zone of the IANA database: did you mean `Europe/Paris`?\n\
         f.yaml:6:78: schedules[0].concurrency: `forbid` is unknown: write `Forbid`, `Replace` or `Queue`\n\
         f.yaml:6:95: schedules[0].retries: expected a whole number from 0 to 10, found 11",
    ),
    (
        "schedules: [{name: a, cron: \"0 0 30 2 *\", run: {verify: {sample: 0}}}]",
        "f.yaml:5:29: schedules[0].cron: `0 0 30 2 *` says not when: it is never due: there is no such day\n\
         f.yaml:5:66: schedules[0].run.verify.sample: expected a whole number from 1 to 1000000, found 0",
    ),
    (
        "schedules: [{name: a, cron: \"0 * * * * *\", run: {backup: {etcdOnly: true, resourcesOnly: true}}}]",
        "f.yaml:5:29: schedules[0].cron: `0 * * * * *` says not when: 6 fields, and five are needed: minute, hour, day of the month, month, day of the week; or @hourly, @daily, @weekly, @monthly, @yearly\n\
         f.yaml:5:58: schedules[0].run.backup: saves nothing: `etcdOnly` and `resourcesOnly` exclude each other",
    ),
    // Types.
    (
        "etcd: no",
        "f.yaml:5:7: etcd: expected fields, such as `name: value`, found text (a colon needs a space after it)",
    ),
    ("restore: []", "f.yaml:5:10: restore: expected fields, such as `name: value`, found a list"),
    (
        "kubernetes:\n  inCluster: yes",
        "f.yaml:6:14: kubernetes.inCluster: expected true or false, found text: write `true`, without quotes",
    ),
    (
        "resources: {dropManagedFields: Off}",
        "f.yaml:5:32: resources.dropManagedFields: expected true or false, found text: write `false`, without quotes",
    ),
    ("kubernetes: {qps: 0}", "f.yaml:5:19: kubernetes.qps: expected a whole number from 1 to 10000, found 0"),
    (
        "kubernetes: {qps: \"5\"}",
        "f.yaml:5:19: kubernetes.qps: expected a whole number from 1 to 10000, found text: remove the quotes and \
         leading zeros",
    ),
    (
        "kubernetes: {context: 7}",
        "f.yaml:5:23: kubernetes.context: expected text, found a number: put it in quotes if it is meant as text",
    ),
    (
        "kubernetes: {context: 007}",
        "f.yaml:5:23: kubernetes.context: looks like a number, which many YAML readers would take it for: put it in \
         quotes",
    ),
    ("kubernetes: {context: \" a\"}", "f.yaml:5:23: kubernetes.context: must not begin or end with a space"),
    ("kubernetes: {context: \"\"}", "f.yaml:5:23: kubernetes.context: must not be empty"),
    (
        "resources: {exclude: events}",
        "f.yaml:5:22: resources.exclude: expected a list, written `[a, b]` or with `- ` before each entry, found text",
    ),
    (
        "restore: {etcdutl: !path x}",
        "f.yaml:5:20: restore.etcdutl: expected text, found a value with a YAML tag",
    ),
    // Lengths of time.
    (
        "kubernetes: {timeout: 30}",
        "f.yaml:5:23: kubernetes.timeout: 30 has no unit: write `30s` for seconds, or use m, h or ms",
    ),
    (
        "kubernetes: {timeout: 5 minutes}",
        "f.yaml:5:23: kubernetes.timeout: `5 minutes` is not a length of time: write whole numbers with units (d, h, \
         m, s, ms), the largest first, such as 30s or 1h30m",
    ),
    (
        "kubernetes: {timeout: 0s}",
        "f.yaml:5:23: kubernetes.timeout: `0s` is no time at all: it must be more than zero",
    ),
    // Endpoints.
    (
        "etcd: {endpoints: [\"10.0.0.1:2379\"]}",
        "f.yaml:5:20: etcd.endpoints[0]: an endpoint is a URL, such as https://10.0.0.11:2379; did you mean \
         `https://10.0.0.1:2379`?",
    ),
    (
        "etcd: {endpoints: [\"https://a\"]}",
        "f.yaml:5:20: etcd.endpoints[0]: `https://a` has no port: etcd's is 2379, such as https://10.0.0.11:2379",
    ),
    (
        "etcd: {endpoints: [\"https://u:hunter2@a:1\"]}",
        "f.yaml:5:20: etcd.endpoints[0]: an endpoint has no user and password in it: use `etcd.auth`",
    ),
    (
        "etcd: {endpoints: [\"ftp://a:1\"]}",
        "f.yaml:5:20: etcd.endpoints[0]: `ftp://a:1` does not begin with https:// or http://",
    ),
    (
        "etcd: {endpoints: [\"http://a:1\"], tls: {ca: x}}",
        "f.yaml:5:20: etcd.endpoints[0]: `http://a:1` is not encrypted, but there is a `tls` section or another \
         endpoint with https: use https:// for all",
    ),
    (
        "etcd: {endpoints: [\"https://a:1\", \"https://a:1/\"]}",
        "f.yaml:5:35: etcd.endpoints[1]: given twice; keep one",
    ),
    (
        "etcd: {endpoints: []}",
        "f.yaml:5:19: etcd.endpoints: must not be empty; write the members' URLs, such as `endpoints: \
         [\"https://10.0.0.11:2379\"]`",
    ),
    (
        "etcd: {endpoints: [\"https://a:1\"], tls: {cert: x}}",
        "f.yaml:5:48: etcd.tls.cert: needs the `key` that belongs to it",
    ),
    // Retention.
    (
        "retention: {timeZone: Europe/Berln, last: 3}",
        "f.yaml:5:23: retention.timeZone: `Europe/Berln` is not a time zone of the IANA database: did you mean \
         `Europe/Berlin`?",
    ),
    (
        "retention: {tags: [keep]}",
        "f.yaml:5:12: retention: keeps nothing but the newest: set at least one of `last`, `hourly`, `daily`, \
         `weekly`, `monthly`, `yearly`, `within`",
    ),
    (
        "retention: {within: 1y}",
        "f.yaml:5:21: retention.within: `1y` is not an age: write whole numbers with units (w, d, h, m for minutes), \
         the largest first, such as 30d or 1d12h; a month and a year have no fixed length",
    ),
    (
        "retention: {last: 1, maxDelete: 0.5}",
        "f.yaml:5:33: retention.maxDelete: expected text, found a number: put it in quotes if it is meant as text",
    ),
    (
        "retention: {last: 1, orphanGrace: 10m}",
        "f.yaml:5:35: retention.orphanGrace: must be at least 1h: what is younger may be a backup that is being written",
    ),
    (
        "retention: {last: 1, keepDaily: 1}",
        "f.yaml:5:22: retention.keepDaily: unknown field; allowed here: `last`, `hourly`, `daily`, `weekly`, \
         `monthly`, `yearly`, `within`, `tags`, `timeZone`, `maxDelete`, `orphanGrace`",
    ),
    // Objectives.
    (
        "objectives: {rpo: 2}",
        "f.yaml:5:19: objectives.rpo: expected text, found a number: put it in quotes if it is meant as text",
    ),
    (
        "objectives: {rpo: 90s, drill: 100d}",
        "f.yaml:5:19: objectives.rpo: `90s` is not an age: write whole numbers with units (w, d, h, m for minutes), \
         the largest first, such as 30d or 1d12h; a month and a year have no fixed length\nf.yaml:5:24: \
         objectives.drill: unknown field; did you mean `drilled`?",
    ),
    // Paths, patterns.
    (
        "kubernetes: {kubeconfig: ~/.kube/config}",
        "f.yaml:5:26: kubernetes.kubeconfig: `~` is not expanded: write the whole path",
    ),
    (
        "kubernetes: {context: a, inCluster: true}",
        "f.yaml:5:23: kubernetes.context: cannot be used together with `inCluster: true`; remove one of the two",
    ),
    (
        "resources: {exclude: [Secrets]}",
        "f.yaml:5:23: resources.exclude[0]: `Secrets` has upper-case letters: resources go by their plural name in \
         lower case, as `kubectl api-resources` lists them",
    ),
    (
        "resources: {exclude: [apps/deployments]}",
        "f.yaml:5:23: resources.exclude[0]: the group follows the resource; did you mean `deployments.apps`?",
    ),
    (
        "resources: {labelSelector: \"a in (b\"}",
        "f.yaml:5:28: resources.labelSelector: `a in (b` is not a label selector: there is a `(` without its `)`; \
         write it as for `kubectl get -l`, such as app=web",
    ),
    // Keys and secrets.
    (
        "encryption: {recipients: []}",
        "f.yaml:5:13: encryption: names nobody who could open a backup: add `recipients: [age1…]` or `recipientsFile`",
    ),
    (
        "encryption: {recipients: [AGE-SECRET-KEY-1HUNTER2]}",
        "f.yaml:5:27: encryption.recipients[0]: this is an identity, the secret half of a key (the value is \
         withheld): keep it away from this machine, and write its recipient (`age1…`) here",
    ),
    (
        "etcd: {endpoints: [\"https://a:1\"], auth: {username: u, password: hunter2}}",
        "f.yaml:5:66: etcd.auth.password: a secret is never written in this file (the value is withheld): write \
         `password: {file: PATH}` or `password: {env: NAME}`",
    ),
    (
        "etcd: {endpoints: [\"https://a:1\"], auth: {username: u, password: 12345}}",
        "f.yaml:5:66: etcd.auth.password: a secret is never written in this file (the value is withheld): write \
         `password: {file: PATH}` or `password: {env: NAME}`",
    ),
    (
        "signing: {publicKey: x, secretKey: {env: \"hunter2!\"}}",
        "f.yaml:5:22: signing.publicKey: `x` is not a minisign public key: 56 characters that begin with `RW`, the \
         last line of the .pub file\nf.yaml:5:42: signing.secretKey.env: expected the name of an environment \
         variable (letters, digits and `_`), not its value; what is written here is withheld",
    ),
    ("kubernetes:{qps: 1}", "f.yaml:5:1: kubernetes:{qps: unknown field; a colon needs a space after it"),
    // YAML itself: one mistake, and nothing beyond it.
    ("etcd:\n\tendpoints: []", "f.yaml:6:1: YAML does not allow tabs here: indent with spaces"),
    (
        "resources: {exclude: [*.apps]}",
        "f.yaml:5:24: text that begins with `*` must be in quotes, such as \"*.apps\" (without, it is a YAML alias)",
    ),
    (
        "kubernetes: {context: \u{1}}",
        "f.yaml:5:23: not valid YAML: there is a control character here, perhaps invisible; remove it",
    ),
    ("x: !!int hunter2", "f.yaml:5:4: the value does not fit its YAML tag; remove the tag"),
    ("&a [*a]: 1", "f.yaml:5:1: values are nested too deeply"),
    (
        "kubernetes: {context: 'a",
        "f.yaml:5:25: not valid YAML: found unexpected end of stream; a quote or a bracket before this place is not closed",
    ),
    (
        "signing: a: b",
        "f.yaml:5:11: not valid YAML: mapping values are not allowed in this context; check the indentation, and put \
         text that contains `: ` in quotes",
    ),
    (
        "etcd: [",
        "f.yaml:6:1: not valid YAML: did not find expected node content; check the indentation, the brackets and the \
         quotes before this place",
    ),
    (
        "---\nkind: Other\n",
        "f.yaml:6:1: a second YAML document begins here; this file is one document: remove the `---`",
    ),
];
