//! The shipped playbook whose steps are all done by hand, killed at each line of its journal: nobody is asked twice, and no answer is lost.

use crate::{
    boat::Lifeboat,
    playbook_case::{book, journal},
    playbook_crash::killed,
    playbook_run::approver,
    playbook_runbooks::file,
    playbook_runbooks_killed::Lines,
};
use anyhow::{Result, bail, ensure};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_for_expired_certificates_killed_at_each_line_asks_for_each_step_once() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let boat = Lifeboat::init(dir.path(), None, None).await?;
    let alice = approver(&boat, "alice", "leads").await?;
    boat.edit(|text| format!("{text}\nplaybooks:\n  approvers:\n{alice}"))?;
    let mut words = format!("run {} -p incident=OPS-7 --yes --no-wait", file("expired-certificates"));
    let (mut lines, mut kills, mut asked) = (Lines::default(), 0, Vec::new());
    for _ in 0..200 {
        let ended = killed(&boat, &words, lines.news(&boat)).await?;
        lines.news(&boat)();
        words = "resume latest --no-wait".to_owned();
        let Some(ran) = ended else {
            kills += 1;
            continue;
        };
        if ran.code == 0 {
            ran.says("COMPLETED");
            assert_eq!(
                asked,
                ["look", "authority", "keep", "gate", "renew", "kubelets", "hand-out", "healthy"]
            );
            let entries = journal(&boat)?;
            let answers: Vec<&str> = entries
                .iter()
                .filter(|it| it["what"] == "answered")
                .filter_map(|it| it["step"].as_str())
                .collect();
            assert_eq!(answers, asked, "each answer is written down once");
            ensure!(kills >= 16, "killed {kills} times");
            book(&boat, "undo latest").await.expect(0);
            return Ok(());
        }
        let status = book(&boat, "status latest -o json").await.expect(0).json();
        let Some(step) = status["waiting"]["step"].as_str() else { bail!("{ran:?} {status:#}") };
        ensure!(!asked.contains(&step.to_owned()), "{step} is asked for again: {ran:?}");
        let told = "--told expired=all --told authorities=none --told until=2027";
        book(&boat, &format!("approve latest --step {step} --as alice --key alice.key {told}"))
            .await
            .expect(0);
        asked.push(step.to_owned());
    }
    bail!("it never comes to its end")
}
