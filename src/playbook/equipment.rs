//! What a playbook works with beside the cluster. It is handed in: where it comes from is not the playbook's business.

use super::inputs::Points;
use crate::{
    backup::Job,
    catalogue::{Author, Catalogue, History},
    notify::Channel,
    pipeline::{Identities, Signer},
    point::PointId,
};
use async_trait::async_trait;
use std::{collections::BTreeMap, fmt, sync::Arc};

/// What a playbook works with beside the cluster.
pub struct Equipment {
    /// The recovery points.
    pub catalogue: Catalogue,
    /// Who makes records of them.
    pub by: String,
    /// With which key; none where they are not signed.
    pub signer: Option<Signer>,
    /// The keys that open recovery points; none where nobody has brought them.
    pub identities: Option<Arc<Identities>>,
    /// How a recovery point is taken; or why that cannot be done here.
    pub job: Result<Job, String>,
    /// By which people are told, by name; or why one cannot be used.
    pub channels: BTreeMap<String, Result<Channel, String>>,
    /// Is it only rehearsed? Then nothing is done beyond the staging.
    pub rehearsal: bool,
}

/// Without what is secret.
impl fmt::Debug for Equipment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Equipment").field("by", &self.by).finish_non_exhaustive()
    }
}

impl Equipment {
    /// Who makes records.
    pub fn author(&self) -> Author<'_> {
        Author { by: &self.by, signer: self.signer.as_ref() }
    }

    /// The keys that open recovery points.
    ///
    /// # Errors
    /// When nobody has brought them.
    pub fn opening(&self) -> Result<Arc<Identities>, String> {
        self.identities.clone().ok_or_else(|| {
            "recovery points cannot be opened without an identity: name its file with -i, or in $LIFEBOAT_IDENTITY"
                .to_owned()
        })
    }
}

#[async_trait]
impl Points for Equipment {
    async fn find(&self, wanted: &str) -> Result<String, String> {
        if wanted != "newest-verified" {
            return self.catalogue.resolve(wanted).await.map(|id| id.to_string()).map_err(|e| e.to_string());
        }
        let survey = self.catalogue.survey(History::Newest).await.map_err(|e| e.to_string())?;
        let passed = |id: &PointId| {
            survey.standings.get(id).is_some_and(|it| it.verified.as_ref().is_some_and(|it| it.passed))
        };
        let newest = survey.points.iter().map(|point| &point.id).filter(|id| passed(id)).max();
        newest.map(ToString::to_string).ok_or_else(|| {
            "no recovery point was verified: `lifeboat verify latest --deep` does that".to_owned()
        })
    }
}

#[cfg(test)]
impl Equipment {
    /// Of a store that is nowhere.
    pub(in crate::playbook) fn nowhere() -> &'static Self {
        static NOWHERE: std::sync::LazyLock<Equipment> = std::sync::LazyLock::new(|| Equipment {
            catalogue: Catalogue::new(
                Arc::new(crate::store::FileStore::new("/nowhere".into(), "file:///nowhere")),
                "lab",
                None,
            ),
            by: "test".to_owned(),
            signer: None,
            identities: None,
            job: Err("there is nothing to take one of".to_owned()),
            channels: BTreeMap::new(),
            rehearsal: false,
        });
        &NOWHERE
    }
}
