//! Staging of another version than the source's: that is a finding, and tells both.

use crate::{
    drill_case::{check, drill, failed, write},
    lab::tools::tool,
    saved::saved,
};
use anyhow::Result;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_server_of_another_minor_version_is_a_finding() -> Result<()> {
    let saved = saved().await?;
    let before = format!("kubeApiserver: '{}'", tool("kube-apiserver-before")?.display());
    write(&saved.boat, &before, "")?;
    let evidence = drill(&saved.boat, &[]).await.expect(4).json();
    let source = evidence["point"]["kubernetesVersion"].as_str().unwrap().to_owned();
    let mut programs = evidence["staging"]["programs"].as_array().unwrap().iter();
    let server = programs.find(|it| it["name"] == "kube-apiserver").unwrap();
    let server = server["version"].as_str().unwrap();
    assert_ne!(source, server);
    assert!(failed(&evidence).contains(&"versions".to_owned()), "{evidence:#}");
    let found = check(&evidence, "versions")["findings"][0]["message"].as_str().unwrap().to_owned();
    let words = format!("staging's API server, {server}, is older than the source's, {source}: ");
    assert!(found.starts_with(&words) && found.contains("; take one of v1."), "{found}");
    assert!(evidence["reasons"].to_string().contains(&words), "{}", evidence["reasons"]);

    // Where the file says that it may be so, it is told, and no reason to fail.
    write(&saved.boat, &before, "severity: {versions: warning}")?;
    let evidence = drill(&saved.boat, &[]).await.json();
    assert_eq!(check(&evidence, "versions")["severity"], "warning");
    assert!(!evidence["reasons"].to_string().contains("versions"), "{}", evidence["reasons"]);

    // An etcd that cannot read what the source's wrote is not even started.
    write(&saved.boat, &format!("etcd: '{}'", tool("etcd35")?.display()), "")?;
    let evidence = drill(&saved.boat, &[]).await.expect(1).json();
    let reasons = evidence["reasons"].to_string();
    assert!(reasons.contains("has version 3.5, and the source's was 3.6"), "{reasons}");
    assert!(reasons.contains("(in the phase provision)"), "{reasons}");
    Ok(())
}
