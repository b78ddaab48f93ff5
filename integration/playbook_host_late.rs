//! Time that runs out on a host in the middle of a swap: servers are stopped and data is between two places then, and it goes back.

use crate::{
    lab::Kubelet,
    playbook_case::{book, playbook},
    playbook_host::{POINT, Stopped, difference, head, journal},
};
use anyhow::{Result, ensure};
use std::{path::PathBuf, time::Duration};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_on_host_goes_back_when_the_time_of_a_step_or_of_all_of_it_is_over() -> Result<()> {
    let mut it = Stopped::new().await?;
    // Nothing starts what lies there: etcd is waited for, and never comes.
    it.unwatched();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let place = it.host().join("manifests");
    let (before, boat) = (it.tree(), &it.saved.boat);
    let restore = |more: &str| {
        format!(
            "    - {{id: restore, {more}action: etcd.restore, args: {{point: '${{params.point.id}}', manifests: '{}', bumpRevision: 0, markCompacted: false, within: 60s}}}}\n",
            place.display()
        )
    };
    playbook(boat, "step", &head(POINT), &restore("timeout: 8s, "))?;
    playbook(boat, "whole", &format!("  timeout: 8s\n{}", head(POINT)), &restore(""))?;
    for (file, whose) in [("whole.yaml", "the playbook's `timeout`"), ("step.yaml", "the step's `timeout`")] {
        it.forget()?;
        let ran = book(boat, &format!("run {file} --yes -i identity.txt")).await.expect(1);
        ensure!(
            ran.stderr.contains(whose) && ran.stderr.contains("Undone, everything is as it was"),
            "{ran:?}"
        );
        assert_eq!(difference(&before, &it.tree()), Vec::<PathBuf>::new(), "{ran:?}");
        let entries = journal(boat)?;
        ensure!(entries.iter().any(|it| it["what"] == "not-done" && it["step"] == "restore"), "{entries:#?}");
    }
    // With somebody who starts it, it is brought to its end.
    let _kubelet = Kubelet::start(&place, it.saved.dir());
    book(boat, "resume latest -i identity.txt").await.expect(0).says("COMPLETED");
    it.must_serve_the_point().await?;
    book(boat, "undo latest").await.expect(0);
    assert_eq!(difference(&before, &it.tree()), Vec::<PathBuf>::new());
    Ok(())
}
