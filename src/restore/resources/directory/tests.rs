use super::*;
use proptest::prelude::*;
use serde_json::json;
use std::os::unix::fs::symlink;
use tempfile::TempDir;

/// A directory with these files.
fn dir(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn found(root: &Path, limits: Limits) -> Result<(Vec<Found>, u64), DirectoryError> {
    let mut all = Vec::new();
    let passed = read(root, limits, &mut |found| {
        all.push(found);
        Ok(())
    })?;
    Ok((all, passed))
}

/// What was found: file, document, kind, namespace and name.
fn names(dir: &TempDir) -> (Vec<String>, u64) {
    let (all, passed) = found(dir.path(), LIMITS).unwrap();
    let name = |it: &Found| {
        let file = it.file.strip_prefix(dir.path()).unwrap().display();
        let namespace = it.namespace.as_deref().unwrap_or("-");
        format!("{file} {} {} {} {namespace} {}", it.document, it.api_version, it.kind, it.name)
    };
    (all.iter().map(name).collect(), passed)
}

fn refused_in(dir: &TempDir, limits: Limits) -> String {
    let said = found(dir.path(), limits).expect_err("must be refused").to_string();
    said.replace(&format!("{}/", dir.path().display()), "")
}

fn refused(files: &[(&str, &str)]) -> String {
    refused_in(&dir(files), LIMITS)
}

fn config_map(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: shop}}\n")
}

#[test]
fn every_form_is_read_in_order() {
    let export = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"settings","namespace":"shop"},"data":{"a":1.50}}"#;
    let dir = dir(&[
        (
            "b.yaml",
            "# Only a remark.\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n---\n\n---\n\
                    apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n  namespace: \"\"\n...\n",
        ),
        (
            "a/z.yml",
            "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: p, namespace: n}}\n\
                     - {apiVersion: v1, kind: List, items: [{apiVersion: a.b/v1, kind: AllowList, items: [], metadata: {name: x}}]}\n",
        ),
        (
            "a/list.json",
            r#"{"kind": "SecretList", "apiVersion": "v1", "metadata": {}, "items": [{"metadata": {"name": "s"}}]}"#,
        ),
        ("core/v1/configmaps/shop/settings.json", &format!("\u{feff}\n{export}\n")),
        ("empty.yaml", ""),
        ("none.JSON", r#"{"apiVersion": "v1", "kind": "PodList", "items": null}"#),
        ("README.md", "# Objects"),
        ("a/kustomize", "x"),
        (".git/config.yaml", "hidden: true"),
        (".hidden.yaml", "hidden: true"),
    ]);
    let wanted = [
        "a/list.json 1 v1 Secret - s",
        "a/z.yml 1 v1 Pod n p",
        "a/z.yml 1 a.b/v1 AllowList - x",
        "b.yaml 1 apps/v1 Deployment - web",
        "b.yaml 3 v1 Namespace - shop",
        "core/v1/configmaps/shop/settings.json 1 v1 ConfigMap shop settings",
    ];
    let (all, passed) = names(&dir);
    assert_eq!(all.iter().map(String::as_str).collect::<Vec<_>>(), wanted.map(|it| it.to_owned()));
    assert_eq!(passed, 2);
    let (all, _) = found(dir.path(), LIMITS).unwrap();
    assert_eq!(all[5].json, export.as_bytes());
    let secret: Value = serde_json::from_slice(&all[0].json).unwrap();
    assert_eq!(secret, json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}));
    let file = dir.path().join("core/v1/configmaps/shop/settings.json");
    assert_eq!(found(&file, LIMITS).unwrap().0, all[5..]);
    let unnamed = dir.path().join("manifest");
    fs::write(&unnamed, config_map("c")).unwrap();
    assert_eq!(found(&unnamed, LIMITS).unwrap().0.len(), 1);
    assert!(!format!("{:?}", all[5]).contains("1.50"));
}

#[test]
fn what_is_no_object_is_refused_with_its_place() {
    let no = "this is no Kubernetes object: ";
    let only = "; a directory to restore holds nothing else";
    for (file, text, said) in [
        ("a.yaml", "---\napiVersion: v1\nkind: A\nmetadata: {name: a}\n---\n# b\nkind: B\n", format!("a.yaml:7 (document 2): {no}`apiVersion` is missing{only}")),
        ("a.yaml", "- a\n", format!("a.yaml:1: {no}it has no fields{only}")),
        ("a.json", "[]", format!("a.json: {no}it has no fields{only}")),
        ("a.yaml", "apiVersion: 1\nkind: B\n", format!("a.yaml:1: {no}`apiVersion` is empty, or no text{only}")),
        ("a.yaml", "apiVersion: a/b/c\nkind: B\n", format!("a.yaml:1: {no}its `apiVersion` is neither a version nor a group and a version, such as `apps/v1`{only}")),
        ("a.yaml", "apiVersion: v1\nkind: B\n", format!("a.yaml:1: {no}`metadata` is missing{only}")),
        ("a.yaml", "apiVersion: v1\nkind: B\nmetadata: {}\n", format!("a.yaml:1: {no}`metadata.name` is missing{only}")),
        ("a.yaml", "apiVersion: v1\nkind: B\nmetadata: {name: a, namespace: 7}\n", format!("a.yaml:1: {no}`metadata.namespace` is no text{only}")),
        ("a.yaml", "apiVersion: v1\nkind: B\nmetadata: {generateName: a-}\n", "a.yaml:1: it has a `generateName` and no `name`: each restore would make another; name it".into()),
        ("a.yaml", "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: List, items: [7]}\n", format!("a.yaml:1: items[0].items[0]: {no}it has no fields{only}")),
        ("a.yaml", "apiVersion: v1\nkind: BList\nitems: 7\n", format!("a.yaml:1: {no}`metadata` is missing{only}")),
        ("a.json", "{\"kind\": \"A\"}\n{\"kind\": \"B\"}\n", "a.json:2: cannot be read as JSON: trailing characters; a file has one JSON document, which may be a List".into()),
        ("a.json", "", "a.json:1: cannot be read as JSON: EOF while parsing a value".into()),
        ("a.json", "{\n\"a\": 1,\n\"a\": 2}", "a.json:3: cannot be read as JSON: the field `a` is given twice: keep one".into()),
    ] {
        assert_eq!(refused(&[(file, text)]), said, "{text}");
    }
    for (text, said) in [
        ("a: b\na: c\n", "the field `a` is given twice: keep one"),
        ("a: b\n7: c\n", "the name of a field is no text: put it in quotes"),
        ("a: {b: .nan}\n", "a number is one that JSON does not have"),
        ("a: {b: 99999999999999999999}\n", "a number is too large"),
        ("a: &a {b: c}\nd: {<<: *a}\n", "merge keys (`<<`) are not supported: write the fields out"),
        ("a: !mine b\n", "YAML tags are not used in objects: remove the tag"),
        ("a: !!int hunter2\n", "a value does not fit its YAML tag: remove the tag"),
        ("a: [hunter2\n", "cannot be read as YAML: "),
        ("a: \"\\u0000\u{1}\"\n", "cannot be read as YAML: "),
        ("\ta: b\n", "cannot be read as YAML: "),
    ] {
        let later = refused(&[("a.yaml", &format!("{}---\n{text}", config_map("c")))]);
        assert!(
            later.starts_with("a.yaml") && later.contains(said) && !later.contains("hunter2"),
            "{text}: {later}"
        );
    }
    let dir = dir(&[("good.json", "{}")]);
    fs::write(dir.path().join("a.yaml"), b"# \xc3\xa4\n# \xc3\xa4\xff").unwrap();
    assert_eq!(refused_in(&dir, LIMITS), "a.yaml:2: not UTF-8 text: save the file as UTF-8");
    assert!(
        found(&dir.path().join("absent"), LIMITS).unwrap_err().to_string().contains("absent: No such file")
    );
}

#[test]
fn an_object_is_there_once() {
    let two = format!("{}---\n{}", config_map("a"), config_map("b"));
    let said =
        refused(&[("a.yaml", &two), ("b/c.yaml", &format!("{}---\n{}", config_map("c"), config_map("b")))]);
    assert_eq!(
        said,
        "ConfigMap shop/b is in a.yaml (document 2) and again in b/c.yaml:5 (document 2): keep one of them"
    );
    let of =
        |group: &str, kind: &str| format!("{{apiVersion: {group}, kind: {kind}, metadata: {{name: a}}}}");
    let several = [of("a/v1", "A"), of("b/v1", "A"), of("v1", "A"), of("a/v1", "B")].join("\n---\n");
    assert_eq!(names(&dir(&[("a.yaml", &several)])).0.len(), 4);
    let versions = [of("a/v1", "A"), of("a/v1beta1", "A")].join("\n---\n");
    assert_eq!(
        refused(&[("a.yml", &versions)]),
        "A a is in a.yml and again in a.yml:3 (document 2): keep one of them"
    );
}

#[test]
fn links_lead_nowhere_else() {
    // As a ConfigMap is mounted: files are links into a directory that is replaced as a whole.
    let mounted = dir(&[("..2026/a.yaml", &config_map("a"))]);
    symlink("..2026", mounted.path().join("..data")).unwrap();
    symlink("..data/a.yaml", mounted.path().join("a.yaml")).unwrap();
    symlink(".", mounted.path().join("again")).unwrap();
    symlink("a.yaml", mounted.path().join("b.yaml")).unwrap();
    assert_eq!(names(&mounted).0, ["a.yaml 1 v1 ConfigMap shop a"]);

    let other = dir(&[("secret.yaml", &config_map("secret"))]);
    for target in
        [other.path().join("secret.yaml"), other.path().to_owned(), "/nowhere".into(), "../..".into()]
    {
        let dir = dir(&[("a.yaml", &config_map("a"))]);
        symlink(&target, dir.path().join("link.yaml")).unwrap();
        assert!(refused_in(&dir, LIMITS).starts_with("link.yaml is a link that leads out of the directory"));
    }
    let given = mounted.path().join("given");
    symlink(other.path(), &given).unwrap();
    assert_eq!(found(&given, LIMITS).unwrap().0.len(), 1);
}

#[test]
fn no_file_is_too_much() {
    let dir = dir(&[("a.yaml", "")]);
    fs::File::create(dir.path().join("a.yaml")).unwrap().set_len(LIMITS.file + 1).unwrap();
    assert_eq!(refused_in(&dir, LIMITS), "a.yaml is larger than 67108864 bytes: divide it");

    let mut many = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for level in 1..9 {
        let of = vec![format!("*a{}", level - 1); 10].join(",");
        many.push_str(&format!("a{level}: &a{level} [{of}]\n"));
    }
    let said = refused(&[("a.yaml", &many)]);
    assert!(said.contains("repetition limit") || said.contains("unfolds"), "{said}");
    // What the parser itself lets through: few aliases of something long.
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1000), ["*a"; 1000].join(","));
    let limits = Limits { unfolded: 500_000, ..LIMITS };
    assert!(refused_in(&super::tests::dir(&[("a.yaml", &long)]), limits).contains("it unfolds into more"));
    for (name, text) in
        [("a.yaml", "[".repeat(100_000)), ("a.json", "[".repeat(100_000)), ("b.yaml", "a: &a [*a]".into())]
    {
        assert!(refused(&[(name, &text)]).contains("recursion limit"), "{name}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(parts in proptest::collection::vec(
        proptest::sample::select(vec![
            "apiVersion", "kind", "metadata", "name", "List", "items", "v1", ": ", ": ", "- ", "\n", "\n  ", "[", "]", "{", "}",
            ", ", "\"", "'", "|", "&a ", "*a", "!t ", "? ", "---\n", "...", "#", "\t", "~", "7", "é", "\u{feff}", "\0",
        ]), 0..30)) {
        let text = parts.concat();
        for name in ["a.yaml", "a.json"] {
            let _ = found(dir(&[(name, &text)]).path(), LIMITS);
        }
    }

    #[test]
    fn yaml_and_json_are_read_alike(texts in proptest::collection::btree_map("[a-z]{1,4}", "\\PC{0,8}", 1..6)) {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": texts});
        let read = |name: &str, text: String| {
            let (all, _) = found(dir(&[(name, &text)]).path(), LIMITS).unwrap();
            serde_json::from_slice::<Value>(&all[0].json).unwrap()
        };
        prop_assert_eq!(&read("a.yaml", serde_yaml::to_string(&object).unwrap()), &object);
        prop_assert_eq!(&read("a.json", object.to_string()), &object);
    }
}
