//! Expressions about objects in CEL, the language of Kubernetes' own validation rules
//! (<https://github.com/google/cel-spec>). An expression cannot loop for ever, call out, or change anything.

use cel::{Context, Env, Program, Value as Found};
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
        let mut context = Context::with_env(Arc::new(Env::stdlib()));
        context.add_variable(name, value).map_err(|e| BadExpression(e.to_string()))?;
        match self.program.execute(&context) {
            Ok(Found::Bool(holds)) => Ok(holds),
            Ok(_) => Err(BadExpression("its answer is neither true nor false".to_owned())),
            Err(e) => Err(BadExpression(e.to_string())),
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
