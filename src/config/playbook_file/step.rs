//! One step: what it does, and whether its fields go together.

use super::super::decode::Cursor;
use super::approve::{approve, manual};
use super::envelope::{listed, once, sequence};
use super::expressions::Running;
use super::scope::{Known, Lint, Place, Scope};
use super::values::{Name, Undo, Variable, either};
use crate::playbook::{
    actions::Class,
    model::{ApprovalTimeout, Approve, OnFailure, Step, What},
};

/// More steps than anyone follows.
pub(super) const MOST_STEPS: usize = 500;
/// Steps in steps in steps.
pub(super) const DEEPEST: usize = 5;
/// What a step does: one of these.
pub(super) const KINDS: [&str; 5] = ["action", "parallel", "block", "manual", "playbook"];

/// In what a step stands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Within {
    /// Is it done whatever happened?
    pub(super) always: bool,
    /// In how many other steps.
    pub(super) depth: usize,
}

/// What a step brings for those after it.
pub(super) type Brought = Vec<(String, Known)>;

impl Lint<'_> {
    /// Reads a step.
    pub(super) fn step(&self, at: &Cursor<'_>, scope: &Scope, within: Within) -> (Option<Step>, Brought) {
        self.steps.set(self.steps.get() + 1);
        if self.steps.get() > MOST_STEPS {
            if self.steps.get() == MOST_STEPS + 1 {
                at.fail::<()>(format!(
                    "is one step too many: a playbook has at most {MOST_STEPS}; divide it"
                ));
            }
            return (None, Brought::new());
        }
        let mut brought = Brought::new();
        let step = self.fields(at, scope, within, &mut brought);
        (step, brought)
    }

    fn fields(&self, at: &Cursor<'_>, scope: &Scope, within: Within, brought: &mut Brought) -> Option<Step> {
        let mut fields = at.fields()?;
        let id = fields.required::<Name>("id", "write the step's name, such as `id: isolate`");
        let phase = fields.optional("phase");
        let (when_at, each_at) = (fields.get("when"), fields.get("forEach"));
        let register = fields.optional::<Variable>("register");
        let retry = fields.optional("retry");
        let timeout = fields.optional("timeout");
        let on_failure = fields.optional("onFailure");
        let undo = fields.optional::<Undo>("undo");
        let approve_at = fields.get("approve");
        for name in KINDS.iter().chain(&["args", "rescue"]) {
            fields.get(name);
        }
        fields.finish();
        let id = id.map(|id| id.0);
        if let (Some(id), Some(at)) = (&id, at.entry("id")) {
            once(&self.ids, &at, id, "another step has this name");
        }
        let register = register.map(|it| it.map(|it| it.0));
        if let (Some(Some(name)), Some(at)) = (&register, at.entry("register")) {
            once(&self.names, &at, name, "another step registers this name");
        }
        self.belongs(at, within, on_failure.flatten());

        let for_each = each_at.as_ref().map_or(Some(None), |at| {
            let (list, running) = self.expression(at, scope, Place::Step);
            self.planned(at, &running, "nobody could plan what is done for its entries");
            list.map(Some)
        });
        let inner = Scope { item: each_at.is_some(), ..scope.clone() };
        let when = when_at.map_or(Some(None), |at| self.expression(&at, &inner, Place::Step).0.map(Some));
        let approve = approve_at.map_or(Some(None), |at| approve(self, &at, &inner).map(Some));
        let mut asked = Running::new();
        let (what, class) = self.what(at, &inner, within, &mut asked, brought);
        if let Some(args) = at.entry("args") {
            match class {
                None => self.planned(&args, &asked, "nobody could plan what the playbook does"),
                Some(class) if class > Class::Read && at.entry("approve").is_none() => {
                    self.planned(
                        &args,
                        &asked,
                        "nobody could plan what is changed: give the step an `approve` of its own",
                    );
                }
                _ => {}
            }
        }
        if let Some(undo) = at.entry("undo").filter(|_| matches!(undo, Some(Some(Undo(true)))))
            && class == Some(Class::Irreversible)
        {
            undo.fail::<()>("cannot be: what this action does stays; write `undo: none`, or leave it out");
        }
        if let Some(Some(approve)) = &approve {
            self.passed_over(at, approve);
        }
        if let Some(Some(name)) = &register {
            let foretold = match &what {
                Some(Some(What::Action { name, .. })) => self.action(name).is_some_and(|it| it.foretells()),
                _ => false,
            };
            let later = class != Some(Class::Read) && !foretold
                || !asked.is_empty()
                || ["approve", "manual"].iter().any(|name| at.entry(name).is_some());
            brought.push((name.clone(), if later { Known::Running } else { Known::Planned }));
        }
        Some(Step {
            id: id?,
            phase: phase?,
            when: when?,
            for_each: for_each?,
            register: register?,
            retry: retry?,
            timeout: timeout?,
            on_failure: on_failure?,
            undo: undo?.is_none_or(|undo| undo.0),
            approve: approve?,
            what: what?,
        })
    }

    /// What the step does, and what can become of it: nothing is known where it is more than one action.
    fn what(
        &self,
        at: &Cursor<'_>,
        scope: &Scope,
        within: Within,
        asked: &mut Running,
        brought: &mut Brought,
    ) -> (Option<Option<What>>, Option<Class>) {
        let given: Vec<&str> = KINDS.into_iter().filter(|name| at.entry(name).is_some()).collect();
        let inner = Within { depth: within.depth + 1, ..within };
        match given.as_slice() {
            [] if at.entry("approve").is_some() => (Some(None), Some(Class::Read)),
            [] => {
                let wrong = format!("does nothing: write {}, or `approve` alone", either(&KINDS));
                (at.fail(wrong), Some(Class::Read))
            }
            ["action"] => {
                let (what, class) = self.does(at, scope, asked);
                (what.map(Some), Some(class))
            }
            ["playbook"] => (self.calls(at, scope, asked).map(Some), None),
            ["manual"] => {
                let what = at.entry("manual").and_then(|at| manual(self, &at, scope));
                (what.map(Some), Some(Class::Read))
            }
            [kind] if within.depth >= DEEPEST => {
                let wrong =
                    format!("is nested too deeply: at most {DEEPEST} levels; make another playbook of it");
                (at.entry(kind).and_then(|at| at.fail(wrong)), Some(Class::Read))
            }
            ["parallel"] => {
                let steps = at.entry("parallel").and_then(|at| {
                    let read: Vec<Option<Step>> = listed(&at)?
                        .iter()
                        .map(|item| {
                            // Nobody knows which of them is done first.
                            let (step, more) = self.step(item, scope, inner);
                            brought.extend(more);
                            step
                        })
                        .collect();
                    read.into_iter().collect::<Option<Vec<_>>>()
                });
                (steps.map(|steps| Some(What::Parallel(steps))), Some(Class::Read))
            }
            ["block"] => {
                let mut known = scope.clone();
                let steps = at.entry("block").and_then(|at| sequence(self, &at, &mut known, inner));
                let rescue =
                    at.entry("rescue").map_or(Some(Vec::new()), |at| sequence(self, &at, &mut known, inner));
                let new = known.vars.into_iter().filter(|(name, _)| !scope.vars.contains_key(name));
                brought.extend(new);
                let what = steps.zip(rescue).map(|(steps, rescue)| Some(What::Block { steps, rescue }));
                (what, Some(Class::Read))
            }
            several => {
                let wrong = format!("does several things at once: keep one of {}", either(several));
                (at.fail(wrong), Some(Class::Read))
            }
        }
    }

    /// Fields that do not go together.
    fn belongs(&self, at: &Cursor<'_>, within: Within, on_failure: Option<OnFailure>) {
        let is = |names: &[&str]| names.iter().any(|name| at.entry(name).is_some());
        let only = |field: &str, fits: bool, message: &str| {
            if let Some(at) = at.given(field).filter(|_| !fits) {
                at.fail::<()>(message);
            }
        };
        only("args", is(&["action", "playbook"]), "belongs to `action` or `playbook`");
        only("rescue", is(&["block"]), "belongs to `block`");
        only("retry", is(&["action"]), "belongs to `action`: only a single action is tried again");
        only(
            "forEach",
            is(&["action", "playbook"]),
            "belongs to `action` or `playbook`; to do several steps for every entry, make a playbook of them",
        );
        only(
            "register",
            !is(&["parallel", "block"]),
            "belongs to the steps inside: this one brings nothing itself",
        );
        let undone = is(&["action", "playbook"]);
        only("undo", undone, "belongs to `action` or `playbook`: there is nothing else to take back");
        let alone = is(&["approve"]) && !is(&KINDS);
        only("timeout", !alone, "belongs into `approve`: that is how long is waited");
        if let Some(at) = at.entry("onFailure")
            && within.always
            && on_failure == Some(OnFailure::Rollback)
        {
            at.fail::<()>("comes too late: what stands in `always` is done after everything else");
        }
    }

    /// Notes what has to be known when the run is planned, and asks for what is not.
    pub(super) fn planned(&self, at: &Cursor<'_>, running: &Running, so: &str) {
        if let Some(name) = running.first() {
            at.fail::<()>(format!("asks for `vars.{name}`, which is only known in the run, so {so}"));
        }
    }

    /// Notes an approval that changes nothing when nobody gives it.
    fn passed_over(&self, at: &Cursor<'_>, approve: &Approve) {
        let alone = !KINDS.iter().any(|name| at.entry(name).is_some());
        if alone
            && approve.on_timeout == ApprovalTimeout::Skip
            && at.entry("register").is_none()
            && let Some(at) = at.entry("approve").and_then(|at| at.entry("onTimeout"))
        {
            at.fail::<()>(
                "lets the run go on as if it were approved: `register` the answer and ask for it in a later `when`, or write \
                 `abort`",
            );
        }
    }
}
