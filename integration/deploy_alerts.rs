//! What stands in deploy/monitoring, read and tried by Prometheus' own promtool: each alert fires on what it names and not before, the
//! operator's rules are the plain ones, and every link leads somewhere.

use crate::{
    deploy_case::{block, place, rendered},
    lab::tools,
};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

pub fn monitoring() -> PathBuf {
    place().join("monitoring")
}

fn text(name: &str) -> Result<String> {
    fs::read_to_string(monitoring().join(name)).context(name.to_owned())
}

fn yaml(name: &str) -> Result<Value> {
    Ok(serde_yaml::from_str(&text(name)?)?)
}

/// What promtool says, and whether it is content.
pub fn promtool(args: &[&str]) -> Result<(bool, String)> {
    let output = Command::new(tools::tool("promtool")?).args(args).output()?;
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Ok((output.status.success(), said.concat()))
}

fn items(of: &Value) -> impl Iterator<Item = &Value> {
    of.as_array().into_iter().flatten()
}

/// Every alert of some rules, by name.
fn alerts(rules: &Value) -> BTreeMap<String, &Value> {
    let all = items(&rules["groups"]).flat_map(|group| items(&group["rules"]));
    all.map(|it| (it["alert"].as_str().expect("an alert").to_owned(), it)).collect()
}

/// The rules without their texts, so that a test of when they fire need not repeat these.
pub fn wordless(change: impl Fn(&mut Value)) -> Result<Value> {
    let mut rules = yaml("rules.yaml")?;
    for group in rules["groups"].as_array_mut().context("no groups")? {
        for rule in group["rules"].as_array_mut().context("no rules")? {
            rule.as_object_mut().context("no rule")?.remove("annotations");
            change(rule);
        }
    }
    Ok(rules)
}

/// Tries rules with promtool.
pub fn tried(rules: &Value, tests: &str) -> Result<(bool, String)> {
    let dir = tempfile::tempdir()?;
    fs::write(dir.path().join("rules.yaml"), rules.to_string())?;
    let file = dir.path().join("tests.yaml");
    fs::write(&file, tests)?;
    promtool(&["test", "rules", &file.display().to_string()])
}

/// The metrics that README.md lists.
pub fn listed() -> Result<BTreeSet<String>> {
    let readme = fs::read_to_string(place().join("../README.md"))?;
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| `lifeboat_"));
    Ok(rows.filter_map(|row| Some(format!("lifeboat_{}", row.split_once('`')?.0))).collect())
}

/// The metrics of ours that an expression asks for.
fn asked(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("lifeboat_")).map(str::to_owned).collect()
}

/// An expression as Grafana sends it.
fn plain(expression: &str) -> String {
    expression.replace("$cluster", ".*").replace("$__rate_interval", "5m")
}

/// What the dashboard's panels ask for, by their titles.
pub fn shown() -> Result<Vec<(String, String)>> {
    let dashboard: Value = serde_json::from_str(&text("dashboard.json")?)?;
    let all = items(&dashboard["panels"]).flat_map(|panel| {
        let title = panel["title"].as_str().unwrap_or_default();
        items(&panel["targets"])
            .map(move |it| (title.to_owned(), plain(it["expr"].as_str().unwrap_or_default())))
    });
    Ok(all.collect())
}

#[test]
fn promtool_finds_nothing_wrong_with_the_rules() -> Result<()> {
    let file = monitoring().join("rules.yaml").display().to_string();
    let (content, said) = promtool(&["check", "rules", "--lint=all", "--lint-fatal", &file])?;
    assert!(content, "{said}");
    let (rules, listed) = (yaml("rules.yaml")?, listed()?);
    for (name, alert) in alerts(&rules) {
        let unknown: Vec<_> = asked(alert["expr"].as_str().context("no expr")?)
            .into_iter()
            .filter(|it| !listed.contains(it))
            .collect();
        assert!(unknown.is_empty(), "{name}: no daemon tells {unknown:?}");
        assert!(
            ["critical", "warning"].contains(&alert["labels"]["severity"].as_str().unwrap_or("")),
            "{name}"
        );
        for annotation in ["summary", "description", "runbook_url"] {
            assert!(
                alert["annotations"][annotation].as_str().is_some_and(|it| it.len() > 20),
                "{name}: {annotation}"
            );
        }
    }
    Ok(())
}

/// Where something is expected to fire, and where not: the labels by alert, each with whether its group has an instant without it.
fn expected(tests: &Value) -> BTreeMap<String, (Vec<BTreeSet<String>>, bool)> {
    let mut found: BTreeMap<String, (Vec<BTreeSet<String>>, bool)> = BTreeMap::new();
    for group in items(&tests["tests"]) {
        let mut here: BTreeMap<&str, (bool, bool)> = BTreeMap::new();
        for test in items(&group["alert_rule_test"]) {
            let name = test["alertname"].as_str().expect("a name");
            let fires = items(&test["exp_alerts"]).count() > 0;
            let (so, not) = here.entry(name).or_default();
            (*so, *not) = (*so || fires, *not || !fires);
            let labels = items(&test["exp_alerts"]).filter_map(|it| it["exp_labels"].as_object());
            let labels = labels.map(|it| it.keys().cloned().collect());
            found.entry(name.to_owned()).or_default().0.extend(labels);
        }
        for (name, (so, not)) in here {
            found.get_mut(name).expect("it was entered").1 |= so && not;
        }
    }
    found
}

#[test]
fn each_alert_fires_on_what_it_names_and_not_before() -> Result<()> {
    let (rules, tests) = (yaml("rules.yaml")?, text("rules_test.yaml")?);
    let (content, said) = tried(&wordless(|_| {})?, &tests)?;
    assert!(content, "{said}");
    let expected = expected(&serde_yaml::from_str(&tests)?);
    let all = alerts(&rules);
    assert_eq!(
        expected.keys().collect::<Vec<_>>(),
        all.keys().collect::<Vec<_>>(),
        "alerts that are tried, and that there are"
    );
    for (name, alert) in all {
        let (fired, both) = &expected[&name];
        assert!(*both, "{name}: where does it fire, and where not yet?");
        // What its texts speak of are labels that it has.
        let words = alert["annotations"].to_string();
        for label in words.split("$labels.").skip(1) {
            let label =
                label.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
            assert!(fired.iter().all(|labels| labels.contains(label)), "{name}: it has no label {label}");
        }
    }
    // And it is these rules that are tried: without their patience they do not pass.
    let hasty = wordless(|rule| drop(rule.as_object_mut().map(|rule| rule.remove("for"))))?;
    assert!(!tried(&hasty, &tests)?.0);
    Ok(())
}

#[test]
fn the_operator_s_rules_are_the_plain_ones() -> Result<()> {
    let (dir, operated) = (tempfile::tempdir()?, text("prometheusrule.yaml")?);
    for name in ["rules.yaml", "prometheusrule.yaml"] {
        fs::copy(monitoring().join(name), dir.path().join(name))?;
    }
    // As its head says that it is made.
    let line = operated
        .lines()
        .find_map(|line| line.strip_prefix("# {"))
        .context("it does not say how it is made")?;
    let made = Command::new("sh").args(["-euc", &format!("{{{line}")]).current_dir(dir.path()).status()?;
    ensure!(made.success(), "{line}");
    assert_eq!(
        fs::read_to_string(dir.path().join("prometheusrule.yaml"))?,
        operated,
        "make it again: {{{line}"
    );

    let objects = rendered(&monitoring())?;
    let of = |kind: &str| objects.iter().find(|it| it["kind"] == kind).with_context(|| kind.to_owned());
    assert_eq!(of("PrometheusRule")?["spec"], yaml("rules.yaml")?);
    assert_eq!(of("PrometheusRule")?["apiVersion"], "monitoring.coreos.com/v1");
    let dashboard: Value =
        serde_json::from_str(of("ConfigMap")?["data"]["lifeboat.json"].as_str().context("none")?)?;
    assert_eq!(dashboard, serde_json::from_str::<Value>(&text("dashboard.json")?)?);
    assert_eq!(of("PodMonitor")?["spec"]["podMetricsEndpoints"][0]["path"], "/metrics");
    assert_eq!(objects.len(), 3);
    Ok(())
}

/// What a heading is called in an address, as Git hosts have it.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-');
    kept.collect::<String>().trim().to_lowercase().replace(' ', "-")
}

fn anchors(file: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    Ok(text
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| anchor(line.trim_start_matches('#')))
        .collect())
}

#[test]
fn every_alert_has_a_section_of_the_runbook_and_every_link_leads_somewhere() -> Result<()> {
    let rules = yaml("rules.yaml")?;
    let mut told = BTreeSet::new();
    for (name, alert) in alerts(&rules) {
        let url = alert["annotations"]["runbook_url"].as_str().context("no runbook_url")?;
        let (file, section) = url.split_once('#').context("no section")?;
        let sections = anchors(&place().join("..").join(file))?;
        assert!(sections.iter().any(|it| it == section), "{name}: {url}");
        told.insert(section.to_owned());
    }
    let sections = anchors(&monitoring().join("alerts.md"))?;
    let idle: Vec<_> =
        sections.iter().skip(1).filter(|it| it.starts_with("lifeboat") && !told.contains(*it)).collect();
    assert!(idle.is_empty(), "no alert leads to {idle:?}");
    for (file, dir) in [("monitoring/alerts.md", monitoring()), ("README.md", place())] {
        let text = fs::read_to_string(place().join(file))?;
        let links = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        for link in links.map(|(link, _)| link).filter(|link| !link.contains("://")) {
            let (path, section) = link.split_once('#').unwrap_or((link, ""));
            let to = if path.is_empty() { place().join(file) } else { dir.join(path) };
            ensure!(to.exists(), "{file}: {link}");
            ensure!(section.is_empty() || anchors(&to)?.iter().any(|it| it == section), "{file}: {link}");
        }
    }
    // As deploy/README.md has the addresses made whole.
    let dir = tempfile::tempdir()?;
    fs::create_dir(dir.path().join("monitoring"))?;
    for name in ["rules.yaml", "prometheusrule.yaml"] {
        fs::copy(monitoring().join(name), dir.path().join("monitoring").join(name))?;
    }
    let script = block("sh runbooks", "runbook_url")?;
    let ran = Command::new("sh").args(["-euc", &script]).current_dir(dir.path()).status()?;
    ensure!(ran.success(), "{script}");
    for name in ["rules.yaml", "prometheusrule.yaml"] {
        let made = fs::read_to_string(dir.path().join("monitoring").join(name))?;
        let made: Value = serde_yaml::from_str(&made)?;
        let made = if made["spec"].is_object() { &made["spec"] } else { &made };
        for (name, alert) in alerts(made) {
            let url = alert["annotations"]["runbook_url"].as_str().unwrap_or_default();
            assert!(
                url.starts_with("https://git.example.com/lifeboat/deploy/monitoring/alerts.md#"),
                "{name}: {url}"
            );
        }
    }
    Ok(())
}

#[test]
fn the_dashboard_asks_for_what_there_is_in_words_that_prometheus_understands() -> Result<()> {
    let dashboard: Value = serde_json::from_str(&text("dashboard.json")?)?;
    let variables: Vec<_> = items(&dashboard["templating"]["list"]).map(|it| it["name"].as_str()).collect();
    assert_eq!(variables, [Some("datasource"), Some("cluster")]);
    let source = json!({"type": "prometheus", "uid": "${datasource}"});
    let (mut rules, mut ids, mut taken) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    let listed = listed()?;
    for panel in items(&dashboard["panels"]) {
        let title = panel["title"].as_str().context("no title")?;
        assert!(ids.insert(panel["id"].as_u64()), "{title}: its id is another one's");
        let at = |field: &str| panel["gridPos"][field].as_u64().with_context(|| format!("{title}: {field}"));
        let (x, y, w, h) = (at("x")?, at("y")?, at("w")?, at("h")?);
        assert!(x + w <= 24, "{title} is too wide");
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(taken.insert(cell), "{title} lies over another panel");
        }
        if panel["type"] == "row" {
            continue;
        }
        let defaults = &panel["fieldConfig"]["defaults"];
        assert!(
            defaults["unit"].is_string() && items(&defaults["thresholds"]["steps"]).count() > 0,
            "{title}"
        );
        assert!(panel["description"].as_str().is_some_and(|it| it.len() > 20), "{title}");
        let before = rules.len();
        for target in items(&panel["targets"]) {
            assert!(target["datasource"] == source && panel["datasource"] == source, "{title}");
            let expression = target["expr"].as_str().with_context(|| title.to_owned())?;
            let unknown: Vec<_> = asked(expression).into_iter().filter(|it| !listed.contains(it)).collect();
            assert!(unknown.is_empty(), "{title}: no daemon tells {unknown:?}");
            let plain = plain(expression);
            assert!(!plain.contains("$"), "{title}: {plain}");
            rules.push(json!({"record": format!("panel:{}:{}", panel["id"], rules.len()), "expr": plain}));
        }
        assert!(rules.len() > before, "{title} asks for nothing");
    }
    // The answer comes first.
    assert!(dashboard["panels"][0]["title"].as_str().is_some_and(|it| it.contains("objective")));
    let file = tempfile::NamedTempFile::with_suffix(".yaml")?;
    let check = |rules: &[Value]| {
        fs::write(file.path(), json!({"groups": [{"name": "dashboard", "rules": rules}]}).to_string())?;
        promtool(&["check", "rules", "--lint=none", &file.path().display().to_string()])
    };
    let (content, said) = check(&rules)?;
    assert!(content, "{said}");
    rules.push(json!({"record": "wrong", "expr": "sum by (cluster (lifeboat_points)"}));
    assert!(!check(&rules)?.0, "what is wrong is not noticed");
    Ok(())
}
