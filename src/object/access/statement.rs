//! One sentence about who may do what.

use serde::Serialize;

/// What a change does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Somebody may do more than before.
    Grants,
    /// Somebody may do less than before.
    Revokes,
    /// Something else that matters.
    Notes,
}

/// What a change means, in words, and for machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    /// What it does.
    pub effect: Effect,
    /// The sentence.
    pub text: String,
    /// Whom it is about: `ServiceAccount shop/ci`, `User jane`, `Group auditors`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The namespace in which it holds; everywhere without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The verbs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub verbs: Vec<String>,
    /// What the verbs are about: `pods/exec`, `deployments.apps`, `secrets "database"`, or paths of URLs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// Why it deserves a look.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub danger: Vec<&'static str>,
}

impl Statement {
    pub(super) fn new(effect: Effect, text: impl Into<String>) -> Self {
        Statement {
            effect,
            text: text.into(),
            subject: None,
            namespace: None,
            verbs: Vec::new(),
            resources: Vec::new(),
            danger: Vec::new(),
        }
    }

    pub(super) fn note(text: impl Into<String>) -> Self {
        Statement::new(Effect::Notes, text)
    }

    pub(super) fn because(mut self, danger: &'static str) -> Self {
        self.danger.push(danger);
        self
    }
}
