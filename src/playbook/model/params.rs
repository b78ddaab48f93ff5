use regex::Regex;
use serde_json::Value;

/// What a playbook has to be told.
#[derive(Debug, Clone)]
pub struct Param {
    /// Its name: `params.<name>` in expressions.
    pub name: String,
    /// What it may be.
    pub kind: ParamKind,
    /// Must it be given?
    pub required: bool,
    /// What it is when it is not given.
    pub default: Option<Value>,
    /// What its text must look like.
    pub pattern: Option<Regex>,
    /// What it is, for people.
    pub description: Option<String>,
}

/// What a parameter may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParamKind {
    /// Text of one line.
    String,
    /// A whole number.
    Int,
    /// True or false.
    Bool,
    /// A length of time, such as `30s`; milliseconds in expressions.
    Duration,
    /// One of these words.
    Enum(Vec<String>),
    /// An object, `[namespace/]name`; it is read, and pinned by its UID.
    ObjectRef {
        /// Its kind, as in manifests, or a type as kubectl takes it.
        kind: String,
    },
    /// A selector of labels, as kubectl takes it.
    LabelSelector,
    /// The digest of an image: `sha256:` and 64 hexadecimal digits.
    ImageDigest,
    /// Ranges of addresses, such as `10.0.0.0/8`.
    CidrList,
    /// Where a secret is: `file:PATH` or `env:NAME`. Expressions only know whether there is one.
    SecretRef,
    /// A recovery point: `latest`, `newest-verified`, an id or the beginning of one.
    PointRef,
}

impl ParamKind {
    /// As it is written in a file.
    pub fn name(&self) -> &'static str {
        match self {
            ParamKind::String => "string",
            ParamKind::Int => "int",
            ParamKind::Bool => "bool",
            ParamKind::Duration => "duration",
            ParamKind::Enum(_) => "enum",
            ParamKind::ObjectRef { .. } => "objectRef",
            ParamKind::LabelSelector => "labelSelector",
            ParamKind::ImageDigest => "imageDigest",
            ParamKind::CidrList => "cidrList",
            ParamKind::SecretRef => "secretRef",
            ParamKind::PointRef => "pointRef",
        }
    }
}

impl PartialEq for Param {
    fn eq(&self, other: &Self) -> bool {
        let all = |it: &Param| {
            let pattern = it.pattern.as_ref().map(|pattern| pattern.as_str().to_owned());
            (
                it.name.clone(),
                it.kind.clone(),
                it.required,
                it.default.clone(),
                pattern,
                it.description.clone(),
            )
        };
        all(self) == all(other)
    }
}
