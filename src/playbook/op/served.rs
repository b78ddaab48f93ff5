//! What pods answer: over HTTP, or to a command.

use super::{Doing, OpError, unready};
use crate::source::kube::{Attempt, ResourceType};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{fmt, time::Duration};

/// An answer takes no longer, or it is asked for again. The last try has so long as well: why it failed is what people want to know.
const ONE_TRY: Duration = Duration::from_secs(10);
/// So much of a wrong answer is told.
const TOLD: usize = 200;

/// Something that a pod of a service or a workload has to answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Served {
    /// Where the pods are.
    pub namespace: String,
    /// Their labels, as a selector: of those that are ready then, one is asked.
    pub labels: String,
    /// What it is asked.
    pub asked: Asked,
}

/// What a pod is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asked {
    /// A `GET` through a port that is forwarded, without TLS.
    Http {
        /// The port on which it listens.
        port: u16,
        /// The path, and the query.
        path: String,
        /// Which answers are right; none for 200 to 299.
        expect: Vec<u16>,
        /// What the answer has to contain.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        contains: Option<String>,
    },
    /// A command, which has to end with 0.
    Command {
        /// The container; none for the pod's first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        container: Option<String>,
        /// The program and its arguments.
        argv: Vec<String>,
    },
}

fn pods() -> ResourceType {
    ResourceType {
        group: String::new(),
        version: "v1".to_owned(),
        resource: "pods".to_owned(),
        kind: "Pod".to_owned(),
        namespaced: true,
        versions: vec!["v1".to_owned()],
    }
}

impl Served {
    pub(super) fn rights(&self) -> Vec<Attempt> {
        let way = match self.asked {
            Asked::Http { .. } => "portforward",
            Asked::Command { .. } => "exec",
        };
        let on_pods = |verb: &str, part: Option<&str>| Attempt {
            verb: verb.to_owned(),
            group: String::new(),
            resource: "pods".to_owned(),
            subresource: part.map(str::to_owned),
            namespace: Some(self.namespace.clone()),
            name: None,
        };
        vec![on_pods("list", None), on_pods("create", Some(way))]
    }

    /// Does it only look?
    pub(super) fn reads(&self) -> bool {
        matches!(self.asked, Asked::Http { .. })
    }

    /// Asks once: what was answered, or what lacks.
    ///
    /// # Errors
    /// When there is no cluster.
    pub(super) async fn ask(
        &self,
        with: &Doing<'_>,
        left: Duration,
    ) -> Result<Result<String, String>, OpError> {
        let pod = match self.ready_pod(with).await? {
            Ok(pod) => pod,
            Err(lacking) => return Ok(Err(lacking)),
        };
        let place = (self.namespace.as_str(), pod.as_str());
        let cluster = with.cluster()?;
        Ok(match &self.asked {
            Asked::Http { port, path, expect, contains } => {
                match cluster.get_from_pod(place, *port, path, ONE_TRY).await {
                    Ok((status, body)) => fits(status, &body, expect, contains.as_deref())
                        .map(|()| format!("pod {pod} answered {status}")),
                    Err(why) => Err(format!("pod {pod}: {why}")),
                }
            }
            Asked::Command { container, argv } => {
                match cluster.run_in_pod(place, container.as_deref(), argv, left.max(ONE_TRY)).await {
                    Ok(()) => Ok(format!("it ended with 0 in pod {pod}")),
                    Err((why, printed)) => Err(format!("in pod {pod} {why}: {}", short(printed.trim()))),
                }
            }
        })
    }

    /// The first of the pods that is ready.
    async fn ready_pod(&self, with: &Doing<'_>) -> Result<Result<String, String>, OpError> {
        let mut list = with.cluster()?.selected(&pods(), Some(&self.namespace), Some(&self.labels), None);
        let mut lacking = "there is no such pod".to_owned();
        loop {
            match list.next().await {
                Err(refusal) => return Ok(Err(refusal.to_string())),
                Ok(None) => return Ok(Err(lacking)),
                Ok(Some(page)) => {
                    for pod in page {
                        let json: Value = serde_json::from_slice(&pod.json).unwrap_or_default();
                        let goes = json["metadata"]["deletionTimestamp"].is_string();
                        match unready(&json) {
                            None if !goes => return Ok(Ok(pod.name)),
                            None => lacking = format!("pod {} is on its way out", pod.name),
                            Some(why) => lacking = format!("pod {} is not ready: {why}", pod.name),
                        }
                    }
                }
            }
        }
    }
}

/// Is an answer right?
fn fits(status: u16, body: &str, expect: &[u16], contains: Option<&str>) -> Result<(), String> {
    let right = match expect {
        [] => (200..300).contains(&status),
        some => some.contains(&status),
    };
    if !right {
        return Err(format!("the answer was {status}: {}", short(body)));
    }
    match contains {
        Some(text) if !body.contains(text) => {
            Err(format!("the answer, {status}, does not contain `{text}`: {}", short(body)))
        }
        _ => Ok(()),
    }
}

fn short(text: &str) -> String {
    match text.char_indices().nth(TOLD) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl fmt::Display for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Served { namespace, labels, asked } = self;
        match asked {
            Asked::Http { port, path, .. } => {
                write!(f, "wait until a pod of {namespace} with {labels} answers GET :{port}{path}")
            }
            Asked::Command { argv, .. } => {
                write!(f, "wait until `{}` ends with 0 in a pod of {namespace} with {labels}", argv.join(" "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_right_by_status_and_by_what_they_contain() {
        assert_eq!(fits(204, "", &[], None), Ok(()));
        assert_eq!(fits(503, "", &[503], None), Ok(()));
        assert_eq!(fits(200, "fresh bread", &[], Some("bread")), Ok(()));
        assert!(fits(302, "moved", &[], None).unwrap_err().contains("302: moved"));
        assert!(fits(200, "", &[503], None).is_err());
        assert!(fits(200, "stale", &[], Some("bread")).unwrap_err().contains("does not contain `bread`"));
        assert_eq!(short(&"é".repeat(300)).chars().count(), TOLD + 1);
    }
}
