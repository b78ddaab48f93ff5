//! Ways to make an etcd ill.

use anyhow::{Result, ensure};
use etcd_client::{AlarmAction, AlarmOptions, AlarmType};

use super::{Etcd, member};

const SOUND: &[u8] = b"lab-divergence-sound-sound-sound";
const FALSE: &[u8] = b"lab-divergence-false-false-false";

impl Etcd {
    /// Raises an alarm on member `i`, as etcd itself does when it finds corruption or is full.
    pub async fn raise_alarm(&self, i: usize, alarm: AlarmType) -> Result<()> {
        self.alarm(i, AlarmAction::Activate, alarm).await
    }

    /// Takes the alarm back.
    pub async fn clear_alarm(&self, i: usize, alarm: AlarmType) -> Result<()> {
        self.alarm(i, AlarmAction::Deactivate, alarm).await
    }

    /// Makes the data of member `i` differ from that of the others, unnoticed by etcd: its database file is changed
    /// while it is stopped. Needs a quorum without it.
    pub async fn diverge(&self, i: usize) -> Result<()> {
        self.put("lab/divergence", std::str::from_utf8(SOUND)?).await?;
        self.healthy().await?;
        let member = self.member(i);
        member.stop().await?;
        let mut changed = 0;
        member::edit_database(member, |bytes| {
            for at in 0..bytes.len().saturating_sub(SOUND.len()) {
                if bytes[at..].starts_with(SOUND) {
                    bytes[at..at + FALSE.len()].copy_from_slice(FALSE);
                    changed += 1;
                }
            }
        })?;
        ensure!(changed > 0, "{} had not written the key yet", member.name);
        member.start()?;
        self.healthy().await
    }

    async fn alarm(&self, i: usize, action: AlarmAction, alarm: AlarmType) -> Result<()> {
        let mut client = self.client_of(i).await?;
        let id = client.status().await?.header().map_or(0, |header| header.member_id());
        let mut options = AlarmOptions::new();
        options.with_member(id);
        client.alarm(action, alarm, Some(options)).await?;
        Ok(())
    }
}
