//! What was done is taken back, the newest first.

use super::{Halt, Running};
use crate::playbook::{
    journal::What,
    op::{Outcome, Probe},
    state::Doneness,
};
use std::time::Duration;

/// How often a call that may pass is tried.
const TRIES: u32 = 4;

impl Running<'_> {
    /// Takes back whatever can be. Gives how many ops are left.
    pub(super) async fn take_back(&self, by: String) -> Result<u64, Halt> {
        self.write(What::UndoBegun { by }).await?;
        let (all, mut left) = (self.state(|state| state.to_undo()), 0);
        for (id, at, state) in all {
            if state.op.reads() {
                continue;
            }
            let Some(step) = self.means.plan.step(&id) else { continue };
            let cluster = self.audited(&format!("{id}-undo"), 1);
            let with = self.doing(cluster.as_ref());
            let kept = |why: String| What::NotUndone { step: id.clone(), op: at, why };
            if !step.undo {
                self.write(kept("the playbook says that it stays (`undo: none`)".to_owned())).await?;
                left += 1;
                continue;
            }
            let outcome = match state.standing {
                Doneness::Done(outcome) => outcome,
                _ if state.op.knows_its_own() => Outcome::default(),
                Doneness::NotDone => continue,
                Doneness::Meant => match state.op.probe(&with).await {
                    Ok(Probe::Done(outcome)) => outcome,
                    Ok(Probe::Half) => Outcome::default(),
                    Ok(Probe::NotDone) => {
                        let why = "it was not done".to_owned();
                        self.write(What::NotDone { step: id.clone(), op: at, why }).await?;
                        continue;
                    }
                    Ok(Probe::Other(why)) => {
                        self.write(kept(why)).await?;
                        left += 1;
                        continue;
                    }
                    Ok(Probe::Unknown) => {
                        self.write(kept("nobody can tell whether it was done".to_owned())).await?;
                        left += 1;
                        continue;
                    }
                    Err(e) => {
                        self.write(kept(e.to_string())).await?;
                        left += 1;
                        continue;
                    }
                },
            };
            self.write(What::UndoIntent { step: id.clone(), op: at }).await?;
            let mut tries = 1;
            let went = loop {
                match state.op.take_back(&outcome, &with).await {
                    Err(e) if e.may_pass() && tries < TRIES => {
                        self.pause(Duration::from_secs(1 << tries)).await?;
                        tries += 1;
                    }
                    went => break went,
                }
            };
            match went {
                Ok(outcome) => {
                    let outcome: Outcome = outcome;
                    self.write(What::Undone { step: id.clone(), op: at, outcome }).await?;
                }
                Err(e) => {
                    self.write(kept(e.to_string())).await?;
                    left += 1;
                }
            }
        }
        self.write(What::UndoEnded { left }).await?;
        Ok(left)
    }
}
