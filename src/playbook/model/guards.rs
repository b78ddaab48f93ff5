use crate::object::Expression;

/// What a playbook must never do.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Guards {
    /// Nothing in these namespaces is changed.
    pub protected_namespaces: Vec<String>,
    /// How many objects may be touched.
    pub limits: Vec<Limit>,
    /// A pod that is taken out must leave so many ready ones of its workload.
    pub min_healthy_replicas: Option<u32>,
    /// What must be true before anything is done.
    pub require: Vec<Requirement>,
}

/// How many objects of a type may be touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// The type, by its plural name, such as `pods`; `namespaces` counts the namespaces of everything that is touched.
    pub resource: String,
    /// No more than so many.
    pub most: u32,
}

/// What must be true before anything is done.
#[derive(Debug, Clone)]
pub struct Requirement {
    /// The condition, in CEL.
    pub expr: Expression,
    /// What is said when it does not hold.
    pub message: String,
}

impl PartialEq for Requirement {
    fn eq(&self, other: &Self) -> bool {
        (self.expr.text(), &self.message) == (other.expr.text(), &other.message)
    }
}
