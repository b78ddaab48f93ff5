use super::super::{InitOptions, schema, template};
use super::parse;
use serde_json::Value;

/// A schema's definition by name, or its root.
fn definition<'a>(schema: &'a Value, name: &str) -> &'a Value {
    if name == "Config" { schema } else { &schema["$defs"][name] }
}

/// Fields that the parser knows in a section: it names them when it meets one that is like none of them.
fn known_to_the_parser(section: &str) -> Vec<String> {
    let odd = "qqqqqqqqqqqqqqqqqqqqqqqq: 1";
    let text = match section {
        "" => odd.to_owned(),
        "stores" => format!("stores: [{{{odd}}}]"),
        "notifications" => format!("notifications: [{{{odd}}}]"),
        s if s.starts_with("notifications.") => format!("notifications: [{{{}: {{{odd}}}}}]", &s[14..]),
        "schedules.notify" => format!("schedules: [{{notify: [{{{odd}}}]}}]"),
        "schedules.ping" => format!("schedules: [{{ping: {{{odd}}}}}]"),
        "schedules" => format!("schedules: [{{{odd}}}]"),
        s if s.starts_with("schedules.run") => {
            let inner = s["schedules.run".len()..].trim_start_matches('.');
            let run = if inner.is_empty() { odd.to_owned() } else { format!("{inner}: {{{odd}}}") };
            format!("schedules: [{{run: {{{run}}}}}]")
        }
        "drills.existing" => format!("drills: {{existing: [{{{odd}}}]}}"),
        "stores.s3" => format!("stores: [{{s3: {{{odd}}}}}]"),
        s if s.starts_with("stores.s3.") => format!("stores: [{{s3: {{{}: {{{odd}}}}}}}]", &s[10..]),
        "playbooks.approvers" => format!("playbooks: {{approvers: [{{{odd}}}]}}"),
        "playbooks.lease" => format!("playbooks: {{lease: {{{odd}}}}}"),
        "etcd.tls" | "etcd.auth" => format!("etcd: {{{}: {{{odd}}}}}", &section[5..]),
        _ => format!("{section}: {{{odd}}}"),
    };
    let error = parse(&text).unwrap_err();
    let found = error.problems().iter().find(|problem| problem.message.starts_with("unknown field"));
    let (_, list) = found.unwrap().message.split_once("allowed here: ").unwrap();
    let mut names: Vec<_> = list.split(", ").map(|name| name.trim_matches('`').to_owned()).collect();
    names.sort();
    names
}

const SECTIONS: [(&str, &str); 35] = [
    ("", "Config"),
    ("etcd", "Etcd"),
    ("etcd.tls", "EtcdTls"),
    ("etcd.auth", "EtcdAuth"),
    ("kubernetes", "Kubernetes"),
    ("resources", "Resources"),
    ("stores", "Store"),
    ("stores.s3", "S3"),
    ("stores.s3.credentials", "Keys"),
    ("stores.s3.assumeRole", "Role"),
    ("stores.s3.objectLock", "ObjectLock"),
    ("encryption", "Encryption"),
    ("signing", "Signing"),
    ("restore", "Restore"),
    ("retention", "Retention"),
    ("objectives", "Objectives"),
    ("playbooks", "Playbooks"),
    ("playbooks.approvers", "Approver"),
    ("playbooks.lease", "Lease"),
    ("drills", "Drills"),
    ("drills.existing", "DrillCluster"),
    ("schedules", "Schedule"),
    ("schedules.run", "Run"),
    ("schedules.run.backup", "RunBackup"),
    ("schedules.run.verify", "RunVerify"),
    ("schedules.run.drill", "RunDrill"),
    ("schedules.run.playbook", "RunPlaybook"),
    ("schedules.notify", "ScheduleNotify"),
    ("schedules.ping", "Ping"),
    ("daemon", "Daemon"),
    ("notifications", "Notification"),
    ("notifications.webhook", "Webhook"),
    ("notifications.slack", "Slack"),
    ("notifications.pagerDuty", "PagerDuty"),
    ("notifications.alertmanager", "Alertmanager"),
];

#[test]
fn has_the_fields_of_the_parser() {
    let schema = schema();
    for (section, name) in SECTIONS {
        let definition = definition(&schema, name);
        let mut names: Vec<_> = definition["properties"].as_object().unwrap().keys().cloned().collect();
        names.sort();
        assert_eq!(names, known_to_the_parser(section), "{name}");
        assert_eq!(definition["additionalProperties"], Value::Bool(false), "{name}");
        for (field, property) in definition["properties"].as_object().unwrap() {
            assert!(property["description"].is_string(), "{name}.{field} has no description");
        }
        assert!(definition["description"].is_string(), "{name}");
    }
}

#[test]
fn requires_what_the_parser_requires() {
    let schema = schema();
    let required = |name: &str| -> Vec<String> {
        let list = definition(&schema, name)["required"].as_array().cloned().unwrap_or_default();
        list.iter().map(|field| field.as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(required("Config"), ["apiVersion", "kind", "cluster", "stores"]);
    assert_eq!(required("Etcd"), ["endpoints"]);
    assert_eq!(required("EtcdAuth"), ["username", "password"]);
    assert_eq!(required("Signing"), ["publicKey"]);
    for name in ["EtcdTls", "Kubernetes", "Resources", "Encryption", "Restore", "Retention", "Objectives"] {
        assert!(required(name).is_empty(), "{name}");
    }
}

#[test]
fn shows_defaults_patterns_and_limits() {
    let schema = schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["properties"]["apiVersion"]["const"], "lifeboat.dev/v1");
    assert_eq!(schema["properties"]["kind"]["const"], "Config");
    assert_eq!(schema["properties"]["cluster"]["maxLength"], 63);
    assert!(schema["properties"]["cluster"]["pattern"].is_string());
    assert_eq!(schema["properties"]["stores"]["minItems"], 1);
    let field = |name: &str, field: &str| definition(&schema, name)["properties"][field].clone();
    assert_eq!(field("Etcd", "idleTimeout")["default"], "1m");
    assert_eq!(field("Etcd", "connectTimeout")["default"], "5s");
    assert_eq!(field("Etcd", "requestTimeout")["default"], "30s");
    assert_eq!(field("Kubernetes", "timeout")["default"], "1m");
    assert_eq!(field("Kubernetes", "qps")["default"], 200);
    assert_eq!(field("Kubernetes", "qps")["maximum"], 10_000);
    assert_eq!(field("Encryption", "compressionLevel")["maximum"], 19);
    assert_eq!(field("Restore", "etcdutl")["default"], "etcdutl");
    assert!(field("Etcd", "endpoints")["items"]["pattern"].is_string());
}

/// Checks what this file can check without a validator: fields, required ones, and types.
fn fits(root: &Value, schema: &Value, value: &Value, path: &str) {
    let schema = match schema["$ref"].as_str() {
        Some(reference) => definition(root, reference.trim_start_matches("#/$defs/")),
        None => schema,
    };
    if let Some(ways) = schema["anyOf"].as_array() {
        return fits(root, &ways[usize::from(value.is_null())], value, path);
    }
    // Anything may stand there.
    if schema["type"].is_null()
        && schema["oneOf"].is_null()
        && schema["const"].is_null()
        && schema["enum"].is_null()
    {
        return;
    }
    match value {
        Value::Object(fields) if schema["properties"].is_object() => {
            for (name, value) in fields {
                let property = &schema["properties"][name];
                assert!(property.is_object(), "{path}.{name} is not in the schema");
                fits(root, property, value, &format!("{path}.{name}"));
            }
            for name in schema["required"].as_array().into_iter().flatten() {
                assert!(fields.contains_key(name.as_str().unwrap()), "{path} lacks {name}");
            }
        }
        Value::Array(items) => items.iter().for_each(|item| fits(root, &schema["items"], item, path)),
        Value::String(_) => {
            assert!(schema.to_string().contains("string") || schema["const"].is_string(), "{path}")
        }
        Value::Number(_) => assert!(schema["type"].to_string().contains("integer"), "{path}: {schema}"),
        Value::Bool(_) => assert!(schema["type"].to_string().contains("boolean"), "{path}"),
        Value::Null => assert!(schema["type"].to_string().contains("null"), "{path}"),
        Value::Object(fields) if fields.is_empty() => {
            assert!(schema["type"].to_string().contains("object"), "{path}");
        }
        Value::Object(_) => {
            assert!(schema["oneOf"].is_array() || schema["additionalProperties"].is_object(), "{path}");
        }
    }
}

#[test]
fn fits_what_the_parser_reads() {
    let schema = schema();
    let text = template(&InitOptions::default());
    fits(&schema, &schema, &serde_yaml::from_str(&text).unwrap(), "");
    let text = text.replace("\n#: ", "\n");
    let config = parse(&text).unwrap();
    fits(&schema, &schema, &serde_json::to_value(&config).unwrap(), "");
    fits(&schema, &schema, &serde_yaml::from_str(&text).unwrap(), "");
}
