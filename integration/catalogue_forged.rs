//! Manifests that are signed with the right key and do not tell the truth, or more than this version understands.

use crate::saved::{Saved, saved};
use anyhow::Result;
use bytes::Bytes;
use futures_util::TryStreamExt;
use lifeboat::{
    pipeline::{Recipients, SealOptions, TAR_END, seal, tar_padding},
    point::Digest,
};
use serde_json::{Value, json};
use std::{fs, process::Command};

fn add(value: &mut Value, n: i64) {
    *value = json!(value.as_i64().unwrap() + n);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deep_look_says_which_word_of_a_signed_manifest_is_wrong() -> Result<()> {
    let saved = saved().await?;
    let good = fs::read(saved.object("manifest.json"))?;
    let zeros = "0".repeat(64);
    type Change<'a> = &'a dyn Fn(&mut Value);
    let cases: [(Change, &str, &str); 11] = [
        (&|a| add(&mut a[0]["etcd"]["kvHash"]["hash"], 1), "etcd.db", "its KV hash at revision"),
        (&|a| add(&mut a[0]["etcd"]["revision"], 1), "etcd.db", "its newest revision is"),
        (&|a| a[0]["plainSha256"] = json!(zeros), "etcd.db", "the SHA-256 of what it holds differs"),
        (&|a| a[0]["storedSha256"] = json!(zeros), "etcd.db", "the SHA-256 of the stored bytes differs"),
        (&|a| add(&mut a[0]["plainBytes"], 1), "etcd.db", "bytes, the manifest says"),
        (&|a| add(&mut a[0]["plainBytes"], -1), "etcd.db", "holds more than the"),
        (&|a| add(&mut a[1]["storedBytes"], 1), "resources.tar", "bytes are stored, the manifest says"),
        (
            &|a| add(&mut a[1]["resources"]["counts"]["configmaps/v1"]["objects"], 1),
            "resources.tar",
            "configmaps/v1:",
        ),
        (
            &|a| add(&mut a[1]["resources"]["counts"]["secrets/v1"]["bytes"], 1),
            "resources.tar",
            "secrets/v1:",
        ),
        (&|a| add(&mut a[1]["resources"]["objects"], 1), "resources.tar", "objects in all"),
        (&|a| a[2]["plainSha256"] = json!(zeros), "resources.index", "the SHA-256 of what it holds differs"),
    ];
    for (change, object, words) in cases {
        saved.forge(|m| change(&mut m["artifacts"]))?;
        let errors = saved.errors().await?;
        assert!(
            errors.len() == 1 && errors[0].starts_with(object) && errors[0].contains(words),
            "{words}: {errors:?}"
        );
        fs::write(saved.object("manifest.json"), &good)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_minor_version_is_read_and_a_newer_major_refused() -> Result<()> {
    let saved = saved().await?;
    let later = b"pages changed since a base point";
    fs::write(saved.object("etcd.pages"), later)?;
    saved.forge(|m| {
        m["format"] = json!("1.9");
        m["inventedLater"] = json!({"deep": [1, {"x": null}]});
        m["artifacts"][0]["etcd"]["alsoLater"] = json!(true);
        let mut pages = m["artifacts"][0].clone();
        (pages["kind"], pages["key"]) = (json!("etcd-pages"), json!("etcd.pages"));
        pages["storedBytes"] = json!(later.len());
        pages["storedSha256"] = json!(sha256(later));
        m["artifacts"].as_array_mut().unwrap().insert(0, pages);
    })?;
    let listed = saved.run(&["list"]).await.expect(0).stdout;
    assert!(listed.contains("etcd-pages+etcd+resources") && listed.contains("holds"), "{listed}");
    saved.run(&["show", "latest"]).await.expect(0);
    let verdict = saved.run(&["verify", "--deep", "-i", "identity.txt"]).await.expect(0).stdout;
    assert!(verdict.contains("this version does not know what a `etcd-pages` is"), "{verdict}");
    saved.run(&["extract", "latest", "etcd", "-i", "identity.txt"]).await.expect(0);

    saved.forge(|m| m["format"] = json!("2.0"))?;
    saved.run(&["show", "latest"]).await.expect(4).says("2.0");
    let listed = saved.run(&["list"]).await.expect(0).stdout;
    assert!(listed.contains(saved.id.as_str()) && listed.contains("unreadable"), "{listed}");
    saved.run(&["verify"]).await.expect(4);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_lead_elsewhere_are_refused() -> Result<()> {
    let saved = saved().await?;
    for key in ["../x", "a/b", "..", ".", "", ".hidden", "/etc/passwd", "a\\b", "a\u{0}b"] {
        saved.forge(|m| m["artifacts"][0]["key"] = json!(key))?;
        for args in [&["show", "latest"][..], &["extract", "latest", "etcd", "-i", "identity.txt"]] {
            let said = saved.run(args).await.expect(4).stderr;
            assert!(
                said.contains("which is not a file of its own") || said.contains("is refused: "),
                "{said}"
            );
        }
        saved.run(&["verify", "--deep", "-i", "identity.txt"]).await.expect(4);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_under_another_name_is_refused() -> Result<()> {
    let saved = saved().await?;
    let other = "20200101T000000Z-aaaa";
    let points = saved.boat.path("store/lab/points");
    let copy = |to: &str| {
        let to = saved.boat.path("store").join(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        assert!(
            Command::new("cp")
                .arg("-a")
                .arg(points.join(saved.id.as_str()))
                .arg(to)
                .status()
                .unwrap()
                .success()
        );
    };
    copy(&format!("lab/points/{other}"));
    copy(&format!("quay/points/{}", saved.id));
    let elsewhere = "it belongs to another recovery point";
    saved.run(&["show", other]).await.expect(4).says(elsewhere);
    saved.run(&["show", "latest", "--cluster", "quay"]).await.expect(4).says(elsewhere);
    saved.run(&["verify", other]).await.expect(4);
    saved.run(&["show", "latest"]).await.expect(0);

    // Without the public key, the manifest's own words are all there is.
    fs::remove_file(saved.boat.path("lifeboat.yaml"))?;
    let url = saved.url();
    let show = async |id, cluster| saved.run(&["show", id, "--store", &url, "--cluster", cluster]).await;
    show(other, "lab").await.expect(4).says("its manifest says that it is");
    show("latest", "quay").await.expect(4).says("its manifest says that it is of cluster `lab`");
    show("latest", "lab").await.expect(0);
    Ok(())
}

fn sha256(bytes: &[u8]) -> Digest {
    use sha2::Digest as _;
    <[u8; 32]>::from(sha2::Sha256::digest(bytes)).into()
}

/// Puts this archive in the place of the export, sealed and signed as if lifeboat had written it.
async fn replace_export(saved: &Saved, archive: Vec<u8>) -> Result<()> {
    let recipients = Recipients::new(&saved.manifest()?.artifacts[1].recipients)?;
    let (mut feed, stream, sealing) = seal(&recipients, SealOptions::default());
    feed.write(&archive).await?;
    feed.finish().await?;
    fs::write(saved.object("resources.tar.zst.age"), stream.try_collect::<Vec<Bytes>>().await?.concat())?;
    let sealed = sealing.result().await?;
    saved.forge(|m| {
        let export = &mut m["artifacts"][1];
        export["plainBytes"] = json!(sealed.plain_bytes);
        export["storedBytes"] = json!(sealed.stored_bytes);
        export["plainSha256"] = json!(sealed.plain_sha256);
        export["storedSha256"] = json!(sealed.stored_sha256);
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_that_leaves_the_archive_is_refused() -> Result<()> {
    let saved = saved().await?;
    let (file, link) = (tar::EntryType::Regular, tar::EntryType::Symlink);
    for (path, kind, words) in [
        ("../../../etc/cron.d/x.json", file, "is not the path of an object: it is refused"),
        ("/etc/v1/pods/a/b.json", file, "is not the path of an object: it is refused"),
        ("core/v1/../a/b.json", file, "is not the path of an object: it is refused"),
        ("core/v1/pods/a/b.json", link, "is not a regular file: it is refused"),
    ] {
        let mut header = tar::Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(kind);
        header.set_size(2);
        header.set_cksum();
        replace_export(&saved, [header.as_bytes(), &b"{}"[..], &tar_padding(2), TAR_END].concat()).await?;
        let errors = saved.errors().await?;
        assert!(errors.len() == 1 && errors[0].contains(words), "{path}: {errors:?}");
    }
    saved.run(&["verify", "--deep", "-i", "identity.txt"]).await.expect(4);
    Ok(())
}
