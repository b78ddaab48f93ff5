//! The files of a node: manifests of static pods, the kubelet's configuration, kubeconfigs. They are YAML, and JSON is YAML: so
//! they are read as one and written as the other.

use super::super::StagingError;
use serde_json::{Value, json};

/// Reads a file of the node.
pub(super) fn parse(name: &str, text: &str) -> Result<Value, StagingError> {
    let read = serde_yaml::from_str(text).ok().filter(Value::is_object);
    read.ok_or_else(|| StagingError::Refused(format!("the node's {name} is not what was expected")))
}

/// The value of a flag of the first container.
pub(super) fn flag<'a>(pod: &'a Value, name: &str) -> Option<&'a str> {
    let words = pod.pointer("/spec/containers/0/command")?.as_array()?;
    words.iter().filter_map(Value::as_str).find_map(|word| {
        let (flag, value) = word.strip_prefix("--")?.split_once('=')?;
        (flag == name).then_some(value)
    })
}

/// Sets flags of the first container, and marks the pod: for the kubelet it is another one then, which it starts at once.
pub(super) fn with_flags(mut pod: Value, flags: &[(String, String)], mark: &str) -> Option<Value> {
    let metadata = pod.get_mut("metadata")?.as_object_mut()?;
    let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
    annotations.as_object_mut()?.insert("lifeboat.dev/drill".to_owned(), mark.into());
    let words = pod.pointer_mut("/spec/containers/0/command")?.as_array_mut()?;
    for (name, value) in flags {
        let of_this =
            |word: &Value| word.as_str().is_some_and(|word| word.starts_with(&format!("--{name}=")));
        words.retain(|word| !of_this(word));
        words.push(format!("--{name}={value}").into());
    }
    Some(pod)
}

/// A kubeconfig for the same user and another address.
pub(super) fn at_server(kubeconfig: &mut Value, server: &str) -> Option<()> {
    let cluster = kubeconfig.pointer_mut("/clusters/0/cluster")?.as_object_mut()?;
    cluster.insert("server".to_owned(), server.into());
    Some(())
}

/// The configuration of a cluster for kind: the user's, on loopback, with one node.
pub(super) fn cluster(given: Option<&str>) -> Result<Value, StagingError> {
    let wrong = |why: &str| StagingError::Refused(format!("staging.kind.config: {why}"));
    let mut config = match given {
        None => json!({}),
        Some(text) => match serde_yaml::from_str::<Value>(text) {
            Ok(config @ Value::Object(_)) => config,
            Ok(_) => return Err(wrong("it is not a configuration of kind (`kind: Cluster`)")),
            Err(e) => return Err(wrong(&format!("it is not YAML: {e}"))),
        },
    };
    let usual = [("kind", "Cluster"), ("apiVersion", "kind.x-k8s.io/v1alpha4")];
    for (name, value) in usual {
        match config.get(name).and_then(Value::as_str) {
            None => config[name] = value.into(),
            Some(found) if found == value => {}
            Some(_) => return Err(wrong(&format!("its {name} is not `{value}`"))),
        }
    }
    let nodes = config.get("nodes").and_then(Value::as_array).cloned().unwrap_or_default();
    if nodes.len() > 1
        || nodes.iter().any(|node| node["role"].as_str().is_some_and(|role| role != "control-plane"))
    {
        return Err(wrong(
            "it has more nodes than one control plane: staging has one node, in place of all of the source's",
        ));
    }
    if nodes.iter().any(|node| !node["image"].is_null()) {
        return Err(wrong("it names the node's image: that stands in staging.kind.image"));
    }
    if !config["networking"].is_object() {
        config["networking"] = json!({});
    }
    config["networking"]["apiServerAddress"] = "127.0.0.1".into();
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_a_static_pod_are_read_and_set() {
        let text =
            "metadata: {name: etcd}\nspec:\n  containers:\n  - command: [etcd, --name=a, --data-dir=/d]\n";
        let pod = parse("etcd.yaml", text).unwrap();
        assert_eq!((flag(&pod, "name"), flag(&pod, "nam")), (Some("a"), None));
        let set =
            with_flags(pod, &[("name".into(), "b=c".into()), ("new".into(), "1".into())], "d1").unwrap();
        assert_eq!(
            set["spec"]["containers"][0]["command"],
            json!(["etcd", "--data-dir=/d", "--name=b=c", "--new=1"])
        );
        assert_eq!(set["metadata"]["annotations"]["lifeboat.dev/drill"], "d1");
        assert!(parse("x", "just text").is_err() && parse("x", "a: [").is_err());
        assert!(with_flags(json!({"metadata": {}}), &[], "").is_none());
    }

    #[test]
    fn a_configuration_of_kind_has_one_node_on_loopback() {
        let made = cluster(Some("networking: {disableDefaultCNI: true, apiServerAddress: 0.0.0.0}")).unwrap();
        assert_eq!(made["networking"], json!({"disableDefaultCNI": true, "apiServerAddress": "127.0.0.1"}));
        assert_eq!(cluster(None).unwrap()["kind"], "Cluster");
        for (text, why) in [
            ("[]", "not a configuration"),
            ("a: [", "not YAML"),
            ("kind: Pod", "its kind is not"),
            ("nodes: [{role: worker}]", "more nodes"),
            ("nodes: [{role: control-plane}, {role: control-plane}]", "more nodes"),
            ("nodes: [{image: x}]", "names the node's image"),
        ] {
            let said = cluster(Some(text)).unwrap_err().to_string();
            assert!(said.contains(why), "{text}: {said}");
        }
    }
}
