//! The configuration file: one YAML file, its schema, secrets by reference. Beside it, and read alike, the files that say
//! what of a recovery point is put back and how ([`RestoreSpec`]), what a drill rehearses ([`DrillSpec`]), and what is done in an
//! incident ([`PlaybookFile`]).
//!
//! [`Config::load`] finds and reads it, [`schema`] describes it to editors, [`template`] writes the first one.
//!
//! Reading takes two passes. The text becomes a tree, which keeps what typed deserialisation would lose (repeated
//! keys, the difference between text and numbers); the tree becomes a [`Config`], and every mistake on the way is
//! noted with its field's path. Only for mistakes is the place in the text looked up. So one run reports all that is
//! wrong, each with line and column: mistakes in the YAML itself come alone, since nothing can be read beyond them.
//!
//! No error and no debug output contains a secret, not even one that was put into the wrong field.

mod daemon;
mod decode;
mod drill_spec;
mod drills;
mod duration;
mod error;
mod fields;
mod load;
mod model;
mod node;
mod notifications;
mod objectives;
mod pattern;
mod playbook_file;
mod playbooks;
mod read;
mod restore_spec;
mod retention;
mod schedules;
mod schema;
mod secret;
mod size;
mod source;
mod storage;
mod template;
mod values;

#[cfg(test)]
mod tests;

pub use daemon::{Daemon, Listen};
pub use drill_spec::{
    DRILL_CHECKS, DRILL_PHASES, DrillCel, DrillCheck, DrillControlPlane, DrillCount, DrillEvidence,
    DrillExec, DrillExisting, DrillKind, DrillNotify, DrillNotifyOn, DrillObject, DrillObjectives,
    DrillPoint, DrillRehearsal, DrillRestores, DrillRun, DrillSpec, DrillStaging, DrillTest, DrillWeight,
    Term,
};
pub use drills::{DrillCluster, Drills, ServerUrl};
pub use duration::parse as parse_duration;
pub use error::{ConfigError, Problem};
pub use load::{Loaded, PLACES, VARIABLE};
pub use model::{ApiVersion, Config, Encryption, Kind, Restore, Signing};
pub use notifications::{Address, Alertmanager, Notification, PagerDuty, Slack, Webhook};
pub use objectives::Objectives;
pub use pattern::{LabelSelector, NamespaceGlob, ResourcePattern};
pub use playbook_file::{PlaybookDirectory, PlaybookFile, check_calls};
pub use playbooks::{Approver, Lease, Playbooks};
pub use restore_spec::{Conflicts, Keep, Modifier, OnConflict, Rename, RestoreSpec, Select};
pub use retention::{Age, Retention, Share, Tag, ZoneName};
pub use schedules::{
    Concurrency, CronText, Ping, Run, RunBackup, RunDrill, RunPlain, RunPlaybook, RunVerify, Schedule,
    ScheduleNotify, ScheduleNotifyOn,
};
pub use schema::{drill_schema, playbook_schema, restore_schema, schema};
pub use secret::{Secret, SecretRef, SecretSource};
pub use size::{Rate, Size};
pub use source::{Etcd, EtcdAuth, EtcdTls, Kubernetes, Resources};
pub use storage::{Keys, LockMode, ObjectLock, Role, S3, ServiceEncryption, ServiceUrl, Store};
pub use template::{InitOptions, TlsFiles, template};
pub use values::{ClusterName, Endpoint, Location, PublicKey, Recipient, ServerName, StoreUrl};

/// A configuration file that is larger is refused.
const MAX_BYTES: usize = 1024 * 1024;
