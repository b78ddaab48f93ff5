//! What a timeline tells of who may do what: by the recovery points around a run.

use crate::{
    lab::{ClusterOptions, eventually, with_cluster},
    playbook_case::{book, journal, playbook, ship},
};
use anyhow::{Result, ensure};
use serde_json::Value;
use std::{fs, time::Duration};

const CUT: &str = "    - {id: pause, action: wait, args: {for: 6s}}
    - {id: cut, phase: containment, action: rbac.detach, args: {subject: {kind: ServiceAccount, namespace: ship, name: crew}}}
";

/// The row that tells of this, of those about who may do what.
fn row<'t>(text: &'t str, name: &str) -> &'t str {
    let (_, section) = text.split_once("## Who may do what").unwrap_or_default();
    section.lines().find(|line| line.starts_with('|') && line.contains(name)).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timeline_tells_who_got_which_rights_meanwhile_and_what_the_run_took_away() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let boat = ship(cluster).await?;
        playbook(&boat, "cut", "", CUT)?;
        // When something was written is known to the second: what was written before is not of this one.
        tokio::time::sleep(Duration::from_millis(1100)).await;
        let point = async || boat.backup(&["--resources-only"]).await["id"].as_str().unwrap().to_owned();
        let before = point().await;
        let run = book(&boat, "run cut.yaml --yes");
        let intruder = async {
            // While the run waits.
            eventually("a run that waits", Duration::from_secs(60), async || {
                let begun = |lines: Vec<Value>| lines.iter().any(|line| line["step"] == "pause");
                Ok(journal(&boat).is_ok_and(begun).then_some(()))
            })
            .await?;
            let line =
                "create rolebinding stowaway -n ship --clusterrole=admin --serviceaccount=ship:stowaway";
            cluster.kubectl(&line.split(' ').collect::<Vec<_>>()).await
        };
        let (ran, intruded) = tokio::join!(run, intruder);
        intruded?;
        ran.expect(0);

        // There is nothing to compare with yet, and then nothing to open it with.
        let told = book(&boat, "timeline latest -i identity.txt").await.expect(0).stdout;
        ensure!(told.contains("was taken since the run began"), "{told}");
        let after = point().await;
        let told = book(&boat, "timeline latest").await.expect(0).stdout;
        ensure!(told.contains("timeline") && told.contains("-i IDENTITY"), "{told}");
        ensure!(told.contains(&before) && told.contains(&after) && !told.contains("stowaway"), "{told}");
        let told = book(&boat, "timeline latest -i identity.txt").await.expect(0).stdout;
        ensure!(told.contains(&format!("Compared: {before}")) && told.contains(&after), "{told}");
        let came = row(&told, "ship/stowaway");
        ensure!(
            came.contains("added") && came.contains("kubectl") && came.contains("acts as somebody else"),
            "{told}"
        );
        ensure!(!came.contains("this run"), "{came}");
        let taken = row(&told, "ship/crew");
        ensure!(taken.contains("changed") && taken.contains("this run (step cut)"), "{told}");
        ensure!(!taken.contains("last written by") && taken.contains("subjects"), "{taken}");

        let page = book(&boat, "timeline latest -i identity.txt --to page.html").await.expect(0);
        let page = page.stdout + &fs::read_to_string(boat.path("page.html"))?;
        ensure!(page.contains("changes around the run") && page.contains("stowaway"), "{page}");
        ensure!(page.contains("this run (step cut)"), "{page}");

        // What is taken back is not the run's any more: nothing is left of it in the points around it.
        book(&boat, "undo latest").await.expect(0);
        point().await;
        let told = book(&boat, "timeline latest -i identity.txt").await.expect(0).stdout;
        ensure!(row(&told, "ship/crew").is_empty(), "{told}");
        ensure!(row(&told, "ship/stowaway").contains("added"), "{told}");
        Ok(())
    })
    .await
}
