//! Values with `${…}` in them. What an expression brings is a value and never read again: no name of an object and no line of a
//! log can become an expression.

use crate::object::{BadExpression, Expression};
use serde_json::{Map, Value};
use thiserror::Error;

/// A value that may have expressions in it.
#[derive(Debug, Clone)]
pub enum Template {
    /// A value without any.
    Value(Value),
    /// `${…}` alone: what it brings keeps its type.
    Expression(Expression),
    /// Text around expressions.
    Text(Vec<Piece>),
    /// A list.
    List(Vec<Template>),
    /// A mapping.
    Map(Vec<(String, Template)>),
}

/// A piece of a text.
#[derive(Debug, Clone)]
pub enum Piece {
    /// As it stands.
    Text(String),
    /// What the expression brings.
    Expression(Expression),
}

/// Why a template is none, or has no value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadTemplate {
    /// There is no end.
    #[error("`${{` has no `}}`; write `$${{` for the two characters themselves")]
    Open,
    /// The expression is none, or has no value.
    #[error("`${{{text}}}`: {source}")]
    Expression {
        /// The expression.
        text: String,
        /// What is wrong.
        source: BadExpression,
    },
    /// It brings what cannot stand in a text.
    #[error("`${{{0}}}` brings a list or a mapping, which cannot stand within a text: let it stand alone")]
    NoText(String),
}

impl Template {
    /// Reads a value whose texts may have `${…}` in them.
    ///
    /// # Errors
    /// When an expression is none.
    pub fn parse(value: &Value) -> Result<Self, BadTemplate> {
        Ok(match value {
            Value::String(text) => Self::text(text)?,
            Value::Array(items) => {
                let items: Vec<Template> = items.iter().map(Self::parse).collect::<Result<_, _>>()?;
                match items.iter().all(|item| matches!(item, Template::Value(_))) {
                    true => Template::Value(
                        items.into_iter().map(|item| plain((String::new(), item)).1).collect(),
                    ),
                    false => Template::List(items),
                }
            }
            Value::Object(fields) => {
                let read = fields.iter().map(|(name, field)| Ok((name.clone(), Self::parse(field)?)));
                let fields: Vec<(String, Template)> = read.collect::<Result<_, _>>()?;
                match fields.iter().all(|(_, field)| matches!(field, Template::Value(_))) {
                    true => Template::Value(Value::Object(fields.into_iter().map(plain).collect())),
                    false => Template::Map(fields),
                }
            }
            other => Template::Value(other.clone()),
        })
    }

    /// Reads a text.
    ///
    /// # Errors
    /// When an expression in it is none.
    pub fn text(text: &str) -> Result<Self, BadTemplate> {
        let (mut pieces, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find("${") {
            let (before, after) = rest.split_at(at);
            if let Some(before) = before.strip_suffix('$') {
                plain.push_str(before);
                plain.push_str("${");
                rest = &after[2..];
                continue;
            }
            plain.push_str(before);
            let inside = &after[2..];
            let end = end_of(inside).ok_or(BadTemplate::Open)?;
            let expression = Expression::parse(&inside[..end])
                .map_err(|source| BadTemplate::Expression { text: inside[..end].to_owned(), source })?;
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::Expression(expression));
            rest = &inside[end + 1..];
        }
        plain.push_str(rest);
        if pieces.is_empty() {
            return Ok(Template::Value(plain.into()));
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(match pieces.as_slice() {
            [Piece::Expression(expression)] => Template::Expression(expression.clone()),
            _ => Template::Text(pieces),
        })
    }

    /// Its value where the expressions are evaluated so.
    ///
    /// # Errors
    /// When an expression has no value, or one that cannot stand where it is.
    pub fn resolve(
        &self,
        evaluate: &dyn Fn(&Expression) -> Result<Value, BadExpression>,
    ) -> Result<Value, BadTemplate> {
        let value = |expression: &Expression| {
            let text = expression.text().to_owned();
            evaluate(expression).map_err(|source| BadTemplate::Expression { text, source })
        };
        Ok(match self {
            Template::Value(value) => value.clone(),
            Template::Expression(expression) => value(expression)?,
            Template::Text(pieces) => {
                let mut text = String::new();
                for piece in pieces {
                    match piece {
                        Piece::Text(piece) => text.push_str(piece),
                        Piece::Expression(expression) => match value(expression)? {
                            Value::String(piece) => text.push_str(&piece),
                            Value::Array(_) | Value::Object(_) => {
                                return Err(BadTemplate::NoText(expression.text().to_owned()));
                            }
                            other => text.push_str(&other.to_string()),
                        },
                    }
                }
                Value::String(text)
            }
            Template::List(items) => {
                Value::Array(items.iter().map(|item| item.resolve(evaluate)).collect::<Result<_, _>>()?)
            }
            Template::Map(fields) => {
                let each = fields.iter().map(|(name, field)| Ok((name.clone(), field.resolve(evaluate)?)));
                Value::Object(each.collect::<Result<Map<_, _>, BadTemplate>>()?)
            }
        })
    }

    /// The expressions in it.
    pub fn expressions(&self) -> Vec<&Expression> {
        match self {
            Template::Value(_) => Vec::new(),
            Template::Expression(expression) => vec![expression],
            Template::Text(pieces) => {
                let each = pieces.iter().filter_map(|piece| match piece {
                    Piece::Text(_) => None,
                    Piece::Expression(expression) => Some(expression),
                });
                each.collect()
            }
            Template::List(items) => items.iter().flat_map(Template::expressions).collect(),
            Template::Map(fields) => fields.iter().flat_map(|(_, field)| field.expressions()).collect(),
        }
    }

    /// As it is written in a file.
    pub fn written(&self) -> Value {
        match self {
            Template::Value(Value::String(text)) => Value::String(escaped(text)),
            Template::Value(Value::Array(items)) => {
                items.iter().map(|item| Template::Value(item.clone()).written()).collect()
            }
            Template::Value(Value::Object(fields)) => {
                let each = fields
                    .iter()
                    .map(|(name, field)| (name.clone(), Template::Value(field.clone()).written()));
                Value::Object(each.collect())
            }
            Template::Value(value) => value.clone(),
            Template::Expression(expression) => Value::String(format!("${{{expression}}}")),
            Template::Text(pieces) => {
                let text = pieces.iter().map(|piece| match piece {
                    Piece::Text(text) => escaped(text),
                    Piece::Expression(expression) => format!("${{{expression}}}"),
                });
                Value::String(text.collect())
            }
            Template::List(items) => items.iter().map(Template::written).collect(),
            Template::Map(fields) => {
                Value::Object(fields.iter().map(|(name, field)| (name.clone(), field.written())).collect())
            }
        }
    }

    /// The fields of a mapping, with or without expressions.
    pub fn fields(&self) -> Vec<(&str, Template)> {
        match self {
            Template::Map(fields) => {
                fields.iter().map(|(name, field)| (name.as_str(), field.clone())).collect()
            }
            Template::Value(Value::Object(fields)) => {
                fields.iter().map(|(name, field)| (name.as_str(), Template::Value(field.clone()))).collect()
            }
            _ => Vec::new(),
        }
    }
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        // Expressions are their text.
        format!("{self:?}") == format!("{other:?}")
    }
}

/// Text that would be read as an expression.
fn escaped(text: &str) -> String {
    text.replace("${", "$${")
}

fn plain((name, field): (String, Template)) -> (String, Value) {
    match field {
        Template::Value(value) => (name, value),
        _ => (name, Value::Null),
    }
}

/// Where the expression ends: at the first closing brace that closes no other one and stands in no quotes.
fn end_of(text: &str) -> Option<usize> {
    let (mut depth, mut quote, mut escaped) = (0usize, None, false);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '{') => depth += 1,
            (None, '}') if depth == 0 => return Some(at),
            (None, '}') => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn resolved(template: &Template, vars: &Value) -> Result<Value, BadTemplate> {
        template.resolve(&|expression| expression.evaluate(&[("v", vars)]))
    }

    #[test]
    fn a_value_keeps_its_type_and_a_text_is_put_together() {
        let vars = json!({"n": 3, "name": "web", "list": ["a"], "evil": "${v.n}"});
        let template = Template::parse(&json!({
            "n": "${v.n}", "text": "pod ${v.name}-${v.n}", "plain": "$${v.n}", "list": ["${v.list}", 1],
            "map": "${ {'a': '}'} }", "evil": "<${v.evil}>", "both": true,
        }));
        assert_eq!(
            resolved(&template.unwrap(), &vars).unwrap(),
            json!({"n": 3, "text": "pod web-3", "plain": "${v.n}", "list": [["a"], 1], "map": {"a": "}"},
                "evil": "<${v.n}>", "both": true})
        );
        assert!(matches!(Template::parse(&json!({"a": ["b", 1]})), Ok(Template::Value(_))));
    }

    #[test]
    fn it_is_written_as_it_was_read() {
        let written = json!({"a": ["${v.n}", "b ${ {'a': '}'} } c$${d}"], "e": {"f": "$${g}", "h": 1}, "i": "$$", "j": null});
        assert_eq!(Template::parse(&written).unwrap().written(), written);
        let plain = json!({"a": ["$${b}"]});
        assert_eq!(Template::parse(&plain).unwrap().written(), plain);
    }

    #[test]
    fn what_is_no_template_is_told() {
        let wrong = |text: &str| Template::text(text).unwrap_err().to_string();
        assert!(wrong("a ${b").starts_with("`${` has no `}`"));
        assert!(wrong("${a b}").starts_with("`${a b}`: it is no CEL"));
        let list = Template::text("a ${v}").unwrap();
        assert!(resolved(&list, &json!([1])).unwrap_err().to_string().contains("a list or a mapping"));
        assert!(resolved(&list, &json!(null)).is_ok());
        assert!(resolved(&Template::text("${v.x}").unwrap(), &json!({})).is_err());
    }

    proptest! {
        #[test]
        fn text_that_is_brought_is_never_read_again(text in "\\PC{0,30}") {
            let template = Template::text("<${v}>").unwrap();
            prop_assert_eq!(resolved(&template, &json!(text)).unwrap(), json!(format!("<{text}>")));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[${}'\"\\\\a-c.]{0,20}|\\PC{0,20}") {
            if let Ok(template) = Template::text(&text) {
                prop_assert_eq!(Template::parse(&template.written()).unwrap(), template);
            }
        }
    }
}
