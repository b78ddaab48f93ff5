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
fn clusters_that_drills_may_use() {
    let file = |clusters: &str| {
        errors(&format!(
            "apiVersion: lifeboat.dev/v1\nkind: Config\ncluster: c\nstores: [{{name: m, url: \"file:///s\"}}]\ndrills: {{existing: [{clusters}]}}\n"
        ))
    };
    let said = file("{context: a}");
    assert!(said.starts_with("f.yaml:5:21: drills.existing[0]: says not which cluster that is"), "{said}");
    assert!(file("{uid: b}").contains("drills.existing[0].context: missing"));
    assert!(file("{context: a, server: \"https://u:p@h\"}").contains("has no user and password in it"));
    assert!(file("{context: a, server: \"ftp://h\"}").contains("is no address of a server"));
}

#[test]
fn a_page_needs_a_place() {
    let file = |daemon: &str| {
        format!(
            "apiVersion: lifeboat.dev/v1\nkind: Config\ncluster: c\nstores: [{{name: m, url: \"file:///s\"}}]\ndaemon: {daemon}\n"
        )
    };
    let said = errors(&file("{page: true}"));
    assert!(
        said.starts_with("f.yaml:5:16: daemon.page: there is no page where nothing is listened on"),
        "{said}"
    );
    assert!(errors(&file("{listen: \"127.0.0.1:1\", page: maybe}")).contains("daemon.page"));
    assert!(!parse(&file("{listen: \"127.0.0.1:1\"}")).unwrap().daemon.page);
    assert!(parse(&file("{listen: \"127.0.0.1:1\", page: true}")).unwrap().daemon.page);
    parse(&file("{page: false}")).unwrap();
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
        ("s3://b/p", "names no bucket: 3 to 63 lower-case letters"),
        ("s3://Bucket", "names no bucket"),
        ("s3://bucket/a//b", "has a prefix that cannot be used"),
        ("s3://bucket/../b", "has a prefix that cannot be used"),
        ("s3://bucket/a?endpoint=x", "has a prefix that cannot be used"),
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
        "f.yaml:4:42: stores[0].s3: belongs to a store whose `url` begins with s3://\n\
         f.yaml:4:54: stores[1].name: another store has this name"
    );
    assert!(file("c", "[]").contains("stores: must not be empty"));
    let copy = |to: &str| {
        file(
            "c",
            &format!("[{{name: m, url: \"file:///a\", copyTo: [{to}]}}, {{name: n, url: \"file:///b\"}}]"),
        )
    };
    assert_eq!(copy("m"), "f.yaml:4:47: stores[0].copyTo[0]: is this store itself: name another one");
    assert_eq!(copy("x"), "f.yaml:4:47: stores[0].copyTo[0]: no store has this name");
}

#[test]
fn buckets() {
    let keys = "accessKeyId: {env: A}, secretAccessKey: {env: B}";
    for (settings, expected) in [
        ("endpoint: s3.example", "s3.endpoint: `s3.example` is not a URL"),
        ("endpoint: \"https://s3.example/bucket\"", "the bucket belongs into the store's `url`"),
        ("endpoint: \"https://k:hunter2@s3.example\"", "use `credentials`"),
        ("credentials: {accessKeyId: AKIAHUNTER2, secretAccessKey: hunter2}", "s3.credentials.accessKeyId: "),
        (
            "credentials: {accessKeyId: {env: A}}",
            "secretAccessKey: missing; write `secretAccessKey: {file: PATH}`",
        ),
        (&format!("profile: p, credentials: {{{keys}}}"), "cannot be used together with `profile`"),
        ("objectLock: {mode: forever, days: 1}", "write `governance` or `compliance`"),
        ("objectLock: {mode: compliance, days: 0}", "a whole number from 1 to 36500"),
        ("encryption: aes", "write `s3` or `kms`"),
        ("kmsKey: k", "is for `encryption: kms`"),
        ("partSize: 8", "expected text, found a number"),
        ("partSize: 1MiB", "must be from 5MiB to 1GiB"),
        ("partSize: 8mb", "is not an amount of bytes"),
        ("concurrency: 0", "a whole number from 1 to 64"),
        ("tags: {a: 1}", "s3.tags.a: "),
        ("tags: {a: \"x&y\"}", "letters, digits, spaces"),
        ("tags: [a]", "expected tags"),
        ("regoin: x", "did you mean `region`?"),
    ] {
        let stores = format!("[{{name: m, url: \"s3://bucket/p\", s3: {{{settings}}}}}]");
        let said =
            errors(&format!("apiVersion: lifeboat.dev/v1\nkind: Config\ncluster: c\nstores: {stores}\n"));
        assert!(said.starts_with("f.yaml:4:") && said.contains(expected), "{settings}: {said}");
        assert!(!said.to_lowercase().contains("hunter2"), "{said}");
    }
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
