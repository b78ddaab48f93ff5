use super::super::documents::Version;
use super::*;

fn resource(name: &str, verbs: &[&str]) -> Resource {
    let verbs = verbs.iter().map(|verb| (*verb).to_owned()).collect();
    Resource { name: name.to_owned(), kind: "Kind".to_owned(), namespaced: true, verbs }
}

fn group(name: &str, versions: &[(&str, &[&str])]) -> Group {
    let versions = versions.iter().map(|(version, resources)| Version {
        name: (*version).to_owned(),
        resources: resources.iter().map(|name| resource(name, &["get", "list"])).collect(),
        trouble: None,
    });
    Group { name: name.to_owned(), versions: versions.collect() }
}

fn labels(found: &Discovery) -> Vec<String> {
    found.types.iter().map(ResourceType::label).collect()
}

fn all(groups: &[Group]) -> Discovery {
    choose(groups, &Filter::default(), &StorageVersions::new())
}

fn filter(include: &[&str], exclude: &[&str]) -> Filter {
    let parse = |list: &[&str]| list.iter().map(|text| text.parse().unwrap()).collect();
    Filter { include: parse(include), exclude: parse(exclude), ..Filter::default() }
}

#[test]
fn a_resource_that_only_an_older_version_has_is_not_missed() {
    let found = all(&[group(
        "example.com",
        &[("v2", &["things"]), ("v1", &["things", "relics"]), ("v1alpha1", &["drafts"])],
    )]);
    assert_eq!(
        labels(&found),
        ["drafts.example.com/v1alpha1", "relics.example.com/v1", "things.example.com/v2"]
    );
    assert_eq!(found.types[2].versions, ["v2", "v1"]);
    assert_eq!(
        found.excluded,
        BTreeMap::from([("things.example.com/v1".to_owned(), ExcludedBy::SameObjects)])
    );
}

#[test]
fn the_storage_version_of_a_custom_resource_wins_where_it_is_served() {
    let groups = [group("example.com", &[("v2", &["things"]), ("v1", &["things"])])];
    assert_eq!(
        in_several_versions(&groups, &Filter::default()),
        [("example.com".to_owned(), "things".to_owned())]
    );
    let stored = |version: &str| {
        StorageVersions::from([(("example.com".to_owned(), "things".to_owned()), version.to_owned())])
    };
    let found = choose(&groups, &Filter::default(), &stored("v1"));
    assert_eq!(labels(&found), ["things.example.com/v1"]);
    assert_eq!(found.excluded["things.example.com/v2"], ExcludedBy::SameObjects);
    assert_eq!(labels(&choose(&groups, &Filter::default(), &stored("v0"))), ["things.example.com/v2"]);
}

#[test]
fn what_cannot_be_listed_in_the_preferred_version_is_taken_from_the_next() {
    let mut groups = [group("example.com", &[("v2", &["things"]), ("v1", &["things"])])];
    groups[0].versions[0].resources = vec![resource("things", &["create"])];
    assert_eq!(labels(&all(&groups)), ["things.example.com/v1"]);
    groups[0].versions[1].resources = vec![resource("things", &["list"])];
    let found = all(&groups);
    assert!(found.types.is_empty());
    assert_eq!(found.excluded["things.example.com/v2"], ExcludedBy::NotListable);
}

#[test]
fn twins_are_exported_once_and_alone_when_asked_for_alone() {
    let groups = [
        group("", &[("v1", &["events", "pods"])]),
        group("events.k8s.io", &[("v1", &["events"])]),
        group("extensions", &[("v1beta1", &["ingresses", "oddities"])]),
        group("networking.k8s.io", &[("v1", &["ingresses"])]),
    ];
    let found = all(&groups);
    assert_eq!(
        labels(&found),
        ["events/v1", "pods/v1", "oddities.extensions/v1beta1", "ingresses.networking.k8s.io/v1"]
    );
    assert_eq!(found.excluded["events.events.k8s.io/v1"], ExcludedBy::SameObjects);
    assert_eq!(found.excluded["ingresses.extensions/v1beta1"], ExcludedBy::SameObjects);
    let none = StorageVersions::new();
    assert_eq!(
        labels(&choose(&groups, &filter(&["events.events.k8s.io"], &[]), &none)),
        ["events.events.k8s.io/v1"]
    );
    let without = choose(&groups, &filter(&[], &["events", "tpyo"]), &none);
    assert_eq!(without.excluded["events/v1"], ExcludedBy::Configuration);
    assert_eq!(without.excluded["events.events.k8s.io/v1"], ExcludedBy::Configuration);
    assert_eq!(without.unmatched, [Unmatched { pattern: "tpyo".to_owned(), sought: "type" }]);
}

#[test]
fn a_group_whose_server_is_gone_is_a_failure_unless_it_is_left_out() {
    let mut groups = [group("metrics.k8s.io", &[("v1beta1", &[])])];
    groups[0].versions[0].trouble = Some("gone".to_owned());
    assert_eq!(all(&groups).failed[0].resource, "metrics.k8s.io/v1beta1");
    let found = choose(&groups, &filter(&[], &["*.metrics.k8s.io"]), &StorageVersions::new());
    assert!(found.failed.is_empty());
}

#[test]
fn a_name_that_is_no_name_never_reaches_a_url() {
    let found = all(&[group("example.com", &[("v1", &["a/../b", "fine"])])]);
    assert_eq!(labels(&found), ["fine.example.com/v1"]);
    assert_eq!(found.failed.len(), 1);
}
