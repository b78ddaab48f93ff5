use super::{KEY, errors, parse, with};
use proptest::prelude::*;

#[test]
fn the_file_as_a_whole() {
    let empty = "f.yaml:1:1: the file is empty; `lifeboat init` writes one that explains itself";
    for text in ["", "\n\n", "---\n"] {
        assert_eq!(errors(text).replace(":2:1", ":1:1").replace(":3:1", ":1:1"), empty, "{text:?}");
    }
    assert!(errors("# only a comment\n").contains("the file is empty"));
    assert_eq!(errors("- a\n"), "f.yaml:1:1: expected fields, such as `name: value`, found a list");
    let all = "f.yaml:1:1: apiVersion: missing; write `apiVersion: lifeboat.dev/v1`\n\
         f.yaml:1:1: cluster: missing; write the cluster's name, such as `cluster: prod-eu1`\n\
         f.yaml:1:1: stores: missing; name at least one, such as `stores: [{name: main, url: \
         \"file:///srv/lifeboat\"}]`\n\
         f.yaml:1:7: kind: `Playbook` is not `Config`: this is another kind of file";
    assert_eq!(errors("kind: Playbook\n"), all);
    assert!(errors(&"#".repeat(2 << 20)).contains("is larger than 1024 KiB"));
}

#[test]
fn names_and_stores() {
    let file = |cluster: &str, stores: &str| {
        errors(&format!("apiVersion: lifeboat.dev/v1\nkind: Config\ncluster: {cluster}\nstores: {stores}\n"))
    };
    let good = "[{name: m, url: \"file:///s\"}]";
    for cluster in ["Prod", "../x", "a/b", "-a", ".", "a.", "\"a b\"", "ä"] {
        assert!(file(cluster, good).contains("f.yaml:3:10: cluster: `"), "{cluster}");
    }
    assert!(file("007", good).contains("looks like a number"));
    assert!(file("7", good).contains("found a number: put it in quotes"));
    assert!(file(&"a".repeat(64), good).contains("at most 63"));
    for (url, expected) in [
        ("s3://b/p", "this version of Lifeboat does not have s3:// stores yet: use a directory, such as"),
        ("/srv/x", "a store is a URL; did you mean `file:///srv/x`?"),
        ("file://srv/x", "`file://srv/x` names a host: a local directory takes three slashes"),
        ("file:///", "the root directory cannot be a store"),
        ("file:", "names no directory"),
        ("https://h/x", "`https://h/x` is not a store's URL"),
        ("file:///a?b", "has ? or # in it"),
    ] {
        let said = file("c", &format!("[{{name: m, url: \"{url}\"}}]"));
        assert!(said.starts_with("f.yaml:4:25: stores[0].url: ") && said.contains(expected), "{said}");
    }
    assert_eq!(
        file("c", "[{name: m, url: \"file:///a\", s3: {}}, {name: m, url: \"file:///b\"}]"),
        "f.yaml:4:38: stores[0].s3: this version of Lifeboat does not have this yet; remove it\n\
         f.yaml:4:54: stores[1].name: another store has this name"
    );
    assert!(file("c", "[]").contains("stores: must not be empty"));
}

/// The example of the design, with what later versions will know.
#[test]
fn sections_of_later_versions() {
    let text = format!(
        r#"apiVersion: lifeboat.dev/v1
kind: Config
cluster: prod-eu1
etcd:
  endpoints: [https://10.0.0.11:2379, https://10.0.0.12:2379]
  tls: {{ca: etcd-ca.crt, cert: client.crt, key: client.key}}
  auth: {{username: backup, password: {{file: etcd-password}}}}
kubernetes: {{kubeconfig: admin.conf, context: prod}}
resources: {{exclude: [events], dropManagedFields: false}}
stores:
  - {{name: main, url: "s3://backups/lifeboat", s3: {{endpoint: "https://s3.example"}}, copyTo: [second]}}
  - {{name: second, url: "file:///srv/lifeboat"}}
encryption: {{recipients: [{KEY}]}}
signing: {{secretKey: {{file: lifeboat.key}}, publicKey: RWQ{}}}
retention: {{last: 3, hourly: 24, timeZone: Europe/Berlin}}
schedules: [{{name: hourly, cron: "0 * * * *", run: {{backup: {{}}}}}}]
drills: {{directory: drills}}
playbooks: {{directory: runbooks}}
"#,
        "c".repeat(53)
    );
    let error = parse(&text).unwrap_err();
    let paths: Vec<_> =
        error.problems().iter().map(|problem| (problem.line, problem.path.as_str())).collect();
    let stores = [(11, "stores[0].url"), (11, "stores[0].s3"), (11, "stores[0].copyTo")];
    let rest = [(15, "retention"), (16, "schedules"), (17, "drills"), (18, "playbooks")];
    assert_eq!(paths, [&stores[..], &rest].concat());
    assert!(
        error
            .problems()
            .iter()
            .all(|problem| problem.message.contains("this version of Lifeboat does not have"))
    );

    let now: String = text.lines().take(14).map(|line| format!("{line}\n")).collect();
    let now = now.replace(", s3: {endpoint: \"https://s3.example\"}, copyTo: [second]", "");
    parse(&now.replace("s3://backups", "file:///backups")).unwrap();
}

#[test]
fn no_error_repeats_a_secret() {
    for lines in [
        "etcd: {auth: {username: u, password: hunter2}}",
        "etcd: {auth: {username: u, password: [hunter2]}}",
        "etcd: {auth: {username: u, password: {value: hunter2}}}",
        "etcd: {endpoints: [\"https://root:hunter2@h:99999999\"]}",
        "etcd: {endpoints: [\"root:hunter2@h:1\"]}",
        "etcd: {endpoints: [\"AGE-SECRET-KEY-1HUNTER2\"]}",
        "encryption: {recipients: [AGE-SECRET-KEY-1HUNTER2]}",
        "encryption: {recipients: [age-secret-key-1hunter2]}",
        "encryption: {recipientsFile: AGE-SECRET-KEY-1HUNTER2, recipients: AGE-SECRET-KEY-1HUNTER2}",
        "AGE-SECRET-KEY-1HUNTER2: x",
        "etcd: {auth: {username: u, password: !!int hunter2}}",
        "etcd: {auth: {username: u, password: !hunter2 !hunter2 x}}",
        "etcd: {auth: {username: u, password: !hunter2 {a: b}}}",
        "signing: {secretKey: hunter2, publicKey: RWRTY0Iyhunter2}",
        "signing: {secretKey: {file: AGE-SECRET-KEY-1HUNTER2, env: AGE-SECRET-KEY-1HUNTER2}}",
        "stores: [{name: AGE-SECRET-KEY-1HUNTER2, url: \"s4://k:hunter2@h\"}]",
        "kubernetes: {timeout: AGE-SECRET-KEY-1HUNTER2, qps: AGE-SECRET-KEY-1HUNTER2}",
    ] {
        let error = parse(&with(lines)).unwrap_err();
        let said = format!("{error} {error:?}").to_lowercase();
        assert!(!said.contains("hunter2"), "{lines}\n{said}");
    }
}

#[test]
fn hostile_yaml() {
    let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for level in 1..9 {
        let of = level - 1;
        let many = vec![format!("*a{of}"); 10].join(",");
        bomb.push_str(&format!("a{level}: &a{level} [{many}]\n"));
    }
    for text in
        [bomb.as_str(), "a: &a [*a]", &"[".repeat(5000), &"{a: ".repeat(5000), "? [a]\n: b", "a: \"\\u0000\""]
    {
        assert!(parse(text).is_err());
    }
    let keys: String = (0..500).map(|n| format!("k{n}: 1\n")).collect();
    assert_eq!(errors(&keys).lines().count(), 30);
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,60}") {
        let _ = parse(&text);
        let _ = parse(&with(&text));
    }

    #[test]
    fn no_yaml_panics(parts in proptest::collection::vec(
        proptest::sample::select(vec![
            "etcd", "stores", "endpoints", "tls", "kubernetes", "qps", "signing", "secretKey", "resources", "exclude",
            ": ", ": ", "- ", "\n", "\n  ", "[", "]", "{", "}", ", ", "\"", "'", "|", ">", "&a ", "*a", "!t ", "!!str ", "? ",
            "---\n", "...", "#", "\t", "~", "null", "true", "7", "0x1", "1e400", "é", "\u{85}", "\u{feff}", "https://h:1", KEY,
        ]), 0..25)) {
        let text = parts.concat();
        let _ = parse(&text);
        let _ = parse(&with(&text));
        let _ = parse(&with(&format!("etcd: {text}")));
    }
}
