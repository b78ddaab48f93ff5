use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn head() -> Head {
    Head::new(&ResourceType::new("apps", "v1", "deployments", "Deployment", true))
}

fn cut(text: &str, drop: bool) -> Result<Page, Failure> {
    slice(&Bytes::from(text.to_owned()), &head(), drop)
}

fn whole(item: &Item) -> String {
    String::from_utf8(item.json.concat()).unwrap()
}

#[test]
fn an_object_is_what_the_server_sent_with_its_type_before_it() {
    let page = cut(
        r#"{"kind":"DeploymentList","apiVersion":"apps/v1","metadata":{"resourceVersion":"7","continue":"abc","remainingItemCount":3},
        "items":[{ "metadata":{"name":"a","namespace":"n","uid":"u","resourceVersion":"5"},"spec":{"x":1.50,"y":"\u00e9"}},
        {"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"b"}}, {"kind":"Deployment","metadata":{"name":"c"}},
        {"metadata":{}}]}"#,
        false,
    )
    .unwrap();
    assert_eq!((&*page.revision, page.next.as_deref(), page.remaining), ("7", Some("abc"), Some(3)));
    assert_eq!(page.nameless, 1);
    assert_eq!(
        page.items.iter().map(whole).collect::<Vec<_>>(),
        [
            r#"{"apiVersion":"apps/v1","kind":"Deployment", "metadata":{"name":"a","namespace":"n","uid":"u","resourceVersion":"5"},"spec":{"x":1.50,"y":"\u00e9"}}"#,
            r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"b"}}"#,
            r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"c"}}"#,
        ]
    );
    let first = &page.items[0];
    assert_eq!(
        (&*first.name, first.namespace.as_deref(), &*first.uid, &*first.resource_version),
        ("a", Some("n"), "u", "5")
    );
}

#[test]
fn managed_fields_are_cut_out_wherever_they_stand() {
    for (with, without) in [
        (r#"{"name":"a","managedFields":[{"a":"}]"}],"uid":"u"}"#, r#"{"name":"a","uid":"u"}"#),
        (r#"{"managedFields" : [] , "name":"a"}"#, r#"{ "name":"a"}"#),
        (r#"{"name":"a" , "managedFields":[1]}"#, r#"{"name":"a" }"#),
        (r#"{"name":"a"}"#, r#"{"name":"a"}"#),
    ] {
        let page =
            cut(&format!(r#"{{"items":[{{"metadata":{with},"data":{{"managedFields":"mine"}}}}]}}"#), true)
                .unwrap();
        let expected = format!(
            r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{without},"data":{{"managedFields":"mine"}}}}"#
        );
        assert_eq!(whole(&page.items[0]), expected);
    }
}

#[test]
fn names_may_have_escapes_and_lists_may_be_null() {
    let page = cut(r#"{"metadata":null,"items":[{"metadata":{"name":"a\u003ab"}}]}"#, false);
    assert!(page.is_err(), "a list's metadata is an object");
    let page = cut(
        r#"{"metadata":{"continue":null},"items":[{"metadata":{"name":"a\u003ab","namespace":null}}]}"#,
        false,
    )
    .unwrap();
    assert_eq!(page.items[0].name, "a:b");
    assert!(cut(r#"{"items":null}"#, false).unwrap().items.is_empty());
}

#[test]
fn malformed_pages_are_errors_that_quote_nothing() {
    for text in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"items":{}}"#,
        r#"{"items":[1]}"#,
        r#"{"items":[["SECRET","SECRET",{"name":"x"}]]}"#,
        r#"{"items":[{"metadata":{"name":{"SECRET":1}}}]}"#,
        r#"{"items":[{"metadata":"SECRET"}]}"#,
        r#"{"items":[]} SECRET"#,
        r#"{"items":[{"metadata":{"name":"a","name":"SECRET"}}]}"#,
    ] {
        let failure = cut(text, true).expect_err(text);
        assert!(!failure.text().contains("SECRET"), "{}", failure.text());
    }
    assert!(slice(&Bytes::from_static(b"{\"items\":[\"\xff\"]}"), &head(), false).is_err());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,8}|[\"\\\\{}\\[\\],:\u{0}-\u{1f}]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let key =
            prop_oneof![Just("managedFields".to_owned()), Just("metadata".to_owned()), "[a-z\"\\\\]{0,4}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_list_cut_is_the_list_parsed(
        items in prop::collection::vec((any_json(), any_json(), "\\PC{1,12}", any::<[bool; 4]>()), 0..6),
        pretty: bool, drop: bool,
    ) {
        let items: Vec<Value> = items
            .into_iter()
            .map(|(spec, managed, name, [version, kind, first, has])| {
                let mut metadata = serde_json::Map::new();
                if has && first { metadata.insert("managedFields".into(), managed.clone()); }
                metadata.insert("name".into(), name.into());
                if has && !first { metadata.insert("managedFields".into(), managed); }
                let mut object = serde_json::Map::new();
                object.insert("spec".into(), spec);
                object.insert("metadata".into(), metadata.into());
                if version { object.insert("apiVersion".into(), "apps/v1".into()); }
                if kind { object.insert("kind".into(), "Deployment".into()); }
                object.into()
            })
            .collect();
        let list = json!({"metadata": {"resourceVersion": "1"}, "items": items});
        let text = if pretty { serde_json::to_string_pretty(&list) } else { serde_json::to_string(&list) }.unwrap();
        let page = cut(&text, drop).unwrap();
        prop_assert_eq!(page.items.len(), items.len());
        for (item, mut expected) in page.items.iter().zip(items) {
            expected["apiVersion"] = "apps/v1".into();
            expected["kind"] = "Deployment".into();
            if drop && !expected["metadata"]["managedFields"].is_null() {
                expected["metadata"].as_object_mut().unwrap().shift_remove("managedFields");
            }
            prop_assert_eq!(serde_json::from_str::<Value>(&whole(item)).unwrap(), expected);
        }
    }

    #[test]
    fn noise_never_panics(text in "\\PC{0,60}|[{}\\[\\]\",:a-z]{0,60}", at in 0usize..400) {
        let _ = cut(&text, true);
        let mut valid = r#"{"metadata":{"continue":"x"},"items":[{"metadata":{"name":"a","managedFields":[{"a":1}]}}]}"#.to_owned();
        let at = at % valid.len();
        valid.insert_str(at, &text);
        let _ = cut(&valid, true);
        valid.truncate(at);
        let _ = cut(&valid, true);
    }
}
