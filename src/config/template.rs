//! The configuration file that `lifeboat init` writes: every setting explained, those that are known filled in.
//!
//! Lines that begin with `#: ` are settings that are switched off. Taking these three characters away, from any one
//! block or from all, gives a file that is read without errors (a test does just that).

use std::fmt::Write;

/// What is known when the file is written. Everything else is shown as an example.
#[derive(Debug, Clone, Default)]
pub struct InitOptions {
    /// The cluster's name.
    pub cluster: Option<String>,
    /// etcd's members.
    pub etcd_endpoints: Vec<String>,
    /// Certificates for etcd.
    pub etcd_tls: Option<TlsFiles>,
    /// A kubeconfig file.
    pub kubeconfig: Option<String>,
    /// The context in the kubeconfig.
    pub context: Option<String>,
    /// The store; a directory beside the file if nothing is said.
    pub store_url: Option<String>,
    /// Who can open the backups.
    pub recipients: Vec<String>,
    /// The public key of signatures.
    pub public_key: Option<String>,
    /// The file of the secret key of signatures.
    pub secret_key_file: Option<String>,
    /// The file of the secret key's password.
    pub password_file: Option<String>,
}

/// Files for TLS, as paths.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate authority.
    pub ca: String,
    /// The client certificate.
    pub cert: String,
    /// Its key.
    pub key: String,
}

/// Writes a configuration file with these values and an explanation of every setting.
///
/// The values are quoted, not checked: give values that [`super::Config::parse`] accepts.
pub fn template(options: &InitOptions) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = head(&mut out, options)
        .and_then(|()| etcd(&mut out, options))
        .and_then(|()| kubernetes(&mut out, options))
        .and_then(|()| stores(&mut out, options))
        .and_then(|()| keys(&mut out, options));
    out.push_str(super::retention::TEMPLATE);
    out.push_str(super::schedules::TEMPLATE);
    out.push_str(super::daemon::TEMPLATE);
    out.push_str(super::objectives::TEMPLATE);
    out.push_str(super::playbooks::TEMPLATE);
    out.push_str(super::drills::TEMPLATE);
    out.push_str(super::notifications::TEMPLATE);
    out
}

/// Text as YAML reads it back, whatever is in it.
fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control()
                || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') =>
            {
                out.push_str(&format!("\\u{:04x}", c as u32));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn head(out: &mut String, options: &InitOptions) -> std::fmt::Result {
    let cluster = quote(options.cluster.as_deref().unwrap_or("my-cluster"));
    write!(
        out,
        r##"# Lifeboat's configuration. `lifeboat schema config` prints its JSON Schema, for editors.
#
# Lines that begin with `#: ` are settings that are switched off: take away these three characters to switch one on.
# Relative paths are relative to the directory of this file. Lengths of time have units: 30s, 5m, 1h30m.
# No secret is ever written in here: a secret is {{file: PATH}} or {{env: NAME}}.

apiVersion: lifeboat.dev/v1
kind: Config

# The name under which every recovery point of this cluster is filed. Choose it once: renaming it later
# would begin a new series. Lower-case letters, digits, `-` and `.`.
cluster: {cluster}

"##
    )
}

/// The section for who has said nothing of etcd: one block, so that it is on or off as a whole.
const ETCD_EXAMPLE: &str = r##"#: etcd:
#:   endpoints:
#:     - "https://127.0.0.1:2379"      # this is right on a kubeadm control-plane node
#:   # Certificates. These are kubeadm's paths; `apiserver-etcd-client.crt` and `.key` in /etc/kubernetes/pki work
#:   # too. Without a `ca`, the system's certificate authorities are trusted.
#:   tls:
#:     ca: /etc/kubernetes/pki/etcd/ca.crt
#:     cert: /etc/kubernetes/pki/etcd/healthcheck-client.crt
#:     key: /etc/kubernetes/pki/etcd/healthcheck-client.key
#:     # serverName: "etcd.example"   # the name in etcd's certificate, if it is not the endpoint's host
#:   # User and password, if etcd has authentication switched on.
#:   # auth: {username: backup, password: {file: etcd-password}}
#:   # A snapshot that brings no bytes for this long is begun again from another member.
#:   # idleTimeout: 60s
#:   # connectTimeout: 5s
#:   # requestTimeout: 30s

"##;

fn etcd(out: &mut String, options: &InitOptions) -> std::fmt::Result {
    out.push_str(
        r##"# etcd: snapshots are streamed from a healthy member, so name them all. Without this section, as for a managed
# cluster whose etcd cannot be reached, only the API server's objects are saved.
# (Restoring needs neither this section nor a cluster that still lives.)
"##,
    );
    if options.etcd_endpoints.is_empty() {
        out.push_str(ETCD_EXAMPLE);
        return Ok(());
    }
    out.push_str("etcd:\n  endpoints:\n");
    for endpoint in &options.etcd_endpoints {
        writeln!(out, "    - {}", quote(endpoint))?;
    }
    let unencrypted = options.etcd_endpoints.iter().any(|endpoint| endpoint.starts_with("http://"));
    match &options.etcd_tls {
        Some(files) => {
            out.push_str("  # Certificates are read again for every connection, so that renewed ones are used.\n");
            let (ca, cert, key) = (quote(&files.ca), quote(&files.cert), quote(&files.key));
            write!(out, "  tls:\n    ca: {ca}\n    cert: {cert}\n    key: {key}\n")?;
            out.push_str("#:     serverName: \"etcd.example\"   # the certificate's name, if it is not the host\n");
        }
        None if unencrypted => {
            out.push_str("  # Certificates (`tls: {ca: …, cert: …, key: …}`) go with https:// endpoints only.\n");
        }
        None => out.push_str(
            r##"  # Certificates. These are kubeadm's paths; `apiserver-etcd-client.crt` and `.key` in /etc/kubernetes/pki work
  # too. Without a `ca`, the system's certificate authorities are trusted.
#:   tls:
#:     ca: /etc/kubernetes/pki/etcd/ca.crt
#:     cert: /etc/kubernetes/pki/etcd/healthcheck-client.crt
#:     key: /etc/kubernetes/pki/etcd/healthcheck-client.key
#:     # serverName: "etcd.example"   # the name in etcd's certificate, if it is not the endpoint's host
"##,
        ),
    }
    out.push_str(
        r##"
  # User and password, if etcd has authentication switched on.
#:   auth:
#:     username: backup
#:     password: {file: etcd-password}

  # A snapshot that brings no bytes for this long is begun again from another member.
#:   idleTimeout: 60s
#:   connectTimeout: 5s
#:   requestTimeout: 30s

"##,
    );
    Ok(())
}

fn kubernetes(out: &mut String, options: &InitOptions) -> std::fmt::Result {
    out.push_str(
        r##"# The API server: where the resource export comes from. If nothing is said: $KUBECONFIG, ~/.kube/config, or the
# service account of the pod. To insist on the service account: `kubernetes: {inCluster: true}`.
kubernetes:
"##,
    );
    match &options.kubeconfig {
        Some(path) => writeln!(out, "  kubeconfig: {}", quote(path))?,
        None => out.push_str("#:   kubeconfig: /etc/kubernetes/admin.conf\n"),
    }
    match &options.context {
        Some(context) => writeln!(out, "  context: {}", quote(context))?,
        None => out.push_str("#:   context: kubernetes-admin@kubernetes\n"),
    }
    out.push_str(
        r##"
  # How hard the API server may be worked: requests a second, requests at once, objects in one request.
#:   qps: 200
#:   concurrency: 4
#:   pageSize: 500
#:   timeout: 60s

# Which objects are exported: all of them, Secrets included (they are sealed before they are written anywhere).
# A resource is `events` (in any group), `deployments.apps`, `"*.apps"` (all of a group) or `events.core`.
# A namespace may have `*` and `?`. What is excluded is left out even if it is included too.
resources:
#:   exclude: [events, leases.coordination.k8s.io, "*.metrics.k8s.io"]

#:   include: [secrets, configmaps, "*.apps"]

#:   includeNamespaces: [kube-system, "team-*"]

#:   excludeNamespaces: ["*-preview"]

#:   labelSelector: "backup=yes,tier!=cache"

  # The record of who set which field makes up a good part of most objects.
#:   dropManagedFields: true

"##,
    );
    Ok(())
}

fn stores(out: &mut String, options: &InitOptions) -> std::fmt::Result {
    let url = quote(options.store_url.as_deref().unwrap_or("file:./store"));
    write!(
        out,
        r##"# Where recovery points are kept. The first store is written to; `--store NAME` picks another one.
# `file:///srv/lifeboat` is a directory; `file:./store` is a directory beside this file. Put it on another machine's
# disk (a mounted one): a backup beside the cluster goes down with it.
stores:
  - name: main
    url: {url}

#:   - name: second
#:     url: "file:///mnt/second/lifeboat"

# A bucket of AWS S3, or of a service like it. Credentials are found where the AWS tools find them, or set here.
#:   - name: bucket
#:     url: "s3://backups/lifeboat"
#:     s3:
#:       endpoint: "https://s3.example.org"   # leave it out for AWS
#:       region: eu-west-1
#:       credentials: {{accessKeyId: {{file: s3-id}}, secretAccessKey: {{file: s3-secret}}}}

"##
    )
}

fn keys(out: &mut String, options: &InitOptions) -> std::fmt::Result {
    out.push_str(
        r##"# Who can open a backup: age recipients, which are public. The identities (AGE-SECRET-KEY-…) do not belong here,
# nor on this machine. Name two, and keep the second identity in a safe.
"##,
    );
    if options.recipients.is_empty() {
        out.push_str("#: encryption:\n#:   recipientsFile: recipients.txt   # one `age1…` a line\n");
        out.push_str("#:   compressionLevel: 1\n#:   compressionWorkers: 0\n\n");
    } else {
        out.push_str("encryption:\n  recipients:\n");
        for recipient in &options.recipients {
            writeln!(out, "    - {}", quote(recipient))?;
        }
        out.push_str(
            r##"
  # A file of further recipients, one a line.
#:   recipientsFile: recipients.txt

  # zstd's level, 1 to 19 (higher is smaller and slower), and threads that help (0: none).
#:   compressionLevel: 1
#:   compressionWorkers: 0

"##,
        );
    }
    out.push_str("# The minisign key that manifests are signed with. Readers need the public key only.\n");
    let secret_key = quote(options.secret_key_file.as_deref().unwrap_or("lifeboat.key"));
    match &options.public_key {
        Some(public_key) => {
            let public_key = quote(public_key);
            write!(out, "signing:\n  publicKey: {public_key}\n  secretKey: {{file: {secret_key}}}\n")?;
            match &options.password_file {
                Some(file) => writeln!(out, "  password: {{file: {}}}\n", quote(file))?,
                None => out.push_str(
                    "\n  # If the key has a password.\n#:   password: {env: LIFEBOAT_KEY_PASSWORD}\n\n",
                ),
            }
        }
        None => {
            let example = format!("RWQ{}", "A".repeat(53));
            write!(out, "#: signing:\n#:   publicKey: \"{example}\"   # the last line of the .pub file\n")?;
            write!(out, "#:   secretKey: {{file: {secret_key}}}\n\n")?;
        }
    }
    out.push_str(
        r##"# Restoring etcd starts `etcdutl`: a name is looked up in $PATH, a path is taken as it is.
#: restore:
#:   etcdutl: /usr/local/bin/etcdutl
"##,
    );
    Ok(())
}
