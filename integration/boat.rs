//! The program under test, in a directory of its own with configuration, keys and a store.

use crate::{
    lab::{Cluster, Etcd, EtcdOptions, S3, S3Options, fill, fill::points::Maker, s3, tools, with_etcd},
    silence,
};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};
use tokio::process::{Child, Command};

/// No command of a test takes longer; one that does is stuck.
const LIMIT: Duration = Duration::from_secs(120);

/// Names the kind of store that the tests work with: `file`, or `s3`.
const KIND: &str = "LIFEBOAT_TEST_STORE";
/// The line of a fresh configuration that says where the store is.
const STORE: &str = "url: \"file:./store\"";

/// `lifeboat` with its own directory. Its store is the directory `store` in there; with `LIFEBOAT_TEST_STORE=s3` it is
/// reached through an S3 server for which that directory is a bucket.
pub struct Lifeboat {
    dir: PathBuf,
    server: Option<S3>,
}

/// What a run of the program left.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; -1 for a signal.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// Standard output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// Expects an exit code, and shows everything when it is another.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\n{}\n{}", self.stdout, self.stderr);
        self
    }

    /// Expects that standard error says `text`.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "{text:?} is not in\n{}\n{}", self.stdout, self.stderr);
        self
    }
}

impl Ran {
    /// What was left by a program that was asked to show a secret.
    fn revealing(output: Output) -> Self {
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// No secret may be in it.
impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let ran = Ran::revealing(output);
        for text in [&ran.stdout, &ran.stderr] {
            if let Some(what) = silence::shown(text) {
                panic!("{what}");
            }
        }
        ran
    }
}

/// Nor in what it has left to be read.
impl Drop for Lifeboat {
    fn drop(&mut self) {
        if !std::thread::panicking()
            && let Some(what) = silence::told_in(&self.dir)
        {
            panic!("{what}");
        }
    }
}

/// Runs `test` with a fresh etcd that holds so many megabytes, and a boat that knows it; as [`with_etcd`].
pub async fn with_boat<T>(
    options: EtcdOptions,
    megabytes: u64,
    test: impl AsyncFnOnce(&Etcd, &Lifeboat) -> Result<T>,
) -> Result<T> {
    with_etcd(options, async |etcd| {
        if megabytes > 0 {
            fill::etcd(&etcd.client().await?, megabytes, 1).await?;
        }
        test(etcd, &Lifeboat::init(etcd.dir(), Some(etcd), None).await?).await
    })
    .await
}

impl Lifeboat {
    /// `lifeboat init` in `dir`, for the etcd and the API server given, in the cluster `lab`.
    pub async fn init(dir: &Path, etcd: Option<&Etcd>, cluster: Option<&Cluster>) -> Result<Self> {
        let mut boat = Lifeboat { dir: dir.join("boat"), server: None };
        std::fs::create_dir_all(&boat.dir)?;
        let mut args: Vec<String> = vec!["init".into(), ".".into(), "--cluster".into(), "lab".into()];
        if let Some(etcd) = etcd {
            args.extend(["--etcd-endpoints".into(), etcd.endpoints().join(",")]);
        }
        if let Some(cluster) = cluster {
            args.extend(["--kubeconfig".into(), cluster.kubeconfig().display().to_string()]);
        }
        if let Some(tls) = etcd.and_then(|e| e.access().tls.as_ref()) {
            for (flag, path) in
                [("--etcd-ca", &tls.ca), ("--etcd-cert", &tls.client.cert), ("--etcd-key", &tls.client.key)]
            {
                args.extend([flag.into(), path.display().to_string()]);
            }
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let ran = boat.run(&args).await;
        ensure!(ran.code == 0, "lifeboat init: {ran:?}");
        if std::env::var(KIND).is_ok_and(|kind| kind == "s3") {
            boat.serve().await?;
        }
        if let Some((user, password)) = etcd.and_then(|e| e.access().auth.as_ref()) {
            let file = boat.path("etcd-password");
            std::fs::write(&file, password)?;
            std::fs::set_permissions(&file, Permissions::from_mode(0o600))?;
            let auth = format!("\netcd:\n  auth: {{username: {user}, password: {{file: etcd-password}}}}\n");
            boat.edit(|text| text.replacen("\netcd:\n", &auth, 1))?;
        }
        Ok(boat)
    }

    /// The program in a directory that [`Lifeboat::init`] made before, or a copy of it.
    pub async fn at(dir: PathBuf) -> Result<Self> {
        let mut boat = Lifeboat { dir, server: None };
        if boat.dir.join("s3").exists() {
            boat.serve().await?;
        }
        Ok(boat)
    }

    /// Has the store reached through an S3 server, whatever the tests' store is, and gives the server's URL.
    pub async fn in_bucket(&mut self) -> Result<String> {
        if self.server.is_none() {
            self.serve().await?;
        }
        Ok(self.server.as_ref().context("no server")?.endpoint())
    }

    /// Starts an S3 server for the store and enters it into the configuration.
    async fn serve(&mut self) -> Result<()> {
        let logs = self.dir.join("s3");
        let begun = logs.exists();
        std::fs::create_dir_all(&logs)?;
        let server = S3::start(&logs, &self.dir, S3Options::default()).await?;
        if !begun {
            server.bucket("store", false).await?;
            for (name, text) in [("s3-id", s3::ACCESS_KEY), ("s3-secret", s3::SECRET_KEY)] {
                std::fs::write(self.dir.join(name), text)?;
                std::fs::set_permissions(self.dir.join(name), Permissions::from_mode(0o600))?;
            }
            std::fs::write(logs.join("endpoint"), "ENDPOINT")?;
            self.edit(|text| {
                let keys = "credentials: {accessKeyId: {file: s3-id}, secretAccessKey: {file: s3-secret}}";
                text.replacen(
                    STORE,
                    &format!("url: \"s3://store\"\n    s3: {{endpoint: \"ENDPOINT\", {keys}}}"),
                    1,
                )
            })?;
        }
        let before = std::fs::read_to_string(logs.join("endpoint"))?;
        self.edit(|text| text.replace(&before, &server.endpoint()))?;
        std::fs::write(logs.join("endpoint"), server.endpoint())?;
        self.server = Some(server);
        Ok(())
    }

    /// The directory with `lifeboat.yaml`, `identity.txt`, `signing.key`, `signing.pub` and `store`.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A file in the directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Makes recovery points in a directory of the boat, or in any other, signed with its key.
    pub fn maker(&self, store: impl AsRef<Path>) -> Result<Maker> {
        Maker::new(self.dir.join(store), &self.path("signing.key"))
    }

    /// Changes the configuration's text.
    pub fn edit(&self, change: impl FnOnce(String) -> String) -> Result<()> {
        let path = self.path("lifeboat.yaml");
        let text = std::fs::read_to_string(&path)?;
        let changed = change(text.clone());
        ensure!(changed != text, "the configuration did not change");
        Ok(std::fs::write(path, changed)?)
    }

    /// The program with these arguments, ready to be started.
    pub fn command(&self, args: &[&str]) -> Command {
        self.prepared(Command::new(env!("CARGO_BIN_EXE_lifeboat")), args)
    }

    /// The same on a terminal, all of whose output goes to standard output.
    pub fn on_terminal(&self, args: &[&str]) -> Command {
        let line =
            format!("stty rows 50 cols 100; exec {} {}", env!("CARGO_BIN_EXE_lifeboat"), args.join(" "));
        let mut command = self.prepared(Command::new("script"), &["-qec", &line, "/dev/null"]);
        command.env("TERM", "xterm");
        command
    }

    /// Any command with these arguments, in the surroundings of the program.
    pub fn prepared(&self, mut command: Command, args: &[&str]) -> Command {
        let path = std::env::join_paths(
            std::iter::once(tools::bin().expect("a place for tools"))
                .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
        );
        command
            .args(args)
            .current_dir(&self.dir)
            .env_remove("KUBECONFIG")
            .env_remove("LIFEBOAT_CONFIG")
            .env_remove("LIFEBOAT_IDENTITY")
            .env_remove("OTEL_EXPORTER_OTLP_ENDPOINT")
            .env_remove("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
            .env_remove("TRACEPARENT")
            .env("RUST_BACKTRACE", "0")
            .env("PATH", path.expect("a search path"))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Starts the program and returns at once.
    pub fn spawn(&self, args: &[&str]) -> Result<Child> {
        let mut command = self.command(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("lifeboat does not start")
    }

    /// Runs the program to its end.
    pub async fn run(&self, args: &[&str]) -> Ran {
        self.run_within(LIMIT, args).await
    }

    /// Runs the program to its end, which may be so far away.
    pub async fn run_within(&self, limit: Duration, args: &[&str]) -> Ran {
        let output = tokio::time::timeout(limit, self.command(args).output());
        let output = output.await.unwrap_or_else(|_| panic!("{args:?} is stuck")).expect("lifeboat runs");
        // `get` prints an object of a recovery point as it is, whatever it is.
        let asked = args.first() == Some(&"get") || args.contains(&"--show-secrets");
        let ran = if asked { Ran::revealing(output) } else { output.into() };
        assert!(!ran.stderr.contains("panicked at"), "{args:?} panicked:\n{}", ran.stderr);
        ran
    }

    /// Takes a recovery point that must be complete, and returns its manifest.
    pub async fn backup(&self, args: &[&str]) -> Value {
        self.run(&[&["backup", "-o", "json"], args].concat()).await.expect(0).json()
    }

    /// Verifies everything in depth; all of it must be well.
    pub async fn verify_all(&self) -> Value {
        self.run(&["verify", "--all", "--deep", "-i", "identity.txt", "-o", "json"]).await.expect(0).json()
    }
}
