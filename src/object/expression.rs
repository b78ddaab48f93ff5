//! Expressions about objects in CEL, the language of Kubernetes' own validation rules
//! (<https://github.com/google/cel-spec>). An expression cannot loop for ever, call out, or change anything.

use cel::{
    Context, Env, Program,
    common::ast::{EntryExpr, Expr, IdedExpr},
};
use serde_json::Value;
use std::{fmt, sync::Arc};
use thiserror::Error;

/// A longer expression belongs into a command.
const LONGEST: usize = 4096;

/// An expression that can be evaluated.
#[derive(Clone)]
pub struct Expression {
    text: String,
    program: Arc<Program>,
}

/// Something that an expression asks for of the values that it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// `params.pod.uid` is `["params", "pod", "uid"]`.
    pub path: Vec<String>,
    /// Only whether it is there: `has(params.pod.uid)`.
    pub tested: bool,
}

/// The functions that an expression can call, in front of their arguments or behind what they are about.
pub const FUNCTIONS: [&str; 17] = [
    "bool",
    "bytes",
    "contains",
    "double",
    "dyn",
    "endsWith",
    "hasValue",
    "int",
    "matches",
    "or",
    "orValue",
    "size",
    "startsWith",
    "string",
    "type",
    "uint",
    "value",
];

/// Why an expression is none, or has no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct BadExpression(pub String);

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// With the place of the mistake, when it is not CEL.
    pub fn parse(text: &str) -> Result<Self, BadExpression> {
        if text.len() > LONGEST {
            return Err(BadExpression(format!("it is longer than {LONGEST} bytes")));
        }
        match Env::stdlib().compile(text) {
            Ok(program) => Ok(Expression { text: text.to_owned(), program: Arc::new(program) }),
            Err(errors) => {
                let lines: Vec<String> =
                    errors.to_string().lines().map(|line| line.trim().to_owned()).collect();
                Err(BadExpression(format!("it is no CEL: {}", lines.join(" "))))
            }
        }
    }

    /// Whether it is true of `value`, which it knows by `name`.
    ///
    /// # Errors
    /// When it has no answer (a field that is missing), or one that is neither true nor false. The text may tell of what is
    /// in the object.
    pub fn holds(&self, name: &str, value: &Value) -> Result<bool, BadExpression> {
        match self.evaluate(&[(name, value)])? {
            Value::Bool(holds) => Ok(holds),
            _ => Err(BadExpression("its answer is neither true nor false".to_owned())),
        }
    }

    /// What it brings of these values, which it knows by their names.
    ///
    /// # Errors
    /// When it has no answer (a field that is missing), or one that is no JSON. The text may tell of what is in the values.
    pub fn evaluate(&self, known: &[(&str, &Value)]) -> Result<Value, BadExpression> {
        let mut context = Context::with_env(Arc::new(Env::stdlib()));
        for (name, value) in known {
            context.add_variable(*name, *value).map_err(|e| BadExpression(e.to_string()))?;
        }
        let found = self.program.execute(&context).map_err(|e| BadExpression(e.to_string()))?;
        found.json().map_err(|_| BadExpression("its answer is no value that can be written down".to_owned()))
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it asks for of the values that it is given. Names that it makes itself, as in `list.all(x, …)`, are left out.
    pub fn asks(&self) -> Vec<Asked> {
        let mut found = Found::default();
        found.expression(self.program.expression());
        found.asked
    }

    /// What it asks for, without whether it only asks if it is there.
    pub fn paths(&self) -> Vec<Vec<String>> {
        self.asks().into_iter().map(|asked| asked.path).collect()
    }

    /// The functions that it calls and that there are not: see [`FUNCTIONS`].
    pub fn unknown_functions(&self) -> Vec<String> {
        let mut found = Found::default();
        found.expression(self.program.expression());
        found.functions.retain(|name| !FUNCTIONS.contains(&name.as_str()));
        found.functions
    }
}

/// What was found in an expression so far.
#[derive(Default)]
struct Found {
    asked: Vec<Asked>,
    functions: Vec<String>,
    /// The names that it has made itself where it is read.
    own: Vec<String>,
}

impl Found {
    fn expression(&mut self, expression: &IdedExpr) {
        match &expression.expr {
            Expr::Ident(name) if self.own.contains(name) => {}
            Expr::Ident(name) => self.asked.push(Asked { path: vec![name.clone()], tested: false }),
            Expr::Select(select) => {
                let before = self.asked.len();
                self.expression(&select.operand);
                // Only what was selected from is longer by this field: `f(a, b).c` asks for `a` and `b`.
                let chain = matches!(select.operand.expr, Expr::Ident(_) | Expr::Select(_));
                if chain && let [asked] = &mut self.asked[before..] {
                    asked.path.push(select.field.clone());
                    asked.tested = select.test;
                }
            }
            Expr::Call(call) => {
                // Operators have names that no function has.
                if call.func_name.starts_with(|c: char| c.is_ascii_alphabetic()) {
                    self.functions.push(call.func_name.clone());
                }
                call.target.iter().for_each(|target| self.expression(target));
                call.args.iter().for_each(|argument| self.expression(argument));
            }
            Expr::List(list) => list.elements.iter().for_each(|element| self.expression(element)),
            Expr::Map(map) => map.entries.iter().for_each(|entry| self.entry(&entry.expr)),
            Expr::Struct(made) => made.entries.iter().for_each(|entry| self.entry(&entry.expr)),
            Expr::Comprehension(it) => {
                self.expression(&it.iter_range);
                self.expression(&it.accu_init);
                let names = [Some(&it.iter_var), it.iter_var2.as_ref(), Some(&it.accu_var)];
                let before = self.own.len();
                self.own.extend(names.into_iter().flatten().cloned());
                for part in [&it.loop_cond, &it.loop_step, &it.result] {
                    self.expression(part);
                }
                self.own.truncate(before);
            }
            Expr::Literal(_) | Expr::Unspecified => {}
        }
    }

    fn entry(&mut self, entry: &EntryExpr) {
        match entry {
            EntryExpr::MapEntry(entry) => {
                self.expression(&entry.key);
                self.expression(&entry.value);
            }
            EntryExpr::StructField(field) => self.expression(&field.value),
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({:?})", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn what_people_write_about_objects_is_understood() {
        let object = json!({
            "metadata": {"name": "web", "labels": {"app.kubernetes.io/name": "web"}},
            "spec": {"replicas": 3, "template": {"spec": {"containers": [{"name": "a", "image": "r/x:1"}]}}},
            "status": {"ratio": 0.5},
        });
        for text in [
            "object.spec.replicas >= 1",
            "object.spec.replicas == 3 && object.metadata.name == 'web'",
            "has(object.spec.replicas) && !has(object.spec.paused)",
            "object.metadata.labels['app.kubernetes.io/name'].startsWith('we')",
            "object.spec.template.spec.containers.all(c, c.image.contains(':'))",
            "size(object.spec.template.spec.containers) == 1",
            "object.status.ratio < 1.0",
            "'labels' in object.metadata",
        ] {
            assert_eq!(Expression::parse(text).unwrap().holds("object", &object), Ok(true), "{text}");
        }
        let list = json!([{"spec": {"total": 2}}, {"spec": {"total": 3}}]);
        for (text, wanted) in [
            ("objects.map(o, o.spec.total).exists(t, t == 3)", true),
            ("objects.filter(o, o.spec.total > 2).size() == 2", false),
        ] {
            assert_eq!(Expression::parse(text).unwrap().holds("objects", &list), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_it_asks_for_is_known() {
        for (text, wanted) in [
            ("params.pod.uid != run.id", &["params.pod.uid", "run.id"][..]),
            ("!params.cut && vars.reach.bindings.size() > 0", &["params.cut", "vars.reach.bindings"]),
            ("vars.list.all(x, x.name == params.name && x.deep.er)", &["vars.list", "params.name"]),
            (
                "has(params.token) ? item : [vars.a, {'k': vars.b.c}]",
                &["params.token", "item", "vars.a", "vars.b.c"],
            ),
            ("params.labels['a'].b", &["params.labels"]),
        ] {
            let found: Vec<String> =
                Expression::parse(text).unwrap().paths().into_iter().map(|path| path.join(".")).collect();
            assert_eq!(found, wanted, "{text}");
        }
    }

    #[test]
    fn a_test_of_presence_is_told_from_a_use() {
        let asked = |text: &str| -> Vec<(String, bool)> {
            let asks = Expression::parse(text).unwrap().asks();
            asks.into_iter().map(|it| (it.path.join("."), it.tested)).collect()
        };
        assert_eq!(
            asked("has(params.a) && params.a == 1"),
            [("params.a".to_owned(), true), ("params.a".to_owned(), false)]
        );
        assert_eq!(asked("has(params.a.b)"), [("params.a.b".to_owned(), true)]);
        assert_eq!(
            asked("params['a'] + params.?b"),
            [("params".to_owned(), false), ("params".to_owned(), false)]
        );
    }

    #[test]
    fn every_function_that_is_known_can_be_called_and_others_are_told() {
        let calls = [
            ("bool", "bool('true')"),
            ("bytes", "size(bytes('a')) == 1"),
            ("contains", "'abc'.contains('b')"),
            ("double", "double(1) == 1.0"),
            ("dyn", "dyn(1) == 1"),
            ("endsWith", "'abc'.endsWith('c')"),
            ("hasValue", "optional.of(1).hasValue()"),
            ("int", "int('1') == 1"),
            ("matches", "'abc'.matches('^a') && matches('abc', 'c$')"),
            ("or", "optional.none().or(optional.of(1)).hasValue()"),
            ("orValue", "object.?gone.orValue(1) == 1"),
            ("size", "'a'.size() == size('b')"),
            ("startsWith", "'abc'.startsWith('a')"),
            ("string", "string(1) == '1'"),
            ("type", "type(1) == int"),
            ("uint", "uint(1) == 1u"),
            ("value", "optional.of(1).value() == 1"),
        ];
        assert_eq!(calls.map(|(name, _)| name), FUNCTIONS);
        for (_, text) in calls {
            assert_eq!(Expression::parse(text).unwrap().holds("object", &json!({})), Ok(true), "{text}");
        }
        let unknown = Expression::parse("sise(a) > 1 && b.lenght() == -c.all(x, !nope(x))").unwrap();
        assert_eq!(unknown.unknown_functions(), ["sise", "lenght", "nope"]);
    }

    #[test]
    fn what_has_no_answer_is_neither_true_nor_false() {
        for text in
            ["object.gone.deeper == 1", "object.spec", "1 + 1", "object.spec < 'a'", "1 / 0 == 1", "nobody"]
        {
            let expression = Expression::parse(text).unwrap();
            assert!(expression.holds("object", &json!({"spec": {}})).is_err(), "{text}");
        }
        for text in ["object.spec >", "a b", "(", "'", ""] {
            assert!(Expression::parse(text).unwrap_err().to_string().starts_with("it is no CEL"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}|[-a-z0-9.()\\[\\]{}<>=!&|?:,'\"+*/% \\\\]{0,40}") {
            if let Ok(expression) = Expression::parse(&text) {
                let _ = expression.holds("object", &json!({"a": [1, {"b": "c"}]}));
            }
        }
    }
}
