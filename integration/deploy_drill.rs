//! The drill of deploy/kustomize in a cluster of kind: a restricted pod brings a recovery point back, and the evidence is in the store.

use crate::{
    deploy_case::{Deployed, STORE, block, place, replaced},
    drill_kind_images::Image,
    kind_cluster::said,
    lab::tools,
};
use anyhow::{Context, Result, ensure};
use std::fs;

/// The newest recovery points are there: one of them passes, opened by the identity that is only in the drill's namespace.
pub async fn a_drill_passes_within(deployed: &Deployed) -> Result<()> {
    let (_programs, image) = image(deployed)?;
    deployed.cluster.load(image.name(), deployed.boat.dir())?;
    let desk = deployed.desk.join("drill");
    fs::create_dir_all(&desk)?;
    fs::copy(place().join("kustomize/drill/quarterly.yaml"), desk.join("quarterly.yaml"))?;
    // What is true here, but for the cluster itself, which a drill does not ask.
    let text = fs::read_to_string(deployed.desk.join("lifeboat.yaml"))?;
    let of_the_cluster = |line: &&str| {
        ![
            "kubernetes:",
            "etcd:",
            "  endpoints:",
            "  tls:",
            "retention:",
            "schedules:",
            "  - {name: ",
            "daemon:",
            "    bandwidth:",
        ]
        .iter()
        .any(|start| line.starts_with(start))
    };
    fs::write(
        desk.join("lifeboat.yaml"),
        text.lines().filter(of_the_cluster).collect::<Vec<_>>().join("\n"),
    )?;
    let (name, tag) = image.name().split_once(':').context("a tag")?;
    let mine = replaced(
        block("yaml", "kustomize/drill]")?,
        &[
            ("resources: [lifeboat/", "resources: [../lifeboat/"),
            ("registry.example.com/lifeboat-drill, newTag: 0.1.0", &format!("{name}, newTag: {tag}")),
        ],
    )?;
    // Of its one policy the second rule is the store's.
    let patch = replaced(
        deployed.here(block("yaml", STORE)?)?,
        &[
            (STORE, "name: lifeboat-drill}"),
            ("/spec/egress", "/spec/egress/1"),
            ("[{to: ", "{to: "),
            ("}]}]\n", "}]}\n"),
        ],
    )?;
    fs::write(desk.join("kustomization.yaml"), mine + &patch)?;
    fs::copy(deployed.boat.path("identity.txt"), desk.join("identity.txt"))?;
    for file in ["signing.key", "s3-id", "s3-secret"] {
        fs::copy(deployed.desk.join(file), desk.join(file))?;
    }
    let (_, complaints) = deployed.shell(&format!("cd drill\n{}", block("sh drill", "identity")?))?;
    assert_eq!(complaints, "");
    let run = "\
        kubectl create job now -n lifeboat-drill --from=cronjob/lifeboat-drill
        for try in $(seq 240); do
          state=$(kubectl get job now -n lifeboat-drill -o jsonpath='{.status.conditions[?(@.status==\"True\")].type}')
          case $state in *Complete*|*Failed*) break;; esac
          sleep 1
        done
        echo \"$state\"
        kubectl logs -n lifeboat-drill -l job-name=now --tail=-1
        kubectl get pods -n lifeboat-drill -l job-name=now -o jsonpath='{.items[*].status}'";
    let (ran, _) = deployed.shell(run)?;
    ensure!(ran.contains("Complete") && ran.contains("PASSED"), "{ran}");
    deployed.boat.run(&["drill", "verify", "latest", "-i", "identity.txt"]).await.expect(0);
    Ok(())
}

/// The image of Dockerfile.drill, with the lab's programs where those of Kubernetes have them.
fn image(deployed: &Deployed) -> Result<(Image, Image)> {
    let mark = format!("{:08x}", rand::random::<u32>());
    let programs = Image::of("docker", &format!("lifeboat-lab/programs-{mark}:v1"));
    let image = Image::of("docker", &format!("lifeboat-lab/drill-{mark}:v1"));
    let context = deployed.desk.join("programs");
    fs::create_dir_all(&context)?;
    for name in ["etcd", "etcdutl", "kube-apiserver"] {
        fs::copy(tools::tool(name)?, context.join(name))?;
    }
    let file = place().join("image/Dockerfile.drill").display().to_string();
    let lines = "\
        printf 'FROM scratch\\nCOPY . /usr/local/bin/\\n' >\"$0/Dockerfile\"
        export DOCKER_BUILDKIT=0
        docker build -q -t \"$1\" \"$0\"
        docker build -q --build-arg LIFEBOAT=\"$2\" --build-arg ETCD=\"$1\" --build-arg KUBE_APISERVER=\"$1\" -t \"$3\" -f \"$4\" \"$(dirname \"$4\")\"";
    let context = context.display().to_string();
    said(
        "bash",
        &[
            "-euo",
            "pipefail",
            "-c",
            lines,
            &context,
            programs.name(),
            deployed.image.name(),
            image.name(),
            &file,
        ],
    )?;
    Ok((programs, image))
}
