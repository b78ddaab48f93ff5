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

/// How much of the journal is on the disk.
#[derive(Debug, Default)]
pub(super) struct Settled {
    entries: u64,
    /// Why nothing more can be trusted to it.
    failed: Option<String>,
}

impl Running<'_> {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Was nothing written before?
    pub(super) fn is_new(&self) -> bool {
        self.book().new
    }

    /// Writes an entry, and waits until it is on the disk.
    pub(super) async fn write(&self, what: What) -> Result<(), JournalError> {
        self.note(what)?;
        let wanted = self.book().journal.pending().entries();
        let mut settled = self.settled.lock().await;
        // Whoever waited before has often taken it along: entries that come together go to the disk together.
        if settled.entries >= wanted {
            return Ok(());
        }
        if let Some(why) = &settled.failed {
            return Err(self.lost(why));
        }
        let pending = self.book().journal.pending();
        let entries = pending.entries();
        // A file system that has once not kept what was written says nothing of it when it is asked again.
        let went = match tokio::task::spawn_blocking(move || pending.settle()).await {
            Ok(went) => went,
            Err(e) => Err(self.lost(&e.to_string())),
        };
        match &went {
            Ok(()) => settled.entries = entries,
            Err(e) => settled.failed = Some(e.to_string()),
        }
        went
    }

    /// Writes an entry that may go to the disk along with the next one that is waited for.
    pub(super) fn note(&self, what: What) -> Result<(), JournalError> {
        let entry: Entry = {
            let mut book = self.book();
            let entry = book.journal.write(what, self.now())?;
            book.state.hear(&entry.what, entry.at);
            entry
        };
        (self.means.tell)(&entry);
        Ok(())
    }

    fn lost(&self, why: &str) -> JournalError {
        self.book().journal.lost(why)
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
