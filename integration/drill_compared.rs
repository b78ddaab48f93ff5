//! What a drill sees when what came back is not what was exported.

use crate::{
    boat::Lifeboat,
    drill_case::{check, drill, failed, write},
    lab::{ClusterOptions, apiserver::client, tools::tool, with_cluster},
    saved::{Saved, saved},
};
use anyhow::Result;
use async_trait::async_trait;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use lifeboat::{
    catalogue::{Catalogue, signed_comment},
    drill::{
        Job, Rule,
        staging::{ControlPlane, ControlPlaneOptions, ServerOptions, Staging, StagingError},
    },
    pipeline::{Identities, Signer, Verifier},
    point::{DrillPlan, DrillVerdict, Isolation, Manifest, PointId, Program, Removed, Restores},
    source::kube::{Connection, Filter},
    store::FileStore,
};
use serde_json::{Value, json};
use std::{fs, sync::Arc, time::Duration};

/// A staging in which somebody changes objects between the restore and the checks.
struct Meddled(ControlPlane);

#[async_trait]
impl Staging for Meddled {
    fn provider(&self) -> &'static str {
        self.0.provider()
    }
    fn name(&self) -> &str {
        self.0.name()
    }
    fn isolation(&self) -> Vec<Isolation> {
        self.0.isolation()
    }
    fn programs(&self) -> Vec<Program> {
        self.0.programs()
    }
    async fn provision(&mut self, manifest: &Manifest) -> Result<(), StagingError> {
        self.0.provision(manifest).await
    }
    async fn empty(&mut self) -> Result<(), StagingError> {
        self.0.empty().await
    }
    async fn restore_etcd(
        &mut self,
        catalogue: &Catalogue,
        manifest: &Manifest,
        identities: Arc<Identities>,
    ) -> Result<(), StagingError> {
        self.0.restore_etcd(catalogue, manifest, identities).await
    }
    async fn start(&mut self) -> Result<Connection, StagingError> {
        let connection = self.0.start().await?;
        meddle(&connection).await.map_err(|e| StagingError::Refused(e.to_string()))?;
        Ok(connection)
    }
    async fn tear_down(&mut self) -> Vec<Removed> {
        self.0.tear_down().await
    }
}

async fn meddle(connection: &Connection) -> Result<()> {
    let client = client(connection.kubeconfig.as_deref().expect("a kubeconfig")).await?;
    let secrets: Api<Secret> = Api::namespaced(client.clone(), "default");
    let patch = Patch::Merge(json!({"stringData": {"password": "another"}}));
    secrets.patch("vault", &PatchParams::default(), &patch).await?;
    let maps: Api<ConfigMap> = Api::all(client.clone());
    let some = maps.list(&ListParams::default()).await?;
    let victim = some
        .items
        .iter()
        .find(|it| it.metadata.namespace.as_deref() != Some("kube-system"))
        .expect("a config map");
    let name = victim.metadata.name.as_deref().expect("a name");
    let of: Api<ConfigMap> =
        Api::namespaced(client.clone(), victim.metadata.namespace.as_deref().expect("a namespace"));
    of.delete(name, &DeleteParams::default()).await?;
    let made: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "made-later"}}))?;
    Api::namespaced(client, "default").create(&PostParams::default(), &made).await?;
    Ok(())
}

fn job(saved: &Saved) -> Result<Job> {
    Ok(Job {
        id: "20261123T090000Z-aaaa".parse()?,
        plan: DrillPlan {
            name: "meddled".into(),
            scenario: None,
            sha256: None,
            restores: vec![Restores::Etcd],
            exclusions: vec![],
            approved_by: None,
        },
        by: "the test".into(),
        rule: Rule::Latest,
        incident: None,
        rpo: None,
        rto: None,
        phases: Default::default(),
        within: Duration::from_secs(120),
        severities: Default::default(),
        asks: vec![],
        ready: Vec::new(),
        execs: Vec::new(),
        probes: Vec::new(),
        commands: vec![],
        rehearsals: vec![],
        filter: Filter::default(),
        identities: saved.identities()?,
        seal: None,
        keep: None,
        retest_of: None,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_is_changed_in_staging_is_seen() -> Result<()> {
    let saved = saved().await?;
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let store = FileStore::new(saved.boat.path("store"), &saved.url());
    let verifier = Verifier::new(&fs::read_to_string(saved.boat.path("signing.pub"))?)?;
    let catalogue = Catalogue::new(Arc::new(store), "lab", Some(verifier));
    let staging = ControlPlane::new(ControlPlaneOptions {
        server: ServerOptions {
            base: saved.boat.path("staging"),
            name: "meddled".into(),
            etcdutl: tool("etcdutl")?,
            encryption_config: None,
            service_cluster_ip_range: None,
            args: vec![],
            ready_within: Duration::from_secs(90),
        },
        etcd: Some(tool("etcd")?),
        kube_apiserver: Some(tool("kube-apiserver")?),
    });
    let signer = Signer::new(&fs::read_to_string(saved.boat.path("signing.key"))?.into(), None)?;
    let outcome = lifeboat::drill::run(
        job(&saved)?,
        Box::new(Meddled(staging)),
        &catalogue,
        Some(&signer),
        std::future::pending(),
        &|_| {},
    )
    .await;
    assert!(outcome.unrecorded.is_none());
    let evidence = outcome.evidence;
    assert_eq!(evidence.verdict, DrillVerdict::ChecksFailed, "{:?}", evidence.reasons);
    let found: Vec<&str> = evidence
        .findings()
        .filter(|(check, _)| check.name == "objects")
        .map(|(_, it)| &*it.message)
        .collect();
    assert_eq!(
        found,
        [
            "1 configmaps: it is in staging and not in the export",
            "1 configmaps: it is in the export and not in staging",
            "1 secrets: it differs in data",
        ]
    );
    let details =
        outcome.details.iter().map(|it| format!("{} {}", it.object, it.what)).collect::<Vec<_>>().join("\n");
    assert!(
        details.contains("configmaps default/made-later") && details.contains("secrets default/vault"),
        "{details}"
    );
    let text = serde_json::to_string(&evidence)?;
    assert!(!text.contains("made-later") && !text.contains("vault"), "names are in what everybody can read");
    assert!(!details.contains("YW5vdGhlcg") && !details.contains("another"), "the value of a Secret is told");
    let shown = saved.run(&["drill", "show", "latest"]).await.expect(0).stdout;
    assert!(shown.contains("objects-1: 1 configmaps"), "{shown}");
    Ok(())
}

/// Makes a recovery point of the snapshot of one and the export of another one, signed with the right key.
fn mixed(boat: &Lifeboat, snapshot: &str, export: &str) -> Result<PointId> {
    let points = boat.path("store/lab/points");
    let manifest = |id: &str| -> Result<Value> {
        Ok(serde_json::from_slice(&fs::read(points.join(id).join("manifest.json"))?)?)
    };
    let (mut made, other) = (manifest(snapshot)?, manifest(export)?);
    let id: PointId = "20991231T235959Z-aaaa".parse()?;
    made["id"] = json!(id);
    fs::create_dir(points.join(id.as_str()))?;
    for (at, file) in [(0, "etcd.db.zst.age"), (1, "resources.tar.zst.age"), (2, "resources.index.zst.age")] {
        let from = if at == 0 { snapshot } else { export };
        fs::copy(points.join(from).join(file), points.join(id.as_str()).join(file))?;
        if at > 0 {
            made["artifacts"][at] = other["artifacts"][at].clone();
        }
    }
    let bytes = serde_json::to_vec_pretty(&made)?;
    let signer = Signer::new(&fs::read_to_string(boat.path("signing.key"))?.into(), None)?;
    let place = points.join(id.as_str());
    fs::write(place.join("manifest.json.minisig"), signer.sign(&bytes, &signed_comment("lab", &id))?)?;
    fs::write(place.join("manifest.json"), bytes)?;
    Ok(id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_revision_and_a_key_that_is_missing_are_told_apart() -> Result<()> {
    let options = ClusterOptions { encrypt_secrets: true, ..ClusterOptions::default() };
    with_cluster(options, async |cluster| {
        let boat = Lifeboat::init(cluster.etcd().dir(), Some(cluster.etcd()), Some(cluster)).await?;
        let make = async |name: &str| -> Result<()> {
            let secret: Secret =
                serde_json::from_value(json!({"metadata": {"name": name}, "stringData": {"a": "b"}}))?;
            Api::namespaced(cluster.client().await?, "default")
                .create(&PostParams::default(), &secret)
                .await?;
            Ok(())
        };
        make("first").await?;
        let first = boat.backup(&[]).await;
        make("second").await?;
        let second = boat.backup(&[]).await;
        let config = cluster.etcd().dir().join("encryption.json");
        let keys = format!("encryptionConfig: {}", config.display());

        // Without the source's key Secrets cannot be read, and just that is said.
        write(&boat, "", "")?;
        let evidence = drill(&boat, &[]).await.expect(4).json();
        assert_eq!(failed(&evidence), ["secrets"], "{evidence:#}");
        let found = check(&evidence, "secrets")["findings"].to_string();
        assert!(
            found.contains("2 Secrets are encrypted at rest by the provider `secretbox` with the key `lab`"),
            "{found}"
        );
        write(&boat, &keys, "")?;
        let evidence = drill(&boat, &[]).await.expect(0).json();
        assert_eq!((&evidence["point"]["id"], &evidence["pick"]["among"]), (&second["id"], &json!(2)));

        let id = |manifest: &Value| manifest["id"].as_str().unwrap_or_default().to_owned();
        mixed(&boat, &id(&second), &id(&first))?;
        let evidence = drill(&boat, &[]).await.expect(4).json();
        assert_eq!(failed(&evidence), ["objects", "counts"], "{evidence:#}");
        let found = check(&evidence, "objects")["findings"].to_string();
        assert!(found.contains("1 secrets: it is in staging and not in the export"), "{found}");
        let found = check(&evidence, "counts")["findings"].to_string();
        assert!(found.contains("secrets: 1 were exported, 2 are served"), "{found}");

        // One by its id, and one at random: the same one again with the same seed.
        let evidence = drill(&boat, &["--point", &id(&first)]).await.expect(0).json();
        assert_eq!(evidence["point"]["id"], first["id"]);
        boat.run(&["verify", &id(&first), "--deep", "-i", "identity.txt"]).await.expect(0);
        let evidence = drill(&boat, &["--point", "newest-verified"]).await.expect(0).json();
        assert_eq!(
            (&evidence["point"]["id"], &evidence["pick"]["rule"]),
            (&first["id"], &json!("newest-verified"))
        );
        write(
            &boat,
            &keys,
            "point: {random: {window: 30d, seed: 7}}\nseverity: {objects: off, counts: off}",
        )?;
        let evidence = drill(&boat, &[]).await.expect(0).json();
        let again = drill(&boat, &[]).await.expect(0).json();
        assert_eq!((&evidence["pick"]["seed"], &evidence["pick"]["among"]), (&json!(7), &json!(3)));
        assert_eq!(evidence["point"]["id"], again["point"]["id"]);
        assert!(evidence["plan"]["exclusions"].to_string().contains("the check `objects`"));
        Ok(())
    })
    .await
}
