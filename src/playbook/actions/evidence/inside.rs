//! What is only known inside of a pod.

use super::super::{
    ActionError, Class, Live, Plain, Planned, Planning, Target, resource::Targets, size::Size, span::Span,
    unique,
};
use super::containers;
use crate::playbook::op::{Change, Collect, Condition, FieldSet, Op, Outside, Wait};
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

fn a_minute() -> Span {
    Span(60_000)
}

fn five_minutes() -> Span {
    Span(300_000)
}

/// The container that is meant: the one that is named, or the pod's first.
fn container(pod: &Live, named: Option<&String>) -> Result<String, ActionError> {
    let all = containers(pod)?;
    match named {
        Some(name) if all.iter().any(|(it, ..)| it == name) => Ok(name.clone()),
        Some(name) => Err(ActionError::Missing(format!("container {name} in {}", pod.object))),
        None => {
            let first = pod.json["spec"]["containers"][0]["name"].as_str();
            first
                .map(str::to_owned)
                .ok_or_else(|| ActionError::Missing(format!("container in {}", pod.object)))
        }
    }
}

/// Runs a command in a pod.
pub(in crate::playbook::actions) struct Exec;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::playbook::actions) struct ExecArgs {
    /// The pod.
    target: Target,
    /// In which way.
    #[serde(default)]
    mode: Mode,
    /// The container in which it runs, or whose processes an ephemeral one sees; none for the pod's first.
    #[serde(default)]
    container: Option<String>,
    /// The image of an ephemeral container, by its digest: `registry.example.io/tools@sha256:…`.
    #[serde(default)]
    image: Option<String>,
    /// The program and its arguments.
    command: Vec<String>,
    /// How long it may take.
    #[serde(default = "a_minute")]
    within: Span,
    /// No more is kept of what an ephemeral container prints.
    #[serde(default = "usual")]
    limit_bytes: Size,
}

fn usual() -> Size {
    Size(32 << 20)
}

/// In which way a command is run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum Mode {
    /// In a container that is there, with the programs that it has.
    #[default]
    Exec,
    /// In a container that is put into the pod for it, and cannot be taken out again.
    Ephemeral,
}

#[async_trait]
impl Plain for Exec {
    type Args = ExecArgs;
    const NAME: &'static str = "evidence.exec";
    const CLASS: Class = Class::Irreversible;
    const ABOUT: &'static str =
        "Runs a command in a pod, in one of its containers or in an ephemeral one, and keeps what it prints.";

    async fn plan(with: &Planning<'_>, args: ExecArgs) -> Result<Planned, ActionError> {
        if args.command.first().is_none_or(String::is_empty) {
            return Err(ActionError::Arguments(
                "`command` is the program and its arguments, in a list".to_owned(),
            ));
        }
        let pod = with.find(&args.target).await?;
        let container = container(&pod, args.container.as_ref())?;
        let within_ms = args.within.0;
        let mut planned = Planned::default();
        match (args.mode, &args.image) {
            (Mode::Exec, Some(_)) => {
                return Err(ActionError::Arguments("`image` is for `mode: ephemeral` only".to_owned()));
            }
            (Mode::Exec, None) => {
                planned.remarks.push(
                    "what the container's own programs say may be what an intruder wants them to say"
                        .to_owned(),
                );
                let (pod, container, argv) = (pod.object, Some(container), args.command);
                planned.ops.push(Op::Outside(Outside::Exec { pod, container, argv, within_ms }));
            }
            (Mode::Ephemeral, image) => {
                let image = image.as_ref().filter(|it| is_pinned(it)).ok_or_else(|| {
                    let text = "an ephemeral container needs an `image` by its digest, such as registry.example.io/tools@sha256:…";
                    ActionError::Arguments(text.to_owned())
                })?;
                let name = unique(with, &["ephemeral"]);
                let field = put_in(&pod.json, &name, image, &container, &args.command);
                let stays = Some(format!("container {name} stays in {} until the pod goes", pod.object));
                let change = Change::new(pod.object.clone(), field.into_iter().collect());
                planned.ops.push(Op::Change(Change {
                    part: Some("ephemeralcontainers".to_owned()),
                    stays,
                    ..change
                }));
                let until = Condition::Ended { pod: pod.object.clone(), container: name.clone() };
                planned.ops.push(Op::Wait(Wait { until, within_ms }));
                let (pod, limit_bytes) = (pod.object, args.limit_bytes.0);
                planned.ops.push(Op::Collect(Collect::Logs {
                    pod,
                    container: name,
                    previous: false,
                    since: None,
                    limit_bytes,
                }));
            }
        }
        Ok(planned)
    }
}

fn is_pinned(image: &str) -> bool {
    let digest = image.split_once("@sha256:").filter(|(name, _)| !name.is_empty());
    digest.is_some_and(|(_, hex)| {
        hex.len() == 64 && hex.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// The container with everything that the server would fill in: afterwards it is found as it was meant.
fn put_in(pod: &Value, name: &str, image: &str, target: &str, command: &[String]) -> Option<FieldSet> {
    let container = json!({
        "name": name, "image": image, "command": command, "targetContainerName": target,
        "imagePullPolicy": "IfNotPresent", "resources": {},
        "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
    });
    let entry = FieldSet::entry(&json!({"name": name}));
    FieldSet::of(pod, &["spec", "ephemeralContainers", &entry], Some(container))
}

/// Keeps files of a pod.
pub(in crate::playbook::actions) struct Files;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::playbook::actions) struct FilesArgs {
    /// The pod.
    target: Target,
    /// The container; none for the pod's first.
    #[serde(default)]
    container: Option<String>,
    /// The file or directory, from the root on.
    path: String,
    /// No more is kept.
    #[serde(default = "plenty")]
    max_bytes: Size,
    /// How long it may take.
    #[serde(default = "five_minutes")]
    within: Span,
}

fn plenty() -> Size {
    Size(256 << 20)
}

#[async_trait]
impl Plain for Files {
    type Args = FilesArgs;
    const NAME: &'static str = "evidence.files";
    const CLASS: Class = Class::Read;
    const ABOUT: &'static str =
        "Keeps a file or a directory of a container, packed by the container's own tar.";

    async fn plan(with: &Planning<'_>, args: FilesArgs) -> Result<Planned, ActionError> {
        if !args.path.starts_with('/') || args.path.contains('\0') {
            return Err(ActionError::Arguments(format!(
                "`{}` does not begin at the root: write /var/log/app",
                args.path
            )));
        }
        let pod = with.find(&args.target).await?;
        let container = container(&pod, args.container.as_ref())?;
        let (pod, path, most_bytes, within_ms) = (pod.object, args.path, args.max_bytes.0, args.within.0);
        let files = Collect::Files { pod, container, path, most_bytes, within_ms };
        let remarks =
            vec!["the container's own tar packs it: without one there is nothing to keep".to_owned()];
        Ok(Planned { ops: vec![Op::Collect(files)], remarks, result: None })
    }
}

/// Has the kubelet write checkpoints.
pub(in crate::playbook::actions) struct Checkpoint;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::playbook::actions) struct CheckpointArgs {
    /// The pod, or several.
    target: Targets,
    /// The container; `*`, or none, for all that run.
    #[serde(default)]
    container: Option<String>,
    /// How long each may take.
    #[serde(default = "five_minutes")]
    within: Span,
}

#[async_trait]
impl Plain for Checkpoint {
    type Args = CheckpointArgs;
    const NAME: &'static str = "evidence.checkpoint";
    const CLASS: Class = Class::Irreversible;
    const ABOUT: &'static str =
        "Has the kubelet write the memory and files of containers to the disk of their node; they run on.";

    async fn plan(with: &Planning<'_>, args: CheckpointArgs) -> Result<Planned, ActionError> {
        let mut planned = Planned::default();
        for pod in args.target.find(with).await? {
            let Some(node) = pod.json["spec"]["nodeName"].as_str() else {
                return Err(ActionError::Refused(format!("{} is on no node", pod.object)));
            };
            let wanted = args.container.as_ref().filter(|name| *name != "*");
            let all = match wanted {
                Some(name) => vec![container(&pod, Some(name))?],
                None => running(&pod.json),
            };
            if all.is_empty() {
                planned.remarks.push(format!("no container of {} runs", pod.object));
            }
            for container in all {
                let (pod, node, within_ms) = (pod.object.clone(), node.to_owned(), args.within.0);
                planned.ops.push(Op::Outside(Outside::Checkpoint { pod, node, container, within_ms }));
            }
        }
        planned.remarks.push("the checkpoint stays on the disk of the node, and holds every secret that the container has in memory: fetch it, and delete it there".to_owned());
        Ok(planned)
    }
}

fn running(pod: &Value) -> Vec<String> {
    let all = pod["status"]["containerStatuses"].as_array().into_iter().flatten();
    all.filter(|it| it["state"]["running"].is_object())
        .filter_map(|it| it["name"].as_str().map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_named_by_its_digest_or_not_run() {
        let digest = "0".repeat(64);
        assert!(is_pinned(&format!("registry.example.io/ir@sha256:{digest}")));
        for loose in [
            "registry.example.io/ir:latest",
            "registry.example.io/ir@sha256:0",
            &format!("@sha256:{digest}"),
            &format!("x@sha256:{digest}0"),
        ] {
            assert!(!is_pinned(loose), "{loose}");
        }
    }

    #[test]
    fn only_containers_that_run_have_memory() {
        let pod = json!({"status": {"containerStatuses": [
            {"name": "a", "state": {"running": {}}}, {"name": "b", "state": {"waiting": {}}}]}});
        assert_eq!(running(&pod), ["a"]);
    }
}
