//! What expressions know: parameters, what earlier steps brought, the run, the cluster, and the entry of a list.

use super::{
    brought::{Brought, slim},
    model::Template,
};
use crate::object::{BadExpression, Expression, plain};
use serde_json::{Map, Value};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use thiserror::Error;

/// What expressions know at one place of a playbook.
#[derive(Debug, Clone)]
pub struct Scope {
    params: Arc<Value>,
    vars: Arc<BTreeMap<String, Brought>>,
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
        Scope {
            params: Arc::new(Value::Object(params)),
            vars: Arc::default(),
            later: BTreeSet::new(),
            run: Arc::new(run),
            cluster: Arc::new(cluster),
            item: None,
        }
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
    pub fn bring(&mut self, name: &str, what: impl Into<Brought>) {
        self.later.remove(name);
        Arc::make_mut(&mut self.vars).insert(name.to_owned(), what.into());
    }

    /// A step will bring something.
    pub fn will_bring(&mut self, name: &str) {
        self.later.insert(name.to_owned());
    }

    /// The value of an expression.
    ///
    /// # Errors
    /// When it asks for what is not known yet, or has none.
    pub fn value(&self, expression: &Expression) -> Result<Value, NoValue> {
        self.taken(expression, Take::All)
    }

    /// What is taken of the value of an expression.
    fn taken(&self, expression: &Expression, take: Take) -> Result<Value, NoValue> {
        let paths = expression.paths();
        self.is_known(&paths)?;
        // What thousands of objects are is not translated for an expression that does not ask for it, or for nothing else.
        if let [path] = paths.as_slice()
            && path.join(".") == expression.text()
            && let Some(value) = self.at(path, take)
        {
            return Ok(value);
        }
        let is_asked = |root: &str| paths.iter().any(|path| path.first().is_some_and(|it| it == root));
        let vars = is_asked("vars").then(|| self.vars_of(&paths));
        let roots = ["params", "run", "cluster", "item"].into_iter().filter(|root| is_asked(root));
        let mut known: Vec<(&str, &Value)> =
            roots.filter_map(|root| Some((root, self.root(root)?))).collect();
        known.extend(vars.as_ref().map(|vars| ("vars", vars)));
        Ok(take.of(Cow::Owned(expression.evaluate(&known)?)))
    }

    /// What steps have brought, of what these paths ask for.
    fn vars_of(&self, paths: &[Vec<String>]) -> Value {
        let is_asked = |name: &String| {
            paths.iter().any(|path| match path.as_slice() {
                [root, of, ..] => root == "vars" && of == name,
                // Without a name it may be any of them.
                [root] => root == "vars",
                [] => false,
            })
        };
        let asked = self.vars.iter().filter(|(name, _)| is_asked(name));
        Value::Object(asked.map(|(name, brought)| (name.clone(), brought.value())).collect())
    }

    fn root(&self, name: &str) -> Option<&Value> {
        match name {
            "params" => Some(&self.params),
            "run" => Some(&self.run),
            "cluster" => Some(&self.cluster),
            "item" => self.item.as_ref(),
            _ => None,
        }
    }

    /// What is taken of the value at a path, if there is one.
    fn at(&self, path: &[String], take: Take) -> Option<Value> {
        let down = |value, path: &[String]| path.iter().try_fold(value, |at: &Value, name| at.get(name));
        match path {
            [root, name, rest @ ..] if root == "vars" => match self.vars.get(name)? {
                Brought::Value(value) => down(value, rest).map(|it| take.of(Cow::Borrowed(it))),
                objects if rest.is_empty() && take == Take::Names => Some(objects.slim()),
                objects if rest.is_empty() => Some(take.of(Cow::Owned(objects.value()))),
                _ => None,
            },
            [root, rest @ ..] => down(self.root(root)?, rest).map(|it| take.of(Cow::Borrowed(it))),
            [] => None,
        }
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
        self.resolved(template, Take::All)
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
                "target" | "targets" => self.resolved(field, Take::Names)?,
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
        let text = self.resolved(template, Take::Plain)?;
        Ok(text.as_str().map_or_else(|| text.to_string(), str::to_owned))
    }

    fn are_known(&self, template: &Template) -> Result<(), NoValue> {
        template.expressions().into_iter().try_for_each(|expression| self.is_known(&expression.paths()))
    }

    fn resolved(&self, template: &Template, take: Take) -> Result<Value, NoValue> {
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Take {
    /// All of it.
    All,
    /// Of objects what names them.
    Names,
    /// Of a text what people can read.
    Plain,
}

impl Take {
    fn of(self, value: Cow<'_, Value>) -> Value {
        match (self, value.as_ref()) {
            (Take::Names, value) => slim(value),
            (Take::Plain, Value::String(text)) => Value::String(plain(text)),
            _ => value.into_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
        assert_eq!(value(&scope, "vars['gate'].by + string(size(vars))"), Ok(json!("x1")));
        assert_eq!(value(&scope, "'gate' in vars"), Ok(json!(true)));
    }
}
