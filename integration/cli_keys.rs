//! Keys that are missing, wrong, or in the wrong place; none of them is ever repeated.

use crate::saved::{Saved, saved};
use anyhow::Result;
use std::{fs, process::Command};

/// The identity, as it must never appear in any output.
fn identity(saved: &Saved) -> Result<String> {
    let text = fs::read_to_string(saved.boat.path("identity.txt"))?;
    Ok(text.lines().find(|line| line.starts_with("AGE-SECRET-KEY-1")).unwrap().to_owned())
}

#[tokio::test]
async fn recipients_that_are_none_stop_a_backup_before_it_begins() -> Result<()> {
    let saved = saved().await?;
    let (good, identity) = (fs::read_to_string(saved.boat.path("lifeboat.yaml"))?, identity(&saved)?);
    let recipient = saved.manifest()?.artifacts[0].recipients[0].clone();
    let (but_the_last, last) = recipient.split_at(recipient.len() - 1);
    let damaged = format!("{but_the_last}{}", if last == "q" { "p" } else { "q" });
    let with = |recipients: &str| good.replace(&format!("- \"{recipient}\""), recipients);
    let file = "recipientsFile: recipients.txt";
    for (config, listed, words) in [
        (with("[]"), "", "recipients"),
        (good.split("encryption:").next().unwrap().to_owned(), "", "`encryption`"),
        (with("- nonsense"), "", "`nonsense` is not an age recipient"),
        (with(&format!("- {damaged}")), "", "recipient 1 is not one that age knows"),
        (with("- age1nosuchplugin1qqqqqqqq"), "", "recipient 1"),
        (with("- age1toy1d35kvetzdashgkk5zru"), "", "install age-plugin-toy into PATH"),
        (with(&format!("- {identity}")), "", "this is an identity"),
        (with(&format!("- {recipient}\n  {file}")), &identity, "recipient 2"),
        (with(&format!("- {recipient}\n  {file}")), "nonsense", "recipient 2"),
    ] {
        assert!(config != good);
        fs::write(saved.boat.path("lifeboat.yaml"), config)?;
        fs::write(saved.boat.path("recipients.txt"), listed)?;
        let ran = saved.run(&["backup", "-vvv"]).await.expect(2).says(words);
        assert!(!format!("{ran:?}").contains(&identity[20..]), "{ran:?}");
    }
    fs::remove_file(saved.boat.path("recipients.txt"))?;
    saved.run(&["backup"]).await.expect(2).says("recipients.txt").says("No such file");
    assert_eq!(fs::read_dir(saved.boat.path("store/lab/points"))?.count(), 1);
    Ok(())
}

#[tokio::test]
async fn an_identity_given_as_an_argument_is_not_repeated() -> Result<()> {
    let saved = saved().await?;
    let identity = identity(&saved)?;
    for args in [
        &["init", "new", "--recipient", &identity][..],
        &["init", "new", "--recipient", &identity, "-o", "json"],
        &["verify", "latest", "-i", &identity],
        &["extract", "latest", "etcd", "-i", &identity],
        &["list", "--public-key", &identity],
    ] {
        let ran = saved.run(args).await.expect(2);
        assert!(!format!("{ran:?}").contains(&identity[20..]), "{ran:?}");
    }
    assert!(!saved.boat.path("new").exists());
    Ok(())
}

#[tokio::test]
async fn identities_that_do_not_serve_are_refused_in_words() -> Result<()> {
    let saved = saved().await?;
    let write = |name: &str, text: &str| fs::write(saved.boat.path(name), text).unwrap();
    let identity = identity(&saved)?;
    let recipient = saved.manifest()?.artifacts[0].recipients[0].clone();
    assert!(Command::new("age-keygen").arg("-o").arg(saved.boat.path("other")).output()?.status.success());
    // What `age -p` makes of an identity begins as all that age encrypts.
    for (name, armor) in [("sealed", "--encrypt"), ("armored", "--armor")] {
        let age = Command::new("age")
            .args([armor, "-r", &recipient, "-o", name, "identity.txt"])
            .current_dir(saved.boat.dir())
            .status()?;
        assert!(age.success());
    }
    write("nonsense", "hunter2-hunter2\n");
    let (start, last) = identity.split_at(identity.len() - 1);
    write("typo", &format!("{start}{}\n", if last == "Q" { "P" } else { "Q" }));
    write("public", &format!("{recipient}\n"));
    write("empty", "# nothing here\n");
    write("binary", "\u{0}\u{1}\u{2}");
    let passphrase = "it is protected by a passphrase: decrypt it with `age -d`";
    for (file, words) in [
        ("absent", "No such file"),
        (".", "cannot be used: Is a directory"),
        ("other", "none of the identities given opens this artifact"),
        ("sealed", passphrase),
        ("armored", passphrase),
        ("nonsense", "neither a comment nor an age identity"),
        ("typo", "neither a comment nor an age identity"),
        ("public", "neither a comment nor an age identity"),
        ("binary", "neither a comment nor an age identity"),
        ("empty", "it holds no identity"),
    ] {
        let ran = saved.run(&["extract", "latest", "etcd", "-vvv", "-i", file]).await.expect(2).says(words);
        let said = format!("{ran:?}");
        assert!(!said.contains("hunter2") && !said.contains(&identity[20..50]), "{said}");
    }
    // Several are tried; one that opens it is enough. The environment serves as well.
    saved.run(&["verify", "--deep", "-i", "other", "-i", "identity.txt"]).await.expect(0);
    saved.run(&["verify", "-i", "other"]).await.expect(4);
    let mut command = saved.boat.command(&["verify", "--deep"]);
    assert!(command.env("LIFEBOAT_IDENTITY", "identity.txt").output().await?.status.success());
    saved.run(&["verify", "--deep"]).await.expect(2).says("-i/--identity or in $LIFEBOAT_IDENTITY");
    Ok(())
}

#[tokio::test]
async fn signing_keys_that_do_not_serve_are_refused_in_words() -> Result<()> {
    let saved = saved().await?;
    let other = saved.boat.path("other");
    saved.run(&["init", "other"]).await.expect(0);
    let key = fs::read_to_string(saved.boat.path("signing.key"))?;
    let line = key.lines().last().unwrap();
    for (text, words) in [
        (fs::read_to_string(other.join("signing.key"))?, "does not belong to signing.publicKey"),
        (key.replace(line, &line[..line.len() - 8]), "the signing key cannot be used"),
        ("hunter2".to_owned(), "the signing key cannot be used"),
    ] {
        fs::write(saved.boat.path("signing.key"), text)?;
        let ran = saved.run(&["backup", "-vvv"]).await.expect(2).says(words);
        assert!(!ran.stderr.contains("hunter2") && !ran.stderr.contains(&line[40..60]), "{ran:?}");
    }
    fs::remove_file(saved.boat.path("signing.key"))?;
    saved.run(&["backup"]).await.expect(2).says("signing.key");

    let wrong = other.join("signing.pub").display().to_string();
    saved.run(&["show", "latest", "--public-key", &wrong]).await.expect(4).says("is not to be trusted");
    saved.run(&["verify", "--public-key", &wrong]).await.expect(4);
    saved
        .run(&["show", "latest", "--public-key", "RWnonsense"])
        .await
        .expect(2)
        .says("expected the line RWQ");
    saved.run(&["show", "latest", "--public-key", "signing.pub"]).await.expect(0);
    Ok(())
}
