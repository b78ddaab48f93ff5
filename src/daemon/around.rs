//! How things stand in the store, looked at again and again.

use super::{board::Trouble, keeper::Shared};
use jiff::Timestamp;
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::time::sleep;

/// How often it is looked when nothing ran here: other daemons and people do something, too.
const EVERY: Duration = Duration::from_secs(900);
/// What ran may not be alone.
const AFTER: Duration = Duration::from_secs(2);

/// Looks around, at once, after each run, and every quarter of an hour.
pub(super) async fn look_around(shared: Arc<Shared>) -> Infallible {
    loop {
        let setup = shared.setup.borrow().clone();
        let now: Timestamp = (shared.clock)();
        let found = setup.ground.around(now).await;
        if let Err(why) = &found {
            tracing::warn!("how things stand with the recovery points is not known: {why}");
        }
        let certificates = setup.ground.certificates().await;
        shared.board.note(|it| {
            it.certificates = certificates;
            match found {
                Ok(around) => (it.around, it.unseen) = (Some((around, now)), None),
                Err(why) => Trouble::seen(&mut it.unseen, why, now),
            }
        });
        tokio::select! {
            () = sleep(EVERY) => {}
            () = shared.ran.notified() => sleep(AFTER).await,
        }
    }
}
