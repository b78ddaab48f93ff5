use super::{Policy, are_there, list};
use crate::playbook::actions::{ActionError, Class, Plain, Planned, Planning};
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

/// Lets no pod run an image.
pub(in crate::playbook::actions) struct BlockImage;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::playbook::actions) struct BlockArgs {
    /// Digests: `sha256:…`.
    #[serde(default)]
    digests: Vec<String>,
    /// Repositories, and everything below them: `registry.example.io/team/app`.
    #[serde(default)]
    repos: Vec<String>,
    /// Only in these namespaces; everywhere when there are none.
    #[serde(default)]
    namespaces: Vec<String>,
}

#[async_trait]
impl Plain for BlockImage {
    type Args = BlockArgs;
    const NAME: &'static str = "image.block";
    const CLASS: Class = Class::Undoable;
    const ABOUT: &'static str =
        "Has the API server refuse pods, and debug containers, of these digests or repositories.";

    async fn plan(with: &Planning<'_>, args: BlockArgs) -> Result<Planned, ActionError> {
        if args.digests.is_empty() && args.repos.is_empty() {
            return Err(ActionError::Arguments(
                "neither `digests` nor `repos` says what is blocked".to_owned(),
            ));
        }
        if let Some(wrong) = args.digests.iter().find(|it| !is_digest(it)) {
            return Err(ActionError::Arguments(format!(
                "`{wrong}` is no digest: write sha256: and 64 hexadecimal digits"
            )));
        }
        if let Some(wrong) =
            args.repos.iter().find(|it| it.trim_matches('/').is_empty() || it.contains(['@', ' ']))
        {
            return Err(ActionError::Arguments(format!(
                "`{wrong}` is no repository, such as registry.example.io/team/app"
            )));
        }
        are_there(with, &args.namespaces).await?;
        let mut remarks = vec![
            "pods that run already go on: find them with resource.find, and delete or isolate them"
                .to_owned(),
        ];
        if !args.digests.is_empty() {
            remarks.push(
                "a tag that leads to a blocked digest gets through: block its repository as well".to_owned(),
            );
        }
        Ok(Planned { ops: policy(args).ops(with)?, remarks, result: None })
    }
}

fn is_digest(text: &str) -> bool {
    let hex = text.strip_prefix("sha256:");
    hex.is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f')))
}

fn policy(args: BlockArgs) -> Policy {
    let repos: Vec<String> = args.repos.iter().flat_map(|it| spellings(it)).collect();
    let all = |object: &str| {
        let of = |name: &str| {
            let path = format!("{object}.spec.{name}");
            format!("(has({path}) ? {path}.map(c, c.image) : [])")
        };
        ["containers", "initContainers", "ephemeralContainers"].map(of).join(" + ")
    };
    // Whoever labels a pod that runs already, or takes a finalizer from it, changes none of its images.
    let had = format!("oldObject == null ? [] : ({})", all("oldObject"));
    let blocked = format!(
        "{}.exists(d, i.contains(d)) || {}.exists(r, i == r || i.startsWith(r + ':') || i.startsWith(r + '@') || i.startsWith(r + '/'))",
        list(&args.digests),
        list(&repos)
    );
    let what = [args.digests, args.repos].concat().join(", ");
    Policy {
        rules: vec![json!({"apiGroups": [""], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"],
            "resources": ["pods", "pods/ephemeralcontainers"], "scope": "Namespaced"})],
        except: Vec::new(),
        namespaces: args.namespaces,
        variables: vec![
            json!({"name": "images", "expression": all("object")}),
            json!({"name": "had", "expression": had}),
        ],
        expression: format!("variables.images.all(i, i in variables.had || !({blocked}))"),
        message: format!("an image is blocked by an incident playbook: {what}"),
    }
}

/// Every way to write a repository: that of Docker is left out by most people, wholly or in part.
fn spellings(repo: &str) -> Vec<String> {
    let repo = repo.trim_end_matches('/');
    let docker = ["docker.io/", "index.docker.io/", "registry-1.docker.io/"]
        .iter()
        .find_map(|it| repo.strip_prefix(it));
    let first = repo.split('/').next().unwrap_or_default();
    let has_host = repo.contains('/') && (first.contains(['.', ':']) || first == "localhost");
    let path = match docker {
        Some(path) => path,
        None if has_host || (!repo.contains('/') && repo.contains(['.', ':'])) => {
            return vec![repo.to_owned()];
        }
        None => repo,
    };
    let short = path.strip_prefix("library/").unwrap_or(path);
    let long = if short.contains('/') { short.to_owned() } else { format!("library/{short}") };
    let mut found = vec![short.to_owned(), long.clone()];
    for host in ["docker.io", "index.docker.io", "registry-1.docker.io"] {
        found.extend([format!("{host}/{short}"), format!("{host}/{long}")]);
    }
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Expression;
    use serde_json::Value;

    /// The policy's answer, with its variables worked out one after the other, as the API server does it.
    fn lets_through(args: &Value, object: Value, old: Value) -> bool {
        let policy = policy(serde_json::from_value(args.clone()).unwrap());
        let mut variables = json!({});
        for it in &policy.variables {
            let text = it["expression"].as_str().unwrap();
            let value = Expression::parse(text)
                .unwrap()
                .evaluate(&[("object", &object), ("oldObject", &old)])
                .unwrap();
            variables[it["name"].as_str().unwrap()] = value;
        }
        Expression::parse(&policy.expression).unwrap().holds("variables", &variables).unwrap()
    }

    #[test]
    fn blocked_images_are_refused_and_no_others() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let args =
            json!({"digests": [digest], "repos": ["registry.example.io/bad", "docker.io/library/evil"]});
        let pod = |image: &str| json!({"spec": {"containers": [{"image": "ok"}], "initContainers": [{"image": image}]}});
        for (image, wanted) in [
            ("registry.example.io/good:1", true),
            ("registry.example.io/bad:1", false),
            ("registry.example.io/bad", false),
            ("registry.example.io/bad@sha256:1", false),
            ("registry.example.io/bad/deeper:1", false),
            ("registry.example.io/badly:1", true),
            ("evil", false),
            ("evil:1", false),
            ("library/evil", false),
            ("docker.io/evil:2", false),
            ("other.example.io/evil", true),
            (&format!("x@{digest}"), false),
        ] {
            assert_eq!(lets_through(&args, pod(image), Value::Null), wanted, "{image}");
        }
        // A debug container in a pod that has none of it.
        let debugged =
            json!({"spec": {"containers": [{"image": "ok"}], "ephemeralContainers": [{"image": "evil"}]}});
        assert!(!lets_through(&args, debugged, json!({"spec": {"containers": [{"image": "ok"}]}})));
        // One that runs already may be relabelled.
        assert!(lets_through(&args, pod("evil"), pod("evil")));
    }

    #[test]
    fn a_registry_is_not_taken_for_a_repository_of_docker() {
        assert_eq!(spellings("registry.example.io/a/b/"), ["registry.example.io/a/b"]);
        assert_eq!(spellings("localhost:5000/a"), ["localhost:5000/a"]);
        assert_eq!(spellings("registry.example.io"), ["registry.example.io"]);
        assert!(spellings("evil").contains(&"docker.io/library/evil".to_owned()));
        assert!(spellings("team/app").contains(&"index.docker.io/team/app".to_owned()));
        assert!(!spellings("team/app").iter().any(|it| it.contains("library")));
        assert!(is_digest(&format!("sha256:{}", "0".repeat(64))) && !is_digest("sha256:0"));
    }
}
