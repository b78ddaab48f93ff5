//! Lifeboat in a cluster of kind, as deploy/README.md says: an image of deploy/image/Dockerfile, the manifests of
//! deploy/kustomize, and a bucket on the engine's host.

use crate::{
    boat::Lifeboat,
    deploy_network::{enforce, surround},
    drill_kind_images::Image,
    kind_cluster::{KindCluster, said},
    lab::{Proxy, eventually, s3, tools},
};
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tempfile::TempDir;

/// The variants.
pub const OVERLAYS: [&str; 6] = [
    "resources",
    "control-plane",
    "control-plane-loopback",
    "daemon-resources",
    "daemon-control-plane",
    "daemon-control-plane-loopback",
];

/// Is what saves etcd a process of its node's network?
pub fn on_its_node_s_network(variant: &str) -> bool {
    variant.ends_with("-loopback")
}

/// A job takes so long at most, the minute until it is due included.
const LIMIT: Duration = Duration::from_secs(180);

/// What a policy lets through to a store that has a port of its own, in deploy/README.md.
pub const STORE: &str = "name: lifeboat-store}";

/// In the node of the lab nothing leads pods to service addresses, nor out of it: these rules do.
const ROUTES: &str = "\
node=$(ip -4 -o addr show eth0 | sed -E 's#.* inet ([0-9.]+)/.*#\\1#')
for chain in PREROUTING OUTPUT; do
  iptables -t nat -A $chain -d 10.96.0.1 -p tcp --dport 443 -j DNAT --to-destination \"$node:6443\"
done
iptables -t nat -A POSTROUTING -s 10.244.0.0/24 -o eth0 -j MASQUERADE
echo \"$node\"";

/// What is deployed.
pub fn place() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

/// The first block of deploy/README.md in this language that has this word in it.
pub fn block(language: &str, word: &str) -> Result<String> {
    let (text, fence) = (fs::read_to_string(place().join("README.md"))?, format!("```{language}\n"));
    let mut blocks = text.split(&fence).skip(1).filter_map(|rest| rest.split("```").next());
    Ok(blocks.find(|block| block.contains(word)).with_context(|| format!("{language}: {word}"))?.to_owned())
}

/// The objects that a kustomization makes.
pub fn rendered(dir: &Path) -> Result<Vec<Value>> {
    let kubectl = tools::tool("kubectl")?.display().to_string();
    documents(&said(&kubectl, &["kustomize", &dir.display().to_string()])?)
}

/// The objects of a file.
pub fn documents(text: &str) -> Result<Vec<Value>> {
    serde_yaml::Deserializer::from_str(text).map(|it| Ok(Value::deserialize(it)?)).collect()
}

/// The objects of a variant with these lines in the operator's kustomization, beside which `lifeboat` is a checkout.
pub fn with(lines: &str, overlay: &str) -> Result<Vec<Value>> {
    let dir = tempfile::tempdir()?;
    let checkout = dir.path().join("lifeboat");
    fs::create_dir(&checkout)?;
    symlink(place(), checkout.join("deploy"))?;
    let mine = format!("resources: [lifeboat/deploy/kustomize/overlays/{overlay}]\n");
    fs::write(dir.path().join("kustomization.yaml"), mine + lines)?;
    rendered(dir.path())
}

/// The objects of a variant with events of every job, as deploy/README.md has it.
pub fn with_events(overlay: &str) -> Result<Vec<Value>> {
    with(&block("yaml", "components/events")?, overlay)
}

/// What the pods of a CronJob or a Deployment are made of; none of any other object.
pub fn template(object: &Value) -> Option<&Value> {
    match object["kind"].as_str() {
        Some("CronJob") => Some(&object["spec"]["jobTemplate"]["spec"]["template"]),
        Some("Deployment") => Some(&object["spec"]["template"]),
        _ => None,
    }
}

/// The example that a variant is configured after.
pub fn example(overlay: &str) -> Result<String> {
    let of = match overlay {
        "resources" => "base",
        "daemon-resources" => "components/daemon",
        "daemon-control-plane" => "components/daemon-etcd",
        "daemon-control-plane-loopback" => "components/daemon-etcd-loopback",
        _ => "components/etcd",
    };
    Ok(fs::read_to_string(place().join("kustomize").join(of).join("lifeboat.yaml"))?)
}

/// A cluster in which it is set up.
pub struct Deployed {
    /// The cluster.
    pub cluster: KindCluster,
    /// The program on this host, with the keys, and the store as a directory and as a bucket.
    pub boat: Lifeboat,
    /// Where the operator's kustomization is.
    pub desk: PathBuf,
    node: String,
    bucket: Proxy,
    /// The program's image.
    pub image: Image,
    _base: Image,
    _dir: TempDir,
}

/// A job that has ended.
#[derive(Debug)]
pub struct Ended {
    /// Whether it was completed.
    pub complete: bool,
    /// What its pods said.
    pub log: String,
    /// Its pods.
    pub pods: Vec<Value>,
}

impl Ended {
    /// How each of its pods ended: the exit code, and what is told of it.
    pub fn pods_ended(&self) -> Vec<(Option<u64>, &str)> {
        let ended = self.pods.iter().map(|pod| &pod["status"]["containerStatuses"][0]["state"]["terminated"]);
        ended.map(|it| (it["exitCode"].as_u64(), it["message"].as_str().unwrap_or_default())).collect()
    }

    /// Expects that it was completed by one pod.
    #[track_caller]
    pub fn completed(self) -> Self {
        assert!(self.complete && self.pods.len() == 1, "{}\n{:#?}", self.log, self.pods);
        self
    }
}

impl Deployed {
    /// Makes a cluster, an image and a bucket.
    pub async fn set_up() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("lifeboat-deployed-").tempdir()?;
        let mut boat = Lifeboat::init(dir.path(), None, None).await?;
        let bucket = boat.in_bucket().await?;
        let desk = dir.path().join("desk");
        fs::create_dir_all(desk.join("lifeboat"))?;
        said("cp", &["-r", &place().display().to_string(), &desk.join("lifeboat").display().to_string()])?;
        for file in ["signing.key", "s3-id", "s3-secret"] {
            fs::copy(boat.path(file), desk.join(file))?;
        }
        let (image, base) = build(dir.path())?;
        let cluster = KindCluster::create("deployed", dir.path(), "4m")?;
        enforce(&cluster)?;
        cluster.load(image.name(), dir.path())?;
        let node = said("docker", &["exec", &cluster.node(), "sh", "-euc", ROUTES])?;
        let gateway = "{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}";
        let gateway = said("docker", &["inspect", "--format", gateway, &cluster.node()])?;
        surround(&cluster, &gateway).await?;
        let bucket = Proxy::at(&gateway, &bucket).await?;
        Ok(Deployed { cluster, boat, desk, node, bucket, image, _base: base, _dir: dir })
    }

    /// Writes the operator's files for a variant: the kustomization of deploy/README.md, and the example's configuration with
    /// what is true here.
    pub fn choose(&self, overlay: &str) -> Result<()> {
        let (name, tag) = self.image.name().split_once(':').context("a tag")?;
        let mine = replaced(
            block("yaml", "kind: Kustomization")?,
            &[
                ("overlays/control-plane]", &format!("overlays/{overlay}]")),
                ("registry.example.com/lifeboat, newTag: 0.1.0", &format!("{name}, newTag: {tag}")),
            ],
        )?;
        let daemon = overlay.starts_with("daemon");
        let more = if daemon { block("yaml", "generatorOptions")? } else { String::new() };
        fs::write(self.desk.join("kustomization.yaml"), mine + &more + &self.here(block("yaml", STORE)?)?)?;
        // What is true here, in the place of what the example says.
        let own: Value = serde_yaml::from_str(&fs::read_to_string(self.boat.path("lifeboat.yaml"))?)?;
        let text = |value: &Value| value.as_str().map(str::to_owned).context("no key");
        let recipient = text(&own["encryption"]["recipients"][0])?;
        let mut known = vec![
            ("cluster: prod-eu1", "cluster: lab".to_owned()),
            ("s3://backups/lifeboat", "s3://store".to_owned()),
            // The cluster's name server knows where that is.
            ("https://s3.example.org", format!("http://s3.example.org:{}", self.bucket_at()?.1)),
            ("eu-west-1", s3::REGION.to_owned()),
            // So that there is something to let go of.
            ("{last: 3, hourly: 24, daily: 7, weekly: 5, monthly: 12,", "{last: 2,".to_owned()),
            ("recipientsFile: recipients.txt", format!("recipients: [\"{recipient}\"]")),
            ("RWQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", text(&own["signing"]["publicKey"])?),
        ];
        // The daemon's example has its node's loopback already.
        if overlay.contains("control-plane") && overlay != "daemon-control-plane-loopback" {
            let host = if overlay == "control-plane-loopback" { "127.0.0.1" } else { &self.node };
            let all = "\"https://10.0.0.11:2379\", \"https://10.0.0.12:2379\", \"https://10.0.0.13:2379\"";
            known.push((all, format!("\"https://{host}:2379\"")));
        }
        if daemon {
            // Whatever the hour is: the tests say when something is due.
            known.push(("run: {", "suspend: true, run: {".to_owned()));
            known.push(("grace: 2m", "grace: 1s".to_owned()));
        }
        let known: Vec<(&str, &str)> = known.iter().map(|(from, to)| (*from, to.as_str())).collect();
        Ok(fs::write(self.desk.join("lifeboat.yaml"), replaced(example(overlay)?, &known)?)?)
    }

    /// The bucket's address and port.
    fn bucket_at(&self) -> Result<(String, String)> {
        let address = self.bucket.address();
        let (host, port) = address.rsplit_once(':').context("no port")?;
        Ok((host.to_owned(), port.to_owned()))
    }

    /// A rule for the store that deploy/README.md shows, with what is true here.
    pub fn here(&self, text: String) -> Result<String> {
        let (host, port) = self.bucket_at()?;
        replaced(text, &[("192.0.2.10/32", &format!("{host}/32")), ("port: 9000", &format!("port: {port}"))])
    }

    /// The node's address.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Runs lines of a shell where the operator's files are, with the cluster's kubeconfig; gives what they print and complain.
    pub fn shell(&self, lines: &str) -> Result<(String, String)> {
        let mut shell = Command::new("bash");
        shell.args(["-euo", "pipefail", "-c", lines]).current_dir(&self.desk);
        let path = format!("{}:{}", tools::bin()?.display(), std::env::var("PATH")?);
        let output = shell.env("PATH", path).env("KUBECONFIG", self.cluster.kubeconfig()).output()?;
        let (said, complained) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "{lines}: {said}{complained}");
        Ok((said.into_owned(), complained.into_owned()))
    }

    /// Runs lines of a shell on the control plane's host.
    pub fn on_the_host(&self, lines: &str) -> Result<String> {
        said("docker", &["exec", &self.cluster.node(), "bash", "-euo", "pipefail", "-c", lines])
    }

    /// What there is.
    pub fn get(&self, line: &str) -> Result<Value> {
        let words: Vec<&str> = line.split(' ').collect();
        let get = ["get", "-n", "lifeboat", "-o", "json"];
        Ok(serde_json::from_str(&self.cluster.kubectl(&[&get[..], &words].concat())?)?)
    }

    /// Starts a job of a CronJob, and waits for its end.
    pub async fn start(&self, cronjob: &str, name: &str) -> Result<Ended> {
        let from = format!("--from=cronjob/{cronjob}");
        self.cluster.kubectl(&["create", "job", name, "-n", "lifeboat", &from])?;
        self.ended(name).await
    }

    /// Waits for the end of a job.
    pub async fn ended(&self, name: &str) -> Result<Ended> {
        let complete = eventually(&format!("the end of {name}"), LIMIT, async || {
            let job = self.get(&format!("job {name}"))?;
            let conditions = job["status"]["conditions"].as_array().into_iter().flatten();
            let mut true_ones = conditions.filter(|it| it["status"] == "True").map(|it| &it["type"]);
            tokio::time::sleep(Duration::from_millis(500)).await;
            Ok(true_ones.find(|it| *it == "Complete" || *it == "Failed").map(|it| it == "Complete"))
        })
        .await;
        let label = format!("job-name={name}");
        let pods = self.get(&format!("pods -l {label}"))?["items"].as_array().cloned().unwrap_or_default();
        let complete = complete.with_context(|| format!("{pods:#?}"))?;
        let log = self.cluster.kubectl(&["logs", "-n", "lifeboat", "-l", &label, "--tail=-1"])?;
        Ok(Ended { complete, log, pods })
    }
}

/// The text with what is true in the place of what it says; all of it must be there.
pub fn replaced(mut text: String, all: &[(&str, &str)]) -> Result<String> {
    for (from, to) in all {
        ensure!(text.contains(from), "{from} is not in {text}");
        text = text.replace(from, to);
    }
    Ok(text)
}

/// Builds the image of the program under test, on a base of this host's libraries and authorities.
fn build(scratch: &Path) -> Result<(Image, Image)> {
    let mark = format!("{:08x}", rand::random::<u32>());
    let base = Image::of("docker", &format!("lifeboat-lab/base-{mark}:v1"));
    let image = Image::of("docker", &format!("lifeboat-lab/deployed-{mark}:v1"));
    let program = env!("CARGO_BIN_EXE_lifeboat");
    let script = "mkdir root context; strip -o context/lifeboat \"$0\"\n\
        cp --parents -L $(ldd \"$0\" | grep -o '/[^ ]*') /etc/ssl/certs/ca-certificates.crt root\n\
        tar -C root -c . | docker import - \"$1\"\n\
        DOCKER_BUILDKIT=0 docker build --build-arg BASE=\"$1\" -t \"$2\" -f \"$3\" context";
    let dockerfile = place().join("image/Dockerfile.prebuilt").display().to_string();
    let lines = format!("cd '{}'\n{script}", scratch.display());
    said("bash", &["-euo", "pipefail", "-c", &lines, program, base.name(), image.name(), &dockerfile])?;
    let is =
        said("docker", &["inspect", "--format", "{{.Config.User}} {{.Config.Entrypoint}}", image.name()])?;
    ensure!(is == "65532:65532 [/lifeboat]", "{is}");
    Ok((image, base))
}
