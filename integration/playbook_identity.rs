//! Identities: what they reach, what is taken from them, and what becomes of their tokens, on a real API server.

use crate::{
    boat::Lifeboat,
    lab::{Cluster, ClusterOptions, apiserver::client, eventually, fill, with_cluster},
    playbook_case::{book, difference, forget, get, playbook, ship, state, the_run},
};
use anyhow::{Context, Result, ensure};
use ct_codecs::{Base64, Decoder, Encoder};
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};
use std::{fs, time::Duration};

/// More that the crew has: by another name, by a group, in a cluster role, in Secrets and volumes.
const MORE: &str = "\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: bilge}
rules: [{apiGroups: [''], resources: [pods/exec], verbs: [create]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: bilge}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: bilge}
subjects:
  - {kind: User, apiGroup: rbac.authorization.k8s.io, name: jane}
  - {kind: User, apiGroup: rbac.authorization.k8s.io, name: 'system:serviceaccount:ship:crew'}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: all-hands, namespace: ship}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{kind: Group, apiGroup: rbac.authorization.k8s.io, name: 'system:serviceaccounts:ship'}]
---
apiVersion: v1
kind: Secret
metadata: {name: chart, namespace: ship}
stringData: {course: north-by-north-west}
---
apiVersion: v1
kind: Secret
metadata: {name: crew-token, namespace: ship, annotations: {kubernetes.io/service-account.name: crew}}
type: kubernetes.io/service-account-token
";

const CREW: &str = "{kind: ServiceAccount, namespace: ship, name: crew}";

async fn begin(cluster: &Cluster) -> Result<Lifeboat> {
    let boat = ship(cluster).await?;
    fill::apply(&cluster.client().await?, MORE).await?;
    eventually("the token in its Secret", Duration::from_secs(30), async || {
        Ok(get(cluster, "secret", "crew-token").await?["data"]["token"].as_str().map(str::to_owned))
    })
    .await?;
    Ok(boat)
}

/// May the crew do this, as the API server says?
async fn may(cluster: &Cluster, what: &[&str]) -> bool {
    let asked = [&["auth", "can-i", "-n", "ship", "--as=system:serviceaccount:ship:crew"], what].concat();
    cluster.kubectl(&asked).await.is_ok_and(|said| said.trim() == "yes")
}

fn names(value: &Value) -> Vec<String> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .map(|it| it["name"].as_str().unwrap_or_default().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_knows_what_an_identity_reaches_takes_it_and_gives_it_back() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let boat = begin(cluster).await?;
        let before = state(cluster).await?;
        let steps = format!("    - {{id: reach, action: identity.blastRadius, args: {{target: {CREW}}}, register: reach}}\n");
        playbook(&boat, "reach", "", &steps)?;
        let ran = book(&boat, "plan reach.yaml -o json").await.expect(0);
        ensure!(!ran.stdout.contains("north-by") && !ran.stdout.contains("bm9ydGg"), "values of Secrets are told");
        let reach = &ran.json()["steps"][0]["result"];
        assert_eq!(names(&reach["serviceAccounts"]), ["crew"]);
        let bindings = names(&reach["bindings"]);
        for wanted in ["crew", "bilge", "all-hands", "system:discovery"] {
            ensure!(bindings.iter().any(|it| it == wanted), "{wanted} is not in {bindings:?}");
        }
        assert_eq!(names(&reach["workloads"]), ["deck"]);
        assert_eq!(reach["pods"].as_array().unwrap().len(), 2);
        assert_eq!(names(&reach["tokenSecrets"]), ["crew-token"]);
        assert_eq!(names(&reach["readableSecrets"]), ["chart", "crew-token"]);
        let top = reach["topVerbs"].as_array().unwrap();
        for (verb, resource, part) in [("get", "secrets", Value::Null), ("list", "secrets", Value::Null), ("create", "pods", json!("exec"))] {
            let is = |it: &&Value| it["verb"] == verb && it["resource"] == resource && it["subresource"] == part;
            ensure!(top.iter().any(|it| is(&it)), "{verb} {resource} is not in {top:?}");
        }
        // The rights that it tells are those that the server grants.
        for right in top {
            let text = |name: &str| right[name].as_str().unwrap_or_default().to_owned();
            let part = format!("--subresource={}", text("subresource"));
            ensure!(may(cluster, &[&text("verb"), &text("resource"), &part]).await, "{right}");
        }

        let cut = format!(
            "    - {{id: reach, action: identity.blastRadius, args: {{target: {CREW}}}, register: reach}}
    - {{id: cut, action: rbac.detach, args: {{subject: {CREW}}}, register: cut}}
    - {{id: without, action: assert, args: {{check: access.review, subject: {CREW}, verbs: '${{vars.reach.topVerbs}}', expect: 'result.size() > 0 && result.all(r, !r.allowed)'}}, retry: {{limit: 20, backoff: {{duration: 1s}}}}}}
"
        );
        playbook(&boat, "cut", "", &cut)?;
        let plan = book(&boat, "plan cut.yaml -o json").await.expect(0).json();
        let remarks = plan["steps"][1]["remarks"].to_string();
        ensure!(remarks.contains("RoleBinding ship/all-hands") && !remarks.contains("system:discovery"), "{remarks}");
        book(&boat, "run cut.yaml --yes").await.expect(0);
        for right in [&["get", "secrets"][..], &["create", "pods", "--subresource=exec"]] {
            ensure!(!may(cluster, right).await, "{right:?}");
        }
        ensure!(may(cluster, &["get", "configmaps"]).await, "what a group has stays");
        let bilge = get(cluster, "clusterrolebinding", "bilge").await?;
        assert_eq!(names(&bilge["subjects"]), ["jane"]);
        book(&boat, "undo latest").await.expect(0);
        assert_eq!(difference(&before, &state(cluster).await?), Vec::<String>::new());
        ensure!(may(cluster, &["get", "secrets"]).await);
        forget(&boat)?;

        // And given one more.
        let more = format!(
            "    - {{id: more, action: rbac.attach, args: {{subject: {CREW}, role: {{kind: ClusterRole, name: bilge, namespace: ship}}}}}}\n"
        );
        playbook(&boat, "more", "", &more)?;
        book(&boat, "run more.yaml --yes").await.expect(0);
        let differ = difference(&before, &state(cluster).await?);
        ensure!(
            differ.len() == 1
                && differ[0].starts_with("rbac.authorization.k8s.io/rolebindings/ship/lifeboat-"),
            "{differ:?}"
        );
        book(&boat, "undo latest").await.expect(0);
        assert_eq!(difference(&before, &state(cluster).await?), Vec::<String>::new());

        // Nobody takes away their own rights: they could give nothing back.
        let own = "    - {id: own, action: rbac.detach, args: {subject: {kind: Group, name: 'system:masters'}}}\n";
        playbook(&boat, "own", "", own)?;
        let ran = book(&boat, "run own.yaml --yes").await;
        ensure!(ran.code != 0, "{ran:?}");
        ran.says("the one who carries this out");
        Ok(())
    })
    .await
}

/// Does the API server still believe this token?
async fn believed(cluster: &Cluster, token: &str) -> Result<bool> {
    let mut file = Kubeconfig::read_from(cluster.kubeconfig())?;
    file.auth_infos[0].auth_info =
        Some(AuthInfo { token: Some(token.to_owned().into()), ..AuthInfo::default() });
    let config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    let asked = http::Request::post("/apis/authentication.k8s.io/v1/selfsubjectreviews")
        .header("Content-Type", "application/json")
        .body(br#"{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}"#.to_vec())?;
    match kube::Client::try_from(config)?.request::<Value>(asked).await {
        Ok(answer) => {
            assert_eq!(answer["status"]["userInfo"]["username"], "system:serviceaccount:ship:crew");
            Ok(true)
        }
        Err(kube::Error::Api(status)) if status.code == 401 => Ok(false),
        Err(e) => Err(e.into()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_makes_real_tokens_invalid_and_tells_nobody_what_they_were() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let boat = begin(cluster).await?;
        client(&cluster.kubeconfig()).await?;
        cluster.kubectl(&["patch", "serviceaccount", "crew", "-n", "ship", "-p", r#"{"imagePullSecrets":[{"name":"chart"}]}"#]).await?;
        let bound = cluster.kubectl(&["create", "token", "crew", "-n", "ship", "--duration=1h"]).await?.trim().to_owned();
        let secret = get(cluster, "secret", "crew-token").await?;
        let lasting = String::from_utf8(Base64::decode_to_vec(secret["data"]["token"].as_str().context("a token")?, None)?)?;
        fs::write(boat.path("leaked"), &bound)?;
        ensure!(believed(cluster, &bound).await? && believed(cluster, &lasting).await?);

        let head = "  params: [{name: leaked, type: secretRef, required: true}]\n";
        let review = |id: &str, expect: &str| {
            format!("    - {{id: {id}, action: assert, args: {{check: token.review, token: '${{params.leaked}}', expect: '{expect}'}}, retry: {{limit: 60, backoff: {{duration: 1s}}}}}}\n")
        };
        let invalidate = |id: &str, strategy: &str| {
            format!("    - {{id: {id}, action: token.invalidate, args: {{subject: {CREW}, strategy: {strategy}}}}}\n")
        };
        let steps = [
            review("alive", "result.authenticated && result.username == \"system:serviceaccount:ship:crew\""),
            invalidate("secrets", "deleteSecrets"),
            invalidate("again", "recreateServiceAccount"),
            review("dead", "!result.authenticated"),
        ];
        playbook(&boat, "leaked", head, &steps.concat())?;
        let old = get(cluster, "serviceaccount", "crew").await?;
        let line = format!("run leaked.yaml -p leaked=file:{} --yes", boat.path("leaked").display());
        let ran = book(&boat, &line).await.expect(0);
        ensure!(get(cluster, "secret", "crew-token").await.is_err(), "the Secret is still there");
        let new = get(cluster, "serviceaccount", "crew").await?;
        assert_ne!(new["metadata"]["uid"], old["metadata"]["uid"]);
        assert_eq!(new["imagePullSecrets"], json!([{"name": "chart"}]));
        for token in [&bound, &lasting] {
            eventually("the token to die", Duration::from_secs(60), async || {
                Ok((!believed(cluster, token).await?).then_some(()))
            })
            .await?;
        }
        // It stands nowhere: not in what was printed, not in the plan, not in the journal.
        let mut written = format!("{}{}", ran.stdout, ran.stderr);
        let run = the_run(&boat)?;
        for name in ["plan.json", "journal.jsonl"] {
            written += &fs::read_to_string(run.join(name))?;
        }
        ensure!(!written.contains(&bound) && !written.contains(&lasting), "a token was written down");
        book(&boat, "undo latest").await.expect(3).says("deleted for good");
        forget(&boat)?;

        // Pods that use it are started again, by what owns them.
        let pods = async || cluster.kubectl(&["get", "pods", "-n", "ship", "-l", "app=deck", "-o", "name"]).await;
        let had = pods().await?;
        playbook(&boat, "pods", "", &invalidate("pods", "restartPods"))?;
        book(&boat, "run pods.yaml --yes").await.expect(0);
        eventually("other pods", Duration::from_secs(60), async || {
            let now = pods().await?;
            Ok((now.lines().count() == 2 && now.lines().all(|it| !had.contains(it))).then_some(()))
        })
        .await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_denies_a_request_for_a_certificate_for_good() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let boat = ship(cluster).await?;
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, "intruder");
        let request = params.serialize_request(&rcgen::KeyPair::generate()?)?.pem()?;
        let request = Base64::encode_to_string(request)?;
        let csr = |name: &str| {
            json!({"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": name},
                "spec": {"request": request, "signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"]}})
        };
        for name in ["intruder", "guest"] {
            fill::apply(&cluster.client().await?, &csr(name).to_string()).await?;
        }
        playbook(&boat, "deny", "", "    - {id: deny, action: csr.deny, args: {name: intruder, message: not ours}}\n")?;
        book(&boat, "run deny.yaml --yes").await.expect(0);
        let denied = get(cluster, "csr", "intruder").await?;
        let condition = &denied["status"]["conditions"][0];
        assert_eq!((&condition["type"], &condition["message"]), (&json!("Denied"), &json!("not ours")));
        ensure!(cluster.kubectl(&["certificate", "approve", "intruder"]).await.is_err(), "it can still be approved");
        book(&boat, "undo latest").await.expect(3).says("a denial stays");

        cluster.kubectl(&["certificate", "approve", "guest"]).await?;
        playbook(&boat, "late", "", "    - {id: deny, action: csr.deny, args: {name: guest}}\n")?;
        let ran = book(&boat, "run late.yaml --yes").await;
        ensure!(ran.code != 0, "{ran:?}");
        ran.says("approved already");
        Ok(())
    })
    .await
}
