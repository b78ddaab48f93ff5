//! A drill in a cluster of others that is stopped or killed: what it made is found by its record and its label, and nothing else is
//! touched.

use crate::{
    boat::Ran,
    drill_case::{RUN, signal},
    drill_existing_case::{LABEL, Site, site},
    lab::eventually,
};
use anyhow::Result;
use rustix::process::Signal;
use std::time::Duration;
use tokio::process::Child;

/// A drill that has begun to make things.
async fn begun(site: &Site) -> Result<Child> {
    let child = site.boat.spawn(&RUN)?;
    eventually("something of the drill's", Duration::from_secs(60), async || {
        let found =
            site.cluster.kubectl(&["get", "configmaps", "-n", "quay", "-l", LABEL, "-o", "name"]).await?;
        Ok((!found.trim().is_empty()).then_some(()))
    })
    .await?;
    Ok(child)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_or_killed_everything_it_made_goes_and_nothing_else() -> Result<()> {
    let site = site().await?;
    site.write("", "")?;
    let before = site.all().await?;

    let child = begun(&site).await?;
    signal(&child, Signal::TERM)?;
    let ran: Ran = child.wait_with_output().await?.into();
    let evidence = ran.expect(1).json();
    assert_eq!(evidence["verdict"], "stopped", "{evidence:#}");
    site.same(&before, &site.all().await?);

    let cleanup = ["drill", "cleanup", "--directory", "staging"];
    let mut child = begun(&site).await?;
    // What a drill that lives has made is no leftover.
    assert!(site.boat.run(&cleanup).await.expect(0).stdout.contains("left nothing"));
    signal(&child, Signal::KILL)?;
    child.wait().await?;
    let told = site.boat.run(&[&cleanup[..], &["--dry-run"]].concat()).await.expect(0).stdout;
    let server = site.cluster.url();
    assert!(
        told.contains(&format!("everything with the label {LABEL}=")) && told.contains(&server),
        "{told}"
    );
    let done = site.boat.run_within(Duration::from_secs(200), &cleanup).await.expect(0).stdout;
    assert!(done.contains("is gone: 1 namespaces, and "), "{done}");
    site.same(&before, &site.all().await?);

    // The next drill does the same before it begins.
    let mut child = begun(&site).await?;
    signal(&child, Signal::KILL)?;
    child.wait().await?;
    let ran = site.drill().await.expect(0);
    assert!(ran.stderr.contains("was killed; what it left has been taken away"), "{}", ran.stderr);
    site.same(&before, &site.all().await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_reached_or_is_another_cluster_now_stays_and_is_told() -> Result<()> {
    let site = site().await?;
    site.write("", "")?;
    let mut child = begun(&site).await?;
    signal(&child, Signal::KILL)?;
    child.wait().await?;
    let home = std::fs::read_dir(site.boat.path("staging"))?.next().unwrap()?.path();
    let record = home.join("existing.json");
    let text = std::fs::read_to_string(&record)?;
    let uid = crate::drill_existing_case::uid(&site.cluster).await?;
    std::fs::write(&record, text.replace(&uid, "another"))?;
    let cleanup = ["drill", "cleanup", "--directory", "staging"];
    let told = site.boat.run(&cleanup).await.expect(1).stdout;
    assert!(told.contains("IS STILL THERE: another cluster answers there now"), "{told}");
    assert!(home.exists() && site.all().await?.keys().any(|name| name.contains("/quay/")));
    std::fs::write(&record, text)?;
    site.boat.run_within(Duration::from_secs(200), &cleanup).await.expect(0);
    assert!(!home.exists() && !site.all().await?.keys().any(|name| name.contains("quay")));
    Ok(())
}
