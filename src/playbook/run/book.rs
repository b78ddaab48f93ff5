use super::Running;
use crate::playbook::{
    journal::{Entry, Journal, JournalError, StepEnd, What},
    model::OnFailure,
    scope::Scope,
    state::{State, StepState},
};
use serde_json::Value;
use std::sync::{MutexGuard, PoisonError};

/// The journal, and what it says so far.
pub(super) struct Book {
    pub(super) journal: Journal,
    pub(super) state: State,
    pub(super) new: bool,
}

impl Running<'_> {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Was nothing written before?
    pub(super) fn is_new(&self) -> bool {
        self.book().new
    }

    /// Writes an entry: it is on the disk when this returns.
    pub(super) fn write(&self, what: What) -> Result<(), JournalError> {
        let entry: Entry = {
            let mut book = self.book();
            let entry = book.journal.write(what, self.now())?;
            book.state.hear(&entry.what, entry.at);
            entry
        };
        (self.means.tell)(&entry);
        Ok(())
    }

    /// Looks at what the journal says.
    pub(super) fn state<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.book().state)
    }

    /// Looks at what the journal says of a step.
    pub(super) fn of_step<T>(&self, id: &str, look: impl FnOnce(&StepState) -> T) -> T {
        self.state(|state| look(state.steps.get(id).unwrap_or(&StepState::default())))
    }

    /// How many steps failed, with which the run went on.
    pub(super) fn failed_steps(&self) -> usize {
        let failed = |id: &str| self.of_step(id, |step| matches!(step.end, Some(StepEnd::Failed { .. })));
        let counts = |id: &str, on: OnFailure| on == OnFailure::Continue && failed(id);
        self.means.plan.every_step().iter().filter(|step| counts(&step.id, step.on_failure)).count()
    }

    pub(super) fn scope(&self) -> MutexGuard<'_, Scope> {
        self.scope.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a step brought is known from now on.
    pub(super) fn bring(&self, register: Option<&str>, value: Option<Value>) {
        if let Some(name) = register {
            self.scope().bring(name, value.unwrap_or(Value::Null));
        }
    }
}
