//! A kubeconfig with one context and nothing else: whoever is given it reaches that cluster, and no other by mistake.

use super::super::StagingError;
use serde_json::{Value, json};
use std::path::Path;

/// Takes a context out of a kubeconfig. Paths in it are relative to the directory that the file is in.
///
/// # Errors
/// When it is no kubeconfig, or lacks the context or what that names. Nothing of what is in it is told: it holds keys.
pub(super) fn only(text: &str, context: &str, file: &Path) -> Result<Value, StagingError> {
    let wrong = |reason: String| {
        StagingError::Refused(format!(
            "{} (staging.existing.kubeconfig of the drill's file): {reason}",
            file.display()
        ))
    };
    let config: Value = serde_yaml::from_str(text).map_err(|e| {
        let line = e.location().map_or(String::new(), |place| format!(" (line {})", place.line()));
        wrong(format!("it is not the YAML of a kubeconfig{line}"))
    })?;
    let named = |list: &str, what: &str, name: &str| {
        let all = config[list].as_array();
        let found = all.into_iter().flatten().find(|it| it["name"] == name);
        found.cloned().ok_or_else(|| wrong(format!("it has no {what} `{name}`")))
    };
    let chosen = named("contexts", "context", context)?;
    let name = |field: &str| {
        let name = chosen["context"][field].as_str();
        name.ok_or_else(|| wrong(format!("its context `{context}` names no {field}")))
    };
    let mut cluster = named("clusters", "cluster", name("cluster")?)?;
    let mut user = named("users", "user", name("user")?)?;
    let base = file.parent().unwrap_or(Path::new("/"));
    let absolute = |value: Option<&mut Value>, always: bool| {
        let Some(value) = value else { return };
        // A bare name of a program is looked for in PATH.
        if let Some(path) = value.as_str().filter(|it| !it.is_empty() && (always || it.contains('/'))) {
            *value = base.join(path).display().to_string().into();
        }
    };
    absolute(cluster.pointer_mut("/cluster/certificate-authority"), true);
    for way in ["/user/client-certificate", "/user/client-key", "/user/tokenFile"] {
        absolute(user.pointer_mut(way), true);
    }
    absolute(user.pointer_mut("/user/exec/command"), false);
    Ok(json!({
        "apiVersion": "v1", "kind": "Config", "current-context": context,
        "contexts": [chosen], "clusters": [cluster], "users": [user],
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "
current-context: prod
contexts:
- {name: prod, context: {cluster: p, user: p}}
- {name: staging, context: {cluster: s, user: s, namespace: shop}}
- {name: torn, context: {cluster: s}}
- {name: lost, context: {cluster: s, user: nobody}}
clusters:
- {name: p, cluster: {server: 'https://p'}}
- {name: s, cluster: {server: 'https://s', certificate-authority: ca.crt}}
users:
- {name: p, user: {token: hush-p}}
- {name: s, user: {client-key: /abs/key, client-certificate: sub/cert, exec: {command: aws}}}
";

    #[test]
    fn one_context_is_taken_and_nothing_of_the_others() {
        let made = only(TEXT, "staging", Path::new("/home/me/kubeconfig")).unwrap();
        let text = made.to_string();
        assert!(!text.contains("hush-p") && !text.contains("https://p"), "{text}");
        assert_eq!(made["current-context"], "staging");
        assert_eq!(made["clusters"][0]["cluster"]["certificate-authority"], "/home/me/ca.crt");
        let user = &made["users"][0]["user"];
        assert_eq!(
            (&user["client-key"], &user["client-certificate"]),
            (&"/abs/key".into(), &"/home/me/sub/cert".into())
        );
        assert_eq!((&user["exec"]["command"], made["users"].as_array().unwrap().len()), (&"aws".into(), 1));
    }

    #[test]
    fn what_is_missing_is_told_and_no_secret() {
        for (text, context, why) in [
            (TEXT, "none", "no context `none`"),
            (TEXT, "torn", "names no user"),
            (TEXT, "lost", "no user `nobody`"),
            ("users: [hush", "a", "not the YAML"),
            ("just text hush", "a", "no context"),
        ] {
            let said = only(text, context, Path::new("k")).unwrap_err().to_string();
            assert!(said.contains(why) && !said.contains("hush"), "{said}");
        }
    }
}
