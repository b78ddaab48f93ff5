//! Clusters of another minor version: what both know comes back as it was, and for the rest it is told what is wrong.

use crate::{
    export::Name,
    far_side::{Outcomes, Saved, outcomes},
    lab::{Cluster, ClusterOptions, Release, fill, with_cluster},
    live,
    restored::{as_given, comes_back, versions},
};
use anyhow::{Result, ensure};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const HARBOUR: &str = include_str!("kinds/harbour.yaml");

/// A policy that the one before is asked to serve as v1alpha1 only, the current one as v1beta1 only: it means the same in
/// both. Nobody acts on it.
const POLICY: &str = r#"
apiVersion: admissionregistration.k8s.io/VERSION
kind: MutatingAdmissionPolicy
metadata: {name: flags}
spec:
  reinvocationPolicy: Never
  failurePolicy: Ignore
  matchConstraints: {resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]}
  mutations:
    - patchType: ApplyConfiguration
      applyConfiguration: {expression: "Object{metadata: Object.metadata{labels: {'flag': 'none'}}}"}
"#;

const ONLY_CURRENT: &str = include_str!("kinds/convoy.yaml");

const ONLY_BEFORE: &str = r#"
apiVersion: storagemigration.k8s.io/v1alpha1
kind: StorageVersionMigration
metadata: {name: charts}
spec: {resource: {version: v1, resource: configmaps}, continueToken: sixty-four}
"#;

fn current() -> ClusterOptions {
    let args = [
        "--runtime-config=scheduling.k8s.io/v1alpha1=true,storagemigration.k8s.io/v1beta1=true,\
         admissionregistration.k8s.io/v1beta1=true",
        "--feature-gates=GenericWorkload=true,StorageVersionMigrator=true",
    ];
    ClusterOptions { args: args.map(str::to_owned).into(), ..Default::default() }
}

fn before() -> ClusterOptions {
    let args = [
        "--runtime-config=storagemigration.k8s.io/v1alpha1=true,admissionregistration.k8s.io/v1alpha1=true",
        "--feature-gates=StorageVersionMigrator=true",
    ];
    ClusterOptions { release: Release::Before, args: args.map(str::to_owned).into(), ..Default::default() }
}

/// An object that cannot be had: its name in the export, how the program names it, and what is said of it.
type Wrong<'a> = (&'a str, &'a str, &'a str);

/// One cluster saved, to be restored into another.
struct Voyage<'a> {
    saved: &'a Saved,
    target: &'a Cluster,
    /// What the target held before.
    found: BTreeMap<Name, Value>,
}

async fn voyage(
    from: ClusterOptions,
    objects: &str,
    into: ClusterOptions,
    test: impl AsyncFnOnce(&Voyage) -> Result<()>,
) -> Result<()> {
    with_cluster(from, async |cluster| {
        let client = cluster.client().await?;
        fill::shop(&client).await?;
        fill::api(&client, 60, 17).await?;
        fill::apply(&client, HARBOUR).await?;
        fill::apply(&client, objects).await?;
        let saved = Saved::of(cluster).await?;
        with_cluster(into, async |target| {
            let minor = |it: &Value| it["minor"].as_str().unwrap_or_default().to_owned();
            let version = async |cluster: &Cluster| -> Result<Value> {
                let request = http::Request::get("/version").body(Vec::new())?;
                Ok(cluster.client().await?.request(request).await?)
            };
            ensure!(minor(&version(cluster).await?) != minor(&version(target).await?), "one version alone");
            let found = live::everything(&target.client().await?).await?;
            test(&Voyage { saved: &saved, target, found }).await
        })
        .await
    })
    .await
}

impl Voyage<'_> {
    /// Each object in the version in which it was saved, where the target serves that, else in the one that it does serve.
    async fn live(&self) -> Result<BTreeMap<Name, Value>> {
        let client = self.target.client().await?;
        let mut all = live::everything(&client).await?;
        let other = |object: &Value| {
            let mut object = object.clone();
            let version = object["apiVersion"].as_str().unwrap_or_default();
            let version = match version.strip_suffix("v1beta1") {
                Some(group) => format!("{group}v1alpha1"),
                None => version.replace("v1alpha1", "v1beta1"),
            };
            object["apiVersion"] = version.into();
            object
        };
        let others: BTreeMap<Name, Value> =
            self.saved.export.objects.iter().map(|(name, object)| (name.clone(), other(object))).collect();
        all.extend(live::each(&client, others.iter()).await?);
        all.extend(live::each(&client, self.saved.export.objects.iter()).await?);
        Ok(all)
    }

    /// What was there is as it was, and what was not is what was saved, field by field, but for these.
    #[track_caller]
    fn compare(&self, live: &BTreeMap<Name, Value>, wrong: &[Wrong]) {
        let mut compared = 0;
        for (name, object) in self.saved.export.objects.iter().filter(|(name, _)| comes_back(name)) {
            // Which APIs it serves each server registers for itself.
            let own = &object["metadata"]["labels"]["kube-aggregator.kubernetes.io/automanaged"];
            if wrong.iter().any(|it| it.0 == name) || self.found.contains_key(name) || own.is_string() {
                continue;
            }
            let there = live.get(name).unwrap_or_else(|| panic!("{name} did not come back"));
            let (there, mut object) = (as_given(there), as_given(object));
            if there["apiVersion"] != object["apiVersion"] {
                assert!(name.starts_with("admissionregistration.k8s.io/mutating"), "{name}");
                object["apiVersion"] = there["apiVersion"].clone();
            }
            assert_eq!(there, object, "{name}");
            compared += 1;
        }
        assert!(compared > 80, "only {compared} objects were compared");
        for (name, version) in versions(&self.found) {
            assert_eq!(versions(live).get(&name), Some(&version), "{name} was changed");
        }
    }

    /// Restores; every object but these is made, or was there. Gives what became of each.
    async fn restore(&self, args: &[&str], code: i32, wrong: &[Wrong<'_>]) -> Result<Outcomes> {
        let ran = self.saved.restore(self.target, &[args, &["-o", "json"]].concat()).await.expect(code);
        let done = outcomes(&ran.json());
        assert_told(wrong, done.iter().filter(|(_, (it, _))| it != "created" && it != "skipped"), |it| &it.1);
        Ok(done)
    }

    /// What a dry run tells of each object that it mentions: what is wrong with it, and the notes.
    async fn plan(&self, wrong: &[Wrong<'_>]) -> Result<BTreeMap<String, String>> {
        let plan = self.saved.restore(self.target, &["--dry-run", "-o", "json"]).await.expect(6).json();
        let (mut conflicts, mut notes) = (BTreeMap::new(), BTreeMap::new());
        for it in plan["objects"].as_array().unwrap() {
            let name = it["object"].as_str().unwrap().to_owned();
            if it["action"] == "conflict" {
                conflicts.insert(name.clone(), it["reason"].as_str().unwrap_or_default().to_owned());
            }
            for note in it["notes"].as_array().into_iter().flatten() {
                notes.insert(name.clone(), note.as_str().unwrap_or_default().to_owned());
            }
        }
        assert_told(wrong, conflicts.iter(), |it| it);
        assert_eq!(versions(&live::everything(&self.target.client().await?).await?), versions(&self.found));
        Ok(notes)
    }
}

/// Just these objects are in it, each with what is said of it.
fn assert_told<'a, T: 'a>(
    wrong: &[Wrong],
    told: impl Iterator<Item = (&'a String, &'a T)>,
    why: impl Fn(&T) -> &str,
) {
    let told: BTreeMap<&str, &str> = told.map(|(name, it)| (&**name, why(it))).collect();
    let names: BTreeSet<&str> = wrong.iter().map(|it| it.1).collect();
    assert_eq!(told.keys().copied().collect::<BTreeSet<_>>(), names, "{told:#?}");
    for (_, name, words) in wrong {
        assert!(told[name].contains(words), "{name}: {}", told[name]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restore_resources_versions_into_the_one_before() -> Result<()> {
    let objects = format!("{ONLY_CURRENT}---\n{}", POLICY.replace("VERSION", "v1beta1"));
    voyage(current(), &objects, before(), async |voyage| {
        let workload = (
            "scheduling.k8s.io/workloads/harbour/convoy",
            "workloads.scheduling.k8s.io harbour/convoy",
            "the target does not serve its type, and its definition is not restored: workloads.scheduling.k8s.io v1alpha1",
        );
        let driver = (
            "storage.k8s.io/csidrivers/_cluster/vault.csi.example.com",
            "csidrivers.storage.k8s.io vault.csi.example.com",
            "unknown field \"spec.serviceAccountTokenInSecrets\"",
        );
        let migration = (
            "storagemigration.k8s.io/storageversionmigrations/_cluster/charts",
            "storageversionmigrations.storagemigration.k8s.io charts",
            "version is required",
        );
        let deployment = (
            "apps/deployments/harbour/convoy",
            "deployments.apps harbour/convoy",
            "unknown field \"spec.template.spec.workloadRef\"",
        );
        // A server can try what is in a namespace only when that is there.
        let notes = voyage.plan(&[workload, driver, migration]).await?;
        let other = "v1beta1 is not served: it is written as";
        for (name, group) in [
            (migration.1, "storagemigration.k8s.io"),
            ("mutatingadmissionpolicies.admissionregistration.k8s.io flags", "admissionregistration.k8s.io"),
        ] {
            assert_eq!(notes[name], format!("{other} {group}/v1alpha1"));
        }

        let refused = [workload, driver, deployment, migration];
        voyage.restore(&[], 3, &refused).await?;
        let live = voyage.live().await?;
        voyage.compare(&live, &refused);
        // Again, it is the same that is refused, and nothing else is touched.
        let again = voyage.restore(&[], 3, &refused).await?;
        assert!(again.values().all(|(outcome, _)| outcome != "created"), "{again:#?}");
        assert_eq!(versions(&voyage.live().await?), versions(&live));

        // Without what it does not know it takes them.
        let lost = [workload, migration];
        let done = voyage.restore(&["--drop-unknown-fields"], 3, &lost).await?;
        let created: Vec<&String> = done.iter().filter(|it| it.1.0 == "created").map(|it| it.0).collect();
        assert_eq!(created, [driver.1, deployment.1]);
        let live = voyage.live().await?;
        voyage.compare(&live, &refused);
        for (name, way, field) in [
            (driver.0, "/spec", "serviceAccountTokenInSecrets"),
            (deployment.0, "/spec/template/spec", "workloadRef"),
        ] {
            let mut wanted = as_given(&voyage.saved.export.objects[name]);
            let dropped = wanted.pointer_mut(way).and_then(|it| it.as_object_mut().unwrap().remove(field));
            assert!(dropped.is_some(), "{name}");
            assert_eq!(as_given(&live[name]), wanted, "{name}");
        }
        voyage.restore(&["--drop-unknown-fields"], 3, &lost).await?;
        assert_eq!(versions(&voyage.live().await?), versions(&live));
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restore_resources_versions_into_the_one_after() -> Result<()> {
    let objects = format!("{ONLY_BEFORE}---{}", POLICY.replace("VERSION", "v1alpha1"));
    voyage(before(), &objects, current(), async |voyage| {
        let migration = (
            "storagemigration.k8s.io/storageversionmigrations/_cluster/charts",
            "storageversionmigrations.storagemigration.k8s.io charts",
            "unknown field \"spec.resource.version\", unknown field \"spec.continueToken\"",
        );
        let notes = voyage.plan(&[migration]).await?;
        let other = "v1alpha1 is not served: it is written as";
        for (name, group) in [
            (migration.1, "storagemigration.k8s.io"),
            ("mutatingadmissionpolicies.admissionregistration.k8s.io flags", "admissionregistration.k8s.io"),
        ] {
            assert_eq!(notes[name], format!("{other} {group}/v1beta1"));
        }
        voyage.restore(&[], 3, &[migration]).await?;
        let live = voyage.live().await?;
        voyage.compare(&live, &[migration]);
        voyage.restore(&[], 3, &[migration]).await?;
        assert_eq!(versions(&voyage.live().await?), versions(&live));

        let done = voyage.restore(&["--drop-unknown-fields"], 0, &[]).await?;
        assert_eq!(done.values().filter(|it| it.0 == "created").count(), 1);
        let live = voyage.live().await?;
        voyage.compare(&live, &[migration]);
        assert_eq!(
            live[migration.0]["spec"],
            serde_json::json!({"resource": {"group": "", "resource": "configmaps"}})
        );
        let again = voyage.restore(&["--drop-unknown-fields"], 0, &[]).await?;
        assert!(again.values().all(|(outcome, _)| outcome == "skipped"), "{again:#?}");
        assert_eq!(versions(&voyage.live().await?), versions(&live));
        Ok(())
    })
    .await
}
