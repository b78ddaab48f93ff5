//! What expressions know: parameters, what earlier steps brought, the run, the cluster, and the entry of a list.

use super::model::Template;
use crate::object::{BadExpression, Expression, plain};
use serde_json::{Map, Value, json};
use std::{collections::BTreeSet, sync::Arc};
use thiserror::Error;

/// What expressions know at one place of a playbook.
#[derive(Debug, Clone)]
pub struct Scope {
    params: Arc<Value>,
    vars: Arc<Value>,
    /// What only the run will know.
    later: BTreeSet<String>,
    run: Arc<Value>,
    cluster: Arc<Value>,
    item: Option<Value>,
}

/// Why an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoValue {
    /// It asks for what only the run will know.
    #[error("it asks for `vars.{0}`, which is known once that step has been done")]
    Later(String),
    /// It has none.
    #[error("{0}")]
    Bad(#[from] BadExpression),
}

impl Scope {
    /// A scope without anything that steps have brought.
    pub fn new(params: Map<String, Value>, run: Value, cluster: Value) -> Self {
        let (params, vars) = (Arc::new(Value::Object(params)), Arc::new(json!({})));
        let (run, cluster) = (Arc::new(run), Arc::new(cluster));
        Scope { params, vars, later: BTreeSet::new(), run, cluster, item: None }
    }

    /// The same inside of a `forEach`.
    pub fn with_item(&self, item: Value) -> Self {
        Scope { item: Some(item), ..self.clone() }
    }

    /// The same for a playbook that is called: it knows its own parameters, and nothing that the caller's steps have brought.
    pub fn for_call(&self, params: Map<String, Value>) -> Self {
        let (run, cluster) = (self.run.clone(), self.cluster.clone());
        Scope { run, cluster, ..Scope::new(params, Value::Null, Value::Null) }
    }

    /// A step has brought something.
    pub fn bring(&mut self, name: &str, value: Value) {
        self.later.remove(name);
        Arc::make_mut(&mut self.vars)[name] = value;
    }

    /// A step will bring something.
    pub fn will_bring(&mut self, name: &str) {
        self.later.insert(name.to_owned());
    }

    /// What everything that steps have brought is.
    pub fn vars(&self) -> &Value {
        &self.vars
    }

    /// The value of an expression.
    ///
    /// # Errors
    /// When it asks for what is not known yet, or has none.
    pub fn value(&self, expression: &Expression) -> Result<Value, NoValue> {
        self.taken(expression, &Value::clone)
    }

    /// What is taken of the value of an expression.
    fn taken(&self, expression: &Expression, take: Take<'_>) -> Result<Value, NoValue> {
        let paths = expression.paths();
        self.is_known(&paths)?;
        let mut known: Vec<(&str, &Value)> = vec![
            ("params", &self.params),
            ("vars", &self.vars),
            ("run", &self.run),
            ("cluster", &self.cluster),
        ];
        known.extend(self.item.as_ref().map(|item| ("item", item)));
        // What thousands of objects are is not translated for an expression that does not ask for it, or for nothing else.
        known.retain(|(name, _)| paths.iter().any(|path| path.first().is_some_and(|root| root == name)));
        if let ([path], [(_, root)]) = (paths.as_slice(), known.as_slice())
            && path.join(".") == expression.text()
            && let Some(value) = path[1..].iter().try_fold(*root, |at, name| at.get(name))
        {
            return Ok(take(value));
        }
        Ok(take(&expression.evaluate(&known)?))
    }

    fn is_known(&self, paths: &[Vec<String>]) -> Result<(), NoValue> {
        for path in paths {
            if let [root, name, ..] = path.as_slice()
                && root == "vars"
                && self.later.contains(name)
            {
                return Err(NoValue::Later(name.clone()));
            }
        }
        Ok(())
    }

    /// Is it true?
    ///
    /// # Errors
    /// As for [`Scope::value`], and when it is neither true nor false.
    pub fn holds(&self, expression: &Expression) -> Result<bool, NoValue> {
        match self.value(expression)? {
            Value::Bool(holds) => Ok(holds),
            _ => Err(BadExpression("its answer is neither true nor false".to_owned()).into()),
        }
    }

    /// The value of a template; `Err(Later)` where an expression of it asks for what is not known yet.
    ///
    /// # Errors
    /// As for [`Scope::value`]; texts tell which expression.
    pub fn resolve(&self, template: &Template) -> Result<Value, NoValue> {
        self.resolved(template, &Value::clone)
    }

    /// The same for the arguments of an action: an object that one names by `target` or `targets` comes with its name and its UID,
    /// however many thousands of them there are.
    ///
    /// # Errors
    /// As for [`Scope::resolve`].
    pub fn arguments(&self, template: &Template) -> Result<Value, NoValue> {
        let Template::Map(fields) = template else { return self.resolve(template) };
        for (_, field) in fields {
            self.are_known(field)?;
        }
        let each = fields.iter().map(|(name, field)| {
            let value = match name.as_str() {
                "target" | "targets" => self.resolved(field, &slim)?,
                _ => self.resolve(field)?,
            };
            Ok((name.clone(), value))
        });
        each.collect::<Result<Map<_, _>, NoValue>>().map(Value::Object)
    }

    /// The same as [`Scope::resolve`] for people to read: what it is filled with stays on its line, and does nothing to a terminal.
    ///
    /// # Errors
    /// As for [`Scope::resolve`].
    pub fn text(&self, template: &Template) -> Result<String, NoValue> {
        let tame = |value: &Value| match value {
            Value::String(text) => Value::String(plain(text)),
            other => other.clone(),
        };
        let text = self.resolved(template, &tame)?;
        Ok(text.as_str().map_or_else(|| text.to_string(), str::to_owned))
    }

    fn are_known(&self, template: &Template) -> Result<(), NoValue> {
        template.expressions().into_iter().try_for_each(|expression| self.is_known(&expression.paths()))
    }

    fn resolved(&self, template: &Template, take: Take<'_>) -> Result<Value, NoValue> {
        self.are_known(template)?;
        let evaluate = |expression: &Expression| {
            self.taken(expression, take).map_err(|e| match e {
                NoValue::Bad(bad) => bad,
                later => BadExpression(later.to_string()),
            })
        };
        template.resolve(&evaluate).map_err(|e| BadExpression(e.to_string()).into())
    }
}

/// What is taken of a value.
type Take<'a> = &'a dyn Fn(&Value) -> Value;

/// What of a value can be written down: an object of the cluster is cut down to what names it, the rest of it may be anything.
pub fn slim(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let text = |name: &str| fields.get(name).is_some_and(Value::is_string);
            if text("kind") && text("name") && text("uid") {
                let names = ["apiVersion", "kind", "namespace", "name", "uid"];
                let kept =
                    names.iter().filter_map(|name| Some(((*name).to_owned(), fields.get(*name)?.clone())));
                return Value::Object(kept.collect());
            }
            Value::Object(fields.iter().map(|(name, field)| (name.clone(), slim(field))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(slim).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_yet_is_told_apart_from_what_is_wrong() {
        let params = json!({"pod": {"name": "a", "spec": {}}});
        let mut scope = Scope::new(params.as_object().unwrap().clone(), json!({"id": "r"}), json!({}));
        scope.will_bring("gate");
        let value = |scope: &Scope, text: &str| scope.value(&Expression::parse(text).unwrap());
        assert_eq!(value(&scope, "vars.gate.approved"), Err(NoValue::Later("gate".into())));
        assert_eq!(value(&scope, "params.pod.name + run.id"), Ok(json!("ar")));
        assert!(matches!(value(&scope, "params.pod.uid"), Err(NoValue::Bad(_))));
        assert!(matches!(value(&scope, "item"), Err(NoValue::Bad(_))));
        assert_eq!(value(&scope.with_item(json!(3)), "item > 2"), Ok(json!(true)));
        let template =
            Template::parse(&json!({"a": "${params.pod.name}", "b": ["${vars.gate.by}"]})).unwrap();
        assert_eq!(scope.resolve(&template), Err(NoValue::Later("gate".into())));
        scope.bring("gate", json!({"approved": true, "by": "x"}));
        assert_eq!(scope.resolve(&template), Ok(json!({"a": "a", "b": ["x"]})));
        assert_eq!(scope.holds(&Expression::parse("vars.gate.approved").unwrap()), Ok(true));
        assert!(scope.holds(&Expression::parse("vars.gate.by").unwrap()).is_err());
    }

    #[test]
    fn objects_are_cut_down_to_what_names_them() {
        let pod = json!({"kind": "Pod", "name": "a", "namespace": "n", "uid": "u", "spec": {"secret": 1}});
        let slimmed = json!({"kind": "Pod", "namespace": "n", "name": "a", "uid": "u"});
        assert_eq!(slim(&json!({"pods": [pod], "n": 1})), json!({"pods": [slimmed], "n": 1}));
    }
}
