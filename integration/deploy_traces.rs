//! What deploy/README.md says of traces: how pods are told where they go, and who lets them through.

use crate::{
    deploy_case::{OVERLAYS, block, documents, template, with},
    deploy_helm::{chart, made},
};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// It reaches every pod, takes nothing from it, and is let through.
#[test]
fn traces_are_set_up_as_the_readme_says() -> Result<()> {
    let from = json!([{"secretRef": {"name": "lifeboat-traces"}}]);
    let policy = documents(&block("yaml", "metadata: {name: lifeboat-traces}")?)?.remove(0);
    let egress = &policy["spec"]["egress"][0];
    assert_eq!(egress["ports"], json!([{"protocol": "TCP", "port": 4318}]));
    for overlay in OVERLAYS {
        let plain = with("", overlay)?;
        let traced = with(&block("yaml", "envFrom")?, overlay)?;
        let templates: Vec<_> = traced.iter().filter_map(template).collect();
        assert!(!templates.is_empty());
        for (pod, before) in templates.iter().zip(plain.iter().filter_map(template)) {
            let mut pod = (*pod).clone();
            let labels = policy["spec"]["podSelector"]["matchLabels"].as_object().context("labels")?;
            assert!(labels.iter().all(|(name, value)| pod["metadata"]["labels"][name] == *value), "{pod:#}");
            let container = pod["spec"]["containers"][0].as_object_mut().context("a container")?;
            assert_eq!(container.remove("envFrom").as_ref(), Some(&from));
            assert_eq!(&pod, before);
        }
    }
    Ok(())
}

#[test]
fn the_chart_takes_the_readme_s_variables() -> Result<()> {
    let values: Value = serde_yaml::from_str(&block("yaml", "secretKeyRef")?)?;
    let made = made(&chart(), "lifeboat", &values)?;
    let job = &made["CronJob/lifeboat-verify"]["spec"]["jobTemplate"]["spec"]["template"]["spec"];
    let given = job["containers"][0]["env"].as_array().context("no env")?;
    let all = values["env"].as_array().context("values")?;
    ensure!(all.iter().all(|it| given.contains(it)) && all.len() == 2, "{given:#?}");
    Ok(())
}
