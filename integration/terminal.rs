//! On a terminal the program shows how far it is; in a pipe it shows nothing of that.

use crate::{
    boat::{Lifeboat, Ran},
    lab::{Cluster, ClusterOptions, Fault, Proxy, fill, with_cluster},
};
use anyhow::Result;

/// Slow enough for both halves of a backup to take a second or two.
const SLOW: Fault = Fault::Throttle { per_second: 256 << 10 };

/// Runs the program on a terminal; what it wrote there, with its bars, is in `stdout`.
async fn on_terminal(boat: &Lifeboat, args: &[&str]) -> Result<Ran> {
    Ok(Ran::from(boat.on_terminal(args).output().await?))
}

#[track_caller]
fn shows(ran: &Ran, words: &[&str]) {
    for word in words {
        assert!(ran.stdout.contains(word), "{word:?} is not in\n{}", ran.stdout);
    }
}

/// What stands on the terminal in the end, as far as the program uses it: lines of 100 characters, wiped and gone up to.
fn screen(written: &str) -> String {
    let mut lines = vec![String::new()];
    let (mut row, mut column) = (0, 0);
    let mut rest = written.chars();
    while let Some(c) = rest.next() {
        match c {
            '\r' => column = 0,
            '\n' => (row, column) = (row + 1, 0),
            '\u{1b}' => {
                let mut sequence = String::new();
                while !sequence.ends_with(|c: char| c.is_ascii_alphabetic()) {
                    sequence.extend(rest.next());
                }
                match sequence.as_str() {
                    "[2K" => lines[row].clear(),
                    "[1A" => row -= 1,
                    "[1B" => row += 1,
                    other => assert!(other.ends_with('m'), "{other} is not understood"),
                }
            }
            c => {
                if column == 100 {
                    (row, column) = (row + 1, 0);
                }
                lines.resize(lines.len().max(row + 1), String::new());
                let line: Vec<char> = lines[row].chars().collect();
                let head: String = (0..column).map(|at| line.get(at).copied().unwrap_or(' ')).collect();
                lines[row] = format!("{head}{c}{}", line.iter().skip(column + 1).collect::<String>());
                column += 1;
            }
        }
        lines.resize(lines.len().max(row + 1), String::new());
    }
    lines.join("\n")
}

/// Proxies in front of etcd, which the configuration knows, and of the API server, which the kubeconfig knows.
async fn between(cluster: &Cluster, boat: &Lifeboat) -> Result<(Proxy, Proxy, String)> {
    let endpoint = &cluster.etcd().endpoints()[0];
    let (etcd, api) = (Proxy::to(endpoint).await?, Proxy::to(&cluster.url()).await?);
    boat.edit(|text| text.replace(endpoint, &format!("http://{}", etcd.address())))?;
    let kubeconfig = cluster.kubeconfig_via(&api)?.display().to_string();
    Ok((etcd, api, kubeconfig))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bars_on_a_terminal_and_silence_in_a_pipe() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        fill::api(&cluster.client().await?, 80, 1).await?;
        let boat = Lifeboat::init(cluster.etcd().dir(), Some(cluster.etcd()), Some(cluster)).await?;
        let (etcd, api, kubeconfig) = between(cluster, &boat).await?;
        let backup = ["backup", "--kubeconfig", &kubeconfig];
        etcd.set(SLOW);
        api.set(SLOW);

        let ran = on_terminal(&boat, &backup).await?.expect(0);
        shows(&ran, &["looking at the members", "waiting for the snapshot", "looking for types"]);
        shows(&ran, &["etcd      [=", "%", "iB of ", "iB/s", " left"]);
        shows(&ran, &["resources [=", " types  ", " objects"]);
        assert!(!screen(&ran.stdout).contains('['), "bars are left on the terminal: {}", screen(&ran.stdout));
        for quietly in ["--quiet", "--no-progress"] {
            let ran = on_terminal(&boat, &[&backup[..], &[quietly]].concat()).await?.expect(0);
            assert!(!ran.stdout.contains("resources ["), "{quietly}: {}", ran.stdout);
        }
        let piped = boat.run(&backup).await.expect(0);
        assert_eq!(piped.stderr, "");

        let keys = ["-i", "identity.txt"];
        let verified = on_terminal(&boat, &[&["verify", "--all", "--deep"], &keys[..]].concat()).await?;
        shows(&verified.expect(0), &["(1 of 4) [", "(4 of 4) [", " of 1", "KiB  "]);
        let extract = ["extract", "latest", "etcd", "--to", "etcd.db"];
        shows(&on_terminal(&boat, &[&extract, &keys[..]].concat()).await?.expect(0), &["etcd      ["]);
        let restore = ["restore", "etcd", "latest", "--data-dir", "restored"];
        let restored = on_terminal(&boat, &[&restore, &keys[..]].concat()).await?.expect(0);
        shows(&restored, &["restoring the snapshot, ", "iB read"]);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_meanwhile_is_not_wiped_away() -> Result<()> {
    with_cluster(ClusterOptions::default(), async |cluster| {
        fill::api(&cluster.client().await?, 80, 1).await?;
        let boat = Lifeboat::init(cluster.etcd().dir(), Some(cluster.etcd()), Some(cluster)).await?;
        let (etcd, api, kubeconfig) = between(cluster, &boat).await?;
        etcd.set(Fault::Cut { after: 64 << 10 });
        api.set(SLOW);
        let ran = on_terminal(&boat, &["backup", "--kubeconfig", &kubeconfig]).await?.expect(3);
        shows(&ran, &["resources [="]);
        let left = screen(&ran.stdout);
        assert_eq!(left.matches(" WARN the snapshot of ").count(), 2, "{left}");
        assert!(left.contains("PartiallyFailed") && !left.contains("resources ["), "{left}");
        Ok(())
    })
    .await
}
