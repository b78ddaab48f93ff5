use super::{Exit, context::Context, failure::Failure, output};
use crate::{
    config::{ClusterName, Config, Endpoint, InitOptions, Recipient, StoreUrl, TlsFiles, VARIABLE, template},
    pipeline::{generate_identity, generate_signing_key},
    report,
};
use secrecy::ExposeSecret;
use serde_json::json;
use std::{
    fs::{DirBuilder, File},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

const CONFIG: &str = "lifeboat.yaml";
const IDENTITY: &str = "identity.txt";
const SIGNING_KEY: &str = "signing.key";
const PUBLIC_KEY: &str = "signing.pub";

/// Writes a commented configuration and makes the keys
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  lifeboat init --kubeconfig ~/.kube/config     # a managed cluster: no etcd
  lifeboat init /etc/lifeboat --cluster prod-eu1 \\
      --etcd-endpoints https://127.0.0.1:2379 \\
      --etcd-ca /etc/kubernetes/pki/etcd/ca.crt \\
      --etcd-cert /etc/kubernetes/pki/etcd/healthcheck-client.crt \\
      --etcd-key /etc/kubernetes/pki/etcd/healthcheck-client.key \\
      --kubeconfig /etc/kubernetes/admin.conf
  lifeboat init \\
      --recipient age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p")]
pub(super) struct Args {
    /// The directory to write to
    #[arg(value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// The members' client URLs
    #[arg(long, value_name = "URL,…", value_delimiter = ',')]
    etcd_endpoints: Vec<Endpoint>,
    /// The CA of etcd's certificates
    #[arg(long, value_name = "FILE", requires = "etcd_endpoints")]
    etcd_ca: Option<PathBuf>,
    /// The client certificate for etcd
    #[arg(long, value_name = "FILE", requires_all = ["etcd_ca", "etcd_key"])]
    etcd_cert: Option<PathBuf>,
    /// Its key
    #[arg(long, value_name = "FILE", requires = "etcd_cert")]
    etcd_key: Option<PathBuf>,
    /// The kubeconfig
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// An age recipient; without one an identity is made. May be given several times
    #[arg(long, value_name = "age1…")]
    recipient: Vec<Recipient>,
}

pub(super) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let dir = &args.dir;
    let cluster = context.global.cluster.as_deref().unwrap_or("my-cluster").parse::<ClusterName>()?;
    let store = context.global.store.as_deref().map(str::parse::<StoreUrl>).transpose()?;
    let makes_identity = args.recipient.is_empty();
    let mut names = vec![CONFIG, SIGNING_KEY, PUBLIC_KEY];
    names.extend(makes_identity.then_some(IDENTITY));
    if let Some(there) = names.iter().map(|n| dir.join(n)).find(|p| p.symlink_metadata().is_ok()) {
        let text = format!("{} exists: nothing was written", there.display());
        return Err(
            Failure::new(Exit::Conflict, text).help("choose another directory, or move the old files away")
        );
    }

    let (identity, recipients) = match makes_identity {
        true => {
            let (identity, recipient) = generate_identity();
            (Some(identity), vec![recipient])
        }
        false => (None, args.recipient.iter().map(ToString::to_string).collect()),
    };
    let (signing_key, public_key) = generate_signing_key()?;
    let absolute = |p: &Option<PathBuf>| -> Result<Option<String>, Failure> {
        Ok(match p {
            Some(p) => Some(std::path::absolute(p)?.display().to_string()),
            None => None,
        })
    };
    let tls = match (absolute(&args.etcd_ca)?, absolute(&args.etcd_cert)?, absolute(&args.etcd_key)?) {
        (Some(ca), Some(cert), Some(key)) => Some(TlsFiles { ca, cert, key }),
        (Some(_), _, _) => {
            return Err(Failure::usage("--etcd-ca needs --etcd-cert and --etcd-key beside it"));
        }
        _ => None,
    };
    let text = template(&InitOptions {
        cluster: Some(cluster.to_string()),
        etcd_endpoints: args.etcd_endpoints.iter().map(ToString::to_string).collect(),
        etcd_tls: tls,
        kubeconfig: absolute(&args.kubeconfig)?,
        context: args.context.clone(),
        store_url: store.as_ref().map(ToString::to_string),
        recipients: recipients.clone(),
        public_key: Some(public_key.clone()),
        secret_key_file: Some(SIGNING_KEY.to_owned()),
        password_file: None,
    });
    Config::parse(&text, &dir.join(CONFIG))?;

    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| at(dir, &e))?;
    if let Some(identity) = &identity {
        let text = format!("# recipient: {}\n{}\n", recipients.join(" "), identity.expose_secret());
        write(&dir.join(IDENTITY), &text, 0o600)?;
    }
    write(&dir.join(SIGNING_KEY), signing_key.expose_secret(), 0o600)?;
    write(&dir.join(PUBLIC_KEY), &format!("untrusted comment: lifeboat public key\n{public_key}\n"), 0o644)?;
    write(&dir.join(CONFIG), &text, 0o644)?;

    let value = json!({
        "directory": dir, "config": dir.join(CONFIG), "identity": identity.as_ref().map(|_| dir.join(IDENTITY)),
        "signingKey": dir.join(SIGNING_KEY), "publicKey": public_key, "recipients": recipients,
    });
    output::result(context.global.output, &value, || {
        told(dir, identity.is_some(), !args.etcd_endpoints.is_empty())
    })?;
    Ok(Exit::Done)
}

fn told(dir: &Path, identity: bool, etcd: bool) -> String {
    let path = |name| dir.join(name).display().to_string();
    let mut files = vec![(CONFIG, "the configuration")];
    if identity {
        files.push((IDENTITY, "opens every backup: move it away"));
    }
    files.push((SIGNING_KEY, "signs every backup: it stays here, readable by lifeboat only"));
    files.push((PUBLIC_KEY, "checks the signatures: keep a copy with the identity"));
    let rows = files.into_iter().map(|(name, what)| vec![path(name), what.to_owned()]);
    let mut out = report::table(&["wrote", ""], rows) + "\n\n";
    if identity {
        out += "Before you rely on a backup: move identity.txt off this machine, to two places that survive the loss of\n\
                this cluster (a password manager, a safe). Backups are encrypted to it and never need it; without it no\n\
                backup can be opened, by anybody.\n\n";
    }
    out += "Next\n";
    if !etcd {
        out += &format!("  if you run etcd yourself: switch on the section `etcd` of {}\n", path(CONFIG));
    }
    if dir != Path::new(".") {
        out += &format!("  export {VARIABLE}={}\n", path(CONFIG));
    }
    out += "  lifeboat doctor     tries each thing that a backup needs\n  lifeboat backup     takes the first recovery point";
    out
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let file = File::options().write(true).create_new(true).mode(mode).open(path);
    let written = file.and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|e| at(path, &e))
}

fn at(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("{}: {error}", path.display()))
}
