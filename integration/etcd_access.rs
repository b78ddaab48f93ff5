//! Being let in: certificates, users, and endpoints that are not what they should be.

use crate::{
    boat::{Lifeboat, with_boat},
    etcd_outcome::{complains, refused, refused_with, saved},
    lab::{
        Etcd, EtcdOptions, Version,
        pki::{Pair, Pki},
        with_etcd,
    },
};
use anyhow::Result;
use std::{fs, path::Path};

/// Replaces a file of the configuration in its place, as a renewal does.
pub fn replace(old: &Path, new: &Path) -> Result<()> {
    let staged = old.with_extension("new");
    fs::copy(new, &staged)?;
    Ok(fs::rename(staged, old)?)
}

/// Takes the lines with `word` out of the configuration.
fn without(boat: &Lifeboat, word: &str) -> Result<()> {
    boat.edit(|text| {
        text.lines().filter(|line| !line.contains(word)).map(|line| format!("{line}\n")).collect()
    })
}

/// A boat whose certificates lie in its own directory, so that they can be replaced.
async fn boat_with_own_files(etcd: &Etcd) -> Result<(Lifeboat, Pair)> {
    let boat = Lifeboat::init(etcd.dir(), Some(etcd), None).await?;
    let own = Pair { cert: boat.path("client.crt"), key: boat.path("client.key") };
    let tls = etcd.access().tls.as_ref().unwrap();
    for (given, name) in
        [(&tls.client.cert, "client.crt"), (&tls.client.key, "client.key"), (&tls.ca, "ca.crt")]
    {
        fs::copy(given, boat.path(name))?;
        boat.edit(|text| text.replace(given.to_str().unwrap(), name))?;
    }
    Ok((boat, own))
}

async fn certificates(version: Version) -> Result<()> {
    with_etcd(EtcdOptions { tls: true, version, ..Default::default() }, async |etcd| {
        let (boat, own) = boat_with_own_files(etcd).await?;
        let (pki, other) = (etcd.pki()?, Pki::open(&etcd.dir().join("other-pki"))?);
        let endpoint = etcd.endpoints()[0].as_str();
        let good = pki.client("good", "root", None)?;
        let give = |pair: &Pair| replace(&own.cert, &pair.cert).and(replace(&own.key, &pair.key));

        give(&pki.expired_client("late", "root", None)?)?;
        refused(&boat, &[endpoint, "client.crt expired at 2020-01-01", "renew it"]).await?;
        give(&other.client("foreign", "root", None)?)?;
        refused(&boat, &[endpoint, "does not accept the client certificate", "client.crt"]).await?;
        // Half of a renewal.
        replace(&own.cert, &good.cert)?;
        refused_with(&boat, 2, &["client.key", "does not belong to", "client.crt"]).await?;
        fs::write(&own.key, "no key at all, but a password by mistake")?;
        refused_with(&boat, 2, &["client.key", "not in PEM form"]).await?;
        give(&good)?;

        replace(&boat.path("ca.crt"), &other.ca())?;
        refused(&boat, &[endpoint, "not signed by the CA in etcd.tls.ca", "ca.crt"]).await?;
        fs::remove_file(boat.path("ca.crt"))?;
        refused_with(&boat, 2, &["ca.crt", "No such file"]).await?;
        fs::copy(pki.ca(), boat.path("ca.crt"))?;

        // Everything is renewed on disk, and nothing else was changed.
        saved(&boat).await;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_named_and_read_again() -> Result<()> {
    certificates(Version::V36).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_named_and_read_again_3_5() -> Result<()> {
    certificates(Version::V35).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_client_certificate_and_a_wrong_scheme_are_named() -> Result<()> {
    with_etcd(EtcdOptions { tls: true, ..Default::default() }, async |etcd| {
        let (boat, _) = boat_with_own_files(etcd).await?;
        let endpoint = etcd.endpoints()[0].as_str();
        let plain = endpoint.replace("https:", "http:");
        boat.edit(|text| text.replace(endpoint, &plain))?;
        complains(&boat, 2, &[&plain, "etcd.endpoints[0]", "use https://"]).await;
        boat.edit(|text| text.replace(&plain, endpoint))?;
        without(&boat, "client.")?;
        refused(&boat, &[endpoint, "no client certificate is configured", "etcd.tls.cert"]).await?;
        without(&boat, " tls:")?;
        without(&boat, " ca:")?;
        refused(&boat, &[endpoint, "not signed by", "etcd.tls.ca"]).await?;
        boat.edit(|text| text.replace(endpoint, &plain))?;
        refused(&boat, &[&plain, "https is meant"]).await
    })
    .await
}

async fn users(version: Version) -> Result<()> {
    let auth = Some(("root".to_owned(), "right-pa55word".to_owned()));
    with_boat(EtcdOptions { auth, version, ..Default::default() }, 0, async |etcd, boat| {
        let endpoint = etcd.endpoints()[0].as_str();
        fs::write(boat.path("etcd-password"), "wrong-pa55word")?;
        refused(boat, &[endpoint, "refuses the user or the password", "etcd.auth"]).await?;
        fs::write(boat.path("etcd-password"), "right-pa55word\n")?;
        boat.edit(|text| text.replace("username: root", "username: nobody"))?;
        refused(boat, &[endpoint, "refuses the user or the password", "etcd.auth"]).await?;

        // A user who may log in, and no more.
        let mut client = etcd.client().await?;
        client.user_add("weak", "right-pa55word", None).await?;
        boat.edit(|text| text.replace("username: nobody", "username: weak"))?;
        refused(boat, &[endpoint, "the role root", "etcd.auth"]).await?;
        boat.edit(|text| text.replace("username: weak", "username: root"))?;
        saved(boat).await;
        fs::remove_dir_all(boat.path("store"))?;

        without(boat, "auth:")?;
        refused(boat, &[endpoint, "asks for a user", "set etcd.auth"]).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_are_refused_in_clear_words() -> Result<()> {
    users(Version::V36).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_are_refused_in_clear_words_3_5() -> Result<()> {
    users(Version::V35).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoints_that_are_something_else_are_named() -> Result<()> {
    with_boat(EtcdOptions::default(), 0, async |etcd, boat| {
        let endpoint = etcd.endpoints()[0].as_str();
        let point_at = |from: &str, to: &str| boat.edit(|text| text.replace(from, to));

        let secure = endpoint.replace("http:", "https:");
        point_at(endpoint, &secure)?;
        refused(boat, &[&secure, "does not speak etcd's protocol", "http is meant"]).await?;
        let peer = etcd.member(0).peer_url();
        point_at(&secure, &peer)?;
        refused(boat, &[&peer, "does not speak etcd's protocol", "another port"]).await?;

        let second = Etcd::start(&etcd.dir().join("second"), EtcdOptions::default()).await?;
        let both = format!("{endpoint}\"\n    - \"{}", second.endpoints()[0]);
        point_at(&peer, &both)?;
        refused(boat, &["different clusters", endpoint, &second.endpoints()[0], "etcd.endpoints"]).await
    })
    .await
}
