//! Whether what runs in staging serves: what pods answer, and what commands in them say.

use super::{
    Check, Results,
    workloads::{LOOK_EVERY, all, held_up},
};
use crate::{
    object::LabelSelector,
    source::kube::{Cluster, Discovery},
};
use serde_json::Value;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// What a pod has to answer.
#[derive(Debug, Clone)]
pub struct Probe {
    /// The check's name.
    pub name: String,
    /// Where the pod is.
    pub namespace: String,
    /// Pods with fitting labels; of those that are ready one is asked.
    pub labels: LabelSelector,
    /// The port on which it listens.
    pub port: u16,
    /// What is asked for.
    pub path: String,
    /// The status that is right.
    pub status: u16,
    /// What the answer has to contain.
    pub contains: Option<String>,
    /// How long it may take until the answer is right.
    pub within: Duration,
}

/// A command in a pod.
#[derive(Debug, Clone)]
pub struct Exec {
    /// The check's name.
    pub name: String,
    /// Where the pod is.
    pub namespace: String,
    /// Pods with fitting labels; it runs in one of those that are ready.
    pub labels: LabelSelector,
    /// In which container; none for the pod's first.
    pub container: Option<String>,
    /// The program and its arguments; no shell is between.
    pub argv: Vec<String>,
    /// How long it may take, together with the wait for a pod that is ready.
    pub timeout: Duration,
}

/// The name of a pod with these labels that is ready.
async fn ready_pod(
    namespace: &str,
    labels: &LabelSelector,
    cluster: &Cluster,
    kinds: &Discovery,
) -> Result<String, String> {
    let kind = kinds.find("", "pods").ok_or("staging serves no pods")?;
    let pods = all(cluster, kind, namespace).await?;
    let fits = |pod: &&Value| labels.matches(pod) && held_up(pod).is_none();
    let name = pods.iter().find(fits).and_then(|pod| pod["metadata"]["name"].as_str());
    name.map(str::to_owned).ok_or_else(|| "no pod is ready".to_owned())
}

/// Runs commands in pods, one after the other. A command runs once: it may well change something.
pub(in crate::drill) async fn execs(
    asks: &[Exec],
    cluster: &Cluster,
    kinds: &Discovery,
    results: &mut Results,
) {
    for ask in asks {
        let began = Instant::now();
        let line = ask.argv.join(" ");
        let expected = format!("`{line}` in a pod ends with 0 within {} s", ask.timeout.as_secs());
        let mut check = Check::new(&ask.name, expected);
        let pod = loop {
            let pod = ready_pod(&ask.namespace, &ask.labels, cluster, kinds).await;
            if pod.is_ok() || began.elapsed() >= ask.timeout {
                break pod;
            }
            sleep(LOOK_EVERY).await;
        };
        let left = ask.timeout.saturating_sub(began.elapsed()).max(LOOK_EVERY);
        let ran = match &pod {
            Ok(pod) => {
                cluster.run_in_pod((&ask.namespace, pod), ask.container.as_deref(), &ask.argv, left).await
            }
            Err(why) => Err((why.clone(), String::new())),
        };
        let actual = match ran {
            Ok(()) => "it ended with 0".to_owned(),
            Err((why, said)) => {
                let names = vec![(format!("{} {line}", ask.namespace), said)];
                check.group(format!("it did not: {why}"), 0, None, names);
                why
            }
        };
        results.end(check, actual, began.elapsed());
    }
}

/// Asks pods, one after the other.
pub(in crate::drill) async fn probes(
    asks: &[Probe],
    cluster: &Cluster,
    kinds: &Discovery,
    results: &mut Results,
) {
    for ask in asks {
        let began = Instant::now();
        let holding = ask.contains.as_ref().map(|_| " and a body that holds the text").unwrap_or_default();
        let expected = format!(
            "a pod answers on port {} with status {}{holding} within {} s",
            ask.port,
            ask.status,
            ask.within.as_secs()
        );
        let mut check = Check::new(&ask.name, expected);
        let mut last = (Err("no pod is ready".to_owned()), String::new());
        while began.elapsed() < ask.within {
            last = probe(ask, cluster, kinds).await;
            if last.0.is_ok() {
                break;
            }
            sleep(LOOK_EVERY).await;
        }
        let actual = match last {
            (Ok(status), _) => format!("it answered with status {status}"),
            (Err(why), said) => {
                let names = vec![(format!("{} {}", ask.namespace, ask.path), said)];
                check.group(why.clone(), 0, None, names);
                why
            }
        };
        results.end(check, actual, began.elapsed());
    }
}

/// One question: the status if the answer is right; else why it is not, and what was said.
async fn probe(ask: &Probe, cluster: &Cluster, kinds: &Discovery) -> (Result<u16, String>, String) {
    let pod = match ready_pod(&ask.namespace, &ask.labels, cluster, kinds).await {
        Ok(pod) => pod,
        Err(why) => return (Err(why), String::new()),
    };
    let within = Duration::from_secs(10).min(ask.within);
    match cluster.get_from_pod((&ask.namespace, &pod), ask.port, &ask.path, within).await {
        Err(why) => (Err(why), pod),
        Ok((status, body)) if status != ask.status => (Err(format!("the status is {status}")), short(&body)),
        Ok((status, body)) => match &ask.contains {
            Some(text) if !body.contains(text.as_str()) => {
                (Err("the answer does not hold the text".to_owned()), short(&body))
            }
            _ => (Ok(status), String::new()),
        },
    }
}

fn short(body: &str) -> String {
    body.chars().take(300).collect()
}
