use super::{
    Action, Options, Plan, Planned, ResourcesError, Target,
    decide::SAME,
    plan::Reason,
    target::Served,
    write::{NotWritten, Writer, Wrote},
};
use crate::object::TypeName;
use futures_util::{StreamExt, future::BoxFuture, stream};
use std::collections::HashSet;

/// Has the server try every write without storing it, so that what admission refuses is known before anything is changed.
///
/// # Errors
/// When nobody answers any more.
pub(super) async fn try_out(
    plan: &mut Plan,
    target: &Target,
    options: &Options,
) -> Result<(), ResourcesError> {
    let to_come: HashSet<Box<str>> = plan
        .objects
        .iter()
        .filter(|it| it.action == Action::Create && it.object.kind == TypeName::new("", "namespaces"))
        .map(|it| it.to.name.clone())
        .collect();
    let gathered = plan.gathered.clone();
    let writer = Writer { cluster: &target.cluster, gathered: &gathered, options, dry_run: true };
    let tries = plan.objects.iter().enumerate().filter(|(_, planned)| planned.writes());
    let (trying, coming) = (&writer, &to_come);
    let mut asked: Vec<BoxFuture<'_, (usize, Tried)>> = Vec::new();
    for (at, planned) in tries {
        asked.push(Box::pin(async move {
            match waits_for(planned, target, coming) {
                Some(why) => (at, Tried::Not(why)),
                // Owners that are not there yet have no UID, and any is as good for a try.
                None => {
                    let uid = |_| Some("00000000-0000-0000-0000-000000000000".to_owned());
                    (at, Tried::Told(trying.write(planned, uid).await))
                }
            }
        }));
    }
    let tried: Vec<(usize, Tried)> =
        stream::iter(asked).buffer_unordered(options.concurrency.max(1)).collect().await;
    for (at, told) in tried {
        let recreates = writer.recreates(&plan.objects[at]);
        take_in(&mut plan.objects[at], told, recreates)?;
    }
    Ok(())
}

enum Tried {
    Not(&'static str),
    Told(Result<Wrote, NotWritten>),
}

/// Why the server cannot try a write yet.
fn waits_for(planned: &Planned, target: &Target, to_come: &HashSet<Box<str>>) -> Option<&'static str> {
    let version = planned.kind.as_ref().map_or("", |kind| &*kind.version);
    if matches!(target.serves(&planned.object.kind, version), Served::Not) {
        return Some("the server could not try it: its type is not served yet");
    }
    let namespace = planned.to.namespace.as_deref()?;
    to_come.contains(namespace).then_some("the server could not try it: its namespace is not there yet")
}

fn take_in(planned: &mut Planned, tried: Tried, recreates: bool) -> Result<(), ResourcesError> {
    match tried {
        Tried::Not(why) => planned.notes.push(why.to_owned()),
        Tried::Told(Ok(Wrote::Unchanged(_))) => {
            planned.action = Action::Skip;
            planned.changes.clear();
            planned.reason = Some(Reason { text: SAME.to_owned(), detail: None });
        }
        Tried::Told(Ok(_)) => {}
        Tried::Told(Err(NotWritten::Refused(refusal))) if refusal.is_for_all() => {
            return Err(ResourcesError::Live { what: planned.to.to_string(), reason: refusal.message });
        }
        Tried::Told(Err(NotWritten::Refused(refusal)))
            if planned.action == Action::Update && refusal.invalid() && recreates =>
        {
            planned.action = Action::Recreate;
            planned.notes.push(refusal.message);
        }
        Tried::Told(Err(NotWritten::Refused(refusal))) => {
            planned.conflict("the server would refuse it", Some(refusal.message));
        }
        Tried::Told(Err(NotWritten::Changed(how))) => planned.conflict(how, None),
        Tried::Told(Err(NotWritten::Owner(_))) => planned.conflict("its owner is not there", None),
        Tried::Told(Err(NotWritten::Unusable(why))) => planned.conflict("it cannot be written", Some(why)),
    }
    Ok(())
}
