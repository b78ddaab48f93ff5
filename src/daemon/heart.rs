//! The signs of life of a run.

use super::Why;
use crate::{
    catalogue::Catalogue,
    point::{End, Turn},
};
use std::time::Duration;
use tokio::{sync::watch, task::JoinHandle, time::sleep};

/// How often a run shows that it lives.
pub(super) const EVERY: Duration = Duration::from_secs(30);
/// After so long without a sign of life others may take a run up.
pub(super) const SILENCE: Duration = Duration::from_secs(180);

/// Signs of life, as long as this is kept. Where others have given the run up meanwhile, the run is told.
pub(super) struct Heart(JoinHandle<()>);

impl Heart {
    pub(super) fn beat(catalogue: Catalogue, turn: Turn, stop: watch::Sender<Option<Why>>) -> Self {
        Heart(tokio::spawn(async move {
            for number in 1.. {
                sleep(EVERY).await;
                let alive = async {
                    catalogue.keep_alive(&turn, number).await?;
                    catalogue.said::<End>(&turn).await
                };
                match alive.await {
                    Ok(None) => {}
                    Ok(Some(end)) => {
                        let why = end.message.unwrap_or_default();
                        tracing::error!(
                            "{turn} was given up by others ({}): it is stopped here. {why}",
                            end.outcome
                        );
                        stop.send_if_modified(|told| told.is_none() && told.replace(Why::GivenUp).is_none());
                        return;
                    }
                    // Who cannot show that it lives may be given up, and the fence keeps what it makes from counting then.
                    Err(e) => tracing::warn!("{turn}: that it lives could not be told: {e}"),
                }
            }
        }))
    }
}

impl Drop for Heart {
    fn drop(&mut self) {
        self.0.abort();
    }
}
