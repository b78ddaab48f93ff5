//! Steps that tell somebody else something: what comes there, how its writer is known, and what is done when nobody knows whether it came.

use crate::{
    boat::{Lifeboat, Ran},
    drill_told::{KEY, is_signed},
    lab::{ClusterOptions, eventually, fill, with_cluster},
    playbook_case::{book, forget, journal, playbook, run_id, ship, the_run},
    webhook::{Answer, Receiver},
};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::{fs, time::Duration};

const TOKEN: &str = "hush-hush-token";

/// Channels of these addresses in the configuration, and a key and a token in files.
fn channels(boat: &Lifeboat, channels: &[(&str, String)]) -> Result<()> {
    fs::write(boat.path("hook-key"), KEY)?;
    fs::write(boat.path("token"), TOKEN)?;
    let mut list = Vec::new();
    for (name, url) in channels {
        fs::write(boat.path(&format!("{name}-url")), url)?;
        list.push(format!("{{name: {name}, webhook: {{url: {{file: {name}-url}}, secret: {{file: hook-key}}, timeout: 2s}}}}"));
    }
    boat.edit(|text| format!("{text}\nnotifications: [{}]\n", list.join(", ")))
}

/// What a run has written down, which must hold nothing secret.
fn written(boat: &Lifeboat) -> Result<Vec<Value>> {
    let run = the_run(boat)?;
    for file in ["plan.json", "journal.jsonl"] {
        let text = fs::read_to_string(run.join(file))?;
        ensure!(!text.contains("hush"), "{file} holds a secret: {text}");
    }
    journal(boat)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_tells_people_and_calls_others_signed_and_no_secret_is_written_down() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let boat = ship(cluster).await?;
        let ops = Receiver::start(|_| Answer::Status(204, "")).await?;
        let deaf = Receiver::start(|_| Answer::Status(404, "")).await?;
        let api = Receiver::start(|_| Answer::Status(202, "")).await?;
        channels(&boat, &[("ops", ops.url("/hush-hush-path")), ("deaf", deaf.url("/hush"))])?;
        let steps = format!(
            "    - {{id: tell, action: notify, args: {{channel: ops, summary: 'INC-7 begins', ok: false, details: {{ship: deck}}}}}}
    - {{id: lost, action: notify, args: {{channel: deaf, summary: 'INC-7 begins'}}, register: lost}}
    - id: call
      action: http.request
      args:
        url: {}
        headers: {{X-Api-Key: {{secretRef: 'file:token'}}, X-Incident: INC-7}}
        body: {{block: ['10.0.0.1', '10.0.0.2']}}
        sign: {{secretRef: 'file:hook-key'}}
        expect: [202]
      register: call
    - {{id: known, when: 'vars.call.status == 202 && !vars.lost.delivered', action: wait, args: {{for: 1ms}}}}
",
            api.url("/block")
        );
        playbook(&boat, "tell", "", &steps)?;
        book(&boat, "plan tell.yaml").await.expect(0);
        assert_eq!((ops.came().len(), api.came().len()), (0, 0), "a plan tells nobody");
        book(&boat, "run tell.yaml --yes").await.expect(0).says("NOT DELIVERED after 1 tries");
        let (run, entries) = (run_id(&boat)?, written(&boat)?);

        let told = ops.came();
        assert_eq!(told.len(), 1);
        is_signed(&told[0])?;
        let message: Value = serde_json::from_slice(&told[0].body)?;
        assert_eq!((&message["event"], &message["ok"]), (&json!("playbook.told"), &json!(false)));
        assert_eq!(message["summary"], "INC-7 begins");
        assert_eq!(message["details"], json!({"run": run, "step": "tell", "told": {"ship": "deck"}}));

        let called = api.came();
        assert_eq!((called.len(), called[0].line.as_str()), (1, "POST /block"));
        is_signed(&called[0])?;
        assert_eq!(serde_json::from_slice::<Value>(&called[0].body)?, json!({"block": ["10.0.0.1", "10.0.0.2"]}));
        for (name, value) in [
            ("x-api-key", TOKEN.to_owned()),
            ("x-incident", "INC-7".to_owned()),
            ("idempotency-key", format!("{run}-call")),
            ("content-type", "application/json".to_owned()),
        ] {
            assert_eq!(called[0].headers.get(name), Some(&value), "{name}");
        }
        let known = entries.iter().rfind(|it| it["what"] == "step-ended" && it["step"] == "known");
        assert_eq!(known.context("the last step")?["end"]["how"], "done");
        // What was sent to somebody else stays with him.
        let undone = book(&boat, "undo latest").await.expect(3);
        ensure!(undone.stderr.contains("cannot be taken back"), "{undone:?}");

        // What no channel is called, and a secret that stands where everybody reads it.
        playbook(&boat, "bad", "", "    - {id: tell, action: notify, args: {channel: nobody, summary: a}}\n")?;
        let refused = book(&boat, "plan bad.yaml").await.expect(6);
        ensure!(refused.stdout.contains("is called `nobody`: there are deaf, ops"), "{refused:?}");
        let plain = format!(
            "    - {{id: call, action: http.request, args: {{url: {}, headers: {{Authorization: Bearer x}}}}}}\n",
            api.url("/")
        );
        playbook(&boat, "plain", "", &plain)?;
        ensure!(book(&boat, "plan plain.yaml").await.expect(6).stdout.contains("Authorization is a secret"));
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_follows_nobody_elsewhere_and_asks_before_it_calls_twice() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let boat = ship(cluster).await?;
        let other = Receiver::start(|_| Answer::Status(200, "")).await?;
        let elsewhere: &'static str = format!("Location: {}\r\n", other.url("/stolen")).leak();
        let moved = Receiver::start(move |_| Answer::Status(307, elsewhere)).await?;
        // It takes the first one in, and nobody hears of that.
        let api =
            Receiver::start(|before| if before == 0 { Answer::Closed } else { Answer::Status(200, "") })
                .await?;
        channels(&boat, &[])?;
        let step = |url: String, more: &str| {
            format!("    - {{id: call, action: http.request, args: {{url: {url}{more}}}}}\n")
        };

        playbook(&boat, "moved", "", &step(moved.url("/"), ", sign: {secretRef: 'file:hook-key'}"))?;
        book(&boat, "run moved.yaml --yes").await.expect(1).says("the answer was 307");
        assert_eq!(
            (moved.came().len(), other.came().len()),
            (1, 0),
            "what is signed for one is not given to another"
        );

        forget(&boat)?;
        playbook(&boat, "lost", "", &step(api.url("/"), ""))?;
        book(&boat, "run lost.yaml --yes").await.expect(1).says("there was no answer");
        book(&boat, "resume latest").await.expect(1).says("nobody can tell whether step call");
        assert_eq!(api.came().len(), 1, "it is not made twice unasked");
        book(&boat, "resume latest --assume call=not-done").await.expect(0).says("COMPLETED");
        let came = api.came();
        assert_eq!(came.len(), 2);
        assert_eq!(came[0].headers["idempotency-key"], came[1].headers["idempotency-key"]);

        // What can be made twice is.
        forget(&boat)?;
        let api =
            Receiver::start(|before| if before == 0 { Answer::Closed } else { Answer::Status(200, "") })
                .await?;
        playbook(&boat, "again", "", &step(api.url("/"), ", method: PUT"))?;
        book(&boat, "run again.yaml --yes").await.expect(1);
        book(&boat, "resume latest").await.expect(0).says("COMPLETED");
        assert_eq!(api.came().len(), 2);
        Ok(())
    })
    .await
}

const EXTERNAL: &str = "\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: externalsecrets.external-secrets.io}
spec:
  group: external-secrets.io
  names: {kind: ExternalSecret, listKind: ExternalSecretList, plural: externalsecrets, singular: externalsecret}
  scope: Namespaced
  versions:
    - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
---
apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: ship}
stringData: {hatch: hush-hatch-code, mast: hush-mast-code}
";
const FETCHED: &str = "\
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: letters, namespace: ship}
spec: {target: {name: letters}}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_puts_a_new_value_into_a_secret_and_keeps_the_old_one_sealed() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let boat = ship(cluster).await?;
        fill::apply(&cluster.client().await?, EXTERNAL).await?;
        cluster.kubectl(&["wait", "--for=condition=Established", "crd/externalsecrets.external-secrets.io"]).await?;
        fill::apply(&cluster.client().await?, FETCHED).await?;
        let steps = "    - {id: fresh, action: secret.rotate, args: {target: {kind: Secret, namespace: ship, name: keys}, key: hatch, length: 64, alphabet: hex}}
    - {id: fetch, action: secret.rotate, args: {target: {kind: ExternalSecret, namespace: ship, name: letters}}}
";
        playbook(&boat, "rotate", "", steps)?;
        let value = async |key: &str| {
            let path = format!("go-template={{{{.data.{key} | base64decode}}}}");
            cluster.kubectl(&["get", "secret", "keys", "-n", "ship", "-o", &path]).await
        };
        book(&boat, "plan rotate.yaml").await.expect(0);
        assert_eq!(value("hatch").await?, "hush-hatch-code", "a plan changes nothing");
        book(&boat, "run rotate.yaml --yes").await.expect(0).says("COMPLETED");
        let fresh = value("hatch").await?;
        ensure!(fresh.len() == 64 && fresh.bytes().all(|it| it.is_ascii_hexdigit()), "{fresh}");
        assert_eq!(value("mast").await?, "hush-mast-code");
        let entries = written(&boat)?;
        ensure!(!serde_json::to_string(&entries)?.contains(&fresh), "the journal holds the new value");
        let kept = entries.iter().find(|it| it["what"] == "kept").context("the old value is kept")?;
        let name = kept["name"].as_str().context("name")?;
        let sealed = boat.path(&format!("store/lab/playbooks/{}/artifacts/{name}.zst.age", run_id(&boat)?));
        let opened = std::process::Command::new("sh")
            .arg("-c")
            .arg("age -d -i \"$0\" \"$1\" | zstd -d")
            .arg(boat.path("identity.txt"))
            .arg(&sealed)
            .output()?;
        let old: Value = serde_json::from_slice(&opened.stdout).with_context(|| format!("{opened:?}"))?;
        assert_eq!(old["data"]["hatch"], "aHVzaC1oYXRjaC1jb2Rl");
        let noted = "jsonpath={.metadata.annotations.force-sync}";
        let noted = cluster.kubectl(&["get", "externalsecret", "letters", "-n", "ship", "-o", noted]).await?;
        ensure!(noted.parse::<i64>()? > 1_700_000_000, "{noted}");
        let undone = book(&boat, "undo latest").await.expect(3);
        ensure!(undone.stderr.contains("is not put back"), "{undone:?}");
        assert_eq!(value("hatch").await?, fresh);

        let wrong = "    - {id: a, action: secret.rotate, args: {target: {kind: Secret, namespace: ship, name: keys}, key: keel}}\n";
        playbook(&boat, "wrong", "", wrong)?;
        let refused = book(&boat, "plan wrong.yaml").await.expect(6);
        ensure!(refused.stdout.contains("There are hatch, mast"), "{refused:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playbook_has_a_webhook_put_a_new_value_into_a_secret() -> Result<()> {
    with_cluster(ClusterOptions::full(), async |cluster| {
        let boat = ship(cluster).await?;
        fill::apply(&cluster.client().await?, EXTERNAL).await?;
        channels(&boat, &[])?;
        let turnkey = Receiver::start(|_| Answer::Status(202, "")).await?;
        let step = |within: &str| {
            format!(
                "    - {{id: turn, action: secret.rotate, args: {{target: {{kind: Secret, namespace: ship, name: keys}}, key: hatch, \
                 webhook: {{url: '{}', sign: {{secretRef: 'file:hook-key'}}, within: {within}}}}}}}\n",
                turnkey.url("/turn")
            )
        };
        playbook(&boat, "turn", "", &step("60s"))?;
        let plan = book(&boat, "plan turn.yaml").await.expect(0);
        ensure!(plan.stdout.contains("is the webhook's word"), "{plan:?}");
        assert_eq!(turnkey.came().len(), 0, "a plan tells nobody");
        let child = boat.spawn(&["playbook", "run", "turn.yaml", "--yes"])?;
        eventually("it is asked", Duration::from_secs(60), async || {
            Ok(turnkey.came().pop().map(drop))
        })
        .await?;
        let patch = r#"{"stringData": {"hatch": "hush-other-code"}}"#;
        cluster.kubectl(&["patch", "secret", "keys", "-n", "ship", "-p", patch]).await?;
        Ran::from(child.wait_with_output().await?).expect(0).says("COMPLETED");
        let came = turnkey.came();
        assert_eq!((came.len(), came[0].line.as_str()), (1, "POST /turn"));
        is_signed(&came[0])?;
        let uid = cluster.kubectl(&["get", "secret", "keys", "-n", "ship", "-o", "jsonpath={.metadata.uid}"]).await?;
        let run = run_id(&boat)?;
        assert_eq!(
            serde_json::from_slice::<Value>(&came[0].body)?,
            json!({"run": run, "step": "turn", "namespace": "ship", "name": "keys", "uid": uid, "key": "hatch"})
        );
        assert_eq!(came[0].headers.get("idempotency-key"), Some(&format!("{run}-turn")));
        let entries = written(&boat)?;
        ensure!(entries.iter().any(|it| it["what"] == "kept"), "the old value is kept");
        let undone = book(&boat, "undo latest").await.expect(3);
        ensure!(undone.stderr.contains("cannot be taken back"), "{undone:?}");

        // It says yes, and nothing comes of that.
        forget(&boat)?;
        playbook(&boat, "turn", "", &step("2s"))?;
        book(&boat, "run turn.yaml --yes").await.expect(1).says("has been written, 2 s long, and in vain: it is as it was");
        Ok(())
    })
    .await
}
