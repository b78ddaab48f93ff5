//! Rules that cannot be meant.

/// A rule that cannot be meant: which, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{rule}: {reason}")]
pub struct BadRule {
    /// Where it is: `modifiers[2].jsonPatch[0]`.
    pub rule: String,
    /// What is wrong with it, and what to write instead.
    pub reason: String,
}

impl BadRule {
    pub(super) fn new(rule: impl Into<String>, reason: impl Into<String>) -> Self {
        BadRule { rule: rule.into(), reason: reason.into() }
    }
}
