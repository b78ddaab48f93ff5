//! What an action or another playbook is told.

use super::super::decode::{Cursor, Decode, FromText};
use super::super::fields::nearest;
use super::super::node::Node;
use super::super::restore_spec::AnyValue;
use super::calls::{Argument, Call, Given};
use super::expressions::Running;
use super::fits::Fitting;
use super::scope::{Lint, Place, Scope};
use super::values::Name;
use crate::playbook::{
    actions::{Action, Class},
    model::{RunsOn, Template, What},
};
use serde_json::{Map, Value};

/// The action that looks at something and says what it should be.
const ASSERT: &str = "assert";
/// Its argument that is an expression.
const EXPECT: &str = "expect";
/// Its argument that names what is looked at.
const CHECK: &str = "check";

impl Lint<'_> {
    /// A step that does an action.
    pub(super) fn does(&self, at: &Cursor<'_>, scope: &Scope, asked: &mut Running) -> (Option<What>, Class) {
        let args = at.entry("args");
        let Some(name_at) = at.entry("action") else { return (None, Class::Read) };
        let Some(name) = name_at.text() else { return (None, Class::Read) };
        let Some(action) = self.action(name) else {
            if let Some(args) = &args {
                self.told(args, name, scope, asked);
            }
            let names: Vec<&str> = self.actions.iter().map(|action| action.name()).collect();
            let message = match nearest(name, &names) {
                Some(near) => format!("there is no such action; did you mean `{near}`?"),
                None => "there is no such action; `lifeboat schema playbook` has all of them".to_owned(),
            };
            return (name_at.fail(message), Class::Read);
        };
        if action.on_host() && self.runs_on == RunsOn::Cluster {
            name_at.fail::<()>("acts on a host: write `runsOn: host` in `spec`");
        }
        if !action.on_host() && !action.anywhere() && self.runs_on == RunsOn::Host {
            name_at.fail::<()>("needs an API server, and this playbook runs on a host (`runsOn: host`)");
        }
        let told = match &args {
            Some(args) => self.told(args, name, scope, asked),
            None => Some(Some(Template::Value(Value::Object(Map::new())))),
        };
        let Some(template) = told else { return (None, action.class()) };
        let fits = self.fits(at, args.as_ref(), action, template.as_ref());
        let template = template.filter(|_| fits.is_some());
        (template.map(|args| What::Action { name: name.to_owned(), args }), action.class())
    }

    /// Reads arguments and notes what is wrong with the expressions in them. Outer `None`: they are no arguments at all.
    fn told(
        &self,
        at: &Cursor<'_>,
        name: &str,
        scope: &Scope,
        asked: &mut Running,
    ) -> Option<Option<Template>> {
        let Node::Map(_) = at.node else {
            return at.wrong_type("arguments, such as `{target: '${params.pod}'}`");
        };
        let value = AnyValue::decode(at)?.0;
        let mut good = true;
        for field in at.named("arguments")? {
            if name == ASSERT && field.name == EXPECT {
                let (expression, running) = self.expression(&field.value, scope, Place::Expect);
                good &= expression.is_some();
                asked.extend(running);
            } else {
                self.values(&field.value, scope, asked);
            }
        }
        // What is no template was noted at its place.
        Some(Template::parse(&value).ok().filter(|_| good))
    }

    /// Notes what an action cannot be told.
    fn fits(
        &self,
        at: &Cursor<'_>,
        args: Option<&Cursor<'_>>,
        action: &dyn Action,
        template: Option<&Template>,
    ) -> Option<()> {
        let mut fitting = Fitting::default();
        let schema = action.arguments().to_value();
        match args {
            // What is expected was looked at already.
            Some(args) if action.name() == ASSERT && args.entry(EXPECT).is_some() => {
                fitting.arguments_but(args, &schema, ASSERT, &[EXPECT]);
            }
            Some(args) => fitting.arguments(args, &schema, action.name()),
            None => fitting.nothing(at, &schema, action.name()),
        }
        if let Some(args) = args.filter(|_| action.name() == ASSERT) {
            self.fits_check(args, &mut fitting);
        }
        if !fitting.found.is_empty() {
            for wrong in fitting.found {
                at.note(wrong.steps, wrong.path, wrong.message);
            }
            return None;
        }
        match template? {
            // Whether it fits is known before anything is looked at.
            Template::Value(value) => match action.fits(value) {
                Ok(()) => Some(()),
                Err(e) => args.unwrap_or(at).fail(e.to_string()),
            },
            _ => Some(()),
        }
    }

    /// What `assert` tells the action that it looks with.
    fn fits_check(&self, args: &Cursor<'_>, fitting: &mut Fitting) {
        let Some(check) = args.entry(CHECK) else { return };
        let Node::Text(name) = check.node else { return };
        let Some(action) = self.action(name) else { return };
        if action.class() != Class::Read {
            return fitting.wrong(&check, format!("`{name}` changes something: `assert` only looks"));
        }
        if action.on_host() != (self.runs_on == RunsOn::Host) && !action.anywhere() {
            let place = if action.on_host() {
                "acts on a host, and this playbook does not"
            } else {
                "needs an API server"
            };
            return fitting.wrong(&check, format!("`{name}` {place}"));
        }
        fitting.arguments_but(args, &action.arguments().to_value(), name, &[CHECK, EXPECT]);
    }

    /// A step that calls another playbook.
    pub(super) fn calls(&self, at: &Cursor<'_>, scope: &Scope, asked: &mut Running) -> Option<What> {
        let args = at.entry("args");
        let template = match &args {
            Some(args) => self.told(args, "", scope, asked).flatten(),
            None => Some(Template::Value(Value::Object(Map::new()))),
        };
        let name_at = at.entry("playbook")?;
        let name = Name::from_text(name_at.text()?).map_or_else(|e| name_at.fail(e), |name| Some(name.0))?;
        let template = template?;
        let given = template.fields().into_iter().filter_map(|(name, value)| {
            let at = args.as_ref()?.entry(name).or_else(|| args.as_ref()?.given(name))?;
            let given = match &value {
                Template::Value(value) => Given::Value(value.clone()),
                Template::Expression(expression) => match expression.text().trim().strip_prefix("params.") {
                    Some(param) if self.param(param).is_some_and(|param| param.is_secret()) => Given::Secret,
                    _ => Given::Later,
                },
                _ => Given::Later,
            };
            Some(Argument {
                name: name.to_owned(),
                given,
                steps: at.steps.clone(),
                path: at.path().to_owned(),
            })
        });
        let call = Call {
            name: name.clone(),
            steps: name_at.steps.clone(),
            path: name_at.path().to_owned(),
            arguments: given.collect(),
        };
        self.calls.borrow_mut().push(call);
        Some(What::Playbook { name, args: template })
    }
}
