//! Expressions: do they parse, and do they ask only for what there is where they stand?

use super::super::decode::Cursor;
use super::super::error::shown;
use super::super::fields::nearest;
use super::super::node::Node;
use super::scope::{Known, Lint, Place, Scope};
use super::values::{either, unknown};
use crate::playbook::model::{Asked, BadTemplate, Expression, FUNCTIONS, RunsOn, Template};
use std::collections::BTreeSet;

/// What a run knows of itself.
const RUN: [&str; 5] = ["id", "playbook", "by", "started", "identity"];
/// What is known of the cluster.
const CLUSTER: [&str; 6] = ["version", "uid", "server", "nodes", "schedulableNodes", "networkPolicyEnforced"];
/// Names of types, which are values in CEL.
const TYPES: [&str; 10] =
    ["bool", "bytes", "double", "dyn", "int", "list", "map", "null_type", "string", "uint"];

/// The variables that something asks for and that have no value before the run is there.
pub(super) type Running = BTreeSet<String>;

impl Lint<'_> {
    /// An expression that is the whole of a field.
    pub(super) fn expression(
        &self,
        at: &Cursor<'_>,
        scope: &Scope,
        place: Place,
    ) -> (Option<Expression>, Running) {
        let nothing = |none: Option<Expression>| (none, Running::new());
        let text = match at.node {
            Node::Text(text) if text.trim().is_empty() => {
                return nothing(at.fail("must be an expression in CEL, and is empty"));
            }
            Node::Text(text) if text.contains("${") => {
                return nothing(at.fail("is an expression already: write it without `${…}`"));
            }
            Node::Text(text) => text.trim(),
            Node::Tagged => {
                return nothing(
                    at.fail("begins with `!`, which marks a tag in YAML: put the expression in quotes"),
                );
            }
            _ => return nothing(at.wrong_type("an expression in CEL")),
        };
        match Expression::parse(text) {
            Ok(expression) => {
                let running = self.asks(at, &expression, scope, place, false);
                (Some(expression), running)
            }
            Err(e) => nothing(at.fail(e.to_string())),
        }
    }

    /// Text that may have `${…}` in it and is shown when the run is planned; no secret can stand in it.
    pub(super) fn text(&self, at: &Cursor<'_>, text: &str, scope: &Scope, place: Place) -> Option<Template> {
        let template = Template::text(text).map_or_else(|e| at.fail(no_template(e)), Some)?;
        for expression in template.expressions() {
            let running = self.asks(at, expression, scope, place, false);
            self.planned(at, &running, "no plan could show this text");
        }
        Some(template)
    }

    /// All texts in a value that may have `${…}` in them.
    pub(super) fn values(&self, at: &Cursor<'_>, scope: &Scope, running: &mut Running) {
        match at.node {
            Node::Text(text) => match Template::text(text) {
                Err(e) => {
                    at.fail::<()>(no_template(e));
                }
                Ok(template) => {
                    let alone = matches!(template, Template::Expression(_));
                    for expression in template.expressions() {
                        running.extend(self.asks(at, expression, scope, Place::Step, alone));
                    }
                }
            },
            Node::List(_) => at.items().iter().for_each(|item| self.values(item, scope, running)),
            Node::Map(_) => {
                let fields = at.named("fields").unwrap_or_default();
                fields.iter().for_each(|field| self.values(&field.value, scope, running));
            }
            _ => {}
        }
    }

    /// Notes what an expression asks for and there is not. `alone`: what it brings is a whole value, and not a part of a text.
    fn asks(
        &self,
        at: &Cursor<'_>,
        expression: &Expression,
        scope: &Scope,
        place: Place,
        alone: bool,
    ) -> Running {
        let (mut running, mut wrong) = (Running::new(), BTreeSet::new());
        for name in expression.unknown_functions() {
            wrong.insert(match nearest(&name, &FUNCTIONS) {
                Some(near) => format!("there is no function `{name}`; did you mean `{near}`?"),
                None => format!("there is no function `{name}` in CEL"),
            });
        }
        for asked in expression.asks() {
            let [root, rest @ ..] = asked.path.as_slice() else { continue };
            let found = match (root.as_str(), rest.first().map(String::as_str)) {
                ("params", name) => {
                    self.asks_param(name, &asked, alone && expression.text().trim() == asked.path.join("."))
                }
                ("vars", name) => self.asks_var(name, scope, &mut running),
                ("run", name) => one_of("run", name, if place == Place::Key { &RUN[1..2] } else { &RUN }),
                ("cluster", _) if self.runs_on == RunsOn::Host => {
                    Err("`cluster` is not known on a host: there is no API server to ask".to_owned())
                }
                ("cluster", name) => one_of("cluster", name, &CLUSTER),
                ("item", _) if scope.item => Ok(()),
                ("item", _) => Err("`item` is only known in a step with `forEach`".to_owned()),
                ("result", _) if place == Place::Expect => Ok(()),
                ("result", _) => {
                    Err("`result` is only known in `expect`, an argument of `assert`".to_owned())
                }
                (name, _) if rest.is_empty() && TYPES.contains(&name) => Ok(()),
                (name, _) => Err(self.nobody(name, scope, place)),
            };
            wrong.extend(found.err());
        }
        wrong.into_iter().for_each(|message| {
            at.fail::<()>(message);
        });
        running
    }

    fn asks_param(&self, name: Option<&str>, asked: &Asked, alone: bool) -> Result<(), String> {
        let Some(name) = name else { return Err(name_one("params")) };
        let Some(param) = self.param(name) else {
            let names: Vec<&str> = self.params.iter().map(|param| param.name.as_str()).collect();
            return Err(match nearest(name, &names) {
                Some(near) => format!("`params.{name}` is not declared; did you mean `params.{near}`?"),
                None => format!("`params.{name}` is not declared in `spec.params`"),
            });
        };
        let exact = asked.path.len() == 2;
        match param.is_secret() && !(exact && (asked.tested || alone)) {
            true => Err(format!(
                "`params.{name}` is a secret: it may only stand alone in an argument, as `${{params.{name}}}`; elsewhere \
                 `has(params.{name})` tells whether it was given"
            )),
            false => Ok(()),
        }
    }

    fn asks_var(&self, name: Option<&str>, scope: &Scope, running: &mut Running) -> Result<(), String> {
        let Some(name) = name else { return Err(name_one("vars")) };
        match (scope.vars.get(name), self.registered.get(name)) {
            (Some(Known::Running), _) => {
                running.insert(name.to_owned());
                Ok(())
            }
            (Some(Known::Planned), _) => Ok(()),
            (None, Some(step)) => Err(format!(
                "`vars.{name}` is registered by the step `{step}`, which does not come before this place"
            )),
            (None, None) => {
                let names: Vec<&str> = scope.vars.keys().map(String::as_str).collect();
                Err(match nearest(name, &names) {
                    Some(near) => format!("no step registers `vars.{name}`; did you mean `vars.{near}`?"),
                    None => format!("no step registers `vars.{name}`"),
                })
            }
        }
    }

    /// A name that stands alone and is nothing here.
    fn nobody(&self, name: &str, scope: &Scope, place: Place) -> String {
        if self.param(name).is_some() {
            return format!("`{name}` is not known here; did you mean `params.{name}`?");
        }
        if self.registered.contains_key(name) {
            return format!("`{name}` is not known here; did you mean `vars.{name}`?");
        }
        let mut known = vec!["params", "run"];
        if matches!(place, Place::Step | Place::Expect) {
            known.insert(1, "vars");
        }
        if self.runs_on == RunsOn::Cluster {
            known.push("cluster");
        }
        if scope.item {
            known.push("item");
        }
        if place == Place::Expect {
            known.push("result");
        }
        match nearest(name, &known) {
            Some(near) => format!("`{name}` is not known here; did you mean `{near}`?"),
            None => format!("`{name}` is not known here: write {}", either(&known)),
        }
    }
}

/// Why a text is no template, without all of an expression that may be long.
fn no_template(error: BadTemplate) -> String {
    match error {
        BadTemplate::Expression { text, source } => format!("{}: {source}", shown(&format!("${{{text}}}"))),
        other => other.to_string(),
    }
}

fn one_of(root: &str, name: Option<&str>, known: &[&str]) -> Result<(), String> {
    match name {
        None => Err(name_one(root)),
        Some(name) if known.contains(&name) => Ok(()),
        Some(name) => {
            let full: Vec<String> = known.iter().map(|known| format!("{root}.{known}")).collect();
            let full: Vec<&str> = full.iter().map(String::as_str).collect();
            Err(unknown(&format!("{root}.{name}"), &full))
        }
    }
}

fn name_one(root: &str) -> String {
    format!("`{root}` alone is no value: name one of them, as in `{root}.NAME`")
}
