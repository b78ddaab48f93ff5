//! From what is written to what would be done.

use super::{
    Deferred, Finding, Gate, Level, Order, Own, Plan, PlannedOp, PlannedStep, PlannedWhat, PlaybookFacts,
    TargetFacts, guard, rights,
};
use crate::{
    object::Expression,
    playbook::{
        actions::{self, Class, Planning},
        brought::{Brought, slim},
        inputs::inputs,
        model::{Approve, Playbook, RunsOn, Step, Template, What},
        op::Tried,
        scope::{NoValue, Scope},
    },
    point::ToolFacts,
};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A list that is longer is refused: who means so many objects says so in a selector of an action.
const MOST_ITEMS: usize = 1000;
/// A plan of more steps than that is refused.
const MOST_STEPS: usize = 20_000;

/// Makes the plan of a run. It changes nothing. What speaks against the plan is in its findings.
///
/// # Errors
/// When there is no plan: the playbook was told something wrong, or the cluster does not answer.
pub async fn plan(order: &Order<'_>) -> Result<Plan, Vec<String>> {
    let with = order.planning("params");
    let (own, target) = match (order.playbook.runs_on, order.cluster, order.host) {
        (RunsOn::Cluster, Some(cluster), _) => {
            let (own, facts) = tokio::join!(Own::look(cluster), cluster.facts());
            let own = own.map_err(|why| vec![why])?;
            (own, Some((cluster, facts.map_err(|e| vec![e.to_string()])?)))
        }
        (RunsOn::Host, None, Some(_)) => (Own::on_host(), None),
        (RunsOn::Cluster, None, _) => return Err(vec!["it needs an API server".to_owned()]),
        (RunsOn::Host, ..) => return Err(vec!["it runs on a host (`runsOn: host`)".to_owned()]),
    };
    let about = async {
        match &target {
            Some((_, facts)) => own.cluster_facts(&with, facts).await,
            None => Value::Null,
        }
    };
    let given = inputs(&order.playbook.params, &order.given, &with, Some(order.equipment));
    let (given, about) = tokio::join!(given, about);
    let given = given?;
    let run = json!({
        "id": order.run.as_str(), "playbook": order.playbook.name, "by": order.by,
        "started": order.now.to_string(), "identity": own.name,
    });
    let mut scope = Scope::new(given.values.clone(), run, about);
    let mut walk = Walk { order, findings: Vec::new(), steps: 0 };
    for requirement in &order.playbook.guards.require {
        match scope.holds(&requirement.expr) {
            Ok(true) => {}
            Ok(false) => walk.error(None, requirement.message.clone()),
            Err(e) => walk
                .error(None, format!("{}: `{}` has no answer: {e}", requirement.message, requirement.expr)),
        }
    }
    let concurrency = match &order.playbook.concurrency {
        Some(key) => match scope.resolve(key) {
            Ok(Value::String(key)) => Some(key),
            Ok(other) => Some(other.to_string()),
            Err(e) => return Err(vec![format!("concurrency.key: {e}")]),
        },
        None => None,
    };
    let steps = walk.all(&order.playbook.steps, &mut scope, "").await;
    let always = walk.all(&order.playbook.always, &mut scope, "").await;
    let mut plan = Plan {
        run: order.run.clone(),
        playbook: PlaybookFacts {
            name: order.playbook.name.clone(),
            description: order.playbook.description.clone(),
            sha256: order.sha256,
        },
        target: TargetFacts {
            cluster: order.equipment.catalogue.cluster().to_owned(),
            server: match (&target, order.host) {
                (Some((cluster, _)), _) => cluster.server().to_owned(),
                (None, host) => format!("none (host {})", host.map_or("", |host| host.name.as_str())),
            },
            uid: target.and_then(|(_, facts)| facts.uid),
            identity: own.name.clone(),
            host: order.host.map(|host| host.name.clone()),
        },
        made_at: order.now,
        by: order.by.clone(),
        tool: ToolFacts::current(),
        params: given.values.iter().map(|(name, value)| (name.clone(), slim(value))).collect(),
        concurrency,
        timeout_ms: order.playbook.timeout.map(|it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX)),
        evidence_required: order.playbook.evidence.required,
        protected_namespaces: order.playbook.guards.protected_namespaces.clone(),
        encrypt_to: order.playbook.evidence.encrypt_to.clone(),
        steps,
        always,
        findings: walk.findings,
    };
    rights::look(&mut plan, order).await;
    guard::look(&mut plan, order, &own, &with).await;
    Ok(plan)
}

struct Walk<'a, 'b> {
    order: &'a Order<'b>,
    findings: Vec<Finding>,
    steps: usize,
}

/// A step without anything to do, to be filled.
fn blank(step: &Step, id: String, playbook: &Playbook) -> PlannedStep {
    let millis = |it: std::time::Duration| u64::try_from(it.as_millis()).unwrap_or(u64::MAX);
    PlannedStep {
        id,
        phase: step.phase,
        when: None,
        skipped: None,
        gate: None,
        register: step.register.clone(),
        result: None,
        retries: step.retry.map_or(0, |retry| retry.limit),
        backoff_ms: step.retry.map_or(0, |retry| millis(retry.backoff.duration)),
        backoff_factor: step.retry.map_or(1, |retry| retry.backoff.factor),
        timeout_ms: step.timeout.map(millis),
        on_failure: step.on_failure.unwrap_or(playbook.on_failure),
        undo: step.undo,
        what: PlannedWhat::Nothing,
        remarks: Vec::new(),
    }
}

impl<'a> Walk<'a, '_> {
    fn error(&mut self, step: Option<&str>, message: String) {
        self.findings.push(Finding { level: Level::Error, step: step.map(str::to_owned), message });
    }

    async fn all(&mut self, steps: &'a [Step], scope: &mut Scope, prefix: &str) -> Vec<PlannedStep> {
        let mut planned = Vec::new();
        for step in steps {
            planned.push(self.step(step, scope, prefix).await);
        }
        planned
    }

    fn step<'s>(
        &'s mut self,
        step: &'a Step,
        scope: &'s mut Scope,
        prefix: &'s str,
    ) -> BoxFuture<'s, PlannedStep> {
        Box::pin(async move {
            let id = format!("{prefix}{}", step.id);
            self.steps += 1;
            if self.steps > MOST_STEPS {
                let mut planned = blank(step, id.clone(), self.order.playbook);
                planned.skipped = Some("the plan has too many steps".to_owned());
                if self.steps == MOST_STEPS + 1 {
                    self.error(Some(&id), format!("the plan has more than {MOST_STEPS} steps"));
                }
                return planned;
            }
            let (planned, brought) = match &step.for_each {
                None => self.once(step, id, scope).await,
                Some(list) => self.each(step, id, list, scope).await,
            };
            if let Some(name) = &step.register {
                match brought {
                    Some(brought) if planned.gate.is_none() => scope.bring(name, brought),
                    _ if planned.skipped.is_some() => scope.bring(name, Value::Null),
                    _ => scope.will_bring(name),
                }
            }
            planned
        })
    }

    /// The same for every entry of a list.
    async fn each(
        &mut self,
        step: &'a Step,
        id: String,
        list: &Expression,
        scope: &mut Scope,
    ) -> (PlannedStep, Option<Brought>) {
        let mut planned = blank(step, id.clone(), self.order.playbook);
        let items = match scope.value(list) {
            Ok(Value::Array(items)) if items.len() > MOST_ITEMS => {
                self.error(
                    Some(&id),
                    format!("its list has {} entries, and {MOST_ITEMS} are the most", items.len()),
                );
                return (planned, None);
            }
            Ok(Value::Array(items)) => items,
            Ok(_) => {
                self.error(Some(&id), format!("forEach: `{list}` is no list"));
                return (planned, None);
            }
            Err(NoValue::Later(name)) => {
                let text = format!(
                    "forEach asks for `vars.{name}`, which only the run will know: its steps cannot be planned"
                );
                self.error(Some(&id), text);
                return (planned, None);
            }
            Err(e) => {
                self.error(Some(&id), format!("forEach: `{list}`: {e}"));
                return (planned, None);
            }
        };
        let (mut steps, mut all) = (Vec::new(), Vec::new());
        for (at, item) in items.into_iter().enumerate() {
            let mut inner = scope.with_item(item);
            let (mut one, brought) = self.once(step, format!("{id}[{at}]"), &mut inner).await;
            one.register = None;
            all.push(brought.map(|it| it.value()));
            steps.push(one);
        }
        if steps.is_empty() {
            planned.skipped = Some("its list is empty".to_owned());
        }
        let all: Option<Value> = all.into_iter().collect();
        planned.result = all.as_ref().map(slim);
        planned.what = PlannedWhat::Sequence { steps, rescue: Vec::new() };
        (planned, all.map(Brought::Value))
    }

    async fn once(
        &mut self,
        step: &'a Step,
        id: String,
        scope: &mut Scope,
    ) -> (PlannedStep, Option<Brought>) {
        let mut brought = None;
        let mut planned = blank(step, id.clone(), self.order.playbook);
        if let Some(when) = &step.when {
            match scope.holds(when) {
                Ok(true) => {}
                Ok(false) => {
                    planned.skipped = Some(format!("`{when}` does not hold"));
                    return (planned, None);
                }
                Err(NoValue::Later(_)) => planned.when = Some(when.text().to_owned()),
                Err(e) => {
                    self.error(Some(&id), format!("when: `{when}`: {e}"));
                    return (planned, None);
                }
            }
        }
        if let Some(approve) = &step.approve {
            planned.gate = self.gate(approve, &id, scope);
        }
        match &step.what {
            None => {}
            Some(What::Action { name, args }) => brought = self.action(&mut planned, name, args, scope).await,
            Some(What::Parallel(steps)) => {
                let inner = self.all(steps, scope, "").await;
                planned.what = PlannedWhat::Parallel { steps: inner };
            }
            Some(What::Block { steps, rescue }) => {
                let steps = self.all(steps, scope, "").await;
                let rescue = self.all(rescue, scope, "").await;
                planned.what = PlannedWhat::Sequence { steps, rescue };
            }
            Some(What::Manual { instructions, evidence }) => match scope.text(instructions) {
                Ok(instructions) => {
                    planned.what = PlannedWhat::Manual { instructions, evidence: evidence.clone() };
                }
                Err(e) => self.error(Some(&id), format!("manual: {e}")),
            },
            Some(What::Playbook { name, args }) => self.call(&mut planned, name, args, scope).await,
        }
        planned.result = brought.as_ref().map(Brought::slim);
        (planned, brought)
    }

    fn gate(&mut self, approve: &Approve, id: &str, scope: &Scope) -> Option<Gate> {
        match scope.text(&approve.prompt) {
            Ok(prompt) => Some(Gate {
                prompt,
                min_approvals: approve.min_approvals,
                groups: approve.groups.clone(),
                not_initiator: approve.not_initiator,
                timeout_ms: u64::try_from(approve.timeout.as_millis()).unwrap_or(u64::MAX),
                on_timeout: approve.on_timeout,
            }),
            Err(e) => {
                self.error(Some(id), format!("approve.prompt: {e}"));
                None
            }
        }
    }

    async fn action(
        &mut self,
        planned: &mut PlannedStep,
        name: &str,
        args: &Template,
        scope: &Scope,
    ) -> Option<Brought> {
        let id = planned.id.clone();
        let Some(action) = actions::find(name) else {
            self.error(Some(&id), format!("there is no action `{name}`"));
            return None;
        };
        let args = match scope.arguments(args) {
            Ok(args) => args,
            Err(NoValue::Later(waits_for)) => {
                // What has no approval of its own and changes something would not be covered by anybody's word.
                if action.class() != Class::Read && planned.gate.is_none() {
                    let text = format!(
                        "it is known only in the run what it does (it asks for `vars.{waits_for}`), and nobody approves it then: give it an `approve`"
                    );
                    self.error(Some(&id), text);
                }
                let (action, class) = (name.to_owned(), action.class());
                let args = args.written();
                planned.what = PlannedWhat::Later(Deferred { action, class, args, item: None, waits_for });
                return None;
            }
            Err(NoValue::Bad(e)) => {
                self.error(Some(&id), format!("args: {e}"));
                return None;
            }
        };
        let with = Planning { step: &id, ..self.order.planning(&id) };
        match action.plan(&with, args).await {
            Ok(made) => {
                planned.remarks = made.remarks;
                let ops = made.ops.into_iter().map(|op| PlannedOp {
                    tried: Tried::NotNeeded,
                    lacks: Vec::new(),
                    undo_lacks: Vec::new(),
                    stays: op.stays(),
                    op,
                });
                planned.what = PlannedWhat::Action {
                    action: name.to_owned(),
                    class: action.class(),
                    ops: ops.collect(),
                };
                made.result
            }
            Err(e) => {
                let level = rights::level(planned);
                let message = format!("{name}: {e}");
                self.findings.push(Finding { level, step: Some(id), message });
                planned.skipped = Some("it cannot be planned".to_owned());
                None
            }
        }
    }

    async fn call(&mut self, planned: &mut PlannedStep, name: &str, args: &Template, scope: &Scope) {
        let id = planned.id.clone();
        let Some(playbook) = self.order.library.get(name) else {
            return self.error(Some(&id), format!("there is no playbook `{name}`"));
        };
        let given = match scope.resolve(args) {
            Ok(Value::Object(fields)) => fields.into_iter().collect(),
            Ok(_) => BTreeMap::new(),
            Err(e) => return self.error(Some(&id), format!("args: {e}")),
        };
        let with = self.order.planning(&id);
        let values: Map<String, Value> =
            match inputs(&playbook.params, &given, &with, Some(self.order.equipment)).await {
                Ok(inputs) => inputs.values,
                Err(all) => return self.error(Some(&id), format!("{name}: {}", all.join("; "))),
            };
        let mut inner = scope.for_call(values);
        for requirement in &playbook.guards.require {
            match inner.holds(&requirement.expr) {
                Ok(true) => {}
                Ok(false) => self.error(Some(&id), format!("{name}: {}", requirement.message)),
                Err(e) => self.error(Some(&id), format!("{name}: `{}`: {e}", requirement.expr)),
            }
        }
        let prefix = format!("{id}/");
        let mut steps = self.all(&playbook.steps, &mut inner, &prefix).await;
        steps.extend(self.all(&playbook.always, &mut inner, &prefix).await);
        planned.what = PlannedWhat::Sequence { steps, rescue: Vec::new() };
    }
}
